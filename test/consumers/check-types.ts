/**
 * Compiles the programs of a folder with one version of TypeScript in several kinds of module resolution, and prints the
 * errors as JSON. Declarations of the package are checked in full, as `skipLibCheck: false` does; those of other
 * packages are not, because each of them would take seconds.
 */
import { createRequire } from 'node:module'
import { dirname } from 'node:path'

/** What of TypeScript's API is used here: it is the same from 5.2 to 6.0. */
interface TypeScript {
  createProgram(files: readonly string[], options: object, host: object): Program
  createCompilerHost(options: object): { getSourceFile(path: string, options: object): unknown }
  flattenDiagnosticMessageText(text: unknown, newline: string): string
  convertCompilerOptionsFromJson(options: object, base: string): { options: object; errors: readonly Diagnostic[] }
}
interface Program {
  getSourceFiles(): readonly { fileName: string }[]
  getSemanticDiagnostics(file: object): readonly Diagnostic[]
  getSyntacticDiagnostics(file: object): readonly Diagnostic[]
  getOptionsDiagnostics(): readonly Diagnostic[]
  getGlobalDiagnostics(): readonly Diagnostic[]
}
interface Diagnostic {
  readonly file?: { fileName: string }
  readonly code: number
  readonly messageText: unknown
}

const [compiler = '', settings = '', ...files] = process.argv.slice(2)
const typescript = createRequire(compiler)(compiler) as TypeScript
const folder = dirname(files[0] ?? '')

function compile(settings: object): string[] {
  const { options, errors } = typescript.convertCompilerOptionsFromJson(settings, folder)
  const program = typescript.createProgram(files, options, typescript.createCompilerHost(options))
  const checked = program
    .getSourceFiles()
    .filter(({ fileName }) => files.includes(fileName) || fileName.includes('/node_modules/hinge-embedding-loss/'))
  const diagnostics = [
    ...errors,
    ...program.getOptionsDiagnostics(),
    ...program.getGlobalDiagnostics(),
    ...checked.flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]),
  ]
  return diagnostics.map(({ file, code, messageText }) => {
    return `${file?.fileName ?? ''}: TS${code}: ${typescript.flattenDiagnosticMessageText(messageText, '\n')}`
  })
}

console.log(JSON.stringify((JSON.parse(settings) as object[]).map(compile)))

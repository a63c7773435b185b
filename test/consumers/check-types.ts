/**
 * Checks programs with one version of TypeScript, and prints the errors of each as JSON. Declarations of the package are checked in full, as `skipLibCheck: false` does; those of other
 * packages are not, because each of them would take seconds.
 */
import { createRequire } from 'node:module'

/** What of TypeScript's API is used here: it is the same from 5.2 to 6.0. */
interface TypeScript {
  createProgram(files: readonly string[], options: object, host: object): Program
  createCompilerHost(options: object): object
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

/** Files to check together, with the options of a tsconfig.json. */
export interface TypedProgram {
  readonly options: object
  readonly files: readonly string[]
}

const [compiler = '', programs = '[]'] = process.argv.slice(2)
const typescript = createRequire(compiler)(compiler) as TypeScript

function findErrors({ options: json, files }: TypedProgram): string[] {
  const { options, errors } = typescript.convertCompilerOptionsFromJson(json, '.')
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

console.log(JSON.stringify((JSON.parse(programs) as TypedProgram[]).map(findErrors)))

import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { addonPath } from '../../lib/binaries.ts'
import { extensionPath } from '../../lib/duckdb.ts'
import { node, root, succeeds } from './processes.ts'
import { makesLinks } from './system.ts'

export const readText = (path: string) => readFileSync(join(root, path), 'utf8')

interface Manifest {
  name: string
  version: string
  license: string
  type: string
  engines: { node: string }
  peerDependencies?: Record<string, string>
  peerDependenciesMeta?: Record<string, { optional?: boolean }>
  bin: Record<string, string>
  scripts: Record<string, string>
}
export const manifest = JSON.parse(readText('package.json')) as Manifest

/** Links packages into a `node_modules`, unless they are there already or are not installed here. */
function linkPackages(modules: string, names: readonly string[]): void {
  for (const name of names) {
    const [source, target] = [join(root, 'node_modules', name), join(modules, name)]
    if (!existsSync(source) || existsSync(target)) continue
    mkdirSync(dirname(target), { recursive: true })
    link(source, target)
  }
}

/** Links a package, or copies it where links cannot be made. Then packages that it needs itself are missing. */
function link(source: string, target: string): void {
  if (makesLinks) symlinkSync(source, target)
  else cpSync(source, target, { recursive: true, dereference: true })
}

let compiled: Promise<string> | undefined

/**
 * Compiles the sources once for all tests of this process, to a folder that lasts as long as the process. The copy of
 * the repository in which targets are tested has no sources; it has them compiled.
 */
function compileSources(): Promise<string> {
  compiled ??= (async () => {
    if (!existsSync(join(root, 'lib/index.ts'))) return join(root, 'dist')
    const folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-dist-'))
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
    const compiler = join(root, 'node_modules/typescript/bin/tsc')
    await succeeds(node([compiler, '--project', root, '--outDir', folder]))
    return folder
  })()
  return compiled
}

/**
 * Installs the package as built from these sources in `folder`, with the given packages in its `node_modules`.
 *
 * @returns the path of the command line's program
 */
export async function installPackage(folder: string, packages: readonly string[] = []): Promise<string> {
  mkdirSync(join(folder, 'build/Release'), { recursive: true })
  cpSync(join(root, 'package.json'), join(folder, 'package.json'))
  for (const path of [addonPath, extensionPath]) cpSync(path, join(folder, 'build/Release', basename(path)))
  linkPackages(join(folder, 'node_modules'), packages)
  cpSync(await compileSources(), join(folder, 'dist'), { recursive: true })
  return join(folder, manifest.bin['hinge-embedding-loss'] as string)
}

/** Makes the folder of an application that has installed the package, all its peers, and what its types need. */
export async function makeApplication(): Promise<string> {
  const application = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
  const modules = join(application, 'node_modules')
  const program = await installPackage(join(modules, 'hinge-embedding-loss'))
  const linked = [
    ...Object.keys(manifest.peerDependencies ?? {}),
    ...['onnxruntime-common', '@tensorflow', 'ndarray', '@stdlib', '@types', 'tsx', 'typescript'],
  ]
  if (makesLinks) linkPackages(modules, linked)
  chmodSync(program, 0o755)
  mkdirSync(join(modules, '.bin'))
  if (makesLinks) symlinkSync(program, join(modules, '.bin/hinge-embedding-loss'))
  link(join(root, 'examples'), join(application, 'examples'))
  writeFileSync(join(application, 'package.json'), '{ "name": "application", "private": true }')
  return application
}

/** Shell commands that start the program itself: npx takes half a second each time to find what is there. */
export function withoutNpx(code: string): string {
  return code.replaceAll('npx hinge', 'node_modules/.bin/hinge')
}

/** Writes a tsconfig.json that checks these files strictly. */
export function writeStrictConfig(application: string, files: readonly string[]): void {
  const compilerOptions = { module: 'nodenext', target: 'es2022', strict: true, noEmit: true, types: ['node'] }
  writeFileSync(join(application, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
}

/** Writes strict programs that use the types, by import and by require, and a tsconfig.json for those that are named. */
export function writeTypedPrograms(application: string, files = ['imports.mts', 'requires.cts']): void {
  writeStrictConfig(application, files)
  writeFileSync(
    join(application, 'imports.mts'),
    `import { HingeEmbeddingLoss, hingeEmbeddingLoss, LossAccumulator, type Result, Tensor, tensor } from 'hinge-embedding-loss'
    const mean: number = new HingeEmbeddingLoss()([1], [1])
    const none: Tensor = new HingeEmbeddingLoss({ reduction: 'none' })(tensor([1]), 1)
    const result: Result<'sum'> = hingeEmbeddingLoss(none, [1], { reduction: 'sum' })
    // @ts-expect-error no such reduction
    new HingeEmbeddingLoss({ reduction: 'avg' })
    export const total: number = new LossAccumulator().update([mean, result], [1, -1]).negatives.active
    import { type FileTotals, mergePartials, plotFiles, type ScoreFilesOptions, scoreFiles } from 'hinge-embedding-loss/files'
    const options: ScoreFilesOptions = { input: 'd', label: 'y', nan: 'keep', onProgress: ({ share = 0 }) => share.toFixed() }
    export const scored: Promise<FileTotals>[] = [
      scoreFiles(['pairs.csv'], options),
      mergePartials(['monday.json'], { signal: AbortSignal.timeout(1000) }),
      plotFiles(['pairs.csv'], { ...options, output: 'pairs.svg', theme: 'dark' }),
    ]
    // @ts-expect-error no such option
    scoreFiles(['pairs.csv'], { input: 'd', label: 'y', margn: 1 })
    // @ts-expect-error no such policy
    scoreFiles(['pairs.csv'], { input: 'd', label: 'y', nulls: 'zero' })
    // @ts-expect-error the label is missing
    scoreFiles(['pairs.csv'], { input: 'd' })
    // @ts-expect-error by is no any
    scored[0]?.then(({ groups = [] }) => groups[0]?.by.nonsense)`,
  )
  writeFileSync(
    join(application, 'requires.cts'),
    `import library = require('hinge-embedding-loss')
    import files = require('hinge-embedding-loss/files')
    export const mean: number = new library.HingeEmbeddingLoss()([1], [1])
    export const scored: Promise<files.FileTotals> = files.scoreFiles(['pairs.csv'], { input: 'd', label: 'y' })
    export const merged: Promise<files.FileTotals> = files.mergePartials(['monday.json'])
    export const plotted: Promise<files.FileTotals> = files.plotFiles([], { input: 'd', label: 'y', output: 'pairs.svg' })`,
  )
}

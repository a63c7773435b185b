import { execFile } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'

export const root = fileURLToPath(new URL('../..', import.meta.url))
export const readText = (path: string) => readFileSync(join(root, path), 'utf8')

interface Manifest {
  name: string
  version: string
  license: string
  type: string
  engines: { node: string }
  dependencies: Record<string, string>
  peerDependencies?: Record<string, string>
  peerDependenciesMeta?: Record<string, { optional?: boolean }>
  bin: Record<string, string>
}
export const manifest = JSON.parse(readText('package.json')) as Manifest

export interface Outcome {
  /** the exit code, or the name of the signal that ended it */
  status: number | string
  stdout: string
  stderr: string
}

export function run(command: string, args: string[], cwd: string, env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(command, args, { cwd, env: { ...process.env, ...env } }, (error, stdout, stderr) => {
      resolve({ status: error?.code ?? error?.signal ?? 0, stdout, stderr })
    })
  })
}

export async function succeeds(outcome: Promise<Outcome>): Promise<string> {
  const { status, stdout, stderr } = await outcome
  expect(status, `${stdout}\n${stderr}`).to.equal(0)
  return stdout
}

export const node = (args: string[], cwd: string, env?: NodeJS.ProcessEnv) => run(process.execPath, args, cwd, env)

/** The folder of an application that has installed the package as built from these sources. */
export async function makeApplication(): Promise<string> {
  const application = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
  const installed = join(application, 'node_modules/hinge-embedding-loss')
  mkdirSync(join(installed, 'build/Release'), { recursive: true })
  cpSync(join(root, 'package.json'), join(installed, 'package.json'))
  for (const end of ['node', 'duckdb_extension']) {
    const binary = `build/Release/hinge_embedding_loss.${end}`
    cpSync(join(root, binary), join(installed, binary))
  }
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  await succeeds(node([tsc, '--project', root, '--outDir', join(installed, 'dist')], root))

  const link = (name: string) => {
    const source = join(root, 'node_modules', name)
    const target = join(application, 'node_modules', name)
    if (!existsSync(source) || existsSync(target)) return
    mkdirSync(dirname(target), { recursive: true })
    symlinkSync(source, target)
  }
  for (const name of Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })) link(name)
  for (const name of [
    'onnxruntime-common',
    '@tensorflow',
    'apache-arrow',
    'ndarray',
    '@stdlib',
    '@types',
    'tsx',
    'typescript',
  ]) {
    link(name)
  }
  for (const [name, path] of Object.entries(manifest.bin)) {
    const target = join(installed, path)
    if (!existsSync(target)) continue
    chmodSync(target, 0o755)
    mkdirSync(join(application, 'node_modules/.bin'), { recursive: true })
    symlinkSync(target, join(application, 'node_modules/.bin', name))
  }
  symlinkSync(join(root, 'examples'), join(application, 'examples'))
  writeFileSync(join(application, 'package.json'), '{ "name": "application", "private": true }')
  return application
}

/** Writes strict programs that use the types, by import and by require, and a tsconfig.json for those that are named. */
export function writeTypedPrograms(application: string, files = ['imports.mts', 'requires.cts']): void {
  const compilerOptions = { module: 'nodenext', target: 'es2022', strict: true, noEmit: true, types: ['node'] }
  writeFileSync(join(application, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
  writeFileSync(
    join(application, 'imports.mts'),
    `import { HingeEmbeddingLoss, hingeEmbeddingLoss, LossAccumulator, type Result, Tensor, tensor } from 'hinge-embedding-loss'
    const mean: number = new HingeEmbeddingLoss()([1], [1])
    const none: Tensor = new HingeEmbeddingLoss({ reduction: 'none' })(tensor([1]), 1)
    const result: Result<'sum'> = hingeEmbeddingLoss(none, [1], { reduction: 'sum' })
    // @ts-expect-error no such reduction
    new HingeEmbeddingLoss({ reduction: 'avg' })
    export const total: number = new LossAccumulator().update([mean, result], [1, -1]).negatives.active`,
  )
  writeFileSync(
    join(application, 'requires.cts'),
    `import library = require('hinge-embedding-loss')
    export const mean: number = new library.HingeEmbeddingLoss()([1], [1])`,
  )
}

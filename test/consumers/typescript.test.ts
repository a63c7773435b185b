import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { writeTypedPrograms } from '../support/application.ts'
import { Consumer, readKit } from '../support/consumers.ts'
import { node, succeeds } from '../support/processes.ts'
import type { TypedProgram } from './check-types.ts'

const checker = fileURLToPath(new URL('check-types.ts', import.meta.url))

const strict = {
  target: 'es2022',
  lib: ['es2022'],
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noEmit: true,
}
const node16 = { ...strict, module: 'node16', moduleResolution: 'node16' }
const nodenext = { ...strict, module: 'nodenext', moduleResolution: 'nodenext' }
const bundler = { ...strict, module: 'esnext', moduleResolution: 'bundler' }

/** In CommonJS import() works in all versions, and require since 5.8. */
const programs = {
  'subpaths.mts': `
    import { DuckDBInstance } from '@duckdb/node-api'
    import { planOf, scoreOnWorkers, type Shard } from 'hinge-embedding-loss/bullmq'
    import { extensionPath, load } from 'hinge-embedding-loss/duckdb'
    export const loaded: Promise<void> = DuckDBInstance.create().then((instance) => instance.connect()).then(load)
    export const path: string = extensionPath
    // @ts-expect-error not a connection
    load(1)
    export type Shards = readonly Shard[]
    export { planOf, scoreOnWorkers }`,
  'dynamic.cts': `
    export const mean: Promise<number> = import('hinge-embedding-loss').then(({ hingeEmbeddingLoss }) => hingeEmbeddingLoss([1], 1))
    // @ts-expect-error no such option
    import('hinge-embedding-loss/files').then(({ scoreFiles }) => scoreFiles([], { input: 'd', label: 'y', margn: 1 }))`,
}

/** The versions that have an API: all but the last. */
const versions = ['5.2', '5.3', '5.4', '5.5', '5.6', '5.7', '5.8', '5.9', '6.0']
const hasRequire = (version: string) => Number(version) >= 5.8

describe('types', function () {
  this.timeout(300_000)
  let consumer: Consumer
  before(() => {
    consumer = new Consumer({ parent: readKit().tool('..', 'consumers') }).install()
    consumer.write(programs)
    writeTypedPrograms(consumer.folder)
  })
  after(() => consumer.remove())

  const files = ['imports.mts', ...Object.keys(programs)]
  const paths = (names: readonly string[]) => names.map((name) => join(consumer.folder, name))

  for (const version of versions) {
    it(`TypeScript ${version} checks the types in full, in module resolution node16, nodenext and bundler`, async () => {
      const programs: readonly TypedProgram[] = [
        ...[node16, nodenext, bundler].map((options) => ({ options, files: paths(files) })),
        { options: nodenext, files: paths(['requires.cts']) },
      ]
      const compiler = consumer.kit.tool(`typescript-${version}`, 'lib/typescript.js')
      const output = await succeeds(node(['--import', 'tsx', checker, compiler, JSON.stringify(programs)]))
      const [inNode16, inNodeNext, inBundler, required = []] = JSON.parse(output) as string[][]
      expect([inNode16, inNodeNext, inBundler]).to.deep.equal([[], [], []])
      if (hasRequire(version)) expect(required).to.deep.equal([])
      else expect(required.join()).to.include('TS1471')
    })
  }

  it('TypeScript 7.0 checks the types in full, in module resolution node16, nodenext and bundler', async () => {
    const compiler = consumer.kit.tool('typescript-7.0', 'bin/tsc')
    for (const [settings, names] of [
      [node16, files],
      [nodenext, [...files, 'requires.cts']],
      [bundler, files],
    ] as const) {
      consumer.write({ 'tsconfig.json': JSON.stringify({ compilerOptions: settings, files: names }) })
      await consumer.succeeds(['node', compiler, '--project', '.'])
    }
  })

  it('the types need no optional package, but those of hinge-embedding-loss/bullmq', async () => {
    const bare = new Consumer().install()
    for (const name of ['@types/node', 'undici-types']) {
      cpSync(bare.kit.tool(name), join(bare.folder, 'node_modules', name), { recursive: true })
    }
    writeTypedPrograms(bare.folder)
    bare.write({
      'duckdb.mts': `export { extensionPath, load } from 'hinge-embedding-loss/duckdb'`,
      'tsconfig.json': JSON.stringify({ compilerOptions: nodenext, files: ['imports.mts', 'duckdb.mts'] }),
    })
    await bare.succeeds(['node', bare.kit.tool('typescript-7.0', 'bin/tsc'), '--project', '.'])
    bare.remove()
  })

  it('the types are what the tools for packages ask for', async () => {
    const { kit } = consumer
    const attw = kit.tool('@arethetypeswrong/cli', 'dist/index.js')
    // The package is ES modules only, which require() loads too since Node 20.19.
    await consumer.succeeds(['node', attw, kit.tarball, '--profile', 'esm-only', '--format', 'ascii'])
    await consumer.succeeds(['node', kit.tool('publint', 'src/cli.js'), 'run', kit.tarball, '--strict'])
  })
})

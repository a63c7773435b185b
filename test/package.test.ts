import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect } from 'chai'
import { getNumThreads, hingeEmbeddingLoss, runtimeInfo, setNumThreads } from '../lib/index.ts'
import { makeApplication, manifest, writeTypedPrograms } from './support/application.ts'
import { node, root, run, succeeds } from './support/processes.ts'

describe('the package', () => {
  let application: string
  let installed: string

  before(async () => {
    application = await makeApplication()
    installed = join(application, 'node_modules/hinge-embedding-loss')
  })
  after(() => rmSync(application, { recursive: true }))

  const names = [
    'CosineDistance',
    'HingeEmbeddingLoss',
    'LossAccumulator',
    'PairwiseDistance',
    'Tensor',
    'getNumThreads',
    'hingeEmbeddingLoss',
    'runtimeInfo',
    'setNumThreads',
    'tensor',
  ]
  const example = `
    const loss = new HingeEmbeddingLoss({ margin: 4, reduction: 'sum' })
    console.log(loss([[1, -2, 3], [0, -1, 2], [1, 0, 1]], [[-1, 1, -1], [1, 1, 1], [1, -1, 1]]))
  `

  describe('loads', () => {
    it('the package loads by import', async () => {
      const script = `
        import * as library from 'hinge-embedding-loss'
        const { HingeEmbeddingLoss } = library
        console.log(Object.keys(library).sort().join())
        ${example}`
      const output = await succeeds(node(['--input-type=module', '--eval', script], { cwd: application }))
      expect(output).to.equal(`${names}\n9\n`)
    })

    it('the package loads by require', async () => {
      const script = `
        const library = require('hinge-embedding-loss')
        const { HingeEmbeddingLoss } = library
        console.log(Object.keys(library).filter((name) => name !== '__esModule').sort().join())
        ${example}`
      const output = await succeeds(node(['--eval', script], { cwd: application }))
      expect(output).to.equal(`${names}\n9\n`)
    })

    it('the package is one module for import and require in one process', async () => {
      const script = `
        const required = require('hinge-embedding-loss')
        import('hinge-embedding-loss').then((imported) => {
          console.log(required.Tensor === imported.Tensor, required.tensor([1]) instanceof imported.Tensor)
        })`
      expect(await succeeds(node(['--eval', script], { cwd: application }))).to.equal('true true\n')
    })

    it('the package exports its package.json', async () => {
      const script = "console.log(require('hinge-embedding-loss/package.json').version)"
      expect(await succeeds(node(['--eval', script], { cwd: application }))).to.equal(`${manifest.version}\n`)
    })

    it('the package loads in a worker thread, and leaves the settings of the process as they are', async () => {
      const script = `
        const { getNumThreads, setNumThreads } = require('hinge-embedding-loss')
        const { Worker } = require('node:worker_threads')
        const before = getNumThreads()
        setNumThreads(7)
        new Worker('require("hinge-embedding-loss")', { eval: true }).on('exit', () => console.log(before, getNumThreads()))`
      const env = { HINGE_EMBEDDING_LOSS_NUM_THREADS: '2' }
      expect(await succeeds(node(['--eval', script], { cwd: application, env }))).to.equal('2 7\n')
    })

    it('the package works in several worker threads, and after they end', async () => {
      const script = `
        const { Worker, isMainThread } = require('node:worker_threads')
        const { hingeEmbeddingLoss } = require('hinge-embedding-loss')
        const score = () => hingeEmbeddingLoss(new Float32Array(300000).fill(0.5), 1, { reduction: 'sum' })
        const ended = [1, 2, 3].map(() => new Promise((resolve) => {
          new Worker('require("hinge-embedding-loss").hingeEmbeddingLoss(new Float32Array(300000), 1)', { eval: true }).on('exit', resolve)
        }))
        Promise.all(ended).then((codes) => console.log(codes.join(), score()))
        score()`
      expect(await succeeds(node(['--eval', script], { cwd: application }))).to.equal('0,0,0 150000\n')
    })
  })

  it('the package loads nothing but itself', async () => {
    // CommonJS modules are in the cache; a hook sees the others.
    const hook = `
      import { writeSync } from 'node:fs'
      export async function load(url, context, nextLoad) {
        writeSync(1, url + '\\n')
        return nextLoad(url, context)
      }`
    const script = `
      import { register, createRequire } from 'node:module'
      import { pathToFileURL } from 'node:url'
      register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hook)}))
      await import('hinge-embedding-loss')
      const { cache } = createRequire(import.meta.url)
      for (const path of Object.keys(cache)) console.log(pathToFileURL(path).href)`
    const output = await succeeds(node(['--input-type=module', '--eval', script], { cwd: application }))
    const loaded = output.split('\n').filter((url) => url.startsWith('file:'))
    expect(loaded.filter((url) => !url.startsWith(`${pathToFileURL(installed)}/`))).to.deep.equal([])
    expect(loaded.filter((url) => url.includes('/cli/'))).to.deep.equal([])
    expect(loaded.some((url) => url.endsWith('.node'))).to.equal(true)
    expect(loaded.some((url) => url.endsWith('/dist/index.js'))).to.equal(true)
  })

  it('the package needs no other package to be installed', async () => {
    const bare = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-bare-'))
    try {
      cpSync(installed, join(bare, 'node_modules/hinge-embedding-loss'), { recursive: true })
      const script = `import { HingeEmbeddingLoss } from 'hinge-embedding-loss'${example}`
      expect(await succeeds(node(['--input-type=module', '--eval', script], { cwd: bare }))).to.equal('9\n')
    } finally {
      rmSync(bare, { recursive: true })
    }
  })

  describe('in a bundle', () => {
    const { buildSync } = createRequire(createRequire(import.meta.url).resolve('tsx'))('esbuild') as {
      buildSync(options: object): void
    }
    const contents = `import { hingeEmbeddingLoss } from 'hinge-embedding-loss'
      console.log(hingeEmbeddingLoss([0.25], 1))`
    const bundle = (options: object) => {
      const entry = { contents, resolveDir: application }
      buildSync({ stdin: entry, bundle: true, platform: 'node', logLevel: 'silent', ...options })
    }

    for (const format of ['esm', 'cjs']) {
      it(`a bundle of ${format} with the package throws an error that says to keep it external`, async () => {
        const outfile = join(application, 'bundles', `inside.${format === 'esm' ? 'mjs' : 'cjs'}`)
        bundle({ format, outfile })
        const { code, stderr } = await node([outfile], { cwd: application })
        expect(code).to.equal(1)
        expect(stderr).to.include('ERR_ADDON_NOT_LOADED').and.include('keep hinge-embedding-loss external')
      })

      it(`a bundle of ${format} works if the package is external`, async () => {
        const outfile = join(application, 'bundles', `outside.${format === 'esm' ? 'mjs' : 'cjs'}`)
        bundle({ format, outfile, external: ['hinge-embedding-loss'] })
        expect(await succeeds(node([outfile], { cwd: application }))).to.equal('0.25\n')
      })
    }
  })

  it('the manifest has the promised name, license, engines and optional peers, and no dependency', () => {
    expect(manifest).to.include({ name: 'hinge-embedding-loss', license: 'MIT', type: 'module' })
    expect(manifest.engines.node).to.equal('>=20.19')
    expect(manifest).not.to.have.property('dependencies')
    for (const name of Object.keys(manifest.peerDependencies ?? {})) {
      expect(manifest.peerDependenciesMeta?.[name]?.optional, name).to.equal(true)
    }
  })

  it('the types suit strict programs, by import and by require', async () => {
    writeTypedPrograms(application)
    await succeeds(
      node([join(root, 'node_modules/typescript/bin/tsc'), '--project', application], { cwd: application }),
    )
  })

  describe('the runtime', () => {
    it('runtimeInfo returns the version, instruction sets and threads', () => {
      const info = runtimeInfo()
      expect(info.version).to.equal(manifest.version)
      expect(info.instructionSets).to.include(info.instructionSet)
      expect(new Set(info.instructionSets).size).to.equal(info.instructionSets.length)
      expect(info.numThreads).to.equal(getNumThreads())
      expect(info.numThreads).to.be.within(1, 1024)
    })

    it('runtimeInfo returns a snapshot that does not affect later calls', () => {
      try {
        Object.assign(runtimeInfo().instructionSets, { 0: 'none' })
      } catch {}
      expect(runtimeInfo().instructionSets).not.to.include('none')
    })

    it('setNumThreads takes 1 to 1024 threads, which change no result', () => {
      const before = getNumThreads()
      const input = Float32Array.from({ length: 500_000 }, (_, i) => Math.sin(i))
      const label = Int8Array.from(input, (_, i) => (i % 3 === 0 ? 1 : -1))
      try {
        const results = [1, 2, 3, 7, 64, 1024].map((count) => {
          setNumThreads(count)
          expect(getNumThreads()).to.equal(count)
          expect(runtimeInfo().numThreads).to.equal(count)
          return hingeEmbeddingLoss(input, label)
        })
        expect(new Set(results).size).to.equal(1)
      } finally {
        setNumThreads(before)
      }
    })

    describe('from the environment', () => {
      const report = `
        import { hingeEmbeddingLoss, runtimeInfo } from 'hinge-embedding-loss'
        const { instructionSet, numThreads } = runtimeInfo()
        console.log(JSON.stringify({ instructionSet, numThreads, sum: hingeEmbeddingLoss([0.1, 0.2], [1, -1]) }))`
      const refusal = `
        import('hinge-embedding-loss').then(
          () => console.log('{}'),
          ({ name, code, message }) => console.log(JSON.stringify({ name, code, message })),
        )`
      const child = async (script: string, env: NodeJS.ProcessEnv) =>
        JSON.parse(await succeeds(node(['--input-type=module', '--eval', script], { cwd: application, env }))) as object

      it('the environment sets the number of threads', async () => {
        const [three, most] = await Promise.all(
          ['3', '1024'].map((count) => child(report, { HINGE_EMBEDDING_LOSS_NUM_THREADS: count })),
        )
        expect(three).to.include({ numThreads: 3 })
        expect(most).to.include({ numThreads: 1024 })
      })

      it('the environment sets the instruction set, which changes no result', async () => {
        const { instructionSets } = runtimeInfo()
        const reports = await Promise.all(
          instructionSets.map((name) => child(report, { HINGE_EMBEDDING_LOSS_INSTRUCTION_SET: name })),
        )
        const sum = hingeEmbeddingLoss([0.1, 0.2], [1, -1])
        expect(reports).to.have.lengthOf(instructionSets.length)
        for (const [i, each] of reports.entries()) expect(each).to.include({ instructionSet: instructionSets[i], sum })
      })

      const bad = [
        ['HINGE_EMBEDDING_LOSS_NUM_THREADS', ['0', '-1', '1.5', '1025', 'many', '2x', '1e400']],
        ['HINGE_EMBEDDING_LOSS_INSTRUCTION_SET', ['sse9', 'toString', `x${runtimeInfo().instructionSet}`]],
      ] as const
      for (const [name, values] of bad) {
        it(`an invalid ${name} is an error that names it`, async () => {
          const errors = await Promise.all(values.map((value) => child(refusal, { [name]: value })))
          for (const [i, error] of errors.entries()) {
            expect(error, values[i]).to.include({ code: 'ERR_INVALID_ARG_VALUE', name: 'RangeError' })
            expect(error, values[i]).to.have.property('message').that.includes(name)
          }
        })
      }
    })
  })

  for (const command of ['score', 'partial', 'merge', 'plot', 'duckdb-extension']) {
    it(`the help of ${command} has an example that works`, async () => {
      const bin = join(application, 'node_modules/.bin')
      const shell = (code: string) =>
        succeeds(run('sh', ['-e', '-c', code], { cwd: application, env: { PATH: `${bin}:${process.env.PATH}` } }))
      const [, example = ''] = (await shell(`hinge-embedding-loss ${command} --help`)).split('\nExample:\n')
      expect(example).to.include(`hinge-embedding-loss ${command}`)
      await shell(example)
    })
  }
})

import { Consumer, readKit } from '../support/consumers.ts'

const expectation = 'hingeEmbeddingLoss(new Float32Array([0.25, 1.5, 0.5]), new Int8Array([1, -1, -1]))'
const imported = `import { hingeEmbeddingLoss } from 'hinge-embedding-loss'`
const required = `const { hingeEmbeddingLoss } = require('hinge-embedding-loss')`
const awaited = `const { hingeEmbeddingLoss } = await import('hinge-embedding-loss')`
const check = `if (${expectation} !== 0.25) throw new Error('wrong')`
const jestTest = (body: string) => `test('the loss of three pairs', async () => { ${body} })`

/** How a test runner runs tests of the package, and what it prints if they have passed. */
interface Runner {
  readonly title: string
  readonly files: Readonly<Record<string, string>>
  readonly command: readonly [tool: string, path: string, ...args: string[]] | readonly ['--test']
  readonly flags?: readonly string[]
  /** by default the Node of this process */
  readonly bin?: 'bin-24'
  readonly passed: RegExp
}

const modules = ['--experimental-vm-modules']
const jest = (...args: string[]) =>
  ['jest', 'bin/jest.js', '--rootDir=.', '--testMatch=**/*.test.*', '--maxWorkers=2', ...args] as const
const jestFiles = {
  'module.test.mjs': `${imported}; ${jestTest(check)}`,
  'dynamic.test.js': jestTest(`${awaited}; ${check}`),
}

const runners: readonly Runner[] = [
  {
    title: 'Jest with --experimental-vm-modules, by import and import()',
    files: jestFiles,
    command: jest(),
    flags: modules,
    passed: /Tests: +2 passed, 2 total/,
  },
  {
    title: 'Jest with --experimental-vm-modules, in worker threads',
    files: jestFiles,
    command: jest('--workerThreads'),
    flags: modules,
    passed: /Tests: +2 passed, 2 total/,
  },
  {
    title: 'Jest with --experimental-vm-modules on Node 24, also by require',
    files: {
      ...jestFiles,
      'common.test.js': `${required}; ${jestTest(check)}`,
      'babel.test.js': `${imported}; ${jestTest(check)}`,
    },
    command: jest(),
    flags: modules,
    bin: 'bin-24',
    passed: /Tests: +4 passed, 4 total/,
  },
  ...['threads', 'forks', 'vmThreads'].map((pool) => ({
    title: `Vitest in ${pool}`,
    files: { 'loss.test.js': `import { test } from 'vitest'; ${imported}; ${jestTest(check)}` },
    command: ['vitest', 'vitest.mjs', 'run', '--pool', pool] as const,
    passed: /Tests +1 passed/,
  })),
  {
    title: 'Mocha, by import and by require',
    files: {
      'test/module.mjs': `${imported}; it('a loss', () => { ${check} })`,
      'test/common.cjs': `${required}; it('a loss', () => { ${check} })`,
    },
    command: ['mocha', 'bin/mocha.js', 'test/module.mjs', 'test/common.cjs'],
    passed: /2 passing/,
  },
  {
    title: 'Node’s own test runner, by import and by require',
    files: {
      'module.test.mjs': `import test from 'node:test'; ${imported}; test('a loss', () => { ${check} })`,
      'common.test.cjs': `const test = require('node:test'); ${required}; test('a loss', () => { ${check} })`,
    },
    command: ['--test'],
    passed: /^# pass 2$/m,
  },
]

describe('test runners', function () {
  this.timeout(120_000)

  for (const { title, files, command, flags = [], bin = 'bin', passed } of runners) {
    it(`${title} runs tests of the package`, async () => {
      const { tool, folder } = readKit()
      const consumer = new Consumer({
        parent: tool('..', 'consumers'),
        files,
        env: { PATH: `${folder}/${bin}` },
      }).install()
      const [name, path, ...args] = command
      const run = path === undefined ? [name] : [tool(name, path), ...args]
      await consumer.printsAnywhere(['node', ...flags, ...run], passed)
      consumer.remove()
    })
  }

  it('Jest without --experimental-vm-modules says that it needs more to load ES modules', async () => {
    const files = { 'common.test.js': `${required}; ${jestTest(check)}` }
    const consumer = new Consumer({ parent: readKit().tool('..', 'consumers'), files }).install()
    const [name, path, ...args] = jest()
    await consumer.fails(['node', consumer.kit.tool(name, path), ...args], /Must use import to load ES Module/)
    consumer.remove()
  })
})

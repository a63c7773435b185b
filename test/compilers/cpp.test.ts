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
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { isInstalled, node, root, run, succeeds } from '../support/processes.ts'

/** The tests that run the addon, and the extension in DuckDB. */
const tests = [
  'accumulator',
  'hinge-embedding-loss',
  'native/exact-sums',
  'native/float-environment',
  'native/duckdb/functions',
  'native/duckdb/float-environment',
]

const builds = [
  { title: 'clang++-14 and libc++', compiler: 'clang++-14', library: '-stdlib=libc++' },
  { title: 'clang++-14 and libstdc++', compiler: 'clang++-14', library: '-stdlib=libstdc++' },
]

describe('the addon and the extension', function () {
  this.timeout(1_800_000)
  let folder: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-compilers-'))
    for (const path of ['package.json', 'native', 'scripts']) {
      cpSync(join(root, path), join(folder, path), { recursive: true })
    }
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const build = (env: NodeJS.ProcessEnv) => node([join(folder, 'scripts/build-addon.mjs')], { cwd: folder, env })

  const mocha = (args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
    const program = join(root, 'node_modules/mocha/bin/mocha.js')
    const binaries = { HINGE_EMBEDDING_LOSS_BINARIES: join(folder, 'build/Release') }
    return node([program, '--timeout', '0', ...args], { env: { ...binaries, ...env } })
  }

  for (const { title, compiler, library } of builds) {
    it(`addon and extension pass their tests if ${title} built them`, async function () {
      if (!isInstalled(compiler)) this.skip()
      await succeeds(build({ CXX: compiler, CXXFLAGS: library, LDFLAGS: library, JOBS: 'max' }))
      const files = tests.map((name) => `test/${name}.test.ts`)
      await succeeds(mocha(files, { CXX: compiler }))
    })
  }

  it('the extension passes its tests if CMake built it, for the community repository of DuckDB', async function () {
    if (!isInstalled('cmake')) this.skip()
    const cmake = join(folder, 'build/cmake')
    const addon = 'build/Release/hinge_embedding_loss.node'
    for (const path of ['CMakeLists.txt', addon]) cpSync(join(root, path), join(folder, path))
    const options = ['-DEXTENSION_NAME=hinge_embedding_loss', '-DCMAKE_BUILD_TYPE=Release']
    await succeeds(run('cmake', [...options, '-S', folder, '-B', cmake]))
    await succeeds(run('cmake', ['--build', cmake, '--parallel', '2']))
    const { appendFooter } = await import(join(root, 'scripts/duckdb-footer.mjs'))
    const code = readFileSync(join(cmake, 'libhinge_embedding_loss.so'))
    const extension: Buffer = appendFooter(code, process.arch === 'x64' ? 'linux_amd64' : 'linux_arm64')
    writeFileSync(join(folder, 'build/Release/hinge_embedding_loss.duckdb_extension'), extension)
    // It has an unwinder of its own, which a preloaded library cannot replace.
    const others = ['--invert', '--grep', 'a call site that no probe has reached']
    await succeeds(mocha([...others, 'test/native/duckdb/functions.test.ts']))
  })

  it('the build compiles again what was compiled for another platform, and nothing else', async () => {
    const object = join(folder, 'build/build/object')
    const compilesAgain = async (target: string) => {
      mkdirSync(dirname(object), { recursive: true })
      writeFileSync(object, '')
      if (target !== '') writeFileSync(join(folder, 'build/target'), target)
      // This compiler compiles nothing, so that the build ends soon.
      expect(await build({ CXX: 'true' })).to.have.property('code', 1)
      return !existsSync(object)
    }
    expect(await compilesAgain('linux-riscv64-musl')).to.equal(true)
    expect(await compilesAgain('')).to.equal(false)
  })

  it('the build names a compiler that cannot build the addon, and what it lacks, in one line', async () => {
    const old = join(folder, 'old-compiler')
    writeFileSync(old, '#!/bin/sh\n! grep -q __builtin_shufflevector\n')
    chmodSync(old, 0o755)
    for (const compiler of [old, ...['g++-11'].filter((name) => isInstalled(name))]) {
      const { code, stderr } = await build({ CXX: compiler })
      expect(code).to.equal(1)
      expect(stderr).to.match(/^hinge-embedding-loss: cannot build.*__builtin_shufflevector.*g\+\+ 12/)
      expect(stderr).to.include(compiler)
      expect(stderr.trimEnd()).not.to.include('\n')
    }
  })
})

import { chmodSync, cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { isInstalled, node, root, succeeds } from '../support/processes.ts'

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

  for (const { title, compiler, library } of builds) {
    it(`addon and extension pass their tests if ${title} built them`, async function () {
      if (!isInstalled(compiler)) this.skip()
      await succeeds(build({ CXX: compiler, CXXFLAGS: library, LDFLAGS: library, JOBS: 'max' }))
      const mocha = join(root, 'node_modules/mocha/bin/mocha.js')
      const files = tests.map((name) => `test/${name}.test.ts`)
      await succeeds(
        node([mocha, '--timeout', '0', ...files], {
          env: { HINGE_EMBEDDING_LOSS_BINARIES: join(folder, 'build/Release'), CXX: compiler },
        }),
      )
    })
  }

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

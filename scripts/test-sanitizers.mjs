// Finds errors of memory and threads that the tests cannot see. AddressSanitizer and UndefinedBehaviorSanitizer watch a build of
// the addon while mocha runs the tests that call it most. Node is not built for ThreadSanitizer, so this one watches the native
// core alone, in test/native/threads.cpp.
import { execFileSync, spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
/** A Node that was built without the sanitizers can load the runtime libraries of this compiler. */
const compiler = 'g++'
const build = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-sanitizers-'))

function run(command, args, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, env: { ...process.env, ...env }, stdio: 'inherit' })
    child.on('error', reject)
    child.on('close', (status, signal) => {
      if (status === 0) resolve()
      else reject(new Error(`${command} ${args.join(' ')} ended with ${signal ?? status}`))
    })
  })
}

const library = (name) => execFileSync(compiler, [`-print-file-name=${name}`], { encoding: 'utf8' }).trim()

async function testAddon() {
  for (const path of ['package.json', 'native', 'scripts']) {
    cpSync(join(root, path), join(build, path), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(build, 'node_modules'))
  const sanitizers = '-fsanitize=address,undefined'
  await run(process.execPath, [join(build, 'scripts/build-addon.mjs')], {
    CXX: compiler,
    CXXFLAGS: `${sanitizers} -fno-sanitize-recover=all -O1 -g`,
    LDFLAGS: sanitizers,
    JOBS: 'max',
  })
  const tests = [
    ...['accumulator', 'distance', 'errors', 'hinge-embedding-loss', 'loss-of-pairs', 'paddle-cases', 'slices'],
    ...['weights', 'fuzz/hostile'],
  ]
  const mocha = join(root, 'node_modules/mocha/bin/mocha.js')
  const files = [...tests, 'native/exact-sums', 'native/duckdb/functions', 'native/duckdb/weights'].map(
    (name) => `test/${name}.test.ts`,
  )
  // The tests of a missing addon need other builds; V8 leaks by design.
  await run(process.execPath, [mocha, '--timeout', '0', '--invert', '--grep', 'ERR_ADDON_NOT_LOADED', ...files], {
    LD_PRELOAD: ['libasan.so', 'libubsan.so'].map(library).join(':'),
    ASAN_OPTIONS: 'detect_leaks=0',
    HINGE_EMBEDDING_LOSS_BINARIES: join(build, 'build/Release'),
    FUZZ_SECONDS: '20',
  })
}

async function testThreads() {
  const { targets } = JSON.parse(readFileSync(join(root, 'native/binding.gyp'), 'utf8'))
  const core = targets.find(({ target_name }) => target_name === 'core')
  const sources = ['test/native/threads.cpp', ...core.sources.map((path) => join('native', path))]
  const program = join(build, 'threads')
  const flags = ['-std=c++20', '-O1', '-g', '-ffp-contract=off', '-Wno-psabi', '-pthread', '-fsanitize=thread']
  await run(compiler, [...flags, ...sources, '-o', program])
  await run(program, [])
}

try {
  await testThreads()
  await testAddon()
} catch ({ message }) {
  console.error(message)
  process.exitCode = 1
} finally {
  rmSync(build, { recursive: true })
}

// Builds the native addon with node-gyp. If a tool is missing, the error names it in one line.
// --unless-prebuilt: builds nothing if the package has a binary for this platform.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const require = createRequire(import.meta.url)

function isPrebuilt() {
  process.env.PREBUILDS_ONLY = '1'
  try {
    return Boolean(require('node-gyp-build').resolve(root))
  } catch {
    return false
  } finally {
    delete process.env.PREBUILDS_ONLY
  }
}

function runs(command, args, input) {
  return spawnSync(command, args, { input, stdio: ['pipe', 'ignore', 'ignore'] }).status === 0
}

const python = process.env.npm_config_python ?? process.env.PYTHON ?? 'python3'
const make = process.env.MAKE ?? 'make'
const compiler = process.env.CXX ?? 'g++'
const compilerArguments = ['-std=c++20', '-fsyntax-only', '-x', 'c++', '-']
/** Features that some compilers of C++20 lack; g++ has the shuffle since version 12. */
const probe = `
#include <bit>
#include <span>
#include <utility>
typedef int Lanes __attribute__((vector_size(16)));
Lanes reversed(Lanes lanes) { return __builtin_shufflevector(lanes, lanes, 3, 2, 1, 0); }
bool fits(long long value) { return std::in_range<int>(value); }
`
const requirements = [
  ['python3', () => runs(python, ['--version'])],
  ['make', () => runs(make, ['--version'])],
  [
    `a C++20 compiler with __builtin_shufflevector (g++ 12 or later, or clang++ 14 or later as CXX; tried ${compiler})`,
    () => runs(compiler, compilerArguments, probe),
  ],
]

function fail(message) {
  console.error(`hinge-embedding-loss: ${message}`)
  process.exit(1)
}

if (process.argv.includes('--unless-prebuilt') && isPrebuilt()) process.exit(0)

if (process.platform === 'win32') fail('cannot build the native addon: Windows is not supported yet')
const missing = requirements.filter(([, isMet]) => !isMet()).map(([name]) => name)
if (missing.length > 0) fail(`cannot build the native addon: missing ${missing.join(', ')}`)

// If Node's headers lie beside the running binary, node-gyp need not download them.
const nodePrefix = dirname(dirname(process.execPath))
const hasHeaders = existsSync(join(nodePrefix, 'include/node/node_api.h'))
const nodeGyp = process.env.npm_config_node_gyp ?? require.resolve('node-gyp/bin/node-gyp.js')
const build = spawnSync(
  process.execPath,
  [nodeGyp, 'rebuild', '--loglevel=error', ...(hasHeaders ? [`--nodedir=${nodePrefix}`] : [])],
  { cwd: root, stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' },
)
if (build.status !== 0) {
  console.error(build.stderr)
  fail('the native addon did not build: see the errors above')
}

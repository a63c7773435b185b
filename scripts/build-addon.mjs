// Builds the addon and the DuckDB extension of this platform into build/Release with node-gyp, which compiles only what
// changed. If a tool is missing, the error names it in one line.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { appendFooter } from './duckdb-footer.mjs'
import { addonFile, extensionFile, findOwnTarget, nameDuckdbPlatform, nameTarget } from './targets.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const require = createRequire(import.meta.url)

function runs(command, args, input) {
  return spawnSync(command, args, { input, stdio: ['pipe', 'ignore', 'ignore'] }).status === 0
}

/** Finds a file of a package that is installed beside this one, or in the application that this runs in. */
function find(name) {
  try {
    return require.resolve(name, { paths: [root, process.cwd()] })
  } catch {
    return undefined
  }
}

const nodeGyp = find('node-gyp/bin/node-gyp.js')
const nodeAddonApi = find('node-addon-api')
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
  ['the package node-gyp@12', () => nodeGyp !== undefined],
  ['the package node-addon-api@8', () => nodeAddonApi !== undefined],
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

if (process.platform === 'win32') fail('cannot build the native addon on Windows: the package has it prebuilt')
const missing = requirements.filter(([, isMet]) => !isMet()).map(([name]) => name)
if (missing.length > 0) fail(`cannot build the native addon: missing ${missing.join(', ')}`)

// node-gyp reads binding.gyp of the folder it runs in. The root of a package must have none: package managers would compile it.
const folder = join(root, 'build')
mkdirSync(join(folder, 'Release'), { recursive: true })
writeFileSync(join(folder, 'binding.gyp'), '{ "includes": ["../native/binding.gyp"] }')

// If Node's headers lie beside the running binary, node-gyp need not download them.
const nodePrefix = dirname(dirname(process.execPath))
const hasHeaders = existsSync(join(nodePrefix, 'include/node/node_api.h'))
const options = [
  '--loglevel=error',
  `--jobs=${process.env.JOBS ?? availableParallelism()}`,
  ...(hasHeaders ? [`--nodedir=${nodePrefix}`] : []),
]
const target = findOwnTarget()

// make takes objects of another platform for new ones, as in a clone that is mounted into a container of another system.
const stamp = join(folder, 'target')
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== nameTarget(target)) {
  rmSync(join(folder, 'build'), { recursive: true, force: true })
  writeFileSync(stamp, nameTarget(target))
}

const build = spawnSync(process.execPath, [nodeGyp, 'configure', 'build', ...options], {
  cwd: folder,
  // binding.gyp asks node-addon-api where its headers are.
  env: { ...process.env, NODE_PATH: dirname(dirname(nodeAddonApi)) },
  stdio: ['ignore', 'ignore', 'pipe'],
  encoding: 'utf8',
})
if (build.status !== 0) {
  console.error(build.stderr)
  fail('the native addon did not build: see the errors above')
}

/** Replaces a file as a whole: a process that has the old one loaded keeps it. */
function replace(name, bytes) {
  const path = join(folder, 'Release', name)
  writeFileSync(`${path}.new`, bytes, { mode: 0o755 })
  renameSync(`${path}.new`, path)
}

const built = (name) => readFileSync(join(folder, 'build/Release', name))
const code = built('duckdb_extension_code.so')
replace(addonFile, built(addonFile))
replace(extensionFile, appendFooter(code, nameDuckdbPlatform(target)))

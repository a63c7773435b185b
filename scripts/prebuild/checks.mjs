// What every prebuild promises of its binaries, beyond that they compile.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { findOwnTarget, nameTarget } from '../targets.mjs'
import { python, root } from './zig.mjs'

/** The libraries that every system of a platform has. */
const systemLibraries = {
  glibc: /^(lib(c\.so\.6|m\.so\.6|pthread\.so\.0|dl\.so\.2)|ld-linux-(x86-64\.so\.2|aarch64\.so\.1))$/,
  musl: /^libc\.so$/,
  win32: /^(kernel32|ntdll|ucrtbase|api-ms-win-(core|crt)-[-\w]+)\.dll$/i,
  darwin: /^\/usr\/lib\/libSystem\.B\.dylib$/,
}

/**
 * What Zig's linker for macOS always exports of every library: names of its own, and the operators new and delete, which are
 * weak, so that macOS binds all to those of the system.
 */
const linkerExports = /^(__dso_handle|_mh_dylib_header|_Z(da|dl|na|nw)\w+)$/

const compareVersions = (a, b) => a.localeCompare(b, 'en', { numeric: true })

/**
 * Imports without a library; Node must export them. In binaries for glibc they have no version; in those for musl no import has
 * one, and those for Windows always name a library.
 */
const findAnywhere = ({ libc }, { unversioned = [], anywhere = [] }) => [
  ...anywhere,
  ...(libc === 'glibc' ? unversioned : []),
]

/** Folders of this machine that no binary may name. */
const ownFolders = [root, homedir()].filter((path) => path.length > 1)

function* findTargetFaults({ platform, arch, libc, minimum }, { exports, libraries, versions = [], ...read }, entries) {
  const own = platform === 'darwin' ? exports.filter((name) => !linkerExports.test(name)) : exports
  if (own.join() !== entries.toSorted().join()) yield `exports ${own.join(', ')} instead of ${entries.join(', ')}`
  const others = libraries.filter((library) => !systemLibraries[libc ?? platform].test(library))
  if (others.length > 0) yield `needs ${others.join(', ')}, which users may not have`
  const unknown = findAnywhere({ libc }, read).filter((name) => !/^(napi|node_api)_/.test(name))
  if (unknown.length > 0) yield `needs ${unknown.join(', ')} of no library`
  const tooNew = versions.filter((version) => libc !== 'glibc' || compareVersions(version, `GLIBC_${minimum}`) > 0)
  if (tooNew.length > 0) yield `needs ${tooNew.join(', ')}, later than ${minimum}`
  if (platform === 'darwin' && read.minimumOs !== minimum) yield `needs macOS ${read.minimumOs} instead of ${minimum}`
  if (platform === 'darwin' && arch === 'arm64' && !read.isSigned)
    yield 'has no signature, without which macOS kills the process'
}

const hasAvx2 = () => /^flags\b.*\bavx2\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'))

/** Yields a fault if an addon for this machine does not see that its processor has AVX2, and so would be slow. */
function* findSlowness({ name }, path) {
  if (name !== 'linux-x64' || name !== nameTarget(findOwnTarget()) || !hasAvx2()) return
  const script =
    'const addon = { exports: {} }; process.dlopen(addon, process.argv[1]); console.log(addon.exports.instructionSets().join())'
  const sets = execFileSync(process.execPath, ['--eval', script, `${root}${path}`], { encoding: 'utf8' }).trim()
  if (!sets.split(',').includes('avx2')) yield `${path} has ${sets} on a processor with avx2`
}

function* findLibraryFaults(target, libraries) {
  const reader = fileURLToPath(new URL('read_binary.py', import.meta.url))
  const facts = JSON.parse(execFileSync(python, [reader, ...libraries.keys()], { cwd: root, encoding: 'utf8' }))
  for (const [i, [path, entries]] of [...libraries].entries()) {
    for (const fault of findTargetFaults(target, facts[i], entries)) yield `${path} ${fault}`
    const bytes = readFileSync(`${root}${path}`)
    for (const folder of ownFolders.filter((folder) => bytes.includes(folder))) {
      yield `${path} names the folder ${folder} of this machine`
    }
  }
}

/**
 * Returns what is wrong with the libraries that were built for a target.
 *
 * @param libraries maps the path of each to the functions that it must export; the addon is the first
 */
export function findFaults(target, libraries) {
  const faults = [...findLibraryFaults(target, libraries)]
  const [addon] = libraries.keys()
  return faults.length > 0 ? faults : [...findSlowness(target, addon)]
}

import { type BigIntStats, constants, type Stats } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { codeOf, fileError, given, message, optionError } from './errors.ts'
import { isRemote, remoteSchemes } from './remote.ts'

/** Flags to open a file with: if it became a pipe meanwhile, opening it does not wait for a writer. */
export const readFlags = constants.O_RDONLY | constants.O_NONBLOCK

/** Describes what is not a file. */
export function describeKind(stats: Pick<Stats, 'isDirectory' | 'isFIFO' | 'isSocket'>): string {
  if (stats.isDirectory()) return 'a folder'
  if (stats.isFIFO()) return 'a pipe'
  return stats.isSocket() ? 'a socket' : 'a device'
}

/** Text that is equal for all paths of one file. Some shares of Windows give all files the number 0. */
export async function identifyFile(path: string, { dev, ino }: Pick<BigIntStats, 'dev' | 'ino'>): Promise<string> {
  return ino === 0n ? realpath(path) : `${dev},${ino}`
}

/** Refuses what is not a file: opening a pipe may wait forever, and a device may never end. */
export async function assertFile(path: string, advice = ''): Promise<void> {
  const stats = await stat(path).catch((cause) => {
    if (codeOf(cause) !== 'ENOENT') throw cause
    throw fileError(`${path}: no such file`, { code: 'ENOENT', file: path }, cause)
  })
  if (!stats.isFile()) throw fileError(`${path}: ${describeKind(stats)}, must be a file${advice}`, { file: path })
}

/** A scheme of one letter is a drive. */
const schemePattern = /^([a-z][a-z0-9+.-]+):\/\//i

/** True of a path on this machine. */
export function isLocal(path: string): boolean {
  return !schemePattern.test(path)
}

/** Refuses a URL where a local path is expected, as a file or as the value of an option. */
export function assertLocal(path: string, option?: string): void {
  const [, scheme] = schemePattern.exec(path) ?? []
  if (scheme === undefined) return
  const isFileUrl = scheme.toLowerCase() === 'file'
  const advice = isFileUrl ? `give the path instead of the URL, ${pathOf(path)}` : adviceOnRemote(path, option)
  if (option === undefined) throw fileError(`${path}: ${advice}`, { file: path })
  throw optionError(option, message`${given(option, path)}: ${advice}`)
}

function adviceOnRemote(path: string, option?: string): string {
  if (option === 'output') {
    const written = isRemote(path) ? 'of remote files losses alone are written' : 'files of this scheme are not written'
    return `${written}; write to this machine, then copy the file`
  }
  if (isRemote(path)) return 'remote files are not read here; copy them to this machine first'
  return `files of this scheme are not read, but those of ${remoteSchemes}; copy them to this machine first`
}

function pathOf(url: string): string {
  try {
    return fileURLToPath(url)
  } catch {
    return url.replace(/^file:\/\//i, '')
  }
}

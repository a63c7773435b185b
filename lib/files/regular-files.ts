import { constants, type Stats } from 'node:fs'
import { stat } from 'node:fs/promises'
import { codeOf } from './errors.ts'

/** Flags to read a file with: should it have become a pipe meanwhile, nothing waits for whoever writes to it. */
export const readFlags = constants.O_RDONLY | constants.O_NONBLOCK

/** What is there instead of a file, in words. */
export function describeKind(stats: Pick<Stats, 'isDirectory' | 'isFIFO' | 'isSocket'>): string {
  if (stats.isDirectory()) return 'a folder'
  if (stats.isFIFO()) return 'a pipe'
  return stats.isSocket() ? 'a socket' : 'a device'
}

/** Refuses what is not a file: opening a pipe may wait forever, and a device may never end. */
export async function assertFile(path: string, advice = ''): Promise<void> {
  const stats = await stat(path).catch((cause) => {
    throw codeOf(cause) === 'ENOENT' ? new Error(`${path}: no such file`, { cause }) : cause
  })
  if (!stats.isFile()) throw new Error(`${path}: ${describeKind(stats)}, must be a file${advice}`)
}

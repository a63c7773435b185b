import { existsSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { resolve } from 'node:path'
import { isRemote, readRemote, schemeOf } from '../files/remote.ts'
import { isInFolder, system } from '../files/system.ts'

/** What a worker reads: folders of this machine, and what is under URLs. */
export interface Roots {
  /** with those that they are links to */
  readonly folders: readonly string[]
  /** True if a path or URL is in one of them. */
  has(file: string): boolean
}

/**
 * The roots of a worker; by default all folders and all object stores, but no web server: a job could ask those that this
 * machine alone can reach.
 *
 * @throws {RangeError} ERR_INVALID_ARG_VALUE, with `option`: a URL that may lead elsewhere
 * @throws {Error} ENOENT: a root does not exist
 */
export async function openRoots(roots?: readonly string[]): Promise<Roots> {
  const given = roots ?? system.roots.filter((root) => existsSync(root))
  const local = given.filter((root) => !isRemote(root)).map((root) => resolve(root))
  const folders = [...new Set([...local, ...(await Promise.all(local.map((root) => realpath(root))))])]
  const prefixes = given.filter(isRemote).map((root) => `${readRemote(root, 'roots').replace(/\/+$/, '')}/`)
  return {
    folders,
    has(file) {
      if (!isRemote(file)) return folders.some((folder) => isInFolder(file, folder))
      return roots === undefined
        ? schemeOf(file)?.isListed === true
        : prefixes.some((prefix) => file.startsWith(prefix))
    },
  }
}

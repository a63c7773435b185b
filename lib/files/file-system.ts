import { access, readdir, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, normalize } from 'node:path'
import { codeOf, fileError } from './errors.ts'
import { describeKind, identifyFile } from './paths.ts'

/** A file in a folder. */
export interface FolderEntry {
  readonly file: string
  /** true if its name is hidden, or that of a folder around it */
  readonly isHidden: boolean
}

/** Where paths lead: the disk, or the servers of URLs. */
export interface FileSystem {
  /** Says what is at a path: 'a file', 'a folder' or another kind; undefined if there is nothing. */
  findKind(path: string): Promise<string | undefined>
  isPattern(path: string): boolean
  match(pattern: string): Promise<string[]>
  /** All files in a folder and the folders in it. */
  walk(folder: string): AsyncIterable<FolderEntry>
  /** The folders around a file that may be those of a table, the nearest first. */
  listFolders(file: string): Promise<string[]>
  /** True if a folder has something at the path of a marker; a `*` in its last name stands for any text. */
  hasMarker(folder: string, marker: string): Promise<boolean>
  /** A text that is equal for all paths of one file in one state. */
  identify(file: string): Promise<string>
}

/** Spark and pyarrow skip such names: caches and work in progress. Folders such as `_day=1` are partitions, as in Spark. */
export function isHiddenName(name: string): boolean {
  return name.startsWith('.') || (name.startsWith('_') && !name.includes('='))
}

/** The files of this machine; DuckDB finds those that match a pattern. */
export class LocalFiles implements FileSystem {
  readonly match: FileSystem['match']

  constructor(match: FileSystem['match']) {
    this.match = match
  }

  async findKind(path: string): Promise<string | undefined> {
    try {
      const status = await stat(path)
      return status.isFile() ? 'a file' : describeKind(status)
    } catch (cause) {
      if (!['ENOENT', 'ENOTDIR'].includes(codeOf(cause))) throw cause
      return undefined
    }
  }

  isPattern(path: string): boolean {
    return /[*?[]/.test(path)
  }

  walk(folder: string): AsyncGenerator<FolderEntry> {
    return walkFolder(folder)
  }

  async listFolders(file: string): Promise<string[]> {
    return [...listAncestors(normalize(file)), ...listAncestors(await realpath(file))]
  }

  async hasMarker(folder: string, marker: string): Promise<boolean> {
    const [start = '', end] = basename(marker).split('*')
    const path = join(folder, marker)
    if (end === undefined) {
      return access(path).then(
        () => true,
        () => false,
      )
    }
    const names = await readdir(dirname(path)).catch((): string[] => [])
    return names.some((name) => name.startsWith(start) && name.endsWith(end))
  }

  async identify(file: string): Promise<string> {
    const status = await stat(file, { bigint: true })
    if (!status.isFile()) throw fileError(`${file}: ${describeKind(status)}, must be a file`, { file })
    return [await identifyFile(file, status), status.size, status.mtimeNs].join()
  }
}

/** The files below a folder. Hidden folders that cannot be read have none. */
async function* walkFolder(folder: string, isHidden = false): AsyncGenerator<FolderEntry> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause) => {
    if (isHidden) return []
    throw cause
  })
  for (const entry of entries) {
    const file = join(folder, entry.name)
    const isEntryHidden = isHidden || isHiddenName(entry.name)
    if (!isEntryHidden && entry.isSymbolicLink()) await assertLinkToFile(file)
    if (entry.isDirectory()) yield* walkFolder(file, isEntryHidden)
    else yield { file, isHidden: isEntryHidden }
  }
}

async function assertLinkToFile(link: string): Promise<void> {
  const target = await stat(link).catch(() => undefined)
  if (target === undefined) throw fileError(`${link}: a link to nothing`, { file: link })
  if (target.isDirectory()) {
    throw fileError(`${link}: a link to a folder is not followed; name the folder`, { file: link })
  }
}

/** Lists the folders above a file, the nearest first. */
function listAncestors(file: string): string[] {
  const folder = dirname(file)
  return folder === file ? [] : [folder, ...listAncestors(folder)]
}

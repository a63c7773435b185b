import { open } from 'node:fs/promises'
import { homedir } from 'node:os'
import { fileError, type Message, message, option, set } from './errors.ts'
import { type FileSystem, isHiddenName } from './file-system.ts'
import { type FileKind, type Format, formats } from './options.ts'
import { assertLocal, readFlags } from './paths.ts'
import { isRemote, nameRemote, readRemote } from './remote.ts'
import { splitPath, withSlashes } from './system.ts'
import { TableFolders } from './table-formats.ts'

const kindByExtension: Readonly<Record<string, FileKind>> = {
  parquet: 'Parquet',
  csv: 'CSV',
  tsv: 'TSV',
  json: 'NDJSON',
  ndjson: 'NDJSON',
  jsonl: 'NDJSON',
  arrow: 'Arrow',
  ipc: 'Arrow',
  feather: 'Arrow',
  arrows: 'Arrow',
}
/** DuckDB's names of compressions. */
const compressionBySuffix: Readonly<Record<string, string>> = { gz: 'gzip', zst: 'zstd' }
const supported = `${Object.keys(kindByExtension)
  .map((extension) => `.${extension}`)
  .join(', ')}; text also with .gz or .zst`

/** A file to score, or standard input as `-`. */
export interface Source {
  file: string
  kind: FileKind
  /** in DuckDB's words */
  compression: string
}

/** Returns what the format or the end of its name says of a file; undefined if neither does. */
function recognizeSource(file: string, format?: Format): Source | undefined {
  if (format !== undefined) return { file, kind: formats[format], compression: 'uncompressed' }
  const [, extension = '', suffix = ''] = /\.(\w+?)(?:\.(gz|zst))?$/i.exec(nameRemote(file).toLowerCase()) ?? []
  const kind = Object.hasOwn(kindByExtension, extension) ? kindByExtension[extension] : undefined
  if (kind === undefined || (kind === 'Arrow' && suffix !== '')) return undefined
  return { file, kind, compression: compressionBySuffix[suffix] ?? 'uncompressed' }
}

/** The compression of a text by its first bytes. */
export function compressionOf(start: Buffer): string {
  if (start[0] === 0x1f && start[1] === 0x8b) return 'gzip'
  return start.length >= 4 && start.readUInt32LE() === 0xfd2fb528 ? 'zstd' : 'uncompressed'
}

/** Reads the compression from the first bytes, for files of any name. */
export async function detectCompression(file: string): Promise<string> {
  const handle = await open(file, readFlags)
  try {
    const { buffer } = await handle.read(Buffer.alloc(4), 0, 4)
    return compressionOf(buffer)
  } finally {
    await handle.close()
  }
}

/** True of a source whose bytes are text, perhaps compressed. */
export function isText({ kind }: Source): boolean {
  return kind === 'CSV' || kind === 'TSV' || kind === 'NDJSON'
}

/** Returns what the end of its name says of a file; undefined if it says nothing. */
export function recognizeFile(file: string): Source | undefined {
  return recognizeSource(file)
}

function requireSource(file: string, format?: Format): Source {
  const source = recognizeSource(file, format)
  if (source !== undefined) return source
  const advice = /\.np[yz]$/i.test(file)
    ? message`; arrays are .npy, named by ${option('input')} and ${option('label')} without ${option('paths')}`
    : ''
  const expected = message`must end in one of ${supported}, or ${option('format')} must say what it is${advice}`
  throw fileError(message`${file}: the name of a file ${expected}`, { file })
}

/** How files are searched for. */
interface Search {
  readonly local: FileSystem
  /** of URLs */
  readonly remote: FileSystem
  /** true if a file counts each time that it is found; by default it counts once */
  readonly allowDuplicates?: boolean | undefined
  /** the format of all files, whatever their names */
  readonly format?: Format | undefined
  /** is called with a message about files that are left out */
  readonly note: (note: Message) => void
}

/**
 * Finds the files that paths stand for: a file, standard input, all files in a folder, or all that match a pattern.
 *
 * @throws {Error} ENOENT: nothing is there, or nothing matches; ERR_INVALID_FILE: it cannot be scored; `file`
 */
export async function findSources(
  paths: readonly string[],
  { local, remote, allowDuplicates = false, format, note }: Search,
): Promise<Source[]> {
  const places = { local: makePlace(local), remote: makePlace(remote) }
  const sources: Source[] = []
  let [hidden, deeper] = [0, 0]
  for (const path of paths) {
    const atPath = await findAtPath(path, places, format)
    sources.push(...atPath.sources)
    hidden += atPath.hidden
    deeper += atPath.deeper
  }
  if (deeper > 0) note(message`${describeDeeper(deeper)}: skipped; name the folders, or write **`)
  if (hidden > 0) note(message`${describeHidden(hidden)}: skipped; name them to have them scored`)
  const unique = await findUnique(sources, { local, remote })
  if (!allowDuplicates) noteDuplicates(sources, unique, note)
  const files = allowDuplicates ? sources : unique
  if (format === undefined) return files
  for (const source of files) {
    if (isText(source) && source.file !== '-' && !isRemote(source.file))
      source.compression = await detectCompression(source.file)
  }
  return files
}

/** What one path stands for. */
interface PathSources {
  readonly sources: Source[]
  /** the number of files left out for their hidden names */
  readonly hidden: number
  /** the number of files left out because they are in folders that the pattern matches */
  readonly deeper: number
}

/** Where files are searched for, and the folders there that were searched for tables. */
interface Place {
  readonly files: FileSystem
  readonly tables: TableFolders
}

function makePlace(files: FileSystem): Place {
  return { files, tables: new TableFolders(files) }
}

async function findAtPath(
  given: string,
  places: Readonly<Record<'local' | 'remote', Place>>,
  format?: Format,
): Promise<PathSources> {
  if (given === '-') return { sources: [requireSource(given, format ?? 'arrow')], hidden: 0, deeper: 0 }
  if (!isRemote(given)) assertLocal(given)
  const path = isRemote(given) ? readRemote(given, 'paths') : given
  const place = isRemote(given) ? places.remote : places.local
  const { files, tables } = place
  const kind = await files.findKind(path)
  const refuse = (reason: string, code?: string) =>
    fileError(`${nameRemote(path)}: ${reason}`, { file: nameRemote(path), ...(code !== undefined && { code }) })
  if (kind === 'a folder') return findInFolder(path, place, format)
  if (kind === 'a file') {
    const source = requireSource(path, format)
    await tables.assertNotInTable(path, true)
    return { sources: [source], hidden: 0, deeper: 0 }
  }
  if (kind !== undefined) throw refuse(`${kind}, neither a file nor a folder; - reads standard input`)
  if (!files.isPattern(path)) throw refuse('no such file or folder', 'ENOENT')
  const matches = await files.match(path)
  const deeper = await countDeeper(path, files, format)
  if (matches.length === 0) {
    const advice = path.includes('[') ? '; [ begins characters of a pattern, and [[] stands for itself' : ''
    throw refuse(`no file matches${deeper > 0 ? ` but ${describeDeeper(deeper)}` : ''}${advice}`, 'ENOENT')
  }
  const seen = matches.filter((file) => !isHiddenMatch(path, file))
  const hidden = matches.length - seen.length
  if (seen.length === 0) throw refuse(`no file matches but ${describeHidden(hidden)}`, 'ENOENT')
  const sources = seen.map((file) => requireSource(file, format))
  for (const file of seen) await tables.assertNotInTable(file, true)
  return { sources, hidden, deeper }
}

/** Counts the files in folders that a pattern matches. Spark writes such folders, and names them x.parquet. */
async function countDeeper(pattern: string, found: FileSystem, format?: Format): Promise<number> {
  if (pattern.includes('**')) return 0
  const inFolders = `${pattern}/**`
  const files = await found.match(inFolders)
  return files.filter((file) => recognizeSource(file, format) !== undefined && !isHiddenMatch(inFolders, file)).length
}

async function findInFolder(folder: string, { files, tables }: Place, format?: Format): Promise<PathSources> {
  const sources: Source[] = []
  let hidden = 0
  for await (const { file, isHidden } of files.walk(folder)) {
    const source = recognizeSource(file, format)
    if (source === undefined) continue
    if (isHidden) hidden++
    else sources.push(source)
  }
  for (const { file } of sources) await tables.assertNotInTable(file, false)
  const [kind, ...others] = new Set(sources.map((source) => source.kind))
  if (kind === undefined) {
    const but = hidden > 0 ? ` but ${describeHidden(hidden)}` : ''
    throw fileError(`${folder}: the folder has no file that ends in one of ${supported}${but}`, { file: folder })
  }
  if (others.length === 0) return { sources: sortByPath(sources), hidden, deeper: 0 }
  throw fileError(`${folder}: the folder mixes ${[kind, ...others].join(' and ')}; name the files, or a pattern`, {
    file: folder,
  })
}

function sortByPath(sources: readonly Source[]): Source[] {
  const keyed = sources.map((source) => ({ source, key: withSlashes(source.file) }))
  return keyed.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ source }) => source)
}

/** True if a wildcard stands for the beginning of a hidden name; a pattern that spells it out asks for the file. */
function isHiddenMatch(pattern: string, file: string): boolean {
  const parts = splitPath(pattern.replace(/^~(?=[\\/])/, homedir()))
  const names = splitPath(file)
  const deep = parts.indexOf('**')
  return names.some((name, index) => {
    const fromEnd = parts.length - names.length + index
    const part = deep === -1 || index < deep ? parts[index] : parts[Math.max(fromEnd, deep)]
    return isHiddenName(name) && part?.[0] !== name[0]
  })
}

function describeHidden(count: number): string {
  return `${count === 1 ? '1 file' : `${count} files`} whose name, or folder's name, begins with _ or .`
}

function describeDeeper(count: number): string {
  return `${count === 1 ? '1 file' : `${count} files`} in folders that the pattern matches`
}

/** Returns each file the first time that it is found, under any name. Refuses what is not a file. */
async function findUnique(
  sources: readonly Source[],
  { local, remote }: Pick<Search, 'local' | 'remote'>,
): Promise<Source[]> {
  const byIdentity = new Map<string, Source>()
  for (const source of sources) {
    const files = isRemote(source.file) ? remote : local
    const identity = source.file === '-' ? '-' : await files.identify(source.file)
    if (!byIdentity.has(identity)) byIdentity.set(identity, source)
  }
  return [...byIdentity.values()]
}

function noteDuplicates(sources: readonly Source[], unique: readonly Source[], note: Search['note']): void {
  const kept = new Set(unique)
  const [first, ...others] = sources.filter((source) => !kept.has(source))
  if (first === undefined) return
  const files = `${nameRemote(first.file)}${others.length === 0 ? '' : ` and ${others.length} more`}`
  note(message`${files}: given more than once, counted once; ${set({ allowDuplicates: true })} counts each time`)
}

import { open, readdir, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { codeOf, fileError, type Message, message, option, set } from './errors.ts'
import { type FileKind, type Format, formats } from './options.ts'
import { assertLocal, describeKind, readFlags } from './paths.ts'
import { Tables } from './table-formats.ts'

const kinds = new Map([
  ['parquet', 'Parquet'],
  ['csv', 'CSV'],
  ['tsv', 'TSV'],
  ['json', 'NDJSON'],
  ['ndjson', 'NDJSON'],
  ['jsonl', 'NDJSON'],
  ['arrow', 'Arrow'],
  ['ipc', 'Arrow'],
  ['feather', 'Arrow'],
  ['arrows', 'Arrow'],
] as const)
const compressions: Readonly<Record<string, string>> = { gz: 'gzip', zst: 'zstd' }
const supported = `${[...kinds.keys()].map((end) => `.${end}`).join(', ')}; text also with .gz or .zst`

export interface Source {
  file: string
  kind: FileKind
  /** in DuckDB's words */
  compression: string
}

function sourceOf(file: string, format?: Format): Source | undefined {
  const [, end = '', suffix = ''] = /\.(\w+?)(?:\.(gz|zst))?$/i.exec(file.toLowerCase()) ?? []
  if (format !== undefined) return { file, kind: formats[format], compression: 'uncompressed' }
  const kind = kinds.get(end as never)
  if (kind === 'Arrow' && suffix !== '') return undefined
  return kind && { file, kind, compression: compressions[suffix] ?? 'uncompressed' }
}

/** The compression that the first bytes show, for files of any name. */
export async function compressionOf(file: string): Promise<string> {
  const handle = await open(file, readFlags)
  try {
    const { buffer } = await handle.read(Buffer.alloc(4), 0, 4)
    if (buffer.readUInt16BE() === 0x1f8b) return 'gzip'
    return buffer.readUInt32LE() === 0xfd2fb528 ? 'zstd' : 'uncompressed'
  } finally {
    await handle.close()
  }
}

function isText({ kind }: Source): boolean {
  return kind === 'CSV' || kind === 'TSV' || kind === 'NDJSON'
}

function requireSource(file: string, format?: Format): Source {
  const source = sourceOf(file, format)
  if (source !== undefined) return source
  const advice = /\.np[yz]$/i.test(file)
    ? message`; arrays are .npy, named by ${option('input')} and ${option('label')} without ${option('paths')}`
    : ''
  const expected = message`must end in one of ${supported}, or ${option('format')} must say what it is${advice}`
  throw fileError(message`${file}: the name of a file ${expected}`, { file })
}

/** How files are searched for. */
export interface Search {
  /** the files that match a pattern */
  readonly match: (pattern: string) => Promise<string[]>
  /** whether a file that is found several times counts several times; by default once */
  readonly allowDuplicates?: boolean | undefined
  /** what all files are, whatever their names */
  readonly format?: Format | undefined
  /** is called with a message for what is left out */
  readonly note: (note: Message) => void
}

/** The files that FILE arguments stand for: a file, standard input, all files in a folder, or all that match a pattern. */
export async function findSources(
  paths: readonly string[],
  { match, allowDuplicates = false, format, note }: Search,
): Promise<Source[]> {
  const tables = new Tables()
  const sources: Source[] = []
  let [hidden, deeper] = [0, 0]
  for (const path of paths) {
    const found = await findAt(path, match, tables, format)
    sources.push(...found.sources)
    hidden += found.hidden
    deeper += found.deeper
  }
  if (deeper > 0) note(message`${describeDeeper(deeper)}: skipped; name the folders, or write **`)
  if (hidden > 0) note(message`${describeHidden(hidden)}: skipped; name them to have them scored`)
  const files = await distinct(sources, allowDuplicates, note)
  if (format === undefined) return files
  for (const source of files) {
    if (isText(source) && source.file !== '-') source.compression = await compressionOf(source.file)
  }
  return files
}

interface Found {
  readonly sources: Source[]
  /** how many more there are with hidden names */
  readonly hidden: number
  /** how many are in folders that a pattern matches as well */
  readonly deeper: number
}

async function findAt(path: string, match: Search['match'], tables: Tables, format?: Format): Promise<Found> {
  assertLocal(path)
  if (path === '-') return { sources: [requireSource(path, format ?? 'arrow')], hidden: 0, deeper: 0 }
  const status = await stat(path).catch((cause) => {
    if (!['ENOENT', 'ENOTDIR'].includes(codeOf(cause))) throw cause
  })
  if (status?.isDirectory()) return findInFolder(path, tables, format)
  if (status === undefined && !/[*?[]/.test(path))
    throw fileError(`${path}: no such file or folder`, { code: 'ENOENT', file: path })
  if (status !== undefined && !status.isFile()) {
    throw fileError(`${path}: ${describeKind(status)}, neither a file nor a folder; - reads standard input`, {
      file: path,
    })
  }
  const files = status === undefined ? await match(path) : [path]
  const deeper = status === undefined ? await countDeeper(path, match, format) : 0
  if (files.length === 0)
    throw fileError(`${path}: no file matches${deeper > 0 ? ` but ${describeDeeper(deeper)}` : ''}`, {
      code: 'ENOENT',
      file: path,
    })
  const seen = files.filter((file) => file === path || !isHiddenMatch(path, file))
  const hidden = files.length - seen.length
  if (seen.length === 0)
    throw fileError(`${path}: no file matches but ${describeHidden(hidden)}`, { code: 'ENOENT', file: path })
  const sources = seen.map((file) => requireSource(file, format))
  for (const file of seen) await tables.assertNone(file, true)
  return { sources, hidden, deeper }
}

/** How many files are in folders that a pattern matches, such as those that Spark writes and names x.parquet. */
async function countDeeper(pattern: string, match: Search['match'], format?: Format): Promise<number> {
  if (pattern.includes('**')) return 0
  const inFolders = `${pattern}/**`
  const files = await match(inFolders)
  return files.filter((file) => sourceOf(file, format) !== undefined && !isHiddenMatch(inFolders, file)).length
}

async function findInFolder(folder: string, tables: Tables, format?: Format): Promise<Found> {
  const all: Entry[] = []
  for await (const entry of entriesOf(folder)) all.push(entry)
  const sources: Source[] = []
  for (const { file } of all.filter(({ isHidden }) => !isHidden)) {
    const source = sourceOf(file, format)
    if (source === undefined) continue
    await tables.assertNone(file, false)
    sources.push(source)
  }
  const hidden = all.filter(({ file, isHidden }) => isHidden && sourceOf(file, format) !== undefined).length
  const [kind, ...others] = new Set(sources.map((source) => source.kind))
  if (kind === undefined) {
    const but = hidden > 0 ? ` but ${describeHidden(hidden)}` : ''
    throw fileError(`${folder}: the folder has no file that ends in one of ${supported}${but}`, { file: folder })
  }
  if (others.length === 0) return { sources: sources.sort((a, b) => (a.file < b.file ? -1 : 1)), hidden, deeper: 0 }
  throw fileError(`${folder}: the folder mixes ${[kind, ...others].join(' and ')}; name the files, or a pattern`, {
    file: folder,
  })
}

interface Entry {
  readonly file: string
  /** it, or a folder around it, has a hidden name */
  readonly isHidden: boolean
}

/** All files in a folder and the folders in it; of hidden ones as many as can be seen. */
async function* entriesOf(folder: string, isHidden = false): AsyncGenerator<Entry> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause) => {
    if (isHidden) return []
    throw cause
  })
  for (const entry of entries) {
    const file = join(folder, entry.name)
    const hides = isHidden || isHiddenName(entry.name)
    if (!hides && entry.isSymbolicLink()) await assertLinkToFile(file)
    if (entry.isDirectory()) yield* entriesOf(file, hides)
    else yield { file, isHidden: hides }
  }
}

async function assertLinkToFile(link: string): Promise<void> {
  const target = await stat(link).catch(() => undefined)
  if (target === undefined) throw fileError(`${link}: a link to nothing`, { file: link })
  if (target.isDirectory())
    throw fileError(`${link}: a link to a folder is not followed; name the folder`, { file: link })
}

/** Names that Spark and pyarrow skip: of work in progress and of caches. Folders such as `_day=1` stay, as in Spark. */
function isHiddenName(name: string): boolean {
  return name.startsWith('.') || (name.startsWith('_') && !name.includes('='))
}

/** Whether a wildcard stands for the begin of a hidden name; a pattern that spells it out asks for it. */
function isHiddenMatch(pattern: string, file: string): boolean {
  const parts = namesOf(pattern.replace(/^~(?=\/)/, homedir()))
  const names = namesOf(file)
  const deep = parts.indexOf('**')
  return names.some((name, index) => {
    const fromEnd = parts.length - names.length + index
    const part = deep === -1 || index < deep ? parts[index] : parts[Math.max(fromEnd, deep)]
    return isHiddenName(name) && part?.[0] !== name[0]
  })
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.')
}

function describeHidden(count: number): string {
  return `${count === 1 ? '1 file' : `${count} files`} whose name, or folder's name, begins with _ or .`
}

function describeDeeper(count: number): string {
  return `${count === 1 ? '1 file' : `${count} files`} in folders that the pattern matches`
}

/** Refuses what is not a file, and leaves out a file that was found before under any name. */
async function distinct(sources: readonly Source[], allowDuplicates: boolean, note: Search['note']): Promise<Source[]> {
  const found = new Map<string, Source>()
  const twice: string[] = []
  for (const source of sources) {
    const identity = source.file === '-' ? '-' : await identityOf(source.file)
    if (found.has(identity)) twice.push(source.file)
    else found.set(identity, source)
  }
  if (allowDuplicates || twice.length === 0) return [...sources]
  const more = twice.length === 1 ? '' : ` and ${twice.length - 1} more`
  note(
    message`${twice[0] ?? ''}${more}: given more than once, counted once; ${set({ allowDuplicates: true })} counts each time`,
  )
  return [...found.values()]
}

async function identityOf(file: string): Promise<string> {
  const status = await stat(file, { bigint: true })
  if (!status.isFile()) throw fileError(`${file}: ${describeKind(status)}, must be a file`, { file })
  return [status.dev, status.ino, status.size, status.mtimeNs].join()
}

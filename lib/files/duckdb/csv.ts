import { isUtf8 } from 'node:buffer'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { fileError, message, option } from '../errors.ts'
import type { CsvOptions } from '../options.ts'
import { readFlags } from '../paths.ts'
import { type Dialect, RecordReader } from './csv-records.ts'
import type { Session } from './session.ts'
import { quoteFiles, quoteText } from './sql.ts'

/** How a file of CSV is to be read: nothing of it is left for DuckDB to guess. */
export interface CsvFormat extends Dialect {
  readonly names: readonly string[]
  readonly hasHeader: boolean
  /** lines before the header, comments not counted */
  readonly skip: number
  /** whether lines end alike, as DuckDB's strict mode asks */
  readonly isStrict: boolean
  /** whether threads may begin at any line end: none is within quotes */
  readonly isParallel: boolean
}

/** A file of CSV after its records have been checked. */
export interface CsvFile {
  readonly format: CsvFormat
  /** without the header, where DuckDB could count otherwise */
  readonly rows?: number
  readonly hasNumberHeader: boolean
}

interface Place {
  readonly file: string
  readonly compression: string
}

const delimiters = [',', ';', '\t', '|']
const headBytes = 2 ** 18
/** how many records of the head tell its delimiter */
const headRecords = 1000

interface Opening {
  readonly head: Head
  readonly base: Pick<CsvFormat, 'names' | 'hasHeader' | 'skip' | 'delimiter' | 'comment'>
  readonly hasNumberHeader: boolean
}

type CsvPlace = Place & { readonly kind: 'CSV' | 'TSV' }

/** Finds out how a file of CSV is written, and checks that all its records have as many fields. */
export async function inspectCsv(
  session: Session,
  place: CsvPlace,
  options: CsvOptions,
  signal: AbortSignal,
): Promise<CsvFile> {
  const { base, head, hasNumberHeader } = await openCsv(session, place, options, signal)
  const { records, ...checked } = await check(base, head.begin, () =>
    assertingUtf8(head.isWhole ? [head.bytes] : textOf(session, place, signal)),
  )
  const { escape: escapeBy, isStrict, isParallel } = checked
  const isOdd = escapeBy !== '"' || !isStrict || !isParallel || base.skip > 0 || base.names.length === 1
  const rows = records === undefined || !isOdd ? {} : { rows: Math.max(0, records - Number(base.hasHeader)) }
  return { format: { ...base, ...checked }, hasNumberHeader, ...rows }
}

/** What the beginning of a file says. */
export async function openCsv(
  session: Session,
  place: CsvPlace,
  options: CsvOptions,
  signal: AbortSignal,
): Promise<Opening> {
  const head = await readHead(session, place, options, signal)
  const known = options.delimiter ?? head.separator ?? (place.kind === 'TSV' ? '\t' : undefined)
  const delimiter = known ?? delimiterOf(head, options)
  const [first] = recordsOf(head, { ...escapeOf(head, delimiter), ...commentIn(options) }, 1)
  if (first === undefined) throw new Error('the file is empty, without even a header')
  const hasHeader = options.header ?? true
  const texts = first.map((text) => text.trim())
  const names = texts.map((text, i) => (hasHeader && text !== '' ? text : `column${i}`))
  const isNumber = (text: string) => text !== '' && Number.isFinite(Number(text))
  const hasNumberHeader = options.header === undefined && texts.every(isNumber)
  return { base: { ...commentIn(options), names, hasHeader, skip: head.skip, delimiter }, head, hasNumberHeader }
}

function commentIn({ comment }: CsvOptions): { comment?: string } {
  return comment === undefined ? {} : { comment }
}

interface Head {
  readonly bytes: Buffer
  /** whether the bytes are the whole file */
  readonly isWhole: boolean
  /** where the first record begins */
  readonly begin: number
  readonly skip: number
  /** that the line `sep=` of Excel's names */
  readonly separator?: string
}

/** As much of a file as has its first record. */
async function readHead(session: Session, place: Place, options: CsvOptions, signal: AbortSignal): Promise<Head> {
  for (let least = headBytes; ; least *= 8) {
    const chunks: Buffer[] = []
    let length = 0
    let isWhole = true
    for await (const chunk of textOf(session, place, signal)) {
      chunks.push(Buffer.from(chunk))
      length += chunk.length
      if (length < least) continue
      isWhole = false
      break
    }
    const bytes = Buffer.concat(chunks)
    assertUtf8(bytes)
    const head = { bytes, isWhole, ...linesBefore(bytes, options) }
    const isEnough = isWhole || /[\r\n]/.test(bytes.subarray(head.begin).toString('latin1'))
    if (isEnough) return head
  }
}

function assertUtf8(bytes: Buffer): void {
  const mark = bytes.subarray(0, 2).toString('hex')
  if (mark === 'fffe' || mark === 'feff')
    throw new Error('UTF-16, expected UTF-8: iconv -f UTF-16 -t UTF-8 converts it')
}

/** Empty lines, comments and Excel's `sep=` before the first record. */
function linesBefore(bytes: Buffer, { comment }: CsvOptions): Pick<Head, 'begin' | 'skip' | 'separator'> {
  const isMarked = bytes.subarray(0, 3).toString('hex') === 'efbbbf'
  let begin = isMarked ? 3 : 0
  let skip = 0
  let separator: string | undefined
  for (;;) {
    const [line = '', text = ''] =
      /^([^\r\n]*)(?:\r\n|\r|\n)/.exec(bytes.subarray(begin, begin + 4096).toString('latin1')) ?? []
    const [, named] = (skip === 0 && /^"?sep=(.)"?$/i.exec(text)) || []
    const isComment = comment !== undefined && text.trimStart().startsWith(comment)
    if (line === '' || (text !== '' && named === undefined && !isComment)) break
    separator ??= named
    if (!isComment) skip++
    begin += line.length
  }
  return { begin, skip, ...(separator !== undefined && { separator }) }
}

/** The first records of the head; an error where they cannot be told apart. */
function recordsOf({ bytes, begin, isWhole }: Head, dialect: Dialect, most: number): string[][] {
  const records: string[][] = []
  const reader = new RecordReader(dialect, undefined, (fields) => records.push(fields))
  const step = 4096
  try {
    for (let from = begin; from < bytes.length && records.length < most; from += step) {
      reader.read(bytes.subarray(from, from + step))
    }
    if (isWhole && records.length < most) reader.end()
  } catch (error) {
    if (records.length < most) throw error
  }
  return records.slice(0, most)
}

/** The escape that the first record takes. */
function escapeOf(head: Head, delimiter: string): Dialect {
  try {
    recordsOf(head, { delimiter, escape: '"' }, 1)
    return { delimiter, escape: '"' }
  } catch {
    return { delimiter, escape: '\\' }
  }
}

/** The one delimiter that makes records of as many fields, two or more, of all of the head. */
function delimiterOf(head: Head, options: CsvOptions): string {
  const widthOf = (delimiter: string, most: number) => {
    const dialect = { ...escapeOf(head, delimiter), ...commentIn(options) }
    try {
      return recordsOf(head, dialect, most)[0]?.length ?? 1
    } catch {
      return 1
    }
  }
  const inHeader = delimiters.filter((delimiter) => widthOf(delimiter, 1) > 1)
  if (inHeader.length < 2) return inHeader[0] ?? ','
  const inAll = inHeader.filter((delimiter) => widthOf(delimiter, headRecords) > 1)
  const other = options.decimal === ',' ? inAll.filter((delimiter) => delimiter !== ',') : inAll
  if (other.length <= 1) return other[0] ?? inAll[0] ?? (inHeader[0] as string)
  const names = other.map((delimiter) => (delimiter === '\t' ? 'tab' : delimiter)).join(' or ')
  throw fileError(message`the fields may be separated by ${names}: ${option('delimiter')} says which`)
}

type Checked = Pick<CsvFormat, 'escape' | 'isStrict' | 'isParallel'> & { records?: number }

/**
 * Reads all records where DuckDB might read others: where there are quotes, line ends of several kinds, comments, or a
 * delimiter before the end of a line, which DuckDB passes over.
 */
async function check(
  base: Pick<CsvFormat, 'names' | 'delimiter' | 'comment'>,
  begin: number,
  openText: () => AsyncIterable<Buffer>,
): Promise<Checked> {
  const isPlain =
    base.comment === undefined && base.names.length > 1 && (await isWithoutQuotes(openText(), base.delimiter))
  if (isPlain) return { escape: '"', isStrict: true, isParallel: true }
  const readBy = async (escapeBy: Dialect['escape']) => {
    const reader = new RecordReader({ ...base, escape: escapeBy }, base.names.length)
    let skipped = 0
    for await (const chunk of openText()) {
      const rest = chunk.subarray(Math.min(chunk.length, begin - skipped))
      skipped += chunk.length - rest.length
      reader.read(rest)
    }
    reader.end()
    return {
      escape: escapeBy,
      isStrict: [0, 1, 2, 4].includes(reader.lineEnds),
      isParallel: !reader.hasQuotedLineEnd && !reader.hasComment,
      records: reader.records,
    }
  }
  try {
    return await readBy('"')
  } catch (error) {
    // Where quotes within quotes have a backslash before them, the file as a whole is no RFC 4180.
    return await readBy('\\').catch(() => {
      throw error
    })
  }
}

/** True if DuckDB can read nothing but what is there: no quotes, no CR, and no delimiter before the end of a line. */
async function isWithoutQuotes(chunks: AsyncIterable<Buffer>, delimiter: string): Promise<boolean> {
  const lastDelimiter = `${delimiter}\n`
  let isAfterDelimiter = false
  for await (const chunk of chunks) {
    if (chunk.includes('"') || chunk.includes('\r') || chunk.includes(lastDelimiter)) return false
    if (isAfterDelimiter && chunk[0] === 0x0a) return false
    isAfterDelimiter = chunk.at(-1) === delimiter.charCodeAt(0)
  }
  return !isAfterDelimiter
}

async function* assertingUtf8(chunks: Iterable<Buffer> | AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest = Buffer.alloc(0)
  for await (const chunk of chunks) {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
    const end = completeEnd(bytes)
    if (!isUtf8(bytes.subarray(0, end))) throw notUtf8()
    rest = Buffer.from(bytes.subarray(end))
    yield chunk
  }
  if (rest.length > 0) throw notUtf8()
}

/** The end of the last character that is complete. */
function completeEnd(bytes: Buffer): number {
  for (let end = bytes.length - 1; end >= Math.max(0, bytes.length - 3); end--) {
    const byte = bytes[end] as number
    if (byte < 0x80) break
    if (byte >= 0xc0) return end + (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) > bytes.length ? end : bytes.length
  }
  return bytes.length
}

function notUtf8(): Error {
  return new Error('not UTF-8: iconv -f ENCODING -t UTF-8 converts it, such as from WINDOWS-1252 or LATIN1')
}

/** The bytes of a text file, decompressed; each chunk until the next is asked for. */
export async function* textOf(
  session: Session,
  { file, compression }: Place,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  if (compression === 'zstd') yield* linesOf(session, file)
  else if (compression === 'gzip')
    yield* pipeline(createReadStream(file, { signal }), createGunzip({ chunkSize: 2 ** 18 }), () => {})
  else yield* bytesOf(file, signal)
}

async function* bytesOf(file: string, signal: AbortSignal): AsyncGenerator<Buffer> {
  const handle = await open(file, readFlags)
  try {
    const { size } = await handle.stat()
    const buffer = Buffer.allocUnsafe(Math.min(Math.max(size, 1), 2 ** 20))
    for (;;) {
      signal.throwIfAborted()
      const { bytesRead } = await handle.read(buffer, 0, buffer.length)
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await handle.close()
  }
}

/** Node 20 has no Zstandard: DuckDB reads the lines. */
async function* linesOf(session: Session, file: string): AsyncGenerator<Buffer> {
  const sql = `FROM read_csv(${quoteFiles([file])}, compression = 'zstd', auto_detect = false, header = false, delim = '\x1f',
    quote = '', escape = '', comment = '', columns = {'line': 'VARCHAR'})`
  for await (const [lines = []] of session.readChunks(sql)) {
    yield Buffer.from(lines.map((line) => `${line ?? ''}\n`).join(''))
  }
}

/** In bytes; DuckDB's own limit, 2 MB, is less than a page of text or an embedding in JSON may take. */
const longestLine = 16_000_000

/** What read_csv takes for files of this format. */
export function csvArguments(
  { names: _, delimiter, escape: escapeBy, comment = '', hasHeader, skip, isStrict, isParallel }: CsvFormat,
  columns: string,
  { decimal = '.', nullString = [] }: CsvOptions,
): string {
  const nulls = ['', ...nullString].map(quoteText).join(', ')
  return `auto_detect = false, delim = ${quoteText(delimiter)}, quote = '"', escape = ${quoteText(escapeBy)}, comment = ${quoteText(comment)},
    header = ${hasHeader}, skip = ${skip}, strict_mode = ${isStrict}, parallel = ${isParallel}, null_padding = false, ignore_errors = false,
    decimal_separator = ${quoteText(decimal)}, max_line_size = ${longestLine}, nullstr = [${nulls}], columns = ${columns}`
}

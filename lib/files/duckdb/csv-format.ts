import { fileError, message, option } from '../errors.ts'
import type { CsvOptions } from '../options.ts'
import { type Dialect, RecordReader } from './csv-records.ts'
import type { Session } from './session.ts'
import { quoteText } from './sql.ts'
import { assertNoUtf16Mark, assertUtf8, readText, type TextFile } from './text-bytes.ts'

/** How a file of CSV is written; DuckDB guesses nothing. */
interface CsvFormat extends Dialect {
  readonly names: readonly string[]
  readonly hasHeader: boolean
  /** lines before the header, comments not counted */
  readonly skip: number
  /** all lines end alike, as DuckDB's strict mode requires */
  readonly isStrict: boolean
  /** threads may start at any line end: none is within quotes */
  readonly isParallel: boolean
}

/** A file of CSV whose records are checked. */
interface CsvFile {
  readonly format: CsvFormat
  /** without the header; absent where DuckDB can only count the same */
  readonly rows?: number
  readonly hasNumberHeader: boolean
}

const delimiters = [',', ';', '\t', '|']
const headBytes = 2 ** 18
/** The most records of the head that decide its delimiter. */
const headRecords = 1000

/** What the head of a file says of the rest. */
interface CsvHead {
  readonly head: Head
  readonly base: Pick<CsvFormat, 'names' | 'hasHeader' | 'skip' | 'delimiter' | 'comment'>
  readonly hasNumberHeader: boolean
}

type CsvTextFile = TextFile & { readonly kind: 'CSV' | 'TSV' }

/** Finds out how a file of CSV is written, and checks that its records have the same number of fields. */
export async function inspectCsv(
  session: Session,
  source: CsvTextFile,
  options: CsvOptions,
  signal: AbortSignal,
): Promise<CsvFile> {
  const { base, head, hasNumberHeader } = await readCsvHead(session, source, options, signal)
  const { records, ...checked } = await checkRecords(base, head.begin, () =>
    assertUtf8(head.isWhole ? [head.bytes] : readText(session, source, signal)),
  )
  const format = { ...base, ...checked }
  if (records === undefined || !mayDuckDBDiffer(format)) return { format, hasNumberHeader }
  return { format, hasNumberHeader, rows: Math.max(0, records - Number(base.hasHeader)) }
}

/** True if DuckDB could find other records than RFC 4180 has. */
function mayDuckDBDiffer({ escape: escapeBy, isStrict, isParallel, skip, names }: CsvFormat): boolean {
  return escapeBy !== '"' || !isStrict || !isParallel || skip > 0 || names.length === 1
}

/** Reads the head of a file of CSV: its delimiter and the names of its columns. */
export async function readCsvHead(
  session: Session,
  source: CsvTextFile,
  options: CsvOptions,
  signal: AbortSignal,
): Promise<CsvHead> {
  const head = await readHead(session, source, options, signal)
  const known = options.delimiter ?? head.separator ?? (source.kind === 'TSV' ? '\t' : undefined)
  const delimiter = known ?? findDelimiter(head, options)
  if (options.comment === delimiter) {
    const expected = message`must be other than the delimiter of the file, got '${delimiter}'`
    throw fileError(message`${option('comment')} ${expected}`, { option: 'comment' })
  }
  const [first] = parseRecords(head, { ...findEscape(head, delimiter), ...commentOf(options) }, 1)
  if (first === undefined) throw fileError('the file is empty, without even a header')
  const hasHeader = options.header ?? true
  const texts = first.map((text) => text.trim())
  const names = texts.map((text, i) => (hasHeader && text !== '' ? text : `column${i}`))
  const isNumber = (text: string) => text !== '' && Number.isFinite(Number(text))
  const hasNumberHeader = options.header === undefined && texts.every(isNumber)
  return { base: { ...commentOf(options), names, hasHeader, skip: head.skip, delimiter }, head, hasNumberHeader }
}

function commentOf({ comment }: CsvOptions): { comment?: string } {
  return comment === undefined ? {} : { comment }
}

interface Head {
  readonly bytes: Buffer
  /** the bytes are the whole file */
  readonly isWhole: boolean
  /** the byte at which the first record begins */
  readonly begin: number
  readonly skip: number
  /** of a first line `sep=`, which Excel writes */
  readonly separator?: string
}

/** The first bytes of a file, with all of its first record. */
async function readHead(session: Session, source: TextFile, options: CsvOptions, signal: AbortSignal): Promise<Head> {
  for (let least = headBytes; ; least *= 8) {
    const chunks: Buffer[] = []
    let length = 0
    let isWhole = true
    for await (const chunk of readText(session, source, signal)) {
      chunks.push(Buffer.from(chunk))
      length += chunk.length
      if (length < least) continue
      isWhole = false
      break
    }
    const bytes = Buffer.concat(chunks)
    assertNoUtf16Mark(bytes)
    const head = { bytes, isWhole, ...skipLines(bytes, options) }
    if (isWhole || /[\r\n]/.test(bytes.subarray(head.begin).toString('latin1'))) return head
  }
}

/** Skips empty lines, comments and the `sep=` of Excel before the first record. */
function skipLines(bytes: Buffer, { comment }: CsvOptions): Pick<Head, 'begin' | 'skip' | 'separator'> {
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

/** The first records of the head; throws if these are no records. */
function parseRecords({ bytes, begin, isWhole }: Head, dialect: Dialect, most: number): string[][] {
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

/** The escape that makes the first bytes a record. */
function findEscape(head: Head, delimiter: string): Dialect {
  try {
    parseRecords(head, { delimiter, escape: '"' }, 1)
    return { delimiter, escape: '"' }
  } catch {
    return { delimiter, escape: '\\' }
  }
}

/** The only delimiter that makes records of the same number of fields, two or more, of the head. */
function findDelimiter(head: Head, options: CsvOptions): string {
  const widthOf = (delimiter: string, most: number) => {
    const dialect = { ...findEscape(head, delimiter), ...commentOf(options) }
    try {
      return parseRecords(head, dialect, most)[0]?.length ?? 1
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
 * Reads all records if DuckDB might read others: if there are quotes, line ends of several kinds, comments, or a delimiter
 * before the end of a line, which DuckDB ignores.
 */
async function checkRecords(
  base: Pick<CsvFormat, 'names' | 'delimiter' | 'comment'>,
  begin: number,
  openText: () => AsyncIterable<Buffer>,
): Promise<Checked> {
  const isPlain =
    base.comment === undefined && base.names.length > 1 && (await isUnambiguous(openText(), base.delimiter))
  if (isPlain) return { escape: '"', isStrict: true, isParallel: true }
  const readWith = async (escapeBy: Dialect['escape']) => {
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
    return await readWith('"')
  } catch (error) {
    // Not RFC 4180 if a backslash stands before quotes within quotes.
    return await readWith('\\').catch(() => {
      throw error
    })
  }
}

/** True if DuckDB can only read the right records: no quotes, no CR, and no delimiter before the end of a line. */
async function isUnambiguous(chunks: AsyncIterable<Buffer>, delimiter: string): Promise<boolean> {
  const lastDelimiter = `${delimiter}\n`
  let isAfterDelimiter = false
  for await (const chunk of chunks) {
    if (chunk.includes('"') || chunk.includes('\r') || chunk.includes(lastDelimiter)) return false
    if (isAfterDelimiter && chunk[0] === 0x0a) return false
    isAfterDelimiter = chunk.at(-1) === delimiter.charCodeAt(0)
  }
  return !isAfterDelimiter
}

/** In bytes. DuckDB's default, 2 MB, is less than a page of text or an embedding as JSON may take. */
const longestLine = 16_000_000

/** The arguments of read_csv for files of this format. */
export function formatCsvArguments(
  { names: _, delimiter, escape: escapeBy, comment = '', hasHeader, skip, isStrict, isParallel }: CsvFormat,
  columns: string,
  { decimal = '.', nullString = [] }: CsvOptions,
): string {
  const nulls = ['', ...nullString].map(quoteText).join(', ')
  return `auto_detect = false, delim = ${quoteText(delimiter)}, quote = '"', escape = ${quoteText(escapeBy)}, comment = ${quoteText(comment)},
    header = ${hasHeader}, skip = ${skip}, strict_mode = ${isStrict}, parallel = ${isParallel}, null_padding = false, ignore_errors = false,
    decimal_separator = ${quoteText(decimal)}, max_line_size = ${longestLine}, nullstr = [${nulls}], columns = ${columns}`
}

import { stat } from 'node:fs/promises'
import { formatCount } from '../../format.ts'
import {
  errorAt,
  fileError,
  type Given,
  given,
  isOptionError,
  type Message,
  message,
  optionError,
  set,
} from '../errors.ts'
import type { CsvOptions } from '../options.ts'
import type { Source } from '../sources.ts'
import { type Column, columnsOf, type Resolved, resolveColumn } from './columns.ts'
import { csvArguments, inspectCsv, openCsv } from './csv.ts'
import { adviseOnText, describedCsvError } from './csv-errors.ts'
import { nameOfNoColumn } from './expressions.ts'
import type { Session } from './session.ts'
import { quoteFiles, quoteName, quoteText } from './sql.ts'
import { assertComplete } from './truncation.ts'

/** A file that DuckDB reads. */
export type ScanSource = Source & { kind: 'Parquet' | 'CSV' | 'TSV' | 'NDJSON' }

/** Files that one scan of DuckDB's reads without converting any of them to the types of another. */
export interface Scan {
  readonly kind: ScanSource['kind']
  readonly compression: string
  readonly files: readonly string[]
  /** false where a folder of a partition has the name of a column of the files', which DuckDB would put it in place of */
  readonly isPartitioned: boolean
  /** the types of the columns that folders are named for; without them DuckDB finds types that suit the files of the scan */
  readonly partitions?: Readonly<Record<string, string>>
  /** of the one Parquet file that there is; without them all */
  readonly rows?: RowRange
  /** what read_csv takes */
  readonly csv?: string
  /** what read_json takes */
  readonly json?: string
  /** those of the files, without those of folders */
  readonly columns: readonly Column[]
  /** what each text of the options stands for */
  readonly expressions: ReadonlyMap<string, Resolved>
}

/** What is asked of the columns, and how text files are written. */
export interface ScanOptions extends CsvOptions {
  readonly input?: string
  readonly label?: string
  readonly by?: string
  readonly keep?: readonly string[]
  /** is called with a message for a file that may be meant otherwise */
  readonly onNote?: (note: Message) => void
}

/** From `start` on, up to but not with `end`. */
export interface RowRange {
  readonly start: number
  readonly end: number
}

/** JSON takes all rows as its sample: were a column read as BIGINT, a later 0.5 would be rounded without a word. */
const wholeSample = 'sample_size = -1, maximum_sample_files = 2147483647'
const readers: Readonly<Record<ScanSource['kind'], string>> = {
  Parquet: 'read_parquet',
  CSV: 'read_csv',
  TSV: 'read_csv',
  NDJSON: 'read_json',
}

/** The table that a scan is in FROM. */
export function fromClause({
  kind,
  compression,
  files,
  isPartitioned,
  partitions,
  csv,
  json,
}: Omit<Scan, 'columns' | 'expressions'>): string {
  const types = Object.entries(partitions ?? {}).map(([key, type]) => `${quoteText(key)}: ${type}`)
  const folders = isPartitioned
    ? types.length === 0
      ? []
      : ['hive_partitioning = true', `hive_types = {${types.join(', ')}}`]
    : ['hive_partitioning = false']
  const own = kind === 'Parquet' ? [] : [`compression = ${quoteText(compression)}`, csv ?? json ?? wholeSample]
  return `${readers[kind]}(${[quoteFiles(files), ...own, ...folders].join(', ')})`
}

/** The SQL that a text of the options stands for in a scan. */
export function sqlOf({ expressions }: Scan, text: string): string {
  return expressions.get(text)?.sql ?? text
}

/** The column that a text names, if it is not an expression. */
export function columnOf({ expressions }: Scan, text: string): Column | undefined {
  const { references = [], columns: [column] = [] } = expressions.get(text) ?? {}
  return references.length === 0 ? column : undefined
}

/** What WHERE has for the rows of a scan; of row groups that have none of them DuckDB reads nothing. */
export function rowCondition({ rows }: Scan): string {
  return rows === undefined ? 'TRUE' : `file_row_number >= ${rows.start} AND file_row_number < ${rows.end}`
}

/** Whole files, each by itself. */
export function splitByFile(scans: readonly Scan[]): { file: string; scan: Scan }[] {
  return scans.flatMap(({ rows: _, ...scan }) => scan.files.map((file) => ({ file, scan: { ...scan, files: [file] } })))
}

/** One scan for each schema or, with `isInOrder`, as few as keep the order of the files. Files that cannot be read are left for DuckDB to report. */
export async function openScans(
  session: Session,
  sources: readonly ScanSource[],
  options: ScanOptions,
  signal: AbortSignal,
  isInOrder = false,
): Promise<Scan[]> {
  let numberHeader: string | undefined
  const schemas = await parquetSchemas(session, sources)
  const scans: OpenScan[] = []
  /** the scans that may have more files, by what is alike in them */
  const open = new Map<string, OpenScan>()
  for (const source of sources) {
    const { file, kind, compression } = source
    signal.throwIfAborted()
    const hasText = await assertComplete(session, source, signal)
    if (kind === 'NDJSON' && !hasText) continue
    if ((await stat(file)).size === 0) {
      throw fileError(`${file}: the file is empty${kind === 'Parquet' ? '' : ', without even a header'}`, { file })
    }
    const text = isCsv(source) ? await csvIn(session, source, options, signal) : undefined
    if (text?.hasNumberHeader) numberHeader ??= file
    // A Parquet file whose schema is not known by its name is a scan of its own.
    const schema = kind === 'Parquet' ? (schemas.get(file) ?? file) : JSON.stringify([text?.csv, text?.columns])
    const folders = [...file.matchAll(partition)].map(([, name]) => name)
    const key = JSON.stringify([kind, compression, schema, folders])
    if (isInOrder && !open.has(key)) open.clear()
    const { csv, columns, expressions } = text ?? {}
    const own = csv && columns && expressions ? { csv, columns, expressions } : {}
    const scan = open.get(key) ?? { kind, compression, files: [], isPartitioned: false, ...own }
    if (scan.files.length === 0) scans.push(scan)
    scan.files.push(file)
    open.set(key, scan)
  }
  if (numberHeader !== undefined) options.onNote?.(describeNumberHeader(numberHeader))
  const complete = []
  for (const scan of scans) {
    signal.throwIfAborted()
    const typed = {
      ...scan,
      ...(scan.kind === 'NDJSON' && (await namingData(scan.files.join(', '), () => jsonIn(session, scan, options)))),
    }
    complete.push({
      ...typed,
      ...(await foldersIn(session, typed)),
      ...(await columnsIn(session, typed, options)),
    })
  }
  return complete
}

/** Refuses names that DuckDB reads as functions, or as what it knows of a file, where the files have no such column. */
export function assertOwnColumns(scan: Scan, virtual: readonly string[] = ['file_index']): void {
  const folders = scan.isPartitioned ? scan.files.flatMap(partitionKeysOf) : []
  const columns = new Set([...scan.columns.map(({ tableName }) => tableName.toLowerCase()), ...folders])
  for (const [text, { option, references }] of scan.expressions) {
    const name = nameOfNoColumn(references, columns, virtual)
    if (name === undefined) continue
    const reason = `${scan.files[0]} has no column ${name}`
    throw optionError(option, message`${given(option, text)} is not a function of its row alone: ${reason}`)
  }
}

/** Refuses texts that the columns of the first file show to be wrong; a file that cannot be read is left for a worker to report. */
export async function assertResolvable(
  session: Session,
  [source]: readonly ScanSource[],
  options: ScanOptions,
  signal: AbortSignal,
): Promise<void> {
  if (source === undefined) return
  const { file, kind, compression } = source
  const scan = { kind, compression, files: [file], isPartitioned: false }
  const opening = isCsv(source) ? await openCsv(session, source, options, signal).catch(() => undefined) : undefined
  if (isCsv(source) && opening === undefined) return
  if (opening?.hasNumberHeader) options.onNote?.(describeNumberHeader(file))
  const columns = opening ? columnsOf(opening.base.names) : await columnsFound(session, scan)
  await namingData(file, () => expressionsOf(session, columns, options))
}

type Named = Pick<Scan, 'columns' | 'expressions'>

/** A scan before its columns are known, but for CSV. */
type OpenScan = Omit<Scan, 'files' | keyof Named> & Partial<Named> & { readonly files: string[] }

function describeNumberHeader(file: string): Message {
  const advice = message`${set({ header: false })} takes it for data, ${set({ header: true })} for a header without this message`
  return message`${file}: the first row, which has numbers alone, is taken for the header; ${advice}`
}

type CsvSource = ScanSource & { kind: 'CSV' | 'TSV' }

function isCsv(source: ScanSource): source is CsvSource {
  return source.kind === 'CSV' || source.kind === 'TSV'
}

/** A folder that is named for a column and its value, in Hive's way, and the value of Hive's nulls. */
const partition = /([^/=]+)=([^/]*)\//g
const nullFolder = '__HIVE_DEFAULT_PARTITION__'

/** What the folders of a file are named for, in hive's way. */
export function partitionKeysOf(file: string): string[] {
  return [...file.matchAll(partition)].map(([, key = '']) => key.toLowerCase())
}

/** The columns that folders are named for. Names that DuckDB would not print as they are stay text. */
async function foldersIn(
  session: Session,
  scan: OpenScan,
): Promise<Pick<Scan, 'isPartitioned'> & Partial<Pick<Scan, 'partitions'>>> {
  const keys = scan.files.flatMap(partitionKeysOf)
  if (keys.length === 0) return { isPartitioned: false }
  const columns = await session
    .readTexts(`SELECT lower(column_name) FROM (DESCRIBE FROM ${fromClause(scan)})`)
    .catch((): string[] => [])
  if (keys.some((key) => columns.includes(key))) return { isPartitioned: false }
  const values = scan.files.flatMap((file) => [...file.matchAll(partition)])
  const isText = (key: string) => {
    const own = values.flatMap(([, name, value = '']) => (name === key && value !== nullFolder ? [value] : []))
    return ![/^-?(0|[1-9]\d*)$/, /^\d{4}-\d\d-\d\d$/].some((plain) => own.every((value) => plain.test(value)))
  }
  const names = new Set(values.map(([, name = '']) => name))
  const texts = [...names].filter(isText).map((name) => [name, 'VARCHAR'])
  return { isPartitioned: true, ...(texts.length > 0 && { partitions: Object.fromEntries(texts) }) }
}

/** The columns of a scan, and what the options ask of them. */
async function columnsIn(session: Session, scan: OpenScan, options: ScanOptions): Promise<Named> {
  const { columns, expressions } = scan
  if (columns && expressions) return { columns, expressions }
  const [file = ''] = scan.files
  return await namingData(file, async () => {
    const found = await columnsFound(session, scan)
    return { columns: found, expressions: await expressionsOf(session, found, options) }
  })
}

/** Says of what is wrong with the data where it is. */
async function namingData<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (isOptionError(cause) || !(cause instanceof Error)) throw cause
    throw errorAt(file, describedCsvError(cause))
  }
}

/** A file that cannot be read has no columns; DuckDB reports it later. */
async function columnsFound(session: Session, scan: OpenScan): Promise<Column[]> {
  const tableNames = await session
    .readTexts(`SELECT column_name FROM (DESCRIBE FROM ${fromClause(scan)})`)
    .catch((): string[] => [])
  if (tableNames.length === 0) return []
  const names = scan.kind === 'Parquet' ? await parquetNames(session, scan) : await keysOf(session, scan, tableNames)
  return tableNames.map((tableName, place) => ({ name: names[place] ?? tableName, tableName }))
}

/** The keys of JSON that are columns: DuckDB appends _1 and so on where two differ in case alone. */
async function keysOf(
  session: Session,
  { files, compression }: OpenScan,
  tableNames: readonly string[],
): Promise<string[]> {
  const lower = new Set(tableNames.map((name) => name.toLowerCase()))
  const stemOf = (name: string) => name.replace(/_\d+$/, '')
  const doubtful = tableNames.filter((name) => stemOf(name) !== name && lower.has(stemOf(name).toLowerCase()))
  if (doubtful.length === 0) return [...tableNames]
  const keys = await session.readTexts(`SELECT DISTINCT key FROM (
    SELECT unnest(json_keys(json)) AS key FROM read_json_objects(${quoteFiles(files)}, compression = ${quoteText(compression)})
  ) WHERE key IN (${doubtful.map(quoteText)})`)
  return tableNames.map((name) => (doubtful.includes(name) && !keys.includes(name) ? stemOf(name) : name))
}

async function expressionsOf(
  session: Session,
  columns: readonly Column[],
  options: ScanOptions,
): Promise<Map<string, Resolved>> {
  const expressions = new Map<string, Resolved>()
  for (const [option, text] of textsIn(options)) {
    expressions.set(text, await resolveColumn(session, option, text, columns))
  }
  return expressions
}

/** Each text of the options that stands for a column. */
function textsIn({ input, label, by, keep }: ScanOptions): [option: string, text: string][] {
  return Object.entries({ input, label, by, keep }).flatMap(([option, texts]) =>
    [texts ?? []].flat().map((text): [string, string] => [option, text]),
  )
}

/** What two Parquet files must have alike for one scan to read them as each by itself would be. */
const parquetColumn =
  'row(name, type, type_length, repetition_type, num_children, converted_type, scale, precision, logical_type)'

async function parquetSchemas(session: Session, sources: readonly ScanSource[]): Promise<Map<string, string>> {
  const files = sources.filter(({ kind }) => kind === 'Parquet').map(({ file }) => file)
  if (files.length < 2) return new Map()
  const sql = `SELECT file_name, md5(to_json(list(${parquetColumn} ORDER BY place))::VARCHAR)
    FROM (SELECT *, row_number() OVER () AS place FROM parquet_schema(${quoteFiles(files)})) GROUP BY file_name`
  const rows = await session.readRows(sql).catch((): string[] => [])
  return new Map(rows.map(([file, schema]) => [String(file), String(schema)]))
}

/** The names of the columns as the file has them, in their order. */
async function parquetNames(session: Session, { files }: OpenScan): Promise<string[]> {
  const rows = await session.readRows(`SELECT name, num_children FROM parquet_schema(${quoteFiles(files.slice(0, 1))})`)
  const elements = rows.map(([name, children]) => ({ name: String(name), children: Number(children ?? 0) }))
  const end = (place: number): number => {
    let next = place + 1
    for (let child = 0; child < (elements[place]?.children ?? 0); child++) next = end(next)
    return next
  }
  const names = []
  for (let place = 1; place < elements.length; place = end(place)) names.push(elements[place]?.name ?? '')
  return names
}

/** How many rows tell what type a column of CSV has that is scored; of all others every row does. */
const sampleRows = 20_480

/** How to read a file of CSV, with the types of the columns that the options name. */
async function csvIn(
  session: Session,
  source: CsvSource,
  options: ScanOptions,
  signal: AbortSignal,
): Promise<Named & { csv: string; hasNumberHeader: boolean }> {
  const { file, kind, compression } = source
  return await namingData(file, async () => {
    const { format, rows, hasNumberHeader } = await inspectCsv(session, source, options, signal)
    const columns = columnsOf(format.names)
    const expressions = await expressionsOf(session, columns, options)
    const read = (types: ReadonlyMap<string, string>) => csvArguments(format, structOf(columns, types), options)
    const asText = fromClause({ kind, compression, files: [file], isPartitioned: false, csv: read(new Map()) })
    if (rows !== undefined) await assertRows(session, asText, rows)
    const types = await typesOf(session, asText, expressions, options)
    await assertScorable(session, asText, { columns, expressions }, types, options)
    return { csv: read(types), columns, expressions, hasNumberHeader }
  })
}

function structOf(columns: readonly Column[], types: ReadonlyMap<string, string>): string {
  const fields = columns.map(({ tableName }) => `${quoteText(tableName)}: '${types.get(tableName) ?? 'VARCHAR'}'`)
  return `{${fields.join(', ')}}`
}

async function assertRows(session: Session, asText: string, rows: number): Promise<void> {
  const [counted] = await session.readTexts(`SELECT count(*) FROM ${asText}`)
  if (Number(counted) !== rows)
    throw new Error(
      `DuckDB reads ${counted} rows, expected ${rows}; remove empty lines, which may be rows in a file of one column`,
    )
}

/**
 * The types of the columns that are read: numbers in CSV are DOUBLE, or integers where DOUBLE does not hold them; the words
 * true and false are BOOLEAN; all else is text. Columns that input and label name must be numbers, so a sample tells
 * enough; of others every row does.
 */
async function typesOf(
  session: Session,
  asText: string,
  expressions: ReadonlyMap<string, Resolved>,
  options: ScanOptions,
): Promise<Map<string, string>> {
  const uses = usesOf(expressions, options)
  const [sampled, others]: [ColumnUse[], ColumnUse[]] = [[], []]
  for (const use of uses) (isScoredAlone(use) ? sampled : others).push(use)
  const sample = `FROM ${asText} LIMIT ${sampleRows}`
  // What is text in a sample is text in the whole, which would take long to find again.
  const asSampled = new Map(
    await typesIn(
      session,
      sample,
      others.map((use) => ({ ...use, keys: [] })),
      options,
    ),
  )
  const isText = ({ column }: ColumnUse) => asSampled.get(column) === 'VARCHAR'
  return new Map([
    ...(await typesIn(session, sample, sampled, options)),
    ...others.filter(isText).map(({ column }): [string, string] => [column, 'VARCHAR']),
    ...(await typesIn(
      session,
      `FROM ${asText}`,
      others.filter((use) => !isText(use)),
      options,
    )),
  ])
}

/** Refuses a column of text as input or label, and says which row has the text. */
async function assertScorable(
  session: Session,
  asText: string,
  { expressions }: Named,
  types: ReadonlyMap<string, string>,
  options: ScanOptions,
): Promise<void> {
  for (const [name, text] of textsIn(options)) {
    const { columns: [column] = [], references = [] } = expressions.get(text) ?? {}
    const isText = column !== undefined && references.length === 0 && types.get(column.tableName) === 'VARCHAR'
    if (!isText || (name !== 'input' && name !== 'label')) continue
    const value = quoteName(column.tableName)
    const [[row, found] = []] = await session.readRows(`SELECT row, ${value}
      FROM (SELECT row_number() OVER () AS row, ${value} FROM ${asText})
      WHERE ${value} IS NOT NULL AND NOT ${isPlainNumber(value, options)}
      ORDER BY ${isNumber(value, options)}, row LIMIT 1`)
    const place = message`row ${formatCount(Number(row))}: ${given(name, text)} is '${shorten(String(found))}'`
    const advice = adviseOnText(name, plainName(column), String(found))
    const expected = `expected a number${name === 'label' ? ' or true or false' : ''}`
    throw fileError(message`${place}, ${expected} (${advice})`, { option: name, row: Number(row) })
  }
}

function plainName({ tableName }: Column): string {
  return /^[\p{L}_][\p{L}\p{N}_]*$/u.test(tableName) ? tableName : quoteName(tableName)
}

function shorten(text: string): string {
  return text.length > 50 ? `${text.slice(0, 50)}…` : text
}

/** A text with the decimal point of SQL. */
function pointed(column: string, { decimal = '.' }: CsvOptions): string {
  return decimal === '.' ? column : `translate(${column}, ${quoteText(`.${decimal}`)}, ${quoteText(`${decimal}.`)})`
}

/** True of text that DuckDB reads as a number, as in a column that is scored alone. */
function isNumber(column: string, options: CsvOptions): string {
  return `(TRY_CAST(${pointed(column, options)} AS DOUBLE) IS NOT NULL)`
}

/** True of text that is a number wherever else the column is read, too: DuckDB takes 1_000 for 1000, as Python does. */
function isPlainNumber(column: string, options: CsvOptions): string {
  return `(${isNumber(column, options)} AND NOT contains(${column}, '_'))`
}

/** What the options do with a column. */
interface ColumnUse {
  readonly column: string
  /** input or label names the column */
  isNumber: boolean
  /** an expression reads it */
  isComputed: boolean
  /** by names the column */
  isGroup: boolean
  /** what of it must not change, as the options say it */
  readonly keys: Given[]
}

function isScoredAlone({ isNumber, isComputed, keys }: ColumnUse): boolean {
  return isNumber && !isComputed && keys.length === 0
}

function usesOf(expressions: ReadonlyMap<string, Resolved>, options: ScanOptions): ColumnUse[] {
  const uses = new Map<string, ColumnUse>()
  for (const [option, text] of textsIn(options)) {
    const { columns = [], references = [] } = expressions.get(text) ?? {}
    const isColumn = references.length === 0
    for (const { tableName: column } of columns) {
      const use = uses.get(column) ?? { column, isNumber: false, isComputed: false, isGroup: false, keys: [] }
      uses.set(column, use)
      const isKey = option === 'by' || option === 'keep'
      if (isColumn && !isKey) use.isNumber = true
      if (!isColumn) use.isComputed = true
      else if (option === 'by') use.isGroup = true
      if (isKey || (option === 'label' && !isColumn)) use.keys.push(given(option, text))
    }
  }
  return [...uses.values()]
}

async function typesIn(
  session: Session,
  rows: string,
  uses: readonly ColumnUse[],
  options: CsvOptions,
): Promise<[string, string][]> {
  if (uses.length === 0) return []
  const conditions = uses.map((use) => {
    const text = quoteName(use.column)
    const number = pointed(text, options)
    const double = `TRY_CAST(${number} AS DOUBLE)`
    const digits = `ltrim(regexp_replace(regexp_replace(${number}, '[eE].*', ''), '[^0-9]', '', 'g'), '0')`
    const kinds = { filled: `${text} IS NOT NULL`, word: `lower(${text}) IN ('true', 'false')` }
    if (isScoredAlone(use)) return { ...kinds, number: isNumber(text, options) }
    return {
      ...kinds,
      number: isPlainNumber(text, options),
      // Two numbers of 15 digits are never one DOUBLE. A text that DuckDB would write of its DOUBLE is the only one of it.
      exact: `length(${digits}) <= 15 OR ${double}::VARCHAR = ${number}`,
      unpadded: `NOT regexp_matches(${number}, '^[+-]?0[0-9]')`,
      below: `NOT isfinite(${double}) OR abs(${double}) < ${2 ** 53}`,
      integer: `regexp_full_match(${number}, '-?(0|[1-9][0-9]{0,37})')`,
      bigint: `TRY_CAST(${number} AS BIGINT) IS NOT NULL`,
    }
  })
  const counts = conditions.flatMap((each) => Object.values(each).map((sql) => `count(*) FILTER (${sql})`))
  const [found = []] = await session.readRows(`SELECT ${counts.join(', ')} FROM (${rows})`)
  let end = 0
  return uses.map((use, i) => {
    const names = Object.keys(conditions[i] ?? {})
    const begin = end
    end += names.length
    const of = (name: string) => Number(found[begin + names.indexOf(name)])
    const areAll = (name: string) => of(name) === of('filled')
    if (!areAll('number')) return [use.column, areAll('word') ? 'BOOLEAN' : 'VARCHAR']
    return [use.column, numberType(use, areAll)]
  })
}

/** The type of a column of numbers in text. */
function numberType(
  { column, isNumber, isComputed, isGroup, keys }: ColumnUse,
  areAll: (name: string) => boolean,
): string {
  if (keys.length === 0) return 'DOUBLE'
  const isKept = areAll('unpadded') && (areAll('exact') || !isGroup)
  if (areAll('below') && (isKept || isNumber || isComputed)) return 'DOUBLE'
  if (areAll('integer') && areAll('below')) return 'DOUBLE'
  if (areAll('integer')) return areAll('bigint') ? 'BIGINT' : 'HUGEINT'
  if (!isNumber && !isComputed) return 'VARCHAR'
  throw inexact(column, keys)
}

function inexact(column: string, [key]: readonly Given[]): Error {
  const found = `column ${column} has numbers of 2^53 or more, which DOUBLE does not tell from their neighbours`
  return fileError(message`${key ?? ''}: ${found}`, { ...(key && { option: key.given }) })
}

/** Types that JSON does not have: DuckDB finds them in text, which reading as them would change. */
const typesInText = /"(?:[^"]|"")*"|\b(?:DATE|TIME|TIMESTAMP|TIMESTAMP WITH TIME ZONE|TIMESTAMP_NS|UUID)(?=[,)[]|$)/g

/** How to read files of JSON: with the types that all of their rows have. */
async function jsonIn(session: Session, scan: OpenScan, options: ScanOptions): Promise<{ json?: string }> {
  const rows = await session.readRows(`DESCRIBE FROM ${fromClause(scan)}`).catch((): string[][] => [])
  const names = rows.map(([name]) => String(name))
  const keys = await keysOf(session, scan, names)
  // DuckDB has other names than the file where two differ in case alone: then it must find the types itself.
  if (names.length === 0 || names.some((name, place) => name !== keys[place])) return {}
  const asText = (type: string) => type.replace(typesInText, (found) => (found.startsWith('"') ? found : 'VARCHAR'))
  const types = new Map(rows.map(([name, type]) => [String(name), asText(String(type))]))
  const columns = columnsOf(names)
  const read = () => `columns = ${structOf(columns, types)}`
  for (const { column, isNumber, isComputed, keys } of usesOf(
    await expressionsOf(session, columns, options),
    options,
  )) {
    const type = types.get(column) ?? ''
    const rows = `FROM ${fromClause({ ...scan, json: read() })}`
    // Of nulls alone DuckDB does not know the type.
    if (
      type === 'JSON' &&
      (await session.readRows(`SELECT 1 ${rows} WHERE ${quoteName(column)} IS NOT NULL LIMIT 1`)).length === 0
    ) {
      types.set(column, 'DOUBLE')
      continue
    }
    if (keys.length === 0 || !type.includes('DOUBLE')) continue
    const isLarge = isLargeIn(quoteName(column), type)
    const large = await session.readRows(`SELECT 1 ${rows} WHERE ${isLarge} LIMIT 1`)
    if (large.length === 0) continue
    if (type !== 'DOUBLE' || isNumber || isComputed) throw inexact(column, keys)
    types.set(column, 'JSON')
  }
  return { json: read() }
}

/** Whether a value holds a number of 2^53 or more; of lists and structs their JSON tells it. */
function isLargeIn(column: string, type: string): string {
  if (type === 'DOUBLE') return `isfinite(${column}) AND abs(${column}) >= ${2 ** 53}`
  return `regexp_matches(to_json(${column})::VARCHAR, '(^|[\\[:,-])[0-9]{16,}|[0-9]e\\+?[0-9]{2}')`
}

import { isPlainIdentifier } from '../column-names.ts'
import type { Message } from '../errors.ts'
import type { CsvOptions, Labels, LabelTexts } from '../options.ts'
import type { Pair } from '../pair.ts'
import type { Source } from '../sources.ts'
import type { Column, Expression, NamedColumn } from './columns.ts'
import type { QueryColumn, Session } from './session.ts'
import { quoteFiles, quoteName, quoteText } from './sql.ts'

/** A file that DuckDB reads. */
export type ScanSource = Source & {
  kind: 'Parquet' | 'CSV' | 'TSV' | 'NDJSON'
  /** the types of the columns that its folders are named for, by key; empty: none. By default its path tells them */
  partitions?: Readonly<Record<string, string>>
}

/** Files, or the rows of a query, and how DuckDB reads them as one table. */
export interface ScanFiles {
  readonly kind: ScanSource['kind'] | 'Query'
  readonly compression: string
  readonly files: readonly string[]
  /** the types of the columns that folders are named for, by key; DuckDB finds the others. Absent: folders are no columns */
  readonly partitions?: Readonly<Record<string, string>>
  /** of text: the arguments of DuckDB's reader that say how it is written and which types its columns have */
  readonly textArguments?: string
  /** of text: the table names of the columns, where the reader would give them other ones */
  readonly alias?: string
  /** of a query: what follows FROM to read its rows */
  readonly from?: string
}

/** The columns of the files of a scan, and how DuckDB reads their text. */
export interface FileSchema extends Pick<ScanFiles, 'textArguments' | 'alias'> {
  readonly columns: readonly Column[]
}

/** Files of text whose columns have types for what the options do with them. */
export interface TextSchema {
  readonly schema: FileSchema
  readonly expressions: ReadonlyMap<string, Expression>
}

/** Files that DuckDB reads in one query without converting any of them to the types of another, and their schema. */
export interface Scan extends ScanFiles {
  /** of the files, then of their folders */
  readonly columns: readonly Column[]
  /** what each text of the options stands for */
  readonly expressions: ReadonlyMap<string, Expression>
  /** the table in which left and right are looked up */
  readonly lookup?: OpenedLookup
  /** the table that has the labels of the rows */
  readonly labels?: OpenedLabels
  /** the rows to read of a single Parquet file; by default all */
  readonly rows?: RowRange
}

/** A table of embeddings by their ids. */
export interface OpenedLookup {
  readonly file: string
  /** what follows FROM to read it as columns id and embedding */
  readonly sql: string
  /** of an embedding */
  readonly type: string
  /** SQL that is true of the row of left_table that has the column left_id; the same of the right */
  readonly left: string
  readonly right: string
}

/** A table of labels by their ids, which is joined to the files of a scan. */
export interface OpenedLabels {
  readonly file: string
  /** what follows JOIN */
  readonly sql: string
  /** SQL that is true of the row and the labels that have the same id */
  readonly condition: string
  /** the column of the ids in the labels, and that in the files */
  readonly id: string
  readonly on: string
  /** SQL of the latter for messages: integers have no fraction */
  readonly shownOn: string
  /** names for the place of a row, which no expression can mean */
  readonly place: readonly string[]
  /** the columns that DuckDB adds to the files and that expressions name */
  readonly added: readonly string[]
}

/** The texts of the options that stand for columns, and how text files are written. */
export interface ScanOptions extends CsvOptions {
  readonly input?: string | Pair
  readonly label?: string
  readonly labels?: Labels
  readonly weight?: string
  readonly by?: string
  readonly keep?: readonly string[]
  /** labels are text */
  readonly labelTexts?: Pick<LabelTexts, 'positive'>
  /** of a file of embeddings */
  readonly id?: string
  readonly embedding?: string
  /** the column of ids that the files and the file of labels have */
  readonly on?: string
  /** true: of CSV, `on` is text, whatever it looks like */
  readonly areIdsText?: boolean
  /** the columns of a table that is joined to the files, which texts other than `on` may name */
  readonly beside?: readonly NamedColumn[]
  /** is called with a message for a file that could be read in another way */
  readonly onNote?: (note: Message) => void
}

/** Row numbers of a file: `start` is included, `end` is not. */
export interface RowRange {
  readonly start: number
  readonly end: number
}

const readers: Readonly<Record<ScanSource['kind'], string>> = {
  Parquet: 'read_parquet',
  CSV: 'read_csv',
  TSV: 'read_csv',
  NDJSON: 'read_json',
}

/** What follows FROM to read the files, or the rows of the query. */
export function fromClause({ kind, compression, files, partitions, textArguments, alias, from }: ScanFiles): string {
  if (kind === 'Query') return from as string
  const types = Object.entries(partitions ?? {}).map(([key, type]) => `${quoteText(key)}: ${type}`)
  const readerArguments = [
    quoteFiles(files),
    ...(kind === 'Parquet' ? [] : [`compression = ${quoteText(compression)}`]),
    ...(textArguments === undefined ? [] : [textArguments]),
    `hive_partitioning = ${partitions !== undefined}`,
    ...(types.length === 0 ? [] : [`hive_types = {${types.join(', ')}}`]),
  ]
  return `${readers[kind]}(${readerArguments.join(', ')})${alias === undefined ? '' : ` AS ${readers[kind]}(${alias})`}`
}

/** What follows WHERE to read the rows of a scan; DuckDB skips row groups without any of them. */
export function rowCondition({ rows }: Scan): string {
  return rows === undefined ? 'TRUE' : `file_row_number >= ${rows.start} AND file_row_number < ${rows.end}`
}

/** True if DuckDB has the file and the row of each row, and no column of the files takes their names. */
export function hasRowNumbers({ kind, columns }: Scan): boolean {
  const isShadowed = columns.some(({ tableName }) =>
    ['file_index', 'file_row_number'].includes(tableName.toLowerCase()),
  )
  return kind === 'Parquet' && !isShadowed
}

/**
 * What follows FROM to read the rows of a scan with their labels, and SQL of the place of each: its file's index in the scan, and its
 * number in that file, from 1 on. Where DuckDB does not have them the index is 0, and the number counts the rows of all files,
 * which one thread reads. A join with labels changes the order of rows, so `isNumbered` numbers them before it.
 */
export function selectRows(scan: Scan, isNumbered = false): { from: string; place: readonly string[] } {
  const { labels } = scan
  const files = `${fromClause(scan)} WHERE ${rowCondition(scan)}`
  const place = hasRowNumbers(scan) ? ['file_index', 'file_row_number + 1'] : ['0', 'row_number() OVER ()']
  if (labels === undefined) return { from: files, place }
  const numbers = isNumbered ? place.map((sql, index) => `${sql} AS ${labels.place[index]}`) : []
  const rows = `(SELECT ${['*', ...labels.added, ...numbers].join(', ')} FROM ${files}) AS files`
  return { from: `${rows} LEFT JOIN ${labels.sql} ON ${labels.condition}`, place: labels.place }
}

/** The file that a scan is joined to, which changes the order of its rows, and the option that names it. */
export function findJoined({ lookup, labels }: Scan): { option: string; file: string } | undefined {
  if (labels !== undefined) return { option: 'labels', file: labels.file }
  return lookup && { option: 'embeddings', file: lookup.file }
}

/** A scan for each file, of all its rows. */
export function splitByFile(scans: readonly Scan[]): { file: string; scan: Scan }[] {
  return scans.flatMap(({ rows: _, ...scan }) => scan.files.map((file) => ({ file, scan: { ...scan, files: [file] } })))
}

/** The SQL that a text of the options stands for in a scan. */
export function sqlOf({ expressions }: Scan, text: string): string {
  return expressions.get(text)?.sql ?? text
}

/** The SQL of a text of the options as a user writes it: a plain name of a column without quotes. */
export function writeSql(scan: Scan, text: string): string {
  const { name } = columnOf(scan, text) ?? {}
  return name === undefined || isPlainIdentifier(name) ? text : quoteName(name)
}

/** The column that a text of the options names; undefined if the text is an expression. */
function columnOf({ columns, expressions }: Scan, text: string): Column | undefined {
  const name = expressions.get(text)?.column
  return name === undefined ? undefined : columns.find(({ tableName }) => tableName === name)
}

/** The names and types of what texts of the options stand for. DuckDB is asked about expressions alone. */
export async function describeTexts(session: Session, scan: Scan, texts: readonly string[]): Promise<QueryColumn[]> {
  const sql = texts.filter((text) => columnOf(scan, text) === undefined).map((text) => `(${sqlOf(scan, text)})`)
  const described =
    sql.length === 0 ? [] : await session.describe(`SELECT ${sql.join(', ')} FROM ${selectRows(scan).from}`)
  return texts.map((text) => columnOf(scan, text) ?? (described.shift() as QueryColumn))
}

import { stat } from 'node:fs/promises'
import type { Source } from './files.ts'
import { quoted, type Session } from './session.ts'
import { assertWhole } from './whole.ts'

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
}

/** From `start` on, up to but not with `end`. */
export interface RowRange {
  readonly start: number
  readonly end: number
}

/**
 * A sample of a text file may hold integers alone: were its column read as BIGINT, a later 0.5 would be rounded without
 * a word. So numbers in CSV are DOUBLE, and JSON takes all rows as its sample. Nor may rows disappear as comments or as
 * what precedes the header.
 */
const csv = `auto_type_candidates = ['BOOLEAN', 'DOUBLE', 'VARCHAR'], comment = '', skip = 0`
const json = 'sample_size = -1, maximum_sample_files = 2147483647'
const readers: Readonly<Record<ScanSource['kind'], (files: string, compression: string) => string>> = {
  Parquet: (files) => `read_parquet(${files}`,
  CSV: (files, compression) => `read_csv(${files}, compression = ${compression}, ${csv}`,
  TSV: (files, compression) => `read_csv(${files}, compression = ${compression}, ${csv}, delim = '\t'`,
  NDJSON: (files, compression) => `read_json(${files}, compression = ${compression}, ${json}`,
}

/** The table that a scan is in FROM. */
export function table({ kind, compression, files, isPartitioned, partitions }: Scan): string {
  const types = Object.entries(partitions ?? {}).map(([key, type]) => `${quoted(key)}: ${type}`)
  const typed = types.length === 0 ? '' : `, hive_partitioning = true, hive_types = {${types.join(', ')}}`
  return `${readers[kind](list(files), quoted(compression))}${isPartitioned ? typed : ', hive_partitioning = false'})`
}

/** What WHERE has for the rows of a scan; of row groups that have none of them DuckDB reads nothing. */
export function within({ rows }: Scan): string {
  return rows === undefined ? 'TRUE' : `file_row_number >= ${rows.start} AND file_row_number < ${rows.end}`
}

/** Whole files, each by itself. */
export function oneByOne(scans: readonly Scan[]): { file: string; scan: Scan }[] {
  return scans.flatMap(({ rows: _, ...scan }) => scan.files.map((file) => ({ file, scan: { ...scan, files: [file] } })))
}

/** As few scans as there are kinds of files or, with `isInOrder`, as leave the files in their order; files that cannot be read stay for DuckDB to complain of. */
export async function scansOf(
  session: Session,
  sources: readonly ScanSource[],
  signal: AbortSignal,
  isInOrder = false,
): Promise<Scan[]> {
  const schemas = new Map([
    ...(await parquetSchemas(session, sources)),
    ...(await textSchemas(session, sources, signal)),
  ])
  const scans: Scan[] = []
  /** the files of scans that may have more, by what is alike in them */
  const open = new Map<string, string[]>()
  for (const { file, kind, compression } of sources) {
    signal.throwIfAborted()
    await assertWhole({ file, kind, compression }, signal)
    if ((await stat(file)).size === 0) {
      if (kind === 'NDJSON') continue
      throw new Error(`${file}: the file is empty${kind === 'Parquet' ? '' : ', without even a header'}`)
    }
    // A file whose schema is not known by its name is a scan of its own.
    const schema = kind === 'NDJSON' ? '' : (schemas.get(file) ?? file)
    const key = [kind, compression, schema].join()
    if (isInOrder && !open.has(key)) open.clear()
    const files = open.get(key) ?? []
    if (files.length === 0) scans.push({ kind, compression, files, isPartitioned: false })
    files.push(file)
    open.set(key, files)
  }
  const partitionedScans = await Promise.all(scans.map((scan) => partitioned(session, scan)))
  signal.throwIfAborted()
  return partitionedScans
}

/** What the folders of a file are named for, in hive's way. */
export function partitionKeys(file: string): string[] {
  return [...file.matchAll(/([^/=]+)=[^/]*\//g)].map(([, key = '']) => key.toLowerCase())
}

async function partitioned(session: Session, scan: Scan): Promise<Scan> {
  const keys = scan.files.flatMap(partitionKeys)
  if (keys.length === 0) return scan
  const columns = await session
    .texts(`SELECT lower(column_name) FROM (DESCRIBE FROM ${table(scan)})`)
    .catch((): string[] => [])
  return { ...scan, isPartitioned: !keys.some((key) => columns.includes(key)) }
}

async function parquetSchemas(session: Session, sources: readonly ScanSource[]): Promise<Map<string, string>> {
  const files = sources.filter(({ kind }) => kind === 'Parquet').map(({ file }) => file)
  if (files.length < 2) return new Map()
  const column = `concat_ws(' ', name, type, logical_type::VARCHAR, converted_type::VARCHAR)`
  const sql = `SELECT file_name, string_agg(${column}, ';' ORDER BY ${column})
    FROM parquet_schema(${list(files)}) GROUP BY file_name`
  const rows = await session.rows(sql).catch((): string[] => [])
  return new Map(rows.map(([file, schema]) => [String(file), String(schema)]))
}

async function textSchemas(
  session: Session,
  sources: readonly ScanSource[],
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const texts = sources.filter(({ kind }) => kind === 'CSV' || kind === 'TSV')
  const schemas = new Map<string, string>()
  if (texts.length < 2) return schemas
  for (const { file, ...rest } of texts) {
    signal.throwIfAborted()
    const sql = `DESCRIBE FROM ${table({ ...rest, files: [file], isPartitioned: false })}`
    const columns = await session.rows(sql).catch(() => [])
    schemas.set(file, JSON.stringify(columns))
  }
  return schemas
}

/** Of file names that stand for themselves. */
export function list(files: readonly string[]): string {
  return `[${files.map((file) => quoted(literally(file))).join(', ')}]`
}

/** The path as a pattern that matches nothing else; DuckDB takes a leading ~ for the home folder. */
function literally(path: string): string {
  return path.replace(/[*?[]/g, '[$&]').replace(/^~/, './~')
}

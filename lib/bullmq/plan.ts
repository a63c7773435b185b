import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import {
  assertResolvable,
  fromClause,
  openScans,
  partitionKeysOf,
  type RowRange,
  type ScanSource,
} from '../files/duckdb/scan.ts'
import { Session } from '../files/duckdb/session.ts'
import { quoteFiles } from '../files/duckdb/sql.ts'
import { type Message, message, option, optionError } from '../files/errors.ts'
import {
  assertCsvOptions,
  type ColumnOptions,
  type CsvOptions,
  checkOptions,
  checkPaths,
  integer,
  type RunOptions,
  readScoring,
  type SourceOptions,
} from '../files/options.ts'
import { findSources, type Source } from '../files/sources.ts'
import { getNumThreads, runtimeInfo } from '../index.ts'
import { leastRetention, limits, type Shard, type ShardOptions } from './payload.ts'

/** The files to score as one, cut into shards. */
export interface Plan {
  /** The same for the same files, options and version: a plan that is added again goes on where it was. */
  readonly id: string
  readonly options: ShardOptions
  readonly shards: readonly Shard[]
  /** seconds that Redis keeps results, and a plan that nobody waits for */
  readonly retention: number
}

/** The options of `planOf`: those of `scoreFiles` that do not depend on the order of rows, and how files are cut. */
export interface PlanOptions extends ColumnOptions, CsvOptions, SourceOptions, Pick<RunOptions, 'onNote'> {
  /** Parquet of more rows than these is cut, between row groups. Default 10 million */
  readonly shardRows?: number
  /** seconds that Redis keeps results; default 86,400: a day */
  readonly retention?: number
}

/**
 * Cuts the files that paths, patterns and folders stand for into shards.
 *
 * @throws {TypeError} ERR_INVALID_ARG_TYPE: an option is of another kind; `option` is its key
 * @throws {RangeError} ERR_INVALID_ARG_VALUE: a value, column or expression that the option does not take; `option` is its key
 *
 * @example
 * const plan = await planOf(['/data/pairs'], { input: 'distance', label: 'label', by: 'model' })
 */
export async function planOf(paths: readonly string[], options: PlanOptions): Promise<Plan> {
  checkPaths(paths)
  checkOptions(options, { shardRows: integer(1), retention: integer(leastRetention) })
  const { shardRows = 10_000_000, retention = 86_400, allowDuplicates, format, onNote } = options
  const given = readScoring(options)
  const note = (text: Message) => onNote?.(String(text), text)
  const session = await Session.open(getNumThreads())
  try {
    const scoring = { ...given, timeZone: await session.readTimeZone() }
    const found = await findSources(paths, {
      match: (pattern) => session.findFiles(pattern),
      allowDuplicates,
      format,
      note,
    })
    const sources = found.map(assertScanned)
    assertCsvOptions(
      options,
      sources.map(({ kind }) => kind),
    )
    await assertResolvable(session, sources, { ...scoring, onNote: note }, new AbortController().signal)
    const shards = await shardsOf(session, sources, shardRows)
    if (shards.length > limits.shards) {
      throw optionError('shardRows', message`${option('shardRows')} ${shardRows} makes ${shards.length} shards`)
    }
    const identity = JSON.stringify([runtimeInfo().version, scoring, shards])
    return { id: createHash('sha256').update(identity).digest('hex').slice(0, 32), options: scoring, shards, retention }
  } finally {
    session.close()
  }
}

function assertScanned({ file, kind, ...rest }: Source): ScanSource {
  if (file === '-') throw optionError('paths', message`workers score files, not standard input`)
  if (kind === 'Arrow') {
    throw optionError('paths', message`${file}: workers score Parquet, CSV, TSV and NDJSON, not ${kind}`)
  }
  return { file, kind, ...rest }
}

async function shardsOf(session: Session, sources: readonly ScanSource[], shardRows: number): Promise<Shard[]> {
  const ranges = await rangesOf(session, sources, shardRows)
  const partitions = await partitionsOf(session, sources)
  const shards: Shard[] = []
  for (const source of sources) {
    const { size, mtimeNs } = await stat(source.file, { bigint: true })
    const types = partitions.get(source.file)
    const file = types ? assertOwnFolders(source.file) : resolve(source.file)
    const whole = {
      ...source,
      file,
      size: Number(size),
      modified: String(mtimeNs),
      ...(types && { partitions: types }),
    }
    for (const rows of ranges.get(source.file) ?? [undefined])
      shards.push(rows === undefined ? whole : { ...whole, rows })
  }
  return shards
}

/** Workers see the whole path: no folder above the one that was given may be a column besides. */
function assertOwnFolders(file: string): string {
  const [path, own] = [resolve(file), partitionKeysOf(file)]
  const more = partitionKeysOf(path).find((key) => !own.includes(key))
  if (more !== undefined) {
    throw optionError('paths', message`${file}: for workers give the path from the folder ${more}=… on`)
  }
  return path
}

/** Where the large ones of Parquet files are cut. A worker reports what cannot be read. */
async function rangesOf(
  session: Session,
  sources: readonly ScanSource[],
  shardRows: number,
): Promise<ReadonlyMap<string, RowRange[]>> {
  const files = sources.filter(({ kind }) => kind === 'Parquet').map(({ file }) => file)
  const large = await eachOrAll(files, (some) =>
    session.readTexts(`SELECT file_name FROM parquet_file_metadata(${quoteFiles(some)}) WHERE num_rows > ${shardRows}`),
  )
  const ranges = new Map<string, RowRange[]>()
  for (const file of large) {
    const own = await session.readRows(
      `SELECT 1 FROM parquet_schema(${quoteFiles([file])}) WHERE lower(name) = 'file_row_number'`,
    )
    if (own.length > 0) continue
    const counts =
      await session.readTexts(`SELECT any_value(row_group_num_rows) FROM parquet_metadata(${quoteFiles([file])})
      GROUP BY row_group_id ORDER BY row_group_id`)
    ranges.set(file, cut(counts.map(Number), shardRows))
  }
  return ranges
}

/** A folder's name may be a number in one file and a word in another: the type is one that suits the files of a scan. */
async function partitionsOf(
  session: Session,
  sources: readonly ScanSource[],
): Promise<ReadonlyMap<string, Readonly<Record<string, string>>>> {
  const found = new Map<string, Record<string, string>>()
  if (sources.every(({ file }) => partitionKeysOf(file).length === 0)) return found
  for (const scan of await openScans(session, sources, {}, new AbortController().signal)) {
    const keys = new Set(scan.files.flatMap(partitionKeysOf))
    if (keys.size === 0 || !scan.isPartitioned) continue
    const columns = await session.readRows(`SELECT column_name, column_type FROM (DESCRIBE FROM ${fromClause(scan)})`)
    const types = columns.map((column) => column.map(String) as [string, string])
    const own = types.filter(([name]) => keys.has(name.toLowerCase()))
    if (own.length > 0) for (const file of scan.files) found.set(file, Object.fromEntries(own))
  }
  return found
}

/** One query for all is fastest; where a file spoils it, one for each tells which. */
async function eachOrAll(
  files: readonly string[],
  query: (files: readonly string[]) => Promise<string[]>,
): Promise<string[]> {
  if (files.length === 0) return []
  try {
    return await query(files)
  } catch {
    const found = files.map((file) => query([file]).catch((): string[] => []))
    return (await Promise.all(found)).flat()
  }
}

/** Row groups together, until they are enough; row groups may have no rows. */
function cut(counts: readonly number[], shardRows: number): RowRange[] {
  const ranges: RowRange[] = []
  let [start, end] = [0, 0]
  for (const [i, count] of counts.entries()) {
    end += count
    if (end - start < shardRows && i < counts.length - 1) continue
    if (end > start) ranges.push({ start, end })
    start = end
  }
  return ranges
}

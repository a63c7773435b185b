import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { assertTextOptions, textOptionsIn } from '../files/csv-options.ts'
import {
  assertResolvable,
  partitionKeys,
  type RowRange,
  type ScanSource,
  scansOf,
  table,
} from '../files/duckdb/scan.ts'
import { list, Session } from '../files/duckdb/session.ts'
import { emptyTotal } from '../files/duckdb/totals.ts'
import { UsageError } from '../files/errors.ts'
import { type Format, findSources, type Source } from '../files/sources.ts'
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

export interface PlanOptions extends Partial<Omit<ShardOptions, 'timeZone'>> {
  readonly input: string
  readonly label: string
  /** Parquet of more rows than these is cut, between row groups. Default 10 million */
  readonly shardRows?: number
  /** default 86,400 seconds: a day */
  readonly retention?: number
  /** a file that is given several times counts several times; by default once */
  readonly allowDuplicates?: boolean
  /** the format of all files, whatever their names */
  readonly format?: Format
  /** is called with a message for files that are left out, because they are hidden or given twice, and for a header that may be data */
  readonly onNote?: (message: string) => void
}

/**
 * Cuts the files that paths, patterns and folders stand for into shards.
 *
 * @throws {RangeError} ERR_INVALID_ARG_VALUE: options as `LossAccumulator` refuses them
 * @throws {Error} ERR_USAGE: a column or expression is refused, or a number is out of range
 *
 * @example
 * const plan = await planOf(['/data/pairs'], { input: 'distance', label: 'label', by: 'model' })
 */
export async function planOf(paths: readonly string[], options: PlanOptions): Promise<Plan> {
  const { shardRows = 10_000_000, retention = 86_400 } = options
  assertInteger('--shard-rows', shardRows, 1)
  assertInteger('--retention', retention, leastRetention)
  const { by, margin = 1, positiveLabel = 1, negativeLabel = -1, otherLabels = 'error' } = options
  const { input, label, nulls = 'error', nan = 'error' } = options
  const given = {
    input,
    label,
    ...(by !== undefined && { by }),
    nulls,
    nan,
    margin,
    positiveLabel,
    negativeLabel,
    otherLabels,
    ...textOptionsIn(options),
  }
  emptyTotal(given)
  const session = await Session.open(getNumThreads())
  try {
    const scoring = { ...given, timeZone: await session.timeZone() }
    const { allowDuplicates, format, onNote: note = () => {} } = options
    const found = await findSources(paths, { match: (pattern) => session.glob(pattern), allowDuplicates, format, note })
    assertTextOptions(options, found)
    const sources = found.map(assertScanned)
    await assertResolvable(session, sources, { ...scoring, onNote: note }, new AbortController().signal)
    const shards = await shardsOf(session, sources, shardRows)
    if (shards.length > limits.shards) throw new UsageError(`--shard-rows ${shardRows} makes ${shards.length} shards`)
    const identity = JSON.stringify([runtimeInfo().version, scoring, shards])
    return { id: createHash('sha256').update(identity).digest('hex').slice(0, 32), options: scoring, shards, retention }
  } finally {
    session.close()
  }
}

function assertInteger(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new UsageError(`${name} must be an integer from ${least}, got ${value}`)
  }
}

function assertScanned({ file, kind, ...rest }: Source): ScanSource {
  if (file === '-') throw new UsageError('workers score files, not standard input')
  if (kind === 'Arrow') throw new UsageError(`${file}: workers score Parquet, CSV, TSV and NDJSON, not ${kind}`)
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
  const [path, own] = [resolve(file), partitionKeys(file)]
  const more = partitionKeys(path).find((key) => !own.includes(key))
  if (more !== undefined) throw new UsageError(`${file}: for workers give the path from the folder ${more}=… on`)
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
    session.texts(`SELECT file_name FROM parquet_file_metadata(${list(some)}) WHERE num_rows > ${shardRows}`),
  )
  const ranges = new Map<string, RowRange[]>()
  for (const file of large) {
    const own = await session.rows(
      `SELECT 1 FROM parquet_schema(${list([file])}) WHERE lower(name) = 'file_row_number'`,
    )
    if (own.length > 0) continue
    const counts = await session.texts(`SELECT any_value(row_group_num_rows) FROM parquet_metadata(${list([file])})
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
  if (sources.every(({ file }) => partitionKeys(file).length === 0)) return found
  for (const scan of await scansOf(session, sources, {}, new AbortController().signal)) {
    const keys = new Set(scan.files.flatMap(partitionKeys))
    if (keys.size === 0 || !scan.isPartitioned) continue
    const columns = await session.rows(`SELECT column_name, column_type FROM (DESCRIBE FROM ${table(scan)})`)
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

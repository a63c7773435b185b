import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { ExtensionOptions } from '../files/duckdb/extensions.ts'
import { partitionKeysOf } from '../files/duckdb/partitions.ts'
import { readRemoteStates } from '../files/duckdb/remote-states.ts'
import type { RowRange, ScanSource } from '../files/duckdb/scan.ts'
import type { Session } from '../files/duckdb/session.ts'
import { quoteFiles } from '../files/duckdb/sql.ts'
import { message, optionError } from '../files/errors.ts'
import type { FileState } from '../files/pair.ts'
import { isRemote } from '../files/remote.ts'
import { limits, type Shard, type ShardFile } from './payload.ts'

/** Small files share a shard up to this part of its rows. */
const sharedPart = 1 / 10
/** A row of text takes no less: a digit, a comma, a digit and a line end; or, of many compressed rows, those with different keys. */
const leastBytes = 4
const leastCompressedBytes = 1

/** A shard, and the names by which the client found its files. */
export interface NamedShard {
  readonly shard: Shard
  readonly names: readonly string[]
}

/** A file with what decides its shard. */
interface PlannedFile {
  readonly name: string
  readonly file: ShardFile
  readonly reading: Omit<Shard, 'files' | 'rows'>
  /** their number or, if that is unknown, at most so many */
  readonly rows: number
  readonly ranges?: readonly RowRange[] | undefined
}

/** The options of `cutFiles`. */
interface CutOptions extends ExtensionOptions {
  readonly shardRows: number
  /** true if the rows have keys, of which a shard may have so many */
  readonly isGrouped: boolean
}

/**
 * Makes shards of the row groups of large Parquet files, of other large files, and of small files that follow one another and
 * are read alike.
 */
export async function cutFiles(
  session: Session,
  sources: readonly ScanSource[],
  partitions: ReadonlyMap<string, Readonly<Record<string, string>>>,
  { shardRows, isGrouped, ...options }: CutOptions,
  signal: AbortSignal,
): Promise<NamedShard[]> {
  const remote = sources.map(({ file }) => file).filter(isRemote)
  const states = await readRemoteStates(remote, options, signal)
  const files = await planFiles(session, sources, partitions, shardRows, states)
  const bytes = shardRows * sharedPart * leastBytes
  const rows = Math.min(shardRows * sharedPart, isGrouped ? limits.groups : Number.POSITIVE_INFINITY)
  return joinFiles(files, { bytes, rows })
}

async function planFiles(
  session: Session,
  sources: readonly ScanSource[],
  partitions: ReadonlyMap<string, Readonly<Record<string, string>>>,
  shardRows: number,
  states: ReadonlyMap<string, FileState>,
): Promise<PlannedFile[]> {
  // Whether a small remote file has many rows is worth no request.
  const isCounted = ({ file }: ScanSource) => (states.get(file)?.size ?? Infinity) > shardRows * sharedPart * leastBytes
  const counts = await countRows(session, sources.filter(isCounted))
  const files: PlannedFile[] = []
  for (const { file: name, kind, compression } of sources) {
    const types = partitions.get(name)
    const state = states.get(name) ?? (await readState(name))
    const path = isRemote(name) ? name : types ? assertOwnFolders(name) : resolve(name)
    const file = { file: path, ...state }
    const count = counts.get(name)
    const ranges = count !== undefined && count > shardRows ? await findRanges(session, name, shardRows) : undefined
    const rows = count ?? state.size / (compression === 'uncompressed' ? leastBytes : leastCompressedBytes)
    files.push({ name, file, reading: { kind, compression, ...(types && { partitions: types }) }, rows, ranges })
  }
  return files
}

/** The files of a shard so far. */
interface Group {
  /** the same for files that are read alike */
  readonly key: string
  readonly files: ShardFile[]
  readonly names: string[]
  bytes: number
  rows: number
}

function joinFiles(
  files: readonly PlannedFile[],
  most: { readonly bytes: number; readonly rows: number },
): NamedShard[] {
  const shards: NamedShard[] = []
  let group: Group | undefined
  for (const { name, file, reading, rows, ranges } of files) {
    if (ranges !== undefined) {
      group = undefined
      for (const range of ranges) shards.push({ names: [name], shard: { files: [file], ...reading, rows: range } })
      continue
    }
    const key = JSON.stringify([isRemote(file.file), reading])
    const hasRoom =
      group?.key === key &&
      group.files.length < limits.files &&
      group.bytes + file.size <= most.bytes &&
      group.rows + rows <= most.rows
    if (group === undefined || !hasRoom) {
      group = { key, files: [], names: [], bytes: 0, rows: 0 }
      shards.push({ names: group.names, shard: { files: group.files, ...reading } })
    }
    group.files.push(file)
    group.names.push(name)
    group.bytes += file.size
    group.rows += rows
  }
  return shards
}

/** What shows a worker that it sees the same file. */
export async function readState(file: string): Promise<FileState> {
  const { size, mtimeNs } = await stat(file, { bigint: true })
  return { size: Number(size), version: String(mtimeNs) }
}

/** The absolute path, which workers read. Refuses a path in which a folder above the given ones would be a column too. */
function assertOwnFolders(file: string): string {
  const [path, own] = [resolve(file), partitionKeysOf(file)]
  const more = partitionKeysOf(path).find((key) => !own.includes(key))
  if (more !== undefined) {
    throw optionError('paths', message`${file}: for workers give the path from the folder ${more}=… on`)
  }
  return path
}

/** The number of rows of each Parquet file. A worker reports a file that cannot be read. */
async function countRows(session: Session, sources: readonly ScanSource[]): Promise<ReadonlyMap<string, number>> {
  const files = sources.filter(({ kind }) => kind === 'Parquet').map(({ file }) => file)
  const counts = await queryFiles(files, (some) =>
    session.readRows(`SELECT file_name, num_rows FROM parquet_file_metadata(${quoteFiles(some)})`),
  )
  return new Map(counts.map(([file, count]) => [String(file), Number(count)]))
}

/** The ranges of rows of a large Parquet file; undefined if a column has the name of DuckDB's row number. */
async function findRanges(session: Session, file: string, shardRows: number): Promise<RowRange[] | undefined> {
  const own = await session.readRows(
    `SELECT 1 FROM parquet_schema(${quoteFiles([file])}) WHERE lower(name) = 'file_row_number'`,
  )
  if (own.length > 0) return undefined
  const counts =
    await session.readTexts(`SELECT any_value(row_group_num_rows) FROM parquet_metadata(${quoteFiles([file])})
    GROUP BY row_group_id ORDER BY row_group_id`)
  return groupRows(counts.map(Number), shardRows)
}

/** The rows of one query over all files, which is fastest, or, if a file makes it fail, of a query for each other file. */
async function queryFiles<T>(
  files: readonly string[],
  query: (files: readonly string[]) => Promise<T[]>,
): Promise<T[]> {
  if (files.length === 0) return []
  try {
    return await query(files)
  } catch {
    const answers = files.map((file) => query([file]).catch((): T[] => []))
    return (await Promise.all(answers)).flat()
  }
}

/** Joins row groups until they have `shardRows` rows; a row group may have none. */
function groupRows(counts: readonly number[], shardRows: number): RowRange[] {
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

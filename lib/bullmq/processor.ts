import { realpath, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { resolve, sep } from 'node:path'
import { type Job, UnrecoverableError } from 'bullmq'
import { assertOwnColumns, fromClause, openScans, type Scan } from '../files/duckdb/scan.ts'
import { Session } from '../files/duckdb/session.ts'
import { hasValues, nullType, type ScanTotals, scoreScans } from '../files/duckdb/totals.ts'
import { codeOf, fileError, given, message } from '../files/errors.ts'
import { getNumThreads } from '../index.ts'
import { encodeFailure } from './failures.ts'
import { limits, parseShardData, plainType, type Shard, type ShardData, type ShardResult } from './payload.ts'

export interface ProcessorOptions {
  /** threads of DuckDB for each shard. Default: all that the process may use */
  readonly threads?: number
  /** files are read in these folders only. Default: anywhere */
  readonly roots?: readonly string[]
}

export interface ShardProcessor {
  /** Scores the shard of a job: what a `Worker` of BullMQ calls. */
  readonly process: (job: Pick<Job, 'data'>) => Promise<ShardResult>
  /** Ends the running shards, which another worker, or this one, may score later. */
  interrupt(): void
  /** Frees what is kept between shards. */
  close(): void
}

/**
 * Scores shards, as many at once as the worker hands over, each inside a DuckDB that can read no file outside of the roots.
 *
 * @example
 * const { process } = await shardProcessor({ roots: ['/data'] })
 * new Worker(queueName, process, { connection })
 */
export async function shardProcessor({
  threads = getNumThreads(),
  roots = ['/'],
}: ProcessorOptions = {}): Promise<ShardProcessor> {
  const never = new AbortController().signal
  const given = roots.map((root) => resolve(root))
  const folders = [...new Set([...given, ...(await Promise.all(given.map((root) => realpath(root))))])]
  /** of one time zone */
  let idle: Session[] = []
  let zone = ''
  const busy = new Set<Session>()

  async function open(timeZone: string): Promise<Session> {
    const session = await Session.open(threads)
    await session.setTimeZone(timeZone)
    await session.lock(folders.map(withSeparator))
    return session
  }

  async function sessionIn(timeZone: string): Promise<Session> {
    if (timeZone !== zone) close()
    zone = timeZone
    return idle.pop() ?? (await open(timeZone))
  }

  function close(): void {
    for (const session of idle) session.close()
    idle = []
  }

  return {
    async process({ data }) {
      const job = parseShardData(data)
      await assertSame(job.shard, folders)
      const { timeZone } = job.options
      const session = await sessionIn(timeZone)
      busy.add(session)
      try {
        const result = await score(session, job, never)
        await assertSame(job.shard, folders)
        if (timeZone === zone) idle.push(session)
        else session.close()
        return result
      } catch (error) {
        session.close()
        await assertSame(job.shard, folders)
        const failure = encodeFailure(error)
        throw isPassing(error) ? new Error(failure, { cause: error }) : new UnrecoverableError(failure)
      } finally {
        busy.delete(session)
      }
    },
    interrupt() {
      for (const session of busy) session.interrupt()
    },
    close,
  }
}

/** Columns that DuckDB adds to a file, and that differ between machines; a file may have columns of these names. */
const virtual = ['filename', 'file_index']

async function score(
  session: Session,
  { index, options, shard }: ShardData,
  signal: AbortSignal,
): Promise<ShardResult> {
  const { file, kind, compression, rows, partitions } = shard
  const [found] = await openScans(session, [{ file, kind, compression }], options, signal)
  if (found === undefined) return { index, types: null, groups: [] }
  const scan = { ...found, isPartitioned: partitions !== undefined, ...(partitions && { partitions }) }
  assertOwnColumns(scan, virtual)
  const part = rows === undefined ? scan : { ...scan, rows }
  const { typed, groups } = await scoreScans(session, [part], options, signal)
  const [{ types } = {}] = typed
  if (types === undefined) return { index, types: null, groups: [] }
  const hasInput = groups.some(({ total }) => total.count > 0) || (await hasValues(session, part, options, 'x'))
  assertTransferable(shard, options.by, types.by, groups)
  const columns = kind === 'NDJSON' ? await columnsOf(session, scan) : ''
  const input = hasInput ? types.input : nullType
  return { index, types: { ...types, input, columns }, groups: groups.map(({ key, total }) => [key, total.toJSON()]) }
}

/** Files of NDJSON are one table on one machine, whose columns have types that suit all of them. */
async function columnsOf(session: Session, scan: Scan): Promise<string> {
  const columns = await session.readRows(`SELECT column_name, column_type FROM (DESCRIBE FROM ${fromClause(scan)})`)
  return columns.map((column) => column.join(' ')).join(', ')
}

function assertTransferable({ file }: Shard, by: string | undefined, type: string, groups: ScanTotals['groups']): void {
  if (!plainType.test(type)) {
    const reason = `which does not go through Redis; CAST(${by} AS VARCHAR) does`
    throw fileError(message`${file}: ${given('by', by ?? '')} is ${type}, ${reason}`, { option: 'by', file })
  }
  if (groups.length > limits.groups) {
    const found = `${groups.length} values, workers take at most ${limits.groups} a shard`
    throw fileError(message`${file}: ${given('by', by ?? '')} has ${found}`, { option: 'by', file })
  }
}

/** Checks that the file is inside the roots and has the size and time that the client saw. */
async function assertSame({ file, size, modified }: Shard, folders: readonly string[]): Promise<void> {
  const isInside = (path: string) => folders.some((folder) => path.startsWith(withSeparator(folder)))
  if (!isInside(file)) throw new UnrecoverableError(`${file}: outside of the worker's roots on ${hostname()}`)
  const there = await stat(file, { bigint: true }).catch((cause) => {
    const reason = codeOf(cause) === 'ENOENT' ? 'no such file' : `cannot be read, ${codeOf(cause)},`
    throw new Error(`${file}: ${reason} on the worker's host ${hostname()}`, { cause })
  })
  if (!isInside(await realpath(file))) {
    throw new UnrecoverableError(`${file}: leads out of the worker's roots on ${hostname()}`)
  }
  if (!there.isFile()) throw new UnrecoverableError(`${file}: not a file on the worker's host ${hostname()}`)
  if (Number(there.size) === size && String(there.mtimeNs) === modified) return
  const other = `${there.size} bytes of ${timeOf(there.mtimeNs)}, not ${size} bytes of ${timeOf(modified)}`
  throw new Error(`${file}: another file than the client has seen on the worker's host ${hostname()}: ${other}`)
}

function timeOf(nanoseconds: bigint | string): string {
  const [seconds, fraction] = [BigInt(nanoseconds) / 1_000_000_000n, String(nanoseconds).slice(-9)]
  return new Date(1000 * Number(seconds)).toISOString().replace('000Z', `${fraction}Z`)
}

function withSeparator(folder: string): string {
  return folder.endsWith(sep) ? folder : folder + sep
}

/** Another worker, or this one later, may fare better: it had no memory, no disk, or did not see the file. */
function isPassing(error: unknown): boolean {
  return isStarved(error) || /INTERRUPT Error|IO Error|E[A-Z]+: | on the worker's host /.test(String(error))
}

/** There was no memory for a shard, or for DuckDB itself. */
export function isStarved(error: unknown): boolean {
  return /Out of Memory Error|Allocation failure|bad_alloc|failed to map segment|ENOMEM/i.test(String(error))
}

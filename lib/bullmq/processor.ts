import { realpath, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { type Job, UnrecoverableError } from 'bullmq'
import { Copies } from '../files/copies.ts'
import type { ExtensionOptions } from '../files/duckdb/extensions.ts'
import type { GroupTable } from '../files/duckdb/group-table.ts'
import { attachLookup } from '../files/duckdb/lookup.ts'
import { assertOwnColumns, openScans, virtualColumns } from '../files/duckdb/open-scans.ts'
import { requestCodes } from '../files/duckdb/remote-errors.ts'
import { findWith, prepareRemote } from '../files/duckdb/remote-files.ts'
import { seeRemoteStates } from '../files/duckdb/remote-states.ts'
import type { Scan } from '../files/duckdb/scan.ts'
import { nullType } from '../files/duckdb/scored-types.ts'
import { Session } from '../files/duckdb/session.ts'
import { scoreScans } from '../files/duckdb/totals.ts'
import { hasInput } from '../files/duckdb/typed-scans.ts'
import { codeOf, detailsOf, fileError, given, message, messageOf } from '../files/errors.ts'
import { assertThreads } from '../files/options.ts'
import { type FileState, lookupOf } from '../files/pair.ts'
import { isRemote } from '../files/remote.ts'
import { recognizeFile } from '../files/sources.ts'
import { getNumThreads, type LossAccumulator } from '../index.ts'
import { encodeFailure, type FailureDetails } from './failures.ts'
import {
  limits,
  parseShardData,
  plainType,
  type Shard,
  type ShardData,
  type ShardFile,
  type ShardOptions,
  type ShardPart,
  type ShardResult,
} from './payload.ts'
import { openRoots, type Roots } from './roots.ts'

/** The options of `shardProcessor`. */
export interface ProcessorOptions {
  /** a folder that holds files such as `httpfs.duckdb_extension`, for URLs without internet; default: that of the environment */
  readonly duckdbExtensions?: string
  /** threads of DuckDB for each shard; default `getNumThreads()` */
  readonly threads?: number
  /** the folders, and the beginnings of URLs, whose files are read; default: all folders and object stores, no web server */
  readonly roots?: readonly string[]
}

/** What `shardProcessor` returns: the part of a worker that scores. */
export interface ShardProcessor {
  /** Scores the shard of a job: the function that a BullMQ `Worker` calls. */
  readonly process: (job: Pick<Job, 'data'>) => Promise<ShardResult>
  /** Interrupts the running shards. They fail, and are tried again. */
  interrupt(): void
  /** Closes the idle databases. */
  close(): void
}

/**
 * Scores shards, as many at once as the worker asks for, each in a DuckDB that reads files of the roots only.
 *
 * @param options threads, roots, and where extensions of DuckDB are
 * @throws {TypeError} ERR_INVALID_ARG_TYPE: an option has the wrong type; `option` is its key
 * @throws {RangeError} ERR_INVALID_ARG_VALUE: an option has a value out of range; `option` is its key
 * @throws {Error} ENOENT: a root does not exist
 *
 * @example
 * const { process } = await shardProcessor({ roots: ['/data', 's3://pairs/2024'] })
 * new Worker(queueName, process, { connection })
 */
export async function shardProcessor({
  threads = getNumThreads(),
  roots,
  ...extensions
}: ProcessorOptions = {}): Promise<ShardProcessor> {
  assertThreads(threads)
  const allowed = await openRoots(roots)
  const running = new Set<Session>()
  /** Locked sessions, all in one time zone: a locked session cannot change it. */
  let idle: Session[] = []
  let zone = ''
  let isInterrupted = false

  async function openSession(timeZone: string): Promise<Session> {
    const session = await Session.open(threads)
    await session.setTimeZone(timeZone)
    return session
  }

  async function openLocked(timeZone: string): Promise<Session> {
    const session = await openSession(timeZone)
    await session.lock(allowed.folders)
    return session
  }

  async function takeSession(timeZone: string): Promise<Session> {
    if (timeZone !== zone) close()
    zone = timeZone
    return idle.pop() ?? (await openLocked(timeZone).catch(failOnHost))
  }

  function close(): void {
    for (const session of idle) session.close()
    idle = []
  }

  async function scoreLocal(job: ShardData): Promise<ShardResult> {
    const { timeZone } = job.options
    const session = await takeSession(timeZone)
    running.add(session)
    let isReusable = false
    try {
      const result = await scoreShard(session, job)
      isReusable = timeZone === zone && !isInterrupted
      return result
    } finally {
      running.delete(session)
      if (isReusable) idle.push(session)
      else session.close()
    }
  }

  /** A session reads remote files in one state only, so it serves one shard. */
  async function scoreRemote(job: ShardData, remote: readonly ShardFile[]): Promise<ShardResult> {
    const session = await openSession(job.options.timeZone).catch(failOnHost)
    running.add(session)
    const copies = new Copies()
    try {
      const fetched = await fetchFiles(session, job, remote, copies, extensions)
      const folder = await copies.folder
      await session.lock(
        [...allowed.folders, ...(folder ? [folder] : [])],
        remote.map(({ file }) => file),
      )
      return await scoreShard(session, fetched)
    } catch (error) {
      throw explainRequest(copies.renameError(error))
    } finally {
      running.delete(session)
      session.close()
      await copies.remove()
    }
  }

  async function scoreUnchanged(job: ShardData): Promise<ShardResult> {
    const files = listFiles(job)
    for (const { file } of files) assertInside(file, allowed)
    const remote = files.filter(({ file }) => isRemote(file))
    const assertFiles = async () => {
      for (const file of files) if (!isRemote(file.file)) await assertUnchanged(file, allowed)
    }
    await assertFiles()
    try {
      const result = await (remote.length === 0 ? scoreLocal(job) : scoreRemote(job, remote))
      await assertFiles()
      return result
    } catch (error) {
      // If a file changed, this explains any other error.
      await assertFiles()
      throw error
    }
  }

  return {
    async process({ data }) {
      try {
        return await scoreUnchanged(parseShardData(data))
      } catch (cause) {
        const failure = encodeFailure(cause)
        if (isInterrupted || isRetryable(cause)) throw new Error(failure, { cause })
        throw Object.assign(new UnrecoverableError(failure), { cause })
      }
    },
    interrupt() {
      isInterrupted = true
      for (const session of running) session.interrupt()
    },
    close,
  }
}

/** The files that a job reads. */
function listFiles({ shard, options }: ShardData): readonly ShardFile[] {
  const { file, seen } = lookupOf(options.input) ?? {}
  return file === undefined || seen === undefined ? shard.files : [...shard.files, { file, ...seen }]
}

/**
 * Makes a session read the remote files of a job, in the state that the client saw. Returns the job over their copies, where
 * they are not read where they are.
 */
async function fetchFiles(
  session: Session,
  job: ShardData,
  remote: readonly ShardFile[],
  copies: Copies,
  options: ExtensionOptions,
): Promise<ShardData> {
  const urls = remote.map(({ file }) => file)
  await prepareRemote(session, urls, options).catch(failOnHost)
  const states = await seeRemoteStates(session, urls)
  for (const file of remote) assertSameState(file, states.get(file.file))
  const systems = findWith(async () => session, options)
  const copy = (file: string) => copies.copy(file, (path) => systems.remote.copy(file, path))
  const isCopied = (file: string, kind?: string) => isRemote(file) && kind !== 'Parquet'
  const { shard, options: scoring } = job
  const files: ShardFile[] = []
  for (const each of shard.files) {
    files.push(isCopied(each.file, shard.kind) ? { ...each, file: await copy(each.file) } : each)
  }
  const lookup = lookupOf(scoring.input)
  if (typeof scoring.input === 'string' || lookup === undefined) return { ...job, shard: { ...shard, files } }
  const isTableCopied = isCopied(lookup.file, recognizeFile(lookup.file)?.kind)
  const file = isTableCopied ? await copy(lookup.file) : lookup.file
  return {
    ...job,
    shard: { ...shard, files },
    options: { ...scoring, input: { ...scoring.input, lookup: { ...lookup, file } } },
  }
}

async function scoreShard(session: Session, { index, options, shard }: ShardData): Promise<ShardResult> {
  const { signal } = new AbortController()
  const scans = await attachLookup(session, await openShard(session, shard, options, signal), options.input, signal)
  const parts = new PartList(shard, options.by)
  for (const scan of scans) {
    assertOwnColumns(scan, virtualColumns)
    const { typed, groups: tables } = await scoreScans(session, [scan], options, signal)
    const [[groups], [{ types } = {}]] = [tables as [GroupTable], typed]
    if (types === undefined) continue
    const isTyped = groups.total.count > 0 || (await hasInput(session, scan, options))
    const columns = shard.kind === 'NDJSON' ? listColumns(scan) : ''
    await parts.add(scan, { ...types, input: isTyped ? types.input : nullType, columns }, groups)
    // The session goes on to other scans and shards.
    await groups.drop()
  }
  return { index, parts: parts.toJSON() }
}

/** Opens the files of a shard, each file of NDJSON by itself, so that the columns of each can be compared. */
async function openShard(
  session: Session,
  { files, kind, compression, rows, partitions = {} }: Shard,
  options: ShardOptions,
  signal: AbortSignal,
): Promise<Scan[]> {
  const sources = files.map(({ file }) => ({ file, kind, compression, partitions }))
  const apart = kind === 'NDJSON' ? sources.map((source) => [source]) : [sources]
  const scans: Scan[] = []
  for (const some of apart) scans.push(...(await openScans(session, some, options, signal)))
  return rows === undefined ? scans : scans.map((scan) => ({ ...scan, rows }))
}

/** The parts of a result, one for all scans of the same types. */
class PartList {
  readonly #shard: Shard
  readonly #by: string | undefined
  readonly #parts = new Map<
    string,
    Pick<ShardPart, 'file' | 'types'> & { readonly groups: Map<string | null, LossAccumulator> }
  >()

  constructor(shard: Shard, by: string | undefined) {
    this.#shard = shard
    this.#by = by
  }

  /** Adds the groups of a scan. Refuses keys that do not go through Redis, and more than a shard may have. */
  async add(scan: Scan, types: ShardPart['types'], groups: GroupTable): Promise<void> {
    const [file = ''] = scan.files
    this.#assertTransferable(file, types.by, groups.count)
    const name = JSON.stringify(types)
    const place = this.#shard.files.findIndex((each) => each.file === file)
    const part = this.#parts.get(name) ?? { file: place, types, groups: new Map() }
    this.#parts.set(name, part)
    for await (const batch of groups.readGroups()) {
      for (const { key, total } of batch) part.groups.set(key, part.groups.get(key)?.merge(total) ?? total)
    }
    const count = [...this.#parts.values()].reduce((sum, { groups }) => sum + groups.size, 0)
    this.#assertTransferable(file, types.by, count)
  }

  toJSON(): ShardPart[] {
    return [...this.#parts.values()].map(({ groups, ...part }) => {
      return { ...part, groups: [...groups].map(([key, total]) => [key, total.toJSON()] as const) }
    })
  }

  #assertTransferable(file: string, type: string, groups: number): void {
    const by = given('by', this.#by ?? '')
    if (!plainType.test(type)) {
      const reason = `which does not go through Redis; CAST(${this.#by} AS VARCHAR) does`
      throw fileError(message`${file}: ${by} is ${type}, ${reason}`, { option: 'by', file })
    }
    if (groups > limits.groups) {
      const amount = `${groups} values, workers take at most ${limits.groups} a shard`
      throw fileError(message`${file}: ${by} has ${amount}`, { option: 'by', file })
    }
  }
}

/** The names and types of columns. One machine reads all NDJSON as one table, so they must be the same in each file. */
function listColumns({ columns }: Scan): string {
  return columns.map(({ tableName, type }) => `${tableName} ${type}`).join(', ')
}

/** @throws {Error} ERR_OUTSIDE_ROOTS, with `file` and `host` */
function assertInside(file: string, roots: Roots): void {
  if (!roots.has(file)) refuseFile(file, `outside of the worker's roots on ${hostname()}`, 'ERR_OUTSIDE_ROOTS')
}

function refuseFile(file: string, text: string, code: string, cause?: unknown): never {
  return failOnHost(fileError(`${file}: ${text}`, { code, file }, cause))
}

/**
 * Refuses a file of this machine that differs from what the client saw.
 *
 * @throws {Error} ERR_OUTSIDE_ROOTS, ERR_INVALID_FILE, ERR_FILE_CHANGED, ENOENT or another code of the file system; `file`, `host`
 */
async function assertUnchanged(seen: ShardFile, roots: Roots): Promise<void> {
  const { file } = seen
  const host = hostname()
  const there = await stat(file, { bigint: true }).catch((cause) => {
    const reason = codeOf(cause) === 'ENOENT' ? 'no such file' : `cannot be read, ${codeOf(cause)},`
    return refuseFile(file, `${reason} on the worker's host ${host}`, codeOf(cause), cause)
  })
  if (!roots.has(await realpath(file))) {
    refuseFile(file, `leads out of the worker's roots on ${host}`, 'ERR_OUTSIDE_ROOTS')
  }
  if (!there.isFile()) refuseFile(file, `not a file on the worker's host ${host}`, 'ERR_INVALID_FILE')
  assertSameState(seen, { size: Number(there.size), version: String(there.mtimeNs) })
}

/** @throws {Error} ERR_FILE_CHANGED, with `file` and `host` */
function assertSameState(seen: ShardFile, there: FileState | undefined): void {
  if (there?.size === seen.size && there.version === seen.version) return
  const { file } = seen
  const describe = ({ size, version }: FileState) =>
    `${size} bytes of ${isRemote(file) ? `ETag ${version}` : formatTime(version)}`
  const actual = there === undefined ? 'nothing' : describe(there)
  const text = `another file than the client has seen on the worker's host ${hostname()}: ${actual}, not ${describe(seen)}`
  refuseFile(file, text, 'ERR_FILE_CHANGED')
}

/** The error of a request as one of this host, whose credentials and network may be other ones than those of the client. */
function explainRequest(error: unknown): unknown {
  const { host } = Object(error) as FailureDetails
  const details = detailsOf(error)
  if (host !== undefined || !requestCodes.has(details.code ?? '')) return error
  const { file } = details
  const place = file === undefined || String(messageOf(error)).includes(file) ? '' : `${file}: `
  const text = message`${place}${messageOf(error)}, on the worker's host ${hostname()}`
  return Object.assign(fileError(text, details, error), { host: hostname() })
}

/** Throws an error as one of this host, which another host may not have. */
function failOnHost(error: Error): never {
  throw Object.assign(error, { host: hostname() })
}

function formatTime(nanoseconds: string): string {
  const [seconds, fraction] = [BigInt(nanoseconds) / 1_000_000_000n, nanoseconds.slice(-9)]
  return new Date(1000 * Number(seconds)).toISOString().replace('000Z', `${fraction}Z`)
}

/** True if another worker, or this one later, may score the shard: there was no memory or disk, or the file was not seen. */
function isRetryable(error: unknown): boolean {
  const { host, code } = Object(error) as FailureDetails
  if (host !== undefined) return code !== 'ERR_OUTSIDE_ROOTS' && code !== 'ERR_INVALID_FILE'
  return isOutOfMemory(error) || /INTERRUPT Error|IO Error|E[A-Z]+: /.test(String(error))
}

/** True if there was no memory for a shard, or for DuckDB itself. */
export function isOutOfMemory(error: unknown): boolean {
  return /Out of Memory Error|Allocation failure|bad_alloc|failed to map segment|ENOMEM/i.test(String(error))
}

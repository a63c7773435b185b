import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { Copies } from '../files/copies.ts'
import type { ExtensionOptions } from '../files/duckdb/extensions.ts'
import { assertResolvable, openScans } from '../files/duckdb/open-scans.ts'
import { partitionKeysOf } from '../files/duckdb/partitions.ts'
import { findWith } from '../files/duckdb/remote-files.ts'
import { readRemoteStates } from '../files/duckdb/remote-states.ts'
import type { ScanOptions, ScanSource } from '../files/duckdb/scan.ts'
import { Session } from '../files/duckdb/session.ts'
import { type Message, message, option, optionError } from '../files/errors.ts'
import {
  assertCsvOptions,
  assertKeepable,
  assertOneMargin,
  type ColumnOptions,
  type CsvOptions,
  type Format,
  type GivenScoring,
  integer,
  type RunOptions,
  readOptions,
  readPaths,
  readScoring,
  type ScoreFilesOptions,
  type Scoring,
  type SourceOptions,
  selectCsvOptions,
} from '../files/options.ts'
import { lookupOf, type Pair } from '../files/pair.ts'
import { assertFile, assertLocal } from '../files/paths.ts'
import { isRemote, nameRemote, readRemote } from '../files/remote.ts'
import { RunSignal } from '../files/run-signal.ts'
import { findSources, type Source } from '../files/sources.ts'
import { getNumThreads, runtimeInfo } from '../index.ts'
import { cutFiles, readState } from './cut.ts'
import { leastRetention, limits, type Shard, type ShardOptions } from './payload.ts'

/** The files to score as one, cut into shards. */
export interface Plan {
  /** the same for the same files, options and version: a plan that is added again goes on where it was */
  readonly id: string
  readonly options: ShardOptions
  readonly shards: readonly Shard[]
  /** the files of each shard as they were found, for messages */
  readonly files: readonly (readonly string[])[]
  /** seconds that Redis keeps results, and a plan that no client waits for */
  readonly retention: number
}

/** A file of a shard as the client found it; by default the first. */
export function nameOfFile({ files, shards }: Plan, index: number, place = 0): string {
  return files[index]?.[place] ?? shards[index]?.files[place]?.file ?? ''
}

/** The options of `planOf`: those of `scoreFiles` that do not depend on the order of rows, and how files are cut. */
export interface PlanOptions
  extends Omit<ColumnOptions, 'labels' | 'on'>,
    CsvOptions,
    Omit<SourceOptions, 'query' | 'attach'>,
    Pick<RunOptions, 'threads' | 'duckdbExtensions' | 'signal' | 'onNote'> {
  /**
   * a Parquet file of more rows is cut, between row groups; files that together have fewer than a tenth, or 4 bytes for each of
   * these rows, share a shard; default 10 million
   */
  readonly shardRows?: number
  /** seconds that Redis keeps results; default 86,400: a day */
  readonly retention?: number
}

/** The checks of the options that `planOf` adds to those of `scoreFiles`. */
export const planChecks = { shardRows: integer(1), retention: integer(leastRetention) } as const

/** Options of `scoreFiles` that workers do not serve. */
const localOptions = ['query', 'labels', 'output', 'top', 'stdin', 'onProgress', 'onGroup'] as const

/**
 * Cuts the files that paths, patterns and folders stand for into shards.
 *
 * @throws {TypeError} ERR_INVALID_ARG_TYPE: an option is of another kind; `option` is its key
 * @throws {RangeError} ERR_INVALID_ARG_VALUE: a value, column or expression that the option does not take, or an option
 *   that workers do not serve; `option` is its key
 * @throws {Error} ERR_INVALID_FILE, ENOENT: a file is absent, or none that workers score; `file`
 * @throws the signal's reason after an abort, and what `onNote` throws
 *
 * @example
 * const plan = await planOf(['/data/pairs'], { input: 'distance', label: 'label', by: 'model' })
 */
export async function planOf(paths: readonly string[], options: PlanOptions): Promise<Plan> {
  const patterns = readPaths(paths)
  const checked = readOptions(options, planChecks)
  assertServed(checked)
  for (const path of patterns) assertNoQuery(path, 'paths')
  if (patterns.length === 0) throw optionError('paths', message`${option('redis')} takes ${option('paths')}`)
  const { shardRows = 10_000_000, retention = 86_400, threads = getNumThreads() } = checked
  const { allowDuplicates, format, onNote } = checked
  const given = assertBothLabels(readScoring(checked))
  const run = new RunSignal(checked.signal)
  const { signal } = run
  const copies = new Copies()
  const note = (text: Message) => {
    const renamed = copies.rename(text)
    run.call(() => onNote?.(String(renamed), renamed))
  }
  signal.throwIfAborted()
  const session = await Session.open(threads, signal)
  try {
    const systems = findWith(async () => session, checked)
    const input = await findLookup(given.input, checked, signal)
    const scoring = { ...given, input, timeZone: await session.readTimeZone() }
    const files = await findSources(patterns, { ...systems, allowDuplicates, format, note })
    const sources = files.map((source) => assertScanned(source, format))
    assertCsvOptions(
      checked,
      sources.map(({ kind }) => kind),
    )
    const localize = (file: string) => copies.copy(file, (path) => systems.remote.copy(file, path))
    const partitions = await resolveColumns(session, sources, localize, { ...scoring, onNote: note }, signal)
    const cut = await cutFiles(
      session,
      sources,
      partitions,
      { ...checked, shardRows, isGrouped: scoring.by !== undefined },
      signal,
    )
    signal.throwIfAborted()
    if (cut.length > limits.shards) {
      throw optionError('shardRows', message`${option('shardRows')} ${shardRows} makes ${cut.length} shards`)
    }
    const shards = cut.map(({ shard }) => shard)
    const identity = JSON.stringify([runtimeInfo().version, scoring, shards])
    const id = createHash('sha256').update(identity).digest('hex').slice(0, 32)
    return { id, options: scoring, shards, files: cut.map(({ names }) => names), retention }
  } catch (error) {
    signal.throwIfAborted()
    throw copies.renameError(error)
  } finally {
    run.close()
    session.close()
    await copies.remove()
  }
}

/** Refuses a positive label that is text without the negative one: a shard may lack one of them. */
function assertBothLabels({ labelTexts, ...others }: GivenScoring): Scoring {
  if (labelTexts === undefined) return others
  const { positive, negative } = labelTexts
  if (negative !== undefined) return { ...others, labelTexts: { positive, negative } }
  const reason = message`${option('redis')} takes both labels where they are text`
  throw optionError('negativeLabel', message`${option('negativeLabel')} is missing: ${reason}`)
}

function assertServed(options: ScoreFilesOptions): void {
  assertKeepable(options)
  assertOneMargin(options.margin, message`with ${option('redis')}`)
  const name = localOptions.find((each) => options[each] !== undefined)
  if (name) throw optionError(name, message`${option(name)} does not go with ${option('redis')}`)
}

function assertScanned({ file, kind, ...rest }: Source, format?: Format): ScanSource {
  if (file === '-') throw optionError('paths', message`workers score files, not standard input`)
  if (kind === 'Arrow') {
    throw optionError('paths', message`${nameRemote(file)}: workers score Parquet, CSV, TSV and NDJSON, not ${kind}`)
  }
  if (format !== undefined && kind !== 'Parquet' && isRemote(file)) {
    throw optionError(
      'format',
      message`${option('format')} ${format} does not go with ${option('redis')} for remote files`,
    )
  }
  return { file, kind, ...rest }
}

/** Refuses a presigned URL, which Redis would show. */
function assertNoQuery(file: string, name: string): void {
  const shown = isRemote(file) ? nameRemote(file) : file
  if (shown === file) return
  const advice =
    'a URL with a query does not go through Redis, which would show it; workers have credentials of their own'
  throw optionError(name, message`${shown}: ${advice}`)
}

/** The input with the absolute path of its embeddings, and what shows a worker that it sees the same file. */
async function findLookup(
  input: string | Pair,
  options: ExtensionOptions,
  signal: AbortSignal,
): Promise<string | Pair> {
  const lookup = lookupOf(input)
  if (typeof input === 'string' || lookup === undefined) return input
  if (isRemote(lookup.file)) {
    const file = readRemote(lookup.file, 'embeddings')
    assertNoQuery(file, 'embeddings')
    const seen = (await readRemoteStates([file], options, signal)).get(file)
    return { ...input, lookup: { ...lookup, file, ...(seen && { seen }) } }
  }
  assertLocal(lookup.file, 'embeddings')
  await assertFile(lookup.file)
  return { ...input, lookup: { ...lookup, file: resolve(lookup.file), seen: await readState(lookup.file) } }
}

/**
 * Refuses texts that the columns of the first file show to be wrong, and finds the types of the columns that folders are named
 * for, by file. The names of all folders decide a type, so that all files are opened then.
 */
async function resolveColumns(
  session: Session,
  sources: readonly ScanSource[],
  localize: (file: string) => Promise<string>,
  options: ScanOptions,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Readonly<Record<string, string>>>> {
  const hasFolders = sources.some(({ file }) => partitionKeysOf(file).length > 0)
  const names = new Map<string, string>()
  const local: ScanSource[] = []
  for (const source of hasFolders ? sources : sources.slice(0, 1)) {
    const isCopied = isRemote(source.file) && source.kind !== 'Parquet'
    const file = isCopied ? await localize(source.file) : source.file
    names.set(file, source.file)
    local.push({ ...source, file })
  }
  const reading = { ...selectCsvOptions(options), ...(options.onNote && { onNote: options.onNote }) }
  const scans = hasFolders ? await openScans(session, local, reading, signal) : []
  await assertResolvable(session, local, options, signal, scans[0]?.columns)
  return new Map(
    scans.flatMap(({ files, partitions }) => {
      return partitions ? files.map((file): [string, typeof partitions] => [names.get(file) ?? file, partitions]) : []
    }),
  )
}

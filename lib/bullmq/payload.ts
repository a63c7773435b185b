import { isAbsolute, normalize } from 'node:path'
import { UnrecoverableError } from 'bullmq'
import type { RowRange, ScanSource } from '../files/duckdb/scan.ts'
import { fileError } from '../files/errors.ts'
import {
  type Check,
  emptyTotals,
  integer,
  type LabelTexts,
  oneOf,
  type Scoring,
  scoringChecks,
} from '../files/options.ts'
import type { FileState, Lookup, Pair } from '../files/pair.ts'
import { isRemote, nameRemote, readRemote } from '../files/remote.ts'
import { LossAccumulator, type LossAccumulatorJSON, runtimeInfo } from '../index.ts'
import { describe, invalidArgument } from '../validate.ts'

/** A file as the client saw it; by its state a worker knows that it is the same file. */
export interface ShardFile extends FileState {
  /** the absolute path, or the URL */
  readonly file: string
}

/** Files of one kind, or whole row groups of a Parquet file. */
export interface Shard {
  readonly files: readonly ShardFile[]
  readonly kind: ScanSource['kind']
  /** in DuckDB's words */
  readonly compression: string
  /** of the only file */
  readonly rows?: RowRange
  /** the types of the columns that the folders `key=value` make, the same in the whole plan; absent without such columns */
  readonly partitions?: Readonly<Record<string, string>>
}

/** How a shard is scored. */
export interface ShardOptions extends Omit<Scoring, 'keep' | 'labels'> {
  /** the client's time zone, for days and hours of TIMESTAMPTZ */
  readonly timeZone: string
}

/** The data of a shard's job. */
export interface ShardData {
  /** the version of this package, which must be the worker's */
  readonly version: string
  /** its place in the plan, from 0 on */
  readonly index: number
  readonly options: ShardOptions
  readonly shard: Shard
  /** seconds that Redis keeps the job after it has ended */
  readonly retention: number
}

/** What the job of a shard returns. */
export interface ShardResult {
  readonly index: number
  /** one for the files of each schema that has rows */
  readonly parts: readonly ShardPart[]
}

/** The totals of the files of a shard whose types are the same. */
export interface ShardPart {
  /** the place of the first of them in the shard, from 0 on */
  readonly file: number
  /** the types of the input, of `by` and, for NDJSON, of all columns, which one machine reads as one table */
  readonly types: { readonly input: string; readonly by: string; readonly columns: string }
  /** each value of `by` as text, and the totals of its rows */
  readonly groups: readonly (readonly [key: string | null, partial: LossAccumulatorJSON])[]
}

const { version } = runtimeInfo()

/** The most shards of a plan, files and groups of a shard, and so on; lengths are in characters. */
export const limits = {
  shards: 1_000_000,
  files: 100,
  groups: 50_000,
  text: 10_000,
  path: 4096,
  tag: 1024,
  partitions: 100,
  nullStrings: 100,
} as const
/** seconds */
export const leastRetention = 5

function refuse(name: string, expected: string, value: unknown): never {
  throw invalidArgument('ERR_INVALID_ARG_VALUE', name, expected, describe(value))
}

/** A check that a predicate makes. */
function must(expected: string, isRight: (value: unknown) => boolean): Check {
  return (name, value) => {
    if (!isRight(value)) refuse(name, expected, value)
  }
}

function text(longest: number, shortest = 1): Check {
  return must(`text of ${shortest} to ${longest} characters`, (value) => isText(value, longest, shortest))
}

function isText(value: unknown, longest: number, shortest = 1): value is string {
  return typeof value === 'string' && !value.includes('\0') && value.length >= shortest && value.length <= longest
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function optional(check: Check): Check {
  return (name, value) => value === undefined || check(name, value)
}

/** An object of these fields and no others. */
function record<T extends object>(fields: { readonly [K in keyof T]-?: Check }): Check {
  const expected = `an object of ${Object.keys(fields).join(', ')}`
  return (name, value) => {
    if (!isObject(value) || Object.keys(value).some((key) => !Object.hasOwn(fields, key))) {
      return refuse(name, expected, value)
    }
    for (const [key, check] of Object.entries<Check>(fields)) check(`${name}.${key}`, value[key])
  }
}

function all(...checks: readonly Check[]): Check {
  return (name, value) => {
    for (const check of checks) check(name, value)
  }
}

/** Matches types whose name in SQL says all about them: no lists, structures or enumerations. */
export const plainType = /^"?[A-Z][A-Z_0-9 ]*"?(\(\d+(,\s?\d+)?\))?$/

const typeName = must('the name of an SQL type', (value) => isText(value, 64) && plainType.test(value))

const absolutePath = all(
  text(limits.path),
  must('an absolute path without . and ..', (path) => isAbsolute(String(path)) && normalize(String(path)) === path),
)

const rowRange = all(
  record<RowRange>({ start: integer(0), end: integer(1) }),
  must('a range from start to a later end', (range) => (range as RowRange).start < (range as RowRange).end),
)

const partitions: Check = (name, value) => {
  if (!isObject(value)) return refuse(name, 'an object of types', value)
  const entries = Object.entries(value)
  if (entries.length > limits.partitions) refuse(name, `an object of at most ${limits.partitions} columns`, value)
  for (const [key, type] of entries) {
    text(limits.path)(name, key)
    typeName(`${name}.${key}`, type)
  }
}

/** A path, or a URL without anything that may be secret. */
const filePath: Check = (name, value) => {
  if (typeof value !== 'string' || !isRemote(value)) return absolutePath(name, value)
  text(limits.path)(name, value)
  if (readRemote(value, name) !== value || nameRemote(value) !== value) refuse(name, 'a URL without a query', value)
}

/** A file in the state that the client saw. */
const file = all(
  record<ShardFile>({ file: filePath, size: integer(0), version: text(limits.tag) }),
  must('nanoseconds or an ETag', (value) => {
    const { file, version } = value as ShardFile
    return isRemote(file) || /^-?\d{1,20}$/.test(version)
  }),
)

/** An array of a bounded length. */
function listOf(check: Check, most: number, least = 0): Check {
  return (name, value) => {
    if (!Array.isArray(value) || value.length < least || value.length > most) {
      return refuse(name, `an array of ${least} to ${most} items`, value)
    }
    for (const [index, item] of value.entries()) check(`${name}[${index}]`, item)
  }
}

const shard = all(
  record<Shard>({
    files: listOf(file, limits.files, 1),
    kind: oneOf('Parquet', 'CSV', 'TSV', 'NDJSON'),
    compression: oneOf('uncompressed', 'gzip', 'zstd'),
    rows: optional(rowRange),
    partitions: optional(partitions),
  }),
  must('one Parquet file where it has rows', (value) => {
    const { files, kind, rows } = value as Shard
    return rows === undefined || (kind === 'Parquet' && files.length === 1)
  }),
)

const present = must('present', (value) => value !== undefined)
const texts = must(`at most ${limits.nullStrings} texts`, (value) => {
  return (
    Array.isArray(value) && value.length <= limits.nullStrings && value.every((each) => isText(each, limits.text, 0))
  )
})

const pair = record<Pair>({
  left: text(limits.text),
  right: text(limits.text),
  distance: all(text(limits.text), scoringChecks.distance),
  epsilon: scoringChecks.epsilon,
  lookup: optional(
    record<Lookup>({
      file: filePath,
      id: text(limits.text),
      embedding: optional(text(limits.text)),
      seen: record<FileState>({ size: integer(0), version: text(limits.tag) }),
    }),
  ),
})

const labelTexts = all(
  record<LabelTexts>({ positive: text(limits.text, 0), negative: text(limits.text, 0) }),
  must('two different texts', (value) => (value as LabelTexts).positive !== (value as LabelTexts).negative),
)

const options = all(
  record<ShardOptions>({
    input: (name, value) => (isObject(value) ? pair(name, value) : text(limits.text)(name, value)),
    label: text(limits.text),
    labelTexts: optional(labelTexts),
    weight: optional(text(limits.text)),
    by: optional(text(limits.text)),
    nulls: scoringChecks.nulls,
    nan: scoringChecks.nan,
    margins: must('a list of one number', (value) => {
      return Array.isArray(value) && value.length === 1 && typeof value[0] === 'number'
    }),
    positiveLabel: present,
    negativeLabel: present,
    otherLabels: present,
    delimiter: optional(scoringChecks.delimiter),
    decimal: optional(scoringChecks.decimal),
    nullString: optional(texts),
    header: optional(scoringChecks.header),
    comment: optional(scoringChecks.comment),
    timeZone: must('a time zone', (value) => isText(value, 64) && /^[\w/+-]+$/.test(value)),
  }),
  (_, value) => emptyTotals(value as ShardOptions),
)

const shardData = record<ShardData>({
  version: must(version, (value) => value === version),
  index: integer(0, limits.shards),
  options,
  shard,
  retention: integer(leastRetention),
})

const shardPart = record<ShardPart>({
  file: integer(0, limits.files - 1),
  types: record<ShardPart['types']>({
    input: text(limits.text),
    by: typeName,
    columns: must('text', (value) => typeof value === 'string'),
  }),
  groups: must(`at most ${limits.groups} groups, each with a key and a partial`, (value) => {
    return Array.isArray(value) && value.length <= limits.groups && value.every(isGroup)
  }),
})

const shardResult = record<ShardResult>({
  index: integer(0, limits.shards),
  parts: listOf(shardPart, limits.files),
})

function isGroup(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && (value[0] === null || typeof value[0] === 'string')
}

function parseGroup([key, partial]: ShardPart['groups'][number]): ShardPart['groups'][number] {
  return [key, LossAccumulator.fromJSON(partial).toJSON()]
}

/**
 * The data of a shard's job, which a worker does not trust.
 *
 * @throws {UnrecoverableError} ERR_VERSION_MISMATCH: another version of this package made the job
 * @throws {UnrecoverableError} ERR_INVALID_JOB: no plan of this version makes such a job
 */
export function parseShardData(value: unknown): ShardData {
  const given = (value as { version?: unknown } | null)?.version
  if (typeof given === 'string' && given !== version) {
    const text = `the job is of version ${given.slice(0, 64)}, this worker of ${version}`
    throw Object.assign(new UnrecoverableError(text), { code: 'ERR_VERSION_MISMATCH' })
  }
  try {
    shardData('data', value)
  } catch (cause) {
    const error = new UnrecoverableError(`the job's ${(cause as Error).message}`)
    throw Object.assign(error, { code: 'ERR_INVALID_JOB', cause })
  }
  return value as ShardData
}

/**
 * The result of a shard's job, which the client does not trust.
 *
 * @throws {Error} ERR_INVALID_RESULT: no worker of this version returns such a result
 */
export function parseShardResult(value: unknown): ShardResult {
  try {
    shardResult('result', value)
    const { index, parts } = value as ShardResult
    return { index, parts: parts.map(({ groups, ...part }) => ({ ...part, groups: groups.map(parseGroup) })) }
  } catch (cause) {
    const text = `a worker's ${(cause as Error).message}`
    throw fileError(text, { code: 'ERR_INVALID_RESULT' }, cause)
  }
}

import { isAbsolute, normalize } from 'node:path'
import { UnrecoverableError } from 'bullmq'
import type { RowRange, ScanSource } from '../files/duckdb/scan.ts'
import { isSeparator, type Scoring } from '../files/options.ts'
import { LossAccumulator, type LossAccumulatorJSON, runtimeInfo } from '../index.ts'
import { maxLabel } from '../settings.ts'

/** A file, or whole row groups of a Parquet file, with the size and time by which a worker knows that it is the same file. */
export interface Shard {
  readonly file: string
  readonly kind: ScanSource['kind']
  /** in DuckDB's words */
  readonly compression: string
  /** in bytes */
  readonly size: number
  /** nanoseconds since 1970 */
  readonly modified: string
  readonly rows?: RowRange
  /** the types of the columns that its folders are named for, which suit all files of the plan; none: they are no columns */
  readonly partitions?: Readonly<Record<string, string>>
}

/** How a shard is scored: without what depends on the order of rows. */
export interface ShardOptions extends Omit<Scoring, 'keep'> {
  /** the client's time zone, for days and hours of TIMESTAMPTZ */
  readonly timeZone: string
}

/** The data of a shard's job. */
export interface ShardData {
  /** of this package: workers of another one refuse it */
  readonly version: string
  /** its place among the shards of a plan */
  readonly index: number
  readonly options: ShardOptions
  readonly shard: Shard
  /** seconds */
  readonly retention: number
}

/** What the job of a shard returns. */
export interface ShardResult {
  readonly index: number
  /** of the input, of by and, where files are read as one table, of all columns; none where there are no rows */
  readonly types: { readonly input: string; readonly by: string; readonly columns: string } | null
  /** each value of by as text, and the totals of its rows */
  readonly groups: readonly (readonly [key: string | null, partial: LossAccumulatorJSON])[]
}

/** A plan has no more shards, and a shard no more groups; expressions and paths are no longer. */
export const limits = {
  shards: 1_000_000,
  groups: 50_000,
  text: 10_000,
  path: 4096,
  partitions: 100,
  nullStrings: 100,
} as const
export const leastRetention = 5

/** Says what is wrong with `value`, or takes it. */
type Check<T> = (name: string, value: unknown) => T

function refuse(name: string, expected: string): never {
  throw new UnrecoverableError(`the job's ${name} must be ${expected}`)
}

function text(longest: number, shortest = 1): Check<string> {
  return (name, value) => {
    const isText = typeof value === 'string' && !value.includes('\0')
    const isFit = isText && value.length >= shortest && value.length <= longest
    return isFit ? value : refuse(name, `text of ${shortest} to ${longest} characters`)
  }
}

function integer(least: number, most = Number.MAX_SAFE_INTEGER): Check<number> {
  return (name, value) => {
    const isInRange = Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most
    return isInRange ? (value as number) : refuse(name, `an integer from ${least} to ${most}`)
  }
}

function oneOf<T extends string>(...choices: readonly T[]): Check<T> {
  return (name, value) => (choices.includes(value as T) ? (value as T) : refuse(name, choices.join(' or ')))
}

function optional<T>(check: Check<T>): Check<T | undefined> {
  return (name, value) => (value === undefined ? undefined : check(name, value))
}

/** An object of these fields and no others. */
function record<T extends object>(fields: { readonly [K in keyof T]-?: Check<T[K]> }): Check<T> {
  return (name, value) => {
    const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value)
    if (!isRecord || Object.keys(value).some((key) => !Object.hasOwn(fields, key))) {
      refuse(name, `an object of ${Object.keys(fields).join(', ')}`)
    }
    const given = value as Readonly<Record<string, unknown>>
    const entries = Object.entries(fields) as [string, Check<unknown>][]
    const taken = entries.map(([key, check]) => [key, check(`${name}.${key}`, given[key])] as const)
    return Object.fromEntries(taken.filter(([, field]) => field !== undefined)) as T
  }
}

/** Types that SQL has a name for which says all of them. */
export const plainType = /^"?[A-Z][A-Z_0-9 ]*"?(\(\d+(,\s?\d+)?\))?$/

const plain: Check<string> = (name, value) =>
  plainType.test(String(value)) ? text(64)(name, value) : refuse(name, 'a type of SQL')

const absolute: Check<string> = (name, value) => {
  const path = text(limits.path)(name, value)
  return isAbsolute(path) && normalize(path) === path ? path : refuse(name, 'an absolute path without . and ..')
}

const range: Check<RowRange> = (name, value) => {
  const { start, end } = record<RowRange>({ start: integer(0), end: integer(1) })(name, value)
  return start < end ? { start, end } : refuse(name, 'a range from start to a later end')
}

const partitions: Check<Record<string, string>> = (name, value) => {
  const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value)
  const entries = Object.entries(isRecord ? value : refuse(name, 'an object of types'))
  if (entries.length > limits.partitions) refuse(name, `of at most ${limits.partitions} columns`)
  return Object.fromEntries(entries.map(([key, type]) => [text(limits.path)(name, key), plain(`${name}.${key}`, type)]))
}

const shard: Check<Shard> = (name, value) => {
  const taken = record<Shard>({
    file: absolute,
    kind: oneOf('Parquet', 'CSV', 'TSV', 'NDJSON'),
    compression: oneOf('uncompressed', 'gzip', 'zstd'),
    size: integer(0),
    modified: (at, modified) =>
      /^-?\d{1,20}$/.test(String(modified)) ? text(21)(at, modified) : refuse(at, 'nanoseconds as text'),
    rows: optional(range) as Check<RowRange>,
    partitions: optional(partitions) as Check<Record<string, string>>,
  })(name, value)
  return taken.rows === undefined || taken.kind === 'Parquet' ? taken : refuse(`${name}.rows`, 'absent but for Parquet')
}

const separator: Check<string> = (name, value) =>
  isSeparator(String(value)) ? text(1)(name, value) : refuse(name, 'one character of ASCII, not a quote')

const truth: Check<boolean> = (name, value) => (typeof value === 'boolean' ? value : refuse(name, 'true or false'))

const texts: Check<readonly string[]> = (name, value) => {
  const list = Array.isArray(value) && value.length <= limits.nullStrings ? value : undefined
  return list?.map((each) => text(limits.text, 0)(name, each)) ?? refuse(name, `at most ${limits.nullStrings} texts`)
}

const options: Check<ShardOptions> = (name, value) => {
  const taken = record<ShardOptions>({
    input: text(limits.text),
    label: text(limits.text),
    by: optional(text(limits.text)) as Check<string>,
    nulls: oneOf('error', 'ignore'),
    nan: oneOf('error', 'ignore', 'keep'),
    margin: (at, margin) => (Number.isFinite(margin) ? (margin as number) : refuse(at, 'a finite number')),
    positiveLabel: integer(-maxLabel, maxLabel),
    negativeLabel: integer(-maxLabel, maxLabel),
    otherLabels: oneOf('error', 'zero', 'ignore'),
    delimiter: optional(separator) as Check<string>,
    decimal: optional(oneOf('.', ',')) as Check<'.' | ','>,
    nullString: optional(texts) as Check<readonly string[]>,
    header: optional(truth) as Check<boolean>,
    comment: optional(separator) as Check<string>,
    timeZone: (at, zone) => (/^[\w/+-]{1,64}$/.test(String(zone)) ? text(64)(at, zone) : refuse(at, 'a time zone')),
  })(name, value)
  return taken.positiveLabel === taken.negativeLabel ? refuse(name, 'of two different labels') : taken
}

/**
 * The data of a shard's job, which a worker does not trust.
 *
 * @throws {UnrecoverableError} of bullmq: it is not what a plan of this version makes
 */
export function parseShardData(value: unknown): ShardData {
  const given = (value as { version?: unknown } | null)?.version
  const { version } = runtimeInfo()
  if (typeof given === 'string' && given !== version) {
    throw new UnrecoverableError(`the job is of version ${given.slice(0, 64)}, this worker of ${version}`)
  }
  return record<ShardData>({
    version: oneOf(version),
    index: integer(0, limits.shards),
    options,
    shard,
    retention: integer(leastRetention),
  })('data', value)
}

const types: Check<NonNullable<ShardResult['types']>> = record({
  input: text(limits.text),
  by: plain,
  columns: (name, value) => (typeof value === 'string' ? value : refuse(name, 'text')),
})

/** The result of a shard's job, which the client does not trust. */
export function parseShardResult(value: unknown): ShardResult {
  return record<ShardResult>({
    index: integer(0, limits.shards),
    types: (name, value) => (value === null ? null : types(name, value)),
    groups: (name, value) => {
      if (!Array.isArray(value) || value.length > limits.groups) refuse(name, `at most ${limits.groups} groups`)
      return (value as unknown[][]).map(([key, partial]) => {
        if (key !== null && typeof key !== 'string') refuse(name, 'keyed by text or null')
        return [key, LossAccumulator.fromJSON(partial as LossAccumulatorJSON).toJSON()]
      })
    },
  })('result', value)
}

import type { Readable } from 'node:stream'
import { type DType, LossAccumulator, type MarginOptions, type OtherLabelPolicy } from '../index.ts'
import { isMarginFinite, settingNames } from '../settings.ts'
import { assertOneOf, assertOptions, assertSignal, describe, invalidArgument } from '../validate.ts'
import { asOptionError, type Message, message, option, optionError } from './errors.ts'

/** The format of a file that the engine reads. */
export type FileKind = 'Parquet' | 'CSV' | 'TSV' | 'NDJSON' | 'Arrow'

/** The kinds of files by their names in options. */
export const formats = {
  parquet: 'Parquet',
  csv: 'CSV',
  tsv: 'TSV',
  ndjson: 'NDJSON',
  arrow: 'Arrow',
} as const satisfies Readonly<Record<string, FileKind>>
export type Format = keyof typeof formats

/** How CSV and TSV are written, where a file does not show it. */
export interface CsvOptions {
  /** the character between fields; by default the one that the first records show */
  readonly delimiter?: string
  /** the decimal separator; default `.` */
  readonly decimal?: '.' | ','
  /** texts that stand for a null, beside an empty field */
  readonly nullString?: readonly string[]
  /** true if the first record names the columns, the default; without the option a note says if it may be data */
  readonly header?: boolean
  /** the character that begins a comment line */
  readonly comment?: string
}

/** The columns to score, and what to do with rows that have no loss. */
export interface ColumnOptions extends MarginOptions {
  /** distance or energy: a column, an SQL expression over a row, or a .npy file where there are no paths */
  readonly input: string
  /** the label: a column, an SQL expression over a row, or a .npy file */
  readonly label: string
  /** a column or SQL expression: totals for each of its values */
  readonly by?: string
  /** a row whose input or label is null: an error (default), or left out */
  readonly nulls?: 'error' | 'ignore'
  /** a row whose input is NaN: an error (default), left out, or kept: then its loss and the totals are NaN */
  readonly nan?: 'error' | 'ignore' | 'keep'
}

/** How far a run is. */
export interface Progress {
  /** the current step; absent while the files are read for the first time */
  readonly doing?: string | undefined
  /** the part that is done, from 0 to 1 */
  readonly share?: number | undefined
  /** rows read so far */
  readonly count?: number | undefined
}

/** What a caller hands to a run, beside what is scored. */
export interface RunOptions {
  /** threads of DuckDB; default `getNumThreads()`. Arrow and .npy use the threads of the process */
  readonly threads?: number
  /** what the path `-` reads */
  readonly stdin?: Readable
  /** ends the run; the promise rejects with its reason */
  readonly signal?: AbortSignal
  /** is called about five times a second */
  readonly onProgress?: (progress: Progress) => void
  /** is called for what is left out, or read in one of two ways; `message` is the note before its options are spelled */
  readonly onNote?: (note: string, message: Message) => void
}

/** What a run gets from its caller. */
export interface Io {
  readonly signal: AbortSignal
  readonly stdin?: Readable | undefined
}

/** How files are found. */
export interface SourceOptions {
  /** the format of all files, whatever their names */
  readonly format?: Format
  /** counts a file each time it is given; by default once */
  readonly allowDuplicates?: boolean
}

/** The options of `scoreFiles`: those of the command line in camel case. */
export interface ScoreFilesOptions extends ColumnOptions, CsvOptions, SourceOptions, RunOptions {
  /** where to write the loss of each row, in the order of the rows: .parquet, .csv, .arrow or .npy */
  readonly output?: string
  /** columns or SQL expressions to write beside the losses */
  readonly keep?: readonly string[]
}

/** The scoring options with their defaults. */
export interface Scoring extends CsvOptions {
  readonly input: string
  readonly label: string
  readonly by?: string
  readonly keep?: readonly string[]
  readonly nulls: 'error' | 'ignore'
  readonly nan: 'error' | 'ignore' | 'keep'
  readonly margin: number
  readonly positiveLabel: number
  readonly negativeLabel: number
  readonly otherLabels: OtherLabelPolicy
}

/** Throws what is wrong with a value. */
export type Check = (name: string, value: unknown) => unknown

function typeError(name: string, expected: string, value: unknown): TypeError {
  return invalidArgument('ERR_INVALID_ARG_TYPE', name, expected, describe(value))
}

const text: Check = (name, value) => {
  if (typeof value !== 'string') throw typeError(name, 'a string', value)
}

const texts: Check = (name, value) => {
  if (!Array.isArray(value) || value.some((each) => typeof each !== 'string')) {
    throw typeError(name, 'an array of strings', value)
  }
}

const truth: Check = (name, value) => {
  if (typeof value !== 'boolean') throw typeError(name, 'true or false', value)
}

const callback: Check = (name, value) => {
  if (typeof value !== 'function') throw typeError(name, 'a function', value)
}

/** One of some texts. */
export const oneOf =
  (...values: readonly string[]): Check =>
  (name, value) =>
    assertOneOf(name, value, values)

/** An integer from `least` to `most`. */
export const integer =
  (least: number, most = Number.MAX_SAFE_INTEGER): Check =>
  (name, value) => {
    if (typeof value !== 'number') throw typeError(name, 'a number', value)
    if (Number.isInteger(value) && value >= least && value <= most) return
    const expected =
      most === Number.MAX_SAFE_INTEGER ? `an integer from ${least}` : `an integer from ${least} to ${most}`
    throw invalidArgument('ERR_INVALID_ARG_VALUE', name, expected, String(value))
  }

const threads = integer(1, 1024)

const stream: Check = (name, value) => {
  if (typeof (value as Readable | null)?.pipe !== 'function') throw typeError(name, 'a Readable stream', value)
}

/** True if a text can separate fields, or begin a comment. */
export function isSeparator(text: string): boolean {
  return /^[\t -~]$/.test(text) && text !== '"'
}

const separator: Check = (name, value) => {
  text(name, value)
  if (isSeparator(value as string)) return
  throw invalidArgument('ERR_INVALID_ARG_VALUE', name, 'one character of ASCII other than a quote', describe(value))
}

const csvChecks = {
  delimiter: separator,
  decimal: oneOf('.', ','),
  nullString: texts,
  header: truth,
  comment: separator,
} as const satisfies Record<keyof CsvOptions, Check>

/** The options that describe CSV, without those that are absent. */
export function csvOptionsOf(options: CsvOptions): CsvOptions {
  const names = Object.keys(csvChecks) as (keyof CsvOptions)[]
  return Object.fromEntries(names.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])))
}

const requiredColumns = ['input', 'label'] as const

/** The rules of the options that say what is scored and how text is written; `emptyTotal` has those of margin and labels. */
export const scoringChecks = {
  input: text,
  label: text,
  by: text,
  nulls: oneOf('error', 'ignore'),
  nan: oneOf('error', 'ignore', 'keep'),
  ...csvChecks,
} as const satisfies Partial<Record<keyof Scoring, Check>>

const checks = {
  ...scoringChecks,
  format: oneOf(...Object.keys(formats)),
  allowDuplicates: truth,
  output: text,
  keep: texts,
  threads,
  stdin: stream,
  signal: assertSignal as Check,
  onProgress: callback,
  onNote: callback,
} as const satisfies Partial<Record<keyof ScoreFilesOptions, Check>>

/**
 * Checks the options of a function that takes those of `scoreFiles`.
 *
 * @param more checks of its other options; undefined for an option that it does not take
 * @param alsoRequired its required options beside `input` and `label`
 * @throws {TypeError} ERR_INVALID_ARG_TYPE, with `option`: an option is of another kind, or a required one is absent
 * @throws {RangeError} ERR_INVALID_ARG_VALUE, with `option`: a value is none that the option takes, or no such option exists
 */
export function checkOptions(
  options: ScoreFilesOptions,
  more: Readonly<Record<string, Check | undefined>> = {},
  alsoRequired: readonly string[] = [],
): void {
  const all = Object.entries<Check | undefined>({ ...checks, ...more }).flatMap(([name, check]) =>
    check === undefined ? [] : [{ name, check }],
  )
  assertOptions('options', options, [...all.map(({ name }) => name), ...settingNames])
  const values = options as unknown as Readonly<Record<string, unknown>>
  const required: readonly string[] = [...requiredColumns, ...alsoRequired]
  for (const { name, check } of all) {
    if (values[name] !== undefined || required.includes(name)) checkOption(name, values[name], check)
  }
}

/** Checks one option by itself. */
export function checkOption(name: string, value: unknown, check: Check): void {
  try {
    check(name, value)
  } catch (error) {
    throw asOptionError(name, error)
  }
}

/** Refuses a number of threads that a run does not take. */
export function assertThreads(value: unknown): void {
  checkOption('threads', value, threads)
}

/** Refuses paths that are no array of strings. */
export function checkPaths(paths: unknown): void {
  if (Array.isArray(paths) && paths.every((path) => typeof path === 'string')) return
  throw asOptionError('paths', typeError('paths', 'an array of strings', paths))
}

/** Refuses options that take files of one side alone: those that DuckDB reads, or Arrow. */
export function assertOneSide(options: Pick<ScoreFilesOptions, 'by' | 'output'>): void {
  const name = (['by', 'output'] as const).find((each) => options[each] !== undefined)
  if (name === undefined) return
  throw optionError(name, message`${option(name)} takes Arrow and other files apart: score each by itself`)
}

/** Refuses columns to keep without an output that holds them. */
export function assertKeepable({ keep, output }: Pick<ScoreFilesOptions, 'keep' | 'output'>): void {
  if (keep === undefined || output !== undefined) return
  throw optionError('keep', message`${option('keep')} takes an ${option('output')} to write to`)
}

/** The scoring options with their defaults; refuses a margin and labels that `LossAccumulator` refuses. */
export function readScoring(options: ColumnOptions & CsvOptions & Pick<ScoreFilesOptions, 'keep'>): Scoring {
  const { input, label, by, keep, nulls = 'error', nan = 'error' } = options
  const { margin = 1, positiveLabel = 1, negativeLabel = -1, otherLabels = 'error' } = options
  if (positiveLabel === negativeLabel) {
    const other = message`other than ${option('positiveLabel')}, ${positiveLabel}, got ${negativeLabel}`
    throw optionError('negativeLabel', message`${option('negativeLabel')} must be ${other}`)
  }
  const settings = { margin, positiveLabel, negativeLabel, otherLabels }
  emptyTotal(settings)
  const columns = { input, label, ...(by !== undefined && { by }), ...(keep !== undefined && { keep }) }
  return { ...columns, nulls, nan, ...settings, ...csvOptionsOf(options) }
}

/** The totals of no rows. */
export function emptyTotal(options: Required<MarginOptions>): LossAccumulator {
  const { margin, positiveLabel, negativeLabel, otherLabels } = options
  try {
    return new LossAccumulator({ margin, positiveLabel, negativeLabel, otherLabels })
  } catch (error) {
    throw settingNames.reduce((found: unknown, name) => asOptionError(name, found), error)
  }
}

/** Refuses a margin that is infinite once it is rounded to the dtype of the input. */
export function assertMargin(margin: number, dtype: DType): void {
  if (isMarginFinite(margin, dtype)) return
  const expected = message`must be finite in float32, as ${option('input')} is, got ${margin}`
  throw optionError('margin', message`${option('margin')} ${expected}`)
}

/** Refuses options for CSV that contradict each other, or that no file takes. */
export function assertCsvOptions(options: CsvOptions, kinds: readonly FileKind[]): void {
  const { delimiter, comment } = options
  if (comment !== undefined && (comment === delimiter || comment === ' ')) {
    const expected = message`must be other than ${option('delimiter')} and a space, got '${comment}'`
    throw optionError('comment', message`${option('comment')} ${expected}`)
  }
  const [name] = Object.keys(csvOptionsOf(options))
  if (name === undefined || kinds.some((kind) => kind === 'CSV' || kind === 'TSV')) return
  throw optionError(name, message`${option(name)} is for CSV and TSV, of which there is no file`)
}

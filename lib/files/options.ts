import type { Readable } from 'node:stream'
import { type DType, type LabelOptions, LossAccumulator, type OtherLabelPolicy } from '../index.ts'
import { isFiniteIn, settingNames } from '../settings.ts'
import {
  assertFinite,
  assertNumber,
  assertOneOf,
  assertSignal,
  attempt,
  describe,
  invalidArgument,
  isArray,
} from '../validate.ts'
import { asOptionError, type Message, message, option, optionError } from './errors.ts'
import { checkDistance, type DistanceName, defaultEpsilon, type Pair } from './pair.ts'
import { findSimilar } from './similar.ts'

/** The format of a file that the engine reads. */
export type FileKind = 'Parquet' | 'CSV' | 'TSV' | 'NDJSON' | 'Arrow'

/** The format of files, whatever their names. */
export type Format = 'parquet' | 'csv' | 'tsv' | 'ndjson' | 'arrow'

/** The kinds of files by their names in options. */
export const formats = {
  parquet: 'Parquet',
  csv: 'CSV',
  tsv: 'TSV',
  ndjson: 'NDJSON',
  arrow: 'Arrow',
} as const satisfies Readonly<Record<Format, FileKind>>

/** How CSV and TSV are written. They are errors where no file is CSV or TSV. */
export interface CsvOptions {
  /** the character between fields, in ASCII; default: the one that the first records show; for TSV a tab */
  readonly delimiter?: string
  /** the decimal separator; default `.` */
  readonly decimal?: '.' | ','
  /** texts that stand for a null, as an empty field does; default none */
  readonly nullString?: readonly string[]
  /** true (default) if the first record names the columns; without this option `onNote` says when it may be data */
  readonly header?: boolean
  /** the character that begins a comment line, in ASCII; default none */
  readonly comment?: string
}

/** One margin, or a list: then there are totals for each, from one reading of the files. */
export type Margins = number | readonly number[]

/** The columns to score, and what to do with rows that have no loss. */
export interface ColumnOptions<Margin extends Margins = number>
  extends Omit<LabelOptions, 'positiveLabel' | 'negativeLabel'> {
  /**
   * the label of similar pairs: an integer within ±2^24, default 1; or, where labels are text, a text. Texts are compared exactly,
   * with case and spaces
   */
  readonly positiveLabel?: number | string
  /**
   * the label of dissimilar pairs: an integer within ±2^24, default −1, and 0 reads 0/1 labels; or a text, default the only other text
   * in the files
   */
  readonly negativeLabel?: number | string
  /** Δ in the formula; any finite number, or a list of different ones; default 1 */
  readonly margin?: Margin
  /**
   * the distance or energy: a column, an SQL expression over the columns of a row (in Arrow a column), or a .npy file where
   * there are no paths; FLOAT is scored in float32, every other number type in float64. Required, unless `left` and `right`
   * stand in its place
   */
  readonly input?: string
  /**
   * with `right`, in place of `input`: the embeddings of which the input is the distance. Each is a column or expression whose
   * values are lists of numbers, of one length in a row, or a .npy file of two axes. Two lists of FLOAT have a distance in
   * float32, two of other numbers one in float64
   */
  readonly left?: string
  readonly right?: string
  /** the distance of `left` and `right`; default `euclidean` */
  readonly distance?: DistanceName
  /**
   * is added to each difference of two elements, as in Paddle's pairwise_distance: default 1e-6; for `cosine` the least
   * product of the two lengths, default 1e-8
   */
  readonly epsilon?: number
  /**
   * a file of Parquet, CSV, TSV or NDJSON with a row for each embedding, in which `left` and `right` are looked up: they are then
   * ids, columns or expressions. The options of CSV are about the scored files, not about this one
   */
  readonly embeddings?: string
  /** with `embeddings`: the ids in that file, a column or expression */
  readonly id?: string
  /** with `embeddings`: the embeddings in that file, a column or expression; default: its only column of lists of numbers */
  readonly embedding?: string
  /**
   * a file of Parquet, CSV, TSV or NDJSON with the labels of the rows, which are looked up by `on`: `label`, and `weight`, `by` and
   * `keep`, may then be columns of this file, and expressions over both. The options of CSV are not about it
   */
  readonly labels?: string
  /** with `labels`: the column of ids that both have; each id must be there, once */
  readonly on?: string
  /** the label: a column, an SQL expression over the columns of a row (in Arrow a column), or a .npy file */
  readonly label: string
  /**
   * the weight of each row, as `label`: numbers of 0 or more. `sum` is then Σ w·l and `mean` Σ w·l / Σ w, exactly; not with
   * `output`
   */
  readonly weight?: string
  /** a column or SQL expression: `groups` then has the totals of each of its values */
  readonly by?: string
  /** a row whose input, label or weight is null: an error (default), or left out */
  readonly nulls?: 'error' | 'ignore'
  /** a row whose input is NaN: an error (default), left out, or kept: then its loss and the totals are NaN */
  readonly nan?: 'error' | 'ignore' | 'keep'
}

/** The progress of a run. */
export interface Progress {
  /** the current step; absent while the files are read for the first time */
  readonly doing?: string | undefined
  /** the part of this step that is done, from 0 to 1; it never falls within a step; absent where it is unknown */
  readonly share?: number | undefined
  /** rows read so far in this step; absent where it is unknown */
  readonly count?: number | undefined
}

/**
 * A value of `by`, as JSON has it: dates, times, NaN and infinities are text. An integer of 2^53 or more is a bigint; inside
 * lists and structures it is rounded.
 */
export type GroupValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | readonly GroupValue[]
  | { readonly [name: string]: GroupValue }

/** The totals of the rows with one value of `by`. */
export interface Group {
  readonly by: GroupValue
  /** the value as text; null where it is NULL */
  readonly key: string | null
  /** the value as the JSON that `--json` prints, with all digits */
  readonly json: string
  /** made when it is first read */
  readonly total: LossAccumulator
}

/** What a caller hands to a run beside what is scored. */
export interface RunOptions {
  /**
   * threads of DuckDB, from 1 to 1,024; default `getNumThreads()`. Arrow and .npy use the threads of the process, which this
   * option leaves as they are
   */
  readonly threads?: number
  /**
   * a folder that holds extensions of DuckDB for remote files, such as `httpfs.duckdb_extension` of the very version of DuckDB;
   * default: the environment variable HINGE_EMBEDDING_LOSS_DUCKDB_EXTENSIONS, else DuckDB downloads what it needs
   */
  readonly duckdbExtensions?: string
  /** what the path `-` reads: it is read once, to its end, and then destroyed; no other run takes it */
  readonly stdin?: Readable
  /** aborts the run; the promise rejects with the signal's reason, and no unfinished file stays */
  readonly signal?: AbortSignal
  /**
   * is called about five times a second, once there is something to tell; what it throws, or its promise rejects with, ends
   * the run, and the promise of the run rejects with it
   */
  readonly onProgress?: (progress: Progress) => void
  /**
   * is called with what a reader should know: files that are skipped, a header that may be data; what it throws ends the run,
   * and the promise rejects with it. `message` is the note before its options are spelled, for the command line
   */
  readonly onNote?: (note: string, message: Message) => void
}

/** What a run gets from its caller. */
export interface Io {
  readonly signal: AbortSignal
  readonly stdin?: Readable | undefined
}

/** How files are found, or what stands in their place. */
export interface SourceOptions {
  /**
   * one SELECT of DuckDB in place of paths, over files of any format, joins of them and databases: `input`, `label` and the
   * others are then columns of its result, or expressions over them. It runs once
   */
  readonly query?: string
  /**
   * with `query`: databases to read, each with its name: `postgres:dbname=shop AS shop`, `sqlite:pairs.db AS pairs`,
   * `pairs.duckdb AS pairs`, or what else DuckDB attaches
   */
  readonly attach?: readonly string[]
  /** the format of all files and of `-`; default: what each name ends in, and Arrow for `-` */
  readonly format?: Format
  /** true counts a file each time that it is given; default false: once, and `onNote` says so */
  readonly allowDuplicates?: boolean
}

/** The options of `scoreFiles`: those of the command line in camel case. */
export interface ScoreFilesOptions<Margin extends Margins = number>
  extends ColumnOptions<Margin>,
    CsvOptions,
    SourceOptions,
    RunOptions {
  /**
   * the file to write the loss of each row to, in the order of the rows: .parquet, .csv, .arrow or .npy, also as a URL of an
   * object store. It appears whole or not at all
   */
  readonly output?: string
  /** columns or SQL expressions to write beside the losses, and to show with `top`; not in .npy; default none */
  readonly keep?: readonly string[]
  /** the number of rows of the greatest losses to list, from 1 to 10,000; DuckDB reads its files a second time to find them */
  readonly top?: number
  /**
   * with `by`: takes the groups one after the other, in the order of their values, so that millions need no memory; the result
   * then has no `groups`. With a list of margins it takes the groups of the first, then those of the second, and so on, and
   * `total.margin` says which. It is called once all rows are scored and all losses written. The next group is read when the
   * promise that it returns has resolved. What it throws, or its promise rejects with, ends the run, and the promise of the
   * run rejects with it
   */
  readonly onGroup?: (group: Group) => void | PromiseLike<void>
}

/** The file that has the labels of rows, and the column of ids that both have. */
export interface Labels {
  readonly file: string
  readonly on: string
}

/** The labels of similar and dissimilar pairs where labels are text. All else has 1 and −1 in their place. */
export interface LabelTexts {
  readonly positive: string
  readonly negative: string
}

/** The scoring options as they were given; of labels that are text the negative one may be absent. */
export interface GivenScoring extends Omit<Scoring, 'labelTexts'> {
  readonly labelTexts?: Pick<LabelTexts, 'positive'> & Partial<LabelTexts>
}

/** The scoring options with their defaults. */
export interface Scoring extends CsvOptions {
  readonly input: string | Pair
  readonly label: string
  readonly labels?: Labels
  readonly weight?: string
  readonly by?: string
  readonly keep?: readonly string[]
  readonly nulls: 'error' | 'ignore'
  readonly nan: 'error' | 'ignore' | 'keep'
  /** one at least; everything inside has a list of totals, one for each margin */
  readonly margins: readonly number[]
  readonly positiveLabel: number
  readonly negativeLabel: number
  /** absent where labels are numbers */
  readonly labelTexts?: LabelTexts
  readonly otherLabels: OtherLabelPolicy
}

/** Throws what is wrong with a value. The check of an array returns a copy of it, which its caller cannot change. */
export type Check = (name: string, value: unknown) => unknown

function typeError(name: string, expected: string, value: unknown): TypeError {
  return invalidArgument('ERR_INVALID_ARG_TYPE', name, expected, describe(value))
}

/** A text without NUL, which no path, name or SQL has. */
export const text: Check = (name, value) => {
  if (typeof value !== 'string') throw typeError(name, 'a string', value)
  if (value.includes('\0')) throw invalidArgument('ERR_INVALID_ARG_VALUE', name, 'without NUL', describe(value))
}

/** A text that is not empty. */
export const path: Check = (name, value) => {
  text(name, value)
  if (value === '') throw invalidArgument('ERR_INVALID_ARG_VALUE', name, 'a path', describe(value))
}

/** An array whose items pass a check; an error names the first that does not. Each item is read once. */
const arrayOf =
  (check: Check) =>
  (name: string, value: unknown): unknown[] => {
    if (!isArray(value)) throw typeError(name, 'an array of strings', value)
    return attempt(name, () => {
      const items: unknown[] = []
      // A hole of a sparse array is an item too.
      for (let index = 0; index < value.length; index++) {
        const item = value[index]
        check(`${name}[${index}]`, item)
        items.push(item)
      }
      return items
    })
  }

/** True or false. */
export const boolean: Check = (name, value) => {
  if (typeof value !== 'boolean') throw typeError(name, 'true or false', value)
}

const callback: Check = (name, value) => {
  if (typeof value !== 'function') throw typeError(name, 'a function', value)
}

const margin: Check = (name, value) => {
  if (isArray(value)) return arrayOf(assertNumber)(name, value)
  if (typeof value !== 'number') throw typeError(name, 'a number or an array of numbers', value)
}

const labelValue: Check = (name, value) => {
  if (typeof value === 'string') text(name, value)
  else if (typeof value !== 'number') throw typeError(name, 'a number or a string', value)
}

const abortSignal: Check = (name, value) => {
  assertSignal(name, value)
  if (typeof value?.addEventListener !== 'function') throw typeError(name, 'an AbortSignal', value)
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
  const methods = attempt(name, () => {
    const { pipe, on, [Symbol.asyncIterator]: iterate } = Object(value)
    return [pipe, on, iterate]
  })
  if (methods.some((each) => typeof each !== 'function')) throw typeError(name, 'a Readable stream', value)
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
  nullString: arrayOf(text),
  header: boolean,
  comment: separator,
} as const satisfies Record<keyof CsvOptions, Check>

/** The options that describe CSV, without absent ones. */
export function selectCsvOptions(options: CsvOptions): CsvOptions {
  const names = Object.keys(csvChecks) as (keyof CsvOptions)[]
  return Object.fromEntries(names.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])))
}

/** The rules of the options that say what is scored and how text is written; `emptyTotals` has those of margins and labels. */
export const scoringChecks = {
  input: text,
  label: text,
  weight: text,
  by: text,
  left: text,
  right: text,
  distance: checkDistance,
  epsilon: assertFinite,
  embeddings: text,
  id: text,
  embedding: text,
  labels: path,
  on: text,
  nulls: oneOf('error', 'ignore'),
  nan: oneOf('error', 'ignore', 'keep'),
  ...csvChecks,
} as const satisfies Partial<Record<keyof ColumnOptions | keyof CsvOptions, Check>>

const checks = {
  ...scoringChecks,
  // Of these the types alone: emptyTotals checks the values.
  margin,
  positiveLabel: labelValue,
  negativeLabel: labelValue,
  otherLabels: text,
  query: text,
  attach: arrayOf(text),
  format: oneOf(...Object.keys(formats)),
  allowDuplicates: boolean,
  output: text,
  keep: arrayOf(text),
  top: integer(1, 10_000),
  threads,
  duckdbExtensions: path,
  stdin: stream,
  signal: abortSignal,
  onProgress: callback,
  onNote: callback,
  onGroup: callback,
} as const satisfies Record<keyof ScoreFilesOptions, Check>

/**
 * Copies the options of a function that takes those of `scoreFiles`. Each is read once, so that nothing changes it after its
 * check, and absent ones are left out.
 *
 * @param more checks of its other options; undefined for an option that it does not take
 * @param alsoRequired its required options beside the columns to score
 * @throws {TypeError} ERR_INVALID_ARG_TYPE, with `option`: an option has the wrong type, or a required one is absent
 * @throws {RangeError} ERR_INVALID_ARG_VALUE, with `option`: a value that the option does not take, or an unknown option
 */
export function readOptions<T extends object>(
  options: T,
  more: Readonly<Record<string, Check | undefined>> = {},
  alsoRequired: readonly string[] = [],
): T {
  const copy = readChecked(options, { ...checks, ...more }, ['label', ...alsoRequired])
  assertInput(copy)
  return copy
}

/** By an option that goes with others: one of those. */
const companions = {
  distance: 'left',
  epsilon: 'left',
  embeddings: 'left',
  id: 'embeddings',
  embedding: 'embeddings',
  on: 'labels',
  attach: 'query',
} as const satisfies Partial<Record<keyof ScoreFilesOptions, keyof ScoreFilesOptions>>

/** Refuses options that name no input, or two, and options that go with others that are absent. */
function assertInput(options: Partial<Record<keyof ScoreFilesOptions, unknown>>): void {
  const isPair = options.left !== undefined || options.right !== undefined
  const required = isPair ? (['left', 'right'] as const) : (['input'] as const)
  const ids = [options.embeddings !== undefined && 'id', options.labels !== undefined && 'on'] as const
  for (const name of [...required, ...ids.filter((each) => each !== false)]) {
    checkOption(name, options[name], text)
  }
  if (isPair && options.input !== undefined) {
    throw optionError('input', message`${option('input')} does not go with ${option('left')} and ${option('right')}`)
  }
  for (const [name, companion] of Object.entries(companions)) {
    if (options[name as keyof typeof companions] === undefined || options[companion] !== undefined) continue
    throw optionError(name, message`${option(name)} goes with ${option(companion)}`)
  }
}

/** Copies the options of a run that scores no columns. */
export function readSignal(options: Pick<RunOptions, 'signal'>): Pick<RunOptions, 'signal'> {
  return readChecked(options, { signal: abortSignal }, [])
}

function readChecked<T extends object>(
  options: T,
  checks: Readonly<Record<string, Check | undefined>>,
  required: readonly string[],
): T {
  if (typeof options !== 'object' || options === null || isArray(options)) {
    throw typeError('options', 'an object', options)
  }
  const names = Object.keys(checks).filter((name) => checks[name] !== undefined)
  const unknown = attempt('options', () => Object.keys(options)).find((name) => !names.includes(name))
  if (unknown !== undefined) {
    const similar = findSimilar(unknown, names)
    const advice = similar === undefined ? '' : ` Did you mean ${similar}?`
    throw optionError(
      unknown,
      message`${describe(unknown)} is not an option.${advice} The options: ${names.join(', ')}`,
    )
  }
  const copy: Record<string, unknown> = {}
  for (const name of names) {
    const value: unknown = readProperty(options, name)
    if (value === undefined && !required.includes(name)) continue
    copy[name] = checkOption(name, value, checks[name] as Check) ?? value
  }
  return copy as T
}

function readProperty(options: object, name: string): unknown {
  try {
    return attempt(name, () => (options as Readonly<Record<string, unknown>>)[name])
  } catch (error) {
    throw asOptionError(name, error)
  }
}

/** Checks one option by itself; returns what the check returns. */
export function checkOption<T>(name: string, value: unknown, check: (name: string, value: unknown) => T): T {
  try {
    return check(name, value)
  } catch (error) {
    throw asOptionError(name, error)
  }
}

/** Refuses a number of threads that a run does not take. */
export function assertThreads(value: unknown): void {
  checkOption('threads', value, threads)
}

/** Copies an array of paths. */
export function readPaths(paths: readonly string[], name = 'paths', check = path): string[] {
  return checkOption(name, paths, arrayOf(check)) as string[]
}

/** Refuses options that cannot combine Arrow with files that DuckDB reads. */
export function assertOneSide(options: Pick<ScoreFilesOptions, 'by' | 'output'>): void {
  const name = (['by', 'output'] as const).find((each) => options[each] !== undefined)
  if (name === undefined) return
  throw optionError(name, message`${option(name)} takes Arrow and other files apart: score each by itself`)
}

/** Refuses columns to keep where none are written or listed. */
export function assertKeepable({ keep, output, top }: Pick<ScoreFilesOptions, 'keep' | 'output' | 'top'>): void {
  if (keep === undefined || output !== undefined || top !== undefined) return
  throw optionError('keep', message`${option('keep')} takes an ${option('output')} to write to, or ${option('top')}`)
}

/** Refuses a callback for groups without groups. */
export function assertGrouped({ by, onGroup }: Pick<ScoreFilesOptions, 'by' | 'onGroup'>): void {
  if (onGroup === undefined || by !== undefined) return
  throw optionError('onGroup', message`${option('onGroup')} takes ${option('by')}`)
}

/** Refuses a list of margins where one alone makes sense. */
export function assertOneMargin(margin: Margins | undefined, place: Message | string): void {
  if (margin === undefined || typeof margin === 'number') return
  throw optionError('margin', message`${option('margin')} takes one number ${place}, got a list of ${margin.length}`)
}

/** Refuses weights where losses are written: those of rows have none. */
export function assertUnweighted({ weight, output }: Pick<ScoreFilesOptions, 'weight' | 'output'>): void {
  if (weight === undefined || output === undefined) return
  const advice = message`the losses of rows have no weights; without it ${option('keep')} writes a column of weights beside them`
  throw optionError('weight', message`${option('weight')} does not go with ${option('output')}: ${advice}`)
}

function assertDistinctMargins(margins: readonly number[]): void {
  if (margins.length === 0)
    throw optionError('margin', message`${option('margin')} must have a number, got an empty list`)
  const double = margins.find((margin, index) => margins.indexOf(margin) < index)
  if (double === undefined) return
  throw optionError('margin', message`${option('margin')} must have each number once, got ${double} twice`)
}

/** The scoring options with their defaults; refuses margins and labels that `LossAccumulator` refuses. */
export function readScoring(
  options: ColumnOptions<Margins> & CsvOptions & Pick<ScoreFilesOptions, 'keep'>,
): GivenScoring {
  const { label, weight, by, keep, nulls = 'error', nan = 'error' } = options
  const { margin = 1, otherLabels = 'error' } = options
  const settings = { margins: [margin].flat(), ...readLabels(options), otherLabels }
  emptyTotals(settings)
  assertDistinctMargins(settings.margins)
  const { labels, on = '' } = options
  const columns = {
    input: readInput(options),
    label,
    ...(labels !== undefined && { labels: { file: labels, on } }),
    ...(weight !== undefined && { weight }),
    ...(by !== undefined && { by }),
    ...(keep !== undefined && { keep }),
  }
  return { ...columns, nulls, nan, ...settings, ...selectCsvOptions(options) }
}

type LabelSettings = Pick<GivenScoring, 'positiveLabel' | 'negativeLabel' | 'labelTexts'>

/** The labels; refuses equal ones, and a text beside a number. */
function readLabels({ positiveLabel = 1, negativeLabel }: ColumnOptions<Margins>): LabelSettings {
  const refuse = (name: string, expected: Message, value: number | string) =>
    optionError(name, message`${option(name)} must be ${expected}, got ${describe(value)}`)
  if (positiveLabel === (negativeLabel ?? -1)) {
    throw refuse('negativeLabel', message`other than ${option('positiveLabel')}, ${positiveLabel}`, positiveLabel)
  }
  if (typeof positiveLabel === 'number') {
    if (typeof negativeLabel !== 'string') return { positiveLabel, negativeLabel: negativeLabel ?? -1 }
    throw refuse('positiveLabel', message`text, as ${option('negativeLabel')} is`, positiveLabel)
  }
  if (typeof negativeLabel === 'number') {
    throw refuse('negativeLabel', message`text, as ${option('positiveLabel')} is`, negativeLabel)
  }
  const labelTexts = { positive: positiveLabel, ...(negativeLabel !== undefined && { negative: negativeLabel }) }
  return { positiveLabel: 1, negativeLabel: -1, labelTexts }
}

function readInput({
  input = '',
  left,
  right,
  embeddings,
  id = '',
  embedding,
  ...options
}: ColumnOptions<Margins>): string | Pair {
  if (left === undefined || right === undefined) return input
  const { distance = 'euclidean', epsilon = defaultEpsilon(distance) } = options
  if (distance === 'cosine' && epsilon < 0) {
    throw optionError('epsilon', message`${option('epsilon')} must be at least 0 for 'cosine', got ${epsilon}`)
  }
  const lookup = embeddings !== undefined && {
    lookup: { file: embeddings, id, ...(embedding !== undefined && { embedding }) },
  }
  return { left, right, distance, epsilon, ...lookup }
}

type Settings = Pick<Scoring, 'margins' | 'weight' | 'positiveLabel' | 'negativeLabel' | 'otherLabels'>

/** The totals of no rows at each margin. */
export function emptyTotals({ margins, weight, ...labels }: Settings): LossAccumulator[] {
  const { positiveLabel, negativeLabel, otherLabels } = labels
  try {
    const totals = margins.map((margin) => new LossAccumulator({ margin, positiveLabel, negativeLabel, otherLabels }))
    return weight === undefined ? totals : totals.map((total) => total.update([], [], { weight: [] }))
  } catch (error) {
    throw settingNames.reduce((found: unknown, name) => asOptionError(name, found), error)
  }
}

/** Refuses margins, and an epsilon, that are infinite once they are rounded to the dtype of the input. */
export function assertFiniteSettings({ margins, input }: Pick<Scoring, 'margins' | 'input'>, dtype: DType): void {
  const epsilons = typeof input === 'string' ? [] : [['epsilon', input.epsilon] as const]
  for (const [name, value] of [...margins.map((margin) => ['margin', margin] as const), ...epsilons]) {
    if (isFiniteIn(value, dtype)) continue
    const expected = `must be finite in float32, in which the input is scored, got ${value}`
    throw optionError(name, message`${option(name)} ${expected}`)
  }
}

/** Refuses options for CSV that contradict each other, or that no file takes. */
export function assertCsvOptions(options: CsvOptions, kinds: readonly FileKind[]): void {
  const { delimiter, comment } = options
  if (comment !== undefined && (comment === delimiter || comment === ' ')) {
    const expected = message`must be other than ${option('delimiter')} and a space, got '${comment}'`
    throw optionError('comment', message`${option('comment')} ${expected}`)
  }
  const [name] = Object.keys(selectCsvOptions(options))
  if (name === undefined || kinds.some((kind) => kind === 'CSV' || kind === 'TSV')) return
  throw optionError(name, message`${option(name)} is for CSV and TSV, of which there is no file`)
}

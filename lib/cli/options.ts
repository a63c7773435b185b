import { type Command, InvalidArgumentError, Option } from 'commander'
import { formats, isSeparator, type Margins } from '../files/options.ts'
import type { StreamedTotals } from '../files/totals.ts'
import type { Streams } from './streams.ts'

/** The name of the program and of its package. */
export const programName = 'hinge-embedding-loss'

/** What a command gets beside its arguments. */
export interface Context {
  /** the command line: the command and its arguments */
  readonly args: readonly string[]
  readonly signal: AbortSignal
  readonly streams: Streams
  /** writes a result, or UTF-8 text of one, to standard output */
  readonly print: (text: string | Uint8Array) => Promise<void>
  /** writes the totals for each margin to standard output, as a table or, with `json`, as one line of JSON */
  readonly printTotals: (totals: readonly StreamedTotals[], flags: { json?: true; by?: string }) => Promise<void>
}

/** Formats the examples that follow the help of a command. */
export function formatExample(...lines: readonly string[]): string {
  return ['', 'Example:', ...lines.map((line) => `  ${programName} ${line}`)].join('\n')
}

export const exampleArguments = 'examples/digit-pairs.parquet --input learned_distance --label label'

export const lookupArguments =
  'examples/digit-pairs.parquet --left left --right right --label label --embeddings examples/digit-embeddings.parquet --id id --embedding learned'

export const jsonOption = ['--json', 'print one line of JSON'] as const

export const duckdbExtensionsOption = [
  '--duckdb-extensions <folder>',
  'for URLs without internet: the folder that holds httpfs.duckdb_extension (default: DuckDB downloads it)',
] as const

/** Reads a decimal number. */
export function parseNumber(text: string): number {
  if (!isNumber(text)) throw new InvalidArgumentError('It must be a number.')
  return Number(text)
}

function isNumber(text: string): boolean {
  return text.trim() !== '' && !/^[+-]?0[xob]/i.test(text) && !Number.isNaN(Number(text))
}

/** Reads the labels of a command line: texts unless all are numbers. */
export function parseLabels<T extends { readonly positiveLabel?: unknown; readonly negativeLabel?: unknown }>(
  flags: T,
): T {
  const labels = (['positiveLabel', 'negativeLabel'] as const).filter((name) => flags[name] !== undefined)
  if (!labels.every((name) => isNumber(flags[name] as string))) return flags
  return { ...flags, ...Object.fromEntries(labels.map((name) => [name, Number(flags[name])])) }
}

/** Reads a list of numbers with commas between them. */
function parseList(text: string): number[] {
  return text.split(',').map(parseNumber)
}

/** Reads numbers with commas between them: a list, or one number without a comma. */
function parseNumbers(text: string): Margins {
  return text.includes(',') ? parseList(text) : parseNumber(text)
}

/** Collects the values of an option or argument that may be given several times. */
export function collect(text: string, others: readonly string[] = []): string[] {
  if (text === '') throw new InvalidArgumentError('It must not be empty.')
  return [...others, text]
}

function parseSeparator(text: string): string {
  const character = text === '\\t' ? '\t' : text
  if (!isSeparator(character)) throw new InvalidArgumentError('It must be one character of ASCII, not a quote.')
  return character
}

/** The options that a command line must have. */
const required = new WeakSet<Option>()

/** Makes an option that a command line must have. Commander's own check would report it before an unknown option. */
export function makeRequiredOption(flags: string, description: string): Option {
  const option = new Option(flags, description)
  required.add(option)
  return option
}

export function isRequired(option: Option): boolean {
  return required.has(option)
}

function makeChoice(flags: string, description: string, choices: readonly string[], value?: string): Option {
  const option = new Option(flags, description).choices(choices)
  return value === undefined ? option : option.default(value)
}

/** Adds the FILE arguments and the options that say how to score them. */
export function addFileOptions(command: Command): Command {
  return command
    .argument(
      '[file...]',
      'Parquet, Arrow IPC, CSV, TSV or NDJSON (text also .gz or .zst): files, patterns, or folders, in which names that begin with _ or . are skipped, also s3://, gs://, r2://, az:// and https:// URLs; - for standard input, Arrow IPC unless --format says otherwise; none if --input (or --left and --right) and --label name NumPy arrays (x.npy, or pairs.npz:distance)',
      collect,
    )
    .option(
      '--query <sql>',
      'in place of FILEs: one SELECT of DuckDB, over files and joins of them; --input and the others are columns of its result',
    )
    .option(
      '--attach <database>',
      "with --query: a database to read, such as 'postgres:dbname=shop AS shop'; may be given several times",
      collect,
    )
    .option(
      '-i, --input <expr>',
      'distance or energy: a column, or an SQL expression over the columns of a row (of Arrow a column); FLOAT is scored in float32 (default of FILEs: the only column of numbers called distance, dist, score or x; - and --query have none)',
    )
    .option('--left <expr>', 'with --right, in place of --input: lists of numbers, whose distance is the input')
    .option('--right <expr>', 'the other lists')
    .option(
      '--distance <name>',
      'of --left and --right: euclidean (default), manhattan, chebyshev, cosine, or minkowski:P such as minkowski:3',
    )
    .option(
      '--epsilon <number>',
      'is added to each difference (default: 1e-6); of cosine the least product of both lengths (default: 1e-8)',
      parseNumber,
    )
    .option(
      '--embeddings <file>',
      'with --left and --right, which are then ids: a file with a row for each embedding, read without the options of CSV',
    )
    .option('--id <expr>', 'with --embeddings: the ids in that file, a column or SQL expression')
    .option('--embedding <expr>', 'with --embeddings: the lists in that file (default: its only column of lists)')
    .option('--labels <file>', 'with --on: a file with the labels of the rows; --label is then a column of it')
    .option('--on <column>', 'the column of ids that the FILEs and the file of labels have')
    .option(
      '-l, --label <expr>',
      'label: a column or SQL expression (default of FILEs: the only column called label, y, target or similar)',
    )
    .option('-m, --margin <numbers>', 'how far apart negatives should be; 0.5,1,1.5: totals for each', parseNumbers, 1)
    .option(
      '--positive-label <label>',
      'label of similar pairs: an integer (default: 1) or, where labels are text, a text',
    )
    .option(
      '--negative-label <label>',
      'label of dissimilar pairs: an integer (default: -1; 0 reads 0/1 labels) or a text (default: the only other one in the files)',
    )
    .addOption(
      makeChoice(
        '--other-labels <policy>',
        'a label that is neither: an error, a loss of 0, or leave it out',
        ['error', 'zero', 'ignore'],
        'error',
      ),
    )
    .addOption(
      makeChoice('--nulls <policy>', 'a row with a null: an error, or leave it out', ['error', 'ignore'], 'error'),
    )
    .option('--allow-duplicates', 'count a file each time it is given (default: once)')
    .addOption(
      makeChoice(
        '--nan <policy>',
        'a row whose input is NaN: an error, leave it out, or keep it: its loss is NaN, and so are the totals',
        ['error', 'ignore', 'keep'],
        'error',
      ),
    )
    .addOption(
      makeChoice(
        '--format <format>',
        'format of all FILEs, whatever their names, and of standard input',
        Object.keys(formats),
      ),
    )
    .option(
      '--delimiter <character>',
      'CSV and TSV: what separates fields (\\t: a tab; default: as the file shows)',
      parseSeparator,
    )
    .addOption(makeChoice('--decimal <character>', 'CSV and TSV: the decimal separator', ['.', ',']))
    .option(
      '--null-string <text>',
      'CSV and TSV: text that means null, such as NA; may be given several times',
      collect,
    )
    .option('--comment <character>', 'CSV and TSV: lines that begin with it are comments', parseSeparator)
    .option('--header', 'CSV and TSV: the first row names the columns (default)')
    .option('--no-header', 'CSV and TSV: the first row is data; the columns are column0, column1 and so on')
    .option('--threads <n>', 'threads to use (default: one for each processor)', parseNumber)
    .option(...duckdbExtensionsOption)
    .option('--no-progress', 'show no progress on a terminal')
    .option('--quiet', 'show neither progress nor notes; errors stay')
}

/** Adds the options of `addFileOptions`, the weight, and the options that send the files to workers. */
export function addWorkerOptions(command: Command): Command {
  return addFileOptions(command)
    .option('--weight <expr>', 'the weight of each row: a column or SQL expression; the mean is then the weighted one')
    .option('--redis <url>', 'score on the workers connected to this Redis (see: worker)')
    .option(
      '--shard-rows <n>',
      'with --redis: rows of a shard: larger Parquet is cut, small files are joined (default: 10 million)',
      parseNumber,
    )
    .option('--timeout <seconds>', 'with --redis: how long to wait while there is no worker (default: 60)', parseNumber)
    .option('--retention <seconds>', 'with --redis: how long Redis keeps results (default: 86400)', parseNumber)
}

/** Adds the options that say what pictures show. */
export function addChartOptions(command: Command): Command {
  return command
    .option(
      '--range <low,high>',
      'the distances to show; those outside are counted (default: where most are)',
      parseList,
    )
    .option('--log', 'a logarithmic axis; distances of 0 or less are counted beside it')
    .option('--bins <n>', 'the greatest number of bins (default: as the spread asks for)', parseNumber)
    .option('--title <text>', 'the heading')
}

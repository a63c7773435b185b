import type { Readable, Writable } from 'node:stream'
import type { Command, Option } from 'commander'
import { codeOf, explain, peer, UsageError } from '../files/errors.ts'
import type { ScoreOptions } from '../files/score.ts'
import type { PlotOptions } from '../plot/plot.ts'
import type { WorkerOptions } from './commands/worker.ts'
import { notify, type Terminal } from './progress.ts'

const name = 'hinge-embedding-loss'

const workerExample = `
As a service, start node_modules/.bin/${name} itself: npx passes no SIGTERM on.

Example, on every machine that sees the files, and then on one:
  ${name} worker --redis redis://queue.internal:6379 --root /data
  ${name} score '/data/pairs/*.parquet' --input distance --label label --redis redis://queue.internal:6379`

/** What the program reads and writes: results go to `stdout`, all else to `stderr`. */
export interface Streams {
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Writable
  readonly stderr: Terminal
}

/** Runs a command line, until the end or the signal, and gives its exit code. */
export async function main(args: readonly string[], signal: AbortSignal, streams: Streams): Promise<number> {
  const { stdout, stderr } = streams
  // Whoever writes a result learns from the callback that it failed. Nobody can be told that an error message was lost.
  for (const stream of [stdout, stderr]) stream.on('error', () => {})
  try {
    return await run(args, signal, streams)
  } catch (error) {
    if (error instanceof ReaderGone) return 1
    const { message, exitCode } = signal.aborted ? { message: 'interrupted', exitCode: 130 } : explain(error)
    notify(stderr, message)
    return exitCode
  }
}

/** Nobody reads standard output any more, as in `| head`. */
class ReaderGone extends Error {}

/** Resolves once the text is written; a reader may be slow. */
function write(stdout: Writable, text: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    stdout.write(text, (error) => {
      if (!error) resolve()
      else if (codeOf(error) === 'EPIPE') reject(new ReaderGone())
      else reject(new Error(`standard output: ${error.message}`, { cause: error }))
    })
  })
}

/** Refuses what commander takes silently: a column or file given twice, and another option as its value. */
function checkGivenOptions(command: Command): void {
  for (const option of command.options.filter(({ required }) => required)) {
    let isGiven = false
    command.on(`option:${option.name()}`, (value: string) => {
      // The last number or choice counts, so that a script can override its own; of two columns or files neither can be meant.
      const isText = option.parseArg === undefined && !option.variadic
      if (isGiven && isText) command.error(`error: option '${option.flags}' given twice`)
      if (command.options.some(({ long }) => long === value)) {
        command.error(`error: option '${option.flags}' argument missing, got the option ${value}`)
      }
      isGiven = true
    })
  }
}

/** Commander's message on one line, without its prefix. Says of an option of other commands whose it is. */
function explainUsage(message: string, commands: readonly Command[]): string {
  const [, unknown] = /unknown option '(--[\w-]+)'$/.exec(message) ?? []
  const owners = commands.filter(({ options }) => options.some(({ long }) => long === unknown))
  const advice = owners.length === 0 ? '' : ` (an option of ${owners.map((owner) => owner.name()).join(', ')})`
  return message.replace(/^error: /, '').replaceAll('\n', ' ') + advice
}

/** Everything is imported here and not above, so that what cannot be loaded is told as every other failure is. */
async function run(args: readonly string[], signal: AbortSignal, streams: Streams): Promise<number> {
  const { Command, CommanderError, InvalidArgumentError, Option } = await peer(import('commander'), 'the command line')
  const { runtimeInfo } = await import('../index.ts')
  const { formats } = await import('../files/sources.ts')
  const { isSeparator } = await import('../files/csv-options.ts')

  const number = (text: string): number => {
    const value = Number(text)
    const isDecimal = text.trim() !== '' && !/^[+-]?0[xob]/i.test(text)
    if (!isDecimal || Number.isNaN(value)) throw new InvalidArgumentError('It must be a number.')
    return value
  }
  const collect = (text: string, others: string[] = []): string[] => {
    if (text === '') throw new InvalidArgumentError('It must not be empty.')
    return [...others, text]
  }
  const separator = (text: string): string => {
    const character = text === '\\t' ? '\t' : text
    if (!isSeparator(character)) throw new InvalidArgumentError('It must be one character of ASCII, not a quote.')
    return character
  }
  const { stdout, stderr } = streams
  const io = { signal, streams }
  let help = ''
  const keepHelp = (text: string) => {
    help += text
  }
  const program = new Command(name)
    .description('Scores pairs with the hinge embedding loss: exact totals of whole files.')
    .version(runtimeInfo().version)
    .exitOverride()
    .configureOutput({
      writeOut: keepHelp,
      writeErr: keepHelp,
      outputError: () => {},
    })
  const print = (text: string) => write(stdout, text, signal)
  /** Required options. Commander itself would name one that is missing before one that is unknown. */
  const required: Option[] = []
  const requiredOption = (flags: string, description: string): Option => {
    const option = new Option(flags, description)
    required.push(option)
    return option
  }
  const overFiles = (command: string, summary: string) =>
    program
      .command(command)
      .summary(summary)
      .argument(
        '[file...]',
        'Parquet, Arrow IPC, CSV, TSV or NDJSON (text also .gz or .zst): files, patterns, or folders, in which names that begin with _ or . are skipped; - for standard input, Arrow IPC unless --format says otherwise; none if --input and --label name NumPy arrays (x.npy, or pairs.npz:distance)',
        collect,
      )
      .addOption(
        requiredOption(
          '--input <expr>',
          'distance or energy: a column, or an SQL expression over the columns of a row (of Arrow a column); FLOAT is scored in float32',
        ),
      )
      .addOption(requiredOption('--label <expr>', 'label: a column or SQL expression'))
      .option('--margin <number>', 'how far apart negatives should be', number, 1)
      .option('--positive-label <integer>', 'label of similar pairs', number, 1)
      .option('--negative-label <integer>', 'label of dissimilar pairs; 0 reads 0/1 labels', number, -1)
      .addOption(
        new Option('--other-labels <policy>', 'a label that is neither: an error, a loss of 0, or leave it out')
          .choices(['error', 'zero', 'ignore'])
          .default('error'),
      )
      .addOption(
        new Option('--nulls <policy>', 'a row with a null: an error, or leave it out')
          .choices(['error', 'ignore'])
          .default('error'),
      )
      .option('--allow-duplicates', 'count a file each time it is given (default: once)')
      .addOption(
        new Option(
          '--nan <policy>',
          'a row whose input is NaN: an error, leave it out, or keep it: its loss is NaN, and so are the totals',
        )
          .choices(['error', 'ignore', 'keep'])
          .default('error'),
      )
      .addOption(
        new Option('--format <format>', 'format of all FILEs, whatever their names, and of standard input').choices(
          Object.keys(formats),
        ),
      )
      .option(
        '--delimiter <character>',
        'CSV and TSV: what separates fields (\\t: a tab; default: as the file shows)',
        separator,
      )
      .addOption(new Option('--decimal <character>', 'CSV and TSV: the decimal separator').choices(['.', ',']))
      .option(
        '--null-string <text>',
        'CSV and TSV: a text that is a null, such as NA; may be given several times',
        collect,
      )
      .option('--comment <character>', 'CSV and TSV: lines that begin with it are no rows', separator)
      .option('--header', 'CSV and TSV: the first row names the columns (default)')
      .option('--no-header', 'CSV and TSV: the first row is data; the columns are column0, column1 and so on')
      .option('--threads <n>', 'threads to use (default: the processors there are)', number)
      .option('--no-progress', 'show no progress on a terminal')
  const overWorkers = (command: string, summary: string) =>
    overFiles(command, summary)
      .option('--redis <url>', 'score on the workers connected to this Redis (see: worker)')
      .option('--shard-rows <n>', 'with --redis: rows of Parquet in a shard (default: 10 million)', number)
      .option('--timeout <seconds>', 'with --redis: how long to wait while there is no worker (default: 60)', number)
      .option('--retention <seconds>', 'with --redis: how long Redis keeps results (default: 86400)', number)
  const example = (...lines: string[]) => ['', 'Example:', ...lines.map((line) => `  ${name} ${line}`)].join('\n')
  const digits = 'examples/digit-pairs.parquet --input learned_distance --label label'
  const json = ['--json', 'print one line of JSON'] as const
  overWorkers('score', 'print the totals of files')
    .description(
      'Prints the count, mean and sum of the loss over all rows and over each class, and how many negatives are inside the margin.',
    )
    .option('--by <expr>', 'a line of totals for each value of a column or SQL expression')
    .option('--output <file>', 'write the loss of each row, in the order of the rows: .parquet, .csv, .arrow or .npy')
    .option(
      '--keep <expr>',
      'a column or SQL expression to write beside the losses; may be given several times',
      collect,
    )
    .option(...json)
    .addHelpText('after', example(`score ${digits}`))
    .action(async (files: string[], options: ScoreOptions) => {
      const { score } = await import('../files/score.ts')
      await print(await score(files, options, io))
    })
  overWorkers('partial', 'print the totals of files as one line of JSON for merge')
    .description(
      'Prints exact totals, which merge adds up without losing a bit; LossAccumulator.fromJSON reads them too.',
    )
    .addHelpText('after', example(`partial ${digits} > monday.json`))
    .action(async (files: string[], options: ScoreOptions) => {
      const { partial } = await import('../files/score.ts')
      await print(await partial(files, options, io))
    })
  overFiles('plot', 'draw the distances of both classes and the losses over them')
    .description('Draws the distances of both classes and the losses over them, and prints the totals as score does.')
    .addOption(requiredOption('--output <file>', 'the picture: .svg, or .png with twice as many pixels each way'))
    .option('--by <expr>', 'a panel for each value of a column or SQL expression, at most 12')
    .addOption(new Option('--theme <theme>', 'the background').choices(['light', 'dark']).default('light'))
    .addOption(
      new Option('--size <size>', 'readme: 880 wide; slide: 1600 by 900')
        .choices(['readme', 'slide'])
        .default('readme'),
    )
    .option(...json)
    .addHelpText('after', example(`plot ${digits} --output digits.svg`))
    .action(async (files: string[], options: PlotOptions) => {
      const { plot } = await import('../plot/plot.ts')
      await print(await plot(files, options, io))
    })
  program
    .command('merge')
    .summary('print the totals of partials')
    .description('Prints what score would print over the files of all partials, bit for bit.')
    .argument('<part...>', 'files of lines that partial printed; each counts every time it is given', collect)
    .option(...json)
    .addHelpText('after', example(`partial ${digits} > monday.json`, 'merge monday.json monday.json'))
    .action(async (parts: string[], options: { json?: true }) => {
      const { merge } = await import('../files/merge.ts')
      await print(await merge(parts, options, signal))
    })
  program
    .command('worker')
    .summary('score shards for score --redis')
    .description(
      'Scores shards for score --redis and partial --redis until SIGTERM or SIGINT, then finishes the running ones.',
    )
    .addOption(
      requiredOption(
        '--redis <url>',
        'redis:// or rediss:// URL; the password may be in HINGE_EMBEDDING_LOSS_REDIS_PASSWORD instead',
      ),
    )
    .option('--concurrency <n>', 'shards at once', number, 1)
    .option('--threads <n>', 'threads for each shard (default: the processors there are, shared out)', number)
    .option('--root <folder...>', 'read files in these folders only (default: all)', collect)
    .option('--lease <seconds>', 'heartbeat timeout before its shards are reassigned', number, 15)
    .option('--grace <seconds>', 'time that running shards get after SIGTERM', number, 60)
    .addHelpText('after', workerExample)
    .action(async (options: WorkerOptions) => {
      const { work } = await import('./commands/worker.ts')
      await work(options, signal, stderr)
    })
  program
    .command('duckdb-extension')
    .summary('print the path of the DuckDB extension')
    .description('Prints the path of the extension, for LOAD in any other DuckDB.')
    .addHelpText('after', example('duckdb-extension'))
    .action(async () => {
      const { extensionPath } = await import('../duckdb.ts')
      await print(`${extensionPath}\n`)
    })
  for (const command of program.commands) {
    checkGivenOptions(command)
    const flags = required.filter((option) => command.options.includes(option)).map((option) => option.flags)
    command.usage(command.usage().replace('[options]', ['[options]', ...flags].join(' ')))
  }
  program.hook('preAction', (_, command) => {
    const missing = required.find(
      (option) => command.options.includes(option) && command.getOptionValue(option.attributeName()) === undefined,
    )
    if (missing) command.error(`error: required option '${missing.flags}' not specified`)
  })
  try {
    await program.parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode !== 0) {
      const isHelp = error.code === 'commander.help'
      if (isHelp && args[0] === 'help') throw new UsageError(`unknown command '${args[1]}'`)
      if (!isHelp) throw new UsageError(explainUsage(error.message, program.commands))
      stderr.write(help)
      return 2
    }
    // Whoever closes the pipe has read all the help that they wanted.
    await print(help).catch((cause) => {
      if (!(cause instanceof ReaderGone)) throw cause
    })
    return 0
  }
}

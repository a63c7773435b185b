import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { codeOf, explain, peer } from './failures.ts'
import type { PlotOptions } from './plot.ts'
import type { Terminal } from './progress.ts'
import type { ScoreOptions } from './score.ts'
import type { WorkerOptions } from './worker.ts'

const name = 'hinge-embedding-loss'

const workerExample = `
Example, on every machine that sees the files, and then on one:
  ${name} worker --redis redis://queue.internal:6379 --root /data
  ${name} score '/data/pairs/*.parquet' --input distance --label label --redis redis://queue.internal:6379`

/** What the program reads and writes: results go to `stdout`, all else to `stderr`. */
export interface Streams {
  readonly stdin: Readable
  readonly stdout: Writable
  readonly stderr: Terminal
}

/** Runs a command line, until the end or the signal, and gives its exit code. */
export async function main(args: readonly string[], signal: AbortSignal, streams: Streams): Promise<number> {
  try {
    return await run(args, signal, streams)
  } catch (error) {
    const { message, exitCode } = signal.aborted ? { message: 'interrupted', exitCode: 130 } : explain(error)
    const isReaderGone = codeOf(error) === 'EPIPE'
    if (!isReaderGone) streams.stderr.write(`${name}: ${message}\n`)
    return exitCode
  }
}

/** Everything is imported here and not above, so that what cannot be loaded is told as every other failure is. */
async function run(args: readonly string[], signal: AbortSignal, streams: Streams): Promise<number> {
  const { Command, CommanderError, InvalidArgumentError, Option } = await peer(import('commander'), 'the command line')
  const { runtimeInfo } = await import('../index.ts')

  const number = (text: string): number => {
    const value = Number(text)
    if (text.trim() === '' || Number.isNaN(value)) throw new InvalidArgumentError('It must be a number.')
    return value
  }
  const { stdout, stderr } = streams
  const io = { signal, streams }
  const program = new Command(name)
    .description('Scores pairs with the hinge embedding loss: exact totals of whole files.')
    .version(runtimeInfo().version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error/, name)),
    })
  const print = async (text: string) => pipeline(Readable.from([text]), stdout, { end: false })
  const overFiles = (command: string, summary: string) =>
    program
      .command(command)
      .summary(summary)
      .argument(
        '[file...]',
        'Parquet, Arrow IPC, CSV, TSV or NDJSON (text also .gz or .zst); files, globs or folders; - for Arrow IPC on standard input; none where --input and --label name a .npy each',
      )
      .requiredOption(
        '--input <expr>',
        'distance or energy: a column or SQL expression (of Arrow a column); FLOAT is scored in float32',
      )
      .requiredOption('--label <expr>', 'label: a column or SQL expression')
      .option('--margin <number>', 'how far apart negatives should be', number, 1)
      .option('--positive-label <integer>', 'label of similar pairs', number, 1)
      .option('--negative-label <integer>', 'label of dissimilar pairs; 0 reads 0/1 labels', number, -1)
      .addOption(
        new Option('--other-labels <policy>', 'a label that is neither: an error, a loss of 0, or not counted')
          .choices(['error', 'zero', 'ignore'])
          .default('error'),
      )
      .addOption(
        new Option('--nulls <policy>', 'a row with a null: an error, or left out')
          .choices(['error', 'ignore'])
          .default('error'),
      )
      .option('--threads <n>', 'threads to use (default: the processors there are)', number)
      .option('--no-progress', 'show no progress on a terminal')
  const overWorkers = (command: string, summary: string) =>
    overFiles(command, summary)
      .option('--redis <url>', 'have it scored by the workers that serve this Redis, see worker')
      .option(
        '--shard-rows <n>',
        'with --redis: rows of Parquet that a worker takes at once (default: 10 million)',
        number,
      )
      .option('--timeout <seconds>', 'with --redis: how long to wait where there is no worker (default: 60)', number)
      .option('--retention <seconds>', 'with --redis: how long results stay in it (default: 86400)', number)
  const example = (...lines: string[]) => ['', 'Example:', ...lines.map((line) => `  ${name} ${line}`)].join('\n')
  const digits = 'examples/digit-pairs.parquet --input learned_distance --label label'
  const json = ['--json', 'print one line of JSON'] as const
  overWorkers('score', 'print the totals of files')
    .description(
      'Prints count, mean and sum of the loss over files, of both classes, and the negatives inside the margin.',
    )
    .option('--by <expr>', 'a line of totals for each value of a column or SQL expression')
    .option('--output <file>', 'write the loss of each row, in their order: .parquet, .csv, .arrow or .npy')
    .option(
      '--keep <expr>',
      'a column to write beside the losses; several times for several',
      (text, others: string[] = []) => [...others, text],
    )
    .option(...json)
    .addHelpText('after', example(`score ${digits}`))
    .action(async (files: string[], options: ScoreOptions) => {
      const { score } = await import('./score.ts')
      await print(await score(files, options, io))
    })
  overWorkers('partial', 'print the totals of files as one line of JSON for merge')
    .description('Prints a LossAccumulator: exact totals, which merge folds without losing a bit.')
    .addHelpText('after', example(`partial ${digits} > monday.json`))
    .action(async (files: string[], options: ScoreOptions) => {
      const { partial } = await import('./score.ts')
      await print(await partial(files, options, io))
    })
  overFiles('plot', 'draw the distances of both classes and the losses over them')
    .description('Draws the distances of both classes and the losses over them, and prints the totals as score does.')
    .requiredOption('--output <file>', 'the picture: .svg, or .png with twice as many pixels each way')
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
      const { plot } = await import('./plot.ts')
      await print(await plot(files, options, io))
    })
  program
    .command('merge')
    .summary('print the totals of partials')
    .description('Prints what score would have printed over all the files that the partials are of, bit for bit.')
    .argument('<part...>', 'files of lines that partial has printed; each counts as often as it is given')
    .option(...json)
    .addHelpText('after', example(`partial ${digits} > monday.json`, 'merge monday.json monday.json'))
    .action(async (parts: string[], options: { json?: true }) => {
      const { merge } = await import('./merge.ts')
      await print(await merge(parts, options, signal))
    })
  program
    .command('worker')
    .summary('score shards for score --redis')
    .description(
      'Serves the shards that score --redis and partial --redis hand out, until SIGTERM or SIGINT; then finishes those under way.',
    )
    .requiredOption(
      '--redis <url>',
      'redis:// or rediss://; its password may be in HINGE_EMBEDDING_LOSS_REDIS_PASSWORD',
    )
    .option('--concurrency <n>', 'shards at once', number, 1)
    .option('--threads <n>', 'threads for each shard (default: the processors there are, shared out)', number)
    .option('--root <folder...>', 'read no files but those in these folders (default: all)')
    .option('--lease <seconds>', 'how long it may be silent until its shards are given to another', number, 15)
    .option('--grace <seconds>', 'how long shards under way may take once it is told to end', number, 60)
    .addHelpText('after', workerExample)
    .action(async (options: WorkerOptions) => {
      const { work } = await import('./worker.ts')
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
  try {
    await program.parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return error.exitCode === 0 ? 0 : 2
  }
}

import type { Command } from 'commander'
import type { WorkerScoreOptions } from '../../bullmq/score.ts'
import { message, option, optionError } from '../../files/errors.ts'
import { importPeer } from '../../files/peers.ts'
import type { StreamedTotals } from '../../files/totals.ts'
import {
  addWorkerOptions,
  type Context,
  collect,
  exampleArguments,
  formatExample,
  jsonOption,
  lookupArguments,
  parseNumber,
} from '../options.ts'
import type { FileFlags } from '../run.ts'

/** The options that commander reads for `score` and `partial`. */
export interface ScoreFlags extends FileFlags {
  readonly redis?: string
  readonly shardRows?: number
  readonly timeout?: number
  readonly retention?: number
}

export function defineScore(command: Command, context: Context): void {
  addWorkerOptions(command)
    .summary('print the totals of files')
    .description(
      'Prints the count, mean and sum of the loss over all rows and over each class, and how many negatives are inside the margin.',
    )
    .option('--by <expr>', 'a line of totals for each value of a column or SQL expression')
    .option(
      '-o, --output <file>',
      'write the loss of each row, in the order of the rows: .parquet, .csv, .arrow or .npy, also s3:// and other URLs',
    )
    .option(
      '--keep <expr>',
      'a column or SQL expression to write beside the losses, or to print with --top; may be given several times',
      collect,
    )
    .option('--top <n>', 'print the rows of the greatest losses, with their row numbers', parseNumber)
    .option(...jsonOption)
    .addHelpText('after', formatExample(`score ${exampleArguments}`, `score ${lookupArguments}`))
    .action(async (paths: string[], flags: ScoreFlags) => {
      await usePathTotals(paths, flags, context, (totals) => context.printTotals(totals, flags))
    })
}

/** Scores files in this process or, with `--redis`, on workers, and calls `use` with the totals for each margin. */
export async function usePathTotals(
  paths: readonly string[],
  flags: ScoreFlags,
  context: Context,
  use: (totals: readonly StreamedTotals[]) => Promise<void>,
): Promise<void> {
  const { redis, ...files } = flags
  const { runOnFiles } = await import('../run.ts')
  if (redis === undefined) {
    const needless = (['shardRows', 'timeout', 'retention'] as const).find((name) => flags[name] !== undefined)
    if (needless) throw optionError(needless, message`${option(needless)} goes with ${option('redis')}`)
    const { withTotals } = await import('../../files/score.ts')
    return runOnFiles(paths, files, context, 'rows', (paths, options, endProgress) =>
      withTotals(paths, options, (totals) => {
        endProgress()
        return use(totals)
      }),
    )
  }
  const { scoreOnWorkers } = await importPeer(import('../../bullmq/score.ts'), 'redis')
  const { streamTotals } = await import('../../files/totals.ts')
  const totals = await runOnFiles(paths, { ...files, redis }, context, 'shards', (paths, { stdin: _, ...options }) => {
    // A list of margins is an error of scoreOnWorkers.
    return scoreOnWorkers(paths, options as WorkerScoreOptions)
  })
  await use([streamTotals(totals)])
}

import type { Command } from 'commander'
import { message, option, optionError } from '../../files/errors.ts'
import { importPeer } from '../../files/peers.ts'
import type { FileTotals } from '../../files/totals.ts'
import { addWorkerOptions, type Context, collect, exampleArguments, formatExample, jsonOption } from '../options.ts'
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
    .option('--output <file>', 'write the loss of each row, in the order of the rows: .parquet, .csv, .arrow or .npy')
    .option(
      '--keep <expr>',
      'a column or SQL expression to write beside the losses; may be given several times',
      collect,
    )
    .option(...jsonOption)
    .addHelpText('after', formatExample(`score ${exampleArguments}`))
    .action(async (paths: string[], flags: ScoreFlags) => {
      await context.printTotals(await scorePaths(paths, flags, context), flags)
    })
}

/** Scores files in this process or, with `--redis`, on workers. */
export async function scorePaths(paths: readonly string[], flags: ScoreFlags, context: Context): Promise<FileTotals> {
  const { redis, ...files } = flags
  const { runOnFiles } = await import('../run.ts')
  if (redis === undefined) {
    const needless = (['shardRows', 'timeout', 'retention'] as const).find((name) => flags[name] !== undefined)
    if (needless) throw optionError(needless, message`${option(needless)} goes with ${option('redis')}`)
    const { scoreFiles } = await import('../../files/score.ts')
    return runOnFiles(paths, files, context, 'rows', scoreFiles)
  }
  const { scoreOnWorkers } = await importPeer(import('../../bullmq/score.ts'), 'redis')
  return runOnFiles(paths, { ...files, redis }, context, 'shards', (paths, { stdin: _, ...options }) => {
    return scoreOnWorkers(paths, options)
  })
}

import type { Command } from 'commander'
import { addWorkers, type Context, digitPairs, example } from '../options.ts'
import { type ScoreFlags, scorePaths } from './score.ts'

export function definePartial(command: Command, context: Context): void {
  addWorkers(command)
    .summary('print the totals of files as one line of JSON for merge')
    .description(
      'Prints exact totals, which merge adds up without losing a bit; LossAccumulator.fromJSON reads them too.',
    )
    .addHelpText('after', example(`partial ${digitPairs} > monday.json`))
    .action(async (paths: string[], flags: ScoreFlags) => {
      const { total } = await scorePaths(paths, flags, context)
      await context.print(`${JSON.stringify(total)}\n`)
    })
}

import type { Command } from 'commander'
import { assertOneMargin } from '../../files/options.ts'
import { addWorkerOptions, type Context, exampleArguments, formatExample } from '../options.ts'
import { type ScoreFlags, usePathTotals } from './score.ts'

export function definePartial(command: Command, context: Context): void {
  addWorkerOptions(command)
    .summary('print the totals of files as one line of JSON for merge')
    .description(
      'Prints exact totals, which merge adds up without losing a bit; LossAccumulator.fromJSON reads them too.',
    )
    .addHelpText('after', formatExample(`partial ${exampleArguments} > monday.json`))
    .action(async (paths: string[], flags: ScoreFlags) => {
      assertOneMargin(flags.margin, 'for a partial')
      await usePathTotals(paths, flags, context, async (totals) => {
        for (const { total } of totals) await context.print(`${JSON.stringify(total)}\n`)
      })
    })
}

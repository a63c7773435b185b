import type { Command } from 'commander'
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
      await usePathTotals(paths, flags, context, ({ total }) => context.print(`${JSON.stringify(total)}\n`))
    })
}

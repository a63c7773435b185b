import type { Command } from 'commander'
import { quoteText } from '../../files/duckdb/sql.ts'
import { message, option, optionError, set } from '../../files/errors.ts'
import { assertOneMargin } from '../../files/options.ts'
import { addWorkerOptions, type Context, exampleArguments, formatExample, parseLabels } from '../options.ts'
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
      assertNumberLabels(flags)
      await usePathTotals(paths, flags, context, async (totals) => {
        for (const { total } of totals) await context.print(`${JSON.stringify(total)}\n`)
      })
    })
}

/** Refuses labels that are text: a partial has 1 and −1 in their place, and merge could not tell one pair of texts from another. */
function assertNumberLabels(flags: ScoreFlags): void {
  const { label = 'label', positiveLabel, negativeLabel } = parseLabels(flags)
  if (typeof (positiveLabel ?? negativeLabel) !== 'string') return
  const [positive, negative] = [positiveLabel, negativeLabel].map((text) => quoteText(String(text ?? 'TEXT')))
  const cases = `CASE ${label} WHEN ${positive} THEN 1 WHEN ${negative} THEN -1 END`
  const reason = message`${option('positiveLabel')} takes no text for a partial, which has 1 and -1 in its place`
  throw optionError('positiveLabel', message`${reason}: ${set({ label: cases })} says which text is which`)
}

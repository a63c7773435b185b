import type { Command } from 'commander'
import { type Context, collect, exampleArguments, formatExample, jsonOption } from '../options.ts'

export function defineMerge(command: Command, { signal, printTotals }: Context): void {
  command
    .summary('print the totals of partials')
    .description('Prints what score would print over the files of all partials, bit for bit.')
    .argument('<part...>', 'files of lines that partial printed; each counts every time it is given', collect)
    .option(...jsonOption)
    .addHelpText('after', formatExample(`partial ${exampleArguments} > monday.json`, 'merge monday.json monday.json'))
    .action(async (parts: string[], { json }: { json?: true }) => {
      const { isPartialText, mergePartials } = await import('../../files/merge.ts')
      const paths = parts.map((part) => (isPartialText(part) ? `./${part}` : part))
      const { total } = await mergePartials(paths, { signal })
      await printTotals([{ total }], json ? { json } : {})
    })
}

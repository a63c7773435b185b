import type { Command } from 'commander'
import type { Margins } from '../../files/options.ts'
import { hideSecrets } from '../../files/secrets.ts'
import { system } from '../../files/system.ts'
import type { ReportFilesOptions } from '../../report/report.ts'
import {
  addChartOptions,
  addFileOptions,
  type Context,
  collect,
  exampleArguments,
  formatExample,
  jsonOption,
  makeRequiredOption,
  parseNumber,
  programName,
} from '../options.ts'
import type { FileFlags } from '../run.ts'

type ReportFlags = FileFlags & ReportFilesOptions<Margins>

export function defineReport(command: Command, context: Context): void {
  addChartOptions(addFileOptions(command))
    .summary('write a page about the losses, with pictures, for people')
    .description(
      'Writes a page of HTML that explains the losses: totals, pictures, groups, and the pairs of greatest loss. It is one file, which loads nothing from the network; prints the totals as score does.',
    )
    .addOption(makeRequiredOption('-o, --output <file>', 'the page: .html'))
    .option(
      '--by <expr>',
      'totals and a picture for each value of a column or SQL expression; the smallest of many groups share one',
    )
    .option('--top <n>', 'pairs of greatest loss to show of each class', parseNumber, 20)
    .option(
      '--keep <expr>',
      'a column or SQL expression to show beside these pairs; may be given several times',
      collect,
    )
    .option(...jsonOption)
    .addHelpText('after', formatExample(`report ${exampleArguments} --output digits.html`))
    .action(async (paths: string[], flags: ReportFlags) => {
      const { writeReport } = await import('../../report/report.ts')
      const { streamTotals } = await import('../../files/totals.ts')
      const { runOnFiles } = await import('../run.ts')
      const totals = await runOnFiles(paths, flags, context, 'rows', (paths, options) => {
        return writeReport(paths, options, formatCommand(context.args))
      })
      await context.printTotals([totals].flat().map(streamTotals), flags)
    })
}

/** A command line to copy into a shell. */
function formatCommand(args: readonly string[]): string {
  const quote = (word: string) => (/^[\w@%+=:,./-]+$/.test(word) ? word : system.quoteForShell(word))
  return [programName, ...args.map((word) => quote(hideSecrets(word)))].join(' ')
}

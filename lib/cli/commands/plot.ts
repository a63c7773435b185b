import { type Command, Option } from 'commander'
import type { Margins } from '../../files/options.ts'
import type { PlotFilesOptions } from '../../plot/plot.ts'
import {
  addChartOptions,
  addFileOptions,
  type Context,
  exampleArguments,
  formatExample,
  jsonOption,
  makeRequiredOption,
} from '../options.ts'
import type { FileFlags } from '../run.ts'

type PlotFlags = FileFlags & PlotFilesOptions<Margins>

export function definePlot(command: Command, context: Context): void {
  addChartOptions(addFileOptions(command))
    .summary('draw the distances of both classes and the losses over them')
    .description(
      'Draws the distances of both classes and the losses over them or, with several margins, the mean loss and the active share of each; prints the totals as score does.',
    )
    .addOption(
      makeRequiredOption('-o, --output <file>', 'the picture: .svg, or .png with twice as many pixels each way'),
    )
    .option(
      '--by <expr>',
      'a panel for each value of a column or SQL expression; the smallest of more than 12 share one',
    )
    .addOption(new Option('--theme <theme>', 'the background').choices(['light', 'dark']).default('light'))
    .addOption(
      new Option('--size <size>', 'readme: 880 wide; slide: 1600 by 900')
        .choices(['readme', 'slide'])
        .default('readme'),
    )
    .option(...jsonOption)
    .addHelpText('after', formatExample(`plot ${exampleArguments} --output digits.svg`))
    .action(async (paths: string[], flags: PlotFlags) => {
      const { plotFiles } = await import('../../plot/plot.ts')
      const { streamTotals } = await import('../../files/totals.ts')
      const { runOnFiles } = await import('../run.ts')
      const totals = await runOnFiles(paths, flags, context, 'rows', plotFiles)
      await context.printTotals([totals].flat().map(streamTotals), flags)
    })
}

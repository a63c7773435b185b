import { writeFile } from 'node:fs/promises'
import { resolveOutput, writeAtomically } from '../files/atomic-write.ts'
import { message, set } from '../files/errors.ts'
import { completeLabels } from '../files/find-labels.ts'
import { type Inputs, withInputs } from '../files/open.ts'
import { type Margins, oneOf, readOptions, readPaths, readScoring, type ScoreFilesOptions } from '../files/options.ts'
import { selectTotals, type TotalsOf } from '../files/totals.ts'
import { type ChartData, collectChartData } from './chart-data.ts'
import { sizes, themes } from './look.ts'
import { type ChartOptions, chartChecks, selectChartOptions } from './options.ts'
import { loadRenderer } from './render.ts'
import { isSquashed } from './view.ts'

/** The options of `plotFiles`: those of `scoreFiles` without `weight`, `keep`, `top` and `onGroup`, and the look of the picture. */
export interface PlotFilesOptions<Margin extends Margins = number>
  extends Omit<ScoreFilesOptions<Margin>, 'weight' | 'keep' | 'top' | 'onGroup'>,
    ChartOptions {
  /** where to write the picture: .svg, or .png with twice as many pixels each way */
  readonly output: string
  /** the background; default `light` */
  readonly theme?: 'light' | 'dark'
  /** `readme`, the default, is 880 wide; `slide` is 1600 by 900 */
  readonly size?: 'readme' | 'slide'
}

const checks = {
  theme: oneOf(...Object.keys(themes)),
  size: oneOf(...Object.keys(sizes)),
  ...chartChecks,
  weight: undefined,
  keep: undefined,
  top: undefined,
  onGroup: undefined,
} as const

/**
 * Draws the distances of both classes and the losses over them, and returns the totals as `scoreFiles` does. With `by` there
 * is a panel for each value; of more than 12 the 11 largest have one, and the others one together. With a list of margins it draws the mean loss and the share of active negatives at
 * each, below the distances.
 *
 * @throws as `scoreFiles` does
 * @throws {RangeError} ERR_INVALID_ARG_VALUE: `output` ends in neither .svg nor .png, or `range` is not one
 *
 * @example
 * const { total } = await plotFiles(['pairs.parquet'], { input: 'distance', label: 'label', output: 'pairs.svg' })
 */
export async function plotFiles<const Margin extends Margins = number>(
  paths: readonly string[],
  options: PlotFilesOptions<Margin>,
): Promise<TotalsOf<Margin>> {
  const patterns = readPaths(paths)
  const read = readOptions(options, checks, ['output'])
  const { output, theme = 'light', size = 'readme', ...files } = read
  const chartOptions = selectChartOptions(read)
  const { margin } = files
  const given = readScoring(files)
  const draw = await loadRenderer(output)
  return withInputs(patterns, given, files, async (inputs) => {
    const scoring = await completeLabels(inputs, given)
    const path = await resolveOutput(output, inputs.files)
    const { totals, chart } = await collectChartData(inputs, scoring, scoring.margins, [], chartOptions)
    noteSquashed(chart, inputs)
    const picture = await draw(chart, { theme: themes[theme], size: sizes[size] })
    await writeAtomically(path, inputs.signal, (beside) => writeFile(beside, picture))
    return selectTotals(totals, margin)
  })
}

/** Says how to see the shape of distances that one bar hides. */
function noteSquashed({ panels, view }: ChartData, { note }: Inputs): void {
  const histograms = panels.map(({ histogram }) => histogram)
  if (!isSquashed(histograms, view)) return
  note(
    message`one bar has more than half of a class, whose distances are of different sizes: ${set({ log: true })} shows them`,
  )
}

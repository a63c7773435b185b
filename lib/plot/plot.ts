import { writeFile } from 'node:fs/promises'
import { resolveOutput, writeAtomically } from '../files/atomic-write.ts'
import { ChunkTotals, scoreChunks } from '../files/chunk-totals.ts'
import { fileChangedError, scoreScans } from '../files/duckdb/totals.ts'
import { withInputs } from '../files/open.ts'
import {
  assertOneSide,
  type Group,
  type Margins,
  oneOf,
  readOptions,
  readPaths,
  readScoring,
  type ScoreFilesOptions,
  type Scoring,
} from '../files/options.ts'
import { describeInput } from '../files/pair.ts'
import { type FileTotals, selectTotals, sumGroups, type TotalsOf } from '../files/totals.ts'
import type { LossAccumulator } from '../index.ts'
import { type ChartData, describeChart, formatTitle, type Panel } from './captions.ts'
import { buildChart } from './chart.ts'
import { HistogramCollector } from './collector.ts'
import { type Look, mostPanels, sizes, themes } from './look.ts'
import { loadRenderer } from './render.ts'
import { classStrata } from './strata.ts'
import { toPrintableLine } from './text.ts'
import { chooseView } from './view.ts'

/** The options of `plotFiles`: those of `scoreFiles` without `weight`, `keep` and `onGroup`, and the look of the picture. */
export interface PlotFilesOptions<Margin extends Margins = number>
  extends Omit<ScoreFilesOptions<Margin>, 'weight' | 'keep' | 'onGroup'> {
  /** where to write the picture: .svg, or .png with twice as many pixels each way */
  readonly output: string
  /** the background; default `light` */
  readonly theme?: Look['theme']
  /** `readme`, the default, is 880 wide; `slide` is 1600 by 900 */
  readonly size?: Look['size']
}

const checks = {
  theme: oneOf(...Object.keys(themes)),
  size: oneOf(...Object.keys(sizes)),
  weight: undefined,
  keep: undefined,
  onGroup: undefined,
} as const

/**
 * Draws the distances of both classes and the losses over them, and returns the totals as `scoreFiles` does. With `by` there
 * is a panel for each value, at most 12. With a list of margins it draws the mean loss and the share of active negatives at
 * each, below the distances.
 *
 * @throws as `scoreFiles` does
 * @throws {RangeError} ERR_INVALID_ARG_VALUE: `by` has more than 12 values, or `output` ends in neither .svg nor .png
 *
 * @example
 * const { total } = await plotFiles(['pairs.parquet'], { input: 'distance', label: 'label', output: 'pairs.svg' })
 */
export async function plotFiles<const Margin extends Margins = number>(
  paths: readonly string[],
  options: PlotFilesOptions<Margin>,
): Promise<TotalsOf<Margin>> {
  const given = readPaths(paths)
  const { output, theme = 'light', size = 'readme', ...files } = readOptions(options, checks, ['output'])
  const { margin } = files
  const scoring = readScoring(files)
  const render = await loadRenderer(output)
  return withInputs(given, scoring, files, async (inputs) => {
    const { files, scans, arraySources, signal } = inputs
    if (scans && arraySources.length > 0) assertOneSide(scoring)
    const path = await resolveOutput(output, files)
    const chunkTotals = new ChunkTotals(scoring)
    const collector = new HistogramCollector(scoring, mostPanels)
    for await (const chunk of scoreChunks(inputs, chunkTotals)) collector.addChunk(chunk)
    const groups: Group[][] = chunkTotals.groups
    if (scans) {
      const scanned = await scoreScans(scans.session, scans.list, scoring, signal)
      for (const [index, table] of scanned.groups.entries()) {
        for await (const batch of table.readGroups()) {
          for (const { json } of batch) collector.getOrCreate(json)
          groups[index]?.push(...batch)
        }
      }
      await collector.addScans(scans.session, scanned)
    }
    const totals = sumGroups(groups, scoring)
    const data = chartDataOf(totals, collector, scoring)
    const picture = await render(buildChart(data, { theme, size }), formatTitle(data), describeChart(data))
    await writeAtomically(path, signal, (beside) => writeFile(beside, picture))
    return selectTotals(totals, margin)
  })
}

/** A panel for each group; without `by`, or without groups, one for all rows. */
function chartDataOf(given: readonly FileTotals[], collector: HistogramCollector, scoring: Scoring): ChartData {
  const { input, by } = scoring
  const ascending = [...given].sort((one, other) => one.total.margin - other.total.margin)
  const totals = ascending.map(({ total }) => total)
  const { groups = [] } = ascending[0] as FileTotals
  const panels: Panel[] =
    by !== undefined && groups.length > 0
      ? groups.map(({ json, key }, index) => ({
          name: toPrintableLine(key ?? 'NULL') || "''",
          totals: ascending.map(({ groups }) => groups?.[index]?.total as LossAccumulator),
          histogram: collector.getOrCreate(json),
        }))
      : [{ totals, histogram: collector.getOrCreate('null') }]
  if (!panels.every(hasSameCounts)) throw fileChangedError()
  const view = chooseView(
    panels.map(({ histogram }) => histogram),
    scoring.margins,
  )
  const expressions = {
    input: toPrintableLine(describeInput(input)),
    ...(by !== undefined && { by: toPrintableLine(by) }),
  }
  return { ...expressions, totals, panels, view }
}

/** True if the totals and the histogram count the same rows, which DuckDB reads twice. */
function hasSameCounts({ totals, histogram }: Panel): boolean {
  // The histogram's active rows are those of the least margin.
  const { positives, negatives, others } = totals[0] as LossAccumulator
  return (
    histogram.count(...classStrata.positive) === positives.count &&
    histogram.count('active') === negatives.active &&
    histogram.count(...classStrata.negative) === negatives.count &&
    histogram.count('other') === others
  )
}

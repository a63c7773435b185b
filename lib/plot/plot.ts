import { writeFile } from 'node:fs/promises'
import { resolveOutput, writeAtomically } from '../files/atomic-write.ts'
import { StreamTotals, scoreChunks } from '../files/chunk-totals.ts'
import { fileChangedError, scoreScans } from '../files/duckdb/totals.ts'
import { withInputs } from '../files/open.ts'
import {
  assertOneSide,
  checkOptions,
  checkPaths,
  oneOf,
  readScoring,
  type ScoreFilesOptions,
  type Scoring,
} from '../files/options.ts'
import { type FileTotals, totalsOf } from '../files/totals.ts'
import { plain } from './captions.ts'
import { described, type Look, mostPanels, type Panel, pictureOf, sizes, themes, titleOf } from './chart.ts'
import { agree, Histograms } from './histograms.ts'
import { renderFor } from './render.ts'

/** The options of `plotFiles`: those of `scoreFiles` without `keep`, and the look of the picture. */
export interface PlotFilesOptions extends Omit<ScoreFilesOptions, 'keep'> {
  /** the picture: .svg, or .png with twice as many pixels each way */
  readonly output: string
  /** the background; default `light` */
  readonly theme?: Look['theme']
  /** `readme`, the default, is 880 wide; `slide` is 1600 by 900 */
  readonly size?: Look['size']
}

/**
 * Draws the distances of both classes and the losses over them, and returns the totals as `scoreFiles` does. With `by` there
 * is a panel for each value, at most 12.
 *
 * @throws as `scoreFiles` does
 *
 * @example
 * const { total } = await plotFiles(['pairs.parquet'], { input: 'distance', label: 'label', output: 'pairs.svg' })
 */
export async function plotFiles(paths: readonly string[], options: PlotFilesOptions): Promise<FileTotals> {
  checkPaths(paths)
  const { output, theme = 'light', size = 'readme', ...files } = options
  checkOptions(options, {
    theme: oneOf(...Object.keys(themes)),
    size: oneOf(...Object.keys(sizes)),
  })
  const scoring = readScoring(files)
  const render = await renderFor(output)
  return withInputs(paths, scoring, files, async (inputs) => {
    const { files, scans, streams, signal } = inputs
    if (scans && streams.length > 0) assertOneSide(scoring)
    const path = await resolveOutput(output, files)
    const streamed = new StreamTotals(scoring)
    const histograms = new Histograms(scoring, mostPanels)
    for await (const chunk of scoreChunks(inputs, streamed)) histograms.add(chunk)
    const groups = [...streamed.groups]
    if (scans) {
      const scanned = await scoreScans(scans.session, scans.list, scoring, signal)
      await histograms.addScans(scans.session, scanned)
      groups.unshift(...scanned.groups)
    }
    const totals = totalsOf(groups, scoring)
    const panels = panelsOf(totals, histograms, scoring)
    const { input, by } = scoring
    const subject = { input: plain(input), ...(by !== undefined && { by: plain(by) }), total: totals.total }
    const look = { theme, size }
    const picture = await render(pictureOf(panels, subject, look), titleOf(subject), described(panels, subject))
    await writeAtomically(path, signal, (beside) => writeFile(beside, picture))
    return totals
  })
}

/** A panel for each group; without `by`, or without groups, one for all rows. */
function panelsOf({ groups = [], total }: FileTotals, histograms: Histograms, scoring: Scoring): Panel[] {
  const isBy = scoring.by !== undefined && groups.length > 0
  const panels = isBy
    ? groups.map(({ json, key, total }) => ({
        name: plain(key ?? 'NULL') || "''",
        total,
        histogram: histograms.of(json),
      }))
    : [{ total, histogram: histograms.of('null') }]
  if (!panels.every(({ total, histogram }) => agree(total, histogram))) throw fileChangedError()
  return panels
}

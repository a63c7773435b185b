import { writeFile } from 'node:fs/promises'
import type { Totals } from '../bullmq/index.ts'
import { outputPath, writeWhole } from '../files/atomic-write.ts'
import { StreamTotals, scored } from '../files/chunk-totals.ts'
import { fileChanged, totalsOf } from '../files/duckdb/totals.ts'
import { type Io, opened } from '../files/open.ts'
import { assertEitherSide, type ScoreOptions, told, totalled } from '../files/score.ts'
import { plain } from './captions.ts'
import { described, type Look, mostPanels, type Panel, pictureOf, titleOf } from './chart.ts'
import { agree, Histograms } from './histograms.ts'
import { renderFor } from './render.ts'

export interface PlotOptions extends ScoreOptions, Look {
  output: string
}

/** Draws the picture, and gives the totals over all files as `score` does. */
export async function plot(paths: readonly string[], { output, ...options }: PlotOptions, io: Io): Promise<string> {
  const render = await renderFor(output)
  return opened(paths, options, io, async ({ files, scans, streams, progress }) => {
    if (scans && streams.length > 0) assertEitherSide(options)
    const path = await outputPath(output, files)
    const streamed = new StreamTotals(options)
    const histograms = new Histograms(options, mostPanels)
    for await (const piece of scored({ streams, names: options, io, progress }, streamed)) histograms.add(piece)
    const groups = [...streamed.groups]
    if (scans) {
      const scanned = await totalsOf(scans.session, scans.list, options, io.signal)
      await histograms.addScans(scans.session, scanned)
      groups.unshift(...scanned.groups)
    }
    const totals = totalled(groups, options)
    const panels = panelsOf(totals, histograms, options)
    const { input, by } = options
    const subject = { input: plain(input), ...(by !== undefined && { by: plain(by) }), total: totals.total }
    const picture = await render(pictureOf(panels, subject, options), titleOf(subject), described(panels, subject))
    await writeWhole(path, io.signal, (beside) => writeFile(beside, picture))
    return told(totals, options)
  })
}

/** One for each group; without `by`, or without groups, one for all. */
function panelsOf({ groups, total }: Totals, histograms: Histograms, options: ScoreOptions): Panel[] {
  const isBy = options.by !== undefined && groups.length > 0
  const panels = isBy
    ? groups.map(({ by, key, total }) => ({
        name: plain(key ?? 'NULL') || "''",
        total,
        histogram: histograms.of(by),
      }))
    : [{ total, histogram: histograms.of('null') }]
  if (!panels.every(({ total, histogram }) => agree(total, histogram))) throw fileChanged()
  return panels
}

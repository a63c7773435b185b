import { writeFile } from 'node:fs/promises'
import { agree, Histograms } from './histograms.ts'
import { type Io, opened } from './opened.ts'
import { outputPath, writeWhole } from './output.ts'
import { described, type Look, mostPanels, type Panel, pictureOf, titleOf } from './picture.ts'
import { renderFor } from './render.ts'
import { assertEitherSide, type ScoreOptions, sum, told } from './score.ts'
import { StreamTotals, scored } from './streams.ts'
import { fileChanged, type Group, totalsOf } from './totals.ts'
import { plain } from './words.ts'

export interface PlotOptions extends ScoreOptions, Look {
  output: string
}

/** Draws the picture, and gives the totals over all files as `score` does. */
export async function plot(paths: readonly string[], { output, ...options }: PlotOptions, io: Io): Promise<string> {
  const render = await renderFor(output)
  return opened(paths, options, io, async ({ files, scans, streams, progress }) => {
    if (scans && streams.length > 0) assertEitherSide(options)
    const path = await outputPath(output, files)
    const totals = new StreamTotals(options)
    const histograms = new Histograms(options, mostPanels)
    for await (const piece of scored({ streams, names: options, io, progress }, totals)) histograms.add(piece)
    const groups = [...totals.groups]
    if (scans) {
      const scanned = await totalsOf(scans.session, scans.list, options, io.signal)
      await histograms.addScans(scans.session, scans.list, scanned.groups)
      groups.unshift(...scanned.groups)
    }
    const panels = panelsOf(groups, histograms, options)
    const { input, by } = options
    const subject = { input: plain(input), ...(by !== undefined && { by: plain(by) }), total: sum(groups, options) }
    const picture = await render(pictureOf(panels, subject, options), titleOf(subject), described(panels, subject))
    io.signal.throwIfAborted()
    await writeWhole(path, (beside) => writeFile(beside, picture))
    return told(groups, options)
  })
}

/** One for each group; without `by`, or without groups, one for all. */
function panelsOf(groups: readonly Group[], histograms: Histograms, options: ScoreOptions): Panel[] {
  const isBy = options.by !== undefined && groups.length > 0
  const panels = isBy
    ? groups.map(({ by, name, total }) => ({ name: plain(name) || "''", total, histogram: histograms.of(by) }))
    : [{ total: sum(groups, options), histogram: histograms.of('null') }]
  if (!panels.every(({ total, histogram }) => agree(total, histogram))) throw fileChanged()
  return panels
}

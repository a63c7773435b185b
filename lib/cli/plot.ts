import { writeFile } from 'node:fs/promises'
import { UsageError } from './failures.ts'
import { Histogram } from './histogram.ts'
import { histogramsOf } from './histograms.ts'
import { opened } from './opened.ts'
import { outputPath, writeWhole } from './output.ts'
import { described, type Look, mostPanels, type Panel, pictureOf, titleOf } from './picture.ts'
import type { Terminal } from './progress.ts'
import { renderFor } from './render.ts'
import { type ScoreOptions, sum, told } from './score.ts'
import { totalsOf } from './totals.ts'

export interface PlotOptions extends ScoreOptions, Look {
  output: string
}

/** Draws the picture, and gives the totals over all files as `score` does. */
export async function plot(
  paths: readonly string[],
  options: PlotOptions,
  signal: AbortSignal,
  stderr: Terminal,
): Promise<string> {
  const render = await renderFor(options.output)
  return opened(paths, options, signal, stderr, async (session, scans) => {
    const inputs = scans.flatMap(({ files }) => files)
    const output = await outputPath(options.output, inputs)
    const groups = await totalsOf(session, scans, options, signal)
    if (options.by !== undefined && groups.length > mostPanels) {
      throw new UsageError(`--by ${options.by} has ${groups.length} values; a picture has room for ${mostPanels}`)
    }
    const histograms = await histogramsOf(session, scans, options, groups)
    const total = sum(groups, options)
    const panels: Panel[] = groups.map(({ name, total }, i) => {
      const panel = { total, histogram: histograms[i] as Histogram }
      return options.by === undefined ? panel : { ...panel, name }
    })
    if (panels.length === 0) panels.push({ total, histogram: new Histogram() })
    const subject = { ...options, total }
    const picture = await render(pictureOf(panels, subject, options), titleOf(subject), described(panels, subject))
    signal.throwIfAborted()
    await writeWhole(output, (beside) => writeFile(beside, picture))
    return told(groups, options)
  })
}

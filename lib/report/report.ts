import { stat, writeFile } from 'node:fs/promises'
import { resolveOutput, writeAtomically } from '../files/atomic-write.ts'
import { message, option, optionError } from '../files/errors.ts'
import { completeLabels } from '../files/find-labels.ts'
import { type Inputs, withInputs } from '../files/open.ts'
import {
  type Margins,
  readOptions,
  readPaths,
  readScoring,
  type ScoreFilesOptions,
  type Scoring,
} from '../files/options.ts'
import { describeInput } from '../files/pair.ts'
import { isRemote } from '../files/remote.ts'
import { hideSecrets } from '../files/secrets.ts'
import { TopCollector } from '../files/top-rows.ts'
import { type FileTotals, selectTotals, type TotalsOf } from '../files/totals.ts'
import { runtimeInfo } from '../index.ts'
import {
  type ChartData,
  chooseGroups,
  collectChartData,
  type GatheredGroups,
  gatherGroups,
} from '../plot/chart-data.ts'
import { type ChartOptions, chartChecks, selectChartOptions } from '../plot/options.ts'
import { loadVega } from '../plot/render.ts'
import { classNames } from '../plot/strata.ts'
import type { ReportData, ReportFile } from './data.ts'
import { chooseMargins } from './margins.ts'
import { buildPage } from './page.ts'
import { drawPictures } from './pictures.ts'

/**
 * The options of `reportFiles`: those of `scoreFiles` without `weight` and `onGroup`. `top`, default 20, is the number of pairs
 * of greatest loss of each class, and `keep` the columns to show beside them.
 */
export interface ReportFilesOptions<Margin extends Margins = number>
  extends Omit<ScoreFilesOptions<Margin>, 'weight' | 'onGroup'>,
    ChartOptions {
  /** where to write the page: .html */
  readonly output: string
}

const checks = { ...chartChecks, weight: undefined, onGroup: undefined } as const

/**
 * Writes a page about files: their totals in words and numbers, pictures of the distances and of the figures over the margin,
 * the groups of `by`, and the pairs of greatest loss. The page is one file, which loads nothing. The same files
 * and options give the same bytes.
 *
 * @returns the totals, as `scoreFiles` does
 * @throws as `scoreFiles` does
 * @throws {RangeError} ERR_INVALID_ARG_VALUE: `output` does not end in .html, or `range` is not one
 *
 * @example
 * await reportFiles(['pairs.parquet'], { input: 'distance', label: 'label', keep: ['left', 'right'], output: 'report.html' })
 */
export function reportFiles<const Margin extends Margins = number>(
  paths: readonly string[],
  options: ReportFilesOptions<Margin>,
): Promise<TotalsOf<Margin>> {
  return writeReport(paths, options)
}

/**
 * Writes a page as `reportFiles` does, with the command line that made it.
 *
 * @throws as `reportFiles` does
 */
export async function writeReport<Margin extends Margins>(
  paths: readonly string[],
  options: ReportFilesOptions<Margin>,
  command?: string,
): Promise<TotalsOf<Margin>> {
  const patterns = readPaths(paths)
  const checked = readOptions(options, checks, ['output'])
  const { output, top = 20, ...files } = checked
  assertHtml(output)
  const chartOptions = selectChartOptions(checked)
  const given = readScoring(files)
  const draw = await loadVega('a picture')
  return withInputs(patterns, given, files, async (inputs) => {
    const asked = await completeLabels(inputs, given)
    const scoring = { ...asked, margins: chooseMargins(asked.margins) }
    const path = await resolveOutput(output, inputs.files)
    const collector = new TopCollector(
      { ...asked, margins: [Math.max(...asked.margins)] },
      top,
      inputs.names,
      classNames,
    )
    const { totals, chart } = await collectChartData(inputs, scoring, asked.margins, [collector], chartOptions)
    const ofAsked = asked.margins.map((margin) => totals[scoring.margins.indexOf(margin)] as FileTotals)
    const [[positive = [], negative = []] = []] = collector.list()
    const curve = totals.map(({ total }) => total)
    const page = buildPage({
      input: describeInput(asked.input),
      ...(chartOptions.title !== undefined && { title: chartOptions.title }),
      ...(asked.by !== undefined && { by: asked.by, groups: listGroups(ascending(ofAsked), asked) }),
      totals: ascending(ofAsked).map(({ total }) => total),
      curve,
      leftOut: countLeftOut(chart),
      pictures: await drawPictures(chart, curve, draw),
      top: { positive, negative },
      files: await measureFiles(inputs),
      options: describeOptions(asked, { ...files, top }),
      version: runtimeInfo().version,
      ...(command !== undefined && { command: hideSecrets(command) }),
    })
    await writeAtomically(path, inputs.signal, (partPath) => writeFile(partPath, page))
    return selectTotals(ofAsked, files.margin)
  })
}

function assertHtml(output: string): void {
  if (/\.html?$/i.test(output)) return
  throw optionError('output', message`${option('output')} must end in .html, got ${output}`)
}

function ascending(totals: readonly FileTotals[]): FileTotals[] {
  return totals.toSorted((one, other) => one.total.margin - other.total.margin)
}

/** The most groups that a page lists. */
const mostGroups = 1000

/** The groups with their totals at each margin; of too many the largest, and the others as one. */
function listGroups(ascending: readonly FileTotals[], scoring: Scoring): GatheredGroups {
  return gatherGroups(ascending, chooseGroups(ascending[0]?.groups ?? [], mostGroups), scoring)
}

function countLeftOut({ panels }: ChartData): ReportData['leftOut'] {
  const count = (stratum: 'null' | 'nan') => panels.reduce((sum, { histogram }) => sum + histogram.count(stratum), 0)
  return { null: count('null'), nan: count('nan') }
}

/** The files that were read, by the names that the caller knows. */
async function measureFiles({ files, names }: Inputs): Promise<ReportFile[]> {
  return Promise.all(
    files.map(async (file) => {
      const path = names.get(file) ?? file
      return path === '-' || isRemote(file) ? { path } : { path, size: (await stat(file)).size }
    }),
  )
}

/** Options that say how a run goes, and not what it computes; `margins` is a part of `Scoring`. */
const runOptions = ['threads', 'duckdbExtensions', 'stdin', 'signal', 'onProgress', 'onNote', 'margins']

/** The options with their defaults, as text. */
function describeOptions({ input, labelTexts, ...scoring }: Scoring, given: object): Readonly<Record<string, string>> {
  const { lookup: _, ...pair } = typeof input === 'string' ? { input } : { ...input }
  const texts = labelTexts && { positiveLabel: labelTexts.positive, negativeLabel: labelTexts.negative }
  const entries = Object.entries({ ...pair, ...scoring, ...given, ...texts }).filter(
    ([name]) => !runOptions.includes(name),
  )
  return Object.fromEntries(entries.map(([name, value]) => [name, hideSecrets([value].flat().join(', '))]))
}

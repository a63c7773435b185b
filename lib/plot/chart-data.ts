import { ChunkTotals, type ScoredChunk, scoreChunks } from '../files/chunk-totals.ts'
import type { Session } from '../files/duckdb/session.ts'
import { fileChangedError, type ScanTotals, scoreScans } from '../files/duckdb/totals.ts'
import type { Inputs } from '../files/open.ts'
import { assertOneSide, type Group, type Scoring } from '../files/options.ts'
import { describeInput } from '../files/pair.ts'
import { type FileTotals, sumGroups } from '../files/totals.ts'
import { escapeInvisible, formatCount, nameValue } from '../format.ts'
import type { LossAccumulator } from '../index.ts'
import { HistogramCollector } from './collector.ts'
import type { Histogram, View } from './histogram.ts'
import { mostPanels } from './look.ts'
import type { ChartOptions } from './options.ts'
import { type ClassName, classNames, classStrata } from './strata.ts'
import { toPrintableLine } from './text.ts'
import { chooseView } from './view.ts'

/** The rows of one group, or all rows. */
export interface Panel {
  /** the name of the group */
  readonly name?: string
  /** for each margin, in ascending order */
  readonly totals: readonly LossAccumulator[]
  readonly histogram: Histogram
}

/** The name of a strip: the distances of a class, or a figure over the margin. */
export type StripName = ClassName | (typeof marginStrips)[number]

export const marginStrips = ['meanLoss', 'activeShare'] as const

/** What a picture shows. */
export interface ChartData {
  /** the expression of the distance, as the user wrote it */
  readonly input: string
  /** the expression of the groups, as the user wrote it */
  readonly by?: string
  readonly title?: string
  /** for each margin, in ascending order */
  readonly totals: readonly LossAccumulator[]
  readonly panels: readonly Panel[]
  /** the panels of all pictures that share their scales; default: those of this one */
  readonly scaledPanels?: readonly Panel[]
  /** of each panel, from top to bottom */
  readonly strips: readonly StripName[]
  /** the number of groups that are the last panel together */
  readonly otherGroups: number
  readonly view: View
}

/** Collects something of each row while files are scored. */
export interface RowCollector {
  addChunk(chunk: ScoredChunk): void
  addScans(session: Session, scanned: ScanTotals): Promise<void>
}

/**
 * Scores opened files and counts their distances: the totals of each margin, in the order of the margins, and what a picture
 * of them shows.
 *
 * @param margins those of the picture, if they are not all: of scans only they have groups
 * @param others collect something else of each row
 * @throws as `scoreFiles` does
 */
export async function collectChartData(
  inputs: Inputs,
  scoring: Scoring,
  margins: readonly number[] = scoring.margins,
  others: readonly RowCollector[] = [],
  options: ChartOptions = {},
): Promise<{ totals: FileTotals[]; chart: ChartData }> {
  const { scans, arraySources, signal } = inputs
  if (scans && arraySources.length > 0) assertOneSide(scoring)
  const chunkTotals = new ChunkTotals(scoring)
  const charted = { ...scoring, margins }
  const collector = new HistogramCollector(charted)
  for await (const chunk of scoreChunks(inputs, chunkTotals)) {
    for (const each of [collector, ...others]) each.addChunk(chunk)
  }
  const groups: Group[][] = chunkTotals.groups
  const scanned = scans && (await scoreScans(scans.session, scans.list, scoring, signal))
  const isShown = scoring.margins.map((margin) => margins.includes(margin))
  for (const [index, table] of scanned?.groups.entries() ?? []) {
    if (isShown[index]) for await (const batch of table.readGroups()) groups[index]?.push(...batch)
  }
  const totals = sumGroups(groups, scoring)
  for (const [index, table] of scanned?.groups.entries() ?? []) {
    if (!isShown[index]) totals[index]?.total.merge(table.total)
  }
  const chosen = chooseGroups(groups[isShown.indexOf(true)] as Group[], mostPanels)
  if (scans && scanned) {
    await collector.addScans(scans.session, scanned, chosen)
    for (const each of others) await each.addScans(scans.session, scanned)
  }
  const ofChart = totals.filter(({ total }) => margins.includes(total.margin))
  return { totals, chart: makeChartData(ofChart, chosen, collector, charted, options) }
}

/**
 * The JSON of the groups that are shown by themselves, in their order: all or, if they are more than `most`, the largest, which
 * leave a place for all others. Of equal ones the first is larger.
 */
export function chooseGroups(groups: readonly Group[], most: number): Set<string> {
  const indices = groups.map((_, index) => index)
  if (groups.length > most) {
    const counts = groups.map(({ total }) => total.count)
    indices.sort((a, b) => (counts[b] as number) - (counts[a] as number) || a - b)
    indices.length = most - 1
    indices.sort((a, b) => a - b)
  }
  return new Set(indices.map((index) => (groups[index] as Group).json))
}

function makeChartData(
  totals: readonly FileTotals[],
  chosen: ReadonlySet<string>,
  collector: HistogramCollector,
  scoring: Scoring,
  { title, ...viewOptions }: ChartOptions,
): ChartData {
  const ascending = [...totals].sort((one, other) => one.total.margin - other.total.margin)
  const { input, by, margins } = scoring
  const { groups = [] } = ascending[0] as FileTotals
  const panels =
    groups.length > 0
      ? makeGroupPanels(ascending, chosen, collector, scoring)
      : [{ totals: ascending.map(({ total }) => total), histogram: collector.getOrCreate('null') }]
  if (!panels.every(hasSameCounts)) throw fileChangedError()
  return {
    input: toPrintableLine(describeInput(input)),
    ...(by !== undefined && { by: toPrintableLine(by) }),
    ...(title !== undefined && { title: toPrintableLine(title) }),
    totals: ascending.map(({ total }) => total),
    panels,
    strips: chooseStrips(ascending),
    otherGroups: groups.length === 0 ? 0 : groups.length - chosen.size,
    view: chooseView(
      panels.map(({ histogram }) => histogram),
      margins,
      viewOptions,
    ),
  }
}

/** Some groups, each with its totals at each margin, and the totals of all others as one. */
export interface GatheredGroups {
  readonly own: readonly { readonly json: string; readonly key: string | null; readonly totals: LossAccumulator[] }[]
  /** absent if there are no others */
  readonly others?: { readonly count: number; readonly totals: readonly LossAccumulator[] }
}

/** Gathers the chosen groups, in their order, and adds up all others. */
export function gatherGroups(
  ascending: readonly FileTotals[],
  chosen: ReadonlySet<string>,
  scoring: Scoring,
): GatheredGroups {
  const { groups = [] } = ascending[0] as FileTotals
  const own = groups.flatMap(({ json, key }, index) => {
    const totals = ascending.map(({ groups }) => groups?.[index]?.total as LossAccumulator)
    return chosen.has(json) ? [{ json, key, totals }] : []
  })
  if (chosen.size === groups.length) return { own }
  const rest = ascending.map(({ groups = [] }) => groups.filter(({ json }) => !chosen.has(json)))
  const totals = sumGroups(rest, { ...scoring, margins: ascending.map(({ total }) => total.margin) })
  return { own, others: { count: groups.length - chosen.size, totals: totals.map(({ total }) => total) } }
}

/** A panel for each chosen group, and one for all others. */
function makeGroupPanels(
  ascending: readonly FileTotals[],
  chosen: ReadonlySet<string>,
  collector: HistogramCollector,
  scoring: Scoring,
): Panel[] {
  const { own, others } = gatherGroups(ascending, chosen, scoring)
  const panels = own.map(({ json, key, totals }): Panel => {
    return { name: escapeInvisible(nameValue(key)), totals, histogram: collector.getOrCreate(json) }
  })
  if (others === undefined) return panels
  const name = `the other ${formatCount(others.count)}`
  return [...panels, { name, totals: others.totals, histogram: collector.mergeOthers(chosen) }]
}

/** The distances of both classes and, where there are several margins, what is drawn over them. */
function chooseStrips(totals: readonly FileTotals[]): StripName[] {
  return [...classNames, ...(totals.length === 1 ? [] : marginStrips)]
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

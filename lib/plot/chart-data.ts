import { ChunkTotals, type ScoredChunk, scoreChunks } from '../files/chunk-totals.ts'
import type { Session } from '../files/duckdb/session.ts'
import { fileChangedError, type ScanTotals, scoreScans } from '../files/duckdb/totals.ts'
import type { Inputs } from '../files/open.ts'
import { assertOneSide, type Group, type Scoring } from '../files/options.ts'
import { describeInput } from '../files/pair.ts'
import { type FileTotals, sumGroups } from '../files/totals.ts'
import type { LossAccumulator } from '../index.ts'
import { HistogramCollector } from './collector.ts'
import type { Histogram, View } from './histogram.ts'
import { mostPanels } from './look.ts'
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
  /** for each margin, in ascending order */
  readonly totals: readonly LossAccumulator[]
  readonly panels: readonly Panel[]
  /** of each panel, from top to bottom */
  readonly strips: readonly StripName[]
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
 * @param margins those of the picture, if they are not all
 * @param others collect something else of each row
 * @throws as `scoreFiles` does
 * @throws {RangeError} ERR_INVALID_ARG_VALUE, with `option`: there are too many groups
 */
export async function collectChartData(
  inputs: Inputs,
  scoring: Scoring,
  margins: readonly number[] = scoring.margins,
  others: readonly RowCollector[] = [],
): Promise<{ totals: FileTotals[]; chart: ChartData }> {
  const { scans, arraySources, signal } = inputs
  if (scans && arraySources.length > 0) assertOneSide(scoring)
  const chunkTotals = new ChunkTotals(scoring)
  const charted = { ...scoring, margins }
  const collector = new HistogramCollector(charted, mostPanels)
  const collectors = [collector, ...others]
  for await (const chunk of scoreChunks(inputs, chunkTotals)) {
    for (const each of collectors) each.addChunk(chunk)
  }
  const groups: Group[][] = chunkTotals.groups
  if (scans) {
    const scanned = await scoreScans(scans.session, scans.list, scoring, signal)
    for (const [index, table] of scanned.groups.entries()) {
      for await (const batch of table.readGroups()) {
        for (const { json } of batch) collector.getOrCreate(json)
        groups[index]?.push(...batch)
      }
    }
    for (const each of collectors) await each.addScans(scans.session, scanned)
  }
  const totals = sumGroups(groups, scoring)
  const ofChart = totals.filter(({ total }) => margins.includes(total.margin))
  return { totals, chart: makeChartData(ofChart, collector, charted) }
}

/** A panel for each group; without `by`, or without groups, one for all rows. */
function makeChartData(given: readonly FileTotals[], collector: HistogramCollector, scoring: Scoring): ChartData {
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
  return { ...expressions, totals, panels, strips: chooseStrips(totals), view }
}

/** The distances of both classes and, where there are several margins, what is drawn over them. */
function chooseStrips(totals: readonly LossAccumulator[]): StripName[] {
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

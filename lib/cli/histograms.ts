import { Histogram, leastExponent, octaveBits, strata } from './histogram.ts'
import type { Scan } from './scans.ts'
import type { Session } from './session.ts'
import { type Group, jsonOf, type Options, pairs, type Typed, typedOf } from './totals.ts'

/** The histogram of each group, in one pass over the files. */
export async function histogramsOf(
  session: Session,
  scans: readonly Scan[],
  options: Options,
  groups: readonly Group[],
): Promise<Histogram[]> {
  const typed = await typedOf(session, scans, options)
  const rows = typed.length === 0 ? [] : await session.rows(query(typed, options))
  const histograms = new Map<string, Histogram>()
  for (const [key, stratum, edge, count] of rows) {
    const by = jsonOf(key)
    const histogram = histograms.get(by) ?? new Histogram()
    histograms.set(by, histogram)
    histogram.add(strata[Number(stratum)] ?? 'other', Number(edge), Number(count))
  }
  const found = groups.map(({ by }) => histograms.get(by) ?? new Histogram())
  if (!groups.every((group, i) => agree(group, found[i] as Histogram))) {
    throw new Error('a file changed while it was read')
  }
  return found
}

function agree({ total: { positives, negatives, others } }: Group, histogram: Histogram): boolean {
  return (
    histogram.count('positive') === positives.count &&
    histogram.count('active') === negatives.active &&
    histogram.count('active', 'inactive') === negatives.count &&
    histogram.count('other') === others
  )
}

/** Rows of [by as JSON, place of the stratum, lower edge of the fine bin, number of rows]. */
function query(typed: readonly Typed[], options: Options): string {
  const counts = typed.map(
    ({ scan, x, y, isFloat }) => `SELECT key, ${stratum(options, isFloat)} AS stratum,
      CASE WHEN isfinite(x) THEN floor(x / width) * width ELSE x END AS edge, count(*) AS rows
      FROM (SELECT *, 2::DOUBLE ** (floor(log2(greatest(abs(x), 2::DOUBLE ** ${leastExponent}))) - ${octaveBits}) AS width
        FROM (SELECT key, CAST(${x} AS DOUBLE) AS x, ${y} AS y FROM ${pairs(scan, options)}))
      GROUP BY ALL`,
  )
  return `SELECT to_json(key), stratum, edge, CAST(sum(rows) AS DOUBLE)
    FROM (${counts.join(' UNION ALL ')}) GROUP BY key, stratum, edge`
}

function stratum({ margin, positiveLabel, negativeLabel }: Options, isFloat: boolean): string {
  const conditions = {
    null: 'x IS NULL OR y IS NULL',
    positive: `y = ${positiveLabel}`,
    other: `y <> ${negativeLabel}`,
    active: `x < '${isFloat ? Math.fround(margin) : margin}'::DOUBLE`,
    inactive: 'TRUE',
  }
  const whens = Object.entries(conditions).map(
    ([name, condition]) => `WHEN ${condition} THEN ${strata.indexOf(name as never)}`,
  )
  return `CASE ${whens.join(' ')} END`
}

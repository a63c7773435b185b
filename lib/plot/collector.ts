import { castKey, keyAsJson } from '../files/duckdb/group-keys.ts'
import type { GroupTable } from '../files/duckdb/group-table.ts'
import type { Session } from '../files/duckdb/session.ts'
import { quoteText } from '../files/duckdb/sql.ts'
import type { ScanTotals } from '../files/duckdb/totals.ts'
import { selectInputs, type TypedScan } from '../files/duckdb/typed-scans.ts'
import type { Scoring } from '../files/options.ts'
import type { Chunk } from '../files/readers/chunks.ts'
import { Histogram, octaveBits } from './histogram.ts'
import { classifyInSQL, makeClassifier, type Stratum, strata } from './strata.ts'

/** Collects one histogram for each value of `by`, from chunks in memory and from the files that DuckDB reads. */
export class HistogramCollector {
  readonly #scoring: Scoring
  /** by the key of the group as JSON */
  readonly #histograms = new Map<string, Histogram>()

  constructor(scoring: Scoring) {
    this.#scoring = scoring
  }

  /** The histogram of a group, by its key as JSON; a new one at its first call. */
  getOrCreate(json: string): Histogram {
    const known = this.#histograms.get(json)
    if (known !== undefined) return known
    const histogram = new Histogram()
    this.#histograms.set(json, histogram)
    return histogram
  }

  /** The histogram of all groups but these. */
  mergeOthers(groups: ReadonlySet<string>): Histogram {
    const merged = new Histogram()
    for (const [json, histogram] of this.#histograms) if (!groups.has(json)) merged.merge(histogram)
    return merged
  }

  addChunk({ input, label, missing, keyAt }: Chunk): void {
    const classify = makeClassifier(this.#scoring, input instanceof Float32Array ? 'float32' : 'float64')
    const all = keyAt ? undefined : this.getOrCreate('null')
    for (let i = 0; i < input.length; i++) {
      const x = input[i] as number
      const histogram = all ?? this.getOrCreate((keyAt as (row: number) => { json: string })(i).json)
      histogram.add(classify(x, Number(label[i]), missing?.[i]), x)
    }
  }

  /** Adds files that DuckDB reads; all groups but these become one. */
  async addScans(
    session: Session,
    { groups: [table], typed, rows }: ScanTotals,
    groups: ReadonlySet<string>,
  ): Promise<void> {
    const { keyType } = table as GroupTable
    for (const [step, scan] of typed.entries()) {
      session.pass = { doing: 'counting distances', rows, step, steps: typed.length }
      for (const [key, stratum, edge, count] of await session.readRows(
        binsQuery(scan, keyType, groups, this.#scoring),
      )) {
        this.getOrCreate(String(key)).add(strata[Number(stratum)] as Stratum, Number(edge), Number(count))
      }
    }
  }
}

/** The least number that is not subnormal. Smaller |x| share the width of its bins. */
const leastNormal = '2::DOUBLE ** -1022'

/**
 * A query for rows of [key as JSON, or empty for other groups, index of the stratum, lower edge of a fine bin, number of rows]. A positive x
 * that would share the bin of 0 is in the next. Next to a power of two log2 may be one off, and a fine bin twice or half as wide. No view
 * has bins so narrow, so no count changes.
 */
function binsQuery(typed: TypedScan, keyType: string, groups: ReadonlySet<string>, scoring: Scoring): string {
  const { x, y, types } = typed
  const dtype = types.input === 'FLOAT' ? 'float32' : 'float64'
  const listed = `[${Array.from(groups, quoteText).join(', ')}]::VARCHAR[]`
  return `SELECT CASE WHEN list_contains(${listed}, json) THEN json ELSE '' END AS shown, stratum, edge, sum(rows) FROM (
    SELECT ${keyAsJson(keyType)} AS json, stratum, edge, rows FROM (
      SELECT ${scoring.by === undefined ? 'NULL' : castKey(keyType)} AS key, ${classifyInSQL(scoring, dtype)} AS stratum,
        CASE WHEN NOT isfinite(x) THEN x
          WHEN x > 0 THEN greatest(floor(x / width), 1) * width ELSE floor(x / width) * width END AS edge, count(*) AS rows
        FROM (SELECT *, 2::DOUBLE ** (floor(log2(greatest(abs(x), ${leastNormal}))) - ${octaveBits}) AS width
          FROM (SELECT key, CAST(${x} AS DOUBLE) AS x, ${y} AS y FROM ${selectInputs(typed, scoring)}))
        GROUP BY ALL))
    GROUP BY ALL`
}

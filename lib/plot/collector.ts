import { castKey, keyAsJson } from '../files/duckdb/group-keys.ts'
import type { GroupTable } from '../files/duckdb/group-table.ts'
import type { Session } from '../files/duckdb/session.ts'
import type { ScanTotals } from '../files/duckdb/totals.ts'
import { selectInputs, type TypedScan } from '../files/duckdb/typed-scans.ts'
import { given, message, optionError } from '../files/errors.ts'
import type { Scoring } from '../files/options.ts'
import type { Chunk } from '../files/readers/chunks.ts'
import { Histogram, octaveBits } from './histogram.ts'
import { classifyInSQL, makeClassifier, type Stratum, strata } from './strata.ts'

/** Collects one histogram for each value of `by`, from chunks in memory and from the files that DuckDB reads. */
export class HistogramCollector {
  readonly #scoring: Scoring
  readonly #mostGroups: number
  readonly #histograms = new Map<string, Histogram>()

  constructor(scoring: Scoring, mostGroups: number) {
    this.#scoring = scoring
    this.#mostGroups = mostGroups
  }

  /**
   * The histogram of a group, by its key as JSON; a new one at its first call.
   *
   * @throws {RangeError} ERR_INVALID_ARG_VALUE, with `option`: there are too many groups
   */
  getOrCreate(json: string): Histogram {
    const known = this.#histograms.get(json)
    if (known !== undefined) return known
    if (this.#histograms.size === this.#mostGroups) {
      const expected = `must have at most ${this.#mostGroups} values, to fit in one picture`
      throw optionError('by', message`${given('by', this.#scoring.by ?? '')} ${expected}`)
    }
    const histogram = new Histogram()
    this.#histograms.set(json, histogram)
    return histogram
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

  async addScans(session: Session, { groups, typed, rows }: ScanTotals): Promise<void> {
    const [{ keyType }] = groups as [GroupTable]
    for (const [step, scan] of typed.entries()) {
      session.pass = { doing: 'counting distances', rows, step, steps: typed.length }
      for (const [key, stratum, edge, count] of await session.readRows(binsQuery(scan, keyType, this.#scoring))) {
        this.getOrCreate(String(key)).add(strata[Number(stratum)] as Stratum, Number(edge), Number(count))
      }
    }
  }
}

/** Smaller |x| share the bins of this number, so that the width of a bin is never subnormal. */
const leastBinned = '2::DOUBLE ** -1000'

/**
 * A query for rows of [key as JSON, index of the stratum, lower edge of a fine bin, number of rows]. Next to a power of two log2 may be one
 * off, and a fine bin twice or half as wide. Bins of a view are at least twice as wide as fine bins, so no count changes.
 */
function binsQuery(typed: TypedScan, keyType: string, scoring: Scoring): string {
  const { x, y, types } = typed
  const dtype = types.input === 'FLOAT' ? 'float32' : 'float64'
  return `SELECT ${keyAsJson(keyType)}, stratum, edge, rows FROM (
    SELECT ${scoring.by === undefined ? 'NULL' : castKey(keyType)} AS key, ${classifyInSQL(scoring, dtype)} AS stratum,
      CASE WHEN isfinite(x) THEN floor(x / width) * width ELSE x END AS edge, count(*) AS rows
      FROM (SELECT *, 2::DOUBLE ** (floor(log2(greatest(abs(x), ${leastBinned}))) - ${octaveBits}) AS width
        FROM (SELECT key, CAST(${x} AS DOUBLE) AS x, ${y} AS y FROM ${selectInputs(typed, scoring)}))
      GROUP BY ALL)`
}

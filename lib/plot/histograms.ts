import { castKey, keyAsJson, normalizeJson } from '../files/duckdb/partials-by-key.ts'
import type { Session } from '../files/duckdb/session.ts'
import { type ScanTotals, selectPairs, type TypedScan } from '../files/duckdb/totals.ts'
import { given, message, optionError } from '../files/errors.ts'
import type { Scoring } from '../files/options.ts'
import { NullIn, type Piece } from '../files/readers/chunks.ts'
import type { LossAccumulator } from '../index.ts'
import { Histogram, octaveBits, type Stratum, strata } from './histogram.ts'

/** A histogram for each value of `by`, as JSON. */
export class Histograms {
  readonly #options: Scoring
  readonly #most: number
  readonly #found = new Map<string, Histogram>()

  constructor(options: Scoring, most: number) {
    this.#options = options
    this.#most = most
  }

  of(by: string): Histogram {
    const found = this.#found.get(by)
    if (found !== undefined) return found
    if (this.#found.size === this.#most) {
      const expected = `must have at most ${this.#most} values, to fit in one picture`
      throw optionError('by', message`${given('by', this.#options.by ?? '')} ${expected}`)
    }
    const histogram = new Histogram()
    this.#found.set(by, histogram)
    return histogram
  }

  /** Rows that we read ourselves. */
  add({ input, label, nulls, keyOf }: Piece): void {
    const { positiveLabel, negativeLabel, margin } = this.#options
    const limit = input instanceof Float32Array ? Math.fround(margin) : margin
    const stratumOf = (x: number, y: number): Stratum => {
      if (y === positiveLabel) return 'positive'
      if (y !== negativeLabel) return 'other'
      return x < limit ? 'active' : 'inactive'
    }
    const all = keyOf ? undefined : this.of('null')
    for (let i = 0; i < input.length; i++) {
      const x = input[i] as number
      const stratum = leftOut(nulls?.[i]) ?? stratumOf(x, Number(label[i]))
      const histogram = all ?? this.of((keyOf as (row: number) => { json: string })(i).json)
      histogram.add(stratum, x)
    }
  }

  /** The rows that DuckDB reads, of which the totals are found. */
  async addScans(session: Session, { groups, typed, keyType, rows }: ScanTotals): Promise<void> {
    for (const { json } of groups) this.of(json)
    for (const [step, scan] of typed.entries()) {
      session.pass = { doing: 'counting distances', rows, step, steps: typed.length }
      for (const [key, stratum, edge, rows] of await session.readRows(query(scan, keyType, this.#options))) {
        this.of(normalizeJson(key)).add(strata[Number(stratum)] as Stratum, Number(edge), Number(rows))
      }
    }
  }
}

function leftOut(code: number = NullIn.neither): Stratum | undefined {
  if (code === NullIn.neither) return undefined
  return code === NullIn.nan ? 'nan' : 'null'
}

/** Whether both are of the same rows. */
export function agree({ positives, negatives, others }: LossAccumulator, histogram: Histogram): boolean {
  return (
    histogram.count('positive') === positives.count &&
    histogram.count('active') === negatives.active &&
    histogram.count('active', 'inactive') === negatives.count &&
    histogram.count('other') === others
  )
}

/** |x| below it is divided as if it were there, so that no width is a subnormal number. */
const least = '2::DOUBLE ** -1000'

/**
 * Rows of [by as JSON, place of the stratum, a lower edge, number of rows]. Where log2 comes out one off beside a power of two,
 * a bin is twice as wide or two are one: no harm, as bins in a view are at least that wide.
 */
function query({ scan, x, y, types }: TypedScan, keyType: string, options: Scoring): string {
  return `SELECT ${keyAsJson}, stratum, edge, rows FROM (
    SELECT ${options.by === undefined ? 'NULL' : castKey(keyType)} AS key, ${stratumIn(options, types.input === 'FLOAT')} AS stratum,
      CASE WHEN isfinite(x) THEN floor(x / width) * width ELSE x END AS edge, count(*) AS rows
      FROM (SELECT *, 2::DOUBLE ** (floor(log2(greatest(abs(x), ${least}))) - ${octaveBits}) AS width
        FROM (SELECT key, CAST(${x} AS DOUBLE) AS x, ${y} AS y FROM ${selectPairs(scan, options)}))
      GROUP BY ALL)`
}

/** The first condition that holds says which it is. */
function stratumIn({ margin, positiveLabel, negativeLabel, nan }: Scoring, isFloat: boolean): string {
  const conditions: Readonly<Partial<Record<Stratum, string>>> = {
    null: 'x IS NULL OR y IS NULL',
    nan: nan === 'ignore' ? 'isnan(x)' : 'FALSE',
    positive: `y = ${positiveLabel}`,
    other: `y <> ${negativeLabel}`,
    active: `x < '${isFloat ? Math.fround(margin) : margin}'::DOUBLE`,
  }
  const whens = Object.entries(conditions).map(
    ([stratum, condition]) => `WHEN ${condition} THEN ${strata.indexOf(stratum as Stratum)}`,
  )
  return `CASE ${whens.join(' ')} ELSE ${strata.indexOf('inactive')} END`
}

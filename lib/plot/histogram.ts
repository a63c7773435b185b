import { type Stratum, strata } from './strata.ts'

/** The part of the axis that is shown: `low` and `high` are multiples of `width`, which is a power of two. */
export interface View {
  readonly low: number
  readonly high: number
  /** the width of a bin of the picture */
  readonly width: number
}

/** Numbers of distances that a view does not show. */
interface HiddenCounts {
  readonly below: number
  readonly above: number
  readonly infinite: number
  readonly nan: number
}

/**
 * A fine bin holds the doubles that share their upper 22 bits: the sign, the exponent and so many bits of the mantissa. These bits
 * are its number. So no range need be known beforehand: x with 2^e ≤ |x| < 2^(e + 1) is in a bin of width 2^(e − octaveBits),
 * whose lower edge, floor(x / width) · width, is exact.
 */
export const octaveBits = 10
const binsPerOctave = 2 ** octaveBits

/** A fine bin by its lower edge; NaN and the infinities have bins of their own. */
type Bin = readonly [edge: number, rows: number]
export type Bins = readonly Bin[]

/** Counts the rows of each stratum by their distance, exactly, in fine bins. */
export class Histogram {
  /** the rows of each bin, by stratum and octave */
  readonly #rows = strata.map((): (Float64Array | undefined)[] => [])

  /** Adds rows to the fine bin of x. */
  add(stratum: Stratum, x: number, rows = 1): void {
    const octaves = this.#rows[strata.indexOf(stratum)] as (Float64Array | undefined)[]
    const bin = binOf(x)
    const octave = Math.floor(bin / binsPerOctave)
    const bins = octaves[octave] ?? new Float64Array(binsPerOctave)
    octaves[octave] = bins
    bins[bin % binsPerOctave] = (bins[bin % binsPerOctave] as number) + rows
  }

  /** The number of rows in some strata, drawn or not. */
  count(...some: readonly Stratum[]): number {
    return this.#bins(some).reduce((sum, [, rows]) => sum + rows, 0)
  }

  /** The number of rows in each bin of the view, exact because no fine bin lies in two of them. */
  countByBin(some: readonly Stratum[], { low, high, width }: View): number[] {
    const counts = new Array<number>((high - low) / width).fill(0)
    for (const [edge, rows] of this.#bins(some)) {
      // A negative edge so small that the division rounds it to 0 is still below 0.
      const place = edge < 0 ? Math.min(edge / width, -Number.MIN_VALUE) : edge / width
      const bin = Math.floor(place) - low / width
      if (bin in counts) counts[bin] = (counts[bin] ?? 0) + rows
    }
    return counts
  }

  /** The numbers of rows that the view does not show. */
  countHidden(some: readonly Stratum[], { low, high }: View): HiddenCounts {
    const hidden = { below: 0, above: 0, infinite: 0, nan: 0 }
    for (const [edge, rows] of this.#bins(some)) {
      if (Number.isNaN(edge)) hidden.nan += rows
      else if (!Number.isFinite(edge)) hidden.infinite += rows
      else if (edge < low) hidden.below += rows
      else if (edge >= high) hidden.above += rows
    }
    return hidden
  }

  /** The bins of some strata with finite edges, in ascending order. */
  finiteBins(some: readonly Stratum[]): Bins {
    return this.#bins(some)
      .filter(([edge]) => Number.isFinite(edge))
      .sort(([a], [b]) => a - b)
  }

  #bins(some: readonly Stratum[]): Bin[] {
    return some.flatMap((stratum) =>
      Object.entries(this.#rows[strata.indexOf(stratum)] as object).flatMap(([octave, bins]: [string, Float64Array]) =>
        Array.from(bins, (rows, i): Bin => [edgeOf(Number(octave) * binsPerOctave + i), rows]).filter(
          ([, rows]) => rows > 0,
        ),
      ),
    )
  }
}

const double = new DataView(new ArrayBuffer(8))
const lowerBits = 20 - octaveBits

/** The number of the fine bin of x. Truncation rounds towards 0, so a negative x inside a bin is in the next one. */
function binOf(x: number): number {
  double.setFloat64(0, Number.isNaN(x) ? Number.NaN : x + 0)
  const upper = double.getUint32(0)
  const isBetween = (upper & (2 ** lowerBits - 1)) !== 0 || double.getUint32(4) !== 0
  return (upper >>> lowerBits) + Number(x < 0 && isBetween)
}

/** The lower edge of the fine bin with this number. */
function edgeOf(bin: number): number {
  double.setBigUint64(0, 0n)
  double.setUint32(0, bin * 2 ** lowerBits)
  return double.getFloat64(0)
}

/** The width of the fine bin of x. Where x is subnormal, doubles lie further apart: that of the least normal number. */
export function fineWidth(x: number): number {
  return 2 ** (Math.max(-1022, Math.floor(Math.log2(Math.abs(x)))) - octaveBits)
}

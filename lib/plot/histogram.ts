import { type Stratum, strata } from './strata.ts'

export type Range = readonly [low: number, high: number]

/** The part of the axis that is shown, in bins of one width. */
export interface View {
  /** the edges of the bins, ascending: a bin holds the distances from its edge up to the next. No fine bin lies in two bins */
  readonly edges: readonly number[]
  /** the first edge */
  readonly low: number
  /** the last edge */
  readonly high: number
  /** the width of a bin, a power of two; on a logarithmic axis the octaves of a bin: 1/4 is four bins to a doubling */
  readonly width: number
  readonly isLog: boolean
}

export function isInView(x: number, { low, high }: View): boolean {
  return x >= low && x <= high
}

/** Numbers of distances that a view does not show. */
interface HiddenCounts {
  /** 0 or less, for which a logarithmic axis has no place */
  readonly notPositive: number
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

/** A fine bin by its lower edge; NaN and the infinities have bins of their own. */
type Bin = readonly [edge: number, rows: number]
export type Bins = readonly Bin[]

/** Counts the rows of each stratum by their distance, exactly, in fine bins. */
export class Histogram {
  /** by stratum the rows of each bin, by its number: groups may be many, and have few rows each */
  readonly #rows = strata.map(() => new Map<number, number>())

  /** Adds rows to the fine bin of x. */
  add(stratum: Stratum, x: number, rows = 1): void {
    this.#add(strata.indexOf(stratum), binOf(x), rows)
  }

  /** Adds the rows of another histogram. */
  merge(other: Histogram): void {
    for (const [index, bins] of other.#rows.entries()) {
      for (const [bin, rows] of bins) this.#add(index, bin, rows)
    }
  }

  /** The number of rows in some strata, drawn or not. */
  count(...some: readonly Stratum[]): number {
    return this.#bins(some).reduce((sum, [, rows]) => sum + rows, 0)
  }

  /** The number of rows in each bin of the view, exact because no fine bin lies in two of them. */
  countByBin(some: readonly Stratum[], { edges }: View): number[] {
    const counts = new Array<number>(edges.length - 1).fill(0)
    for (const [edge, rows] of this.#bins(some)) {
      const bin = findBin(edges, edge)
      if (bin in counts) counts[bin] = (counts[bin] as number) + rows
    }
    return counts
  }

  /** The numbers of rows that the view does not show. */
  countHidden(some: readonly Stratum[], { low, high, isLog }: View): HiddenCounts {
    const hidden = { notPositive: 0, below: 0, above: 0, infinite: 0, nan: 0 }
    for (const [edge, rows] of this.#bins(some)) {
      if (Number.isNaN(edge)) hidden.nan += rows
      else if (!Number.isFinite(edge)) hidden.infinite += rows
      else if (isLog && edge <= 0) hidden.notPositive += rows
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

  #add(index: number, bin: number, rows: number): void {
    const bins = this.#rows[index] as Map<number, number>
    bins.set(bin, (bins.get(bin) ?? 0) + rows)
  }

  #bins(some: readonly Stratum[]): Bin[] {
    return some.flatMap((stratum) => {
      const bins = this.#rows[strata.indexOf(stratum)] as Map<number, number>
      return Array.from(bins, ([bin, rows]): Bin => [edgeOf(bin), rows])
    })
  }
}

/** The index of the bin that holds x, by ascending edges; -1 below them, and that of the last edge above them or for NaN. */
function findBin(edges: readonly number[], x: number): number {
  let [low, high] = [0, edges.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((edges[middle] as number) > x) high = middle
    else low = middle + 1
  }
  return low - 1
}

const double = new DataView(new ArrayBuffer(8))
const lowerBits = 20 - octaveBits

/**
 * The number of the fine bin of x. Truncation rounds towards 0, so a negative x inside a bin is in the next one. So is a
 * positive one that would share the bin of 0: the edge 0 is of zeros alone, and no view has these bins apart.
 */
function binOf(x: number): number {
  double.setFloat64(0, Number.isNaN(x) ? Number.NaN : x + 0)
  const upper = double.getUint32(0)
  const isBetween = (upper & (2 ** lowerBits - 1)) !== 0 || double.getUint32(4) !== 0
  const bin = upper >>> lowerBits
  return bin + Number(isBetween && (x < 0 || bin === 0))
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

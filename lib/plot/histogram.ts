/** What a row is to the loss: a negative is active where its distance is less than the margin; the last three are not drawn. */
export const strata = ['positive', 'active', 'inactive', 'other', 'null', 'nan'] as const
export type Stratum = (typeof strata)[number]

/** The part of the axis that is shown: `low` and `high` are multiples of `width`, which is a power of two. */
export interface View {
  readonly low: number
  readonly high: number
  /** of a bin */
  readonly width: number
}

/** How many distances a view does not show. */
export interface Unseen {
  readonly below: number
  readonly above: number
  readonly infinite: number
  readonly nan: number
}

/**
 * Fine bins, whose range need not be known beforehand: x with 2^e ≤ |x| < 2^(e + 1) is in that one of width 2^(e − octaveBits)
 * whose lower edge, floor(x / width) · width, is exact. It is as many doubles as have the upper bits in common, and the number
 * that these bits are is the bin's.
 */
export const octaveBits = 10
const binsPerOctave = 2 ** octaveBits

const mostBins = 96
/** Numbers beyond it are too large to draw: to compute with them would overflow. */
const furthest = 2 ** 1000
const drawn = ['positive', 'active', 'inactive'] as const
const classes = [['positive'], ['active', 'inactive']] as const

/** How many rows have which distance: exact, up to the width of its fine bins. NaN and infinities have bins of their own. */
export class Histogram {
  /** By the stratum and the octave: rows of its bins. */
  readonly #rows = strata.map((): (Float64Array | undefined)[] => [])

  /** Rows of the bin that x is in. */
  add(stratum: Stratum, x: number, rows = 1): void {
    const octaves = this.#rows[strata.indexOf(stratum)] as (Float64Array | undefined)[]
    const bin = binOf(x)
    const octave = Math.floor(bin / binsPerOctave)
    const bins = octaves[octave] ?? new Float64Array(binsPerOctave)
    octaves[octave] = bins
    bins[bin % binsPerOctave] = (bins[bin % binsPerOctave] as number) + rows
  }

  count(...of: readonly Stratum[]): number {
    return this.#bins(of).reduce((sum, [, rows]) => sum + rows, 0)
  }

  /** The rows in each bin of the view: exact too, as no fine bin lies in two of them. */
  shown(stratum: Stratum, { low, high, width }: View): number[] {
    const shown = new Array<number>((high - low) / width).fill(0)
    for (const [edge, rows] of this.#bins([stratum])) {
      const place = edge < 0 ? Math.min(edge / width, -Number.MIN_VALUE) : edge / width
      const bin = Math.floor(place) - low / width
      if (bin in shown) shown[bin] = (shown[bin] ?? 0) + rows
    }
    return shown
  }

  unseen(of: readonly Stratum[], { low, high }: View): Unseen {
    const unseen = { below: 0, above: 0, infinite: 0, nan: 0 }
    for (const [edge, rows] of this.#bins(of)) {
      if (Number.isNaN(edge)) unseen.nan += rows
      else if (!Number.isFinite(edge)) unseen.infinite += rows
      else if (edge < low) unseen.below += rows
      else if (edge >= high) unseen.above += rows
    }
    return unseen
  }

  /** The finite bins of some strata, in their order. */
  finite(of: readonly Stratum[]): Bins {
    return this.#bins(of)
      .filter(([edge]) => Number.isFinite(edge))
      .sort(([a], [b]) => a - b)
  }

  #bins(of: readonly Stratum[]): Bins {
    return of.flatMap((stratum) =>
      Object.entries(this.#rows[strata.indexOf(stratum)] as object).flatMap(([octave, bins]: [string, Float64Array]) =>
        Array.from(bins, (rows, i): Bin => [edgeOf(Number(octave) * binsPerOctave + i), rows]).filter(
          ([, rows]) => rows > 0,
        ),
      ),
    )
  }
}

type Bin = [edge: number, rows: number]
type Bins = Bin[]

const double = new DataView(new ArrayBuffer(8))
const lowerBits = 20 - octaveBits

/** A double's upper bits; a negative one that has others too is rounded down, to those of the next. */
function binOf(x: number): number {
  double.setFloat64(0, Number.isNaN(x) ? Number.NaN : x + 0)
  const upper = double.getUint32(0)
  const isBetween = (upper & (2 ** lowerBits - 1)) !== 0 || double.getUint32(4) !== 0
  return (upper >>> lowerBits) + Number(x < 0 && isBetween)
}

/** The lower edge of a bin. */
function edgeOf(bin: number): number {
  double.setBigUint64(0, 0n)
  double.setUint32(0, bin * 2 ** lowerBits)
  return double.getFloat64(0)
}

/** One view for all, which has the margin in it, and all distances but those so far out that the others would be squashed. */
export function viewOf(histograms: readonly Histogram[], margin: number): View {
  const within = (parts: readonly Range[]) => extent([...parts, [margin, margin]])
  const all = within(histograms.flatMap((histogram) => range(histogram.finite(drawn))))
  const most = within(histograms.flatMap((histogram) => classes.flatMap((of) => range(bulk(histogram.finite(of))))))
  const [low, high] = roomy(spanOf(all) <= 1.5 * spanOf(most) ? all : most, margin)
  const finest = 2 * fineWidth(Math.max(Math.abs(low), Math.abs(high)))
  const width = 2 ** Math.ceil(Math.log2(Math.max(spanOf([low, high]) / mostBins, finest)))
  return { low: Math.floor(low / width) * width, high: Math.ceil(high / width) * width, width }
}

type Range = readonly [low: number, high: number]

function range(bins: Bins): Range[] {
  const [first, last] = [bins[0], bins.at(-1)]
  return first && last ? [[first[0], last[0] + fineWidth(last[0])]] : []
}

/** Without what is further from the middle nine tenths than three times their width. */
function bulk(bins: Bins): Bins {
  const [low, high] = [quantile(bins, 0.05), quantile(bins, 0.95)]
  if (low === high) return bins.filter(([edge]) => edge >= quantile(bins, 0.001) && edge <= quantile(bins, 0.999))
  const reach = 3 * (high - low)
  return bins.filter(([edge]) => edge >= low - reach && edge <= high + reach)
}

function quantile(bins: Bins, share: number): number {
  const rank = share * bins.reduce((sum, [, rows]) => sum + rows, 0)
  let before = 0
  for (const [edge, rows] of bins) {
    before += rows
    if (before >= rank) return edge
  }
  return Number.NaN
}

function extent(parts: readonly Range[]): Range {
  const clamp = (x: number) => Math.min(Math.max(x, -furthest), furthest)
  return [clamp(Math.min(...parts.map(([low]) => low))), clamp(Math.max(...parts.map(([, high]) => high)))]
}

function spanOf([low, high]: Range): number {
  return high - low
}

/** With room around a margin at its end, and from 0 on where that is near. */
function roomy([low, high]: Range, margin: number): Range {
  const span = high - low || Math.abs(low) || 1
  const room = high === low ? span : span / 20
  const isNearZero = (end: number) => Math.abs(end) <= 3 * span
  return [
    low >= 0 && isNearZero(low) ? 0 : low - (margin === low ? room : 0),
    high <= 0 && isNearZero(high) ? 0 : high + (margin === high ? room : 0),
  ]
}

/** Of the bin that x is in, or as much as those of subnormal numbers are apart. */
function fineWidth(x: number): number {
  return 2 ** (Math.max(-1022, Math.floor(Math.log2(Math.abs(x)))) - octaveBits)
}

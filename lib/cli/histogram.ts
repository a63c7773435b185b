/** What a row is to the loss: a negative is active where its distance is less than the margin; the last two are not drawn. */
export const strata = ['positive', 'active', 'inactive', 'other', 'null'] as const
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
 * whose edge, floor(x / width) · width, is exact. Should e come out one off beside a power of two, the bin is at most
 * twice as wide.
 */
export const octaveBits = 10
/** Below it, e stays as it is, so that no width is a subnormal number. */
export const leastExponent = -1000

const mostBins = 96
/** Numbers beyond it are too large to draw: to compute with them would overflow. */
const furthest = 2 ** 1000
const drawn = ['positive', 'active', 'inactive'] as const
const classes = [['positive'], ['active', 'inactive']] as const

/** How many rows have which distance: exact, up to the width of its fine bins. */
export class Histogram {
  readonly #rows = new Map(strata.map((stratum) => [stratum, new Map<number, number>()]))

  /** Rows of a bin with this lower edge; NaN and infinities have bins of their own. */
  add(stratum: Stratum, edge: number, rows: number): void {
    const bins = this.#bins(stratum)
    bins.set(edge, (bins.get(edge) ?? 0) + rows)
  }

  count(...of: readonly Stratum[]): number {
    return of.flatMap((stratum) => [...this.#bins(stratum).values()]).reduce((sum, rows) => sum + rows, 0)
  }

  /** The rows in each bin of the view: exact too, as no fine bin lies in two of them. */
  shown(stratum: Stratum, { low, high, width }: View): number[] {
    const shown = new Array<number>((high - low) / width).fill(0)
    for (const [edge, rows] of this.#bins(stratum)) {
      const bin = Math.floor(edge / width) - low / width
      if (bin in shown) shown[bin] = (shown[bin] ?? 0) + rows
    }
    return shown
  }

  unseen(of: readonly Stratum[], { low, high }: View): Unseen {
    const unseen = { below: 0, above: 0, infinite: 0, nan: 0 }
    for (const [edge, rows] of of.flatMap((stratum) => [...this.#bins(stratum)])) {
      if (Number.isNaN(edge)) unseen.nan += rows
      else if (!Number.isFinite(edge)) unseen.infinite += rows
      else if (edge < low) unseen.below += rows
      else if (edge >= high) unseen.above += rows
    }
    return unseen
  }

  /** The finite bins of some strata, in their order. */
  finite(of: readonly Stratum[]): [edge: number, rows: number][] {
    const bins = of.flatMap((stratum) => [...this.#bins(stratum)])
    return bins.filter(([edge]) => Number.isFinite(edge)).sort(([a], [b]) => a - b)
  }

  #bins(stratum: Stratum): Map<number, number> {
    return this.#rows.get(stratum) as Map<number, number>
  }
}

/** The lower edge of the fine bin of a distance. */
export function edgeOf(x: number): number {
  if (!Number.isFinite(x)) return x
  const width = fineWidth(x)
  return Math.floor(x / width) * width
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
type Bins = readonly (readonly [edge: number, rows: number])[]

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

function fineWidth(x: number): number {
  const exponent = Math.max(leastExponent, Math.floor(Math.log2(Math.abs(x))))
  return 2 ** (exponent - octaveBits)
}

import { type Bins, fineWidth, type Histogram, type View } from './histogram.ts'
import { classStrata } from './strata.ts'

/** Bins of a picture, at most, before their edges are rounded. */
const mostBins = 96
/** Limits the view, so that no arithmetic on it overflows. */
const furthest = 2 ** 1000

type Range = readonly [low: number, high: number]

/** Chooses one view for all panels. It holds the margins and all distances but outliers that would squash the others. */
export function chooseView(histograms: readonly Histogram[], margins: readonly number[]): View {
  const unite = (ranges: readonly Range[]) =>
    uniteRanges([...ranges, ...margins.map((margin): Range => [margin, margin])])
  const classes = histograms.flatMap((histogram) =>
    Object.values(classStrata).map((strata) => histogram.finiteBins(strata)),
  )
  const all = unite(classes.flatMap(rangesOf))
  const most = unite(classes.map(dropOutliers).flatMap(rangesOf))
  const [low, high] = addRoom(lengthOf(all) <= 1.5 * lengthOf(most) ? all : most, margins)
  const finest = 2 * fineWidth(Math.max(Math.abs(low), Math.abs(high)))
  const width = 2 ** Math.ceil(Math.log2(Math.max(lengthOf([low, high]) / mostBins, finest)))
  return { low: Math.floor(low / width) * width, high: Math.ceil(high / width) * width, width }
}

/** The range of ascending bins; none for no bins. */
function rangesOf(bins: Bins): Range[] {
  const [first, last] = [bins[0], bins.at(-1)]
  return first && last ? [[first[0], last[0] + fineWidth(last[0])]] : []
}

/** Drops bins further from the middle nine tenths of the rows than three times the width of these. */
function dropOutliers(bins: Bins): Bins {
  const [low, high] = [quantileOf(bins, 0.05), quantileOf(bins, 0.95)]
  const isPoint = low === high
  const reach = 3 * (high - low)
  const least = isPoint ? quantileOf(bins, 0.001) : low - reach
  const most = isPoint ? quantileOf(bins, 0.999) : high + reach
  return bins.filter(([edge]) => edge >= least && edge <= most)
}

/** The edge of the first bin at which this share of the rows is reached; NaN for no bins. */
function quantileOf(bins: Bins, share: number): number {
  const rank = share * bins.reduce((sum, [, rows]) => sum + rows, 0)
  let before = 0
  for (const [edge, rows] of bins) {
    before += rows
    if (before >= rank) return edge
  }
  return Number.NaN
}

/** The range from the least end to the greatest. */
function uniteRanges(ranges: readonly Range[]): Range {
  const clamp = (x: number) => Math.min(Math.max(x, -furthest), furthest)
  return [clamp(Math.min(...ranges.map(([low]) => low))), clamp(Math.max(...ranges.map(([, high]) => high)))]
}

function lengthOf([low, high]: Range): number {
  return high - low
}

/** Extends a range to a 0 that is near, and beyond a margin at one of its ends. */
function addRoom([low, high]: Range, margins: readonly number[]): Range {
  const length = high - low || Math.abs(low) || 1
  const room = high === low ? length : length / 20
  const isNearZero = (end: number) => Math.abs(end) <= 3 * length
  return [
    low >= 0 && isNearZero(low) ? 0 : low - (margins.includes(low) ? room : 0),
    high <= 0 && isNearZero(high) ? 0 : high + (margins.includes(high) ? room : 0),
  ]
}

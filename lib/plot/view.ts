import { type Bins, fineWidth, type Histogram, octaveBits, type Range, type View } from './histogram.ts'
import type { ChartOptions } from './options.ts'
import { classStrata } from './strata.ts'

/** Bins of a picture by default: fewer show no shape, more are too narrow to see. */
const [fewestBins, mostBins] = [16, 96]
/** The view is so many interquartile ranges long at most, so that 8 of the narrowest bins show the middle half of the rows. */
const mostQuartileRanges = mostBins / 8
/** A margin is outside the view if the distances would get fewer bins than these beside it. */
const fewestOfDistances = 4
/** An axis by its positions, of which equal steps look alike. */
interface Axis {
  readonly isLog: boolean
  /** the position of a distance; NaN where the axis has no place for it */
  readonly toPosition: (x: number) => number
  /** how far from 0 a view reaches, so that no arithmetic on it overflows */
  readonly furthest: number
  /** the distance at an edge of bins, which is one of fine bins too */
  readonly toEdge: (position: number) => number
  /** the least width of bins within a range that parts no fine bin */
  readonly findLeastWidth: (range: Range) => number
}

const linearAxis: Axis = {
  isLog: false,
  toPosition: (x) => x,
  furthest: 2 ** 1000,
  toEdge: (position) => position,
  findLeastWidth: ([low, high]) => 2 * fineWidth(Math.max(Math.abs(low), Math.abs(high))),
}

const logAxis: Axis = {
  isLog: true,
  toPosition: (x) => (x > 0 ? Math.log2(x) : Number.NaN),
  furthest: 1000,
  // Rounded by less than a thousandth; the last edge that is finite stands for those beyond.
  toEdge: (position) => {
    const octave = Math.floor(position)
    if (octave > 1023) return 2 ** 1023 * (2 - 2 ** -octaveBits)
    return 2 ** (octave - octaveBits) * Math.round(2 ** (position - octave + octaveBits))
  },
  findLeastWidth: () => 2 ** (4 - octaveBits),
}

/** The rows of one class in one panel that have a place on the axis: ascending fine bins by the positions of their ends. */
type PlacedBins = readonly { readonly low: number; readonly high: number; readonly rows: number }[]

/**
 * Chooses one view for all panels, from the data alone. By default it holds all distances but outliers that would squash the
 * others, and the margins that would not.
 *
 * Bins are as wide as the rule of Freedman and Diaconis (1981) or, if that is less, of Sturges (1926) says for the rows in
 * the view: the rule that NumPy calls `auto`. The class of a panel that asks for the narrowest bins decides. The width is
 * then lessened to a power of two, and kept within what can be seen and what fine bins can tell apart. Bins of whole
 * numbers hold one at least.
 */
export function chooseView(
  histograms: readonly Histogram[],
  margins: readonly number[],
  { range, log = false, bins }: Omit<ChartOptions, 'title'> = {},
): View {
  const axis = log ? logAxis : linearAxis
  const classes = histograms.flatMap((histogram) => {
    return Object.values(classStrata).map((strata) => placeBins(histogram.finiteBins(strata), axis))
  })
  const places = margins.map((margin) => placeOn(axis, margin))
  const shown = range
    ? ([placeOn(axis, range[0]), placeOn(axis, range[1])] as const)
    : chooseRange(classes, places, axis)
  const inView = classes.map((placed) => placed.filter(({ low }) => low >= shown[0] && low < shown[1]))
  const least = Math.max(
    axis.findLeastWidth(shown),
    lengthOf(shown) / (bins ?? mostBins),
    !log && areWhole(inView.flat()) ? 1 : 0,
  )
  const wanted = bins === undefined ? Math.min(chooseWidth(inView), lengthOf(shown) / fewestBins) : 0
  let width = 2 ** Math.max(Math.ceil(Math.log2(least)), Math.floor(Math.log2(wanted)))
  while (bins !== undefined && alignRange(shown, width).count > bins) width *= 2
  const { first, count } = alignRange(shown, width)
  const edges = Array.from({ length: count + 1 }, (_, i) => axis.toEdge((first + i) * width))
  return { edges, low: edges[0] as number, high: edges[count] as number, width, isLog: log }
}

/**
 * True if one bin of a linear axis has more than half of a class, in one panel, whose quartiles are far apart: a logarithmic
 * axis would show them.
 */
export function isSquashed(histograms: readonly Histogram[], view: View): boolean {
  if (view.isLog) return false
  return histograms.some((histogram) =>
    Object.values(classStrata).some((strata) => {
      const bins = placeBins(histogram.finiteBins(strata), linearAxis)
      const isFar = quantileOf(bins, 0.25) > 0 && quantileOf(bins, 0.75) >= 4 * quantileOf(bins, 0.25)
      return isFar && Math.max(...histogram.countByBin(strata, view)) > countRows(bins) / 2
    }),
  )
}

function placeOn({ toPosition, furthest }: Axis, x: number): number {
  return Math.min(Math.max(toPosition(x), -furthest), furthest)
}

function placeBins(bins: Bins, axis: Axis): PlacedBins {
  return bins
    .map(([edge, rows]) => ({ low: placeOn(axis, edge), high: placeOn(axis, edge + fineWidth(edge)), rows }))
    .filter(({ low }) => !Number.isNaN(low))
}

/** The bins of a width that hold a range. */
function alignRange([low, high]: Range, width: number): { first: number; count: number } {
  const first = Math.floor(low / width)
  return { first, count: Math.max(1, Math.ceil(high / width) - first) }
}

function areWhole(bins: PlacedBins): boolean {
  return bins.length > 0 && bins.every(({ low }) => Number.isInteger(low))
}

/** The least width that the rules give a class; 0, for the narrowest bins, where no class has two different distances. */
function chooseWidth(classes: readonly PlacedBins[]): number {
  const widths = classes.map((bins) => {
    const rows = countRows(bins)
    const sturges = (quantileOf(bins, 1) - quantileOf(bins, 0)) / (Math.log2(rows) + 1)
    const freedmanDiaconis = (2 * quartileRangeOf(bins)) / Math.cbrt(rows)
    return Math.min(sturges, freedmanDiaconis || Number.POSITIVE_INFINITY)
  })
  const least = Math.min(...widths.filter((width) => width > 0))
  return Number.isFinite(least) ? least : 0
}

/** The range of most distances and of the margins that do not squash them. */
function chooseRange(classes: readonly PlacedBins[], margins: readonly number[], axis: Axis): Range {
  const all = uniteRanges(classes.flatMap(rangesOf))
  const most = uniteRanges(classes.map(dropOutliers).flatMap(rangesOf))
  const distances = lengthOf(all) <= 1.5 * lengthOf(most) ? all : most
  const hasShape = lengthOf(distances) >= fewestOfDistances * axis.findLeastWidth(distances)
  const longest = hasShape ? (lengthOf(distances) * mostBins) / fewestOfDistances : Number.POSITIVE_INFINITY
  const near = margins
    .filter((margin) => !Number.isNaN(margin))
    .filter((margin) => lengthOf(uniteRanges([distances, [margin, margin]])) <= longest)
  const range = uniteRanges([distances, ...near.map((margin): Range => [margin, margin])])
  return addRoom(lengthOf(range) >= 0 ? range : [0, 1], near, axis)
}

/** The range of ascending bins; none for no bins. */
function rangesOf(bins: PlacedBins): Range[] {
  const [first, last] = [bins[0], bins.at(-1)]
  return first && last ? [[first.low, last.high]] : []
}

/** Drops the bins far from the middle nine tenths of the rows, which always stay. */
function dropOutliers(bins: PlacedBins): PlacedBins {
  const [low, high] = [quantileOf(bins, 0.05), quantileOf(bins, 0.95)]
  if (low === high) return between(bins, quantileOf(bins, 0.001), quantileOf(bins, 0.999))
  const middle = high - low
  const length = Math.max(middle, mostQuartileRanges * quartileRangeOf(bins) || 7 * middle)
  const reach = (length - middle) / 2
  return between(bins, low - reach, high + reach)
}

function between(bins: PlacedBins, least: number, most: number): PlacedBins {
  return bins.filter(({ low }) => low >= least && low <= most)
}

function countRows(bins: PlacedBins): number {
  return bins.reduce((sum, { rows }) => sum + rows, 0)
}

function quartileRangeOf(bins: PlacedBins): number {
  return quantileOf(bins, 0.75) - quantileOf(bins, 0.25)
}

/** The beginning of the first bin at which this share of the rows is reached; NaN for no bins. */
function quantileOf(bins: PlacedBins, share: number): number {
  const rank = share * countRows(bins)
  let before = 0
  for (const { low, rows } of bins) {
    before += rows
    if (before >= rank) return low
  }
  return Number.NaN
}

/** The range from the least end to the greatest; of no ranges one of negative length. */
function uniteRanges(ranges: readonly Range[]): Range {
  return [Math.min(...ranges.map(([low]) => low)), Math.max(...ranges.map(([, high]) => high))]
}

function lengthOf([low, high]: Range): number {
  return high - low
}

/** Extends a range beyond a margin at one of its ends, and on a linear axis to a 0 that is near. */
function addRoom([low, high]: Range, margins: readonly number[], { isLog, furthest }: Axis): Range {
  const length = high - low || (isLog ? 1 : Math.abs(low) || 1)
  const room = high === low ? length : length / 20
  const isNearZero = (end: number) => !isLog && Math.abs(end) <= 3 * length
  return [
    low >= 0 && isNearZero(low) ? 0 : Math.max(low - (margins.includes(low) ? room : 0), -furthest),
    high <= 0 && isNearZero(high) ? 0 : Math.min(high + (margins.includes(high) ? room : 0), furthest),
  ]
}

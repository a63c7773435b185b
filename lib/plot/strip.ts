import type { Axis, GroupMark, Mark, Scale } from 'vega'
import { formatNumber } from './captions.ts'
import type { Histogram, View } from './histogram.ts'
import type { Layout } from './layout.ts'
import type { Theme } from './look.ts'
import { encode, lossLine, rule, steps, text } from './marks.ts'
import { type ClassName, classNames, classStrata, type Stratum } from './strata.ts'
import { estimateWidth } from './text.ts'

/** What all strips of a picture share. */
export interface Drawing {
  readonly layout: Layout
  readonly theme: Theme
  readonly view: View
  readonly margin: number
  /** the largest share of a class in one bin of any panel */
  readonly topShares: Readonly<Record<ClassName, number>>
}

/** Where a strip is, and which of its axes have labels. */
interface Place {
  readonly x: number
  readonly y: number
  readonly labels: Readonly<Record<'bottom' | 'left' | 'right', boolean>>
}

/** The strata whose loss depends on the distance. The others are outlined. */
const filledStrata = {
  positive: ['positive'],
  negative: ['active'],
} as const satisfies Readonly<Record<ClassName, readonly Stratum[]>>

interface Point {
  readonly x: number
  readonly loss: number
}

/** The corners of the loss of one row as a function of its distance x. */
const lossCorners: Readonly<Record<ClassName, (view: View, margin: number) => Point[]>> = {
  positive: ({ low, high }) => [
    { x: low, loss: low },
    { x: high, loss: high },
  ],
  negative: ({ low, high }, margin) => [
    { x: low, loss: margin - low },
    { x: margin, loss: 0 },
    { x: high, loss: 0 },
  ],
}

/** A strip of a panel: the distances of one class as bars, with the loss of a row over them. */
export function buildStrip(name: ClassName, histogram: Histogram, drawing: Drawing, place: Place): GroupMark {
  const { layout, view, margin } = drawing
  const { x, y, labels } = place
  return {
    type: 'group',
    aria: false,
    encode: encode({ x, y, width: layout.panelWidth, height: layout.stripHeight }),
    data: [
      { name: 'all', values: stepsOf(name, classStrata[name], histogram, view) },
      { name: 'filled', values: stepsOf(name, filledStrata[name], histogram, view) },
      { name: 'losses', values: lossCorners[name](view, margin) },
    ],
    scales: buildScales(name, drawing),
    axes: buildAxes(drawing, labels),
    marks: buildMarks(name, drawing),
  }
}

/** The largest share of a class in one bin of any panel; 1 where there are no rows. */
export function topShareOf(name: ClassName, histograms: readonly Histogram[], view: View): number {
  return Math.max(...histograms.flatMap((histogram) => sharesOf(name, classStrata[name], histogram, view))) || 1
}

/** The rows of some strata in each bin, as shares of their class. */
function sharesOf(name: ClassName, strata: readonly Stratum[], histogram: Histogram, view: View): number[] {
  const count = histogram.count(...classStrata[name]) || 1
  return histogram.countByBin(strata, view).map((rows) => rows / count)
}

function stepsOf(name: ClassName, strata: readonly Stratum[], histogram: Histogram, view: View) {
  const shares = sharesOf(name, strata, histogram, view)
  return [...shares, shares.at(-1) as number].map((share, bin) => ({ x: view.low + bin * view.width, share }))
}

function buildScales(name: ClassName, { layout, view, margin, topShares }: Drawing): Scale[] {
  const { panelWidth, stripHeight, fontSize } = layout
  const scale = (name: string, domain: number[], range: number[]) =>
    ({ name, type: 'linear', domain, range, zero: false }) as const
  const heights = [stripHeight, 1.5 * fontSize]
  const losses = classNames.flatMap((name) => lossCorners[name](view, margin).map(({ loss }) => loss))
  return [
    scale('x', [view.low, view.high], [0, panelWidth]),
    scale('box', [0, 1], [stripHeight, 0]),
    scale('share', [0, topShares[name]], heights),
    scale('loss', [Math.min(...losses), Math.max(...losses)], heights),
  ]
}

const numberLabel = `format(datum.value, abs(datum.value) < 1e3 || abs(datum.value) >= 1e15 ? '~g' : '~s')`
const percentLabel = `format(100 * datum.value, '~g') + ' %'`

function buildAxes({ layout, theme }: Drawing, labels: Place['labels']): Axis[] {
  const { panelWidth, fontSize, columns } = layout
  const axis = (orient: keyof Place['labels'], scale: string, label: string, more: Partial<Axis>): Axis => ({
    orient,
    scale,
    aria: false,
    labels: labels[orient],
    ticks: labels[orient],
    domain: false,
    encode: { labels: { update: { text: { signal: label } } } },
    labelFont: 'sans-serif',
    labelFontSize: 0.9 * fontSize,
    labelColor: theme.pale,
    tickColor: theme.pale,
    gridColor: theme.grid,
    ...more,
  })
  const tickCount = Math.floor(panelWidth / (5 * fontSize))
  return [
    axis('bottom', 'x', numberLabel, { grid: true, gridScale: 'box', tickCount, labelFlush: columns > 1 }),
    axis('left', 'share', percentLabel, { grid: true, gridScale: 'x', tickCount: 3 }),
    axis('right', 'loss', numberLabel, { tickCount: 3 }),
  ]
}

function buildMarks(name: ClassName, { layout, theme, view, margin }: Drawing): Mark[] {
  const { panelWidth, stripHeight, fontSize } = layout
  const color = theme[name]
  const x = (panelWidth * (margin - view.low)) / (view.high - view.low)
  const label = `margin ${formatNumber(margin)}`
  const isRight = x + estimateWidth(label, fontSize) + fontSize < panelWidth
  return [
    steps('all', { fill: color, fillOpacity: 0.15, stroke: color, strokeWidth: fontSize / 10 }),
    steps('filled', { fill: color }),
    rule({ x: 0, x2: panelWidth, y: stripHeight, y2: stripHeight, stroke: theme.pale, strokeWidth: fontSize / 8 }),
    rule({ x, x2: x, y: 0, y2: stripHeight, stroke: theme.ink, strokeWidth: fontSize / 8 }),
    lossLine('losses', { stroke: theme.paper, strokeWidth: fontSize / 3, strokeOpacity: 0.6 }),
    lossLine('losses', { stroke: theme.ink, strokeWidth: fontSize / 7, strokeDash: [fontSize / 2, fontSize / 3] }),
    text([label], isRight ? x + 0.4 * fontSize : x - 0.4 * fontSize, fontSize, {
      fontSize: 0.9 * fontSize,
      fill: theme.ink,
      align: isRight ? 'left' : 'right',
    }),
  ]
}

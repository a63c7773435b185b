import type { GroupMark, Mark, Scale } from 'vega'
import { formatNumber } from './captions.ts'
import {
  buildBottomAxis,
  buildBoxScales,
  buildScale,
  buildSideAxis,
  type Drawing,
  heightsOf,
  numberLabel,
  type Place,
  percentLabel,
  placeOf,
} from './drawing.ts'
import type { Histogram, View } from './histogram.ts'
import { encode, lossLine, rule, steps, text } from './marks.ts'
import { type ClassName, classNames, classStrata, type Stratum } from './strata.ts'
import { estimateWidth } from './text.ts'

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

/**
 * A strip of a panel: the distances of one class as bars, and over them the loss of a row, if there is one margin. The
 * highest bar of all panels has the share `topShare`.
 */
export function buildStrip(
  name: ClassName,
  histogram: Histogram,
  topShare: number,
  drawing: Drawing,
  place: Place,
): GroupMark {
  const { layout, view, margins } = drawing
  const [margin, ...others] = margins as [number]
  const hasLosses = others.length === 0
  const lossAxis = hasLosses ? [buildSideAxis(drawing, place, 'right', 'loss', numberLabel)] : []
  return {
    type: 'group',
    aria: false,
    encode: encode({ x: place.x, y: place.y, width: layout.panelWidth, height: layout.stripHeight }),
    data: [
      { name: 'all', values: stepsOf(name, classStrata[name], histogram, view) },
      { name: 'filled', values: stepsOf(name, filledStrata[name], histogram, view) },
      ...(hasLosses ? [{ name: 'losses', values: lossCorners[name](view, margin) }] : []),
    ],
    scales: [
      ...buildBoxScales(drawing),
      buildScale('share', [0, topShare], heightsOf(layout)),
      ...(hasLosses ? [buildLossScale(margin, drawing)] : []),
    ],
    axes: [buildBottomAxis(drawing, place), buildSideAxis(drawing, place, 'left', 'share', percentLabel), ...lossAxis],
    marks: [
      ...buildBars(name, drawing),
      ...buildMarginRules(drawing),
      ...(hasLosses ? buildLossLine(drawing) : []),
      ...buildMarginLabels(drawing),
    ],
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

function buildLossScale(margin: number, { layout, view }: Drawing): Scale {
  const losses = classNames.flatMap((name) => lossCorners[name](view, margin).map(({ loss }) => loss))
  return buildScale('loss', [Math.min(...losses), Math.max(...losses)], heightsOf(layout))
}

function buildBars(name: ClassName, { layout, theme }: Drawing): Mark[] {
  const { panelWidth, stripHeight, fontSize } = layout
  const color = theme[name]
  return [
    steps('all', { fill: color, fillOpacity: 0.15, stroke: color, strokeWidth: fontSize / 10 }),
    steps('filled', { fill: color }),
    rule({ x: 0, x2: panelWidth, y: stripHeight, y2: stripHeight, stroke: theme.pale, strokeWidth: fontSize / 8 }),
  ]
}

function buildLossLine({ layout: { fontSize }, theme }: Drawing): Mark[] {
  return [
    lossLine('losses', { stroke: theme.paper, strokeWidth: fontSize / 3, strokeOpacity: 0.6 }),
    lossLine('losses', { stroke: theme.ink, strokeWidth: fontSize / 7, strokeDash: [fontSize / 2, fontSize / 3] }),
  ]
}

/** A line at each margin: of several thinner ones, which are paler the more they are. */
function buildMarginRules(drawing: Drawing): Mark[] {
  const { layout, theme, margins } = drawing
  const { panelWidth, stripHeight, fontSize } = layout
  const style =
    margins.length === 1
      ? { strokeWidth: fontSize / 8 }
      : { strokeWidth: fontSize / 12, strokeOpacity: Math.min(1, panelWidth / margins.length / (3 * fontSize)) }
  return margins.map((margin) => {
    const x = placeOf(margin, drawing)
    return rule({ x, x2: x, y: 0, y2: stripHeight, stroke: theme.ink, ...style })
  })
}

/** The labels of the margins, to the right of their lines or else to the left; of several those that meet no other line. */
function buildMarginLabels(drawing: Drawing): Mark[] {
  const { layout, theme, margins } = drawing
  const { panelWidth, fontSize } = layout
  const hasOneMargin = margins.length === 1
  const places = margins.map((margin) => placeOf(margin, drawing))
  let free = 0
  return margins.flatMap((margin, index) => {
    const x = places[index] as number
    const label = `${hasOneMargin ? 'margin ' : 'Δ = '}${formatNumber(margin)}`
    const width = estimateWidth(label, fontSize) + fontSize
    const isRight = x + width < (places[index + 1] ?? panelWidth)
    const isLeft = x - width > free
    free = isRight ? x + width : x
    if (!isRight && !isLeft && !hasOneMargin) return []
    return text([label], isRight ? x + 0.4 * fontSize : x - 0.4 * fontSize, fontSize, {
      fontSize: 0.9 * fontSize,
      fill: theme.ink,
      align: isRight ? 'left' : 'right',
    })
  })
}

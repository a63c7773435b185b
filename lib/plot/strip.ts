import type { GroupMark, Mark } from 'vega'
import {
  buildBottomAxis,
  buildBoxScales,
  buildHeightScale,
  buildSideAxis,
  type Drawing,
  heightOf,
  heightsOf,
  type Place,
  placeOf,
} from './drawing.ts'
import { type Histogram, isInView, type View } from './histogram.ts'
import { findLossRange, traceLoss } from './losses.ts'
import { encode, lossLine, rule, steps, text } from './marks.ts'
import { formatFully, formatNumber, formatPercent } from './numbers.ts'
import { type ClassName, classStrata, type Stratum } from './strata.ts'
import { estimateWidth } from './text.ts'

/** The strata whose loss depends on the distance. The others are outlined. */
const filledStrata = {
  positive: ['positive'],
  negative: ['active'],
} as const satisfies Readonly<Record<ClassName, readonly Stratum[]>>

/**
 * A strip of a panel: the distances of one class as bars, and over them the loss of a row, if there is one margin. Bars stand on
 * the loss 0. The highest bar of all panels has the share `topShare`.
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
  const [bottom, top] = heightsOf(layout)
  const losses =
    others.length === 0
      ? { name: 'loss', domain: findLossRange(view, margin), heights: [bottom, top] as const }
      : undefined
  const base = losses ? heightOf(0, losses) : bottom
  const shares = { name: 'share', domain: [0, topShare], heights: [base, top] } as const
  return {
    type: 'group',
    aria: false,
    encode: encode({ x: place.x, y: place.y, width: layout.panelWidth, height: layout.stripHeight }),
    data: [
      { name: 'all', values: stepsOf(name, classStrata[name], histogram, view) },
      { name: 'filled', values: stepsOf(name, filledStrata[name], histogram, view) },
      ...(losses ? [{ name: 'losses', values: traceLoss(name, view, margin) }] : []),
    ],
    scales: [...buildBoxScales(drawing), buildHeightScale(shares), ...(losses ? [buildHeightScale(losses)] : [])],
    axes: [
      buildBottomAxis(drawing, place),
      buildSideAxis(drawing, place, 'left', shares, formatPercent),
      ...(losses ? [buildSideAxis(drawing, place, 'right', losses, formatFully)] : []),
    ],
    marks: [
      ...buildBars(name, base, drawing),
      ...buildMarginRules(drawing),
      ...(losses ? buildLossLine(drawing) : []),
      ...(losses ? buildMarginLabel(margin, drawing) : buildMarginLabels(drawing)),
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
  return [...shares, shares.at(-1) as number].map((share, bin) => ({ x: view.edges[bin] as number, share }))
}

function buildBars(name: ClassName, base: number, { layout, theme }: Drawing): Mark[] {
  const { panelWidth, fontSize } = layout
  const color = theme[name]
  return [
    steps('all', { fill: color, fillOpacity: 0.15, stroke: color, strokeWidth: fontSize / 10 }),
    steps('filled', { fill: color }),
    rule({ x: 0, x2: panelWidth, y: base, y2: base, stroke: theme.pale, strokeWidth: fontSize / 8 }),
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
  const { layout, theme, margins, view } = drawing
  const { panelWidth, stripHeight, fontSize } = layout
  const style =
    margins.length === 1
      ? { strokeWidth: fontSize / 8 }
      : { strokeWidth: fontSize / 12, strokeOpacity: Math.min(1, panelWidth / margins.length / (3 * fontSize)) }
  return selectVisible(margins, view).map((margin) => {
    const x = placeOf(margin, drawing)
    return rule({ x, x2: x, y: 0, y2: stripHeight, stroke: theme.ink, ...style })
  })
}

function selectVisible(margins: readonly number[], view: View): readonly number[] {
  return margins.filter((margin) => isInView(margin, view))
}

/** The label of the only margin, beside its line; at the side where the margin is, if that is outside the view. */
function buildMarginLabel(margin: number, drawing: Drawing): Mark[] {
  const { layout, view } = drawing
  const label = `margin ${formatNumber(margin)}`
  if (margin < view.low) return [buildLabel(`← ${label}`, 0, true, drawing)]
  if (margin > view.high) return [buildLabel(`${label} →`, layout.panelWidth, false, drawing)]
  const x = placeOf(margin, drawing)
  return [buildLabel(label, x, x + widthOf(label, drawing) < layout.panelWidth, drawing)]
}

/** The labels of several margins, to the right of their lines or else to the left, if they meet no other line. */
function buildMarginLabels(drawing: Drawing): Mark[] {
  const { layout, margins, view } = drawing
  const visible = selectVisible(margins, view)
  const places = visible.map((margin) => placeOf(margin, drawing))
  let free = 0
  return visible.flatMap((margin, index) => {
    const x = places[index] as number
    const label = `Δ = ${formatNumber(margin)}`
    const width = widthOf(label, drawing)
    const isRight = x + width < (places[index + 1] ?? layout.panelWidth)
    const isLeft = x - width > free
    free = isRight ? x + width : x
    return isRight || isLeft ? [buildLabel(label, x, isRight, drawing)] : []
  })
}

/** A label at the top of a strip, to the right or to the left of x. */
function buildLabel(label: string, x: number, isRight: boolean, { layout: { fontSize }, theme }: Drawing): Mark {
  return text([label], isRight ? x + 0.4 * fontSize : x - 0.4 * fontSize, fontSize, {
    fontSize: 0.9 * fontSize,
    fill: theme.ink,
    align: isRight ? 'left' : 'right',
  })
}

function widthOf(label: string, { layout: { fontSize } }: Drawing): number {
  return estimateWidth(label, fontSize) + fontSize
}

import type { GroupMark, Mark } from 'vega'
import { formatShare } from '../format.ts'
import type { LossAccumulator } from '../index.ts'
import type { marginStrips } from './chart-data.ts'
import {
  buildBottomAxis,
  buildBoxScales,
  buildHeightScale,
  buildSideAxis,
  type Drawing,
  type HeightScale,
  heightOf,
  heightsOf,
  type Place,
  placeOf,
} from './drawing.ts'
import { isInView, type Range, type View } from './histogram.ts'
import type { Layout } from './layout.ts'
import type { Theme } from './look.ts'
import { dot, encode, rule, text } from './marks.ts'
import { formatFully, formatNumber, formatPercent } from './numbers.ts'
import { estimateWidth } from './text.ts'

type FigureName = (typeof marginStrips)[number]

/** What is drawn over the margin. */
interface Figure {
  /** the rows that it is of: it is drawn if there are any */
  readonly countRows: (total: LossAccumulator) => number
  readonly read: (total: LossAccumulator) => number
  readonly format: (value: number) => string
  readonly formatTick: (value: number) => string
  readonly color: keyof Theme
}

const figures: Readonly<Record<FigureName, Figure>> = {
  meanLoss: {
    countRows: ({ count }) => count,
    read: ({ mean }) => mean,
    format: formatNumber,
    formatTick: formatFully,
    color: 'ink',
  },
  activeShare: {
    countRows: ({ negatives }) => negatives.count,
    read: ({ negatives: { active, count } }) => active / count,
    format: (share) => formatShare(share, 1),
    formatTick: formatPercent,
    color: 'negative',
  },
}

/** The range of a figure over all panels and the margins in view, with 0 in it. */
export function findDomain(name: FigureName, totals: readonly LossAccumulator[], view: View): Range {
  const shown = totals.filter(({ margin }) => isInView(margin, view))
  const values = shown.map(figures[name].read).filter(Number.isFinite)
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)]
  return low === high ? [0, 1] : [low, high]
}

/** A strip of a panel: a figure at each margin, as a dot on a stem. A figure that is not finite has a label alone. */
export function buildMarginStrip(
  name: FigureName,
  totals: readonly LossAccumulator[],
  domain: Range,
  drawing: Drawing,
  place: Place,
): GroupMark {
  const { layout, theme } = drawing
  const { panelWidth, stripHeight, fontSize } = layout
  const { formatTick, color } = figures[name]
  const scale = { name: 'value', domain, heights: heightsOf(layout) }
  const zero = heightOf(0, scale)
  const points = placePoints(name, totals, scale, drawing)
  const stroke = { stroke: theme[color], strokeWidth: fontSize / 8 }
  return {
    type: 'group',
    aria: false,
    encode: encode({ x: place.x, y: place.y, width: panelWidth, height: stripHeight }),
    scales: [...buildBoxScales(drawing), buildHeightScale(scale)],
    axes: [buildBottomAxis(drawing, place), buildSideAxis(drawing, place, 'left', scale, formatTick)],
    marks: [
      rule({ x: 0, x2: panelWidth, y: zero, y2: zero, stroke: theme.pale, strokeWidth: fontSize / 8 }),
      ...points
        .filter(({ hasDot }) => hasDot)
        .flatMap(({ x, y }): Mark[] => [
          rule({ x, x2: x, y, y2: zero, ...stroke }),
          dot(x, y, dotRadius(fontSize), theme[color]),
        ]),
      ...placeLabels(points, zero, layout).map(({ label, x, y }) =>
        text([label], x, y, { fontSize: 0.9 * fontSize, fill: theme.ink, align: 'center' }),
      ),
    ],
  }
}

/** A figure at a margin, in pixels of its strip. */
interface Point {
  readonly x: number
  readonly y: number
  readonly hasDot: boolean
  readonly label: string
}

/** The points at the margins that are in view. */
function placePoints(
  name: FigureName,
  totals: readonly LossAccumulator[],
  scale: HeightScale,
  drawing: Drawing,
): Point[] {
  const { countRows, read, format } = figures[name]
  return totals
    .filter((total) => countRows(total) > 0 && isInView(total.margin, drawing.view))
    .map((total) => {
      const value = read(total)
      const hasDot = Number.isFinite(value)
      const y = heightOf(hasDot ? value : 0, scale)
      return { x: placeOf(total.margin, drawing), y, hasDot, label: format(value) }
    })
}

function dotRadius(fontSize: number): number {
  return 0.3 * fontSize
}

interface Box {
  readonly left: number
  readonly right: number
  readonly top: number
  readonly bottom: number
}

/** The labels above dots and stems that meet no other dot, stem or label; none where the dots nearly make a line. */
function placeLabels(points: readonly Point[], zero: number, { panelWidth, fontSize }: Layout) {
  const radius = dotRadius(fontSize)
  const taken = points.map(({ x, y }): Box => {
    return { left: x - radius, right: x + radius, top: Math.min(y, zero) - radius, bottom: Math.max(y, zero) }
  })
  return points.flatMap(({ label, x, y }) => {
    const half = estimateWidth(label, 0.9 * fontSize) / 2
    const center = Math.min(Math.max(x, half), panelWidth - half)
    const bottom = Math.min(y, zero) - radius - 0.2 * fontSize
    const box = { left: center - half, right: center + half, top: bottom - 0.9 * fontSize, bottom }
    const isClose = points.some((other) => other.x !== x && Math.abs(other.x - x) < fontSize)
    if (isClose || taken.some((other) => meet(box, other))) return []
    taken.push(box)
    return [{ label, x: center, y: bottom }]
  })
}

function meet(one: Box, other: Box): boolean {
  return one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom
}

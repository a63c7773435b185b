import type { Axis, Scale } from 'vega'
import type { Range, View } from './histogram.ts'
import type { Layout } from './layout.ts'
import type { Theme } from './look.ts'
import { formatFully } from './numbers.ts'
import { estimateWidth } from './text.ts'
import { chooseLogTicks, chooseTicks } from './ticks.ts'

/** What all strips of a picture share. */
export interface Drawing {
  readonly layout: Layout
  readonly theme: Theme
  readonly view: View
  /** in ascending order */
  readonly margins: readonly number[]
}

/** Where a strip is, and which of its axes have labels. */
export interface Place {
  readonly x: number
  readonly y: number
  readonly labels: Readonly<Record<'bottom' | 'left' | 'right', boolean>>
}

/** A linear scale over the height of a strip. */
export interface HeightScale {
  readonly name: string
  readonly domain: Range
  /** where the ends of the domain are, in pixels */
  readonly heights: Range
}

export function buildHeightScale({ name, domain, heights }: HeightScale): Scale {
  return { name, type: 'linear', domain: [...domain], range: [...heights], zero: false }
}

/** Where a value is on a scale, in pixels. */
export function heightOf(value: number, { domain: [low, high], heights: [from, to] }: HeightScale): number {
  return from + ((value - low) / (high - low)) * (to - from)
}

/** The scales `x`, of distances and margins, and `box`, from the bottom of a strip to its top. */
export function buildBoxScales({ layout: { panelWidth, stripHeight }, view: { low, high, isLog } }: Drawing): Scale[] {
  const x = { name: 'x', domain: [low, high], range: [0, panelWidth] }
  return [
    isLog ? { ...x, type: 'log' } : { ...x, type: 'linear', zero: false },
    buildHeightScale({ name: 'box', domain: [0, 1], heights: [stripHeight, 0] }),
  ]
}

/** Where a distance or margin is in a strip, in pixels. */
export function placeOf(x: number, { layout, view: { low, high, isLog } }: Pick<Drawing, 'layout' | 'view'>): number {
  const [place, first, last] = [x, low, high].map((each) => (isLog ? Math.log(each) : each)) as [number, number, number]
  return (layout.panelWidth * (place - first)) / (last - first)
}

/** The pixels of a strip, from the bottom to where labels begin. */
export function heightsOf({ stripHeight, fontSize }: Layout): Range {
  return [stripHeight, 1.5 * fontSize]
}

/** An axis beside a strip. */
export function buildSideAxis(
  drawing: Drawing,
  place: Place,
  orient: 'left' | 'right',
  scale: HeightScale,
  formatValue: (value: number) => string,
): Axis {
  const hasRoom = (ticks: readonly number[]) => {
    const [first, second] = ticks.map((tick) => heightOf(tick, scale)) as [number, number]
    return first - second >= 1.4 * drawing.layout.fontSize
  }
  const values = chooseTicks(...scale.domain, hasRoom)
  const grid = orient === 'left' ? { grid: true, gridScale: 'x' } : {}
  return buildAxis(drawing, place, { orient, scale: scale.name, values, formatValue, ...grid })
}

/** The axis of distances and margins. */
export function buildBottomAxis(drawing: Drawing, place: Place): Axis {
  const { fontSize, columns } = drawing.layout
  const { low, high, isLog } = drawing.view
  const hasRoom = (ticks: readonly number[]) =>
    ticks.slice(1).every((tick, i) => {
      const [before, after] = [ticks[i] as number, tick].map((each) => placeOf(each, drawing)) as [number, number]
      const width = estimateWidth(formatFully(ticks[i] as number) + formatFully(tick), 0.9 * fontSize) / 2
      return after - before >= width + fontSize
    })
  const values = (isLog ? chooseLogTicks : chooseTicks)(low, high, hasRoom)
  return buildAxis(drawing, place, {
    orient: 'bottom',
    scale: 'x',
    values,
    formatValue: formatFully,
    grid: true,
    gridScale: 'box',
    labelFlush: columns > 1,
  })
}

interface AxisParts extends Partial<Axis> {
  readonly orient: keyof Place['labels']
  readonly scale: string
  readonly values: number[]
  readonly formatValue: (value: number) => string
}

function buildAxis({ layout, theme }: Drawing, { labels }: Place, { formatValue, ...parts }: AxisParts): Axis {
  const texts = Object.fromEntries(parts.values.map((value) => [value, formatValue(value)]))
  return {
    aria: false,
    labels: labels[parts.orient],
    ticks: labels[parts.orient],
    domain: false,
    encode: { labels: { update: { text: { signal: `${JSON.stringify(texts)}[datum.value]` } } } },
    labelFont: 'sans-serif',
    labelFontSize: 0.9 * layout.fontSize,
    labelColor: theme.pale,
    tickColor: theme.pale,
    gridColor: theme.grid,
    ...parts,
  }
}

import type { Axis, Scale } from 'vega'
import type { View } from './histogram.ts'
import type { Layout } from './layout.ts'
import type { Theme } from './look.ts'

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

/** A linear scale over the whole strip, or over a range of its pixels. */
export function buildScale(name: string, domain: readonly number[], range: readonly number[]): Scale {
  return { name, type: 'linear', domain: [...domain], range: [...range], zero: false }
}

/** The scales `x`, of distances and margins, and `box`, from the bottom of a strip to its top. */
export function buildBoxScales({ layout: { panelWidth, stripHeight }, view }: Drawing): Scale[] {
  return [buildScale('x', [view.low, view.high], [0, panelWidth]), buildScale('box', [0, 1], [stripHeight, 0])]
}

/** Where a distance or margin is in a strip, in pixels. */
export function placeOf(x: number, { layout, view }: Drawing): number {
  return (layout.panelWidth * (x - view.low)) / (view.high - view.low)
}

/** The pixels of a strip, from the bottom to where labels begin. */
export function heightsOf({ stripHeight, fontSize }: Layout): readonly [number, number] {
  return [stripHeight, 1.5 * fontSize]
}

/** How Vega formats the labels of an axis. */
export const numberLabel = `format(datum.value, abs(datum.value) < 1e3 || abs(datum.value) >= 1e15 ? '~g' : '~s')`
export const percentLabel = `format(100 * datum.value, '~g') + ' %'`

/** An axis beside a strip, over one of its scales. Strips are low where panels have many: there labels may need room. */
export function buildSideAxis(drawing: Drawing, place: Place, orient: 'left' | 'right', scale: string, label: string) {
  const grid = orient === 'left' ? { grid: true, gridScale: 'x' } : {}
  return buildAxis(drawing, place, {
    orient,
    scale,
    label,
    tickCount: 3,
    labelOverlap: drawing.margins.length > 1,
    ...grid,
  })
}

/** The axis of distances and margins. */
export function buildBottomAxis(drawing: Drawing, place: Place): Axis {
  const { panelWidth, fontSize, columns } = drawing.layout
  const grid = { grid: true, gridScale: 'box', tickCount: Math.floor(panelWidth / (5 * fontSize)) }
  return buildAxis(drawing, place, {
    orient: 'bottom',
    scale: 'x',
    label: numberLabel,
    ...grid,
    labelFlush: columns > 1,
  })
}

interface AxisParts extends Partial<Axis> {
  readonly orient: keyof Place['labels']
  readonly scale: string
  readonly label: string
}

function buildAxis({ layout, theme }: Drawing, { labels }: Place, { label, ...parts }: AxisParts): Axis {
  return {
    aria: false,
    labels: labels[parts.orient],
    ticks: labels[parts.orient],
    domain: false,
    encode: { labels: { update: { text: { signal: label } } } },
    labelFont: 'sans-serif',
    labelFontSize: 0.9 * layout.fontSize,
    labelColor: theme.pale,
    tickColor: theme.pale,
    gridColor: theme.grid,
    ...parts,
  }
}

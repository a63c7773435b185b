import type { Mark } from 'vega'

type Properties = Readonly<Record<string, unknown>>

/** Values of a mark that do not depend on data, as Vega encodes them. */
export function encode(properties: Properties): { enter: Record<string, { value: never }> } {
  return { enter: encodeValues(properties) }
}

function encodeValues(properties: Properties): Record<string, { value: never }> {
  return Object.fromEntries(Object.entries(properties).map(([name, value]) => [name, { value: value as never }]))
}

interface TextStyle {
  readonly fontSize: number
  readonly fill: string
  readonly fontWeight?: 'bold'
  readonly align?: 'left' | 'center' | 'right'
  readonly angle?: number
}

/** Lines of text, the first of them with its baseline at y. */
export function text(lines: readonly string[], x: number, y: number, style: TextStyle): Mark {
  const lineHeight = 1.4 * style.fontSize
  return { type: 'text', aria: false, encode: encode({ text: lines, x, y, font: 'sans-serif', lineHeight, ...style }) }
}

/** A line from one point to another. */
export function rule(properties: Properties): Mark {
  return { type: 'rule', aria: false, encode: encode(properties) }
}

/** A disk. */
export function dot(x: number, y: number, radius: number, fill: string): Mark {
  return { type: 'symbol', aria: false, encode: encode({ x, y, size: (2 * radius) ** 2, fill }) }
}

/** The steps of a data set of bins, from 0 up. */
export function steps(data: string, properties: Properties): Mark {
  const scaled = {
    x: { scale: 'x', field: 'x' },
    y: { scale: 'share', field: 'share' },
    y2: { scale: 'share', value: 0 },
  }
  const values = encodeValues({ interpolate: 'step-after', ...properties })
  return { type: 'area', aria: false, from: { data }, encode: { enter: { ...scaled, ...values } } }
}

/** A line through the points of a data set, over the scale of losses. */
export function lossLine(data: string, properties: Properties): Mark {
  const scaled = { x: { scale: 'x', field: 'x' }, y: { scale: 'loss', field: 'loss' } }
  return { type: 'line', aria: false, from: { data }, encode: { enter: { ...scaled, ...encodeValues(properties) } } }
}

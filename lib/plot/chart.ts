import type { Axis, GroupMark, Mark, Spec } from 'vega'
import type { LossAccumulator } from '../index.ts'
import { fitted, negativeWords, positiveWords, short, type Told, totalWords, widthOf, wrapped } from './captions.ts'
import { type Histogram, type Stratum, type View, viewOf } from './histogram.ts'

/** The rows of one group, or all rows. */
export interface Panel extends Told {
  readonly name?: string
}

/** What the picture is of. */
export interface Subject {
  /** expressions, as the user wrote them */
  readonly input: string
  readonly by?: string
  readonly total: LossAccumulator
}

export interface Look {
  readonly theme: keyof typeof themes
  readonly size: keyof typeof sizes
}

/** Colours that the colour-blind can tell apart (Okabe and Ito), on a paper and in an ink. */
export const themes = {
  light: {
    paper: '#ffffff',
    ink: '#1f2328',
    pale: '#57606a',
    grid: '#e1e5ea',
    positive: '#0072b2',
    negative: '#d55e00',
  },
  dark: {
    paper: '#0d1117',
    ink: '#e6edf3',
    pale: '#9da7b3',
    grid: '#30363d',
    positive: '#56b4e9',
    negative: '#e69f00',
  },
} as const

/** In pixels; columns by the number of panels, fonts by that of columns. What gives strips a height needs none of the whole. */
export const sizes = {
  readme: { width: 880, stripHeight: 110, columns: [1, 2, 3, 2, 3, 3, 4, 4, 3, 4, 4, 4], fonts: [14, 13, 12, 12] },
  slide: {
    ...{ width: 1600, height: 900 },
    ...{ columns: [1, 2, 3, 4, 3, 3, 4, 4, 5, 5, 6, 6], fonts: [26, 22, 19, 18, 16, 15] },
  },
} as const

export const mostPanels = sizes.readme.columns.length

type Range = readonly [low: number, high: number]

/** Each has a strip of a panel: all its rows as an outline, filled where the loss is a row's own. */
const classes = [
  {
    words: positiveWords,
    color: 'positive',
    all: ['positive'],
    filled: ['positive'],
    losses: ([low, high]: Range) => [
      [low, low],
      [high, high],
    ],
  },
  {
    words: negativeWords,
    color: 'negative',
    all: ['active', 'inactive'],
    filled: ['active'],
    losses: ([low, high]: Range, margin: number) => [
      [low, margin - low],
      [margin, 0],
      [high, 0],
    ],
  },
] as const

type Class = (typeof classes)[number]

/** The distributions of both classes' distances, each with the loss of a row over it; one view and scale for all panels. */
export function pictureOf(panels: readonly Panel[], subject: Subject, { theme, size }: Look): Spec {
  const { margin } = subject.total
  const histograms = panels.map(({ histogram }) => histogram)
  const view = viewOf(histograms, margin)
  const layout = layoutOf(panels, subject, view, sizes[size])
  const drawing = {
    ...layout,
    ...themes[theme],
    view,
    margin,
    tops: classes.map((of) => topShare(of, histograms, view)),
  }
  const { width, height, font, pad, left, right, gridTop, gridBottom, paper, ink, pale } = drawing
  const shortened = (line: string, size: number) => fitted(line, width - 2 * pad, size)
  const middle = (gridTop + gridBottom) / 2
  const label = { size: font, fill: pale, align: 'center' }
  return {
    width,
    height,
    padding: 0,
    autosize: 'none',
    background: paper,
    marks: [
      text([shortened(titleOf(subject), 1.4 * font)], pad, pad + font, { size: 1.3 * font, fill: ink, weight: 'bold' }),
      text(layout.head, pad, pad + 3 * font, { size: font, fill: ink }),
      ...panels.flatMap((panel, i) => panelMarks(panel, i, panels.length, drawing)),
      text(['share of its class'], pad + 0.6 * font, middle, { ...label, angle: -90 }),
      text(['loss (dashed)'], width - pad - 0.6 * font, middle, { ...label, angle: 90 }),
      text([shortened(`distance x: ${subject.input}`, font)], (left + width - right) / 2, gridBottom + 3 * font, label),
      text(layout.caption, pad, gridBottom + 5 * font, { size: 0.9 * font, fill: pale }),
    ],
  }
}

/** The picture in words, for those who do not see it. */
export function described(panels: readonly Panel[], subject: Subject): string {
  const view = viewOf(
    panels.map(({ histogram }) => histogram),
    subject.total.margin,
  )
  const parts = panels.map((panel) => {
    const words = classes.flatMap((of) => of.words(panel, view)).join(', ')
    return panel.name === undefined ? words : `${panel.name}: ${words}`
  })
  return [titleOf(subject), headOf(panels, subject).join(', '), ...parts].join('. ')
}

export function titleOf({ input }: Subject): string {
  return `Hinge embedding loss of ${input}`
}

function headOf(panels: readonly Panel[], { by, total }: Subject): string[] {
  const count = (stratum: Stratum) => panels.reduce((sum, { histogram }) => sum + histogram.count(stratum), 0)
  return [...totalWords(total, count('null'), count('nan')), ...(by === undefined ? [] : [`by ${by}`])]
}

function captionOf({ width }: View): string[] {
  return [
    `bars: share of the class in each bin of ${short(width)}`,
    'filled: positives, and negatives inside the margin (active)',
    'outlined: negatives beyond it, whose loss is 0',
    'dashed: the loss of a row at x, which is x for positives and max(0, Δ − x) for negatives',
  ]
}

interface Size {
  readonly width: number
  readonly height?: number
  readonly columns: readonly number[]
  readonly fonts: readonly number[]
  readonly stripHeight?: number
}

type Drawing = ReturnType<typeof layoutOf> &
  (typeof themes)[keyof typeof themes] & { view: View; margin: number; tops: number[] }

/** Where everything is, in pixels: by the numbers of panels and of lines of words. */
function layoutOf(panels: readonly Panel[], subject: Subject, view: View, size: Size) {
  const columns = size.columns[panels.length - 1] as number
  const rows = Math.ceil(panels.length / columns)
  const font = size.fonts[columns - 1] as number
  const [pad, gap, line] = [1.2 * font, 1.6 * font, 1.4 * font]
  const [left, right] = [pad + 5.2 * font, pad + 5.8 * font]
  const plotWidth = (size.width - left - right - (columns - 1) * gap) / columns
  const head = wrapped(headOf(panels, subject), size.width - 2 * pad, font)
  const caption = wrapped(captionOf(view), size.width - 2 * pad, 0.9 * font, '; ')
  const parts = panels.map((panel) => classes.map((of) => of.words(panel, view)))
  const isWide = panels.length === 1 || parts.flat().every((part) => widthOf(part.join(', '), font) <= plotWidth)
  const words = isWide ? parts.map((ofPanel) => ofPanel.map((part) => wrapped(part, plotWidth, font))) : parts
  const lines = classes.map((_, k) => Math.max(...words.map((ofPanel) => (ofPanel[k] as string[]).length)))
  const nameHeight = panels.some(({ name }) => name !== undefined) ? line : 0
  const wordHeights = lines.map((count) => (count + 0.6) * line)
  const panelWords = nameHeight + wordHeights.reduce((sum, height) => sum + height)
  const gridTop = pad + (2.4 + 1.4 * head.length) * font
  const foot = pad + (4 + 1.3 * caption.length) * font
  const besidesStrips = gridTop + foot + rows * panelWords + (rows - 1) * gap
  const stripHeight = size.stripHeight ?? ((size.height ?? 0) - besidesStrips) / (2 * rows)
  const height = Math.ceil(besidesStrips + 2 * rows * stripHeight)
  return {
    ...{ width: size.width, height, columns, font, line, pad, gap, left, right, plotWidth, stripHeight },
    ...{ panelHeight: panelWords + 2 * stripHeight, nameHeight, wordHeights, gridTop, gridBottom: height - foot },
    ...{ head, caption, words },
  }
}

function topShare(of: Class, histograms: readonly Histogram[], view: View): number {
  return Math.max(...histograms.flatMap((histogram) => sharesOf(of, of.all, histogram, view))) || 1
}

/** Of the rows of a class, those in each bin. */
function sharesOf(of: Class, drawn: Class['all' | 'filled'], histogram: Histogram, view: View): number[] {
  const count = histogram.count(...of.all)
  const bins = drawn.map((stratum) => histogram.shown(stratum, view))
  return (bins[0] as number[]).map((_, i) => bins.reduce((sum, rows) => sum + (rows[i] as number), 0) / (count || 1))
}

function panelMarks(panel: Panel, i: number, panels: number, drawing: Drawing): Mark[] {
  const { columns, plotWidth, gap, font, line, left, gridTop, panelHeight, nameHeight, wordHeights, stripHeight } =
    drawing
  const x = left + (i % columns) * (plotWidth + gap)
  let y = gridTop + Math.floor(i / columns) * (panelHeight + gap)
  const marks: Mark[] = []
  if (panel.name !== undefined) {
    const name = fitted(panel.name, plotWidth, 1.1 * font)
    marks.push(text([name], x, y + 0.8 * line, { size: font, fill: drawing.ink, weight: 'bold' }))
  }
  y += nameHeight
  const edges = { isFirst: i % columns === 0, isLast: i % columns === columns - 1 || i === panels - 1 }
  for (const [k, of] of classes.entries()) {
    marks.push(text(drawing.words[i]?.[k] as string[], x, y + line, { size: font, fill: drawing.ink }))
    y += wordHeights[k] as number
    const isLowest = k === classes.length - 1 && i + columns >= panels
    marks.push({
      ...strip(of, k, panel, drawing, { ...edges, isLowest }),
      encode: enter({ x, y, width: plotWidth, height: stripHeight }),
    })
    y += stripHeight
  }
  return marks
}

interface Edges {
  readonly isFirst: boolean
  readonly isLast: boolean
  readonly isLowest: boolean
}

function strip(
  of: Class,
  k: number,
  { histogram }: Panel,
  drawing: Drawing,
  { isFirst, isLast, isLowest }: Edges,
): GroupMark {
  const { view, margin, tops, columns, font, plotWidth, stripHeight, paper, ink, pale, grid } = drawing
  const { low, high, width } = view
  const color = drawing[of.color]
  const headroom = 1.5 * font
  const scale = (name: string, domain: number[], range: number[]) =>
    ({ name, type: 'linear', domain, range, zero: false }) as const
  const losses = classes.flatMap(({ losses }) => losses([low, high], margin).map(([, loss]) => loss as number))
  const steps = (drawn: Class['all' | 'filled']) => {
    const shares = sharesOf(of, drawn, histogram, view)
    return [...shares, shares.at(-1) as number].map((share, bin) => ({ x: low + bin * width, share }))
  }
  const axis = (
    orient: 'bottom' | 'left' | 'right',
    scale: string,
    isLabelled: boolean,
    more: Partial<Axis>,
  ): Axis => ({
    ...{
      orient,
      scale,
      aria: false,
      labels: isLabelled,
      ticks: isLabelled,
      domain: false,
      encode: label(numeral),
    },
    ...{ labelFont: 'sans-serif', labelFontSize: 0.9 * font, labelColor: pale, tickColor: pale },
    ...more,
  })
  const numeral = `format(datum.value, abs(datum.value) < 1e3 || abs(datum.value) >= 1e15 ? '~g' : '~s')`
  const label = (signal: string) => ({ labels: { update: { text: { signal } } } })
  const grids = { grid: true, gridColor: grid }
  const area = (name: string, more: Record<string, unknown>): Mark => ({
    ...{ type: 'area', aria: false, from: { data: name } },
    encode: {
      enter: {
        ...{ x: { scale: 'x', field: 'x' }, y: { scale: 'share', field: 'share' }, y2: { scale: 'share', value: 0 } },
        ...values({ interpolate: 'step-after', ...more }),
      },
    },
  })
  const loss = (more: Record<string, unknown>): Mark => ({
    ...{ type: 'line', aria: false, from: { data: 'losses' } },
    encode: {
      enter: { x: { scale: 'x', field: '0' }, y: { scale: 'loss', field: '1' }, ...values(more) },
    },
  })
  const line = (from: Record<string, unknown>): Mark => ({ type: 'rule', aria: false, encode: enter(from) })
  const at = (plotWidth * (margin - low)) / (high - low)
  const name = `margin ${short(margin)}`
  const isRight = at + widthOf(name, font) + font < plotWidth
  return {
    type: 'group',
    aria: false,
    data: [
      { name: 'all', values: steps(of.all) },
      { name: 'filled', values: steps(of.filled) },
      { name: 'losses', values: of.losses([low, high], margin) },
    ],
    scales: [
      scale('x', [low, high], [0, plotWidth]),
      scale('box', [0, 1], [stripHeight, 0]),
      scale('share', [0, tops[k] as number], [stripHeight, headroom]),
      scale('loss', [Math.min(...losses), Math.max(...losses)], [stripHeight, headroom]),
    ],
    axes: [
      axis('bottom', 'x', isLowest, {
        ...grids,
        gridScale: 'box',
        tickCount: Math.floor(plotWidth / (5 * font)),
        labelFlush: columns > 1,
      }),
      axis('left', 'share', isFirst, {
        ...grids,
        gridScale: 'x',
        tickCount: 3,
        encode: label(`format(100 * datum.value, '~g') + ' %'`),
      }),
      axis('right', 'loss', isLast, { tickCount: 3 }),
    ],
    marks: [
      area('all', { fill: color, fillOpacity: 0.15, stroke: color, strokeWidth: font / 10 }),
      area('filled', { fill: color }),
      line({ x: 0, x2: plotWidth, y: stripHeight, y2: stripHeight, stroke: pale, strokeWidth: font / 8 }),
      line({ x: at, x2: at, y: 0, y2: stripHeight, stroke: ink, strokeWidth: font / 8 }),
      loss({ stroke: paper, strokeWidth: font / 3, strokeOpacity: 0.6 }),
      loss({ stroke: ink, strokeWidth: font / 7, strokeDash: [font / 2, font / 3] }),
      text([name], isRight ? at + 0.4 * font : at - 0.4 * font, font, {
        size: 0.9 * font,
        fill: ink,
        align: isRight ? 'left' : 'right',
      }),
    ],
  }
}

function text(lines: readonly string[], x: number, y: number, style: Record<string, unknown> & { size: number }): Mark {
  const { size, weight: fontWeight, ...more } = style
  const font = { font: 'sans-serif', fontSize: size, lineHeight: 1.4 * size, fontWeight }
  return { type: 'text', aria: false, encode: enter({ text: lines, x, y, ...font, ...more }) }
}

function enter(of: Record<string, unknown>) {
  return { enter: values(of) }
}

function values(of: Record<string, unknown>): Record<string, { value: never }> {
  return Object.fromEntries(Object.entries(of).map(([name, value]) => [name, { value: value as never }]))
}

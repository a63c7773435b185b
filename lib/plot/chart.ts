import type { Mark, Spec } from 'vega'
import { type ChartData, formatTitle, type Panel } from './captions.ts'
import { computeLayout } from './layout.ts'
import { type Look, sizes, themes } from './look.ts'
import { text } from './marks.ts'
import { classNames } from './strata.ts'
import { buildStrip, type Drawing, topShareOf } from './strip.ts'
import { truncate } from './text.ts'

/** The specification of a picture: the distributions of both classes' distances in all panels, with one view and scale. */
export function buildChart(data: ChartData, look: Look): Spec {
  const { panels, view, input } = data
  const layout = computeLayout(data, sizes[look.size])
  const theme = themes[look.theme]
  const histograms = panels.map(({ histogram }) => histogram)
  const [positive, negative] = classNames.map((name) => topShareOf(name, histograms, view)) as [number, number]
  const drawing = { layout, theme, view, margin: data.total.margin, topShares: { positive, negative } }

  const { width, height, fontSize, pad, left, right, textWidth, gridTop, gridBottom } = layout
  const { ink, pale } = theme
  const [center, middle] = [(left + width - right) / 2, (gridTop + gridBottom) / 2]
  // Bold letters are wider than the estimate.
  const title = truncate(formatTitle(data), textWidth, 1.4 * fontSize)
  const axisTitle = truncate(`distance x: ${input}`, textWidth, fontSize)
  const axisStyle = { fontSize, fill: pale, align: 'center' } as const
  return {
    width,
    height,
    padding: 0,
    autosize: 'none',
    background: theme.paper,
    marks: [
      text([title], pad, pad + fontSize, { fontSize: 1.3 * fontSize, fill: ink, fontWeight: 'bold' }),
      text(layout.head, pad, pad + 3 * fontSize, { fontSize, fill: ink }),
      ...panels.flatMap((panel, i) => buildPanel(panel, i, panels.length, drawing)),
      text(['share of its class'], pad + 0.6 * fontSize, middle, { ...axisStyle, angle: -90 }),
      text(['loss (dashed)'], width - pad - 0.6 * fontSize, middle, { ...axisStyle, angle: 90 }),
      text([axisTitle], center, gridBottom + 3 * fontSize, axisStyle),
      text(layout.foot, pad, gridBottom + 5 * fontSize, { fontSize: 0.9 * fontSize, fill: pale }),
    ],
  }
}

/** The panel with this index: its name and, for each class, a caption and a strip. */
function buildPanel({ name, histogram }: Panel, index: number, count: number, drawing: Drawing): Mark[] {
  const { layout, theme } = drawing
  const { columns, panelWidth, panelHeight, gap, fontSize, lineHeight } = layout
  const column = index % columns
  const x = layout.left + column * (panelWidth + gap)
  let y = layout.gridTop + Math.floor(index / columns) * (panelHeight + gap)
  const marks: Mark[] = []
  if (name !== undefined) {
    // Bold letters are wider than the estimate.
    const line = truncate(name, panelWidth, 1.1 * fontSize)
    marks.push(text([line], x, y + 0.8 * lineHeight, { fontSize, fill: theme.ink, fontWeight: 'bold' }))
  }
  y += layout.nameHeight
  for (const [k, className] of classNames.entries()) {
    const caption = layout.captions[index]?.[k] as string[]
    marks.push(text(caption, x, y + lineHeight, { fontSize, fill: theme.ink }))
    y += layout.captionHeights[k] as number
    const labels = {
      bottom: k === classNames.length - 1 && index + columns >= count,
      left: column === 0,
      right: column === columns - 1 || index === count - 1,
    }
    marks.push(buildStrip(className, histogram, drawing, { x, y, labels }))
    y += layout.stripHeight
  }
  return marks
}

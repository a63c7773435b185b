import type { GroupMark, Mark, Spec } from 'vega'
import { formatAxisTitle } from './captions.ts'
import type { ChartData, Panel } from './chart-data.ts'
import type { Drawing, Place } from './drawing.ts'
import { computeLayout, placePanel, placeStrips } from './layout.ts'
import type { Look } from './look.ts'
import { buildMarginStrip, findDomain } from './margin-strip.ts'
import { text } from './marks.ts'
import { isClassName } from './strata.ts'
import { buildStrip, topShareOf } from './strip.ts'
import { truncate } from './text.ts'

/** Builds one of the strips that each panel has. */
type StripBuilder = (panel: Panel, place: Place) => GroupMark

/** The specification of a picture: the distributions of both classes' distances in all panels, with one view and scale. */
export function buildChart(data: ChartData, { theme, size }: Look): Spec {
  const { panels, view, totals } = data
  const layout = computeLayout(data, size)
  const drawing = { layout, theme, view, margins: totals.map(({ margin }) => margin) }
  const builders = makeStripBuilders(data, drawing)

  const { width, height, fontSize, pad, left, right, textWidth, gridTop, gridBottom, titleSize } = layout
  const { ink, pale } = theme
  const [center, middle] = [(left + width - right) / 2, (gridTop + gridBottom) / 2]
  const axisTitle = truncate(formatAxisTitle(data), textWidth, fontSize)
  const axisStyle = { fontSize, fill: pale, align: 'center' } as const
  const sideTitles = [
    text(['share of its class'], pad + 0.6 * fontSize, middle, { ...axisStyle, angle: -90 }),
    text(['loss (dashed)'], width - pad - 0.6 * fontSize, middle, { ...axisStyle, angle: 90 }),
  ]
  return {
    width,
    height,
    padding: 0,
    autosize: 'none',
    background: theme.paper,
    marks: [
      ...(size.isBare
        ? []
        : [text(layout.title, pad, pad + fontSize, { fontSize: titleSize, fill: ink, fontWeight: 'bold' })]),
      text(layout.head, pad, layout.headTop + 1.2 * fontSize, { fontSize, fill: ink }),
      ...panels.flatMap((panel, i) => buildPanel(panel, i, panels.length, builders, drawing)),
      ...(totals.length === 1 ? sideTitles : []),
      text([axisTitle], center, gridBottom + 3 * fontSize, axisStyle),
      text(layout.foot, pad, gridBottom + 5 * fontSize, { fontSize: 0.9 * fontSize, fill: pale }),
    ],
  }
}

/** The strips of a panel, from top to bottom. All panels have the same scales. */
function makeStripBuilders({ panels, scaledPanels = panels, strips }: ChartData, drawing: Drawing): StripBuilder[] {
  const histograms = scaledPanels.map(({ histogram }) => histogram)
  const all = scaledPanels.flatMap(({ totals }) => totals)
  return strips.map((name): StripBuilder => {
    if (isClassName(name)) {
      const topShare = topShareOf(name, histograms, drawing.view)
      return ({ histogram }, place) => buildStrip(name, histogram, topShare, drawing, place)
    }
    const domain = findDomain(name, all, drawing.view)
    return ({ totals }, place) => buildMarginStrip(name, totals, domain, drawing, place)
  })
}

/** The panel with this index: its name and its strips, each with a caption. */
function buildPanel(
  panel: Panel,
  index: number,
  count: number,
  builders: readonly StripBuilder[],
  { layout, theme }: Drawing,
): Mark[] {
  const { columns, fontSize, lineHeight } = layout
  const name = layout.names[index]
  const column = index % columns
  const { x, y } = placePanel(index, layout)
  const strips = placeStrips(index, layout)
  const marks: Mark[] = []
  if (name !== undefined) {
    marks.push(text([name], x, y + 0.8 * lineHeight, { fontSize, fill: theme.ink, fontWeight: 'bold' }))
  }
  for (const [k, build] of builders.entries()) {
    const caption = layout.captions[index]?.[k] as string[]
    const place = strips[k] as (typeof strips)[number]
    const baseline = place.y - ((layout.captionLines[k] as number) - 0.4) * lineHeight
    marks.push(text(caption, x, baseline, { fontSize, fill: theme.ink }))
    const labels = {
      bottom: k === builders.length - 1 && index + columns >= count,
      left: column === 0,
      right: column === columns - 1 || index === count - 1,
    }
    marks.push(build(panel, { ...place, labels }))
  }
  return marks
}

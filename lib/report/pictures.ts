import { formatQuantity, formatShare } from '../format.ts'
import type { LossAccumulator } from '../index.ts'
import { describeMarks } from '../plot/captions.ts'
import { type ChartData, marginStrips, type Panel } from '../plot/chart-data.ts'
import { placeOf } from '../plot/drawing.ts'
import { Histogram, type View } from '../plot/histogram.ts'
import { computeLayout, type Layout, placeStrips } from '../plot/layout.ts'
import type { Look, Size, Theme } from '../plot/look.ts'
import { formatFully } from '../plot/numbers.ts'
import { type ClassName, classNames, classStrata, isClassName } from '../plot/strata.ts'
import { chooseView } from '../plot/view.ts'
import type { Pictures } from './data.ts'
import { Html, html, shortenText, showText } from './html.ts'
import { buildTable, number, showCount, showShare, text } from './table.ts'

/** Draws a picture as the text of an SVG. */
type Draw = (chart: ChartData, look: Look) => Promise<string>

/** The colours of the page, so that one drawing is light and dark. */
const theme: Theme = {
  paper: 'var(--paper)',
  ink: 'var(--ink)',
  pale: 'var(--pale)',
  grid: 'var(--grid)',
  positive: 'var(--positive)',
  negative: 'var(--negative)',
}

/** A picture of one panel. On a phone a wide one would shrink, and its letters with it: there a narrow one is shown. */
const wide: Size = { width: 880, stripHeight: 110, columns: [1], columnsOfMargins: [1], fontSizes: [14], isBare: true }
const narrow: Size = { ...wide, width: 330, stripHeight: 90, fontSizes: [12] }

/**
 * Draws the pictures of a page.
 *
 * @param chart the panels, at the margins asked for
 * @param curve totals at all margins shown, in ascending order
 */
export async function drawPictures(chart: ChartData, curve: readonly LossAccumulator[], draw: Draw): Promise<Pictures> {
  const { by, panels, view, ...rest } = chart
  const histogram = new Histogram()
  for (const panel of panels) histogram.merge(panel.histogram)
  const whole = { ...rest, view, panels: [{ totals: chart.totals, histogram }], strips: classNames }
  const margins = {
    ...rest,
    view: chooseView(
      [],
      curve.map(({ margin }) => margin),
    ),
    totals: curve,
    panels: [{ totals: curve, histogram }],
    strips: marginStrips,
  }
  return {
    distances: html`${await drawFigure(whole, 'Distances of both classes', describeMarks(whole), draw)}${buildBarTable(whole)}`,
    ...(curve.length > 1 && {
      curve: await drawFigure(margins, 'Mean loss and active share at each margin shown', curveMarks, draw),
    }),
    ...(by !== undefined && { groups: await drawGroups(chart, draw) }),
  }
}

const curveMarks = ['Dots: exact values at the margins', 'nothing is drawn between them']

async function drawFigure(chart: ChartData, title: string, marks: readonly string[], draw: Draw): Promise<Html> {
  const caption = marks.join('; ').replace(/^./, (letter) => letter.toUpperCase())
  return html`<figure>
<div class="wide">${await drawPicture(chart, wide, title, draw)}</div>
<div class="narrow">${await drawPicture(chart, narrow, title, draw)}</div>
<figcaption>${title}. ${caption}.</figcaption>
</figure>
`
}

/** Draws a picture for each group, with the same scales. */
async function drawGroups(chart: ChartData, draw: Draw): Promise<Html> {
  const figures: Html[] = []
  for (const { name = '', ...panel } of chart.panels) {
    const picture = { ...chart, panels: [panel], scaledPanels: chart.panels }
    figures.push(html`<figure>
<figcaption>${showText(name)}</figcaption>
${await drawPicture(picture, narrow, `Distances of ${shortenText(name)}`, draw)}</figure>
`)
  }
  return html`<div class="multiples">
${figures}</div>
`
}

/** Draws a picture, with the numbers of each bar in a box over it. */
async function drawPicture(chart: ChartData, size: Size, title: string, draw: Draw): Promise<Html> {
  const svg = await draw(chart, { theme, size })
  const boxes = buildBoxes(chart, computeLayout(chart, size))
  // The picture is an image to a screen reader, without Vega's role of the group in it.
  const [, attributes = '', content = ''] =
    /^<svg([^>]*)>(.*)<\/svg>\s*$/s.exec(svg.replace(/ role="graphics-object" aria-roledescription="[^"]*"/, '')) ?? []
  return html`<svg role="img" aria-label="${title}"${new Html(attributes)}>${new Html(content)}${boxes}</svg>
`
}

/** Invisible boxes over the bars. */
function buildBoxes(chart: ChartData, layout: Layout): Html {
  const [panel] = chart.panels as [Panel]
  const boxes = placeStrips(0, layout).map((place, index) => {
    const name = chart.strips[index] as (typeof chart.strips)[number]
    return isClassName(name)
      ? html`<g transform="translate(${place.x},${place.y})">${boxesOf(name, panel, chart, layout)}</g>`
      : ''
  })
  return html`<g class="bars">${boxes}</g>`
}

function boxesOf(name: ClassName, panel: Panel, { view }: ChartData, layout: Layout): Html[] {
  const all = panel.histogram.count(...classStrata[name])
  const places = view.edges.map((edge) => placeOf(edge, { layout, view }))
  return panel.histogram.countByBin(classStrata[name], view).flatMap((rows, bin) => {
    const words = `${formatBin(bin, view)}: ${formatQuantity(rows, name)}, ${formatShare(rows, all)}`
    const [x, end] = [places[bin], places[bin + 1]] as [number, number]
    const place = html`x="${x.toFixed(2)}" width="${(end - x).toFixed(2)}" height="${layout.stripHeight}"`
    return rows === 0 ? [] : [html`<rect ${place}><title>${words}</title></rect>`]
  })
}

/** The bars of a picture as numbers, for readers who do not see or touch them. */
function buildBarTable({ panels, view }: ChartData): Html {
  const [panel] = panels as [Panel]
  const counts = classNames.map((name) => panel.histogram.countByBin(classStrata[name], view))
  const all = classNames.map((name) => panel.histogram.count(...classStrata[name]))
  const rows = view.edges.slice(1).flatMap((_, bin) => {
    const ofBin = counts.map((each) => each[bin] as number)
    const cells = ofBin.flatMap((count, k) => [showCount(count), showShare(count, all[k] as number)])
    return ofBin.every((count) => count === 0) ? [] : [[formatBin(bin, view), ...cells]]
  })
  if (rows.length === 0) return html``
  const headings = ['Positives', 'Share of positives', 'Negatives', 'Share of negatives']
  return html`<details>
<summary>The numbers of the bars</summary>
${buildTable({ caption: 'Pairs with each distance x', columns: [text('Distance'), ...headings.map(number)], rows })}</details>
`
}

function formatBin(bin: number, { edges }: View): string {
  const [low, high] = [edges[bin], edges[bin + 1]] as [number, number]
  return `${formatFully(low)} ≤ x < ${formatFully(high)}`
}

import { describeMarks, describeStrips, describeTotal } from './captions.ts'
import type { ChartData } from './chart-data.ts'
import type { Size } from './look.ts'
import { estimateWidth, wrapPhrases } from './text.ts'

export type Layout = ReturnType<typeof computeLayout>

/** Computes where everything is, in pixels, from the numbers of panels and of lines of text. */
export function computeLayout(data: ChartData, size: Size) {
  const { panels, totals } = data
  const hasOneMargin = totals.length === 1
  const columns = (hasOneMargin ? size.columns : size.columnsOfMargins)[panels.length - 1] as number
  const rows = Math.ceil(panels.length / columns)
  const fontSize = size.fontSizes[columns - 1] as number
  const [pad, gap, lineHeight] = [1.2 * fontSize, 1.6 * fontSize, 1.4 * fontSize]
  // On the right are the losses, and on both sides the titles of the axes, only where there is one margin.
  const [left, right] = [pad + (hasOneMargin ? 5.2 : 4) * fontSize, pad + (hasOneMargin ? 5.8 : 1.2) * fontSize]
  const textWidth = size.width - 2 * pad
  const panelWidth = (size.width - left - right - (columns - 1) * gap) / columns

  const head = size.isBare ? [] : wrapPhrases(describeTotal(data), textWidth, fontSize)
  const foot = size.isBare ? [] : wrapPhrases(describeMarks(data), textWidth, 0.9 * fontSize, '; ')
  const captions = wrapCaptions(data, panelWidth, fontSize)
  const captionHeights = (captions[0] as string[][]).map((_, k) => {
    const lines = Math.max(...captions.map((ofPanel) => (ofPanel[k] as string[]).length))
    return (lines + 0.6) * lineHeight
  })
  const strips = captionHeights.length

  const nameHeight = panels.some(({ name }) => name !== undefined) ? lineHeight : 0
  const textHeight = nameHeight + captionHeights.reduce((sum, height) => sum + height)
  const gridTop = pad + (size.isBare ? 0 : 2.4 + 1.4 * head.length) * fontSize
  const footHeight = pad + (size.isBare ? 2.6 : 4 + 1.3 * foot.length) * fontSize
  const fixedHeight = gridTop + footHeight + rows * textHeight + (rows - 1) * gap
  const stripHeight = size.stripHeight ?? ((size.height ?? 0) - fixedHeight) / (strips * rows)
  const height = Math.ceil(fixedHeight + strips * rows * stripHeight)
  return {
    width: size.width,
    height,
    columns,
    fontSize,
    lineHeight,
    pad,
    gap,
    left,
    right,
    textWidth,
    panelWidth,
    panelHeight: textHeight + strips * stripHeight,
    stripHeight,
    nameHeight,
    captionHeights,
    gridTop,
    gridBottom: height - footHeight,
    head,
    foot,
    captions,
  }
}

/** Where the panel with this index begins. */
export function placePanel(index: number, layout: Layout): { readonly x: number; readonly y: number } {
  const { left, gridTop, columns, panelWidth, panelHeight, gap } = layout
  const row = Math.floor(index / columns)
  return { x: left + (index % columns) * (panelWidth + gap), y: gridTop + row * (panelHeight + gap) }
}

/** Where the boxes of its strips begin, from top to bottom, below their captions. */
export function placeStrips(index: number, layout: Layout): { readonly x: number; readonly y: number }[] {
  const { x, y } = placePanel(index, layout)
  const { nameHeight, captionHeights, stripHeight } = layout
  let bottom = y + nameHeight
  return captionHeights.map((height) => {
    bottom += height + stripHeight
    return { x, y: bottom - stripHeight }
  })
}

/** The lines above each strip in each panel. Panels look alike: unless all phrases fit on one line, each has a line of its own. */
function wrapCaptions(data: ChartData, width: number, fontSize: number): string[][][] {
  const { panels } = data
  const phrases = panels.map((panel) => describeStrips(panel, data))
  const isWide =
    panels.length === 1 || phrases.flat().every((part) => estimateWidth(part.join(', '), fontSize) <= width)
  return isWide ? phrases.map((ofPanel) => ofPanel.map((part) => wrapPhrases(part, width, fontSize))) : phrases
}

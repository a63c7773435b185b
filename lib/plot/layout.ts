import type { LossAccumulator } from '../index.ts'
import { describeMarks, describeStrips, describeTotal, formatTitle } from './captions.ts'
import type { ChartData } from './chart-data.ts'
import type { Size } from './look.ts'
import { findLossRange } from './losses.ts'
import { estimateWidth, truncateNames, wrapPhrases, wrapWords } from './text.ts'

export type Layout = ReturnType<typeof computeLayout>

/** Bold letters are so much wider than the estimate. */
const bold = 1.1
/** Lines that are left free between a strip and the caption below it. */
const spaceOverCaption = 0.5
/** Lines of a title, at most. */
const mostTitleLines = 3

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

  const titleSize = 1.3 * fontSize
  const title = size.isBare ? [] : wrapWords(formatTitle(data), textWidth, bold * titleSize, mostTitleLines)
  const names = truncateNames(
    panels.flatMap(({ name = [] }) => name),
    panelWidth,
    bold * fontSize,
  )
  const head = size.isBare ? [] : wrapPhrases(describeTotal(data), textWidth, fontSize)
  const foot = size.isBare ? [] : wrapPhrases(describeMarks(data), textWidth, 0.9 * fontSize, '; ')
  const captions = wrapCaptions(data, panelWidth, fontSize)
  const captionLines = (captions[0] as string[][]).map((_, k) => {
    return Math.max(...captions.map((ofPanel) => (ofPanel[k] as string[]).length))
  })
  const captionHeights = captionLines.map((lines, k) => (lines + 0.6 + (k === 0 ? 0 : spaceOverCaption)) * lineHeight)
  const strips = captionHeights.length

  const nameHeight = names.length > 0 ? lineHeight : 0
  const textHeight = nameHeight + captionHeights.reduce((sum, height) => sum + height)
  const headTop = pad + 1.4 * titleSize * title.length
  const gridTop = headTop + (size.isBare ? 0 : 0.6 + 1.4 * head.length) * fontSize
  const footHeight = pad + (size.isBare ? 2.6 : 4 + 1.3 * foot.length) * fontSize
  const fixedHeight = gridTop + footHeight + rows * textHeight + (rows - 1) * gap
  const stripHeight = size.stripHeight
    ? size.stripHeight * (hasOneMargin ? growthOf(data) : 1)
    : ((size.height ?? 0) - fixedHeight) / (strips * rows)
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
    captionLines,
    captionHeights,
    gridTop,
    gridBottom: height - footHeight,
    titleSize,
    title,
    headTop,
    head,
    foot,
    names,
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

/** How much higher strips are where losses are less than 0, so that bars are not much lower. */
function growthOf({ view, totals }: ChartData): number {
  const [least, most] = findLossRange(view, (totals[0] as LossAccumulator).margin)
  return Math.min(1.5, (most - least) / most)
}

/** The lines above each strip in each panel. Panels look alike: unless all phrases fit on one line, each has a line of its own. */
function wrapCaptions(data: ChartData, width: number, fontSize: number): string[][][] {
  const { panels } = data
  const phrases = panels.map((panel) => describeStrips(panel, data))
  const isWide =
    panels.length === 1 || phrases.flat().every((part) => estimateWidth(part.join(', '), fontSize) <= width)
  return phrases.map((ofPanel) => ofPanel.map((part) => wrapPhrases(part, isWide ? width : 0, fontSize)))
}

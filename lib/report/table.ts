import { formatCount, formatFigure, formatShare } from '../format.ts'
import { type Html, html, lines, type Part } from './html.ts'

/** A column of a table. Numbers are aligned to the right, and their cells have values by which they are sorted. */
export interface Column {
  readonly heading: Part
  readonly kind: 'text' | 'number'
}

export interface Table {
  readonly caption: Part
  readonly columns: readonly Column[]
  /** the first cell of a row is its heading */
  readonly rows: readonly (readonly Part[])[]
  /** true if readers may sort the rows */
  readonly isSortable?: boolean
}

export const text = (heading: Part): Column => ({ heading, kind: 'text' })
export const number = (heading: Part): Column => ({ heading, kind: 'number' })

/** Builds a table, in a box in which a wide one scrolls. */
export function buildTable({ caption, columns, rows, isSortable = false }: Table): Html {
  const headings = columns.map(({ heading, kind }) => html`<th scope="col" class="${kind}">${heading}</th>`)
  return html`<div class="scroll">
<table${isSortable ? html` class="sortable"` : ''}>
<caption>${caption}</caption>
<thead><tr>${headings}</tr></thead>
<tbody>
${lines(rows.map((cells) => buildRow(cells, columns)))}</tbody>
</table>
</div>
`
}

function buildRow(cells: readonly Part[], columns: readonly Column[]): Html {
  const built = cells.map((cell, index) => {
    const kind = columns[index]?.kind ?? 'text'
    return index === 0 ? html`<th scope="row" class="${kind}">${cell}</th>` : html`<td class="${kind}">${cell}</td>`
  })
  return html`<tr>${built}</tr>`
}

/** A number as readers see it, with its exact value for sorting and for programs. */
function showValue(value: number, shown: string): Html {
  return html`<data value="${value}">${shown.replace(/^-/, '−')}</data>`
}

export function showCount(count: number): Html {
  return showValue(count, formatCount(count))
}

export function showFigure(value: number): Html {
  return showValue(value, formatFigure(value))
}

/** The mean of some rows; a dash where there are none. */
export function showMean(mean: number, count: number): Html {
  return showValue(mean, count === 0 ? '–' : formatFigure(mean))
}

/** A share of some rows in per cent; a dash where there are none. */
export function showShare(part: number, all: number): Html {
  return showValue(part / all, all === 0 ? '–' : formatShare(part, all))
}

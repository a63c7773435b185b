import type { GroupValue } from '../files/options.ts'
import { formatFigures, formatTopRow, isWeighted, type StreamedTotals, type TopRow } from '../files/totals.ts'
import {
  describeOthers,
  escapeInvisible,
  formatActiveShare,
  formatCount,
  formatFigure,
  formatJSON,
  nameValue,
} from '../format.ts'
import type { ClassTotals, LossAccumulator, NegativeTotals } from '../index.ts'
import type { Context } from './options.ts'
import { cutToWidth, widthOf } from './width.ts'

type Print = Context['print']

/**
 * Prints the totals for each margin, of which there is one at least: a table for people or, with `json`, one line of JSON,
 * an array if there are several. Groups are printed as they are read.
 */
export async function printTotals(
  totals: readonly StreamedTotals[],
  { json, by = '' }: { readonly json?: true | undefined; readonly by?: string | undefined },
  print: Print,
): Promise<void> {
  if (!json) return printAsTable(totals, by, print)
  const [begin, end] = totals.length > 1 ? ['[', ']'] : ['', '']
  for (const [index, each] of totals.entries()) {
    await printAsJSON(each, index === 0 ? begin : ',', index === totals.length - 1 ? `${end}\n` : '', print)
  }
}

async function printAsJSON(
  { total, groups, top }: StreamedTotals,
  begin: string,
  end: string,
  print: Print,
): Promise<void> {
  const rows = top === undefined ? '' : `,"top":[${top.map(formatTopRow).join()}]`
  const figures = formatFigures(total)
  if (groups === undefined) return print(`${begin}${figures.slice(0, -1)}${rows}}${end}`)
  let separator = `${begin}{"groups":[`
  for await (const elements of groups.readElements('json')) {
    await print(Buffer.concat([Buffer.from(separator), elements]))
    separator = ','
  }
  await print(`${separator === ',' ? '' : separator}],"total":${figures}${rows}}${end}`)
}

async function printAsTable(totals: readonly StreamedTotals[], by: string, print: Print): Promise<void> {
  const [first] = totals as [StreamedTotals]
  const hasMargins = totals.length > 1
  const hasGroups = first.groups !== undefined
  const names = [...(hasMargins ? ['margin'] : []), ...(hasGroups ? [escapeInvisible(by)] : [])]
  const table = new Table(Math.max(names.length, 1))
  if (names.length === 0) table.add(classLines(first.total))
  else table.add([[...names, ...figureNames(first.total), 'positives', 'negatives', 'active']])
  for (const { total, groups } of names.length === 0 ? [] : totals) {
    const margin = hasMargins ? [String(total.margin)] : []
    for await (const elements of groups?.readElements('key') ?? []) {
      const list: readonly GroupFigures[] = JSON.parse(`[${decoder.decode(elements)}]`)
      table.add(list.map(({ by, ...figures }) => [...margin, escapeInvisible(nameValue(by)), ...figureCells(figures)]))
    }
    table.add([[...margin, ...(hasGroups ? ['all'] : []), ...figureCells(total)]])
  }
  for (const text of table.format()) await print(text)
  const notes = totals.map(({ total: { margin, negatives } }) => {
    const active = `${formatCount(negatives.active)}${formatActiveShare(negatives)}`
    return `active negatives, inside the margin of ${margin}: ${active}`
  })
  const { others } = first.total
  if (others > 0) notes.push(`labels that are neither, ${describeOthers(first.total)}: ${formatCount(others)}`)
  await print(`\n${notes.join('\n')}\n`)
  for (const { total, top } of totals) {
    if (top !== undefined) await printTop(top, hasMargins ? ` at a margin of ${total.margin}` : '', print)
  }
}

/** The most columns of a kept value in a table. */
const longestCell = 40

async function printTop(rows: readonly TopRow[], place: string, print: Print): Promise<void> {
  const names = Object.keys(rows[0]?.kept ?? {})
  const table = new Table(1)
  table.add([['file', 'row', 'loss', 'input', 'label', ...names].map(escapeInvisible)])
  const lines = rows.map(({ file, row, loss, input, label, kept = {} }) => [
    escapeInvisible(file === '-' ? 'standard input' : file),
    formatCount(row),
    ...[loss, input].map(formatFigure),
    typeof label === 'number' ? formatFigure(label) : formatCell(label),
    ...names.map((name) => formatCell(kept[name] ?? null)),
  ])
  if (lines.length > 0) table.add(lines)
  await print(`\nrows of the greatest losses${place}:\n`)
  for (const text of table.format()) await print(text)
}

function formatCell(value: GroupValue): string {
  const isText = typeof value === 'string' || value === null
  const escaped = escapeInvisible(isText ? nameValue(value) : formatJSON(value))
  return widthOf(escaped) > longestCell ? `${cutToWidth(escaped, longestCell - 1)}…` : escaped
}

function classLines(total: LossAccumulator): string[][] {
  const { positives, negatives } = total
  const lines = Object.entries({ all: total, positives, negatives }).map(([name, figures]) => {
    return [name, ...classCells(figures, isWeighted(total))]
  })
  return [['', ...figureNames(total)], ...lines]
}

/** Totals, or their JSON, in which numbers that JSON lacks are text. */
interface Figures extends ClassTotals {
  readonly positives: ClassTotals
  readonly negatives: NegativeTotals
}

interface GroupFigures extends Figures {
  readonly by: string | null
}

const decoder = new TextDecoder()

function figureCells(figures: Figures): string[] {
  const { positives, negatives } = figures
  const counts = [positives.count, negatives.count, negatives.active].map(formatCount)
  return [...classCells(figures, isWeighted(figures)), ...counts]
}

function figureNames(total: LossAccumulator): string[] {
  return ['count', 'mean', 'sum', ...(isWeighted(total) ? ['weight'] : [])]
}

function classCells({ count, mean, sum, weight }: ClassTotals, hasWeight: boolean): string[] {
  return [formatCount(count), ...[mean, sum, ...(hasWeight ? [weight as number] : [])].map(formatFigure)]
}

/** Lines whose columns are aligned once all are known. A batch of lines is kept as one text, which is small. */
class Table {
  readonly #widths: number[] = []
  readonly #batches: string[] = []
  readonly #nameColumns: number

  /** The first columns are names, which are aligned to the left. */
  constructor(nameColumns: number) {
    this.#nameColumns = nameColumns
  }

  /** Adds lines of cells, which have neither tabs nor line ends. */
  add(lines: readonly (readonly string[])[]): void {
    for (const line of lines) {
      for (const [column, cell] of line.entries()) {
        this.#widths[column] = Math.max(this.#widths[column] ?? 0, widthOf(cell))
      }
    }
    this.#batches.push(lines.map((line) => line.join('\t')).join('\n'))
  }

  /** Formats the lines, batch after batch. */
  *format(): Generator<string> {
    const pad = (cell: string, column: number) => {
      const spaces = ' '.repeat((this.#widths[column] ?? 0) - widthOf(cell))
      return column < this.#nameColumns ? cell + spaces : spaces + cell
    }
    const align = (line: string) => `${line.split('\t').map(pad).join('  ')}\n`
    for (const batch of this.#batches) yield batch.split('\n').map(align).join('')
  }
}

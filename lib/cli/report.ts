import { formatFigures, type GroupReader, type StreamedTotals } from '../files/totals.ts'
import { describeOthers, formatActiveShare, formatCount } from '../format.ts'
import type { ClassTotals, LossAccumulator, NegativeTotals } from '../index.ts'
import { escapeInvisible } from './escape.ts'

/** Prints totals: a table for people or, with `json`, one line of JSON. Groups are printed as they are read. */
export async function printTotals(
  { total, groups }: StreamedTotals,
  { json, by }: { readonly json?: true | undefined; readonly by?: string | undefined },
  print: (text: string) => Promise<void>,
): Promise<void> {
  if (json) await printAsJSON(total, groups, print)
  else await printAsTable(total, groups && { reader: groups, by: by ?? '' }, print)
}

type Print = (text: string) => Promise<void>

async function printAsJSON(total: LossAccumulator, groups: GroupReader | undefined, print: Print): Promise<void> {
  if (groups === undefined) return print(`${formatFigures(total)}\n`)
  let separator = '{"groups":['
  for await (const { values, figures } of groups.readFigures('json')) {
    const list = values.map((json, i) => `{"by":${json},${figures[i]?.slice(1)}`)
    await print(`${separator}${list.join(',')}`)
    separator = ','
  }
  const begin = separator === ',' ? '' : separator
  await print(`${begin}],"total":${formatFigures(total)}}\n`)
}

interface TableGroups {
  readonly reader: GroupReader
  readonly by: string
}

async function printAsTable(total: LossAccumulator, groups: TableGroups | undefined, print: Print): Promise<void> {
  const table = new Table()
  if (groups === undefined) {
    table.add(classLines(total))
  } else {
    table.add([[escapeInvisible(groups.by), 'count', 'mean', 'sum', 'positives', 'negatives', 'active']])
    for await (const { values, figures } of groups.reader.readFigures('key')) {
      table.add(values.map((key, i) => groupLine(key ?? 'NULL', JSON.parse(figures[i] as string))))
    }
    table.add([groupLine('all', total)])
  }
  for (const text of table.format()) await print(text)
  const { negatives, others } = total
  const active = `${formatCount(negatives.active)}${formatActiveShare(negatives)}`
  const notes = [`active negatives, inside the margin of ${total.margin}: ${active}`]
  if (others > 0) notes.push(`labels that are neither, ${describeOthers(total)}: ${formatCount(others)}`)
  await print(`\n${notes.join('\n')}\n`)
}

function classLines(total: LossAccumulator): string[][] {
  const { positives, negatives } = total
  const lines = Object.entries({ all: total, positives, negatives }).map(([name, { count, mean, sum }]) => {
    return [name, formatCount(count), formatFigure(mean), formatFigure(sum)]
  })
  return [['', 'count', 'mean', 'sum'], ...lines]
}

/** Totals, or their JSON, in which numbers that JSON lacks are text. */
interface Figures extends ClassTotals {
  readonly positives: ClassTotals
  readonly negatives: NegativeTotals
}

function groupLine(name: string, { count, mean, sum, positives, negatives }: Figures): string[] {
  const counts = [positives.count, negatives.count, negatives.active].map(formatCount)
  return [escapeInvisible(name), formatCount(count), formatFigure(mean), formatFigure(sum), ...counts]
}

function formatFigure(value: number): string {
  return String(Number(Number(value).toPrecision(7)))
}

/** Lines whose columns are aligned once all are known. A batch of lines is kept as one text, which is small. */
class Table {
  readonly #widths: number[] = []
  readonly #batches: string[] = []

  /** Adds lines of cells, which have neither tabs nor line ends. */
  add(lines: readonly (readonly string[])[]): void {
    for (const line of lines) {
      for (const [column, cell] of line.entries()) {
        this.#widths[column] = Math.max(this.#widths[column] ?? 0, cell.length)
      }
    }
    this.#batches.push(lines.map((line) => line.join('\t')).join('\n'))
  }

  /** Formats the lines, batch after batch. */
  *format(): Generator<string> {
    const pad = (cell: string, column: number) => {
      const width = this.#widths[column] ?? 0
      return column === 0 ? cell.padEnd(width) : cell.padStart(width)
    }
    const align = (line: string) => `${line.split('\t').map(pad).join('  ')}\n`
    for (const batch of this.#batches) yield batch.split('\n').map(align).join('')
  }
}

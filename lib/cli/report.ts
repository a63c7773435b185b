import type { FileTotals, Group } from '../files/totals.ts'
import { describeOthers, formatActiveShare, formatCount, formatJSON } from '../format.ts'
import type { LossAccumulator } from '../index.ts'
import { escapeInvisible } from './escape.ts'

/** Formats totals for standard output: a table for people or, with `json`, one line of JSON. */
export function formatTotals(totals: FileTotals, { json, by }: { json?: true | undefined; by?: string }): string {
  return json ? formatAsJSON(totals) : formatAsTable(totals, by)
}

function formatAsJSON({ total, groups }: FileTotals): string {
  if (groups === undefined) return `${formatFigures(total)}\n`
  const list = groups.map(({ json, total }) => `{"by":${json},${formatFigures(total).slice(1)}`)
  return `{"groups":[${list.join(',')}],"total":${formatFigures(total)}}\n`
}

function formatFigures({ count, sum, mean, margin, positives, negatives, others }: LossAccumulator): string {
  return formatJSON({ count, sum, mean, margin, positives, negatives, others })
}

function formatAsTable({ total, groups }: FileTotals, by = ''): string {
  const { positives, negatives, others } = total
  const active = `${formatCount(negatives.active)}${formatActiveShare(negatives)}`
  const notes = [`active negatives, inside the margin of ${total.margin}: ${active}`]
  if (others > 0) notes.push(`labels that are neither, ${describeOthers(total)}: ${formatCount(others)}`)
  const lines =
    groups === undefined
      ? classLines({ all: total, positives, negatives })
      : groupLines(by, [...groups, { key: 'all', total }])
  return `${alignColumns(lines)}\n\n${notes.join('\n')}\n`
}

function classLines(classes: Readonly<Record<string, { count: number; mean: number; sum: number }>>): string[][] {
  const lines = Object.entries(classes).map(([name, { count, mean, sum }]) => {
    return [name, formatCount(count), formatFigure(mean), formatFigure(sum)]
  })
  return [['', 'count', 'mean', 'sum'], ...lines]
}

function groupLines(by: string, list: readonly Pick<Group, 'key' | 'total'>[]): string[][] {
  const lines = list.map(({ key, total: { count, mean, sum, positives, negatives } }) => {
    const counts = [positives.count, negatives.count, negatives.active].map(formatCount)
    return [escapeInvisible(key ?? 'NULL'), formatCount(count), formatFigure(mean), formatFigure(sum), ...counts]
  })
  return [[escapeInvisible(by), 'count', 'mean', 'sum', 'positives', 'negatives', 'active'], ...lines]
}

function alignColumns(lines: readonly string[][]): string {
  const widths = (lines[0] ?? []).map((_, column) =>
    lines.reduce((width, line) => Math.max(width, line[column]?.length ?? 0), 0),
  )
  const pad = (cell: string, column: number) => {
    const width = widths[column] ?? 0
    return column === 0 ? cell.padEnd(width) : cell.padStart(width)
  }
  return lines.map((line) => line.map(pad).join('  ')).join('\n')
}

function formatFigure(value: number): string {
  return String(Number(value.toPrecision(7)))
}

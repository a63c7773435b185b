import type { Group } from '../files/duckdb/totals.ts'
import type { LossAccumulator } from '../index.ts'
import { escapeInvisible } from './escape.ts'

export function groups(count: number): string {
  return count.toLocaleString('en')
}

/** One line of JSON; figures that JSON has no numbers for are strings. */
export function toJSON(total: LossAccumulator, byGroups?: readonly Group[]): string {
  if (byGroups === undefined) return `${figures(total)}\n`
  const list = byGroups.map(({ by, total }) => `{"by":${by},${figures(total).slice(1)}`)
  return `{"groups":[${list.join(',')}],"total":${figures(total)}}\n`
}

function figures({ count, sum, mean, margin, positives, negatives, others }: LossAccumulator): string {
  const totals = { count, sum, mean, margin, positives, negatives, others }
  const text = (value: unknown) => (typeof value === 'number' && !Number.isFinite(value) ? String(value) : value)
  return JSON.stringify(totals, (_, value) => text(value))
}

/** A table for people: a line a class, or a line a group. */
export function toTable(total: LossAccumulator, byGroups?: readonly Group[], by = ''): string {
  const { positives, negatives, others } = total
  const share = negatives.count === 0 ? '' : ` (${((100 * negatives.active) / negatives.count).toFixed(1)} %)`
  const notes = [`active negatives, inside the margin of ${total.margin}: ${groups(negatives.active)}${share}`]
  const fate = total.otherLabels === 'zero' ? 'counted with a loss of 0' : 'not counted'
  if (others > 0) notes.push(`labels that are neither, ${fate}: ${groups(others)}`)
  const lines =
    byGroups === undefined
      ? classLines({ all: total, positives, negatives })
      : groupLines(by, [...byGroups, { key: 'all', total }])
  return `${aligned(lines)}\n\n${notes.join('\n')}\n`
}

function classLines(classes: Readonly<Record<string, { count: number; mean: number; sum: number }>>): string[][] {
  const lines = Object.entries(classes).map(([name, { count, mean, sum }]) => {
    return [name, groups(count), digits(mean), digits(sum)]
  })
  return [['', 'count', 'mean', 'sum'], ...lines]
}

function groupLines(by: string, list: readonly Pick<Group, 'key' | 'total'>[]): string[][] {
  const lines = list.map(({ key, total: { count, mean, sum, positives, negatives } }) => {
    const counts = [positives.count, negatives.count, negatives.active].map(groups)
    return [escapeInvisible(key ?? 'NULL'), groups(count), digits(mean), digits(sum), ...counts]
  })
  return [[escapeInvisible(by), 'count', 'mean', 'sum', 'positives', 'negatives', 'active'], ...lines]
}

function aligned(lines: readonly string[][]): string {
  const widths = (lines[0] ?? []).map((_, column) =>
    lines.reduce((width, line) => Math.max(width, line[column]?.length ?? 0), 0),
  )
  const pad = (cell: string, column: number) => {
    const width = widths[column] ?? 0
    return column === 0 ? cell.padEnd(width) : cell.padStart(width)
  }
  return lines.map((line) => line.map(pad).join('  ')).join('\n')
}

function digits(value: number): string {
  return String(Number(value.toPrecision(7)))
}

import { type InvalidLabelError, LossAccumulator, type MarginOptions, setNumThreads } from '../index.ts'
import { type Batch, type Columns, Reader } from './duckdb-reader.ts'
import { codeOf } from './failures.ts'

export interface ScoreOptions extends Columns, Required<MarginOptions> {
  threads?: number
  json?: true
  progress: boolean
}

/** The totals over all files, as the text for standard output. */
export async function score(paths: readonly string[], options: ScoreOptions, signal: AbortSignal): Promise<string> {
  const { margin, positiveLabel, negativeLabel, otherLabels } = options
  const total = new LossAccumulator({ margin, positiveLabel, negativeLabel, otherLabels })
  if (options.threads !== undefined) setNumThreads(options.threads)
  const reader = await Reader.open()
  const interrupt = () => reader.interrupt()
  signal.addEventListener('abort', interrupt)
  const progress = progressLine(options.progress && process.stderr.isTTY)
  try {
    signal.throwIfAborted()
    await reader.assertExpression('--input', options.input)
    await reader.assertExpression('--label', options.label)
    const sources = await reader.find(paths)
    let rows = 0
    for (const [done, source] of sources.entries()) {
      for await (const batch of reader.read(source, options)) {
        signal.throwIfAborted()
        add(total, source.file, batch)
        rows += batch.input.length
        progress.show(() => `${groups(rows)} rows, ${done} of ${groups(sources.length)} files done`)
      }
    }
  } finally {
    progress.clear()
    signal.removeEventListener('abort', interrupt)
    reader.close()
  }
  return options.json ? toJSON(total) : toTable(total)
}

function add(total: LossAccumulator, file: string, { input, label, rowOf }: Batch): void {
  try {
    total.update(input, label)
  } catch (error) {
    if (codeOf(error) !== 'ERR_INVALID_LABEL') throw error
    const { index, value } = error as InvalidLabelError
    const advice =
      Number(value) === 0 && total.positiveLabel === 1
        ? '--negative-label 0 reads 0/1 labels'
        : '--positive-label and --negative-label name the encoding; --other-labels zero or ignore lets others pass'
    const expected = `must be ${total.positiveLabel} or ${total.negativeLabel}, got ${value}`
    throw new Error(`${file}: row ${rowOf(index)}: the label ${expected} (${advice})`, { cause: error })
  }
}

/** A line on standard error that replaces itself, at most ten times a second. */
function progressLine(isShown: boolean): { show(text: () => string): void; clear(): void } {
  const replace = (text: string) => process.stderr.write(`\r\x1b[K${text}`)
  let due = 0
  return {
    show(text) {
      if (!isShown || performance.now() < due) return
      due = performance.now() + 100
      replace(text())
    },
    clear() {
      if (isShown) replace('')
    },
  }
}

function toJSON({ count, sum, mean, margin, positives, negatives, others }: LossAccumulator): string {
  const totals = { count, sum, mean, margin, positives, negatives, others }
  const text = (value: unknown) => (typeof value === 'number' && !Number.isFinite(value) ? String(value) : value)
  return `${JSON.stringify(totals, (_, value) => text(value))}\n`
}

function toTable(total: LossAccumulator): string {
  const { positives, negatives, others } = total
  const rows = Object.entries({ all: total, positives, negatives }).map(([name, { count, mean, sum }]) => {
    return [name, groups(count), digits(mean), digits(sum)]
  })
  const share = negatives.count === 0 ? '' : ` (${((100 * negatives.active) / negatives.count).toFixed(1)} %)`
  const notes = [`active negatives, inside the margin of ${total.margin}: ${groups(negatives.active)}${share}`]
  const fate = total.otherLabels === 'zero' ? 'counted with a loss of 0' : 'not counted'
  if (others > 0) notes.push(`labels that are neither, ${fate}: ${groups(others)}`)
  return `${aligned([['', 'count', 'mean', 'sum'], ...rows])}\n\n${notes.join('\n')}\n`
}

function aligned(rows: string[][]): string {
  const width = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0))
  const pad = (cell: string, column: number) => (column === 0 ? cell.padEnd(width(0)) : cell.padStart(width(column)))
  return rows.map((row) => row.map(pad).join('  ')).join('\n')
}

function groups(count: number): string {
  return count.toLocaleString('en')
}

function digits(value: number): string {
  return String(Number(value.toPrecision(7)))
}

import type { Vector } from 'apache-arrow'
import { formatJSON } from '../format.ts'
import { HingeEmbeddingLoss, type InputData } from '../index.ts'
import type { ScoredChunk } from './chunk-totals.ts'
import { columnAsJson } from './duckdb/group-keys.ts'
import { hasRowNumbers, splitByFile } from './duckdb/scan.ts'
import type { Session } from './duckdb/session.ts'
import type { ScanTotals } from './duckdb/totals.ts'
import { lossArguments, selectInputs, type TypedScan } from './duckdb/typed-scans.ts'
import type { GroupValue, Scoring } from './options.ts'
import { assertDistinctNames } from './output-formats.ts'
import { findCompleteRows, selectRows } from './readers/chunks.ts'
import { makeDateKey } from './readers/group-keys.ts'
import { parseGroupValue, type TopRow } from './totals.ts'

/** The rows to choose from: all that count, or those of one class. */
export type RowClass = 'all' | 'positive' | 'negative'

/** A row with the place of its file among those of the run. */
interface Candidate extends TopRow {
  readonly place: number
}

/** Greater losses first, NaN before all; equal ones in the order of files and rows. */
function compare(one: Candidate, other: Candidate): number {
  return compareLosses(one.loss, other.loss) || one.place - other.place || one.row - other.row
}

function compareLosses(one: number, other: number): number {
  if (one === other) return 0
  if (Number.isNaN(one) || Number.isNaN(other)) return Number(Number.isNaN(other)) - Number(Number.isNaN(one))
  return other - one
}

/** The first rows of those that are added, in order. It holds twice as many at most. */
class TopList {
  readonly #count: number
  #rows: Candidate[] = []
  #last: Candidate | undefined

  constructor(count: number) {
    this.#count = count
  }

  /** False if there are enough rows before one with this loss, which comes after all that were added. */
  accepts(loss: number): boolean {
    return this.#last === undefined || compareLosses(loss, this.#last.loss) < 0
  }

  add(row: Candidate): void {
    if (this.#rows.push(row) < 2 * this.#count) return
    this.#rows = this.#rows.sort(compare).slice(0, this.#count)
    this.#last = this.#rows.at(-1)
  }

  list(): TopRow[] {
    const rows = this.#rows.sort(compare).slice(0, this.#count)
    return rows.map(({ place: _, ...row }) => row)
  }
}

/** Collects the rows of the greatest losses at each margin, of all rows or of each class, from chunks and from scans. */
export class TopCollector {
  readonly #scoring: Scoring
  readonly #count: number
  readonly #classes: readonly RowClass[]
  readonly #names: ReadonlyMap<string, string>
  readonly #places: ReadonlyMap<string, number>
  /** for each margin, for each class */
  readonly #lists: readonly (readonly TopList[])[]

  /** @param names by the path of each file of the run, in their order: the name that the caller knows */
  constructor(
    scoring: Scoring,
    count: number,
    names: ReadonlyMap<string, string>,
    classes: readonly RowClass[] = ['all'],
  ) {
    this.#scoring = scoring
    this.#count = count
    this.#classes = classes
    this.#names = names
    this.#places = new Map([...names.keys()].map((path, place) => [path, place]))
    this.#lists = scoring.margins.map(() => classes.map(() => new TopList(count)))
  }

  /** For each margin, for each class: the rows of the greatest losses. */
  list(): TopRow[][][] {
    return this.#lists.map((lists) => lists.map((list) => list.list()))
  }

  /** Adds each chunk before it is yielded. */
  async *collect(chunks: AsyncIterable<ScoredChunk>): AsyncGenerator<ScoredChunk> {
    for await (const chunk of chunks) {
      this.addChunk(chunk)
      yield chunk
    }
  }

  /** Adds the rows of a chunk. Chunks come in the order of their rows, and before the scans. */
  addChunk({ file, row: begin, input, label, labelTextAt, missing, keptColumns, schema }: ScoredChunk): void {
    const { margins, positiveLabel, negativeLabel, otherLabels } = this.#scoring
    const names = schema.keptFields.map(({ name }) => name)
    assertDistinctNames(names, [])
    const rows = missing && findCompleteRows(missing)
    const [x, y] = rows ? [selectRows(input, rows), selectRows(label, rows)] : [input, label]
    const from = this.#locate(file)
    for (const [index, margin] of margins.entries()) {
      const settings = { margin, positiveLabel, negativeLabel, otherLabels, reduction: 'none' } as const
      const losses = new HingeEmbeddingLoss(settings)(x, y).data as InputData
      for (const [place, list] of (this.#lists[index] as TopList[]).entries()) {
        const isChosen = makeFilter(this.#classes[place] as RowClass, this.#scoring)
        for (let i = 0; i < losses.length; i++) {
          const at = rows?.[i] ?? i
          const loss = losses[i] as number
          if (!list.accepts(loss) || !isChosen(Number(y[i]))) continue
          const kept = names.length > 0 && { kept: keepValues(names, keptColumns, at) }
          const value = labelTextAt?.(at) ?? Number(y[i])
          list.add({ ...from, row: begin + at + 1, loss, input: x[i] as number, label: value, ...kept })
        }
      }
    }
  }

  async addScans(session: Session, { typed, rows }: ScanTotals): Promise<void> {
    for (const { kept } of typed) {
      assertDistinctNames(
        kept.map(({ name }) => name),
        [],
      )
    }
    const queries = typed.flatMap(splitUnnumbered).flatMap((scan) => this.#queriesOf(scan))
    for (const [step, { scan, list, sql }] of queries.entries()) {
      session.pass = { doing: 'finding the greatest losses', rows, step, steps: queries.length }
      const names = scan.kept.map(({ name }) => name)
      for (const [file, row, loss, input, label, ...values] of await session.readRows(sql)) {
        const kept = names.map((name, index) => [name, parseGroupValue(values[index] as string)] as const)
        list.add({
          ...this.#locate(scan.scan.files[Number(file)] ?? ''),
          row: Number(row),
          loss: loss as number,
          input: input as number,
          label: label as number | string,
          ...(kept.length > 0 && { kept: Object.fromEntries(kept) }),
        })
      }
    }
  }

  /** The queries of a scan: one for each margin and class. */
  #queriesOf(scan: TypedScan): { scan: TypedScan; list: TopList; sql: string }[] {
    return this.#scoring.margins.flatMap((margin, index) =>
      this.#classes.map((name, place) => ({
        scan,
        list: this.#lists[index]?.[place] as TopList,
        sql: topQuery(scan, this.#scoring, margin, name, this.#count),
      })),
    )
  }

  #locate(path: string): Pick<Candidate, 'file' | 'place'> {
    return { file: this.#names.get(path) ?? path, place: this.#places.get(path) ?? 0 }
  }
}

/** A function that is true of the labels of rows to choose from. */
function makeFilter(name: RowClass, { positiveLabel, negativeLabel, otherLabels }: Scoring): (y: number) => boolean {
  if (name === 'positive') return (y) => y === positiveLabel
  if (name === 'negative') return (y) => y === negativeLabel
  return otherLabels === 'ignore' ? (y) => y === positiveLabel || y === negativeLabel : () => true
}

/** The same as an SQL condition on the label. */
function filterInSQL(name: RowClass, label: string, { positiveLabel, negativeLabel, otherLabels }: Scoring): string {
  const y = `CAST(${label} AS DOUBLE)`
  if (name === 'positive') return `${y} = ${positiveLabel}`
  if (name === 'negative') return `${y} = ${negativeLabel}`
  return otherLabels === 'ignore' ? `${y} IN (${positiveLabel}, ${negativeLabel})` : 'TRUE'
}

/** A scan for each file, if DuckDB does not number the rows of each. */
function splitUnnumbered(typed: TypedScan): TypedScan[] {
  const { scan } = typed
  if (hasRowNumbers(scan) || scan.files.length === 1) return [typed]
  return splitByFile([scan]).map((own) => ({ ...typed, scan: own.scan }))
}

/** A query for rows of [index of the file in the scan, row, loss, input, label, kept columns as JSON]. */
function topQuery(typed: TypedScan, scoring: Scoring, margin: number, name: RowClass, count: number): string {
  const { x, y, labelText, w, kept } = typed
  const keptNames = kept.map((_, index) => `kept${index}`)
  const json = kept.map(({ type }, index) => columnAsJson(`kept${index}`, type))
  const columns = ['file', 'row', 'loss', 'input', 'label']
  return `SELECT ${[...columns, ...json].join(', ')} FROM (
    SELECT file, row, CAST(hinge_embedding_loss_each(${lossArguments({ x, y }, scoring, margin)}) AS DOUBLE) AS loss,
      ${[`CAST(${x} AS DOUBLE) AS input`, `${labelText ?? `CAST(${y} AS DOUBLE)`} AS label`, ...keptNames].join(', ')}
    FROM ${selectInputs(typed, scoring, true)}
    WHERE loss IS NOT NULL AND ${w === undefined ? 'TRUE' : `${w} IS NOT NULL`} AND ${filterInSQL(name, y, scoring)}
    ORDER BY loss DESC, file, row LIMIT ${count})`
}

function keepValues(
  names: readonly string[],
  columns: readonly Vector[],
  index: number,
): Readonly<Record<string, GroupValue>> {
  return Object.fromEntries(names.map((name, column) => [name, readValue(columns[column] as Vector, index)]))
}

/** A value of Arrow as JSON has it: dates and times are text, and so are bytes and decimals. */
function readValue(column: Vector, index: number): GroupValue {
  const value: unknown = column.get(index)
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value
  const isTime = /^(Date|Timestamp)/.test(String(column.type)) && Math.abs(Number(value)) <= latest
  if (isTime) return makeDateKey(Number(value)).value
  if (typeof value === 'object' && !ArrayBuffer.isView(value)) return JSON.parse(formatJSON(value))
  return typeof value === 'number' && Number.isFinite(value) ? value : String(value)
}

/** The last time that a Date holds, in milliseconds since 1970. */
const latest = 8.64e15

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { DType, InputData, InvalidLabelError, LabelData, LossAccumulator } from '../index.ts'
import { codeOf, named, UsageError } from './failures.ts'
import { describeFault, type Fault, type FaultKind } from './faults.ts'
import type { Io } from './opened.ts'
import { compareKeys, type Key, keyOf } from './readers/keys.ts'
import { type Piece, pieces, Scratch } from './readers/pieces.ts'
import { type Names, open, type Stream } from './readers/readers.ts'
import type { Rows } from './readers/rows.ts'
import type { Progress } from './session.ts'
import { emptyTotal, type Group, type Options } from './totals.ts'

export interface Reading {
  readonly streams: readonly Stream[]
  readonly names: Names
  readonly io: Io
  /** is kept up to date */
  readonly progress: Progress
}

/** Milliseconds after which timers and signals have their turn. */
const turnEvery = 20

/** Reads all rows in their order into `totals`, and gives them on; whoever takes a piece is done with it before the next. */
export async function* scored(reading: Reading, totals: StreamTotals): AsyncGenerator<Piece & { rows: Rows }> {
  const { streams, names, io, progress } = reading
  const scratch = new Scratch()
  const first: { name?: string; dtype?: DType } = {}
  let turn = performance.now()
  for (const [index, stream] of streams.entries()) {
    const name = nameOf(stream)
    const faults = new Faults(totals.options)
    try {
      const rows = await open(stream, names, io)
      totals.assertMargin(rows.dtype)
      first.dtype ??= rows.dtype
      first.name ??= name
      if (rows.dtype !== first.dtype) {
        throw new Error(`--input ${names.input} is scored in ${rows.dtype}, but in ${first.dtype} in ${first.name}`)
      }
      let before = 0
      let shareBefore = 0
      for await (const stretch of rows.stretches) {
        for await (const piece of pieces(stretch, scratch)) {
          totals.add(piece, before + piece.begin, faults)
          if (faults.isNone) yield { ...piece, rows }
          const end = piece.begin + piece.input.length
          progress.rows += piece.input.length
          if (stretch.share !== undefined) {
            const share = shareBefore + ((stretch.share - shareBefore) * end) / stretch.rows
            progress.share = (index + share) / streams.length
          }
          if (performance.now() - turn < turnEvery) continue
          await nextTurn()
          io.signal.throwIfAborted()
          turn = performance.now()
        }
        before += stretch.rows
        shareBefore = stretch.share ?? 0
      }
    } catch (cause) {
      throw codeOf(cause) === 'ERR_USAGE' ? cause : named(name, cause)
    }
    const fault = faults.first
    if (fault !== undefined) throw new Error(`${name}, ${describeFault(fault, totals.options)}`)
  }
}

function nameOf({ files }: Stream): string {
  return files.map((file) => (file === '-' ? 'standard input' : file)).join(', ')
}

/** The first fault of each kind. */
class Faults {
  readonly #nulls: Options['nulls']
  readonly #found = new Map<FaultKind, Fault>()

  constructor({ nulls }: Options) {
    this.#nulls = nulls
  }

  get isNone(): boolean {
    return this.#found.size === 0
  }

  get first(): Fault | undefined {
    return [...this.#found.values()].sort((a, b) => a.row - b.row)[0]
  }

  addNulls(nulls: Uint8Array, before: number): void {
    if (this.#nulls === 'ignore') return
    for (const [code, kind] of [undefined, 'input', 'label'].entries()) {
      const index = nulls.indexOf(code)
      if (kind === undefined || index === -1) continue
      const count = nulls.reduce((sum, each) => sum + Number(each === code), 0)
      this.add({ kind: kind as FaultKind, row: before + index + 1, label: '', count })
    }
  }

  add(fault: Fault): void {
    const earlier = this.#found.get(fault.kind)
    this.#found.set(fault.kind, earlier ? { ...earlier, count: earlier.count + fault.count } : fault)
  }
}

/** Exact totals by the values of `--by`. */
export class StreamTotals {
  readonly options: Options
  readonly #groups = new Map<string, { key: Key; total: LossAccumulator; rows: number[] }>()

  constructor(options: Options) {
    this.options = options
  }

  /** In the order of their values. */
  get groups(): Group[] {
    return [...this.#groups.values()]
      .sort((a, b) => compareKeys(a.key, b.key))
      .map(({ key, total }) => ({ by: key.json, name: key.name, total }))
  }

  assertMargin(dtype: DType): void {
    const { margin } = this.options
    if (dtype === 'float64' || Number.isFinite(Math.fround(margin))) return
    throw new UsageError(`--margin must be finite in float32, as --input is, got ${margin}`)
  }

  /** Adds the rows without nulls; `before` rows came earlier. */
  add(piece: Piece, before: number, faults: Faults): void {
    const { input, label, nulls, stretch, begin } = piece
    if (nulls !== undefined) faults.addNulls(nulls, before)
    if (stretch.keyOf === undefined) {
      const { total } = this.#group(keyOf(null))
      const rows = nulls && completeRows(nulls)
      addRows(total, rows ? take(input, rows) : input, rows ? take(label, rows) : label, before, rows, faults)
      return
    }
    for (let i = 0; i < input.length; i++) {
      const { rows } = this.#group(stretch.keyOf(begin + i))
      if (nulls === undefined || nulls[i] === 0) rows.push(i)
    }
    for (const { total, rows } of this.#groups.values()) {
      if (rows.length === 0) continue
      addRows(total, take(input, rows), take(label, rows), before, rows, faults)
      rows.length = 0
    }
  }

  #group(key: Key): { total: LossAccumulator; rows: number[] } {
    const known = this.#groups.get(key.json)
    if (known !== undefined) return known
    const group = { key, total: emptyTotal(this.options), rows: [] }
    this.#groups.set(key.json, group)
    return group
  }
}

function addRows(
  total: LossAccumulator,
  input: InputData,
  label: LabelData,
  before: number,
  rows: readonly number[] | undefined,
  faults: Faults,
): void {
  try {
    total.update(input, label)
  } catch (error) {
    if (codeOf(error) !== 'ERR_INVALID_LABEL') throw error
    const { index, value, count } = error as InvalidLabelError
    faults.add({ kind: 'other', row: before + (rows?.[index] ?? index) + 1, label: String(value), count })
  }
}

/** Indices of the rows without nulls. */
export function completeRows(nulls: Uint8Array): number[] {
  const rows = []
  for (let i = 0; i < nulls.length; i++) if (nulls[i] === 0) rows.push(i)
  return rows
}

export function take<T extends InputData | LabelData>(values: T, rows: readonly number[]): T {
  const taken = new (values.constructor as new (length: number) => T)(rows.length)
  for (let i = 0; i < rows.length; i++) taken[i] = values[rows[i] as number] as number
  return taken
}

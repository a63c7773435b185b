import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  HingeEmbeddingLoss,
  type InputData,
  type InvalidLabelError,
  type LabelData,
  type LossAccumulator,
} from '../index.ts'
import { codeOf, detailsOf, errorAt, fileError, given, isOptionError, message, option } from './errors.ts'
import type { LossSchema } from './loss-batches.ts'
import { assertMargin, emptyTotal, type Io, type Progress, type Scoring } from './options.ts'
import { completeRows, NullIn, type Piece, piecesOf, Scratch, take } from './readers/chunks.ts'
import { compareKeys, type Key, type KeyKind, keyOf } from './readers/keys.ts'
import { fileOf } from './readers/npz.ts'
import { open, type Stream } from './readers/readers.ts'
import { type RowError, type RowErrorKind, rowError } from './row-errors.ts'
import { type Group, makeGroup } from './totals.ts'

/** What is read, and how. */
export interface Reading extends Io {
  readonly streams: readonly Stream[]
  /** is kept up to date */
  readonly progress: { -readonly [Key in keyof Progress]: Progress[Key] }
}

/**
 * Reads all rows in their order into `totals`, and gives them on, of each stream one piece at least; whoever takes a piece is
 * done with it before the next.
 */
export async function* scoreChunks(
  reading: Reading,
  totals: StreamTotals,
): AsyncGenerator<Piece & { table: LossSchema }> {
  const { streams, signal, progress } = reading
  const scratch = new Scratch()
  const turn = turns(signal)
  let first: { name: string; table: LossSchema } | undefined
  for (const [index, stream] of streams.entries()) {
    const name = nameOf(stream)
    const file = fileOf(stream.files[0] ?? '')
    const faults = new Faults(totals.options)
    try {
      const rows = await open(stream, totals.options, reading)
      assertMargin(totals.options.margin, rows.dtype)
      first ??= { name, table: rows }
      assertAlike(rows, first)
      for await (const whole of piecesOf(rows, scratch)) {
        const piece = totals.options.nan === 'keep' ? whole : withNaN(whole)
        totals.add(piece, faults)
        if (faults.isNone) yield { ...piece, table: first.table }
        progress.count = (progress.count ?? 0) + piece.input.length
        if (piece.share !== undefined) progress.share = (index + piece.share) / streams.length
        await turn()
      }
    } catch (cause) {
      if (isOptionError(cause) || detailsOf(cause).file !== undefined) throw cause
      throw errorAt(file, cause, name)
    }
    const fault = faults.first
    if (fault !== undefined) throw rowError(file, fault, totals.options, name)
  }
}

/** Gives timers and signals their turn every 20 ms. */
function turns(signal: AbortSignal): () => Promise<void> {
  let last = performance.now()
  return async () => {
    if (performance.now() - last < 20) return
    await nextTurn()
    signal.throwIfAborted()
    last = performance.now()
  }
}

function assertAlike(table: LossSchema, first: { name: string; table: LossSchema }): void {
  const columns = ({ dtype, keptFields }: LossSchema) => [
    message`${option('input')} is scored in ${dtype}`,
    ...keptFields.map(({ name, type }) => message`${given('keep', name)} is ${String(type)}`),
  ]
  const others = columns(first.table)
  for (const [index, column] of columns(table).entries()) {
    const other = others[index]
    if (String(column) !== String(other)) throw fileError(message`${column}, but in ${first.name} ${other ?? ''}`)
  }
}

function nameOf({ files }: Stream): string {
  return files.map((file) => (file === '-' ? 'standard input' : file)).join(', ')
}

const sumOfInputs = new HingeEmbeddingLoss({ reduction: 'sum' })

/** The piece with each NaN as a null of its own kind. */
function withNaN(piece: Piece): Piece {
  const { input } = piece
  // NaN and infinities of both signs have a sum of NaN, which is found faster than either.
  if (!Number.isNaN(sumOfInputs(input, 1))) return piece
  const nulls = piece.nulls?.slice() ?? new Uint8Array(input.length)
  for (let i = 0; i < input.length; i++) {
    if (nulls[i] === NullIn.neither && Number.isNaN(input[i])) nulls[i] = NullIn.nan
  }
  return { ...piece, nulls }
}

/** The first fault of each kind. */
class Faults {
  readonly #kinds: readonly Exclude<RowErrorKind, 'other'>[]
  readonly #found = new Map<RowErrorKind, RowError>()

  constructor({ nulls, nan }: Scoring) {
    this.#kinds = [
      ...(nulls === 'error' ? (['input', 'label'] as const) : []),
      ...(nan === 'error' ? (['nan'] as const) : []),
    ]
  }

  get isNone(): boolean {
    return this.#found.size === 0
  }

  get first(): RowError | undefined {
    return [...this.#found.values()].sort((a, b) => a.row - b.row)[0]
  }

  addNulls(nulls: Uint8Array, before: number): void {
    for (const kind of this.#kinds) {
      const code = NullIn[kind]
      const index = nulls.indexOf(code)
      if (index === -1) continue
      const count = nulls.reduce((sum, each) => sum + Number(each === code), 0)
      this.add({ kind, row: before + index + 1, label: '', count })
    }
  }

  add(fault: RowError): void {
    const earlier = this.#found.get(fault.kind)
    this.#found.set(fault.kind, earlier ? { ...earlier, count: earlier.count + fault.count } : fault)
  }
}

/** Exact totals by the values of `by`. */
export class StreamTotals {
  readonly options: Scoring
  readonly #groups = new Map<string, { key: Key; total: LossAccumulator; rows: number[] }>()
  /** of all keys that are not null, with the first of them */
  #keyKind?: { readonly kind: KeyKind; readonly name: string }

  constructor(options: Scoring) {
    this.options = options
  }

  /** In the order of their values. */
  get groups(): Group[] {
    return [...this.#groups.values()]
      .sort((a, b) => compareKeys(a.key, b.key))
      .map(({ key, total }) => makeGroup(key.json, key.value === null ? null : key.name, total))
  }

  /** Adds the rows without nulls. */
  add({ input, label, nulls, keyOf: keyOfRow, row: before }: Piece, faults: Faults): void {
    if (input.length === 0) return
    if (nulls !== undefined) faults.addNulls(nulls, before)
    if (keyOfRow === undefined) {
      const { total } = this.#group(keyOf(null))
      const rows = nulls && completeRows(nulls)
      addRows(total, rows ? take(input, rows) : input, rows ? take(label, rows) : label, before, rows, faults)
      return
    }
    for (let i = 0; i < input.length; i++) {
      const { rows } = this.#group(keyOfRow(i))
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
    if (known?.key.kind === key.kind) return known
    this.#assertKind(key)
    const group = { key, total: emptyTotal(this.options), rows: [] }
    this.#groups.set(key.json, group)
    return group
  }

  #assertKind({ kind, name }: Key): void {
    if (kind === 'null') return
    this.#keyKind ??= { kind, name }
    if (kind === this.#keyKind.kind) return
    const first = `${this.#keyKind.name} before is ${this.#keyKind.kind}`
    const found = `${name} is ${kind}, but ${first}; score them apart`
    throw fileError(message`${given('by', this.options.by ?? '')}: ${found}`, { option: 'by' })
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

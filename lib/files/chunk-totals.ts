import { HingeEmbeddingLoss, type InvalidLabelError, type InvalidWeightError, LossAccumulator } from '../index.ts'
import { codeOf, detailsOf, errorAt, fileError, given, isOptionError, message, option } from './errors.ts'
import type { LossSchema } from './loss-batches.ts'
import { assertFiniteSettings, emptyTotals, type Group, type Io, type Progress, type Scoring } from './options.ts'
import { optionOfInput } from './pair.ts'
import { type ArraySource, openArraySource } from './readers/array-source.ts'
import { type Chunk, findCompleteRows, Missing, readChunks, Scratch, selectRows } from './readers/chunks.ts'
import { makeDistances } from './readers/embeddings.ts'
import { compareKeys, type GroupKey, type KeyKind, makeKey } from './readers/group-keys.ts'
import { containingFile } from './readers/npz.ts'
import { type RowError, type RowErrorKind, rowError } from './row-errors.ts'
import { makeGroup } from './totals.ts'
import { takeTurns } from './turns.ts'

/** The sources to read, and how. */
export interface Reading extends Io {
  readonly arraySources: readonly ArraySource[]
  /** is updated with each chunk */
  readonly progress: { -readonly [Key in keyof Progress]: Progress[Key] }
}

/** A chunk whose rows have no error. */
export interface ScoredChunk extends Chunk {
  readonly file: string
  readonly schema: LossSchema
}

/**
 * Reads array sources chunk by chunk in the order of their rows, adds each chunk to `totals` and yields it. Each source has
 * one chunk at least. A chunk is valid until the next is requested. After a row error the source is read to its end, to
 * count such rows, and nothing more is yielded.
 *
 * @throws {Error} with `code` and `file`: the source is damaged, differs from the first, or has a row without a loss
 */
export async function* scoreChunks(reading: Reading, totals: ChunkTotals): AsyncGenerator<ScoredChunk> {
  const { arraySources, signal, progress } = reading
  const { options } = totals
  const scratch = new Scratch()
  const compute = typeof options.input === 'object' ? makeDistances(options.input) : undefined
  const yieldTurn = takeTurns(signal)
  let first: { name: string; schema: LossSchema } | undefined
  for (const [index, source] of arraySources.entries()) {
    const name = formatName(source)
    const file = containingFile(source.files[0] ?? '')
    const rowErrors = new RowErrors(options)
    try {
      const reader = await openArraySource(source, options, reading)
      assertFiniteSettings(options, reader.schema.dtype)
      first ??= { name, schema: reader.schema }
      assertSameSchema(reader.schema, first, options)
      for await (const read of readChunks(reader, scratch, compute)) {
        const chunk = options.nan === 'keep' ? read : markNaN(read)
        totals.add(chunk, rowErrors)
        if (rowErrors.isEmpty) yield { ...chunk, file, schema: first.schema }
        progress.count = (progress.count ?? 0) + chunk.input.length
        if (chunk.share !== undefined) progress.share = (index + chunk.share) / arraySources.length
        await yieldTurn()
      }
    } catch (cause) {
      if (isOptionError(cause) || detailsOf(cause).file !== undefined) throw cause
      throw errorAt(file, cause, name)
    }
    const { first: error } = rowErrors
    if (error !== undefined) throw rowError(file, error, options, name)
  }
}

/** Refuses a source that is scored in another precision than the first, or whose kept columns have other types. */
function assertSameSchema(schema: LossSchema, first: { name: string; schema: LossSchema }, { input }: Scoring): void {
  const inputOption = optionOfInput(input)
  const describe = ({ dtype, keptFields }: LossSchema) => [
    { name: inputOption, text: message`${option(inputOption)} is scored in ${dtype}` },
    ...keptFields.map(({ name, type }) => ({ name: 'keep', text: message`${given('keep', name)} is ${String(type)}` })),
  ]
  const expected = describe(first.schema)
  for (const [index, { name, text }] of describe(schema).entries()) {
    const other = expected[index]?.text ?? ''
    if (String(text) !== String(other))
      throw fileError(message`${text}, but in ${first.name} ${other}`, { option: name })
  }
}

function formatName({ files }: ArraySource): string {
  return files.map((file) => (file === '-' ? 'standard input' : file)).join(', ')
}

const sumOfInputs = new HingeEmbeddingLoss({ reduction: 'sum' })

/** The chunk with the rows whose input is NaN marked as missing it. */
function markNaN(chunk: Chunk): Chunk {
  const { input } = chunk
  // The kernel's sum is NaN if an input is, or if there are infinities of both signs. It is faster than a loop.
  if (!Number.isNaN(sumOfInputs(input, 1))) return chunk
  const missing = chunk.missing?.slice() ?? new Uint8Array(input.length)
  for (let i = 0; i < input.length; i++) {
    if (missing[i] === Missing.none && Number.isNaN(input[i])) missing[i] = Missing.nan
  }
  return { ...chunk, missing }
}

/** The row errors of a source: the first of each kind, and their number. */
class RowErrors {
  /** what a row may not miss */
  readonly #required: readonly (RowErrorKind & keyof typeof Missing)[]
  readonly #byKind = new Map<RowErrorKind, RowError>()

  constructor({ nulls, nan }: Scoring) {
    this.#required = [
      ...(nulls === 'error' ? (['input', 'left', 'right', 'label', 'weight'] as const) : []),
      ...(nan === 'error' ? (['nan'] as const) : []),
      ...(['length', 'leftElement', 'rightElement'] as const),
    ]
  }

  get isEmpty(): boolean {
    return this.#byKind.size === 0
  }

  get first(): RowError | undefined {
    return [...this.#byKind.values()].sort((a, b) => a.row - b.row)[0]
  }

  /** Adds the rows of a chunk that miss a value; `begin` is the index of its first row. */
  addMissing(missing: Uint8Array, begin: number, details?: ReadonlyMap<number, string>): void {
    for (const kind of this.#required) {
      const code = Missing[kind]
      const index = missing.indexOf(code)
      if (index === -1) continue
      const count = missing.reduce((sum, each) => sum + Number(each === code), 0)
      this.add({ kind, row: begin + index + 1, detail: details?.get(code) ?? '', count })
    }
  }

  add(error: RowError): void {
    const earlier = this.#byKind.get(error.kind)
    this.#byKind.set(error.kind, earlier ? { ...earlier, count: earlier.count + error.count } : error)
  }
}

/** The rows of a group: their totals for each margin, and the indices of those in the chunk that is added. */
interface GroupRows {
  readonly key: GroupKey
  readonly totals: readonly LossAccumulator[]
  readonly rows: number[]
}

/** Exact totals of chunks by group key. */
export class ChunkTotals {
  readonly options: Scoring
  readonly #groups = new Map<string, GroupRows>()
  /** the kind of all keys that are not null, and the name of the first */
  #keyKind?: { readonly kind: KeyKind; readonly name: string }

  constructor(options: Scoring) {
    this.options = options
  }

  /** For each margin the groups in the order of their keys. */
  get groups(): Group[][] {
    const sorted = [...this.#groups.values()].sort((a, b) => compareKeys(a.key, b.key))
    return this.options.margins.map((_, index) =>
      sorted.map(({ key, totals }) => {
        return makeGroup(key.json, key.value === null ? null : key.name, totals[index] as LossAccumulator)
      }),
    )
  }

  /** Adds the rows that miss nothing. Adds rows that are an error to `rowErrors`. */
  add(chunk: Chunk, rowErrors: RowErrors): void {
    const { input, missing, details, keyAt, row: begin } = chunk
    if (input.length === 0) return
    if (missing !== undefined) rowErrors.addMissing(missing, begin, details)
    if (keyAt === undefined) {
      const { totals } = this.#group(makeKey(null))
      if (missing === undefined) addRows(totals, chunk, begin, undefined, rowErrors)
      else addSelected(totals, chunk, findCompleteRows(missing), rowErrors)
      return
    }
    const touched = []
    for (let i = 0; i < input.length; i++) {
      const group = this.#group(keyAt(i))
      const isComplete = missing === undefined || missing[i] === Missing.none
      if (isComplete && group.rows.push(i) === 1) touched.push(group)
    }
    for (const { totals, rows } of touched) {
      addSelected(totals, chunk, rows, rowErrors)
      rows.length = 0
    }
  }

  #group(key: GroupKey): GroupRows {
    const known = this.#groups.get(key.json)
    if (known?.key.kind === key.kind) return known
    this.#assertKind(key)
    const group = { key, totals: emptyTotals(this.options), rows: [] }
    this.#groups.set(key.json, group)
    return group
  }

  #assertKind({ kind, name }: GroupKey): void {
    if (kind === 'null') return
    this.#keyKind ??= { kind, name }
    if (kind === this.#keyKind.kind) return
    const first = `${this.#keyKind.name} before is ${this.#keyKind.kind}`
    const problem = `${name} is ${kind}, but ${first}; score them apart`
    throw fileError(message`${given('by', this.options.by ?? '')}: ${problem}`, { option: 'by' })
  }
}

type Values = Pick<Chunk, 'input' | 'label' | 'labelTextAt' | 'weight'>

function addSelected(
  totals: readonly LossAccumulator[],
  { input, label, labelTextAt, weight, row }: Chunk,
  rows: readonly number[],
  rowErrors: RowErrors,
): void {
  const values = {
    input: selectRows(input, rows),
    label: selectRows(label, rows),
    ...(labelTextAt && { labelTextAt }),
    ...(weight && { weight: selectRows(weight, rows) }),
  }
  addRows(totals, values, row, rows, rowErrors)
}

/** Adds rows to the totals of each margin; `rows` are their indices within the chunk, of which `labelTextAt` is, if they are not all of it. */
function addRows(
  totals: readonly LossAccumulator[],
  { input, label, labelTextAt, weight }: Values,
  begin: number,
  rows: readonly number[] | undefined,
  rowErrors: RowErrors,
): void {
  try {
    // An invalid label or weight is one at each margin: the first total finds it.
    for (const total of totals) total.update(input, label, weight && { weight })
  } catch (error) {
    const kind = invalidKinds[codeOf(error) ?? '']
    if (kind === undefined) throw error
    // Weights are checked before labels, of which an earlier row may have an invalid one.
    if (kind === 'invalidWeight')
      addRows(
        [emptyLike(totals[0] as LossAccumulator)],
        { input, label, ...(labelTextAt && { labelTextAt }) },
        begin,
        rows,
        rowErrors,
      )
    const { index, value, count } = error as InvalidLabelError | InvalidWeightError
    const at = rows?.[index] ?? index
    const detail = (kind === 'other' ? labelTextAt?.(at) : undefined) ?? String(value)
    rowErrors.add({ kind, row: begin + at + 1, detail, count })
  }
}

/** By the code of an error of an accumulator. */
const invalidKinds: Readonly<Record<string, RowErrorKind>> = {
  ERR_INVALID_LABEL: 'other',
  ERR_INVALID_WEIGHT: 'invalidWeight',
}

function emptyLike({ margin, positiveLabel, negativeLabel, otherLabels }: LossAccumulator): LossAccumulator {
  return new LossAccumulator({ margin, positiveLabel, negativeLabel, otherLabels })
}

import type { Field, Vector } from 'apache-arrow'
import type { InputData, LabelData } from '../../index.ts'
import { typedArrays } from '../../tensor/dtypes.ts'
import { importArrow } from '../arrow.ts'
import { message, option } from '../errors.ts'
import {
  assertNullCount,
  type Batch,
  type BatchReader,
  type Column,
  type ListColumn,
  type PairColumns,
  type ValidityBitmap,
} from './batch.ts'
import { MemoryBytes } from './bytes.ts'
import { beginOf, type ComputeDistances, computeRows, ElementNulls, type Lists, widthOf } from './embeddings.ts'
import type { GroupKey } from './group-keys.ts'

/** Consecutive rows in memory, valid until the next chunk is requested. The values of a row with a null are undefined. */
export interface Chunk {
  /** the index of the first row within the source */
  readonly row: number
  readonly input: InputData
  readonly label: LabelData
  /** of labels that are text: the text of a row of the chunk, which `label` has as 1, −1 or 0 */
  readonly labelTextAt?: (row: number) => string | null
  readonly weight?: InputData
  /** per row, a code of `Missing`; absent if no row misses a value */
  readonly missing?: Uint8Array
  /** by a code of `Missing`: what an error says about the first row with it */
  readonly details?: ReadonlyMap<number, string>
  /** the group key of a row of the chunk */
  readonly keyAt?: (row: number) => GroupKey
  readonly keptColumns: readonly Vector[]
  /** the part of the source that has been read, from 0 to 1, if it is known */
  readonly share?: number
}

/**
 * Why a row has no loss: its input, label, weight or an embedding is null, its input is NaN, its embeddings differ in length, or
 * one of them has a null among its elements.
 */
export const Missing = {
  none: 0,
  input: 1,
  label: 2,
  nan: 3,
  left: 4,
  right: 5,
  length: 6,
  leftElement: 7,
  rightElement: 8,
  weight: 9,
} as const

/** Enough rows to outweigh the cost of a read, few enough to stay in the cache; a multiple of 8, for bitmaps. */
const rowsPerChunk = 2 ** 18
/** Rows with group keys take a hundred times as long: few enough that the event loop soon has its turn. */
const rowsPerKeyedChunk = 2 ** 13

/** Buffers by their role, reused from chunk to chunk. */
export class Scratch {
  readonly #buffers = new Map<string, ArrayBuffer>()

  /** Returns a buffer of at least this length, with any contents. */
  bufferFor(role: string, length: number): ArrayBuffer {
    const buffer = this.#buffers.get(role)
    if (buffer !== undefined && buffer.byteLength >= length) return buffer
    const larger = new ArrayBuffer(length)
    this.#buffers.set(role, larger)
    return larger
  }
}

/**
 * Reads a source chunk by chunk; a source without rows gives one empty chunk.
 *
 * @param compute computes the input of a source of embeddings
 */
export async function* readChunks(
  { schema, batches }: BatchReader,
  scratch: Scratch,
  compute?: ComputeDistances,
): AsyncGenerator<Chunk> {
  let row = 0
  let shareBefore = 0
  for await (const batch of batches) {
    const { share, rows, keyAt, labelTextAt } = batch
    const columns = listColumns(batch)
    const nullCounts = columns.map(() => 0)
    const most = keyAt ? rowsPerKeyedChunk : rowsPerChunk
    const step = 'left' in batch.input ? limitRows(most, batch.input, rows) : most
    for (let begin = 0; begin < rows; begin += step) {
      const range = { begin, count: Math.min(step, rows - begin) }
      const end = begin + range.count
      const label = await readValues(batch.label, range, 'label', scratch)
      const weight = batch.weight && (await readFloats(batch.weight, range, 'weight', scratch))
      const missing = await readMissing(columns, range, scratch, nullCounts)
      const inputs =
        'left' in batch.input
          ? await readDistances(batch.input, range, missing, compute as ComputeDistances, scratch)
          : { missing, input: await readFloats(batch.input, range, 'input', scratch) }
      yield {
        row: row + begin,
        label,
        input: inputs.input,
        ...(labelTextAt && { labelTextAt: (index) => labelTextAt(begin + index) }),
        ...(weight && { weight }),
        keptColumns: (batch.keptColumns ?? []).map((vector) => vector.slice(begin, end)),
        ...(inputs.missing && { missing: inputs.missing }),
        ...('details' in inputs && { details: inputs.details }),
        ...(keyAt && { keyAt: (index) => keyAt(begin + index) }),
        ...(share !== undefined && { share: shareBefore + ((share - shareBefore) * end) / rows }),
      }
    }
    for (const [index, { role, validity }] of columns.entries()) {
      if (validity)
        assertNullCount(message`the column of ${option(role)}`, nullCounts[index] as number, validity.nullCount)
    }
    row += rows
    shareBefore = share ?? 0
  }
  if (row > 0) return
  const empty = new typedArrays[schema.dtype](0)
  yield { row, input: empty, label: empty, weight: empty, keptColumns: await makeEmptyColumns(schema.keptFields) }
}

async function makeEmptyColumns(fields: readonly Field[]): Promise<Vector[]> {
  if (fields.length === 0) return []
  const { vectorFromArray } = await importArrow()
  return fields.map(({ type }) => vectorFromArray([], type))
}

interface Range {
  readonly begin: number
  readonly count: number
}

async function readValues(column: Column, { begin, count }: Range, role: string, scratch: Scratch): Promise<LabelData> {
  const { bytes, position, dtype, isBigEndian } = column
  if (dtype === 'bit') return readBits(column, { begin, count }, role, scratch)
  if (dtype === 'float16') return readFloat16(column, { begin, count }, role, scratch)
  const size = typedArrays[dtype].BYTES_PER_ELEMENT
  const start = position + begin * size
  if (bytes instanceof MemoryBytes) {
    const { buffer, byteOffset } = bytes.view(start, count * size)
    if (byteOffset % size === 0) return new typedArrays[dtype](buffer, byteOffset, count)
  }
  const memory = Buffer.from(scratch.bufferFor(role, count * size), 0, count * size)
  await bytes.fill(memory, start)
  if (isBigEndian && size > 1) memory[`swap${(8 * size) as 16 | 32 | 64}`]()
  return new typedArrays[dtype](memory.buffer, 0, count)
}

/** The float32 of each float16, by its bits; made at first use. */
let floatsOfBits: Float32Array | undefined

function makeFloatsOfBits(): Float32Array {
  return Float32Array.from({ length: 2 ** 16 }, (_, bits) => {
    const [sign, exponent, fraction] = [bits >> 15 === 0 ? 1 : -1, (bits >> 10) & 31, bits & 1023]
    if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
    return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25))
  })
}

async function readFloat16(column: Column, range: Range, role: string, scratch: Scratch): Promise<Float32Array> {
  floatsOfBits ??= makeFloatsOfBits()
  const bits = (await readValues({ ...column, dtype: 'uint16' }, range, `${role} bits`, scratch)) as Uint16Array
  const values = new Float32Array(scratch.bufferFor(role, 4 * bits.length), 0, bits.length)
  for (let i = 0; i < bits.length; i++) values[i] = floatsOfBits[bits[i] as number] as number
  return values
}

/** Reads bits into a uint8 each. */
async function readBits(
  { bytes, position }: Column | ValidityBitmap,
  { begin, count }: Range,
  role: string,
  scratch: Scratch,
): Promise<Uint8Array> {
  const size = Math.ceil(count / 8)
  const packed = new Uint8Array(scratch.bufferFor(`${role} packed`, size), 0, size)
  await bytes.fill(packed, position + begin / 8)
  const unpacked = new Uint8Array(scratch.bufferFor(role, count), 0, count)
  for (let i = 0; i < count; i++) unpacked[i] = ((packed[i >> 3] as number) >> (i & 7)) & 1
  return unpacked
}

/** Reads floats as they are; numbers of other types are scored in float64. */
async function readFloats(column: Column, range: Range, role: string, scratch: Scratch): Promise<InputData> {
  return toFloats(await readValues(column, range, role, scratch), `${role} doubles`, scratch)
}

function toFloats(values: LabelData, role: string, scratch: Scratch): InputData {
  if (values instanceof Float32Array || values instanceof Float64Array) return values
  const doubles = new Float64Array(scratch.bufferFor(role, values.length * 8), 0, values.length)
  for (let i = 0; i < values.length; i++) doubles[i] = Number(values[i])
  return doubles
}

/** A column whose nulls leave a row without a loss. */
interface RequiredColumn {
  readonly role: 'input' | 'left' | 'right' | 'label' | 'weight'
  readonly validity?: ValidityBitmap
}

/** Of a row with several nulls the last column counts. */
function listColumns({ input, label, weight }: Batch): RequiredColumn[] {
  const inputs = 'left' in input ? { right: input.right, left: input.left } : { input }
  return Object.entries({ ...(weight && { weight }), label, ...inputs }).map(([role, { validity }]) => ({
    role: role as RequiredColumn['role'],
    ...(validity && { validity }),
  }))
}

async function readMissing(
  columns: readonly RequiredColumn[],
  range: Range,
  scratch: Scratch,
  nullCounts: number[],
): Promise<Uint8Array | undefined> {
  let missing: Uint8Array | undefined
  for (const [index, { role, validity }] of columns.entries()) {
    const valid = validity && (await readBits(validity, range, `${role} validity`, scratch))
    if (!valid?.includes(0)) continue
    missing ??= makeMissing(range.count, scratch)
    for (let i = 0; i < range.count; i++) {
      if (valid[i] !== 0) continue
      missing[i] = Missing[role]
      nullCounts[index] = (nullCounts[index] as number) + 1
    }
  }
  return missing
}

function makeMissing(count: number, scratch: Scratch): Uint8Array {
  return new Uint8Array(scratch.bufferFor('missing', count), 0, count).fill(Missing.none)
}

/** The most rows of a chunk of embeddings: as many elements as a chunk has rows otherwise, on average; a multiple of 8. */
function limitRows(most: number, { left, right }: PairColumns, rows: number): number {
  const [one, other] = [left, right].map(({ extent }) => beginOf(extent, rows) - beginOf(extent, 0))
  const width = Math.max(one as number, other as number) / rows
  return Math.min(most, 8 * Math.max(1, Math.floor(rowsPerChunk / Math.max(width, 1) / 8)))
}

/** The distances of the embeddings of rows. Those that differ in length, or have a null among their elements, have none. */
async function readDistances(
  { left, right }: PairColumns,
  range: Range,
  nulls: Uint8Array | undefined,
  compute: ComputeDistances,
  scratch: Scratch,
): Promise<Pick<Chunk, 'input' | 'missing' | 'details'>> {
  const { begin, count } = range
  let missing = nulls
  const details = new Map<number, string>()
  const mark = (index: number, code: number, detail: string) => {
    missing ??= makeMissing(count, scratch)
    missing[index] = code
    if (!details.has(code)) details.set(code, detail)
  }
  const hasEmbeddings = (index: number) => {
    const code = missing?.[index] ?? Missing.none
    return code === Missing.none || code === Missing.label
  }
  const sides = [
    await readLists(left, range, 'left', scratch),
    await readLists(right, range, 'right', scratch),
  ] as const
  const [one, other] = sides
  const places = [
    { ...one, code: Missing.leftElement },
    { ...other, code: Missing.rightElement },
  ]
  const isUniform = typeof left.extent === 'number' && left.extent === right.extent
  if (!isUniform || places.some(({ elementNulls }) => elementNulls !== undefined)) {
    for (let i = 0; i < count; i++) {
      if (!hasEmbeddings(i)) continue
      const [wide, wider] = [widthOf(left.extent, begin + i), widthOf(right.extent, begin + i)]
      if (wide !== wider) {
        mark(i, Missing.length, `${wide},${wider}`)
        continue
      }
      for (const { extent, elementNulls, code } of places) {
        const start = beginOf(extent, begin + i)
        const found = elementNulls?.find(start, start + wide) ?? -1
        if (found >= 0 && hasEmbeddings(i)) mark(i, code, String(found - start + 1))
      }
    }
  }
  const { constructor: Floats } = one.elements
  const buffer = scratch.bufferFor('distances', count * one.elements.BYTES_PER_ELEMENT)
  const input = new (Floats as Float32ArrayConstructor)(buffer, 0, count).fill(0)
  computeRows(sides, begin, input, hasEmbeddings, compute)
  return { input, details, ...(missing && { missing }) }
}

async function readLists(
  { elements: column, extent }: ListColumn,
  { begin, count }: Range,
  role: string,
  scratch: Scratch,
): Promise<Lists & { elementNulls?: ElementNulls }> {
  const [first, end] = [beginOf(extent, begin), beginOf(extent, begin + count)]
  const values = await readValues(column, { begin: first, count: end - first }, role, scratch)
  const elements = toFloats(values, `${role} doubles`, scratch)
  const { validity } = column
  return { elements, first, extent, ...(validity && { elementNulls: await ElementNulls.read(validity, first, end) }) }
}

/** The indices of the rows that miss nothing. */
export function findCompleteRows(missing: Uint8Array): number[] {
  const rows = []
  for (let i = 0; i < missing.length; i++) if (missing[i] === Missing.none) rows.push(i)
  return rows
}

export function selectRows<T extends InputData | LabelData>(values: T, rows: readonly number[]): T {
  const selected = new (values.constructor as new (length: number) => T)(rows.length)
  for (let i = 0; i < rows.length; i++) selected[i] = values[rows[i] as number] as number
  return selected
}

import type { Field, Vector } from 'apache-arrow'
import type { InputData, LabelData } from '../../index.ts'
import { typedArrays } from '../../tensor/dtypes.ts'
import { importArrow } from '../arrow.ts'
import { message, option } from '../errors.ts'
import { assertNullCount, type Batch, type BatchReader, type Column, type ValidityBitmap } from './batch.ts'
import { MemoryBytes } from './bytes.ts'
import type { GroupKey } from './group-keys.ts'

/** Consecutive rows in memory, valid until the next chunk is requested. The values of a row with a null are undefined. */
export interface Chunk {
  /** the index of the first row within the source */
  readonly row: number
  readonly input: InputData
  readonly label: LabelData
  /** per row, a code of `Missing`; absent if no row misses a value */
  readonly missing?: Uint8Array
  /** the group key of a row of the chunk */
  readonly keyAt?: (row: number) => GroupKey
  readonly keptColumns: readonly Vector[]
  /** the part of the source that has been read, from 0 to 1, if it is known */
  readonly share?: number
}

/** The value that a row misses: its input or label is null, or its input is NaN. */
export const Missing = { none: 0, input: 1, label: 2, nan: 3 } as const

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

/** Reads a source chunk by chunk; a source without rows gives one empty chunk. */
export async function* readChunks({ schema, batches }: BatchReader, scratch: Scratch): AsyncGenerator<Chunk> {
  let row = 0
  let shareBefore = 0
  for await (const batch of batches) {
    const { share, rows, keyAt } = batch
    const nullCounts = { input: 0, label: 0 }
    const most = keyAt ? rowsPerKeyedChunk : rowsPerChunk
    for (let begin = 0; begin < rows; begin += most) {
      const range = { begin, count: Math.min(most, rows - begin) }
      const end = begin + range.count
      const input = toFloats(await readValues(batch.input, range, 'input', scratch), scratch)
      const label = await readValues(batch.label, range, 'label', scratch)
      const missing = await readMissing(batch, range, scratch, nullCounts)
      yield {
        row: row + begin,
        input,
        label,
        keptColumns: (batch.keptColumns ?? []).map((vector) => vector.slice(begin, end)),
        ...(missing && { missing }),
        ...(keyAt && { keyAt: (index) => keyAt(begin + index) }),
        ...(share !== undefined && { share: shareBefore + ((share - shareBefore) * end) / rows }),
      }
    }
    for (const role of roles) {
      const { validity } = batch[role]
      if (validity) assertNullCount(message`the column of ${option(role)}`, nullCounts[role], validity.nullCount)
    }
    row += rows
    shareBefore = share ?? 0
  }
  if (row > 0) return
  const empty = new typedArrays[schema.dtype](0)
  yield { row, input: empty, label: empty, keptColumns: await makeEmptyColumns(schema.keptFields) }
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

/** Floats as they are; numbers of other types are scored in float64. */
function toFloats(values: LabelData, scratch: Scratch): InputData {
  if (values instanceof Float32Array || values instanceof Float64Array) return values
  const doubles = new Float64Array(scratch.bufferFor('doubles', values.length * 8), 0, values.length)
  for (let i = 0; i < values.length; i++) doubles[i] = Number(values[i])
  return doubles
}

/** The input comes last: where both are null, the row misses its input. */
const roles = ['label', 'input'] as const

async function readMissing(
  batch: Batch,
  range: Range,
  scratch: Scratch,
  nullCounts: Record<(typeof roles)[number], number>,
): Promise<Uint8Array | undefined> {
  let missing: Uint8Array | undefined
  for (const role of roles) {
    const { validity } = batch[role]
    const valid = validity && (await readBits(validity, range, `${role} validity`, scratch))
    if (!valid?.includes(0)) continue
    missing ??= new Uint8Array(scratch.bufferFor('missing', range.count), 0, range.count).fill(Missing.none)
    for (let i = 0; i < range.count; i++) {
      if (valid[i] !== 0) continue
      missing[i] = Missing[role]
      nullCounts[role]++
    }
  }
  return missing
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

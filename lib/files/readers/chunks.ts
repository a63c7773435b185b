import type { Field, Vector } from 'apache-arrow'
import type { InputData, LabelData } from '../../index.ts'
import { classes } from '../../tensor/dtypes.ts'
import { assertNulls, type Column, type Rows, type Stretch } from './batches.ts'
import { MemoryBytes } from './bytes.ts'
import type { Key } from './keys.ts'

/** Some rows in memory, until the next are asked for. What a null row has is anything. */
export interface Piece {
  /** of the source, the first of these, from 0 on */
  readonly row: number
  readonly input: InputData
  readonly label: LabelData
  /** of each row what is null, as `NullIn` has it, where there is a null at all */
  readonly nulls?: Uint8Array
  /** of a row, counted within the piece */
  readonly keyOf?: (row: number) => Key
  readonly kept: readonly Vector[]
  /** how much of the source has been read, of 1, where that is known */
  readonly share?: number
}

export const NullIn = { neither: 0, input: 1, label: 2, nan: 3 } as const

/** So many rows that a read is worth its call, so few that they stay in the cache; a multiple of 8, for bits. */
const pieceRows = 2 ** 18

/** Memory that is used again. */
export class Scratch {
  readonly #buffers = new Map<string, ArrayBuffer>()

  of(role: string, length: number): ArrayBuffer {
    const buffer = this.#buffers.get(role)
    if (buffer !== undefined && buffer.byteLength >= length) return buffer
    const larger = new ArrayBuffer(length)
    this.#buffers.set(role, larger)
    return larger
  }
}

/** The rows of a source piece by piece; of none one piece of no rows. */
export async function* piecesOf({ dtype, keptFields, stretches }: Rows, scratch: Scratch): AsyncGenerator<Piece> {
  let row = 0
  let shareBefore = 0
  for await (const stretch of stretches) {
    const { share, rows, keyOf } = stretch
    const found = { input: 0, label: 0 }
    for (let begin = 0; begin < rows; begin += pieceRows) {
      const range = { begin, count: Math.min(pieceRows, rows - begin) }
      const end = begin + range.count
      const input = asFloats(await read(stretch.input, range, 'input', scratch), scratch)
      const label = await read(stretch.label, range, 'label', scratch)
      const nulls = await readNulls(stretch, range, scratch, found)
      yield {
        row: row + begin,
        input,
        label,
        kept: (stretch.kept ?? []).map((vector) => vector.slice(begin, end)),
        ...(nulls && { nulls }),
        ...(keyOf && { keyOf: (index) => keyOf(begin + index) }),
        ...(share !== undefined && { share: shareBefore + ((share - shareBefore) * end) / rows }),
      }
    }
    for (const role of roles) if (stretch[role].validity) assertNulls(found[role], stretch[role].validity.nulls)
    row += rows
    shareBefore = share ?? 0
  }
  if (row > 0) return
  const input = new classes[dtype](0)
  const empty = keptFields.length > 0 ? await emptyVectors(keptFields) : []
  yield { row, input, label: input, kept: empty }
}

async function emptyVectors(kept: readonly Field[]): Promise<Vector[]> {
  const { vectorFromArray } = await import('apache-arrow')
  return kept.map(({ type }) => vectorFromArray([], type))
}

interface Range {
  readonly begin: number
  readonly count: number
}

async function read(column: Column, { begin, count }: Range, role: string, scratch: Scratch): Promise<LabelData> {
  const { bytes, position, dtype, isBigEndian } = column
  if (dtype === 'bit') return readBits(column, { begin, count }, role, scratch)
  if (dtype === 'float16') return readHalves(column, { begin, count }, role, scratch)
  const size = classes[dtype].BYTES_PER_ELEMENT
  const start = position + begin * size
  if (bytes instanceof MemoryBytes) {
    const { buffer, byteOffset } = bytes.view(start, count * size)
    if (byteOffset % size === 0) return new classes[dtype](buffer, byteOffset, count)
  }
  const memory = Buffer.from(scratch.of(role, count * size), 0, count * size)
  await bytes.fill(memory, start)
  if (isBigEndian && size > 1) memory[`swap${(8 * size) as 16 | 32 | 64}`]()
  return new classes[dtype](memory.buffer, 0, count)
}

/** All values of float16 as float32, which has each of them. */
let halves: Float32Array | undefined

function makeHalves(): Float32Array {
  return Float32Array.from({ length: 2 ** 16 }, (_, bits) => {
    const [sign, exponent, fraction] = [bits >> 15 === 0 ? 1 : -1, (bits >> 10) & 31, bits & 1023]
    if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
    return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25))
  })
}

async function readHalves(column: Column, range: Range, role: string, scratch: Scratch): Promise<Float32Array> {
  halves ??= makeHalves()
  const bits = (await read({ ...column, dtype: 'uint16' }, range, `${role} bits`, scratch)) as Uint16Array
  const values = new Float32Array(scratch.of(role, 4 * bits.length), 0, bits.length)
  for (let i = 0; i < bits.length; i++) values[i] = halves[bits[i] as number] as number
  return values
}

/** One uint8 a bit. */
async function readBits(
  { bytes, position }: Pick<Column, 'bytes' | 'position'>,
  { begin, count }: Range,
  role: string,
  scratch: Scratch,
): Promise<Uint8Array> {
  const packed = new Uint8Array(scratch.of(`${role} packed`, Math.ceil(count / 8)), 0, Math.ceil(count / 8))
  await bytes.fill(packed, position + begin / 8)
  const unpacked = new Uint8Array(scratch.of(role, count), 0, count)
  for (let i = 0; i < count; i++) unpacked[i] = ((packed[i >> 3] as number) >> (i & 7)) & 1
  return unpacked
}

/** Numbers of other types are scored as float64. */
function asFloats(values: LabelData, scratch: Scratch): InputData {
  if (values instanceof Float32Array || values instanceof Float64Array) return values
  const doubles = new Float64Array(scratch.of('doubles', values.length * 8), 0, values.length)
  for (let i = 0; i < values.length; i++) doubles[i] = Number(values[i])
  return doubles
}

/** An input that is null goes before its label. */
const roles = ['label', 'input'] as const

async function readNulls(
  stretch: Stretch,
  range: Range,
  scratch: Scratch,
  found: Record<(typeof roles)[number], number>,
): Promise<Uint8Array | undefined> {
  let nulls: Uint8Array | undefined
  for (const role of roles) {
    const { validity } = stretch[role]
    const valid = validity && (await readBits(validity, range, `${role} validity`, scratch))
    if (!valid?.includes(0)) continue
    nulls ??= new Uint8Array(scratch.of('nulls', range.count), 0, range.count).fill(NullIn.neither)
    for (let i = 0; i < range.count; i++) {
      if (valid[i] !== 0) continue
      nulls[i] = NullIn[role]
      found[role]++
    }
  }
  return nulls
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

import { isUtf8 } from 'node:buffer'
import type { Data, RecordBatch, Vector } from 'apache-arrow'
import type { Arrow } from '../../arrow.ts'
import { assertNullCount } from '../batch.ts'
import { type GroupKey, type KeyValue, makeDateKey, makeKey } from '../group-keys.ts'
import { damagedColumn, describeColumn, pastBuffer } from './damage.ts'
import { valueTypeOf } from './types.ts'

/** A column of a record batch. Its bitmaps, offsets, indices and views are checked, which apache-arrow believes. */
export function extractVector({ Vector }: Arrow, batch: RecordBatch, index: number, nullCount = 0): Vector {
  const data = batch.data.children[index] as Data
  const name = batch.schema.fields[index]?.name ?? ''
  if (data.length !== batch.numRows) throw damagedColumn(name, pastBuffer)
  assertWithinBuffers(data, name)
  assertNullCount(describeColumn(name), data.nullCount, nullCount)
  return new Vector([data])
}

/** The column with its values in place of a dictionary, of which an Arrow file has only one for all record batches. */
export function expandDictionary(arrow: Arrow, vector: Vector): Vector {
  if (!arrow.DataType.isDictionary(vector.type)) return vector
  return arrow.vectorFromArray([...vector], valueTypeOf(arrow, vector.type))
}

/** A function that gives the group key of a row. `keys` has the keys of the values so far, so that a value becomes a key once. */
export function makeKeyReader(arrow: Arrow, vector: Vector, keys: Map<KeyValue, GroupKey>): (row: number) => GroupKey {
  const isDate = arrow.DataType.isDate(valueTypeOf(arrow, vector.type))
  return (row) => {
    const value = vector.get(row) as KeyValue
    const known = keys.get(value)
    if (known !== undefined) return known
    const key = isDate && value !== null ? makeDateKey(Number(value)) : makeKey(value)
    keys.set(value, key)
    return key
  }
}

function assertWithinBuffers(data: Data, name: string): void {
  const { values, valueOffsets, nullBitmap, nullCount, length, stride, children, dictionary } = data
  const type = String(data.type)
  if (nullCount > 0) {
    assertLength(nullBitmap, Math.ceil(length / 8), name)
    assertNullCount(describeColumn(name), countNulls(nullBitmap, length), nullCount)
  }
  if (values !== undefined && valueOffsets === undefined) {
    const bytes = type === 'Bool' ? Math.ceil(length / 8) : length * stride * values.BYTES_PER_ELEMENT
    assertLength(values, bytes, name)
  }
  if (dictionary !== undefined) {
    for (const part of dictionary.data) assertWithinBuffers(part, name)
    for (let i = 0; i < length; i++) {
      if (!(values[i] >= 0 && values[i] < dictionary.length) && data.getValid(i)) {
        throw damagedColumn(name, 'has an index past the end of its dictionary')
      }
    }
  }
  if (valueOffsets !== undefined && length > 0) {
    const end = children[0]?.length ?? values.length
    const isText = /^(Large)?Utf8$/.test(type)
    let last = 0
    for (let i = 0; i <= length; i++) {
      const offset = Number(valueOffsets[i])
      if (!(offset >= last && offset <= end)) throw damagedColumn(name, 'has an offset outside of its values')
      if (isText && isWithinCharacter(values, offset)) throw damagedColumn(name, 'has an offset within a character')
      last = offset
    }
    if (isText) assertUtf8(values.subarray(0, last), name)
  }
  if (type === 'Utf8View') assertViews(data, name)
  for (const child of children) assertWithinBuffers(child, name)
}

/**
 * Checks text views. A view has 16 bytes: the length, then either text of at most 12 bytes padded with zeros, or the
 * first 4 bytes of the text, the index of its buffer and its position there.
 */
function assertViews(data: Data, name: string): void {
  const { buffer, byteOffset, byteLength } = data.values as Uint8Array
  const views = new DataView(buffer, byteOffset, byteLength)
  for (let at = 0; at < 16 * data.length; at += 16) {
    if (!data.getValid(at / 16)) continue
    const length = views.getUint32(at, true)
    if (length <= 12) {
      const [text, padding] = [
        data.values.subarray(at + 4, at + 4 + length),
        data.values.subarray(at + 4 + length, at + 16),
      ]
      if (padding.some((byte: number) => byte !== 0)) throw damagedColumn(name, 'has a view with text after its end')
      assertUtf8(text, name)
      continue
    }
    const text = data.variadicBuffers[views.getUint32(at + 8, true)]?.subarray(views.getUint32(at + 12, true))
    const prefix = data.values.subarray(at + 4, at + 8)
    if (text === undefined || text.length < length) throw damagedColumn(name, 'has a view past the end of its buffer')
    if (Buffer.compare(prefix, text.subarray(0, 4)) !== 0)
      throw damagedColumn(name, 'has a view that contradicts its text')
    assertUtf8(text.subarray(0, length), name)
  }
}

function isWithinCharacter(utf8: Uint8Array, offset: number): boolean {
  return ((utf8[offset] ?? 0) & 0xc0) === 0x80
}

function assertUtf8(bytes: Uint8Array, name: string): void {
  if (!isUtf8(bytes)) throw damagedColumn(name, 'has text that is not UTF-8')
}

function countNulls(bitmap: Uint8Array, length: number): number {
  let nulls = 0
  for (let i = 0; i < length; i++) nulls += 1 - (((bitmap[i >> 3] as number) >> (i & 7)) & 1)
  return nulls
}

function assertLength(view: ArrayBufferView | undefined, bytes: number, name: string): void {
  if ((view?.byteLength ?? 0) < bytes) throw damagedColumn(name, pastBuffer)
}

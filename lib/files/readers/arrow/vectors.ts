import { isUtf8 } from 'node:buffer'
import type { Data, RecordBatch, Vector } from 'apache-arrow'
import { assertNulls } from '../batches.ts'
import { dateKeyOf, type Key, type KeyValue, keyOf } from '../keys.ts'
import { type Arrow, valueType } from './types.ts'

/** A whole column, with offsets and indices that lie within what they point into. */
export function vectorOf({ Vector }: Arrow, batch: RecordBatch, index: number, nulls = 0): Vector {
  const data = batch.data.children[index] as Data
  if (data.length !== batch.numRows) throw outside('a column')
  assertWithin(data)
  assertNulls(data.nullCount, nulls)
  return new Vector([data])
}

/** The column without a dictionary, of which a file can have but one for all record batches. */
export function plain(arrow: Arrow, vector: Vector): Vector {
  if (!arrow.DataType.isDictionary(vector.type)) return vector
  return arrow.vectorFromArray([...vector], valueType(arrow, vector.type))
}

/** The values for `by`, each made a key once. */
export function keysOf(arrow: Arrow, vector: Vector): (row: number) => Key {
  const isDate = arrow.DataType.isDate(valueType(arrow, vector.type))
  const keys = new Map<KeyValue, Key>()
  return (row) => {
    const value = vector.get(row) as KeyValue
    const known = keys.get(value)
    if (known !== undefined) return known
    const key = isDate && value !== null ? dateKeyOf(Number(value)) : keyOf(value)
    keys.set(value, key)
    return key
  }
}

function assertWithin(data: Data): void {
  const { values, valueOffsets, nullBitmap, nullCount, length, stride, children, dictionary } = data
  const type = String(data.type)
  if (nullCount > 0) {
    assertLong(nullBitmap, Math.ceil(length / 8))
    assertNulls(nullsIn(nullBitmap, length), nullCount)
  }
  if (values !== undefined && valueOffsets === undefined) {
    assertLong(values, type === 'Bool' ? Math.ceil(length / 8) : length * stride * values.BYTES_PER_ELEMENT)
  }
  if (dictionary !== undefined) {
    for (const part of dictionary.data) assertWithin(part)
    for (let i = 0; i < length; i++) {
      if (!(values[i] >= 0 && values[i] < dictionary.length) && data.getValid(i)) throw outside('an index')
    }
  }
  if (valueOffsets !== undefined && length > 0) {
    const end = children[0]?.length ?? values.length
    const isText = /^(Large)?Utf8$/.test(type)
    let last = 0
    for (let i = 0; i <= length; i++) {
      const offset = Number(valueOffsets[i])
      if (!(offset >= last && offset <= end)) throw outside('an offset')
      if (isText && isWithinCharacter(values, offset)) throw outside('text')
      last = offset
    }
    if (isText) assertText(values.subarray(0, last))
  }
  if (type === 'Utf8View') assertViews(data)
  for (const child of children) assertWithin(child)
}

/** Of 16 bytes each: the length and either the text, of 12 bytes at most and zeros after it, or its first 4 bytes, its buffer and its place there. */
function assertViews(data: Data): void {
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
      if (padding.some((byte: number) => byte !== 0)) throw outside('a view')
      assertText(text)
      continue
    }
    const text = data.variadicBuffers[views.getUint32(at + 8, true)]?.subarray(views.getUint32(at + 12, true))
    const prefix = data.values.subarray(at + 4, at + 8)
    if (text === undefined || text.length < length || Buffer.compare(prefix, text.subarray(0, 4)) !== 0)
      throw outside('a view')
    assertText(text.subarray(0, length))
  }
}

function isWithinCharacter(utf8: Uint8Array, offset: number): boolean {
  return ((utf8[offset] ?? 0) & 0xc0) === 0x80
}

function assertText(bytes: Uint8Array): void {
  if (!isUtf8(bytes)) throw new Error('has text that is not UTF-8')
}

function nullsIn(bitmap: Uint8Array, length: number): number {
  let nulls = 0
  for (let i = 0; i < length; i++) nulls += 1 - (((bitmap[i >> 3] as number) >> (i & 7)) & 1)
  return nulls
}

function assertLong(view: ArrayBufferView | undefined, bytes: number): void {
  if ((view?.byteLength ?? 0) < bytes) throw outside('a column')
}

export function outside(what: string): Error {
  return new Error(`${what} goes beyond what it is of`)
}

import type { Data, DataType, Field, Schema, Vector } from 'apache-arrow'
import { classes } from '../../dtypes.ts'
import type { TensorDType } from '../../index.ts'
import { type Arrow, dtypeOf, valueType } from './arrow-types.ts'
import { type Body, outside } from './arrow-vectors.ts'
import { MemoryBytes } from './bytes.ts'
import type { BatchMetadata } from './flatbuffer.ts'
import type { Message } from './messages.ts'
import type { Column } from './rows.ts'

/** What of a column a record batch has, in the place of its fields and buffers. */
export interface Place {
  readonly node: number
  readonly buffer: number
}

/** Before V5 of the metadata unions had bitmaps, which apache-arrow takes no account of. */
export const firstWithPlainUnions = 4

export function hasUnion(arrow: Arrow, type: DataType): boolean {
  const children = (type.children as Field[] | null) ?? []
  return arrow.DataType.isUnion(type) || children.some((child) => hasUnion(arrow, child.type))
}

/** Of each column, in the order of the format: those before it have so many fields and buffers. */
export function placesOf({ DataType, UnionMode }: Arrow, { fields }: Schema, { batch, version }: Message): Place[] {
  const place = { node: 0, buffer: 0 }
  const views = batch.variadicCounts[Symbol.iterator]()
  const bitmapsOfUnions = version < firstWithPlainUnions ? 1 : 0
  const ownBuffers = (type: DataType): number => {
    if (DataType.isNull(type)) return 0
    if (DataType.isStruct(type) || DataType.isFixedSizeList(type)) return 1
    if (DataType.isUnion(type)) return bitmapsOfUnions + (type.mode === UnionMode.Dense ? 2 : 1)
    if (DataType.isUtf8View(type) || DataType.isBinaryView(type)) return 2 + (views.next().value ?? 0)
    const isOfBytes = [DataType.isUtf8, DataType.isLargeUtf8, DataType.isBinary, DataType.isLargeBinary]
    return isOfBytes.some((is) => is(type)) ? 3 : 2
  }
  const pass = (type: DataType): void => {
    place.node++
    place.buffer += ownBuffers(type)
    for (const child of (type.children as Field[] | null) ?? []) pass(child.type)
  }
  return fields.map(({ type }) => {
    const before = { ...place }
    pass(type)
    return before
  })
}

/** A column of numbers or bits as it lies. */
export function plainColumn(
  { rows, nodes, buffers }: BatchMetadata,
  place: Place,
  dtype: TensorDType | 'bit',
  body: Body,
): Column {
  const node = nodes[place.node]
  const [validity, values] = buffers.slice(place.buffer)
  const bitmapBytes = Math.ceil(rows / 8)
  const valueBytes = dtype === 'bit' ? bitmapBytes : rows * classes[dtype].BYTES_PER_ELEMENT
  if (node === undefined || values === undefined || values.length < valueBytes) throw outside('a column')
  const column = { bytes: body.bytes, position: body.position + values.offset, dtype }
  if (node.nullCount === 0) return column
  if (validity === undefined || validity.length < bitmapBytes) throw outside('a column')
  return {
    ...column,
    validity: { bytes: body.bytes, position: body.position + validity.offset, nulls: node.nullCount },
  }
}

/** A column whose buffers apache-arrow has decompressed. */
export function decompressed({ data: [data] }: Vector, dtype: TensorDType | 'bit'): Column {
  const { values, nullBitmap, nullCount } = data as Data
  const column = { bytes: new MemoryBytes(values), position: 0, dtype }
  return nullCount === 0
    ? column
    : { ...column, validity: { bytes: new MemoryBytes(nullBitmap), position: 0, nulls: nullCount } }
}

/** The values of a dictionary's column. */
export function decoded(arrow: Arrow, vector: Vector): Column {
  const { type, length } = vector
  const dtype = dtypeOf(arrow, valueType(arrow, type)) as TensorDType | 'bit'
  const values = new classes[dtype === 'bit' ? 'uint8' : dtype](length)
  const valid = new Uint8Array(Math.ceil(length / 8))
  let nulls = length
  for (let row = 0; row < length; row++) {
    const value = vector.get(row)
    if (value === null) continue
    values[row] = dtype === 'bit' ? Number(value) : value
    valid[row >> 3] = (valid[row >> 3] as number) | (1 << (row & 7))
    nulls--
  }
  return {
    bytes: new MemoryBytes(values),
    position: 0,
    dtype: dtype === 'bit' ? 'uint8' : dtype,
    validity: { bytes: new MemoryBytes(valid), position: 0, nulls },
  }
}

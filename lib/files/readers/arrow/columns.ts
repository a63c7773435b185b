import type { Data, Vector } from 'apache-arrow'
import type { TensorDType } from '../../../index.ts'
import { classes } from '../../../tensor/dtypes.ts'
import { bytesPerElement, type Column, type ColumnDType } from '../batches.ts'
import { type Bytes, MemoryBytes } from '../bytes.ts'
import type { FieldLayout } from './flatbuffer.ts'
import type { Message } from './messages.ts'
import { type Arrow, dtypeOf, valueType } from './types.ts'
import { outside } from './vectors.ts'

/** What a record batch has of a column, with its children. */
export interface Part {
  readonly nodes: readonly { readonly length: number; readonly nullCount: number }[]
  /** within the body */
  readonly buffers: readonly { readonly offset: number; readonly length: number }[]
  /** of each column of views how many of the buffers are its data */
  readonly variadicCounts: readonly number[]
}

/** Some bytes of a body, where they can be read. */
export interface Region {
  readonly bytes: Bytes
  readonly position: number
  readonly length: number
}

/** Before V5 of the metadata unions had bitmaps, which apache-arrow takes no account of. */
export const firstWithPlainUnions = 4

/** Of each column what a batch has; the columns have so many nodes and buffers, in their order, and no others. */
export function partsOf(fields: readonly FieldLayout[], last: number, { batch, version }: Message): Part[] {
  const { nodes, buffers, variadicCounts } = batch
  const place = { node: 0, buffer: 0, view: 0 }
  const parts: Part[] = []
  for (const [index, field] of fields.entries()) {
    if (field.unknown !== undefined) {
      if (index > last) return parts
      throw new Error(
        `column ${JSON.stringify(field.name)} has ${field.unknown}, which is newer than this reader: leave it out, or write it after the columns that are named`,
      )
    }
    const views = variadicCounts.slice(place.view, place.view + field.views)
    const unions = version < firstWithPlainUnions ? field.unions : 0
    const count = field.buffers + unions + views.reduce((sum, each) => sum + each, 0)
    const part = {
      nodes: nodes.slice(place.node, place.node + field.nodes),
      buffers: buffers.slice(place.buffer, place.buffer + count),
      variadicCounts: views,
    }
    if (part.nodes.length < field.nodes || part.buffers.length < count || views.length < field.views) throw misfit()
    if (part.nodes[0]?.length !== batch.rows) throw outside('a column')
    parts.push(part)
    place.node += field.nodes
    place.buffer += count
    place.view += field.views
  }
  if (place.node < nodes.length || place.buffer < buffers.length || place.view < variadicCounts.length) throw misfit()
  return parts
}

function misfit(): Error {
  return new Error('damaged: a record batch has not the buffers that its schema says')
}

/** A column of numbers or bits as it lies, of its regions. */
export function plainColumn(rows: number, { nodes }: Part, regions: readonly Region[], dtype: ColumnDType): Column {
  const [node, [validity, values]] = [nodes[0], regions]
  const bitmapBytes = Math.ceil(rows / 8)
  const valueBytes = dtype === 'bit' ? bitmapBytes : rows * bytesPerElement(dtype)
  if (node === undefined || values === undefined || values.length < valueBytes) throw outside('a column')
  const column = { bytes: values.bytes, position: values.position, dtype }
  if (node.nullCount === 0) return column
  if (validity === undefined || validity.length < bitmapBytes) throw outside('a column')
  return { ...column, validity: { bytes: validity.bytes, position: validity.position, nulls: node.nullCount } }
}

/** A column whose buffers apache-arrow has decompressed. */
export function decompressed({ data: [data] }: Vector, dtype: ColumnDType): Column {
  const { values, nullBitmap, nullCount } = data as Data
  const column = { bytes: new MemoryBytes(values), position: 0, dtype }
  return nullCount === 0
    ? column
    : { ...column, validity: { bytes: new MemoryBytes(nullBitmap), position: 0, nulls: nullCount } }
}

/** The values of a dictionary's column. */
export function decoded(arrow: Arrow, vector: Vector): Column {
  const { type, length } = vector
  const found = dtypeOf(arrow, valueType(arrow, type)) as ColumnDType
  const dtype = ({ bit: 'uint8', float16: 'float32' } as const)[found as 'bit' | 'float16'] ?? (found as TensorDType)
  const values = new classes[dtype](length)
  const valid = new Uint8Array(Math.ceil(length / 8))
  let nulls = length
  for (let row = 0; row < length; row++) {
    const value = vector.get(row)
    if (value === null) continue
    values[row] = found === 'bit' ? Number(value) : value
    valid[row >> 3] = (valid[row >> 3] as number) | (1 << (row & 7))
    nulls--
  }
  return {
    bytes: new MemoryBytes(values),
    position: 0,
    dtype,
    validity: { bytes: new MemoryBytes(valid), position: 0, nulls },
  }
}

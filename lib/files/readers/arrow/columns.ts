import type { Data, Vector } from 'apache-arrow'
import type { TensorDType } from '../../../index.ts'
import { typedArrays } from '../../../tensor/dtypes.ts'
import type { Arrow } from '../../arrow.ts'
import type { LabelTexts } from '../../options.ts'
import { bytesPerElement, type Column, type ColumnDType, type ListColumn, type ValidityBitmap } from '../batch.ts'
import { type Bytes, MemoryBytes } from '../bytes.ts'
import { damagedColumn, describeColumn, pastBuffer } from './damage.ts'
import type { FieldLayout } from './flatbuffer.ts'
import type { ArrowMessage } from './messages.ts'
import { toDType, valueTypeOf } from './types.ts'

/** The nodes and buffers of one column, with its children, in a record batch. */
export interface BatchColumn {
  readonly name: string
  readonly nodes: readonly { readonly length: number; readonly nullCount: number }[]
  /** within the body */
  readonly buffers: readonly { readonly offset: number; readonly length: number }[]
  /** per view column, the number of its data buffers */
  readonly variadicCounts: readonly number[]
}

/** A buffer of the body, and where it can be read. */
export interface Region {
  readonly bytes: Bytes
  readonly position: number
  readonly length: number
}

/** The metadata version V5. Before it unions had validity bitmaps, for which apache-arrow makes no allowance. */
export const firstWithPlainUnions = 4

/**
 * Splits the nodes and buffers of a record batch among its columns. They lie in the order of the columns and must all be
 * used. Columns after `last` may be of an unknown type, and are then left out.
 */
export function splitBatch(
  fields: readonly FieldLayout[],
  last: number,
  { batch, version }: ArrowMessage,
): BatchColumn[] {
  const { nodes, buffers, variadicCounts } = batch
  const next = { node: 0, buffer: 0, view: 0 }
  const columns: BatchColumn[] = []
  for (const [index, field] of fields.entries()) {
    const { name } = field
    if (field.unknown !== undefined) {
      if (index > last) return columns
      throw new Error(
        `${describeColumn(name)} has ${field.unknown}, which is newer than this reader: leave it out, or write it after the columns to read`,
      )
    }
    const views = variadicCounts.slice(next.view, next.view + field.views)
    const unions = version < firstWithPlainUnions ? field.unions : 0
    const count = field.buffers + unions + views.reduce((sum, each) => sum + each, 0)
    const column = {
      name,
      nodes: nodes.slice(next.node, next.node + field.nodes),
      buffers: buffers.slice(next.buffer, next.buffer + count),
      variadicCounts: views,
    }
    const isComplete =
      column.nodes.length === field.nodes && column.buffers.length === count && views.length === field.views
    if (!isComplete) throw schemaMismatch()
    if (column.nodes[0]?.length !== batch.rows)
      throw damagedColumn(name, 'has another number of rows than its record batch')
    columns.push(column)
    next.node += field.nodes
    next.buffer += count
    next.view += field.views
  }
  const isUsedUp = next.node >= nodes.length && next.buffer >= buffers.length && next.view >= variadicCounts.length
  if (!isUsedUp) throw schemaMismatch()
  return columns
}

function schemaMismatch(): Error {
  return new Error('damaged: the buffers of a record batch do not match its schema')
}

/** A column of numbers or bits, uncompressed, where it lies. */
export function locateColumn(
  rows: number,
  { name, nodes }: BatchColumn,
  regions: readonly Region[],
  dtype: ColumnDType,
): Column {
  const [node, [validity, values]] = [nodes[0], regions]
  const bitmapBytes = Math.ceil(rows / 8)
  const valueBytes = dtype === 'bit' ? bitmapBytes : rows * bytesPerElement(dtype)
  if (node === undefined || values === undefined || values.length < valueBytes) throw damagedColumn(name, pastBuffer)
  const column = { bytes: values.bytes, position: values.position, dtype }
  if (node.nullCount === 0) return column
  if (validity === undefined || validity.length < bitmapBytes) throw damagedColumn(name, pastBuffer)
  return { ...column, validity: { bytes: validity.bytes, position: validity.position, nullCount: node.nullCount } }
}

/** A column of numbers or bits that apache-arrow has decompressed. */
export function columnOfVector({ data: [data] }: Vector, dtype: ColumnDType): Column {
  return columnOfData(data as Data, dtype)
}

function columnOfData(data: Data, dtype: ColumnDType): Column {
  return { bytes: new MemoryBytes(data.values), position: 0, dtype, ...validityOf(data) }
}

function validityOf({ nullBitmap, nullCount }: Data): { validity?: ValidityBitmap } {
  return nullCount === 0 ? {} : { validity: { bytes: new MemoryBytes(nullBitmap), position: 0, nullCount } }
}

/** A column of lists of numbers, whose offsets are checked. */
export function listsOfVector(arrow: Arrow, { data: [data] }: Vector, name: string): ListColumn {
  const { type, length, valueOffsets, children } = data as Data
  const elements = children[0] as Data
  const extent = arrow.DataType.isFixedSizeList(type) ? type.listSize : valueOffsets
  if (typeof extent === 'number' && elements.length < length * extent) throw damagedColumn(name, pastBuffer)
  const dtype = toDType(arrow, elements.type) as ColumnDType
  return { elements: columnOfData(elements, dtype), extent, ...validityOf(data as Data) }
}

/** The values that a dictionary-encoded column stands for. */
export function decodeDictionary(arrow: Arrow, vector: Vector): Column {
  const stored = toDType(arrow, valueTypeOf(arrow, vector.type)) as ColumnDType
  const dtype = ({ bit: 'uint8', float16: 'float32' } as const)[stored as 'bit' | 'float16'] ?? (stored as TensorDType)
  return convertValues(vector, dtype, (value) => (stored === 'bit' ? Number(value) : value))
}

/** Labels that are text as 1, −1 or, any other, 0. */
export function encodeTexts(vector: Vector, { positive, negative }: LabelTexts): Column {
  return convertValues(vector, 'int8', (text) => Number(text === positive) - Number(text === negative))
}

function convertValues(vector: Vector, dtype: TensorDType, convert: (value: unknown) => unknown): Column {
  const { length } = vector
  const values = new typedArrays[dtype](length)
  const valid = new Uint8Array(Math.ceil(length / 8))
  let nullCount = length
  for (let row = 0; row < length; row++) {
    const value = vector.get(row)
    if (value === null) continue
    values[row] = convert(value) as number
    valid[row >> 3] = (valid[row >> 3] as number) | (1 << (row & 7))
    nullCount--
  }
  return {
    bytes: new MemoryBytes(values),
    position: 0,
    dtype,
    validity: { bytes: new MemoryBytes(valid), position: 0, nullCount },
  }
}

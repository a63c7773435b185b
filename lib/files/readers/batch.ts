import type { Vector } from 'apache-arrow'
import type { TensorDType } from '../../index.ts'
import { typedArrays } from '../../tensor/dtypes.ts'
import { fileError, type Message, message } from '../errors.ts'
import type { LossSchema } from '../loss-batches.ts'
import type { Scoring } from '../options.ts'
import type { Bytes } from './bytes.ts'
import type { GroupKey } from './group-keys.ts'

/** The columns to read: names in Arrow, paths of .npy arrays. */
export type ColumnNames = Pick<Scoring, 'input' | 'label' | 'labelTexts' | 'weight' | 'by' | 'keep'>

/** Reads the rows of an array source once, in their order, batch after batch. */
export interface BatchReader {
  readonly schema: LossSchema
  readonly batches: AsyncIterable<Batch>
}

/** Consecutive rows, each column contiguous; valid until the next batch is requested. */
export interface Batch {
  readonly rows: number
  readonly input: Column | PairColumns
  readonly label: Column
  /** of labels that are text: the text of a row of the batch, which `label` has as 1, −1 or 0 */
  readonly labelTextAt?: (row: number) => string | null
  readonly weight?: Column
  /** the group key of a row of the batch */
  readonly keyAt?: (row: number) => GroupKey
  readonly keptColumns?: readonly Vector[]
  /** the part of the source that ends with this batch, from 0 to 1, if it is known */
  readonly share?: number
}

/** The type of stored values. float16 is scored in float32, which has all its values; bits are least significant first. */
export type ColumnDType = TensorDType | 'float16' | 'bit'

export function bytesPerElement(dtype: Exclude<ColumnDType, 'bit'>): number {
  return dtype === 'float16' ? 2 : typedArrays[dtype].BYTES_PER_ELEMENT
}

/** Contiguous values of one type. */
export interface Column {
  readonly bytes: Bytes
  readonly position: number
  readonly dtype: ColumnDType
  readonly isBigEndian?: boolean
  readonly validity?: ValidityBitmap
}

/** The embeddings whose distances are the input. */
export interface PairColumns {
  readonly left: ListColumn
  readonly right: ListColumn
}

/** A column of lists of numbers. */
export interface ListColumn {
  /** the elements of the lists, one list after the other */
  readonly elements: Column
  /** where the lists begin and, one more, where the last ends; or their width, if all have one */
  readonly extent: Int32Array | BigInt64Array | number
  readonly validity?: ValidityBitmap
}

/** Bits that are 0 where the value is null. */
export interface ValidityBitmap {
  readonly bytes: Bytes
  readonly position: number
  /** the number of nulls that the file declares */
  readonly nullCount: number
}

/** Refuses a column whose bitmap contradicts the number of nulls that the file declares. */
export function assertNullCount(column: Message | string, found: number, declared: number): void {
  if (found === declared) return
  throw fileError(message`damaged: ${column} declares ${declared} nulls but has ${found}`)
}

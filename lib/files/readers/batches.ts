import type { Vector } from 'apache-arrow'
import type { TensorDType } from '../../index.ts'
import { classes } from '../../tensor/dtypes.ts'
import type { LossSchema } from '../loss-batches.ts'
import type { Bytes } from './bytes.ts'
import type { Key } from './keys.ts'

/** What columns to read: of Arrow their names, of .npy the files that they are. */
export interface Names {
  readonly input: string
  readonly label: string
  readonly by?: string
  readonly keep?: readonly string[]
}

/** What a reader gives: the rows of a source that DuckDB does not read, in their order, once. */
export interface Rows extends LossSchema {
  readonly stretches: AsyncIterable<Stretch>
}

/** Rows whose columns lie together; valid until the next are asked for. */
export interface Stretch {
  readonly rows: number
  readonly input: Column
  readonly label: Column
  /** of a row, counted within the stretch */
  readonly keyOf?: (row: number) => Key
  readonly kept?: readonly Vector[]
  /** how much of the source is read at its end, of 1, where that is known */
  readonly share?: number
}

/** What the values of a column are: float16 is scored in float32, which has all its values; bits come least significant first. */
export type ColumnDType = TensorDType | 'float16' | 'bit'

export function bytesPerElement(dtype: Exclude<ColumnDType, 'bit'>): number {
  return dtype === 'float16' ? 2 : classes[dtype].BYTES_PER_ELEMENT
}

/** Values of one type, one after the other. */
export interface Column {
  readonly bytes: Bytes
  readonly position: number
  readonly dtype: ColumnDType
  readonly isBigEndian?: boolean
  /** bits that are 0 where the value is null, and how many are said to be */
  readonly validity?: { readonly bytes: Bytes; readonly position: number; readonly nulls: number }
}

export function assertNulls(found: number, said: number): void {
  if (found !== said) throw new Error(`damaged: a column is said to have ${said} nulls, but has ${found}`)
}

import type { Field, Vector } from 'apache-arrow'
import type { DType, InputData } from '../../index.ts'

/** What all rows have in common, and a file of their losses holds. */
export interface Table {
  /** what the input is scored in */
  readonly dtype: DType
  /** the columns to keep beside the losses */
  readonly kept: readonly Field[]
  /** of an array: its shape, and which axis is contiguous */
  readonly array?: { readonly shape: readonly number[]; readonly isFortranOrder: boolean }
}

/** The losses of some rows, in their order; NaN where an input or label is null. */
export interface Losses {
  readonly table: Table
  readonly values: InputData
  /** of each row, other than 0 where an input or label is null */
  readonly nulls?: Uint8Array
  readonly kept: readonly Vector[]
}

/** Writes a file of losses, of which there is at least one, even if of no rows. */
export type Writer = (path: string, losses: AsyncIterable<Losses>) => Promise<void>

export const lossColumn = 'loss'

import type { Field, Vector } from 'apache-arrow'
import type { DType, InputData } from '../index.ts'

/** What a file of losses declares: the same for all rows. */
export interface LossSchema {
  /** the type in which the input is scored */
  readonly dtype: DType
  /** the columns beside the losses */
  readonly keptFields: readonly Field[]
  /** the layout of an array; absent where the rows are those of a table */
  readonly layout?: ArrayLayout
}

interface ArrayLayout {
  readonly shape: readonly number[]
  /** true if the first axis is contiguous, false if the last is */
  readonly isFortranOrder: boolean
}

/** The losses of consecutive rows. */
export interface LossBatch {
  readonly schema: LossSchema
  /** NaN where the input or label is missing */
  readonly values: InputData
  /** per row: 0 if it has a loss, anything else if its loss is null */
  readonly nulls?: Uint8Array
  readonly keptColumns: readonly Vector[]
}

/** Writes a file of losses. There is at least one batch, which may have no rows. */
export type LossWriter = (path: string, batches: AsyncIterable<LossBatch>) => Promise<void>

export const lossColumn = 'loss'

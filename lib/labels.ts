import { type LabelData, type OtherLabels, policyPlace } from './native.ts'
import { isMarginFinite, isZeroOneEncoding, type Settings } from './settings.ts'
import { type DType, dtypes, dtypesCode } from './tensor/dtypes.ts'
import { assertUnchanged, type Contents, type InputContents } from './tensor/tensor.ts'
import { readTensor, type TensorLike } from './tensor/tensor-like.ts'
import { invalidArgument } from './validate.ts'

/** The labels of one call, with what the addon needs to read them beside the input. */
export interface Labels {
  /** one label per element, or one number for all elements */
  readonly values: LabelData | number
  /** the contents that `values` belong to, if they are one per element */
  readonly contents: Contents | undefined
  /** the code of a call with this input and these settings */
  readonly code: number
}

/**
 * Reads labels that a kernel may take with `input`: of its shape, both in memory that is unchanged, and a margin that
 * its dtype has.
 */
export function readLabels(label: TensorLike, input: InputContents, settings: Settings): Labels {
  const contents = typeof label === 'number' ? undefined : readTensor('label', label, input)
  if (contents !== undefined) assertUnchanged('label', contents)
  assertUnchanged('input', input)
  if (!isMarginFinite(settings.margin, dtypes[input.code] as DType)) {
    throw invalidArgument(
      'ERR_INVALID_ARG_VALUE',
      'margin',
      'finite in float32, as the input is',
      String(settings.margin),
    )
  }
  return {
    values: contents === undefined ? (label as number) : contents.data,
    contents,
    code: dtypesCode(input.code, contents === undefined ? input.code : contents.code) + policyPlace * settings.policy,
  }
}

/** A label is neither the positive nor the negative one. */
export interface InvalidLabelError extends RangeError {
  code: 'ERR_INVALID_LABEL'
  /** flat index of the first such label */
  index: number
  /** the first such label */
  value: number | bigint
  /** the number of such labels */
  count: number
}

export function invalidLabel(others: OtherLabels, { values }: Labels, settings: Settings): InvalidLabelError {
  const { index, count } = others
  const { positiveLabel, negativeLabel } = settings
  const value = typeof values === 'number' ? values : (values[index] as number | bigint)
  const actual =
    count === 1 ? `${value} at flat index ${index}` : `${count} others, the first ${value} at flat index ${index}`
  const advice = isZeroOneEncoding(value, positiveLabel)
    ? 'negativeLabel: 0 reads 0/1 labels'
    : `positiveLabel and negativeLabel name the encoding; otherLabels: 'zero' or 'ignore' lets others pass`
  const message = `label must be ${positiveLabel} or ${negativeLabel}, got ${actual} (${advice})`
  return Object.assign(new RangeError(message), { code: 'ERR_INVALID_LABEL' as const, index, value, count })
}

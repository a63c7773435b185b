import type { LabelData, OtherLabelPolicy, OtherLabels } from './native.ts'
import { otherLabelPolicies } from './native.ts'
import { type DType, dtypesCode } from './tensor/dtypes.ts'
import { assertUnchanged, type Contents, type InputContents } from './tensor/tensor.ts'
import { readTensor, type TensorLike } from './tensor/tensor-like.ts'
import { assertFinite, assertOneOf, invalidArgument } from './validate.ts'

/** How labels are read. */
export interface LabelOptions {
  /** the label of similar pairs, whose loss is x; an integer that float32 has; default 1 */
  positiveLabel?: number
  /** the label of dissimilar pairs, whose loss is max(0, margin − x); default −1; 0 reads 0/1 labels */
  negativeLabel?: number
  /**
   * what to do with a label that is neither: `'error'` (default) throws, `'zero'` gives a loss of 0 that counts in the
   * mean, as Paddle does, `'ignore'` one that does not
   */
  otherLabels?: OtherLabelPolicy
}

export interface MarginOptions extends LabelOptions {
  /** Δ of the formula; any finite number; default 1 */
  margin?: number
}

/** What every call of the kernels needs beside the elements. */
export interface Settings extends Required<MarginOptions> {
  /** index into `otherLabelPolicies` */
  readonly policy: number
}

export const settingNames = [
  'margin',
  'positiveLabel',
  'negativeLabel',
  'otherLabels',
] as const satisfies readonly (keyof MarginOptions)[]

/** The largest magnitude of a label: float32 has every integer up to it. */
export const maxLabel = 2 ** 24
/** The smallest number that rounds to infinity in float32, in the default rounding mode. */
const float32Limit = 3.4028235677973366e38

/** True if the margin is finite once it is rounded to the dtype of the input. Math.fround would round in the program's own mode. */
export function isMarginFinite(margin: number, dtype: DType): boolean {
  return dtype === 'float64' || Math.abs(margin) < float32Limit
}

/** True if a label that is not in the encoding shows that labels are 0 and 1: it is 0, also as text or `false`. */
export function isZeroOneEncoding(label: number | bigint | string, positiveLabel: number): boolean {
  return positiveLabel === 1 && (label === 'false' || (label !== '' && Number(label) === 0))
}

/** 0 for −0. (Adding 0 gives −0 where the program has it round downwards, and 0 of subnormals where it flushes them.) */
const withoutSign = (value: number) => (Object.is(value, -0) ? 0 : value)

function readLabel(name: string, value: unknown): number {
  assertFinite(name, value)
  if (Number.isInteger(value) && Math.abs(value) <= maxLabel) return withoutSign(value)
  throw invalidArgument('ERR_INVALID_ARG_VALUE', name, 'an integer within ±2^24', String(value))
}

export function readSettings(options: MarginOptions = {}): Settings {
  const { margin = 1, positiveLabel = 1, negativeLabel = -1, otherLabels = 'error' } = options
  assertFinite('margin', margin)
  const positive = readLabel('positiveLabel', positiveLabel)
  const negative = readLabel('negativeLabel', negativeLabel)
  if (positive === negative) {
    throw invalidArgument(
      'ERR_INVALID_ARG_VALUE',
      'negativeLabel',
      `other than positiveLabel, ${positive}`,
      String(negative),
    )
  }
  assertOneOf('otherLabels', otherLabels, otherLabelPolicies)
  return {
    margin: withoutSign(margin),
    positiveLabel: positive,
    negativeLabel: negative,
    otherLabels,
    policy: otherLabelPolicies.indexOf(otherLabels),
  }
}

export interface Labels {
  /** one an element, or one for all */
  readonly values: LabelData | number
  /** what `values` were read as, where they are one an element */
  readonly contents: Contents | undefined
  /** of input and label, for the addon */
  readonly dtypes: number
}

/** Labels that are fit to go with `input` into a kernel. */
export function readLabels(label: TensorLike, input: InputContents, settings: Settings): Labels {
  const contents = typeof label === 'number' ? undefined : readTensor('label', label, input)
  if (contents !== undefined) assertUnchanged('label', contents)
  assertUnchanged('input', input)
  if (!isMarginFinite(settings.margin, input.dtype)) {
    throw invalidArgument(
      'ERR_INVALID_ARG_VALUE',
      'margin',
      'finite in float32, as the input is',
      String(settings.margin),
    )
  }
  return {
    values: contents?.data ?? (label as number),
    contents,
    dtypes: dtypesCode(input.dtype, contents?.dtype ?? input.dtype),
  }
}

/** A label that is neither the positive nor the negative one. */
export interface InvalidLabelError extends RangeError {
  code: 'ERR_INVALID_LABEL'
  /** flat index of the first such label */
  index: number
  /** that label */
  value: number | bigint
  /** how many such labels there are */
  count: number
}

export function invalidLabel(others: OtherLabels, { values }: Labels, settings: Settings): InvalidLabelError {
  const { index, count } = others
  const { positiveLabel, negativeLabel } = settings
  const value = typeof values === 'number' ? values : (values[index] as number | bigint)
  const found =
    count === 1 ? `${value} at flat index ${index}` : `${count} others, the first ${value} at flat index ${index}`
  const advice = isZeroOneEncoding(value, positiveLabel)
    ? 'negativeLabel: 0 reads 0/1 labels'
    : `positiveLabel and negativeLabel name the encoding; otherLabels: 'zero' or 'ignore' lets others pass`
  const message = `label must be ${positiveLabel} or ${negativeLabel}, got ${found} (${advice})`
  return Object.assign(new RangeError(message), { code: 'ERR_INVALID_LABEL' as const, index, value, count })
}

import {
  type InputData,
  type InvalidElements,
  type LabelData,
  policyPlace,
  type Weight,
  weightPlace,
} from './native.ts'
import { isFiniteIn, isZeroOneEncoding, type Settings } from './settings.ts'
import { codes, type DType, dtypes, dtypesCode } from './tensor/dtypes.ts'
import { assertUnchanged, type Contents, type InputContents, type Like } from './tensor/tensor.ts'
import { readTensor, readWeight, type TensorLike } from './tensor/tensor-like.ts'
import { invalidArgument } from './validate.ts'

/** What a call takes beside the input and the label. */
export interface WeightOptions {
  /**
   * one weight per element, finite and not negative: float32 or float64, of the input's shape, or one number for all. A
   * loss of weight w is w·l for `'none'`, the mean is Σ w·l / Σ w and the sum Σ w·l
   */
  weight?: TensorLike
}

/** The labels and weights of one call, with what the addon needs to read them beside the input. */
export interface Labels {
  /** one label per element, or one number for all elements */
  readonly values: LabelData | number
  /** the contents that `values` belong to, if they are one per element */
  readonly contents: Contents | undefined
  /** the weight of a call that has one */
  readonly weight: Weight | undefined
  /** the contents that `weight` belongs to, if it is one per element */
  readonly weightContents: InputContents | undefined
  /** the code of a call with this input and these settings */
  readonly code: number
}

/**
 * Reads labels and weights that a kernel may take with `input`: of its shape, all in memory that is unchanged, and a
 * margin that its dtype has.
 */
export function readLabels(label: TensorLike, input: InputContents, settings: Settings, weight?: TensorLike): Labels {
  const labels = readLabelsLike(label, input, settings, weight)
  assertUnchanged('input', input)
  return labels
}

/** Reads labels and weights as `readLabels` does. The caller checks its memory afterwards: to read them may run any program. */
export function readLabelsLike(label: TensorLike, input: Like, settings: Settings, weight?: TensorLike): Labels {
  const isPerElement = weight !== undefined && typeof weight !== 'number'
  const weightContents = isPerElement ? readWeight('weight', weight, input) : undefined
  const contents = typeof label === 'number' ? undefined : readTensor('label', label, input)
  if (weightContents !== undefined) assertUnchanged('weight', weightContents)
  if (contents !== undefined) assertUnchanged('label', contents)
  if (!isFiniteIn(settings.margin, dtypes[input.code] as DType)) {
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
    weight: weightContents === undefined ? (weight as number | undefined) : weightContents.data,
    weightContents,
    code:
      dtypesCode(input.code, contents === undefined ? input.code : contents.code) +
      policyPlace * settings.policy +
      (weight === undefined ? 0 : weightPlace * (1 + (weightContents?.code ?? codes.float64))),
  }
}

/** A weight is negative, NaN or infinite. */
export interface InvalidWeightError extends RangeError {
  code: 'ERR_INVALID_WEIGHT'
  /** flat index of the first such weight */
  index: number
  /** the first such weight */
  value: number
  /** the number of such weights */
  count: number
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

/** The error about elements that the addon reports. */
export function invalidElements(invalid: InvalidElements, labels: Labels, settings: Settings): RangeError {
  return invalid.areWeights ? invalidWeight(invalid, labels) : invalidLabel(invalid, labels, settings)
}

function invalidWeight({ index, count }: InvalidElements, { weight }: Labels): InvalidWeightError {
  const value = typeof weight === 'number' ? weight : ((weight as InputData)[index] as number)
  const message = `weight must be 0 or more, and finite, got ${describeFirst(value, index, count)}`
  return Object.assign(new RangeError(message), { code: 'ERR_INVALID_WEIGHT' as const, index, value, count })
}

function describeFirst(value: number | bigint, index: number, count: number): string {
  return count === 1 ? `${value} at flat index ${index}` : `${count} others, the first ${value} at flat index ${index}`
}

function invalidLabel({ index, count }: InvalidElements, { values }: Labels, settings: Settings): InvalidLabelError {
  const { positiveLabel, negativeLabel } = settings
  const value = typeof values === 'number' ? values : (values[index] as number | bigint)
  const actual = describeFirst(value, index, count)
  const advice = isZeroOneEncoding(value, positiveLabel)
    ? 'negativeLabel: 0 reads 0/1 labels'
    : `positiveLabel and negativeLabel name the encoding; otherLabels: 'zero' or 'ignore' lets others pass`
  const message = `label must be ${positiveLabel} or ${negativeLabel}, got ${actual} (${advice})`
  return Object.assign(new RangeError(message), { code: 'ERR_INVALID_LABEL' as const, index, value, count })
}

import type { OtherLabelPolicy } from './native.ts'
import { otherLabelPolicies } from './native.ts'
import type { DType } from './tensor/dtypes.ts'
import { assertFinite, assertOneOf, invalidArgument } from './validate.ts'

/** How labels are read. */
export interface LabelOptions {
  /** the label of similar pairs, whose loss is x; an integer within ±2^24; default 1 */
  positiveLabel?: number
  /**
   * the label of dissimilar pairs, whose loss is max(0, Δ − x); an integer within ±2^24; default −1; 0 reads 0/1 labels
   */
  negativeLabel?: number
  /**
   * what to do with any other label: `'error'` (default) throws; `'zero'` gives it a loss of 0, which counts in the
   * mean, as Paddle does; `'ignore'` gives it a loss of 0, which does not count
   */
  otherLabels?: OtherLabelPolicy
}

export interface MarginOptions extends LabelOptions {
  /** Δ in the formula; any finite number; default 1 */
  margin?: number
}

/** The options that every kernel takes, checked and complete. */
export interface Settings extends Required<MarginOptions> {
  /** index of `otherLabels` in `otherLabelPolicies` */
  readonly policy: number
}

export const settingNames = [
  'margin',
  'positiveLabel',
  'negativeLabel',
  'otherLabels',
] as const satisfies readonly (keyof MarginOptions)[]

/** The largest magnitude of a label: float32 has every integer up to it. */
const maxLabel = 2 ** 24
/** The smallest number that rounds to infinity in float32, in the default rounding mode. */
const float32Limit = 3.4028235677973366e38

/** True if a number is finite once it is rounded to a dtype. Math.fround would round in the program's own mode. */
export function isFiniteIn(value: number, dtype: DType): boolean {
  return dtype === 'float64' || Math.abs(value) < float32Limit
}

/** True if an invalid label shows that the labels are 0 and 1: it is 0, as a number, as text or as `false`. */
export function isZeroOneEncoding(label: number | bigint | string, positiveLabel: number): boolean {
  return positiveLabel === 1 && (label === 'false' || (label !== '' && Number(label) === 0))
}

/**
 * Returns 0 for −0. To add 0 would give −0 where the program rounds downwards, and 0 for subnormals where it flushes
 * them.
 */
const removeZeroSign = (value: number) => (Object.is(value, -0) ? 0 : value)

function readLabel(name: string, value: unknown): number {
  assertFinite(name, value)
  if (Number.isInteger(value) && Math.abs(value) <= maxLabel) return removeZeroSign(value)
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
    margin: removeZeroSign(margin),
    positiveLabel: positive,
    negativeLabel: negative,
    otherLabels,
    policy: otherLabelPolicies.indexOf(otherLabels),
  }
}

import { createRequire } from 'node:module'
import { addonPath, root } from './binaries.ts'
import { explainAttempts } from './load-error.ts'

/** The typed arrays that inputs may be. */
export type InputData = Float32Array | Float64Array

/** The typed arrays that labels may be. */
export type LabelData =
  | InputData
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array

/**
 * What the addon reports of invalid elements: labels that are neither the positive nor the negative one, where they are
 * an error, or weights that are negative, NaN or infinite.
 */
export interface InvalidElements {
  /** flat index of the first such element */
  readonly index: number
  readonly count: number
  /** true of weights, false of labels */
  readonly areWeights: boolean
}

/**
 * What happens to a label that is neither positive nor negative: it is an error, its loss is 0 and counts in the mean
 * (`'zero'`), or it does not count (`'ignore'`).
 */
export type OtherLabelPolicy = 'error' | 'zero' | 'ignore'
/** The index of a policy in this list is its code in the addon. */
export const otherLabelPolicies: readonly OtherLabelPolicy[] = ['error', 'zero', 'ignore']

/**
 * The full state of an accumulator, with its weights if it has any. Exact sums are canonical hexadecimal text
 * (`-0x1ap-4` is −26 · 2⁻⁴), `NaN`, `Infinity` or `-Infinity`.
 */
export type StateRecord = [
  positives: number,
  positiveSum: string,
  negatives: number,
  negativeSum: string,
  active: number,
  others: number,
  ...weights: [] | [positives: string, negatives: string, others: string],
]

/**
 * The first arguments of every call over elements. `code` holds five values, because the addon takes long to read an
 * argument: what `dtypesCode` returns for input and label, `policyPlace` × the policy, `meanPlace` for a mean, and
 * `weightPlace` × (1 + the code of the weights' dtype) if the call has weights.
 */
export type Elements<Input extends LossInput = LossInput> = [
  input: Input,
  label: LabelData | number,
  code: number,
  margin: number,
  positiveLabel: number,
  negativeLabel: number,
]

/** The index of a kind in this list is its code in the addon. */
export const distanceKinds = ['euclidean', 'manhattan', 'chebyshev', 'minkowski', 'cosine'] as const
export type DistanceKind = (typeof distanceKinds)[number]

/**
 * The first arguments of every call over pairs: both sides, each with `count` rows of `width` elements, or one row for
 * all pairs; `code` is what `dtypesCode` returns for the dtype and the kind of distance.
 */
export type PairElements = [
  left: InputData,
  right: InputData,
  code: number,
  count: number,
  width: number,
  p: number,
  epsilon: number,
]

/** What the loss is of: elements, or the distances of pairs, which the addon computes block by block. */
export type LossInput = InputData | PairElements

/** Memory for the gradients by both sides of pairs. */
export type SideOutputs = [left: InputData, right: InputData]

export const policyPlace = 100
export const meanPlace = 300
export const weightPlace = 600

/** The weights of a call: one per element, or one number for all elements. */
export type Weight = InputData | number

/**
 * The range of elements that a call reads and writes, of input, label, weight and out alike; by default all. The last
 * argument of a call is its weight.
 */
type Slice = [begin?: number, end?: number, weight?: Weight]

/**
 * The addon's functions. A policy is an index into `otherLabelPolicies`. The addon trusts the dtypes in a code, because
 * to ask for the type of a typed array costs more than a small call. An empty `state` is `stateBytes` zeros, or
 * `weightedStateBytes` zeros if it has weights.
 */
interface Native {
  readonly stateBytes: number
  readonly weightedStateBytes: number

  reduce(...call: [...elements: Elements, none?: undefined, ...slice: Slice]): number | InvalidElements
  forward(...call: [...elements: Elements, out: InputData, ...slice: Slice]): undefined | InvalidElements
  /** `out` has the input's dtype and length; so has a `gradOutput` that is not one number for all elements. */
  backward(
    ...call: [...elements: Elements, out: InputData, gradOutput: InputData | number, none?: undefined, weight?: Weight]
  ): undefined | InvalidElements
  /**
   * Writes gradients to `out`, of pairs by both sides; writes losses to `losses`, or without it returns their mean or
   * sum.
   */
  valueAndGrad(
    ...call: [
      ...elements: Elements,
      out: InputData | SideOutputs,
      losses?: InputData,
      none?: undefined,
      weight?: Weight,
    ]
  ): undefined | number | InvalidElements
  accumulate(...call: [...elements: Elements, state: Uint8Array, ...slice: Slice]): undefined | InvalidElements
  /** Is faster than `accumulate`, but only the totals of all elements are then right in `state`. */
  accumulateUnclassed(...call: [...elements: Elements, state: Uint8Array, ...slice: Slice]): undefined | InvalidElements

  /** Writes the distances of the pairs [begin, end) to their places in `out`, which has one for each pair. */
  distances(...call: [...pairs: PairElements, out: InputData, begin: number, end: number]): void
  /** `gradOutput` has one number for each pair, or is one for all. */
  distanceGradients(...call: [...pairs: PairElements, out: SideOutputs, gradOutput: InputData | number]): void

  /**
   * Fills `out` with the values of `source`: floats are rounded once, integers must not change. `dtypes` is the code of
   * both. Returns the index of the first value that `out` cannot hold, or the number of values.
   */
  convert(out: LabelData, source: LabelData, dtypes: number): number

  /** A source with weights needs a target with weights. Elements without weights have a weight of 1. */
  merge(target: Uint8Array, source: Uint8Array): void
  /**
   * [all, positives, negatives] × [count, sum, mean], active negatives, others, then [all, positives, negatives] ×
   * weight.
   */
  totals(state: Uint8Array, policy: number): number[]
  exportState(state: Uint8Array): StateRecord
  /** Fills an empty state; returns false if `exportState` cannot have written the record. */
  importState(state: Uint8Array, record: StateRecord): boolean

  /** True for the first thread that asks. Settings belong to the process, which reads its environment once. */
  isFirst(): boolean
  instructionSets(): string[]
  instructionSet(): string
  setInstructionSet(name: string): boolean
  numThreads(): number
  setNumThreads(count: number): void
}

function load(): Native {
  try {
    return createRequire(import.meta.url)(addonPath) as Native
  } catch (cause) {
    const failure = cause instanceof Error ? cause.message : String(cause)
    throw explainAttempts(root, [{ path: addonPath, failure }], cause)
  }
}

export { version } from './binaries.ts'

export const native: Native = load()

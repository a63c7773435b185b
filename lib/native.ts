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

/** What the addon reports of labels that are neither the positive nor the negative one, where they are an error. */
export interface OtherLabels {
  /** flat index of the first such label */
  readonly index: number
  readonly count: number
}

/** The index of a policy in this list is its code in the addon. */
export const otherLabelPolicies = ['error', 'zero', 'ignore'] as const
export type OtherLabelPolicy = (typeof otherLabelPolicies)[number]

/**
 * The full state of an accumulator. Exact sums are canonical hexadecimal text (`-0x1ap-4` is −26 · 2⁻⁴), `NaN`,
 * `Infinity` or `-Infinity`.
 */
export type StateRecord = [
  positives: number,
  positiveSum: string,
  negatives: number,
  negativeSum: string,
  active: number,
  others: number,
]

/**
 * The first arguments of every call over elements. `code` holds four values, because the addon takes long to read an
 * argument: what `dtypesCode` returns for input and label, `policyPlace` × the policy, and `meanPlace` for a mean.
 */
type Elements = [
  input: InputData,
  label: LabelData | number,
  code: number,
  margin: number,
  positiveLabel: number,
  negativeLabel: number,
]

export const policyPlace = 100
export const meanPlace = 300

/** The range of elements that a call reads and writes, of input, label and out alike; by default all. */
type Slice = [begin?: number, end?: number]

/**
 * The addon's functions. A policy is an index into `otherLabelPolicies`. The addon trusts the dtypes in a code, because
 * to ask for the type of a typed array costs more than a small call. An empty `state` is `stateBytes` zeros.
 */
interface Native {
  readonly stateBytes: number

  reduce(...call: Elements): number | OtherLabels
  forward(...call: [...elements: Elements, out: InputData, ...slice: Slice]): undefined | OtherLabels
  /** `out` has the input's dtype and length; so has a `gradOutput` that is not one number for all elements. */
  backward(...call: [...elements: Elements, out: InputData, gradOutput: InputData | number]): undefined | OtherLabels
  /** Writes gradients to `out`; writes losses to `losses`, or without it returns their mean or sum. */
  valueAndGrad(...call: [...elements: Elements, out: InputData, losses?: InputData]): undefined | number | OtherLabels
  accumulate(...call: [...elements: Elements, state: Uint8Array, ...slice: Slice]): undefined | OtherLabels
  /** Is faster than `accumulate`, but only the totals of all elements are then right in `state`. */
  accumulateUnclassed(...call: [...elements: Elements, state: Uint8Array, ...slice: Slice]): undefined | OtherLabels

  /**
   * Fills `out` with the values of `source`: floats are rounded once, integers must not change. `dtypes` is the code of
   * both. Returns the index of the first value that `out` cannot hold, or the number of values.
   */
  convert(out: LabelData, source: LabelData, dtypes: number): number

  merge(target: Uint8Array, source: Uint8Array): void
  /** [all, positives, negatives] × [count, sum, mean], then active negatives and others. */
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

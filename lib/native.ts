import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

/** What the kernels read as input. */
export type InputData = Float32Array | Float64Array

/** What the kernels read as labels: one an element, or one number for all. */
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

/** The labels that are neither the positive nor the negative one, where they are an error. */
export interface OtherLabels {
  /** flat index of the first */
  readonly index: number
  readonly count: number
}

/** The place of a policy in this list is its code in the addon. */
export const otherLabelPolicies = ['error', 'zero', 'ignore'] as const
export type OtherLabelPolicy = (typeof otherLabelPolicies)[number]

/**
 * An accumulator's state, in full: exact sums as canonical hexadecimal text (`-0x1ap-4`, which is −26·2⁻⁴), or `NaN`,
 * `Infinity`, `-Infinity`.
 */
export type StateRecord = [
  positives: number,
  positiveSum: string,
  negatives: number,
  negativeSum: string,
  active: number,
  others: number,
]

/** What every call over elements begins with. */
type Elements = [
  input: InputData,
  label: LabelData | number,
  dtypes: number,
  margin: number,
  positiveLabel: number,
  negativeLabel: number,
  policy: number,
]

/** Of the elements that a call is about; all by default. */
type Slice = [begin?: number, end?: number]

/**
 * The addon's functions. A policy is an index into `otherLabelPolicies`, and `dtypes` what `dtypesCode` says of input and
 * label: the addon takes its word, for asking what a typed array is costs more than a small call. A `state` is `stateBytes`
 * zeros at first. A slice is one of input, label and out alike.
 */
export interface Native {
  readonly stateBytes: number

  reduce(...call: [...elements: Elements, mean: boolean]): number | OtherLabels
  forward(...call: [...elements: Elements, out: InputData, ...slice: Slice]): undefined | OtherLabels
  /** `out` is of the input's dtype and length, as is a `gradOutput` that is not one number for all. */
  backward(
    ...call: [...elements: Elements, out: InputData, gradOutput: InputData | number, mean: boolean]
  ): undefined | OtherLabels
  /** Gradients go to `out`, and either losses to `losses`, or their sum or mean is what it gives. */
  valueAndGrad(
    ...call: [...elements: Elements, out: InputData, lossesOrMean: InputData | boolean]
  ): undefined | number | OtherLabels
  accumulate(...call: [...elements: Elements, state: Uint8Array, ...slice: Slice]): undefined | OtherLabels
  /** Only the totals of all elements are then right in `state`; it takes less time. */
  accumulateUnclassed(...call: [...elements: Elements, state: Uint8Array, ...slice: Slice]): undefined | OtherLabels

  /**
   * Fills `out` with the values of `source`: floats are rounded once, integers must be what they are. `dtypes` are those of the two;
   * gives the index of the first value that `out` cannot hold, or their number.
   */
  convert(out: LabelData, source: LabelData, dtypes: number): number

  merge(target: Uint8Array, source: Uint8Array): void
  /** [all, positives, negatives] × [count, sum, mean], then active negatives and others. */
  totals(state: Uint8Array, policy: number): number[]
  exportState(state: Uint8Array): StateRecord
  /** Fills an empty state; false where the record is not one that `exportState` gives. */
  importState(state: Uint8Array, record: StateRecord): boolean

  /** True for the first thread that asks: settings are the process's, and are read from its environment once. */
  isFirst(): boolean
  instructionSets(): string[]
  instructionSet(): string
  setInstructionSet(name: string): boolean
  numThreads(): number
  setNumThreads(count: number): void
}

function libc(): string {
  if (process.platform !== 'linux') return 'the platform’s own'
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
  const glibc = report.header?.glibcVersionRuntime
  return glibc === undefined ? 'musl' : `glibc ${glibc}`
}

function notLoaded(reasons: readonly string[], cause: unknown): Error {
  const message = [
    'the native addon of hinge-embedding-loss cannot be loaded',
    `platform ${process.platform}, arch ${process.arch}, Node ${process.version}, libc ${libc()}`,
    ...reasons,
  ].join('\n')
  return Object.assign(new Error(message, { cause }), { code: 'ERR_ADDON_NOT_LOADED' })
}

interface Package {
  readonly require: NodeRequire
  readonly root: string
  readonly version: string
}

/** The package that this file is in: a bundle of it is beside no addon, and may be beside another package's manifest. */
function findPackage(): Package {
  const url: string | undefined = import.meta.url
  let cause: unknown
  try {
    const require = createRequire(url)
    const { name, version } = require('../package.json') as { name: string; version: string }
    if (name === 'hinge-embedding-loss') return { require, root: fileURLToPath(new URL('..', url)), version }
  } catch (error) {
    cause = error
  }
  const reason = `tried ${url ?? 'a file without a URL'}, which is not in the package: it seems to be a bundle`
  const advice =
    'in a bundle keep hinge-embedding-loss external, and install it beside: esbuild --external:hinge-embedding-loss, externals of webpack, external of Rollup and Vite, serverExternalPackages of Next.js'
  throw notLoaded([reason, advice], cause)
}

function load({ require, root }: Package): Native {
  const loadAddon = require('node-gyp-build') as (root: string) => Native
  try {
    return loadAddon(root)
  } catch (cause) {
    const tried = cause instanceof Error ? cause.message : String(cause)
    const reasons = [
      `tried ${root}build/Release and ${root}prebuilds: ${tried}`,
      'to build it (python3, make and a C++20 compiler are needed): npm rebuild hinge-embedding-loss; in a clone: npm run build:addon',
    ]
    throw notLoaded(reasons, cause)
  }
}

const own = findPackage()

export const { version } = own

export const native: Native = load(own)

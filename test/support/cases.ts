import {
  type Elements,
  type InputData,
  type LabelData,
  meanPlace,
  type OtherLabelPolicy,
  otherLabelPolicies,
  policyPlace,
} from '../../lib/native.ts'
import { codeOf, dtypesCode } from '../../lib/tensor/dtypes.ts'
import type { Format, Settings } from '../oracle.ts'
import { nodePath } from './processes.ts'

export const threadCounts = [1, 2, 3, 7]
export const encodings = [
  [1, -1],
  [1, 0],
  [7, 3],
] as const

/** Undefined stands for one label for all elements. */
export const labelTypes: readonly ((new (n: number) => LabelData) | undefined)[] = [
  ...[Float32Array, Float64Array, Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array],
  ...[Uint32Array, BigInt64Array, BigUint64Array, undefined],
]

/** Other labels, some of which would be valid if they were cut to fewer bits. */
export const traps = [
  2,
  0,
  -3,
  255,
  257,
  65537,
  2 ** 32 + 1,
  1 - 2 ** 32,
  1.5,
  Number.NaN,
  Infinity,
  1 + 2 ** -23,
  -1 - 2 ** -23,
]

/** Lengths around every vector width, the block length, and the share of one thread. */
const blocks = [1, 2, 3].flatMap((k) => [-17, -1, 0, 1, 9].map((more) => 2048 * k + more))
const allSmallSizes = [...Array(71).keys(), ...blocks, ...blocks, 2 ** 15 - 1, 2 ** 15 + 5, 2 ** 16 + 3]
/** An emulator of a processor takes twenty times as long: it gets each seventh of the sizes. */
export const smallSizes = nodePath === process.execPath ? allSmallSizes : allSmallSizes.filter((_, i) => i % 7 === 0)
export const largeSizes = [2 ** 17 - 1, 2 ** 17, 2 ** 17 + 1, 2 ** 17 + 2 ** 15 + 2047, 2 ** 18 + 5]

/** Elements as plain numbers, and the form in which the addon gets them. */
export interface Case extends Settings {
  readonly inputs: readonly number[]
  readonly labels: readonly number[]
  readonly LabelType: (new (n: number) => LabelData) | undefined
  readonly format: Format
  readonly policy: OtherLabelPolicy
  readonly name: string
}

export type Arguments = Elements<InputData>

export const policyCode = ({ policy }: Pick<Case, 'policy'>) => otherLabelPolicies.indexOf(policy)

/** The code of a call with these arguments. */
export function callCode(input: InputData, label: LabelData | number, policy: OtherLabelPolicy = 'error'): number {
  return dtypesCode(codeOf(input) as number, codeOf(label) ?? 0) + policyPlace * otherLabelPolicies.indexOf(policy)
}

/** The arguments of the same call for a mean. */
export function asMean([input, label, code, ...rest]: Readonly<Arguments>): Arguments {
  return [input, label, code + meanPlace, ...rest]
}

/** Packs elements of a case as arguments of the addon, in an order and at an offset in memory. */
export function pack(each: Case, order: readonly number[], offset: number): Arguments {
  const input = new each.format.Type(order.length + offset).subarray(offset)
  const label = each.LabelType ? new each.LabelType(order.length + offset).subarray(offset) : (each.labels[0] ?? 1)
  input.set(order.map((from) => each.inputs[from] as number))
  if (typeof label !== 'number') {
    const labels = order.map((from) => each.labels[from] as number)
    if (label instanceof BigInt64Array || label instanceof BigUint64Array) {
      label.set(labels.map((value) => BigInt(Number.isSafeInteger(value) ? value : 2)))
    } else label.set(labels)
  }
  const { margin, positiveLabel, negativeLabel } = each
  return [input, label, callCode(input, label, each.policy), margin, positiveLabel, negativeLabel]
}

import type { LabelData } from '../native.ts'

export const classes = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
}

/** The dtypes of inputs and losses. */
export type DType = 'float32' | 'float64'

/** The dtypes of labels: any. */
export type TensorDType = keyof typeof classes

export const dtypes = Object.keys(classes) as TensorDType[]

/** The place of a dtype in `dtypes`; in the addon, its code. */
const codes = Object.fromEntries(dtypes.map((dtype, code) => [dtype, code])) as Readonly<Record<TensorDType, number>>

/** The dtypes of input and label in one number, for the addon. The dtype of a label that is one number does not matter. */
export function dtypesCode(input: TensorDType, label: TensorDType): number {
  return codes[input] + dtypes.length * codes[label]
}

/** Compared by hand: searching a list costs more. */
export function isFloat(dtype: TensorDType): dtype is DType {
  return dtype === 'float32' || dtype === 'float64'
}

const typedArrayPrototype = Object.getPrototypeOf(Int8Array.prototype) as object

/**
 * A getter that every typed array has, as a function. No subclass, property, prototype or proxy can answer in its place, and it
 * knows the arrays of other realms.
 */
function typedArrayGetter<T>(key: PropertyKey): (value: unknown) => T {
  const getter = Object.getOwnPropertyDescriptor(typedArrayPrototype, key)?.get as () => T
  return Function.prototype.call.bind(getter) as (value: unknown) => T
}

/** The name of a typed array's class, undefined for all else. */
const tagOf = typedArrayGetter<string | undefined>(Symbol.toStringTag)
/** The number of elements that a typed array has at this moment. */
export const lengthOf: (data: LabelData) => number = typedArrayGetter<number>('length')
const bufferOf = typedArrayGetter<ArrayBuffer>('buffer')
const byteOffsetOf = typedArrayGetter<number>('byteOffset')

/** A plain object, as V8 finds a property of one sooner than an entry of a Map. */
const dtypeByTag: Readonly<Record<string, TensorDType>> = Object.assign(Object.create(null), {
  Uint8ClampedArray: 'uint8',
  ...Object.fromEntries(dtypes.map((dtype) => [classes[dtype].name, dtype])),
})

/**
 * The dtype of a numeric typed array, undefined for anything else. The most common one is compared, which costs nothing; to
 * find a property whose name varies costs some 10 ns, and a call asks four times.
 */
export function dtypeOf(value: unknown): TensorDType | undefined {
  const tag = tagOf(value)
  return tag === 'Float32Array' ? 'float32' : dtypeByTag[tag as string]
}

export function isTypedArray(value: unknown): value is LabelData {
  return dtypeOf(value) !== undefined
}

/** `length` elements of a typed array from `begin` on: a view over the same memory. */
export function viewOf(data: LabelData, begin: number, length: number): LabelData {
  const Class = classes[dtypeOf(data) as TensorDType]
  return new Class(bufferOf(data), byteOffsetOf(data) + begin * Class.BYTES_PER_ELEMENT, length)
}

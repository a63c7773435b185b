import type { LabelData } from '../native.ts'

/** The class of typed array of each dtype. */
export const typedArrays = {
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

/** The dtypes of labels and of tensors. */
export type TensorDType = keyof typeof typedArrays

export const dtypes = Object.keys(typedArrays) as TensorDType[]

/** The code of a dtype, here and in the addon: its index in `dtypes`. */
export type DTypeCode = number

const float32Code: DTypeCode = dtypes.indexOf('float32')
const float64Code: DTypeCode = dtypes.indexOf('float64')

export function isFloat(code: DTypeCode): boolean {
  return code === float32Code || code === float64Code
}

/** Returns the code of a pair of dtypes, for the addon, which ignores the dtype of a label that is one number. */
export function dtypesCode(input: DTypeCode, label: DTypeCode): number {
  return input + dtypes.length * label
}

const typedArrayPrototype = Object.getPrototypeOf(Int8Array.prototype) as object

/**
 * Returns a getter of all typed arrays as a function. No subclass, property, prototype or proxy can replace it, and it
 * reads the arrays of other realms.
 */
function typedArrayGetter<T>(key: PropertyKey): (value: unknown) => T {
  const getter = Object.getOwnPropertyDescriptor(typedArrayPrototype, key)?.get as () => T
  return Function.prototype.call.bind(getter) as (value: unknown) => T
}

/** Returns the name of a typed array's class, or undefined for any other value. */
const tagOf = typedArrayGetter<string | undefined>(Symbol.toStringTag)
/** Returns the number of elements that a typed array has at this moment. */
export const lengthOf: (data: LabelData) => number = typedArrayGetter<number>('length')
const bufferOf = typedArrayGetter<ArrayBuffer>('buffer')
const byteOffsetOf = typedArrayGetter<number>('byteOffset')

/** Not a Map: V8 finds the property of a plain object sooner. */
const codeByTag: Readonly<Record<string, DTypeCode>> = Object.assign(Object.create(null), {
  Uint8ClampedArray: dtypes.indexOf('uint8'),
  ...Object.fromEntries(dtypes.map((dtype, code) => [typedArrays[dtype].name, code])),
})

/**
 * Returns the code of a numeric typed array's dtype, or undefined for any other value. A property whose name varies
 * takes some 10 ns to find, so the most common class, and what is no typed array, are compared first.
 */
export function codeOf(value: unknown): DTypeCode | undefined {
  const tag = tagOf(value)
  if (tag === 'Float32Array') return float32Code
  return tag === undefined ? undefined : codeByTag[tag]
}

/** Returns the dtype of a numeric typed array, or undefined for any other value. */
export function dtypeOf(value: unknown): TensorDType | undefined {
  return dtypes[codeOf(value) as DTypeCode]
}

export function isTypedArray(value: unknown): value is LabelData {
  return codeOf(value) !== undefined
}

/** Returns a view of `length` elements from `begin` on, over the same memory. */
export function viewOf(data: LabelData, begin: number, length: number): LabelData {
  const Class = typedArrays[dtypeOf(data) as TensorDType]
  return new Class(bufferOf(data), byteOffsetOf(data) + begin * Class.BYTES_PER_ELEMENT, length)
}

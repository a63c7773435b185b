import type { InputData, LabelData } from '../native.ts'

/** The dtypes of inputs and losses. */
export type DType = 'float32' | 'float64'

/** The dtypes of labels and of tensors. */
export type TensorDType = DType | `${'int' | 'uint'}${8 | 16 | 32 | 64}`

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
} satisfies Readonly<Record<TensorDType, unknown>>

/** Float32Array or Float64Array. */
type FloatClass<D> = { new (memory: ArrayBuffer, byteOffset: number, length: number): D; BYTES_PER_ELEMENT: number }

export const dtypes = Object.keys(typedArrays) as TensorDType[]

/** The code of a dtype, here and in the addon: its index in `dtypes`. */
export type DTypeCode = number

/** The class of typed array of each code. */
export const classes = Object.values(typedArrays)

export const codes = Object.fromEntries(dtypes.map((dtype, code) => [dtype, code])) as Readonly<
  Record<TensorDType, DTypeCode>
>
const { float32, float64 } = codes

export function isFloat(code: DTypeCode): boolean {
  return code === float32 || code === float64
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
  Uint8ClampedArray: codes.uint8,
  ...Object.fromEntries(dtypes.map((dtype, code) => [typedArrays[dtype].name, code])),
})

/**
 * Returns the code of a numeric typed array's dtype, or undefined for any other value. A property whose name varies
 * takes some 10 ns to find, so the most common classes, and what is no typed array, are compared first.
 */
export function codeOf(value: unknown): DTypeCode | undefined {
  const tag = tagOf(value)
  if (tag === 'Float32Array') return float32
  if (tag === 'Float64Array') return float64
  return tag === undefined ? undefined : codeByTag[tag]
}

/** Returns the dtype of a numeric typed array, or undefined for any other value. */
export function dtypeOf(value: unknown): TensorDType | undefined {
  return dtypes[codeOf(value) as DTypeCode]
}

export function isTypedArray(value: unknown): value is LabelData {
  return codeOf(value) !== undefined
}

/** Returns views of one new memory: of 0 elements, 1 element and so on. */
export function makeViews<D extends InputData>(Class: FloatClass<D>, bytes: number): D[] {
  const memory = new ArrayBuffer(bytes)
  return Array.from({ length: bytes / Class.BYTES_PER_ELEMENT + 1 }, (_, size) => new Class(memory, 0, size))
}

/** Returns the view of so many elements, if there is one. An index beyond the list would be read from `Array.prototype`. */
export function findView<D extends InputData>(views: readonly D[], length: number): D | undefined {
  return length < views.length ? views[length] : undefined
}

/** Returns a view of `length` elements from `begin` on, over the same memory. */
export function viewOf(data: LabelData, begin: number, length: number): LabelData {
  const Class = typedArrays[dtypeOf(data) as TensorDType]
  return new Class(bufferOf(data), byteOffsetOf(data) + begin * Class.BYTES_PER_ELEMENT, length)
}

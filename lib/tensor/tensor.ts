import type { InputData, LabelData } from '../native.ts'
import { assertNumber, attempt, describe, inspect, invalidArgument, isArray } from '../validate.ts'
import { type DType, dtypeOf, lengthOf, type TensorDType } from './dtypes.ts'

/** What `toArray` gives: the element itself for a 0-D tensor. */
export type Nested<T> = T | Nested<T>[]

export const maxRank = 64
const maxEmptyArrays = 2 ** 20

export function shapeMismatch(name: string, expected: string, actual: string): Error {
  return invalidArgument('ERR_SHAPE_MISMATCH', name, expected, actual)
}

export const list = (shape: readonly number[]) => `[${shape.join(', ')}]`
export const sizeOf = (shape: readonly number[]) =>
  shape.includes(0) ? 0 : shape.reduce((size, extent) => size * extent, 1)
export const plural = (n: number, noun: string) => `${n} ${noun}${n === 1 ? '' : 's'}`

let lastVectorShape: readonly number[] = Object.freeze([0])

/** Freezing a shape costs more than reading the array, and the arrays of one call mostly share their length. */
function vectorShape(length: number): readonly number[] {
  if (lastVectorShape[0] !== length) lastVectorShape = Object.freeze([length])
  return lastVectorShape
}

export function readIntegers(name: string, values: unknown, least: number): number[] {
  if (!isArray(values)) throw invalidArgument('ERR_INVALID_ARG_TYPE', name, 'an array', describe(values))
  const rank = attempt(name, () => values.length)
  if (!(rank <= maxRank)) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', name, `at most ${maxRank} long`, `a length of ${rank}`)
  }
  const integers: number[] = []
  for (let d = 0; d < rank; d++) {
    const value = attempt(name, () => values[d])
    assertNumber(`${name}[${d}]`, value)
    if (!Number.isSafeInteger(value) || value < least) {
      const expected = least === 0 ? 'a non-negative integer' : 'an integer'
      throw invalidArgument('ERR_INVALID_ARG_VALUE', `${name}[${d}]`, expected, String(value))
    }
    integers.push(value)
  }
  return integers
}

/**
 * What a tensor was made of. The addon believes the dtype that it gets, so it gets the one that stands here. What a tensor or a
 * typed array says of itself a program can override.
 */
export interface Contents<D extends LabelData = LabelData> {
  readonly data: D
  readonly dtype: TensorDType
  readonly shape: readonly number[]
  /** The number of elements, as long as the memory is what it was. */
  readonly size: number
}

/** Contents that the kernels take as input. */
export interface InputContents extends Contents<InputData> {
  readonly dtype: DType
}

/** @returns the contents of a tensor over `data`; by default it has one dimension */
export function readContents<D extends LabelData>(name: string, data: D, shape?: readonly number[]): Contents<D> {
  const dtype = dtypeOf(data)
  if (dtype === undefined) {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', name, 'a numeric typed array', describe(data))
  }
  const size = lengthOf(data)
  if (size === 0) assertAttached(name, data)
  if (shape !== undefined && sizeOf(shape) !== size) {
    const expected = `${plural(sizeOf(shape), 'element')} long for the shape ${list(shape)}`
    throw shapeMismatch(name, expected, plural(size, 'element'))
  }
  return { data, dtype, shape: shape ?? vectorShape(size), size }
}

/** The typed array of a tensor over `D`. Where its class is not known, it is said to be one a dtype, as other libraries have it. */
export type DataOf<D extends LabelData> = [Exclude<D, Uint8ClampedArray>] extends [never]
  ? D
  : Exclude<D, Uint8ClampedArray>

/** By dtype the typed arrays that tensors have; not those of `classes`, whose memory TypeScript knows more narrowly. */
interface ArrayOf {
  float32: Float32Array
  float64: Float64Array
  int8: Int8Array
  uint8: Uint8Array | Uint8ClampedArray
  int16: Int16Array
  uint16: Uint16Array
  int32: Int32Array
  uint32: Uint32Array
  int64: BigInt64Array
  uint64: BigUint64Array
}

/** The dtype of a tensor over `D`. */
export type DTypeOf<D extends LabelData> = D extends unknown
  ? { [T in TensorDType]: D extends ArrayOf[T] ? T : never }[TensorDType]
  : never

/** The contents of a tensor, undefined for all else. */
export let contentsOf: (value: unknown) => Contents | undefined

/**
 * An array of numbers with a shape, in C order: `data` is shared, never copied. The integer dtypes serve as labels.
 *
 * It has the properties of ONNX Runtime's tensors (`type`, `dims`, `data`, `location`), so `InferenceSession.run` takes it.
 *
 * @example
 * const distances = new Tensor(new Float32Array([0.2, 1.7, 0.9, 0.4]), [2, 2])
 * distances.at(0, 1) // 1.7000000476837158
 */
export class Tensor<D extends LabelData = LabelData> {
  readonly #contents: Contents<D>

  static {
    contentsOf = (value) =>
      typeof value === 'object' && value !== null && #contents in value ? value.#contents : undefined
  }

  /**
   * @param data a typed array; the dtype follows it
   * @param shape extents, outermost first; by default one dimension
   * @throws {TypeError} ERR_INVALID_ARG_TYPE: `data` is no numeric typed array, or `shape` no array of numbers
   * @throws {RangeError} ERR_SHAPE_MISMATCH: `data` has not as many elements as `shape` says
   */
  constructor(data: D, shape?: readonly number[]) {
    const extents = shape === undefined ? undefined : Object.freeze(readIntegers('shape', shape, 0))
    this.#contents = readContents('data', data, extents)
  }

  static isTensor(value: unknown): value is Tensor {
    return contentsOf(value) !== undefined
  }

  /** The elements in C order, in the memory that the tensor was made over. */
  get data(): DataOf<D> {
    return this.#contents.data as DataOf<D>
  }

  get shape(): readonly number[] {
    return this.#contents.shape
  }

  get dtype(): DTypeOf<D> {
    return this.#contents.dtype as DTypeOf<D>
  }

  /** The number of elements. */
  get size(): number {
    return this.#contents.size
  }

  get type(): DTypeOf<D> {
    return this.dtype
  }

  get dims(): readonly number[] {
    return this.#contents.shape
  }

  get location(): 'cpu' {
    return 'cpu'
  }

  /**
   * The element at one index per dimension; negative indices count from the end.
   *
   * @throws {RangeError} ERR_INVALID_ARG_VALUE: too few or too many indices, or one outside its dimension
   */
  at(...indices: number[]): D[number] {
    const { data, shape } = this.#contents
    const positions = readIntegers('indices', indices, Number.NEGATIVE_INFINITY)
    if (positions.length !== shape.length) {
      throw invalidArgument('ERR_INVALID_ARG_VALUE', 'indices', `${shape.length} long`, String(positions.length))
    }
    const flat = positions.reduce((flat, position, d) => {
      const extent = shape[d] as number
      if (position >= -extent && position < extent) return flat * extent + (position < 0 ? position + extent : position)
      const expected = `at least ${-extent} and below ${extent}`
      throw invalidArgument('ERR_INVALID_ARG_VALUE', `indices[${d}]`, expected, String(position))
    }, 0)
    assertUnchanged('tensor', this.#contents)
    return data[flat] as D[number]
  }

  /**
   * The elements as nested arrays, as deep as the shape is long.
   *
   * @throws {RangeError} ERR_INVALID_ARG_VALUE: there is no element, but over a million of empty arrays
   */
  toArray(): Nested<D[number]> {
    const { data, shape, size } = this.#contents
    assertUnchanged('tensor', this.#contents)
    if (size === 0 && sizeOf(shape.slice(0, shape.indexOf(0))) > maxEmptyArrays) {
      throw invalidArgument('ERR_INVALID_ARG_VALUE', 'tensor', 'of at most 2^20 empty arrays', list(shape))
    }
    let flat = 0
    const nest = (d: number): Nested<D[number]> =>
      d === shape.length ? (data[flat++] as D[number]) : Array.from({ length: shape[d] as number }, () => nest(d + 1))
    return nest(0)
  }

  /** dtype, shape and values; of a large tensor the first ten in C order. */
  toString(): string {
    const { data, dtype, shape, size } = this.#contents
    assertUnchanged('tensor', this.#contents)
    const write = (value: Nested<D[number]>): string =>
      isArray(value) ? `[${value.map(write).join(', ')}]` : Object.is(value, -0) ? '-0' : String(value)
    const isSmall = size > 0 && size <= 100
    const first = Array.from({ length: Math.min(size, 10) }, (_, i) => data[i])
    const values = isSmall ? write(this.toArray()) : `[${first.join(', ')}${size > 0 ? ', …' : ''}]`
    return `Tensor(${dtype}, ${list(shape)}, ${values})`
  }

  [inspect](): string {
    return this.toString()
  }
}

/** A tensor whose elements the kernels take as input. */
export type InputTensor = Tensor<InputData>

export function assertSameShape(
  name: string,
  shape: readonly number[],
  like: string,
  expected: readonly number[],
): void {
  let isSame = shape.length === expected.length
  for (let d = 0; isSame && d < shape.length; d++) isSame = shape[d] === expected[d]
  if (isSame) return
  throw shapeMismatch(name, `of the shape of ${like}, ${list(expected)}`, list(shape))
}

/** Memory can be transferred or resized after its tensor was made. */
export function assertUnchanged(name: string, { data, size }: Contents): void {
  const length = lengthOf(data)
  if (length === size) return
  const expected = `${plural(size, 'element')} long, as it was made`
  throw shapeMismatch(name, expected, `${plural(length, 'element')}: its memory was transferred or resized`)
}

/** A view of memory that was transferred or shrunk away looks empty. */
export function assertAttached(name: string, data: LabelData): void {
  try {
    Int8Array.prototype.at.call(data, 0)
  } catch {
    throw shapeMismatch(name, 'a view of existing memory', 'one of memory that was transferred or shrunk')
  }
}

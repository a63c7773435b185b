import type { InputData, LabelData } from '../native.ts'
import { attempt, describe, inspect, invalidArgument, isArray } from '../validate.ts'
import { codeOf, type DTypeCode, dtypes, lengthOf, type TensorDType } from './dtypes.ts'

/** The result of `toArray`: nested arrays, or the element itself for a 0-D tensor. */
export type Nested<T> = T | Nested<T>[]

export const maxRank = 64
const maxEmptyArrays = 2 ** 20

export function shapeMismatch(name: string, expected: string, actual: string): Error {
  return invalidArgument('ERR_SHAPE_MISMATCH', name, expected, actual)
}

/** Copies a shape without a method of arrays: a program can replace these, and would get hold of the shape. */
function copyShape(shape: readonly number[]): number[] {
  const copy: number[] = []
  for (let d = 0; d < shape.length; d++) copy[d] = shape[d] as number
  return copy
}

export const formatShape = (shape: readonly number[]) => `[${copyShape(shape).join(', ')}]`
export const formatQuantity = (n: number, noun: string) => `${n} ${noun}${n === 1 ? '' : 's'}`

export function sizeOf(shape: readonly number[]): number {
  let size = 1
  for (let d = 0; d < shape.length; d++) {
    const extent = shape[d] as number
    if (extent === 0) return 0
    size *= extent
  }
  return size
}

let lastVectorLength = 0
let lastVectorShape: readonly number[] = [0]

/** Returns the shape of a vector. The vectors of a call mostly share one. */
function shapeOfVector(length: number): readonly number[] {
  if (length !== lastVectorLength) {
    lastVectorShape = [length]
    lastVectorLength = length
  }
  return lastVectorShape
}

export function readIntegers(name: string, values: unknown, least: number): number[] {
  if (!isArray(values)) throw invalidArgument('ERR_INVALID_ARG_TYPE', name, 'an array', describe(values))
  return attempt(name, () => {
    const rank = values.length
    if (!Number.isInteger(rank) || rank < 0 || rank > maxRank) {
      throw invalidArgument('ERR_INVALID_ARG_VALUE', name, `at most ${maxRank} long`, `a length of ${rank}`)
    }
    const integers = new Array<number>(rank)
    for (let d = 0; d < rank; d++) {
      const value = values[d]
      if (!Number.isSafeInteger(value) || (value as number) < least) throw notAnInteger(`${name}[${d}]`, value, least)
      integers[d] = value as number
    }
    return integers
  })
}

function notAnInteger(name: string, value: unknown, least: number): Error {
  if (typeof value !== 'number') return invalidArgument('ERR_INVALID_ARG_TYPE', name, 'a number', describe(value))
  const expected = least === 0 ? 'a non-negative integer' : 'an integer'
  return invalidArgument('ERR_INVALID_ARG_VALUE', name, expected, String(value))
}

/** What another tensor must be like. */
export interface Like {
  /** The code of the dtype. */
  readonly code: DTypeCode
  /** Extents, outermost first: an array that programs do not get. Not frozen, since V8 reads frozen arrays slowly. */
  readonly shape: readonly number[]
  /** The number of elements when the tensor was made: memory can be transferred or resized later. */
  readonly size: number
  /** What errors call it; by default `input`. */
  readonly name?: string
}

/**
 * The private contents of a tensor. The addon trusts the dtype that it gets, so it gets this one: a program can
 * override the properties of a tensor or of a typed array.
 */
export interface Contents<D extends LabelData = LabelData> extends Like {
  readonly data: D
}

/** Contents that the kernels take as input, of float32 or float64. */
export type InputContents = Contents<InputData>

/** Reads a typed array as the contents of a tensor, by default of one dimension. */
export function readContents<D extends LabelData>(
  name: string,
  data: D,
  shape?: readonly number[],
  code = codeOf(data),
): Contents<D> {
  if (code === undefined) {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', name, 'a numeric typed array', describe(data))
  }
  const size = lengthOf(data)
  if (size === 0) assertAttached(name, data)
  if (shape !== undefined && sizeOf(shape) !== size) {
    const expected = `${formatQuantity(sizeOf(shape), 'element')} long for the shape ${formatShape(shape)}`
    throw shapeMismatch(name, expected, formatQuantity(size, 'element'))
  }
  return { data, code, shape: shape ?? shapeOfVector(size), size }
}

/**
 * The type of `data` of a tensor over `D`. Uint8ClampedArray is left out unless it is the only one: other libraries
 * have one class per dtype.
 */
type DataOf<D extends LabelData> = [Exclude<D, Uint8ClampedArray>] extends [never] ? D : Exclude<D, Uint8ClampedArray>

/** The typed arrays of each dtype. Not the types of `typedArrays`, in which TypeScript narrows the type of the memory. */
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
type DTypeOf<D extends LabelData> = D extends unknown
  ? { [T in TensorDType]: D extends ArrayOf[T] ? T : never }[TensorDType]
  : never

/** Returns the contents of a tensor, or undefined for any other value. */
export let contentsOf: (value: unknown) => Contents | undefined

const { getPrototypeOf } = Object

/** False for subclasses, and for a proxy that does not let its prototype be read. */
function isPlainTensor(value: object): value is Tensor {
  try {
    return getPrototypeOf(value) === Tensor.prototype
  } catch {
    return false
  }
}

/**
 * Numbers with a shape, in C order. A tensor shares `data` and copies nothing. Inputs are float32 or float64, labels of
 * any dtype.
 *
 * A tensor has the properties of ONNX Runtime's tensors (`type`, `dims`, `data`, `location`), so `InferenceSession.run`
 * takes it.
 *
 * @example
 * const distances = new Tensor(new Float32Array([0.2, 1.7, 0.9, 0.4]), [2, 2])
 * distances.at(0, 1) // 1.7000000476837158
 */
export class Tensor<D extends LabelData = LabelData> {
  readonly #contents: Contents<D>
  /** What `shape` returns, once it has been read. */
  #shape: readonly number[] | undefined

  static {
    // V8 compiles each read for the few classes of objects that it has met. The first one meets tensors only.
    const contentsOfAny = (value: object) => (#contents in value ? value.#contents : undefined)
    contentsOf = (value) => {
      if (typeof value !== 'object' || value === null) return undefined
      return isPlainTensor(value) && #contents in value ? value.#contents : contentsOfAny(value)
    }
  }

  /**
   * @param data a numeric typed array, whose class determines the dtype
   * @param shape extents, outermost first; by default one dimension
   * @throws {TypeError} ERR_INVALID_ARG_TYPE: `data` is not a numeric typed array, or `shape` is not an array of
   * numbers
   * @throws {RangeError} ERR_INVALID_ARG_VALUE: an extent is not a non-negative integer, or there are more than 64
   * @throws {RangeError} ERR_SHAPE_MISMATCH: the length of `data` does not match `shape`
   */
  constructor(data: D, shape?: readonly number[]) {
    this.#contents = readContents('data', data, shape === undefined ? undefined : readIntegers('shape', shape, 0))
  }

  /** True for a tensor of this class, also of a subclass. */
  static isTensor(value: unknown): value is Tensor {
    return contentsOf(value) !== undefined
  }

  /** The elements in C order: the typed array that the tensor was made from. */
  get data(): DataOf<D> {
    return this.#contents.data as DataOf<D>
  }

  /** The extents, outermost first; frozen. */
  get shape(): readonly number[] {
    return this.#frozenShape()
  }

  /** The type of the elements, as `float32`. */
  get dtype(): DTypeOf<D> {
    return dtypes[this.#contents.code] as DTypeOf<D>
  }

  /** The number of elements. */
  get size(): number {
    return this.#contents.size
  }

  /** The dtype, by the name that ONNX Runtime gives it. */
  get type(): DTypeOf<D> {
    return this.dtype
  }

  /** The shape, by the name that ONNX Runtime gives it. */
  get dims(): readonly number[] {
    return this.#frozenShape()
  }

  #frozenShape(): readonly number[] {
    this.#shape ??= Object.freeze(copyShape(this.#contents.shape))
    return this.#shape
  }

  /** Where the elements are, for ONNX Runtime. */
  get location(): 'cpu' {
    return 'cpu'
  }

  /**
   * Returns the element at one index per dimension; negative indices count from the end.
   *
   * @throws {TypeError} ERR_INVALID_ARG_TYPE: an index is not a number
   * @throws {RangeError} ERR_INVALID_ARG_VALUE: there are too few or too many indices, or one is out of range
   * @throws {RangeError} ERR_SHAPE_MISMATCH: the memory was transferred or resized
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
   * Returns the elements as nested arrays, one level per dimension.
   *
   * @throws {RangeError} ERR_INVALID_ARG_VALUE: there are no elements, but more than 2^20 empty arrays
   * @throws {RangeError} ERR_SHAPE_MISMATCH: the memory was transferred or resized
   *
   * @example
   * new Tensor(Int8Array.of(1, -1), [2, 1]).toArray() // [[1], [-1]]
   */
  toArray(): Nested<D[number]> {
    const { data, size } = this.#contents
    const shape = this.#frozenShape()
    assertUnchanged('tensor', this.#contents)
    if (size === 0 && sizeOf(shape.slice(0, shape.indexOf(0))) > maxEmptyArrays) {
      throw invalidArgument('ERR_INVALID_ARG_VALUE', 'tensor', 'of at most 2^20 empty arrays', formatShape(shape))
    }
    let flat = 0
    const nest = (d: number): Nested<D[number]> =>
      d === shape.length ? (data[flat++] as D[number]) : Array.from({ length: shape[d] as number }, () => nest(d + 1))
    return nest(0)
  }

  /** Formats dtype, shape and values; of more than 100 elements the first ten in C order. */
  toString(): string {
    const { data, code, shape, size } = this.#contents
    assertUnchanged('tensor', this.#contents)
    const format = (value: Nested<D[number]>): string =>
      isArray(value) ? `[${value.map(format).join(', ')}]` : Object.is(value, -0) ? '-0' : String(value)
    const isSmall = size > 0 && size <= 100
    const first = Array.from({ length: Math.min(size, 10) }, (_, i) => data[i])
    const values = isSmall ? format(this.toArray()) : `[${first.join(', ')}${size > 0 ? ', …' : ''}]`
    return `Tensor(${dtypes[code]}, ${formatShape(shape)}, ${values})`
  }

  /** @hidden */
  [inspect](): string {
    return this.toString()
  }
}

/** A tensor that kernels take as input, of float32 or float64. */
export type InputTensor = Tensor<InputData>

export function assertSameShape(
  name: string,
  shape: readonly number[],
  like: string,
  expected: readonly number[],
): void {
  if (shape === expected) return
  let isSame = shape.length === expected.length
  for (let d = 0; isSame && d < shape.length; d++) isSame = shape[d] === expected[d]
  if (isSame) return
  throw shapeMismatch(name, `of the shape of ${like}, ${formatShape(expected)}`, formatShape(shape))
}

/** Throws if memory was transferred or resized after its tensor was made. */
export function assertUnchanged(name: string, { data, size }: Contents): void {
  const length = lengthOf(data)
  if (length === size) return
  const expected = `${formatQuantity(size, 'element')} long, as it was made`
  throw shapeMismatch(name, expected, `${formatQuantity(length, 'element')}: its memory was transferred or resized`)
}

/** Throws for a view of memory that was transferred or shrunk, which looks empty. */
function assertAttached(name: string, data: LabelData): void {
  try {
    Int8Array.prototype.at.call(data, 0)
  } catch {
    throw shapeMismatch(name, 'a view of existing memory', 'one of memory that was transferred or shrunk')
  }
}

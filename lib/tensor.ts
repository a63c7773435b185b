import { dtypeOf, type TensorDType } from './dtypes.ts'
import type { InputData, LabelData } from './native.ts'
import { assertNumber, describe, inspect, invalidArgument } from './validate.ts'

/** What `toArray` gives: the element itself for a 0-D tensor. */
export type Nested<T> = T | Nested<T>[]

export const maxRank = 64
export function shapeMismatch(name: string, expected: string, actual: string): Error {
  return invalidArgument('ERR_SHAPE_MISMATCH', name, expected, actual)
}

export const list = (shape: readonly number[]) => `[${shape.join(', ')}]`
export const sizeOf = (shape: readonly number[]) => shape.reduce((size, extent) => size * extent, 1)
export const plural = (n: number, noun: string) => `${n} ${noun}${n === 1 ? '' : 's'}`

let lastVectorShape: readonly number[] = Object.freeze([0])

/** Freezing a shape costs more than reading the array, and the arrays of one call mostly share their length. */
function vectorShape(length: number): readonly number[] {
  if (lastVectorShape[0] !== length) lastVectorShape = Object.freeze([length])
  return lastVectorShape
}

export function readIntegers(name: string, values: unknown, least: number): number[] {
  if (!Array.isArray(values)) throw invalidArgument('ERR_INVALID_ARG_TYPE', name, 'an array', describe(values))
  if (values.length > maxRank) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', name, `at most ${maxRank} long`, `a length of ${values.length}`)
  }
  return Array.from(values, (value: unknown, d) => {
    assertNumber(`${name}[${d}]`, value)
    if (Number.isSafeInteger(value) && value >= least) return value
    const expected = least === 0 ? 'a non-negative integer' : 'an integer'
    throw invalidArgument('ERR_INVALID_ARG_VALUE', `${name}[${d}]`, expected, String(value))
  })
}

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
  readonly #data: D
  readonly #shape: readonly number[]
  readonly #dtype: TensorDType
  readonly #size: number

  /**
   * @param data a typed array; the dtype follows it
   * @param shape extents, outermost first; by default one dimension
   * @throws {TypeError} ERR_INVALID_ARG_TYPE: `data` is no numeric typed array, or `shape` no array of numbers
   * @throws {RangeError} ERR_SHAPE_MISMATCH: `data` has not as many elements as `shape` says
   */
  constructor(data: D, shape?: readonly number[]) {
    const dtype = dtypeOf(data)
    if (dtype === undefined) {
      throw invalidArgument('ERR_INVALID_ARG_TYPE', 'data', 'a numeric typed array', describe(data))
    }
    if (data.length === 0) assertAttached('data', data)
    this.#data = data
    this.#dtype = dtype
    this.#size = data.length
    this.#shape = shape === undefined ? vectorShape(data.length) : Object.freeze(readIntegers('shape', shape, 0))
    if (shape !== undefined) assertFits('data', data, this.#shape)
  }

  static isTensor(value: unknown): value is Tensor {
    return typeof value === 'object' && value !== null && #data in value
  }

  /** The elements in C order: memory of whoever made the tensor. */
  get data(): D {
    return this.#data
  }

  get shape(): readonly number[] {
    return this.#shape
  }

  get dtype(): TensorDType {
    return this.#dtype
  }

  /** The number of elements. */
  get size(): number {
    return this.#size
  }

  get type(): TensorDType {
    return this.#dtype
  }

  get dims(): readonly number[] {
    return this.#shape
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
    const positions = readIntegers('indices', indices, Number.NEGATIVE_INFINITY)
    if (positions.length !== this.#shape.length) {
      throw invalidArgument('ERR_INVALID_ARG_VALUE', 'indices', `${this.#shape.length} long`, String(positions.length))
    }
    const flat = positions.reduce((flat, position, d) => {
      const extent = this.#shape[d] as number
      if (position >= -extent && position < extent) return flat * extent + (position < 0 ? position + extent : position)
      const expected = `at least ${-extent} and below ${extent}`
      throw invalidArgument('ERR_INVALID_ARG_VALUE', `indices[${d}]`, expected, String(position))
    }, 0)
    assertUnchanged('tensor', this.#data, this.#size)
    return this.#data[flat] as D[number]
  }

  /** The elements as nested arrays, as deep as the shape is long. */
  toArray(): Nested<D[number]> {
    assertUnchanged('tensor', this.#data, this.#size)
    let flat = 0
    const nest = (d: number): Nested<D[number]> =>
      d === this.#shape.length
        ? (this.#data[flat++] as D[number])
        : Array.from({ length: this.#shape[d] as number }, () => nest(d + 1))
    return nest(0)
  }

  /** dtype, shape and values; of a large tensor the first ten in C order. */
  toString(): string {
    assertUnchanged('tensor', this.#data, this.#size)
    const write = (value: Nested<D[number]>): string =>
      Array.isArray(value) ? `[${value.map(write).join(', ')}]` : Object.is(value, -0) ? '-0' : String(value)
    const isSmall = this.#size > 0 && this.#size <= 100
    const values = isSmall
      ? write(this.toArray())
      : `[${this.#data.slice(0, 10).join(', ')}${this.#size > 0 ? ', …' : ''}]`
    return `Tensor(${this.#dtype}, ${list(this.#shape)}, ${values})`
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
export function assertUnchanged(name: string, data: LabelData, size: number): void {
  if (data.length === size) return
  const expected = `${plural(size, 'element')} long, as it was made`
  throw shapeMismatch(name, expected, `${plural(data.length, 'element')}: its memory was transferred or resized`)
}

export function assertFits(name: string, data: LabelData, shape: readonly number[]): void {
  if (sizeOf(shape) === data.length) return
  const expected = `${plural(sizeOf(shape), 'element')} long for the shape ${list(shape)}`
  throw shapeMismatch(name, expected, plural(data.length, 'element'))
}

/** A view of memory that was transferred or shrunk away looks empty. */
export function assertAttached(name: string, data: LabelData): void {
  try {
    Int8Array.prototype.at.call(data, 0)
  } catch {
    throw shapeMismatch(name, 'a view of existing memory', 'one of memory that was transferred or shrunk')
  }
}

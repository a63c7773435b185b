import type { InputData, LabelData } from './native.ts'
import { assertNumber, assertOneOf, assertOptions, describe, invalidArgument } from './validate.ts'

const classes = {
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

const dtypes = Object.keys(classes) as TensorDType[]
const floatDTypes: readonly string[] = ['float32', 'float64'] satisfies DType[]

/** What other libraries call these dtypes. Their tensors say how the elements are meant: float16 lies in a Uint16Array. */
const dtypeAliases: Readonly<Record<string, TensorDType>> = {
  bool: 'uint8',
  buffer: 'uint8',
  uint8c: 'uint8',
  uint8_clamped: 'uint8',
  bigint64: 'int64',
  biguint64: 'uint64',
}

/** Numbers, or arrays of arrays of … numbers, all of one length on each level. */
export type NestedArray = readonly (number | NestedArray)[]

/** What `toArray` gives: the element itself for a 0-D tensor. */
export type Nested<T> = T | Nested<T>[]

interface ArrowChunk {
  readonly values: unknown
  readonly length: number
  readonly offset: number
  readonly nullCount: number
}

/**
 * Whatever is read as a tensor: a `Tensor`, a typed array (1-D), a number (0-D), nested arrays, a tensor of ONNX Runtime,
 * transformers.js or TensorFlow.js, an ndarray of scijs or @stdlib, an Apache Arrow vector, or `{ data, shape }` in C order.
 */
export type TensorLike =
  | LabelData
  | number
  | NestedArray
  | { readonly type: string; readonly dims: readonly number[]; readonly data: unknown }
  | { readonly dtype: string; readonly shape: readonly number[]; dataSync(): unknown }
  | { readonly type: { readonly typeId: number }; readonly data: readonly ArrowChunk[] }
  | { readonly data: LabelData | NestedArray; readonly shape: readonly number[] }
  | { readonly data: unknown; readonly shape: readonly number[]; readonly stride: readonly number[] }
  | { readonly data: unknown; readonly shape: readonly number[]; readonly strides: readonly number[] }

const maxRank = 64
const inspect = Symbol.for('nodejs.util.inspect.custom')

const typedArrayPrototype = Object.getPrototypeOf(Int8Array.prototype)

/** The name of a typed array's class, undefined for all else: it cannot be forged, and knows the arrays of other realms. */
const tagOf = Object.getOwnPropertyDescriptor(typedArrayPrototype, Symbol.toStringTag)?.get as (
  this: unknown,
) => string | undefined

const dtypeByTag = new Map<string | undefined, TensorDType>([['Uint8ClampedArray', 'uint8']])
for (const dtype of dtypes) dtypeByTag.set(classes[dtype].name, dtype)

function isTypedArray(value: unknown): value is LabelData {
  return dtypeByTag.has(tagOf.call(value))
}

function dtypeOf(data: LabelData): TensorDType {
  return dtypeByTag.get(tagOf.call(data)) as TensorDType
}

function shapeMismatch(name: string, expected: string, actual: string): Error {
  return invalidArgument('ERR_SHAPE_MISMATCH', name, expected, actual)
}

const list = (shape: readonly number[]) => `[${shape.join(', ')}]`
const sizeOf = (shape: readonly number[]) => shape.reduce((size, extent) => size * extent, 1)
const plural = (n: number, noun: string) => `${n} ${noun}${n === 1 ? '' : 's'}`

let lastVectorShape: readonly number[] = Object.freeze([0])

/** Freezing a shape costs more than reading the array, and the arrays of one call mostly share their length. */
function vectorShape(length: number): readonly number[] {
  if (lastVectorShape[0] !== length) lastVectorShape = Object.freeze([length])
  return lastVectorShape
}

function readIntegers(name: string, values: unknown, least: number): number[] {
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
    const dtype = dtypeByTag.get(tagOf.call(data))
    if (dtype === undefined) {
      throw invalidArgument('ERR_INVALID_ARG_TYPE', 'data', 'a numeric typed array', describe(data))
    }
    assertAttached('data', data)
    this.#data = data
    this.#dtype = dtype
    this.#size = data.length
    this.#shape = shape === undefined ? vectorShape(data.length) : Object.freeze(readIntegers('shape', shape, 0))
    if (shape !== undefined && sizeOf(this.#shape) !== data.length) {
      const expected = `${plural(sizeOf(this.#shape), 'element')} long for the shape ${list(this.#shape)}`
      throw shapeMismatch('data', expected, plural(data.length, 'element'))
    }
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
    assertUnchanged('tensor', this)
    return this.#data[flat] as D[number]
  }

  /** The elements as nested arrays, as deep as the shape is long. */
  toArray(): Nested<D[number]> {
    assertUnchanged('tensor', this)
    let flat = 0
    const nest = (d: number): Nested<D[number]> =>
      d === this.#shape.length
        ? (this.#data[flat++] as D[number])
        : Array.from({ length: this.#shape[d] as number }, () => nest(d + 1))
    return nest(0)
  }

  /** dtype, shape and values; of a large tensor the first ten in C order. */
  toString(): string {
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

/**
 * A tensor from numbers: a number is 0-D, nested arrays have their depth as rank, typed arrays are shared where the dtype
 * is their own.
 *
 * @param options.dtype by default float32 for numbers and nested arrays, as `paddle.to_tensor` has it, else the data's own
 * @param options.shape extents, outermost first, for as many elements as there are
 * @throws {TypeError} ERR_INVALID_ARG_TYPE: `data` is nothing of that kind
 * @throws {RangeError} ERR_INVALID_ARG_VALUE: an element is not a value of an integer dtype
 * @throws {RangeError} ERR_SHAPE_MISMATCH: ragged nested arrays, or not as many elements as `shape` says
 *
 * @example
 * tensor([[1, -2, 3], [0, -1, 2]])                  // float32, [2, 3]
 * tensor([1, 0, 1, 1], { dtype: 'int8', shape: [2, 2] })
 */
export function tensor(data: TensorLike, options?: { dtype?: TensorDType; shape?: readonly number[] }): Tensor {
  assertOptions('options', options, ['dtype', 'shape'])
  const { dtype, shape } = options ?? {}
  if (dtype !== undefined) assertOneOf('dtype', dtype, dtypes)
  const source =
    typeof data === 'number' || Array.isArray(data) ? fromNested('data', data, dtype) : asTensor('data', data)
  const converted = dtype === undefined || dtype === source.dtype ? source : convert('data', source, dtype)
  return shape === undefined ? converted : new Tensor(converted.data, shape)
}

/** @returns the tensor that `value` is or stands for; of other libraries' tensors one over their memory, where it is in C order */
export function asTensor(name: string, value: unknown): Tensor {
  if (Tensor.isTensor(value)) return value
  if (isTypedArray(value)) return ofData(name, value)
  if (typeof value === 'number' || Array.isArray(value)) return fromNested(name, value)
  if (typeof value === 'object' && value !== null) {
    const source = value as Partial<Record<string, unknown>>
    for (const [looksAlike, read] of readers) {
      if (looksAlike(source)) return read(name, source)
    }
  }
  throw invalidArgument(
    'ERR_INVALID_ARG_TYPE',
    name,
    'a tensor, a typed array, nested arrays or a number',
    describe(value),
  )
}

/** @returns `value` as a tensor of float32 or float64 */
export function asInput(name: string, value: unknown): InputTensor {
  const tensor = asTensor(name, value)
  if (floatDTypes.includes(tensor.dtype)) return tensor as InputTensor
  throw invalidArgument('ERR_INVALID_ARG_TYPE', name, 'a tensor of float32 or float64', tensor.dtype)
}

/** @returns a tensor like `input` to be written: over the memory of `out`, or over new memory where there is no `out` */
export function asOut(name: string, out: unknown, input: InputTensor): InputTensor {
  if (out === undefined) return new Tensor(new classes[input.dtype as DType](input.size), input.shape)
  if (!Tensor.isTensor(out) && !isTypedArray(out)) {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', name, 'a Tensor or a typed array', describe(out))
  }
  const target = Tensor.isTensor(out) ? out : new Tensor(out, out.length === input.size ? input.shape : undefined)
  if (target.dtype !== input.dtype) {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', name, `of the dtype of input, ${input.dtype}`, target.dtype)
  }
  assertSameShape(name, target.shape, 'input', input.shape)
  assertUnchanged(name, target)
  return target as InputTensor
}

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
export function assertUnchanged(name: string, tensor: Tensor): void {
  if (tensor.data.length === tensor.size) return
  const expected = `${plural(tensor.size, 'element')} long, as it was made`
  throw shapeMismatch(name, expected, `${plural(tensor.data.length, 'element')}: its memory was transferred or resized`)
}

/** A view of memory that was transferred or shrunk away looks empty. */
function assertAttached(name: string, data: LabelData): void {
  if (data.length > 0) return
  try {
    typedArrayPrototype.at.call(data, 0)
  } catch {
    throw shapeMismatch(name, 'a view of existing memory', 'one of memory that was transferred or shrunk')
  }
}

function ofData(name: string, data: LabelData, shape?: readonly number[]): Tensor {
  assertAttached(name, data)
  if (shape !== undefined && sizeOf(shape) !== data.length) {
    throw shapeMismatch(name, `of the shape of its data, ${plural(data.length, 'element')}`, list(shape))
  }
  return new Tensor(data, shape)
}

type Source = Readonly<Partial<Record<string, unknown>>>

/** Other libraries' tensors, told apart by their properties. */
const readers: readonly (readonly [(source: Source) => boolean, (name: string, source: Source) => Tensor])[] = [
  [({ dataSync }) => typeof dataSync === 'function', readTensorFlow],
  [({ type, dims }) => typeof type === 'string' && Array.isArray(dims), readOnnx],
  [({ type, data }) => typeof type === 'object' && type !== null && Array.isArray(data), readArrow],
  [({ shape }) => Array.isArray(shape), readStrided],
]

/** What another library's getter gives; what it throws, of a disposed tensor say, becomes the cause of our error. */
function attempt(name: string, get: () => unknown): unknown {
  try {
    return get()
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : describe(cause)
    throw Object.assign(invalidArgument('ERR_INVALID_ARG_VALUE', name, 'a tensor whose data can be read', reason), {
      cause,
    })
  }
}

function readTensorFlow(name: string, source: Source): Tensor {
  const data = attempt(name, () => (source as { dataSync(): unknown }).dataSync())
  return readStrided(name, { data, shape: source.shape, dtype: source.dtype })
}

function readOnnx(name: string, source: Source): Tensor {
  const { type, dims, location = 'cpu' } = source
  if (location !== 'cpu') {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', `${name}.location`, `'cpu'`, describe(location))
  }
  return readStrided(name, { data: attempt(name, () => source.data), shape: dims, dtype: type })
}

const arrowTypeIds = { int: 2, float: 3, bool: 6 }

function readArrow(name: string, source: Source): Tensor {
  const type = source.type as { typeId?: unknown; precision?: unknown }
  const isHalf = type.typeId === arrowTypeIds.float && type.precision === 0
  if (isHalf || !Object.values<unknown>(arrowTypeIds).includes(type.typeId)) {
    const expected = 'an Arrow vector of Float32, Float64, Int, Uint or Bool'
    throw invalidArgument('ERR_INVALID_ARG_TYPE', name, expected, isHalf ? 'Float16' : describe(type))
  }
  const chunks = source.data as readonly ArrowChunk[]
  const nulls = chunks.reduce((nulls, { nullCount }) => nulls + nullCount, 0)
  if (nulls > 0) throw invalidArgument('ERR_INVALID_ARG_VALUE', name, 'free of nulls', plural(nulls, 'null'))
  const parts = chunks.map((chunk) => {
    const values = typedData(name, chunk.values)
    return type.typeId === arrowTypeIds.bool ? unpackBits(values, chunk) : values.subarray(0, chunk.length)
  })
  return parts.length === 1 ? ofData(name, parts[0] as LabelData) : concatenate(parts)
}

function unpackBits(bits: LabelData, { offset, length }: ArrowChunk): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (Number(bits[(offset + i) >> 3]) >> ((offset + i) & 7)) & 1)
}

function concatenate(parts: readonly LabelData[]): Tensor {
  const size = parts.reduce((size, { length }) => size + length, 0)
  const all = new classes[parts[0] === undefined ? 'float32' : dtypeOf(parts[0])](size)
  let at = 0
  for (const part of parts) {
    all.set(part as never, at)
    at += part.length
  }
  return new Tensor(all)
}

/** The typed array that `value` is, or float32 of an array of numbers. */
function typedData(name: string, value: unknown): LabelData {
  if (isTypedArray(value)) return value
  if (Array.isArray(value)) return fromNested(name, value).data
  throw invalidArgument('ERR_INVALID_ARG_TYPE', `${name}.data`, 'a numeric typed array', describe(value))
}

/** scijs names its strides `stride`, @stdlib `strides`; without any, the data is in C order. */
function readStrided(name: string, source: Source): Tensor {
  const data = typedData(name, source.data)
  const shape = readIntegers(`${name}.shape`, source.shape, 0)
  const { dtype: meant, strides = source.stride, offset = 0 } = source
  if (typeof meant === 'string' && meant !== 'generic' && meant !== 'array') {
    const dtype = dtypeOf(data)
    if ((dtypeAliases[meant] ?? meant) !== dtype) {
      throw invalidArgument('ERR_INVALID_ARG_TYPE', name, `of the dtype of its data, ${dtype}`, meant)
    }
  }
  if (strides === undefined) return ofData(name, data, shape)
  const steps = readIntegers(`${name}.strides`, strides, Number.NEGATIVE_INFINITY)
  const [start = 0] = readIntegers(`${name}.offset`, [offset], 0)
  if (steps.length !== shape.length) {
    throw shapeMismatch(`${name}.strides`, `${shape.length} long, as the shape`, String(steps.length))
  }
  return ofData(name, gather(name, data, shape, steps, start), shape)
}

/** The elements at offset + Σ index[d] · steps[d], in C order: a view where they lie so already. */
function gather(name: string, data: LabelData, shape: number[], steps: number[], offset: number): LabelData {
  const size = sizeOf(shape)
  if (size === 0) return data.subarray(0, 0)
  const spans = shape.map((extent, d) => (extent - 1) * (steps[d] as number))
  const first = spans.reduce((first, span) => first + Math.min(span, 0), offset)
  const last = spans.reduce((last, span) => last + Math.max(span, 0), offset)
  if (first < 0 || last >= data.length) {
    const actual = `strides and an offset that reach from ${first} to ${last}`
    throw shapeMismatch(name, `within its data, ${plural(data.length, 'element')}`, actual)
  }
  let contiguous = 1
  const isView = shape.reduceRight((isView, extent, d) => {
    const isNext = extent === 1 || steps[d] === contiguous
    contiguous *= extent
    return isView && isNext
  }, true)
  if (isView) return data.subarray(offset, offset + size)

  const packed = new classes[dtypeOf(data)](size)
  let flat = 0
  const pack = (d: number, from: number): void => {
    if (d === shape.length) {
      packed[flat++] = data[from] as never
      return
    }
    for (let i = 0; i < (shape[d] as number); i++) pack(d + 1, from + i * (steps[d] as number))
  }
  pack(0, offset)
  return packed
}

const isBig = (dtype: TensorDType) => dtype === 'int64' || dtype === 'uint64'

/** Writes `value` at `index`: floats round; false where `value` is not an integer of an integer dtype. */
function store(data: LabelData, dtype: TensorDType, index: number, value: number | bigint): boolean {
  if (floatDTypes.includes(dtype)) {
    data[index] = Number(value)
    return true
  }
  if (typeof value === 'number' && !Number.isInteger(value)) return false
  data[index] = (isBig(dtype) ? BigInt(value) : Number(value)) as never
  return BigInt(data[index] as number | bigint) === BigInt(value)
}

function convert(name: string, source: Tensor, dtype: TensorDType): Tensor {
  const data = new classes[dtype](source.size)
  source.data.forEach((value: number | bigint, i: number) => {
    if (store(data, dtype, i, value)) return
    throw invalidArgument('ERR_INVALID_ARG_VALUE', `${name}[${i}]`, `a value of ${dtype}`, describe(value))
  })
  return new Tensor(data, source.shape)
}

function fromNested(name: string, root: unknown, dtype: TensorDType = 'float32'): Tensor {
  const shape: number[] = []
  for (let value = root; Array.isArray(value) && shape.at(-1) !== 0; value = value[0]) {
    shape.push(value.length)
    if (shape.length > maxRank) {
      throw invalidArgument('ERR_INVALID_ARG_VALUE', name, `arrays nested at most ${maxRank} deep`, 'deeper ones')
    }
  }
  const data = new classes[dtype](sizeOf(shape))
  const indices: number[] = []
  const place = () => `${name}${indices.map((index) => `[${index}]`).join('')}`
  let flat = 0

  const fillElement = (value: unknown): void => {
    if (Array.isArray(value)) throw shapeMismatch(place(), 'a number, as the first of its depth', describe(value))
    if (typeof value !== 'number' && !(typeof value === 'bigint' && isBig(dtype))) {
      throw invalidArgument('ERR_INVALID_ARG_TYPE', place(), 'a number', describe(value))
    }
    if (!store(data, dtype, flat++, value)) {
      throw invalidArgument('ERR_INVALID_ARG_VALUE', place(), `a value of ${dtype}`, describe(value))
    }
  }
  const fill = (value: unknown): void => {
    const extent = shape[indices.length]
    if (extent === undefined) {
      fillElement(value)
      return
    }
    if (!Array.isArray(value) || value.length !== extent) {
      throw shapeMismatch(place(), `an array of ${extent}, as the first of its depth`, describe(value))
    }
    const d = indices.push(0) - 1
    for (let i = 0; i < extent; i++) {
      indices[d] = i
      fill(value[i])
    }
    indices.pop()
  }
  fill(root)
  return new Tensor(data, shape)
}

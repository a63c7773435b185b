import { classes, type DType, dtypeOf, dtypes, isFloat, isTypedArray, type TensorDType } from './dtypes.ts'
import type { LabelData } from './native.ts'
import {
  assertAttached,
  assertFits,
  assertSameShape,
  assertUnchanged,
  type InputTensor,
  maxRank,
  plural,
  readIntegers,
  shapeMismatch,
  sizeOf,
  Tensor,
} from './tensor.ts'
import { assertOneOf, assertOptions, describe, invalidArgument } from './validate.ts'

/** Numbers, or arrays of arrays of … numbers, all of one length on each level. */
export type NestedArray = readonly (number | NestedArray)[]

interface ArrowChunk {
  readonly values: unknown
  readonly length: number
  readonly offset: number
  readonly nullCount: number
}

interface Strided {
  readonly data: unknown
  readonly shape: ArrayLike<number>
  readonly offset?: number
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
  | (Strided & { readonly stride: ArrayLike<number> })
  | (Strided & { readonly strides: ArrayLike<number> })

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
  if (isFloat(tensor.dtype)) return tensor as InputTensor
  const expected = `a tensor of float32 or float64, as tensor(data, { dtype: 'float32' }) makes it`
  throw invalidArgument('ERR_INVALID_ARG_TYPE', name, expected, tensor.dtype)
}

/** @returns a tensor like `input` to be written: over the memory of `out`, or over new memory where there is no `out` */
export function asOut(name: string, out: unknown, input: InputTensor): InputTensor {
  if (out === undefined) return new Tensor(new classes[input.dtype as DType](input.size), input.shape)
  if (!Tensor.isTensor(out) && !isTypedArray(out)) {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', name, 'a Tensor or a typed array', describe(out))
  }
  const target = Tensor.isTensor(out) ? out : ofData(name, out, out.length === input.size ? input.shape : undefined)
  return assertLikeInput(name, target, input)
}

/** @returns `value` as a tensor like `input`, in whose dtype plain numbers are read */
export function asLikeInput(name: string, value: unknown, input: InputTensor): InputTensor {
  return assertLikeInput(
    name,
    Array.isArray(value) ? fromNested(name, value, input.dtype) : asTensor(name, value),
    input,
  )
}

function assertLikeInput(name: string, tensor: Tensor, input: InputTensor): InputTensor {
  if (tensor.dtype !== input.dtype) {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', name, `of the dtype of input, ${input.dtype}`, tensor.dtype)
  }
  assertSameShape(name, tensor.shape, 'input', input.shape)
  assertUnchanged(name, tensor.data, tensor.size)
  return tensor as InputTensor
}

/** What other libraries call these dtypes. Their tensors say how the elements are meant: float16 lies in a Uint16Array. */
const dtypeAliases: Readonly<Record<string, TensorDType>> = {
  bool: 'uint8',
  buffer: 'uint8',
  uint8c: 'uint8',
  uint8_clamped: 'uint8',
  bigint64: 'int64',
  biguint64: 'uint64',
}

function ofData(name: string, data: LabelData, shape?: readonly number[]): Tensor {
  if (data.length === 0) assertAttached(name, data)
  if (shape !== undefined) assertFits(name, data, shape)
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
  const all = new classes[dtypeOf(parts[0]) ?? 'float32'](size)
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
    const dtype = dtypeAliases[meant] ?? meant
    const expected = dtypes.includes(dtype as TensorDType)
      ? `of the dtype of its data, ${dtypeOf(data)}`
      : `of ${dtypes.join(', ')}; others are to be converted before`
    if (dtype !== dtypeOf(data)) throw invalidArgument('ERR_INVALID_ARG_TYPE', name, expected, meant)
  }
  if (strides === undefined) return ofData(name, data, shape)
  const steps = readIntegers(`${name}.strides`, strides, Number.NEGATIVE_INFINITY)
  const [start = 0] = readIntegers(`${name}.offset`, [offset], 0)
  if (steps.length !== shape.length && shape.length > 0) {
    throw shapeMismatch(`${name}.strides`, `${shape.length} long, as the shape`, String(steps.length))
  }
  return ofData(name, gather(name, data, shape, steps, start), shape)
}

/** About what a typed array may be long. */
const maxSize = 2 ** 32

/** The elements at offset + Σ index[d] · steps[d], in C order: a view where they lie so already. */
function gather(name: string, data: LabelData, shape: number[], steps: number[], offset: number): LabelData {
  const size = sizeOf(shape)
  if (size === 0) return data.subarray(0, 0)
  if (!(size <= maxSize)) throw shapeMismatch(`${name}.shape`, 'for at most 2^32 elements', String(size))
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

  const packed = new classes[dtypeOf(data) as TensorDType](size)
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
  if (isFloat(dtype)) {
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

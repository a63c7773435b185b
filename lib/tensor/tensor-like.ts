import { getHeapStatistics } from 'node:v8'
import { type InputData, type LabelData, native } from '../native.ts'
import { assertOneOf, assertOptions, attempt, describe, invalidArgument, isArray } from '../validate.ts'
import {
  classes,
  codeOf,
  codes,
  type DTypeCode,
  dtypeOf,
  dtypes,
  dtypesCode,
  findView,
  isFloat,
  isTypedArray,
  lengthOf,
  makeViews,
  type TensorDType,
  typedArrays,
  viewOf,
} from './dtypes.ts'
import {
  assertSameShape,
  assertUnchanged,
  type Contents,
  contentsOf,
  formatQuantity,
  type InputContents,
  type Like,
  maxRank,
  readContents,
  readIntegers,
  shapeMismatch,
  sizeOf,
  Tensor,
} from './tensor.ts'

/** Nested arrays of numbers, with one length at each depth. Labels may also be booleans or BigInts. */
export type NestedArray = readonly (number | boolean | bigint | NestedArray)[]

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
 * Any value that is read as a tensor: a `Tensor`, a typed array (1-D), a number (0-D), nested arrays, a tensor of ONNX
 * Runtime, transformers.js or TensorFlow.js, an ndarray of scijs or @stdlib, an Apache Arrow vector, or `{ data, shape
 * }` in C order.
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
 * Makes a tensor. A number is 0-D, and nested arrays have one dimension per level. A typed array is shared, not copied,
 * unless `dtype` differs from its own.
 *
 * @param options.dtype by default that of typed arrays and tensors; float32 for numbers, as in `paddle.to_tensor`;
 * uint8 for booleans; int64 for BigInts
 * @param options.shape extents, outermost first; by default the shape of `data`
 * @throws {TypeError} ERR_INVALID_ARG_TYPE: `data`, an element or an option has the wrong type
 * @throws {RangeError} ERR_INVALID_ARG_VALUE: an integer dtype does not have the value of an element, or `dtype` is
 * unknown
 * @throws {RangeError} ERR_SHAPE_MISMATCH: nested arrays are ragged, or `shape` does not match the number of elements
 *
 * @example
 * tensor([[1, -2, 3], [0, -1, 2]])                  // float32, [2, 3]
 * tensor([1, 0, 1, 1], { dtype: 'int8', shape: [2, 2] })
 */
export function tensor(data: TensorLike, options?: { dtype?: TensorDType; shape?: readonly number[] }): Tensor {
  assertOptions('options', options, ['dtype', 'shape'])
  const { dtype, shape } = options ?? {}
  if (dtype !== undefined) assertOneOf('dtype', dtype, dtypes)
  const source = isNested(data) ? readNested('data', data, undefined, dtype) : readTensor('data', data)
  assertUnchanged('data', source)
  if (dtype === undefined && shape === undefined && source === contentsOf(data)) return data as Tensor
  const isOfDType = dtype === undefined || dtype === dtypes[source.code]
  const converted = isOfDType ? source.data : convert(source, codes[dtype], (flat) => `data[${flat}]`)
  return new Tensor(converted, shape ?? source.shape)
}

/**
 * Reads a value as the contents of a tensor. The memory of other libraries' tensors is shared if it is in C order.
 *
 * @param like the input, whose shape `value` must have. Shapes are compared before memory is taken: any object can
 * claim a huge one.
 */
export function readTensor(name: string, value: unknown, like?: Like): Contents {
  const code = codeOf(value)
  const contents = code === undefined ? contentsOf(value) : readContents(name, value as LabelData, undefined, code)
  if (contents !== undefined) {
    assertLike(name, contents.shape, like)
    return contents
  }
  if (isNested(value)) return readNested(name, value, like)
  const theirs = typeof value === 'object' && value !== null ? readTheirs(name, value as Source, like) : undefined
  if (theirs !== undefined) return theirs
  const expected = 'a tensor, a typed array, nested arrays or a number'
  throw invalidArgument('ERR_INVALID_ARG_TYPE', name, expected, describe(value))
}

/** Reads a tensor of another library; returns undefined for any other object. */
function readTheirs(name: string, source: Source, like: Like | undefined): Contents | undefined {
  return attempt(name, () => {
    for (const { looksAlike, read } of readers) if (looksAlike(source)) return read(name, source, like)
    return undefined
  })
}

const nameOf = ({ code }: Like) => dtypes[code] as TensorDType

/** Reads a value as contents of float32 or float64. Nested arrays are read in the dtype of `sibling`, if it is given. */
export function readInput(name: string, value: unknown, sibling?: Like): InputContents {
  const isNestedSibling = sibling !== undefined && isArray(value)
  const contents = isNestedSibling ? readNested(name, value, undefined, nameOf(sibling)) : readTensor(name, value)
  return assertFloat(name, contents)
}

/** Reads a tensor of float32 or float64 and of the input's shape. Nested arrays have the input's dtype. */
export function readWeight(name: string, value: unknown, input: Like): InputContents {
  return assertFloat(name, readLike(name, value, input))
}

function readLike(name: string, value: unknown, input: Like): Contents {
  return isArray(value) ? readNested(name, value, input, nameOf(input)) : readTensor(name, value, input)
}

function assertFloat(name: string, contents: Contents): InputContents {
  if (isFloat(contents.code)) return contents as InputContents
  const expected = `a tensor of float32 or float64, as tensor(data, { dtype: 'float32' }) makes it`
  throw invalidArgument('ERR_INVALID_ARG_TYPE', name, expected, nameOf(contents))
}

/** Returns the tensor to write to, over the memory of `out`, or undefined if `out` is. */
export function readOut(name: string, out: unknown, input: Like): Tensor<InputData> | undefined {
  if (out === undefined) return undefined
  const contents = contentsOf(out)
  if (contents !== undefined) {
    assertLikeInput(name, contents, input)
    return out as Tensor<InputData>
  }
  if (!isTypedArray(out)) {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', name, 'a Tensor or a typed array', describe(out))
  }
  const shape = lengthOf(out) === input.size ? input.shape : undefined
  assertLikeInput(name, readContents(name, out, shape), input)
  return new Tensor(out as InputData, shape)
}

/** Reads a value as contents of the input's dtype and shape. Nested arrays are read in that dtype. */
export function readLikeInput(name: string, value: unknown, input: Like): InputContents {
  const contents = readLike(name, value, input)
  assertLikeInput(name, contents, input)
  return contents as InputContents
}

function assertLikeInput(name: string, contents: Contents, input: Like): void {
  if (contents.code !== input.code) {
    const expected = `of the dtype of ${nameInErrors(input)}, ${nameOf(input)}`
    throw invalidArgument('ERR_INVALID_ARG_TYPE', name, expected, nameOf(contents))
  }
  assertLike(name, contents.shape, input)
  assertUnchanged(name, contents)
}

const nameInErrors = ({ name }: Like) => name ?? 'input'

function assertLike(name: string, shape: readonly number[], like: Like | undefined): void {
  if (like !== undefined) assertSameShape(name, shape, nameInErrors(like), like.shape)
}

/**
 * Other libraries' names of our dtypes. A name must match the typed array: float16, for example, lies in a Uint16Array,
 * and is refused.
 */
const dtypeAliases: Readonly<Record<string, TensorDType>> = {
  bool: 'uint8',
  buffer: 'uint8',
  uint8c: 'uint8',
  uint8_clamped: 'uint8',
  bigint64: 'int64',
  biguint64: 'uint64',
}

type Source = Readonly<Partial<Record<string, unknown>>>
interface Reader {
  looksAlike(source: Source): boolean
  read(name: string, source: Source, like: Like | undefined): Contents
}

/** Readers of other libraries' tensors, which their properties identify. */
const readers: readonly Reader[] = [
  { looksAlike: ({ type, dims }) => typeof type === 'string' && isArray(dims), read: readOnnx },
  { looksAlike: ({ dataSync }) => typeof dataSync === 'function', read: readTensorFlow },
  { looksAlike: ({ type, data }) => typeof type === 'object' && type !== null && isArray(data), read: readArrow },
  { looksAlike: ({ shape }) => isArray(shape), read: readStrided },
]

function readTensorFlow(name: string, source: Source, like: Like | undefined): Contents {
  const { shape, dtype } = source
  const data = (source as { dataSync(): unknown }).dataSync()
  return readParts(name, like, data, shape, dtype)
}

function readOnnx(name: string, source: Source, like: Like | undefined): Contents {
  const { type, dims, location = 'cpu' } = source
  if (location !== 'cpu') {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', `${name}.location`, `'cpu'`, describe(location))
  }
  return readParts(name, like, source.data, dims, type)
}

const arrowTypeIds = { int: 2, float: 3, bool: 6 }

/** Reads the dtype of an Arrow type; for Bool that of its bytes. */
function readArrowType(name: string, type: unknown): TensorDType {
  const { typeId, precision, isSigned, bitWidth } = type as Source
  const dtype =
    typeId === arrowTypeIds.float
      ? [undefined, 'float32', 'float64'][precision as number]
      : typeId === arrowTypeIds.int
        ? `${isSigned ? '' : 'u'}int${bitWidth}`
        : 'uint8'
  const isKnown = Object.values<unknown>(arrowTypeIds).includes(typeId)
  if (isKnown && dtypes.includes(dtype as TensorDType)) return dtype as TensorDType
  const isHalf = typeId === arrowTypeIds.float && precision === 0
  const expected = 'an Arrow vector of Float32, Float64, Int, Uint or Bool'
  throw invalidArgument('ERR_INVALID_ARG_TYPE', name, expected, isHalf ? 'Float16' : describe(type))
}

function readArrow(name: string, source: Source, like: Like | undefined): Contents {
  const dtype = readArrowType(name, source.type)
  const isBool = (source.type as Source).typeId === arrowTypeIds.bool
  const chunks = source.data as readonly ArrowChunk[]
  const parts: { data: LabelData; length: number; offset: number }[] = []
  let size = 0
  for (let i = 0; i < chunks.length; i++) {
    const { values, length, offset, nullCount } = chunks[i] as ArrowChunk
    const place = `${name}.data[${i}]`
    if (dtypeOf(values) !== dtype) {
      throw invalidArgument('ERR_INVALID_ARG_TYPE', `${place}.values`, `a typed array of ${dtype}`, describe(values))
    }
    readIntegers(`${place}: length, offset and nullCount`, [length, offset, nullCount], 0)
    if (nullCount > 0)
      throw invalidArgument('ERR_INVALID_ARG_VALUE', name, 'free of nulls', formatQuantity(nullCount, 'null'))
    const data = values as LabelData
    const held = isBool ? 8 * lengthOf(data) - offset : lengthOf(data)
    if (length > held) {
      throw shapeMismatch(`${place}.length`, `at most ${held}, for its values are no more`, String(length))
    }
    parts.push({ data, length, offset })
    size += length
  }
  assertLike(name, [size], like)
  const [first] = parts
  if (first !== undefined && parts.length === 1 && !isBool) {
    return readContents(name, viewOf(first.data, 0, first.length))
  }
  const joined = new typedArrays[dtype](size)
  let at = 0
  for (const { data, length, offset } of parts) {
    if (isBool) {
      for (let i = 0; i < length; i++) joined[at + i] = (Number(data[(offset + i) >> 3]) >> ((offset + i) & 7)) & 1
    } else {
      joined.set(viewOf(data, 0, length) as never, at)
    }
    at += length
  }
  return readContents(name, joined)
}

/** Returns `value` itself if it is a typed array, or the numbers of an array as one. */
function readData(name: string, value: unknown): LabelData {
  if (isTypedArray(value)) return value
  if (isArray(value)) return readNested(name, value).data
  throw invalidArgument('ERR_INVALID_ARG_TYPE', `${name}.data`, 'a numeric typed array', describe(value))
}

/** Reads `{ data, shape }`, with `stride` (scijs) or `strides` (@stdlib) in elements. */
function readStrided(name: string, source: Source, like: Like | undefined): Contents {
  const { data, shape, dtype, strides = source.stride, offset } = source
  return readParts(name, like, data, shape, dtype, strides, offset)
}

/**
 * Reads elements in the order that the strides give them; without strides in C order. Not from an object: V8 would find
 * its properties slowly, after it has met objects of many classes.
 */
function readParts(
  name: string,
  like: Like | undefined,
  elements: unknown,
  extents: unknown,
  dtypeName: unknown,
  strides?: unknown,
  offset: unknown = 0,
): Contents {
  const shape = readIntegers(`${name}.shape`, extents, 0)
  assertLike(name, shape, like)
  const data = readData(name, elements)
  const code = codeOf(data) as DTypeCode
  if (typeof dtypeName === 'string' && dtypeName !== dtypes[code]) assertDTypeName(name, dtypeName, dtypes[code])
  if (strides === undefined) return readContents(name, data, shape, code)
  const steps = readIntegers(`${name}.strides`, strides, Number.NEGATIVE_INFINITY)
  const [start = 0] = readIntegers(`${name}.offset`, [offset], 0)
  if (steps.length !== shape.length && shape.length > 0) {
    throw shapeMismatch(`${name}.strides`, `${shape.length} long, as the shape`, String(steps.length))
  }
  const most = like?.size ?? Math.max(lengthOf(data), maxRepeated)
  return readContents(name, gather(name, data, shape, steps, start, most), shape)
}

/** Throws if another library's name of a dtype does not mean the dtype of the data. */
function assertDTypeName(name: string, dtypeName: string, dtypeOfData: TensorDType | undefined): void {
  if (dtypeName === 'generic' || dtypeName === 'array') return
  const dtype = dtypeAliases[dtypeName] ?? dtypeName
  const expected = dtypes.includes(dtype as TensorDType)
    ? `of the dtype of its data, ${dtypeOfData}`
    : 'of float32, float64 or an integer dtype, converted where it is another'
  if (dtype !== dtypeOfData) throw invalidArgument('ERR_INVALID_ARG_TYPE', name, expected, describe(dtypeName))
}

/** The most elements that strides may repeat from fewer, if there is no input whose shape limits them. */
const maxRepeated = 2 ** 16

/** Returns the elements at offset + Σ index[d] · steps[d] in C order: a view if they already lie so, or a copy. */
function gather(
  name: string,
  data: LabelData,
  shape: readonly number[],
  steps: readonly number[],
  offset: number,
  most: number,
): LabelData {
  const size = sizeOf(shape)
  const length = lengthOf(data)
  if (size === 0) return new typedArrays[dtypeOf(data) as TensorDType](0)
  if (size > most) {
    throw shapeMismatch(
      name,
      `of at most ${most} elements, for its data has ${length}`,
      formatQuantity(size, 'element'),
    )
  }
  const spans = shape.map((extent, d) => (extent - 1) * (steps[d] as number))
  const first = spans.reduce((first, span) => first + Math.min(span, 0), offset)
  const last = spans.reduce((last, span) => last + Math.max(span, 0), offset)
  if (first < 0 || last >= length) {
    const actual = `strides and an offset that reach from ${first} to ${last}`
    throw shapeMismatch(name, `within its data, ${formatQuantity(length, 'element')}`, actual)
  }
  let contiguous = 1
  const isView = shape.reduceRight((isView, extent, d) => {
    const isNext = extent === 1 || steps[d] === contiguous
    contiguous *= extent
    return isView && isNext
  }, true)
  if (isView) return viewOf(data, offset, size)

  const packed = new typedArrays[dtypeOf(data) as TensorDType](size)
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

/** Converts the values of `source` to `dtype`: floats are rounded once, integers must not change. */
function convert(source: Contents, code: DTypeCode, placeOf: (flat: number) => string): LabelData {
  const data = new (classes[code] as TypedArrayClass)(source.size)
  const converted = native.convert(data, source.data, dtypesCode(code, source.code))
  if (converted === source.size) return data
  const value = describe(source.data[converted])
  throw invalidArgument('ERR_INVALID_ARG_VALUE', placeOf(converted), `a value of ${dtypes[code]}`, value)
}

const isNested = (value: unknown): value is number | readonly unknown[] => typeof value === 'number' || isArray(value)
const isBig = (code: DTypeCode) => code === codes.int64 || code === codes.uint64

type TypedArrayClass = new (length: number) => LabelData

/** For each type of element: the code of the dtype in which it is read, and of the default dtype of the tensor. */
const elementTypes: Readonly<Record<string, { read: DTypeCode; default: DTypeCode }>> = {
  number: { read: codes.float64, default: codes.float32 },
  boolean: { read: codes.uint8, default: codes.uint8 },
  bigint: { read: codes.int64, default: codes.int64 },
}

/**
 * Memory for the numbers of a few elements until they are converted; undefined while they are read, because an array
 * may have getters, which may call us.
 */
let spareViews: readonly Float64Array[] | undefined = makeViews(Float64Array, 512)

/** The elements that memory is first taken for: an array may claim more than it has. */
const firstElements = 2 ** 16
/**
 * The most elements that arrays may repeat or proxies may invent. More elements must fill the heap, with 4 bytes each
 * at least.
 */
const maxShared = 2 ** 24
const leastBytesOfElement = 4

/** Reads a number, or nested arrays of elements of one type; for a dtype of BigInts, of any types. */
function readNested(name: string, root: unknown, like?: Like, dtype?: TensorDType): Contents {
  return attempt(name, () => readElements(name, root, like, dtype))
}

function readElements(name: string, root: unknown, like?: Like, dtype?: TensorDType): Contents {
  const shape: number[] = []
  let first = root
  for (; isArray(first) && shape.at(-1) !== 0; first = first[0]) {
    shape.push(first.length)
    if (shape.length > maxRank) {
      throw invalidArgument('ERR_INVALID_ARG_VALUE', name, `arrays nested at most ${maxRank} deep`, 'deeper ones')
    }
  }
  assertLike(name, shape, like)
  const size = sizeOf(shape)
  const type = size === 0 ? 'number' : typeof first
  const types = elementTypes[type]
  if (types === undefined) {
    const place = placeOf(name, new Array(shape.length).fill(0))
    throw invalidArgument('ERR_INVALID_ARG_TYPE', place, 'a number', describe(first))
  }
  const isOfBigInts = dtype !== undefined && isBig(codes[dtype])
  const read = isOfBigInts ? codes[dtype] : types.read
  if (like === undefined && size > maxShared && leastBytesOfElement * size > getHeapStatistics().used_heap_size) {
    throw shapeMismatch(name, 'nested arrays that hold their elements', `${size} elements, more than all memory holds`)
  }
  const wanted = dtype === undefined ? types.default : codes[dtype]
  const views = wanted === read || read !== codes.float64 ? undefined : spareViews
  const spare = views && findView(views, size)
  if (spare !== undefined) spareViews = undefined
  try {
    const data = new NestedReader(name, shape, type, isOfBigInts, read, size, spare).readAll(root)
    const elements = { data, code: read, shape, size }
    if (wanted === read) return elements
    const converted = convert(elements, wanted, (flat) => placeOf(name, indicesOf(flat, shape)))
    return { data: converted, code: wanted, shape, size }
  } finally {
    if (spare !== undefined) spareViews = views
  }
}

function placeOf(name: string, indices: readonly number[]): string {
  return `${name}${indices.map((index) => `[${index}]`).join('')}`
}

/**
 * Reads nested arrays of `shape` into memory of the dtype with the code `read`. Elements are of `type`, or of any type in
 * `elementTypes`.
 */
class NestedReader {
  readonly #name: string
  readonly #shape: readonly number[]
  readonly #type: string
  readonly #isOfAnyType: boolean
  readonly #read: DTypeCode
  readonly #size: number
  /** The indices of what is being read, outermost first. */
  readonly #indices: number[]
  #data: LabelData
  #capacity: number
  #count = 0

  constructor(
    name: string,
    shape: readonly number[],
    type: string,
    isOfAnyType: boolean,
    read: DTypeCode,
    size: number,
    spare: Float64Array | undefined,
  ) {
    this.#name = name
    this.#shape = shape
    this.#indices = new Array(shape.length)
    this.#type = type
    this.#isOfAnyType = isOfAnyType
    this.#read = read
    this.#size = size
    this.#capacity = Math.min(size, firstElements)
    this.#data = spare ?? new (classes[read] as TypedArrayClass)(this.#capacity)
  }

  readAll(root: unknown): LabelData {
    if (this.#shape.length === 0) this.#add(root)
    else this.#fill(root, 0)
    return this.#data
  }

  #fill(value: unknown, depth: number): void {
    const extent = this.#shape[depth] as number
    if (!isArray(value) || value.length !== extent) {
      const place = placeOf(this.#name, this.#indices.slice(0, depth))
      throw shapeMismatch(place, `an array of ${extent}, as the first of its depth`, describe(value))
    }
    if (depth + 1 === this.#shape.length) {
      this.#fillRow(value, depth, extent)
      return
    }
    for (let i = 0; i < extent; i++) {
      this.#indices[depth] = i
      this.#fill(value[i], depth + 1)
    }
  }

  #fillRow(row: readonly unknown[], depth: number, extent: number): void {
    const data = this.#data
    const numbers = data instanceof Float64Array ? storeNumbers(data, this.#count, row, extent) : 0
    this.#count += numbers
    for (let i = numbers; i < extent; i++) {
      this.#indices[depth] = i
      this.#add(row[i])
    }
  }

  #add(value: unknown): void {
    if (typeof value !== this.#type && !(this.#isOfAnyType && (typeof value) in elementTypes)) throw this.#refuse(value)
    if (this.#count === this.#capacity) this.#grow()
    if (store(this.#data, isBig(this.#read), this.#count++, value as number | boolean | bigint)) return
    const place = placeOf(this.#name, this.#indices)
    throw invalidArgument('ERR_INVALID_ARG_VALUE', place, `a value of ${dtypes[this.#read]}`, describe(value))
  }

  #refuse(value: unknown): Error {
    const place = placeOf(this.#name, this.#indices)
    return isArray(value)
      ? shapeMismatch(place, `a ${this.#type}, as the first of its depth`, describe(value))
      : invalidArgument('ERR_INVALID_ARG_TYPE', place, `a ${this.#type}`, describe(value))
  }

  #grow(): void {
    this.#capacity = Math.min(this.#size, 2 * this.#capacity)
    const longer = new (classes[this.#read] as TypedArrayClass)(this.#capacity)
    longer.set(this.#data as never)
    this.#data = longer
  }
}

/**
 * Stores the numbers of a row, until its end, the end of `data`, or an element that is no number. Returns how many they
 * are.
 */
function storeNumbers(data: Float64Array, at: number, row: readonly unknown[], extent: number): number {
  const end = Math.min(extent, data.length - at)
  for (let i = 0; i < end; i++) {
    const value = row[i]
    if (typeof value !== 'number') return i
    data[at + i] = value
  }
  return end
}

/** Writes `value` at `index`; returns false if an integer dtype does not have it. */
function store(data: LabelData, isOfBigInts: boolean, index: number, value: number | boolean | bigint): boolean {
  if (!isOfBigInts) {
    data[index] = typeof value === 'number' ? value : Number(value)
    return true
  }
  if (typeof value === 'number' && !Number.isInteger(value)) return false
  const integer = BigInt(value)
  data[index] = integer as never
  return data[index] === integer
}

function indicesOf(flat: number, shape: readonly number[]): number[] {
  const indices = new Array<number>(shape.length)
  let rest = flat
  for (let d = shape.length - 1; d >= 0; d--) {
    const extent = shape[d] as number
    indices[d] = rest % extent
    rest = (rest - (indices[d] as number)) / extent
  }
  return indices
}

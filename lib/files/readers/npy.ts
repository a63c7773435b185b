import type { DType } from '../../index.ts'
import { errorAt, fileError } from '../errors.ts'
import type { Batch, BatchReader, Column, ColumnNames } from './batch.ts'
import type { FileBytes } from './bytes.ts'
import { containingFile } from './npz.ts'
import { type ElementSize, TransposedBytes } from './transposed.ts'

/** An array in a .npy file: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
interface Npy {
  readonly bytes: FileBytes
  /** of the first element */
  readonly position: number
  readonly type: ElementType
  readonly isFortranOrder: boolean
  readonly shape: readonly number[]
}

interface ElementType {
  readonly code: Code
  readonly isBigEndian: boolean
}

/** By numpy's code: a letter for the kind, and the size in bytes. */
const dtypes = {
  b1: 'uint8',
  i1: 'int8',
  i2: 'int16',
  i4: 'int32',
  i8: 'int64',
  u1: 'uint8',
  u2: 'uint16',
  u4: 'uint32',
  u8: 'uint64',
  f2: 'float16',
  f4: 'float32',
  f8: 'float64',
} as const
type Code = keyof typeof dtypes

/** The characters that numpy.dtype() takes for a code on 64-bit Linux and macOS, with or without a byte order. */
const characters = invert({
  b1: '?',
  i1: 'b',
  i2: 'h',
  i4: 'i',
  i8: 'l q n p',
  u1: 'B',
  u2: 'H',
  u4: 'I',
  u8: 'L Q N P',
  f2: 'e',
  f4: 'f',
  f8: 'd',
})
/** The names that numpy.dtype() takes for a code; they take no byte order. */
const names = invert({
  b1: 'bool bool_',
  i1: 'byte int8',
  i2: 'short int16',
  i4: 'intc int32',
  i8: 'int int_ intp long longlong int64',
  u1: 'ubyte uint8',
  u2: 'ushort uint16',
  u4: 'uintc uint32',
  u8: 'uint uintp ulong ulonglong uint64',
  f2: 'half float16',
  f4: 'single float32',
  f8: 'double float float64',
})

/** The code of each word. */
function invert(words: Readonly<Record<Code, string>>): ReadonlyMap<string, Code> {
  const entries = Object.entries(words) as [Code, string][]
  return new Map(entries.flatMap(([code, texts]) => texts.split(' ').map((name) => [name, code])))
}

/** The elements of an input, and of a label and weight of its shape, in the memory order of the input. */
export function readNpyArrays(
  [input, ...others]: readonly FileBytes[],
  names: RowNames & Record<'input', string>,
): BatchReader {
  const x = readNumbers('input', names.input, input as FileBytes)
  const { shape, isFortranOrder } = x
  const batch = {
    rows: countElements(shape),
    input: locateElements(x, isFortranOrder),
    ...locateRows(others, names, { ...x, name: names.input }),
    share: 1,
  }
  return {
    schema: { dtype: scoredDType(x), keptFields: [], layout: { shape, isFortranOrder } },
    batches: yieldOnce(batch),
  }
}

/** The rows of two arrays of one shape [N, D], and a label and weight [N]. */
export function readNpyEmbeddings(
  [left, right, ...others]: readonly FileBytes[],
  names: RowNames & Record<'left' | 'right', string>,
): BatchReader {
  const l = readNumbers('left', names.left, left as FileBytes)
  const r = readNumbers('right', names.right, right as FileBytes)
  const [rows = 0, width = 0] = l.shape
  if (l.shape.length !== 2) {
    const file = containingFile(names.left)
    throw fileError(`${names.left}: has shape ${formatShape(l)}, must have two axes`, { file, option: 'left' })
  }
  if (r.shape.join() !== l.shape.join()) throw shapeMismatch('right', names.right, r, names.left, l)
  const layout = { shape: [rows], isFortranOrder: false }
  const ofRows = locateRows(others, names, { ...layout, name: names.left, whole: l })
  const dtype = scoredDType(l)
  if (scoredDType(r) !== dtype) {
    const file = containingFile(names.right)
    const types = `${names.right}: has ${dtypes[r.type.code]}, but ${names.left} has ${dtypes[l.type.code]}`
    throw fileError(`${types}: both must have float32 or float16, or neither`, { file, option: 'right' })
  }
  const input = {
    left: { elements: locateElements(l, false), extent: width },
    right: { elements: locateElements(r, false), extent: width },
  }
  const batch = { rows, input, ...ofRows, share: 1 }
  return { schema: { dtype, keptFields: [], layout }, batches: yieldOnce(batch) }
}

/** The arrays that have a number for each row. */
type RowNames = Pick<ColumnNames, 'label' | 'weight'>

/** The array whose rows others have; `whole`, if these are its rows and not its elements. */
interface RowLayout extends Pick<Npy, 'shape' | 'isFortranOrder'> {
  readonly name: string
  readonly whole?: Pick<Npy, 'shape'>
}

/** The label and, if there is one, the weight of each row. */
function locateRows(
  [label, weight]: readonly FileBytes[],
  names: RowNames,
  { shape, isFortranOrder, name: first, whole }: RowLayout,
): Pick<Batch, 'label' | 'weight'> {
  const locate = (option: 'label' | 'weight', name: string, bytes: FileBytes) => {
    const npy = readHeaderOf(name, bytes)
    if (npy.shape.join() !== shape.join())
      throw shapeMismatch(option, name, npy, first, whole ?? { shape }, whole && { shape })
    return locateElements(npy, isFortranOrder)
  }
  return {
    label: locate('label', names.label, label as FileBytes),
    ...(names.weight !== undefined && { weight: locate('weight', names.weight, weight as FileBytes) }),
  }
}

/** The header of an array that is not of booleans. */
function readNumbers(option: string, name: string, bytes: FileBytes): Npy {
  const npy = readHeaderOf(name, bytes)
  if (npy.type.code !== 'b1') return npy
  throw fileError(`${name}: has dtype bool, must be a number`, { file: containingFile(name), option })
}

function scoredDType({ type: { code } }: Npy): DType {
  return code === 'f4' || code === 'f2' ? 'float32' : 'float64'
}

/** The error of an array that lacks the shape of the first, or the shape `expected` that follows from it. */
function shapeMismatch(
  option: string,
  name: string,
  npy: Npy,
  first: string,
  shape: Pick<Npy, 'shape'>,
  expected?: Pick<Npy, 'shape'>,
): Error {
  const must = expected === undefined ? '' : `, must have ${formatShape(expected)}`
  const shapes = `${first} has shape ${formatShape(shape)}, but ${name} has ${formatShape(npy)}${must}`
  return fileError(shapes, { file: containingFile(name), option })
}

function formatShape({ shape }: Pick<Npy, 'shape'>): string {
  return `[${shape.join(', ')}]`
}

async function* yieldOnce(batch: Batch): AsyncGenerator<Batch> {
  yield batch
}

/** The elements as a column, in C order or in Fortran order. */
function locateElements({ bytes, position, type, shape, ...npy }: Npy, isFortranOrder: boolean): Column {
  const { code, isBigEndian } = type
  const dtype = dtypes[code]
  const isInOrder = npy.isFortranOrder === isFortranOrder || shape.filter((extent) => extent > 1).length < 2
  if (isInOrder) return { bytes, position, dtype, isBigEndian }
  // An array in C order has its elements where one of the reversed shape has them in Fortran order.
  const fortranShape = isFortranOrder ? shape.toReversed() : shape
  return { bytes: new TransposedBytes(bytes, position, fortranShape, sizeOf(code)), position: 0, dtype, isBigEndian }
}

function countElements(shape: readonly number[]): number {
  const count = shape.reduce((product, extent) => product * extent, 1)
  if (Number.isSafeInteger(count)) return count
  throw new Error(`has shape ${formatShape({ shape })}, more than 2^53 elements`)
}

function sizeOf(code: Code): ElementSize {
  return Number(code.slice(1)) as ElementSize
}

function parseType(descr: string): ElementType | undefined {
  const [, order = '', text = ''] = /^([<>=|]?)(.+)$/.exec(descr) ?? []
  const [, kind = '', size = ''] = /^([biuf])0*(\d)$/.exec(text) ?? []
  const code = kind + size
  const numpyCode =
    code in dtypes ? (code as Code) : (characters.get(text) ?? (order === '' ? names.get(text) : undefined))
  return numpyCode && { code: numpyCode, isBigEndian: order === '>' }
}

function readHeaderOf(name: string, bytes: FileBytes): Npy {
  try {
    return readHeader(bytes)
  } catch (cause) {
    throw errorAt(containingFile(name), cause, name)
  }
}

function readHeader(bytes: FileBytes): Npy {
  const start = Buffer.alloc(12)
  if (bytes.size >= start.length) bytes.fill(start, 0)
  if (start.toString('latin1', 0, 6) !== '\x93NUMPY') {
    const isArchive = start.toString('latin1', 0, 4) === 'PK\x03\x04'
    throw new Error(isArchive ? 'an archive (.npz), must be one array (.npy)' : 'not a .npy file')
  }
  const version = start.readUInt8(6)
  if (version < 1 || version > 3) throw new Error(`has version ${version} of the format, must be 1 to 3`)
  const [begin, length] = version === 1 ? [10, start.readUInt16LE(8)] : [12, start.readUInt32LE(8)]
  const position = begin + length
  if (position > bytes.size) throw new Error('unexpected end of file')
  const header = Buffer.alloc(length)
  bytes.fill(header, begin)
  const { descr, isFortranOrder, shape } = parseHeader(header.toString(version === 3 ? 'utf8' : 'latin1'))
  const type = parseType(descr)
  if (type === undefined) {
    throw new Error(`has dtype ${descr}, must be bool, int8 to int64, uint8 to uint64, or float16 to float64`)
  }
  const expected = position + countElements(shape) * sizeOf(type.code)
  if (bytes.size !== expected) {
    throw new Error(`has ${bytes.size} bytes, but its shape, ${formatShape({ shape })} of ${descr}, takes ${expected}`)
  }
  return { bytes, position, type, isFortranOrder, shape }
}

/** The entries of the Python dictionary, in any order. */
const entries = {
  descr: /(['"])descr\1\s*:\s*[uU]?(['"])(?<value>[^'"\\]*)\2/,
  order: /(['"])fortran_order\1\s*:\s*(?<value>True|False)/,
  shape: /(['"])shape\1\s*:\s*\((?<value>(?:\s*\d+L?\s*,)*(?:\s*\d+L?)?\s*)\)/,
}

function parseHeader(header: string): { descr: string; isFortranOrder: boolean; shape: number[] } {
  if (/(['"])descr\1\s*:\s*\[/.test(header)) throw new Error('an array of structures, must be one of numbers')
  const [descr, order, shape] = Object.values(entries).map((entry) => entry.exec(header)?.groups?.value)
  const rest = Object.values(entries).reduce((text, entry) => text.replace(entry, ''), header)
  if (descr === undefined || order === undefined || shape === undefined || !/^\s*\{[\s,]*\}\s*$/.test(rest)) {
    throw new Error('has no valid .npy header')
  }
  return { descr, isFortranOrder: order === 'True', shape: (shape.match(/\d+/g) ?? []).map(Number) }
}

import { isUtf8 } from 'node:buffer'
import type { Data, DataType, Field, RecordBatch, Schema, Vector } from 'apache-arrow'
import { classes, dtypes } from '../../dtypes.ts'
import type { DType, TensorDType } from '../../index.ts'
import { peer } from '../failures.ts'
import { type Bytes, type FileBytes, MemoryBytes, PipeBytes } from './bytes.ts'
import { provideCodec } from './codecs.ts'
import type { BatchMetadata } from './flatbuffer.ts'
import { type Key, type KeyValue, keyOf } from './keys.ts'
import { type Message, messagesOf, readable } from './messages.ts'
import type { Names } from './readers.ts'
import { assertNulls, type Column, type Rows, type Stretch } from './rows.ts'

type Arrow = typeof import('apache-arrow')

/** The record batches of an Arrow IPC file or stream. */
export async function readArrow(bytes: FileBytes | PipeBytes, names: Names): Promise<Rows> {
  const arrow = await peer(import('apache-arrow'), 'Arrow')
  const messages = messagesOf(bytes)
  const { value: schema } = await messages.next()
  if (schema?.kind !== 'schema') throw new Error('not Arrow IPC: it does not begin with a schema')
  assertReadable(schema)
  const batches = new Batches(arrow, bytes, names, schema)
  return { dtype: batches.dtype, kept: batches.kept, stretches: stretchesOf(messages, batches) }
}

async function* stretchesOf(messages: AsyncIterable<Message>, batches: Batches): AsyncGenerator<Stretch> {
  for await (const message of messages) {
    assertReadable(message)
    if (message.kind === 'dictionary') await batches.addDictionary(message)
    else if (message.kind === 'batch') yield await batches.stretch(message)
    else throw new Error(`holds a ${message.kind} where a record batch should be`)
  }
}

function assertReadable({ version }: Message): void {
  if (version < 3) throw new Error('written before Arrow 0.8')
}

/** What of a column a record batch has, in the place of its fields and buffers. */
interface Place {
  readonly node: number
  readonly buffer: number
}

/** The body of a record batch. */
interface Body {
  /** apache-arrow's views lie over this, whether it is filled or not */
  readonly memory: Uint8Array<ArrayBuffer>
  readonly isFilled: boolean
  /** where it can be read, and from which position on */
  readonly bytes: Bytes
  readonly position: number
}

/**
 * Makes stretches of record batches. Of a file only what the named columns have is read. Numbers are taken as they lie;
 * for all else apache-arrow lays its views over a body that is not filled, of which those of the columns are.
 */
class Batches {
  readonly #arrow: Arrow
  readonly #bytes: FileBytes | PipeBytes
  readonly #schema: Schema
  readonly #head: Uint8Array
  readonly #dictionaries = new Map<number, Uint8Array[]>()
  readonly #input: number
  readonly #label: number
  readonly #by: number | undefined
  readonly #keep: readonly number[]
  #memory = new Uint8Array(0)

  constructor(arrow: Arrow, bytes: FileBytes | PipeBytes, names: Names, { head }: Message) {
    this.#arrow = arrow
    this.#bytes = bytes
    this.#head = head
    this.#schema = readable('the schema', () => arrow.RecordBatchReader.from([head]).open().schema)
    this.#input = indexOf(this.#schema, '--input', names.input)
    this.#label = indexOf(this.#schema, '--label', names.label)
    this.#by = names.by === undefined ? undefined : indexOf(this.#schema, '--by', names.by)
    this.#keep = (names.keep ?? []).map((name) => indexOf(this.#schema, '--keep', name))
    assertType(arrow, '--input', names.input, this.#type(this.#input), 'a number', ['bit'])
    assertType(arrow, '--label', names.label, this.#type(this.#label), 'a number or Bool', [])
    if (this.#by !== undefined) assertKeyType(arrow, names.by as string, this.#type(this.#by))
  }

  get dtype(): DType {
    return dtypeOf(this.#arrow, valueType(this.#arrow, this.#type(this.#input))) === 'float32' ? 'float32' : 'float64'
  }

  get kept(): Field[] {
    return this.#keep.map((index) => {
      const { name, type, metadata } = this.#schema.fields[index] as Field
      return new this.#arrow.Field(name, valueType(this.#arrow, type), true, metadata)
    })
  }

  async addDictionary({ batch, dictionaryId, isDelta, head, bodyLength, bodyPosition }: Message): Promise<void> {
    await provideCodec(this.#arrow, batch.codec)
    const body = readable('a dictionary', () => new Uint8Array(bodyLength))
    await this.#bytes.fill(body, bodyPosition)
    const earlier = isDelta ? (this.#dictionaries.get(dictionaryId) ?? []) : []
    this.#dictionaries.set(dictionaryId, [...earlier, head, body])
  }

  async stretch(message: Message): Promise<Stretch> {
    const { batch, bodyPosition, bodyLength } = message
    await provideCodec(this.#arrow, batch.codec)
    const body = await this.#body(message)
    const places = placesOf(this.#arrow, this.#schema, message)
    if (places.some(({ node }) => batch.nodes[node]?.length !== batch.rows)) throw outside('a column')
    let assembled: RecordBatch | undefined
    const vector = (index: number) => {
      assembled ??= this.#assemble(message, body)
      return vectorOf(this.#arrow, assembled, index, body, batch.nodes[(places[index] as Place).node]?.nullCount)
    }
    const column = async (index: number): Promise<Column> => {
      const type = this.#type(index)
      if (this.#arrow.DataType.isDictionary(type)) return decoded(this.#arrow, await vector(index))
      const dtype = dtypeOf(this.#arrow, type) as TensorDType | 'bit'
      return batch.codec === undefined
        ? plainColumn(batch, places[index] as Place, dtype, body)
        : decompressed(await vector(index), dtype)
    }
    const kept = []
    for (const index of this.#keep) kept.push(plain(this.#arrow, await vector(index)))
    return {
      rows: batch.rows,
      input: await column(this.#input),
      label: await column(this.#label),
      ...(this.#by !== undefined && { keyOf: keysOf(this.#arrow, await vector(this.#by)) }),
      ...(kept.length > 0 && { kept }),
      ...(!(this.#bytes instanceof PipeBytes) && { share: (bodyPosition + bodyLength) / this.#bytes.size }),
    }
  }

  #type(index: number): DataType {
    return (this.#schema.fields[index] as Field).type
  }

  async #body({ batch, bodyLength, bodyPosition }: Message): Promise<Body> {
    if (this.#memory.length < bodyLength) this.#memory = readable('a record batch', () => new Uint8Array(bodyLength))
    const memory = this.#memory.subarray(0, bodyLength)
    if (!(this.#bytes instanceof PipeBytes) && batch.codec === undefined) {
      return { memory, isFilled: false, bytes: this.#bytes, position: bodyPosition }
    }
    await this.#bytes.fill(memory, bodyPosition)
    return { memory, isFilled: true, bytes: new MemoryBytes(memory), position: 0 }
  }

  #assemble({ head, version }: Message, body: Body): RecordBatch {
    const parts = [this.#head, ...[...this.#dictionaries.values()].flat(), head, body.memory]
    if (version < firstWithPlainUnions && this.#schema.fields.some(({ type }) => hasUnion(this.#arrow, type))) {
      throw new Error('has unions as written before Arrow 1.0, beside which only plain columns of numbers can be read')
    }
    return readable('a record batch', () => this.#arrow.RecordBatchReader.from(parts).next().value as RecordBatch)
  }
}

/** Before V5 of the metadata unions had bitmaps, which apache-arrow takes no account of. */
const firstWithPlainUnions = 4

function hasUnion(arrow: Arrow, type: DataType): boolean {
  const children = (type.children as Field[] | null) ?? []
  return arrow.DataType.isUnion(type) || children.some((child) => hasUnion(arrow, child.type))
}

/** Of each column, in the order of the format: those before it have so many fields and buffers. */
function placesOf({ DataType, UnionMode }: Arrow, { fields }: Schema, { batch, version }: Message): Place[] {
  const place = { node: 0, buffer: 0 }
  const views = batch.variadicCounts[Symbol.iterator]()
  const bitmapsOfUnions = version < firstWithPlainUnions ? 1 : 0
  const ownBuffers = (type: DataType): number => {
    if (DataType.isNull(type)) return 0
    if (DataType.isStruct(type) || DataType.isFixedSizeList(type)) return 1
    if (DataType.isUnion(type)) return bitmapsOfUnions + (type.mode === UnionMode.Dense ? 2 : 1)
    if (DataType.isUtf8View(type) || DataType.isBinaryView(type)) return 2 + (views.next().value ?? 0)
    const isOfBytes = [DataType.isUtf8, DataType.isLargeUtf8, DataType.isBinary, DataType.isLargeBinary]
    return isOfBytes.some((is) => is(type)) ? 3 : 2
  }
  const pass = (type: DataType): void => {
    place.node++
    place.buffer += ownBuffers(type)
    for (const child of (type.children as Field[] | null) ?? []) pass(child.type)
  }
  return fields.map(({ type }) => {
    const before = { ...place }
    pass(type)
    return before
  })
}

function plainColumn(
  { rows, nodes, buffers }: BatchMetadata,
  place: Place,
  dtype: TensorDType | 'bit',
  body: Body,
): Column {
  const node = nodes[place.node]
  const [validity, values] = buffers.slice(place.buffer)
  const bitmapBytes = Math.ceil(rows / 8)
  const valueBytes = dtype === 'bit' ? bitmapBytes : rows * classes[dtype].BYTES_PER_ELEMENT
  if (node === undefined || values === undefined || values.length < valueBytes) throw outside('a column')
  const column = { bytes: body.bytes, position: body.position + values.offset, dtype }
  if (node.nullCount === 0) return column
  if (validity === undefined || validity.length < bitmapBytes) throw outside('a column')
  return {
    ...column,
    validity: { bytes: body.bytes, position: body.position + validity.offset, nulls: node.nullCount },
  }
}

/** A column whose buffers apache-arrow has decompressed. */
function decompressed({ data: [data] }: Vector, dtype: TensorDType | 'bit'): Column {
  const { values, nullBitmap, nullCount } = data as Data
  const column = { bytes: new MemoryBytes(values), position: 0, dtype }
  return nullCount === 0
    ? column
    : { ...column, validity: { bytes: new MemoryBytes(nullBitmap), position: 0, nulls: nullCount } }
}

function indexOf({ fields }: Schema, option: string, name: string): number {
  const indexes = fields.flatMap((field, index) => (field.name === name ? [index] : []))
  const [index] = indexes
  if (index === undefined) {
    const names = fields.slice(0, 10).map((field) => JSON.stringify(field.name))
    throw new Error(
      `${option} ${name}: no such column. Its columns: ${names.join(', ')}${fields.length > 10 ? ', …' : ''}`,
    )
  }
  if (indexes.length > 1) throw new Error(`${option} ${name}: ${indexes.length} columns have that name`)
  return index
}

/** What a number is read as; undefined for all else. */
function dtypeOf({ DataType, Precision }: Arrow, type: DataType): TensorDType | 'bit' | undefined {
  if (DataType.isBool(type)) return 'bit'
  if (DataType.isInt(type)) return dtypes.find((each) => each === `${type.isSigned ? '' : 'u'}int${type.bitWidth}`)
  if (!DataType.isFloat(type)) return undefined
  return ({ [Precision.SINGLE]: 'float32', [Precision.DOUBLE]: 'float64' } as const)[type.precision as 1 | 2]
}

function valueType({ DataType }: Arrow, type: DataType): DataType {
  return DataType.isDictionary(type) ? type.dictionary : type
}

function assertType(
  arrow: Arrow,
  option: string,
  name: string,
  type: DataType,
  expected: string,
  refused: readonly unknown[],
): void {
  const dtype = dtypeOf(arrow, valueType(arrow, type))
  if (dtype !== undefined && !refused.includes(dtype)) return
  const advice = String(type).includes('Float16') ? ', of Float16 none' : ''
  throw new Error(`${option} ${name} is ${type}, must be ${expected}${advice}`)
}

function assertKeyType(arrow: Arrow, name: string, type: DataType): void {
  const { DataType } = arrow
  const value = valueType(arrow, type)
  const isText = DataType.isUtf8(value) || DataType.isLargeUtf8(value) || DataType.isUtf8View(value)
  if (isText || DataType.isDate(value) || dtypeOf(arrow, value) !== undefined) return
  throw new Error(`--by ${name} is ${type}, must be text, a number, Bool or a date`)
}

/** A whole column, with offsets and indices that lie within what they point into. */
async function vectorOf({ Vector }: Arrow, batch: RecordBatch, index: number, body: Body, nulls = 0): Promise<Vector> {
  const data = batch.data.children[index] as Data
  if (data.length !== batch.numRows) throw outside('a column')
  await fill(data, body)
  assertWithin(data)
  assertNulls(data.nullCount, nulls)
  return new Vector([data])
}

/** The column without a dictionary, of which a file can have but one for all record batches. */
function plain(arrow: Arrow, vector: Vector): Vector {
  if (!arrow.DataType.isDictionary(vector.type)) return vector
  return arrow.vectorFromArray([...vector], valueType(arrow, vector.type))
}

/** The values of a dictionary's column. */
function decoded(arrow: Arrow, vector: Vector): Column {
  const { type, length } = vector
  const dtype = dtypeOf(arrow, valueType(arrow, type)) as TensorDType | 'bit'
  const values = new classes[dtype === 'bit' ? 'uint8' : dtype](length)
  const valid = new Uint8Array(Math.ceil(length / 8))
  let nulls = length
  for (let row = 0; row < length; row++) {
    const value = vector.get(row)
    if (value === null) continue
    values[row] = dtype === 'bit' ? Number(value) : value
    valid[row >> 3] = (valid[row >> 3] as number) | (1 << (row & 7))
    nulls--
  }
  return {
    bytes: new MemoryBytes(values),
    position: 0,
    dtype: dtype === 'bit' ? 'uint8' : dtype,
    validity: { bytes: new MemoryBytes(valid), position: 0, nulls },
  }
}

/** The values for `--by`, made a key once for as long as they are few. */
function keysOf(arrow: Arrow, vector: Vector): (row: number) => Key {
  const isDate = arrow.DataType.isDate(valueType(arrow, vector.type))
  const keys = new Map<KeyValue, Key>()
  return (row) => {
    const value = vector.get(row) as KeyValue
    const known = keys.get(value)
    if (known !== undefined) return known
    const key = keyOf(isDate && value !== null ? new Date(Number(value)).toISOString().slice(0, 10) : value)
    keys.set(value, key)
    return key
  }
}

async function fill(data: Data, body: Body): Promise<void> {
  if (body.isFilled) return
  const { valueOffsets, values, nullBitmap, typeIds, variadicBuffers } = data
  for (const view of [valueOffsets, values, nullBitmap, typeIds, ...variadicBuffers]) {
    if (view?.buffer !== body.memory.buffer) continue
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
    await body.bytes.fill(bytes, body.position + view.byteOffset)
  }
  for (const child of data.children) await fill(child, body)
}

function assertWithin(data: Data): void {
  const { values, valueOffsets, nullBitmap, nullCount, length, stride, children, dictionary } = data
  const type = String(data.type)
  if (nullCount > 0) {
    assertLong(nullBitmap, Math.ceil(length / 8))
    assertNulls(nullsIn(nullBitmap, length), nullCount)
  }
  if (values !== undefined && valueOffsets === undefined) {
    assertLong(values, type === 'Bool' ? Math.ceil(length / 8) : length * stride * values.BYTES_PER_ELEMENT)
  }
  if (dictionary !== undefined) {
    for (const part of dictionary.data) assertWithin(part)
    for (let i = 0; i < length; i++) {
      if (!(values[i] >= 0 && values[i] < dictionary.length) && data.getValid(i)) throw outside('an index')
    }
  }
  if (valueOffsets !== undefined && length > 0) {
    const end = children[0]?.length ?? values.length
    const isText = /^(Large)?Utf8$/.test(type)
    let last = 0
    for (let i = 0; i <= length; i++) {
      const offset = Number(valueOffsets[i])
      if (!(offset >= last && offset <= end)) throw outside('an offset')
      if (isText && isWithinCharacter(values, offset)) throw outside('text')
      last = offset
    }
    if (isText) assertText(values.subarray(0, last))
  }
  if (type === 'Utf8View') assertViews(data)
  for (const child of children) assertWithin(child)
}

/** Of 16 bytes each: the length and either the text, of 12 bytes at most and zeros after it, or its first 4 bytes, its buffer and its place there. */
function assertViews(data: Data): void {
  const { buffer, byteOffset, byteLength } = data.values as Uint8Array
  const views = new DataView(buffer, byteOffset, byteLength)
  for (let at = 0; at < 16 * data.length; at += 16) {
    if (!data.getValid(at / 16)) continue
    const length = views.getUint32(at, true)
    if (length <= 12) {
      const [text, padding] = [
        data.values.subarray(at + 4, at + 4 + length),
        data.values.subarray(at + 4 + length, at + 16),
      ]
      if (padding.some((byte: number) => byte !== 0)) throw outside('a view')
      assertText(text)
      continue
    }
    const text = data.variadicBuffers[views.getUint32(at + 8, true)]?.subarray(views.getUint32(at + 12, true))
    const prefix = data.values.subarray(at + 4, at + 8)
    if (text === undefined || text.length < length || Buffer.compare(prefix, text.subarray(0, 4)) !== 0)
      throw outside('a view')
    assertText(text.subarray(0, length))
  }
}

function isWithinCharacter(utf8: Uint8Array, offset: number): boolean {
  return ((utf8[offset] ?? 0) & 0xc0) === 0x80
}

function assertText(bytes: Uint8Array): void {
  if (!isUtf8(bytes)) throw new Error('has text that is not UTF-8')
}

function nullsIn(bitmap: Uint8Array, length: number): number {
  let nulls = 0
  for (let i = 0; i < length; i++) nulls += 1 - (((bitmap[i >> 3] as number) >> (i & 7)) & 1)
  return nulls
}

function assertLong(view: ArrayBufferView | undefined, bytes: number): void {
  if ((view?.byteLength ?? 0) < bytes) throw outside('a column')
}

function outside(what: string): Error {
  return new Error(`${what} goes beyond what it is of`)
}

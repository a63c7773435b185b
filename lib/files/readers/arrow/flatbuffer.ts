/**
 * A table of a flatbuffer. All accesses are checked: what lies outside of the buffer, or contradicts itself, is a RangeError.
 * Fields are named by their index in the schema of the format.
 */
class Table {
  readonly #view: DataView
  readonly #at: number
  /** the position and size of the vtable, which says where in the table each field is */
  readonly #vtable: number
  readonly #vtableSize: number
  /** the size of the table itself */
  readonly #size: number
  /** the tables that may still be read, shared by all: without a bound, tables that refer to the same ones multiply */
  readonly #budget: { left: number }

  constructor(view: DataView, at: number, budget: { left: number }) {
    if (budget.left-- <= 0) throw new RangeError('more tables than fit')
    this.#view = view
    this.#at = at
    this.#vtable = at - view.getInt32(at, true)
    this.#vtableSize = view.getUint16(this.#vtable, true)
    this.#size = view.getUint16(this.#vtable + 2, true)
    const isWithin = this.#vtable + this.#vtableSize <= view.byteLength && at + this.#size <= view.byteLength
    const isAligned = at % 4 === 0 && this.#vtableSize % 2 === 0 && this.#vtableSize >= 4 && this.#size >= 4
    if (!isWithin || !isAligned) throw new RangeError('a table past the end')
    for (let place = this.#vtable + 4; place < this.#vtable + this.#vtableSize; place += 2) {
      if (view.getUint16(place, true) >= this.#size) throw new RangeError('a field past the end of its table')
    }
    this.#budget = budget
  }

  static root(bytes: Uint8Array): Table {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    return new Table(view, view.getUint32(0, true), { left: bytes.length })
  }

  uint8(field: number): number {
    const at = this.#fieldAt(field)
    return at === undefined ? 0 : this.#view.getUint8(at)
  }

  int16(field: number): number {
    const at = this.#fieldAt(field)
    return at === undefined ? 0 : this.#view.getInt16(at, true)
  }

  int64(field: number): number {
    const at = this.#fieldAt(field)
    return at === undefined ? 0 : int64(this.#view, at)
  }

  table(field: number): Table | undefined {
    const at = this.#fieldAt(field)
    return at === undefined ? undefined : this.#tableAt(at)
  }

  tables(field: number): Table[] {
    return this.#elements(field, 4).map((at) => this.#tableAt(at))
  }

  /** Reads a vector of structs of this size: of each, the int64 at these offsets. */
  structs(field: number, size: number, offsets: readonly number[]): number[][] {
    return this.#elements(field, size).map((at) => offsets.map((offset) => int64(this.#view, at + offset)))
  }

  text(field: number): string {
    const { begin, length } = this.#vector(field, 1)
    return new TextDecoder().decode(new Uint8Array(this.#view.buffer, this.#view.byteOffset + begin, length))
  }

  /** Shortens a vector of tables, in place, to those with these indices. */
  selectElements(field: number, indices: readonly number[]): void {
    const { begin } = this.#vector(field, 4)
    const places = indices.map((index) => this.#follow(begin + 4 * index))
    for (const [index, place] of places.entries()) {
      const at = begin + 4 * index
      this.#view.setUint32(at, place - at, true)
    }
    this.#view.setUint32(begin - 4, indices.length, true)
  }

  /** The length of a vector or text; 0 if it is absent. */
  vectorLength(field: number, elementSize: number): number {
    return this.#vector(field, elementSize).length
  }

  #tableAt(at: number): Table {
    return new Table(this.#view, this.#follow(at), this.#budget)
  }

  #elements(field: number, size: number): number[] {
    const { begin, length } = this.#vector(field, size)
    return Array.from({ length }, (_, i) => begin + i * size)
  }

  #vector(field: number, elementSize: number): { begin: number; length: number } {
    const at = this.#fieldAt(field)
    if (at === undefined) return { begin: 0, length: 0 }
    const start = this.#follow(at)
    const length = this.#view.getUint32(start, true)
    const begin = start + 4
    if (begin + length * elementSize > this.#view.byteLength) throw new RangeError('a vector past the end')
    return { begin, length }
  }

  /** The position to which the offset at a position leads. An offset of 0 would lead back to itself. */
  #follow(at: number): number {
    const offset = this.#view.getUint32(at, true)
    if (offset === 0) throw new RangeError('an offset of 0')
    return at + offset
  }

  #fieldAt(field: number): number | undefined {
    const place = 4 + 2 * field
    if (place >= this.#vtableSize) return undefined
    const offset = this.#view.getUint16(this.#vtable + place, true)
    return offset === 0 ? undefined : this.#at + offset
  }
}

function int64(view: DataView, at: number): number {
  const value = view.getBigInt64(at, true)
  if (value < 0n || value > Number.MAX_SAFE_INTEGER) throw new RangeError('a length or offset out of range')
  return Number(value)
}

/** The metadata of an Arrow IPC message, as far as it decides whether and where its data can be read. */
export interface Metadata {
  /** MetadataVersion: 3 is V4, which came with Arrow 0.8 */
  readonly version: number
  readonly kind: 'schema' | 'dictionary' | 'batch' | 'other'
  readonly bodyLength: number
  readonly dictionaryId: number
  readonly isDelta: boolean
  readonly batch: BatchMetadata
  /** the columns of a schema; none otherwise */
  readonly fields: readonly FieldLayout[]
}

/** The nodes and buffers that a column, with its children, takes in each record batch. */
export interface FieldLayout {
  readonly name: string
  readonly nodes: number
  /** without the validity bitmaps of unions before V5, and without the data buffers of views, whose number a batch declares */
  readonly buffers: number
  /** the number of unions */
  readonly unions: number
  /** the number of view columns */
  readonly views: number
  /** the ids of its dictionaries */
  readonly dictionaries: readonly number[]
  /** the first type that apache-arrow cannot read */
  readonly unreadable: string | undefined
  /** the first type whose nodes and buffers are not known here */
  readonly unknown: string | undefined
}

/** The layout of a record batch, or of the values of a dictionary. */
interface BatchMetadata {
  readonly rows: number
  /** per column, children after their parents */
  readonly nodes: readonly { readonly length: number; readonly nullCount: number }[]
  /** within the body */
  readonly buffers: readonly { readonly offset: number; readonly length: number }[]
  /** per view column, the number of its data buffers */
  readonly variadicCounts: readonly number[]
  /** CompressionType; absent if the buffers are not compressed */
  readonly codec?: number
}

const noBatch: BatchMetadata = { rows: 0, nodes: [], buffers: [], variadicCounts: [] }

/**
 * Reads the metadata of a message (Message.fbs and Schema.fbs of the Arrow format). Checks what apache-arrow believes: that
 * all vectors lie within the metadata, and all buffers within the body.
 *
 * @throws {RangeError} the metadata is damaged
 * @throws {Error} it is valid, but cannot be read; the message says why
 */
export function readMetadata(bytes: Uint8Array): Metadata {
  const message = Table.root(bytes)
  const kind = (['other', 'schema', 'dictionary', 'batch'] as const)[message.uint8(1)] ?? 'other'
  const header = message.table(2)
  const bodyLength = message.int64(3)
  assertKeyValues(message, 4)
  const defaults = { dictionaryId: 0, isDelta: false, batch: noBatch, fields: [] }
  const fields = { version: message.int16(0), kind, bodyLength, ...defaults }
  if (kind === 'other') return fields
  if (header === undefined) throw new RangeError('a message without a header')
  if (kind === 'schema') {
    assertSchema(header)
    return { ...fields, fields: header.tables(1).map(readField) }
  }
  if (kind === 'batch') return { ...fields, batch: readBatch(header, bodyLength) }
  const values = header.table(1)
  if (values === undefined) throw new RangeError('a dictionary without values')
  const [dictionaryId, isDelta] = [header.int64(0), header.uint8(2) !== 0]
  return { ...fields, batch: readBatch(values, bodyLength), dictionaryId, isDelta }
}

/** The position of a message in a file, and of its body. */
interface Block {
  readonly begin: number
  readonly body: number
}

interface Footer {
  readonly dictionary: readonly Block[]
  readonly batch: readonly Block[]
  readonly version: number
  readonly fields: readonly FieldLayout[]
}

/** Reads where the messages of a file are (File.fbs). Checks its schema as `readMetadata` does. */
export function readFooter(bytes: Uint8Array): Footer {
  const footer = Table.root(bytes)
  const schema = footer.table(1)
  if (schema === undefined) throw new RangeError('a footer without a schema')
  assertSchema(schema)
  const blocks = (field: number) =>
    footer.structs(field, 24, [0, 8]).map(([begin = 0, length = 0]) => ({ begin, body: begin + (length % 2 ** 32) }))
  const fields = schema.tables(1).map(readField)
  return { dictionary: blocks(2), batch: blocks(3), version: footer.int16(0), fields }
}

/** Copies a schema message with only these columns. */
export function selectColumns(message: Uint8Array, indices: readonly number[]): Uint8Array {
  const copy = Uint8Array.from(message)
  Table.root(copy).table(2)?.selectElements(1, indices)
  return copy
}

/** Copies a footer whose schema has only these columns. */
export function selectFooterColumns(footer: Uint8Array, indices: readonly number[]): Uint8Array {
  const copy = Uint8Array.from(footer)
  Table.root(copy).table(1)?.selectElements(1, indices)
  return copy
}

function assertSchema(schema: Table): void {
  if (schema.int16(0) !== 0) throw new Error('big-endian, must be little-endian')
  assertKeyValues(schema, 2)
  for (const field of schema.tables(1)) assertField(field)
}

function readBatch(table: Table, bodyLength: number): BatchMetadata {
  const compression = table.table(3)
  if (compression !== undefined && compression.uint8(1) !== 0)
    throw new Error('compressed by a method other than buffer by buffer')
  const nodes = table.structs(1, 16, [0, 8]).map(([length = 0, nullCount = 0]) => ({ length, nullCount }))
  const buffers = table.structs(2, 16, [0, 8]).map(([offset = 0, length = 0]) => ({ offset, length }))
  const variadicCounts = table.structs(4, 8, [0]).map(([count = 0]) => count)
  if (buffers.some(({ offset, length }) => offset % 8 !== 0 || offset + length > bodyLength))
    throw new RangeError('a buffer past the end of the body')
  const codec = compression && { codec: compression.uint8(0) }
  return { rows: table.int64(0), nodes, buffers, variadicCounts, ...codec }
}

const unionType = 14
const viewTypes: readonly number[] = [23, 24]

/** By the number of the type in Schema.fbs: its name, and the number of buffers of a column without its children. */
const types: readonly (readonly [name: string, buffers: number])[] = [
  ['None', 0],
  ['Null', 0],
  ['Int', 2],
  ['FloatingPoint', 2],
  ['Binary', 3],
  ['Utf8', 3],
  ['Bool', 2],
  ['Decimal', 2],
  ['Date', 2],
  ['Time', 2],
  ['Timestamp', 2],
  ['Interval', 2],
  ['List', 2],
  ['Struct', 1],
  ['Union', 1],
  ['FixedSizeBinary', 2],
  ['FixedSizeList', 1],
  ['Map', 2],
  ['Duration', 2],
  ['LargeBinary', 3],
  ['LargeUtf8', 3],
  ['LargeList', 2],
  ['RunEndEncoded', 0],
  ['BinaryView', 2],
  ['Utf8View', 2],
  ['ListView', 3],
  ['LargeListView', 3],
]
const unreadableTypes: readonly string[] = ['None', 'RunEndEncoded', 'ListView', 'LargeListView']

function readField(field: Table): FieldLayout {
  const name = field.text(0)
  const number = field.uint8(2)
  const [type = `type ${number}`, ownBuffers = 0] = types[number] ?? []
  const children = field.tables(5).map(readField)
  const dictionary = field.table(4)
  const all = {
    dictionaries: [...(dictionary ? [dictionary.int64(0)] : []), ...children.flatMap((child) => child.dictionaries)],
    unreadable:
      unreadableTypes.includes(type) || types[number] === undefined ? type : firstType(children, 'unreadable'),
  }
  // A record batch has only the indices of a dictionary-encoded column; its children are in the dictionary.
  if (dictionary !== undefined) return { name, nodes: 1, buffers: 2, unions: 0, views: 0, unknown: undefined, ...all }
  const isUnion = number === unionType
  const isDense = isUnion && field.table(3)?.int16(0) === 1
  const sum = (key: 'nodes' | 'buffers' | 'unions' | 'views') =>
    children.reduce((total, child) => total + child[key], 0)
  return {
    name,
    nodes: 1 + sum('nodes'),
    buffers: ownBuffers + Number(isDense) + sum('buffers'),
    unions: Number(isUnion) + sum('unions'),
    views: Number(viewTypes.includes(number)) + sum('views'),
    unknown: types[number] === undefined || number === 0 ? type : firstType(children, 'unknown'),
    ...all,
  }
}

function firstType(fields: readonly FieldLayout[], key: 'unreadable' | 'unknown'): string | undefined {
  return fields.find((field) => field[key] !== undefined)?.[key]
}

function assertField(field: Table): void {
  field.vectorLength(0, 1)
  field.table(3)
  field.table(4)
  for (const child of field.tables(5)) assertField(child)
  assertKeyValues(field, 6)
}

function assertKeyValues(table: Table, field: number): void {
  for (const pair of table.tables(field)) {
    pair.vectorLength(0, 1)
    pair.vectorLength(1, 1)
  }
}

/** Tables of a flatbuffer; reads outside of it throw RangeErrors. */
class Table {
  readonly #view: DataView
  readonly #at: number
  /** where it says which fields it has, in how many bytes, and how many it has itself */
  readonly #fields: number
  readonly #fieldsSize: number
  readonly #size: number
  /** Tables that may still be read: no more than fit, were they not shared. */
  readonly #budget: { left: number }

  constructor(view: DataView, at: number, budget: { left: number }) {
    if (budget.left-- <= 0) throw new RangeError('tables in each other')
    this.#view = view
    this.#at = at
    this.#fields = at - view.getInt32(at, true)
    this.#fieldsSize = view.getUint16(this.#fields, true)
    this.#size = view.getUint16(this.#fields + 2, true)
    const isWithin = this.#fields + this.#fieldsSize <= view.byteLength && at + this.#size <= view.byteLength
    const isWhole = at % 4 === 0 && this.#fieldsSize % 2 === 0 && this.#fieldsSize >= 4 && this.#size >= 4
    if (!isWithin || !isWhole) throw new RangeError('a table beyond the end')
    for (let place = this.#fields + 4; place < this.#fields + this.#fieldsSize; place += 2) {
      if (view.getUint16(place, true) >= this.#size) throw new RangeError('a field beyond its table')
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

  /** Of a vector of structures the int64 at these places in them. */
  structures(field: number, size: number, places: readonly number[]): number[][] {
    return this.#elements(field, size).map((at) => places.map((place) => int64(this.#view, at + place)))
  }

  text(field: number): string {
    const { begin, length } = this.#vector(field, 1)
    return new TextDecoder().decode(new Uint8Array(this.#view.buffer, this.#view.byteOffset + begin, length))
  }

  /** Makes a vector of tables one of these of its tables, in their order. */
  keep(field: number, indices: readonly number[]): void {
    const { begin } = this.#vector(field, 4)
    const places = indices.map((index) => this.#follow(begin + 4 * index))
    for (const [index, place] of places.entries()) {
      const at = begin + 4 * index
      this.#view.setUint32(at, place - at, true)
    }
    this.#view.setUint32(begin - 4, indices.length, true)
  }

  /** Of a vector or a text, 0 where there is none. */
  lengthOf(field: number, elementSize: number): number {
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
    if (begin + length * elementSize > this.#view.byteLength) throw new RangeError('a vector beyond the end')
    return { begin, length }
  }

  /** Where the offset at a place leads, which is never back to itself. */
  #follow(at: number): number {
    const offset = this.#view.getUint32(at, true)
    if (offset === 0) throw new RangeError('an offset of 0')
    return at + offset
  }

  #fieldAt(field: number): number | undefined {
    const place = 4 + 2 * field
    if (place >= this.#fieldsSize) return undefined
    const offset = this.#view.getUint16(this.#fields + place, true)
    return offset === 0 ? undefined : this.#at + offset
  }
}

function int64(view: DataView, at: number): number {
  const value = view.getBigInt64(at, true)
  if (value < 0n || value > Number.MAX_SAFE_INTEGER) throw new RangeError('a length or place out of range')
  return Number(value)
}

/** What a message of Arrow IPC says of itself. */
export interface Metadata {
  /** 3 is V4, the first of Arrow 0.8 */
  readonly version: number
  readonly kind: 'schema' | 'dictionary' | 'batch' | 'other'
  readonly bodyLength: number
  readonly dictionaryId: number
  readonly isDelta: boolean
  readonly batch: BatchMetadata
  /** of a schema, its columns */
  readonly fields: readonly FieldLayout[]
}

/** What a column takes of each record batch, with its children. */
export interface FieldLayout {
  readonly name: string
  readonly nodes: number
  /** without those that its unions had before V5, and those that its views have each as many as a batch says */
  readonly buffers: number
  readonly unions: number
  readonly views: number
  /** the ids of its dictionaries */
  readonly dictionaries: readonly number[]
  /** a type in it that apache-arrow cannot read */
  readonly unreadable: string | undefined
  /** a type in it of which nobody knows here what it takes */
  readonly unknown: string | undefined
}

/** What a record batch, or a dictionary's values, has. */
export interface BatchMetadata {
  readonly rows: number
  /** of each column, children after their parents */
  readonly nodes: readonly { readonly length: number; readonly nullCount: number }[]
  /** within the body */
  readonly buffers: readonly { readonly offset: number; readonly length: number }[]
  /** of each column of views how many buffers of data it has */
  readonly variadicCounts: readonly number[]
  /** of CompressionType, where the buffers are compressed */
  readonly codec?: number
}

const noBatch: BatchMetadata = { rows: 0, nodes: [], buffers: [], variadicCounts: [] }

/**
 * Reads as much of a message's metadata (Message.fbs and Schema.fbs of the Arrow format) as decides whether it can be read,
 * and checks what apache-arrow believes: that all vectors lie within the metadata, and all buffers within the body.
 */
export function readMetadata(bytes: Uint8Array): Metadata {
  const message = Table.root(bytes)
  const kind = (['other', 'schema', 'dictionary', 'batch'] as const)[message.uint8(1)] ?? 'other'
  const header = message.table(2)
  const bodyLength = message.int64(3)
  assertKeyValues(message, 4)
  const plain = { dictionaryId: 0, isDelta: false, batch: noBatch, fields: [] }
  const fields = { version: message.int16(0), kind, bodyLength, ...plain }
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

/** Where a message of a file begins, and where its body. */
export interface Block {
  readonly begin: number
  readonly body: number
}

export interface Footer {
  readonly dictionary: readonly Block[]
  readonly batch: readonly Block[]
  readonly version: number
  readonly fields: readonly FieldLayout[]
}

/** Where the messages of a file are: File.fbs. Its schema is checked as that of a message is. */
export function readFooter(bytes: Uint8Array): Footer {
  const footer = Table.root(bytes)
  const schema = footer.table(1)
  if (schema === undefined) throw new RangeError('a footer without a schema')
  assertSchema(schema)
  const blocks = (field: number) =>
    footer.structures(field, 24, [0, 8]).map(([begin = 0, length = 0]) => ({ begin, body: begin + (length % 2 ** 32) }))
  const fields = schema.tables(1).map(readField)
  return { dictionary: blocks(2), batch: blocks(3), version: footer.int16(0), fields }
}

/** The message of a schema, of these of its columns alone. */
export function keepColumns(message: Uint8Array, indices: readonly number[]): Uint8Array {
  const copy = Uint8Array.from(message)
  Table.root(copy).table(2)?.keep(1, indices)
  return copy
}

/** The footer, whose schema is of these of its columns alone. */
export function keepColumnsOfFooter(footer: Uint8Array, indices: readonly number[]): Uint8Array {
  const copy = Uint8Array.from(footer)
  Table.root(copy).table(1)?.keep(1, indices)
  return copy
}

function assertSchema(schema: Table): void {
  if (schema.int16(0) !== 0) throw new Error('big-endian, must be little-endian')
  assertKeyValues(schema, 2)
  for (const field of schema.tables(1)) assertField(field)
}

function readBatch(table: Table, bodyLength: number): BatchMetadata {
  const compression = table.table(3)
  if (compression !== undefined && compression.uint8(1) !== 0) throw new Error('compressed otherwise than by buffers')
  const nodes = table.structures(1, 16, [0, 8]).map(([length = 0, nullCount = 0]) => ({ length, nullCount }))
  const buffers = table.structures(2, 16, [0, 8]).map(([offset = 0, length = 0]) => ({ offset, length }))
  const variadicCounts = table.structures(4, 8, [0]).map(([count = 0]) => count)
  if (buffers.some(({ offset, length }) => offset % 8 !== 0 || offset + length > bodyLength))
    throw new RangeError('a buffer beyond the end')
  const codec = compression && { codec: compression.uint8(0) }
  return { rows: table.int64(0), nodes, buffers, variadicCounts, ...codec }
}

const unionType = 14
const viewTypes: readonly number[] = [23, 24]

/** By their number in Schema.fbs: the names of types, and how many buffers a column has without its children. */
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
    unreadable: unreadableTypes.includes(type) || types[number] === undefined ? type : find(children, 'unreadable'),
  }
  // A column of a dictionary has its indices in a batch, and all else in the dictionary.
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
    unknown: types[number] === undefined || number === 0 ? type : find(children, 'unknown'),
    ...all,
  }
}

function find(fields: readonly FieldLayout[], key: 'unreadable' | 'unknown'): string | undefined {
  return fields.find((field) => field[key] !== undefined)?.[key]
}

function assertField(field: Table): void {
  field.lengthOf(0, 1)
  field.table(3)
  field.table(4)
  for (const child of field.tables(5)) assertField(child)
  assertKeyValues(field, 6)
}

function assertKeyValues(table: Table, field: number): void {
  for (const pair of table.tables(field)) {
    pair.lengthOf(0, 1)
    pair.lengthOf(1, 1)
  }
}

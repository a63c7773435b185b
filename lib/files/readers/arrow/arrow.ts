import type { DataType, Field, RecordBatch, Schema } from 'apache-arrow'
import type { DType } from '../../../index.ts'
import { fileError, given, message } from '../../errors.ts'
import { importPeer } from '../../peers.ts'
import type { Column, ColumnDType, Names, Rows, Stretch } from '../batches.ts'
import { type FileBytes, MemoryBytes, PipeBytes } from '../bytes.ts'
import { provideCodec } from './codecs.ts'
import { decoded, decompressed, firstWithPlainUnions, type Part, partsOf, plainColumn, type Region } from './columns.ts'
import type { FieldLayout } from './flatbuffer.ts'
import { type Message, messagesOf, readable, type SchemaMessage, withLength } from './messages.ts'
import { type Arrow, assertKeyType, assertType, dtypeOf, indexOf, valueType } from './types.ts'
import { keysOf, plain, vectorOf } from './vectors.ts'

/** The record batches of an Arrow IPC file or stream. */
export async function readArrow(bytes: FileBytes | PipeBytes, names: Names): Promise<Rows> {
  const arrow = await importPeer(import('apache-arrow'), 'Arrow')
  const metadata = await import('apache-arrow/ipc/metadata/message')
  const messages = messagesOf(bytes)
  const { value: schema } = await messages.next()
  if (schema?.kind !== 'schema') throw new Error('not Arrow IPC: it does not begin with a schema')
  assertReadable(schema)
  const batches = new Batches({ ...arrow, metadata }, bytes, names, schema as SchemaMessage)
  return { dtype: batches.dtype, keptFields: batches.kept, stretches: stretchesOf(messages, batches) }
}

async function* stretchesOf(messages: AsyncIterable<Message>, batches: Batches): AsyncGenerator<Stretch> {
  for await (const next of messages) {
    assertReadable(next)
    if (next.kind === 'dictionary') await batches.addDictionary(next)
    else if (next.kind === 'batch') yield await batches.stretch(next)
    else throw new Error(`holds a ${next.kind} where a record batch should be`)
  }
}

function assertReadable({ version }: Message): void {
  if (version < 3) throw new Error('written before Arrow 0.8')
}

type Metadata = typeof import('apache-arrow/ipc/metadata/message')

/**
 * Makes stretches of record batches. Only what the named columns have is read, and apache-arrow sees these columns alone. Numbers are
 * taken as they lie; all else are vectors of apache-arrow's.
 */
class Batches {
  readonly #arrow: Arrow & { readonly metadata: Metadata }
  readonly #bytes: FileBytes | PipeBytes
  readonly #message: SchemaMessage
  readonly #dictionaries = new Map<number, Uint8Array[]>()
  /** the columns that are named, in their order, and what they are */
  readonly #named: readonly number[]
  readonly #schema: Schema
  readonly #input: number
  readonly #label: number
  readonly #by: number | undefined
  readonly #keep: readonly number[]
  #memory = new Uint8Array(0)

  constructor(
    arrow: Arrow & { metadata: Metadata },
    bytes: FileBytes | PipeBytes,
    names: Names,
    message: SchemaMessage,
  ) {
    this.#arrow = arrow
    this.#bytes = bytes
    this.#message = message
    const find = (option: string, name: string) => {
      const index = indexOf(message.fields, option, name)
      assertKnown(message.fields[index] as FieldLayout, option, name)
      return index
    }
    this.#input = find('input', names.input)
    this.#label = find('label', names.label)
    this.#by = names.by === undefined ? undefined : find('by', names.by)
    this.#keep = (names.keep ?? []).map((name) => find('keep', name))
    const all = [this.#input, this.#label, ...(this.#by === undefined ? [] : [this.#by]), ...this.#keep]
    this.#named = [...new Set(all)].sort((a, b) => a - b)
    const head = message.headOf(this.#named)
    this.#schema = readable('the schema', () => arrow.RecordBatchReader.from([head]).open().schema)
    assertType(arrow, 'input', names.input, this.#type(this.#input), 'a number', ['bit'])
    assertType(arrow, 'label', names.label, this.#type(this.#label), 'a number or Bool', [])
    if (this.#by !== undefined) assertKeyType(arrow, names.by as string, this.#type(this.#by))
  }

  get dtype(): DType {
    const dtype = dtypeOf(this.#arrow, valueType(this.#arrow, this.#type(this.#input)))
    return dtype === 'float32' || dtype === 'float16' ? 'float32' : 'float64'
  }

  get kept(): Field[] {
    return this.#keep.map((index) => {
      const { name, type, metadata } = this.#field(index)
      return new this.#arrow.Field(name, valueType(this.#arrow, type), true, metadata)
    })
  }

  async addDictionary({ batch, dictionaryId, isDelta, head, bodyLength, bodyPosition }: Message): Promise<void> {
    if (!this.#named.some((index) => this.#message.fields[index]?.dictionaries.includes(dictionaryId))) return
    await provideCodec(this.#arrow, batch.codec)
    const body = memoryFor('a dictionary', bodyLength)
    await this.#bytes.fill(body, bodyPosition)
    const earlier = isDelta ? (this.#dictionaries.get(dictionaryId) ?? []) : []
    this.#dictionaries.set(dictionaryId, [...earlier, head, body])
  }

  async stretch(message: Message): Promise<Stretch> {
    const { batch, bodyPosition, bodyLength } = message
    await provideCodec(this.#arrow, batch.codec)
    const parts = partsOf(this.#message.fields, this.#named.at(-1) as number, message)
    const partOf = (index: number) => parts[index] as Part
    const regionsOf = await this.#regions(
      message,
      this.#named.flatMap((index) => partOf(index).buffers),
    )
    const isPlain = (index: number) =>
      batch.codec === undefined && !this.#arrow.DataType.isDictionary(this.#type(index))
    const scored = [this.#input, this.#label].filter((index) => !isPlain(index))
    const others = this.#named.filter(
      (index) => index === this.#by || this.#keep.includes(index) || scored.includes(index),
    )
    const assembled = others.length === 0 ? undefined : await this.#assemble(message, others, partOf, regionsOf)
    const vector = (index: number) =>
      vectorOf(this.#arrow, assembled as RecordBatch, others.indexOf(index), partOf(index).nodes[0]?.nullCount)
    const column = (index: number): Column => {
      const type = this.#type(index)
      if (this.#arrow.DataType.isDictionary(type)) return decoded(this.#arrow, vector(index))
      const dtype = dtypeOf(this.#arrow, type) as ColumnDType
      return isPlain(index)
        ? plainColumn(batch.rows, partOf(index), regionsOf(partOf(index)), dtype)
        : decompressed(vector(index), dtype)
    }
    const kept = this.#keep.map((index) => plain(this.#arrow, vector(index)))
    return {
      rows: batch.rows,
      input: column(this.#input),
      label: column(this.#label),
      ...(this.#by !== undefined && { keyOf: keysOf(this.#arrow, vector(this.#by)) }),
      ...(kept.length > 0 && { kept }),
      ...(!(this.#bytes instanceof PipeBytes) && { share: (bodyPosition + bodyLength) / this.#bytes.size }),
    }
  }

  #field(index: number): Field {
    return this.#schema.fields[this.#named.indexOf(index)] as Field
  }

  #type(index: number): DataType {
    return this.#field(index).type
  }

  /** Where the buffers of the named columns can be read: in the file or, of a pipe, in memory, into which they are read here. */
  async #regions({ bodyPosition }: Message, buffers: Part['buffers']): Promise<(part: Part) => Region[]> {
    const bytes = this.#bytes
    if (!(bytes instanceof PipeBytes)) {
      return (part) => part.buffers.map(({ offset, length }) => ({ bytes, position: bodyPosition + offset, length }))
    }
    const extents = extentsOf(buffers)
    const size = extents.reduce((sum, { begin, end }) => sum + padded(end - begin), 0)
    if (this.#memory.length < size) this.#memory = memoryFor('a record batch', size)
    let filled = 0
    for (const extent of extents) {
      extent.position = filled
      const length = extent.end - extent.begin
      await bytes.fill(this.#memory.subarray(filled, filled + length), bodyPosition + extent.begin)
      filled += padded(length)
    }
    const memory = new MemoryBytes(this.#memory)
    return (part) =>
      part.buffers.map(({ offset, length }) => {
        const extent = extents.find(({ begin, end }) => offset >= begin && offset + length <= end)
        return { bytes: memory, position: extent ? extent.position + offset - extent.begin : 0, length }
      })
  }

  /** The batch of these columns alone, as apache-arrow reads it. */
  async #assemble(
    { batch, version }: Message,
    indices: readonly number[],
    partOf: (index: number) => Part,
    regionsOf: (part: Part) => Region[],
  ): Promise<RecordBatch> {
    const { Message, RecordBatchReader, metadata } = this.#arrow
    if (version < firstWithPlainUnions && indices.some((index) => (this.#message.fields[index]?.unions ?? 0) > 0)) {
      throw new Error('has unions as written before Arrow 1.0, which cannot be kept')
    }
    const parts = indices.map(partOf)
    const regions = parts.flatMap(regionsOf)
    const size = regions.reduce((sum, { length }) => sum + padded(length), 0)
    const body = memoryFor('a record batch', size)
    const buffers = []
    let filled = 0
    for (const { bytes, position, length } of regions) {
      await bytes.fill(body.subarray(filled, filled + length), position)
      buffers.push(new metadata.BufferRegion(filled, length))
      filled += padded(length)
    }
    const nodes = parts.flatMap((part) => part.nodes).map((node) => new metadata.FieldNode(node.length, node.nullCount))
    const counts = parts.flatMap((part) => part.variadicCounts)
    const compression = batch.codec === undefined ? null : new metadata.BodyCompression(batch.codec)
    const header = new metadata.RecordBatch(batch.rows, nodes, buffers, compression, counts)
    const head = withLength(Message.encode(Message.from(header, size)))
    const messages = [this.#message.headOf(indices), ...[...this.#dictionaries.values()].flat(), head, body]
    return readable('a record batch', () => RecordBatchReader.from(messages).next().value as RecordBatch)
  }
}

function assertKnown({ unknown, unreadable }: FieldLayout, option: string, name: string): void {
  const type = unknown ?? unreadable
  if (type !== undefined) throw fileError(message`${given(option, name)} has ${type}, which cannot be read`, { option })
}

/** Some bytes of a body, and where they are in memory. */
interface Extent {
  readonly begin: number
  end: number
  position: number
}

/** What buffers take of a body, in its order, each byte once. */
function extentsOf(buffers: Part['buffers']): Extent[] {
  const extents: Extent[] = []
  for (const { offset, length } of buffers.filter(({ length }) => length > 0).sort((a, b) => a.offset - b.offset)) {
    const last = extents.at(-1)
    if (last !== undefined && offset <= last.end) last.end = Math.max(last.end, offset + length)
    else extents.push({ begin: offset, end: offset + length, position: 0 })
  }
  return extents
}

/** The next multiple of 64, on which apache-arrow's views and the caches are aligned. */
function padded(length: number): number {
  return 64 * Math.ceil(length / 64)
}

function memoryFor(what: string, length: number): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(length)
  } catch (cause) {
    throw new Error(`${what} takes ${length} bytes of memory, which there are not: write smaller ones`, { cause })
  }
}

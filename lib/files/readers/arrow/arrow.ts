import type { DataType, Field, RecordBatch, Schema, Utf8, Vector } from 'apache-arrow'
import type { DType } from '../../../index.ts'
import { type Arrow, importArrow } from '../../arrow.ts'
import type { ListedColumn } from '../../column-names.ts'
import { fileError, given, message } from '../../errors.ts'
import type { LossSchema } from '../../loss-batches.ts'
import type { LabelTexts } from '../../options.ts'
import type { Batch, BatchReader, Column, ColumnDType, ColumnNames } from '../batch.ts'
import { type FileBytes, MemoryBytes, PipeBytes } from '../bytes.ts'
import type { GroupKey, KeyValue } from '../group-keys.ts'
import { registerCodec } from './codecs.ts'
import {
  type BatchColumn,
  columnOfVector,
  decodeDictionary,
  encodeTexts,
  firstWithPlainUnions,
  listsOfVector,
  locateColumn,
  type Region,
  splitBatch,
} from './columns.ts'
import type { FieldLayout } from './flatbuffer.ts'
import { type ArrowMessage, explainFailure, prefixLength, readMessages, type SchemaMessage } from './messages.ts'
import {
  assertInputType,
  assertKeyType,
  assertNumberType,
  assertTextType,
  kindOf,
  mixedTypes,
  requireColumn,
  scoredDType,
  toDType,
  valueTypeOf,
} from './types.ts'
import { expandDictionary, extractVector, makeKeyReader } from './vectors.ts'

/** Reads the record batches of an Arrow IPC file or stream. */
export async function readArrow(bytes: FileBytes | PipeBytes, names: ColumnNames): Promise<BatchReader> {
  const arrow = await importArrow()
  const metadata = await import('apache-arrow/ipc/metadata/message')
  const messages = readMessages(bytes)
  const schema = await readSchema(messages)
  const decoder = new BatchDecoder({ ...arrow, metadata }, bytes, names, schema)
  return { schema: decoder.lossSchema, batches: readBatches(messages, decoder) }
}

async function readSchema(messages: AsyncGenerator<ArrowMessage | SchemaMessage>): Promise<SchemaMessage> {
  const { value: schema } = await messages.next()
  if (schema?.kind !== 'schema') throw new Error('not Arrow IPC: it does not begin with a schema')
  assertVersion(schema)
  return schema as SchemaMessage
}

/** Lists the columns of a file, also those that cannot be read. */
export async function listColumns(bytes: FileBytes): Promise<ListedColumn[]> {
  const arrow = await importArrow()
  const { fields, headWith } = await readSchema(readMessages(bytes))
  return fields.map(({ name, unknown, unreadable }, index) => {
    const text = unknown ?? unreadable
    if (text !== undefined) return { name, type: text, kind: 'other' }
    const { schema } = explainFailure('the schema', () => arrow.RecordBatchReader.from([headWith([index])]).open())
    const { type } = schema.fields[0] as Field
    return { name, type: String(type), kind: kindOf(arrow, type) }
  })
}

async function* readBatches(messages: AsyncIterable<ArrowMessage>, decoder: BatchDecoder): AsyncGenerator<Batch> {
  for await (const next of messages) {
    assertVersion(next)
    if (next.kind === 'dictionary') await decoder.addDictionary(next)
    else if (next.kind === 'batch') yield await decoder.decode(next)
    else throw new Error(`has a message of kind ${next.kind}, must be a record batch`)
  }
}

function assertVersion({ version }: ArrowMessage): void {
  if (version < 3) throw new Error('written before Arrow 0.8, must be Arrow 0.8 or newer')
}

type Metadata = typeof import('apache-arrow/ipc/metadata/message')

/**
 * Decodes record batches. Only the columns to score, to group by and to keep are read. Uncompressed numbers are used where
 * they lie. All else is given to apache-arrow, as a schema and batches of these columns alone, and becomes vectors.
 */
class BatchDecoder {
  readonly #arrow: Arrow & { readonly metadata: Metadata }
  readonly #bytes: FileBytes | PipeBytes
  readonly #schemaMessage: SchemaMessage
  /** by the id of a dictionary: the messages that define it */
  readonly #dictionaries = new Map<number, Uint8Array[]>()
  /** the indices of the columns to read, ascending */
  readonly #indices: readonly number[]
  /** of the columns to read */
  readonly #schema: Schema
  /** of the input or, of a pair, of left and right */
  readonly #inputs: readonly number[]
  readonly #label: number
  readonly #labelTexts: LabelTexts | undefined
  readonly #weight: number | undefined
  readonly #by: number | undefined
  readonly #keep: readonly number[]
  readonly #keys = new Map<KeyValue, GroupKey>()
  /** reused from batch to batch */
  #memory = new Uint8Array(0)

  constructor(
    arrow: Arrow & { metadata: Metadata },
    bytes: FileBytes | PipeBytes,
    names: ColumnNames,
    schemaMessage: SchemaMessage,
  ) {
    this.#arrow = arrow
    this.#bytes = bytes
    this.#schemaMessage = schemaMessage
    const find = (option: string, name: string) => {
      const index = requireColumn(schemaMessage.fields, option, name)
      assertReadable(schemaMessage.fields[index] as FieldLayout, option, name)
      return index
    }
    const inputs = listInputs(names)
    this.#inputs = inputs.map(([option, name]) => find(option, name))
    this.#label = find('label', names.label)
    this.#weight = names.weight === undefined ? undefined : find('weight', names.weight)
    this.#by = names.by === undefined ? undefined : find('by', names.by)
    this.#keep = (names.keep ?? []).map((name) => find('keep', name))
    const all = [...this.#scored, ...(this.#by === undefined ? [] : [this.#by]), ...this.#keep]
    this.#indices = [...new Set(all)].sort((a, b) => a - b)
    const head = schemaMessage.headWith(this.#indices)
    this.#schema = explainFailure('the schema', () => arrow.RecordBatchReader.from([head]).open().schema)
    for (const [place, index] of this.#inputs.entries()) {
      const [option, name] = inputs[place] as [string, string]
      assertInputType(arrow, option, name, this.#type(index))
    }
    this.#labelTexts = names.labelTexts
    if (names.labelTexts) assertTextType(arrow, names.label, this.#type(this.#label), names.labelTexts)
    else assertNumberType(arrow, 'label', names.label, this.#type(this.#label))
    if (this.#weight !== undefined) {
      assertNumberType(arrow, 'weight', names.weight as string, this.#type(this.#weight))
    }
    if (this.#by !== undefined) assertKeyType(arrow, names.by as string, this.#type(this.#by))
  }

  /** The indices of the columns of numbers. */
  get #scored(): number[] {
    return [...this.#inputs, this.#label, ...(this.#weight === undefined ? [] : [this.#weight])]
  }

  get lossSchema(): LossSchema {
    const keptFields = this.#keep.map((index) => {
      const { name, type, metadata } = this.#field(index)
      return new this.#arrow.Field(name, valueTypeOf(this.#arrow, type), true, metadata)
    })
    return { dtype: this.#dtype, keptFields }
  }

  get #dtype(): DType {
    const [dtype, other = dtype] = this.#inputs.map((index) => scoredDType(this.#arrow, this.#type(index)))
    if (dtype !== other) throw mixedTypes(this.#inputs.map((index) => this.#field(index)))
    return dtype as DType
  }

  async addDictionary({ batch, dictionaryId, isDelta, head, bodyLength, bodyPosition }: ArrowMessage): Promise<void> {
    const { fields } = this.#schemaMessage
    if (!this.#indices.some((index) => fields[index]?.dictionaries.includes(dictionaryId))) return
    await registerCodec(this.#arrow, batch.codec)
    const body = allocate('a dictionary', bodyLength)
    await this.#bytes.fill(body, bodyPosition)
    const earlier = isDelta ? (this.#dictionaries.get(dictionaryId) ?? []) : []
    this.#dictionaries.set(dictionaryId, [...earlier, head, body])
  }

  async decode(message: ArrowMessage): Promise<Batch> {
    const { batch, bodyPosition, bodyLength } = message
    await registerCodec(this.#arrow, batch.codec)
    const columns = splitBatch(this.#schemaMessage.fields, this.#indices.at(-1) as number, message)
    const columnAt = (index: number) => columns[index] as BatchColumn
    const regionsOf = await this.#locateBuffers(message, this.#indices.map(columnAt))
    const isDictionary = (index: number) => this.#arrow.DataType.isDictionary(this.#type(index))
    const isInPlace = (index: number) =>
      batch.codec === undefined && !isDictionary(index) && toDType(this.#arrow, this.#type(index)) !== undefined
    const scored = this.#scored
    const vectorIndices = this.#indices.filter(
      (index) => index === this.#by || this.#keep.includes(index) || (scored.includes(index) && !isInPlace(index)),
    )
    const assembled =
      vectorIndices.length > 0 ? await this.#assemble(message, vectorIndices, columnAt, regionsOf) : undefined
    const vector = (index: number): Vector =>
      extractVector(
        this.#arrow,
        assembled as RecordBatch,
        vectorIndices.indexOf(index),
        columnAt(index).nodes[0]?.nullCount,
      )
    const column = (index: number): Column => {
      if (isDictionary(index)) return decodeDictionary(this.#arrow, vector(index))
      const dtype = toDType(this.#arrow, this.#type(index)) as ColumnDType
      const batchColumn = columnAt(index)
      return isInPlace(index)
        ? locateColumn(batch.rows, batchColumn, regionsOf(batchColumn), dtype)
        : columnOfVector(vector(index), dtype)
    }
    const lists = (index: number) => listsOfVector(this.#arrow, vector(index), columnAt(index).name)
    const [input] = this.#inputs as [number]
    const keptColumns = this.#keep.map((index) => expandDictionary(this.#arrow, vector(index)))
    return {
      rows: batch.rows,
      input:
        this.#inputs.length === 1 ? column(input) : { left: lists(input), right: lists(this.#inputs[1] as number) },
      ...this.#readLabel(column, vector),
      ...(this.#weight !== undefined && { weight: column(this.#weight) }),
      ...(this.#by !== undefined && { keyAt: makeKeyReader(this.#arrow, vector(this.#by), this.#keys) }),
      ...(keptColumns.length > 0 && { keptColumns }),
      ...(!(this.#bytes instanceof PipeBytes) && { share: (bodyPosition + bodyLength) / this.#bytes.size }),
    }
  }

  #readLabel(
    column: (index: number) => Column,
    vector: (index: number) => Vector,
  ): Pick<Batch, 'label' | 'labelTextAt'> {
    if (this.#labelTexts === undefined) return { label: column(this.#label) }
    const texts: Vector<Utf8> = vector(this.#label)
    return { label: encodeTexts(texts, this.#labelTexts), labelTextAt: (row) => texts.get(row) }
  }

  #field(index: number): Field {
    return this.#schema.fields[this.#indices.indexOf(index)] as Field
  }

  #type(index: number): DataType {
    return this.#field(index).type
  }

  /** Finds where the buffers of columns can be read: in the file or, of a pipe, in memory, into which they are read here. */
  async #locateBuffers(
    { bodyPosition }: ArrowMessage,
    columns: readonly BatchColumn[],
  ): Promise<(column: BatchColumn) => Region[]> {
    const bytes = this.#bytes
    if (!(bytes instanceof PipeBytes)) {
      return ({ buffers }) => buffers.map(({ offset, length }) => ({ bytes, position: bodyPosition + offset, length }))
    }
    const extents = mergeExtents(columns.flatMap(({ buffers }) => buffers))
    const size = extents.reduce((sum, { begin, end }) => sum + pad(end - begin), 0)
    if (this.#memory.length < size) this.#memory = allocate('a record batch', size)
    let filled = 0
    for (const extent of extents) {
      extent.position = filled
      const length = extent.end - extent.begin
      await bytes.fill(this.#memory.subarray(filled, filled + length), bodyPosition + extent.begin)
      filled += pad(length)
    }
    const memory = new MemoryBytes(this.#memory)
    return ({ buffers }) =>
      buffers.map(({ offset, length }) => {
        const extent = extents.find(({ begin, end }) => offset >= begin && offset + length <= end)
        return { bytes: memory, position: extent ? extent.position + offset - extent.begin : 0, length }
      })
  }

  /** Makes a stream of these columns alone, and lets apache-arrow read its record batch. */
  async #assemble(
    { batch, version }: ArrowMessage,
    indices: readonly number[],
    columnAt: (index: number) => BatchColumn,
    regionsOf: (column: BatchColumn) => Region[],
  ): Promise<RecordBatch> {
    const { Message, RecordBatchReader, metadata } = this.#arrow
    const { fields, headWith } = this.#schemaMessage
    if (version < firstWithPlainUnions && indices.some((index) => (fields[index]?.unions ?? 0) > 0)) {
      throw new Error('has unions as written before Arrow 1.0, which cannot be kept')
    }
    const columns = indices.map(columnAt)
    const regions = columns.flatMap(regionsOf)
    const size = regions.reduce((sum, { length }) => sum + pad(length), 0)
    const body = allocate('a record batch', size)
    const buffers = []
    let filled = 0
    for (const { bytes, position, length } of regions) {
      await bytes.fill(body.subarray(filled, filled + length), position)
      buffers.push(new metadata.BufferRegion(filled, length))
      filled += pad(length)
    }
    const nodes = columns.flatMap((column) => column.nodes)
    const fieldNodes = nodes.map(({ length, nullCount }) => new metadata.FieldNode(length, nullCount))
    const variadicCounts = columns.flatMap((column) => column.variadicCounts)
    const compression = batch.codec === undefined ? null : new metadata.BodyCompression(batch.codec)
    const header = new metadata.RecordBatch(batch.rows, fieldNodes, buffers, compression, variadicCounts)
    const head = prefixLength(Message.encode(Message.from(header, size)))
    const messages = [headWith(indices), ...[...this.#dictionaries.values()].flat(), head, body]
    return explainFailure('a record batch', () => RecordBatchReader.from(messages).next().value as RecordBatch)
  }
}

/** The options of the input, and their columns. */
function listInputs({ input }: ColumnNames): [option: string, name: string][] {
  if (typeof input === 'string') return [['input', input]]
  return [
    ['left', input.left],
    ['right', input.right],
  ]
}

function assertReadable({ unknown, unreadable }: FieldLayout, option: string, name: string): void {
  const type = unknown ?? unreadable
  if (type !== undefined) throw fileError(message`${given(option, name)} has ${type}, which cannot be read`, { option })
}

/** A range of a body, and its position in memory. */
interface Extent {
  readonly begin: number
  end: number
  position: number
}

/** The ranges that buffers take of a body, ascending and disjoint. */
function mergeExtents(buffers: BatchColumn['buffers']): Extent[] {
  const extents: Extent[] = []
  for (const { offset, length } of buffers.filter(({ length }) => length > 0).sort((a, b) => a.offset - b.offset)) {
    const last = extents.at(-1)
    if (last !== undefined && offset <= last.end) last.end = Math.max(last.end, offset + length)
    else extents.push({ begin: offset, end: offset + length, position: 0 })
  }
  return extents
}

/** Rounds up to a multiple of 64, the alignment of apache-arrow's views and of cache lines. */
function pad(length: number): number {
  return 64 * Math.ceil(length / 64)
}

function allocate(what: string, length: number): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(length)
  } catch (cause) {
    throw new Error(`${what} takes ${length} bytes, more memory than there is: write smaller ones`, { cause })
  }
}

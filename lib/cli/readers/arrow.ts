import type { DataType, Field, RecordBatch, Schema } from 'apache-arrow'
import type { DType, TensorDType } from '../../index.ts'
import { peer } from '../failures.ts'
import {
  decoded,
  decompressed,
  firstWithPlainUnions,
  hasUnion,
  type Place,
  placesOf,
  plainColumn,
} from './arrow-columns.ts'
import { type Arrow, assertKeyType, assertType, dtypeOf, indexOf, valueType } from './arrow-types.ts'
import { type Body, keysOf, outside, plain, vectorOf } from './arrow-vectors.ts'
import { type FileBytes, MemoryBytes, PipeBytes } from './bytes.ts'
import { provideCodec } from './codecs.ts'
import { type Message, messagesOf, readable } from './messages.ts'
import type { Names } from './readers.ts'
import type { Column, Rows, Stretch } from './rows.ts'

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

import { fileError, message, option } from '../../errors.ts'
import { type Bytes, FileBytes, PipeBytes } from '../bytes.ts'
import { keepColumns, keepColumnsOfFooter, type Metadata, readFooter, readMetadata } from './flatbuffer.ts'

/** A message of Arrow IPC: https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc */
export interface Message extends Metadata {
  /** the metadata with the length before it */
  readonly head: Uint8Array
  readonly bodyPosition: number
}

/** The message of a schema. */
export interface SchemaMessage extends Message {
  /** the head of the message with these of its columns alone */
  readonly headOf: (indices: readonly number[]) => Uint8Array
}

/** What a file begins and ends with, and a stream does not. */
export const arrowMagic = 'ARROW1'
const continuation = 0xffffffff
/** Longer metadata without a mark of continuation is text, or anything else. */
const mostLegacy = 2 ** 24

/** All messages: of a stream until its end mark, of a file those that its footer names, dictionaries before batches. */
export async function* messagesOf(bytes: FileBytes | PipeBytes): AsyncGenerator<Message | SchemaMessage> {
  const first = Buffer.alloc(4)
  try {
    await bytes.fill(first, 0)
  } catch (cause) {
    throw new Error('not Arrow IPC: empty, or ends before it begins', { cause })
  }
  if (first.toString('latin1') === 'FEA1')
    throw new Error('version 1 of Feather, must be Arrow IPC (Feather version 2)')
  const isFile = bytes instanceof FileBytes && first.toString('latin1') === arrowMagic.slice(0, 4)
  yield* isFile ? fileOf(bytes) : streamOf(bytes, first)
}

async function* streamOf(bytes: FileBytes | PipeBytes, first: Buffer): AsyncGenerator<Message | SchemaMessage> {
  let position = 0
  for (let start: Buffer | undefined = first; ; start = undefined) {
    const message = await messageAt(bytes, position, start)
    if (message === undefined && start !== undefined) throw new Error('not Arrow IPC: it does not begin with a schema')
    if (message === undefined) break
    const { head, kind } = message
    yield kind === 'schema'
      ? { ...message, headOf: (indices) => withLength(keepColumns(head.subarray(4), indices)) }
      : message
    position = message.bodyPosition + message.bodyLength
  }
  // The mark is of 4 or 8 bytes, and nothing follows. What a damaged length has for a mark is none.
  const left = bytes instanceof PipeBytes ? await bytes.drain(4) : bytes.size - position - 8
  if (left > 4) throw new Error('goes on after its end: damaged, or more than one stream')
}

async function* fileOf(bytes: FileBytes): AsyncGenerator<Message> {
  const tail = Buffer.alloc(10)
  const tailPosition = bytes.size - tail.length
  bytes.fill(tail, Math.max(0, tailPosition))
  const length = tail.readUInt32LE(0)
  if (tail.toString('latin1', 4) !== arrowMagic || length > tailPosition) throw new Error('unexpected end of file')
  const footer = new Uint8Array(length)
  bytes.fill(footer, tailPosition - length)
  const { dictionary, batch, ...schema } = readable('the footer', () => readFooter(footer))
  yield await schemaOf(footer, schema)
  for (const [kind, blocks] of Object.entries({ dictionary, batch })) {
    for (const { begin, body } of blocks) {
      const message = await messageAt(bytes, begin)
      if (message?.kind !== kind || message.bodyPosition !== body) throw new Error(`no ${kind} where the footer says`)
      yield message
    }
  }
}

/** The schema that a footer has, as the message that a stream has; not all writers of files begin with it. */
async function schemaOf(footer: Uint8Array, schema: Pick<Metadata, 'version' | 'fields'>): Promise<SchemaMessage> {
  const { Footer } = await import('apache-arrow/ipc/metadata/file')
  const { Message } = await import('apache-arrow')
  const headOf = (indices: readonly number[]) => {
    const { schema } = Footer.decode(keepColumnsOfFooter(footer, indices))
    return readable('the schema', () => withLength(Message.encode(Message.from(schema))))
  }
  return {
    ...schema,
    kind: 'schema',
    bodyLength: 0,
    dictionaryId: 0,
    isDelta: false,
    batch: { rows: 0, nodes: [], buffers: [], variadicCounts: [] },
    head: new Uint8Array(0),
    bodyPosition: 0,
    headOf,
  }
}

/** Metadata with its length before it, as a stream has it. */
export function withLength(metadata: Uint8Array): Uint8Array<ArrayBuffer> {
  const head = new Uint8Array(4 + metadata.length)
  new DataView(head.buffer).setUint32(0, metadata.length, true)
  head.set(metadata, 4)
  return head
}

/** The message there, or undefined for the end mark. Before Arrow 0.15 there was no mark of continuation. */
async function messageAt(bytes: Bytes, position: number, start?: Buffer): Promise<Message | undefined> {
  const first = start ?? Buffer.alloc(4)
  if (start === undefined) await bytes.fill(first, position)
  const isContinued = first.readUInt32LE(0) === continuation
  const second = isContinued ? Buffer.alloc(4) : first
  if (isContinued) await bytes.fill(second, position + 4)
  const length = second.readUInt32LE(0)
  if (length === 0) return undefined
  const headPosition = position + (isContinued ? 8 : 4)
  if (!isContinued && length > mostLegacy) {
    throw fileError(message`not Arrow IPC; ${option('format')} says what else it is, such as csv`)
  }
  const isBeyond = bytes instanceof FileBytes && headPosition + length > bytes.size
  if (isBeyond || length > 0x7fffffff) throw new Error('unexpected end of file')
  const head = new Uint8Array(4 + length)
  head.set(second)
  const metadata = head.subarray(4)
  await bytes.fill(metadata, headPosition)
  const bodyPosition = headPosition + length
  const found = { ...readable('a message', () => readMetadata(metadata)), head, bodyPosition }
  if (bytes instanceof FileBytes && bodyPosition + found.bodyLength > bytes.size) {
    throw new Error('unexpected end of file')
  }
  return found
}

/** Says what cannot be read where its reader stumbles, and why where that is in words for people. */
export function readable<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    const isOfCode = cause instanceof TypeError || cause instanceof RangeError || /undefined/.test(String(cause))
    const isForPeople = cause instanceof Error && !isOfCode
    throw new Error(`${what} cannot be read${isForPeople ? ` (${cause.message})` : ': damaged, or not Arrow IPC'}`, {
      cause,
    })
  }
}

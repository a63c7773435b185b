import { fileError, message, option } from '../../errors.ts'
import { type Bytes, FileBytes, PipeBytes } from '../bytes.ts'
import { type Metadata, readFooter, readMetadata, selectColumns, selectFooterColumns } from './flatbuffer.ts'

/** A message of Arrow IPC: https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc */
export interface ArrowMessage extends Metadata {
  /** the length of the metadata, then the metadata */
  readonly head: Uint8Array
  readonly bodyPosition: number
}

/** The message of a schema. */
export interface SchemaMessage extends ArrowMessage {
  /** the head of the same message with only these columns */
  readonly headWith: (indices: readonly number[]) => Uint8Array
}

/** The first and last bytes of a file; a stream has none. */
export const arrowMagic = 'ARROW1'
const continuation = 0xffffffff
/** The longest metadata without a continuation mark. A longer one is no Arrow, such as text. */
const maxLegacyLength = 2 ** 24

/** Reads all messages of a stream up to its end mark, or all that the footer of a file lists: dictionaries, then batches. */
export async function* readMessages(bytes: FileBytes | PipeBytes): AsyncGenerator<ArrowMessage | SchemaMessage> {
  const first = Buffer.alloc(4)
  try {
    await bytes.fill(first, 0)
  } catch (cause) {
    throw new Error('not Arrow IPC: empty, or ends before it begins', { cause })
  }
  if (first.toString('latin1') === 'FEA1')
    throw new Error('has version 1 of Feather, must be Arrow IPC (Feather version 2)')
  const isFile = bytes instanceof FileBytes && first.toString('latin1') === arrowMagic.slice(0, 4)
  yield* isFile ? readFile(bytes) : readStream(bytes, first)
}

async function* readStream(bytes: FileBytes | PipeBytes, first: Buffer): AsyncGenerator<ArrowMessage | SchemaMessage> {
  let position = 0
  for (let start: Buffer | undefined = first; ; start = undefined) {
    const message = await readMessage(bytes, position, start)
    if (message === undefined && start !== undefined) throw new Error('not Arrow IPC: it does not begin with a schema')
    if (message === undefined) break
    const { head, kind } = message
    yield kind === 'schema'
      ? { ...message, headWith: (indices) => prefixLength(selectColumns(head.subarray(4), indices)) }
      : message
    position = message.bodyPosition + message.bodyLength
  }
  // The end mark has 4 or 8 bytes, and nothing follows it. A damaged length may look like one.
  const left = bytes instanceof PipeBytes ? await bytes.drain(4) : bytes.size - position - 8
  if (left > 4) throw new Error('has bytes after its end: damaged, or more than one stream')
}

async function* readFile(bytes: FileBytes): AsyncGenerator<ArrowMessage> {
  const tail = Buffer.alloc(10)
  const tailPosition = bytes.size - tail.length
  bytes.fill(tail, Math.max(0, tailPosition))
  const length = tail.readUInt32LE(0)
  if (tail.toString('latin1', 4) !== arrowMagic || length > tailPosition) throw new Error('unexpected end of file')
  const footer = new Uint8Array(length)
  bytes.fill(footer, tailPosition - length)
  const { dictionary, batch, ...schema } = explainFailure('the footer', () => readFooter(footer))
  yield await makeSchemaMessage(footer, schema)
  for (const [kind, blocks] of Object.entries({ dictionary, batch })) {
    for (const { begin, body } of blocks) {
      const message = await readMessage(bytes, begin)
      if (message?.kind !== kind || message.bodyPosition !== body)
        throw new Error(`damaged: its footer points to a ${kind} where there is none`)
      yield message
    }
  }
}

/** Makes the schema message of a stream from the footer of a file, since not all writers begin a file with that message. */
async function makeSchemaMessage(
  footer: Uint8Array,
  schema: Pick<Metadata, 'version' | 'fields'>,
): Promise<SchemaMessage> {
  const { Footer } = await import('apache-arrow/ipc/metadata/file')
  const { Message } = await import('apache-arrow')
  const headWith = (indices: readonly number[]) => {
    const { schema } = Footer.decode(selectFooterColumns(footer, indices))
    return explainFailure('the schema', () => prefixLength(Message.encode(Message.from(schema))))
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
    headWith,
  }
}

/** Puts the length before the metadata, as a stream does. */
export function prefixLength(metadata: Uint8Array): Uint8Array<ArrayBuffer> {
  const head = new Uint8Array(4 + metadata.length)
  new DataView(head.buffer).setUint32(0, metadata.length, true)
  head.set(metadata, 4)
  return head
}

/** Reads the message at a position, or undefined for the end mark. Before Arrow 0.15 messages had no continuation mark. */
async function readMessage(bytes: Bytes, position: number, start?: Buffer): Promise<ArrowMessage | undefined> {
  const first = start ?? Buffer.alloc(4)
  if (start === undefined) await bytes.fill(first, position)
  const isContinued = first.readUInt32LE(0) === continuation
  const second = isContinued ? Buffer.alloc(4) : first
  if (isContinued) await bytes.fill(second, position + 4)
  const length = second.readUInt32LE(0)
  if (length === 0) return undefined
  const headPosition = position + (isContinued ? 8 : 4)
  if (!isContinued && length > maxLegacyLength) {
    throw fileError(message`not Arrow IPC; ${option('format')} says what else it is, such as csv`)
  }
  const isBeyond = bytes instanceof FileBytes && headPosition + length > bytes.size
  if (isBeyond || length > 0x7fffffff) throw new Error('unexpected end of file')
  const head = new Uint8Array(4 + length)
  head.set(second)
  const metadata = head.subarray(4)
  await bytes.fill(metadata, headPosition)
  const bodyPosition = headPosition + length
  const arrowMessage = { ...explainFailure('a message', () => readMetadata(metadata)), head, bodyPosition }
  if (bytes instanceof FileBytes && bodyPosition + arrowMessage.bodyLength > bytes.size) {
    throw new Error('unexpected end of file')
  }
  return arrowMessage
}

/** Runs `read`; says in an error what could not be read, and why if the cause is no accident of the parser. */
export function explainFailure<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    const isAccident = cause instanceof TypeError || cause instanceof RangeError || /undefined/.test(String(cause))
    const isExplained = cause instanceof Error && !isAccident
    throw new Error(`${what} cannot be read${isExplained ? ` (${cause.message})` : ': damaged, or not Arrow IPC'}`, {
      cause,
    })
  }
}

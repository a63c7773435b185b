import { type FileHandle, open } from 'node:fs/promises'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { codeOf, errorAt, fileError, messageOf } from '../errors.ts'
import { readFlags } from '../paths.ts'
import type { Source } from '../sources.ts'
import type { Session } from './session.ts'
import { readText } from './text-bytes.ts'

/**
 * Refuses truncated files, which DuckDB reads as complete ones unless the last row that it finds is broken.
 *
 * @returns false for a file of JSON without any text
 */
export async function assertComplete(
  session: Session,
  { file, kind, compression }: Pick<Source, 'file' | 'kind' | 'compression'>,
  signal: AbortSignal,
): Promise<boolean> {
  const ends = new Ends()
  try {
    if (compression === 'gzip') await assertGzip(file, ends, signal)
    if (compression === 'zstd') await assertZstd(file)
    if (kind !== 'NDJSON') return true
    if (compression === 'uncompressed') await readEnds(file, ends)
    if (compression === 'zstd') await readZstdEnds(session, file, ends, signal)
    if (ends.first === '[' && ends.last !== ']') throw fileError('the JSON array has no end; the file was cut off')
    return ends.first !== ''
  } catch (cause) {
    throw errorAt(file, explainZlibError(cause))
  }
}

/** Errors of zlib have codes of their own, which say nothing to users. */
function explainZlibError(cause: unknown): unknown {
  return codeOf(cause).startsWith('Z_') ? fileError(messageOf(cause), {}, cause) : cause
}

/** The first and last characters of a text, without white space. */
class Ends {
  first = ''
  last = ''

  add(chunk: Buffer): void {
    const text = chunk.toString('latin1').trim()
    this.first ||= text.charAt(0)
    this.last = text.at(-1) ?? this.last
  }
}

/** Reads no more from both ends than it needs. */
async function readEnds(file: string, ends: Ends): Promise<void> {
  const handle = await open(file, readFlags)
  try {
    const { size } = await handle.stat()
    const read = async (position: number) => {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(4096), 0, 4096, position)
      ends.add(buffer.subarray(0, bytesRead))
    }
    for (let position = 0; ends.first === '' && position < size; position += 4096) await read(position)
    if (ends.first !== '[') return
    ends.last = ''
    for (let position = size; ends.last === '' && position > 0; position -= 4096)
      await read(Math.max(0, position - 4096))
  } finally {
    await handle.close()
  }
}

async function readZstdEnds(session: Session, file: string, ends: Ends, signal: AbortSignal): Promise<void> {
  try {
    for await (const chunk of readText(session, { file, compression: 'zstd' }, signal)) {
      ends.add(chunk)
      if (ends.first !== '' && ends.first !== '[') return
    }
  } catch (cause) {
    if (!/Maximum line size/.test(String(cause))) throw cause
    throw fileError('a line of JSON is too long to be checked in .zst; decompress the file', {}, cause)
  }
}

async function assertGzip(file: string, ends: Ends, signal: AbortSignal): Promise<void> {
  const nowhere = new Writable({
    write: (chunk, _encoding, done) => {
      ends.add(chunk)
      done()
    },
  })
  const handle = await open(file, readFlags)
  const { size } = await handle.stat()
  const gunzip = createGunzip()
  await pipeline(handle.createReadStream(), gunzip, nowhere, { signal })
  const end = gunzip.bytesWritten
  if (end < size) throw fileError(`${size - end} bytes of padding follow the data: head -c ${end} leaves them out`)
}

/** Follows the frames of RFC 8878, whose blocks have their length and a mark for the last. */
async function assertZstd(file: string): Promise<void> {
  const handle = await open(file, readFlags)
  try {
    const { size } = await handle.stat()
    let end = 0
    while (end < size) end = await findFrameEnd(handle, end)
    if (end > size) throw truncatedError()
  } finally {
    await handle.close()
  }
}

async function findFrameEnd(handle: FileHandle, start: number): Promise<number> {
  const magic = await readNumber(handle, start, 4)
  if (magic >>> 4 === 0x184d2a5) return start + 8 + (await readNumber(handle, start + 4, 4))
  if (magic !== 0xfd2fb528) throw fileError('incorrect header check')
  const descriptor = await readNumber(handle, start + 4, 1)
  const checksumSize = descriptor & 4
  let end = start + 5 + headerSizeOf(descriptor)
  for (let isLast = false; !isLast; ) {
    const block = await readNumber(handle, end, 3)
    const isRun = ((block >> 1) & 3) === 1
    isLast = (block & 1) === 1
    end += 3 + (isRun ? 1 : block >> 3)
  }
  return end + checksumSize
}

/** The bytes of the window, the dictionary and the content size, which may all be absent. */
function headerSizeOf(descriptor: number): number {
  const isSingleSegment = (descriptor >> 5) & 1
  const dictionary = [0, 1, 2, 4][descriptor & 3] as number
  const content = [isSingleSegment, 2, 4, 8][descriptor >> 6] as number
  return 1 - isSingleSegment + dictionary + content
}

/** Reads a little-endian number. */
async function readNumber(handle: FileHandle, position: number, length: number): Promise<number> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position)
  if (bytesRead < length) throw truncatedError()
  return buffer.readUIntLE(0, length)
}

function truncatedError(): Error {
  return fileError('unexpected end of file')
}

import { type FileHandle, open } from 'node:fs/promises'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { named } from './failures.ts'
import { readFlags } from './regular.ts'

/** DuckDB takes a truncated file for a complete one, unless the last row that it finds is broken. */
export async function assertWhole(file: string, compression: string, signal: AbortSignal): Promise<void> {
  try {
    if (compression === 'gzip') await assertGzip(file, signal)
    if (compression === 'zstd') await assertZstd(file)
  } catch (cause) {
    throw named(file, cause)
  }
}

async function assertGzip(file: string, signal: AbortSignal): Promise<void> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const handle = await open(file, readFlags)
  await pipeline(handle.createReadStream(), createGunzip(), nowhere, { signal })
}

/** RFC 8878: frames of blocks that say how long they are, and which is the last. */
async function assertZstd(file: string): Promise<void> {
  const handle = await open(file, readFlags)
  try {
    const { size } = await handle.stat()
    let end = 0
    while (end < size) end = await frameEnd(handle, end)
    if (end > size) throw truncated()
  } finally {
    await handle.close()
  }
}

async function frameEnd(handle: FileHandle, start: number): Promise<number> {
  const magic = await numberAt(handle, start, 4)
  if (magic >>> 4 === 0x184d2a5) return start + 8 + (await numberAt(handle, start + 4, 4))
  if (magic !== 0xfd2fb528) throw new Error('incorrect header check')
  const descriptor = await numberAt(handle, start + 4, 1)
  const checksumSize = descriptor & 4
  let end = start + 5 + headerSize(descriptor)
  for (let isLast = false; !isLast; ) {
    const block = await numberAt(handle, end, 3)
    const isRun = ((block >> 1) & 3) === 1
    isLast = (block & 1) === 1
    end += 3 + (isRun ? 1 : block >> 3)
  }
  return end + checksumSize
}

/** Of the window, the dictionary and the size of the content, each where there is one. */
function headerSize(descriptor: number): number {
  const isSingleSegment = (descriptor >> 5) & 1
  const dictionary = [0, 1, 2, 4][descriptor & 3] as number
  const content = [isSingleSegment, 2, 4, 8][descriptor >> 6] as number
  return 1 - isSingleSegment + dictionary + content
}

/** The little-endian number in these bytes. */
async function numberAt(handle: FileHandle, position: number, length: number): Promise<number> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position)
  if (bytesRead < length) throw truncated()
  return buffer.readUIntLE(0, length)
}

function truncated(): Error {
  return new Error('unexpected end of file')
}

import { createReadStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'

/** DuckDB takes compressed text that breaks off for complete. */
export async function assertWhole(file: string, compression: string, signal: AbortSignal): Promise<void> {
  try {
    await checks[compression]?.(file, signal)
  } catch (cause) {
    throw new Error(`${file}: ${cause instanceof Error ? cause.message : cause}`, { cause })
  }
}

const checks: Readonly<Record<string, (file: string, signal: AbortSignal) => Promise<void>>> = {
  async gzip(file, signal) {
    const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
    await pipeline(createReadStream(file), createGunzip(), nowhere, { signal })
  },

  async zstd(file) {
    const handle = await open(file)
    try {
      const { size } = await handle.stat()
      for (let at = 0; at < size; ) at = await frameEnd(handle, at, size)
    } finally {
      await handle.close()
    }
  },
}

const frameMagic = 0xfd2fb528
const isSkippable = (magic: number) => (magic & 0xfffffff0) >>> 0 === 0x184d2a50

/** Where the frame of Zstandard that begins at `at` ends, by the sizes in its headers: RFC 8878, section 3.1. */
async function frameEnd(handle: FileHandle, at: number, size: number): Promise<number> {
  const bytes = async (position: number, length: number) => {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(4), 0, length, position)
    if (bytesRead < length) throw new Error('unexpected end of file')
    return buffer
  }
  const magic = (await bytes(at, 4)).readUInt32LE()
  let position = at + 4
  if (isSkippable(magic)) position += 4 + (await bytes(position, 4)).readUInt32LE()
  else if (magic !== frameMagic) throw new Error('incorrect header')
  else {
    const descriptor = (await bytes(position, 1)).readUInt8()
    const isSingleSegment = (descriptor >> 5) & 1
    const dictionaryId = [0, 1, 2, 4][descriptor & 3] as number
    const contentSize = [isSingleSegment, 2, 4, 8][descriptor >> 6] as number
    position += 1 + (1 - isSingleSegment) + dictionaryId + contentSize
    for (let isLast = false; !isLast; ) {
      const header = (await bytes(position, 3)).readUIntLE(0, 3)
      const isRunLength = ((header >> 1) & 3) === 1
      isLast = (header & 1) === 1
      position += 3 + (isRunLength ? 1 : header >> 3)
    }
    const hasChecksum = (descriptor >> 2) & 1
    position += 4 * hasChecksum
  }
  if (position > size) throw new Error('unexpected end of file')
  return position
}

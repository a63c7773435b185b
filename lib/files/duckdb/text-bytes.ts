import { isUtf8 } from 'node:buffer'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { fileError } from '../errors.ts'
import { readFlags } from '../paths.ts'
import { compressionOf } from '../sources.ts'
import type { Session } from './session.ts'
import { quoteFiles } from './sql.ts'

/** A text file, whose compression DuckDB names. */
export interface TextFile {
  readonly file: string
  readonly compression: string
}

/** Reads the bytes of a text file, decompressed. A chunk is valid until the next one is requested. */
export async function* readText(
  session: Session,
  { file, compression }: TextFile,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  if (compression === 'zstd') yield* readZstdLines(session, file)
  else if (compression === 'gzip')
    yield* pipeline(createReadStream(file, { signal }), createGunzip({ chunkSize: 2 ** 18 }), () => {})
  else yield* readBytes(file, signal)
}

async function* readBytes(file: string, signal: AbortSignal): AsyncGenerator<Buffer> {
  const handle = await open(file, readFlags)
  try {
    const { size } = await handle.stat()
    const buffer = Buffer.allocUnsafe(Math.min(Math.max(size, 1), 2 ** 20))
    for (;;) {
      signal.throwIfAborted()
      const { bytesRead } = await handle.read(buffer, 0, buffer.length)
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await handle.close()
  }
}

/** Node 20 has no Zstandard: DuckDB reads the lines. */
async function* readZstdLines(session: Session, file: string): AsyncGenerator<Buffer> {
  const sql = `FROM read_csv(${quoteFiles([file])}, compression = 'zstd', auto_detect = false, header = false, delim = '\x1f',
    quote = '', escape = '', comment = '', columns = {'line': 'VARCHAR'})`
  for await (const [lines = []] of session.readChunks(sql)) {
    yield Buffer.from(lines.map((line) => `${line ?? ''}\n`).join(''))
  }
}

/** Passes chunks on, and throws at the first that is not UTF-8. */
export async function* assertUtf8(chunks: Iterable<Buffer> | AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest = Buffer.alloc(0)
  let start: Buffer | undefined
  for await (const chunk of chunks) {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
    start ??= bytes
    const end = endOfLastCharacter(bytes)
    if (!isUtf8(bytes.subarray(0, end))) throw notUtf8Error(start)
    rest = Buffer.from(bytes.subarray(end))
    yield chunk
  }
  if (rest.length > 0) throw notUtf8Error(start ?? rest)
}

/** The end of the last complete character. */
function endOfLastCharacter(bytes: Buffer): number {
  for (let end = bytes.length - 1; end >= Math.max(0, bytes.length - 3); end--) {
    const byte = bytes[end] as number
    if (byte < 0x80) break
    if (byte >= 0xc0) return end + (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) > bytes.length ? end : bytes.length
  }
  return bytes.length
}

function notUtf8Error(start: Buffer): Error {
  const compression = compressionOf(start)
  if (compression !== 'uncompressed') {
    return fileError(`compressed by ${compression}, but its name does not end in .gz or .zst: rename it`)
  }
  return fileError(
    'not UTF-8: save it as UTF-8, or iconv -f ENCODING -t UTF-8 converts it, such as from WINDOWS-1252 or LATIN1',
  )
}

/** Refuses a text that begins with the byte order mark of UTF-16. */
export function assertNoUtf16Mark(bytes: Buffer): void {
  const mark = bytes.subarray(0, 2).toString('hex')
  if (mark === 'fffe' || mark === 'feff') {
    throw fileError('UTF-16, expected UTF-8: save it as UTF-8, or iconv -f UTF-16 -t UTF-8 converts it')
  }
}

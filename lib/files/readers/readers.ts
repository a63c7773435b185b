import { addAbortSignal, type Readable } from 'node:stream'
import { errorAt } from '../errors.ts'
import type { Io } from '../options.ts'
import { assertFile } from '../paths.ts'
import { readArrow } from './arrow/arrow.ts'
import { arrowMagic } from './arrow/messages.ts'
import type { Names, Rows } from './batches.ts'
import { FileBytes, PipeBytes } from './bytes.ts'
import { readNpy } from './npy.ts'
import { memberOf, openMember } from './npz.ts'
import { spool } from './temporary-file.ts'

/** A source that DuckDB does not read. */
export interface Stream {
  readonly kind: 'Arrow' | 'npy'
  /** paths; `-` is standard input, and `pairs.npz:distance` an array in an archive */
  readonly files: readonly string[]
}

/** To read one more format takes a function here, that finds its rows, and its kind above. */
const readers = {
  Arrow: ([bytes], names) => readArrow(bytes as FileBytes | PipeBytes, names),
  npy: ([input, label], names) => readNpy(input as FileBytes, label as FileBytes, names),
} satisfies Record<Stream['kind'], (bytes: readonly (FileBytes | PipeBytes)[], names: Names) => Rows | Promise<Rows>>

/** Opens a source, for as long as `stretches` is read. */
export async function open({ kind, files }: Stream, names: Names, { signal, stdin }: Io): Promise<Rows> {
  const bytes: (FileBytes | PipeBytes)[] = []
  const close = () => {
    for (const each of bytes) each.close()
  }
  try {
    for (const file of files) {
      const member = kind === 'npy' ? memberOf(file) : undefined
      if (file === '-') bytes.push(await openPipe(addAbortSignal(signal, stdin as Readable)))
      else bytes.push(member === undefined ? await openFile(file) : await openMember(member, signal))
    }
    const rows = await readers[kind](bytes, names)
    return { ...rows, stretches: closing(rows.stretches, close) }
  } catch (error) {
    close()
    throw error
  }
}

/** Only the footer of an Arrow file, at its end, says what is in it. */
async function openPipe(stream: Readable): Promise<FileBytes | PipeBytes> {
  const pipe = new PipeBytes(stream)
  const start = Buffer.from(await pipe.peek(arrowMagic.length))
  return start.toString('latin1') === arrowMagic ? spool(pipe.rest()) : pipe
}

async function openFile(file: string): Promise<FileBytes> {
  await assertFile(file)
  try {
    return new FileBytes(file)
  } catch (cause) {
    throw errorAt(file, cause)
  }
}

async function* closing<T>(iterable: AsyncIterable<T>, close: () => void): AsyncGenerator<T> {
  try {
    yield* iterable
  } finally {
    close()
  }
}

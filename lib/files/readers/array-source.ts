import { addAbortSignal, type Readable } from 'node:stream'
import type { ListedColumn } from '../column-names.ts'
import { errorAt } from '../errors.ts'
import type { Io } from '../options.ts'
import { assertFile } from '../paths.ts'
import { listColumns, readArrow } from './arrow/arrow.ts'
import { arrowMagic } from './arrow/messages.ts'
import type { BatchReader, ColumnNames } from './batch.ts'
import { FileBytes, PipeBytes } from './bytes.ts'
import { readNpyArrays, readNpyEmbeddings } from './npy.ts'
import { openMember, parseMember } from './npz.ts'
import { spool } from './temporary-file.ts'

/** Rows that this package reads itself, without DuckDB: Arrow IPC, or .npy arrays. */
export interface ArraySource {
  readonly kind: 'Arrow' | 'npy'
  /** paths; `-` is standard input, and `pairs.npz:distance` an array in an archive */
  readonly files: readonly string[]
}

type Read = (bytes: readonly (FileBytes | PipeBytes)[], names: ColumnNames) => BatchReader | Promise<BatchReader>

/** By the kind of a source. Another format adds its kind above and its function here. */
const readers: Readonly<Record<ArraySource['kind'], Read>> = {
  Arrow: ([bytes], names) => readArrow(bytes as FileBytes | PipeBytes, names),
  npy: (bytes, { input, ...others }) =>
    typeof input === 'string'
      ? readNpyArrays(bytes as FileBytes[], { input, ...others })
      : readNpyEmbeddings(bytes as FileBytes[], { ...input, ...others }),
}

/** Opens a source. Its files are closed when its batches have been read, or on an error. */
export async function openArraySource(
  { kind, files }: ArraySource,
  names: ColumnNames,
  { signal, stdin }: Io,
): Promise<BatchReader> {
  const opened: (FileBytes | PipeBytes)[] = []
  const close = () => {
    for (const bytes of opened) bytes.close()
  }
  try {
    for (const file of files) {
      const member = kind === 'npy' ? parseMember(file) : undefined
      if (file === '-') opened.push(await openPipe(addAbortSignal(signal, stdin as Readable)))
      else opened.push(member === undefined ? await openFile(file) : await openMember(member, signal))
    }
    const { schema, batches } = await readers[kind](opened, names)
    return { schema, batches: closeAfter(batches, close) }
  } catch (error) {
    close()
    throw error
  }
}

/** The columns of an Arrow file. */
export async function listArrowColumns({ files: [file = ''] }: ArraySource): Promise<ListedColumn[]> {
  const bytes = await openFile(file)
  try {
    return await listColumns(bytes)
  } catch (cause) {
    throw errorAt(file, cause)
  } finally {
    bytes.close()
  }
}

/** A pipe; an Arrow file is copied to the disk first, since its footer at the end says where everything is. */
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

async function* closeAfter<T>(iterable: AsyncIterable<T>, close: () => void): AsyncGenerator<T> {
  try {
    yield* iterable
  } finally {
    close()
  }
}

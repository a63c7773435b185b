import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { codeOf, fileError } from '../errors.ts'
import { FileBytes } from './bytes.ts'

/** A file in a folder of its own. */
export interface TemporaryFile {
  readonly path: string
  /** removes the file and the folder */
  readonly remove: () => Promise<void>
}

/** Copies chunks to a temporary file. */
export async function copyToFile(chunks: AsyncIterable<Uint8Array>): Promise<TemporaryFile> {
  const folder = await mkdtemp(join(tmpdir(), 'hinge-embedding-loss-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    const path = join(folder, 'spool')
    const file = await open(path, 'wx', 0o600)
    try {
      for await (const chunk of chunks) await file.writeFile(chunk)
    } finally {
      await file.close()
    }
    return { path, remove }
  } catch (cause) {
    await remove()
    if (codeOf(cause) !== 'ENOSPC') throw cause
    throw fileError(`no space in ${tmpdir()} to copy it to; TMPDIR can name another folder`, { code: 'ENOSPC' }, cause)
  }
}

/** Copies chunks to a file that can be read at any position. It has no name any more, so closing it frees its space. */
export async function spool(chunks: AsyncIterable<Uint8Array>): Promise<FileBytes> {
  const { path, remove } = await copyToFile(chunks)
  try {
    return new FileBytes(path)
  } finally {
    await remove()
  }
}

import { rmSync } from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { codeOf, fileError } from '../errors.ts'
import { removal, system } from '../system.ts'
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
  const remove = () => rm(folder, removal)
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
    throw fileError(
      `no space in ${tmpdir()} to copy it to; ${system.temporaryFolder} can name another folder`,
      { code: 'ENOSPC' },
      cause,
    )
  }
}

/** Copies chunks to a file that can be read at any position. Closing it frees its space. */
export async function spool(chunks: AsyncIterable<Uint8Array>, { removesOpenFiles } = system): Promise<FileBytes> {
  const { path, remove } = await copyToFile(chunks)
  try {
    const bytes = removesOpenFiles ? new FileBytes(path) : new RemovedBytes(path)
    if (removesOpenFiles) await remove()
    return bytes
  } catch (error) {
    await remove()
    throw error
  }
}

/** A temporary file that is removed with its folder when it is closed. */
class RemovedBytes extends FileBytes {
  readonly #folder: string

  constructor(path: string) {
    super(path)
    this.#folder = dirname(path)
  }

  override close(): void {
    super.close()
    rmSync(this.#folder, removal)
  }
}

import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { codeOf } from '../failures.ts'
import { FileBytes } from './bytes.ts'

/** What comes, in a file that can be read anywhere, and that is gone once it is closed. */
export async function spool(chunks: AsyncIterable<Uint8Array>): Promise<FileBytes> {
  const folder = await mkdtemp(join(tmpdir(), 'hinge-embedding-loss-'))
  try {
    const path = join(folder, 'spool')
    const file = await open(path, 'wx', 0o600)
    try {
      for await (const chunk of chunks) await file.writeFile(chunk)
    } finally {
      await file.close()
    }
    return new FileBytes(path)
  } catch (cause) {
    if (codeOf(cause) !== 'ENOSPC') throw cause
    throw new Error(`no space in ${tmpdir()} to copy it to; TMPDIR can name another folder`, { cause })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { named } from './failures.ts'

/** Standard input as a file, which DuckDB can read more than once. */
export class Spool {
  readonly file: string
  readonly #folder: string

  private constructor(folder: string) {
    this.#folder = folder
    this.file = join(folder, 'standard-input')
  }

  static async write(stdin: Readable, signal: AbortSignal): Promise<Spool> {
    const spool = new Spool(await mkdtemp(join(tmpdir(), 'hinge-embedding-loss-')))
    try {
      await pipeline(stdin, createWriteStream(spool.file, { flags: 'wx', mode: 0o600 }), { signal })
      return spool
    } catch (cause) {
      await spool.remove()
      throw signal.aborted ? cause : named(`standard input, copied to ${tmpdir()}`, cause)
    }
  }

  /** A message of DuckDB's, with the name that people know. */
  rename(message: string): string {
    return message.replaceAll(this.file, 'standard input')
  }

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
  }
}

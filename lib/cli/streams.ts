import type { Readable, Writable } from 'node:stream'
import { codeOf } from '../files/errors.ts'
import { system } from '../files/system.ts'
import type { Terminal } from './progress.ts'

/** What the program reads and writes: results go to `stdout`, everything else to `stderr`. */
export interface Streams {
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Writable
  readonly stderr: Terminal
}

/** Standard output has no reader any more, as in `| head`. */
export class ReaderGone extends Error {}

/** Resolves once the text is written; a reader may be slow. */
export function write(stdout: Writable, text: string | Uint8Array, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    stdout.write(text, (error) => {
      signal.removeEventListener('abort', abort)
      if (!error) resolve()
      else if (system.readerGoneCodes.includes(codeOf(error))) reject(new ReaderGone())
      else reject(new Error(`standard output: ${error.message}`, { cause: error }))
    })
  })
}

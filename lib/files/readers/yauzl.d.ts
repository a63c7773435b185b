declare module 'yauzl' {
  import type { Readable } from 'node:stream'

  /** The part of the package that is used; it has no types of its own. */
  export interface Entry {
    readonly fileName: string
    readonly crc32: number
  }
  export interface ZipFile {
    eachEntry(): AsyncIterable<Entry>
    openReadStreamPromise(entry: Entry): Promise<Readable>
    close(): void
  }
  export function openPromise(path: string, options: { lazyEntries: true; autoClose: false }): Promise<ZipFile>
}

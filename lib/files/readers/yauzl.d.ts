declare module 'yauzl' {
  import type { Readable } from 'node:stream'

  /** What is used of the package, which brings no types of its own. */
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

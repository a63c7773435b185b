import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { describe } from '../../validate.ts'
import { message, option, optionError } from '../errors.ts'
import { readFlags } from '../paths.ts'

/** Bytes at positions: a file, a pipe or memory. */
export interface Bytes {
  /** Fills `target` with the bytes from `position` on; throws, or rejects, if there are fewer. */
  fill(target: Uint8Array, position: number): void | Promise<void>
}

/** The bytes that a small read fetches, since more small reads follow nearby. */
const windowBytes = 2 ** 14

/** A file, read synchronously: a thread for a read that the page cache answers would take as long as the read. */
export class FileBytes implements Bytes {
  readonly #descriptor: number
  readonly size: number
  readonly #window = new Uint8Array(windowBytes)
  #windowBegin = 0
  #windowEnd = 0

  constructor(path: string) {
    this.#descriptor = openSync(path, readFlags)
    this.size = fstatSync(this.#descriptor).size
  }

  fill(target: Uint8Array, position: number): void {
    const end = position + target.length
    if (end > this.size) throw endOfFile()
    if (target.length > windowBytes / 4) {
      this.#read(target, position)
      return
    }
    if (position < this.#windowBegin || end > this.#windowEnd) {
      this.#windowBegin = position
      this.#windowEnd = Math.min(position + windowBytes, this.size)
      this.#read(this.#window.subarray(0, this.#windowEnd - position), position)
    }
    target.set(this.#window.subarray(position - this.#windowBegin, end - this.#windowBegin))
  }

  #read(target: Uint8Array, position: number): void {
    for (let done = 0; done < target.length; ) {
      const read = readSync(this.#descriptor, target, done, target.length - done, position + done)
      if (read === 0) throw endOfFile()
      done += read
    }
  }

  close(): void {
    closeSync(this.#descriptor)
  }
}

/** A pipe, read once from its beginning to its end. `fill` skips the bytes before its position. */
export class PipeBytes implements Bytes {
  readonly #stream: Readable
  readonly #chunks: AsyncIterator<Uint8Array>
  #chunk: Uint8Array = new Uint8Array(0)
  #position = 0

  constructor(stream: Readable) {
    this.#stream = stream
    this.#chunks = stream[Symbol.asyncIterator]()
  }

  async fill(target: Uint8Array, position: number): Promise<void> {
    if (position < this.#position) throw new Error('a pipe cannot be read again')
    for (let left = position - this.#position; left > 0; ) left -= (await this.#take(left)).length
    for (let done = 0; done < target.length; ) {
      const part = await this.#take(target.length - done)
      target.set(part, done)
      done += part.length
    }
    this.#position = position + target.length
  }

  /** Returns the first bytes, or all if there are fewer, without consuming them. */
  async peek(count: number): Promise<Uint8Array> {
    while (this.#chunk.length < count) {
      const before = this.#chunk
      if (!(await this.#next())) {
        this.#chunk = before
        break
      }
      this.#chunk = Buffer.concat([before, this.#chunk])
    }
    return this.#chunk.subarray(0, count)
  }

  async *rest(): AsyncGenerator<Uint8Array> {
    do yield this.#chunk
    while (await this.#next())
  }

  /** Reads the rest, so that the writing process can end, but stops once it exceeds `limit`. Returns the bytes read. */
  async drain(limit: number): Promise<number> {
    let length = 0
    do length += this.#chunk.length
    while (length <= limit && (await this.#next()))
    return length
  }

  close(): void {
    this.#stream.destroy()
  }

  /** Consumes between 1 and `limit` bytes. */
  async #take(limit: number): Promise<Uint8Array> {
    while (this.#chunk.length === 0) if (!(await this.#next())) throw endOfFile()
    const part = this.#chunk.subarray(0, limit)
    this.#chunk = this.#chunk.subarray(part.length)
    return part
  }

  async #next(): Promise<boolean> {
    const { done, value = new Uint8Array(0) } = await this.#chunks.next()
    if (!(value instanceof Uint8Array)) {
      throw optionError('stdin', message`${option('stdin')} must be a stream of bytes, got ${describe(value)}`)
    }
    this.#chunk = value
    return !done
  }
}

export class MemoryBytes implements Bytes {
  readonly #memory: Uint8Array<ArrayBuffer>

  constructor({ buffer, byteOffset, byteLength }: ArrayBufferView) {
    this.#memory = new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength)
  }

  fill(target: Uint8Array, position: number): void {
    target.set(this.view(position, target.length))
  }

  /** Returns the bytes without copying them. */
  view(position: number, length: number): Uint8Array<ArrayBuffer> {
    if (position + length > this.#memory.length) throw endOfFile()
    return this.#memory.subarray(position, position + length)
  }
}

function endOfFile(): Error {
  return new Error('unexpected end of file')
}

import type { Bytes } from './bytes.ts'

/** The part of the array that is in memory at once. */
const blockBytes = 2 ** 27

const unsigned = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array, 8: BigUint64Array } as const
export type ElementSize = keyof typeof unsigned

/** The elements of a Fortran-order array in C order, transposed block by block. A block is some rows: indices of the first axis. */
export class TransposedBytes implements Bytes {
  readonly #source: Bytes
  readonly #position: number
  readonly #rows: number
  /** the axes after the first */
  readonly #columnShape: readonly number[]
  readonly #elementSize: ElementSize
  readonly #rowSize: number
  readonly #rowsPerBlock: number
  #block = new Uint8Array(0)
  #blockBegin = 0

  constructor(source: Bytes, position: number, shape: readonly number[], elementSize: ElementSize) {
    const [rows = 1, ...columnShape] = shape
    this.#source = source
    this.#position = position
    this.#rows = rows
    this.#columnShape = columnShape
    this.#elementSize = elementSize
    this.#rowSize = columnShape.reduce((product, extent) => product * extent, elementSize)
    this.#rowsPerBlock = Math.max(1, Math.min(rows, Math.floor(blockBytes / this.#rowSize)))
  }

  async fill(target: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < target.length; ) {
      const at = position + done
      const isInBlock = at >= this.#blockBegin && at < this.#blockBegin + this.#block.length
      if (!isInBlock) await this.#load(Math.floor(at / this.#rowSize))
      const part = this.#block.subarray(at - this.#blockBegin).subarray(0, target.length - done)
      target.set(part, done)
      done += part.length
    }
  }

  /** Loads the block that begins with `row`. In Fortran order the rows of a column are contiguous. */
  async #load(row: number): Promise<void> {
    const size = this.#elementSize
    const rows = Math.min(this.#rowsPerBlock, this.#rows - row)
    const columns = this.#rowSize / size
    // Any unsigned type of the size copies the elements; all are indexed alike.
    const Elements = unsigned[size] as Uint32ArrayConstructor
    const block = new Elements(rows * columns)
    const run = new Elements(rows)
    const runBytes = new Uint8Array(run.buffer)
    for (let column = 0; column < columns; column++) {
      await this.#source.fill(runBytes, this.#position + (row + this.#indexOfColumn(column)) * size)
      for (let i = 0; i < rows; i++) block[i * columns + column] = run[i] as number
    }
    this.#block = new Uint8Array(block.buffer)
    this.#blockBegin = row * this.#rowSize
  }

  /** The index, in Fortran order, of the first element of the column with this index in C order. */
  #indexOfColumn(column: number): number {
    let index = 0
    let left = column
    let stride = this.#rows * this.#columnShape.reduce((product, extent) => product * extent, 1)
    for (const extent of this.#columnShape.toReversed()) {
      stride /= extent
      index += (left % extent) * stride
      left = Math.floor(left / extent)
    }
    return index
  }
}

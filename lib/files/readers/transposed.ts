import type { Bytes } from './bytes.ts'

/** How much of the array is in memory at once. */
const blockBytes = 2 ** 27

/** An array in the order of Fortran as it is in that of C, some rows (places along the first axis) at a time. */
export class Transposed implements Bytes {
  readonly #source: Bytes
  readonly #position: number
  readonly #rows: number
  readonly #rest: readonly number[]
  readonly #elementSize: number
  readonly #rowSize: number
  readonly #blockRows: number
  #block: Buffer = Buffer.alloc(0)
  #blockBegin = 0

  constructor(source: Bytes, position: number, shape: readonly number[], elementSize: number) {
    const [rows = 1, ...rest] = shape
    this.#source = source
    this.#position = position
    this.#rows = rows
    this.#rest = rest
    this.#elementSize = elementSize
    this.#rowSize = rest.reduce((product, extent) => product * extent, elementSize)
    this.#blockRows = Math.max(1, Math.min(rows, Math.floor(blockBytes / this.#rowSize)))
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

  /** Loads rows from `row` on: of each column, whose rows lie together, a run. */
  async #load(row: number): Promise<void> {
    const size = this.#elementSize
    const rows = Math.min(this.#blockRows, this.#rows - row)
    const block = Buffer.alloc(rows * this.#rowSize)
    const run = Buffer.alloc(rows * size)
    for (let column = 0; column < this.#rowSize; column += size) {
      await this.#source.fill(run, this.#position + (row + this.#columnBegin(column / size)) * size)
      for (let i = 0; i < rows; i++) run.copy(block, i * this.#rowSize + column, i * size, (i + 1) * size)
    }
    this.#block = block
    this.#blockBegin = row * this.#rowSize
  }

  /** Where the column that is `column`-th in the order of C begins in that of Fortran. */
  #columnBegin(column: number): number {
    let begin = 0
    let left = column
    let stride = this.#rows * this.#rest.reduce((product, extent) => product * extent, 1)
    for (const extent of this.#rest.toReversed()) {
      stride /= extent
      begin += (left % extent) * stride
      left = Math.floor(left / extent)
    }
    return begin
  }
}

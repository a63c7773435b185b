import { type InputData, Tensor } from '../../index.ts'
import { makeDistance, type Pair } from '../pair.ts'
import type { ListColumn, ValidityBitmap } from './batch.ts'

/** Computes the distances of rows of one width into `out`. */
export type ComputeDistances = (left: InputData, right: InputData, width: number, out: InputData) => void

export function makeDistances({ distance: name, epsilon }: Pair): ComputeDistances {
  const distance = makeDistance(name, { epsilon })
  return (left, right, width, out) => {
    const shape = [out.length, width]
    distance.forward(new Tensor(left, shape), new Tensor(right, shape), { out })
  }
}

/** Consecutive elements of the lists of one side, and where in them each of some rows begins and ends. */
export interface Lists {
  readonly elements: InputData
  /** the index of the first element within the column */
  readonly first: number
  readonly extent: ListColumn['extent']
}

/** Where the list of a row begins, or that of the row before ends, as an index of elements of its column. */
export function beginOf(extent: ListColumn['extent'], row: number): number {
  return typeof extent === 'number' ? row * extent : Number(extent[row])
}

/** The number of elements of a row. */
export function widthOf(extent: ListColumn['extent'], row: number): number {
  return typeof extent === 'number' ? extent : beginOf(extent, row + 1) - beginOf(extent, row)
}

/**
 * Computes the distances of rows, with one call for consecutive rows of one width.
 *
 * @param begin the first row
 * @param isComplete false of an index in `out` whose row has no two lists of one width
 */
export function computeRows(
  [left, right]: readonly [Lists, Lists],
  begin: number,
  out: InputData,
  isComplete: (index: number) => boolean,
  compute: ComputeDistances,
): void {
  for (let from = 0; from < out.length; ) {
    if (!isComplete(from)) {
      from++
      continue
    }
    const width = widthOf(left.extent, begin + from)
    let to = from + 1
    while (to < out.length && isComplete(to) && widthOf(left.extent, begin + to) === width) to++
    const select = ({ elements, first, extent }: Lists) => {
      const start = beginOf(extent, begin + from) - first
      return elements.subarray(start, start + (to - from) * width)
    }
    compute(select(left), select(right), width, out.subarray(from, to))
    from = to
  }
}

/** Finds nulls among elements. */
export class ElementNulls {
  readonly #bits: Uint8Array
  readonly #firstByte: number

  private constructor(bits: Uint8Array, firstByte: number) {
    this.#bits = bits
    this.#firstByte = firstByte
  }

  /** Reads the bitmap of elements from `begin` to `end`. */
  static async read({ bytes, position }: ValidityBitmap, begin: number, end: number): Promise<ElementNulls> {
    const firstByte = begin >> 3
    const bits = new Uint8Array(Math.ceil(end / 8) - firstByte)
    await bytes.fill(bits, position + firstByte)
    return new ElementNulls(bits, firstByte)
  }

  /** The index of the first null from `begin` to `end`, or -1. */
  find(begin: number, end: number): number {
    for (let i = begin; i < end; i++) {
      if ((((this.#bits[(i >> 3) - this.#firstByte] as number) >> (i & 7)) & 1) === 0) return i
    }
    return -1
  }
}

import { type Labels, readLabelsLike } from './labels.ts'
import { type DistanceKind, distanceKinds, type PairElements } from './native.ts'
import { isFiniteIn, type Settings } from './settings.ts'
import type { SlicedInput } from './slices.ts'
import { type DType, dtypes, dtypesCode } from './tensor/dtypes.ts'
import { assertUnchanged, formatShape, type InputContents, type Like, shapeMismatch, sizeOf } from './tensor/tensor.ts'
import { readInput, type TensorLike } from './tensor/tensor-like.ts'
import { describe, invalidArgument, isArray } from './validate.ts'

/** How the distance of a pair is computed. */
export interface DistanceSettings {
  readonly kind: DistanceKind
  readonly p: number
  readonly epsilon: number
  readonly keepdim: boolean
}

/** Both sides of the pairs of one call. */
export interface Pairs {
  readonly left: InputContents
  readonly right: InputContents
  readonly count: number
  /** how many elements of a loss are as much work as a pair */
  readonly work: number
  /** what the distances of the pairs are like */
  readonly distances: Like
  /** the first arguments of a call of the addon */
  readonly elements: PairElements
}

/** Reads two inputs of one dtype and width. Nested arrays take the dtype of the other side. */
export function readPairs(left: TensorLike, right: TensorLike, settings: DistanceSettings): Pairs {
  const early = isArray(left) && !isArray(right) ? readInput('right', right) : undefined
  const l = readInput('left', left, early)
  const r = early ?? readInput('right', right, l)
  if (l.code !== r.code) {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', 'right', `of the dtype of left, ${nameOf(l)}`, nameOf(r))
  }
  const { kind, p, epsilon, keepdim } = settings
  if (!isFiniteIn(epsilon, nameOf(l))) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'epsilon', 'finite in float32, as left is', String(epsilon))
  }
  if (l.shape.length === 0) throw shapeMismatch('left', 'of at least one dimension', describe(left))
  const shape = shapeOfDistances(l.shape, r.shape)
  const count = sizeOf(shape)
  const width = lastOf(l.shape)
  if (width === 0 && count > maxEmpty) {
    throw invalidArgument(
      'ERR_INVALID_ARG_VALUE',
      'left',
      `at most ${maxEmpty} vectors without elements`,
      String(count),
    )
  }
  if (keepdim) shape[shape.length] = 1
  const code = dtypesCode(l.code, distanceKinds.indexOf(kind))
  return {
    left: { data: l.data, code: l.code, shape: l.shape, size: l.size, name: 'left' },
    right: { data: r.data, code: r.code, shape: r.shape, size: r.size, name: 'right' },
    count,
    work: Math.max(1, width * workOf[kind]),
    distances: { code: l.code, shape, size: count, name: 'the distances' },
    elements: [l.data, r.data, code, count, width, p, epsilon],
  }
}

/** Reads labels and weights of the pairs. */
export function readPairLabels(label: TensorLike, pairs: Pairs, settings: Settings, weight?: TensorLike): Labels {
  const labels = readLabelsLike(label, pairs.distances, settings, weight)
  assertPairsUnchanged(pairs)
  return labels
}

export function slicePairs(pairs: Pairs): SlicedInput {
  const { elements, count, work } = pairs
  return { data: elements, size: count, work, assertUnchanged: () => assertPairsUnchanged(pairs) }
}

/** Throws if the memory of a side was transferred or resized after it was read. */
export function assertPairsUnchanged({ left, right }: Pairs): void {
  assertUnchanged('left', left)
  assertUnchanged('right', right)
}

/** A shape of a few bytes could stand for so many vectors without elements that they block the event loop. */
const maxEmpty = 2 ** 16

/** How many elements of a loss are as much work as one of a vector. A power takes hundreds of times as long as a sum. */
const workOf: Record<DistanceKind, number> = { euclidean: 1, manhattan: 1, chebyshev: 1, cosine: 1, minkowski: 256 }

const nameOf = ({ code }: Like) => dtypes[code] as DType
const lastOf = (shape: readonly number[]) => shape[shape.length - 1] as number

/** True for the shape [D] or [1, D], beside [N, D]. */
const isRowBeside = (shape: readonly number[], { length }: readonly number[]) =>
  length === 2 && (shape.length === 1 || (shape.length === 2 && shape[0] === 1))

function areSame(left: readonly number[], right: readonly number[]): boolean {
  let areSame = left.length === right.length
  for (let d = 0; areSame && d < left.length; d++) areSame = left[d] === right[d]
  return areSame
}

/** Returns the shape of the distances: that of the sides without the last dimension. */
function shapeOfDistances(left: readonly number[], right: readonly number[]): number[] {
  const isLeftLonger = areSame(left, right) || isRowBeside(right, left)
  const longer = isLeftLonger ? left : isRowBeside(left, right) ? right : undefined
  if (longer === undefined || lastOf(left) !== lastOf(right)) {
    const expected = `of the shape of left, ${formatShape(left)}, or one side a row beside [N, D]`
    throw shapeMismatch('right', expected, formatShape(right))
  }
  const shape: number[] = []
  for (let d = 0; d < longer.length - 1; d++) shape[d] = longer[d] as number
  return shape
}

import { addName, Callable, defineOptions } from './callable.ts'
import type { WeightOptions } from './labels.ts'
import { type DistanceKind, distanceKinds, type InputData, native, type SideOutputs } from './native.ts'
import { assertPairsUnchanged, type DistanceSettings, type Pairs, readPairs } from './pairs.ts'
import { type AsyncOptions, runSlices } from './slices.ts'
import { makeResult, makeTensorLike, takeMemory } from './tensor/results.ts'
import { assertUnchanged, contentsOf, type InputContents, type InputTensor, type Tensor } from './tensor/tensor.ts'
import { readLikeInput, readOut, type TensorLike } from './tensor/tensor-like.ts'
import {
  assertFinite,
  assertNumber,
  assertOneOf,
  assertOptions,
  assertSignal,
  describe,
  inspect,
  invalidArgument,
} from './validate.ts'

/** The options of all distances. */
export interface DistanceOptions {
  /** what keeps a distance from having no gradient; a finite number */
  epsilon?: number
  /** true to keep the last dimension of the result, with an extent of 1; default false */
  keepdim?: boolean
  /** the first word of error messages */
  name?: string
}

/** The options of a `PairwiseDistance`. */
export interface PairwiseDistanceOptions extends DistanceOptions {
  /** the power of the norm: any number > 0, also Infinity; default 2 */
  p?: number
}

/** The options of `forward` of a distance. */
export interface DistanceForwardOptions {
  /** receives the distances; of the dtype of the sides and of the size of the result; shares no memory with a side */
  out?: InputData | Tensor
}

/** The options of `forwardAsync` of a distance. */
export interface DistanceForwardAsyncOptions extends DistanceForwardOptions, AsyncOptions {}

/** Where gradients by both sides are written, in place of new tensors. */
export interface PairGradOptions {
  /** receives the gradient by `left`; of its dtype and size; shares no memory with another argument */
  outLeft?: InputData | Tensor
  /** receives the gradient by `right`; of its dtype and size; shares no memory with another argument */
  outRight?: InputData | Tensor
}

export interface PairLossOptions extends WeightOptions {
  /** the distance of a pair; default `new PairwiseDistance()` */
  distance?: PairwiseDistance | CosineDistance
}

/** The gradients by both sides. */
export interface PairGradients {
  /** of the dtype and shape of `left` */
  readonly gradLeft: InputTensor
  /** of the dtype and shape of `right` */
  readonly gradRight: InputTensor
}

/** What gradients by both sides are written to. */
export interface PairOutputs {
  readonly memory: SideOutputs
  /** Makes the result, once the memory is written. */
  finish(): PairGradients
}

/** Reads the options `outLeft` and `outRight`, or takes memory for what is left out. */
export function takePairOutputs({ left, right }: Pairs, options: PairGradOptions | undefined): PairOutputs {
  const givenLeft = readOut('outLeft', options?.outLeft, left)
  const givenRight = readOut('outRight', options?.outRight, right)
  const outLeft = givenLeft === undefined ? takeMemory('gradients', left) : dataOf(givenLeft)
  const outRight = givenRight === undefined ? takeMemory('rightGradients', right) : dataOf(givenRight)
  return {
    memory: [outLeft, outRight],
    finish: () => ({
      gradLeft: givenLeft ?? makeResult('gradients', left, outLeft),
      gradRight: givenRight ?? makeResult('rightGradients', right, outRight),
    }),
  }
}

const dataOf = (tensor: InputTensor) => (contentsOf(tensor) as InputContents).data

/** Returns the settings of a distance, or undefined for any other value. */
let settingsOfDistance: (value: unknown) => DistanceSettings | undefined

export interface Distance {
  /** Calls `forward`. */
  // biome-ignore lint/style/useShorthandFunctionType: merged with the class, it types instances that can be called
  (left: TensorLike, right: TensorLike, options?: DistanceForwardOptions): InputTensor
}

/** What all distances have; `PairwiseDistance` and `CosineDistance` say how each is computed. Instances are functions. */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the one way to type instances that can be called
export abstract class Distance extends Callable {
  /** ε of the definition */
  declare readonly epsilon: number
  /** true if results keep the last dimension, with an extent of 1 */
  declare readonly keepdim: boolean
  /** the first word of error messages */
  declare readonly name: string
  readonly #settings: DistanceSettings
  readonly #name: string

  static {
    settingsOfDistance = (value) =>
      typeof value === 'function' && #settings in value ? (value as Distance).#settings : undefined
  }

  /** @internal */
  protected constructor(kind: DistanceKind, p: number, options: DistanceOptions, defaultEpsilon: number) {
    assertOneOf('kind', kind, distanceKinds)
    const { epsilon = defaultEpsilon, keepdim = false, name = '' } = options
    assertFinite('epsilon', epsilon)
    if (typeof keepdim !== 'boolean')
      throw invalidArgument('ERR_INVALID_ARG_TYPE', 'keepdim', 'a boolean', describe(keepdim))
    if (typeof name !== 'string') throw invalidArgument('ERR_INVALID_ARG_TYPE', 'name', 'a string', describe(name))
    super(name)
    this.#settings = { kind, p, epsilon, keepdim }
    this.#name = name
    defineOptions(this, { epsilon, keepdim })
  }

  /**
   * Computes the distance of each pair.
   *
   * @param left float32 or float64, of shape [..., D]; [D] is one vector
   * @param right of the dtype and shape of `left`; or one of both is a row, [D] or [1, D], and the other [N, D]: each
   * of the N rows is then compared with this one
   * @returns a tensor of the dtype, and of the shape without the last dimension, or with 1 in its place if `keepdim`
   * @throws {TypeError} ERR_INVALID_ARG_TYPE: an argument is not a tensor, or has the wrong dtype
   * @throws {RangeError} ERR_SHAPE_MISMATCH: the shapes of both sides do not fit, or `out` has another one
   * @throws {RangeError} ERR_INVALID_ARG_VALUE: `out` overlaps a side, or epsilon overflows float32
   *
   * @example
   * new PairwiseDistance().forward([[0, 3], [1, 1]], [[4, 0], [1, 1]]) // about [5, 0.0000014]
   */
  forward(left: TensorLike, right: TensorLike, options?: DistanceForwardOptions): InputTensor {
    try {
      const pairs = readPairs(left, right, this.#settings)
      assertOptions('options', options, ['out'])
      const given = readOut('out', options?.out, pairs.distances)
      const distances = given === undefined ? takeMemory('distances', pairs.distances) : dataOf(given)
      assertPairsUnchanged(pairs)
      native.distances(...pairs.elements, distances, 0, pairs.count)
      return given ?? makeResult('distances', pairs.distances, distances)
    } catch (error) {
      throw addName(error, this.#name)
    }
  }

  /**
   * Computes what `forward` computes, to the last bit, in slices of about half a millisecond or of one pair, if that takes
   * longer; between slices the event loop and other calls run. Arguments are checked at once, but elements are read slice
   * by slice.
   *
   * @param options.signal aborts the call between two slices
   * @returns a promise. It rejects with what `forward` throws, with ERR_SHAPE_MISMATCH if memory is transferred or
   * resized meanwhile, and with `signal.reason` after an abort; the contents of `out` are then unspecified.
   *
   * @example
   * const distances = await new CosineDistance().forwardAsync(left, right, { signal: AbortSignal.timeout(1000) })
   */
  async forwardAsync(left: TensorLike, right: TensorLike, options?: DistanceForwardAsyncOptions): Promise<InputTensor> {
    try {
      const pairs = readPairs(left, right, this.#settings)
      assertOptions('options', options, ['out', 'signal'])
      const { out, signal } = options ?? {}
      assertSignal('signal', signal)
      const distances = readOut('out', out, pairs.distances) ?? makeTensorLike(pairs.distances)
      const written = contentsOf(distances) as InputContents
      await runSlices(pairs.count, pairs.work, signal, (begin, end) => {
        assertPairsUnchanged(pairs)
        assertUnchanged('out', written)
        native.distances(...pairs.elements, written.data, begin, end)
      })
      return distances
    } catch (error) {
      throw error === options?.signal?.reason ? error : addName(error, this.#name)
    }
  }

  /**
   * Computes the gradients of the distances with respect to both sides, times the upstream gradient. They are computed
   * in float64, and rounded once. A row that is compared with many gets the sum of its gradients.
   *
   * @param gradOutput the upstream gradient: one number for all pairs, or a tensor like the distances; default 1
   * @throws what `forward` throws, also if `gradOutput` has the wrong type, dtype or shape, or overlaps an output
   *
   * @example
   * new PairwiseDistance({ epsilon: 0 }).backward([0, 3], [4, 0]).gradLeft // [-0.8, 0.6]
   */
  backward(left: TensorLike, right: TensorLike, gradOutput: TensorLike = 1, options?: PairGradOptions): PairGradients {
    try {
      const pairs = readPairs(left, right, this.#settings)
      assertOptions('options', options, ['outLeft', 'outRight'])
      const isOne = typeof gradOutput === 'number'
      const g = isOne ? gradOutput : readLikeInput('gradOutput', gradOutput, pairs.distances)
      const outputs = takePairOutputs(pairs, options)
      assertPairsUnchanged(pairs)
      if (typeof g !== 'number') assertUnchanged('gradOutput', g)
      const upstream = typeof g === 'number' ? g : g.data
      native.distanceGradients(...pairs.elements, outputs.memory, upstream)
      return outputs.finish()
    } catch (error) {
      throw addName(error, this.#name)
    }
  }

  override toString(): string {
    const { kind, p, epsilon, keepdim } = this.#settings
    const shown = [...(kind === 'cosine' ? [] : [`p=${p}`]), `epsilon=${epsilon}`, ...(keepdim ? ['keepdim=true'] : [])]
    return `${kind === 'cosine' ? 'CosineDistance' : 'PairwiseDistance'}(${shown.join(', ')})`
  }

  /** @hidden */
  [inspect](): string {
    return this.toString()
  }
}

const kindsByPower = new Map<number, DistanceKind>([
  [1, 'manhattan'],
  [2, 'euclidean'],
  [Number.POSITIVE_INFINITY, 'chebyshev'],
])

/**
 * The distance of two vectors l and r by a norm, with d = (l − r) + ε in their dtype:
 *
 *     (Σ |d|^p)^(1/p)    for p = Infinity: max |d|
 *
 * The formula is that of `paddle.nn.PairwiseDistance`. Sums are computed in float64 and rounded once to the dtype:
 * the same bits on every platform, with any number of threads. docs/numerics.md bounds the error.
 *
 * @example
 * const distance = new PairwiseDistance()
 * distance([[0, 3], [1, 1]], [[4, 0], [1, 1]]) // about [5, 0.0000014]
 */
export class PairwiseDistance extends Distance {
  /** the power of the norm */
  declare readonly p: number

  /**
   * @param options.p the power of the norm; default 2, the Euclidean distance
   * @param options.epsilon is added to each difference; default 1e-6
   * @throws {TypeError} ERR_INVALID_ARG_TYPE: an option has the wrong type
   * @throws {RangeError} ERR_INVALID_ARG_VALUE: an option has a value out of range, or is unknown
   */
  constructor(options?: PairwiseDistanceOptions) {
    assertOptions('options', options, ['p', 'epsilon', 'keepdim', 'name'])
    const { p = 2, ...others } = options ?? {}
    assertNumber('p', p)
    if (!(p > 0)) throw invalidArgument('ERR_INVALID_ARG_VALUE', 'p', 'a number > 0', String(p))
    super(kindsByPower.get(p) ?? 'minkowski', p, others, 1e-6)
    defineOptions(this, { p })
  }
}

const defaultSettings = settingsOfDistance(new PairwiseDistance()) as DistanceSettings

/** Reads the option `distance` of a loss of pairs. */
export function readDistance(distance: unknown): DistanceSettings {
  const settings = distance === undefined ? defaultSettings : settingsOfDistance(distance)
  if (settings !== undefined) return settings
  throw invalidArgument(
    'ERR_INVALID_ARG_TYPE',
    'distance',
    'a PairwiseDistance or a CosineDistance',
    describe(distance),
  )
}

/**
 * One minus the cosine of two vectors l and r:
 *
 *     1 − (Σ l·r) / max(√(Σ l² · Σ r²), ε)
 *
 * It is between 0 and 2, exactly 0 for equal vectors, and 1 where one is 0. The cosine is that of
 * `paddle.nn.functional.cosine_similarity`. Sums are computed in float64, and the result is rounded once to the dtype.
 *
 * @example
 * new CosineDistance()([[1, 0], [2, 0]], [[0, 1], [1, 0]]) // [1, 0]
 */
export class CosineDistance extends Distance {
  /**
   * @param options.epsilon the least divisor, at least 0; default 1e-8
   * @throws {TypeError} ERR_INVALID_ARG_TYPE: an option has the wrong type
   * @throws {RangeError} ERR_INVALID_ARG_VALUE: an option has a value out of range, or is unknown
   */
  constructor(options?: DistanceOptions) {
    assertOptions('options', options, ['epsilon', 'keepdim', 'name'])
    super('cosine', 0, options ?? {}, 1e-8)
    if (this.epsilon < 0) {
      throw invalidArgument('ERR_INVALID_ARG_VALUE', 'epsilon', 'at least 0', String(this.epsilon))
    }
  }
}

import { type PairLossOptions, readDistance } from './distance.ts'
import { invalidElements, type Labels, readLabels, type WeightOptions } from './labels.ts'
import { type LossInput, native, type OtherLabelPolicy, type StateRecord } from './native.ts'
import { readPairLabels, readPairs, slicePairs } from './pairs.ts'
import { type MarginOptions, readSettings, type Settings, settingNames } from './settings.ts'
import { type AsyncOptions, accumulateInSlices, type SlicedInput, sliceInput } from './slices.ts'
import { readInput, type TensorLike } from './tensor/tensor-like.ts'
import { assertOptions, assertSignal, attempt, describe, inspect, invalidArgument } from './validate.ts'

/** The totals of the losses of one class, or of all elements. */
export interface ClassTotals {
  readonly count: number
  /** Σ l, or Σ w·l with weights: exact, rounded once to float64 */
  readonly sum: number
  /** the sum by the count, or by the weight Σ w: exact, rounded once to float64; NaN if that is 0 */
  readonly mean: number
  /** Σ w, exact, rounded once to float64; only of an accumulator that has weights */
  readonly weight?: number
}

export interface NegativeTotals extends ClassTotals {
  /** the number of negatives inside the margin, x < Δ, which have a loss and a gradient */
  readonly active: number
}

export interface UpdateAsyncOptions extends WeightOptions, AsyncOptions {}

export interface UpdatePairsAsyncOptions extends PairLossOptions, AsyncOptions {}

interface Totals {
  readonly all: ClassTotals
  readonly positives: ClassTotals
  readonly negatives: NegativeTotals
  readonly others: number
}

/**
 * A `LossAccumulator` as JSON: equal totals give equal JSON. Sums are exact text: `-0x1ap-4` is −26 · 2⁻⁴. Without
 * weights there are no `weights`, and every element has a weight of 1.
 */
export interface LossAccumulatorJSON extends Required<MarginOptions> {
  version: 1
  positives: { count: number; sum: string }
  negatives: { count: number; sum: string; active: number }
  others: number
  weights?: { positives: string; negatives: string; others: string }
}

/**
 * Exact totals of the hinge embedding loss, over any number of batches, streams, files or machines. Batches of any
 * size, in any order, give the same totals, bit for bit. The formula is that of `HingeEmbeddingLoss`. Batches with
 * weights and batches without may be mixed: an element without a weight has a weight of 1.
 *
 * @example
 * const total = new LossAccumulator({ margin: 1 })
 * total.update([0.25, 1.5], [1, -1]).update([0.5], [-1])
 * total.mean // 0.25: the losses are 0.25, 0 and 0.5
 */
export class LossAccumulator {
  readonly #settings: Settings
  #state: Uint8Array = new Uint8Array(native.stateBytes)
  /** Element count, below 2^53. */
  #size = 0
  /** The totals of the present state, once they have been read. */
  #cachedTotals: Totals | undefined

  /**
   * @throws {TypeError} ERR_INVALID_ARG_TYPE: an option has the wrong type
   * @throws {RangeError} ERR_INVALID_ARG_VALUE: an option has a value out of range, or is unknown
   */
  constructor(options?: MarginOptions) {
    assertOptions('options', options, settingNames)
    this.#settings = readSettings(options)
  }

  /**
   * Adds a batch. A call that throws adds nothing.
   *
   * @param input float32 or float64, of any shape
   * @param label of the input's shape and any numeric dtype, or one number for all elements
   * @param options.weight one weight per element, float32 or float64 of the input's shape, or one number for all
   * @throws what `HingeEmbeddingLoss.forward` throws
   *
   * @example
   * new LossAccumulator().update([0.25, 1.5], [1, -1]).sum // 0.25
   */
  update(input: TensorLike, label: TensorLike, options?: WeightOptions): this {
    const x = readInput('input', input)
    if (options !== undefined) assertOptions('options', options, ['weight'])
    const y = readLabels(label, x, this.#settings, options?.weight)
    return this.#add('input', x.data, x.size, y)
  }

  /**
   * Adds the distances of pairs of embeddings: what `update(distance(left, right), label)` adds, without an array of
   * distances. A call that throws adds nothing.
   *
   * @param left float32 or float64, of shape [..., D]
   * @param right of the dtype and shape of `left`; or one of both is a row, [D] or [1, D], and the other [N, D]
   * @param label of the shape of the distances and any numeric dtype, or one number for all pairs
   * @param options.distance a PairwiseDistance or a CosineDistance; default `new PairwiseDistance()`
   * @throws what `HingeEmbeddingLoss.forwardPairs` throws
   *
   * @example
   * new LossAccumulator({ margin: 8 }).updatePairs([[0, 3], [1, 1]], [[4, 0], [1, 1]], [-1, 1]).count // 2
   */
  updatePairs(left: TensorLike, right: TensorLike, label: TensorLike, options: PairLossOptions = {}): this {
    assertOptions('options', options, ['distance', 'weight'])
    const { distance, weight } = options
    const pairs = readPairs(left, right, readDistance(distance))
    const y = readPairLabels(label, pairs, this.#settings, weight)
    return this.#add('left', pairs.elements, pairs.count, y)
  }

  /** Adds `count` elements, which come with the argument `name`. */
  #add(name: string, data: LossInput, count: number, y: Labels): this {
    const settings = this.#settings
    const { margin, positiveLabel, negativeLabel } = settings
    const size = this.#sizeAfter(name, count)
    const { weight } = y
    const state = weight === undefined ? this.#state : this.#weightedState()
    const invalid = native.accumulate(
      data,
      y.values,
      y.code,
      margin,
      positiveLabel,
      negativeLabel,
      state,
      undefined,
      undefined,
      weight,
    )
    if (invalid !== undefined) throw invalidElements(invalid, y, settings)
    this.#state = state
    this.#size = size
    this.#cachedTotals = undefined
    return this
  }

  /**
   * Adds a batch as `update` does, in slices of about half a millisecond; between slices the event loop runs. The whole
   * batch is added at the end: a call that rejects adds nothing, and calls that overlap do not disturb each other.
   *
   * @param options.weight as in `update`
   * @param options.signal aborts the call between two slices
   * @returns a promise of this accumulator. It rejects with what `update` throws, with ERR_SHAPE_MISMATCH if memory is
   * transferred or resized meanwhile, and with `signal.reason` after an abort.
   *
   * @example
   * for await (const { input, label } of batches) await total.updateAsync(input, label, { signal })
   */
  async updateAsync(input: TensorLike, label: TensorLike, options: UpdateAsyncOptions = {}): Promise<this> {
    const x = readInput('input', input)
    assertOptions('options', options, ['weight', 'signal'])
    const { signal, weight } = options
    assertSignal('signal', signal)
    const y = readLabels(label, x, this.#settings, weight)
    return this.#addInSlices('input', sliceInput(x), y, signal)
  }

  /**
   * Adds the distances of pairs as `updatePairs` does, in slices, as `updateAsync` does.
   *
   * @param options.distance as in `updatePairs`
   * @param options.weight as in `updatePairs`
   * @param options.signal aborts the call between two slices
   * @returns a promise of this accumulator. It rejects with what `updatePairs` throws, and as `updateAsync` does.
   *
   * @example
   * for await (const { left, right, label } of batches) await total.updatePairsAsync(left, right, label, { signal })
   */
  async updatePairsAsync(
    left: TensorLike,
    right: TensorLike,
    label: TensorLike,
    options: UpdatePairsAsyncOptions = {},
  ): Promise<this> {
    assertOptions('options', options, ['distance', 'weight', 'signal'])
    const { distance, signal, weight } = options
    assertSignal('signal', signal)
    const pairs = readPairs(left, right, readDistance(distance))
    const y = readPairLabels(label, pairs, this.#settings, weight)
    return this.#addInSlices('left', slicePairs(pairs), y, signal)
  }

  async #addInSlices(name: string, input: SlicedInput, y: Labels, signal: AbortSignal | undefined): Promise<this> {
    const state = await accumulateInSlices(input, y, this.#settings, signal, true)
    this.#size = this.#sizeAfter(name, input.size)
    this.#mergeState(state)
    return this
  }

  /** The number of elements that count: positives, negatives, and other labels under `otherLabels: 'zero'`. */
  get count(): number {
    return this.#totals().all.count
  }

  /** The sum of all losses: exact, rounded once to float64. */
  get sum(): number {
    return this.#totals().all.sum
  }

  /**
   * The sum of the weights of the elements that count: exact, rounded once to float64. Without weights it is `count`.
   */
  get weight(): number {
    return this.#totals().all.weight ?? this.count
  }

  /** The mean loss of the elements that count: exact, rounded once to float64; NaN if their weight is 0. */
  get mean(): number {
    return this.#totals().all.mean
  }

  /** The totals of the positive label, whose loss is x. */
  get positives(): ClassTotals {
    return this.#totals().positives
  }

  /** The totals of the negative label, whose loss is max(0, Δ − x). */
  get negatives(): NegativeTotals {
    return this.#totals().negatives
  }

  /** The number of other labels that `otherLabels` let pass. */
  get others(): number {
    return this.#totals().others
  }

  /** Δ, as it was given. */
  get margin(): number {
    return this.#settings.margin
  }

  /** The label of similar pairs. */
  get positiveLabel(): number {
    return this.#settings.positiveLabel
  }

  /** The label of dissimilar pairs. */
  get negativeLabel(): number {
    return this.#settings.negativeLabel
  }

  /** What happens to any other label. */
  get otherLabels(): OtherLabelPolicy {
    return this.#settings.otherLabels
  }

  /**
   * Adds the totals of `other`, which stays as it is.
   *
   * @throws {TypeError} ERR_INVALID_ARG_TYPE: `other` is not a LossAccumulator
   * @throws {RangeError} ERR_INVALID_ARG_VALUE: its options differ
   *
   * @example
   * total.merge(totalOfAnotherMachine)
   */
  merge(other: LossAccumulator): this {
    LossAccumulator.#assert('other', other)
    for (const name of settingNames) {
      const [own, theirs] = [this.#settings[name], other.#settings[name]]
      if (own === theirs) continue
      throw invalidArgument('ERR_INVALID_ARG_VALUE', 'other', `of the same ${name}, ${describe(own)}`, describe(theirs))
    }
    this.#size = this.#sizeAfter('other', other.#size)
    this.#mergeState(other.#state)
    return this
  }

  /**
   * Returns a new accumulator with the totals of all given ones, which stay as they are.
   *
   * @throws what `merge` of an accumulator throws, and ERR_INVALID_ARG_TYPE if none is given
   */
  static merge(...accumulators: LossAccumulator[]): LossAccumulator {
    const [first] = accumulators
    LossAccumulator.#assert('accumulators[0]', first)
    const merged = new LossAccumulator(optionsOf(first.#settings))
    for (const accumulator of accumulators) merged.merge(accumulator)
    return merged
  }

  /** Returns the margin and the totals, as `LossAccumulator(margin=1, count=2, sum=0.5, mean=0.25)`. */
  toString(): string {
    const { margin, count, sum, mean } = this
    const weight = hasWeights(this.#state) ? `, weight=${this.weight}` : ''
    return `LossAccumulator(margin=${margin}, count=${count}, sum=${sum}, mean=${mean}${weight})`
  }

  /** @hidden */
  [inspect](): string {
    return this.toString()
  }

  /** Returns the full state, for `JSON.stringify`, `fromJSON` and SQL's `hinge_embedding_loss_merge`. */
  toJSON(): LossAccumulatorJSON {
    const record = native.exportState(this.#state)
    const [positives, positiveSum, negatives, negativeSum, active, others, ...weights] = record
    return {
      version: 1,
      ...optionsOf(this.#settings),
      positives: { count: positives, sum: positiveSum },
      negatives: { count: negatives, sum: negativeSum, active },
      others,
      ...weightsOf(weights),
    }
  }

  /**
   * Restores an accumulator from what `toJSON` returned.
   *
   * @throws {TypeError} ERR_INVALID_ARG_TYPE: `object` is not an object
   * @throws {RangeError} ERR_INVALID_ARG_VALUE: `toJSON` cannot have returned it
   *
   * @example
   * const total = LossAccumulator.fromJSON(JSON.parse(text))
   */
  static fromJSON(object: unknown): LossAccumulator {
    if (typeof object !== 'object' || object === null) {
      throw invalidArgument(
        'ERR_INVALID_ARG_TYPE',
        'object',
        'what LossAccumulator.toJSON gives, or JSON.parse of its text',
        describe(object),
      )
    }
    const { version, positives, negatives, others, weights, ...options } = attempt('object', () => {
      const { toJSON } = object as Partial<LossAccumulator>
      const json: unknown = typeof toJSON === 'function' ? toJSON.call(object) : object
      const isWeighted = typeof json === 'object' && json !== null && Object.hasOwn(json, 'weights')
      return readLike('object', json, isWeighted ? emptyWeightedJSON : emptyJSON)
    })
    if (version !== 1) throw malformed('object.version', '1', version)

    const accumulator = new LossAccumulator(options)
    const record: StateRecord = [
      positives.count,
      positives.sum,
      negatives.count,
      negatives.sum,
      negatives.active,
      others,
      ...(weights === undefined ? ([] as const) : ([weights.positives, weights.negatives, weights.others] as const)),
    ]
    if (weights !== undefined) accumulator.#state = new Uint8Array(native.weightedStateBytes)
    if (!native.importState(accumulator.#state, record)) {
      throw malformed('object', 'figures that toJSON gives together', describe(JSON.stringify(record)))
    }
    if (others > 0 && options.otherLabels === 'error') throw malformed('object.others', `0 under 'error'`, others)
    accumulator.#size = accumulator.#sizeAfter('object', positives.count + negatives.count + others)
    return accumulator
  }

  static #assert(name: string, value: unknown): asserts value is LossAccumulator {
    if (typeof value === 'object' && value !== null && #state in value) return
    throw invalidArgument('ERR_INVALID_ARG_TYPE', name, 'a LossAccumulator', describe(value))
  }

  /** Returns the element count after `more` elements, which come with the argument `name`. */
  #sizeAfter(name: string, more: number): number {
    const size = this.#size + more
    if (Number.isSafeInteger(size)) return size
    throw invalidArgument('ERR_INVALID_ARG_VALUE', name, 'below 2^53 elements in all', String(size))
  }

  /** Returns the state if it has weights, or a copy that has. */
  #weightedState(): Uint8Array {
    if (hasWeights(this.#state)) return this.#state
    const state = new Uint8Array(native.weightedStateBytes)
    native.merge(state, this.#state)
    return state
  }

  #mergeState(other: Uint8Array): void {
    if (hasWeights(other)) this.#state = this.#weightedState()
    native.merge(this.#state, other)
    this.#cachedTotals = undefined
  }

  #totals(): Totals {
    this.#cachedTotals ??= this.#readTotals()
    return this.#cachedTotals
  }

  #readTotals(): Totals {
    const figures = native.totals(this.#state, this.#settings.policy)
    const [active, others, ...weights] = figures.slice(9) as [number, number, ...number[]]
    const [all, positives, negatives] = weights.map((weight, i) => {
      const [count, sum, mean] = figures.slice(3 * i) as [number, number, number]
      return Object.freeze(hasWeights(this.#state) ? { count, sum, mean, weight } : { count, sum, mean })
    }) as [ClassTotals, ClassTotals, ClassTotals]
    return { all, positives, negatives: Object.freeze({ ...negatives, active }), others }
  }
}

const hasWeights = (state: Uint8Array) => state.length === native.weightedStateBytes

function weightsOf([positives, negatives, others]: readonly string[]): Pick<LossAccumulatorJSON, 'weights'> {
  if (positives === undefined || negatives === undefined || others === undefined) return {}
  return { weights: { positives, negatives, others } }
}

function optionsOf({ margin, positiveLabel, negativeLabel, otherLabels }: Settings): Required<MarginOptions> {
  return { margin, positiveLabel, negativeLabel, otherLabels }
}

function malformed(place: string, expected: string, actual: unknown): Error {
  return invalidArgument(
    'ERR_INVALID_ARG_VALUE',
    place,
    expected,
    typeof actual === 'string' ? actual : describe(actual),
  )
}

const emptyJSON: LossAccumulatorJSON = new LossAccumulator().toJSON()
const emptyWeightedJSON: LossAccumulatorJSON = { ...emptyJSON, weights: { positives: '', negatives: '', others: '' } }

/**
 * Copies `value`, which must have the keys of `like` with values of the same types, at every depth. Reads each value
 * once.
 */
function readLike<T>(place: string, value: unknown, like: T): T {
  if (typeof value !== typeof like || value === null) throw malformed(place, `of type ${typeof like}`, value)
  if (typeof like !== 'object') return value as T
  const [keys, known] = [Object.keys(value as object), Object.keys(like as object)]
  const unknown = keys.find((key) => !known.includes(key))
  if (unknown !== undefined) throw malformed(place, `an object of ${known.join(', ')}`, `one with ${describe(unknown)}`)
  const read = (key: string) => (keys.includes(key) ? (value as Record<string, unknown>)[key] : undefined)
  const entries = known.map((key) => [
    key,
    readLike(`${place}.${key}`, read(key), (like as Record<string, unknown>)[key]),
  ])
  return Object.fromEntries(entries) as T
}

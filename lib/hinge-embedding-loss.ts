import { addName, Callable, defineOptions } from './callable.ts'
import {
  type PairGradients,
  type PairGradOptions,
  type PairLossOptions,
  readDistance,
  takePairOutputs,
} from './distance.ts'
import { invalidElements, type Labels, readLabels, type WeightOptions } from './labels.ts'
import { type InputData, type LossInput, meanPlace, native, type OtherLabelPolicy } from './native.ts'
import { readPairLabels, readPairs, slicePairs } from './pairs.ts'
import { type MarginOptions, readSettings, type Settings } from './settings.ts'
import { type AsyncOptions, accumulateInSlices, computeSlices, type SlicedInput, sliceInput } from './slices.ts'
import { makeResult, makeTensorLike, takeMemory } from './tensor/results.ts'
import {
  assertUnchanged,
  contentsOf,
  type InputContents,
  type InputTensor,
  type Like,
  type Tensor,
} from './tensor/tensor.ts'
import { readInput, readLikeInput, readOut, type TensorLike } from './tensor/tensor-like.ts'
import { assertOneOf, assertOptions, assertSignal, describe, inspect, invalidArgument } from './validate.ts'

/** What a call returns of the losses: all of them (`'none'`), their mean or their sum. */
export type Reduction = 'none' | 'mean' | 'sum'
const reductions: readonly Reduction[] = ['none', 'mean', 'sum']

/** A tensor for `'none'`, a number for `'mean'` and `'sum'`. */
export type Result<R extends Reduction> = R extends 'none' ? InputTensor : number

/** The options of the loss. */
export interface HingeEmbeddingLossOptions<R extends Reduction = Reduction> extends MarginOptions {
  /** `'none'` keeps one loss per element, `'mean'` and `'sum'` reduce them to a number; default `'mean'` */
  reduction?: R
  /** the first word of error messages, shown by `toString` */
  name?: string
}

/** The options of `forward`. */
export interface ForwardOptions extends WeightOptions {
  /** receives the losses, for reduction `'none'` only; of the input's dtype and size; may be the input itself */
  out?: InputData | Tensor
}

/** The options of `forwardAsync`. */
export interface ForwardAsyncOptions extends ForwardOptions, AsyncOptions {}

/** The upstream gradient: a number for all elements, or for `'none'` also a tensor of the input's shape and dtype. */
export type GradOutput<R extends Reduction> = R extends 'none' ? TensorLike : number

/** The options of `backward` and `valueAndGrad`. */
export interface GradOptions extends WeightOptions {
  /** receives the gradients; of the input's dtype and size; may be the input itself */
  out?: InputData | Tensor
}

/** The options of `forwardPairs`. */
export interface ForwardPairsOptions extends PairLossOptions {
  /** receives the losses, for reduction `'none'` only; of the dtype and size of the distances; apart from all inputs */
  out?: InputData | Tensor
}

/** The options of `forwardPairsAsync`. */
export interface ForwardPairsAsyncOptions extends ForwardPairsOptions, AsyncOptions {}

/** The options of `valueAndGradPairs`. */
export interface GradPairsOptions extends PairLossOptions, PairGradOptions {}

/** What `valueAndGradPairs` returns: the loss, and its gradients by both sides. */
export interface ValueAndGradPairs<R extends Reduction = Reduction> extends PairGradients {
  /** what `forward` returns */
  readonly loss: Result<R>
}

/** What `valueAndGrad` returns: the loss, and its gradient by the input. */
export interface ValueAndGrad<R extends Reduction = Reduction> {
  /** what `forward` returns */
  readonly loss: Result<R>
  /** d loss / d input, of the input's dtype and shape */
  readonly gradInput: InputTensor
}

/** The options in the order in which `toString` shows them. */
const optionNames = ['margin', 'reduction', 'positiveLabel', 'negativeLabel', 'otherLabels', 'name'] as const

interface Loss<R extends Reduction> {
  readonly settings: Settings
  readonly reduction: R
  readonly name: string
  /** what a call adds to the code of its labels */
  readonly code: number
}

function readOptions<R extends Reduction>(options: HingeEmbeddingLossOptions<R> | undefined): Loss<R> {
  assertOptions('options', options, optionNames)
  const { reduction = 'mean' as R, name = '' } = options ?? {}
  assertOneOf<R>('reduction', reduction, reductions as readonly R[])
  if (typeof name !== 'string') throw invalidArgument('ERR_INVALID_ARG_TYPE', 'name', 'a string', describe(name))
  return { settings: readSettings(options), reduction, name, code: reduction === 'mean' ? meanPlace : 0 }
}

const defaults = optionsOf(readOptions(undefined))

function optionsOf<R extends Reduction>({
  settings,
  reduction,
  name,
}: Loss<R>): Required<HingeEmbeddingLossOptions<R>> {
  const { margin, positiveLabel, negativeLabel, otherLabels } = settings
  return { margin, reduction, positiveLabel, negativeLabel, otherLabels, name }
}

function compute(
  loss: Loss<Reduction>,
  input: TensorLike,
  label: TensorLike,
  options?: ForwardOptions,
): InputTensor | number {
  const x = readInput('input', input)
  const out = options === undefined ? undefined : readLossesOut(options, loss.reduction, ['out', 'weight'])
  const y = readLabels(label, x, loss.settings, options?.weight)
  return evaluate(loss, x.data, x, y, out)
}

function computePairs(
  loss: Loss<Reduction>,
  left: TensorLike,
  right: TensorLike,
  label: TensorLike,
  options: ForwardPairsOptions = {},
): InputTensor | number {
  const out = readLossesOut(options, loss.reduction, ['out', 'weight', 'distance'])
  const { distance, weight } = options
  const pairs = readPairs(left, right, readDistance(distance))
  const y = readPairLabels(label, pairs, loss.settings, weight)
  return evaluate(loss, pairs.elements, pairs.distances, y, out)
}

/** Computes the loss of `data`, whose elements have the dtype and shape of `x`. */
function evaluate(
  { settings, reduction, code }: Loss<Reduction>,
  data: LossInput,
  x: Like,
  y: Labels,
  out: unknown,
): InputTensor | number {
  const { margin, positiveLabel, negativeLabel } = settings
  if (reduction === 'none') {
    const given = readOut('out', out, x)
    const losses = given === undefined ? takeMemory('losses', x) : dataOf(given)
    const invalid = native.forward(
      data,
      y.values,
      y.code,
      margin,
      positiveLabel,
      negativeLabel,
      losses,
      undefined,
      undefined,
      y.weight,
    )
    if (invalid !== undefined) throw invalidElements(invalid, y, settings)
    return given ?? makeResult('losses', x, losses)
  }
  const result = native.reduce(
    data,
    y.values,
    y.code + code,
    margin,
    positiveLabel,
    negativeLabel,
    undefined,
    undefined,
    undefined,
    y.weight,
  )
  if (typeof result !== 'number') throw invalidElements(result, y, settings)
  return result
}

async function computeInSlices(
  loss: Loss<Reduction>,
  input: TensorLike,
  label: TensorLike,
  options: ForwardAsyncOptions = {},
): Promise<InputTensor | number> {
  const x = readInput('input', input)
  const out = readLossesOut(options, loss.reduction, ['out', 'weight', 'signal'])
  const { signal, weight } = options
  assertSignal('signal', signal)
  const y = readLabels(label, x, loss.settings, weight)
  return evaluateInSlices(loss, sliceInput(x), x, y, out, signal)
}

async function computePairsInSlices(
  loss: Loss<Reduction>,
  left: TensorLike,
  right: TensorLike,
  label: TensorLike,
  options: ForwardPairsAsyncOptions = {},
): Promise<InputTensor | number> {
  const out = readLossesOut(options, loss.reduction, ['out', 'weight', 'distance', 'signal'])
  const { distance, signal, weight } = options
  assertSignal('signal', signal)
  const pairs = readPairs(left, right, readDistance(distance))
  const y = readPairLabels(label, pairs, loss.settings, weight)
  return evaluateInSlices(loss, slicePairs(pairs), pairs.distances, y, out, signal)
}

async function evaluateInSlices(
  { settings, reduction }: Loss<Reduction>,
  input: SlicedInput,
  x: Like,
  y: Labels,
  out: unknown,
  signal: AbortSignal | undefined,
): Promise<InputTensor | number> {
  if (reduction === 'none') {
    const { margin, positiveLabel, negativeLabel } = settings
    const { values, code } = y
    const losses = readOut('out', out, x) ?? makeTensorLike(x)
    const written = contentsOf(losses) as InputContents
    await computeSlices(input, y, settings, signal, (begin, end) => {
      assertUnchanged('out', written)
      return native.forward(
        input.data,
        values,
        code,
        margin,
        positiveLabel,
        negativeLabel,
        written.data,
        begin,
        end,
        y.weight,
      )
    })
    return losses
  }
  const state = await accumulateInSlices(input, y, settings, signal, false)
  const [, sum, mean] = native.totals(state, settings.policy) as [number, number, number]
  return reduction === 'mean' ? mean : sum
}

function differentiate(
  { settings, reduction, code }: Loss<Reduction>,
  input: TensorLike,
  label: TensorLike,
  gradOutput: TensorLike = 1,
  options?: GradOptions,
): InputTensor {
  const { margin, positiveLabel, negativeLabel } = settings
  const x = readInput('input', input)
  const out = options === undefined ? undefined : readOutOption(options, ['out', 'weight'])
  const y = readLabels(label, x, settings, options?.weight)
  const g = readGradOutput(gradOutput, x, reduction)
  const given = readOut('out', out, x)
  const gradInput = given === undefined ? takeMemory('gradients', x) : dataOf(given)
  const invalid = native.backward(
    x.data,
    y.values,
    y.code + code,
    margin,
    positiveLabel,
    negativeLabel,
    gradInput,
    g,
    undefined,
    y.weight,
  )
  if (invalid !== undefined) throw invalidElements(invalid, y, settings)
  return given ?? makeResult('gradients', x, gradInput)
}

function computeBoth(
  { settings, reduction, code }: Loss<Reduction>,
  input: TensorLike,
  label: TensorLike,
  options?: GradOptions,
): { loss: InputTensor | number; gradInput: InputTensor } {
  const { margin, positiveLabel, negativeLabel } = settings
  const x = readInput('input', input)
  const out = options === undefined ? undefined : readOutOption(options, ['out', 'weight'])
  const y = readLabels(label, x, settings, options?.weight)
  const given = readOut('out', out, x)
  const gradInput = given === undefined ? takeMemory('gradients', x) : dataOf(given)
  const losses = reduction === 'none' ? takeMemory('losses', x) : undefined
  const value = native.valueAndGrad(
    x.data,
    y.values,
    y.code + code,
    margin,
    positiveLabel,
    negativeLabel,
    gradInput,
    losses,
    undefined,
    y.weight,
  )
  if (typeof value === 'object') throw invalidElements(value, y, settings)
  return {
    loss: losses === undefined ? (value as number) : makeResult('losses', x, losses),
    gradInput: given ?? makeResult('gradients', x, gradInput),
  }
}

function computeBothOfPairs(
  { settings, reduction, code }: Loss<Reduction>,
  left: TensorLike,
  right: TensorLike,
  label: TensorLike,
  options: GradPairsOptions = {},
): { loss: InputTensor | number } & PairGradients {
  const { margin, positiveLabel, negativeLabel } = settings
  assertOptions('options', options, ['distance', 'weight', 'outLeft', 'outRight'])
  const { distance, weight } = options
  const pairs = readPairs(left, right, readDistance(distance))
  const outputs = takePairOutputs(pairs, options)
  const y = readPairLabels(label, pairs, settings, weight)
  const losses = reduction === 'none' ? takeMemory('losses', pairs.distances) : undefined
  const value = native.valueAndGrad(
    pairs.elements,
    y.values,
    y.code + code,
    margin,
    positiveLabel,
    negativeLabel,
    outputs.memory,
    losses,
    undefined,
    y.weight,
  )
  if (typeof value === 'object') throw invalidElements(value, y, settings)
  return {
    loss: losses === undefined ? (value as number) : makeResult('losses', pairs.distances, losses),
    ...outputs.finish(),
  }
}

function readOutOption(options: GradOptions, known: readonly string[]): unknown {
  assertOptions('options', options, known)
  if (contentsOf(options) !== undefined)
    throw invalidArgument('ERR_INVALID_ARG_TYPE', 'options', '{ out }', describe(options))
  return options.out
}

function readLossesOut(options: ForwardOptions, reduction: Reduction, known: readonly string[]): unknown {
  const out = readOutOption(options, known)
  if (out === undefined || reduction === 'none') return out
  throw invalidArgument('ERR_INVALID_ARG_VALUE', 'out', `left out for reduction '${reduction}'`, describe(out))
}

/** Reads the data of a tensor from its private contents: a subclass may override `data`. */
const dataOf = (tensor: InputTensor) => (contentsOf(tensor) as InputContents).data

/** Returns the upstream gradient as one number for all elements, or as data with one value per element. */
function readGradOutput(gradOutput: TensorLike, input: InputContents, reduction: Reduction): InputData | number {
  if (typeof gradOutput === 'number') return gradOutput
  if (reduction === 'none') return readLikeInput('gradOutput', gradOutput, input).data
  const expected = `a number for reduction '${reduction}'`
  throw invalidArgument('ERR_INVALID_ARG_TYPE', 'gradOutput', expected, describe(gradOutput))
}

export interface HingeEmbeddingLoss<R extends Reduction = 'mean'> {
  /** Calls `forward`. */
  // biome-ignore lint/style/useShorthandFunctionType: merged with the class, it types instances that can be called
  (input: TensorLike, label: TensorLike, options?: ForwardOptions): Result<R>
}

/**
 * The hinge embedding loss of an input x, a distance or an energy, and a label y, with a margin Δ in the unit of x:
 *
 *     l = x               if y is the positive label: similar pairs
 *     l = max(0, Δ − x)   if y is the negative label: dissimilar pairs
 *
 * The mean or the sum over all elements is exact and rounded once; reduction `'none'` gives each loss. The formula is
 * that of `paddle.nn.HingeEmbeddingLoss` and `torch.nn.HingeEmbeddingLoss`, and so is the arithmetic on elements.
 * Instances are functions.
 *
 * @example
 * const criterion = new HingeEmbeddingLoss({ margin: 1 })
 * criterion([0.2, 1.7, 0.4], [1, -1, -1]) // the mean of 0.2, 0 and 0.6
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the one way to type instances that can be called
export class HingeEmbeddingLoss<R extends Reduction = 'mean'> extends Callable {
  /** Δ */
  declare readonly margin: number
  /** what calls return */
  declare readonly reduction: R
  /** the first word of error messages */
  declare readonly name: string
  /** the label of similar pairs */
  declare readonly positiveLabel: number
  /** the label of dissimilar pairs */
  declare readonly negativeLabel: number
  /** what happens to any other label */
  declare readonly otherLabels: OtherLabelPolicy
  readonly #loss: Loss<R>

  /**
   * @throws {TypeError} ERR_INVALID_ARG_TYPE: an option has the wrong type
   * @throws {RangeError} ERR_INVALID_ARG_VALUE: an option has a value out of range, or is unknown
   */
  constructor(options?: HingeEmbeddingLossOptions<R>) {
    const loss = readOptions(options)
    super(loss.name)
    this.#loss = loss
    const { name: _, ...properties } = optionsOf(loss)
    defineOptions(this, properties)
  }

  /**
   * Computes the loss.
   *
   * @param input float32 or float64, of any shape
   * @param label of the input's shape and any numeric dtype, or one number for all elements
   * @returns for `'mean'` and `'sum'` the exact result, rounded once to float64 (NaN and 0 if there are no elements);
   * for `'none'` a tensor of the input's dtype and shape
   * @param options.weight one weight per element: the mean is Σ w·l / Σ w, the sum Σ w·l, both exact and rounded once;
   * `'none'` gives w·l. A mean of weight 0 is NaN
   * @throws {TypeError} ERR_INVALID_ARG_TYPE: an argument is not a tensor, or has the wrong dtype
   * @throws {RangeError} ERR_SHAPE_MISMATCH: label, weight or out differ from the input in shape
   * @throws {RangeError} ERR_INVALID_LABEL: a label is neither the positive nor the negative one, and `otherLabels` is
   * `'error'`; the contents of `out` are then unspecified
   * @throws {RangeError} ERR_INVALID_WEIGHT: a weight is negative, NaN or infinite; `out` is unchanged
   * @throws {RangeError} ERR_INVALID_ARG_VALUE: `out` overlaps input, label or weight, or the margin overflows float32
   *
   * @example
   * new HingeEmbeddingLoss({ reduction: 'none' }).forward([0.2, 1.7, 0.4], [1, -1, -1]) // [0.2, 0, 0.6]
   */
  forward(input: TensorLike, label: TensorLike, options?: ForwardOptions): Result<R> {
    try {
      return compute(this.#loss, input, label, options) as Result<R>
    } catch (error) {
      throw addName(error, this.#loss.name)
    }
  }

  /**
   * Computes what `forward` computes, to the last bit, in slices of about half a millisecond; between slices the event loop
   * and other calls run. Arguments are checked at once, but elements are read slice by slice: if they change meanwhile,
   * the result does too.
   *
   * @param options.signal aborts the call between two slices
   * @returns a promise. It rejects with what `forward` throws, with ERR_SHAPE_MISMATCH if memory is transferred or
   * resized meanwhile, and with `signal.reason` after an abort; the contents of `out` are then unspecified.
   *
   * @example
   * const loss = await criterion.forwardAsync(distance, label, { signal: AbortSignal.timeout(1000) })
   */
  async forwardAsync(input: TensorLike, label: TensorLike, options?: ForwardAsyncOptions): Promise<Result<R>> {
    try {
      return (await computeInSlices(this.#loss, input, label, options)) as Result<R>
    } catch (error) {
      throw error === options?.signal?.reason ? error : addName(error, this.#loss.name)
    }
  }

  /**
   * Computes the gradient with respect to the input:
   *
   *     d l / d x = g                  for the positive label
   *     d l / d x = −g if x < Δ, or 0  for the negative label (NaN if x is NaN)
   *     d l / d x = 0                  for other labels that `otherLabels` lets pass
   *
   * g is the upstream gradient, which `'mean'` divides by the number of elements that count: in float64, rounded once
   * to the input's dtype. With weights, g is g·w, and for `'mean'` g·w / Σ w.
   *
   * @param input float32 or float64, of any shape
   * @param label of the input's shape and any numeric dtype, or one number for all elements
   * @param gradOutput the upstream gradient: one number for all elements, or for `'none'` also a tensor of the input's
   * shape and dtype; default 1
   * @returns a tensor of the input's dtype and shape
   * @throws what `forward` throws, also if `gradOutput` has the wrong type, dtype or shape, or overlaps `out`
   *
   * @example
   * new HingeEmbeddingLoss().backward([0.2, 1.7, 0.4], [1, -1, -1]) // [1/3, 0, -1/3]
   */
  backward(input: TensorLike, label: TensorLike, gradOutput?: GradOutput<R>, options?: GradOptions): InputTensor {
    try {
      return differentiate(this.#loss, input, label, gradOutput, options)
    } catch (error) {
      throw addName(error, this.#loss.name)
    }
  }

  /**
   * Computes what `forward` and `backward` return, in one pass over memory. The upstream gradient is 1.
   *
   * @returns the loss as `forward` returns it, and `gradInput`, a tensor of the input's dtype and shape
   * @throws what `forward` throws
   *
   * @example
   * const { loss, gradInput } = new HingeEmbeddingLoss().valueAndGrad([0.2, 1.7, 0.4], [1, -1, -1])
   */
  valueAndGrad(input: TensorLike, label: TensorLike, options?: GradOptions): ValueAndGrad<R> {
    try {
      return computeBoth(this.#loss, input, label, options) as ValueAndGrad<R>
    } catch (error) {
      throw addName(error, this.#loss.name)
    }
  }

  /**
   * Computes the loss of the distances of pairs of embeddings: what `forward(distance(left, right), label)` returns, to
   * the last bit, without an array of distances. Memory is read once.
   *
   * @param left float32 or float64, of shape [..., D]
   * @param right of the dtype and shape of `left`; or one of both is a row, [D] or [1, D], and the other [N, D]
   * @param label of the shape of the distances and any numeric dtype, or one number for all pairs
   * @param options.distance a PairwiseDistance or a CosineDistance; default `new PairwiseDistance()`
   * @returns what `forward` returns for the distances
   * @throws what `forward` and the distance throw
   *
   * @example
   * new HingeEmbeddingLoss().forwardPairs([[0, 3], [1, 1]], [[4, 0], [1, 1]], [1, -1]) // about 3: the mean of 5 and 1
   */
  forwardPairs(left: TensorLike, right: TensorLike, label: TensorLike, options?: ForwardPairsOptions): Result<R> {
    try {
      return computePairs(this.#loss, left, right, label, options) as Result<R>
    } catch (error) {
      throw addName(error, this.#loss.name)
    }
  }

  /**
   * Computes what `forwardPairs` computes, to the last bit, in slices, as `forwardAsync` does.
   *
   * @param options.signal aborts the call between two slices
   * @returns a promise. It rejects with what `forwardPairs` throws, and as `forwardAsync` does.
   *
   * @example
   * const loss = await criterion.forwardPairsAsync(left, right, label, { distance: new CosineDistance() })
   */
  async forwardPairsAsync(
    left: TensorLike,
    right: TensorLike,
    label: TensorLike,
    options?: ForwardPairsAsyncOptions,
  ): Promise<Result<R>> {
    try {
      return (await computePairsInSlices(this.#loss, left, right, label, options)) as Result<R>
    } catch (error) {
      throw error === options?.signal?.reason ? error : addName(error, this.#loss.name)
    }
  }

  /**
   * Computes what `forwardPairs` returns, and its gradients by both sides: what `backward` of the distance returns for
   * the gradients of the loss by the distances, to the last bit.
   *
   * @returns the loss, and `gradLeft` and `gradRight`, tensors of the dtype and shape of `left` and `right`
   * @throws what `forwardPairs` throws, also if `outLeft` or `outRight` overlaps another argument
   *
   * @example
   * const { loss, gradLeft, gradRight } = criterion.valueAndGradPairs(left, right, label)
   */
  valueAndGradPairs(
    left: TensorLike,
    right: TensorLike,
    label: TensorLike,
    options?: GradPairsOptions,
  ): ValueAndGradPairs<R> {
    try {
      return computeBothOfPairs(this.#loss, left, right, label, options) as ValueAndGradPairs<R>
    } catch (error) {
      throw addName(error, this.#loss.name)
    }
  }

  override toString(): string {
    const shown = optionNames.filter((name, i) => i < 2 || this[name] !== defaults[name])
    const format = (value: string | number) => (typeof value === 'string' ? `'${value}'` : value)
    return `HingeEmbeddingLoss(${shown.map((name) => `${name}=${format(this[name])}`).join(', ')})`
  }

  /** @hidden */
  [inspect](): string {
    return this.toString()
  }
}

/**
 * Computes `new HingeEmbeddingLoss(options).forward(input, label)`.
 *
 * @throws what the constructor and `forward` throw
 *
 * @example
 * hingeEmbeddingLoss([[3, 3, 9]], [[-1, 1, 1]], { margin: 6, reduction: 'sum' }) // 15
 */
export function hingeEmbeddingLoss<R extends Reduction = 'mean'>(
  input: TensorLike,
  label: TensorLike,
  options?: HingeEmbeddingLossOptions<R>,
): Result<R> {
  const loss = readOptions(options)
  try {
    return compute(loss, input, label) as Result<R>
  } catch (error) {
    throw addName(error, loss.name)
  }
}

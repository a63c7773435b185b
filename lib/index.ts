/**
 * The loss of tensors in memory, its gradients, distances of embeddings, and accumulators of exact totals.
 *
 * @module hinge-embedding-loss
 */

export {
  type ClassTotals,
  LossAccumulator,
  type LossAccumulatorJSON,
  type NegativeTotals,
  type UpdateAsyncOptions,
  type UpdatePairsAsyncOptions,
} from './accumulator.ts'
export {
  CosineDistance,
  type Distance,
  type DistanceForwardAsyncOptions,
  type DistanceForwardOptions,
  type DistanceOptions,
  type PairGradients,
  type PairGradOptions,
  type PairLossOptions,
  PairwiseDistance,
  type PairwiseDistanceOptions,
} from './distance.ts'
export {
  type ForwardAsyncOptions,
  type ForwardOptions,
  type ForwardPairsAsyncOptions,
  type ForwardPairsOptions,
  type GradOptions,
  type GradOutput,
  type GradPairsOptions,
  HingeEmbeddingLoss,
  type HingeEmbeddingLossOptions,
  hingeEmbeddingLoss,
  type Reduction,
  type Result,
  type ValueAndGrad,
  type ValueAndGradPairs,
} from './hinge-embedding-loss.ts'
export type { InvalidLabelError, InvalidWeightError, WeightOptions } from './labels.ts'
export type { InputData, LabelData, OtherLabelPolicy } from './native.ts'
export { getNumThreads, type RuntimeInfo, runtimeInfo, setNumThreads } from './runtime.ts'
export type { LabelOptions, MarginOptions } from './settings.ts'
export type { AsyncOptions } from './slices.ts'
export type { DType, TensorDType } from './tensor/dtypes.ts'
export { type InputTensor, type Nested, Tensor } from './tensor/tensor.ts'
export { type NestedArray, type TensorLike, tensor } from './tensor/tensor-like.ts'

export { type ClassTotals, LossAccumulator, type LossAccumulatorJSON, type NegativeTotals } from './accumulator.ts'
export {
  type ForwardOptions,
  HingeEmbeddingLoss,
  type HingeEmbeddingLossOptions,
  hingeEmbeddingLoss,
  type Reduction,
  type Result,
} from './hinge-embedding-loss.ts'
export type { InputData, LabelData, OtherLabelPolicy } from './native.ts'
export { getNumThreads, type RuntimeInfo, runtimeInfo, setNumThreads } from './runtime.ts'
export type { InvalidLabelError, LabelOptions, MarginOptions } from './scoring.ts'
export {
  type DType,
  type InputTensor,
  type Nested,
  type NestedArray,
  Tensor,
  type TensorDType,
  type TensorLike,
  tensor,
} from './tensor.ts'

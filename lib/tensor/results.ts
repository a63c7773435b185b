import type { InputData } from '../native.ts'
import { findView, makeViews, typedArrays } from './dtypes.ts'
import { type Like, Tensor } from './tensor.ts'

/** What a call returns beside a number: a call may have one result of each kind. */
type ResultKind = 'losses' | 'distances' | 'gradients' | 'rightGradients'

/** The classes of results, by the code of their dtype. */
const floatClasses = [typedArrays.float32, typedArrays.float64]

/**
 * V8 has typed arrays of at most so many bytes in its own heap. It moves one out for the addon, which costs several
 * times as much as the losses in it. So a small result is written to memory that is used again, and then copied: it
 * shares its memory with no other result.
 */
const smallBytes = 64

const makeSmallMemory = (): InputData[][] => [
  makeViews(typedArrays.float32, smallBytes),
  makeViews(typedArrays.float64, smallBytes),
]

const smallMemory: Readonly<Record<ResultKind, InputData[][]>> = {
  losses: makeSmallMemory(),
  distances: makeSmallMemory(),
  gradients: makeSmallMemory(),
  rightGradients: makeSmallMemory(),
}

const smallMemoryFor = (kind: ResultKind, { code, size }: Like) =>
  findView(smallMemory[kind][code] as InputData[], size)

const classOf = ({ code }: Like) => floatClasses[code] as (typeof floatClasses)[number]

/** Makes a tensor of the input's dtype and shape, over new memory. */
export function makeTensorLike(input: Like): Tensor<InputData> {
  return new Tensor(new (classOf(input))(input.size), input.shape)
}

/** Returns memory for the result of a call, of the input's dtype and size. No program gets hold of it. */
export function takeMemory(kind: ResultKind, input: Like): InputData {
  return smallMemoryFor(kind, input) ?? new (classOf(input))(input.size)
}

/** Makes the tensor of what a call has written to the memory that `takeMemory` returned. */
export function makeResult(kind: ResultKind, input: Like, memory: InputData): Tensor<InputData> {
  const data = memory === smallMemoryFor(kind, input) ? new (classOf(input))(memory) : memory
  return new Tensor(data, input.shape)
}

import { performance } from 'node:perf_hooks'
import { setImmediate } from 'node:timers'
import { invalidElements, type Labels } from './labels.ts'
import { type InvalidElements, type LossInput, native } from './native.ts'
import type { Settings } from './settings.ts'
import { assertUnchanged, type InputContents } from './tensor/tensor.ts'

/** The options of all asynchronous calls. */
export interface AsyncOptions {
  /** aborts the call, which then rejects with the signal's reason */
  signal?: AbortSignal
}

/**
 * The time that a slice should take, in milliseconds. Timers have whole milliseconds: one that is due just after a slice
 * began waits for all of the slice beside its own millisecond, and both together should stay below two.
 */
const sliceTime = 0.5
/** Elements of a loss in the first slice, which take 20 microseconds at best and a millisecond at worst. */
const firstLength = 2 ** 16
/** The length of the kernels' blocks; the length of a slice is a multiple of it. */
const blockLength = 2048

/** Bound when this module loads: by the fake clock of a test, slices would only grow. */
const now = performance.now.bind(performance)

let lastTurn: Promise<void> = Promise.resolve()

/**
 * Waits for a turn of the event loop that no other call has. Calls get turns in their order; timers and I/O run between
 * them.
 */
export function waitForTurn(): Promise<void> {
  lastTurn = lastTurn.then(() => new Promise((resolve) => setImmediate(resolve)))
  return lastTurn
}

/**
 * Calls `compute` for one slice of [0, size) after another. Between slices JavaScript runs and may transfer or resize
 * memory, so this thread computes, and `compute` checks the memory first.
 *
 * @param work how many elements of a loss are as much work as one of these, at least 1
 * @throws the signal's reason after an abort
 */
export async function runSlices(
  size: number,
  work: number,
  signal: AbortSignal | undefined,
  compute: (begin: number, end: number) => void,
): Promise<void> {
  const unit = Math.ceil(blockLength / work)
  let length = Math.ceil(firstLength / work)
  let begin = 0
  do {
    await waitForTurn()
    if (signal?.aborted) throw signal.reason
    const end = Math.min(begin + length, size)
    const start = now()
    compute(begin, end)
    const target = Math.min(2, sliceTime / (now() - start)) * length
    length = Math.ceil(target / unit) * unit
    begin = end
  } while (begin < size)
}

/** What the loss is of, in an asynchronous call. */
export interface SlicedInput {
  /** the first argument of the addon's functions */
  readonly data: LossInput
  /** the number of elements */
  readonly size: number
  /** how many elements of a loss are as much work as one of these */
  readonly work: number
  /** Throws if its memory was transferred or resized. */
  assertUnchanged(): void
}

export function sliceInput(input: InputContents): SlicedInput {
  const { data, size } = input
  return { data, size, work: 1, assertUnchanged: () => assertUnchanged('input', input) }
}

/**
 * Calls `compute` for one slice of `input` after another, and checks the memory before each.
 *
 * @param compute returns what the addon reports of invalid elements in the slice
 * @throws what `forward` throws, and the signal's reason after an abort
 */
export async function computeSlices(
  input: SlicedInput,
  labels: Labels,
  settings: Settings,
  signal: AbortSignal | undefined,
  compute: (begin: number, end: number) => InvalidElements | undefined,
): Promise<void> {
  const { contents, weightContents } = labels
  let invalid: InvalidElements | undefined
  await runSlices(input.size, input.work, signal, (begin, end) => {
    input.assertUnchanged()
    if (contents !== undefined) assertUnchanged('label', contents)
    if (weightContents !== undefined) assertUnchanged('weight', weightContents)
    const found = compute(begin, end)
    if (found !== undefined) invalid = joinInvalid(invalid, found)
  })
  if (invalid !== undefined) throw invalidElements(invalid, labels, settings)
}

/** Joins the reports of two slices. All weights are checked before the labels. */
function joinInvalid(before: InvalidElements | undefined, next: InvalidElements): InvalidElements {
  if (before === undefined || next.areWeights !== before.areWeights) return before?.areWeights ? before : next
  return { ...before, count: before.count + next.count }
}

/**
 * Returns the state of an accumulator of these elements; unless `byClass`, only its totals of all elements are right.
 */
export async function accumulateInSlices(
  input: SlicedInput,
  labels: Labels,
  settings: Settings,
  signal: AbortSignal | undefined,
  byClass: boolean,
): Promise<Uint8Array> {
  const { margin, positiveLabel, negativeLabel } = settings
  const { values, code, weight } = labels
  const hasWeights = weight !== undefined
  const accumulate = byClass || hasWeights ? native.accumulate : native.accumulateUnclassed
  const state = new Uint8Array(hasWeights ? native.weightedStateBytes : native.stateBytes)
  await computeSlices(input, labels, settings, signal, (begin, end) =>
    accumulate(input.data, values, code, margin, positiveLabel, negativeLabel, state, begin, end, weight),
  )
  return state
}

import { performance } from 'node:perf_hooks'
import { setImmediate } from 'node:timers'
import { native, type OtherLabels } from './native.ts'
import { invalidLabel, type Labels, type Settings } from './settings.ts'
import { assertUnchanged, type InputContents } from './tensor/tensor.ts'

export interface AsyncOptions {
  /** ends the call: it then rejects with the signal's reason */
  signal?: AbortSignal
}

/** How long a slice should take. */
const sliceMs = 1
/** Elements of the first slice: some 20 microseconds at best, a millisecond at worst. */
const firstLength = 2 ** 16
/** Lengths are multiples of the kernels' blocks. */
const block = 2048

/** Bound at the start: by a fake clock that a test puts in its place, slices would only grow. */
const now = performance.now.bind(performance)

let lastTurn: Promise<void> = Promise.resolve()

/** Resolves in a turn of the event loop that no other call has, in the order of asking; timers and I/O come between. */
function nextTurn(): Promise<void> {
  lastTurn = lastTurn.then(() => new Promise((resolve) => setImmediate(resolve)))
  return lastTurn
}

/**
 * Calls `compute` for one slice of `input` after another. Between them JavaScript runs and may do anything to the memory: so it is
 * this thread that computes, and it looks at the memory anew each time.
 *
 * @param compute gives the other labels of a slice where they are an error, as the addon does
 */
export async function inSlices(
  input: InputContents,
  labels: Labels,
  settings: Settings,
  signal: AbortSignal | undefined,
  compute: (begin: number, end: number) => OtherLabels | undefined,
): Promise<void> {
  const { size } = input
  const { contents } = labels
  let others: OtherLabels | undefined
  let length = firstLength
  let begin = 0
  do {
    await nextTurn()
    if (signal?.aborted) throw signal.reason
    assertUnchanged('input', input)
    if (contents !== undefined) assertUnchanged('label', contents)
    const end = Math.min(begin + length, size)
    const start = now()
    const found = compute(begin, end)
    const aim = Math.min(2, sliceMs / (now() - start)) * length
    length = Math.ceil(aim / block) * block
    if (found !== undefined) others = { index: (others ?? found).index, count: found.count + (others?.count ?? 0) }
    begin = end
  } while (begin < size)
  if (others !== undefined) throw invalidLabel(others, labels, settings)
}

/** The state of an accumulator of input and labels; with `byClass` false, the totals of all elements alone. */
export async function accumulateInSlices(
  input: InputContents,
  labels: Labels,
  settings: Settings,
  signal: AbortSignal | undefined,
  byClass: boolean,
): Promise<Uint8Array> {
  const { margin, positiveLabel, negativeLabel, policy } = settings
  const { values, dtypes } = labels
  const accumulate = byClass ? native.accumulate : native.accumulateUnclassed
  const state = new Uint8Array(native.stateBytes)
  await inSlices(input, labels, settings, signal, (begin, end) =>
    accumulate(input.data, values, dtypes, margin, positiveLabel, negativeLabel, policy, state, begin, end),
  )
  return state
}

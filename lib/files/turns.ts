import { waitForTurn } from '../slices.ts'

/** The time after which a run gives the event loop a turn, in milliseconds. */
const sliceTime = 1

/** Returns a function to call between slices of work: it waits for a turn of the event loop once a slice has taken its time. */
export function takeTurns(signal: AbortSignal | undefined): () => Promise<void> {
  let last = performance.now()
  return async () => {
    if (performance.now() - last < sliceTime) return
    await waitForTurn()
    signal?.throwIfAborted()
    last = performance.now()
  }
}

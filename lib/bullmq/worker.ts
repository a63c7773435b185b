import { once } from 'node:events'
import { getNumThreads, setNumThreads } from '../index.ts'
import { connect, explainRefusal } from './connection.ts'
import { decodeFailure } from './failures.ts'
import { isLasting, isRefusal } from './refusals.ts'
import { checkServeOptions, type ServeOptions, serve } from './serve.ts'

export interface WorkerOptions extends ServeOptions {
  /** ends the worker, after the running shards */
  readonly signal: AbortSignal
  /** is called with the name of the queue once the worker serves it */
  readonly onReady: (queue: string) => void
  /** is called when a shard has failed */
  readonly onFailure: (shard: string, error: Error) => void
  /** is called with a message when the connection breaks or comes back, and when Redis refuses something for a while */
  readonly onNote: (note: string) => void
}

/** Serves shards until the signal, and then finishes the running ones. */
export async function runWorker(
  url: string,
  { signal, onReady, onFailure, onNote, threads, ...options }: WorkerOptions,
): Promise<void> {
  checkServeOptions(options)
  if (threads !== undefined) setNumThreads(threads)
  const { concurrency = 1 } = options
  const share = threads ?? Math.max(1, Math.floor(getNumThreads() / concurrency))
  const redis = await connect(url, { signal, onTrouble: onNote })
  const aborted = signal.aborted ? Promise.resolve() : once(signal, 'abort')
  try {
    const serving = serve(redis, { ...options, threads: share })
    await Promise.race([serving, aborted])
    if (signal.aborted) return
    const { worker, refusal, close } = await serving
    worker.on('failed', (job, error) => onFailure(String(job?.id), decodeFailure(error.message)))
    worker.on('error', reportRefusals(onNote))
    await Promise.race([worker.waitUntilReady(), refusal, aborted])
    if (!signal.aborted) onReady(worker.name)
    await Promise.race([aborted, refusal])
    await close().catch((error: Error) => {
      onNote(error.message)
      throw error
    })
  } catch (error) {
    throw explainRefusal(redis, error)
  } finally {
    redis.disconnect()
  }
}

/** Reports once what Redis refuses for a while, as when it is full. The connection itself reports that Redis is away. */
function reportRefusals(onNote: (note: string) => void): (error: Error) => void {
  const reported = new Set<string>()
  return (error) => {
    if (!isRefusal(error) || isLasting(error) || reported.has(error.message)) return
    reported.add(error.message)
    onNote(`Redis refuses: ${error.message}`)
  }
}

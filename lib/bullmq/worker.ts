import { once } from 'node:events'
import { type Message, message, messageOf } from '../files/errors.ts'
import { assertThreads } from '../files/options.ts'
import { getNumThreads, setNumThreads } from '../index.ts'
import { connectRedis, explainRefusal } from './connection.ts'
import { decodeFailure } from './failures.ts'
import { isPermanentRefusal, isRefusal } from './refusals.ts'
import { checkServeOptions, type ServeOptions, serve } from './serve.ts'

interface WorkerOptions extends ServeOptions {
  /** ends the worker, after the running shards */
  readonly signal: AbortSignal
  /** is called with the name of the queue once the worker serves it */
  readonly onReady: (queue: string) => void
  /** is called when a shard has failed */
  readonly onFailure: (shard: string, error: Error) => void
  /** is called when the connection breaks or comes back, and when Redis refuses something for a while */
  readonly onNote: (note: string, message: Message) => void
}

/**
 * Serves shards until the signal, and then finishes the running ones.
 *
 * @throws {Error} ERR_REDIS: Redis cannot be reached or used, or refuses for good what a worker needs
 * @throws {Error} ERR_SHARDS_LEFT: running shards did not end in time and are left to other workers
 */
export async function runWorker(
  url: string,
  { signal, onReady, onFailure, onNote, threads, ...options }: WorkerOptions,
): Promise<void> {
  checkServeOptions(options)
  if (threads !== undefined) {
    assertThreads(threads)
    setNumThreads(threads)
  }
  const note = (text: Message) => onNote(String(text), text)
  const { concurrency = 1 } = options
  const threadsOfShard = threads ?? Math.max(1, Math.floor(getNumThreads() / concurrency))
  const redis = await connectRedis(url, { signal, onTrouble: note })
  const aborted = signal.aborted ? Promise.resolve() : once(signal, 'abort')
  try {
    const serving = serve(redis, { ...options, threads: threadsOfShard })
    await Promise.race([serving, aborted])
    if (signal.aborted) return
    const { worker, refusal, close } = await serving
    worker.on('failed', (job, error) => onFailure(String(job?.id), decodeFailure(error.message)))
    worker.on('error', reportRefusals(note))
    await Promise.race([worker.waitUntilReady(), refusal, aborted])
    if (!signal.aborted) onReady(worker.name)
    await Promise.race([aborted, refusal])
    await close().catch((error) => {
      note(messageOf(error))
      throw error
    })
  } catch (error) {
    throw explainRefusal(redis, error)
  } finally {
    redis.disconnect()
  }
}

/** Reports once what Redis refuses for a while, as when it is full. The connection itself reports that Redis is away. */
function reportRefusals(note: (text: Message) => void): (error: Error) => void {
  const reported = new Set<string>()
  return (error) => {
    if (!isRefusal(error) || isPermanentRefusal(error) || reported.has(error.message)) return
    reported.add(error.message)
    note(message`Redis refuses: ${error.message}`)
  }
}

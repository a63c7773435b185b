import { once } from 'node:events'
import { connect, explainRefusal } from '../../bullmq/connection.ts'
import { isLasting, isRefusal } from '../../bullmq/refusals.ts'
import { peer, UsageError } from '../../files/errors.ts'
import { getNumThreads, runtimeInfo, setNumThreads } from '../../index.ts'
import { notify, type Terminal } from '../progress.ts'

export interface WorkerOptions {
  redis: string
  concurrency: number
  threads?: number
  root?: string[]
  lease: number
  grace: number
}

/** Serves shards until the signal, and then finishes those under way. */
export async function work(options: WorkerOptions, signal: AbortSignal, stderr: Terminal): Promise<void> {
  const { concurrency, lease, grace, root: roots } = options
  for (const [name, value] of Object.entries({ concurrency, lease, grace })) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new UsageError(`--${name} must be an integer from 1, got ${value}`)
  }
  if (options.threads !== undefined) setNumThreads(options.threads)
  const threads = options.threads ?? Math.max(1, Math.floor(getNumThreads() / concurrency))
  const { serve } = await peer(import('../../bullmq/index.ts'), '--redis')
  const tell = (message: string) => notify(stderr, message)
  const redis = await connect(options.redis, { signal, onTrouble: tell })
  const aborted = signal.aborted ? Promise.resolve() : once(signal, 'abort')
  try {
    const serving = serve(redis, { concurrency, lease, grace, threads, ...(roots && { roots }) })
    await Promise.race([serving, aborted])
    if (signal.aborted) return
    const { worker, refusal, close } = await serving
    worker.on('failed', (job, error) => tell(`shard ${job?.id}: ${error.message}`))
    worker.on('error', tellingRefusals(tell))
    await Promise.race([worker.waitUntilReady(), refusal, aborted])
    if (!signal.aborted) tell(`version ${runtimeInfo().version} serves ${worker.name}`)
    await Promise.race([aborted, refusal])
    await close().catch((error: Error) => {
      tell(error.message)
      throw error
    })
  } catch (error) {
    throw explainRefusal(redis, error)
  } finally {
    redis.disconnect()
  }
}

/** What Redis refuses for a while, as when it is full, each once; that it is away is told by the connection. */
function tellingRefusals(tell: (message: string) => void): (error: Error) => void {
  const told = new Set<string>()
  return (error) => {
    if (!isRefusal(error) || isLasting(error) || told.has(error.message)) return
    told.add(error.message)
    tell(`Redis refuses: ${error.message}`)
  }
}

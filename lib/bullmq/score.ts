import { notify, showProgress, type Terminal } from '../cli/progress.ts'
import { peer, UsageError } from '../files/errors.ts'
import type { RunOptions } from '../files/open.ts'
import { setNumThreads } from '../index.ts'
import { connect, explainRefusal } from './connection.ts'
import type { Totals } from './index.ts'

export interface RedisOptions {
  redis?: string
  shardRows?: number
  timeout?: number
  retention?: number
}

/** The totals over all files, of shards that workers score. */
export async function distributed(
  paths: readonly string[],
  { redis: url = '', timeout = 60, ...options }: RunOptions & RedisOptions,
  signal: AbortSignal,
  stderr: Terminal,
): Promise<Totals> {
  const { addFlow, foldResults, planOf, resultsOf } = await peer(import('./index.ts'), '--redis')
  if (paths.length === 0) throw new UsageError('--redis takes a FILE')
  if (!(timeout > 0)) throw new UsageError(`--timeout must be a number of seconds above 0, got ${timeout}`)
  if (options.threads !== undefined) setNumThreads(options.threads)
  const say = (message: string) => notify(stderr, message)
  const plan = await planOf(paths, { ...options, onNote: say })
  const redis = await connect(url, { signal, onTrouble: say, patience: timeout })
  const disconnect = () => redis.disconnect()
  signal.addEventListener('abort', disconnect)
  let progress = { share: 0, count: 0 }
  const endProgress = showProgress(stderr, options.progress, 'shards', () => progress)
  try {
    signal.throwIfAborted()
    await addFlow(redis, plan)
    const onProgress = ({ done, failed, shards }: { done: number; failed: number; shards: number }) => {
      const count = Math.min(done + failed, shards)
      progress = { share: count / Math.max(shards, 1), count }
    }
    return await foldResults(plan, await resultsOf(redis, plan, { timeout, signal, onProgress }))
  } catch (error) {
    throw explainRefusal(redis, error)
  } finally {
    endProgress()
    signal.removeEventListener('abort', disconnect)
    disconnect()
  }
}

/** What goes with --redis alone, and what not. */
export function assertDistributed({ redis, ...options }: RunOptions & RedisOptions): void {
  if (redis !== undefined && options.output !== undefined) throw new UsageError('--output does not go with --redis')
  const needless = Object.entries({
    'shard-rows': options.shardRows,
    timeout: options.timeout,
    retention: options.retention,
  })
  for (const [name, value] of needless) {
    if (redis === undefined && value !== undefined) throw new UsageError(`--${name} goes with --redis`)
  }
}

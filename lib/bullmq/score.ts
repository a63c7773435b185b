import { type Message, message, option, optionError } from '../files/errors.ts'
import type { RunOptions } from '../files/options.ts'
import type { FileTotals } from '../files/totals.ts'
import { connectRedis, explainRefusal } from './connection.ts'
import { addFlow, type FlowProgress } from './flow.ts'
import { foldResults } from './fold.ts'
import { type PlanOptions, planOf } from './plan.ts'
import { resultsOf } from './results.ts'

export interface WorkerScoreOptions extends PlanOptions, Pick<RunOptions, 'onProgress'> {
  /** the URL of the Redis that the workers serve */
  readonly redis: string
  /** seconds to wait while there is no worker, or while Redis is away; default 60 */
  readonly timeout?: number
}

/**
 * Scores files as `scoreFiles` does, on the workers that are connected to a Redis. Progress counts shards.
 *
 * @throws the errors of `planOf`, `resultsOf` and `foldResults`
 * @throws {Error} ERR_REDIS: Redis cannot be reached or used, or refuses a command
 *
 * @example
 * const redis = 'redis://queue.internal:6379'
 * const { total } = await scoreOnWorkers(['/data/pairs'], { input: 'distance', label: 'label', redis })
 */
export async function scoreOnWorkers(
  paths: readonly string[],
  { redis: url, timeout = 60, onProgress, ...options }: WorkerScoreOptions,
): Promise<FileTotals> {
  if (!(timeout > 0)) {
    throw optionError('timeout', message`${option('timeout')} must be a number of seconds above 0, got ${timeout}`)
  }
  const { signal = new AbortController().signal, onNote } = options
  const plan = await planOf(paths, options)
  const onTrouble = (text: Message) => onNote?.(String(text), text)
  const redis = await connectRedis(url, { signal, onTrouble, patience: timeout })
  const disconnect = () => redis.disconnect()
  signal.addEventListener('abort', disconnect)
  const report = ({ done, failed, shards }: FlowProgress) => {
    const count = Math.min(done + failed, shards)
    onProgress?.({ share: count / Math.max(shards, 1), count })
  }
  try {
    signal.throwIfAborted()
    await addFlow(redis, plan)
    return await foldResults(plan, await resultsOf(redis, plan, { timeout, signal, onProgress: report }))
  } catch (error) {
    signal.throwIfAborted()
    throw explainRefusal(redis, error)
  } finally {
    signal.removeEventListener('abort', disconnect)
    disconnect()
  }
}

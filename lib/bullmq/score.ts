import { message, option, optionError } from '../files/errors.ts'
import type { RunOptions } from '../files/options.ts'
import type { FileTotals } from '../files/totals.ts'
import { connect, explainRefusal } from './connection.ts'
import { addFlow, type FlowProgress, resultsOf } from './flow.ts'
import { foldResults } from './fold.ts'
import { type PlanOptions, planOf } from './plan.ts'

export interface WorkerScoreOptions extends PlanOptions, Pick<RunOptions, 'signal' | 'onProgress'> {
  /** the URL of the Redis that the workers serve */
  readonly redis: string
  /** seconds to wait while there is no worker; default 60 */
  readonly timeout?: number
}

/** Scores files on the workers that are connected to a Redis. */
export async function scoreOnWorkers(
  paths: readonly string[],
  { redis: url, timeout = 60, signal = new AbortController().signal, onProgress, ...options }: WorkerScoreOptions,
): Promise<FileTotals> {
  if (paths.length === 0) throw optionError('paths', message`${option('redis')} takes ${option('paths')}`)
  if (!(timeout > 0)) {
    throw optionError('timeout', message`${option('timeout')} must be a number of seconds above 0, got ${timeout}`)
  }
  const onNote = (note: string) => options.onNote?.(note, message`${note}`)
  const plan = await planOf(paths, options)
  const redis = await connect(url, { signal, onTrouble: onNote, patience: timeout })
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

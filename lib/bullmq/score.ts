import type { Redis } from 'ioredis'
import type { Message } from '../files/errors.ts'
import { type Check, type RunOptions, readOptions, text } from '../files/options.ts'
import { RunSignal } from '../files/run-signal.ts'
import type { FileTotals } from '../files/totals.ts'
import { assertNumber, invalidArgument } from '../validate.ts'
import { connectRedis, explainRefusal } from './connection.ts'
import { addFlow, type FlowProgress } from './flow.ts'
import { foldResults } from './fold.ts'
import { type PlanOptions, planChecks, planOf } from './plan.ts'
import { resultsOf } from './results.ts'

export interface WorkerScoreOptions extends PlanOptions, Pick<RunOptions, 'onProgress'> {
  /** the URL of the Redis that the workers serve */
  readonly redis: string
  /** seconds to wait while there is no worker, or while Redis is away; default 60 */
  readonly timeout?: number
}

const seconds: Check = (name, value) => {
  assertNumber(name, value)
  if (!(value > 0)) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', name, 'a number of seconds above 0', String(value))
  }
}

const checks = { ...planChecks, redis: text, timeout: seconds } as const

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
export async function scoreOnWorkers(paths: readonly string[], scoreOptions: WorkerScoreOptions): Promise<FileTotals> {
  const { redis: url, timeout = 60, onProgress, ...options } = readOptions(scoreOptions, checks, ['redis'])
  const plan = await planOf(paths, options)
  const { signal: callerSignal, onNote } = options
  const run = new RunSignal(callerSignal)
  const { signal } = run
  const onTrouble = (trouble: Message) => run.call(() => onNote?.(String(trouble), trouble))
  const report = ({ done, failed, shards }: FlowProgress) => {
    const count = Math.min(done + failed, shards)
    run.call(() => onProgress?.({ share: count / Math.max(shards, 1), count }))
  }
  let redis: Redis | undefined
  const disconnect = () => redis?.disconnect()
  signal.addEventListener('abort', disconnect)
  try {
    redis = await connectRedis(url, { signal, onTrouble, patience: timeout })
    signal.throwIfAborted()
    await addFlow(redis, plan)
    const totals = await foldResults(plan, await resultsOf(redis, plan, { timeout, signal, onProgress: report }))
    signal.throwIfAborted()
    return totals
  } catch (error) {
    signal.throwIfAborted()
    throw redis === undefined ? error : explainRefusal(redis, error)
  } finally {
    run.close()
    disconnect()
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import { Job, type Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import { fileError } from '../files/errors.ts'
import { runtimeInfo } from '../index.ts'
import { decodeFailure } from './failures.ts'
import { addShards, countShards, extendPlan, type FlowProgress } from './flow.ts'
import { parseShardResult, type ShardResult } from './payload.ts'
import { nameOfFile, type Plan } from './plan.ts'
import { connectedVersions, hasLiveWorker, keyOf, openQueue, queues, requeueLostShards } from './queues.ts'

/** A shard has failed for good if more workers than these died or froze while they scored it. */
export const maxStalls = 10
/** What BullMQ says then. */
const stallFailure = 'job stalled more than allowable limit'

/** The time between two looks at Redis, in milliseconds. */
const firstPause = 10
const longestPause = 250

/** The options of `resultsOf`. */
export interface WaitOptions {
  /** seconds to wait while there is no worker, or while Redis does not answer; default 60 */
  readonly timeout?: number
  /** ends the wait; the promise rejects with its reason */
  readonly signal?: AbortSignal
  /** takes the progress of the plan while it waits */
  readonly onProgress?: (progress: FlowProgress) => void
}

/**
 * Waits for all shards of a plan that was added. Returns their results, in any order.
 *
 * @throws {Error} the error of the first shard that failed for good, in the order of the files, once all others are done;
 *   ERR_SHARD_STALLED: more than ten workers died or froze on it
 * @throws {Error} ERR_NO_WORKER: no worker was there within the timeout
 * @throws {Error} ERR_PLAN_LOST: Redis does not have all of the plan
 * @throws {Error} ERR_REDIS: Redis did not answer within the timeout
 * @throws the signal's reason, if it is aborted
 */
export async function resultsOf(
  redis: Redis,
  plan: Plan,
  options: WaitOptions = {},
): Promise<AsyncIterable<ShardResult>> {
  const plans = openQueue(redis, queues.plans)
  try {
    await waitForShards(redis, plan, plans, options)
    const job = await Job.fromId(plans, plan.id)
    const failures = Object.entries((await job?.getIgnoredChildrenFailures()) ?? {})
    if (failures.length > 0) throw firstFailure(plan, failures)
    return readResults(redis, plan)
  } finally {
    await plans.close()
  }
}

async function waitForShards(redis: Redis, plan: Plan, plans: Queue, options: WaitOptions): Promise<void> {
  const { timeout = 60, signal, onProgress } = options
  const ask = <T>(answer: Promise<T>) => withTimeout(answer, timeout)
  // When something was last finished or a worker was alive, and when the time to live was last renewed.
  let [lastSign, lastRenewal] = [performance.now(), performance.now()]
  let finishedBefore = -1
  for (let pause = firstPause; ; pause = Math.min(longestPause, pause * 1.5)) {
    signal?.throwIfAborted()
    const { known, ...progress } = await ask(countShards(plans, plan))
    onProgress?.(progress)
    const finished = progress.done + progress.failed
    if (known < plan.shards.length) throw planLost(plan)
    if (finished >= plan.shards.length) return
    const now = performance.now()
    if (now - lastRenewal > (1000 * plan.retention) / 3) {
      await ask(extendPlan(redis, plan))
      lastRenewal = now
    }
    if (finished !== finishedBefore) {
      finishedBefore = finished
      lastSign = now
    } else if (now - lastSign > 1000 && (await ask(hasLiveWorker(redis)))) {
      lastSign = now
      await ask(recoverShards(redis, plan))
    }
    if (now - lastSign > 1000 * timeout) throw await noWorker(redis, timeout)
    await sleep(pause, undefined, signal && { signal }).catch(() => signal?.throwIfAborted())
  }
}

/** Requeues shards whose job or list has expired. */
async function recoverShards(redis: Redis, plan: Plan): Promise<void> {
  const expired = new Set(await requeueLostShards(redis, plan.id))
  if (expired.size > 0) await addShards(redis, plan, (key) => expired.has(key))
}

function planLost({ id }: Plan): Error {
  const text = `${id}: the job is gone from Redis, or Redis did not take all of it`
  return fileError(text, { code: 'ERR_PLAN_LOST' })
}

async function noWorker(redis: Redis, timeout: number): Promise<Error> {
  const { version } = runtimeInfo()
  const versions = await connectedVersions(redis).catch(() => [])
  const others = versions.filter((other) => other !== version)
  const hint = others.length > 0 ? `; there are workers of version ${others.join(', ')}` : ''
  const text = `no worker of version ${version} has served the queue ${queues.shards} for ${timeout} s${hint}`
  return fileError(text, { code: 'ERR_NO_WORKER' })
}

/** Rejects if Redis, which may be away for a while, does not answer in time. */
async function withTimeout<T>(answer: Promise<T>, seconds: number): Promise<T> {
  const timer = new AbortController()
  const silence = sleep(1000 * seconds, undefined, { signal: timer.signal }).then(() => {
    throw fileError(`Redis has not answered for ${seconds} s`, { code: 'ERR_REDIS' })
  })
  silence.catch(() => {})
  try {
    return await Promise.race([answer, silence])
  } finally {
    timer.abort()
  }
}

/** The error of the first shard that failed; keys end in the shard's place in the plan. */
function firstFailure(plan: Plan, failures: readonly [key: string, reason: string][]): Error {
  const byIndex = failures.map(([key, reason]) => [Number(key.slice(key.lastIndexOf('-') + 1)), reason] as const)
  const [index, reason] = byIndex.reduce((first, each) => (each[0] < first[0] ? each : first))
  const shard = plan.shards[index]
  if (shard === undefined) return planLost(plan)
  if (reason === stallFailure) {
    const [file, others] = [nameOfFile(plan, index), shard.files.length - 1]
    const names = others === 0 ? file : `${file} and ${others} more`
    const text = `${names}: more than ${maxStalls} workers have died or frozen while they scored it`
    return fileError(text, { code: 'ERR_SHARD_STALLED', file })
  }
  return decodeFailure(
    reason,
    shard.files.map(({ file }, place) => ({ file, name: nameOfFile(plan, index, place) })),
  )
}

/** The results that Redis has; a scan of Redis may give one twice. */
async function* readResults(redis: Redis, plan: Plan): AsyncGenerator<ShardResult> {
  const seen = new Set<string>()
  const processed = keyOf(queues.plans, `${plan.id}:processed`)
  let cursor = '0'
  do {
    const [next, fields] = await redis.hscan(processed, cursor, 'COUNT', 100)
    cursor = next
    for (let i = 0; i < fields.length; i += 2) {
      const [key, result] = fields.slice(i, i + 2) as [string, string]
      if (!seen.has(key)) yield parseShardResult(parseJSON(result))
      seen.add(key)
    }
  } while (cursor !== '0')
}

/** The value of JSON, or undefined for other text. */
function parseJSON(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

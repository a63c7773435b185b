import type { EventEmitter } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { FlowProducer, Job, type JobsOptions, Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import { runtimeInfo } from '../index.ts'
import { decodeFailure } from './failures.ts'
import { parseShardResult, type ShardData, type ShardResult } from './payload.ts'
import type { Plan } from './plan.ts'
import { alive, keep, keepQueues, keyOf, planKeys, queues, revive, tidy, workerVersions } from './queues.ts'

/** A shard fails for good after so many workers have failed at it, or died or frozen on it. */
const attempts = 3
export const maxStalls = 10

const batch = 1000

/** How far a plan is. */
export interface FlowProgress {
  readonly shards: number
  readonly done: number
  readonly failed: number
}

export interface WaitOptions {
  /** seconds without a worker before it is given up. Default 60 */
  readonly timeout?: number
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: FlowProgress) => void
}

interface FlowNames {
  readonly shards: string
  readonly plans: string
}

/**
 * The shards of a plan, from the one up to but not with the other, as children of a job that stands for all of it: for a
 * `FlowProducer` of your own. A shard that fails does not stop the others.
 *
 * @example
 * await new FlowProducer({ connection }).add(flowOf(plan, { queues: { shards: 'scoring', plans: 'totals' } }))
 */
export function flowOf(
  plan: Plan,
  {
    from = 0,
    to = plan.shards.length,
    queues: names = queues,
  }: { from?: number; to?: number; queues?: FlowNames } = {},
) {
  const { id, options, retention } = plan
  const age = { age: retention }
  const kept: JobsOptions = { removeOnComplete: age, removeOnFail: age }
  const { version } = runtimeInfo()
  const children = plan.shards.slice(from, to).map((shard, i) => {
    const data: ShardData = { version, index: from + i, options, shard, retention }
    const jobId = shardId(id, data.index)
    const backoff = { type: 'exponential', delay: 1000 }
    const opts = { ...kept, jobId, attempts, backoff, ignoreDependencyOnFailure: true, stackTraceLimit: 1 }
    return { name: 'shard', queueName: names.shards, data, opts }
  })
  const data = { version, options, shards: plan.shards.length, retention }
  return { name: 'plan', queueName: names.plans, data, opts: { ...kept, jobId: id }, children }
}

function shardId(planId: string, index: number): string {
  return `${planId}-${index}`
}

/**
 * Adds the shards of a plan that Redis does not have, and tries failed ones again. Others stay done, or go on.
 *
 * @example
 * await addFlow(redis, plan)
 * const { total } = await foldResults(plan, await resultsOf(redis, plan))
 */
export async function addFlow(redis: Redis, plan: Plan): Promise<void> {
  const [shards, plans] = [queueOf(redis, queues.shards), queueOf(redis, queues.plans)]
  try {
    await tidy(redis)
    const { known } = await countsOf(plans, plan)
    if (known < plan.shards.length) await addShards(redis, plan)
    const failed = await redis.zrange(keyOf(queues.shards, 'failed'), '0', '-1')
    for (const id of failed.filter((each) => each.startsWith(`${plan.id}-`))) {
      const job = await Job.fromId(shards, id)
      await job?.retry('failed', { resetAttemptsMade: true }).catch(ifGone)
    }
    await keepPlan(redis, plan)
  } finally {
    await Promise.all([shards.close(), plans.close()])
  }
}

/** Those that are there already stay as they are. No list that they are put into may end before it is kept again. */
async function addShards(redis: Redis, plan: Plan, isWanted = (_key: string) => true): Promise<void> {
  const flows = silent(new FlowProducer({ connection: redis }))
  try {
    for (let from = 0; from < plan.shards.length; from += batch) {
      const { children, ...flow } = flowOf(plan, { from, to: from + batch })
      const wanted = children.filter(({ opts }) => isWanted(keyOf(queues.shards, opts.jobId)))
      if (wanted.length === 0) continue
      await keepPlan(redis, plan, from, from + batch)
      await flows.add({ ...flow, children: wanted })
      await keepPlan(redis, plan, from, from + batch)
    }
  } finally {
    await flows.close()
  }
}

/** Requeues shards whose job or list has expired. */
async function recover(redis: Redis, plan: Plan): Promise<void> {
  const gone = new Set(await revive(redis, plan.id))
  if (gone.size > 0) await addShards(redis, plan, (key) => gone.has(key))
}

/** Another client has tried it again, or its time was up. */
function ifGone(error: unknown): void {
  if (!/not in the failed state|Missing key/.test(String(error))) throw error
}

function queueOf(redis: Redis, name: string): Queue {
  return silent(new Queue(name, { connection: redis, streams: { events: { maxLen: 100 } } }))
}

/** Its calls reject with what it emits, and BullMQ prints errors that nobody listens to. */
function silent<T extends EventEmitter>(emitter: T): T {
  emitter.on('error', () => {})
  return emitter
}

async function countsOf(plans: Queue, plan: Plan): Promise<FlowProgress & { known: number }> {
  const job = await Job.fromId(plans, plan.id)
  const { processed = 0, ignored = 0, unprocessed = 0 } = (await job?.getDependenciesCount()) ?? {}
  return { shards: plan.shards.length, done: processed, failed: ignored, known: processed + ignored + unprocessed }
}

async function keepPlan(redis: Redis, { id, shards, retention }: Plan, from = 0, to = shards.length): Promise<void> {
  const jobs = shards.slice(from, to).map((_, i) => keyOf(queues.shards, shardId(id, from + i)))
  await keepQueues(redis, retention)
  await keep(redis, [...planKeys(id), ...jobs], retention)
}

/**
 * Waits for all shards of a plan that was added; what they return, in any order.
 *
 * @throws {Error} the first shard that failed for good, once all others are done; no worker came within the timeout
 */
export async function resultsOf(
  redis: Redis,
  plan: Plan,
  options: WaitOptions = {},
): Promise<AsyncIterable<ShardResult>> {
  const plans = queueOf(redis, queues.plans)
  try {
    await untilDone(redis, plan, plans, options)
    const job = await Job.fromId(plans, plan.id)
    const failures = Object.entries((await job?.getIgnoredChildrenFailures()) ?? {})
    if (failures.length > 0) throw failureOf(plan, failures)
    return results(redis, plan)
  } finally {
    await plans.close()
  }
}

async function untilDone(redis: Redis, plan: Plan, plans: Queue, options: WaitOptions): Promise<void> {
  const { timeout = 60, signal, onProgress } = options
  let [lastSign, lastKept, before] = [performance.now(), performance.now(), -1]
  for (let pause = 10; ; pause = Math.min(250, pause * 1.5)) {
    signal?.throwIfAborted()
    const { known, ...progress } = await answered(countsOf(plans, plan), timeout)
    onProgress?.(progress)
    const finished = progress.done + progress.failed
    if (known < plan.shards.length)
      throw new Error(`${plan.id}: the job is gone from Redis, or Redis did not take all of it`)
    if (finished === plan.shards.length) return
    const now = performance.now()
    if (now - lastKept > (1000 * plan.retention) / 3) {
      await answered(keepPlan(redis, plan), timeout)
      lastKept = now
    }
    if (finished !== before) [before, lastSign] = [finished, now]
    else if (now - lastSign > 1000 && (await answered(redis.exists(alive), timeout)) > 0) {
      lastSign = now
      await answered(recover(redis, plan), timeout)
    }
    if (now - lastSign > 1000 * timeout) throw await noWorkers(redis, timeout)
    await sleep(pause, undefined, signal && { signal })
  }
}

async function noWorkers(redis: Redis, timeout: number): Promise<Error> {
  const { version } = runtimeInfo()
  const versions = await workerVersions(redis).catch(() => [])
  const others = versions.filter((other) => other !== version)
  const found = others.length > 0 ? `; there are workers of version ${others.join(', ')}` : ''
  return new Error(`no worker of version ${version} serves the queue ${queues.shards} for ${timeout} s${found}`)
}

/** Redis may be away for a while. */
async function answered<T>(answer: Promise<T>, timeout: number): Promise<T> {
  const waiting = new AbortController()
  const silence = sleep(1000 * timeout, undefined, { signal: waiting.signal }).then(() => {
    throw new Error(`Redis does not answer for ${timeout} s`)
  })
  silence.catch(() => {})
  try {
    return await Promise.race([answer, silence])
  } finally {
    waiting.abort()
  }
}

function failureOf(plan: Plan, failures: readonly [key: string, reason: string][]): Error {
  const byIndex = failures.map(([key, reason]) => [Number(key.slice(key.lastIndexOf('-') + 1)), reason] as const)
  const [index, reason] = byIndex.reduce((first, each) => (each[0] < first[0] ? each : first))
  const isStalled = reason === 'job stalled more than allowable limit'
  const file = plan.shards[index]?.file
  if (isStalled) return new Error(`${file}: more than ${maxStalls} workers have died or frozen while they scored it`)
  return decodeFailure(reason)
}

/** A scan of Redis may give a shard twice. */
async function* results(redis: Redis, plan: Plan): AsyncGenerator<ShardResult> {
  const seen = new Set<string>()
  const processed = keyOf(queues.plans, `${plan.id}:processed`)
  for (let cursor = '0', isLast = false; !isLast; isLast = cursor === '0') {
    const [next, fields] = await redis.hscan(processed, cursor, 'COUNT', 100)
    cursor = next
    for (let i = 0; i < fields.length; i += 2) {
      const [key, result] = fields.slice(i, i + 2) as [string, string]
      if (!seen.has(key)) yield parseShardResult(JSON.parse(result))
      seen.add(key)
    }
  }
}

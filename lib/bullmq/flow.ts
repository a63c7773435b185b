import { FlowProducer, Job, type JobsOptions, type Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import { runtimeInfo } from '../index.ts'
import type { ShardData } from './payload.ts'
import type { Plan } from './plan.ts'
import { cleanUp, extendExpiry, extendQueues, keyOf, muteErrors, openQueue, planKeys, queues } from './queues.ts'

/** A shard has failed for good after so many attempts. */
const attempts = 3
/** milliseconds before the second attempt; it doubles */
const backoffDelay = 1000

/** How many shards go to Redis at once. */
const batchSize = 1000

/** The progress of a plan, in shards. */
export interface FlowProgress {
  /** all shards of the plan */
  readonly shards: number
  /** those that have a result */
  readonly done: number
  /** those that failed for good */
  readonly failed: number
}

/** The options of `flowOf`. */
export interface FlowOptions {
  /** the first shard, from 0 on; default 0 */
  readonly from?: number
  /** the end of the range of shards, which is not in it; default all */
  readonly to?: number
  /** the names of your queues; default those of `serve` */
  readonly queues?: { readonly shards: string; readonly plans: string }
}

/** A job to add, for a `FlowProducer`. */
interface NewJob<Data> {
  readonly name: string
  readonly queueName: string
  readonly data: Data
  readonly opts: JobsOptions & { readonly jobId: string }
}

/** A flow of BullMQ: the job of a plan, and those of its shards as children. */
export interface PlanFlow extends NewJob<Pick<ShardData, 'version' | 'options' | 'retention'> & { shards: number }> {
  readonly children: NewJob<ShardData>[]
}

/**
 * A plan as a BullMQ flow, for a `FlowProducer` of your own: its shards are the children of one job. A shard that fails does
 * not stop the others.
 *
 * @param plan what `planOf` returns
 * @param options the range of shards, default all, and the names of your queues
 *
 * @example
 * await new FlowProducer({ connection }).add(flowOf(plan, { queues: { shards: 'scoring', plans: 'totals' } }))
 */
export function flowOf(
  plan: Plan,
  { from = 0, to = plan.shards.length, queues: names = queues }: FlowOptions = {},
): PlanFlow {
  const { id, options, retention } = plan
  const age = { age: retention }
  const kept: JobsOptions = { removeOnComplete: age, removeOnFail: age }
  const { version } = runtimeInfo()
  const children = plan.shards.slice(from, to).map((shard, i) => {
    const data: ShardData = { version, index: from + i, options, shard, retention }
    const jobId = shardId(id, data.index)
    const backoff = { type: 'exponential', delay: backoffDelay }
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
 * Adds the shards of a plan that Redis does not have, and tries failed ones again. Running and finished ones stay.
 *
 * @example
 * await addFlow(redis, plan)
 * const { total } = await foldResults(plan, await resultsOf(redis, plan))
 */
export async function addFlow(redis: Redis, plan: Plan): Promise<void> {
  const [shards, plans] = [openQueue(redis, queues.shards), openQueue(redis, queues.plans)]
  try {
    await cleanUp(redis)
    const { known } = await countShards(plans, plan)
    if (known < plan.shards.length) await addShards(redis, plan)
    const failed = await redis.zrange(keyOf(queues.shards, 'failed'), '0', '-1')
    for (const id of failed.filter((each) => each.startsWith(`${plan.id}-`))) {
      const job = await Job.fromId(shards, id)
      await job?.retry('failed', { resetAttemptsMade: true }).catch(ignoreMissing)
    }
    await extendPlan(redis, plan)
  } finally {
    await Promise.all([shards.close(), plans.close()])
  }
}

/** Another client has retried the job, or the job has expired. */
function ignoreMissing(error: unknown): void {
  if (!/not in the failed state|Missing key/.test(String(error))) throw error
}

/** Adds shards, all or those whose keys `isWanted`. BullMQ leaves jobs as they are that Redis has already. */
export async function addShards(redis: Redis, plan: Plan, isWanted = (_key: string) => true): Promise<void> {
  const flows = muteErrors(new FlowProducer({ connection: redis }))
  try {
    for (let from = 0; from < plan.shards.length; from += batchSize) {
      const to = from + batchSize
      const { children, ...flow } = flowOf(plan, { from, to })
      const wanted = children.filter(({ opts }) => isWanted(keyOf(queues.shards, opts.jobId)))
      if (wanted.length === 0) continue
      // Before, so that no list expires while shards are added to it; after, for the keys that were added.
      await extendPlan(redis, plan, from, to)
      await flows.add({ ...flow, children: wanted })
      await extendPlan(redis, plan, from, to)
    }
  } finally {
    await flows.close()
  }
}

/** Renews the time to live of a plan and of a range of its shards. */
export async function extendPlan(
  redis: Redis,
  { id, shards, retention }: Plan,
  from = 0,
  to = shards.length,
): Promise<void> {
  const jobs = shards.slice(from, to).map((_, i) => keyOf(queues.shards, shardId(id, from + i)))
  await extendQueues(redis, retention)
  await extendExpiry(redis, [...planKeys(id), ...jobs], retention)
}

/** Counts the shards of a plan that are done, that have failed, and that Redis knows. */
export async function countShards(plans: Queue, plan: Plan): Promise<FlowProgress & { readonly known: number }> {
  const job = await Job.fromId(plans, plan.id)
  const { processed = 0, ignored = 0, unprocessed = 0 } = (await job?.getDependenciesCount()) ?? {}
  return { shards: plan.shards.length, done: processed, failed: ignored, known: processed + ignored + unprocessed }
}

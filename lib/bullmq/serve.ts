import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Job, Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import { maxStalls } from './flow.ts'
import { isStarved, type ProcessorOptions, type ShardProcessor, shardProcessor } from './processor.ts'
import { keep, keyOf, planKeys, queueKeys, queues, tidy } from './queues.ts'

export interface ServeOptions extends ProcessorOptions {
  /** shards at once. Default 1 */
  readonly concurrency?: number
  /** seconds after which the shards of a worker that says nothing are given to another. Default 15 */
  readonly lease?: number
}

export interface Service {
  readonly worker: Worker
  /** Takes no more shards, and finishes those under way. */
  close(): Promise<void>
}

/** Seconds that what was left without a retention stays. */
const crumbs = 86_400
/** in milliseconds */
const longestRest = 10_000

/**
 * A BullMQ worker that serves the shards of plans that were added to the same Redis.
 *
 * @example
 * const service = await serve(new Redis(url, { maxRetriesPerRequest: null }), { concurrency: 2, roots: ['/data'] })
 * process.once('SIGTERM', () => service.close())
 */
export async function serve(
  redis: Redis,
  { concurrency = 1, lease = 15, ...options }: ServeOptions = {},
): Promise<Service> {
  const processor = await shardProcessor(options)
  await tidy(redis, crumbs)
  const worker = new Worker(queues.shards, resting(processor.process), {
    connection: redis,
    concurrency,
    lockDuration: 1000 * lease,
    stalledInterval: 500 * lease,
    maxStalledCount: maxStalls,
    name: `${hostname()}-${process.pid}`,
  })
  const stopKeeping = keepWhatRuns(worker, redis)
  return {
    worker,
    async close() {
      await worker.close()
      await stopKeeping()
      processor.close()
    },
  }
}

/** Where there is no memory for shards, other workers get the time to take them. */
function resting(process: ShardProcessor['process']): ShardProcessor['process'] {
  let failures = 0
  return async (job) => {
    try {
      const result = await process(job)
      failures = 0
      return result
    } catch (error) {
      if (isStarved(error)) await sleep(Math.min(500 * 2 ** failures++, longestRest))
      throw error
    }
  }
}

/** While shards of a plan run or end it stays in Redis, and for its retention after that: also when its client is gone. */
function keepWhatRuns(worker: Worker, redis: Redis): () => Promise<void> {
  const running = new Map<string, Job>()
  const recent = new Map<string, Job>()
  const keepAll = async () => {
    const jobs = [...running.values(), ...recent.values()]
    recent.clear()
    const plans = new Map(jobs.map((job) => [job.parent?.id ?? '', job]))
    for (const [id, job] of plans) await keep(redis, [...queueKeys, ...planKeys(id)], retentionOf(job))
    for (const seconds of new Set(jobs.map(retentionOf))) {
      const alike = jobs.filter((job) => retentionOf(job) === seconds)
      await keep(
        redis,
        alike.map((job) => keyOf(queues.shards, job.id ?? '')),
        seconds,
      )
    }
  }
  const timer = setInterval(() => void keepAll().catch(() => {}), 1000)
  const end = (job: Job | undefined) => {
    if (job?.id === undefined) return
    running.delete(job.id)
    recent.set(job.id, job)
    const isExpired = job.name === undefined
    if (isExpired) void job.remove().catch(() => {})
  }
  worker.on('active', (job) => job.id !== undefined && running.set(job.id, job))
  worker.on('completed', end)
  worker.on('failed', end)
  return () => {
    clearInterval(timer)
    return keepAll()
  }
}

function retentionOf({ data }: Job): number {
  const { retention } = (data ?? {}) as { retention?: unknown }
  return typeof retention === 'number' && Number.isSafeInteger(retention) ? retention : crumbs
}

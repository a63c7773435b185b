import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Job, Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import { checkOption, integer } from '../files/options.ts'
import { maxStalls } from './flow.ts'
import { leastRetention } from './payload.ts'
import { isStarved, type ProcessorOptions, type ShardProcessor, shardProcessor } from './processor.ts'
import { aDay, alive, keep, keepQueues, keyOf, planKeys, queues, tidy } from './queues.ts'
import { isLasting } from './refusals.ts'

export interface ServeOptions extends ProcessorOptions {
  /** shards at once. Default 1 */
  readonly concurrency?: number
  /** heartbeat timeout, in seconds, before its shards are reassigned. Default 15 */
  readonly lease?: number
  /** seconds that `close` gives to running shards before it leaves them to other workers. Default 60 */
  readonly grace?: number
}

export interface Service {
  readonly worker: Worker
  /** Rejects when Redis refuses for good what a worker needs, such as a right. The worker takes no more shards then. */
  readonly refusal: Promise<never>
  /**
   * Takes no more shards, and finishes the running ones within the grace. Rejects if some do not end in time, or if Redis is away
   * for a lease: those are left to other workers.
   */
  close(): Promise<void>
}

/** Refuses numbers that are no integers from 1. */
export function checkServeOptions({ concurrency = 1, lease = 15, grace = 60 }: ServeOptions): void {
  for (const [name, value] of Object.entries({ concurrency, lease, grace })) checkOption(name, value, integer(1))
}

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
  { concurrency = 1, lease = 15, grace = 60, ...options }: ServeOptions = {},
): Promise<Service> {
  checkServeOptions({ concurrency, lease, grace })
  const processor = await shardProcessor(options)
  await tidy(redis)
  const worker = new Worker(queues.shards, resting(processor.process), {
    connection: redis,
    concurrency,
    lockDuration: 1000 * lease,
    stalledInterval: 500 * lease,
    maxStalledCount: maxStalls,
    name: `${hostname()}-${process.pid}`,
  })
  let refuse: (error: unknown) => void = () => {}
  const refusal = new Promise<never>((_, reject) => {
    refuse = reject
  })
  refusal.catch(() => {})
  const onError = (error: unknown) => {
    if (!isLasting(error)) return
    // A worker that is not closed asks again at once, and forever.
    worker.close(true).catch(() => {})
    refuse(error)
  }
  worker.on('error', onError)
  const stopKeeping = keepWhatRuns(worker, redis, lease, onError)
  return {
    worker,
    refusal,
    async close() {
      const closing = worker.close().then(stopKeeping)
      await drained(closing, redis, processor, { lease, grace })
      processor.close()
    },
  }
}

async function drained(
  closing: Promise<void>,
  redis: Redis,
  processor: ShardProcessor,
  { lease, grace }: { lease: number; grace: number },
): Promise<void> {
  let isOver = false
  const over = closing.finally(() => {
    isOver = true
  })
  const begin = performance.now()
  let connected = begin
  while (!isOver) {
    await Promise.race([over, sleep(100)])
    const now = performance.now()
    if (redis.status === 'ready') connected = now
    const isAway = now - connected > 1000 * lease
    if (isAway || now - begin > 1000 * grace) processor.interrupt()
    if (!isOver && (isAway || now - begin > 1000 * (grace + lease))) {
      over.catch(() => {})
      throw new Error(`shards under way are left to other workers${isAway ? `: Redis is away for ${lease} s` : ''}`)
    }
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

/** Others of longer leases may say so, too. */
async function live(redis: Redis, lease: number): Promise<void> {
  await redis.set(alive, '', 'EX', lease, 'NX')
  await keep(redis, [alive], lease)
}

/** While shards of a plan run or end it stays in Redis, and for its retention after that: also when its client is gone. */
function keepWhatRuns(
  worker: Worker,
  redis: Redis,
  lease: number,
  onError: (error: unknown) => void,
): () => Promise<void> {
  const running = new Map<string, Job>()
  const recent = new Map<string, Job>()
  const keepAll = async () => {
    const jobs = [...running.values(), ...recent.values()]
    recent.clear()
    const plans = new Map(jobs.map((job) => [job.parent?.id ?? '', job]))
    if (jobs.length > 0) await keepQueues(redis, Math.max(...jobs.map(retentionOf)))
    for (const [id, job] of plans) await keep(redis, planKeys(id), retentionOf(job))
    for (const seconds of new Set(jobs.map(retentionOf))) {
      const alike = jobs.filter((job) => retentionOf(job) === seconds)
      await keep(
        redis,
        alike.map((job) => keyOf(queues.shards, job.id ?? '')),
        seconds,
      )
    }
  }
  let isBusy = false
  const beat = async () => {
    if (isBusy) return
    isBusy = true
    try {
      await live(redis, lease)
      await keepAll()
    } catch (error) {
      // If Redis is away, the next beat tries again.
      onError(error)
    } finally {
      isBusy = false
    }
  }
  const timer = setInterval(beat, Math.min(1000, 300 * lease))
  void beat()
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
  return typeof retention === 'number' && Number.isSafeInteger(retention) && retention >= leastRetention
    ? retention
    : aDay
}

import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import { fileError } from '../files/errors.ts'
import { checkOption, integer } from '../files/options.ts'
import { startHeartbeat } from './heartbeat.ts'
import { isOutOfMemory, type ProcessorOptions, type ShardProcessor, shardProcessor } from './processor.ts'
import { cleanUp, queues } from './queues.ts'
import { isPermanentRefusal } from './refusals.ts'
import { maxStalls } from './results.ts'

/** The options of `serve`. */
export interface ServeOptions extends ProcessorOptions {
  /** shards at once; default 1 */
  readonly concurrency?: number
  /** heartbeat timeout, in seconds, before the shards of this worker are reassigned; default 15 */
  readonly lease?: number
  /** seconds that `close` gives to running shards before it leaves them to other workers; default 60 */
  readonly grace?: number
}

/** A running worker. */
export interface Service {
  /** the worker of BullMQ, for its events */
  readonly worker: Worker
  /** Rejects when Redis refuses for good what a worker needs, such as a right. The worker takes no more shards then. */
  readonly refusal: Promise<never>
  /**
   * Takes no more shards, and finishes the running ones within the grace. If some do not end in time, or if Redis is away for
   * a lease, leaves them to other workers.
   *
   * @throws {Error} ERR_SHARDS_LEFT: shards are left to other workers
   */
  close(): Promise<void>
}

/** Refuses numbers that are no integers from 1. */
export function checkServeOptions({ concurrency = 1, lease = 15, grace = 60 }: ServeOptions): void {
  for (const [name, value] of Object.entries({ concurrency, lease, grace })) checkOption(name, value, integer(1))
}

/** The pause after a shard for which there was no memory doubles between these milliseconds. */
const firstRest = 500
const longestRest = 10_000

/** How often a worker that closes looks at its shards, in milliseconds. */
const closeInterval = 100

/**
 * A BullMQ worker that scores the shards of plans in this Redis.
 *
 * @param redis a connection of ioredis with `maxRetriesPerRequest: null`, as BullMQ needs it
 * @param options how many shards at once, and when shards of this worker are left to others
 * @returns the running worker
 * @throws {TypeError} ERR_INVALID_ARG_TYPE: an option has the wrong type; `option` is its key
 * @throws {RangeError} ERR_INVALID_ARG_VALUE: an option has a value out of range; `option` is its key
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
  await cleanUp(redis)
  const worker = new Worker(queues.shards, restWithoutMemory(processor.process), {
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
    if (!isPermanentRefusal(error)) return
    // A worker that is not closed asks again at once, and forever.
    worker.close(true).catch(() => {})
    refuse(error)
  }
  worker.on('error', onError)
  const stopHeartbeat = startHeartbeat(worker, redis, lease, onError)
  return {
    worker,
    refusal,
    async close() {
      const closed = worker.close().then(stopHeartbeat)
      await waitForShards(closed, redis, processor, { lease, grace })
      processor.close()
    },
  }
}

/** Waits until a worker is closed. Interrupts its shards after the grace, or when Redis is away for a lease. */
async function waitForShards(
  closed: Promise<void>,
  redis: Redis,
  processor: ShardProcessor,
  { lease, grace }: { lease: number; grace: number },
): Promise<void> {
  let isClosed = false
  const ended = closed.finally(() => {
    isClosed = true
  })
  const start = performance.now()
  let lastConnected = start
  while (!isClosed) {
    await Promise.race([ended, sleep(closeInterval)])
    const now = performance.now()
    if (redis.status === 'ready') lastConnected = now
    const isAway = now - lastConnected > 1000 * lease
    if (isAway || now - start > 1000 * grace) processor.interrupt()
    if (!isClosed && (isAway || now - start > 1000 * (grace + lease))) {
      ended.catch(() => {})
      const reason = isAway ? `: Redis has been away for ${lease} s` : ''
      throw fileError(`running shards are left to other workers${reason}`, { code: 'ERR_SHARDS_LEFT' })
    }
  }
}

/** Pauses after a shard for which there was no memory, so that other workers have the time to take it. */
function restWithoutMemory(process: ShardProcessor['process']): ShardProcessor['process'] {
  let failures = 0
  return async (job) => {
    try {
      const result = await process(job)
      failures = 0
      return result
    } catch (error) {
      if (isOutOfMemory(error)) await sleep(Math.min(firstRest * 2 ** failures++, longestRest))
      throw error
    }
  }
}

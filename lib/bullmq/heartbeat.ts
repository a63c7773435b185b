import type { Job, Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import { leastRetention } from './payload.ts'
import { aDay, extendExpiry, extendQueues, keyOf, planKeys, queues, sendHeartbeat } from './queues.ts'

/** milliseconds between two heartbeats, for a lease of any seconds */
function intervalOf(lease: number): number {
  return Math.min(1000, 300 * lease)
}

/**
 * Sends the heartbeat of a worker. Each one renews the time to live of running shards, of shards that ended since the
 * last one, and of their plans, also when their client is gone. Returns a function that stops it after a last renewal.
 *
 * @param onError is called if Redis refuses; the next heartbeat tries again
 */
export function startHeartbeat(
  worker: Worker,
  redis: Redis,
  lease: number,
  onError: (error: unknown) => void,
): () => Promise<void> {
  const running = new Map<string, Job>()
  const ended = new Map<string, Job>()
  const renew = async () => {
    const jobs = [...running.values(), ...ended.values()]
    ended.clear()
    await extendJobs(redis, jobs)
  }
  let isBusy = false
  const beat = async () => {
    if (isBusy) return
    isBusy = true
    try {
      await sendHeartbeat(redis, lease)
      await renew()
    } catch (error) {
      onError(error)
    } finally {
      isBusy = false
    }
  }
  const onEnd = (job: Job | undefined) => {
    if (job?.id === undefined) return
    running.delete(job.id)
    ended.set(job.id, job)
    const isExpired = job.name === undefined
    if (isExpired) void job.remove().catch(() => {})
  }
  worker.on('active', (job) => job.id !== undefined && running.set(job.id, job))
  worker.on('completed', onEnd)
  worker.on('failed', onEnd)
  const timer = setInterval(beat, intervalOf(lease))
  void beat()
  return () => {
    clearInterval(timer)
    return renew()
  }
}

/** Renews the time to live of jobs and their plans, each for its retention. */
async function extendJobs(redis: Redis, jobs: readonly Job[]): Promise<void> {
  if (jobs.length === 0) return
  await extendQueues(redis, Math.max(...jobs.map(retentionOf)))
  const plans = new Map(jobs.map((job) => [job.parent?.id ?? '', job]))
  for (const [id, job] of plans) await extendExpiry(redis, planKeys(id), retentionOf(job))
  for (const seconds of new Set(jobs.map(retentionOf))) {
    const alike = jobs.filter((job) => retentionOf(job) === seconds)
    const keys = alike.map(({ id = '' }) => keyOf(queues.shards, id))
    await extendExpiry(redis, keys, seconds)
  }
}

function retentionOf({ data }: Job): number {
  const { retention } = Object(data) as { retention?: unknown }
  const isRight = Number.isSafeInteger(retention) && (retention as number) >= leastRetention
  return isRight ? (retention as number) : aDay
}

import type { EventEmitter } from 'node:events'
import { Queue, QueueKeys } from 'bullmq'
import type { ChainableCommander, Redis } from 'ioredis'
import { runtimeInfo } from '../index.ts'

const family = 'hinge-embedding-loss-'
const { version } = runtimeInfo()
const bullKeys = new QueueKeys()

/** Workers take shards from the one queue, and plans wait in the other for their shards. Each version has its own. */
export const queues = { shards: `${family}${version}`, plans: `${family}${version}-plans` } as const

/** The key of something in a queue, such as a list or a job. */
export function keyOf(queue: string, name: string): string {
  return bullKeys.toKey(queue, name)
}

export function openQueue(redis: Redis, name: string): Queue {
  return muteErrors(new Queue(name, { connection: redis, streams: { events: { maxLen: 100 } } }))
}

/** Listens to errors, which BullMQ prints otherwise. Its calls reject with the same errors. */
export function muteErrors<T extends EventEmitter>(emitter: T): T {
  emitter.on('error', () => {})
  return emitter
}

/** The keys that all jobs of a queue share, without those of locks, whose time to live BullMQ sets. */
function sharedKeys(queue: string): string[] {
  const { 'stalled-check': _, limiter: __, ...keys } = bullKeys.getKeys(queue)
  return Object.values(keys)
}

const allSharedKeys = Object.values(queues).flatMap(sharedKeys)

/** The keys of a plan: its job, and which shards have which result. */
export function planKeys(id: string): string[] {
  return ['', ':dependencies', ':processed', ':failed', ':unsuccessful'].map((end) => keyOf(queues.plans, id + end))
}

/** Every worker renews this key. It expires with the lease, so it tells live workers from frozen ones, which stay connected. */
const heartbeatKey = keyOf(queues.shards, 'alive')

/** The time to live, in seconds, of keys that belong to no plan or whose plan names none. */
export const aDay = 86_400

const batchSize = 1000

/** The answers of a pipeline; the first refusal throws. */
async function execute(pipeline: ChainableCommander): Promise<unknown[]> {
  const answers = (await pipeline.exec()) ?? []
  for (const [error] of answers) if (error !== null) throw error
  return answers.map(([, answer]) => answer)
}

/** Makes keys expire in these seconds, or later if they have a longer time to live already. */
export async function extendExpiry(redis: Redis, keys: readonly string[], seconds: number): Promise<void> {
  for (let from = 0; from < keys.length; from += batchSize) {
    const pipeline = redis.pipeline()
    for (const key of keys.slice(from, from + batchSize)) pipeline.expire(key, seconds, 'NX').expire(key, seconds, 'GT')
    await execute(pipeline)
  }
}

/** Keeps what all plans share for the longest of their retentions, and for a day at least. */
export function extendQueues(redis: Redis, retention: number): Promise<void> {
  return extendExpiry(redis, allSharedKeys, Math.max(aDay, retention))
}

/** Says that a worker is alive for the seconds of its lease; another worker may have said it for longer. */
export async function sendHeartbeat(redis: Redis, lease: number): Promise<void> {
  await redis.set(heartbeatKey, '', 'EX', lease, 'NX')
  await extendExpiry(redis, [heartbeatKey], lease)
}

export async function hasLiveWorker(redis: Redis): Promise<boolean> {
  return (await redis.exists(heartbeatKey)) > 0
}

/**
 * Puts the shards of a plan that are not done into the list of waiting jobs, if no shard of any plan waits or runs.
 * Returns the keys of shards that have no job any more. BullMQ has no call for this.
 */
export async function requeueLostShards(redis: Redis, planId: string): Promise<string[]> {
  const lists = ['wait', 'paused', 'active', 'delayed', 'prioritized'].map((name) => keyOf(queues.shards, name))
  const keys = [...lists, keyOf(queues.plans, `${planId}:dependencies`), keyOf(queues.shards, 'marker')]
  return (await redis.eval(requeueScript, keys.length, ...keys, keyOf(queues.shards, ''))) as string[]
}

const requeueScript = `
  for i = 1, 5 do
    if redis.call('EXISTS', KEYS[i]) == 1 then return {} end
  end
  local gone = {}
  for _, key in ipairs(redis.call('SMEMBERS', KEYS[6])) do
    if redis.call('EXISTS', key) == 1 then
      redis.call('LPUSH', KEYS[1], string.sub(key, #ARGV[1] + 1))
      redis.call('ZADD', KEYS[7], 0, '0')
    else
      table.insert(gone, key)
    end
  end
  return gone`

/**
 * Cleans up after crashed processes of this version: their keys expire, and expired jobs leave the lists of their queue.
 * Keys of other programs and versions stay as they are, whatever their names begin with.
 */
export async function cleanUp(redis: Redis): Promise<void> {
  for (const queue of Object.values(queues)) {
    for await (const keys of redis.scanStream({ match: keyOf(queue, '*'), count: batchSize })) {
      const pipeline = redis.pipeline()
      for (const key of keys as string[]) pipeline.expire(key, aDay, 'NX')
      await execute(pipeline)
    }
  }
  await removeExpiredJobs(redis, queues.plans, 'wait')
  await removeExpiredJobs(redis, queues.shards, 'wait')
  await removeExpiredJobs(redis, queues.plans, 'waiting-children')
  await removeExpiredJobs(redis, queues.shards, 'completed')
  await removeExpiredJobs(redis, queues.shards, 'failed')
}

type JobList = 'wait' | 'waiting-children' | 'completed' | 'failed'

async function removeExpiredJobs(redis: Redis, queue: string, name: JobList): Promise<void> {
  const key = keyOf(queue, name)
  const ids = await (name === 'wait' ? redis.lrange(key, 0, -1) : redis.zrange(key, '0', '-1'))
  const lookup = redis.pipeline()
  for (const id of ids) lookup.exists(keyOf(queue, id))
  const counts = await execute(lookup)
  const removal = redis.pipeline()
  for (const id of ids.filter((_, i) => counts[i] === 0)) {
    if (name === 'wait') removal.lrem(key, 0, id)
    else removal.zrem(key, id)
  }
  await execute(removal)
}

/** The versions of this package whose workers are connected. BullMQ lists the workers of one queue, which has one version. */
export async function connectedVersions(redis: Redis): Promise<string[]> {
  const list = String(await redis.client('LIST'))
  const names = [...list.matchAll(/\bname=bull:([A-Za-z0-9+/=]+)(?::w:\S*)? /g)]
  const connected = names.map(([, name = '']) => Buffer.from(name, 'base64').toString())
  const versions = connected.filter((queue) => queue.startsWith(family)).map((queue) => queue.slice(family.length))
  return [...new Set(versions)]
}

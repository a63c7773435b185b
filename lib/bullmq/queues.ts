import type { ChainableCommander, Redis } from 'ioredis'
import { runtimeInfo } from '../index.ts'

const family = 'hinge-embedding-loss-'
const prefix = 'bull'

/** Shards wait in the one for workers, plans in the other for their shards. Other versions have others: they do not mix. */
export const queues = {
  shards: `${family}${runtimeInfo().version}`,
  plans: `${family}${runtimeInfo().version}-plans`,
} as const

export const keyOf = (queue: string, name: string) => `${prefix}:${queue}:${name}`

/** What BullMQ keeps for a queue as a whole. */
const ofQueue = [
  'wait',
  'paused',
  'active',
  'delayed',
  'prioritized',
  'pc',
  'completed',
  'failed',
  'waiting-children',
  'stalled',
  'marker',
  'meta',
  'id',
  'events',
]
/** What it keeps for a plan: its job, and which shards have which result. */
const ofPlan = ['', ':dependencies', ':processed', ':failed', ':unsuccessful']

const queueKeys = Object.values(queues).flatMap((queue) => ofQueue.map((name) => keyOf(queue, name)))
export const planKeys = (id: string) => ofPlan.map((name) => keyOf(queues.plans, id + name))

/** What a worker that lives keeps for as long as its lease: one that is killed or frozen is none, though its connection lasts. */
export const alive = keyOf(queues.shards, 'alive')

/** Seconds that what belongs to no plan stays, and what was left without a retention. */
export const aDay = 86_400

/** What all plans share stays for longer than the shortest of their retentions. */
export function keepQueues(redis: Redis, seconds: number): Promise<void> {
  return keep(redis, queueKeys, Math.max(aDay, seconds))
}

/** Where no shard of any plan waits or runs, puts those of a plan that are not done where workers find them; the keys of those that have no job. */
export async function revive(redis: Redis, planId: string): Promise<string[]> {
  const lists = ['wait', 'paused', 'active', 'delayed', 'prioritized'].map((name) => keyOf(queues.shards, name))
  const keys = [...lists, keyOf(queues.plans, `${planId}:dependencies`), keyOf(queues.shards, 'marker')]
  return (await redis.eval(relist, keys.length, ...keys, keyOf(queues.shards, ''))) as string[]
}

const relist = `
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

/** The answers of a pipeline; the first refusal throws. */
async function execute(pipeline: ChainableCommander): Promise<unknown[]> {
  const answers = (await pipeline.exec()) ?? []
  for (const [error] of answers) if (error !== null) throw error
  return answers.map(([, answer]) => answer)
}

/** Keys stay in Redis for so many seconds from now at least, and not for ever. */
export async function keep(redis: Redis, keys: readonly string[], seconds: number): Promise<void> {
  for (let from = 0; from < keys.length; from += 1000) {
    const pipeline = redis.pipeline()
    for (const key of keys.slice(from, from + 1000)) pipeline.expire(key, seconds, 'NX').expire(key, seconds, 'GT')
    await execute(pipeline)
  }
}

/**
 * Expires the keys of crashed processes of this version, and removes jobs that are gone from lists. Leaves alone all keys of other
 * programs, whatever their names begin with.
 */
export async function tidy(redis: Redis): Promise<void> {
  for (const queue of Object.values(queues)) {
    for await (const keys of redis.scanStream({ match: keyOf(queue, '*'), count: 1000 })) {
      const pipeline = redis.pipeline()
      for (const key of keys as string[]) pipeline.expire(key, aDay, 'NX')
      await execute(pipeline)
    }
  }
  for (const [queue, name] of [
    [queues.plans, 'wait'],
    [queues.shards, 'wait'],
    [queues.plans, 'waiting-children'],
    [queues.shards, 'completed'],
    [queues.shards, 'failed'],
  ] as const) {
    const [key, isList] = [keyOf(queue, name), name === 'wait']
    const ids: unknown[] = await (isList ? redis.lrange(key, 0, -1) : redis.zrange(key, '0', '-1'))
    const exist = redis.pipeline()
    for (const id of ids) exist.exists(keyOf(queue, String(id)))
    const found = await execute(exist)
    const remove = redis.pipeline()
    for (const [i, id] of ids.entries()) {
      if (found[i] === 0) isList ? remove.lrem(key, 0, String(id)) : remove.zrem(key, String(id))
    }
    await execute(remove)
  }
}

/** The versions of this package of which workers are connected. */
export async function workerVersions(redis: Redis): Promise<string[]> {
  const list = String(await redis.client('LIST'))
  const names = [...list.matchAll(/\bname=bull:([A-Za-z0-9+/=]+)(?::w:\S*)? /g)]
  const found = names.map(([, name = '']) => Buffer.from(name, 'base64').toString())
  const versions = found.filter((queue) => queue.startsWith(family)).map((queue) => queue.slice(family.length))
  return [...new Set(versions)]
}

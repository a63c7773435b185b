import { isIP } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis, RedisOptions } from 'ioredis'
import { message, option, optionError } from '../files/errors.ts'
import { importPeer } from '../files/peers.ts'
import { isRefusal } from './refusals.ts'

const passwordVariable = 'HINGE_EMBEDDING_LOSS_REDIS_PASSWORD'
const connectSeconds = 10
const leastVersion = 7
const expected = 'a URL such as redis://localhost:6379, rediss://host:6379/0 or redis://host?db=2'

export interface ConnectOptions {
  /** ends the attempt to connect */
  readonly signal: AbortSignal
  /** is called when the connection breaks, and when it is there again */
  readonly onTrouble: (message: string) => void
  /** seconds until a connection that broke is given up. Default: never */
  readonly patience?: number
}

/** A connection that outlives restarts of Redis once it has been made. No message has the password. */
export async function connect(
  url: string,
  { signal, onTrouble, patience = Number.POSITIVE_INFINITY }: ConnectOptions,
): Promise<Redis> {
  const { Redis } = await importPeer(import('ioredis'), 'redis')
  let [isMade, trouble, readySince, brokenSince] = [false, '', 0, 0]
  const redis = new Redis({
    ...parse(url, (text) => new Redis(text, { lazyConnect: true }).options),
    lazyConnect: true,
    connectTimeout: 1000 * connectSeconds,
    maxRetriesPerRequest: null,
    enableReadyCheck: false,
    disableClientInfo: true,
    retryStrategy: (times: number) => {
      const now = performance.now()
      // A connection that breaks within a second is none.
      if (times === 1 && now - readySince > 1000) brokenSince = now
      const isOver = !isMade || now - brokenSince > 1000 * patience
      return isOver ? null : Math.min(100 * times, 2000)
    },
  })
  const place = nameRedis(redis)
  redis.on('error', ({ message }) => {
    if (isMade && message !== trouble) onTrouble(`${place}: ${message}`)
    trouble = message
  })
  redis.on('ready', () => {
    readySince = performance.now()
    if (isMade) onTrouble(`${place}: connected again`)
  })
  let failure = 'cannot be reached'
  let silence = 'no answer'
  const attempt = async () => {
    await redis.connect()
    if (redis.options.db) await redis.select(redis.options.db)
    failure = 'cannot be used'
    await assertServes(redis, () => {
      silence = 'it has not loaded its data'
    })
  }
  let giveUp: (reason: Error) => void = () => {}
  const end = new Promise<never>((_, reject) => {
    giveUp = reject
  })
  const timer = setTimeout(() => giveUp(new Error(`${silence} within ${connectSeconds} s`)), 1000 * connectSeconds)
  const interrupt = () => giveUp(new Error('interrupted'))
  signal.addEventListener('abort', interrupt)
  try {
    await Promise.race([attempt(), end])
    isMade = true
    brokenSince = performance.now()
    redis.options.enableReadyCheck = true
    return redis
  } catch (error) {
    redis.disconnect()
    throw new Error(`${place} ${failure}: ${reasonOf(trouble || messageOf(error), redis)}`)
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', interrupt)
  }
}

/** What a message calls this Redis. */
export function nameRedis({ options: { path, host, port } }: Redis): string {
  return `Redis at ${path ?? `${host}:${port}`}`
}

/** What Redis refuses, or that it is gone, in one line; other errors as they are. */
export function explainRefusal(redis: Redis, error: unknown): unknown {
  if (/^Connection is closed/.test(messageOf(error))) return new Error(`${nameRedis(redis)} is gone`, { cause: error })
  if (!isRefusal(error)) return error
  return new Error(`${nameRedis(redis)} refuses: ${reasonOf(error.message, redis)}`, { cause: error })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** What messages that do not say what to do come from. */
const advice: readonly [message: RegExp, isTls: boolean | undefined, advice: string][] = [
  [/^NOAUTH/, undefined, `NOAUTH: it takes a password, in the URL or in ${passwordVariable}`],
  [/RESP type|^Protocol error/, undefined, 'what is there does not answer as Redis does'],
  [
    /^Connection is closed|ECONNRESET|EPIPE/,
    false,
    'it closed the connection; if it takes TLS alone, the URL begins with rediss://, and if it is in protected mode, it takes a password',
  ],
  [/wrong version number|packet length/, true, 'it does not take TLS; the URL begins with redis://'],
  [/^no answer/, true, 'no answer; if it does not take TLS, the URL begins with redis://'],
]

/** In one line, without where in BullMQ's scripts or in OpenSSL it was met. */
function reasonOf(message: string, { options: { tls } }: Redis): string {
  const known = advice.find(([pattern, isTls]) => pattern.test(message) && (isTls ?? !!tls) === !!tls)
  return known
    ? known[2]
    : message
        .replace(/\.? script: .*$/s, '')
        .replace(/\s*\n\s*/g, ' ')
        .trim()
}

/** Workers need one Redis that takes writes, of a version whose EXPIRE has NX and GT. */
async function assertServes(redis: Redis, onLoading: () => void): Promise<void> {
  let info = await readInfo(redis)
  while (Number(info.get('loading')) > 0) {
    onLoading()
    await sleep(100)
    info = await readInfo(redis)
  }
  const version = info.get('redis_version') ?? ''
  if (info.get('cluster_enabled') === '1' || info.get('redis_mode') === 'cluster') {
    throw new Error(
      'it is in cluster mode, in which the queues of a plan would not be in one place; use one that is not',
    )
  }
  if (info.get('redis_mode') === 'sentinel') throw new Error('it is a sentinel; use the Redis that it watches over')
  if (info.get('role') === 'slave') throw new Error('it is a replica, which takes no writes; use its primary')
  if (!(Number.parseInt(version, 10) >= leastVersion)) {
    throw new Error(`it is of version ${version || 'unknown'}, workers need Redis ${leastVersion} or later`)
  }
}

async function readInfo(redis: Redis): Promise<ReadonlyMap<string, string>> {
  const lines = String(await redis.info()).split(/\r?\n/)
  return new Map(lines.map((line) => line.split(/:(.*)/s, 2) as [string, string]))
}

/** No message repeats the URL, which may hold a password. */
function refuseUrl(expected: string): Error {
  return optionError('redis', message`${option('redis')} must be ${expected}`)
}

function parse(url: string, read: (url: string) => RedisOptions) {
  const isPath = /^\/[^/]/.test(url)
  if (!isPath && !/^rediss?:\/\/[^/?#]/.test(url)) throw refuseUrl(expected)
  let options: RedisOptions
  try {
    options = read(url)
  } catch {
    throw refuseUrl('a URL whose name and password have % as %25')
  }
  const { host, port, path, family, db = 0, username, password, tls } = options
  const { pathname, searchParams } = new URL(url, 'redis://localhost')
  const number = (isPath ? '' : pathname.slice(1)) || searchParams.get('db') || '0'
  if (!/^\d{1,9}$/.test(number)) throw refuseUrl(`${expected}, whose database is a number`)
  const secret = password || process.env[passwordVariable]
  return {
    ...(isPath ? { path: path as string } : { host: host as string, port: port as number }),
    ...(family !== undefined && { family }),
    db,
    ...(username && { username }),
    ...(secret && { password: secret }),
    ...(tls && { tls: isIP(host as string) ? {} : { servername: host as string } }),
  }
}

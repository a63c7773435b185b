import { isIP } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis, RedisOptions } from 'ioredis'
import { fileError, type Message, message, option, optionError } from '../files/errors.ts'
import { importPeer } from '../files/peers.ts'
import { joinLines } from '../format.ts'
import { isRefusal } from './refusals.ts'

const passwordVariable = 'HINGE_EMBEDDING_LOSS_REDIS_PASSWORD'
const connectSeconds = 10
const leastVersion = 7
/** milliseconds */
const reconnectStep = 100
const longestReconnectPause = 2000
/** A connection that breaks sooner counts as none. In milliseconds. */
const shortestConnection = 1000

interface ConnectOptions {
  /** ends the attempt to connect; the promise rejects with its reason */
  readonly signal: AbortSignal
  /** is called when the connection breaks, and when it is there again */
  readonly onTrouble: (text: Message) => void
  /** seconds until a connection that broke is given up; default never */
  readonly patience?: number
}

/** What happened to a connection so far; times are of `performance.now()`. */
interface History {
  isMade: boolean
  lastError: string
  readySince: number
  brokenSince: number
}

/**
 * Connects to a Redis that workers can use. Once made, the connection outlives restarts of Redis. No message has the password.
 *
 * @throws {RangeError} ERR_INVALID_ARG_VALUE: the URL is none of Redis; `option` is `redis`
 * @throws {Error} ERR_REDIS: Redis cannot be reached, or workers cannot use it
 */
export async function connectRedis(
  url: string,
  { signal, onTrouble, patience = Number.POSITIVE_INFINITY }: ConnectOptions,
): Promise<Redis> {
  const { Redis } = await importPeer(import('ioredis'), 'redis')
  signal.throwIfAborted()
  const history: History = { isMade: false, lastError: '', readySince: 0, brokenSince: 0 }
  const redis = new Redis({
    ...readURL(url, (text) => new Redis(text, { lazyConnect: true }).options),
    lazyConnect: true,
    connectTimeout: 1000 * connectSeconds,
    maxRetriesPerRequest: null,
    enableReadyCheck: false,
    disableClientInfo: true,
    retryStrategy: (times: number) => delayReconnect(history, times, 1000 * patience),
  })
  reportTrouble(redis, history, onTrouble)
  const state = { failure: 'cannot be reached', silence: 'no answer' }
  const timer = new AbortController()
  const timeout = sleep(1000 * connectSeconds, undefined, { signal: AbortSignal.any([signal, timer.signal]) })
  const tooLate = timeout.then(() => Promise.reject(new Error(`${state.silence} within ${connectSeconds} s`)))
  try {
    await Promise.race([openConnection(redis, state), tooLate])
    history.isMade = true
    history.brokenSince = performance.now()
    redis.options.enableReadyCheck = true
    return redis
  } catch (cause) {
    redis.disconnect()
    signal.throwIfAborted()
    const reason = explain(history.lastError || textOf(cause), redis)
    throw fileError(`${nameRedis(redis)} ${state.failure}: ${reason}`, { code: 'ERR_REDIS' }, cause)
  } finally {
    tooLate.catch(() => {})
    timer.abort()
  }
}

/** The milliseconds until the next attempt to connect, or null to give up. */
function delayReconnect(history: History, times: number, patience: number): number | null {
  const now = performance.now()
  if (times === 1 && now - history.readySince > shortestConnection) history.brokenSince = now
  const isOver = !history.isMade || now - history.brokenSince > patience
  return isOver ? null : Math.min(reconnectStep * times, longestReconnectPause)
}

function reportTrouble(redis: Redis, history: History, onTrouble: ConnectOptions['onTrouble']): void {
  const place = nameRedis(redis)
  redis.on('error', ({ message: text }) => {
    if (history.isMade && text !== history.lastError) onTrouble(message`${place}: ${text}`)
    history.lastError = text
  })
  redis.on('ready', () => {
    history.readySince = performance.now()
    if (history.isMade) onTrouble(message`${place}: connected again`)
  })
}

/** Connects, and checks that workers can use this Redis. `state` says what is wrong if it fails or takes too long. */
async function openConnection(redis: Redis, state: { failure: string; silence: string }): Promise<void> {
  await redis.connect()
  // ioredis ignores that Redis refuses a database.
  if (redis.options.db) await redis.select(redis.options.db)
  state.failure = 'cannot be used'
  let info = await readInfo(redis)
  while (Number(info.get('loading')) > 0) {
    state.silence = 'it has not loaded its data'
    await sleep(100)
    info = await readInfo(redis)
  }
  assertUsable(info)
}

/** Refuses a Redis that takes no writes, is in cluster mode, or is too old: its EXPIRE has no NX and GT. */
function assertUsable(info: ReadonlyMap<string, string>): void {
  if (info.get('cluster_enabled') === '1' || info.get('redis_mode') === 'cluster') {
    const reason = 'in which the queues of a plan would not be in one place; use one that is not'
    throw new Error(`it is in cluster mode, ${reason}`)
  }
  if (info.get('redis_mode') === 'sentinel') throw new Error('it is a sentinel; use the Redis that it watches over')
  if (info.get('role') === 'slave') throw new Error('it is a replica, which takes no writes; use its primary')
  const version = info.get('redis_version') ?? ''
  if (!(Number.parseInt(version, 10) >= leastVersion)) {
    throw new Error(`it is of version ${version || 'unknown'}, workers need Redis ${leastVersion} or later`)
  }
}

async function readInfo(redis: Redis): Promise<ReadonlyMap<string, string>> {
  const lines = String(await redis.info()).split(/\r?\n/)
  return new Map(lines.map((line) => line.split(/:(.*)/s, 2) as [string, string]))
}

/** What messages call this Redis. */
function nameRedis({ options: { path, host, port } }: Redis): string {
  return `Redis at ${path ?? `${host}:${port}`}`
}

/** An error in one line with code ERR_REDIS, if Redis is gone or refuses a command; another error as it is. */
export function explainRefusal(redis: Redis, error: unknown): unknown {
  const code = 'ERR_REDIS'
  if (/^Connection is closed/.test(textOf(error))) return fileError(`${nameRedis(redis)} is gone`, { code }, error)
  if (!isRefusal(error)) return error
  return fileError(`${nameRedis(redis)} refuses: ${explain(error.message, redis)}`, { code }, error)
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** What to do about errors that do not say it. */
const advice: readonly { readonly pattern: RegExp; readonly tls?: boolean; readonly text: string }[] = [
  { pattern: /^NOAUTH/, text: `NOAUTH: it takes a password, in the URL or in ${passwordVariable}` },
  { pattern: /RESP type|^Protocol error/, text: 'what is there does not answer as Redis does' },
  {
    pattern: /^Connection is closed|ECONNRESET|EPIPE/,
    tls: false,
    text: 'it closed the connection; if it takes TLS alone, the URL begins with rediss://, and if it is in protected mode, it takes a password',
  },
  {
    pattern: /wrong version number|packet length/,
    tls: true,
    text: 'it does not take TLS; the URL begins with redis://',
  },
  { pattern: /^no answer/, tls: true, text: 'no answer; if it does not take TLS, the URL begins with redis://' },
]

/** The advice on an error, or its text in one line, without its place in BullMQ's scripts or in OpenSSL. */
function explain(text: string, { options }: Redis): string {
  const hasTls = Boolean(options.tls)
  const known = advice.find(({ pattern, tls = hasTls }) => pattern.test(text) && tls === hasTls)
  if (known) return known.text
  return joinLines(text.replace(/\.? script: .*$/s, ''))
}

const expectedURL = 'a URL such as redis://localhost:6379, rediss://host:6379/0 or redis://host?db=2'

/** No message repeats the URL, which may have a password. */
function refuseURL(expected: string): Error {
  return optionError('redis', message`${option('redis')} must be ${expected}`)
}

/** The options that say where Redis is. ioredis reads any option from a URL; others of its options are not the user's. */
const placeOptions = ['host', 'port', 'path', 'family', 'db', 'username'] as const
type PlaceOptions = Pick<RedisOptions, (typeof placeOptions)[number] | 'password' | 'tls'>

function readURL(url: string, read: (url: string) => RedisOptions): PlaceOptions {
  if (!/^(rediss?:\/\/[^/?#]|\/[^/])/.test(url)) throw refuseURL(expectedURL)
  let options: RedisOptions
  try {
    options = read(url)
  } catch {
    throw refuseURL('a URL whose name and password have % as %25')
  }
  // ioredis takes the digits that a database begins with.
  const { pathname, searchParams } = new URL(url, 'redis://localhost')
  const database = (options.path ? '' : pathname.slice(1)) || searchParams.get('db') || '0'
  if (!/^\d{1,9}$/.test(database)) throw refuseURL(`${expectedURL}, whose database is a number`)
  const password = options.password || process.env[passwordVariable]
  const host = String(options.host)
  return {
    ...Object.fromEntries(placeOptions.map((name) => [name, options[name] || undefined])),
    ...(password && { password }),
    ...(options.tls && { tls: isIP(host) ? {} : { servername: host } }),
  }
}

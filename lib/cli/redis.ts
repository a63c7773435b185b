import type { Redis } from 'ioredis'
import { peer, UsageError } from './failures.ts'

const passwordVariable = 'HINGE_EMBEDDING_LOSS_REDIS_PASSWORD'
const connectSeconds = 10

/** A connection that outlives restarts of Redis once it has been made. No message of its has the password. */
export async function connect(url: string, onTrouble: (message: string) => void): Promise<Redis> {
  const { Redis } = await peer(import('ioredis'), '--redis')
  const { place, options } = parse(url)
  let isMade = false
  let trouble = ''
  const redis = new Redis({
    ...options,
    lazyConnect: true,
    connectTimeout: 1000 * connectSeconds,
    maxRetriesPerRequest: null,
    retryStrategy: (times: number) => (isMade ? Math.min(100 * times, 2000) : null),
  })
  const told = (error: Error) => {
    if (isMade && error.message !== trouble) onTrouble(`Redis at ${place}: ${error.message}`)
    trouble = error.message
  }
  redis.on('error', told)
  redis.on('ready', () => {
    if (isMade) onTrouble(`Redis at ${place}: connected again`)
    isMade = true
  })
  const timer = setTimeout(() => redis.disconnect(), 1000 * connectSeconds)
  try {
    await redis.connect()
    await redis.select(options.db)
    return redis
  } catch (error) {
    redis.disconnect()
    const reason = trouble || (error instanceof Error ? error.message : String(error))
    throw new Error(`Redis at ${place} cannot be reached: ${reason}`)
  } finally {
    clearTimeout(timer)
  }
}

/** The URL may hold a password: no message repeats it. */
function parse(url: string) {
  const decoded = (part: string) => {
    try {
      return decodeURIComponent(part)
    } catch {
      throw new UsageError('--redis must be a URL whose name and password have % as %25')
    }
  }
  if (!URL.canParse(url)) throw new UsageError('--redis must be a URL such as redis://localhost:6379')
  const { protocol, hostname, port, username, password, pathname } = new URL(url)
  const host = decoded(hostname).replace(/^\[|\]$/g, '')
  const db = Number(pathname.slice(1))
  if (!['redis:', 'rediss:'].includes(protocol) || host === '' || !Number.isSafeInteger(db)) {
    throw new UsageError('--redis must be a URL such as redis://localhost:6379 or rediss://host:6379/0')
  }
  const secret = password === '' ? process.env[passwordVariable] : decoded(password)
  const options = {
    host,
    port: Number(port || 6379),
    db,
    ...(username !== '' && { username: decoded(username) }),
    ...(secret !== undefined && { password: secret }),
    ...(protocol === 'rediss:' && { tls: { servername: host } }),
  }
  return { place: `${host}:${options.port}`, options }
}

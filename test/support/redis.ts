import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { isInstalled, Program } from './processes.ts'

export const hasRedis = isInstalled('redis-server')

/** Finds a port below those that the system gives to the outgoing connections of other tests. */
async function freePort(): Promise<number> {
  const port = 10_000 + Math.floor(20_000 * Math.random())
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch {
    return freePort()
  }
  server.close()
  await once(server, 'close')
  return port
}

/** A Redis server on a port and in a folder of its own. */
export class RedisServer {
  readonly port: number
  readonly folder: string
  readonly #args: readonly string[]
  #program: Program | undefined

  private constructor(port: number, args: readonly string[]) {
    this.port = port
    this.folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-redis-'))
    this.#args = args
  }

  static async start(...args: string[]): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), args)
    await server.start()
    return server
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  async start(): Promise<void> {
    const place = ['--bind', '127.0.0.1', '--dir', this.folder, '--save', '']
    const port = this.#args.includes('--port') ? [] : ['--port', String(this.port)]
    this.#program = new Program('redis-server', [...place, ...port, ...this.#args])
    await this.#program.prints(/Ready to accept/, 'stdout')
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    await this.#program?.end(signal)
  }

  async stop(): Promise<void> {
    await this.kill('SIGKILL')
    rmSync(this.folder, { recursive: true })
  }

  connect(options: object = {}): Redis {
    return new Redis({ host: '127.0.0.1', port: this.port, maxRetriesPerRequest: null, ...options })
  }
}

/** Runs `work` with a Redis of its own, which takes these arguments. */
export async function withRedis(args: readonly string[], work: (server: RedisServer) => Promise<void>): Promise<void> {
  const server = await RedisServer.start(...args)
  try {
    await work(server)
  } finally {
    await server.stop()
  }
}

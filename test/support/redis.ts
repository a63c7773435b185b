import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { root } from './application.ts'

export const hasRedis = spawnSync('redis-server', ['--version']).status === 0

export interface Outcome {
  code: number | null
  stdout: string
  stderr: string
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/** A real one, on a port and in a folder of its own. */
export class RedisServer {
  readonly port: number
  readonly folder: string
  readonly #args: readonly string[]
  #process: ChildProcess | undefined

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
    this.#process = spawn('redis-server', [...place, ...port, ...this.#args], { stdio: ['ignore', 'pipe', 'ignore'] })
    let said = ''
    this.#process.stdout?.on('data', (chunk) => {
      said += chunk
    })
    while (!/Ready to accept/.test(said)) {
      if (this.#process.exitCode !== null) throw new Error(said)
      await sleep(10)
    }
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    if (this.#process === undefined || this.#process.exitCode !== null) return
    const exit = once(this.#process, 'exit')
    this.#process.kill(signal)
    await exit
  }

  async stop(): Promise<void> {
    await this.kill('SIGKILL')
    rmSync(this.folder, { recursive: true })
  }

  connect(options: object = {}): Redis {
    return new Redis({ host: '127.0.0.1', port: this.port, maxRetriesPerRequest: null, ...options })
  }
}

/** The command line in a process of its own, run from the sources' `dist`. */
export class Program {
  readonly process: ChildProcess
  readonly outcome: Promise<Outcome>
  stderr = ''

  constructor(main: string, args: readonly string[], options: { env?: NodeJS.ProcessEnv; memory?: number } = {}) {
    const [command, first] = options.memory
      ? ['bash', ['-c', `ulimit -v ${options.memory} && exec "$@"`, 'bash', process.execPath]]
      : [process.execPath, []]
    const env = { ...process.env, ...options.env }
    this.process = spawn(command as string, [...(first as string[]), main, ...args], { cwd: root, env })
    const { stdout, stderr } = this.process
    if (stdout === null || stderr === null) throw new Error('no pipes')
    stderr.on('data', (chunk) => {
      this.stderr += chunk
    })
    this.outcome = Promise.all([text(stdout), once(this.process, 'close')]).then(([out, [code]]) => ({
      code,
      stdout: out,
      stderr: this.stderr,
    }))
  }

  /** Until standard error says it, or it has ended. */
  async says(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.stderr)) {
      if (this.isOver) throw new Error(this.stderr)
      await sleep(10)
    }
  }

  get isOver(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal)
  }

  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<Outcome> {
    this.process.kill(signal)
    return this.outcome
  }
}

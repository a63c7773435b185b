import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import type { Redis } from 'ioredis'
import { type Service, serve } from '../../lib/bullmq/index.ts'
import { runtimeInfo } from '../../lib/index.ts'
import { hasRedis, RedisServer } from './redis.ts'

/** The queue from which workers of this version take shards. */
export const queue = `hinge-embedding-loss-${runtimeInfo().version}`

/** 20,000 rows: distances `d` in FLOAT and `w` in DOUBLE, labels `y`, and columns of many types. */
const createPairs = `CREATE TABLE pairs AS SELECT i AS id, (sin(i) + 1)::FLOAT AS d, sin(i) + 1 AS w,
  CASE WHEN i % 10 = 3 THEN 1 ELSE -1 END AS y, CASE WHEN i % 3 = 0 THEN NULL ELSE i % 3 END AS g,
  CASE WHEN i >= 17000 AND i % 100 = 5 THEN 5 ELSE -1 END AS other, CASE WHEN i = 12345 THEN NULL ELSE i END AS gap,
  (i % 7 / 4)::DECIMAL(9, 2) AS price, DATE '2024-01-01' + (i % 5)::INTEGER AS day,
  TIMESTAMPTZ '2024-01-01 00:00:00.000001+02' + INTERVAL (i % 5) HOUR AS hour,
  'it''s ' || chr((955 + i % 3)::INTEGER) AS word, i % 2 = 0 AS even, ('a' || i % 2)::BLOB AS bytes,
  md5((i % 3)::VARCHAR)::UUID AS uuid, CASE WHEN i % 2 = 0 THEN 0.1 WHEN i % 3 = 0 THEN 'nan' ELSE 1e-300 END::DOUBLE AS f,
  i::HUGEINT % 2 + 170141183460469231731687303715884105720 AS huge, INTERVAL (i % 2) MONTH AS pause
  FROM range(20000) AS r(i)`

interface Running {
  readonly server: RedisServer
  readonly redis: Redis
  readonly workerRedis: Redis
  readonly service: Service
  readonly connection: DuckDBConnection
}

/**
 * A folder with pairs.parquet, the same rows in three files of parts/, and files that are cut off; a Redis; and a
 * worker that reads this folder.
 */
class WorkerSetup {
  readonly folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-workers-'))
  #running: Running | undefined

  async start(): Promise<void> {
    const server = await RedisServer.start()
    const workerRedis = server.connect()
    const service = await serve(workerRedis, { concurrency: 2, threads: 1, roots: [this.folder], lease: 2 })
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    this.#running = { server, redis: server.connect(), workerRedis, service, connection }
    await connection.run(createPairs)
    await this.copy('FROM pairs', 'pairs.parquet', '(ROW_GROUP_SIZE 2048)')
    mkdirSync(this.path('parts'))
    for (let i = 0; i < 3; i++) await this.copy(`FROM pairs WHERE id % 3 = ${i}`, `parts/${i}.parquet`)
    await this.copy('SELECT w AS d, y, word AS g FROM pairs', 'double.parquet')
    await this.copy('SELECT w, y, id FROM pairs', 'text.csv.gz')
    for (const [name, size] of [
      ['text.csv.gz', 5000],
      ['pairs.parquet', 50_000],
    ] as const) {
      writeFileSync(this.path(name.replace(/^\w+/, 'truncated')), readFileSync(this.path(name)).subarray(0, size))
    }
  }

  get #parts(): Running {
    if (this.#running === undefined) throw new Error('the worker has not started')
    return this.#running
  }

  get server(): RedisServer {
    return this.#parts.server
  }

  /** a connection for tests */
  get redis(): Redis {
    return this.#parts.redis
  }

  get service(): Service {
    return this.#parts.service
  }

  /** The path of a file in the folder. */
  readonly path = (name: string): string => join(this.folder, name)

  /** Writes the rows of a query, which may read the table pairs, to a file in the folder. */
  async copy(sql: string, name: string, options = ''): Promise<void> {
    await this.#parts.connection.run(`COPY (${sql}) TO '${this.path(name)}' ${options}`)
  }

  /** The command line that scores files of the folder on this machine; the label is `y` unless `more` says otherwise. */
  readonly score = (files: string[], ...more: string[]): string[] => {
    const label = more.includes('--label') ? [] : ['--label', 'y']
    return ['score', ...files.map(this.path), ...label, ...more]
  }

  /** The options that hand a command line to workers, in shards of some 8,000 rows. */
  readonly many = (...more: string[]): string[] => ['--redis', this.server.url, '--shard-rows', '8000', ...more]

  async stop(): Promise<void> {
    rmSync(this.folder, { recursive: true })
    if (this.#running === undefined) return
    const { server, redis, workerRedis, service, connection } = this.#running
    connection.closeSync()
    await service.close()
    workerRedis.disconnect()
    redis.disconnect()
    await server.stop()
  }
}

/** Starts a worker before the tests of a suite, and stops it after them. Skips the tests without redis-server. */
export function useWorker(prepare?: (setup: WorkerSetup) => Promise<void>): WorkerSetup {
  const setup = new WorkerSetup()
  before('start Redis and a worker, write files', async function () {
    if (!hasRedis) return this.skip()
    await setup.start()
    await prepare?.(setup)
  })
  after(() => setup.stop())
  return setup
}

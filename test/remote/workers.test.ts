import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DuckDBConnection } from '@duckdb/node-api'
import { expect } from 'chai'
import { planOf, type Service, scoreOnWorkers, serve } from '../../lib/bullmq/index.ts'
import { type ScoreFilesOptions, scoreFiles } from '../../lib/files.ts'
import { nodePath, Program, root } from '../support/processes.ts'
import { hasRedis, RedisServer } from '../support/redis.ts'
import { connectTo } from './client.ts'
import { environmentOf, setEnvironment } from './environment.ts'
import { FaultProxy, type Passed } from './proxy.ts'
import { installTools, removeTools, type Store, stores } from './tools.ts'

const rows = 60_000
const rowsPerGroup = 4096

describe(`workers without a shared disk${hasRedis ? '' : ', which need redis-server'}`, function () {
  this.timeout(180_000)

  let folder: string
  let store: Store
  let proxy: FaultProxy
  let server: RedisServer
  let service: Service
  let workerRedis: ReturnType<RedisServer['connect']>
  let connection: DuckDBConnection
  let environment: Readonly<Record<string, string>>
  let restore: () => void
  const columns = { input: 'd', label: 'y' } as const

  before('install tools, start servers and a worker, write pairs', async function () {
    if (!hasRedis) return this.skip()
    await installTools()
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
    store = await stores.s3rver()
    proxy = await FaultProxy.start(store.url)
    environment = { ...environmentOf(proxy.url), ...store.environment }
    restore = setEnvironment(environment)
    connection = await connectTo(proxy.url)
    await connection.run(`CREATE TABLE pairs AS SELECT i AS id, (hash(i) % 16777216 / 8388608)::FLOAT AS d, 'k' || i % 3 AS g,
      CASE WHEN hash(i) % 5 = 0 THEN 1 ELSE -1 END AS y, [d, 1]::FLOAT[] AS v FROM range(${rows}) AS r(i)`)
    for (const name of ['day=1', 'day=02', 'small']) mkdirSync(join(folder, name))
    await write('FROM pairs', 'pairs.parquet', `(ROW_GROUP_SIZE ${rowsPerGroup})`)
    for (const [i, format] of ['csv', 'csv.gz', 'tsv', 'ndjson'].entries()) {
      const options = format === 'tsv' ? `(FORMAT csv, DELIMITER '\t')` : ''
      for (const part of [0, 1]) {
        await write(`SELECT id, d, y, g FROM pairs WHERE id % 10 = ${2 * i + part}`, `text-${part}.${format}`, options)
      }
    }
    for (const day of ['1', '02']) {
      await write(`SELECT d, y FROM pairs WHERE id % 7 = ${Number(day)}`, `day=${day}/a.parquet`)
      await write(`SELECT d, y FROM pairs WHERE id % 7 = ${Number(day)}`, `day=${day}/b.csv`)
    }
    for (let i = 0; i < 120; i++)
      await write(`FROM pairs WHERE id % 120 = ${i} AND id < 1200`, `small/${1000 + i}.parquet`)
    await write('SELECT id AS i, v AS vector FROM pairs WHERE id < 1000', 'vectors.parquet')
    await write(`SELECT id AS i, v AS vector FROM pairs WHERE id < 1000`, 'vectors.ndjson')
    await write('SELECT id % 1000 AS a, (id * 7) % 1000 AS b, y FROM pairs', 'ids.parquet')
    await connection.run(`COPY (FROM pairs) TO 's3://pairs/out-of-root/pairs.parquet'`)
    server = await RedisServer.start()
    workerRedis = server.connect()
    service = await serve(workerRedis, { threads: 1, concurrency: 2, roots: ['s3://pairs/in'], lease: 2 })
  })
  beforeEach(() => proxy.reset())
  after(async () => {
    await service?.close()
    workerRedis?.disconnect()
    await server?.stop()
    restore?.()
    connection?.closeSync()
    proxy?.stop()
    await store?.stop()
    if (folder) rmSync(folder, { recursive: true })
    removeTools()
  })

  /** Writes the rows of a query to a file on the disk, and to the object of its name. */
  async function write(sql: string, name: string, options = ''): Promise<void> {
    for (const place of [folder, 's3://pairs/in'])
      await connection.run(`COPY (${sql}) TO '${place}/${name}' ${options}`)
  }

  const urls = (...names: string[]) => names.map((name) => `s3://pairs/in/${name}`)
  const run = (files: string[], options: object = columns) =>
    scoreOnWorkers(files, { ...columns, ...options, redis: server.url, timeout: 30 })
  const failure = (work: Promise<unknown>) =>
    work.then(
      () => expect.fail('it must fail'),
      (error: Error & Record<string, unknown>) => error,
    )
  const requestsFor = (name: string, ...methods: string[]) =>
    proxy.passed.filter(({ path, method }) => path === `/pairs/in/${name}` && methods.includes(method))
  const isRead = ({ method, range }: Passed) => method === 'GET' && range !== ''

  it('workers have the totals of one machine, of every format, ranges of rows, folders, and ids', async () => {
    const ids = { input: undefined, left: 'a', right: 'b', id: 'i' }
    for (const [names, options] of [
      [['pairs.parquet'], { shardRows: 9000, by: 'g' }],
      [['text-*.csv'], { by: 'g' }],
      [['text-*.csv.gz', 'text-*.tsv'], {}],
      [['text-*.ndjson', 'pairs.parquet'], { weight: 'id + 1' }],
      [['day=*/*.parquet'], { by: 'day' }],
      [['day=*/*.csv'], { by: 'day' }],
      [['ids.parquet'], { ...ids, embeddings: 'vectors.parquet', shardRows: 20_000 }],
      [['ids.parquet'], { ...ids, embeddings: 'vectors.ndjson', embedding: 'CAST(vector AS FLOAT[])' }],
    ] as const) {
      const { embeddings, shardRows, ...rest }: Record<string, unknown> = { ...options }
      const at = (place: string) => (embeddings ? { ...rest, embeddings: `${place}/${embeddings}` } : rest)
      const local = { ...columns, ...at(folder) } as ScoreFilesOptions
      const one = await scoreFiles(
        names.map((name) => join(folder, name)),
        local,
      )
      const many = await run(urls(...names), { ...at('s3://pairs/in'), ...(shardRows ? { shardRows } : {}) })
      expect(JSON.stringify(many), names.join()).to.equal(JSON.stringify(one))
    }
  })

  it('a range of row groups reads its own bytes of the columns, with one HEAD and one footer for each shard', async () => {
    const rowsOf = `SELECT sum(total_compressed_size) FROM parquet_metadata('${folder}/pairs.parquet') WHERE path_in_schema IN ('d', 'y')`
    const [[bytes] = []] = (await connection.runAndReadAll(rowsOf)).getRows()
    const options = { ...columns, shardRows: 3 * rowsPerGroup, margin: 2 }
    const { shards } = await planOf(urls('pairs.parquet'), options)
    const groups = Math.ceil(rows / rowsPerGroup)
    expect(shards).to.have.lengthOf(Math.ceil(groups / 3))
    proxy.reset()
    await run(urls('pairs.parquet'), options)
    const all = requestsFor('pairs.parquet', 'HEAD', 'GET')
    const size = readFileSync(join(folder, 'pairs.parquet')).length
    const isFooter = ({ range }: Passed) => Number(/-(\d+)$/.exec(range)?.[1]) === size - 1
    const data = all.filter((each) => isRead(each) && !isFooter(each))
    expect(data.length).to.be.at.most(groups)
    const read = data.reduce((sum, each) => sum + each.bytes, 0)
    expect(read).to.be.within(Number(bytes), 1.1 * Number(bytes))
    // The client: one HEAD to find the file, one for its state, and a footer. A worker: one of each for a shard.
    expect(all.filter(({ method }) => method === 'HEAD')).to.have.lengthOf(2 + shards.length)
    expect(all.filter((each) => isRead(each) && isFooter(each))).to.have.lengthOf(1 + shards.length)
  })

  it('small objects share a shard, and are listed once', async () => {
    const plan = await planOf(urls('small'), columns)
    expect(plan.shards.map(({ files }) => files.length)).to.deep.equal([100, 20])
    const listings = proxy.passed.filter(
      ({ query }) => query.includes('list-type') && /prefix=in%2Fsmall%2F(&|$)/.test(query),
    )
    expect(listings).to.have.lengthOf(1)
    expect(requestsFor('small/1119.parquet', 'HEAD')).to.have.lengthOf(1)
    expect(requestsFor('small/1119.parquet', 'GET')).to.have.lengthOf(0)
    expect((await planOf(urls('small'), columns)).id).to.equal(plan.id)
    expect((await run(urls('small'))).total.count).to.equal(1200)
  })

  it('an object of which one value changes after the plan is an error, and makes another plan', async () => {
    await write('FROM pairs LIMIT 2000', 'changed.parquet')
    const before = await planOf(urls('changed.parquet'), columns)
    proxy.reset()
    let isChanged = false
    proxy.fault = async ({ path, method, authorization }) => {
      // The state that the client asks for is the last before a job.
      if (!path.endsWith('in/changed.parquet') || method !== 'HEAD' || isChanged || authorization === '')
        return undefined
      if (requestsFor('changed.parquet', 'HEAD').length < 3) return undefined
      isChanged = true
      await connection.run(`COPY (SELECT * REPLACE (CASE WHEN id = 7 THEN 0.5::FLOAT ELSE d END AS d) FROM pairs LIMIT 2000)
        TO 's3://pairs/in/changed.parquet'`)
      return undefined
    }
    const error = await failure(run(urls('changed.parquet'), { margin: 3 }))
    expect(error).to.include({ code: 'ERR_FILE_CHANGED', file: urls('changed.parquet')[0], host: hostname() })
    expect(error.message).to.match(/another file than the client has seen on the worker's host .*ETag/)
    proxy.reset()
    expect((await planOf(urls('changed.parquet'), columns)).id).not.to.equal(before.id)
  })

  it('an object that changes while it is scored is an error', async () => {
    await write('FROM pairs', 'moving.parquet', `(ROW_GROUP_SIZE ${rowsPerGroup})`)
    let isChanged = false
    proxy.fault = async (request) => {
      if (!request.path.endsWith('in/moving.parquet') || !isRead(request) || isChanged) return undefined
      if (requestsFor('moving.parquet', 'GET').length < 4) return undefined
      isChanged = true
      await connection.run(
        `COPY (FROM pairs WHERE id <> 5) TO 's3://pairs/in/moving.parquet' (ROW_GROUP_SIZE ${rowsPerGroup})`,
      )
      return undefined
    }
    const error = await failure(run(urls('moving.parquet'), { shardRows: 1_000_000 }))
    expect(isChanged).to.equal(true)
    expect(error).to.include({ code: 'ERR_FILE_CHANGED', file: urls('moving.parquet')[0], host: hostname() })
  })

  it('an error has the URL and the row of its object, also of a copy that shares a shard', async () => {
    await write(`SELECT d, CASE WHEN id = 41 THEN 9 ELSE y END AS y FROM pairs LIMIT 100`, 'text-9.csv')
    try {
      const files = urls('text-*.csv')
      const one = await failure(scoreFiles(files, columns))
      const many = await failure(run(files))
      expect(many.message).to.equal(one.message)
      expect(many).to.include({ code: 'ERR_INVALID_LABEL', file: urls('text-9.csv')[0], row: 42 })
    } finally {
      await write('SELECT id, d, y, g FROM pairs LIMIT 0', 'text-9.csv')
    }
  })

  it('a worker reads nothing outside of its roots, and what it may not read or find is an error with its host', async () => {
    const outside = await failure(run(['s3://pairs/out-of-root/pairs.parquet']))
    expect(outside).to.include({ code: 'ERR_OUTSIDE_ROOTS', host: hostname() })
    const web = await failure(run([`${proxy.url}/pairs/in/pairs.parquet`]))
    expect(web).to.include({ code: 'ERR_OUTSIDE_ROOTS' })
    // The client may read it, and the worker may not.
    for (const [status, code] of [
      [403, 'EACCES'],
      [404, 'ENOENT'],
    ] as const) {
      proxy.reset()
      proxy.fault = ({ path }) => {
        const isOfWorker = requestsFor('text-1.csv', 'HEAD').length > 2
        return path.endsWith('in/text-1.csv') && isOfWorker ? { status } : undefined
      }
      const error = await failure(run(urls('text-1.csv'), { margin: status }))
      expect(error).to.include({ code, file: urls('text-1.csv')[0], host: hostname() })
    }
  })

  it('Redis has URLs and ETags, and no key, secret, token or signature', async () => {
    await run(urls('text-*.csv'), { margin: 11 })
    const redis = server.connect()
    let text = ''
    for (const key of await redis.keys('*')) {
      const dump = await redis.dumpBuffer(key)
      const hash = (await redis.type(key)) === 'hash' ? JSON.stringify(await redis.hgetall(key)) : ''
      text += `${key}\n${dump?.toString('latin1')}\n${hash}\n`
    }
    redis.disconnect()
    expect(text).to.include('s3://pairs/in/text-0.csv')
    const secrets = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'].flatMap(
      (name) => environment[name] ?? [],
    )
    expect(secrets).to.have.lengthOf.at.least(2)
    for (const secret of [...secrets, 'AWS4-HMAC', 'Signature']) expect(text).not.to.include(secret)
  })

  it('workers have the bits of one machine when one of them is killed while it reads objects, three times', async () => {
    await service.close()
    const one = await scoreFiles([join(folder, 'pairs.parquet')], { ...columns, by: 'g', margin: 1.5 })
    const args = ['--import', 'tsx', join(root, 'lib/cli/main.ts'), 'worker', '--redis', server.url, '--lease', '1']
    const start = async () => {
      const worker = new Program(nodePath, [...args, '--threads', '1', '--root', 's3://pairs/in'], { env: environment })
      await worker.prints(/serves/)
      return worker
    }
    const stays = await start()
    try {
      for (let i = 0; i < 3; i++) {
        const victim = await start()
        proxy.reset()
        proxy.fault = (request) => (isRead(request) ? { wait: 100 } : undefined)
        const redis = server.connect()
        await redis.flushall()
        redis.disconnect()
        const scored = run(urls('pairs.parquet'), { by: 'g', margin: 1.5, shardRows: 4000 })
        while (proxy.passed.filter(isRead).length < 8 + i) await sleep(5)
        await victim.end('SIGKILL')
        expect(JSON.stringify(await scored)).to.equal(JSON.stringify(one))
      }
      expect((await stays.end('SIGTERM')).code).to.equal(0)
    } finally {
      await stays.end('SIGKILL')
    }
  })
})

import { cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import { Queue, type Worker } from 'bullmq'
import { expect } from 'chai'
import fc from 'fast-check'
import type { Redis } from 'ioredis'
import {
  addFlow,
  foldResults,
  parseShardData,
  parseShardResult,
  planOf,
  resultsOf,
  serve,
  shardProcessor,
} from '../lib/bullmq/index.ts'
import { main } from '../lib/cli/program.ts'
import { Session } from '../lib/cli/session.ts'
import { runtimeInfo } from '../lib/index.ts'
import { makeApplication } from './application.ts'
import { hasRedis, type Outcome, Program, RedisServer } from './redis.ts'

const { version } = runtimeInfo()
const queue = `hinge-embedding-loss-${version}`

describe(`hinge-embedding-loss/bullmq${hasRedis ? '' : ', which needs redis-server'}`, function () {
  this.timeout(60_000)

  let folder: string
  let server: RedisServer
  let redis: Redis
  let workerRedis: Redis
  let worker: Worker

  const path = (name: string) => join(folder, name)

  /** In this process. */
  async function run(args: readonly string[]): Promise<Outcome> {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()]
    const outputs = Promise.all([text(stdout), text(stderr)])
    const code = await main(args, new AbortController().signal, { stdout, stderr })
    stdout.end()
    stderr.end()
    const [out, err] = await outputs
    return { code, stdout: out, stderr: err }
  }

  const score = (files: string[], ...more: string[]) => ['score', ...files.map(path), '--label', 'y', ...more]
  const many = (...more: string[]) => ['--redis', server.url, '--shard-rows', '1000', ...more]

  /** What one machine prints, many do. */
  async function agree(files: string[], ...more: string[]): Promise<Outcome> {
    const args = score(files, ...more)
    const [one, other] = [await run(args), await run([...args, ...many()])]
    expect(other, args.join(' ')).to.deep.equal(one)
    return one
  }

  async function fails(args: readonly string[], code: number, named: RegExp): Promise<void> {
    const outcome = await run(args)
    expect(outcome.stderr, args.join(' ')).to.match(named)
    expect(outcome, args.join(' ')).to.include({ code, stdout: '' })
  }

  before('start Redis and a worker, write files', async function () {
    if (!hasRedis) return this.skip()
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-bullmq-'))
    server = await RedisServer.start()
    redis = server.connect()
    workerRedis = server.connect()
    worker = await serve(workerRedis, { concurrency: 2, threads: 1, roots: [folder], lease: 2 })
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    await connection.run(`CREATE TABLE pairs AS SELECT i AS id, (sin(i) + 1)::FLOAT AS d, sin(i) + 1 AS w,
      CASE WHEN i % 10 = 3 THEN 1 ELSE -1 END AS y, CASE WHEN i % 3 = 0 THEN NULL ELSE i % 3 END AS g,
      CASE WHEN i >= 17000 AND i % 100 = 5 THEN 5 ELSE -1 END AS other, CASE WHEN i = 12345 THEN NULL ELSE i END AS gap,
      (i % 7 / 4)::DECIMAL(9, 2) AS price, DATE '2024-01-01' + (i % 5)::INTEGER AS day,
      TIMESTAMPTZ '2024-01-01 00:00:00.000001+02' + INTERVAL (i % 5) HOUR AS hour,
      'it''s ' || chr((955 + i % 3)::INTEGER) AS word, i % 2 = 0 AS even, ('a' || i % 2)::BLOB AS bytes,
      md5((i % 3)::VARCHAR)::UUID AS uuid, CASE WHEN i % 2 = 0 THEN 0.1 WHEN i % 3 = 0 THEN 'nan' ELSE 1e-300 END::DOUBLE AS f,
      i::HUGEINT % 2 + 170141183460469231731687303715884105720 AS huge, INTERVAL (i % 2) MONTH AS pause
      FROM range(20000) AS r(i)`)
    const copy = (sql: string, name: string, options = '') =>
      connection.run(`COPY (${sql}) TO '${path(name)}' ${options}`)
    await copy('FROM pairs', 'pairs.parquet', '(ROW_GROUP_SIZE 2048)')
    mkdirSync(path('parts'))
    for (let i = 0; i < 8; i++) await copy(`FROM pairs WHERE id % 8 = ${i}`, `parts/${i}.parquet`)
    for (const end of ['csv', 'tsv', 'ndjson', 'csv.gz', 'ndjson.gz']) {
      await copy('SELECT w, y, id FROM pairs', `text.${end}`, end === 'tsv' ? `(FORMAT csv, DELIMITER '\t')` : '')
    }
    await copy('SELECT w, y, id + 0.5 AS id FROM pairs', 'other.ndjson')
    await copy('SELECT w, y FROM pairs LIMIT 0', 'zero.csv')
    await copy('SELECT d, w, y FROM pairs LIMIT 0', 'zero.parquet')
    await copy('SELECT w AS d, y FROM pairs', 'double.parquet')
    await copy('SELECT id AS file_row_number, w, y FROM pairs', 'own.parquet', '(ROW_GROUP_SIZE 2048)')
    await copy('SELECT d, y, g FROM pairs', 'hive', '(FORMAT parquet, PARTITION_BY (g))')
    writeFileSync(path('empty.ndjson'), '')
    writeFileSync(path('truncated.csv.gz'), readFileSync(path('text.csv.gz')).subarray(0, 5000))
    writeFileSync(path('truncated.parquet'), readFileSync(path('pairs.parquet')).subarray(0, 50_000))
    connection.closeSync()
  })

  after(async () => {
    if (!hasRedis) return
    await worker.close()
    workerRedis.disconnect()
    redis.disconnect()
    await server.stop()
    rmSync(folder, { recursive: true })
  })

  describe('many workers print what one machine does', () => {
    it('of files of every kind, ranges of rows, no rows', async () => {
      await agree(['pairs.parquet'], '--input', 'd')
      await agree(['pairs.parquet'], '--input', 'd', '--json', '--margin', '0.3', '--threads', '1')
      await agree(['parts'], '--input', 'w', '--json')
      for (const name of [
        'text.csv',
        'text.tsv',
        'text.ndjson',
        'text.csv.gz',
        'text.ndjson.gz',
        'zero.csv',
        'zero.parquet',
      ]) {
        await agree([name], '--input', 'w', '--json')
      }
      await agree(['empty.ndjson', 'text.csv', 'zero.csv', 'parts/*.parquet'], '--input', 'w', '--json')
      await agree(['own.parquet'], '--input', 'w + file_row_number', '--json')
    })

    it('by values of every plain type', async () => {
      const keys = [
        'g',
        'price',
        'day',
        'hour',
        'word',
        'even',
        'bytes',
        'uuid',
        'f',
        'huge',
        'pause',
        'NULL',
        'id % 500',
        'd > 1',
      ]
      for (const key of keys) {
        const { code, stdout } = await agree(['pairs.parquet', 'parts'], '--input', 'd', '--by', key, '--json')
        expect(code, stdout).to.equal(0)
      }
      await agree(['pairs.parquet', 'parts'], '--input', 'd', '--by', 'g')
      await agree(['hive'], '--input', 'd', '--by', 'g')
    })

    it('as partials that merge', async () => {
      const partial = ['partial', path('parts'), '--input', 'd', '--label', 'y']
      expect(await run([...partial, ...many()])).to.deep.equal(await run(partial))
    })

    it('with labels and nulls as they are told to be', async () => {
      const args = ['pairs.parquet', '--input', 'd', '--json'] as const
      await agree([args[0]], '--input', 'd', '--label', 'other', '--other-labels', 'zero')
      await agree([args[0]], '--input', 'gap', '--nulls', 'ignore')
    })

    it('or fail with the words of one machine, whatever shard it is in', async () => {
      const named = async (pattern: RegExp, files: string[], ...more: string[]) => {
        const { code, stderr } = await agree(files, ...more)
        expect(code).to.equal(1)
        expect(stderr).to.match(pattern)
      }
      await named(
        /pairs\.parquet, row 17,006: label is 5, neither 1 nor -1 \(30 such rows/,
        ['pairs.parquet'],
        '--input',
        'd',
        '--label',
        'other',
      )
      await named(
        /pairs\.parquet, row 12,346: --input gap is null \(1 such row;/,
        ['parts', 'pairs.parquet'].slice(1),
        '--input',
        'gap',
      )
      await named(/"nope" not found.*nearest/, ['pairs.parquet'], '--input', 'nope')
      await named(/--input word is VARCHAR/, ['pairs.parquet'], '--input', 'word')
      await named(
        /double\.parquet: --input d is DOUBLE, but FLOAT in .*pairs\.parquet/,
        ['pairs.parquet', 'double.parquet'],
        '--input',
        'd',
      )
      await named(/truncated\.csv\.gz: unexpected end of file/, ['truncated.csv.gz'], '--input', 'w')
      await named(/truncated\.parquet/, ['truncated.parquet'], '--input', 'w')
    })

    it('or refuse by name what would not be the same', async () => {
      await fails(
        [...score(['pairs.parquet'], '--input', 'd', '--by', '[g]'), ...many()],
        1,
        /--by \[g\] is INTEGER\[\]|--by \[g\] is BIGINT\[\]/,
      )
      await fails(
        [...score(['text.ndjson', 'other.ndjson'], '--input', 'w'), ...many()],
        1,
        /other\.ndjson: columns other than in .*text\.ndjson/,
      )
    })
  })

  describe('a plan', () => {
    const options = { input: 'd', label: 'y', shardRows: 3000 }

    it('cuts between row groups, and has another id for other files or options', async () => {
      const plan = await planOf([path('pairs.parquet')], options)
      expect(plan.shards.map(({ rows }) => rows)).to.deep.equal([
        { start: 0, end: 4096 },
        { start: 4096, end: 8192 },
        { start: 8192, end: 12_288 },
        { start: 12_288, end: 16_384 },
        { start: 16_384, end: 20_000 },
      ])
      const again = await planOf([path('pairs.parquet')], { ...options, retention: 5 })
      const other = await planOf([path('pairs.parquet')], { ...options, margin: 2 })
      expect([again.id === plan.id, other.id === plan.id]).to.deep.equal([true, false])
      cpSync(path('pairs.parquet'), path('touched.parquet'))
      const before = await planOf([path('touched.parquet')], options)
      utimesSync(path('touched.parquet'), 1, 1)
      expect((await planOf([path('touched.parquet')], options)).id).not.to.equal(before.id)
    })

    it('folds in any order, each shard once, none missing', async () => {
      const plan = await planOf([path('pairs.parquet'), path('parts')], { ...options, by: 'g' })
      await addFlow(redis, plan)
      const results = []
      for await (const result of await resultsOf(redis, plan)) results.push(result)
      expect(results).to.have.lengthOf(plan.shards.length)
      const wanted = JSON.stringify(await foldResults(plan, results))
      for (let i = 0; i < 20; i++) {
        const shuffled = [...results, ...results.slice(0, i)].sort(() => Math.random() - 0.5)
        expect(JSON.stringify(await foldResults(plan, shuffled))).to.equal(wanted)
      }
      const error = await foldResults(plan, results.slice(1)).catch(String)
      expect(error).to.match(/results of a shard are missing/)
    })

    it('that runs again does only what is missing, and what has failed', async () => {
      let done = 0
      const count = () => {
        done += 1
      }
      worker.on('completed', count)
      cpSync(path('pairs.parquet'), path('moved.parquet'))
      const files = [path('parts/0.parquet'), path('moved.parquet')]
      const plan = await planOf(files, { ...options, margin: 7 })
      renameSync(path('moved.parquet'), path('away.parquet'))
      await addFlow(redis, plan)
      const lost = await resultsOf(redis, plan).catch(String)
      expect(lost).to.equal(`Error: ${path('moved.parquet')}: no such file on the worker's host ${hostname()}`)
      expect(done).to.equal(1)
      renameSync(path('away.parquet'), path('moved.parquet'))
      for (let i = 0; i < 2; i++) {
        await addFlow(redis, plan)
        expect((await foldResults(plan, await resultsOf(redis, plan))).total.count).to.equal(22_500)
        expect(done).to.equal(plan.shards.length)
      }
      worker.off('completed', count)
    })

    it('runs beside another, and is joined by a second client', async () => {
      const args = [2, 3, 3].map((margin) =>
        score(['parts', 'pairs.parquet'], '--input', 'd', '--json', '--margin', `${margin}`),
      )
      const wanted = await Promise.all(args.map(run))
      expect(await Promise.all(args.map((each) => run([...each, ...many()])))).to.deep.equal(wanted)
    })

    it('of 500 small shards is done', async () => {
      mkdirSync(path('small'))
      for (let i = 0; i < 500; i++) writeFileSync(path(`small/${i}.csv`), `w,y\n${i},1\n`)
      const begin = performance.now()
      const { stdout } = await run([...score(['small'], '--input', 'w', '--json'), ...many()])
      expect(JSON.parse(stdout)).to.include({ count: 500, sum: (499 * 500) / 2 })
      console.log('5000', performance.now() - begin)
    })
  })
})

import { execFileSync } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import { Queue } from 'bullmq'
import { expect } from 'chai'
import fc from 'fast-check'
import type { Redis } from 'ioredis'
import {
  addFlow,
  flowOf,
  foldResults,
  parseShardData,
  parseShardResult,
  planOf,
  resultsOf,
  type Service,
  serve,
  shardProcessor,
} from '../../lib/bullmq/index.ts'
import { main } from '../../lib/cli/program.ts'
import { Session } from '../../lib/files/duckdb/session.ts'
import { runtimeInfo } from '../../lib/index.ts'
import { makeApplication } from '../support/application.ts'
import { node, type Outcome, Program } from '../support/processes.ts'
import { Random } from '../support/random.ts'
import { hasRedis, RedisServer } from '../support/redis.ts'

const { version } = runtimeInfo()
const queue = `hinge-embedding-loss-${version}`

describe(`hinge-embedding-loss/bullmq${hasRedis ? '' : ', which needs redis-server'}`, function () {
  this.timeout(60_000)

  let folder: string
  let server: RedisServer
  let redis: Redis
  let workerRedis: Redis
  let service: Service

  const path = (name: string) => join(folder, name)

  /** In this process. */
  async function run(args: readonly string[]): Promise<Outcome> {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()]
    const outputs = Promise.all([text(stdout), text(stderr)])
    const code = await main(args, new AbortController().signal, { stdin: new PassThrough(), stdout, stderr })
    stdout.end()
    stderr.end()
    const [out, err] = await outputs
    return { code, stdout: out, stderr: err }
  }

  const score = (files: string[], ...more: string[]) => {
    const label = more.includes('--label') ? [] : ['--label', 'y']
    return ['score', ...files.map(path), ...label, ...more]
  }
  const many = (...more: string[]) => ['--redis', server.url, '--shard-rows', '8000', ...more]

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
    service = await serve(workerRedis, { concurrency: 2, threads: 1, roots: [folder], lease: 2 })
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
    for (let i = 0; i < 3; i++) await copy(`FROM pairs WHERE id % 3 = ${i}`, `parts/${i}.parquet`)
    for (const end of ['csv', 'tsv', 'ndjson', 'csv.gz', 'ndjson.gz']) {
      await copy('SELECT w, y, id FROM pairs', `text.${end}`, end === 'tsv' ? `(FORMAT csv, DELIMITER '\t')` : '')
    }
    await copy('SELECT w, y, id + 0.5 AS id FROM pairs', 'other.ndjson')
    await copy('SELECT w, y FROM pairs LIMIT 0', 'zero.csv')
    await copy('SELECT d, w, y FROM pairs LIMIT 0', 'zero.parquet')
    await copy('SELECT w AS d, y FROM pairs', 'double.parquet')
    await copy('SELECT NULL::VARCHAR AS d, NULL::INTEGER AS w, y FROM pairs LIMIT 5', 'nulls.parquet')
    await copy('SELECT id AS file_row_number, w, y FROM pairs', 'own.parquet', '(ROW_GROUP_SIZE 2048)')
    await copy('SELECT id % 3 AS file_index, g AS filename, w, y FROM pairs', 'named.parquet')
    await copy('SELECT i AS id, 0.5 AS d, 1 AS y FROM range(50001) AS r(i)', 'many.parquet')
    await copy('SELECT d, y, g FROM pairs', 'hive', '(FORMAT parquet, PARTITION_BY (g))')
    writeFileSync(path('empty.ndjson'), '')
    writeFileSync(path('truncated.csv.gz'), readFileSync(path('text.csv.gz')).subarray(0, 5000))
    writeFileSync(path('truncated.parquet'), readFileSync(path('pairs.parquet')).subarray(0, 50_000))
    connection.closeSync()
  })

  after(async () => {
    if (!hasRedis) return
    await service.close()
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
      await agree(['text.csv'], '--input', 'w', '--null-string', '', '--nulls', 'ignore', '--json')
      await agree(['own.parquet'], '--input', 'w + file_row_number', '--json')
      await agree(['pairs.parquet', 'parts'], '--input', 'w', '--by', 'file_row_number % 3', '--json')
      await agree(['named.parquet'], '--input', 'w', '--by', 'file_index + "Filename"', '--json')
    })

    it('by values of every plain type', async () => {
      const keys = ['g', 'price', 'hour', 'word', 'bytes', 'f', 'huge', 'NULL', `word || chr(0)`, 'to_json(g)']
      for (const key of keys) {
        const { code, stdout } = await agree(['pairs.parquet'], '--input', 'd', '--by', key, '--json')
        expect(code, stdout).to.equal(0)
      }
      await agree(['pairs.parquet', 'parts'], '--input', 'd', '--by', 'g')
      await agree(['hive'], '--input', 'd', '--by', 'g')
    })

    it('of columns by their exact names, and of text as the options say it is written', async () => {
      const text = 'Distance (L2);distance;Distance;y;order\n0,5;0,25;9;-1;a\n1,5;NA;9;1;b\n'
      for (const name of ['1.csv', 'part-0']) writeFileSync(path(name), text)
      const options = ['--decimal', ',', '--null-string', 'NA', '--nulls', 'ignore', '--json']
      for (const input of ['Distance (L2)', 'distance', '"Distance"', 'distance + "Distance"']) {
        const { code, stderr } = await agree(['1.csv'], '--input', input, ...options)
        expect(code, stderr).to.equal(0)
      }
      const { stdout } = await agree(['part-0'], '--input', 'distance', '--by', 'order', '--format', 'csv', ...options)
      expect(JSON.parse(stdout).total).to.include({ count: 1, sum: 0.75 })
      expect((await agree(['1.csv'], '--input', 'DISTANCE', ...options)).stderr).to.include('distance, Distance')
      writeFileSync(path('bare.csv'), '0.5^1\n')
      const bare = ['--no-header', '--delimiter', '^', '--comment', '#', '--label', 'column1', '--json']
      expect((await agree(['bare.csv'], '--input', 'column0', ...bare)).stdout).to.include('"count":1,"sum":0.5,')
    })

    it('as partials that merge', async () => {
      const partial = ['partial', path('parts'), '--input', 'd', '--label', 'y']
      expect(await run([...partial, ...many()])).to.deep.equal(await run(partial))
    })

    it('with labels and nulls as they are told to be', async () => {
      const args = ['pairs.parquet', '--input', 'd', '--json'] as const
      await agree([args[0]], '--input', 'd', '--label', 'other', '--other-labels', 'zero')
      await agree([args[0]], '--input', 'gap', '--nulls', 'ignore')
      for (const input of ['d', 'w']) {
        const { code } = await agree(['nulls.parquet', 'pairs.parquet'], '--input', input, '--nulls', 'ignore')
        expect(code).to.equal(0)
      }
      for (const policy of ['ignore', 'keep']) await agree([args[0]], '--input', 'f', '--nan', policy)
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
      await named(/pairs\.parquet, row 4: --input f is NaN \(3,333 such rows/, ['pairs.parquet'], '--input', 'f')
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

    it('or refuse usage with the words and the code of one machine', async () => {
      const refused = async (...more: string[]) => {
        const { code, stderr } = await agree(['pairs.parquet'], ...more)
        expect(code, stderr).to.equal(2)
      }
      await refused('--input', 'd', '--margin', '1e300')
      await refused('--input', 'd', '--keep', 'g')
      await refused('--input', 'd', '--threads', '0')
    })

    it('of a path from where it was given', async () => {
      const here = process.cwd()
      const args = (file: string, input: string) => ['score', file, '--input', input, '--label', 'y', '--json']
      mkdirSync(path('m=5/[x]/k=1'), { recursive: true })
      for (const name of ['one', '[x]/one', '[x]/k=1/one']) cpSync(path('parts/0.parquet'), path(`m=5/${name}.parquet`))
      try {
        process.chdir(path('m=5'))
        await fails([...args('one.parquet', 'm'), ...many()], 1, /"m" not found/)
        process.chdir('[x]')
        for (const each of [args('*.parquet', 'd'), args('one.parquet', 'd')]) {
          const one = await run(each)
          expect(one.code, one.stderr).to.equal(0)
          expect(await run([...each, ...many()])).to.deep.equal(one)
        }
        await fails([...args('k=1/one.parquet', 'k'), ...many()], 2, /give the path from the folder m=… on/)
      } finally {
        process.chdir(here)
      }
    })

    /** Each as docs/distributed.md names it: what one machine scores and many refuse. */
    const refusals: Readonly<Record<string, readonly [args: () => string[], code: number, reason: RegExp][]>> = {
      'Arrow and .npy': [
        [() => score(['losses.arrow'], '--input', 'loss', '--label', 'loss', '--other-labels', 'zero'), 2, /not Arrow/],
        [
          () => ['score', '--input', path('loss.npy'), '--label', path('loss.npy'), '--other-labels', 'zero'],
          2,
          /takes a FILE/,
        ],
      ],
      'standard input': [
        [() => ['score', '-', '--format', 'csv', '--input', 'w', '--label', 'y'], 2, /not standard input/],
      ],
      '`--output`': [
        [
          () => score(['pairs.parquet'], '--input', 'd', '--output', path('out.csv')),
          2,
          /--output does not go with --redis/,
        ],
      ],
      'NDJSON files whose columns differ': [
        [
          () => score(['text.ndjson', 'other.ndjson'], '--input', 'w'),
          1,
          /other\.ndjson: columns other than in .*text\.ndjson/,
        ],
      ],
      '`--by` of a list, structure or other type that is not plain': [
        [() => score(['pairs.parquet'], '--input', 'd', '--by', '[g]'), 1, /--by \[g\] is (INTEGER|BIGINT)\[\]/],
        [() => score(['pairs.parquet'], '--input', 'd', '--by', '{a: g}'), 1, /--by \{a: g\} is STRUCT/],
      ],
      // Takes longer than the lease of this worker: without Redis, below.
      '`--by` of more than 50,000 values in a shard': [],
      '`filename`, unless the file has such a column': [
        [
          () => score(['parts'], '--input', 'd', '--by', `lower(Filename)`),
          2,
          /is not a function of its row alone: .* has no column filename/i,
        ],
      ],
      'a path given from below a folder such as `model=a` that its file is below': [
        [() => ['score', 'k=1/one.parquet', '--input', 'k', '--label', 'y'], 2, /give the path from the folder m=… on/],
      ],
      'expressions of more than 10,000 characters': [
        [
          () => score(['pairs.parquet'], '--input', `d + length('${'x'.repeat(10_000)}')`),
          1,
          /input must be text of 1 to 10000 characters/,
        ],
      ],
      'more than 1,000,000 shards, 100 folders `key=value` in a path, or 100 `--null-string`': [
        [
          () => [
            ...score(['text.csv'], '--input', 'w'),
            ...Array.from({ length: 101 }, (_, i) => ['--null-string', `n${i}`]).flat(),
          ],
          1,
          /must be at most 100 texts/,
        ],
      ],
    }

    it('or refuse what docs/distributed.md lists, and nothing else is listed there', async () => {
      const [, table = ''] =
        /\| refused with `--redis` \|.*\n\|---.*\n((?:\|.*\n)+)/.exec(readFileSync('docs/distributed.md', 'utf8')) ?? []
      const listed = table
        .trim()
        .split('\n')
        .map((line) => line.split(' | ')[0]?.slice(2))
      expect(listed).to.deep.equal(Object.keys(refusals))
      await run(score(['pairs.parquet'], '--input', 'd', '--output', path('losses.arrow')))
      await run(score(['pairs.parquet'], '--input', 'd', '--output', path('loss.npy')))
      const here = process.cwd()
      mkdirSync(path('m=6/x/k=1'), { recursive: true })
      cpSync(path('parts/0.parquet'), path('m=6/x/k=1/one.parquet'))
      process.chdir(path('m=6/x'))
      try {
        for (const [args, code, reason] of Object.values(refusals).flat()) {
          const one = args()
          if (!one.includes('-')) expect((await run(one)).code, one.join(' ').slice(0, 200)).to.equal(0)
          await fails([...one, '--redis', server.url], code, reason)
        }
      } finally {
        process.chdir(here)
      }
    })

    it('or refuse more than 50,000 values of --by in a shard', async () => {
      const plan = await planOf([path('many.parquet')], { input: 'd', label: 'y', by: 'id' })
      const [data] = flowOf(plan).children.map((child) => child.data)
      const processor = await shardProcessor({ threads: 1, roots: [folder] })
      const error = await processor.process({ data }).catch(String)
      processor.close()
      expect(error).to.match(/by 'id' has 50001 values, workers take at most 50000/)
    })

    it('of Parquet with row groups of no rows, at its beginning, in its middle and at its end', async () => {
      const file = path('empty-row-groups.parquet')
      cpSync(join(import.meta.dirname, '../fixtures/parquet/empty-row-groups.parquet'), file)
      const args = ['score', file, '--input', 'x', '--label', 'y', '--json']
      for (const rows of ['1', '4', '5', '8', '100']) {
        const { stdout, stderr } = await run([...args, '--redis', server.url, '--shard-rows', rows])
        expect(stderr, rows).to.equal('')
        // by Python's fractions
        expect(JSON.parse(stdout), rows).to.deep.include({ count: 12, sum: 5.75 })
        expect(JSON.parse(stdout).positives).to.include({ count: 4, sum: 4.5 })
      }
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
        const shuffled = new Random(i).shuffle([...results, ...results.slice(0, i)])
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
      service.worker.on('completed', count)
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
        expect((await foldResults(plan, await resultsOf(redis, plan))).total.count).to.equal(26_667)
        expect(done).to.equal(plan.shards.length)
      }
      service.worker.off('completed', count)
    })

    it('has shards again whose list has ended, or their jobs', async () => {
      const own = await RedisServer.start()
      const [client, helperRedis] = [own.connect(), own.connect()]
      let helper: Service | undefined
      try {
        const plan = await planOf([path('pairs.parquet'), path('parts')], { ...options, retention: 5 })
        await addFlow(client, plan)
        expect(await client.ttl(`bull:${queue}:wait`)).to.be.greaterThan(80_000)
        await client.del(`bull:${queue}:wait`, `bull:${queue}:${plan.id}-0`, `bull:${queue}:${plan.id}-3`)
        helper = await serve(helperRedis, { threads: 1 })
        const results = await resultsOf(client, plan, { signal: AbortSignal.timeout(20_000) })
        expect((await foldResults(plan, results)).total.count).to.equal(40_000)
      } finally {
        await helper?.close()
        client.disconnect()
        helperRedis.disconnect()
        await own.stop()
      }
    })

    it('does not mind what strangers have left', async () => {
      const id = `bull:${queue}:stranger`
      await redis.hset(id, { name: 'shard', data: '{bad', opts: '{}', timestamp: '1' })
      await redis.zadd(`bull:${queue}:failed`, 1, 'stranger')
      const strange = new Queue(queue, { connection: redis })
      const job = await strange.add('shard', { retention: -1 })
      while ((await job.getState()) !== 'failed') await sleep(10)
      await sleep(1200)
      expect(await redis.exists(`bull:${queue}:${job.id}`)).to.equal(1)
      expect((await run([...score(['parts'], '--input', 'd', '--margin', '9'), ...many()])).stderr).to.equal('')
      await strange.close()
      await redis.del(id)
    })

    it("leaves keys alone that are no queue's of this package and version, whatever they begin with", async () => {
      const names = [
        'bull:other:meta',
        `bull:${queue}-mine:wait`,
        `bull:${queue}-plans-mine:meta`,
        `bull:${queue}`,
        'bull:hinge-embedding-loss:1',
        'bull:hinge-embedding-loss-0.0.9:meta',
        `other:${queue}:meta`,
        queue,
      ]
      for (const name of names) await redis.set(name, 'x')
      await redis.set(`bull:${queue}:left-behind`, 'x')
      const strange = new Queue(`${queue}-mine`, { connection: redis })
      await redis.del(`bull:${queue}-mine:wait`)
      const { id } = await strange.add('job', { kept: true })
      expect((await run([...score(['parts'], '--input', 'd', '--margin', '8'), ...many()])).stderr).to.equal('')
      expect(await redis.ttl(`bull:${queue}:left-behind`)).to.be.greaterThan(80_000)
      for (const name of names.filter((each) => !each.endsWith('-mine:wait'))) {
        expect([name, await redis.get(name), await redis.ttl(name)]).to.deep.equal([name, 'x', -1])
      }
      for (const name of await redis.keys(`bull:${queue}-mine:*`))
        expect([name, await redis.ttl(name)]).to.deep.equal([name, -1])
      expect((await strange.getJob(id ?? ''))?.data).to.deep.equal({ kept: true })
      await strange.obliterate({ force: true })
      await strange.close()
      await redis.del(...names)
    })

    it('runs beside another, and is joined by a second client', async () => {
      const args = [2, 3, 3].map((margin) =>
        score(['parts', 'pairs.parquet'], '--input', 'd', '--json', '--margin', `${margin}`),
      )
      const wanted = await Promise.all(args.map(run))
      expect(await Promise.all(args.map((each) => run([...each, ...many()])))).to.deep.equal(wanted)
    })
  })

  describe('on the command line', () => {
    let application: string
    let program: string

    before(async () => {
      application = await makeApplication()
      program = join(application, 'node_modules/hinge-embedding-loss/dist/cli/main.js')
    })
    after(() => rmSync(application, { recursive: true }))

    const pairs = (...more: string[]) => score(['parts'], '--input', 'd', '--json', ...more)

    it('days are those of the time zone of the client, not of a worker', async () => {
      const printed = new Set<string>()
      for (const TZ of ['Asia/Tokyo', 'America/New_York']) {
        const args = score(['pairs.parquet'], '--input', 'd', '--by', `hour::DATE::VARCHAR || ' ' || hour`, '--json')
        const start = (...more: string[]) => node([program, ...args, ...more], { env: { TZ } })
        const [one, other] = await Promise.all([start(), start(...many())])
        expect(other).to.deep.equal(one)
        expect(one).to.include({ code: 0 })
        printed.add(one.stdout)
      }
      expect(printed.size).to.equal(2)
    })

    it('a worker serves until SIGTERM, with a password and over TLS, which nothing ever shows', async () => {
      const key = path('key.pem')
      const cert = path('cert.pem')
      const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
      execFileSync(
        'openssl',
        [
          'req',
          '-x509',
          '-newkey',
          'ec',
          '-pkeyopt',
          'ec_paramgen_curve:prime256v1',
          '-nodes',
          '-keyout',
          key,
          '-out',
          cert,
          ...subject,
        ],
        {
          stdio: 'ignore',
        },
      )
      const [secret, tls] = [
        'correct horse',
        ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', cert],
      ]
      const secured = await RedisServer.start('--requirepass', secret)
      const port = String(secured.port + 1)
      const encrypted = await RedisServer.start(
        ...['--port', '0', '--tls-port', port, '--tls-auth-clients', 'no', '--requirepass', secret, ...tls],
      )
      const wanted = (await run(pairs())).stdout
      try {
        for (const [url, password] of [
          [`redis://:${encodeURIComponent(secret)}@127.0.0.1:${secured.port}`, ''],
          [`rediss://localhost:${port}`, secret],
        ] as const) {
          const env = { HINGE_EMBEDDING_LOSS_REDIS_PASSWORD: password, NODE_EXTRA_CA_CERTS: cert }
          const helper = new Program(
            process.execPath,
            [program, 'worker', '--redis', url, '--root', folder, '--threads', '1'],
            { env },
          )
          await helper.prints(/serves/)
          const client = node([program, ...pairs('--redis', url)], { env })
          expect(await client).to.deep.equal({ code: 0, stdout: wanted, stderr: '' })
          const drained = await helper.end('SIGTERM')
          expect(drained).to.include({ code: 0, stdout: '' })
          expect(drained.stderr).to.equal(`hinge-embedding-loss: version ${version} serves ${queue}\n`)
        }
        const redis = secured.connect({ password: secret })
        for (const name of await redis.keys('bull:*')) {
          const dump = await redis.dumpBuffer(name)
          expect(dump?.includes(secret), name).to.equal(false)
        }
        redis.disconnect()
        const { stderr } = await run(pairs('--redis', `redis://:wrong%20horse@127.0.0.1:${secured.port}`))
        expect(stderr).to.match(/Redis at 127\.0\.0\.1:\d+ cannot be reached: WRONGPASS/)
        expect(stderr).not.to.match(/horse/)
      } finally {
        await secured.stop()
        await encrypted.stop()
      }
    })

    it('says what is missing: Redis, workers, their version, packages', async () => {
      const own = await RedisServer.start()
      const redis = own.connect()
      const to = (...more: string[]) => ['--redis', own.url, ...more]
      try {
        await redis.client('SETNAME', `bull:${Buffer.from('hinge-embedding-loss-0.0.9').toString('base64')}`)
        const begin = performance.now()
        await fails(
          pairs(...to('--timeout', '1')),
          1,
          /no worker of version \S+ serves .* for 1 s; there are workers of version 0\.0\.9\n/,
        )
        expect(performance.now() - begin).to.be.lessThan(10_000)
      } finally {
        redis.disconnect()
        await own.stop()
      }
      await fails(pairs(...to()), 1, /Redis at 127\.0\.0\.1:\d+ cannot be reached: .*ECONNREFUSED/)
      await fails(['worker', ...to()], 1, /cannot be reached/)
      await fails(
        pairs('--redis', 'http://user:secret@host'),
        2,
        /^hinge-embedding-loss: --redis must be a URL such as [^@]+\n$/,
      )
      await fails(pairs('--redis', `${server.url}/99`), 1, /DB index is out of range/)
      await fails(pairs('--redis', 'redis://:se%cret@host'), 2, /--redis must be a URL .* % as %25\n$/)
      await fails(pairs('--timeout', '1'), 2, /--timeout goes with --redis/)
      await fails(pairs(...many('--retention', '1')), 2, /--retention must be an integer from 5, got 1/)
      await fails(pairs(...many('--shard-rows', '0')), 2, /--shard-rows must be an integer from 1, got 0/)
      await fails(['worker', ...to(), '--lease', '0.5'], 2, /--lease must be an integer from 1, got 0\.5/)
      for (const name of ['bullmq', 'ioredis']) rmSync(join(application, 'node_modules', name))
      const bare = await node([program, ...pairs(...many())])
      expect(bare).to.deep.equal({
        code: 1,
        stdout: '',
        stderr: 'hinge-embedding-loss: --redis needs more packages: npm install bullmq ioredis\n',
      })
    })
  })

  describe('what strangers put in Redis', () => {
    const attacks = [
      `(SELECT max(x) FROM '/etc/passwd')`,
      `(SELECT length(content) FROM read_text('/etc/passwd'))`,
      `(SELECT count(*) FROM read_csv('/etc/passwd'))`,
      `(SELECT count(*) FROM glob('/*'))`,
      `(SELECT count(*) FROM duckdb_settings())`,
      `(SELECT count(*) FROM query('SELECT 1'))`,
      `(SELECT count(*) FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1')))`,
      `(WITH a AS (FROM '/etc/passwd') SELECT count(*) FROM a)`,
      `d IN (FROM parquet_metadata('/etc/passwd'))`,
      `(SELECT 1 FROM (SUMMARIZE '/etc/passwd'))`,
      `(SELECT 1 FROM (SHOW TABLES))`,
      `(SELECT count(*) FROM (VALUES (1)) AS v(a) JOIN '/etc/passwd' ON TRUE)`,
      `(SELECT 1 UNION ALL SELECT count(*) FROM read_blob('/etc/passwd'))`,
      `length(current_setting('home_directory'))`,
      `length(Current_Setting('threads'))`,
      `list_transform([1], lambda z: sleep_ms(1000))`,
      `write_log('x')`,
      `json_serialize_plan('FROM ''/etc/passwd''')`,
      `length(version())`,
      `random()`,
      `d + epoch(now())`,
      `getenv('HOME')`,
      `1); COPY (SELECT 1) TO '/tmp/x.csv'; SELECT (1`,
      `1) FROM read_text('/etc/passwd') --`,
      `1); ATTACH '/tmp/x.db'; SELECT (1`,
      `$1`,
      `COLUMNS(*)`,
    ]

    async function jobOf(changes: object = {}, shardChanges: object = {}): Promise<{ data: Record<string, unknown> }> {
      const { id: _, options, shards, retention } = await planOf([path('pairs.parquet')], { input: 'd', label: 'y' })
      return {
        data: {
          version,
          index: 0,
          options: { ...options, ...changes },
          shard: { ...shards[0], ...shardChanges },
          retention,
        },
      }
    }

    it('reads nothing but the file, by whatever expression', async () => {
      const processor = await shardProcessor({ threads: 1, roots: [folder] })
      for (const [i, attack] of attacks.entries()) {
        const option = ['input', 'label', 'by'][i % 3] as string
        const error = await processor.process(await jobOf({ [option]: attack })).catch((error: Error) => error)
        expect(error, attack).to.be.instanceOf(Error)
        expect(String(error), attack).to.match(/must be one SQL expression|is not a function of its row alone/)
        expect(String(error)).not.to.match(/root:/)
      }
      processor.close()
      for (const attack of attacks.slice(0, 3)) {
        await fails(
          [...score(['pairs.parquet'], '--input', attack), ...many()],
          2,
          /is not a function of its row alone/,
        )
      }
    })

    it('nor is there a way through DuckDB, were an expression to pass', async () => {
      const session = await Session.open(1)
      await session.lock([`${folder}/`])
      expect(await session.readTexts(`SELECT count(*) FROM '${path('pairs.parquet')}'`)).to.deep.equal(['20000'])
      for (const sql of [
        `SELECT content FROM read_text('/etc/passwd')`,
        `SELECT content FROM read_text('${folder}/../../etc/passwd')`,
        `FROM read_csv('/proc/self/environ')`,
        `FROM glob('/etc/*')`,
        `FROM parquet_metadata('${process.cwd()}/examples/digit-pairs.parquet')`,
        `FROM read_text('http://127.0.0.1:1/')`,
        `ATTACH '/tmp/x.db'`,
        `COPY (SELECT 1) TO '/tmp/x.csv'`,
        `EXPORT DATABASE '/tmp/x'`,
        'LOAD httpfs',
        'INSTALL httpfs',
        'SET threads = 2',
        `SET allowed_directories = ['/']`,
        'SET enable_external_access = true',
        'RESET lock_configuration',
      ]) {
        const error = await session.readRows(sql).catch((error: Error) => error)
        expect(error, sql).to.be.instanceOf(Error)
      }
      session.close()
    })

    it('reads no file outside of the roots, by no link', async () => {
      const processor = await shardProcessor({ threads: 1, roots: [path('parts')] })
      symlinkSync(path('pairs.parquet'), path('parts/link.parquet'))
      const refused = async (file: string, reason: RegExp) => {
        const error = await processor.process(await jobOf({}, { file })).catch(String)
        expect(error, file).to.match(reason)
      }
      await refused(path('pairs.parquet'), /outside of the worker's roots/)
      await refused(path('parts/link.parquet'), /leads out of the worker's roots/)
      await refused(path('parts-of-others.parquet'), /outside of/)
      await refused(`${path('parts')}/../pairs.parquet`, /absolute path without \. and \.\./)
      await refused('pairs.parquet', /absolute path/)
      await refused('s3://bucket/pairs.parquet', /absolute path/)
      rmSync(path('parts/link.parquet'))
      processor.close()
    })

    it('takes no payload but one of a plan of this version, of 3,000 mutated ones', async () => {
      const { data } = await jobOf({ by: 'g' }, { rows: { start: 0, end: 5 }, partitions: { g: 'BIGINT' } })
      expect(parseShardData(data)).to.deep.equal(data)
      const paths: string[][] = []
      const walk = (value: unknown, at: string[]) => {
        paths.push(at)
        if (typeof value === 'object' && value !== null)
          for (const key of Object.keys(value)) walk(Reflect.get(value, key), [...at, key])
      }
      walk(data, [])
      let refused = 0
      const mutated = (at: readonly string[], change: (parent: object, key: string) => void): unknown => {
        const copy = { root: structuredClone(data) } as object
        const whole = ['root', ...at]
        change(
          whole.slice(0, -1).reduce((value, key) => Reflect.get(value, key), copy),
          whole.at(-1) ?? '',
        )
        return Reflect.get(copy, 'root')
      }
      const junk = fc.oneof(
        fc.anything(),
        fc.constantFrom(
          null,
          -1,
          0.5,
          1e300,
          Number.NaN,
          '',
          '../x',
          '/etc/\0passwd',
          'x'.repeat(20_000),
          [],
          {},
          true,
        ),
      )
      fc.assert(
        fc.property(fc.constantFrom(...paths), junk, fc.constantFrom('set', 'delete', 'add'), (at, value, kind) => {
          const payload = mutated(at, (parent, key) => {
            if (kind === 'set') Reflect.set(parent, key, value)
            else if (kind === 'delete') Reflect.deleteProperty(parent, key)
            else Reflect.set(Object(Reflect.get(parent, key)), 'more', value)
          })
          let taken: unknown
          try {
            taken = parseShardData(payload)
          } catch (error) {
            expect(error).to.have.property('name', 'UnrecoverableError')
            refused += 1
            return
          }
          const { options, shard, retention, ...rest } = taken as ReturnType<typeof parseShardData>
          expect(rest).to.deep.equal({ version, index: rest.index })
          expect(shard.file).to.match(/^\/[^\0]+$/)
          expect([options.input, options.label].every((each) => each.length > 0 && each.length <= 10_000)).to.equal(
            true,
          )
          expect(Number.isFinite(options.margin) && retention >= 5).to.equal(true)
        }),
        { numRuns: 3000 },
      )
      expect(refused).to.be.greaterThan(1500)
      expect(() => parseShardData({ ...data, version: '0.0.9' })).to.throw(
        /the job is of version 0\.0\.9, this worker of/,
      )
      for (const junk of [
        null,
        1,
        {},
        { index: 0, types: null, groups: [[1, {}]] },
        { index: 0, types: null, groups: [['a', {}]] },
      ]) {
        expect(() => parseShardResult(junk)).to.throw()
      }
    })
  })
})

import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import type { Redis } from 'ioredis'
import { addFlow, foldResults, planOf, resultsOf, serve } from '../../lib/bullmq/index.ts'
import { runtimeInfo } from '../../lib/index.ts'
import { makeApplication } from '../support/application.ts'
import { nodePath, type Outcome, Program, type Surroundings } from '../support/processes.ts'
import { hasRedis, RedisServer } from '../support/redis.ts'

const queue = `hinge-embedding-loss-${runtimeInfo().version}`
const shards = 12
const rows = 30_000

/** How often each fault is tried. */
const tries = {
  killed: 5,
  frozen: 4,
  exhausted: 3,
  restarted: 4,
  client: 5,
  drained: 4,
  poison: 2,
  unseen: 2,
  alone: 2,
}

describe('scoring on workers, with faults at random moments', function () {
  this.timeout(180_000)

  let folder: string
  let application: string
  let program: string
  let server: RedisServer
  const running = new Set<Program>()
  /** another one in each trial, so that none finds the results of another */
  let margin = 1

  before('start Redis, write files', async () => {
    if (!hasRedis) throw new Error('redis-server is not installed')
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-faults-'))
    application = await makeApplication()
    program = join(application, 'node_modules/hinge-embedding-loss/dist/cli/main.js')
    server = await RedisServer.start('--appendonly', 'yes', '--appendfsync', 'always')
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    mkdirSync(join(folder, 'pairs'))
    for (let i = 0; i < shards; i++) {
      await connection.run(`COPY (SELECT (hash(i + ${i}) % 16777216 / 8388608)::FLOAT AS d, i % 3 AS g,
        CASE WHEN hash(i) % 2 = 0 THEN 1 ELSE -1 END AS y FROM range(${rows}) AS r(i)) TO '${folder}/pairs/${i}.parquet'`)
    }
    await connection.run(`COPY (SELECT 0.5 AS d, 0 AS g, CASE WHEN i = 21000 THEN 7 ELSE 1 END AS y FROM range(${rows}) AS r(i))
      TO '${folder}/poison.parquet'`)
    await connection.run(
      `COPY (SELECT 0.5 AS d, i % 3 AS g, 1 AS y FROM range(1000000) AS r(i)) TO '${folder}/long.parquet'`,
    )
    connection.closeSync()
  })

  afterEach(async () => {
    for (const each of running) await each.end('SIGKILL')
    running.clear()
  })

  after(async () => {
    await server.stop()
    for (const each of [folder, application]) rmSync(each, { recursive: true })
  })

  function start(args: readonly string[], surroundings?: Surroundings): Program {
    const started = new Program(nodePath, [program, ...args], surroundings)
    running.add(started)
    return started
  }

  async function startWorkers(count: number): Promise<Program[]> {
    const args = ['worker', '--redis', server.url, '--threads', '1', '--lease', '1', '--root', folder]
    const started = Array.from({ length: count }, () => start(args))
    await Promise.all(started.map((each) => each.prints(/serves/)))
    return started
  }

  /** The command line of shards that take some 200 ms each. */
  function scoreArgs(files: string[], ...more: string[]): string[] {
    margin += 1 / 64
    const input = `(d + 0 * list_sum(list_transform(range(0, 40), lambda z: z * d)))::FLOAT`
    const paths = files.map((each) => join(folder, each))
    return [
      'score',
      ...paths,
      '--input',
      input,
      '--label',
      'y',
      '--by',
      'g',
      '--json',
      '--margin',
      `${margin}`,
      ...more,
    ]
  }

  const many = (...more: string[]) => ['--redis', server.url, '--timeout', '30', '--shard-rows', `${rows}`, ...more]

  /** Scores on workers while `fault` happens. The client must print what one machine prints. */
  async function tryFault(fault: (client: Program) => Promise<unknown>): Promise<void> {
    const args = scoreArgs(['pairs'])
    const client = start([...args, ...many()])
    await fault(client)
    await assertSame(args, await client.outcome)
  }

  async function assertSame(args: readonly string[], outcome: Outcome): Promise<void> {
    const one = await start(args).outcome
    expect(one.code, one.stderr).to.equal(0)
    expect({ code: outcome.code, stdout: outcome.stdout }, outcome.stderr).to.deep.equal({
      code: 0,
      stdout: one.stdout,
    })
  }

  /** Resolves once the shards of a plan wait in Redis. */
  async function untilAdded(): Promise<void> {
    const redis = server.connect()
    while ((await redis.keys('bull:*-plans:*:dependencies')).length === 0) await sleep(10)
    redis.disconnect()
  }

  const randomPause = () => sleep(400 + Math.random() * 1500)

  async function repeat(count: number, run: (i: number) => Promise<void>): Promise<void> {
    for (let i = 0; i < count; i++) await run(i)
  }

  it(`workers print the same bits when one of them is killed, ${tries.killed} times`, async () => {
    await startWorkers(1)
    await repeat(tries.killed, async () => {
      const [victim] = await startWorkers(1)
      await tryFault(async () => {
        await randomPause()
        await victim?.end('SIGKILL')
      })
    })
  })

  it(`workers print the same bits when one of them freezes and wakes up later, ${tries.frozen} times`, async () => {
    const [, victim] = await startWorkers(2)
    await repeat(tries.frozen, async (i) => {
      await tryFault(async () => {
        await randomPause()
        victim?.process.kill('SIGSTOP')
        if (i % 2 === 0) await sleep(2500)
        if (i % 2 === 0) victim?.process.kill('SIGCONT')
      })
      victim?.process.kill('SIGCONT')
    })
    expect(victim?.process.exitCode).to.equal(null)
    expect((await victim?.end('SIGTERM'))?.code).to.equal(0)
  })

  it(`workers print the same bits when one of them has no memory left, ${tries.exhausted} times`, async () => {
    await repeat(tries.exhausted, async (i) => {
      const starved = start(['worker', '--redis', server.url, '--threads', '1', '--lease', '1'], {
        shell: `ulimit -v ${1_150_000 + 40_000 * i}`,
      })
      const isHungry = () => starved.hasEnded || /Out of Memory|Allocation failure|map segment/.test(starved.stderr)
      await tryFault(async (client) => {
        while (!isHungry() && !client.hasEnded) await sleep(10)
        await startWorkers(1)
      })
      expect(isHungry(), starved.stderr).to.equal(true)
      await starved.end('SIGKILL')
    })
  })

  it(`workers print the same bits when Redis ends or is killed, and starts again, ${tries.restarted} times`, async () => {
    await startWorkers(2)
    await repeat(tries.restarted, async (i) => {
      await tryFault(async () => {
        await untilAdded()
        await randomPause()
        await server.kill(i % 2 === 0 ? 'SIGKILL' : 'SIGTERM')
        await sleep(500 * i)
        await server.start()
      })
    })
  })

  it(`workers print the same bits when the client is killed and started again, ${tries.client} times`, async () => {
    await startWorkers(2)
    await repeat(tries.client, async () => {
      const args = scoreArgs(['pairs'])
      const client = start([...args, ...many()])
      await sleep(Math.random() * 2500)
      await client.end('SIGKILL')
      await assertSame(args, await start([...args, ...many()]).outcome)
    })
  })

  it(`workers print the same bits when SIGTERM ends one of them, which finishes its shards, ${tries.drained} times`, async () => {
    await startWorkers(1)
    await repeat(tries.drained, async () => {
      const [leaving] = await startWorkers(1)
      await tryFault(async () => {
        await randomPause()
        const drained = await leaving?.end('SIGTERM')
        expect(drained?.code, drained?.stderr).to.equal(0)
        expect(drained?.stderr).to.match(/^.* serves .*\n$/)
      })
    })
  })

  it(`the client names file, row and reason of a poison file, once all others are done, ${tries.poison} times`, async () => {
    await startWorkers(2)
    await repeat(tries.poison, async () => {
      const args = scoreArgs(['poison.parquet', 'pairs'])
      const [one, other] = await Promise.all([start(args).outcome, start([...args, ...many()]).outcome])
      expect(other).to.deep.equal(one)
      expect(one.stderr).to.match(/poison\.parquet, row 21,001: label is 7, neither 1 nor -1 \(1 such row/)
      const redis = server.connect()
      for (const key of await redis.keys('bull:*-plans:*:failed')) {
        if (!/poison/.test(String(await redis.hvals(key)))) continue
        expect(await redis.hlen(key.replace(/failed$/, 'processed'))).to.equal(shards)
      }
      redis.disconnect()
    })
  })

  it(`the client names path and host where a worker does not see the file, ${tries.unseen} times`, async () => {
    await startWorkers(1)
    await repeat(tries.unseen, async (i) => {
      const [there, away] = [join(folder, `unseen-${i}.csv`), join(folder, 'away')]
      writeFileSync(there, 'd,y,g\n1,1,1\n')
      const paused = [...running]
      for (const each of paused) each.process.kill('SIGSTOP')
      const client = start([...scoreArgs([`unseen-${i}.csv`]), ...many()])
      await untilAdded()
      renameSync(there, away)
      for (const each of paused) each.process.kill('SIGCONT')
      const { code, stderr } = await client.outcome
      expect(stderr).to.equal(`hinge-embedding-loss: ${there}: no such file on the worker's host ${hostname()}\n`)
      expect(code).to.equal(1)
    })
  })

  it(`the client says that no worker has come, ${tries.alone} times`, () =>
    repeat(tries.alone, async () => {
      const { code, stderr } = await start([...scoreArgs(['pairs']), '--redis', server.url, '--timeout', '2']).outcome
      expect(stderr).to.match(/no worker of version \S+ has served the queue \S+ for 2 s\n$/)
      expect(code).to.equal(1)
    }))

  it('the client says that no worker is left when the only one is killed or frozen, and not while it scores', async () => {
    for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
      const [only] = await startWorkers(1)
      const client = start([...slowArgs(), '--redis', server.url, '--timeout', '2'])
      await untilActive()
      await sleep(5000)
      expect(client.hasEnded, client.stderr).to.equal(false)
      only?.process.kill(signal)
      const begin = performance.now()
      const { code, stderr } = await client.outcome
      expect(stderr).to.match(/no worker of version \S+ has served the queue \S+ for 2 s\n$/)
      expect(code).to.equal(1)
      expect(performance.now() - begin).to.be.lessThan(7000)
      await only?.end('SIGKILL')
      await clear()
    }
  })

  it('a worker ends within its grace at SIGTERM, and its shard waits for another one', async () => {
    const args = ['worker', '--redis', server.url, '--threads', '1', '--lease', '1', '--grace', '1']
    const [leaving, client] = [start(args), start([...slowArgs(), ...many()])]
    await untilActive()
    await sleep(300)
    const begin = performance.now()
    const { code, stderr } = await leaving.end('SIGTERM')
    expect(code, stderr).to.equal(0)
    expect(stderr).to.match(/shard \S+: .*INTERRUPT/)
    expect(performance.now() - begin).to.be.within(900, 5000)
    expect(client.hasEnded, client.stderr).to.equal(false)
    const redis = server.connect()
    expect(await redis.zcard(`bull:${queue}:failed`)).to.equal(0)
    redis.disconnect()
    await client.end('SIGKILL')
    await clear()
  })

  it('a worker ends within its lease at SIGTERM when Redis is away, idle or not', async () => {
    for (const isBusy of [false, true]) {
      const [leaving] = await startWorkers(1)
      const client = isBusy ? start([...slowArgs(), ...many()]) : undefined
      if (isBusy) await untilActive()
      await server.kill('SIGKILL')
      await sleep(500)
      const begin = performance.now()
      const { stderr } = (await leaving?.end('SIGTERM')) ?? { stderr: '' }
      expect(performance.now() - begin, stderr).to.be.lessThan(5000)
      if (isBusy) expect(stderr).to.match(/running shards are left to other workers: Redis has been away for 1 s\n/)
      await client?.end('SIGKILL')
      await server.start()
      await clear()
    }
  })

  it('a worker reports what Redis refuses for a while, as when it is full', async () => {
    const [worker] = await startWorkers(1)
    const client = start([...scoreArgs(['pairs']), ...many()])
    await untilActive()
    const redis = server.connect()
    await redis.config('SET', 'maxmemory', '1')
    await worker?.prints(/Redis refuses: OOM/)
    await redis.config('SET', 'maxmemory', '0')
    redis.disconnect()
    await client.end('SIGKILL')
    await clear()
  })

  /** The command line of one shard that takes about a minute. DuckDB can interrupt it after each tenth of a second. */
  function slowArgs(): string[] {
    const input = "d + 0 * levenshtein(repeat('a', 120 + g), repeat('b', 120))"
    return ['score', join(folder, 'long.parquet'), '--input', input, '--label', 'y', '--json']
  }

  async function untilActive(): Promise<void> {
    const redis = server.connect()
    while ((await redis.llen(`bull:${queue}:active`)) === 0) await sleep(10)
    redis.disconnect()
  }

  async function clear(): Promise<void> {
    const redis = server.connect()
    await redis.flushall()
    redis.disconnect()
  }

  it('workers score 5,000 small files, of which 100 share a shard', async () => {
    const workers = await startWorkers(2)
    expect(workers).to.have.lengthOf(2)
    mkdirSync(join(folder, 'small'))
    for (let i = 0; i < 5000; i++) writeFileSync(join(folder, `small/${i}.csv`), `w,y\n${i},1\n`)
    const args = ['score', join(folder, 'small'), '--input', 'w', '--label', 'y', '--json', '--redis', server.url]
    const { stdout, stderr } = await start(args).outcome
    expect(JSON.parse(stdout || 'null'), stderr).to.include({ count: 5000, sum: (4999 * 5000) / 2 })
  })

  it('a plan leaves nothing in Redis for longer than its retention, also without its client', async () => {
    const own = await RedisServer.start()
    const [client, helperRedis] = [own.connect(), own.connect()]
    try {
      const finished = await planOf([join(folder, 'pairs')], { input: 'd', label: 'y', retention: 5 })
      const left = await planOf([join(folder, 'pairs')], { input: 'd', label: 'y', retention: 5, margin: 2 })
      await addFlow(client, left)
      await client.set('of-another', 'kept')
      const helper = await serve(helperRedis, { threads: 1 })
      await addFlow(client, finished)
      await foldResults(finished, await resultsOf(client, finished))
      await untilGone(client, [finished.id, left.id], 15)
      // What is taken from a list whose job has expired is nothing to be scored.
      await client.lpush(`bull:${queue}:wait`, 'expired')
      await client.zadd(`bull:${queue}:marker`, 0, '0')
      await sleep(200)
      await helper.close()
      const keys = await client.keys('bull:*')
      for (const key of keys) expect(await client.ttl(key), key).to.be.greaterThan(-1)
    } finally {
      client.disconnect()
      helperRedis.disconnect()
      await own.stop()
    }
  })

  async function untilGone(client: Redis, plans: string[], seconds: number): Promise<void> {
    const keys = async () => (await client.keys('*')).filter((key) => plans.some((id) => key.includes(id)))
    for (let i = 0; i < 10 * seconds && (await keys()).length > 0; i++) await sleep(100)
    expect(await keys()).to.deep.equal([])
  }
})

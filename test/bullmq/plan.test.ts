import { cpSync, mkdirSync, renameSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Queue } from 'bullmq'
import { expect } from 'chai'
import { addFlow, foldResults, planOf, resultsOf, type Service, serve } from '../../lib/bullmq/index.ts'
import { command } from '../support/command.ts'
import { Random } from '../support/random.ts'
import { hasRedis, RedisServer } from '../support/redis.ts'
import { queue, useWorker } from '../support/worker.ts'

describe(`a plan in Redis${hasRedis ? '' : ', which needs redis-server'}`, function () {
  this.timeout(60_000)

  const setup = useWorker()

  const options = { input: 'd', label: 'y', shardRows: 3000 }

  it('planOf cuts between row groups, and other files or options make another id', async () => {
    const plan = await planOf([setup.path('pairs.parquet')], options)
    expect(plan.shards.map(({ rows }) => rows)).to.deep.equal([
      { start: 0, end: 4096 },
      { start: 4096, end: 8192 },
      { start: 8192, end: 12_288 },
      { start: 12_288, end: 16_384 },
      { start: 16_384, end: 20_000 },
    ])
    const again = await planOf([setup.path('pairs.parquet')], { ...options, retention: 5 })
    const other = await planOf([setup.path('pairs.parquet')], { ...options, margin: 2 })
    expect([again.id === plan.id, other.id === plan.id]).to.deep.equal([true, false])
    cpSync(setup.path('pairs.parquet'), setup.path('touched.parquet'))
    const before = await planOf([setup.path('touched.parquet')], options)
    utimesSync(setup.path('touched.parquet'), 1, 1)
    expect((await planOf([setup.path('touched.parquet')], options)).id).not.to.equal(before.id)
  })

  it('planOf joins consecutive small files of one kind in a shard, up to 100 files and a tenth of its rows', async () => {
    const kinds = ['csv', 'ndjson'] as const
    const text = { csv: 'd,y\n1,1\n', ndjson: '{"d":1,"y":1}\n' }
    for (const kind of kinds) {
      mkdirSync(setup.path(`small-${kind}`))
      for (let i = 0; i < 250; i++) writeFileSync(setup.path(`small-${kind}/${1000 + i}.${kind}`), text[kind])
    }
    const folders = kinds.map((kind) => setup.path(`small-${kind}`))
    const sizesOf = async (files: string[], more: object = {}) => {
      const { shards, files: names } = await planOf(files, { input: 'd', label: 'y', ...more })
      expect(names.map((each) => each.length)).to.deep.equal(shards.map(({ files }) => files.length))
      return names.map((each) => each.length)
    }
    expect(await sizesOf(folders)).to.deep.equal([100, 100, 50, 100, 100, 50])
    // 8 bytes of CSV may be 2 rows, so 6 are 3 files; 14 bytes of NDJSON may be 3.5.
    expect(await sizesOf([folders[0] as string], { shardRows: 60 })).to.deep.equal([...Array(83).fill(3), 1])
    expect(await sizesOf([folders[1] as string], { shardRows: 60 })).to.deep.equal(Array(250).fill(1))
    // 20,000 rows each, and with keys a shard takes 50,000 of them.
    const same = { allowDuplicates: true }
    const thrice = Array(3).fill(setup.path('pairs.parquet'))
    expect(await sizesOf(thrice, same)).to.deep.equal([3])
    expect(await sizesOf(thrice, { ...same, by: 'id' })).to.deep.equal([2, 1])
  })

  it('workers print of 120 small files in 2 shards what one machine prints, with errors of the right file and row', async () => {
    const folder = setup.path('many')
    mkdirSync(folder)
    const rows = (i: number) =>
      Array.from({ length: i % 4 }, (_, row) => `${(i * 7 + row) % 5}.25,${row % 2},k${i % 3}\n`)
    for (let i = 0; i < 120; i++) {
      writeFileSync(join(folder, `${1000 + i}.csv`), `d,y,g\n${rows(i).join('')}`)
    }
    const args = [...setup.score(['many'], '--input', 'd', '--by', 'g', '--json', '--negative-label', '0')]
    const one = await command(args)
    expect(JSON.parse(one.stdout).total).to.include({ count: 180 })
    expect(await command([...args, ...setup.many('--shard-rows', '100000')])).to.deep.equal(one)
    const plan = await planOf([folder], { input: 'd', label: 'y', negativeLabel: 0, by: 'g' })
    expect(plan.shards).to.have.lengthOf(2)
    for (const [text, pattern] of [
      ['d,y,g\n1,1,k1\n1,0,k1\n1,7,k1\n', /1050\.csv, row 3: label is 7, neither 1 nor 0 \(1 such row/],
      ['d,y,g\n1,1,k1\n,0,k1\n', /1050\.csv, row 2: --input d is null/],
      ['d,y\n1,1\n', /1050\.csv: .*"g" not found/],
    ] as const) {
      writeFileSync(join(folder, '1050.csv'), text)
      const local = await command(args)
      expect(local.stderr).to.match(pattern)
      expect(await command([...args, ...setup.many('--shard-rows', '100000')])).to.deep.equal(local)
    }
  })

  it('foldResults takes results in any order, counts a shard once, and refuses a plan with a missing one', async () => {
    const plan = await planOf([setup.path('pairs.parquet'), setup.path('parts')], { ...options, by: 'g' })
    await addFlow(setup.redis, plan)
    const results = []
    for await (const result of await resultsOf(setup.redis, plan)) results.push(result)
    expect(results).to.have.lengthOf(plan.shards.length)
    const wanted = JSON.stringify(await foldResults(plan, results))
    for (let i = 0; i < 20; i++) {
      const shuffled = new Random(i).shuffle([...results, ...results.slice(0, i)])
      expect(JSON.stringify(await foldResults(plan, shuffled))).to.equal(wanted)
    }
    const error = await foldResults(plan, results.slice(1)).catch(String)
    expect(error).to.match(/results of a shard are missing/)
  })

  it('a plan that runs again scores only the shards that are missing or have failed', async () => {
    let done = 0
    const count = () => {
      done += 1
    }
    setup.service.worker.on('completed', count)
    cpSync(setup.path('pairs.parquet'), setup.path('moved.parquet'))
    const files = [setup.path('parts/0.parquet'), setup.path('moved.parquet')]
    const plan = await planOf(files, { ...options, margin: 7 })
    renameSync(setup.path('moved.parquet'), setup.path('away.parquet'))
    await addFlow(setup.redis, plan)
    const lost = await resultsOf(setup.redis, plan).catch(String)
    expect(lost).to.equal(`Error: ${setup.path('moved.parquet')}: no such file on the worker's host ${hostname()}`)
    expect(done).to.equal(1)
    renameSync(setup.path('away.parquet'), setup.path('moved.parquet'))
    for (let i = 0; i < 2; i++) {
      await addFlow(setup.redis, plan)
      expect((await foldResults(plan, await resultsOf(setup.redis, plan))).total.count).to.equal(26_667)
      expect(done).to.equal(plan.shards.length)
    }
    setup.service.worker.off('completed', count)
  })

  it('a client requeues shards whose list or job has expired', async () => {
    const own = await RedisServer.start()
    const [client, helperRedis] = [own.connect(), own.connect()]
    let helper: Service | undefined
    try {
      const plan = await planOf([setup.path('pairs.parquet'), setup.path('parts')], { ...options, retention: 5 })
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

  it('workers score a plan beside jobs that others left in its queue', async () => {
    const id = `bull:${queue}:stranger`
    await setup.redis.hset(id, { name: 'shard', data: '{bad', opts: '{}', timestamp: '1' })
    await setup.redis.zadd(`bull:${queue}:failed`, 1, 'stranger')
    const strange = new Queue(queue, { connection: setup.redis })
    const job = await strange.add('shard', { retention: -1 })
    while ((await job.getState()) !== 'failed') await sleep(10)
    await sleep(1200)
    expect(await setup.redis.exists(`bull:${queue}:${job.id}`)).to.equal(1)
    expect(
      (await command([...setup.score(['parts'], '--input', 'd', '--margin', '9'), ...setup.many()])).stderr,
    ).to.equal('')
    await strange.close()
    await setup.redis.del(id)
  })

  it('keys outside of the queues of this version stay as they are, whatever they begin with', async () => {
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
    for (const name of names) await setup.redis.set(name, 'x')
    await setup.redis.set(`bull:${queue}:left-behind`, 'x')
    const strange = new Queue(`${queue}-mine`, { connection: setup.redis })
    await setup.redis.del(`bull:${queue}-mine:wait`)
    const { id } = await strange.add('job', { kept: true })
    expect(
      (await command([...setup.score(['parts'], '--input', 'd', '--margin', '8'), ...setup.many()])).stderr,
    ).to.equal('')
    expect(await setup.redis.ttl(`bull:${queue}:left-behind`)).to.be.greaterThan(80_000)
    for (const name of names.filter((each) => !each.endsWith('-mine:wait'))) {
      expect([name, await setup.redis.get(name), await setup.redis.ttl(name)]).to.deep.equal([name, 'x', -1])
    }
    for (const name of await setup.redis.keys(`bull:${queue}-mine:*`))
      expect([name, await setup.redis.ttl(name)]).to.deep.equal([name, -1])
    expect((await strange.getJob(id ?? ''))?.data).to.deep.equal({ kept: true })
    await strange.obliterate({ force: true })
    await strange.close()
    await setup.redis.del(...names)
  })

  it('plans run at the same time, and a second client joins one of them', async () => {
    const args = [2, 3, 3].map((margin) =>
      setup.score(['parts', 'pairs.parquet'], '--input', 'd', '--json', '--margin', `${margin}`),
    )
    const wanted = await Promise.all(args.map((each) => command(each)))
    expect(await Promise.all(args.map((each) => command([...each, ...setup.many()])))).to.deep.equal(wanted)
  })
})

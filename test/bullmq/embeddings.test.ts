import { copyFileSync, mkdirSync, mkdtempSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { decodeFailure } from '../../lib/bullmq/failures.ts'
import { foldResults, type Plan, parseShardData, planOf, shardProcessor } from '../../lib/bullmq/index.ts'
import { scoreFiles } from '../../lib/files.ts'
import { runtimeInfo } from '../../lib/index.ts'
import { command } from '../support/command.ts'
import { runQueries, writeEmbeddings } from '../support/embeddings.ts'
import { hasRedis } from '../support/redis.ts'
import { useWorker } from '../support/worker.ts'

const { version } = runtimeInfo()

describe(`pairs of embeddings on workers${hasRedis ? '' : ', which need redis-server'}`, function () {
  this.timeout(60_000)

  const setup = useWorker(async (files) => {
    await files.copy(
      'SELECT [d, 1]::FLOAT[] AS a, [w, id / 1e4]::FLOAT[] AS b, (id * 7) % 20000 AS other, y, id, g FROM pairs',
      'lists.parquet',
      '(ROW_GROUP_SIZE 2048)',
    )
    await files.copy('SELECT id, [d, w, id / 1e4]::FLOAT[] AS vector FROM pairs', 'vectors.parquet')
  })

  it('print through Redis what one machine prints, of lists and of ids, with groups and as a partial', async () => {
    const lookup = ['--left', 'id', '--right', 'other', '--embeddings', setup.path('vectors.parquet'), '--id', 'id']
    for (const args of [
      ['--left', 'a', '--right', 'b', '--json'],
      ['--left', 'a', '--right', 'b', '--distance', 'cosine', '--by', 'g'],
      [...lookup, '--distance', 'minkowski:2.5', '--json'],
    ]) {
      const local = setup.score(['lists.parquet'], ...args)
      const { stdout, stderr, code } = await command([...local, ...setup.many()])
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' })
      expect(stdout).to.equal((await command(local)).stdout)
    }
  })
})

describe('shards of pairs of embeddings', function () {
  this.timeout(60_000)
  let folder: string
  const path = (name: string) => join(folder, name)
  const lists = { left: 'a', right: 'b', label: 'y', distance: 'cosine' } as const
  const ids = () =>
    ({ left: 'id', right: '(id * 7) % 2500', label: 'y', embeddings: path('root/table.parquet'), id: 'id' }) as const

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-shards-'))
    mkdirSync(path('root'))
    await writeEmbeddings(path('root'))
    const all = path('root/embeddings.parquet')
    await runQueries(
      `COPY (SELECT id, fa AS vector FROM '${all}') TO '${path('root/table.parquet')}'`,
      `COPY (FROM '${all}' UNION ALL FROM '${all}') TO '${path('root/pairs.parquet')}' (ROW_GROUP_SIZE 2048)`,
      `COPY (FROM '${all}' UNION ALL
        SELECT * REPLACE (CASE WHEN id = 2400 THEN b[1:2] ELSE b END AS b, CASE WHEN id = 2450 THEN -1 ELSE id END AS id)
        FROM '${all}') TO '${path('root/wrong.parquet')}' (ROW_GROUP_SIZE 2048)`,
    )
  })
  after(() => rmSync(folder, { recursive: true }))

  const jobsOf = ({ options, shards, retention }: Plan) =>
    shards.map((shard, index) => ({ data: JSON.parse(JSON.stringify({ version, index, options, shard, retention })) }))

  async function processAll(plan: Plan, roots: readonly string[] = [path('root')]): Promise<unknown[]> {
    const processor = await shardProcessor({ threads: 1, roots })
    try {
      const results = []
      for (const job of jobsOf(plan)) results.push(await processor.process(job))
      return results
    } finally {
      processor.close()
    }
  }

  /** The details of the error of the first shard that fails. */
  async function failureOf(plan: Plan, roots?: readonly string[]): Promise<object> {
    const error = await processAll(plan, roots).then(
      () => undefined,
      (cause: Error) => cause,
    )
    return decodeFailure(error?.message ?? '') ?? {}
  }

  it('have the totals of one machine, of lists and of ids', async () => {
    for (const options of [lists, ids(), { ...ids(), by: 'k', nan: 'ignore' as const }]) {
      const plan = await planOf([path('root/pairs.parquet')], { ...options, shardRows: 1000 })
      expect(plan.shards.length).to.be.greaterThan(1)
      const { total, groups = [] } = await foldResults(plan, await processAll(plan))
      const expected = await scoreFiles([path('root/pairs.parquet')], options)
      expect(total.toJSON()).to.deep.equal(expected.total.toJSON())
      expect(total.count).to.equal(5000)
      expect(groups.map(({ json }) => json)).to.deep.equal((expected.groups ?? []).map(({ json }) => json))
    }
  })

  it('name the row of the whole file whose lists differ, or whose id is unknown', async () => {
    const plan = (options: typeof lists | ReturnType<typeof ids>) =>
      planOf([path('root/wrong.parquet')], { ...options, shardRows: 1000 })
    const file = { file: path('root/wrong.parquet'), count: 1 }
    expect(await failureOf(await plan(lists))).to.include({ code: 'ERR_SHAPE_MISMATCH', row: 4901, ...file })
    expect(await failureOf(await plan(ids()))).to.include({ code: 'ERR_UNKNOWN_ID', row: 4951, ...file })
  })

  it('make another plan of another table, and fail if the table changes or lies outside of the roots', async () => {
    const options = { ...ids(), embeddings: path('root/copy.parquet') }
    copyFileSync(path('root/table.parquet'), options.embeddings)
    const plan = await planOf([path('root/pairs.parquet')], options)
    expect((await planOf([path('root/pairs.parquet')], options)).id).to.equal(plan.id)
    utimesSync(options.embeddings, 1, 1)
    expect((await planOf([path('root/pairs.parquet')], options)).id).not.to.equal(plan.id)
    expect(await failureOf(plan)).to.include({ code: 'ERR_FILE_CHANGED', file: options.embeddings })

    copyFileSync(path('root/table.parquet'), path('outside.parquet'))
    const outside = await planOf([path('root/pairs.parquet')], { ...ids(), embeddings: path('outside.parquet') })
    expect(await failureOf(outside)).to.include({ code: 'ERR_OUTSIDE_ROOTS', file: path('outside.parquet') })
  })

  it('take no other payload', async () => {
    const plan = await planOf([path('root/pairs.parquet')], ids())
    const [{ data }] = jobsOf(plan) as [{ data: { options: { input: { lookup: object } } } }]
    const { input } = data.options
    const withInput = (changes: object) => ({ ...data, options: { ...data.options, input: { ...input, ...changes } } })
    const withLookup = (changes: object) => withInput({ lookup: { ...input.lookup, ...changes } })
    expect(parseShardData(withInput({ distance: 'minkowski:3' }))).to.be.an('object')
    for (const wrong of [
      withInput({ distance: 'l2' }),
      withInput({ distance: 1 }),
      withInput({ epsilon: null }),
      withInput({ left: '' }),
      withInput({ right: undefined }),
      withInput({ more: 1 }),
      withInput({ lookup: null }),
      withLookup({ file: 'table.parquet' }),
      withLookup({ file: `${folder}/../table.parquet` }),
      withLookup({ id: 1 }),
      withLookup({ seen: undefined }),
      withLookup({ seen: { size: 1 } }),
      withLookup({ more: 1 }),
    ]) {
      expect(() => parseShardData(wrong), JSON.stringify(wrong)).to.throw(/^the job's data\.options\.input/)
    }
  })
})

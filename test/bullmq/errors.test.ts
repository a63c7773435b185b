import { renameSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import {
  addFlow,
  flowOf,
  foldResults,
  type Plan,
  planOf,
  resultsOf,
  scoreOnWorkers,
  shardProcessor,
} from '../../lib/bullmq/index.ts'
import { type ScoreFilesOptions, scoreFiles } from '../../lib/files.ts'
import { hasRedis, withRedis } from '../support/redis.ts'
import { queue, useWorker } from '../support/worker.ts'

/** Files and options that one machine refuses, and what a program reads of the error. */
const failures: Readonly<Record<string, readonly [files: string[], options: object, details: object]>> = {
  'a null': [['pairs.parquet'], { input: 'gap' }, { code: 'ERR_NULL', option: 'input', row: 12_346, count: 1 }],
  'a NaN': [['pairs.parquet'], { input: 'f' }, { code: 'ERR_NAN', option: 'input', row: 4, count: 3333 }],
  'an invalid label': [
    ['parts/0.parquet', 'pairs.parquet'],
    { input: 'd', label: 'other' },
    { code: 'ERR_INVALID_LABEL', option: 'label', row: 5736, count: 10 },
  ],
  'a column that is not there': [['pairs.parquet'], { input: 'nope' }, { code: 'ERR_INVALID_FILE' }],
  'a column of text': [['pairs.parquet'], { input: 'word' }, { code: 'ERR_INVALID_FILE', option: 'input' }],
  'inputs of different precision': [['parts', 'double.parquet'], { input: 'd' }, { option: 'input' }],
  'keys of different types': [['parts', 'double.parquet'], { input: 'd::DOUBLE', by: 'g' }, { option: 'by' }],
  'keys of type INTERVAL': [['pairs.parquet'], { input: 'd', by: 'pause' }, { option: 'by' }],
  'text that is no number': [['words.csv'], { input: 'w' }, { option: 'input', row: 2 }],
  'text that is no number after the sample': [['late.csv'], { input: 'w' }, { code: 'ERR_INVALID_FILE' }],
  'a cast that fails': [['words.csv'], { input: 'w::DOUBLE' }, { code: 'ERR_INVALID_FILE' }],
  'compressed text that is cut off': [['truncated.csv.gz'], { input: 'w' }, {}],
  'a Parquet file that is cut off': [['truncated.parquet'], { input: 'w' }, { code: 'ERR_INVALID_FILE' }],
  'a file that is not there': [['none.csv'], { input: 'w' }, { code: 'ENOENT' }],
  'a margin that float32 does not have': [['pairs.parquet'], { input: 'd', margin: 1e300 }, { option: 'margin' }],
  'an expression that is random': [['pairs.parquet'], { input: 'random()' }, { option: 'input' }],
  'an expression that does not parse': [['pairs.parquet'], { input: 'd +' }, { option: 'input' }],
  'an unknown policy': [['pairs.parquet'], { input: 'd', nulls: 'drop' }, { option: 'nulls' }],
  'an option of another kind': [
    ['pairs.parquet'],
    { input: 'd', by: 1 },
    { code: 'ERR_INVALID_ARG_TYPE', option: 'by' },
  ],
  'no threads': [['pairs.parquet'], { input: 'd', threads: 0 }, { option: 'threads' }],
  'columns to keep': [['pairs.parquet'], { input: 'd', keep: ['g'] }, { option: 'keep' }],
}

/** The class and message of an error, and all that a program reads of it. */
function describeError(error: Error): object {
  const { code, option, file, row, count } = error as Error & Record<string, unknown>
  return { class: error.constructor.name, message: error.message, code, option, file, row, count }
}

async function errorOf(run: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  const error = await run.then(
    () => undefined,
    (reason) => reason,
  )
  expect(error).to.be.instanceOf(Error)
  return error
}

describe(`errors of workers${hasRedis ? '' : ', which need redis-server'}`, function () {
  this.timeout(60_000)

  const setup = useWorker(async (setup) => {
    writeFileSync(setup.path('words.csv'), 'w,y\n0.5,1\nabc,1\n')
    writeFileSync(setup.path('late.csv'), `w,y\n${'0.5,1\n'.repeat(30_000)}abc,1\n`)
  })

  async function assertSameError(files: string[], options: object, details: object): Promise<void> {
    const all = { label: 'y', ...options } as ScoreFilesOptions
    const one = await errorOf(scoreFiles(files, all))
    expect(one).to.include(details)
    // Ranges of files, and all files in one shard.
    for (const shardRows of [4000, 10_000_000]) {
      const workers = { redis: setup.server.url, shardRows, timeout: 30 }
      const error = await errorOf(scoreOnWorkers(files, { ...all, ...workers }))
      expect(describeError(error), String(shardRows)).to.deep.equal(describeError(one))
    }
  }

  for (const [name, [files, options, details]] of Object.entries(failures)) {
    it(`scoreOnWorkers throws the same error as scoreFiles for ${name}`, () => {
      return assertSameError(files.map(setup.path), options, details)
    })
  }

  it('scoreOnWorkers names a file as the caller did, as scoreFiles does', async () => {
    const here = process.cwd()
    process.chdir(setup.folder)
    try {
      for (const [files, options, details] of Object.values(failures)) await assertSameError(files, options, details)
    } finally {
      process.chdir(here)
    }
  })

  it('planOf refuses options that workers do not serve, by name, and no paths', async () => {
    const { stdin, noop } = { stdin: process.stdin, noop: () => {} }
    for (const [name, options] of [
      ['output', { output: setup.path('out.csv') }],
      ['output', { output: setup.path('out.csv'), keep: ['g'] }],
      ['stdin', { stdin }],
      ['onProgress', { onProgress: noop }],
    ] as const) {
      const error = await errorOf(planOf([setup.path('pairs.parquet')], { input: 'd', label: 'y', ...options }))
      expect(error).to.include({ code: 'ERR_INVALID_ARG_VALUE', option: name })
      expect(error.message).to.equal(`${name} does not go with redis`)
    }
    for (const [url, text] of [
      [
        'https://host/a.parquet?X-Amz-Signature=SECRET',
        'https://host/a.parquet: a URL with a query does not go through',
      ],
      ['HTTP://host/a.csv#SECRET', 'HTTP://host/a.csv: a URL with a query does not go through'],
    ] as const) {
      const error = await errorOf(planOf([url], { input: 'd', label: 'y' }))
      expect(error).to.include({ code: 'ERR_INVALID_ARG_VALUE', option: 'paths' })
      expect(error.message).to.include(text).and.not.include('SECRET')
      const embeddings = { left: 'a', right: 'b', label: 'y', embeddings: url, id: 'i' }
      const lookup = await errorOf(planOf([setup.path('parts')], embeddings))
      expect(lookup).to.include({ option: 'embeddings' })
      expect(String(lookup.stack)).not.to.include('SECRET')
    }
    const none = await errorOf(planOf([], { input: 'd', label: 'y' }))
    expect(none).to.include({ option: 'paths', message: 'redis takes paths' })
    const unknown = await errorOf(planOf([], { input: 'd', label: 'y', shards: 1 } as never))
    expect(unknown.message).to.match(/^'shards' is not an option/)
  })

  it('scoreOnWorkers refuses its own options as planOf does, before it connects', async () => {
    const wrong: [option: string | undefined, code: string, options: unknown][] = [
      [undefined, 'ERR_INVALID_ARG_TYPE', undefined],
      ['redis', 'ERR_INVALID_ARG_TYPE', {}],
      ['redis', 'ERR_INVALID_ARG_TYPE', { redis: new URL('redis://localhost') }],
      ['timeout', 'ERR_INVALID_ARG_TYPE', { redis: 'redis://localhost', timeout: '60' }],
      ['timeout', 'ERR_INVALID_ARG_VALUE', { redis: 'redis://localhost', timeout: 0 }],
      ['shardRows', 'ERR_INVALID_ARG_VALUE', { redis: 'redis://localhost', shardRows: 0 }],
      ['lease', 'ERR_INVALID_ARG_VALUE', { redis: 'redis://localhost', lease: 15 }],
    ]
    for (const [option, code, more] of wrong) {
      const options = more && { input: 'd', label: 'y', ...more }
      const error = await errorOf(scoreOnWorkers([setup.path('parts')], options as never))
      expect({ code: error.code, option: error.option }, String(option)).to.deep.equal({ code, option })
    }
  })

  it("planOf and scoreOnWorkers reject with their signal's reason", async () => {
    const reason = new Error('enough')
    const options = { input: 'd', label: 'y', signal: AbortSignal.abort(reason) }
    expect(await errorOf(planOf([setup.path('parts')], options))).to.equal(reason)
    const controller = new AbortController()
    await withRedis([], async ({ url }) => {
      setTimeout(() => controller.abort(reason), 1000)
      const waiting = { ...options, signal: controller.signal, redis: url }
      expect(await errorOf(scoreOnWorkers([setup.path('parts')], waiting))).to.equal(reason)
    })
  })

  const planParts = (margin: number, more: object = {}) =>
    planOf([setup.path('parts')], { input: 'd', label: 'y', margin, ...more })

  const scoreParts = (redis: string, timeout: number) =>
    errorOf(scoreOnWorkers([setup.path('parts')], { input: 'd', label: 'y', redis, timeout }))

  it('planOf and scoreOnWorkers reject with what a callback throws, also one that is async', async () => {
    const file = setup.path('pairs.parquet')
    const options = { input: 'd', label: 'y' }
    const error = new Error('unheard')
    const callbacks = [
      () => {
        throw error
      },
      () => Promise.reject(error),
    ]
    for (const onNote of callbacks) {
      expect(await errorOf(planOf([file, file], { ...options, onNote }))).to.equal(error)
    }
    await withRedis([], async ({ url: redis }) => {
      for (const callback of callbacks) {
        const onNote = { ...options, redis, onNote: callback }
        expect(await errorOf(scoreOnWorkers([file, file], onNote))).to.equal(error)
        const onProgress = { ...options, redis, onProgress: callback }
        expect(await errorOf(scoreOnWorkers([file], onProgress))).to.equal(error)
      }
    })
  })

  it('scoreOnWorkers throws ERR_NO_WORKER without a worker, and ERR_REDIS without a Redis', async () => {
    let gone = ''
    await withRedis(['--requirepass', 'secret'], async ({ url }) => {
      expect(await scoreParts(url.replace('//', '//:secret@'), 1)).to.include({ code: 'ERR_NO_WORKER' })
      expect(await scoreParts(url, 1)).to.include({ code: 'ERR_REDIS' })
      gone = url
    })
    expect(await scoreParts(gone, 1)).to.include({ code: 'ERR_REDIS' })
    expect(await scoreParts('http://localhost', 1)).to.include({ code: 'ERR_INVALID_ARG_VALUE', option: 'redis' })
  })

  it('scoreOnWorkers throws ERR_REDIS if Redis refuses a command, or goes away for the timeout', async () => {
    await withRedis([], async (server) => {
      const admin = server.connect()
      await admin.call('ACL', 'SETUSER', 'score', 'on', '>pw', '~*', '&*', '+@all', '-evalsha')
      const refused = await scoreParts(server.url.replace('//', '//score:pw@'), 2)
      expect(refused).to.include({ code: 'ERR_REDIS' })
      expect(refused.message).to.match(/^Redis at 127\.0\.0\.1:\d+ refuses: [^\n]+$/)
      const waiting = scoreParts(server.url, 2)
      while ((await admin.keys('bull:*-plans:*:dependencies')).length === 0) await sleep(10)
      admin.disconnect()
      await server.kill('SIGKILL')
      expect(await waiting).to.include({ code: 'ERR_REDIS' })
    })
  })

  it('resultsOf throws ERR_PLAN_LOST if Redis has lost the plan, and foldResults ERR_RESULT_MISSING', async () => {
    const plan = await planParts(2)
    expect(await errorOf(resultsOf(setup.redis, plan))).to.include({ code: 'ERR_PLAN_LOST' })
    const missing = await errorOf(foldResults(plan, []))
    expect(missing).to.include({ code: 'ERR_RESULT_MISSING', file: setup.path('parts/0.parquet') })
    expect(await errorOf(foldResults(plan, [{ index: 0 }]))).to.include({ code: 'ERR_INVALID_RESULT' })
  })

  it('a worker reports a file that it does not see as the client did, with the code and its host', async () => {
    const host = hostname()
    await setup.copy('SELECT d, y FROM pairs', 'seen.parquet')
    const file = setup.path('seen.parquet')
    const [data] = flowOf(await planOf([file], { input: 'd', label: 'y' })).children.map((child) => child.data)
    const failed = async (roots: string[], code: string, name = 'Error') => {
      const { process, close } = await shardProcessor({ threads: 1, roots })
      const error = await errorOf(process({ data }))
      close()
      expect(error.name).to.equal(name)
      const [, json = ''] = error.message.split('\n')
      expect(JSON.parse(json)).to.include({ code, file, host })
    }
    await failed([setup.path('parts')], 'ERR_OUTSIDE_ROOTS', 'UnrecoverableError')
    utimesSync(file, 1, 1)
    await failed([setup.folder], 'ERR_FILE_CHANGED')
    renameSync(file, setup.path('moved.parquet'))
    await failed([setup.folder], 'ENOENT')
  })

  it('a worker reports a job of another version, or of no plan, with a code, and does not try it again', async () => {
    const { process, close } = await shardProcessor({ threads: 1 })
    for (const [data, code] of [
      [{ version: '0.0.9' }, 'ERR_VERSION_MISMATCH'],
      [{}, 'ERR_INVALID_JOB'],
    ] as const) {
      const error = await errorOf(process({ data }))
      expect(error.name).to.equal('UnrecoverableError')
      expect(JSON.parse(error.message.split('\n')[1] ?? '')).to.include({ code })
    }
    close()
  })

  it('the client survives any text that stands in Redis for a failure, and makes no claim from it', async () => {
    const plan = await planParts(3, { label: 'other' })
    await addFlow(setup.redis, plan)
    const first = await errorOf(resultsOf(setup.redis, plan))
    expect(first).to.include({ code: 'ERR_INVALID_LABEL', file: setup.path('parts/0.parquet') })
    const failed = `bull:${queue}-plans:${plan.id}:failed`
    const [key = ''] = (await setup.redis.hkeys(failed)).filter((each) => each.endsWith('-0'))
    const failWith = async (reason: string) => {
      await setup.redis.hset(failed, key, reason)
      return errorOf(resultsOf(setup.redis, plan))
    }
    const stalled = await failWith('job stalled more than allowable limit')
    expect(stalled).to.include({ code: 'ERR_SHARD_STALLED', file: setup.path('parts/0.parquet') })
    expect(stalled.message).to.match(/parts\/0\.parquet and 2 more: more than 10 workers/)
    const other = JSON.stringify({ code: 'ERR_NULL', file: '/etc/passwd', row: 0.5, count: 'many', parts: ['no'] })
    expect(await failWith(`no\n${other}`))
      .to.include({ message: 'no', code: 'ERR_NULL' })
      .and.not.have.any.keys('file', 'row')
    for (const reason of ['', '\n', '\n{', 'x\nnull', 'x\n[1]', `x\n${'['.repeat(100_000)}`, 'y'.repeat(3_000_000)]) {
      const error = await failWith(reason)
      expect(error.message.length).to.be.within(1, 20_000)
      expect(error).not.to.have.any.keys('code', 'option', 'file', 'row', 'count', 'host')
    }
    await forgeFailure(plan, failed)
  })

  /** A failure of a shard that the plan does not have. */
  async function forgeFailure(plan: Plan, failed: string): Promise<void> {
    await setup.redis.del(failed)
    await setup.redis.hset(failed, `bull:${queue}:${plan.id}-999`, 'x', 'no key', 'x', `${plan.id}-1000`, 'x')
    expect(await errorOf(resultsOf(setup.redis, plan))).to.include({ code: 'ERR_PLAN_LOST' })
  }
})

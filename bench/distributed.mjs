// Many machines: the command line over a real Redis, on a port and in a folder of its own.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { linkSync, mkdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { addFlow, flowOf, planOf, resultsOf, shardProcessor } from '../dist/bullmq/index.js'
import { connect, processOf, program, withFiles, writePairs } from './files.mjs'
import { amountOf, row } from './measure.mjs'

const hasRedis = spawnSync('redis-server', ['--version']).status === 0

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

async function until(stream, pattern) {
  let said = ''
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    said += chunk
    if (pattern.test(said)) break
  }
  stream.resume()
}

async function withRedis(folder, run) {
  const port = await freePort()
  const server = spawn('redis-server', ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, '--save', ''])
  await until(server.stdout, /Ready to accept/)
  const redis = new Redis(port, '127.0.0.1')
  try {
    return await run(`redis://127.0.0.1:${port}`, redis)
  } finally {
    redis.disconnect()
    server.kill()
    await once(server, 'exit')
  }
}

/** With so many workers of one thread, from nothing done. */
async function withWorkers(count, url, redis, run) {
  await redis.flushall()
  const args = [program, 'worker', '--redis', url, '--threads', '1']
  const workers = Array.from({ length: count }, () => spawn(process.execPath, args))
  await Promise.all(workers.map(({ stderr }) => until(stderr, /serves/)))
  try {
    return await run()
  } finally {
    await Promise.all(
      workers.map((worker) => {
        const exit = once(worker, 'exit')
        worker.kill('SIGTERM')
        return exit
      }),
    )
  }
}

/** Seconds that a shard of one row takes inside the worker, most of them DuckDB's. */
async function secondsAlone(folder) {
  const { children } = flowOf(await planOf([folder], { input: 'x', label: 'y', shardRows: 1 }))
  const processor = await shardProcessor({ threads: 1 })
  const begin = performance.now()
  for (const job of children) await processor.process(job)
  processor.close()
  return (performance.now() - begin) / 1000 / children.length
}

async function bytesIn(redis) {
  return Number(/used_memory:(\d+)/.exec(await redis.info('memory'))[1])
}

async function overhead(folder, url, redis) {
  const connection = await connect(1)
  const counts = [amountOf.shards / 8, amountOf.shards]
  const folders = counts.map((count) => join(folder, String(count)))
  for (const [k, each] of folders.entries()) {
    mkdirSync(each)
    for (let i = 0; i < counts[k]; i++) await writePairs(connection, 1, join(each, `${i}.parquet`))
  }
  const [few, most] = folders
  const more = counts[1] - counts[0]
  const score = (each) =>
    processOf(['score', each, '--input', 'x', '--label', 'y', '--json', '--redis', url, '--shard-rows', '1'])
  const client = await withWorkers(1, url, redis, () => score(few))
  const before = await bytesIn(redis)
  const clients = await withWorkers(1, url, redis, () => score(most))
  const bytes = ((await bytesIn(redis)) - before) / more
  const seconds = (clients.seconds - client.seconds) / more
  const alone = await secondsAlone(most)
  const memory = (1024 * (clients.mebibytes - client.mebibytes)) / more
  return [
    row('a shard of one row, through Redis − in the worker alone', 1000 * (seconds - alone), { target: 5, unit: 'ms' }),
    row('a shard of one row, through Redis, by one worker', 1000 * seconds, { unit: 'ms' }),
    row('memory of the client, a shard', memory, { unit: 'KiB', digits: 1 }),
    row('memory of Redis, a shard', bytes / 1024, { unit: 'KiB', digits: 1 }),
  ]
}

/** One file by 64 names, which DuckDB reads 64 times; the time from handing shards out until all are done. */
async function speedup(folder, url, redis) {
  const large = join(folder, 'large')
  mkdirSync(large)
  await writePairs(await connect(2), amountOf.workerRows, join(large, '0.parquet'))
  for (let i = 1; i < 64; i++) linkSync(join(large, '0.parquet'), join(large, `${i}.parquet`))
  const plan = await planOf([large], { input: 'x', label: 'y', shardRows: amountOf.workerRows })
  const seconds = async () => {
    const begin = performance.now()
    await addFlow(redis, plan)
    await resultsOf(redis, plan)
    return (performance.now() - begin) / 1000
  }
  const best = { 1: Number.POSITIVE_INFINITY, 2: Number.POSITIVE_INFINITY }
  for (let round = 0; round < amountOf.workerRounds; round++) {
    for (const count of [1, 2]) best[count] = Math.min(best[count], await withWorkers(count, url, redis, seconds))
  }
  const note = `${best[1].toFixed(1)} s, ${best[2].toFixed(1)} s`
  return [
    row(`64 files of ${amountOf.workerRows / 1e6} M rows: 1 worker of 1 thread / 2`, best[1] / best[2], {
      target: 1.6,
      atLeast: true,
      note,
    }),
  ]
}

export const distributedBenchmarks = {
  distributed: () =>
    withFiles(async (folder) => {
      if (!hasRedis) return [row('many machines: not measured, for want of redis-server', Number.NaN)]
      return withRedis(folder, async (url, redis) => [
        ...(await overhead(folder, url, redis)),
        ...(await speedup(folder, url, redis)),
      ])
    }),
}

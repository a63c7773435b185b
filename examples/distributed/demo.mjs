// All pairs of the sample data's digits, scored by three workers over a Redis of its own. One of them is killed in the middle, and what
// is printed is compared with what one machine prints.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { DuckDBInstance } from '@duckdb/node-api'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { runtimeInfo } from '../../dist/index.js'

const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const digits = fileURLToPath(new URL('../digit-embeddings.parquet', import.meta.url))
const files = 48

if (spawnSync('redis-server', ['--version']).error) {
  console.error('redis-server is not installed: apt-get install redis-server, or what your system has')
  process.exit(1)
}

const folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-demo-'))
const pairs = join(folder, 'pairs')
const children = new Set()

process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, maxRetries: 10 })
})
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130))

function start(command, ...args) {
  const child = spawn(command, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  children.add(child)
  return child.once('exit', () => children.delete(child))
}

async function says(stream, pattern) {
  let said = ''
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    said += chunk
    if (pattern.test(said)) return stream.resume()
  }
  throw new Error(said)
}

/** What the command line prints. */
async function prints(...args) {
  const child = start(process.execPath, program, ...args)
  const [printed, said, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  if (code !== 0) throw new Error(said)
  return printed
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

async function writePairs() {
  mkdirSync(pairs)
  const connection = await (await DuckDBInstance.create()).connect()
  await connection.run(`CREATE TABLE digits AS SELECT row_number() OVER () AS n, digit, learned FROM '${digits}'`)
  for (let i = 0; i < files; i++) {
    await connection.run(`COPY (
      SELECT one.learned AS a, other.learned AS b, if(one.digit = other.digit, 1, -1)::TINYINT AS label
      FROM digits AS one, digits AS other WHERE one.n % ${files} = ${i}) TO '${pairs}/${i}.parquet'`)
  }
  const rows = await connection.runAndReadAll(`SELECT count(*) FROM '${pairs}/*.parquet'`)
  connection.closeSync()
  return Number(rows.getRows()[0][0])
}

async function startRedis(port) {
  const server = start('redis-server', '--bind', '127.0.0.1', '--port', `${port}`, '--dir', folder, '--save', '')
  await says(server.stdout, /Ready to accept/)
}

async function startWorker(url) {
  const worker = start(
    process.execPath,
    program,
    'worker',
    '--redis',
    url,
    '--root',
    pairs,
    '--threads',
    '1',
    '--lease',
    '1',
  )
  await says(worker.stderr, /serves/)
  return worker
}

/** Kills a worker that has a shard in hands, once a quarter of the shards is done. */
async function killOne(redis, workers) {
  const queue = new Queue(`hinge-embedding-loss-${runtimeInfo().version}`, { connection: redis })
  for (;;) {
    const [done, [job]] = [await queue.getCompletedCount(), await queue.getActive()]
    const worker = workers.findIndex(({ pid }) => job?.processedBy?.endsWith(`-${pid}`))
    if (done >= files / 4 && worker >= 0) {
      workers[worker].kill('SIGSTOP')
      const isInTheMiddle = await job.isActive()
      workers[worker].kill(isInTheMiddle ? 'SIGKILL' : 'SIGCONT')
      if (isInTheMiddle) return { worker: worker + 1, file: basename(job.data.shard.files[0].file), done }
    }
    await sleep(5)
  }
}

/** Tells what was done, and when it was. */
async function tell(work, what) {
  const found = await work
  console.log(`${(performance.now() / 1000).toFixed(1).padStart(5)} s  ${what(found)}`)
  return found
}

const score = ['score', pairs, '--input', 'list_distance(a, b)', '--label', 'label', '--json']
const port = await freePort()
const url = `redis://127.0.0.1:${port}`

await tell(writePairs(), (rows) => `${rows.toLocaleString('en')} pairs of digits in ${files} files of Parquet`)
await tell(startRedis(port), () => `Redis at ${url}`)
const workers = await tell(Promise.all([1, 2, 3].map(() => startWorker(url))), ({ length }) => `${length} workers`)

const redis = new Redis(url, { maxRetriesPerRequest: null })
const client = prints(...score, '--redis', url)
await Promise.race([
  client,
  tell(
    killOne(redis, workers),
    ({ worker, file, done }) => `worker ${worker} killed while it scored ${file}; ${done} of ${files} files were done`,
  ),
])
const many = await tell(client, () => 'the client has all of them, by the other two workers')
redis.disconnect()
const one = await tell(prints(...score), () => 'one machine has them as well')

const isSame = many === one
console.log(`\nmany machines  ${many}one machine    ${one}\n${isSame ? 'The same, byte for byte.' : 'They differ.'}`)
process.exit(isSame ? 0 : 1)

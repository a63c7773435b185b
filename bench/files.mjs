// Files: the extension against SQL in the same DuckDB, and the command line against the extension.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DuckDBInstance } from '@duckdb/node-api'
import { load } from '../dist/duckdb.js'
import { leastLater, row } from './measure.mjs'

export const program = fileURLToPath(new URL('../dist/cli/main.cjs', import.meta.url))
const peers = fileURLToPath(new URL('peers.py', import.meta.url))
const million = 1e6

const loss = 'CASE WHEN y = 1 THEN x ELSE greatest(0, 1 - x) END'
const statistics = `avg(${loss}), sum(x) FILTER (y = 1), count(*) FILTER (y = 1), sum(greatest(0, 1 - x)) FILTER (y = -1),
  count(*) FILTER (y = -1), count(*) FILTER (y = -1 AND x < 1)`

export async function withFiles(run) {
  const folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-bench-'))
  try {
    return await run(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export async function connect(threads) {
  const instance = await DuckDBInstance.create(':memory:', {
    allow_unsigned_extensions: 'true',
    threads: String(threads),
  })
  const connection = await instance.connect()
  await load(connection)
  return connection
}

export async function writePairs(connection, rows, file) {
  const label = 'CASE WHEN hash(i) % 2 = 0 THEN 1 ELSE -1 END'
  await connection.run(`COPY (SELECT ((hash(i + 1) % 16777216) / 8388608)::FLOAT AS x, (${label})::FLOAT AS y,
    (i % 2)::INTEGER AS g2, (hash(i + 2) % 1000)::INTEGER AS g1000 FROM range(${rows}) AS r(i)) TO '${file}'`)
}

/** Seconds of a process, and the most memory it had, in MiB. */
export function processOf(args) {
  const report = `data:text/javascript,process.on('exit',()=>process.stderr.write(String(process.resourceUsage().maxRSS)))`
  const begin = performance.now()
  const { status, stderr } = spawnSync(process.execPath, ['--import', report, program, ...args], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return { seconds: (performance.now() - begin) / 1000, mebibytes: Number(stderr) / 1024 }
}

const leastOf = (rounds, run) => Math.min(...Array.from({ length: rounds }, run))

export const fileBenchmarks = {
  sql: () =>
    withFiles(async (folder) => {
      const file = join(folder, 'pairs.parquet')
      await writePairs(await connect(2), 20 * million, file)
      const rows = []
      for (const threads of [1, 2]) {
        const connection = await connect(threads)
        const from = (select, by = '') => `SELECT ${select} FROM '${file}' ${by}`
        const grouped = ['g2', 'g1000'].flatMap((by) => [
          from('hinge_embedding_loss(x, y).mean', `GROUP BY ${by}`),
          from(statistics, `GROUP BY ${by}`),
        ])
        const queries = [
          from('hinge_embedding_loss(x, y)'),
          from('sum(x), sum(y)'),
          from(`avg(${loss})`),
          from(statistics),
        ]
        const times = await leastLater([...queries, ...grouped].map((sql) => () => connection.run(sql)))
        const [ours, sums, plain, full, two, sqlTwo, thousand, sqlThousand] = times
        const what = (name) => `20 M rows of Parquet, ${threads} thread${threads > 1 ? 's' : ''}: ${name}`
        rows.push(
          row(what('SELECT sum(x), sum(y) / ours'), sums / ours, { target: 0.85, atLeast: true }),
          row(what('the loss in SQL / ours'), plain / ours, { target: 6, atLeast: true }),
          row(what('with both classes in SQL / ours'), full / ours, { target: 10, atLeast: true }),
          row(what('2 groups, in SQL / ours'), sqlTwo / two, { target: 3, atLeast: true }),
          row(what('1,000 groups, in SQL / ours'), sqlThousand / thousand, { target: 3, atLeast: true }),
        )
        connection.closeSync()
      }
      return rows
    }),

  commandLine: () =>
    withFiles(async (folder) => {
      const [file, text, single] = ['pairs.parquet', 'pairs.csv', 'one.parquet'].map((name) => join(folder, name))
      const connection = await connect(2)
      await writePairs(connection, 20 * million, file)
      await writePairs(connection, 5 * million, text)
      await writePairs(connection, 1, single)
      const times = (count) => Array(count).fill(file)
      const list = times(5).map((each) => `'${each}'`)
      const [query, csvSum, csv] = await leastLater([
        () => connection.run(`SELECT hinge_embedding_loss(x, y) FROM read_parquet([${list}])`),
        () => connection.run(`SELECT sum(x) FROM '${text}'`),
        () => connection.run(`SELECT hinge_embedding_loss(x, y) FROM '${text}'`),
      ])
      const score = (...files) => processOf(['score', ...files, '--input', 'x', '--label', 'y', '--json'])
      const whole = leastOf(3, () => score(...times(5)).seconds)
      const [least, most] = [1, 10].map((count) => score(...times(count)).mebibytes)
      const start = leastOf(5, () => score(single).seconds)
      const startOf = (args) => () => spawnSync(process.execPath, args)
      const [version, node] = await leastLater([startOf([program, '--version']), startOf(['--eval', '0'])], 15)
      const seconds = query / 1e9
      return [
        row('100 M rows: (the score process − 0.4 s) / the query', (whole - 0.4) / seconds, { target: 1.1 }),
        row('memory of score, 200 M rows − 20 M rows', most - least, { target: 32, unit: 'MiB', digits: 0 }),
        row('CSV: SELECT sum(x) / ours', csvSum / csv),
        row('score of one row', 1000 * start, { target: 400, unit: 'ms', digits: 0 }),
        row('--version / node --eval 0', version / node, { target: 1.1 }),
        ...peerRows(file, seconds / 5),
      ]
    }),
}

/** What a run of peers.py prints; nothing where Python lacks what it needs. */
export function peersOf(...args) {
  const { stdout } = spawnSync(process.env.PYTHON ?? 'python3', [peers, ...args], { encoding: 'utf8' })
  return stdout ? JSON.parse(stdout) : {}
}

/** polars and pandas where Python has them: the same totals of the same file. */
function peerRows(file, seconds) {
  return Object.entries(peersOf('polars', 'pandas', file)).map(([name, time]) =>
    row(`20 M rows of Parquet: ${name} / our query`, time / seconds, { digits: 1 }),
  )
}

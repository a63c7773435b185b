// Files: the extension against SQL in the same DuckDB, and the command line against the extension.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DuckDBInstance } from '@duckdb/node-api'
import { extensionPath, load } from '../dist/duckdb.js'
import { amountOf, leastLater, processorTime, row } from './measure.mjs'

export const program = fileURLToPath(new URL('../dist/cli/bin.cjs', import.meta.url))
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

/** Columns x and y, and for each number of groups a column of so many keys, in no order. */
export async function writePairs(connection, rows, file, groups = []) {
  const label = 'CASE WHEN hash(i) % 2 = 0 THEN 1 ELSE -1 END'
  const keys = groups.map((count) => `, (hash(i + 2) % ${count})::INTEGER AS g${count}`)
  await connection.run(`COPY (SELECT ((hash(i + 1) % 16777216) / 8388608)::FLOAT AS x, (${label})::FLOAT AS y
    ${keys.join('')} FROM range(${rows}) AS r(i)) TO '${file}'`)
}

/** Seconds of a process, and the most memory it had, in MiB. */
export function processOf(args) {
  const report = `data:text/javascript,process.on('exit',()=>process.stderr.write(String(process.resourceUsage().maxRSS)))`
  const begin = performance.now()
  const { status, stderr } = spawnSync(process.execPath, ['--import', report, program, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(stderr)
  return { seconds: (performance.now() - begin) / 1000, mebibytes: Number(stderr) / 1024 }
}

/** The least seconds of programs that run in turn, without what they print. */
async function secondsOf(...commands) {
  const runs = commands.map((args) => () => spawnSync(process.execPath, args, { stdio: 'ignore' }))
  return (await leastLater(runs, 3 * amountOf.queryRounds)).map((time) => time / 1e9)
}

/** The least seconds of some runs of the command line, and the most memory of one. */
function score(rounds, ...args) {
  const runs = Array.from({ length: rounds }, () =>
    processOf(['score', ...args, '--input', 'x', '--label', 'y', '--json']),
  )
  return {
    seconds: Math.min(...runs.map((each) => each.seconds)),
    mebibytes: Math.max(...runs.map((each) => each.mebibytes)),
  }
}

const thousands = (count) => count.toLocaleString('en')
const millions = (count) => `${count / million} M`

export const fileBenchmarks = {
  sql: () =>
    withFiles(async (folder) => {
      const file = join(folder, 'pairs.parquet')
      const groups = [2, 1000, 100_000]
      await writePairs(await connect(2), amountOf.rows, file, groups)
      const rows = []
      for (const threads of [1, 2]) {
        const connection = await connect(threads)
        const from =
          (select, by = '') =>
          () =>
            connection.run(`SELECT ${select} FROM '${file}' ${by}`)
        const what = (name) =>
          `${millions(amountOf.rows)} rows of Parquet, ${threads} thread${threads > 1 ? 's' : ''}: ${name}`
        // Both by themselves: a long query before one of them leaves caches and memory to it in another state.
        const [ours, sums] = await leastLater(
          [from('hinge_embedding_loss(x, y)'), from('sum(x), sum(y)')],
          5 * amountOf.queryRounds,
        )
        const [plain, full] = await leastLater([from(`avg(${loss})`), from(statistics)])
        rows.push(
          row(what('SELECT sum(x), sum(y) / ours'), sums / ours, { target: 0.9, atLeast: true }),
          row(what('the loss in SQL / ours'), plain / ours, { target: 6, atLeast: true }),
          row(what('with both classes in SQL / ours'), full / ours, { target: 10, atLeast: true }),
        )
        for (const count of groups) {
          const by = `GROUP BY g${count}`
          const [grouped, inSql] = await leastLater([from('hinge_embedding_loss(x, y)', by), from(statistics, by)])
          rows.push(
            row(what(`${thousands(count)} groups, in SQL / ours`), inSql / grouped, { target: 3, atLeast: true }),
          )
        }
        connection.closeSync()
      }
      return [...rows, ...pythonRows(file)]
    }),

  distances: () =>
    withFiles(async (folder) => {
      const rows = []
      const connection = await connect(1)
      for (const [type, width] of [
        ['FLOAT', 16],
        ['FLOAT', 128],
        ['FLOAT', 768],
        ['DOUBLE', 128],
      ]) {
        const file = join(folder, `${type}-${width}.parquet`)
        const list = (salt) =>
          `list_transform(range(0, ${width}), lambda k: (hash(i * ${width} + k + ${salt}) % 16777216) / 8388608)::${type}[]`
        const count = Math.round((2 * amountOf.rows) / width)
        await connection.run(`COPY (SELECT ${list(0)} AS l, ${list(9)} AS r FROM range(${count}) AS t(i)) TO '${file}'`)
        await connection.run(
          `CREATE OR REPLACE TABLE arrays AS SELECT l::${type}[${width}] AS l, r::${type}[${width}] AS r FROM '${file}'`,
        )
        const from = (distance, table) => () => connection.run(`SELECT sum(${distance}) FROM ${table}`)
        const runs = [
          from('hinge_embedding_distance(l, r)', `'${file}'`),
          from('list_distance(l, r)', `'${file}'`),
          from(`array_distance(l::${type}[${width}], r::${type}[${width}])`, `'${file}'`),
          from('hinge_embedding_distance(l, r)', 'arrays'),
          from('array_distance(l, r)', 'arrays'),
        ]
        const times = await leastLater(runs, 3 * amountOf.queryRounds, processorTime)
        const [ours, inLists, inArrays, ofArrays, arrayDistance] = times
        const what = `processor time of pairs of ${width} ${type}`
        rows.push(
          row(`${what} in Parquet: list_distance / ours`, inLists / ours, { target: 1, atLeast: true }),
          row(`${what} in Parquet: array_distance / ours`, inArrays / ours, { target: 1, atLeast: true }),
          row(`${what} in arrays in memory: array_distance / ours`, arrayDistance / ofArrays),
        )
      }
      connection.closeSync()
      return rows
    }),

  groups: () =>
    withFiles(async (folder) => {
      const [many, most] = ['many.parquet', 'most.parquet'].map((name) => join(folder, name))
      const connection = await connect(2)
      await writePairs(connection, 3 * million, many, [300_000])
      await writePairs(connection, 6 * million, most, [3 * million])
      const by = `FROM '${many}' GROUP BY g300000`
      const [query, inSql] = await leastLater([
        () => connection.run(`SELECT g300000, hinge_embedding_loss(x, y) ${by}`),
        () => connection.run(`SELECT g300000, avg(${loss}) ${by}`),
      ])
      connection.closeSync()
      const whole = score(amountOf.queryRounds, many, '--by', 'g300000')
      const largest = score(1, most, '--by', `g${3 * million}`)
      const note = `${whole.seconds.toFixed(1)} s`
      return [
        row('3 M rows, 300,000 groups: our query / the loss in SQL', query / inSql, { target: 1.5 }),
        row('(its score process − 0.4 s) / our query', (whole.seconds - 0.4) / (query / 1e9), { target: 2, note }),
        row('memory of score with 300,000 groups', whole.mebibytes, { target: 800, unit: 'MiB', digits: 0 }),
        row('time a group of score with 3 M groups of 2 rows', (1e6 * largest.seconds) / (3 * million), {
          unit: 'µs',
          digits: 1,
        }),
        row('memory of score with 3 M groups', largest.mebibytes, { unit: 'MiB', digits: 0 }),
      ]
    }),

  start: () =>
    withFiles(async (folder) => {
      const single = join(folder, 'one.parquet')
      await writePairs(await connect(1), 1, single)
      const [version, one, node] = await secondsOf(
        [program, '--version'],
        [program, 'score', single, '--input', 'x', '--label', 'y'],
        ['--eval', '0'],
      )
      return [
        row('--version / node --eval 0', version / node, { target: 1.1 }),
        row('score of one row', 1000 * one, { target: 400, unit: 'ms', digits: 0 }),
        row('node --eval 0', 1000 * node, { unit: 'ms', digits: 0 }),
      ]
    }),

  commandLine: () =>
    withFiles(async (folder) => {
      const [file, text] = ['pairs.parquet', 'pairs.csv'].map((name) => join(folder, name))
      const connection = await connect(2)
      await writePairs(connection, amountOf.rows, file)
      await writePairs(connection, 5 * million, text)
      const filesOf = (rows) => Array(rows / amountOf.rows).fill(file)
      const list = filesOf(100 * million).map((each) => `'${each}'`)
      const [query, csvSum, csv] = await leastLater([
        () => connection.run(`SELECT hinge_embedding_loss(x, y) FROM read_parquet([${list}])`),
        () => connection.run(`SELECT sum(x) FROM '${text}'`),
        () => connection.run(`SELECT hinge_embedding_loss(x, y) FROM '${text}'`),
      ])
      const times = (rows, rounds) => score(rounds, ...filesOf(rows), '--allow-duplicates')
      const whole = times(100 * million, 3).seconds
      const [least, most] = [20, 200].map((count) => times(count * million, 1).mebibytes)
      const seconds = query / 1e9
      return [
        row('100 M rows: (the score process − 0.4 s) / the query', (whole - 0.4) / seconds, { target: 1.1 }),
        row('memory of score, 200 M rows − 20 M rows', most - least, { target: 32, unit: 'MiB', digits: 0 }),
        row('CSV: SELECT sum(x) / ours', csvSum / csv),
        ...peerRows(file, (seconds * amountOf.rows) / (100 * million)),
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
    row(`${millions(amountOf.rows)} rows of Parquet: ${name} / our query`, time / seconds, { digits: 1 }),
  )
}

/** The extension in Python's DuckDB, where Python has one: another release than Node's, as a rule. */
function pythonRows(file) {
  const { duckdb } = peersOf('duckdb', file, extensionPath)
  if (duckdb === undefined) return []
  return Object.entries(duckdb.ratios).map(([threads, ratio]) =>
    row(
      `Python's DuckDB ${duckdb.version}, ${threads} thread${threads > 1 ? 's' : ''}: SELECT sum(x), sum(y) / ours`,
      ratio,
      {
        target: 0.9,
        atLeast: true,
      },
    ),
  )
}

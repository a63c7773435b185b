import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  DOUBLE,
  type DuckDBConnection,
  DuckDBInstance,
  type DuckDBType,
  type DuckDBValue,
  FLOAT,
  LIST,
  listValue,
} from '@duckdb/node-api'
import { expect } from 'chai'
import { extensionPath, load } from '../../../lib/duckdb.ts'
import { hingeEmbeddingLoss, type InputData, LossAccumulator, type MarginOptions } from '../../../lib/index.ts'
import { expected, formats, kinds } from '../../oracle.ts'
import { compileLibrary } from '../../support/float-modes.ts'
import { node, succeeds } from '../../support/processes.ts'
import { Random } from '../../support/random.ts'
import { accumulate, totalsOf } from '../../support/totals.ts'

const digits = fileURLToPath(new URL('../../../examples/digit-pairs.parquet', import.meta.url))
const integerTypes = ['TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT']
const unsignedTypes = ['BOOLEAN', 'UTINYINT', 'USMALLINT', 'UINTEGER', 'UBIGINT']
const labelTypes = [...integerTypes, ...unsignedTypes, 'FLOAT', 'DOUBLE']
const inputTypes = ['FLOAT', 'DOUBLE'] as const
const rows = 5000

type Row = Record<string, unknown>

/** Converts structs to objects and BIGINT to numbers. */
function toPlain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  const entries = (value as { entries?: Row } | null)?.entries
  if (entries === undefined) return value
  return Object.fromEntries(Object.entries(entries).map(([name, each]) => [name, toPlain(each)]))
}

const arrayOf = (type: 'FLOAT' | 'DOUBLE', values: readonly number[]): InputData =>
  type === 'FLOAT' ? Float32Array.from(values) : Float64Array.from(values)

/** The indices of the values, by their group. */
function groupBy(values: ArrayLike<number>, keyOf: (index: number) => number): Map<number, number[]> {
  const groups = new Map<number, number[]>()
  for (let i = 0; i < values.length; i++) {
    const group = groups.get(keyOf(i))
    if (group === undefined) groups.set(keyOf(i), [i])
    else group.push(i)
  }
  return groups
}

/** Runs a program in a process of its own, after it has loaded the extension; returns the lines that it prints. */
async function linesOf(program: string, env: Record<string, string>, before = ''): Promise<string[]> {
  const whole = `
    import { DuckDBInstance } from '@duckdb/node-api'
    import { load } from ${JSON.stringify(new URL('../../../lib/duckdb.ts', import.meta.url))}
    const instance = await DuckDBInstance.create(':memory:', { allow_unsigned_extensions: 'true' })
    const connection = await instance.connect()
    ${before}
    await load(connection)
    ${program}`
  const args = ['--import', 'tsx', '--input-type', 'module', '--eval', whole]
  return (await succeeds(node(args, { env }))).trim().split('\n')
}

describe('the DuckDB extension', function () {
  this.timeout(60_000)
  let connection: DuckDBConnection

  async function open(threads: number): Promise<DuckDBConnection> {
    const options = { allow_unsigned_extensions: 'true', threads: String(threads) }
    const opened = await (await DuckDBInstance.create(':memory:', options)).connect()
    await load(opened)
    return opened
  }

  async function query(sql: string, on = connection): Promise<Row[]> {
    const result = await on.runAndReadAll(sql)
    return result.getRowObjects().map((row) => toPlain({ entries: row }) as Row)
  }

  async function one(sql: string, on = connection): Promise<unknown> {
    return Object.values((await query(sql, on))[0] as Row)[0]
  }

  async function column(sql: string): Promise<number[]> {
    const result = await connection.runAndReadAll(sql)
    return result.getRows().map(([value]) => Number(value))
  }

  async function fails(sql: string, message: RegExp): Promise<void> {
    const error = await connection.runAndReadAll(sql).then(
      () => undefined,
      (reason: Error) => reason,
    )
    expect(error?.message, sql).to.match(message)
    expect(await one('SELECT 1'), 'the connection still works').to.equal(1)
  }

  /** A table of columns x and y with these values. */
  async function fill(table: string, type: DuckDBType, x: Iterable<number>, y: Iterable<number>): Promise<void> {
    const values: DuckDBValue[] = [listValue([...x]), listValue([...y])]
    const sql = `CREATE OR REPLACE TABLE ${table} AS SELECT unnest($1) AS x, unnest($2) AS y`
    await connection.run(sql, values, [LIST(type), LIST(DOUBLE)])
  }

  before(async () => {
    connection = await open(2)
    await connection.run(`CREATE TABLE pairs AS
      SELECT i, sin(i) * 1e3 AS x, CASE WHEN hash(i) % 3 = 0 THEN 1 ELSE -1 END AS y FROM range(${rows}) AS r(i)`)
  })
  after(() => connection.closeSync())

  describe('equals the library', () => {
    for (const type of inputTypes) {
      it(`returns what the library returns for ${type} input, all label types and all arguments`, async () => {
        const x = arrayOf(type, await column('SELECT x FROM pairs ORDER BY i'))
        const y = await column('SELECT y FROM pairs ORDER BY i')
        for (const labelType of labelTypes) {
          const isUnsigned = unsignedTypes.includes(labelType)
          const label = isUnsigned ? 'greatest(y, 0)' : 'y'
          const labels = isUnsigned ? y.map((each) => Math.max(each, 0)) : y
          const calls: [string, MarginOptions][] = isUnsigned
            ? [[`, 2.5, 1, 0, 'zero'`, { margin: 2.5, negativeLabel: 0, otherLabels: 'zero' }]]
            : [
                ['', {}],
                [', -0.1', { margin: -0.1 }],
                [
                  `, 1e-7, -1, 1, 'ignore'`,
                  { margin: 1e-7, positiveLabel: -1, negativeLabel: 1, otherLabels: 'ignore' },
                ],
              ]
          for (const [rest, options] of calls) {
            const call = `(x::${type}, (${label})::${labelType}${rest})`
            const what = `${type}, ${labelType}${rest}`
            const total = accumulate(x, labels, options)
            const [row] = await query(
              `SELECT hinge_embedding_loss${call} AS figures, hinge_embedding_loss_partial${call} AS partial FROM pairs`,
            )
            expect(row, what).to.deep.equal({ figures: totalsOf(total), partial: JSON.stringify(total) })
            const each = await column(`SELECT hinge_embedding_loss_each${call} FROM pairs ORDER BY i`)
            const losses = hingeEmbeddingLoss(x, Float64Array.from(labels), { ...options, reduction: 'none' })
            expect(arrayOf(type, each), what).to.deep.equal(losses.data)
            const elementType = `SELECT typeof(hinge_embedding_loss_each${call}) FROM pairs LIMIT 1`
            expect(await one(elementType), what).to.equal(type)
          }
        }
      })
    }

    it('accepts unsigned labels of 1 with two or three arguments', async () => {
      for (const labelType of unsignedTypes) {
        const sum = await one(`SELECT hinge_embedding_loss(0.25::FLOAT, 1::${labelType}, 3).sum`)
        expect(sum, labelType).to.equal(0.25)
        expect(await one(`SELECT hinge_embedding_loss(0.5::DOUBLE, 1::${labelType}).sum`), labelType).to.equal(0.5)
      }
    })

    it("returns the library's totals for row counts around the size of a vector", async () => {
      const x = await column('SELECT x FROM pairs ORDER BY i')
      const y = await column('SELECT y FROM pairs ORDER BY i')
      for (const n of [0, 1, 2, 63, 64, 65, 2047, 2048, 2049, 4095, 4096, 4097]) {
        const total = accumulate(Float64Array.from(x.slice(0, n)), y.slice(0, n))
        const sql = `SELECT hinge_embedding_loss(x, y) FROM (FROM pairs ORDER BY i LIMIT ${n})`
        expect(await one(sql), `${n} rows`).to.deep.equal(totalsOf(total))
      }
      expect(await one('SELECT hinge_embedding_loss_partial(x, y) FROM pairs WHERE i < 0')).to.equal(null)
      expect(await one('SELECT hinge_embedding_loss_merge(NULL::VARCHAR)')).to.equal(null)
    })

    it('leaves out rows with nulls, in any pattern of the validity bitmap', async () => {
      const x = await column('SELECT x FROM pairs ORDER BY i')
      const y = await column('SELECT y FROM pairs ORDER BY i')
      const patterns: [string, (i: number) => boolean][] = [
        ['FALSE', () => false],
        ['TRUE', () => true],
        ['i = 0', (i) => i === 0],
        ['i % 64 = 63', (i) => i % 64 === 63],
        ['i % 2 = 0', (i) => i % 2 === 0],
        ['i < 2048', (i) => i < 2048],
        ['i >= 2047', (i) => i >= 2047],
        ['i % 97 <> 5', (i) => i % 97 !== 5],
      ]
      for (const [sql, isNull] of patterns) {
        const kept = [...x.keys()].filter((i) => !isNull(i))
        const input = Float64Array.from(kept, (i) => x[i] as number)
        const label = kept.map((i) => y[i] as number)
        const total = totalsOf(accumulate(input, label))
        const null_ = (name: string) => `CASE WHEN ${sql} THEN NULL ELSE ${name} END`
        // The value under a null is garbage, which must not be read as a label.
        for (const call of [`(${null_('x')}, y)`, `(x, ${null_('y')})`, `(${null_('x')}, ${null_('y')}, 1)`]) {
          expect(await one(`SELECT hinge_embedding_loss${call} FROM pairs`), sql).to.deep.equal(total)
          const each = await query(`SELECT hinge_embedding_loss_each${call} AS loss FROM pairs ORDER BY i`)
          const losses = hingeEmbeddingLoss(input, Float64Array.from(label), { reduction: 'none' }).data
          expect(each.map(({ loss }) => loss === null)).to.deep.equal(x.map((_, i) => isNull(i)))
          expect(Float64Array.from(each.flatMap(({ loss }) => loss ?? []) as number[])).to.deep.equal(losses)
        }
      }
    })

    it("returns the oracle's sums for inputs that are not finite and for sums that cancel", async () => {
      const settings = { margin: 0.5, positiveLabel: 1, negativeLabel: -1 }
      for (const [k, kind] of Object.keys(kinds).entries()) {
        for (const [f, format] of formats.entries()) {
          const random = new Random(100 * k + f)
          const type = format.digits === 24 ? 'FLOAT' : 'DOUBLE'
          const x = arrayOf(type, kinds[kind]?.({ random, format, n: 2500, variant: k }) ?? [])
          const y = Float64Array.from(x, (value) => (value < 0 || random.isTrue(0.7) ? 1 : -1))
          const answer = expected(x, y, settings, 'error')
          await fill('kind', type === 'FLOAT' ? FLOAT : DOUBLE, x, y)
          const { count, sum, mean, positives, negatives, others } = answer
          const what = `${format.Type.name}, ${kind}`
          expect(await one('SELECT hinge_embedding_loss(x, y, 0.5) FROM kind'), what).to.deep.equal({
            count,
            sum,
            mean,
            positives,
            negatives,
            others,
          })
          const groups = `SELECT hinge_embedding_loss_partial(x, y, 0.5) AS p FROM kind GROUP BY hash(rowid) % 40`
          const partial = String(await one(`SELECT hinge_embedding_loss_merge(p) FROM (${groups})`))
          const record = LossAccumulator.fromJSON(JSON.parse(partial)).toJSON()
          expect([record.positives.sum, record.negatives.sum], what).to.deep.equal([answer.record[1], answer.record[3]])
        }
      }
    })
  })

  describe('exact sums', () => {
    const rowsOfMany = 400_000
    let x: Float32Array
    let y: number[]

    before(async () => {
      await connection.run(`CREATE TABLE many AS SELECT i, cos(i)::FLOAT AS x,
        CASE WHEN hash(i) % 2 = 0 THEN 1 ELSE -1 END::TINYINT AS y FROM range(${rowsOfMany}) AS r(i)`)
      x = Float32Array.from(await column('SELECT x FROM many ORDER BY i'))
      y = await column('SELECT y FROM many ORDER BY i')
    })

    const groupings: [groups: number, key: string, keyOf: (i: number) => number][] = [
      [1, '0 * i', () => 0],
      [2, 'i % 2', (i) => i % 2],
      [2, 'i // 200000', (i) => Math.floor(i / 200_000)],
      [100, 'i // 50 % 100', (i) => Math.floor(i / 50) % 100],
      [1000, 'i % 1000', (i) => i % 1000],
      [1000, 'i // 400', (i) => Math.floor(i / 400)],
      [200_000, 'i % 200000', (i) => i % 200_000],
    ]
    for (const [count, key, keyOf] of groupings) {
      it(`sums exactly in ${count.toLocaleString('en')} ${count === 1 ? 'group' : 'groups'} by ${key}`, async () => {
        await connection.run(`CREATE OR REPLACE TABLE partials AS
          SELECT ${key} AS key, hinge_embedding_loss_partial(x, y) AS partial FROM many GROUP BY key`)
        expect(await one('SELECT count(*) FROM partials')).to.equal(count)
        const found = await query('FROM partials ORDER BY key LIMIT 2000')
        const partials = new Map(found.map((row) => [row.key as number, row.partial as string]))
        const members = groupBy(x, keyOf)
        for (const [group, indices] of [...members].slice(0, 2000)) {
          const total = accumulate(
            Float32Array.from(indices, (i) => x[i] as number),
            indices.map((i) => y[i] as number),
          )
          expect(partials.get(group), String(group)).to.equal(JSON.stringify(total))
        }
        const rolledUp = await one('SELECT hinge_embedding_loss_merge(partial) FROM partials')
        expect(rolledUp).to.equal(JSON.stringify(accumulate(x, y)))
      })
    }

    it('returns the same bits in every run and with any number of threads', async () => {
      const whole = JSON.stringify(accumulate(x, y))
      for (const threads of [1, 2, 3, 4, 5, 6, 7, 8]) {
        await connection.run(`SET threads = ${threads}`)
        for (let repetition = 0; repetition < 50; repetition++) {
          expect(await one('SELECT hinge_embedding_loss_partial(x, y) FROM many'), `${threads} threads`).to.equal(whole)
        }
      }
      await connection.run('SET threads = 2')
    })

    it('sums the digit pairs exactly in groups by digit', async () => {
      const pairs = await query(`SELECT "left" % 10 AS digit, learned_distance AS x, label AS y FROM '${digits}'`)
      const found = await query(`SELECT "left" % 10 AS digit, hinge_embedding_loss(learned_distance, label) AS figures
        FROM '${digits}' GROUP BY digit ORDER BY digit`)
      expect(found).to.have.lengthOf(10)
      for (const { digit, figures: given } of found) {
        const own = pairs.filter((pair) => pair.digit === digit)
        const total = accumulate(
          Float32Array.from(own, (pair) => pair.x as number),
          own.map((pair) => pair.y as number),
        )
        expect(given).to.deep.equal(totalsOf(total))
      }
      expect(await one(`SELECT hinge_embedding_loss(raw_distance, label).mean FROM '${digits}'`)).to.be.closeTo(
        0.23445,
        5e-6,
      )
    })

    it('counts every row in groups, whatever DuckDB left in reused memory', async () => {
      const small = `[${Array(40).fill('39::BIGINT').join()}]`
      const input = `(learned_distance + 0 * list_sum(list_transform(${small}, lambda z: z + "left")))::FLOAT`
      const lost = `count(*) - hinge_embedding_loss(${input}, label).count`
      for (let i = 0; i < 60; i++) {
        expect(await column(`SELECT ${lost} FROM '${digits}' GROUP BY "left" % 3`), `run ${i}`).to.deep.equal([0, 0, 0])
      }
    })

    it('sums exactly over whole partitions, with ORDER BY and with DISTINCT', async () => {
      const ofMany = (keep: (i: number) => boolean) => {
        const kept = [...x.keys()].filter(keep)
        return JSON.stringify(
          accumulate(
            Float32Array.from(kept, (i) => x[i] as number),
            kept.map((i) => y[i] as number),
          ),
        )
      }
      const thirds = [0, 1, 2].map((third) => ofMany((i) => i % 3 === third))
      const partial = (call: string) =>
        `SELECT DISTINCT i % 3 AS third, hinge_embedding_loss_partial(${call} AS partial FROM many`
      const each = thirds.map((text, third) => ({ third, partial: text }))
      expect(await query(`${partial('x, y) OVER (PARTITION BY i % 3)')} ORDER BY third`)).to.deep.equal(each)
      expect(await query(`${partial('x, y ORDER BY x, i)')} GROUP BY third ORDER BY third`)).to.deep.equal(each)
      const whole = ofMany(() => true)
      expect(await query(`${partial('x, y) OVER ()')} ORDER BY third`)).to.deep.equal(
        [0, 1, 2].map((third) => ({ third, partial: whole })),
      )
      expect(await one('SELECT hinge_embedding_loss_partial(x, y ORDER BY x) FROM many')).to.equal(whole)
      for (const n of [2, 3, 4, 5]) {
        const few = ofMany((i) => i < n)
        expect(await one(`SELECT hinge_embedding_loss_partial(x, y ORDER BY x) FROM many WHERE i < ${n}`)).to.equal(few)
        const over = `SELECT hinge_embedding_loss_partial(x, y) OVER () FROM many WHERE i < ${n} LIMIT 1`
        expect(await one(over), `${n} rows`).to.equal(few)
      }
      const merged = `SELECT hinge_embedding_loss_merge(partial ORDER BY partial) FROM (
        SELECT hinge_embedding_loss_partial(x, y) AS partial FROM many GROUP BY i % 5000)`
      expect(await one(merged)).to.equal(whole)
      expect(await one('SELECT hinge_embedding_loss(DISTINCT i % 7, 1).sum FROM many')).to.equal(21)
    })

    it('sums many small groups exactly, as partitions of several windows and with ORDER BY in the calls', async () => {
      const groups = 1666
      await connection.run(`CREATE OR REPLACE TABLE small AS SELECT i, (hash(i) % ${groups})::INT AS g,
        (hash(i + 7) % ${groups})::INT AS h, 0.5::DOUBLE AS x, 1::TINYINT AS y FROM range(5000) AS r(i)`)
      const isWrong = (total: string, rows: string) => `${total}.count <> ${rows} OR ${total}.sum <> ${rows} / 2`
      const over = (key: string) => `OVER (PARTITION BY ${key})`
      const counts = `hinge_embedding_loss(x, y) ${over('g')} AS t, hinge_embedding_loss(x, y) ${over('h')} AS u,
        count(*) ${over('g')} AS n, count(*) ${over('h')} AS m`
      const inOrder = `hinge_embedding_loss(x, y ORDER BY i) AS t, hinge_embedding_loss(x, y ORDER BY h, i) AS u,
        count(*) AS n, count(*) AS m`
      for (const threads of [1, 2, 4]) {
        await connection.run(`SET threads = ${threads}`)
        for (const rows of [`SELECT ${counts} FROM small`, `SELECT ${inOrder} FROM small GROUP BY g`]) {
          const sql = `SELECT count(*) FROM (${rows}) WHERE ${isWrong('t', 'n')} OR ${isWrong('u', 'm')}`
          for (let run = 0; run < 3; run++) expect(await one(sql), `${threads} threads, ${sql}`).to.equal(0)
        }
      }
      await connection.run('SET threads = 2')
    })

    it('sums exactly in a running window without an order', async () => {
      const over = 'OVER (ROWS UNBOUNDED PRECEDING)'
      const sums = `SELECT hinge_embedding_loss(i, 1) ${over}.sum AS ours, sum(i) ${over} AS sum FROM range(5000) AS r(i)`
      expect(await one(`SELECT count(*) FROM (${sums}) WHERE ours = sum`)).to.equal(5000)
    })

    it('frees the memory of groups whose sums do not fit into their state, whatever becomes of the query', async () => {
      const x = '[1e300, 1, 1e-300][i % 3 + 1]'
      const [groups, few] = [
        'i * 7919 % 20000 AS g FROM range(100000) AS r(i)',
        'i * 7919 % 2000 AS g FROM range(20000) AS r(i)',
      ]
      const queries = [
        `SELECT count(h) FROM (SELECT hinge_embedding_loss(${x}, 1) AS h FROM (SELECT i, ${groups}) GROUP BY g)`,
        `SELECT count(h) FROM (SELECT hinge_embedding_loss(${x}, CASE i WHEN 99000 THEN 5 ELSE 1 END) AS h
          FROM (SELECT i, ${groups}) GROUP BY g)`,
        `SELECT count(h) FROM (SELECT hinge_embedding_loss(${x}, 1 ORDER BY i) AS h FROM (SELECT i, ${few}) GROUP BY g)`,
        `SELECT count(h) FROM (SELECT hinge_embedding_loss(DISTINCT ${x}, 1) FILTER (i % 7 <> 0) AS h
          FROM (SELECT i, ${few}) GROUP BY g)`,
        `SELECT count(h) FROM (SELECT hinge_embedding_loss(${x}, 1) OVER (ORDER BY i ROWS 20 PRECEDING) AS h
          FROM (SELECT i, ${few}))`,
        `SELECT count(h) FROM (SELECT hinge_embedding_loss(DISTINCT ${x}, 1) OVER (ORDER BY i ROWS 5 PRECEDING) AS h
          FROM (SELECT i, ${few}) WHERE i < 2000)`,
        'SELECT count(h) FROM (SELECT hinge_embedding_loss_merge(s) AS h FROM (SELECT i, hinge_embedding_loss_state(' +
          `${x}, 1) AS s FROM range(20000) AS r(i) GROUP BY i) GROUP BY i % 2000)`,
      ]
      const lines = await linesOf(
        `const queries = ${JSON.stringify(queries)}
        const counts = new Set()
        const mebibytes = async (rounds) => {
          for (let round = 0; round < rounds; round++) {
            for (const sql of queries) {
              counts.add(await connection.runAndReadAll(sql).then((result) => String(result.getRows()), () => 'error'))
            }
          }
          return process.memoryUsage.rss() / 2 ** 20
        }
        const first = await mebibytes(2)
        console.log([...counts].sort().join())
        console.log((await mebibytes(4)) - first)`,
        {},
      )
      expect(lines[0]).to.equal('2000,20000,error')
      // A query's groups have 20 MiB or more.
      expect(Number(lines[1])).to.be.below(80)
    })

    it('refuses several rows from a call site that no probe has reached, and accepts one row', async function () {
      if (process.platform !== 'linux') this.skip() // where no library is preloaded in this way
      const noBacktrace = compileLibrary('no_backtrace')
      try {
        const lines = await linesOf(
          `await connection.run('CREATE TABLE t AS SELECT i, 0.5::DOUBLE AS x FROM range(100) r(i)')
          for (const rest of ['(x, 1) OVER ()) FROM t', '(x, 1 ORDER BY x)) FROM t', '(x, 1)) FROM t WHERE i = 7']) {
            const sql = 'SELECT unnest(hinge_embedding_loss' + rest + ' LIMIT 1'
            const rows = await connection.runAndReadAll(sql).then((result) => result.getRows(), (error) => error.message)
            console.log(String(rows))
          }`,
          { LD_PRELOAD: [process.env.LD_PRELOAD, noBacktrace.path].filter(Boolean).join(':') },
        )
        const advice =
          /use GROUP BY and a join, hinge_embedding_loss_of\(list\(input\) OVER …, list\(label\) OVER …\), or DuckDB 2.0/
        expect(lines).to.have.lengthOf(3)
        expect(lines[0]).to.match(advice)
        expect(lines[1]).to.match(advice)
        expect(lines[2]).to.match(/^1,0.5,0.5,/)
      } finally {
        noBacktrace.remove()
      }
    })

    it('calibrates without the functions of the program and adds nothing to its catalog', async () => {
      const lines = await linesOf(
        `const sql = 'SELECT hinge_embedding_loss(i, 1) OVER (PARTITION BY i // 5) FROM range(10) r(i) ORDER BY i'
        console.log((await connection.runAndReadAll(sql)).getRows().map(([each]) => each.entries.sum).join())
        const names = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_name LIKE 'hinge%' ORDER BY ALL"
        console.log((await connection.runAndReadAll(names)).getRows().join())`,
        {},
        `await connection.run('CREATE MACRO sum(x) AS 0')`,
      )
      const endings = ['', '_as_partial', '_each', '_json', '_json_list', '_merge', '_of', '_partial', '_state']
      const weighted = ['_weighted', '_weighted_partial', '_weighted_state']
      expect(lines).to.deep.equal([
        [10, 10, 10, 10, 10, 35, 35, 35, 35, 35].join(),
        [
          'hinge_embedding_distance',
          ...[...endings, ...weighted].map((ending) => `hinge_embedding_loss${ending}`),
        ].join(),
      ])
    })

    it('sums exactly the rows that pass FILTER, and those of an ordered window', async () => {
      const kept = [...x.keys()].filter((i) => i % 3 === 1)
      const total = accumulate(
        Float32Array.from(kept, (i) => x[i] as number),
        kept.map((i) => y[i] as number),
      )
      expect(await one('SELECT hinge_embedding_loss(x, y) FILTER (i % 3 = 1) FROM many')).to.deep.equal(totalsOf(total))
      const windows = await query(`SELECT i, hinge_embedding_loss(x, y) OVER (ORDER BY i ROWS 99 PRECEDING) AS figures
        FROM many WHERE i < 3000 ORDER BY i`)
      for (const i of [0, 1, 98, 99, 100, 2047, 2048, 2999]) {
        const from = Math.max(0, i - 99)
        const window = accumulate(x.slice(from, i + 1), y.slice(from, i + 1))
        expect(windows[i]?.figures, `row ${i}`).to.deep.equal(totalsOf(window))
      }
    })
  })

  describe('wide numbers', () => {
    it('rounds DECIMAL, HUGEINT and UHUGEINT once, as ECMAScript rounds their text', async () => {
      const random = new Random(17)
      const digits = (count: number) => Array.from({ length: count }, () => random.integer(0, 9)).join('')
      const numbers: [type: string, make: () => string][] = [
        ['DECIMAL(38,30)', () => `${random.pick(['', '-'])}${digits(random.integer(1, 8))}.${digits(30)}`],
        ['DECIMAL(38,30)', () => `0.${digits(random.integer(1, 30))}`],
        ['DECIMAL(38,38)', () => `-0.${digits(38)}`],
        ['DECIMAL(38,0)', () => digits(38)],
        ['DECIMAL(18,18)', () => `0.${digits(18)}`],
        ['DECIMAL(18,2)', () => `${digits(16)}.${digits(2)}`],
        ['DECIMAL(9,4)', () => `-${digits(5)}.${digits(4)}`],
        ['DECIMAL(4,2)', () => `${digits(2)}.${digits(2)}`],
        ['HUGEINT', () => `-${digits(random.integer(17, 38))}`],
        ['UHUGEINT', () => digits(random.integer(17, 38))],
        ['UBIGINT', () => digits(19)],
        ['BIGINT', () => `-${digits(18)}`],
      ]
      for (const [type, make] of numbers) {
        const texts = Array.from({ length: 700 }, make)
        const list = `unnest([${texts.map((text) => `'${text}'`).join()}])::${type}`
        const each = await column(`SELECT hinge_embedding_loss_each(${list}, 1)`)
        expect(each, type).to.deep.equal(texts.map((text) => Number(text) + 0))
        expect(await one(`SELECT hinge_embedding_loss(x, 1).sum FROM (SELECT ${list} AS x)`), type).to.equal(
          accumulate(Float64Array.from(texts, Number), Array(texts.length).fill(1)).sum,
        )
      }
      expect(await one(`SELECT hinge_embedding_loss_each(0.1::DECIMAL(38,30), 1)`)).to.equal(0.1)
    })

    it('reads labels of DECIMAL, HUGEINT and UHUGEINT without rounding them to a valid label', async () => {
      for (const type of ['DECIMAL(4,1)', 'DECIMAL(9,3)', 'DECIMAL(18,0)', 'DECIMAL(38,30)', 'HUGEINT']) {
        expect(await one(`SELECT hinge_embedding_loss(0.25, (-1)::${type}).sum`), type).to.equal(0.75)
        expect(await one(`SELECT hinge_embedding_loss(0.25, 1::${type}).sum`), type).to.equal(0.25)
      }
      expect(await one(`SELECT hinge_embedding_loss(0.25, 1::UHUGEINT).sum`)).to.equal(0.25)
      await fails(
        'SELECT hinge_embedding_loss(1, 1.0000000000000000001)',
        /label must be 1 or -1, got 1.0000000000000002/,
      )
      await fails('SELECT hinge_embedding_loss_each(1, -0.99999999999999999999)', /got -0.9999999999999999 /)
      await fails(
        'SELECT hinge_embedding_loss(1, 170141183460469231731687303715884105727)',
        /got 1.7014118346046923e\+38/,
      )
    })
  })

  describe('lists', () => {
    it('scores lists as the aggregate scores their elements, with nulls and of any type', async () => {
      for (const type of ['FLOAT', 'DOUBLE', 'DECIMAL(18,6)']) {
        for (const labelType of ['TINYINT', 'BIGINT', 'DOUBLE', 'DECIMAL(9,2)']) {
          const input = `CASE WHEN i % 7 = 3 THEN NULL ELSE x::${type} END`
          const label = `CASE WHEN i % 11 = 5 THEN NULL ELSE y::${labelType} END`
          const rows = await query(`SELECT i % 9 AS g, hinge_embedding_loss(${input}, ${label}, 0.5) AS aggregate,
            hinge_embedding_loss_of(list(${input}), list(${label}), 0.5) AS of_lists FROM pairs GROUP BY g`)
          expect(rows).to.have.lengthOf(9)
          for (const { aggregate, of_lists } of rows) expect(of_lists, `${type}, ${labelType}`).to.deep.equal(aggregate)
        }
      }
    })

    it('scores lists in windows, slices of lists, filtered lists and constant lists', async () => {
      const window = await query(`SELECT i, hinge_embedding_loss_of(list(x) OVER w, list(y) OVER w) AS of_lists,
        hinge_embedding_loss(x, y) OVER w AS aggregate FROM pairs WHERE i < 500 WINDOW w AS (ORDER BY i ROWS 9 PRECEDING)`)
      for (const { of_lists, aggregate } of window) expect(of_lists).to.deep.equal(aggregate)
      const lists = 'FROM (SELECT list(x ORDER BY i) AS xs, list(y ORDER BY i) AS ys FROM pairs)'
      const sums = await query(`SELECT hinge_embedding_loss_of(xs[3:10], ys[3:10]).sum AS slice,
        hinge_embedding_loss_of(list_reverse(xs), list_reverse(ys)).sum AS reversed,
        hinge_embedding_loss_of(list_select(xs, [1, 3, 1]), list_select(ys, [1, 3, 1])).sum AS picked ${lists}`)
      const sum = (where: string) => one(`SELECT hinge_embedding_loss(x, y).sum FROM pairs ${where}`)
      const picked = `, unnest([0, 2, 0]) AS u(k) WHERE i = k`
      expect(sums).to.deep.equal([
        { slice: await sum('WHERE i BETWEEN 2 AND 9'), reversed: await sum(''), picked: await sum(picked) },
      ])
      expect(await one('SELECT hinge_embedding_loss_of([0.5, NULL, 2], [1, 1, -1]).sum')).to.equal(0.5)
      expect(await one(`SELECT hinge_embedding_loss_of([0.5], [0], 1, 1, 0, 'error').sum`)).to.equal(0.5)
      expect(await one('SELECT hinge_embedding_loss_of([]::FLOAT[], []::INT[]).count')).to.equal(0)
    })

    it('returns NULL for a list that is NULL and refuses two lists of different lengths', async () => {
      const rows = await query(`SELECT f, f.count AS count, f.negatives.active AS active FROM (
        SELECT hinge_embedding_loss_of(CASE WHEN i = 1 THEN NULL ELSE [0.5] END, [1]) AS f FROM range(3) AS r(i))`)
      expect(rows.map(({ count, active }) => [count, active])).to.deep.equal([
        [1, 0],
        [null, null],
        [1, 0],
      ])
      expect(rows[1]?.f).to.equal(null)
      expect(await one('SELECT hinge_embedding_loss_of(NULL::DOUBLE[], [1])')).to.equal(null)
      await fails('SELECT hinge_embedding_loss_of([0.5, 1], [1])', /must have the same length, got 2 and 1/)
      await fails(`SELECT hinge_embedding_loss_of(['a'], [1])`, /input must be a number, got VARCHAR/)
      await fails(
        'SELECT hinge_embedding_loss_of([0.5]::FLOAT[1], [1])',
        /input must be a list: CAST\(… AS DOUBLE\[\]\) turns an array into one/,
      )
      await fails('SELECT hinge_embedding_loss_of([0.5], MAP {1: 2})', /label must be a list/)
      expect(await one('SELECT hinge_embedding_loss_of(NULL, [1])')).to.equal(null)
      expect(await one('SELECT hinge_embedding_loss_of([0.5], [1], NULL)')).to.equal(null)
      await fails('SELECT hinge_embedding_loss_of([true], [true])', /input must be a number, got BOOLEAN/)
      await fails('SELECT hinge_embedding_loss_of([0.5], [3])', /label must be 1 or -1, got 3/)
    })
  })

  describe('settings', () => {
    it('accepts settings that differ between groups, and between rows of a scalar function', async () => {
      const found = await query(`SELECT m, hinge_embedding_loss(x, y, m).sum AS sum
        FROM (SELECT *, i % 3 AS m FROM pairs) GROUP BY m ORDER BY m`)
      const x = await column('SELECT x FROM pairs ORDER BY i')
      const y = await column('SELECT y FROM pairs ORDER BY i')
      for (const { m, sum } of found) {
        const own = [...x.keys()].filter((i) => i % 3 === m)
        const input = Float64Array.from(own, (i) => x[i] as number)
        const label = own.map((i) => y[i] as number)
        expect(sum).to.equal(hingeEmbeddingLoss(input, label, { margin: m as number, reduction: 'sum' }))
      }
      const each = await column('SELECT hinge_embedding_loss_each(x, -1, i % 3) FROM pairs ORDER BY i')
      expect(each).to.deep.equal(x.map((value, i) => Math.max(0, (i % 3) - value)))
    })

    it('writes the margin in JSON as JavaScript writes it', async () => {
      const margins = [
        0,
        1,
        -1,
        0.1,
        1e21,
        1e20,
        123456789012345680000,
        1e-6,
        1e-7,
        1.5e-9,
        5e-324,
        1.7976931348623157e308,
        -2.5e-8,
        ...Array.from({ length: 2098 }, (_, i) => 2 ** (i - 1074)),
        ...Array.from({ length: 500 }, (_, i) => Math.sin(i) * 10 ** (i - 250)),
      ]
      const rows = await query(`SELECT hinge_embedding_loss_partial(0.5::DOUBLE, 1, m) AS partial
        FROM (SELECT unnest(range(${margins.length})) AS i, unnest([${margins.map((each) => `'${each}'`).join()}])::DOUBLE AS m)
        GROUP BY i ORDER BY i`)
      const expected = margins.map((margin) => JSON.stringify(accumulate(Float64Array.of(0.5), [1], { margin })))
      expect(rows.map(({ partial }) => partial)).to.deep.equal(expected)
    })

    it('refuses wrong settings with the errors of the library', async () => {
      const call = (rest: string, type = 'DOUBLE') => `SELECT hinge_embedding_loss(x::${type}, y${rest}) FROM pairs`
      await fails(call(`, 'nan'::DOUBLE`), /margin must be a finite number, got NaN/)
      await fails(call(`, '-inf'::DOUBLE`), /margin must be a finite number, got -Infinity/)
      await fails(call(', 1e39', 'FLOAT'), /margin must be finite in float32, because the input is FLOAT, got 1e\+39/)
      await fails(call(`, 1, 0.5, -1, 'error'`), /positive_label must be an integer within ±2\^24, got 0.5/)
      await fails(call(`, 1, 1, 16777217, 'error'`), /negative_label must be an integer within ±2\^24, got 16777217/)
      await fails(call(`, 1, 1, 1, 'error'`), /positive_label and negative_label must differ, got 1 for both/)
      await fails(call(`, 1, 1, -1, 'Zero'`), /other_labels must be 'error', 'zero' or 'ignore', got 'Zero'/)
      await fails(call(`, 1, 1, -1, '${'né'.repeat(50)}'`), /got '(né)+n?…'/)
      await fails(call(', i % 2'), /must be the same in all rows of a group, got \([01], 1, -1, 'error'\) and/)
      await fails(
        call(`, 1, 1, -1, CASE WHEN i = 4000 THEN 'zero' ELSE 'error' END`),
        /'error'\) and \(|'zero'\) and \(/,
      )
      await fails(`SELECT hinge_embedding_loss('a', 1)`, /^[^\n]*: input must be a number, got VARCHAR: CAST[^\n]*$/)
      await fails(
        `SELECT hinge_embedding_loss_each(1, '1')`,
        /^[^\n]*: label must be a number, got VARCHAR: CAST[^\n]*$/,
      )
      await fails('SELECT hinge_embedding_loss(true, true)', /input must be a number, got BOOLEAN/)
      await fails(
        "SELECT hinge_embedding_loss(DATE '2024-01-01', 1)",
        /input must be a number: CAST\(CAST\(… AS VARCHAR/,
      )
      await fails('SELECT hinge_embedding_loss(1, 1, 1, 1)', /No function matches/)
    })
  })

  describe('other labels', () => {
    it('shows one other label in the error, and how to accept others', async () => {
      for (const name of ['hinge_embedding_loss', 'hinge_embedding_loss_partial', 'hinge_embedding_loss_each']) {
        await fails(
          `SELECT ${name}(x, CASE WHEN i = 3000 THEN 7 ELSE y END) FROM pairs`,
          /label must be 1 or -1, got 7 \(for another encoding, pass all arguments by position: .*; other_labels 'zero'/,
        )
        await fails(
          `SELECT ${name}(x, (y > 0)::INT) FROM pairs`,
          /label must be 1 or -1, got 0 \(for 0\/1 labels, pass all arguments by position: \(input, label, 1, 1, 0, 'error'\)\)/,
        )
        await fails(`SELECT ${name}(x, 'nan'::FLOAT) FROM pairs`, /label must be 1 or -1, got NaN/)
      }
      // An error that one thread raises here would leave the others waiting.
      await fails(
        `SELECT hinge_embedding_loss(DISTINCT (i // 2)::DOUBLE, CASE WHEN i = 7000 THEN 5 ELSE 1 END)
          OVER (ORDER BY i ROWS 9 PRECEDING) FROM range(20000) AS r(i)`,
        /label must be 1 or -1, got 5/,
      )
      await fails('SELECT hinge_embedding_loss(x, 3) FROM pairs GROUP BY i % 9', /label must be 1 or -1, got 3/)
    })

    it('counts other labels with a loss of 0, or ignores them, also in groups', async () => {
      const x = await column('SELECT x FROM pairs ORDER BY i')
      const y = await column('SELECT CASE WHEN i % 5 = 2 THEN 4 ELSE y END FROM pairs ORDER BY i')
      for (const otherLabels of ['zero', 'ignore'] as const) {
        for (const groups of [1, 3, 1500]) {
          const found = await query(`SELECT i % ${groups} AS key,
            hinge_embedding_loss(x, CASE WHEN i % 5 = 2 THEN 4 ELSE y END, 1, 1, -1, '${otherLabels}') AS figures
            FROM pairs GROUP BY key`)
          const members = groupBy(x, (i) => i % groups)
          for (const { key, figures: given } of found) {
            const own = members.get(key as number) ?? []
            const input = Float64Array.from(own, (i) => x[i] as number)
            const total = accumulate(
              input,
              own.map((i) => y[i] as number),
              { otherLabels },
            )
            expect(given).to.deep.equal(totalsOf(total))
          }
        }
      }
    })
  })

  describe('partials', () => {
    it('merges partials of the library, with white space in their JSON', async () => {
      const partials = [1, 2, 3].map((k) =>
        accumulate(Float64Array.of(k, -k, 1e300), [1, -1, -1], { negativeLabel: -1, margin: 0.1 }),
      )
      const texts = partials.map((each, i) => `('${JSON.stringify(each, null, i)}')`)
      const merged = await one(`SELECT hinge_embedding_loss_merge(t) FROM (VALUES ${texts.join()}, (NULL)) AS v(t)`)
      expect(merged).to.equal(JSON.stringify(LossAccumulator.merge(...partials)))
    })

    it('reads the numbers of a partial in a process with a decimal comma', async function () {
      if (process.platform !== 'linux') this.skip() // where no library is preloaded in this way
      const decimalComma = compileLibrary('decimal_comma')
      try {
        const text = JSON.stringify(accumulate(Float64Array.of(1, -1), [1, -1], { margin: 1.25e-9 }))
        const read = text.replace('"margin":1.25e-9', '"margin":0.0125E-7')
        const lines = await linesOf(
          `const sql = 'SELECT hinge_embedding_loss_merge($1)'
          console.log((await connection.runAndReadAll(sql, [${JSON.stringify(read)}])).getRows().join())`,
          { LD_PRELOAD: [process.env.LD_PRELOAD, decimalComma.path].filter(Boolean).join(':') },
        )
        expect(read).not.to.equal(text)
        expect(lines).to.deep.equal([text])
      } finally {
        decimalComma.remove()
      }
    })

    it('refuses a text that is not a partial, and a partial with other settings', async () => {
      const text = JSON.stringify(accumulate(Float64Array.of(0.5, 0.25), [1, -1]))
      const merge = (...texts: string[]) =>
        `SELECT hinge_embedding_loss_merge(t) FROM (VALUES ${texts.map((each) => `('${each}')`).join()}) AS v(t)`
      const wrong = [
        '',
        '{}',
        'null',
        text.slice(0, -1),
        `${text}}`,
        `${text},`,
        text.replace('"version":1', '"version":2'),
        text.replace('"count":1', '"count":-1'),
        text.replace('"count":1', '"count":0'),
        text.replace('"count":1', '"count":1.5'),
        text.replace('"count":1', '"count":9007199254740992'),
        text.replace('"count":1', '"count":inf'),
        text.replace('"active":1', '"active":2'),
        text.replace('"active":1', '"active":0'),
        text.replace('0x2p', '0x02p'),
        text.replace('"error"', '"none"'),
        text.replace('"others":0', '"others":1'),
        text.replace('"margin":1', '"margin":NaN'),
        text.replace('"negativeLabel":-1', '"negativeLabel":1'),
        text.replace('positives', ' positives'),
      ]
      for (const each of wrong) {
        expect(each, 'a real change').not.to.equal(text)
        await fails(merge(each), /partial must be a text that hinge_embedding_loss_partial returns, got '/)
      }
      await fails(merge(text, text.replace('"margin":1', '"margin":2')), /must be the same in all rows of a group/)
      const most = text.replace('"count":1,"sum":"0x2p-2"', '"count":9007199254740990,"sum":"0x2p-2"')
      expect(most).not.to.equal(text)
      await fails(merge(most, most), /a group must have fewer than 2\^53 elements/)
    })
  })

  describe('loading', () => {
    it('has its file at extensionPath', () => expect(existsSync(extensionPath)).to.equal(true))

    it('names the setting if DuckDB does not allow unsigned extensions', async () => {
      const strict = await (await DuckDBInstance.create(':memory:')).connect()
      const error = await load(strict).then(
        () => undefined,
        (reason: Error & { code?: string }) => reason,
      )
      strict.closeSync()
      expect(error?.code).to.equal('ERR_EXTENSION_NOT_LOADED')
      expect(error?.message).to.match(/allow_unsigned_extensions: 'true'/)
    })

    it('loads into several instances, and twice into one', async () => {
      const other = await open(1)
      await load(other)
      expect(await one('SELECT hinge_embedding_loss(0.5, 1).sum', other)).to.equal(0.5)
      other.closeSync()
    })
  })
})

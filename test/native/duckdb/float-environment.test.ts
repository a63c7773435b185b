import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import { extensionPath } from '../../../lib/duckdb.ts'
import { hingeEmbeddingLoss, LossAccumulator } from '../../../lib/index.ts'
import { compileModeSetter, defaultMode, modes } from '../../support/float-modes.ts'
import { exchangeJSON, nodePath } from '../../support/processes.ts'

/** A thread inherits the mode of the thread that starts it, so the program sets the mode first. */
const program = `
  const [mode, defaultMode, setter, extension, database, queries] = JSON.parse(process.argv[1])
  const setMode = require(setter)
  setMode(mode)
  const { DuckDBInstance } = require('@duckdb/node-api')
  const toPlain = (value) => {
    if (typeof value === 'bigint') return String(value)
    if (typeof value === 'number') return Buffer.from(Float64Array.of(value).buffer).toString('hex')
    if (value?.entries !== undefined) return Object.values(value.entries).map(toPlain)
    return value
  }
  const run = async () => {
    const options = { allow_unsigned_extensions: 'true', access_mode: 'read_only', threads: '2' }
    const connection = await (await DuckDBInstance.create(database, options)).connect()
    await connection.run("LOAD '" + extension + "'")
    const answers = []
    for (const sql of queries) answers.push(await connection.runAndReadAll(sql))
    setMode(defaultMode) // V8's own conversions depend on it
    console.log(JSON.stringify(answers.map((answer) => answer.getRows().map((row) => row.map(toPlain)))))
  }
  run().catch((error) => { console.error(error.message); process.exitCode = 1 })`

const settings = `m, 1, -1, 'zero'`
/** Every function of the extension, called in every way that DuckDB has. */
const queries = ['single', 'double'].flatMap((x) => [
  `SELECT hinge_embedding_loss_partial(${x}, y, ${settings}) FROM t`,
  `SELECT hinge_embedding_loss(${x}, y, ${settings}) FROM t`,
  `SELECT hinge_embedding_loss_each(${x}, y, ${settings}) FROM t ORDER BY i`,
  `SELECT hinge_embedding_loss_of(list(${x} ORDER BY i), list(y ORDER BY i), any_value(m), 1, -1, 'zero') FROM t`,
  `SELECT g, hinge_embedding_loss(${x}, y, ${settings}) FROM t GROUP BY g ORDER BY g`,
  `SELECT i, hinge_embedding_loss(${x}, y, ${settings}) OVER (ORDER BY i ROWS 3 PRECEDING) FROM t ORDER BY i LIMIT 200`,
  `SELECT i, hinge_embedding_loss(${x}, y, ${settings}) OVER (PARTITION BY g) FROM t ORDER BY i LIMIT 200`,
  `SELECT hinge_embedding_loss_merge(p) FROM
    (SELECT hinge_embedding_loss_partial(${x}, y, ${settings}) AS p FROM t GROUP BY g)`,
])
queries.push(
  'SELECT hinge_embedding_loss_each(d, 1) FROM t ORDER BY i',
  'SELECT hinge_embedding_loss_merge(p) FROM partials',
)

describe('the SQL functions in any floating-point mode', function () {
  this.timeout(120_000)
  const folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
  const database = join(folder, 'pairs.duckdb')
  const { path: setter, remove } = compileModeSetter()
  let expected: unknown[][][]

  const answers = (mode: number): unknown[][][] => {
    const request = JSON.stringify([mode, defaultMode, setter, extensionPath, database, queries])
    return exchangeJSON(nodePath, ['--eval', program, request])
  }

  const double = Float64Array.from({ length: 3000 }, (_, i) => (i % 5 === 0 ? (i + 1) * 2 ** -1074 : Math.sin(i) * 1e3))
  const single = Float32Array.from(double, (x, i) => (i % 5 === 0 ? (i + 1) * 2 ** -149 : x))
  const label = double.map((_, i) => (i % 3 === 0 ? 1 : -1))

  before(async () => {
    const instance = await DuckDBInstance.create(database)
    const connection = await instance.connect()
    const total = new LossAccumulator({ margin: 0.1 }).update(double, label)
    await connection.run(`CREATE TABLE t AS SELECT unnest(range(3000)) AS i, unnest(range(3000)) % 7 AS g, 0.1::DOUBLE AS m,
      unnest([${[...double].map((x) => `'${x}'`)}])::DOUBLE AS double, unnest([${[...single].map((x) => `'${x}'`)}])::FLOAT AS single,
      unnest([${label}])::TINYINT AS y, (unnest(range(3000)) / 7.0 + 0.1)::DECIMAL(38, 30) AS d`)
    await connection.run(`CREATE TABLE partials AS SELECT '${JSON.stringify(total)}' AS p FROM range(3)`)
    connection.closeSync()
    instance.closeSync()
    expected = answers(defaultMode)
  })
  after(() => {
    rmSync(folder, { recursive: true })
    remove()
  })

  it('SQL functions return what the library returns in the default mode', () => {
    for (const [at, input] of [single, double].entries()) {
      const total = new LossAccumulator({ margin: 0.1, otherLabels: 'zero' }).update(input, label)
      expect(expected[8 * at]).to.deep.equal([[JSON.stringify(total)]])
      const losses = hingeEmbeddingLoss(input, label, { margin: 0.1, reduction: 'none' }).data
      const hexadecimal = Array.from(losses, (loss) => [Buffer.from(Float64Array.of(loss).buffer).toString('hex')])
      expect(expected[8 * at + 2]).to.deep.equal(hexadecimal)
    }
  })

  for (const [name, mode] of Object.entries(modes)) {
    it(`SQL functions return the same bits while the program is ${name}`, () => {
      const found = answers(mode)
      for (const [i, sql] of queries.entries())
        expect(JSON.stringify(found[i]), sql).to.equal(JSON.stringify(expected[i]))
    })
  }
})

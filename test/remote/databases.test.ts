import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { expect } from 'chai'
import { type ScoreFilesOptions, scoreFiles } from '../../lib/files.ts'
import { command } from '../support/command.ts'
import { assertTotals } from '../support/pairs.ts'
import { Random } from '../support/random.ts'
import { Postgres } from './postgres.ts'
import { downloadExtensions } from './tools.ts'

const random = new Random(17)
const rows = Array.from({ length: 5000 }, (_, id) => ({ id, x: random.integer(0, 4096) / 1024, y: random.sign() }))
const x = Float64Array.from(rows, (row) => row.x)
const y = rows.map((row) => row.y)
const password = 'sEcReT words'

describe('a query over databases', function () {
  this.timeout(300_000)
  let folder: string
  const path = (name: string) => join(folder, name)
  const score = (query: string, attach: readonly string[], more: Partial<ScoreFilesOptions> = {}) =>
    scoreFiles([], { input: 'x', label: 'y', query, attach, duckdbExtensions: folder, ...more } as ScoreFilesOptions)

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-databases-'))
    await downloadExtensions(folder, 'sqlite_scanner', 'postgres_scanner')
    writeFileSync(path('pairs.csv'), `id,x\n${rows.map(({ id, x }) => `${id},${x}\n`).join('')}`)
  })
  after(() => rmSync(folder, { recursive: true }))

  it('gives the totals of tables of SQLite, and of joins with files', async () => {
    const values = rows.map(({ id, x, y }) => `(${id}, ${x}, ${y})`)
    const script = `CREATE TABLE pairs (id INTEGER, x REAL, y INTEGER); INSERT INTO pairs VALUES ${values.join(', ')};`
    const python = 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.stdin.read())'
    execFileSync('python3', ['-c', python, path('pairs.db')], { input: script })
    const joined = `SELECT f.x, b.y FROM '${path('pairs.csv')}' f JOIN base.pairs b USING (id)`
    for (const source of [`sqlite:${path('pairs.db')}`, path('pairs.db')]) {
      assertTotals((await score('FROM base.pairs', [`${source} AS base`])).total, x, y)
      assertTotals((await score(joined, [`${source} AS base`])).total, x, y)
    }
    assertTotals((await score(`FROM sqlite_scan('${path('pairs.db')}', 'pairs')`, [])).total, x, y)
  })

  describe('of PostgreSQL', () => {
    let postgres: Postgres
    let database: string
    const environment = process.env.PGPASSWORD

    before(function () {
      const started = Postgres.start(password)
      if (started === undefined) return this.skip()
      postgres = started
      database = `postgres:host=${postgres.folder} user=judge dbname=postgres AS shop`
      const values = rows.map(({ id, x, y }) => `(${id}, ${x}, ${y})`)
      postgres.query('CREATE TABLE pairs (id bigint, x float8, y smallint); CREATE SEQUENCE numbers', password)
      postgres.query(`INSERT INTO pairs VALUES ${values.join(', ')}`, password)
      process.env.PGPASSWORD = password
    })
    after(() => {
      postgres?.stop()
      if (environment === undefined) delete process.env.PGPASSWORD
      else process.env.PGPASSWORD = environment
    })

    it('gives the totals of its tables and of joins with files, with the password of the environment', async () => {
      assertTotals((await score('FROM shop.public.pairs', [database])).total, x, y)
      const joined = `SELECT f.x, b.y FROM '${path('pairs.csv')}' f JOIN shop.pairs b USING (id) ORDER BY id`
      const { total } = await score(joined, [database], { output: path('losses.csv'), keep: ['x'] })
      assertTotals(total, x, y)
      const url = `postgresql://judge@${encodeURIComponent(postgres.folder)}/postgres AS shop`
      const args = ['--query', joined, '--attach', url, '--duckdb-extensions', folder, '--label', 'y']
      const { stdout, stderr } = await command(['partial', ...args, '--input', 'x'])
      expect(stderr).to.equal('')
      expect(JSON.parse(stdout)).to.deep.equal(total.toJSON())
    })

    it('writes nothing to it', async () => {
      for (const sql of ["SELECT nextval('numbers') AS x", 'DELETE FROM pairs RETURNING x']) {
        const query = `SELECT x, 1 AS y FROM postgres_query('shop', '${sql.replaceAll("'", "''")}')`
        const error = await score(query, [database]).catch((error) => error)
        expect(error.option, String(error)).to.equal('query')
      }
      expect(postgres.query('SELECT count(*), nextval($$numbers$$) FROM pairs', password)).to.equal('5000|1')
    })

    it('shows no password, whatever fails', async () => {
      const host = `host=${postgres.folder} user=judge`
      const quoted = `password='${password}'`
      const sources = [
        `postgres:${host} dbname=absent ${quoted}`,
        `postgres:${host} dbname=postgres ${quoted}x`,
        `postgres:${host} dbname=postgres password=sEcReT wordless`,
        `postgres:${host} user=nobody ${quoted}`,
        `postgresql://judge:sEcReT%20wordless@%2Fabsent/postgres`,
      ]
      for (const source of sources) {
        const error = await score('FROM shop.pairs', [`${source} AS shop`]).catch((error) => error)
        expect(error.option, source).to.equal('attach')
        expect(inspect(error, { depth: 10 }), source).not.to.match(/sEcReT|words|wordless/)
        const args = ['--query', 'FROM shop.pairs', '--attach', `${source} AS shop`, '--duckdb-extensions', folder]
        const { stdout, stderr } = await command(['score', ...args, '--input', 'x', '--label', 'y'])
        expect(stderr, source).to.match(/^hinge-embedding-loss: shop: /)
        expect(stdout + stderr, source).not.to.match(/sEcReT|words|wordless/)
      }
      const scan = `FROM postgres_scan('${host} dbname=absent password=sEcReT', 'public', 'pairs')`
      const error = await score(scan, []).catch((error) => error)
      expect(error.option).to.equal('query')
      expect(inspect(error, { depth: 10 })).not.to.match(/sEcReT/)
    })

    it('reads one state of a table that others write to', async () => {
      let run = true
      const writing = (async () => {
        while (run) {
          postgres.query('UPDATE pairs SET x = x + 1', password)
          await new Promise((resolve) => setTimeout(resolve, 5))
        }
      })()
      const { total } = await score('SELECT x, 1 AS y FROM shop.pairs', [database], { output: path('state.csv') })
      run = false
      await writing
      const sum = rows.reduce((sum, { x }) => sum + x, 0)
      expect((total.sum - sum) % rows.length).to.equal(0)
    })
  })
})

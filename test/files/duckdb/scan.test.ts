import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { planOf } from '../../../lib/bullmq/index.ts'
import { Session } from '../../../lib/files/duckdb/session.ts'
import { scoreFiles } from '../../../lib/files.ts'
import { LossAccumulator } from '../../../lib/index.ts'

describe('scans', function () {
  this.timeout(60_000)

  let folder: string
  const path = (name: string) => join(folder, name)

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-scan-'))
    const write = (name: string, text: string) => {
      mkdirSync(dirname(path(name)), { recursive: true })
      writeFileSync(path(name), text)
    }
    for (const [kind, text] of Object.entries({
      csv: 'd,y,k\n0.5,1,2024-1-5\n0.25,-1,2024-01-05\n',
      ndjson: '{"d":0.5,"y":1,"k":"2024-1-5"}\n{"d":0.25,"y":-1,"k":"2024-01-05"}\n',
    })) {
      for (const day of ['2024-01-05', '2024-01-06']) {
        for (const [key, value] of Object.entries({ one: '1', word: 'a b' })) {
          write(`${kind}/my day=${day}/${key}=${value}/rows.${kind}`, text)
        }
      }
      write(`rows.${kind}`, text)
    }
    write('case.ndjson', '{"d":0.5,"D":9,"y":1,"k":"2024-1-5"}\n{"d":0.25,"D":7.5,"y":-1,"k":"2024-01-05"}\n')
    write('case/my day=2024-01-05/case.ndjson', readFileSync(path('case.ndjson'), 'utf8'))
    write('commented/my day=2024-01-05/rows.csv', '# one, two, three\nd,y\n0.5,1\n')
    write('nested.ndjson', '{"d":0.5,"y":1,"k":{"a":1}}\n{"d":0.25,"y":-1,"k":{"a":"1"}}\n')
    const session = await Session.open(1)
    const copy = (name: string) => {
      mkdirSync(dirname(path(name)), { recursive: true })
      return session.run(
        `COPY (SELECT * FROM read_csv('${path('rows.csv')}', types = { 'k': VARCHAR })) TO '${path(name)}'`,
      )
    }
    await copy('rows.parquet')
    await copy('parquet/my day=2024-01-05/one=1/rows.parquet')
    session.close()
  })
  after(() => rmSync(folder, { recursive: true }))

  const columns = { input: 'd', label: 'y' }
  const one = new LossAccumulator().update(Float64Array.of(0.5, 0.25), Int8Array.of(1, -1))

  async function keysOf(name: string, options: { by: string; input?: string }): Promise<unknown[]> {
    const { groups = [] } = await scoreFiles([path(name)], { ...columns, ...options })
    return groups.map(({ by, total }) => [by, total.count])
  }

  /** Runs `work`, and returns the SQL that DuckDB ran meanwhile. */
  async function recordSql(work: () => Promise<unknown>): Promise<string[]> {
    const { readRows } = Session.prototype
    const sql: string[] = []
    Session.prototype.readRows = function (text) {
      sql.push(text)
      return readRows.call(this, text)
    }
    try {
      await work()
    } finally {
      Session.prototype.readRows = readRows
    }
    return sql
  }

  it('a column that folders are named for is found by its name, as a column of the files is', async () => {
    for (const name of ['csv', 'ndjson']) {
      const days = [
        ['2024-01-05', 4],
        ['2024-01-06', 4],
      ]
      for (const by of ['my day', '"my day"', '"MY DAY"']) {
        expect(await keysOf(name, { by }), `${name} ${by}`).to.deep.equal(days)
      }
      expect(await keysOf(`${name}/my day=2024-01-05/one=1`, { by: 'one' })).to.deep.equal([[1, 2]])
      expect(await keysOf(`${name}/my day=2024-01-05/word=a b`, { by: 'Word' })).to.deep.equal([['a b', 2]])
    }
    const output = path('kept.csv')
    const rows = path('parquet/my day=2024-01-05/one=1/rows.parquet')
    await scoreFiles([rows], { ...columns, output, keep: ['my day', 'ONE', 'd'] })
    expect(readFileSync(output, 'utf8')).to.equal('loss,my day,one,d\n0.5,2024-01-05,1,0.5\n0.75,2024-01-05,1,0.25\n')
  })

  it('NDJSON whose keys differ in case alone keeps its text, and reads each key', async () => {
    for (const name of ['case.ndjson', 'case']) {
      expect(await keysOf(name, { by: 'k' }), name).to.deep.equal([
        ['2024-01-05', 1],
        ['2024-1-5', 1],
      ])
      expect(await keysOf(name, { by: 'D + 0 * d' }), name).to.deep.equal([
        [7.5, 1],
        [9, 1],
      ])
      const { total } = await scoreFiles([path(name)], columns)
      expect(total.toJSON()).to.deep.equal(one.toJSON())
    }
    expect(await keysOf('case', { by: 'my day' })).to.deep.equal([['2024-01-05', 2]])
  })

  it('JSON in a struct is printed as the file has it', async () => {
    expect(await keysOf('nested.ndjson', { by: 'k' })).to.deep.equal([
      [{ a: '1' }, 1],
      [{ a: 1 }, 1],
    ])
  })

  it('no question is asked twice, and NDJSON is sampled once', async () => {
    const output = path('losses.parquet')
    const options = { ...columns, by: 'k', keep: ['d', 'upper(k)'], output }
    const folders = ['csv/*/one=1/*.csv', 'ndjson/*/one=1/*.ndjson', 'parquet', 'case']
    for (const name of ['rows.csv', 'rows.ndjson', 'rows.parquet', 'case.ndjson', ...folders]) {
      const sql = await recordSql(() => scoreFiles([path(name)], options))
      expect(
        sql.filter((text, i) => sql.indexOf(text) < i),
        name,
      ).to.deep.equal([])
      const samples = sql.filter((text) => text.includes('sample_size'))
      expect(samples.length, name).to.equal(/json|^case/.test(name) ? 1 : 0)
    }
  })

  it('a plan of partitioned files samples NDJSON once, and reads CSV as the options say', async () => {
    const plans: [files: string, options: { comment?: string }, samples: number][] = [
      ['ndjson/*/one=1/*.ndjson', {}, 1],
      ['commented', { comment: '#' }, 0],
    ]
    for (const [files, options, samples] of plans) {
      const sql = await recordSql(async () => {
        const { shards } = await planOf([path(files)], { ...columns, by: 'my day', ...options })
        for (const { partitions } of shards) expect(partitions).to.include({ 'my day': 'DATE' })
      })
      expect(
        sql.filter((text, i) => sql.indexOf(text) < i),
        files,
      ).to.deep.equal([])
      expect(sql.filter((text) => text.includes('sample_size'))).to.have.length(samples)
    }
  })

  it('the error of an expression or a column has the option that names it', async () => {
    writeFileSync(path('late.csv'), `d,y\n${'0.5,1\n'.repeat(21_000)}N/A,1\n`)
    const failures: [file: string, more: { by?: string; input?: string }, option: string][] = [
      ['rows.parquet', { by: 'upper(kk)' }, 'by'],
      ['rows.parquet', { input: 'dd' }, 'input'],
      ['rows.parquet', { input: 'k' }, 'input'],
      ['late.csv', {}, 'input'],
    ]
    for (const [name, more, option] of failures) {
      const error = await scoreFiles([path(name)], { ...columns, ...more }).then(
        () => undefined,
        (cause) => cause,
      )
      expect(error, name).to.include({ code: 'ERR_INVALID_FILE', file: path(name), option })
    }
  })
})

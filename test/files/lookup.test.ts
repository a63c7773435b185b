import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import { type ScoreFilesOptions, scoreFiles } from '../../lib/files.ts'
import { command } from '../support/command.ts'
import { distanceOf, makePairs, runQueries } from '../support/embeddings.ts'
import { rejects } from '../support/failures.ts'
import { assertTotals } from '../support/pairs.ts'
import { Random } from '../support/random.ts'

const random = new Random(77)
/** By id: ids have gaps, and are in no order. */
const vectors = new Map(makePairs(random, 700, 0, 12).map(({ left }, i) => [(i * 7919) % 10_007, left]))
const ids = [...vectors.keys()]
const draw = () => ids[random.integer(0, ids.length - 1)] as number
const rows = Array.from({ length: 150_000 }, () => ({ l: draw(), r: draw(), y: random.sign() }))
const y = rows.map((row) => row.y)
const known = new Map<string, number>()

/** The distance of two vectors by the oracle of BigInt. */
function distance(l: number, r: number): number {
  const key = `${l},${r}`
  const [left = [], right = []] = [vectors.get(l), vectors.get(r)]
  const value = known.get(key) ?? distanceOf({ left, right }, 'euclidean', 'float32')
  known.set(key, value)
  return value
}

describe('embeddings that are looked up by id', function () {
  this.timeout(120_000)
  let folder: string
  const path = (name: string) => join(folder, name)
  const options = { left: 'l', right: 'r', label: 'y', id: 'id' } as const
  const score = (name: string, embeddings: string, more: Partial<ScoreFilesOptions> = {}) =>
    scoreFiles([path(name)], { ...options, embeddings: path(embeddings), ...more })
  const x = Float32Array.from(rows, ({ l, r }) => distance(l, r))

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-lookup-'))
    const lines = (objects: readonly object[]) => objects.map((each) => `${JSON.stringify(each)}\n`).join('')
    writeFileSync(path('pairs.ndjson'), lines(rows))
    writeFileSync(path('vectors.ndjson'), lines([...vectors].map(([id, vector]) => ({ id, vector }))))
    const pairs = `read_json('${path('pairs.ndjson')}', columns = {'l': 'INTEGER', 'r': 'BIGINT', 'y': 'TINYINT'})`
    const table = `read_json('${path('vectors.ndjson')}', columns = {'id': 'USMALLINT', 'vector': 'FLOAT[]'})`
    const many = `SELECT id + 20000 AS id, vector FROM ${table}, range(300) UNION ALL`
    await runQueries(
      `COPY (FROM ${pairs}) TO '${path('pairs.parquet')}' (ROW_GROUP_SIZE 4096)`,
      `COPY (FROM ${pairs} LIMIT 500) TO '${path('few.parquet')}'`,
      `COPY (FROM ${pairs} LIMIT 5000) TO '${path('pairs.csv')}'`,
      `COPY (SELECT 'id ' || l AS l, 'id ' || r AS r, y FROM ${pairs} LIMIT 5000) TO '${path('words.parquet')}'`,
      `COPY (FROM ${table}) TO '${path('vectors.parquet')}'`,
      `COPY (FROM ${table}) TO '${path('vectors.csv')}'`,
      `COPY (SELECT 'id ' || id AS id, vector, [id] AS other FROM ${table}) TO '${path('words-vectors.parquet')}'`,
      `COPY (SELECT (row_number() OVER () + 20000)::BIGINT AS id, vector FROM (${many} FROM ${table})
        UNION ALL SELECT id, vector FROM ${table}) TO '${path('large.parquet')}'`,
    )
  })
  after(() => rmSync(folder, { recursive: true }))

  it('gives the totals of the oracle of BigInt, of Parquet, CSV and NDJSON, for numbers and text', async () => {
    assertTotals((await score('pairs.parquet', 'vectors.parquet')).total, x, y)
    const [few, labels] = [x.slice(0, 5000), y.slice(0, 5000)]
    assertTotals((await score('pairs.csv', 'vectors.parquet')).total, few, labels)
    const words = { id: 'id', embedding: 'vector' }
    assertTotals((await score('words.parquet', 'words-vectors.parquet', words)).total, few, labels)
    assertTotals((await score('pairs.csv', 'vectors.csv', { embedding: 'CAST(vector AS FLOAT[])' })).total, few, labels)
    const { total } = await score('pairs.csv', 'vectors.ndjson', { embedding: 'vector::FLOAT[]', left: 'l + 0' })
    assertTotals(total, few, labels)
  })

  it('writes the losses in the order of the rows, whichever table is larger', async () => {
    for (const [pairs, table] of [
      ['pairs.parquet', 'vectors.parquet'],
      ['few.parquet', 'large.parquet'],
    ] as const) {
      const more = { label: '1', output: path('losses.parquet'), keep: ['l', 'r'] }
      const { total } = await score(pairs, table, more)
      const connection = await (await DuckDBInstance.create(':memory:')).connect()
      const read = `SELECT loss, l, r FROM '${path('losses.parquet')}'`
      const found = (await connection.runAndReadAll(read)).getRows().map((row) => row.map(Number))
      connection.closeSync()
      expect(found).to.have.lengthOf(total.count)
      const expected = rows.slice(0, total.count).map(({ l, r }, i) => [x[i], l, r])
      expect(JSON.stringify(found)).to.equal(JSON.stringify(expected))
    }
  })

  it('scores the sample pairs of digits as their distances were computed, on the command line too', async () => {
    const digits = (name: string) => join(import.meta.dirname, '../../examples', `digit-${name}.parquet`)
    const args = ['--left', 'left', '--right', 'right', '--label', 'label', '--id', 'id', '--json']
    for (const embedding of ['raw', 'learned']) {
      const table = ['--embeddings', digits('embeddings'), '--embedding', embedding]
      const { stdout } = await command(['score', digits('pairs'), ...args, ...table])
      const { total } = await scoreFiles([digits('pairs')], { input: `${embedding}_distance`, label: 'label' })
      expect(JSON.parse(stdout).mean).to.be.closeTo(total.mean, 1e-6)
      expect(JSON.parse(stdout).negatives.active).to.be.closeTo(total.negatives.active, 1)
    }
  })

  describe('errors', () => {
    /** Pairs of [left, right] with label 1, and vectors of [id, vector], as NDJSON. */
    function writeFiles(pairs: readonly (readonly unknown[])[], table: readonly (readonly unknown[])[]): void {
      const lines = (values: readonly (readonly unknown[])[], names: readonly string[]) =>
        values
          .map((row) => `${JSON.stringify(Object.fromEntries(row.map((value, i) => [names[i], value])))}\n`)
          .join('')
      writeFileSync(path('some.ndjson'), lines(pairs, ['l', 'r']))
      writeFileSync(path('table.ndjson'), lines(table, ['id', 'vector']))
    }
    const one = { label: '1', distance: 'manhattan', epsilon: 0 } as const
    const table = [
      [1, [1]],
      [2, [2]],
      [3, [4]],
    ] as const

    it('names the row whose id is unknown, also if nulls are left out', async () => {
      writeFiles(
        [
          [1, 2],
          [1, 3],
          [2, 9],
          [8, 9],
          [1, 77],
        ],
        table,
      )
      const failure = { code: 'ERR_UNKNOWN_ID', file: path('some.ndjson') }
      for (const nulls of ['error', 'ignore'] as const) {
        await rejects(score('some.ndjson', 'table.ndjson', { ...one, nulls }), nulls, {
          ...{ ...failure, option: 'right', row: 3, count: 2 },
          message: /row 3: right 'r': .*table\.ndjson has no embedding of 9 \(2 such rows\)$/,
        })
      }
    })

    it('takes a null id, and an id whose embedding is null, as a null input', async () => {
      writeFiles(
        [
          [1, 3],
          [null, 3],
          [1, 4],
        ],
        [...table, [4, null]],
      )
      expect((await score('some.ndjson', 'table.ndjson', { ...one, nulls: 'ignore' })).total.sum).to.equal(3)
      await rejects(score('some.ndjson', 'table.ndjson', one), 'null', {
        ...{ code: 'ERR_NULL', option: 'left', file: path('some.ndjson'), row: 2, count: 1 },
        message: /row 2: left 'l' is null/,
      })
    })

    it('names an id that several embeddings have, and their number', async () => {
      writeFiles([[1, 2]], [...table, [2, [5]], [2, [6]], [1, [7]]])
      await rejects(score('some.ndjson', 'table.ndjson', one), 'twice', {
        ...{ code: 'ERR_INVALID_FILE', option: 'id', file: path('table.ndjson'), count: 2 },
        message: /table\.ndjson: id 'id': 1 is the id of 2 rows \(2 such ids\)$/,
      })
    })

    it('names the row whose embeddings differ in length or have a null within', async () => {
      const more = [...table, [4, [1, 2]], [5, [null]]]
      writeFiles(
        [
          [1, 2],
          [1, 4],
        ],
        more,
      )
      const failure = { file: path('some.ndjson'), row: 2, count: 1 }
      await rejects(score('some.ndjson', 'table.ndjson', one), 'length', {
        ...{ code: 'ERR_SHAPE_MISMATCH', option: 'right', ...failure },
        message: /row 2: left 'l' has 1 element, but right 'r' 2 \(1 such row\)$/,
      })
      writeFiles(
        [
          [1, 2],
          [5, 2],
        ],
        more,
      )
      await rejects(score('some.ndjson', 'table.ndjson', one), 'null', {
        ...{ code: 'ERR_NULL', option: 'left', ...failure },
        message: /row 2: left 'l' has a null as its element 1 \(1 such row\)$/,
      })
    })

    it('takes no float for an id that stands for several integers', async () => {
      const [even, odd] = [2 ** 53, `${2n ** 53n + 1n}`]
      writeFiles([[even, 1]], [])
      writeFileSync(path('table.ndjson'), `{"id":${odd},"vector":[5]}\n{"id":1,"vector":[1]}\n`)
      await runQueries(
        `COPY (SELECT l::DOUBLE AS l, r::DOUBLE AS r FROM '${path('some.ndjson')}') TO '${path('f.parquet')}'`,
      )
      await rejects(score('f.parquet', 'table.ndjson', one), 'float', {
        ...{ code: 'ERR_UNKNOWN_ID', option: 'left', file: path('f.parquet'), row: 1, count: 1 },
        message: /has no embedding of 9007199254740992\.0 \(1 such row\)$/,
      })
      writeFileSync(path('some.ndjson'), `{"l":${odd},"r":1}\n`)
      expect((await score('some.ndjson', 'table.ndjson', one)).total.sum).to.equal(4)
    })

    const refused: [table: string, options: object, failure: object, message: RegExp][] = [
      [
        'vectors.parquet',
        { id: undefined },
        { code: 'ERR_INVALID_ARG_TYPE', option: 'id' },
        /^id must be a string, got/,
      ],
      ['none.parquet', {}, { code: 'ENOENT', file: 'none.parquet' }, /none\.parquet: no such file$/],
      ['vectors.arrow', {}, { code: 'ENOENT', file: 'vectors.arrow' }, /no such file$/],
      ['vectors.parquet', { id: 'nothing' }, { option: 'id', file: 'vectors.parquet' }, /column "nothing" not found/],
      [
        'vectors.parquet',
        { id: 'random()' },
        { code: 'ERR_INVALID_ARG_VALUE', option: 'id' },
        /not a function of its row/,
      ],
      [
        'words-vectors.parquet',
        {},
        { option: 'embedding', file: 'words-vectors.parquet' },
        /has several columns of lists of numbers, vector, other; embedding names one$/,
      ],
      [
        'pairs.csv',
        { id: 'l' },
        { option: 'embedding', file: 'pairs.csv' },
        /has no column of lists of numbers; embedding names/,
      ],
      [
        'words-vectors.parquet',
        { embedding: 'vector' },
        { option: 'left', file: undefined },
        /left 'l' is INTEGER, but id 'id' VARCHAR in .*words-vectors\.parquet; CAST both to one type$/,
      ],
      [
        'vectors.parquet',
        { embedding: 'id' },
        { option: 'left', file: 'few.parquet' },
        /left 'l' is USMALLINT, must be lists/,
      ],
    ]
    for (const [table, more, failure, message] of refused) {
      it(`refuses ${table} with ${JSON.stringify(Object.entries(more))} by name`, async () => {
        const { file, code = 'ERR_INVALID_FILE', ...rest } = failure as { file?: string; code?: string }
        const Class = { ERR_INVALID_ARG_TYPE: TypeError, ERR_INVALID_ARG_VALUE: RangeError }[code] ?? Error
        const details = { code, ...rest, ...(file !== undefined && { file: path(file) }) }
        await rejects(score('few.parquet', table, more), table, { ...details, message }, Class)
      })
    }

    it('refuses options of a table without a table, and a table without left and right', async () => {
      const alone = (more: Partial<ScoreFilesOptions>) => scoreFiles([path('few.parquet')], { label: 'y', ...more })
      for (const [more, option, message] of [
        [{ left: 'l', right: 'r', id: 'id' }, 'id', /^id goes with embeddings$/],
        [{ left: 'l', right: 'r', embedding: 'vector' }, 'embedding', /^embedding goes with embeddings$/],
        [{ input: 'l', embeddings: 'x', id: 'id' }, 'embeddings', /^embeddings goes with left$/],
      ] as const) {
        await rejects(alone(more), option, { code: 'ERR_INVALID_ARG_VALUE', option, message }, RangeError)
      }
    })

    it('never overwrites the table of embeddings', async () => {
      const output = score('few.parquet', 'vectors.parquet', { output: path('vectors.parquet') })
      const failure = { code: 'ERR_INVALID_ARG_VALUE', option: 'output', message: /is an input/ }
      await rejects(output, 'output', failure, RangeError)
    })
  })
})

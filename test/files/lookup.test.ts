import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import { openScans } from '../../lib/files/duckdb/open-scans.ts'
import type { ScanSource } from '../../lib/files/duckdb/scan.ts'
import { Session } from '../../lib/files/duckdb/session.ts'
import { scoreScans } from '../../lib/files/duckdb/totals.ts'
import { readScoring, type Scoring } from '../../lib/files/options.ts'
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
      for (const [left, right, side] of [
        ['4', '3', 'left'],
        ['3', '4', 'right'],
      ] as const) {
        await rejects(score('some.ndjson', 'table.ndjson', { ...one, left, right }), side, {
          ...{ code: 'ERR_NULL', option: side, file: path('some.ndjson'), row: 1, count: 3 },
          message: new RegExp(
            `row 1: ${side} '4': the embedding of 4 in .*table\\.ndjson is null \\(3 such rows; nulls:`,
          ),
        })
      }
    })

    it('names an id that several embeddings have, and their number', async () => {
      writeFiles([[1, 2]], [...table, [2, [5]], [2, [6]], [1, [7]]])
      await rejects(score('some.ndjson', 'table.ndjson', one), 'twice', {
        ...{ code: 'ERR_INVALID_FILE', option: 'id', file: path('table.ndjson'), row: 1, count: 2 },
        message: /table\.ndjson, row 1: id 'id': 1 is the id of 2 rows \(2 such ids\)$/,
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

    const floats: [type: string, limit: bigint, text: string][] = [
      ['FLOAT', 2n ** 24n, '16777216.0'],
      ['DOUBLE', 2n ** 53n, '9007199254740992.0'],
    ]
    for (const [type, limit, text] of floats) {
      it(`takes no ${type} for an id that stands for several integers, in the pairs or in the table`, async () => {
        const row = (name: string, id: bigint) => `{"${name}":${id},"r":1,"vector":[${id % 2n === 0n ? 3 : 5}]}\n`
        writeFileSync(
          path('table.ndjson'),
          `{"id":1,"vector":[1]}\n${[-1n, 0n, 1n].map((i) => row('id', limit + i)).join('')}`,
        )
        writeFileSync(path('some.ndjson'), row('l', limit - 1n) + row('l', limit + 1n))
        const as = (name: string) => `CAST(${name} AS ${type})`
        await rejects(score('some.ndjson', 'table.ndjson', { ...one, left: as('l') }), 'pairs', {
          ...{ code: 'ERR_UNKNOWN_ID', option: 'left', file: path('some.ndjson'), row: 2, count: 1 },
          message: new RegExp(`has no embedding of ${text.replace('.', '\\.')} \\(1 such row\\)$`),
        })
        await rejects(score('some.ndjson', 'table.ndjson', { ...one, id: as('id') }), 'table', {
          ...{ code: 'ERR_UNKNOWN_ID', option: 'left', file: path('some.ndjson'), row: 2, count: 1 },
          message: new RegExp(`has no embedding of ${limit + 1n} \\(1 such row\\)$`),
        })
        for (const more of [{ left: as('l') }, { id: as('id') }, { left: as('l'), id: as('id') }]) {
          writeFileSync(path('some.ndjson'), row('l', limit - 1n))
          expect((await score('some.ndjson', 'table.ndjson', { ...one, ...more })).total.sum).to.equal(4)
        }
        writeFileSync(path('some.ndjson'), row('l', limit + 1n))
        expect((await score('some.ndjson', 'table.ndjson', one)).total.sum).to.equal(4)
      })
    }

    /** By type: the ids that the type holds exactly. */
    const integerTypes: Record<string, (id: bigint) => boolean> = {
      TINYINT: (id) => BigInt.asIntN(8, id) === id,
      UTINYINT: (id) => BigInt.asUintN(8, id) === id,
      SMALLINT: (id) => BigInt.asIntN(16, id) === id,
      USMALLINT: (id) => BigInt.asUintN(16, id) === id,
      INTEGER: (id) => BigInt.asIntN(32, id) === id,
      UINTEGER: (id) => BigInt.asUintN(32, id) === id,
      BIGINT: (id) => BigInt.asIntN(64, id) === id,
      UBIGINT: (id) => BigInt.asUintN(64, id) === id,
      HUGEINT: () => true,
      FLOAT: (id) => id < 2n ** 24n && id > -(2n ** 24n),
      DOUBLE: (id) => id < 2n ** 53n && id > -(2n ** 53n),
      'DECIMAL(38,0)': () => true,
      'DECIMAL(38,15)': (id) => id < 10n ** 23n && id > -(10n ** 23n),
      'DECIMAL(12,2)': (id) => id < 10n ** 10n && id > -(10n ** 10n),
    }

    it('compares ids of any two types of numbers exactly', async () => {
      const powers = [7n, 8n, 15n, 16n, 24n, 31n, 32n, 53n, 63n, 64n, 100n].map((bits) => 2n ** bits)
      const near = [
        ...new Set([0n, ...powers, ...powers.map((id) => -id)].flatMap((id) => [id - 1n, id, id + 1n, id + 3n])),
      ]
      const element = new Map(near.map((id, i) => [id, i]))
      // As text: Parquet has no HUGEINT.
      const write = (name: string, list: readonly bigint[]) =>
        writeFileSync(
          path(name),
          list.map((id) => `${JSON.stringify({ id: `${id}`, vector: [element.get(id)] })}\n`).join(''),
        )
      for (const [idType, hasId] of Object.entries(integerTypes)) {
        write('table.ndjson', near.filter(hasId))
        for (const [type, has] of Object.entries(integerTypes)) {
          const both = near.filter((id) => has(id) && hasId(id))
          write('some.ndjson', both)
          const ids = { left: `id::${type}`, right: `0::${type}`, id: `id::${idType}` }
          const { total } = await score('some.ndjson', 'table.ndjson', { ...one, ...ids })
          const zero = element.get(0n) as number
          const sum = both.reduce((all, id) => all + Math.abs((element.get(id) as number) - zero), 0)
          expect([total.count, total.sum], `${type}, ${idType}`).to.deep.equal([both.length, sum])
        }
      }
    })

    it('takes a DECIMAL with a fraction for no integer, but for the same DECIMAL', async () => {
      await runQueries(
        `COPY (SELECT 1.50::DECIMAL(5,2) AS l) TO '${path('l.parquet')}'`,
        `COPY (SELECT 2::INTEGER AS id, [2::FLOAT] AS vector) TO '${path('t.parquet')}'`,
        `COPY (FROM (VALUES (1.50::DECIMAL(5,2), [1::FLOAT]), (2::DECIMAL(5,2), [8])) AS t(id, vector)) TO '${path('d.parquet')}'`,
      )
      await rejects(score('l.parquet', 't.parquet', { ...one, right: '2' }), 'fraction', {
        ...{ code: 'ERR_UNKNOWN_ID', option: 'left', file: path('l.parquet'), row: 1, count: 1 },
        message: /has no embedding of 1\.50 \(1 such row\)$/,
      })
      expect((await score('l.parquet', 'd.parquet', { ...one, right: '2' })).total.sum).to.equal(7)
    })

    it('refuses ids of types that have no exact common type, by name', async () => {
      writeFiles([[1, 2]], table)
      for (const [type, idType] of [
        ['HUGEINT', 'UHUGEINT'],
        ['UHUGEINT', 'BIGINT'],
        ['BIGNUM', 'DECIMAL(38,0)'],
        ['DOUBLE', 'BIGNUM'],
        ['VARCHAR', 'BIGINT'],
      ]) {
        const more = { ...one, left: `l::${type}`, id: `id::${idType}` }
        await rejects(score('some.ndjson', 'table.ndjson', more), `${type}, ${idType}`, {
          ...{ code: 'ERR_INVALID_FILE', option: 'left', file: path('some.ndjson') },
          message:
            /some\.ndjson: left 'l::\w+' is \w+, but id 'id::[\w(,)]+' [\w(,)]+ in .*table\.ndjson; CAST both to one type$/,
        })
      }
      const wide = { ...one, left: 'l::UHUGEINT', right: 'r::UHUGEINT', id: 'id::UHUGEINT' }
      expect((await score('some.ndjson', 'table.ndjson', wide)).total.sum).to.equal(1)
    })

    it('gives no totals of a join that has other rows than the pairs', async () => {
      writeFiles([[1, 2]], table)
      const { signal } = new AbortController()
      const session = await Session.open(1, signal)
      try {
        for (const name of ['some.ndjson', 'some.parquet']) {
          if (name.endsWith('parquet')) await runQueries(`COPY (FROM '${path('some.ndjson')}') TO '${path(name)}'`)
          const scoring = readScoring({ left: 'l', right: 'r', ...one }) as Scoring
          const source = {
            kind: name.endsWith('parquet') ? 'Parquet' : 'NDJSON',
            compression: 'uncompressed',
            file: path(name),
          } as ScanSource
          const scans = await openScans(session, [source], scoring, signal)
          for (const [rows, joined] of [
            ['(1, [1]), (2, [2])', 1],
            ['(1, [1]), (2, [2]), (2, [3])', 2],
          ] as const) {
            const lookup = {
              ...{
                file: 'changed.parquet',
                type: 'DOUBLE[]',
                sql: `(SELECT * FROM (VALUES ${rows}) AS t(id, embedding))`,
              },
              ...{ left: 'left_table.id = left_id', right: 'right_table.id = right_id' },
            }
            const scored = scoreScans(
              session,
              scans.map((scan) => ({ ...scan, lookup })),
              scoring,
              signal,
            )
            if (joined === 1) expect((await scored).rows).to.equal(1)
            else {
              await rejects(scored, name, {
                ...{ code: 'ERR_INVALID_FILE', option: 'embeddings', file: 'changed.parquet' },
                message: /1 rows were read, but the join with the embeddings has 2$/,
              })
            }
          }
        }
      } finally {
        session.close()
      }
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
        { option: 'left', file: 'few.parquet' },
        /few\.parquet: left 'l' is INTEGER, but id 'id' VARCHAR in .*words-vectors\.parquet; CAST both to one type$/,
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

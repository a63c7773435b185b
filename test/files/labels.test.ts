import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import { plotFiles, type ScoreFilesOptions, scoreFiles } from '../../lib/files.ts'
import { command, fails } from '../support/command.ts'
import { runQueries } from '../support/embeddings.ts'
import { rejects } from '../support/failures.ts'
import { assertTotals } from '../support/pairs.ts'
import { Random } from '../support/random.ts'

const random = new Random(91)
/** By id: ids have gaps, and are in no order. Some are the id of no pair. */
const labels = new Map(Array.from({ length: 5000 }, (_, i) => [(i * 7919) % 100_003, random.sign()]))
const ids = [...labels.keys()].slice(0, 4000)
const rows = Array.from({ length: 150_000 }, () => ({ id: random.pick(ids), x: random.integer(0, 4096) / 1024 }))
const x = Float64Array.from(rows, (row) => row.x)
const y = rows.map(({ id }) => labels.get(id) as number)
/** A column of the labels that is neither the id nor the label. */
const splitOf = (id: number) => ['train', 'test', 'val'][id % 3] as string

describe('labels that are looked up by id', function () {
  this.timeout(120_000)
  let folder: string
  const path = (name: string) => join(folder, name)
  const write = (name: string, ...lines: readonly (string | readonly string[])[]) =>
    writeFileSync(path(name), `${lines.flat().join('\n')}\n`)
  const score = (names: string | readonly string[], table: string, more: Partial<ScoreFilesOptions> = {}) =>
    scoreFiles([names].flat().map(path), {
      ...{ input: 'x', label: 'y', labels: path(table), on: 'id' },
      ...more,
    } as ScoreFilesOptions)

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-labels-'))
    write(
      'pairs.csv',
      'id,x',
      rows.map(({ id, x }) => `${id},${x}`),
    )
    write(
      'labels.csv',
      'id,y,split,w',
      [...labels].map(([id, y]) => `${id},${y},${splitOf(id)},${id % 5}`),
    )
    write(
      'labels.ndjson',
      [...labels].map(([id, y]) => JSON.stringify({ y, id, split: splitOf(id) })),
    )
    const pairs = `read_csv('${path('pairs.csv')}', types = {'id': 'UINTEGER', 'x': 'DOUBLE'})`
    const table = `read_csv('${path('labels.csv')}')`
    await runQueries(
      `COPY (FROM ${pairs}) TO '${path('pairs.parquet')}' (ROW_GROUP_SIZE 4096)`,
      `COPY (FROM ${pairs}) TO '${path('pairs.ndjson')}'`,
      `COPY (SELECT 'id ' || id AS id, x FROM ${pairs}) TO '${path('words.parquet')}'`,
      `COPY (SELECT CAST(id AS VARCHAR) AS id, x FROM ${pairs}) TO '${path('text.parquet')}'`,
      `COPY (FROM ${table}) TO '${path('labels.parquet')}'`,
      `COPY (SELECT CAST(id AS DOUBLE) AS id, * EXCLUDE (id) FROM ${table}) TO '${path('doubles.parquet')}'`,
      `COPY (SELECT 'id ' || id AS id, y FROM ${table}) TO '${path('words.csv')}'`,
    )
  })
  after(() => rmSync(folder, { recursive: true }))

  it('gives the totals of the oracle of BigInt, of Parquet, CSV and NDJSON, for numbers and text', async () => {
    for (const [pairs, table] of [
      ['pairs.parquet', 'labels.csv'],
      ['pairs.csv', 'labels.parquet'],
      ['pairs.ndjson', 'labels.ndjson'],
      ['pairs.csv', 'labels.csv'],
      ['pairs.parquet', 'doubles.parquet'],
      ['words.parquet', 'words.csv'],
    ] as const) {
      assertTotals((await score(pairs, table)).total, x, y)
    }
  })

  it('reads ids of CSV as text where those of the other file are text, for all digits', async () => {
    assertTotals((await score('text.parquet', 'labels.csv')).total, x, y)
    write('zeros.csv', 'id,x', '007,0.5', '7,2', 'x,4')
    write('zeros-labels.csv', 'id,y', '7,-1', '007,1', 'x,-1')
    assertTotals((await score('zeros.csv', 'zeros-labels.csv')).total, Float64Array.of(0.5, 2, 4), [1, -1, -1])
    write('digits-labels.csv', 'id,y', '7,-1', '8,1')
    const unknown = { code: 'ERR_UNKNOWN_ID', option: 'on', file: path('zeros.csv'), row: 1, count: 2 }
    const message = /zeros\.csv, row 1: on 'id': .*digits-labels\.csv has no label of 007 \(2 such rows\)$/
    await rejects(score('zeros.csv', 'digits-labels.csv'), '007', { ...unknown, message })
  })

  it('lets label, weight, by, keep and expressions name columns of both files', async () => {
    const { total, groups = [] } = await score('pairs.parquet', 'labels.csv', { by: 'split', weight: 'w' })
    expect(groups.map(({ by }) => by)).to.deep.equal(['test', 'train', 'val'])
    for (const { by, total } of groups) {
      const own = rows.filter(({ id }) => splitOf(id) === by)
      expect(total.count).to.equal(own.length)
      expect(total.weight).to.equal(own.reduce((sum, { id }) => sum + (id % 5), 0))
    }
    expect(total.weight).to.equal(rows.reduce((sum, { id }) => sum + (id % 5), 0))
    const mixed = await score('pairs.parquet', 'labels.csv', {
      input: 'x + w',
      label: 'CASE WHEN x > 2 THEN y ELSE -y END',
    })
    const sums = Float64Array.from(rows, ({ id, x }) => x + (id % 5))
    const signs = rows.map(({ x }, row) => (x > 2 ? (y[row] as number) : -(y[row] as number)))
    assertTotals(mixed.total, sums, signs)
  })

  it('writes losses in the order of the scored file, whichever file is larger, and finds the greatest', async () => {
    const keep = ['id', 'split', 'filename']
    await score('pairs.parquet', 'labels.csv', { output: path('losses.parquet'), keep })
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    const read = `SELECT loss, id, split, filename FROM '${path('losses.parquet')}'`
    const found = (await connection.runAndReadAll(read))
      .getRows()
      .map(([loss, id, ...texts]) => [loss, Number(id), ...texts])
    connection.closeSync()
    const lossOf = (row: number) => (y[row] === 1 ? (x[row] as number) : Math.max(0, 1 - (x[row] as number)))
    const expected = rows.map(({ id }, row) => [lossOf(row), id, splitOf(id), path('pairs.parquet')])
    expect(JSON.stringify(found)).to.equal(JSON.stringify(expected))
    write(
      'few.csv',
      'x,id',
      rows.slice(0, 3).map(({ id, x }) => `${x},${id}`),
    )
    await score('few.csv', 'labels.csv', { output: path('few-losses.csv') })
    const few = readFileSync(path('few-losses.csv'), 'utf8').trim().split('\n').slice(1).map(Number)
    expect(few).to.deep.equal([0, 1, 2].map(lossOf))
    const { total, top = [] } = await score('pairs.parquet', 'labels.csv', { top: 3, keep: ['split'] })
    const order = [...rows.keys()].sort((one, other) => lossOf(other) - lossOf(one) || one - other).slice(0, 3)
    expect(total.count).to.equal(rows.length)
    expect(top.map(({ row, loss, label, kept }) => [row, loss, label, kept])).to.deep.equal(
      order.map((row) => [row + 1, lossOf(row), y[row], { split: splitOf(rows[row]?.id as number) }]),
    )
  })

  it('joins files of several schemas, each to the same labels', async () => {
    write(
      'more.csv',
      'x,note,id',
      rows.slice(0, 100).map(({ id, x }) => `${x},a,${id}`),
    )
    const { total } = await score(['more.csv', 'pairs.csv', 'pairs.parquet'], 'labels.csv')
    const [xs, ys] = [
      [...x.slice(0, 100), ...x, ...x],
      [...y.slice(0, 100), ...y, ...y],
    ]
    assertTotals(total, Float64Array.from(xs), ys)
  })

  it('looks embeddings up at the same time', async () => {
    write('vectors.ndjson', '{"id": 1, "v": [0, 3]}', '{"id": 2, "v": [4, 0]}')
    write('sides.csv', 'l,r,pair', '1,2,a', '2,1,b', '1,1,b')
    write('sides-labels.csv', 'pair,y', 'b,-1', 'a,1')
    const { total } = await scoreFiles([path('sides.csv')], {
      ...{ left: 'l', right: 'r', epsilon: 0, embeddings: path('vectors.ndjson'), id: 'id' },
      ...{ label: 'y', labels: path('sides-labels.csv'), on: 'pair', output: path('sides-losses.csv') },
    })
    expect([total.count, total.positives.sum, total.negatives.sum]).to.deep.equal([3, 5, 1])
    expect(readFileSync(path('sides-losses.csv'), 'utf8')).to.equal('loss\n5.0\n0.0\n1.0\n')
  })

  it('works on the command line and for pictures', async () => {
    const args = [path('pairs.parquet'), '--input', 'x', '--labels', path('labels.csv'), '--on', 'id', '--label', 'y']
    const { total } = await score('pairs.parquet', 'labels.csv')
    const { stdout, stderr } = await command(['partial', ...args])
    expect(stderr).to.equal('')
    expect(JSON.parse(stdout)).to.deep.equal(total.toJSON())
    const output = path('labels.svg')
    const { labels, on } = { labels: path('labels.csv'), on: 'id' }
    const plotted = await plotFiles([path('pairs.parquet')], {
      input: 'x',
      label: 'y',
      labels,
      on,
      by: 'split',
      output,
    })
    expect(plotted.total.toJSON()).to.deep.equal(total.toJSON())
    await fails(['score', ...args, '--redis', 'redis://127.0.0.1:1'], 2, /--labels does not go with --redis/)
    await fails(['score', ...args.slice(0, 3), '--on', 'id', '--label', 'y'], 2, /--on goes with --labels/)
  })

  describe('errors', () => {
    const file = (name: string, row?: number, count?: number, option = 'on') => ({
      ...{ code: 'ERR_INVALID_FILE', option, file: path(name) },
      ...(row !== undefined && { row }),
      ...(count !== undefined && { count }),
    })

    beforeEach(() => write('some.csv', 'id,x', '3,0.5', '1,2', '3,1', '9,4', '9,3'))

    it('names the first row whose id has no label, the id and the number of such rows, also if nulls are left out', async () => {
      write('some-labels.csv', 'id,y', '1,1', '2,1', '3,')
      const failure = {
        ...{ ...file('some.csv', 4, 2), code: 'ERR_UNKNOWN_ID' },
        message: /some\.csv, row 4: on 'id': .*some-labels\.csv has no label of 9 \(2 such rows\)$/,
      }
      await rejects(score('some.csv', 'some-labels.csv', { nulls: 'ignore' }), 'unknown', failure)
      await rejects(score('some.csv', 'some-labels.csv', { nulls: 'ignore', label: '1' }), 'constant', failure)
      await rejects(
        score('some.csv', 'some-labels.csv', { nulls: 'ignore', label: 'coalesce(y, -1)' }),
        'coalesced',
        failure,
      )
    })

    it('names an id that has several labels, their number and the first row', async () => {
      write('some-labels.csv', 'id,y', '1,1', '9,1', '3,1', '9,1', '9,-1', '1,1')
      await rejects(score('some.csv', 'some-labels.csv'), 'twice', {
        ...file('some-labels.csv', 1, 2),
        message: /some-labels\.csv, row 1: on 'id': 1 is the id of 2 rows \(2 such ids\)$/,
      })
    })

    it('takes a null id and a null label for null labels, whatever an expression makes of them', async () => {
      write('some-labels.csv', 'id,y', '1,1', '3,', ',1', ',-1')
      write('holes.csv', 'id,x', '1,2', ',4', '3,8')
      const failure = { ...file('holes.csv', 2, 1), code: 'ERR_NULL', message: /row 2: on 'id' is null \(1 such row/ }
      await rejects(score('holes.csv', 'some-labels.csv', { label: 'coalesce(y, 1)' }), 'null id', failure)
      expect((await score('holes.csv', 'some-labels.csv', { nulls: 'ignore' })).total.sum).to.equal(2)
      const filled = { label: 'coalesce(y, 1)', nulls: 'ignore' } as const
      expect((await score('holes.csv', 'some-labels.csv', filled)).total.sum).to.equal(10)
    })

    it('names the row of the scored file in errors about labels', async () => {
      write('some-labels.csv', 'id,y', '1,1', '3,0', '9,1')
      await rejects(score('some.csv', 'some-labels.csv'), 'label 0', {
        ...{ ...file('some.csv', 1, 2, 'label'), code: 'ERR_INVALID_LABEL' },
        message: /some\.csv, row 1: label is 0, neither 1 nor -1 \(2 such rows/,
      })
    })

    it('names a file without the column of ids, and a column that both files have', async () => {
      write('some-labels.csv', 'key,y', '1,1')
      await rejects(score('some.csv', 'some-labels.csv'), 'no id', {
        ...file('some-labels.csv'),
        message: /some-labels\.csv: column "id" not found. The nearest of its columns/,
      })
      await rejects(score('some.csv', 'some-labels.csv', { on: 'key' }), 'no key', {
        ...file('some.csv'),
        message: /some\.csv: column "key" not found. The nearest of its columns/,
      })
      write('some-labels.csv', 'id,y,x', '1,1,5')
      await rejects(score('some.csv', 'some-labels.csv'), 'both', {
        ...file('some-labels.csv', undefined, undefined, 'input'),
        message: /input 'x' is a column of the scored file and of the file of labels; rename one$/,
      })
    })

    it('refuses ids of types that have no exact common type, by name', async () => {
      await rejects(score('text.parquet', 'labels.parquet'), 'text', {
        ...file('text.parquet'),
        message: /text\.parquet: on 'id' is VARCHAR, but on 'id' BIGINT in .*labels\.parquet; CAST both to one type$/,
      })
    })

    it('refuses Arrow, a query beside it, and an output over the labels', async () => {
      const invalid = (option: string) => ({ code: 'ERR_INVALID_ARG_VALUE', option })
      write('labels.arrow', '')
      await rejects(
        score('pairs.csv', 'labels.arrow'),
        'arrow',
        {
          ...invalid('labels'),
          message: /^labels must name a file of Parquet, CSV, TSV or NDJSON, got/,
        },
        RangeError,
      )
      await rejects(
        scoreFiles([], { query: 'SELECT 1 AS x', input: 'x', label: 'y', labels: path('labels.csv'), on: 'id' }),
        'query',
        {
          ...invalid('labels'),
          message: /^labels takes paths; query can join them itself$/,
        },
        RangeError,
      )
      const before = readFileSync(path('labels.csv'))
      await rejects(
        score('pairs.csv', 'labels.csv', { output: path('labels.csv') }),
        'output',
        {
          ...invalid('output'),
          message: / is an input, .*labels\.csv$/,
        },
        RangeError,
      )
      expect(readFileSync(path('labels.csv')).equals(before)).to.equal(true)
    })

    it('refuses names that DuckDB would read as a whole row', async () => {
      for (const by of ['labels', 'files']) {
        await rejects(
          score('pairs.csv', 'labels.csv', { by }),
          by,
          {
            ...{ code: 'ERR_INVALID_ARG_VALUE', option: 'by' },
            message: new RegExp(`^by '${by}' is not a function of its row alone`),
          },
          RangeError,
        )
      }
    })
  })
})

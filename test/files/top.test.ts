import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import {
  Field,
  List,
  Table,
  TimestampMillisecond,
  tableFromArrays,
  tableToIPC,
  Utf8,
  vectorFromArray,
} from 'apache-arrow'
import { expect } from 'chai'
import { ChunkTotals, scoreChunks } from '../../lib/files/chunk-totals.ts'
import { scoreScans } from '../../lib/files/duckdb/totals.ts'
import { withInputs } from '../../lib/files/open.ts'
import { readScoring, type Scoring } from '../../lib/files/options.ts'
import { TopCollector } from '../../lib/files/top-rows.ts'
import { plotFiles, type ScoreFilesOptions, scoreFiles, type TopRow } from '../../lib/files.ts'
import { command, fails } from '../support/command.ts'
import { makeNpy, pairs, writePairs } from '../support/pairs.ts'

interface Settings {
  readonly margin?: number
  readonly positive?: number
  readonly negative?: number
  readonly others?: 'zero' | 'ignore'
  readonly isFloat?: boolean
}

type Values = ArrayLike<number | null>

/** The loss of a row by its definition; undefined of a row that does not count. */
function lossOf(x: number, y: number, settings: Settings): number | undefined {
  const { margin = 1, positive = 1, negative = -1, others = 'zero', isFloat = false } = settings
  if (y === positive) return x
  if (y !== negative) return others === 'zero' ? 0 : undefined
  if (isFloat) return Math.max(0, Math.fround(Math.fround(margin) - x))
  return Number.isNaN(x) ? x : Math.max(0, margin - x)
}

/** The rows of the greatest losses of files in their order, by sorting all of them. */
function topOf(
  files: readonly (readonly [name: string, input: Values, label: Values])[],
  count: number,
  settings: Settings = {},
): TopRow[] {
  const rows = files.flatMap(([file, input, label]) =>
    Array.from(input).flatMap((x, index) => {
      const y = label[index] ?? null
      const loss = x === null || y === null ? undefined : lossOf(x, y, settings)
      return loss === undefined ? [] : [{ file, row: index + 1, loss, input: x as number, label: y as number }]
    }),
  )
  const keyOf = ({ loss }: TopRow) => (Number.isNaN(loss) ? Number.MAX_VALUE : loss)
  return rows.sort((one, other) => keyOf(other) - keyOf(one)).slice(0, count)
}

const { count, d, w, y } = pairs
const repeated = w.map((x) => Math.round(4 * x) / 4 + 0)

describe('the rows of the greatest losses', function () {
  this.timeout(60_000)
  let folder: string
  let connection: DuckDBConnection
  const path = (name: string) => join(folder, name)
  const top = async (names: readonly string[], options: Partial<ScoreFilesOptions>) => {
    const scored = await scoreFiles(names.map(path), { input: 'w', label: 'y', ...options })
    return scored.top
  }

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-top-'))
    await writePairs(folder)
    connection = await (await DuckDBInstance.create(':memory:')).connect()
    const lines = Array.from(repeated, (x, row) => `${x},${y[row]},"${row}\nof a file"\n`)
    writeFileSync(path('ties.csv'), `x,y,note\n${lines.join('')}`)
    writeFileSync(path('ties.ndjson'), Array.from(repeated, (x, row) => `{"x":${x},"y":${y[row]}}\n`).join(''))
    await connection.run(`COPY (SELECT x, y, 9 - 3 * (row_number() OVER ()) AS file_row_number
      FROM read_csv('${path('ties.csv')}')) TO '${path('ties.parquet')}' (ROW_GROUP_SIZE 2048)`)
    writeFileSync(path('ties.arrow'), tableToIPC(tableFromArrays({ x: repeated, y: Int8Array.from(y) }), 'file'))
  })
  after(() => {
    connection.closeSync()
    rmSync(folder, { recursive: true })
  })

  for (const kind of ['parquet', 'csv', 'tsv', 'ndjson', 'arrow', 'arrows']) {
    it(`are those of all rows, sorted, for .${kind}`, async () => {
      const name = `pairs.${kind}`
      for (const most of [1, 7, count, 10_000]) {
        expect(await top([name], { top: most })).to.deep.equal(topOf([[path(name), w, y]], most))
      }
    })
  }

  it('have losses in float32 where the input is', async () => {
    for (const kind of ['parquet', 'arrow']) {
      const name = path(`pairs.${kind}`)
      const settings = { margin: 0.1, isFloat: true }
      expect(await top([`pairs.${kind}`], { top: 50, input: 'd', margin: 0.1 })).to.deep.equal(
        topOf([[name, d, y]], 50, settings),
      )
    }
    const arrays = { input: path('x.npy'), label: path('y.npy'), top: 50 }
    const { top: rows } = await scoreFiles([], arrays)
    expect(rows).to.deep.equal(topOf([[path('x.npy'), d, y]], 50, { isFloat: true }))
  })

  it('are in the order of files and rows where losses are equal, for any threads and formats', async () => {
    const kinds = ['ndjson', 'parquet', 'csv', 'arrow', 'parquet', 'csv']
    const files = kinds.slice(0, 4).map((kind) => [path(`ties.${kind}`), repeated, y] as const)
    const names = kinds.map((kind) => `ties.${kind}`)
    for (const threads of [1, 4]) {
      for (const most of [10, 900, 10_000]) {
        const rows = await top(names, { top: most, input: 'x', threads })
        expect(rows).to.deep.equal(topOf(files, most))
      }
    }
  })

  it('have the losses that output writes for them', async () => {
    for (const kind of ['parquet', 'csv', 'arrow']) {
      const output = path(`losses of ${kind}.csv`)
      const rows = await top([`pairs.${kind}`], { top: 500, input: 'd', margin: 0.3, output, keep: ['k'] })
      const written = readFileSync(output, 'utf8').split('\n').slice(1)
      const isFloat = kind !== 'csv'
      for (const { row, loss, kept } of rows as TopRow[]) {
        const [text, k] = (written[row - 1] as string).split(',')
        expect(isFloat ? Math.fround(Number(text)) : Number(text)).to.equal(loss)
        expect(kept).to.deep.equal({ k: Number(k) })
      }
    }
  })

  it('are listed for each margin', async () => {
    const margin = [1.5, -0.25, 0.1] as const
    for (const kind of ['parquet', 'csv', 'arrow']) {
      const all = await scoreFiles([path(`pairs.${kind}`)], { input: 'w', label: 'y', margin, top: 40 })
      const expected = margin.map((each) => topOf([[path(`pairs.${kind}`), w, y]], 40, { margin: each }))
      expect(all.map(({ top: rows }) => rows)).to.deep.equal(expected)
    }
  })

  it('are those of all groups', async () => {
    for (const kind of ['csv', 'arrow']) {
      const { groups, top: rows } = await scoreFiles([path(`pairs.${kind}`)], {
        input: 'w',
        label: 'y',
        by: 'k',
        top: 5,
      })
      expect(groups).to.have.length(3)
      expect(rows).to.deep.equal(topOf([[path(`pairs.${kind}`), w, y]], 5))
    }
  })

  it('follow the policies on nulls, NaN and other labels', async () => {
    for (const kind of ['parquet', 'ndjson', 'arrow']) {
      const name = path(`pairs.${kind}`)
      const options = { top: count }
      const gaps = await top([`pairs.${kind}`], { ...options, input: 'gap', nulls: 'ignore' })
      expect(gaps).to.deep.equal(topOf([[name, pairs.gap, y]], count))
      const labels = await top([`pairs.${kind}`], { ...options, label: 'label_gap', nulls: 'ignore' })
      expect(labels).to.deep.equal(topOf([[name, w, pairs.label_gap]], count))
      for (const others of ['zero', 'ignore'] as const) {
        const rows = await top([`pairs.${kind}`], { ...options, label: 'other', otherLabels: others })
        expect(rows).to.deep.equal(topOf([[name, w, pairs.other]], count, { others }))
      }
      const zeroOne = await top([`pairs.${kind}`], { ...options, label: 'zero_one', negativeLabel: 0 })
      expect(zeroOne).to.deep.equal(topOf([[name, w, pairs.zero_one]], count, { negative: 0 }))
    }
    for (const kind of ['parquet', 'csv', 'arrow']) {
      const name = path(`pairs.${kind}`)
      const without = pairs.nan.map((x) => (Number.isNaN(x) ? null : x))
      const rows = await top([`pairs.${kind}`], { top: count, input: 'nan', nan: 'ignore' })
      expect(rows).to.deep.equal(topOf([[name, without, y]], count))
      const kept = await top([`pairs.${kind}`], { top: 300, input: 'nan', nan: 'keep' })
      expect(kept).to.deep.equal(topOf([[name, pairs.nan, y]], 300))
      expect((kept as TopRow[])[0]?.loss).to.be.NaN
    }
  })

  it('have no weights', async () => {
    writeFileSync(path('weights.csv'), 'x,y,w\n1,1,0\n2,1,1\n3,1,\n0.5,-1,100\n')
    const options = { input: 'x', weight: 'w', nulls: 'ignore', top: 9 } as const
    const rows = await top(['weights.csv'], options)
    expect(rows).to.deep.equal(topOf([[path('weights.csv'), [1, 2, null, 0.5], [1, 1, 1, -1]]], 9))
  })

  it('have the distance of embeddings as their input', async () => {
    writeFileSync(path('embeddings.csv'), 'id,e\n7,"[0.0, 0.0]"\n8,"[3.0, 4.0]"\n9,"[6.0, 8.0]"\n')
    writeFileSync(path('ids.csv'), 'a,b,y\n7,8,1\n8,9,-1\n7,9,1\n9,7,1\n')
    const lookup = { embeddings: path('embeddings.csv'), id: 'id', embedding: 'CAST(e AS DOUBLE[])' }
    const options = { left: 'a', right: 'b', label: 'y', epsilon: 0, top: 3, ...lookup }
    const { top: rows } = await scoreFiles([path('ids.csv')], options)
    expect(rows).to.deep.equal(topOf([[path('ids.csv'), [5, 5, 10, 10], [1, -1, 1, 1]]], 3))
    writeFileSync(path('left.npy'), makeNpy('<f8', Float64Array.of(0, 0, 3, 4), [2, 2]))
    writeFileSync(path('right.npy'), makeNpy('<f8', Float64Array.of(3, 4, 3, 4), [2, 2]))
    writeFileSync(path('two.npy'), makeNpy('|i1', Int8Array.of(1, -1), [2]))
    const arrays = { left: path('left.npy'), right: path('right.npy'), label: path('two.npy'), epsilon: 0, top: 3 }
    const { top: pairsTop } = await scoreFiles([], arrays)
    expect(pairsTop).to.deep.equal(topOf([[path('left.npy'), [5, 0], [1, -1]]], 3))
  })

  it('are rows of a query, or of the scored file where labels are joined', async () => {
    const query = `SELECT w, y FROM '${path('pairs.parquet')}' ORDER BY w, y`
    const order = Array.from(w.keys()).sort((one, other) => {
      return (w[one] as number) - (w[other] as number) || (y[one] as number) - (y[other] as number)
    })
    const [sorted, labels] = [order.map((row) => w[row] as number), order.map((row) => y[row] as number)]
    const { top: ofQuery } = await scoreFiles([], { input: 'w', label: 'y', query, top: 20 })
    expect(ofQuery).to.deep.equal(topOf([['query', sorted, labels]], 20))
    const files = ['one.csv', 'two.csv'].map(path)
    const ids = [...w.keys()]
    const half = count / 2
    for (const [index, file] of files.entries()) {
      const own = ids.slice(index * half, (index + 1) * half)
      writeFileSync(file, `id,x\n${own.map((id) => `${id},${repeated[id]}\n`).join('')}`)
    }
    writeFileSync(
      path('labels.csv'),
      `id,y\n${ids
        .toReversed()
        .map((id) => `${id},${y[id]}\n`)
        .join('')}`,
    )
    const joined = { input: 'x', label: 'y', labels: path('labels.csv'), on: 'id', top: 700 }
    const { top: rows } = await scoreFiles(files, joined)
    const halves = [0, 1].map((index) => {
      const part = [index * half, (index + 1) * half] as const
      return [files[index] as string, repeated.slice(...part), y.slice(...part)] as const
    })
    expect(rows).to.deep.equal(topOf(halves, 700))
  })

  it('have what is kept as JSON has it', async () => {
    await connection.run(`COPY (SELECT * FROM (VALUES
      (3.0, 1, 9007199254740993, DATE '2024-02-29', 'nan'::DOUBLE, ['a', NULL], NULL, true),
      (2.0, 1, 5, DATE '1999-12-31', 0.5, [], 'grün', false)) AS t(x, y, big, day, n, list, "a b", flag))
      TO '${path('kept.parquet')}'`)
    const keep = ['big', 'day', 'n', 'list', 'a b', 'flag', 'upper("a b")', 'x']
    expect(await top(['kept.parquet'], { input: 'x', top: 5, keep })).to.deep.equal([
      {
        ...{ file: path('kept.parquet'), row: 1, loss: 3, input: 3, label: 1 },
        kept: {
          ...{ big: 9007199254740993n, day: '2024-02-29', n: 'NaN', list: ['a', null], 'a b': null, flag: true },
          ...{ 'upper("a b")': null, x: 3 },
        },
      },
      {
        ...{ file: path('kept.parquet'), row: 2, loss: 2, input: 2, label: 1 },
        kept: {
          ...{ big: 5, day: '1999-12-31', n: 0.5, list: [], 'a b': 'grün', flag: false },
          ...{ 'upper("a b")': 'GRÜN', x: 2 },
        },
      },
    ])
    const arrow = new Table({
      ...{ x: vectorFromArray([3]), y: vectorFromArray([1]), big: vectorFromArray([9007199254740993n]) },
      word: vectorFromArray(['a'], new Utf8()),
      time: vectorFromArray([new Date('2024-02-29T01:02:03.004Z')], new TimestampMillisecond()),
      list: vectorFromArray([['a', 'b']], new List(new Field('item', new Utf8()))),
    })
    writeFileSync(path('kept.arrow'), tableToIPC(arrow, 'file'))
    const rows = await top(['kept.arrow'], { input: 'x', top: 5, keep: ['big', 'word', 'time', 'list'] })
    expect(rows?.[0]?.kept).to.deep.equal({
      ...{ big: 9007199254740993n, word: 'a', time: '2024-02-29T01:02:03.004Z', list: ['a', 'b'] },
    })
  })

  it('are named - on standard input', async () => {
    for (const kind of ['csv', 'arrows']) {
      const stdin = Readable.from([readFileSync(path(`pairs.${kind}`))])
      const format = kind === 'csv' ? 'csv' : 'arrow'
      const { top: rows } = await scoreFiles(['-'], { input: 'w', label: 'y', top: 3, stdin, format })
      expect(rows).to.deep.equal(topOf([['-', w, y]], 3))
    }
  })

  it('are none without rows', async () => {
    writeFileSync(path('none.csv'), 'x,y\n')
    expect(await top(['none.csv'], { input: 'x', top: 3 })).to.deep.equal([])
    writeFileSync(path('none.ndjson'), '')
    expect(await top(['none.ndjson'], { input: 'x', top: 3 })).to.deep.equal([])
    expect(await top(['pairs.csv'], {})).to.equal(undefined)
  })

  it('are collected for each class', async () => {
    const scoring: Scoring = readScoring({ input: 'w', label: 'other', otherLabels: 'zero' }) as Scoring
    for (const kind of ['csv', 'parquet', 'arrow']) {
      const name = path(`pairs.${kind}`)
      const lists = await withInputs([name], scoring, {}, async (inputs) => {
        const collector = new TopCollector(scoring, 6, inputs.names, ['positive', 'negative'])
        for await (const _ of collector.collect(scoreChunks(inputs, new ChunkTotals(scoring))));
        const { scans, signal } = inputs
        if (scans) await collector.addScans(scans.session, await scoreScans(scans.session, scans.list, scoring, signal))
        return collector.list()
      })
      const only = (label: number) => pairs.other.map((each) => (each === label ? each : null))
      const expected = [1, -1].map((label) => topOf([[name, w, only(label)]], 6))
      expect(lists).to.deep.equal([expected])
    }
  })

  it('are printed as a table and as JSON', async () => {
    writeFileSync(path('a.csv'), 'x,y,note\n0.5,1,near\n0.25,-1,\n1234.5,1,"a\tb"\n')
    const args = ['score', path('a.csv'), '--input', 'x', '--label', 'y', '--top', '2', '--keep', 'note']
    const { stdout } = await command(args)
    const lines = stdout.split('\n')
    const table = lines.slice(lines.indexOf('rows of the greatest losses:') + 1)
    const width = path('a.csv').length
    expect(table).to.deep.equal([
      `${'file'.padEnd(width)}  row    loss   input  label  note`,
      `${path('a.csv')}    3  1234.5  1234.5      1  a\\tb`,
      `${path('a.csv')}    2    0.75    0.25     -1  NULL`,
      '',
    ])
    const { stdout: json } = await command([...args, '--json', '--margin', '1,2'])
    const printed = JSON.parse(json)
    expect(printed.map(({ top: rows }: { top: TopRow[] }) => rows.map(({ loss }) => loss))).to.deep.equal([
      [1234.5, 0.75],
      [1234.5, 1.75],
    ])
    expect(printed[0].top[0]).to.deep.equal({
      ...{ file: path('a.csv'), row: 3, loss: 1234.5, input: 1234.5, label: 1 },
      kept: { note: 'a\tb' },
    })
    const { stdout: groups } = await command([...args, '--json', '--by', 'note'])
    expect(Object.keys(JSON.parse(groups))).to.deep.equal(['groups', 'total', 'top'])
  })

  it('take a number from 1 to 10,000, and neither workers nor pictures', async () => {
    const args = ['score', path('pairs.csv'), '--input', 'w', '--label', 'y', '--top']
    for (const wrong of ['0', '10001', '1.5']) {
      await fails([...args, wrong], 2, /--top must be an integer from 1 to 10000, got /)
    }
    await fails([...args, '3', '--redis', 'redis://127.0.0.1:1'], 2, /--top does not go with --redis/)
    await fails(
      ['score', path('pairs.csv'), '--input', 'w', '--label', 'y', '--keep', 'k'],
      2,
      /--keep takes an --output to write to, or --top/,
    )
    const options = { input: 'w', label: 'y', output: path('p.svg'), top: 3 } as never
    const error = await plotFiles([path('pairs.csv')], options).catch((caught) => caught)
    expect(error).to.include({ code: 'ERR_INVALID_ARG_VALUE', option: 'top' })
  })
})

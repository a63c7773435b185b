import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import { plotFiles, type ScoreFilesOptions, scoreFiles } from '../../lib/files.ts'
import { LossAccumulator } from '../../lib/index.ts'
import { command } from '../support/command.ts'
import {
  distanceNames,
  distanceOf,
  distancesOf,
  embeddings,
  runQueries,
  writeEmbeddings,
} from '../support/embeddings.ts'
import { rejects } from '../support/failures.ts'
import { assertTotals, selectRows } from '../support/pairs.ts'

const { pairs, fixed, y, k } = embeddings
const [wrongOption, wrongType] = [{ code: 'ERR_INVALID_ARG_VALUE' }, { code: 'ERR_INVALID_ARG_TYPE' }] as const

describe('distances of left and right', function () {
  this.timeout(60_000)
  let folder: string
  const path = (name: string) => join(folder, name)
  const score = (name: string, options: Partial<ScoreFilesOptions> = {}) =>
    scoreFiles([path(name)], { left: 'a', right: 'b', label: 'y', ...options })

  before(async () => {
    expect(pairs.map(({ left }) => left.length)).to.include.members([0, 300])
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-embeddings-'))
    await writeEmbeddings(folder)
  })
  after(() => rmSync(folder, { recursive: true }))

  async function readColumn(name: string): Promise<unknown[]> {
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    try {
      return (await connection.runAndReadAll(`SELECT loss FROM '${path(name)}'`)).getRows().map(([loss]) => loss)
    } finally {
      connection.closeSync()
    }
  }

  describe('equal the oracle of BigInt', () => {
    for (const distance of distanceNames) {
      it(`scores the ${distance} distances of lists of FLOAT, 0 to 300 long, in float32`, async () => {
        const { total } = await score('embeddings.parquet', { distance })
        assertTotals(total, distancesOf(pairs, distance, 'float32'), y)
      })

      it(`gives the ${distance} distances of lists of DOUBLE to a relative error of 2^-50`, async () => {
        for (const [name, file] of [
          ['double', 'double.parquet'],
          ['json', 'embeddings.ndjson'],
        ] as const) {
          await score(file, { distance, label: '1', output: path(`${name}-losses.parquet`) })
          const found = await readColumn(`${name}-losses.parquet`)
          for (const [row, pair] of pairs.entries()) {
            const expected = distanceOf(pair, distance, 'float64')
            expect(found[row], `row ${row}`).to.be.closeTo(expected, Math.max(1, expected) * 2 ** -50)
          }
        }
      })
    }

    it('scores lists of one length, their arrays and lists that expressions make alike', async () => {
      const expected = distancesOf(fixed, 'euclidean', 'float32')
      for (const [left, right] of [
        ['fa', 'fb'],
        ['fa::FLOAT[24]', 'fb::FLOAT[24]'],
        ['fa::FLOAT[24]', 'fb'],
        ['"FA"', 'list_transform(fb, lambda e: e)'],
      ] as const) {
        assertTotals((await score('embeddings.parquet', { left, right })).total, expected, y)
      }
    })

    it('adds epsilon to each difference', async () => {
      const { total } = await score('embeddings.parquet', { epsilon: 0.125 })
      const distances = pairs.map((pair) => distanceOf(pair, 'euclidean', 'float32', 0.125))
      assertTotals(total, Float32Array.from(distances), y)
    })

    it('takes integers as float64, each rounded once', async () => {
      const rows = [
        { a: [2 ** 31, 3], b: [1, -5], y: 1 },
        { a: [7, 0], b: [7, 2 ** 40], y: -1 },
      ]
      writeFileSync(path('integers.ndjson'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
      await runQueries(
        `COPY (SELECT a::DECIMAL(38, 2)[] AS a, b::BIGINT[] AS b, y FROM '${path('integers.ndjson')}') TO '${path('integers.parquet')}'`,
      )
      const x = rows.map(({ a, b }) => distanceOf({ left: a, right: b }, 'manhattan', 'float64'))
      const arrays = { left: 'a::BIGINT[2]', right: 'b::HUGEINT[2]', distance: 'manhattan' } as const
      assertTotals((await score('integers.parquet', arrays)).total, Float64Array.from(x), [1, -1])
      for (const name of ['integers.ndjson', 'integers.parquet']) {
        assertTotals((await score(name, { distance: 'manhattan' })).total, Float64Array.from(x), [1, -1])
      }
    })
  })

  it('groups totals by a column, keeps columns beside the losses, in order, and draws the distances', async () => {
    const x = distancesOf(pairs, 'euclidean', 'float32')
    const { groups = [] } = await score('embeddings.parquet', { by: 'k' })
    expect(groups.map(({ by }) => by)).to.deep.equal([0, 1, 2])
    for (const [index, { total }] of groups.entries())
      assertTotals(total, ...selectRows(x, y, (row) => k[row] === index))

    await score('embeddings.parquet', { output: path('kept.parquet'), label: '1', keep: ['id'] })
    expect(await readColumn('kept.parquet')).to.deep.equal([...x])

    const { total } = await plotFiles([path('embeddings.parquet')], {
      left: 'a',
      right: 'b',
      label: 'y',
      output: path('a.svg'),
    })
    assertTotals(total, x, y)
  })

  it('prints on the command line what the function returns, also as a partial', async () => {
    const { total } = await score('embeddings.parquet', { distance: 'minkowski:3', epsilon: 0.5 })
    const files = [path('embeddings.parquet'), '--left', 'a', '--right', 'b', '--label', 'y']
    const settings = ['--distance', 'minkowski:3', '--epsilon', '0.5']
    const { stdout } = await command(['partial', ...files, ...settings])
    expect(LossAccumulator.fromJSON(JSON.parse(stdout)).toJSON()).to.deep.equal(total.toJSON())
  })

  describe('row errors', () => {
    /** Writes rows of JSON; the file is NDJSON, or Parquet with lists of FLOAT. */
    async function writeRows(name: string, rows: readonly object[]): Promise<void> {
      const json = path(name.replace('.parquet', '.ndjson'))
      writeFileSync(json, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
      if (name.endsWith('.parquet')) {
        const types = `{'a': 'FLOAT[]', 'b': 'FLOAT[]', 'y': 'INTEGER'}`
        await runQueries(`COPY (FROM read_json('${json}', columns = ${types})) TO '${path(name)}'`)
      }
    }

    const right = Array.from({ length: 5000 }, () => ({ a: [1, 2, 3], b: [3, 2, 1], y: 1 }))
    /** Rows of which those from the 4,000th on are `wrong`. */
    const withWrong = (...wrong: readonly object[]) => right.map((row, i) => wrong[i - 3999] ?? row)

    const cases: [title: string, wrong: object[], code: string, option: string, count: number, message: string][] = [
      [
        'lists of two lengths',
        [
          { a: [1, 2, 3], b: [1, 2], y: 1 },
          { a: [], b: [1], y: -1 },
        ],
        'ERR_SHAPE_MISMATCH',
        'right',
        2,
        `left 'a' has 3 elements, but right 'b' 2 (2 such rows)`,
      ],
      [
        'a null within left',
        [{ a: [1, null, null], b: [1, 2, 3], y: 1 }],
        'ERR_NULL',
        'left',
        1,
        `left 'a' has a null as its element 2 (1 such row)`,
      ],
      [
        'a null within right',
        [{ a: [1, 2, 3], b: [1, 2, null], y: null }],
        'ERR_NULL',
        'right',
        1,
        `right 'b' has a null as its element 3 (1 such row)`,
      ],
    ]
    for (const file of ['wrong.parquet', 'wrong.ndjson']) {
      for (const [title, wrong, code, option, count, message] of cases) {
        it(`names the row of ${file} with ${title}, also if nulls are left out and among several files`, async () => {
          await writeRows(file, withWrong(...wrong))
          const failure = { code, option, file: path(file), row: 4000, count }
          const text = new RegExp(`, row 4,000: ${message.replace(/[()]/g, '\\$&')}$`)
          for (const nulls of ['error', 'ignore'] as const) {
            await rejects(score(file, { nulls, by: 'y' }), title, { ...failure, message: text })
          }
          const files = ['embeddings.parquet', file].map(path)
          const several = scoreFiles(files, { left: 'a', right: 'b', label: 'y', output: path('never.csv') })
          await rejects(several, title, { ...failure, message: text })
        })
      }

      it(`names the row of ${file} whose left, right or label is null, and leaves such rows out if asked to`, async () => {
        const wrong = [
          { a: null, b: [1], y: 1 },
          { a: [1], b: null, y: 1 },
          { a: [1], b: [1], y: null },
        ]
        for (const [i, option] of ['left', 'right', 'label'].entries()) {
          await writeRows(file, withWrong(wrong[i] as object))
          const failure = { code: 'ERR_NULL', option, file: path(file), row: 4000, count: 1 }
          const message = / is null \(1 such row; nulls: 'ignore' leaves them out\)$/
          await rejects(score(file), option, { ...failure, message })
        }
        await writeRows(file, withWrong(...wrong))
        expect((await score(file, { nulls: 'ignore' })).total.count).to.equal(4997)
      })
    }

    it('names the row whose distance is NaN or whose label is another, and leaves NaN out if asked to', async () => {
      await runQueries(
        `COPY (SELECT CASE WHEN i = 4321 THEN ['nan'::FLOAT] ELSE [i]::FLOAT[] END AS a, [0]::FLOAT[] AS b,
          CASE WHEN i = 4400 THEN 5 ELSE 1 END AS y FROM range(5000) AS r(i)) TO '${path('nan.parquet')}'`,
      )
      const file = { file: path('nan.parquet'), count: 1 }
      await rejects(score('nan.parquet', { otherLabels: 'ignore' }), 'NaN', {
        ...{ code: 'ERR_NAN', option: 'left', row: 4322, ...file },
        message: /row 4,322: the distance of left 'a' and right 'b' is NaN \(1 such row; nan: 'ignore' leaves/,
      })
      await rejects(score('nan.parquet', { nan: 'ignore' }), 'label', {
        ...{ code: 'ERR_INVALID_LABEL', option: 'label', row: 4401, ...file },
        message: /label is 5/,
      })
      const { total } = await score('nan.parquet', { nan: 'ignore', otherLabels: 'ignore', epsilon: 0 })
      expect([total.count, total.sum]).to.deep.equal([4998, (4999 * 5000) / 2 - 4321 - 4400])
    })

    it('leaves a column of nulls alone out, whatever its type, and refuses other types by name', async () => {
      await runQueries(
        `COPY (SELECT NULL::VARCHAR AS a, [1]::FLOAT[] AS b, 1 AS y FROM range(3)) TO '${path('null.parquet')}'`,
        `COPY (SELECT 'x' AS text, [1]::FLOAT[] AS f, [1]::DOUBLE[] AS d, ['x'] AS texts, [true] AS flags, [[1]] AS nested,
          1 AS number, 1 AS y) TO '${path('types.parquet')}'`,
        `COPY (SELECT [1, 2] AS a, [1, 2] AS b, 1 AS y) TO '${path('text.csv')}'`,
      )
      expect((await score('null.parquet', { nulls: 'ignore' })).total.count).to.equal(0)
      const refused: [left: string, right: string, option: string, message: RegExp][] = [
        ['text', 'f', 'left', /left 'text' is VARCHAR, must be lists of numbers \(CAST\(text AS DOUBLE\[\]\) reads/],
        ['f', 'number', 'right', /right 'number' is INTEGER, must be lists of numbers$/],
        ['texts', 'f', 'left', /left 'texts' is VARCHAR\[\], must be/],
        ['flags', 'f', 'left', /left 'flags' is BOOLEAN\[\], must be/],
        ['f', 'nested', 'right', /right 'nested' is INTEGER\[\]\[\], must be/],
        ['f', 'd', 'right', /right 'd' is DOUBLE\[\], but left 'f' FLOAT\[\]; CAST\(f AS DOUBLE\[\]\) makes both/],
        ['d', 'f', 'right', /right 'f' is FLOAT\[\], but left 'd' DOUBLE\[\]; CAST\(f AS DOUBLE\[\]\) makes both/],
      ]
      for (const [left, right, option, message] of refused) {
        const failure = { code: 'ERR_INVALID_FILE', option, file: path('types.parquet'), message }
        await rejects(score('types.parquet', { left, right }), `${left}, ${right}`, failure)
      }
      const failure = { code: 'ERR_INVALID_FILE', option: 'left', file: path('text.csv') }
      await rejects(score('text.csv'), 'CSV', {
        ...failure,
        message: /left 'a' is VARCHAR, must be lists of numbers \(CAST/,
      })
      const cast = { left: 'CAST(a AS DOUBLE[])', right: 'CAST(b AS DOUBLE[])', epsilon: 0 }
      expect((await score('text.csv', cast)).total.sum).to.equal(0)
      assertTotals(
        (await score('types.parquet', { left: 'f::DOUBLE[]', right: 'd', epsilon: 0 })).total,
        Float64Array.of(0),
        [1],
      )
    })

    it('refuses files of which one has FLOAT and another DOUBLE', async () => {
      const files = ['embeddings.parquet', 'double.parquet'].map(path)
      await rejects(scoreFiles(files, { left: 'a', right: 'b', label: 'y' }), 'mixed', {
        ...{ code: 'ERR_INVALID_FILE', option: 'left', file: path('double.parquet') },
        message:
          /double\.parquet: the distance of left 'a' and right 'b' is DOUBLE, but FLOAT in .*embeddings\.parquet$/,
      })
    })
  })

  describe('options', () => {
    const refused: [options: object, failure: object, message: RegExp][] = [
      [{ left: undefined }, { ...wrongType, option: 'left' }, /^left must be a string, got undefined$/],
      [{ right: undefined }, { ...wrongType, option: 'right' }, /^right must be a string, got undefined$/],
      [{ input: 'd' }, { ...wrongOption, option: 'input' }, /^input does not go with left and right$/],
      [
        { input: 'k', left: undefined, right: undefined, epsilon: 1 },
        { ...wrongOption, option: 'epsilon' },
        /^epsilon goes with left$/,
      ],
      [
        { left: 'random()' },
        { ...wrongOption, option: 'left' },
        /^left 'random\(\)' is not a function of its row alone/,
      ],
      [{ right: 'a --' }, { ...wrongOption, option: 'right' }, /^right must be one SQL expression/],
      [
        { distance: 'cosine', epsilon: -1 },
        { ...wrongOption, option: 'epsilon' },
        /^epsilon must be at least 0 for 'cosine', got -1$/,
      ],
      [{ epsilon: Number.NaN }, { ...wrongOption, option: 'epsilon' }, /^epsilon must be a finite number, got NaN$/],
      ...['', 'Euclidean', 'minkowski', 'minkowski:0', 'minkowski:-1', 'minkowski:0x1', 'minkowski:1e999', 'l2'].map(
        (distance): [object, object, RegExp] => [
          { distance },
          { ...wrongOption, option: 'distance' },
          /^distance must be 'euclidean', 'manhattan', 'chebyshev', 'cosine' or 'minkowski:p' with a finite p > 0, got '/,
        ],
      ),
    ]
    for (const [options, failure, message] of refused) {
      it(`refuses ${inspect(options)} by name`, async () => {
        const Class = 'code' in failure && failure.code === wrongType.code ? TypeError : RangeError
        await rejects(score('embeddings.parquet', options), JSON.stringify(options), { ...failure, message }, Class)
      })
    }

    it('the command line says which options are missing, in its own words', async () => {
      const file = path('embeddings.parquet')
      for (const [args, message] of [
        [[], /--input is missing, and no column of numbers is called/],
        [['--left', 'a'], /--right must be a string, got undefined/],
        [['--left', 'a', '--right', 'b', '--input', 'k'], /--input does not go with --left and --right/],
        [['--input', 'k', '--distance', 'cosine'], /--distance goes with --left/],
      ] as const) {
        const { code, stderr } = await command(['score', file, '--label', 'y', ...args])
        expect(stderr).to.match(message)
        expect(code).to.equal(2)
      }
    })
  })
})

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import { type FileTotals, type Group, plotFiles, type ScoreFilesOptions, scoreFiles } from '../../lib/files.ts'
import type { MarginOptions } from '../../lib/index.ts'
import { chunksOf, command, fails } from '../support/command.ts'
import { assertTotals, pairs, selectRows, writePairs } from '../support/pairs.ts'

const { d, w, y } = pairs

/** Neither ascending nor all positive; 0.1 is between two numbers of float32. */
const margin = [1.5, -0.25, 0.1, 1] as const

describe('several margins', function () {
  this.timeout(120_000)
  let folder: string
  const path = (name: string) => join(folder, name)
  const score = (names: readonly string[], options: Partial<ScoreFilesOptions> = {}) =>
    scoreFiles(names.map(path), { input: 'w', label: 'y', ...options, margin })

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-margins-'))
    await writePairs(folder)
  })
  after(() => rmSync(folder, { recursive: true }))

  /** Checks that the totals are those of the oracle at each margin, in the order of the list. */
  function assertEach(
    all: readonly FileTotals[],
    input: Float32Array | Float64Array,
    label: readonly number[],
    options: MarginOptions = {},
  ): void {
    expect(all.map(({ total }) => total.margin)).to.deep.equal(margin)
    for (const { total } of all) assertTotals(total, input, label, { ...options, margin: total.margin })
  }

  function toPlain({ total, groups }: FileTotals): unknown {
    return { total: total.toJSON(), groups: groups?.map((group) => ({ ...group, total: group.total.toJSON() })) }
  }

  for (const kind of ['parquet', 'csv', 'ndjson', 'arrow', 'arrows']) {
    it(`give the totals of the BigInt oracle for .${kind}`, async () => {
      assertEach(await score([`pairs.${kind}`]), w, y)
    })
  }

  it('are rounded to float32 where the input is', async () => {
    for (const kind of ['parquet', 'arrow']) assertEach(await score([`pairs.${kind}`], { input: 'd' }), d, y)
    const arrays = { input: path('x.npy'), label: path('y.npy') }
    assertEach(await scoreFiles([], { ...arrays, margin }), d, y)
  })

  it('give the totals of all files, of which DuckDB reads some and this package others', async () => {
    const all = await score(['pairs.arrow', 'pairs.parquet', 'pairs.csv'])
    assertEach(all, Float64Array.of(...w, ...w, ...w), [...y, ...y, ...y])
  })

  it('take one reading of standard input, which cannot be read twice', async () => {
    for (const [name, format] of [
      ['pairs.arrows', 'arrow'],
      ['pairs.csv', 'csv'],
    ] as const) {
      const stdin = Readable.from(chunksOf(readFileSync(path(name)), 1000))
      assertEach(await scoreFiles(['-'], { input: 'w', label: 'y', margin, stdin, format }), w, y)
    }
  })

  it('follow the policies on nulls, NaN and other labels', async () => {
    for (const kind of ['parquet', 'arrow']) {
      const isPresent = (row: number) => pairs.gap[row] !== null
      assertEach(await score([`pairs.${kind}`], { input: 'gap', nulls: 'ignore' }), ...selectRows(w, y, isPresent))
      const isNumber = (row: number) => !Number.isNaN(pairs.nan[row])
      assertEach(await score([`pairs.${kind}`], { input: 'nan', nan: 'ignore' }), ...selectRows(w, y, isNumber))
      assertEach(await score([`pairs.${kind}`], { input: 'nan', nan: 'keep' }), Float64Array.from(pairs.nan), y)
      for (const otherLabels of ['zero', 'ignore'] as const) {
        const all = await score([`pairs.${kind}`], { label: 'other', otherLabels })
        assertEach(all, w, pairs.other, { otherLabels })
      }
      const labels = { positiveLabel: 0, negativeLabel: 1 }
      assertEach(await score([`pairs.${kind}`], { label: 'zero_one', ...labels }), w, pairs.zero_one, labels)
    }
  })

  it('give each group the totals of the oracle, in the order of the groups', async () => {
    const words = ['a "quoted", word', 'far', 'größer 𝔸', 'near', 'two\nlines', null]
    for (const kind of ['parquet', 'csv', 'arrow']) {
      const all = await score([`pairs.${kind}`], { by: 'word' })
      assertEach(all, w, y)
      for (const [index, { groups = [] }] of all.entries()) {
        expect(groups.map(({ by }) => by)).to.deep.equal(words)
        for (const { by, total } of groups) {
          const rows = selectRows(w, y, (row) => pairs.word[row] === by)
          assertTotals(total, ...rows, { margin: margin[index] as number })
        }
      }
    }
  })

  it('merge equal keys of files in which these have different types', async () => {
    writeFileSync(path('more.csv'), `w,y,k\n${w.map((x) => x / 2).join(',-1,2\n')},-1,2\n`)
    const all = await score(['pairs.parquet', 'more.csv'], { by: 'k' })
    for (const { groups = [] } of all) {
      expect(groups.map(({ by }) => by)).to.deep.equal([0, 1, 2])
      for (const { by, total } of groups) {
        const [input, label] = selectRows(w, y, (row) => pairs.k[row] === by)
        const more = by === 2 ? w.map((x) => x / 2) : new Float64Array(0)
        assertTotals(total, Float64Array.of(...input, ...more), [...label, ...Array(more.length).fill(-1)], {
          margin: total.margin,
        })
      }
    }
  })

  for (const kind of ['parquet', 'csv', 'arrow']) {
    it(`give the bits of a run for each margin, of .${kind} with any number of threads`, async () => {
      for (const options of [{}, { by: 'k' }, { by: 'word' }]) {
        const separate = []
        for (const each of margin) {
          const given = { input: 'w', label: 'y', ...options, margin: each, threads: 2 }
          separate.push(toPlain(await scoreFiles([path(`pairs.${kind}`)], given)))
        }
        for (const threads of [1, 3]) {
          expect((await score([`pairs.${kind}`], { ...options, threads })).map(toPlain)).to.deep.equal(separate)
        }
      }
    })
  }

  it('give the bits of a run for each margin with many groups, whose states merge on the way', async () => {
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    const sql = (part: number) =>
      `SELECT (sin(i) + 1)::FLOAT AS w, 1 - 2 * (i % 2) AS y, i % 60000 AS k, ${part} AS v${part}
       FROM range(${part * 70_000}, ${(part + 1) * 70_000}) AS t(i)`
    const files = [0, 1, 2, 3].map((part) => `many${part}.parquet`)
    for (const [part, file] of files.entries()) await connection.run(`COPY (${sql(part)}) TO '${path(file)}'`)
    connection.closeSync()
    const flags = ['--input', 'w', '--label', 'y', '--by', 'k', '--json', '--margin']
    const args = ['score', ...files.map(path), ...flags]
    const separate = []
    for (const each of [1.5, 0.5]) separate.push((await command([...args, String(each)])).stdout.trimEnd())
    expect(JSON.parse(separate[0] as string).groups).to.have.lengthOf(60_000)
    const both = await command([...args, '1.5,0.5'])
    expect(both.stdout === `[${separate.join(',')}]\n`).to.equal(true)
  })

  it('take one distance of two embeddings', async () => {
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    // Embeddings of one element, whose manhattan distance is that element if the other is 0.
    const sql = `SELECT [w] AS l, [0::DOUBLE] AS r, y FROM '${path('pairs.parquet')}' WHERE w >= 0`
    await connection.run(`COPY (${sql}) TO '${path('vectors.parquet')}'`)
    connection.closeSync()
    const columns = { left: 'l', right: 'r', label: 'y', distance: 'manhattan', epsilon: 0 } as const
    const rows = selectRows(w, y, (row) => (w[row] as number) >= 0)
    assertEach(await scoreFiles([path('vectors.parquet')], { ...columns, margin }), ...rows)
    await plotFiles([path('vectors.parquet')], { ...columns, margin, output: path('vectors.svg') })
    expect(readFileSync(path('vectors.svg'), 'utf8')).to.include('manhattan distance of l and r')
  })

  it('give onGroup the groups of one margin after those of the other', async () => {
    const given: Group[] = []
    const all = await score(['pairs.parquet'], { by: 'k', onGroup: (group) => void given.push(group) })
    expect(all.every(({ groups }) => groups === undefined)).to.equal(true)
    const expected = margin.flatMap((each) => [0, 1, 2].map((by) => [each, by]))
    expect(given.map(({ by, total }) => [total.margin, by])).to.deep.equal(expected)
  })

  it('are a list of one totals for a list of one margin', async () => {
    const [only, ...others] = await scoreFiles([path('pairs.parquet')], { input: 'w', label: 'y', margin: [0.1] })
    expect(others).to.deep.equal([])
    assertTotals(only.total, w, y, { margin: 0.1 })
  })

  it('are read once, at the call', async () => {
    const list = [0.5, 1]
    const scored = scoreFiles([path('pairs.csv')], { input: 'w', label: 'y', margin: list })
    list.splice(0, 2, Number.NaN)
    expect((await scored).map(({ total }) => total.margin)).to.deep.equal([0.5, 1])
  })

  it('report a row without a loss once, as one margin does', async () => {
    const cases = { nulls: { input: 'gap' }, labels: { label: 'other' }, nan: { input: 'nan' } }
    for (const kind of ['parquet', 'arrow']) {
      for (const options of Object.values(cases)) {
        const columns = { input: 'w', label: 'y', ...options }
        const one = await scoreFiles([path(`pairs.${kind}`)], columns).catch((error) => error)
        const several = await score([`pairs.${kind}`], options).catch((error) => error)
        expect(one).to.be.an('error').with.property('row')
        expect([several.message, several.count]).to.deep.equal([one.message, one.count])
      }
    }
  })

  const wrong: [margin: unknown, code: string, message: string, more?: object][] = [
    [[], 'ERR_INVALID_ARG_VALUE', 'margin must have a number, got an empty list'],
    [[1, 0.5, 1], 'ERR_INVALID_ARG_VALUE', 'margin must have each number once, got 1 twice'],
    [[0, -0], 'ERR_INVALID_ARG_VALUE', 'margin must have each number once, got 0 twice'],
    [[1, Number.NaN], 'ERR_INVALID_ARG_VALUE', 'margin must be a finite number, got NaN'],
    [[Number.NaN, Number.NaN], 'ERR_INVALID_ARG_VALUE', 'margin must be a finite number, got NaN'],
    [[1, -Infinity], 'ERR_INVALID_ARG_VALUE', 'margin must be a finite number, got -Infinity'],
    [[1, '2'], 'ERR_INVALID_ARG_TYPE', "margin[1] must be a number, got '2'"],
    [new Array(1), 'ERR_INVALID_ARG_TYPE', 'margin[0] must be a number, got undefined'],
    [
      [1, 1e300],
      'ERR_INVALID_ARG_VALUE',
      'margin must be finite in float32, in which the input is scored, got 1e+300',
      { input: 'd' },
    ],
    [[1, 2], 'ERR_INVALID_ARG_VALUE', 'margin takes one number with output, got a list of 2', { output: 'l.csv' }],
  ]
  for (const [given, code, message, more = {}] of wrong) {
    it(`are refused by name: ${message}`, async () => {
      for (const kind of ['parquet', 'arrow']) {
        const options = { input: 'w', label: 'y', ...more, margin: given } as ScoreFilesOptions
        const error = await scoreFiles([path(`pairs.${kind}`)], options).catch((error) => error)
        expect(error).to.include({ code, option: 'margin', message })
      }
    })
  }

  describe('on the command line', () => {
    const args = (kind: string, ...more: string[]) => [
      'score',
      path(`pairs.${kind}`),
      ...['--input', 'w', '--label', 'y'],
      ...more,
    ]
    const json = async (kind: string, ...more: string[]) => (await command(args(kind, '--json', ...more))).stdout

    it('print with --json an array of what one margin prints', async () => {
      for (const kind of ['parquet', 'arrow']) {
        for (const more of [[], ['--by', 'word']]) {
          const separate = []
          for (const each of margin) separate.push(await json(kind, ...more, '--margin', String(each)))
          const expected = `[${separate.map((text) => text.trimEnd()).join(',')}]\n`
          expect(await json(kind, ...more, '--margin', margin.join(','))).to.equal(expected)
        }
      }
    })

    it('print a line each, with --by a line for each group', async () => {
      const { stdout } = await command(args('csv', '--margin', '0.5, 1e1'))
      const lines = stdout.split('\n')
      expect(lines[0]).to.match(/^margin +count +mean +sum +positives +negatives +active$/)
      expect(lines.slice(1, 3).map((line) => line.split(/ +/)[0])).to.deep.equal(['0.5', '10'])
      expect(lines[3]).to.equal('')
      expect(lines[4]).to.match(/^active negatives, inside the margin of 0\.5: [\d,]+ \(\d+\.\d %\)$/)
      expect(lines[5]).to.match(/^active negatives, inside the margin of 10: /)
      const [total] = JSON.parse(await json('csv', '--margin', '0.5,10'))
      expect(
        lines[1]
          ?.split(/ +/)
          .slice(1, 4)
          .map((cell) => Number(cell.replaceAll(',', ''))),
      ).to.deep.equal([total.count, total.mean, total.sum].map((value) => Number(value.toPrecision(7))))

      const grouped = (await command(args('csv', '--margin', '0.5,10', '--by', 'k'))).stdout.split('\n')
      expect(grouped[0]).to.match(/^margin +k +count +mean /)
      const names = ['0.0', '1.0', '2.0', 'all']
      expect(grouped.slice(1, 9).map((line) => line.split(/ +/).slice(0, 2))).to.deep.equal(
        ['0.5', '10'].flatMap((each) => names.map((name) => [each, name])),
      )
      expect(new Set(grouped.slice(0, 9).map(({ length }) => length)).size).to.equal(1)
    })

    it('are refused where there is room for one', async () => {
      const list = ['--margin', '0.5,1']
      await fails(
        args('csv', ...list, '--output', path('l.csv')),
        2,
        /--margin takes one number with --output, got a list of 2/,
      )
      await fails(args('csv', ...list, '--redis', 'redis://localhost:1'), 2, /--margin takes one number with --redis/)
      await fails(args('csv', ...list).with(0, 'partial'), 2, /--margin takes one number for a partial/)
      for (const text of ['1,', ',1', '1,,2', '1;2', '1,0x1', '']) {
        await fails(
          args('csv', '--margin', text),
          2,
          /'-m, --margin <numbers>' argument '.*' is invalid\. It must be a number/,
        )
      }
    })
  })
})

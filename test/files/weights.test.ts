import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { Table, tableToIPC, vectorFromArray } from 'apache-arrow'
import { expect } from 'chai'
import { plotFiles, type ScoreFilesOptions, scoreFiles } from '../../lib/files.ts'
import type { InputData, LossAccumulator, MarginOptions } from '../../lib/index.ts'
import { type ExpectedWeighted, expectedWeighted } from '../oracle.ts'
import { command } from '../support/command.ts'
import { makeNpy } from '../support/pairs.ts'
import { Random } from '../support/random.ts'

const random = new Random(41)
const count = 5000
const wide = random.list(count, () => (random.fraction() - 0.2) * 2 ** random.integer(-20, 3))
const pairs = {
  f: Float32Array.from(wide),
  d: Float64Array.from(wide),
  y: Int8Array.from(wide, () => random.sign()),
  /** weights; some are 0 */
  w: Float64Array.from(wide, () => (random.isTrue(0.1) ? 0 : random.fraction() * 2 ** random.integer(-60, 60))),
  k: Int32Array.from(wide, (_, i) => i % 3),
}
const gaps = Array.from(pairs.w, (value, i) => (i % 17 === 5 ? null : value))
const other = Int8Array.from(pairs.y, (value, i) => (i % 7 === 3 ? 5 : value))
/** Invalid from row 3,001 on: every hundredth is. */
const wrong = pairs.w.map((value, i) => (i >= 3000 && i % 100 === 0 ? -1 - value : value))

const defaults = { margin: 1, positiveLabel: 1, negativeLabel: -1, otherLabels: 'error' } as const

describe('weights in files', function () {
  this.timeout(120_000)
  let folder: string
  const path = (name: string) => join(folder, name)

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
    const { f, d, y, w, k } = pairs
    const columns = { f, d, y, w, k, other, wrong }
    const records = Array.from(wide, (_, i) => ({
      ...Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[i]])),
      gap: gaps[i],
      word: i % 2 === 0 ? 'near' : 'far',
    }))
    writeFileSync(path('pairs.ndjson'), records.map((record) => `${JSON.stringify(record)}\n`).join(''))
    const names = Object.keys(records[0] as object)
    const lines = records.map((record) =>
      Object.values(record)
        .map((value) => value ?? '')
        .join(','),
    )
    writeFileSync(path('pairs.csv'), [names.join(','), ...lines, ''].join('\n'))
    const types = `{f: 'FLOAT', d: 'DOUBLE', y: 'TINYINT', w: 'DOUBLE', k: 'INTEGER', other: 'TINYINT', wrong: 'DOUBLE',
      gap: 'DOUBLE', word: 'VARCHAR'}`
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    const source = `read_json('${path('pairs.ndjson')}', format = 'newline_delimited', columns = ${types})`
    await connection.run(`COPY (FROM ${source}) TO '${path('pairs.parquet')}' (ROW_GROUP_SIZE 2048)`)
    connection.closeSync()
    const table = new Table({
      ...Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, vectorFromArray(values)])),
      gap: vectorFromArray(gaps),
      bit: vectorFromArray(Array.from(w, (value) => value > 1)),
      narrow: vectorFromArray(Float32Array.from(w)),
      whole: vectorFromArray(Int32Array.from(k, (value) => 2 * value)),
      word: vectorFromArray(records.map(({ word }) => word)),
    })
    writeFileSync(path('pairs.arrow'), tableToIPC(table, 'file'))
    writeFileSync(path('pairs.arrows'), tableToIPC(table, 'stream'))
    for (const [name, descr, values] of [
      ['f', '<f4', f],
      ['d', '<f8', d],
      ['y', '|i1', y],
      ['w', '<f8', w],
      ['k', '<i4', k],
      ['wrong', '<f8', wrong],
    ] as const) {
      writeFileSync(path(`${name}.npy`), makeNpy(descr, values, [count]))
    }
    writeFileSync(path('short.npy'), makeNpy('<f8', w.subarray(1), [count - 1]))
  })
  after(() => rmSync(folder, { recursive: true }))

  const tables = ['pairs.parquet', 'pairs.csv', 'pairs.ndjson', 'pairs.arrow', 'pairs.arrows']

  function expectedOf(
    input: InputData,
    weight: InputData,
    { label = pairs.y, ...options }: MarginOptions & { label?: Int8Array } = {},
  ): ExpectedWeighted {
    const settings = { ...defaults, ...options }
    return expectedWeighted(input, label, weight, settings, settings.otherLabels)
  }

  function assertTotals(total: LossAccumulator, answer: ExpectedWeighted, what: string) {
    const { positives, negatives, others, weights } = total.toJSON()
    const sums = [weights?.positives, weights?.negatives, weights?.others]
    expect(
      [positives.count, positives.sum, negatives.count, negatives.sum, negatives.active, others, ...sums],
      what,
    ).to.deep.equal(answer.record)
    const { count, sum, mean, weight } = total
    expect({ count, sum, mean, weight }, what).to.deep.equal({
      count: answer.count,
      sum: answer.sum,
      mean: answer.mean,
      weight: answer.weight,
    })
  }

  /** The pairs of rows that are selected. */
  function select(isSelected: (row: number) => boolean, input: InputData): [InputData, Float64Array, Int8Array] {
    const of = <T extends InputData | Int8Array>(values: T) => values.filter((_, row) => isSelected(row)) as T
    return [of(input), of(pairs.w), of(pairs.y)]
  }

  it('give the same exact totals in every format, for float32 and float64', async () => {
    for (const name of tables) {
      const { total } = await scoreFiles([path(name)], { input: 'd', label: 'y', weight: 'w' })
      assertTotals(total, expectedOf(pairs.d, pairs.w), name)
      // Text and JSON have no float32.
      const input = /csv|json/.test(name) ? Float64Array.from(pairs.f) : pairs.f
      const { total: narrow } = await scoreFiles([path(name)], { input: 'f', label: 'y', weight: 'w', margin: 0.3 })
      assertTotals(narrow, expectedOf(input, pairs.w, { margin: 0.3 }), name)
    }
    for (const [name, input] of Object.entries({ f: pairs.f, d: pairs.d })) {
      const { total } = await scoreFiles([], {
        input: path(`${name}.npy`),
        label: path('y.npy'),
        weight: path('w.npy'),
      })
      assertTotals(total, expectedOf(input, pairs.w), `${name}.npy`)
    }
  })

  it('give exact totals of groups, of several margins and of several files', async () => {
    for (const name of tables) {
      const margin = [0.5, 1] as const
      const options = { input: 'd', label: 'y', weight: 'w', by: 'k', margin } as const
      for (const [index, { total, groups = [] }] of (await scoreFiles([path(name)], options)).entries()) {
        const margin = options.margin[index] as number
        assertTotals(total, expectedOf(pairs.d, pairs.w, { margin }), name)
        for (const { by, total } of groups) {
          const [x, w, y] = select((row) => row % 3 === by, pairs.d)
          assertTotals(total, expectedOf(x, w, { margin, label: y }), `${name}, ${by}`)
        }
      }
    }
    const twice = ['pairs.parquet', 'pairs.csv'].map(path)
    const { total } = await scoreFiles(twice, { input: 'd', label: 'y', weight: 'w' })
    const { positives, negatives, weights } = total.toJSON()
    const { record } = expectedWeighted(
      Float64Array.from([...pairs.d, ...pairs.d]),
      Int8Array.from([...pairs.y, ...pairs.y]),
      Float64Array.from([...pairs.w, ...pairs.w]),
      defaults,
      'error',
    )
    expect([positives.sum, negatives.sum, weights?.positives]).to.deep.equal([record[1], record[3], record[6]])
  })

  it('are columns of any number type or BOOLEAN, and expressions where DuckDB reads', async () => {
    const weights: Record<string, InputData> = {
      k: Float64Array.from(pairs.k),
      'k::HUGEINT': Float64Array.from(pairs.k),
      'k = 1': Float64Array.from(pairs.k, (value) => Number(value === 1)),
      'w * 2': pairs.w.map((value) => 2 * value),
      'w::FLOAT': Float32Array.from(pairs.w),
    }
    for (const [weight, values] of Object.entries(weights)) {
      const { total } = await scoreFiles([path('pairs.parquet')], { input: 'f', label: 'y', weight })
      assertTotals(total, expectedOf(pairs.f, values), weight)
    }
    const { total } = await scoreFiles([path('pairs.parquet')], {
      input: 'd',
      label: 'y',
      weight: '(k / 7)::DECIMAL(20, 3)',
    })
    assertTotals(
      total,
      expectedOf(
        pairs.d,
        Float64Array.from(pairs.k, (value) => Number((value / 7).toFixed(3))),
      ),
      'DECIMAL',
    )
    const inArrow: Record<string, InputData> = {
      bit: Float64Array.from(pairs.w, (value) => Number(value > 1)),
      narrow: Float32Array.from(pairs.w),
      whole: Float64Array.from(pairs.k, (value) => 2 * value),
    }
    for (const [weight, values] of Object.entries(inArrow)) {
      const { total } = await scoreFiles([path('pairs.arrow')], { input: 'f', label: 'y', weight })
      assertTotals(total, expectedOf(pairs.f, values), weight)
    }
    const whole = await scoreFiles([], { input: path('f.npy'), label: path('y.npy'), weight: path('k.npy') })
    assertTotals(whole.total, expectedOf(pairs.f, Float64Array.from(pairs.k)), 'k.npy')
  })

  it('weigh distances of embeddings, in every format', async () => {
    const options = { left: 'l', right: 'r', label: 'y', weight: 'w', distance: 'manhattan', epsilon: 0 } as const
    const zeros = Float64Array.from(pairs.d, () => 0)
    const lists = (values: Float64Array) => vectorFromArray(Array.from(values, (value) => [value]))
    const table = new Table({
      l: lists(pairs.d),
      r: lists(zeros),
      y: vectorFromArray(pairs.y),
      w: vectorFromArray(pairs.w),
    })
    writeFileSync(path('lists.arrow'), tableToIPC(table, 'file'))
    for (const [name, values] of Object.entries({ l: pairs.d, r: zeros })) {
      writeFileSync(path(`${name}.npy`), makeNpy('<f8', values, [count, 1]))
    }
    const wanted = expectedOf(pairs.d.map(Math.abs), pairs.w)
    const arrow = await scoreFiles([path('lists.arrow')], options)
    assertTotals(arrow.total, wanted, 'Arrow')
    const [left, right, label, weight] = ['l', 'r', 'y', 'w'].map((name) => path(`${name}.npy`)) as [
      string,
      string,
      string,
      string,
    ]
    assertTotals((await scoreFiles([], { ...options, left, right, label, weight })).total, wanted, 'npy')
    const inSQL = { ...options, left: '[d]', right: '[0::DOUBLE]' }
    assertTotals((await scoreFiles([path('pairs.parquet')], inSQL)).total, wanted, 'Parquet')
    const error = await errorOf([], { ...options, left, right, label, weight: path('wrong.npy') })
    expect(error).to.include({ code: 'ERR_INVALID_WEIGHT', option: 'weight', row: 3001 })
    const shape = await errorOf([], { ...options, left, right, label, weight: path('short.npy') })
    expect(shape.message).to.match(/l\.npy has shape \[5000, 1\], but .*short\.npy has \[4999\]/)
  })

  it('of other labels count under zero, and not under ignore', async () => {
    for (const name of tables) {
      for (const otherLabels of ['zero', 'ignore'] as const) {
        const { total } = await scoreFiles([path(name)], { input: 'd', label: 'other', weight: 'w', otherLabels })
        assertTotals(total, expectedOf(pairs.d, pairs.w, { otherLabels, label: other }), `${name}, ${otherLabels}`)
      }
    }
  })

  it('of no rows have a weight of 0', async () => {
    const options = { input: 'gap', label: 'y', nulls: 'ignore' } as const
    for (const weight of ['gap', undefined]) {
      writeFileSync(path('none.csv'), 'gap,y\n')
      const { total } = await scoreFiles([path('none.csv')], { ...options, ...(weight && { weight }) })
      expect(total).to.include({ count: 0, sum: 0, weight: 0 })
      expect(total.positives.weight).to.equal(weight && 0)
    }
  })

  async function errorOf(files: readonly string[], options: ScoreFilesOptions): Promise<Record<string, unknown>> {
    const error = await scoreFiles(files.map(path), options).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    expect(error).to.be.instanceOf(Error)
    return error as Record<string, unknown>
  }

  it('that are invalid are errors with the file, the first row and the number of such rows', async () => {
    const count = wrong.filter((value) => value < 0).length
    for (const name of tables) {
      const error = await errorOf([name], { input: 'd', label: 'y', weight: 'wrong' })
      expect(error, name).to.include({
        code: 'ERR_INVALID_WEIGHT',
        option: 'weight',
        file: path(name),
        row: 3001,
        count,
      })
      expect(error.message).to.include(
        `row 3,001: weight 'wrong' is ${wrong[3000]}, must be 0 or more, and finite (20 such rows)`,
      )
    }
    const npy = await errorOf([], { input: path('d.npy'), label: path('y.npy'), weight: path('wrong.npy') })
    expect(npy).to.include({ code: 'ERR_INVALID_WEIGHT', option: 'weight', row: 3001, count })
    for (const [value, written] of [
      ['NaN', 'NaN'],
      ['Infinity', 'Infinity'],
      ['-Infinity', '-Infinity'],
      ['-0.1', '-0.1'],
    ] as const) {
      writeFileSync(path('one.csv'), `x,y,w\n1,1,1\n2,1,${value}\n`)
      const error = await errorOf(['one.csv'], { input: 'x', label: 'y', weight: 'w' })
      expect(error).to.include({ code: 'ERR_INVALID_WEIGHT', row: 2, count: 1 })
      expect(error.message).to.include(`is ${written}, must be`)
      writeFileSync(path('x.npy'), makeNpy('<f8', Float64Array.of(1, 2), [2]))
      writeFileSync(path('one.npy'), makeNpy('<f8', Float64Array.of(1, Number(value)), [2]))
      const ofArrays = await errorOf([], {
        input: path('x.npy'),
        label: path('x.npy'),
        positiveLabel: 1,
        negativeLabel: 2,
        weight: path('one.npy'),
      })
      expect(ofArrays.message).to.include(`row 2: weight '${path('one.npy')}' is ${written}, must be`)
    }
  })

  it('that are invalid are errors in rows with another label too, whatever becomes of those', async () => {
    const table = new Table({
      x: vectorFromArray(Float64Array.of(1, 2, 3, 4)),
      label: vectorFromArray(Float64Array.of(1, 5, 7, -1)),
      w: vectorFromArray(Float64Array.of(1, 1, -2, -3)),
    })
    writeFileSync(path('other.arrow'), tableToIPC(table, 'file'))
    writeFileSync(path('other.csv'), 'x,label,w\n1,1,1\n2,5,1\n3,7,-2\n4,-1,-3\n')
    for (const name of ['other.arrow', 'other.csv']) {
      for (const otherLabels of ['zero', 'ignore'] as const) {
        const error = await errorOf([name], { input: 'x', label: 'label', weight: 'w', otherLabels })
        const found = { code: 'ERR_INVALID_WEIGHT', option: 'weight', file: path(name), row: 3, count: 2 }
        expect(error, `${name}, ${otherLabels}`).to.include(found)
        expect(error.message).to.include("row 3: weight 'w' is -2, must be 0 or more, and finite (2 such rows)")
      }
      const error = await errorOf([name], { input: 'x', label: 'label', weight: 'w' })
      expect(error, name).to.include({ code: 'ERR_INVALID_LABEL', option: 'label', row: 2, count: 2 })
    }
  })

  it('that are null are errors, or leave the row out', async () => {
    const isGap = (row: number) => gaps[row] === null
    for (const name of tables) {
      const error = await errorOf([name], { input: 'd', label: 'y', weight: 'gap' })
      expect(error, name).to.include({
        code: 'ERR_NULL',
        option: 'weight',
        row: 6,
        count: gaps.filter((w) => w === null).length,
      })
      const { total } = await scoreFiles([path(name)], { input: 'd', label: 'y', weight: 'gap', nulls: 'ignore' })
      const [x, w, y] = select((row) => !isGap(row), pairs.d)
      assertTotals(total, expectedOf(x, w, { label: y }), name)
    }
  })

  it('the first row with any error is reported, whatever the error is', async () => {
    const lines = (weights: readonly string[], labels: readonly number[]) =>
      ['x,y,w', ...weights.map((weight, i) => `0.5,${labels[i]},${weight}`), ''].join('\n')
    const cases = [
      { weights: ['1', '-1', '1'], labels: [1, 1, 7], code: 'ERR_INVALID_WEIGHT', row: 2 },
      { weights: ['1', '1', '-1'], labels: [1, 7, 1], code: 'ERR_INVALID_LABEL', row: 2 },
      { weights: ['1', '-1', '1'], labels: [1, 7, 1], code: 'ERR_INVALID_LABEL', row: 2 },
    ]
    for (const { weights, labels, ...wanted } of cases) {
      writeFileSync(path('first.csv'), lines(weights, labels))
      expect(await errorOf(['first.csv'], { input: 'x', label: 'y', weight: 'w' })).to.include(wanted)
      const table = new Table({
        x: vectorFromArray(Float64Array.from(weights, () => 0.5)),
        y: vectorFromArray(Int8Array.from(labels)),
        w: vectorFromArray(Float64Array.from(weights, Number)),
      })
      writeFileSync(path('first.arrow'), tableToIPC(table, 'file'))
      expect(await errorOf(['first.arrow'], { input: 'x', label: 'y', weight: 'w' })).to.include(wanted)
    }
  })

  it('are refused where they make no sense, and as text', async () => {
    const options = { input: 'd', label: 'y', weight: 'w' }
    const output = await errorOf(['pairs.parquet'], { ...options, output: path('out.parquet') })
    expect(output).to.include({ code: 'ERR_INVALID_ARG_VALUE', option: 'weight' })
    expect(output.message).to.match(/^weight does not go with output: the losses of rows have no weights/)
    const plot = await plotFiles([path('pairs.parquet')], { ...options, output: path('out.svg') } as never).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    expect(plot).to.include({ option: 'weight' })
    for (const name of ['pairs.parquet', 'pairs.arrow', 'pairs.csv', 'pairs.ndjson']) {
      expect(await errorOf([name], { ...options, weight: 'word' }), name).to.include({ option: 'weight' })
      expect(await errorOf([name], { ...options, weight: 'absent' }), name).to.include({ option: 'weight' })
    }
    const [d, y] = [path('d.npy'), path('y.npy')]
    const shape = await errorOf([], { input: d, label: y, weight: path('short.npy') })
    expect(shape).to.include({ option: 'weight', file: path('short.npy') })
    expect(shape.message).to.match(/has shape \[5000\], but .*short\.npy has \[4999\]/)
    expect(await errorOf([], { input: d, label: y, weight: 'w' })).to.include({ option: 'weight' })
  })

  describe('on the command line', () => {
    const score = (...more: string[]) =>
      command(['score', path('few.csv'), '--input', 'x', '--label', 'y', '--weight', 'w', ...more])
    before(() => writeFileSync(path('few.csv'), 'x,y,w,g\n0.25,1,1,a\n1.5,-1,2,a\n0.5,-1,3,b\n'))

    it('are a column of the table and a field of the JSON', async () => {
      expect((await score()).stdout).to.equal(
        [
          '           count       mean   sum  weight',
          'all            3  0.2916667  1.75       6',
          'positives      1       0.25  0.25       1',
          'negatives      2        0.3   1.5       5',
          '',
          'active negatives, inside the margin of 1: 1 (50.0 %)',
          '',
        ].join('\n'),
      )
      expect((await score('--by', 'g')).stdout.split('\n').slice(0, 4)).to.deep.equal([
        'g    count        mean   sum  weight  positives  negatives  active',
        'a        2  0.08333333  0.25       3          1          1       0',
        'b        1         0.5   1.5       3          0          1       1',
        'all      3   0.2916667  1.75       6          1          2       1',
      ])
      const json = JSON.parse((await score('--json', '--by', 'g')).stdout) as { groups: object[]; total: object }
      expect(json.total).to.deep.equal({
        ...{ count: 3, sum: 1.75, mean: 1.75 / 6, weight: 6, margin: 1 },
        positives: { count: 1, sum: 0.25, mean: 0.25, weight: 1 },
        negatives: { count: 2, sum: 1.5, mean: 0.3, weight: 5, active: 1 },
        others: 0,
      })
      expect(json.groups[1]).to.deep.equal({
        by: 'b',
        ...{ count: 1, sum: 1.5, mean: 0.5, weight: 3, margin: 1 },
        positives: { count: 0, sum: 0, mean: 'NaN', weight: 0 },
        negatives: { count: 1, sum: 1.5, mean: 0.5, weight: 3, active: 1 },
        others: 0,
      })
    })

    it('go into partials, which merge with partials without weights', async () => {
      const partial = (...more: string[]) =>
        command(['partial', path('few.csv'), '--input', 'x', '--label', 'y', ...more])
      const weighted = await partial('--weight', 'w')
      expect(weighted.stdout).to.include('"others":0,"weights":{"positives":"0x4p-2"')
      const plain = await partial()
      expect(plain.stdout).to.not.include('weights')
      writeFileSync(path('partials'), weighted.stdout + plain.stdout)
      const merged = await command(['merge', path('partials'), '--json'])
      expect(JSON.parse(merged.stdout)).to.include({ count: 6, weight: 9, sum: 2.5 })
    })
  })
})

import { createReadStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type DataType,
  Dictionary,
  Field,
  FixedSizeList,
  Float16,
  Float32,
  Float64,
  Int8,
  Int32,
  LargeList,
  List,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  tableFromIPC,
  tableToIPC,
  Utf8,
  vectorFromArray,
} from 'apache-arrow'
import { expect } from 'chai'
import { plotFiles, type ScoreFilesOptions, scoreFiles } from '../../lib/files.ts'
import { distanceNames, distancesOf, type EmbeddingPair, embeddings, runQueries } from '../support/embeddings.ts'
import { rejects } from '../support/failures.ts'
import { mutantsOf } from '../support/mutants.ts'
import { assertTotals, makeNpy, selectRows } from '../support/pairs.ts'

const { pairs, fixed, y, k } = embeddings

type Values = readonly (readonly (number | null)[] | null)[]

const listOf = (type: DataType) => new List(new Field('item', type, true))
const largeListOf = (type: DataType) => new LargeList(new Field('item', type, true))
const fixedOf = (type: DataType, width: number) => new FixedSizeList(width, new Field('item', type, true))

/** A table of lists of some rows, in record batches of at most `rowsPerBatch`. */
function tableOf(
  left: Values,
  right: Values,
  label: readonly (number | null)[],
  types: [DataType, DataType],
  rowsPerBatch = 1000,
): Table {
  const tables = []
  for (let begin = 0; begin < Math.max(left.length, 1); begin += rowsPerBatch) {
    const slice = <T>(values: readonly T[]) => values.slice(begin, begin + rowsPerBatch)
    tables.push(
      new Table({
        a: vectorFromArray(slice(left), types[0]),
        b: vectorFromArray(slice(right), types[1]),
        y: vectorFromArray(slice(label), new Int8()),
        k: vectorFromArray(
          slice(label).map((_, i) => k[begin + i] ?? 0),
          new Int32(),
        ),
      }),
    )
  }
  const [first, ...others] = tables as [Table, ...Table[]]
  return first.concat(...others)
}

describe('distances of left and right in arrays', function () {
  this.timeout(60_000)
  let folder: string
  const path = (name: string) => join(folder, name)
  const score = (name: string, options: Partial<ScoreFilesOptions> = {}) =>
    scoreFiles([path(name)], { left: 'a', right: 'b', label: 'y', ...options })
  const sides = (values: readonly EmbeddingPair[]): [Values, Values] => [
    values.map(({ left }) => left),
    values.map(({ right }) => right),
  ]

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-arrays-'))
    const write = (name: string, table: Table, format: 'file' | 'stream' = 'file') =>
      writeFileSync(path(name), tableToIPC(table, format))
    const float = new Float32()
    write('lists.arrow', tableOf(...sides(pairs), y, [listOf(float), listOf(float)]))
    write('lists.arrows', tableOf(...sides(pairs), y, [listOf(float), listOf(float)]), 'stream')
    write('large.arrow', tableOf(...sides(pairs), y, [largeListOf(float), listOf(float)]))
    write('doubles.arrow', tableOf(...sides(pairs), y, [listOf(new Float64()), listOf(new Float64())], 77))
    write('fixed.arrow', tableOf(...sides(fixed), y, [fixedOf(float, 24), fixedOf(float, 24)], 301))
    write('mixed-lists.arrow', tableOf(...sides(fixed), y, [fixedOf(float, 24), listOf(float)]))
    write('none.arrow', tableOf([], [], [], [fixedOf(float, 24), listOf(float)]))
  })
  after(() => rmSync(folder, { recursive: true }))

  describe('of Arrow', () => {
    for (const distance of distanceNames) {
      it(`equal the ${distance} distances of the oracle of BigInt`, async () => {
        const expected = distancesOf(pairs, distance, 'float32')
        for (const name of ['lists.arrow', 'lists.arrows', 'large.arrow']) {
          assertTotals((await score(name, { distance })).total, expected, y)
        }
        const ofFixed = distancesOf(fixed, distance, 'float32')
        for (const name of ['fixed.arrow', 'mixed-lists.arrow']) {
          assertTotals((await score(name, { distance })).total, ofFixed, y)
        }
      })
    }

    it('are in float64 where the elements are, and those of Parquet and NDJSON to the last bit', async () => {
      const { total } = await score('doubles.arrow')
      const lines = pairs.map(({ left, right }, i) => `${JSON.stringify({ a: left, b: right, y: y[i] })}\n`)
      writeFileSync(path('doubles.ndjson'), lines.join(''))
      await runQueries(`COPY (FROM '${path('doubles.ndjson')}') TO '${path('doubles.parquet')}'`)
      for (const name of ['doubles.ndjson', 'doubles.parquet']) {
        expect((await score(name)).total.toJSON(), name).to.deep.equal(total.toJSON())
      }
    })

    it('have the totals of Parquet with weights, several margins and cosine, in every group', async () => {
      const lines = pairs.map(({ left, right }, i) => `${JSON.stringify({ a: left, b: right, y: y[i], k: k[i] })}\n`)
      const types = `{'a': 'FLOAT[]', 'b': 'FLOAT[]', 'y': 'TINYINT', 'k': 'INTEGER'}`
      writeFileSync(path('floats.ndjson'), lines.join(''))
      await runQueries(
        `COPY (FROM read_json('${path('floats.ndjson')}', columns = ${types})) TO '${path('floats.parquet')}'`,
      )
      const options = {
        left: 'a',
        right: 'b',
        label: 'y',
        weight: 'k',
        by: 'k',
        distance: 'cosine',
        margin: [0.5, 1],
      } as const
      const read = async (name: string) =>
        (await scoreFiles([path(name)], options)).map(({ total, groups = [] }) => [
          total,
          groups.map((each) => each.total),
        ])
      const [parquet, arrow] = [await read('floats.parquet'), await read('lists.arrow')]
      expect(JSON.parse(JSON.stringify(arrow))).to.deep.equal(JSON.parse(JSON.stringify(parquet)))
      expect(parquet.map(([, groups]) => (groups as unknown[]).length)).to.deep.equal([3, 3])
    })

    it('are grouped, kept, written in order, drawn, and read from a pipe', async () => {
      const x = distancesOf(pairs, 'euclidean', 'float32')
      const { groups = [] } = await score('lists.arrow', { by: 'k' })
      for (const [index, { total }] of groups.entries()) {
        assertTotals(total, ...selectRows(x, y, (row) => k[row] === index))
      }
      await score('lists.arrow', { output: path('losses.arrow'), keep: ['y'] })
      const losses = tableFromIPC(readFileSync(path('losses.arrow')))
        .getChild('loss')
        ?.toArray()
      const loss = (value: number, i: number) => (y[i] === 1 ? value : Math.max(0, Math.fround(1 - value)))
      expect([...losses]).to.deep.equal([...x.map(loss)])
      const drawn = await plotFiles([path('lists.arrow')], { left: 'a', right: 'b', label: 'y', output: path('a.svg') })
      assertTotals(drawn.total, x, y)
      const stdin = createReadStream(path('lists.arrows'))
      assertTotals((await scoreFiles(['-'], { left: 'a', right: 'b', label: 'y', stdin })).total, x, y)
    })

    it('take float16 as float32, integers as float64, and no rows', async () => {
      const halves = fixed.map(({ left, right }) => ({
        left: left.map((value) => Math.round(value * 64) / 64),
        right: right.map((value) => Math.round(value * 64) / 64),
      }))
      writeFileSync(
        path('half.arrow'),
        tableToIPC(tableOf(...sides(halves), y, [fixedOf(new Float16(), 24), listOf(new Float32())])),
      )
      assertTotals((await score('half.arrow')).total, distancesOf(halves, 'euclidean', 'float32'), y)
      const whole = halves.map(({ left, right }) => ({
        left: left.map((v) => v * 64),
        right: right.map((v) => v * 64),
      }))
      writeFileSync(
        path('int.arrow'),
        tableToIPC(tableOf(...sides(whole), y, [listOf(new Int32()), fixedOf(new Int8(), 24)])),
      )
      const { total } = await score('int.arrow', { distance: 'chebyshev', epsilon: 0 })
      const x = whole.map(({ left, right }) =>
        Math.max(...left.map((value, i) => Math.abs(value - (right[i] as number)))),
      )
      assertTotals(total, Float64Array.from(x), y)
      expect((await score('none.arrow')).total.count).to.equal(0)
    })

    const [list, width] = [listOf(new Float32()), fixedOf(new Float32(), 3)]
    const right = Array.from({ length: 3000 }, () => [1, 2, 3])
    const put = <T>(values: readonly T[], row: number, value: T) =>
      values.map((each, i) => (i === row - 1 ? value : each))
    const wrong: [
      title: string,
      left: Values,
      right: Values,
      types: [DataType, DataType],
      failure: object,
      message: RegExp,
    ][] = [
      [
        'lists of two lengths',
        put(put(right, 2003, []), 2007, [1]),
        right,
        [list, width],
        { code: 'ERR_SHAPE_MISMATCH', option: 'right', row: 2003, count: 2 },
        /row 2,003: left 'a' has 0 elements, but right 'b' 3 \(2 such rows\)$/,
      ],
      [
        'a null within left',
        put<(number | null)[]>(right, 1001, [1, 2, null]),
        right,
        [width, width],
        { code: 'ERR_NULL', option: 'left', row: 1001, count: 1 },
        /row 1,001: left 'a' has a null as its element 3 \(1 such row\)$/,
      ],
      [
        'a null within right',
        right,
        put<(number | null)[]>(right, 2999, [null, 2, null]),
        [width, list],
        { code: 'ERR_NULL', option: 'right', row: 2999, count: 1 },
        /row 2,999: right 'b' has a null as its element 1 \(1 such row\)$/,
      ],
    ]
    for (const [title, left, other, types, failure, message] of wrong) {
      it(`name the row with ${title}, also if nulls are left out`, async () => {
        const label = right.map(() => 1)
        writeFileSync(path('wrong.arrow'), tableToIPC(tableOf(left, other, label, types)))
        for (const nulls of ['error', 'ignore'] as const) {
          await rejects(score('wrong.arrow', { nulls, by: 'k' }), title, {
            ...failure,
            file: path('wrong.arrow'),
            message,
          })
        }
      })
    }

    it('name the row whose left, right or label is null or whose distance is NaN, and leave such rows out', async () => {
      for (const types of [
        [list, list],
        [width, width],
      ] as [DataType, DataType][]) {
        const left: Values = put<number[] | null>(put<number[] | null>(right, 10, null), 40, [Number.NaN, 0, 0])
        const other: Values = put<number[] | null>(right, 20, null)
        const label = put<number | null>(
          right.map(() => 1),
          30,
          null,
        )
        const file = { file: path('null.arrow'), count: 1 }
        for (const [row, option, one, two, three] of [
          [10, 'left', left, right, right.map(() => 1)],
          [20, 'right', right, other, right.map(() => 1)],
          [30, 'label', right, right, label],
          [10, 'left', left, other, label],
        ] as const) {
          writeFileSync(path('null.arrow'), tableToIPC(tableOf(one, two, three, types)))
          const failure = {
            code: 'ERR_NULL',
            option,
            row,
            ...file,
            message: new RegExp(`row ${row}: ${option} '.' is null`),
          }
          await rejects(score('null.arrow', { nan: 'ignore' }), option, failure)
        }
        const nan = {
          code: 'ERR_NAN',
          option: 'left',
          row: 40,
          ...file,
          message: /the distance of left 'a' and right 'b' is NaN/,
        }
        await rejects(score('null.arrow', { nulls: 'ignore' }), 'NaN', nan)
        const { total } = await score('null.arrow', {
          nulls: 'ignore',
          nan: 'ignore',
          distance: 'manhattan',
          epsilon: 1,
        })
        expect([total.count, total.sum]).to.deep.equal([2996, 3 * 2996])
      }
    })

    it('refuse columns that have no lists of numbers, or lists of two precisions, by name', async () => {
      const float = listOf(new Float32())
      const text = vectorFromArray(['x'])
      const table = new Table({
        text,
        number: vectorFromArray([1]),
        flags: vectorFromArray([[true]]),
        texts: vectorFromArray([['x']], new List(new Field('item', new Utf8(), true))),
        nested: vectorFromArray([[[1]]], new List(new Field('item', float, true))),
        coded: vectorFromArray(['x'], new Dictionary(new Utf8(), new Int32())),
        f: vectorFromArray([[1]], float),
        d: vectorFromArray([[1]], listOf(new Float64())),
        y: vectorFromArray([1], new Int8()),
      })
      writeFileSync(path('types.arrow'), tableToIPC(table))
      for (const column of ['text', 'number', 'flags', 'texts', 'nested', 'coded']) {
        for (const [left, right, option] of [
          [column, 'f', 'left'],
          ['f', column, 'right'],
        ] as const) {
          await rejects(score('types.arrow', { left, right }), column, {
            ...{ code: 'ERR_INVALID_FILE', option, file: path('types.arrow') },
            message: new RegExp(`${option} '${column}' is .*, must be lists of numbers$`),
          })
        }
      }
      await rejects(score('types.arrow', { left: 'f', right: 'd' }), 'two precisions', {
        ...{ code: 'ERR_INVALID_FILE', option: 'right', file: path('types.arrow') },
        message:
          /right 'd' is List<Float64>, but left 'f' List<Float32>: both must have float32 or float16, or neither$/,
      })
      await rejects(score('types.arrow', { left: 'f + f' }), 'an expression', {
        ...{ code: 'ERR_INVALID_FILE', option: 'left', file: path('types.arrow') },
        message: /left 'f \+ f': no such column/,
      })
      await rejects(
        score('types.arrow', { left: 'y', embeddings: path('types.arrow'), id: 'y' }),
        'a lookup',
        {
          ...{ code: 'ERR_INVALID_ARG_VALUE', option: 'embeddings' },
          message: /embeddings takes pairs in Parquet, CSV, TSV or NDJSON$/,
        },
        RangeError,
      )
    })

    it('refuse a list whose elements are fewer than its file says', async () => {
      const short = makeData({ type: new Float32(), length: 5, data: new Float32Array(5) })
      const data = makeData({ type: fixedOf(new Float32(), 3), length: 2, child: short, nullCount: 0 })
      const label = makeData({ type: new Int8(), length: 2, data: Int8Array.of(1, 1) })
      const type = new Struct([new Field('a', data.type, true), new Field('y', label.type, true)])
      const batch = new RecordBatch(
        new Schema(type.children),
        makeData({ type, length: 2, children: [data, label], nullCount: 0 }),
      )
      writeFileSync(path('short.arrow'), tableToIPC(new Table(batch)))
      await rejects(score('short.arrow', { right: 'a' }), 'short', {
        ...{ code: 'ERR_INVALID_FILE', file: path('short.arrow') },
        message: /damaged: column "a" extends past its buffer$/,
      })
    })
  })

  it('are scored or refused with a code, whatever a damaged file says', async () => {
    const few = pairs.slice(0, 20).map(({ left, right }) => ({ left: left.slice(0, 9), right: right.slice(0, 9) }))
    const same = few.map(() => ({ left: [1, 2, 3], right: [3, 2, 1] }))
    const float = new Float32()
    const types: [EmbeddingPair[], DataType][] = [
      [few, listOf(float)],
      [few, largeListOf(float)],
      [same, fixedOf(float, 3)],
    ]
    const codes = new Map<string, number>()
    for (const [seed, [values, type]] of types.entries()) {
      const bytes = tableToIPC(tableOf(...sides(values), y.slice(0, 20), [type, type]), 'file')
      for (const mutant of mutantsOf(Buffer.from(bytes), 400, seed)) {
        writeFileSync(path('mutant.arrow'), mutant)
        const error = await score('mutant.arrow', { nulls: 'ignore' }).then(
          () => ({ code: 'none', message: '' }),
          (cause: Error & { code: string }) => cause,
        )
        expect(error.message).not.to.match(/undefined|is not a function|\n/)
        codes.set(error.code, (codes.get(error.code) ?? 0) + 1)
      }
    }
    expect([...codes.keys()]).to.include.members(['none', 'ERR_INVALID_FILE'])
    for (const code of codes.keys()) expect(code).to.match(/^(none|ERR_[A-Z_]+)$/)
  })

  describe('of .npy', () => {
    const [rows, width] = [fixed.length, 24]
    const matrix = (side: 'left' | 'right') => fixed.flatMap((pair) => pair[side])
    const transposed = (side: 'left' | 'right') =>
      Array.from({ length: width }, (_, column) => fixed.map((pair) => pair[side][column] as number)).flat()

    function writeNpy(
      name: string,
      descr: string,
      values: ArrayBufferView,
      shape: number[],
      isFortran = false,
    ): string {
      const bytes = makeNpy(descr, values, shape)
      const text = bytes.toString('latin1')
      const order = isFortran ? text.replace("'fortran_order': False", "'fortran_order': True ") : text
      writeFileSync(path(name), Buffer.from(order, 'latin1'))
      return path(name)
    }
    const swap = (values: Float32Array) => new Uint8Array(Buffer.from(values.buffer.slice(0)).swap32())
    const label = () => writeNpy('y.npy', '|i1', Int8Array.from(y), [rows])

    it('equal the oracle in C order, in Fortran order, in big-endian order and in float64', async () => {
      const [l, r] = [Float32Array.from(matrix('left')), Float32Array.from(matrix('right'))]
      const left = writeNpy('l.npy', '<f4', l, [rows, width])
      const right = writeNpy('r.npy', '<f4', r, [rows, width])
      const fortran = writeNpy('f.npy', '<f4', Float32Array.from(transposed('left')), [rows, width], true)
      const big = writeNpy('b.npy', '>f4', swap(r), [rows, width])
      const x = distancesOf(fixed, 'euclidean', 'float32')
      for (const one of [left, fortran]) {
        for (const other of [right, big]) {
          assertTotals((await scoreFiles([], { left: one, right: other, label: label() })).total, x, y)
        }
      }
      const [one, other] = [
        writeNpy('dl.npy', '<f8', Float64Array.from(l), [rows, width]),
        writeNpy('dr.npy', '<f8', Float64Array.from(r), [rows, width]),
      ]
      const { total } = await scoreFiles([], { left: one, right: other, label: label(), distance: 'chebyshev' })
      assertTotals(total, distancesOf(fixed, 'chebyshev', 'float64'), y)
      const output = path('losses.npy')
      await scoreFiles([], { left, right, label: label(), output })
      const bytes = readFileSync(output)
      expect(bytes.toString('latin1')).to.include(`'shape': (${rows},)`)
      const losses = new Float32Array(new Uint8Array(bytes.subarray(-4 * rows)).buffer)
      expect([...losses]).to.deep.equal([
        ...x.map((value, i) => (y[i] === 1 ? value : Math.max(0, Math.fround(1 - value)))),
      ])
    })

    it('refuse arrays of other shapes and types by name', async () => {
      const floats = new Float32Array(12)
      const array = (name: string, shape: number[], descr = '<f4') =>
        writeNpy(name, descr, descr === '<f8' ? new Float64Array(12) : floats, shape)
      const [good, flat, wide, deep] = [
        array('good.npy', [3, 4]),
        array('flat.npy', [12]),
        array('wide.npy', [4, 3]),
        array('deep.npy', [3, 2, 2]),
      ]
      const double = array('double.npy', [3, 4], '<f8')
      const three = writeNpy('three.npy', '|i1', new Int8Array(3).fill(1), [3])
      const four = writeNpy('four.npy', '|i1', new Int8Array(4).fill(1), [4])
      const bool = writeNpy('bool.npy', '|b1', new Int8Array(12), [3, 4])
      for (const [left, right, label, option, file, message] of [
        [flat, flat, three, 'left', flat, /flat\.npy: has shape \[12\], must have two axes$/],
        [deep, deep, three, 'left', deep, /has shape \[3, 2, 2\], must have two axes$/],
        [good, wide, three, 'right', wide, /good\.npy has shape \[3, 4\], but .*wide\.npy has \[4, 3\]$/],
        [good, good, four, 'label', four, /good\.npy has shape \[3, 4\], but .*four\.npy has \[4\], must have \[3\]$/],
        [good, double, three, 'right', double, /double\.npy: has float64, but .*good\.npy has float32: both must have/],
        [bool, good, three, 'left', bool, /bool\.npy: has dtype bool, must be a number$/],
      ] as const) {
        await rejects(scoreFiles([], { left, right, label }), String(message), {
          code: 'ERR_INVALID_FILE',
          option,
          file,
          message,
        })
      }
      const column = writeNpy('column.npy', '<f8', new Float64Array(3), [3, 1])
      await rejects(scoreFiles([], { left: good, right: good, label: three, weight: column }), 'weight', {
        ...{ code: 'ERR_INVALID_FILE', option: 'weight', file: column },
        message: /good\.npy has shape \[3, 4\], but .*column\.npy has \[3, 1\], must have \[3\]$/,
      })
      const named = scoreFiles([], { left: good, right: 'b', label: three })
      const failure = { code: 'ERR_INVALID_ARG_VALUE', option: 'right' }
      await rejects(
        named,
        'a column',
        { ...failure, message: /left, right and label must name a \.npy each, got right 'b'/ },
        RangeError,
      )
    })
  })
})

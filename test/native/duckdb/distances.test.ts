import {
  DOUBLE,
  type DuckDBConnection,
  DuckDBInstance,
  type DuckDBType,
  type DuckDBValue,
  FLOAT,
  LIST,
  listValue,
} from '@duckdb/node-api'
import { expect } from 'chai'
import { load } from '../../../lib/duckdb.ts'
import { runtimeInfo } from '../../../lib/index.ts'
import { distanceNames, distanceOf, type EmbeddingPair, makePairs, type Precision } from '../../support/embeddings.ts'
import { node, succeeds } from '../../support/processes.ts'
import { Random } from '../../support/random.ts'

const random = new Random(2020)
const pairs = makePairs(random, 5000, 300)
const short = makePairs(random, 5000, 0, 17)
const precisions = { float32: 'FLOAT', float64: 'DOUBLE' } as const

describe('hinge_embedding_distance', function () {
  this.timeout(60_000)
  let connection: DuckDBConnection

  async function fill(table: string, type: DuckDBType, values: readonly EmbeddingPair[]): Promise<void> {
    const lists = (side: 'left' | 'right'): DuckDBValue => listValue(values.map((each) => listValue(each[side])))
    const sql = `CREATE TABLE ${table} AS SELECT unnest(range(${values.length})) AS i, unnest($1) AS l, unnest($2) AS r`
    await connection.run(sql, [lists('left'), lists('right')], [LIST(LIST(type)), LIST(LIST(type))])
  }

  async function column(sql: string): Promise<unknown[]> {
    return (await connection.runAndReadAll(sql)).getRows().map(([value]) => value)
  }

  before(async () => {
    const options = { allow_unsigned_extensions: 'true', threads: '2' }
    connection = await (await DuckDBInstance.create(':memory:', options)).connect()
    await load(connection)
    for (const [name, type] of [
      ['float32', FLOAT],
      ['float64', DOUBLE],
    ] as const) {
      await fill(name, type, pairs)
      await fill(`${name}_short`, type, short)
    }
  })
  after(() => connection.closeSync())

  function expectDistances(
    found: readonly unknown[],
    values: readonly EmbeddingPair[],
    name: string,
    precision: Precision,
  ) {
    expect(found).to.have.lengthOf(values.length)
    for (const [i, pair] of values.entries()) {
      const expected = distanceOf(pair, name, precision)
      if (precision === 'float32') expect(found[i], `row ${i}`).to.equal(expected)
      else expect(found[i], `row ${i}`).to.be.closeTo(expected, Math.max(1, expected) * 2 ** -50)
    }
  }

  for (const [precision, type] of Object.entries(precisions) as ['float32' | 'float64', string][]) {
    for (const name of distanceNames) {
      it(`gives the ${name} distances of ${type} lists, and of arrays, that the oracle of BigInt gives`, async () => {
        const named = name === 'euclidean' ? '' : `, '${name}'`
        const call = (sides: string) => `hinge_embedding_distance(${sides}${named})`
        expectDistances(await column(`SELECT ${call('l, r')} FROM ${precision} ORDER BY i`), pairs, name, precision)
        for (const sides of [
          `l::${type}[17], r::${type}[17]`,
          `l::${type}[17], r`,
          `l[:], list_reverse(list_reverse(r))`,
        ]) {
          const found = await column(`SELECT ${call(sides)} FROM ${precision}_short ORDER BY i`)
          expectDistances(found, short, name, precision)
        }
        const [result] = await column(`SELECT typeof(${call('l, r')}) FROM ${precision} LIMIT 1`)
        expect(result).to.equal(type)
      })
    }

    it(`gives the same for ${type} in filters, slices, dictionaries, constants, windows and CASE`, async () => {
      const all = await column(`SELECT hinge_embedding_distance(l, r) FROM ${precision} ORDER BY i`)
      const expectSame = async (sql: string, rows = (i: number) => i >= 0) =>
        expect(await column(sql), sql).to.deep.equal(all.filter((_, i) => rows(i)))
      const call = 'hinge_embedding_distance(l, r)'
      await expectSame(`SELECT ${call} FROM ${precision} WHERE i % 3 = 1 ORDER BY i`, (i) => i % 3 === 1)
      await expectSame(
        `SELECT ${call} FROM ${precision} WHERE hinge_embedding_distance(r, l) > -1 AND i % 7 < 3 ORDER BY i`,
        (i) => i % 7 < 3,
      )
      await expectSame(
        `SELECT CASE WHEN i % 2 = 0 THEN ${call} ELSE hinge_embedding_distance(l[1:], r[1:len(l)]) END FROM ${precision} ORDER BY i`,
      )
      await expectSame(
        `SELECT ${call} FROM (SELECT i, lag(l, 0) OVER (ORDER BY i) AS l, r FROM ${precision}) ORDER BY i`,
      )
      await expectSame(`SELECT any_value(${call}) FROM ${precision} GROUP BY i ORDER BY i`)
      await expectSame(
        `SELECT ${call} FROM (SELECT a.i, a.l, b.r FROM ${precision} a JOIN ${precision} b USING (i)) ORDER BY i`,
      )
      await expectSame(
        `SELECT hinge_embedding_distance(([0]::${type}[] || l)[2:], ([1, 2]::${type}[] || r)[3:]) FROM ${precision} ORDER BY i`,
      )
      await expectSame(
        `SELECT hinge_embedding_distance(s.l, s.r) FROM (SELECT i, {'l': l, 'r': r} AS s FROM ${precision}) ORDER BY i`,
      )
      await expectSame(
        `SELECT list_transform([l], lambda e: hinge_embedding_distance(e, r))[1] FROM ${precision} ORDER BY i`,
      )
      const constant = `(SELECT r FROM ${precision}_short WHERE i = 7)`
      const found = await column(`SELECT hinge_embedding_distance(l, ${constant}) FROM ${precision}_short ORDER BY i`)
      const { right } = short[7] as EmbeddingPair
      expectDistances(
        found,
        short.map(({ left }) => ({ left, right })),
        'euclidean',
        precision,
      )
    })
  }

  it('takes a name and an epsilon for each row', async () => {
    const found =
      await column(`SELECT hinge_embedding_distance(l, r, ['cosine', 'minkowski:3', 'a longer name, manhattan'[16:]][1 + i % 3],
      [0.25, 0.5][1 + i % 2]) FROM float32_short ORDER BY i`)
    for (const [i, pair] of short.entries()) {
      const name = ['cosine', 'minkowski:3', 'manhattan'][i % 3] as string
      expect(found[i], `row ${i}`).to.equal(distanceOf(pair, name, 'float32', [0.25, 0.5][i % 2]))
    }
  })

  it('is NULL where an argument is NULL, and NaN where an element is', async () => {
    const [found] = (
      await connection.runAndReadAll(`SELECT
        hinge_embedding_distance(NULL::FLOAT[], [1]::FLOAT[]), hinge_embedding_distance([1]::FLOAT[], NULL),
        hinge_embedding_distance(NULL, NULL), hinge_embedding_distance([1]::FLOAT[], [1]::FLOAT[], NULL),
        hinge_embedding_distance([1]::FLOAT[], [1]::FLOAT[], 'cosine', NULL),
        hinge_embedding_distance(['nan'::FLOAT, 1]::FLOAT[], [1, 1]::FLOAT[], 'chebyshev')`)
    ).getRows()
    expect(found).to.deep.equal([null, null, null, null, null, Number.NaN])
    const gaps = `SELECT hinge_embedding_distance(CASE WHEN i % 5 = 2 THEN NULL ELSE l END, r) FROM float32 ORDER BY i`
    const all = await column('SELECT hinge_embedding_distance(l, r) FROM float32 ORDER BY i')
    expect(await column(gaps)).to.deep.equal(all.map((value, i) => (i % 5 === 2 ? null : value)))
  })

  it('takes numbers of other types as the nearest doubles, and never as FLOAT', async () => {
    for (const [call, expected] of [
      [`hinge_embedding_distance([16777217], [16777216], 'manhattan', 0)`, 1],
      [`hinge_embedding_distance([9007199254740993], [0], 'manhattan', 0)`, 9007199254740992],
      [`hinge_embedding_distance([0.1, 0.5], [0.3, 1], 'chebyshev', 0)`, 0.5],
      [`hinge_embedding_distance([1::UTINYINT], [3::HUGEINT], 'manhattan', 0)`, 2],
      [`hinge_embedding_distance([1.5::DECIMAL(38, 30)], [1::DOUBLE], 'manhattan', 0)`, 0.5],
      ['hinge_embedding_distance([], [])', 0],
    ] as const) {
      expect(await column(`SELECT ${call}`), call).to.deep.equal([expected])
      expect(await column(`SELECT typeof(${call})`), call).to.deep.equal(['DOUBLE'])
    }
  })

  it('refuses what it cannot compute, with what was expected and what came', async () => {
    const lists = '[1, 2]::FLOAT[], [3, 4]::FLOAT[]'
    for (const [call, message] of [
      ['[1, 2, 3]::FLOAT[], [1]::FLOAT[]', /left and right must have the same length, got 3 and 1/],
      ['[1, 2, 3]::FLOAT[3], [1]::FLOAT[1]', /left and right must have the same length, got 3 and 1/],
      ['[1, NULL]::FLOAT[], [1, 2]::FLOAT[]', /left must have no null, got one as element 2 of 2/],
      ['[1, 2]::DOUBLE[], [NULL, NULL]::DOUBLE[]', /right must have no null, got one as element 1 of 2/],
      ['[1]::FLOAT[], [1]::DOUBLE[]', /must both be lists of FLOAT, or neither/],
      ['[1]::DOUBLE[], [1]::FLOAT[]', /must both be lists of FLOAT, or neither/],
      ['[true], [false]', /left must have numbers, got BOOLEAN/],
      [`['a'], ['b']`, /left must be a number, got VARCHAR/],
      ['[[1]], [[1]]', /left must be a number/],
      ['1, 2', /left must be a list/],
      [
        `${lists}, 'l2'`,
        /distance must be 'euclidean', 'manhattan', .* or 'minkowski:p' with a finite p > 0, got 'l2'/,
      ],
      ...[
        '',
        ':',
        '0',
        '-1',
        '+1',
        ' 1',
        '1 ',
        '1.',
        '.5',
        '0x1',
        'inf',
        'nan',
        '1e',
        '1e+',
        '1e999',
        '1_0',
        '1E2',
      ].map((p) => [`${lists}, 'minkowski:${p}'`, /distance must be .*, got 'minkowski:/] as const),
      [`${lists}, 'cosine', -1`, /epsilon must be at least 0 for 'cosine', got -1/],
      [`${lists}, 'cosine', 'inf'::DOUBLE`, /epsilon must be a finite number in float32, got Infinity/],
      [`${lists}, 'cosine', 1e39`, /epsilon must be a finite number in float32, got 1e\+39/],
      [`[1]::DOUBLE[], [1]::DOUBLE[], 'cosine', 'nan'::DOUBLE`, /epsilon must be a finite number, got NaN/],
    ] as const) {
      const error = await column(`SELECT hinge_embedding_distance(${call})`).catch((cause: Error) => cause)
      expect(error, call).to.be.instanceOf(Error)
      expect((error as Error).message, call).to.match(message)
    }
    expect(await column('SELECT 1')).to.deep.equal([1])
  })

  it('takes arrays of FLOAT, or of DOUBLE, on one side or both; the CAST of its message makes others work', async () => {
    const distance = (left: string, right: string) =>
      `SELECT hinge_embedding_distance(${left}, ${right}, 'manhattan', 0::DOUBLE)::DOUBLE`
    const of = (types: readonly string[]) =>
      types.map((type, side) => `[${1 + 2 * side}, 2]::${type}`) as [string, string]
    for (const type of ['FLOAT', 'DOUBLE']) {
      for (const [one, other] of [
        ['[2]', '[2]'],
        ['[2]', '[]'],
        ['[]', '[2]'],
      ]) {
        expect(await column(distance(...of([type + one, type + other])))).to.deep.equal([2])
      }
    }
    for (const types of [
      ['FLOAT[2]', 'DOUBLE[2]'],
      ['DOUBLE[2]', 'FLOAT[2]'],
      ['FLOAT[2]', 'DOUBLE[]'],
      ['DOUBLE[]', 'FLOAT[2]'],
      ['FLOAT[2]', 'DECIMAL(5,2)[]'],
      ['INTEGER[2]', 'INTEGER[2]'],
      ['INTEGER[2]', 'DOUBLE[2]'],
      ['INTEGER[]', 'DOUBLE[2]'],
    ]) {
      const sides = of(types)
      let refusals = 0
      let found = await column(distance(...sides)).catch((cause: Error) => cause)
      while (found instanceof Error && refusals < 2) {
        const [, side] = /(left|right) must be a list: CAST\(… AS DOUBLE\[\]\)/.exec(found.message) ?? []
        expect(side, found.message).to.be.a('string')
        const index = side === 'left' ? 0 : 1
        sides[index] = `CAST(${sides[index]} AS DOUBLE[])`
        refusals++
        found = await column(distance(...sides)).catch((cause: Error) => cause)
      }
      expect(refusals, String(types)).to.be.greaterThan(0)
      expect(found, String(types)).to.deep.equal([2])
    }
  })

  it('finds each wrong list among 10,000 random ones', async () => {
    for (let round = 0; round < 40; round++) {
      const row = random.integer(0, 4999)
      const { length } = (pairs[row] as EmbeddingPair).left
      const table = ['float32', 'float64'][round % 2] as string
      const place = random.integer(1, Math.max(1, length))
      const wrong = [
        [`list_append(r, 1)`, new RegExp(`same length, got ${length} and ${length + 1}`)],
        [
          `r[:${place - 1}] || [NULL] || r[${place + 1}:]`,
          new RegExp(`right must have no null, got one as element ${place} of ${length}`),
        ],
      ] as const
      const [sql, message] = wrong[Number(length > 0 && round % 4 < 2)] as (typeof wrong)[number]
      const call = `hinge_embedding_distance(l, CASE WHEN i = ${row} THEN ${sql} ELSE r END)`
      const error = await column(`SELECT sum(${call}) FROM ${table}`).catch((cause: Error) => cause)
      expect((error as Error).message, `${call} of ${table}`).to.match(message)
    }
  })

  it('gives the bits that the library gives on every instruction set', async () => {
    const program = `
      import { DuckDBInstance } from '@duckdb/node-api'
      import { load } from ${JSON.stringify(new URL('../../../lib/duckdb.ts', import.meta.url))}
      import { CosineDistance, PairwiseDistance, runtimeInfo } from ${JSON.stringify(new URL('../../../lib/index.ts', import.meta.url))}
      const instance = await DuckDBInstance.create(':memory:', { allow_unsigned_extensions: 'true' })
      const connection = await instance.connect()
      await load(connection)
      const distances = {
        euclidean: new PairwiseDistance(),
        manhattan: new PairwiseDistance({ p: 1 }),
        chebyshev: new PairwiseDistance({ p: Infinity }),
        'minkowski:2.5': new PairwiseDistance({ p: 2.5 }),
        cosine: new CosineDistance(),
      }
      const tensorOf = { FLOAT: Float32Array, DOUBLE: Float64Array }
      const differing = []
      for (const [type, Numbers] of Object.entries(tensorOf)) {
        await connection.run(\`CREATE OR REPLACE TABLE t AS SELECT
          list_transform(range(0, i % 301), lambda k: sin(i * 1.37 + k * k) * 10.0 ** (i % 40 - 20))::\${type}[] AS l,
          list_transform(range(0, i % 301), lambda k: cos(i * 0.7 + k) * 10.0 ** (i % 40 - 20))::\${type}[] AS r FROM range(3000) AS n(i)\`)
        for (const [name, distance] of Object.entries(distances)) {
          const rows = (await connection.runAndReadAll(\`SELECT l, r, hinge_embedding_distance(l, r, '\${name}') FROM t\`)).getRows()
          for (const [{ items: l }, { items: r }, found] of rows) {
            const [value] = distance(Numbers.from(l), Numbers.from(r)).data
            if (!Object.is(value, found)) differing.push([type, name, l.length, value, found])
          }
        }
      }
      const { instructionSet, instructionSets } = runtimeInfo()
      console.log(JSON.stringify({ differing: differing.slice(0, 5), instructionSet, instructionSets }))`
    const ask = async (env: Record<string, string>) => {
      const args = ['--import', 'tsx', '--input-type', 'module', '--eval', program]
      return JSON.parse(await succeeds(node(args, { env })))
    }
    for (const set of runtimeInfo().instructionSets) {
      const { differing, instructionSet } = await ask({ HINGE_EMBEDDING_LOSS_INSTRUCTION_SET: set })
      expect({ differing, instructionSet }).to.deep.equal({ differing: [], instructionSet: set })
    }
  })
})

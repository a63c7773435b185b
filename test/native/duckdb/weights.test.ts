import {
  BLOB,
  blobValue,
  DOUBLE,
  type DuckDBConnection,
  DuckDBInstance,
  type DuckDBType,
  FLOAT,
  LIST,
  listValue,
} from '@duckdb/node-api'
import { expect } from 'chai'
import { load } from '../../../lib/duckdb.ts'
import { type InputData, LossAccumulator, type MarginOptions } from '../../../lib/index.ts'
import { type ExpectedWeighted, expectedWeighted, formats, kinds } from '../../oracle.ts'
import { Random } from '../../support/random.ts'
import { unlikeSettings as settings } from '../../support/totals.ts'

interface Pairs {
  readonly x: InputData
  readonly y: Float64Array
  readonly w: Float64Array
}

describe('weights in SQL', function () {
  this.timeout(240_000)
  let connection: DuckDBConnection

  async function rows(sql: string): Promise<Record<string, unknown>[]> {
    return (await connection.runAndReadAll(sql)).getRowObjectsJson()
  }

  async function one(sql: string): Promise<unknown> {
    return Object.values((await rows(sql))[0] ?? {})[0]
  }

  async function fails(sql: string, message: string) {
    const error = await connection.run(sql).then(
      () => undefined,
      (reason: Error) => reason,
    )
    expect(error?.message, sql).to.include(message)
  }

  /** The table `pairs` of columns i, x, y and w. */
  async function fill(type: DuckDBType, { x, y, w }: Pairs) {
    await connection.run(
      `CREATE OR REPLACE TABLE pairs AS
         SELECT unnest($1) AS x, unnest($2) AS y, unnest($3) AS w, unnest(range(len($1))) AS i`,
      [x, y, w].map((values) => listValue([...values])),
      [LIST(type), LIST(DOUBLE), LIST(DOUBLE)],
    )
  }

  function makePairs(kind: string, Type: new (n: number) => InputData, options: Required<MarginOptions>, seed: number) {
    const random = new Random(seed)
    const format = formats.find((each) => each.Type === Type) ?? formats[0]
    const n = seed % 3 === 0 ? 3000 : random.integer(1, 60)
    const labels = [options.positiveLabel, options.negativeLabel, ...(options.otherLabels === 'error' ? [] : [3])]
    const values = kinds[kind]?.({ random, format: format as (typeof formats)[number], n, variant: seed }) ?? []
    const x = new Type(values.length)
    x.set(values)
    const y = Float64Array.from(values, () => random.pick(labels))
    const w = Float64Array.from(values, () =>
      random.pick([random.fraction(), random.below(3), 2 ** random.integer(-1074, 1000) * random.fraction(), 0]),
    )
    return { x, y, w }
  }

  const callOf = ({ margin, positiveLabel, negativeLabel, otherLabels }: Required<MarginOptions>) =>
    `(x, y, w, ${margin}::DOUBLE, ${positiveLabel}, ${negativeLabel}, '${otherLabels}')`

  const number = (value: number) => (Number.isFinite(value) ? value : String(value))

  const figuresOf = ({ count, sum, mean, weight }: Pick<ExpectedWeighted, 'count' | 'sum' | 'mean' | 'weight'>) => ({
    count: String(count),
    sum: number(sum),
    mean: number(mean),
    weight: number(weight),
  })

  function structOf(answer: ExpectedWeighted) {
    const [, , , , active, others] = answer.record
    return {
      ...figuresOf(answer),
      positives: figuresOf(answer.positives),
      negatives: { ...figuresOf(answer.negatives), active: String(active) },
      others: String(others),
    }
  }

  before(async () => {
    const instance = await DuckDBInstance.create(':memory:', { allow_unsigned_extensions: 'true', threads: '2' })
    connection = await instance.connect()
    await load(connection)
  })
  after(() => connection.closeSync())

  for (const [f, { Type }] of formats.entries()) {
    it(`have the oracle's totals for ${Type.name}, in a whole table and in groups of few and of many rows`, async () => {
      for (const [k, kind] of Object.keys(kinds).entries()) {
        const options = settings[(k + f) % 3] as Required<MarginOptions>
        const pairs = makePairs(kind, Type, options, 10 * k + f)
        await fill(f === 0 ? FLOAT : DOUBLE, pairs)
        const call = callOf(options)
        const whole = expectedWeighted(pairs.x, pairs.y, pairs.w, options, options.otherLabels)
        expect(await one(`SELECT hinge_embedding_loss_weighted${call} FROM pairs`), kind).to.deep.equal(structOf(whole))
        const partial = (await one(`SELECT hinge_embedding_loss_weighted_partial${call} FROM pairs`)) as string
        const accumulator = LossAccumulator.fromJSON(JSON.parse(partial))
        expect(JSON.stringify(accumulator), kind).to.equal(partial)
        const { positives, negatives, others, weights } = accumulator.toJSON()
        expect([
          ...[positives.count, positives.sum, negatives.count, negatives.sum, negatives.active, others],
          ...[weights?.positives, weights?.negatives, weights?.others],
        ]).to.deep.equal(whole.record)
        for (const group of [2, 40]) {
          const grouped = await rows(
            `SELECT i % ${group} AS k, hinge_embedding_loss_weighted${call} AS t FROM pairs GROUP BY k ORDER BY k`,
          )
          const blocks = await rows(
            `SELECT hinge_embedding_loss_json(hinge_embedding_loss_merge(s)) AS t FROM (
               SELECT i % ${group} AS k, hinge_embedding_loss_weighted_state${call} AS s FROM pairs GROUP BY k, i % 3)
             GROUP BY k ORDER BY k`,
          )
          for (const [i, { k, t }] of grouped.entries()) {
            const isOwn = (_: number, row: number) => row % group === Number(k)
            const [x, y, w] = [pairs.x.filter(isOwn), pairs.y.filter(isOwn), pairs.w.filter(isOwn)]
            const answer = structOf(expectedWeighted(x as InputData, y, w, options, options.otherLabels))
            expect(t, `${kind}, group ${k} of ${group}`).to.deep.equal(answer)
            const json = JSON.parse(blocks[i]?.t as string) as Record<string, unknown>
            const wanted = { sum: answer.sum, mean: answer.mean, weight: answer.weight }
            const text = JSON.parse(JSON.stringify(wanted)) as object // without the sign of −0
            expect({ sum: json.sum, mean: json.mean, weight: json.weight }, `${kind}, merged`).to.deep.equal(text)
          }
        }
      }
    })
  }

  it('are any numbers, each rounded once to the nearest double', async () => {
    for (const [type, values, weights] of [
      ['DECIMAL(20, 19)', [0.1, 0.3], [0.1, 0.3]],
      ['INTEGER', [2, 7], [2, 7]],
      ['HUGEINT', [3, 5], [3, 5]],
      ['BOOLEAN', [1, 0], [1, 0]],
      ['FLOAT', [0.1, 0.7], [Math.fround(0.1), Math.fround(0.7)]],
    ] as const) {
      const [first, second] = values
      const sql = `SELECT hinge_embedding_loss_weighted(x, 1, w) AS t
                   FROM (VALUES (0.7::FLOAT, ${first}::${type}), (0.2::FLOAT, ${second}::${type})) AS pairs(x, w)`
      const answer = expectedWeighted(
        Float32Array.of(0.7, 0.2),
        1,
        Float64Array.from(weights),
        settings[0] as Required<MarginOptions>,
        'error',
      )
      expect(await one(sql), type).to.deep.equal(structOf(answer))
    }
  })

  it('leave a row out if one is NULL', async () => {
    const source =
      '(VALUES (1.0::DOUBLE, 1, 2.0), (5, 1, NULL), (NULL, 1, 1), (3, NULL, 1), (4, 1, 1)) AS pairs(x, y, w)'
    expect(await one(`SELECT hinge_embedding_loss_weighted(x, y, w).mean FROM ${source}`)).to.equal(2)
    expect(await one(`SELECT hinge_embedding_loss_weighted(x, y, w).count FROM ${source}`)).to.equal('2')
    expect(await one('SELECT hinge_embedding_loss_weighted_partial(1, 1, NULL)')).to.equal(null)
    expect(await one('SELECT hinge_embedding_loss_weighted_state(1.0, 1, 1) WHERE false')).to.equal(null)
  })

  it('that are negative, NaN or infinite end the query, in every form of it', async () => {
    for (const value of ['-1', 'NaN', 'Infinity', '-Infinity']) {
      const source = `(SELECT i, 0.5 AS x, 1 AS y, CASE WHEN i = 77 THEN '${value}'::DOUBLE ELSE 1 END AS w
                       FROM range(100) AS r(i)) AS pairs`
      const message = `weight must be 0 or more, and finite, got ${value}`
      for (const name of ['weighted', 'weighted_partial', 'weighted_state']) {
        const call = `hinge_embedding_loss_${name}(x, y, w)`
        await fails(`SELECT ${call} FROM ${source}`, message)
        await fails(`SELECT ${call} FROM ${source} GROUP BY i % 3`, message)
        await fails(`SELECT ${call} OVER (ORDER BY i) FROM ${source}`, message)
      }
    }
    await fails(`SELECT hinge_embedding_loss_weighted(1.0, 1, 'a')`, 'weight must be a number')
    await fails(`SELECT hinge_embedding_loss_weighted(1.0, 2, 1)`, 'label must be 1 or -1')
  })

  it('are right in ordered windows', async () => {
    const pairs = makePairs('normal', Float64Array, settings[0] as Required<MarginOptions>, 7)
    await fill(DOUBLE, pairs)
    const windows = await rows(
      'SELECT hinge_embedding_loss_weighted(x, y, w) OVER (ORDER BY i ROWS 4 PRECEDING) AS t FROM pairs ORDER BY i',
    )
    for (const [i, { t }] of windows.entries()) {
      const [x, y, w] = [pairs.x, pairs.y, pairs.w].map((each) => each.slice(Math.max(0, i - 4), i + 1)) as [
        InputData,
        Float64Array,
        Float64Array,
      ]
      const answer = expectedWeighted(x, y, w, settings[0] as Required<MarginOptions>, 'error')
      expect(t, `row ${i}`).to.deep.equal(structOf(answer))
    }
  })

  it('merge with partials without weights, whose elements have a weight of 1, as texts and as BLOBs', async () => {
    const total = new LossAccumulator().update([0.25, 1.5, 0.5], [1, -1, -1], { weight: [1, 2, 3] })
    const plain = new LossAccumulator().update([0.75, 3], [1, -1])
    const wanted = JSON.stringify(LossAccumulator.merge(total, plain))
    const texts = [total, plain].map((each) => `('${JSON.stringify(each)}')`)
    for (const order of [texts, [...texts].reverse()]) {
      const merge = `SELECT hinge_embedding_loss_merge(t) FROM (VALUES ${order.join(', ')}) AS parts(t)`
      expect(await one(merge)).to.equal(wanted)
    }
    const state = 'hinge_embedding_loss_weighted_state(x, y, w)'
    const states = `(SELECT ${state} AS s FROM (VALUES (0.25::FLOAT, 1, 1), (1.5, -1, 2), (0.5, -1, 3)) AS p(x, y, w)
      UNION ALL SELECT hinge_embedding_loss_state(x, y) FROM (VALUES (0.75::FLOAT, 1), (3, -1)) AS p(x, y))`
    const merged = 'hinge_embedding_loss_as_partial(hinge_embedding_loss_merge(s))'
    expect(await one(`SELECT ${merged} FROM ${states}`)).to.equal(wanted)
  })

  it('change no byte of a partial without weights', async () => {
    const pairs = '(VALUES (0.25::FLOAT, 1), (1.5, -1), (0.5, -1)) AS p(x, y)'
    expect(await one(`SELECT hinge_embedding_loss_state(x, y)::VARCHAR FROM ${pairs}`)).to.equal(
      'HEL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\xF0?\\x02\\x01\\x01\\x02\\x01\\x00\\x03\\x0C\\x01\\x01\\x03\\x0C\\x01\\x02',
    )
    expect(await one(`SELECT hinge_embedding_loss_partial(x, y) FROM ${pairs}`)).to.equal(
      '{"version":1,"margin":1,"positiveLabel":1,"negativeLabel":-1,"otherLabels":"error",' +
        '"positives":{"count":1,"sum":"0x1p-2"},"negatives":{"count":2,"sum":"0x2p-2","active":1},"others":0}',
    )
  })

  it('no bytes but those of a state are a state', async () => {
    const source = '(VALUES (0.25::FLOAT, 1, 1), (1.5, -1, 2), (0.5, -1, 3)) AS p(x, y, w)'
    const { s } = (
      await connection.runAndReadAll(`SELECT hinge_embedding_loss_weighted_state(x, y, w) AS s FROM ${source}`)
    ).getRowObjects()[0] as { s: { bytes: Uint8Array } }
    const bytes = Uint8Array.from(s.bytes)
    const random = new Random(3)
    let refused = 0
    for (let i = 0; i < 2000; i++) {
      const edited = [...bytes]
      edited[random.below(edited.length)] = random.below(256)
      if (random.isTrue(0.3)) edited.splice(random.below(edited.length), 1)
      if (random.isTrue(0.1)) edited.push(0)
      const blob = blobValue(Uint8Array.from(edited))
      try {
        const result = await connection.runAndReadAll('SELECT hinge_embedding_loss_merge($1) AS m', [blob], [BLOB])
        const { m } = result.getRowObjects()[0] as { m: { bytes: Uint8Array } }
        expect([...m.bytes]).to.deep.equal(edited)
      } catch (error) {
        expect((error as Error).message).to.match(/partial must be a BLOB that hinge_embedding_loss_state returns/)
        refused++
      }
    }
    expect(refused).to.be.at.least(1000)
  })

  it('texts that LossAccumulator.fromJSON refuses are refused', async () => {
    const json = new LossAccumulator().update([0.25, 1.5, 0.5], [1, -1, -1], { weight: [1, 2, 3] }).toJSON()
    for (const weights of [
      null,
      {},
      { ...json.weights, more: '0x0p+0' },
      ...['-0x4p-2', 'NaN', 'Infinity', '0x1p+0', '1', 1, '0x0p+0'].map((positives) => ({
        ...json.weights,
        positives,
      })),
      { ...json.weights, others: '0x4p-2' },
    ]) {
      const text = JSON.stringify({ ...json, weights })
      expect(() => LossAccumulator.fromJSON(JSON.parse(text)), text).to.throw(RangeError)
      await fails(`SELECT hinge_embedding_loss_merge('${text}')`, 'partial must be a text')
    }
    const reordered = JSON.stringify({ weights: json.weights, ...json })
    expect(await one(`SELECT hinge_embedding_loss_merge('${reordered}')`)).to.equal(JSON.stringify(json))
  })
})

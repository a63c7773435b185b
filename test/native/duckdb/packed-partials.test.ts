import {
  BLOB,
  blobValue,
  DOUBLE,
  type DuckDBConnection,
  DuckDBInstance,
  FLOAT,
  LIST,
  listValue,
} from '@duckdb/node-api'
import { expect } from 'chai'
import { load } from '../../../lib/duckdb.ts'
import { formatJSON } from '../../../lib/format.ts'
import type { LossAccumulator, MarginOptions } from '../../../lib/index.ts'
import { type Format, formats, kinds } from '../../oracle.ts'
import { Random } from '../../support/random.ts'
import { accumulate, unlikeSettings as settings } from '../../support/totals.ts'

/** Inputs of a kind, with labels of all classes that the settings accept. */
function makePairs(kind: string, format: Format, options: Required<MarginOptions>, random: Random) {
  const { positiveLabel, negativeLabel, otherLabels } = options
  const labels = [positiveLabel, negativeLabel, ...(otherLabels === 'error' ? [] : [3])]
  const values = kinds[kind]?.({ random, format, n: random.integer(1, 20), variant: random.below(5) }) ?? []
  const input = new format.Type(values.length)
  input.set(values)
  return { input, label: values.map(() => random.pick(labels)) }
}

describe('partials as BLOBs', function () {
  this.timeout(240_000)
  let connection: DuckDBConnection

  async function rows(sql: string): Promise<Record<string, unknown>[]> {
    return (await connection.runAndReadAll(sql)).getRowObjects()
  }

  async function one(sql: string): Promise<unknown> {
    return Object.values((await rows(sql))[0] ?? {})[0]
  }

  /** A table `states` of the states of random pairs, and the partials that JavaScript computes of them. */
  async function createStates(random: Random): Promise<LossAccumulator[]> {
    const accumulators: LossAccumulator[] = []
    await connection.run('CREATE OR REPLACE TABLE states (i INTEGER, state BLOB, merged BLOB, partial VARCHAR)')
    for (const options of settings) {
      const { margin, positiveLabel, negativeLabel, otherLabels } = options
      const call = `(x, y, ${margin}::DOUBLE, ${positiveLabel}, ${negativeLabel}, '${otherLabels}')`
      for (const kind of Object.keys(kinds)) {
        for (const format of formats) {
          const { input, label } = makePairs(kind, format, options, random)
          const type = input instanceof Float32Array ? FLOAT : DOUBLE
          await connection.run(
            `CREATE OR REPLACE TEMP TABLE one AS
               SELECT unnest($1) AS x, unnest($2) AS y, unnest(range(len($1))) AS row`,
            [listValue([...input]), listValue(label)],
            [LIST(type), LIST(DOUBLE)],
          )
          await connection.run(
            `INSERT INTO states SELECT ${accumulators.length}, hinge_embedding_loss_state${call},
               (SELECT hinge_embedding_loss_merge(state ORDER BY state)
                FROM (SELECT hinge_embedding_loss_state${call} AS state FROM one GROUP BY row % 4)),
               hinge_embedding_loss_partial${call} FROM one`,
          )
          accumulators.push(accumulate(input, label, options))
        }
      }
    }
    return accumulators
  }

  /** Reads the bytes, and returns them as the extension packs them again, or nothing if it refuses them. */
  async function repack(bytes: Uint8Array): Promise<Buffer | undefined> {
    try {
      const result = await connection.runAndReadAll(
        'SELECT hinge_embedding_loss_merge(b), hinge_embedding_loss_json(any_value(b)) FROM (SELECT $1 AS b)',
        [blobValue(bytes)],
        [BLOB],
      )
      const [packed] = result.getRows()[0] as [{ bytes: Uint8Array }]
      return Buffer.from(packed.bytes)
    } catch (error) {
      expect((error as Error).message).to.match(/partial must be a BLOB that hinge_embedding_loss_state returns, got/)
      return undefined
    }
  }

  before(async () => {
    connection = await (await DuckDBInstance.create(':memory:', { allow_unsigned_extensions: 'true' })).connect()
    await load(connection)
  })
  after(() => connection.closeSync())

  it('have what the text of the partial has, in fewer bytes, equal for equal totals', async () => {
    for (const seed of [1, 2, 3]) {
      const accumulators = await createStates(new Random(seed))
      const found =
        await rows(`SELECT partial, hinge_embedding_loss_as_partial(state) AS unpacked, merged = state AS same,
        typeof(state) AS type, octet_length(state) < strlen(partial) / 2 AS small FROM states ORDER BY i`)
      const expected = accumulators.map((each) => {
        const partial = JSON.stringify(each)
        return { partial, unpacked: partial, same: true, type: 'BLOB', small: true }
      })
      expect(found).to.deep.equal(expected)
    }
    expect(await one('SELECT octet_length(hinge_embedding_loss_state(0.1, 1))')).to.be.below(40)
  })

  it("have the JSON of the library's figures, byte for byte, as their texts do", async () => {
    const random = new Random(4)
    for (let round = 0; round < 5; round++) {
      const accumulators = await createStates(random)
      const found = await rows(`SELECT hinge_embedding_loss_json(state) AS json,
        hinge_embedding_loss_json(partial) AS json_of_text, hinge_embedding_loss_json('"' || i || '"', state) AS json_of_key,
        hinge_embedding_loss_json('[]', partial) AS json_of_list FROM states ORDER BY i`)
      const expected = accumulators.map(({ count, sum, mean, margin, positives, negatives, others }, i) => {
        const figures = { count, sum, mean, margin, positives, negatives, others }
        const json = formatJSON(figures)
        return {
          json,
          json_of_text: json,
          json_of_key: formatJSON({ by: String(i), ...figures }),
          json_of_list: formatJSON({ by: [], ...figures }),
        }
      })
      expect(found).to.deep.equal(expected)
    }
  })

  it('have the JSON of millions of elements and of sums that are hard to round', async () => {
    const random = new Random(5)
    const accumulators = Array.from({ length: 2000 }, () => {
      const [format, kind] = [random.pick(formats), random.pick(Object.keys(kinds))]
      const options = random.pick(settings)
      const { input, label } = makePairs(kind, format, options, random)
      const total = accumulate(input, label, options)
      for (let doublings = random.below(40); doublings > 0; doublings--) total.merge(total)
      return total
    })
    const result = await connection.runAndReadAll('SELECT unnest([hinge_embedding_loss_json(t) FOR t IN $1])', [
      listValue(accumulators.map((each) => JSON.stringify(each))),
    ])
    const expected = accumulators.map(({ count, sum, mean, margin, positives, negatives, others }) =>
      formatJSON({ count, sum, mean, margin, positives, negatives, others }),
    )
    expect(result.getRows().map(([json]) => json)).to.deep.equal(expected)
  })

  it('are NULL for no rows and for NULL', async () => {
    const none = 'FROM range(0) AS r(i)'
    expect(await one(`SELECT hinge_embedding_loss_state(i, 1) ${none}`)).to.equal(null)
    expect(await one(`SELECT hinge_embedding_loss_merge('x'::BLOB) ${none}`)).to.equal(null)
    for (const sql of [
      'json(NULL::VARCHAR)',
      'json(NULL::BLOB)',
      "json('1', NULL::VARCHAR)",
      "json('1', NULL::BLOB)",
      'json(NULL, hinge_embedding_loss_state(1, 1))',
      'as_partial(NULL::VARCHAR)',
      'as_partial(NULL::BLOB)',
      'merge(NULL::BLOB)',
    ]) {
      expect(await one(`SELECT hinge_embedding_loss_${sql}`), sql).to.equal(null)
    }
    const states = `(SELECT CASE WHEN i % 2 = 0 THEN hinge_embedding_loss_state(i, 1) END AS state
      FROM range(5000) AS r(i) GROUP BY i)`
    const counts = `count(hinge_embedding_loss_json(state)) AS jsons, count(hinge_embedding_loss_as_partial(state)) AS texts,
      (hinge_embedding_loss_json(hinge_embedding_loss_merge(state))::JSON)->>'$.count' AS merged`
    expect(await rows(`SELECT ${counts} FROM ${states}`)).to.deep.equal([
      { jsons: 2500n, texts: 2500n, merged: '2500' },
    ])
  })

  describe('lists of their JSON', () => {
    /** The list of some texts, in the order of their rows, from the BLOBs that hold parts of it; checks their sizes. */
    async function list(query: string): Promise<{ text: string; parts: number }> {
      const parts = (await rows(`SELECT hinge_embedding_loss_json_list(element) AS part FROM (${query})`)).flatMap(
        ({ part }) => (part === null ? [] : [Buffer.from((part as { bytes: Uint8Array }).bytes)]),
      )
      for (const part of parts) expect(part.length).to.be.below(2 ** 16 + 1100)
      return { text: parts.join(), parts: parts.length }
    }

    it('have every element once, in the order of the rows, in few parts', async () => {
      const element = `'"' || i || repeat('é', (i * 7919) % 500) || '"'`
      const { text, parts } = await list(`SELECT ${element} AS element FROM range(10000) AS r(i) ORDER BY i`)
      const expected = Array.from({ length: 10_000 }, (_, i) => `"${i}${'é'.repeat((i * 7919) % 500)}"`)
      expect(text === expected.join()).to.equal(true)
      expect(parts).to.be.within(Buffer.byteLength(text) / (2 ** 16 + 1100), 120)
    })

    it('have equal elements as often as they come, and leave out NULL', async () => {
      const ones = await list('SELECT 1::VARCHAR AS element FROM range(5000)')
      expect(ones.text).to.equal(Array(5000).fill(1).join())
      const odd = await list(`SELECT CASE WHEN i % 2 = 1 THEN i::VARCHAR END AS element FROM range(5000) AS r(i)`)
      expect(odd.text).to.equal(Array.from({ length: 2500 }, (_, i) => 2 * i + 1).join())
      for (const query of ['SELECT NULL AS element FROM range(5000)', `SELECT '1' AS element FROM range(0)`]) {
        expect(await list(query)).to.deep.equal({ text: '', parts: 0 })
      }
    })
  })

  it('refuse other settings in a group', async () => {
    const states = `(SELECT hinge_embedding_loss_state(1, 1, m) AS state FROM (VALUES (1), (2)) AS v(m) GROUP BY m)`
    const error = await one(`SELECT hinge_embedding_loss_merge(state) FROM ${states}`).catch((reason) => reason)
    expect(String(error)).to.match(/must be the same in all rows of a group, got \(\d, 1, -1, 'error'\) and/)
  })

  it('are read only if they are bytes that the extension writes', async () => {
    const random = new Random(6)
    await createStates(random)
    const states = (await rows('SELECT DISTINCT state FROM states')).map(({ state }) =>
      Buffer.from((state as { bytes: Uint8Array }).bytes),
    )
    for (const state of states) expect(await repack(state)).to.deep.equal(state)
    const outcomes = { refused: 0, read: 0 }
    const check = async (bytes: Buffer) => {
      const repacked = await repack(bytes)
      outcomes[repacked === undefined ? 'refused' : 'read']++
      if (repacked !== undefined) expect(repacked).to.deep.equal(bytes)
    }
    for (let i = 0; i < 1500; i++) {
      const state = Buffer.from(random.pick(states))
      for (let edits = random.integer(1, 3); edits > 0; edits--) {
        state[random.below(state.length)] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.below(256)])
      }
      await check(random.isTrue(0.8) ? state : state.subarray(0, random.below(state.length)))
    }
    for (let i = 0; i < 500; i++) {
      const noise = Buffer.from(random.list(random.below(80), () => random.below(256)))
      await check(random.isTrue() ? noise : Buffer.concat([Buffer.from('HEL\x01\x00'), noise]))
    }
    for (const state of states) await check(Buffer.concat([state, Buffer.of(0)]))
    expect(outcomes.refused).to.be.above(500)
    expect(outcomes.read).to.be.above(10)
  })
})

import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { load } from '../../lib/duckdb.ts'
import { LossAccumulator } from '../../lib/index.ts'
import { fuzz, type Random } from '../support/random.ts'

const numbers = [
  '0',
  '-0',
  '01',
  '1.',
  '.5',
  '+1',
  '-',
  '1e',
  '1e+',
  '1E2',
  '1e-2',
  '0e0',
  '-1.50',
  '1e400',
  '1e-400',
  '0x1',
]
const pieces = [
  ...numbers,
  ...'{}[],:"\\ \n\t\r\u00a0\u0001ue',
  '\\u0065',
  '\\/',
  '\\x',
  '\\ud83d\\ude00',
  '"count"',
  'null',
  'true',
  'NaN',
]

const some = new LossAccumulator({ margin: 0.1, otherLabels: 'zero' }).update(
  Float64Array.of(0.5, -3, 1e300, 7),
  Float64Array.of(1, -1, 1, 9),
)

/** The text of a partial, its members in any order, with digits, strings and spaces written otherwise. */
function randomText(random: Random): string {
  const shuffled = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(random.shuffle(Object.entries(value)).map(([key, each]) => [key, shuffled(each)]))
  }
  let text = JSON.stringify(random.isTrue() ? shuffled(some.toJSON()) : some.toJSON(), null, random.pick([0, 0, 2]))
  if (random.isTrue(0.3)) {
    const escapeOf = (letter: string) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`
    text = text.replace(/[a-z]/g, (letter) => (random.isTrue(0.1) ? escapeOf(letter) : letter))
  }
  if (random.isTrue(0.4))
    text = text.replace(/(?<=:)-?[\d.]+/g, (each) => (random.isTrue(0.2) ? random.pick(numbers) : each))
  for (let edits = random.integer(0, 2); edits > 0; edits--) {
    const at = random.integer(0, text.length)
    text = text.slice(0, at) + random.pick(pieces) + text.slice(at + random.integer(0, 2))
  }
  return text
}

function readInJavaScript(text: string): string | undefined {
  try {
    return JSON.stringify(LossAccumulator.fromJSON(JSON.parse(text)))
  } catch {
    return undefined
  }
}

describe('the text of a partial in SQL', () => {
  let connection: DuckDBConnection

  before(async () => {
    connection = await (await DuckDBInstance.create(':memory:', { allow_unsigned_extensions: 'true' })).connect()
    await load(connection)
  })
  after(() => connection.closeSync())

  fuzz('SQL reads the text of a partial exactly where JavaScript reads it, with the same totals', async (random) => {
    const text = randomText(random)
    const merged = await connection.runAndReadAll('SELECT hinge_embedding_loss_merge($1)', [text]).then(
      (result) => result.getRows()[0]?.[0],
      () => undefined,
    )
    const expected = readInJavaScript(text)
    if (merged !== expected) throw new Error(`${text} is ${merged} in SQL, ${expected} in JavaScript`)
  })
})

import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { load } from '../../lib/duckdb.ts'
import { fuzz } from '../support/random.ts'
import { checkAnswer, randomWindowQuery } from '../support/window-queries.ts'

const plain = (value: unknown) => (typeof value === 'bigint' ? Number(value) : value)

describe('the SQL aggregates in windows, groups and orders', () => {
  const connections = new Map<number, DuckDBConnection>()

  before(async () => {
    for (const threads of [1, 2, 4]) {
      const options = { allow_unsigned_extensions: 'true', threads: String(threads) }
      const connection = await (await DuckDBInstance.create(':memory:', options)).connect()
      await load(connection)
      connections.set(threads, connection)
    }
  })
  after(() => {
    for (const connection of connections.values()) connection.closeSync()
  })

  fuzz('SQL aggregates in windows, groups and orders give the totals of their rows', async (random) => {
    const connection = connections.get(random.pick([1, 2, 4])) as DuckDBConnection
    const query = randomWindowQuery(random)
    for (const each of query.setup) await connection.run(each)
    const answer = await connection.runAndReadAll(query.sql).then(
      (result) => result.getRows().map((row) => row.map(plain)),
      ({ message }: Error) => message,
    )
    checkAnswer(answer, query)
  })
})

import { expect } from 'chai'
import { Session } from '../../../lib/files/duckdb/session.ts'

const endless = 'SELECT sum(i) FROM range(1_000_000_000_000) AS r(i)'

describe('a session of DuckDB', () => {
  for (const moment of ['before it opens', 'while no query runs', 'while a query runs']) {
    it(`ends its queries after an abort ${moment}`, async () => {
      const controller = new AbortController()
      if (moment === 'before it opens') controller.abort()
      const session = await Session.open(1, controller.signal)
      if (moment === 'while no query runs') controller.abort()
      if (moment === 'while a query runs') setTimeout(() => controller.abort(), 50)
      try {
        expect(String(await session.readRows(endless).catch((error) => error))).to.match(/INTERRUPT/)
      } finally {
        session.close()
      }
    })
  }
})

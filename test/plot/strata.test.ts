import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import { readScoring, type Scoring } from '../../lib/files/options.ts'
import { Missing } from '../../lib/files/readers/chunks.ts'
import { classifyInSQL, makeClassifier, strata } from '../../lib/plot/strata.ts'

describe('the strata of a plot', () => {
  const margins = [1, 0.1, -0.1, 0, -0, 1e-320]
  const inputs = [...margins, Math.fround(0.1), 0.5, 2, -3, Number.NaN, Infinity, -Infinity, null]
  const labels = [1, -1, 0, 7, 0.5, Number.NaN, Infinity, null]
  const rows = inputs.flatMap((x) => labels.map((y) => ({ x, y })))

  function toSQL(value: number | null, type: string): string {
    return value === null ? 'NULL' : `'${value}'::DOUBLE::${type}`
  }

  for (const dtype of ['float32', 'float64'] as const) {
    it(`SQL and the loop over chunks classify each ${dtype} row alike`, async () => {
      const connection = await (await DuckDBInstance.create()).connect()
      const type = dtype === 'float32' ? 'FLOAT' : 'DOUBLE'
      const values = rows.map(({ x, y }) => `(${toSQL(x, type)}, ${toSQL(y, 'DOUBLE')})`)
      await connection.run(`CREATE TABLE pairs AS SELECT * FROM (VALUES ${values.join(', ')}) AS pairs(x, y)`)
      const seen = new Set<string>()
      for (const margin of margins) {
        for (const [positiveLabel, negativeLabel] of [
          [1, -1],
          [0, 1],
        ] as const) {
          for (const nan of ['keep', 'ignore'] as const) {
            const scoring = readScoring({
              input: 'x',
              label: 'y',
              margin,
              positiveLabel,
              negativeLabel,
              nan,
            }) as Scoring
            const sql = `SELECT ${classifyInSQL(scoring, dtype)} FROM (SELECT x::DOUBLE AS x, y FROM pairs)`
            const found = (await (await connection.runAndReadAll(sql)).getRows()).map(([i]) => strata[Number(i)])
            const classify = makeClassifier(scoring, dtype)
            const expected = rows.map(({ x, y }) => {
              if (x === null) return classify(5, y ?? 5, Missing.input)
              if (y === null) return classify(x, 5, Missing.label)
              const isLeftOut = nan === 'ignore' && Number.isNaN(x)
              return classify(dtype === 'float32' ? Math.fround(x) : x, y, isLeftOut ? Missing.nan : Missing.none)
            })
            expect(found, JSON.stringify(scoring)).to.deep.equal(expected)
            for (const stratum of expected) seen.add(stratum)
          }
        }
      }
      connection.closeSync()
      expect([...seen]).to.have.members([...strata])
    })
  }

  it('a negative is active if its distance is less than the margin in the dtype of the input', () => {
    const scoring = readScoring({ input: 'x', label: 'y', margin: 0.1 }) as Scoring
    const isActive = (x: number, dtype: 'float32' | 'float64') => makeClassifier(scoring, dtype)(x, -1) === 'active'
    expect(isActive(0.1, 'float64')).to.equal(false)
    expect(isActive(0.0999999999999999, 'float64')).to.equal(true)
    // The margin rounds to a larger number of float32.
    expect(isActive(0.1, 'float32')).to.equal(true)
    expect(isActive(Math.fround(0.1), 'float32')).to.equal(false)
  })
})

import { fileURLToPath } from 'node:url'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import { extensionPath } from '../../lib/duckdb.ts'
import { hingeEmbeddingLoss, type MarginOptions } from '../../lib/index.ts'
import { exchangeJSON } from '../support/processes.ts'
import { Random } from '../support/random.ts'
import { accumulate, totalsOf } from '../support/totals.ts'
import { checkAnswer, randomWindowQuery } from '../support/window-queries.ts'
import { type Environment, environmentOf } from './venv.ts'

const program = fileURLToPath(new URL('answers.py', import.meta.url))
const file = fileURLToPath(new URL('../../examples/digit-pairs.parquet', import.meta.url))
const table = `(SELECT "left" % 10 AS digit, learned_distance AS x, label AS y FROM '${file}')`

/**
 * The wheels of 1.2 are a platform of their own for the sake of C++, of which the extension's interface has none. So
 * they are told to take the very file that all others take, which is what whoever has such a DuckDB can do.
 */
const releases = [
  { requirement: 'duckdb==1.2.2', config: { allow_extensions_metadata_mismatch: 'true' } },
  { requirement: 'duckdb==1.3.2', config: {} },
  { requirement: 'duckdb==1.4.4', config: {} },
  { requirement: 'duckdb==1.5.6', config: {} },
  { requirement: 'duckdb', config: {} },
]

interface Pair {
  digit: number
  x: number
  y: number
}

interface Call {
  sql: string
  Input: Float32ArrayConstructor | Float64ArrayConstructor
  labelOf: (pair: Pair) => number
  options: MarginOptions
}

const plainCall: Call = { sql: '(x, y)', Input: Float32Array, labelOf: ({ y }) => y, options: {} }
const calls: readonly Call[] = [
  plainCall,
  { ...plainCall, sql: '(x::DOUBLE, y::BIGINT, 0.7)', Input: Float64Array, options: { margin: 0.7 } },
  {
    ...plainCall,
    sql: `(x, y = 1, 1.3, 1, 0, 'error')`,
    labelOf: ({ y }) => (y === 1 ? 1 : 0),
    options: { margin: 1.3, negativeLabel: 0 },
  },
  {
    ...plainCall,
    sql: `(x, y * digit, 1, 3, -3, 'ignore')`,
    labelOf: ({ y, digit }) => y * digit,
    options: { positiveLabel: 3, negativeLabel: -3, otherLabels: 'ignore' },
  },
]

function columnsOf(pairs: readonly Pair[], { Input, labelOf }: Call) {
  return { input: new Input(pairs.map(({ x }) => x)), label: pairs.map(labelOf) }
}

function totalOf(pairs: readonly Pair[], call = plainCall) {
  const { input, label } = columnsOf(pairs, call)
  return accumulate(input, label, call.options)
}

function lossesOf(pairs: readonly Pair[], call: Call): number[] {
  const { input, label } = columnsOf(pairs, call)
  return [...hingeEmbeddingLoss(input, Float64Array.from(label), { ...call.options, reduction: 'none' }).data]
}

for (const { requirement, config } of releases) {
  describe(`the extension in Python's ${requirement}`, function () {
    this.timeout(300_000)
    let environment: Environment
    let pairs: Pair[]

    before('install', async () => {
      environment = environmentOf(requirement)
      const connection = await (await DuckDBInstance.create(':memory:')).connect()
      const result = await connection.runAndReadAll(`FROM ${table}`)
      pairs = result.getRowObjects() as unknown as Pair[]
      connection.closeSync()
    })

    /** The rows, or the error, of each. */
    function answers(queries: readonly string[], threads = 2): unknown[] {
      const settings = { allow_unsigned_extensions: 'true', threads: String(threads), ...config }
      const request = { extension: extensionPath, config: settings, queries }
      return exchangeJSON(environment.python, [program], request)
    }

    it('returns what the library returns, for any arguments', () => {
      for (const call of calls) {
        const names = ['hinge_embedding_loss', 'hinge_embedding_loss_partial', 'hinge_embedding_loss_each']
        const [ofAll, partial, each] = answers(names.map((name) => `SELECT ${name}${call.sql} FROM ${table}`))
        const total = totalOf(pairs, call)
        expect(ofAll, call.sql).to.deep.equal([[totalsOf(total)]])
        expect(partial, call.sql).to.deep.equal([[JSON.stringify(total)]])
        expect((each as number[][]).flat(), call.sql).to.deep.equal(lossesOf(pairs, call))
      }
    })

    it('returns exact totals by group, merged and with FILTER', () => {
      const digits = [...new Set(pairs.map(({ digit }) => digit))].sort()
      const groups = digits.map((digit) => {
        const total = totalOf(pairs.filter((pair) => pair.digit === digit))
        return [digit, totalsOf(total), JSON.stringify(total)]
      })
      const byDigit = `SELECT digit, hinge_embedding_loss(x, y), hinge_embedding_loss_partial(x, y) AS partial
        FROM ${table} GROUP BY digit ORDER BY digit`
      const merged = `SELECT hinge_embedding_loss_merge(partial) FROM (${byDigit})`
      const filtered = `SELECT hinge_embedding_loss(x, y) FILTER (x < 0.5) FROM ${table}`
      const near = totalOf(pairs.filter(({ x }) => x < 0.5))
      expect(answers([byDigit, merged, filtered])).to.deep.equal([
        groups,
        [[JSON.stringify(totalOf(pairs))]],
        [[totalsOf(near)]],
      ])
    })

    it('returns the totals of the right rows in windows, in groups and with ORDER BY', () => {
      const hasLists = !requirement.includes('==1.2')
      for (const threads of [1, 2, 4]) {
        const queries = Array.from({ length: 40 }, (_, i) =>
          randomWindowQuery(new Random(1000 * threads + i), hasLists),
        )
        const found = answers(
          queries.flatMap(({ setup, sql }) => [...setup, sql]),
          threads,
        )
        let at = -1
        for (const query of queries) {
          at += query.setup.length + 1
          checkAnswer(found[at] as unknown[][] | string, query)
        }
      }
    })

    it('scores lists, except in DuckDB 1.2, which does not get that function', () => {
      const [totals] = answers(['SELECT hinge_embedding_loss_of([0.5, 0.25, NULL], [1, -1, 1]).sum'])
      if (requirement.includes('==1.2')) expect(totals).to.match(/hinge_embedding_loss_of does not exist/)
      else expect(totals).to.deep.equal([[1.25]])
    })

    it('reports the errors of the library, and the connection still works', () => {
      const wrong: [call: string, message: RegExp][] = [
        ['hinge_embedding_loss(x, 0)', /label must be 1 or -1, got 0 \(for 0\/1 labels, pass all arguments/],
        ['hinge_embedding_loss_partial(x, 7)', /label must be 1 or -1, got 7/],
        ['hinge_embedding_loss_each(x, 7)', /label must be 1 or -1, got 7/],
        [`hinge_embedding_loss(x, y, 'nan'::DOUBLE)`, /margin must be a finite number, got NaN/],
        ['hinge_embedding_loss(x, y, digit)', /must be the same in all rows of a group/],
        [`hinge_embedding_loss(x, y, 1, 1, -1, 'drop')`, /other_labels must be 'error', 'zero' or 'ignore'/],
        [`hinge_embedding_loss_merge('{}')`, /partial must be a text that hinge_embedding_loss_partial returns/],
        [`hinge_embedding_loss('near', y)`, /input must be a number, got VARCHAR/],
      ]
      const found = answers(wrong.flatMap(([call]) => [`SELECT ${call} FROM ${table}`, 'SELECT 1']))
      for (const [i, [call, message]] of wrong.entries()) {
        expect(found[2 * i], call).to.match(message)
        expect(found[2 * i + 1], call).to.deep.equal([[1]])
      }
    })
  })
}

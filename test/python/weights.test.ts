import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import { load } from '../../lib/duckdb.ts'
import { scoreFiles } from '../../lib/files.ts'
import { HingeEmbeddingLoss, type LossAccumulator } from '../../lib/index.ts'
import { exchangeJSON } from '../support/processes.ts'
import { Random } from '../support/random.ts'

const program = fileURLToPath(new URL('weighted_means.py', import.meta.url))

type Pairs = [x: number, y: 1 | -1, w: number][]

interface Case {
  readonly dtype: 'float32' | 'float64'
  readonly margin: number
  readonly pairs: Pairs
}

function makeCase(random: Random): Case {
  const dtype = random.pick(['float32', 'float64'] as const)
  const round = dtype === 'float32' ? Math.fround : (value: number) => value
  const [low, high] = random.pick([[-3, 3], [-60, 60], dtype === 'float32' ? [-140, 120] : [-1070, 1020]] as const)
  const pairs: Pairs = random.list(random.integer(1, 60), () => [
    round((random.fraction() - 0.3) * 2 ** random.integer(low, high)),
    random.sign(),
    random.isTrue(0.1) ? 0 : random.fraction() * 2 ** random.integer(low, high),
  ])
  return { dtype, margin: random.pick([1, 0.3, -2]), pairs }
}

describe(`weighted means and Python's fractions`, function () {
  this.timeout(300_000)
  let folder: string
  let connection: DuckDBConnection
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
    const instance = await DuckDBInstance.create(':memory:', { allow_unsigned_extensions: 'true' })
    connection = await instance.connect()
    await load(connection)
  })
  after(() => {
    connection.closeSync()
    rmSync(folder, { recursive: true })
  })

  it('agree to the last bit in JavaScript, in SQL and in files', async () => {
    const random = new Random(77)
    const cases = random.list(300, () => makeCase(random))
    const expected = exchangeJSON<string[][]>('python3', [program], cases)
    const read = (text: string) => (text === 'inf' ? Infinity : text === '-inf' ? -Infinity : Number(text))
    for (const [i, { dtype, margin, pairs }] of cases.entries()) {
      const [sum, mean, weight] = (expected[i] as string[]).map(read)
      const Type = dtype === 'float32' ? Float32Array : Float64Array
      const [x, y, w] = [0, 1, 2].map((k) => pairs.map((pair) => pair[k] as number)) as [number[], number[], number[]]
      const weights = { weight: Float64Array.from(w) }
      const call = (reduction: 'sum' | 'mean') =>
        new HingeEmbeddingLoss({ margin, reduction }).forward(Type.from(x), y, weights)
      expect([call('sum'), call('mean')], `case ${i}`).to.deep.equal([sum, mean])

      const path = join(folder, 'pairs.ndjson')
      writeFileSync(path, pairs.map(([x, y, w]) => `${JSON.stringify({ x, y, w })}\n`).join(''))
      const input = dtype === 'float32' ? 'x::FLOAT' : 'x'
      const { total } = await scoreFiles([path], { input, label: 'y', weight: 'w', margin })
      const figures = ({ sum, mean, weight }: Pick<LossAccumulator, 'sum' | 'mean' | 'weight'>) => [sum, mean, weight]
      expect(figures(total), `case ${i}, a file`).to.deep.equal([sum, mean, weight])
      const columns = `{x: 'DOUBLE', y: 'INTEGER', w: 'DOUBLE'}`
      const [row] = (
        await connection.runAndReadAll(`SELECT hinge_embedding_loss_weighted(${input}, y, w, ${margin}) AS t
          FROM read_json('${path}', format = 'newline_delimited', columns = ${columns})`)
      ).getRowObjects() as unknown as [{ t: { entries: LossAccumulator } }]
      expect(figures(row.t.entries), `case ${i}, SQL`).to.deep.equal([sum, mean, weight])
    }
  })
})

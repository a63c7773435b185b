import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { hingeEmbeddingLoss } from '../../lib/index.ts'
import { command } from '../support/command.ts'
import { exchangeJSON } from '../support/processes.ts'
import { environmentOfColumns } from './venv.ts'

const program = fileURLToPath(new URL('read.py', import.meta.url))
const fixtures = fileURLToPath(new URL('../fixtures', import.meta.url))
type Columns = Record<string, unknown[]>

describe('score --output, read in Python', function () {
  this.timeout(300_000)
  let folder: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
  })
  after(() => rmSync(folder, { recursive: true }))

  it('writes losses and kept columns that pyarrow, polars, numpy and DuckDB read', async () => {
    const outputs: string[] = []
    for (const source of ['plain.parquet', 'plain/pyarrow.arrow', 'plain/polars-newest.arrows']) {
      for (const end of ['parquet', 'csv', 'arrow', 'npy']) {
        const keep = end === 'npy' ? [] : ['gap', 'label', 'text', 'whole', 'int16'].flatMap((name) => ['--keep', name])
        const output = join(folder, `${source.replace(/\W/g, '-')}.${end}`)
        const columns = ['--input', 'gap', '--label', 'label', '--nulls', 'ignore']
        const args = ['score', join(fixtures, 'arrow', source), ...columns, ...keep, '--output', output]
        const { code, stderr } = await command(args)
        expect({ code, stderr }, args.join(' ')).to.deep.equal({ code: 0, stderr: '' })
        outputs.push(output)
      }
    }
    const { python } = environmentOfColumns()
    const found = exchangeJSON<Columns[][]>(python, [program, ...outputs])
    const [[first]] = found as [[Columns]]
    const { gap, label, text, whole, int16 } = first as Record<string, unknown[]>
    const input = Float64Array.from(gap as (number | null)[], (value) => value ?? 0)
    const { data } = hingeEmbeddingLoss(input, Float64Array.from(label as number[]), { reduction: 'none' })
    const loss = Array.from(data as Float64Array, (value, i) => (gap?.[i] === null ? null : value))
    expect(text).to.include.members(['', null, 'a "quoted", word\n', 'größer'])
    for (const [i, output] of outputs.entries()) {
      const expected = output.endsWith('.npy') ? { loss } : { loss, gap, label, text, whole, int16 }
      for (const columns of found[i] as Columns[]) expect(columns, output).to.deep.equal(expected)
    }
  })
})

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { extensionPath } from '../../lib/duckdb.ts'
import { scoreFiles } from '../../lib/files.ts'
import { exchangeJSON } from '../support/processes.ts'
import { environmentOf, environmentOfColumns } from './venv.ts'

const program = fileURLToPath(new URL('distances.py', import.meta.url))
/** DuckDB 1.2 passes lists whose elements may lie anywhere, and does not get the function. */
const releases = ['duckdb==1.3.2', 'duckdb==1.4.4', 'duckdb==1.5.6', 'duckdb']

describe("hinge_embedding_distance in Python's DuckDB", function () {
  this.timeout(600_000)

  for (const [seed, requirement] of releases.entries()) {
    it(`gives the distances of numpy and math.fsum in ${requirement}, for all layouts of pyarrow and for Parquet`, () => {
      const { python } = environmentOf(requirement, 'numpy', 'pyarrow', 'pytz')
      const config = { allow_unsigned_extensions: 'true', threads: '2' }
      const answer = exchangeJSON(python, [program], { extension: extensionPath, config, seed })
      expect(answer).to.have.property('compared').that.is.greaterThan(20_000)
      expect(answer).to.deep.include({ differing: [] })
    })
  }
})

describe('distances of files from Python', function () {
  this.timeout(600_000)

  /** What scores a file of `distance_files.py`. */
  function scoreOf(path: (name: string) => string, file: string) {
    const columns = { left: 'l', right: 'r', label: 'y', nulls: 'ignore' } as const
    const base = file.replace(/\.np[yz]$/, '')
    if (file.endsWith('.npz')) {
      const [left, right, label] = ['left', 'right', 'y'].map((name) => `${path(file)}:${name}`) as [
        string,
        string,
        string,
      ]
      return scoreFiles([], { ...columns, left, right, label })
    }
    if (!file.endsWith('.npy')) return scoreFiles([path(file)], columns)
    return scoreFiles([], {
      ...columns,
      left: path(`${base}-left.npy`),
      right: path(`${base}-right.npy`),
      label: path('y.npy'),
    })
  }

  it('have the sums of numpy and math.fsum, as pyarrow, polars and numpy write them, compressed, sliced and with nulls', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
    try {
      const { python } = environmentOfColumns()
      const files = fileURLToPath(new URL('distance_files.py', import.meta.url))
      const answers: Record<string, { sum: number; count: number }> = exchangeJSON(python, [files, folder], {})
      expect(Object.keys(answers)).to.have.lengthOf(26)
      for (const [file, expected] of Object.entries(answers)) {
        const { total } = await scoreOf((name) => join(folder, name), file)
        expect({ sum: total.sum, count: total.count }, file).to.deep.equal(expected)
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

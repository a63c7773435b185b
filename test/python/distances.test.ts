import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { extensionPath } from '../../lib/duckdb.ts'
import { exchangeJSON } from '../support/processes.ts'
import { environmentOf } from './venv.ts'

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

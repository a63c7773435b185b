import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describeReaders } from '../support/reader-tests.ts'
import { environmentOfColumns } from './venv.ts'

const tables = fileURLToPath(new URL('tables.py', import.meta.url))

describe('readers of what pyarrow, polars, pandas and numpy write today', function () {
  this.timeout(300_000)
  let folder: string

  before('write', () => {
    const environment = environmentOfColumns()
    folder = join(environment.folder, 'written')
    execFileSync(environment.python, ['-W', 'ignore', tables, folder])
  })

  describeReaders(() => folder)
})

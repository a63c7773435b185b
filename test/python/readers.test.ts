import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describeReaders } from '../readers.ts'
import { type Environment, makeEnvironment } from './venv.ts'

const tables = fileURLToPath(new URL('tables.py', import.meta.url))

describe('what pyarrow, polars, pandas and numpy write today', function () {
  this.timeout(300_000)
  let environment: Environment
  let folder: string

  before('write', () => {
    environment = makeEnvironment(['pyarrow', 'polars', 'pandas', 'numpy'])
    folder = join(environment.folder, 'written')
    execFileSync(environment.python, [tables, folder])
  })
  after(() => rmSync(environment.folder, { recursive: true }))

  describeReaders(() => folder)
})

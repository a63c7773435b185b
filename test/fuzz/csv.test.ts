import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { assertAsPython, writeCsv } from '../support/csv-files.ts'
import { fuzz } from '../support/random.ts'

describe('CSV of random quotes, delimiters, line ends and empty lines', () => {
  let folder: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-fuzz-csv-'))
  })

  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  fuzz('random CSV has the totals of Python in many small files', async (random) => {
    await assertAsPython(random.list(100, (i) => writeCsv(random, folder, String(i), random.integer(0, 30))))
  })

  // Threads of DuckDB begin every 8 MB, and types of columns are found in the first 20,480 rows.
  fuzz('random CSV has the totals of Python in files of many megabytes', async (random) => {
    const firstQuoted = random.pick([0, 20_480, 150_000])
    await assertAsPython([writeCsv(random, folder, 'large', random.integer(20_000, 400_000), firstQuoted)])
  })
})

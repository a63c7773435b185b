import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { command } from '../support/command.ts'
import { assertAnswer, type Expectation, expectationsOf, randomCase, writeFiles } from '../support/group-files.ts'
import { fuzz } from '../support/random.ts'

describe('groups of --by over random files', () => {
  let connection: DuckDBConnection
  before(async () => {
    connection = await (await DuckDBInstance.create(':memory:')).connect()
  })
  after(() => connection.closeSync())

  fuzz('groups over random files are those of Python, or are refused', async (random) => {
    const folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-groups-'))
    try {
      const cases = random.list(10, (i) => ({ ...randomCase(random), folder: join(folder, String(i)) }))
      for (const { folder, files } of cases) {
        mkdirSync(folder)
        await writeFiles(connection, folder, files)
      }
      const expectations = expectationsOf(cases)
      for (const [i, each] of cases.entries()) {
        const files = each.files.map(({ name }) => join(each.folder, name))
        const options = ['--input', 'x', '--label', 'y', '--by', each.by, '--json']
        assertAnswer(expectations[i] as Expectation, each, await command(['score', ...files, ...options]))
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

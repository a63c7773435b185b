// Draws the pairs of handwritten digits by two distances, one beside the other: npm run pictures
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DuckDBInstance } from '@duckdb/node-api'

const [folder = '.'] = process.argv.slice(2)
const program = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
const pairs = fileURLToPath(new URL('digit-pairs.parquet', import.meta.url))
const scratch = mkdtempSync(join(tmpdir(), 'digit-pictures-'))
const rows = join(scratch, 'distances.parquet')

// A panel for each distance takes a row for each distance.
const connection = await (await DuckDBInstance.create()).connect()
await connection.run(`COPY (
  SELECT label, raw_distance AS distance, 'pixels' AS space FROM '${pairs}'
  UNION ALL SELECT label, learned_distance, 'the learned embedding' FROM '${pairs}'
) TO '${rows}'`)
connection.closeSync()

mkdirSync(folder, { recursive: true })
for (const theme of ['light', 'dark']) {
  const picture = resolve(folder, `digit-distances-${theme}.svg`)
  const args = ['plot', rows, '--input', 'distance', '--label', 'label', '--by', 'space', '--theme', theme]
  execFileSync(process.execPath, [program, ...args, '--output', picture])
  console.log(picture)
}
rmSync(scratch, { recursive: true })

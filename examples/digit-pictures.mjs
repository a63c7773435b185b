// Draws the distances of the pairs of handwritten digits in both embeddings side by side: npm run pictures
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DuckDBInstance } from '@duckdb/node-api'
import { plotFiles } from '../dist/files.js'

const [folder = '.'] = process.argv.slice(2)
const pairs = fileURLToPath(new URL('digit-pairs.parquet', import.meta.url))
const scratch = mkdtempSync(join(tmpdir(), 'digit-pictures-'))
const rows = join(scratch, 'distances.parquet')

// Panels are groups of rows, so each pair becomes a row for each embedding.
const connection = await (await DuckDBInstance.create()).connect()
await connection.run(`COPY (
  SELECT label, raw_distance AS distance, 'pixels' AS space FROM '${pairs}'
  UNION ALL SELECT label, learned_distance, 'the learned embedding' FROM '${pairs}'
) TO '${rows}'`)
connection.closeSync()

mkdirSync(folder, { recursive: true })
for (const theme of ['light', 'dark']) {
  const output = join(folder, `digit-distances-${theme}.svg`)
  await plotFiles([rows], { input: 'distance', label: 'label', by: 'space', theme, output })
  console.log(output)
}
rmSync(scratch, { recursive: true })

// Streams pairs in batches into exact totals, saved after each batch: end it in the middle (Ctrl-C, kill -9) and start it again, and
// it goes on from there to the totals of one run, bit for bit. Usage: node examples/stream.mjs [TOTALS.json [ROWS A BATCH]]
import { readFile, rename, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { DuckDBInstance } from '@duckdb/node-api'
import { LossAccumulator } from 'hinge-embedding-loss'

const [file = join(tmpdir(), 'digit-totals.json'), batchSize = 2048] = process.argv.slice(2)

async function restore() {
  try {
    return LossAccumulator.fromJSON(JSON.parse(await readFile(file, 'utf8')))
  } catch (error) {
    if (error.code === 'ENOENT') return new LossAccumulator()
    throw error
  }
}

/** Written beside, then renamed: whenever the process ends, the file is whole. */
async function save(total) {
  await writeFile(`${file}.new`, JSON.stringify(total))
  await rename(`${file}.new`, file)
}

async function* readPairs(offset) {
  const connection = await (await DuckDBInstance.create()).connect()
  const pairs = fileURLToPath(new URL('digit-pairs.parquet', import.meta.url))
  const sql = 'SELECT learned_distance, label FROM read_parquet($pairs) OFFSET $offset'
  for await (const chunk of await connection.stream(sql, { pairs, offset })) {
    const [distance, label] = [0, 1].map((column) => chunk.getColumnVector(column).items)
    yield { distance, label }
  }
}

async function* inBatches(chunks) {
  for await (const { distance, label } of chunks) {
    for (let begin = 0; begin < distance.length; begin += Number(batchSize)) {
      const end = begin + Number(batchSize)
      yield { distance: distance.subarray(begin, end), label: label.subarray(begin, end) }
    }
  }
}

const total = await restore()
console.log(`${file}: from pair ${total.count}`)
await pipeline(readPairs(total.count), inBatches, async (batches) => {
  for await (const { distance, label } of batches) {
    await total.updateAsync(distance, label)
    await save(total)
    process.stdout.write('.')
  }
})
console.log(`\n${total.count} pairs, mean ${total.mean}, sum ${total.sum}`)

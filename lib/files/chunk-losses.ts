import { getNumThreads, HingeEmbeddingLoss, type InputData } from '../index.ts'
import { writeAtomically } from './atomic-write.ts'
import { type Reading, type StreamTotals, scoreChunks } from './chunk-totals.ts'
import type { LossBatch } from './loss-batches.ts'
import { assertDistinctNames, type Output } from './output-formats.ts'
import { completeRows, take } from './readers/chunks.ts'
import { throughDuckDB } from './writers/duckdb.ts'

/** Writes the loss of each row of array sources, while their totals are gathered. */
export function writeChunkLosses({ path, format }: Output, reading: Reading, totals: StreamTotals): Promise<void> {
  const { signal } = reading
  const write = typeof format === 'string' ? throughDuckDB(format, getNumThreads(), signal) : format
  return writeAtomically(path, signal, (beside) => write(beside, readLosses(reading, totals)))
}

async function* readLosses(reading: Reading, totals: StreamTotals): AsyncGenerator<LossBatch> {
  const { margin, positiveLabel, negativeLabel, otherLabels } = totals.options
  assertDistinctNames(totals.options.keep ?? [])
  const criterion = new HingeEmbeddingLoss({ margin, positiveLabel, negativeLabel, otherLabels, reduction: 'none' })
  for await (const { input, label, nulls, kept, table: schema } of scoreChunks(reading, totals)) {
    if (nulls === undefined) {
      yield { schema, values: criterion(input, label).data as InputData, keptColumns: kept }
      continue
    }
    const rows = completeRows(nulls)
    const losses = criterion(take(input, rows), take(label, rows)).data as InputData
    const values = input.slice().fill(Number.NaN)
    for (const [i, row] of rows.entries()) values[row] = losses[i] as number
    yield { schema, values, nulls: nulls.slice(), keptColumns: kept }
  }
}

import { HingeEmbeddingLoss, type InputData } from '../index.ts'
import { writeAtomically } from './atomic-write.ts'
import { type ChunkTotals, type Reading, scoreChunks } from './chunk-totals.ts'
import type { LossBatch } from './loss-batches.ts'
import { assertDistinctNames, type Output } from './output-formats.ts'
import { findCompleteRows, selectRows } from './readers/chunks.ts'
import { makeDuckDBWriter } from './writers/duckdb.ts'

/** Scores array sources into `totals`, and writes the loss of each row. */
export function writeChunkLosses(
  { path, format }: Output,
  reading: Reading & { readonly threads: number },
  totals: ChunkTotals,
): Promise<void> {
  const { signal, threads } = reading
  const write = typeof format === 'string' ? makeDuckDBWriter(format, threads, signal) : format
  return writeAtomically(path, signal, (partPath) => write(partPath, computeLosses(reading, totals)))
}

async function* computeLosses(reading: Reading, totals: ChunkTotals): AsyncGenerator<LossBatch> {
  const { margins, positiveLabel, negativeLabel, otherLabels, keep = [] } = totals.options
  const [margin] = margins as [number]
  assertDistinctNames(keep)
  const criterion = new HingeEmbeddingLoss({ margin, positiveLabel, negativeLabel, otherLabels, reduction: 'none' })
  for await (const { input, label, missing, keptColumns, schema } of scoreChunks(reading, totals)) {
    if (missing === undefined) {
      yield { schema, values: criterion(input, label).data as InputData, keptColumns }
      continue
    }
    const rows = findCompleteRows(missing)
    const losses = criterion(selectRows(input, rows), selectRows(label, rows)).data as InputData
    const values = input.slice().fill(Number.NaN)
    for (const [i, row] of rows.entries()) values[row] = losses[i] as number
    yield { schema, values, nulls: missing.slice(), keptColumns }
  }
}

import { HingeEmbeddingLoss, type InputData } from '../index.ts'
import type { ScoredChunk } from './chunk-totals.ts'
import type { LossBatch } from './loss-batches.ts'
import type { Scoring } from './options.ts'
import { assertDistinctNames, type Output } from './output-formats.ts'
import { findCompleteRows, selectRows } from './readers/chunks.ts'
import { makeDuckDBWriter } from './writers/duckdb.ts'

/** Writes the loss of each row of chunks. */
export function writeChunkLosses(
  { target, format }: Output,
  chunks: AsyncIterable<ScoredChunk>,
  options: Scoring,
  { signal, threads }: { readonly signal: AbortSignal; readonly threads: number },
): Promise<void> {
  const write = typeof format === 'string' ? makeDuckDBWriter(format, threads, signal) : format
  return target.write(signal, (partPath) => write(partPath, computeLosses(chunks, options)))
}

async function* computeLosses(chunks: AsyncIterable<ScoredChunk>, options: Scoring): AsyncGenerator<LossBatch> {
  const { margins, positiveLabel, negativeLabel, otherLabels, keep = [] } = options
  const [margin] = margins as [number]
  assertDistinctNames(keep)
  const criterion = new HingeEmbeddingLoss({ margin, positiveLabel, negativeLabel, otherLabels, reduction: 'none' })
  for await (const { input, label, missing, keptColumns, schema } of chunks) {
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

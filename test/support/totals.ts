import { printTotals } from '../../lib/cli/report.ts'
import type { StreamedTotals } from '../../lib/files/totals.ts'
import { type InputData, LossAccumulator, type MarginOptions } from '../../lib/index.ts'

export function accumulate(input: InputData, label: readonly number[], options: MarginOptions = {}): LossAccumulator {
  return new LossAccumulator(options).update(input, Float64Array.from(label))
}

/** Returns the totals as the aggregate function of SQL does. */
export function totalsOf({ count, sum, mean, positives, negatives, others }: LossAccumulator) {
  return { count, sum, mean, positives, negatives, others }
}

/** Returns the totals for each margin as `score --json` prints them. */
export async function formatAsJSON(totals: readonly StreamedTotals[]): Promise<string> {
  const pieces: Uint8Array[] = []
  await printTotals(totals, { json: true }, async (piece) => {
    pieces.push(Buffer.from(piece))
  })
  return Buffer.concat(pieces).toString()
}

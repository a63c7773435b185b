import { printTotals } from '../../lib/cli/print-totals.ts'
import type { StreamedTotals } from '../../lib/files/totals.ts'
import { type InputData, LossAccumulator, type MarginOptions } from '../../lib/index.ts'

/** Settings that differ from each other in everything. */
export const unlikeSettings: readonly Required<MarginOptions>[] = [
  { margin: 1, positiveLabel: 1, negativeLabel: -1, otherLabels: 'error' },
  { margin: -0.3, positiveLabel: 1, negativeLabel: 0, otherLabels: 'zero' },
  { margin: 2 ** -60, positiveLabel: -7, negativeLabel: 2 ** 24, otherLabels: 'ignore' },
]

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

import { type InputData, LossAccumulator, type MarginOptions } from '../../lib/index.ts'

export function accumulated(input: InputData, label: readonly number[], options: MarginOptions = {}): LossAccumulator {
  return new LossAccumulator(options).update(input, Float64Array.from(label))
}

/** As the aggregate of SQL gives them. */
export function figures({ count, sum, mean, positives, negatives, others }: LossAccumulator) {
  return { count, sum, mean, positives, negatives, others }
}

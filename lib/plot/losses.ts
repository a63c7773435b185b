import { isInView, type Range, type View } from './histogram.ts'
import { type ClassName, classNames } from './strata.ts'

export interface LossPoint {
  readonly x: number
  readonly loss: number
}

const losses: Readonly<Record<ClassName, (x: number, margin: number) => number>> = {
  positive: (x) => x,
  negative: (x, margin) => Math.max(0, margin - x),
}

/**
 * The loss of one row as a function of its distance: the corners of a line or, on a logarithmic axis, points of a curve. The curve
 * of positives ends at twice the margin: further on it would be so high that no difference at the margin could be seen.
 */
export function traceLoss(name: ClassName, view: View, margin: number): LossPoint[] {
  const { edges, low, high, isLog } = view
  const isSteep = isLog && name === 'positive' && isInView(margin, view)
  const end = isSteep ? Math.min(high, 2 * margin) : high
  const places = [...(isLog ? edges : [low]), margin, end].filter((x) => x >= low && x <= end)
  return places.sort((a, b) => a - b).map((x) => ({ x, loss: losses[name](x, margin) }))
}

/** The least and the greatest loss that is drawn. The bars, which stand on the loss 0, have at least half of the height. */
export function findLossRange(view: View, margin: number): Range {
  const values = classNames.flatMap((name) => traceLoss(name, view, margin).map(({ loss }) => loss))
  const least = Math.min(0, ...values)
  return [least, Math.max(-least, ...values)]
}

import { isFiniteIn } from '../settings.ts'

/** The margins shown around one, in steps from it. */
const steps = [-4, -3, -2, -1, 0, 1, 2, 3, 4] as const

/**
 * The margins at which a page shows figures, in ascending order: those asked for or, around one alone, four to each side in
 * steps of a quarter of it: from 0 to twice as much, and around 0 from −1 to 1. A margin that float32 does not hold is left out, if it holds
 * the one asked for.
 */
export function chooseMargins(asked: readonly number[]): number[] {
  const [margin] = asked as [number]
  if (asked.length > 1) return asked.toSorted((one, other) => one - other)
  const step = Math.abs(margin) / 4 || 1 / 4
  const dtype = isFiniteIn(margin, 'float32') ? 'float32' : 'float64'
  // A sum with 0 has no −0, which is a margin like 0.
  const around = steps.map((count) => (count === 0 ? margin : margin + count * step + 0))
  return [...new Set(around)].filter((each) => Number.isFinite(each) && isFiniteIn(each, dtype))
}

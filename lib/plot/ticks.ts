/** True if the labels of ticks have room. */
type HasRoom = (ticks: readonly number[]) => boolean

/** The most ticks at round numbers from `low` to `high` that have room, or else one or none. */
export function chooseTicks(low: number, high: number, hasRoom: HasRoom): number[] {
  // A hundredth of the length or less is the first step, which is too narrow for any label.
  for (let exponent = Math.floor(Math.log10((high - low) / 100)); ; exponent++) {
    for (const factor of [1, 2, 5]) {
      const ticks = ticksAt(low, high, factor, exponent)
      if (ticks.length < 2 || hasRoom(ticks)) return ticks
    }
  }
}

/** From dense to sparse: each so many powers of ten, and these multiples of it. */
const logSteps = [
  { factors: [1, 2, 5], step: 1 },
  { factors: [1, 3], step: 1 },
  ...[1, 2, 3, 5, 10, 20, 50, 100, 200, 500].map((step) => ({ factors: [1], step })),
]

/** The same for a logarithmic axis: within a power of ten any round numbers, else powers of ten and round multiples of them. */
export function chooseLogTicks(low: number, high: number, hasRoom: HasRoom): number[] {
  if (high < 10 * low) return chooseTicks(low, high, hasRoom)
  const candidates = logSteps.map(({ factors, step }) => {
    const first = Math.floor(Math.log10(low) / step)
    const count = Math.ceil(Math.log10(high) / step) - first + 1
    const exponents = Array.from({ length: count }, (_, i) => (first + i) * step)
    const ticks = exponents.flatMap((exponent) => factors.map((factor) => Number(`${factor}e${exponent}`)))
    return ticks.filter((tick) => tick >= low && tick <= high)
  })
  return candidates.find((ticks) => ticks.length < 2 || hasRoom(ticks)) ?? []
}

/** The multiples of factor · 10^exponent from `low` to `high`. Their decimals are read as text, so that no error adds up. */
function ticksAt(low: number, high: number, factor: number, exponent: number): number[] {
  const step = Number(`${factor}e${exponent}`)
  const first = Math.ceil(low / step)
  const count = Math.floor(high / step) - first + 1
  return Array.from({ length: Math.max(0, count) }, (_, i) => Number(`${(first + i) * factor}e${exponent}`))
}

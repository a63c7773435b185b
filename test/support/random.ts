/** Seconds that each fuzzer runs. */
const seconds = Number(process.env.FUZZ_SECONDS ?? 20)
/** The first case's seed; a failure names the seed that repeats it as the first case. */
const firstSeed = Number(process.env.FUZZ_SEED ?? 1)

/** Pseudo-random choices that a seed repeats (mulberry32). */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed
  }

  /** From 0 up to but not with 1. */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** An integer from `low` to `high`, both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.fraction() * (high - low + 1))
  }

  isTrue(probability = 0.5): boolean {
    return this.fraction() < probability
  }

  pick<T>(values: readonly T[]): T {
    return values[this.integer(0, values.length - 1)] as T
  }

  list<T>(length: number, make: (index: number) => T): T[] {
    return Array.from({ length }, (_, index) => make(index))
  }

  shuffle<T>(values: readonly T[]): T[] {
    const shuffled = [...values]
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = this.integer(0, i)
      ;[shuffled[i], shuffled[j]] = [shuffled[j] as T, shuffled[i] as T]
    }
    return shuffled
  }
}

/** A test of as many random cases as fit in FUZZ_SECONDS, and one at least. */
export function fuzz(title: string, check: (random: Random) => void | Promise<void>): void {
  it(title, async function () {
    this.timeout(0)
    const end = performance.now() + 1000 * seconds
    let cases = 0
    do {
      const seed = firstSeed + cases
      try {
        await check(new Random(seed))
      } catch (cause) {
        throw new Error(`FUZZ_SEED=${seed}: ${cause instanceof Error ? cause.message : cause}`, { cause })
      }
      cases++
    } while (performance.now() < end)
    console.log(`      ${cases} cases`)
  })
}

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

  #bits(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return (mixed ^ (mixed >>> 14)) >>> 0
  }

  /** A number of 53 bits in [0, 1). */
  fraction(): number {
    return ((this.#bits() >>> 5) * 2 ** 26 + (this.#bits() >>> 6)) * 2 ** -53
  }

  /** An integer in [0, end). */
  below(end: number): number {
    return Math.floor(this.fraction() * end)
  }

  /** An integer from `low` to `high`, both included. */
  integer(low: number, high: number): number {
    return low + this.below(high - low + 1)
  }

  isTrue(probability = 0.5): boolean {
    return this.fraction() < probability
  }

  sign(): 1 | -1 {
    return this.isTrue() ? 1 : -1
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T
  }

  list<T>(length: number, make: (index: number) => T): T[] {
    return Array.from({ length }, (_, index) => make(index))
  }

  shuffle<T>(values: readonly T[]): T[] {
    const shuffled = [...values]
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = this.below(i + 1)
      ;[shuffled[i], shuffled[j]] = [shuffled[j] as T, shuffled[i] as T]
    }
    return shuffled
  }
}

/** Adds a test of as many random cases as fit in FUZZ_SECONDS, and at least one. */
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

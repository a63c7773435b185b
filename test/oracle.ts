import type { InputData, LabelData, OtherLabelPolicy, StateRecord } from '../lib/native.ts'
import type { Random } from './support/random.ts'

/** The exact sum of doubles: units · 2^−1074, unless `special` is not 0, the IEEE sum of NaN and infinities. */
interface Exact {
  readonly units: bigint
  readonly special: number
}

const double = new Float64Array(1)
const words = new Uint32Array(double.buffer)

/** Sums up to 2^21 values exactly: for each exponent it adds the two halves of significands as integers below 2^53. */
function exactSum(values: readonly number[]): Exact {
  const highs = new Float64Array(2047)
  const lows = new Float64Array(2047)
  let special = 0
  for (const value of values) {
    double[0] = value
    const [low, high] = words as unknown as [number, number]
    const exponent = (high >>> 20) & 0x7ff
    if (exponent === 0x7ff) {
      special += value
    } else {
      const sign = high >>> 31 ? -1 : 1
      highs[exponent] = (highs[exponent] as number) + sign * ((high & 0xfffff) + (exponent === 0 ? 0 : 2 ** 20))
      lows[exponent] = (lows[exponent] as number) + sign * low
    }
  }
  let units = 0n
  for (const [e, high] of highs.entries()) {
    const low = lows[e] as number
    if (high !== 0 || low !== 0) units += ((BigInt(high) << 32n) + BigInt(low)) << BigInt(Math.max(e, 1) - 1)
  }
  return { units, special }
}

const magnitude = (units: bigint) => (units < 0n ? -units : units)
const bitLength = (units: bigint) => units.toString(2).length

/** Divides an exact sum, and rounds the quotient once to the nearest double, ties to even. */
function roundedQuotient({ units, special }: Exact, divisor: number): number {
  if (divisor === 0) return Number.NaN
  if (special !== 0) return special
  if (units === 0n) return 0
  const dividend = magnitude(units)
  // The lowest place, in units, at which the quotient has at most 53 bits.
  let place = Math.max(0, bitLength(dividend) - bitLength(BigInt(divisor)) - 53)
  if (dividend / (BigInt(divisor) << BigInt(place)) >= 2n ** 53n) place++
  const scaled = BigInt(divisor) << BigInt(place)
  const quotient = dividend / scaled
  const twice = 2n * (dividend % scaled)
  const isUp = twice > scaled || (twice === scaled && quotient % 2n === 1n)
  const rounded = Number(quotient + (isUp ? 1n : 0n)) * 2 ** (place - 1074)
  return units < 0n ? -rounded : rounded
}

/**
 * Formats a sum as a saved state does: hexadecimal digits that neither begin nor end with 0, and the power of the last
 * one.
 */
function exactText({ units, special }: Exact, leastPower = -1074): string {
  if (special !== 0) return String(special)
  if (units === 0n) return '0x0p+0'
  const all = magnitude(units).toString(16)
  const digits = all.replace(/0+$/, '')
  const power = 4 * (all.length - digits.length) + leastPower
  return `${units < 0n ? '-' : ''}0x${digits}p${power < 0 ? '' : '+'}${power}`
}

export interface Settings {
  readonly margin: number
  readonly positiveLabel: number
  readonly negativeLabel: number
}

interface Summary {
  readonly count: number
  readonly sum: number
  readonly mean: number
}

export interface Expected extends Summary {
  readonly losses: InputData
  readonly positives: Summary
  readonly negatives: Summary & { readonly active: number }
  readonly others: number
  readonly firstOther: number | undefined
  readonly record: StateRecord
}

const summary = (sum: Exact, count: number): Summary => {
  return { count, sum: roundedQuotient(sum, 1), mean: roundedQuotient(sum, count) }
}

/** Computes what every function of the addon must return, from the definitions. */
export function expected(
  input: InputData,
  label: LabelData | number,
  settings: Settings,
  policy: OtherLabelPolicy,
): Expected {
  // A difference of float32 numbers, rounded to float64 and then to float32, is rounded correctly: 53 ≥ 2 · 24 + 2.
  const round = input instanceof Float32Array ? Math.fround : (value: number) => value
  const margin = round(settings.margin)
  const losses = input.slice()
  const positives: number[] = []
  const negatives: number[] = []
  let active = 0
  let others = 0
  let firstOther: number | undefined
  for (let i = 0; i < input.length; i++) {
    const x = input[i] as number
    const y = typeof label === 'number' ? label : Number(label[i])
    let loss = 0
    if (y === settings.positiveLabel) {
      loss = x + 0
      positives.push(loss)
    } else if (y === settings.negativeLabel) {
      loss = Math.max(0, round(margin - x))
      negatives.push(loss)
      if (x < margin) active++
    } else {
      firstOther ??= i
      others++
    }
    losses[i] = loss
  }
  const [positive, negative] = [exactSum(positives), exactSum(negatives)]
  const all = { units: positive.units + negative.units, special: positive.special + negative.special }
  return {
    losses,
    ...summary(all, input.length - (policy === 'ignore' ? others : 0)),
    positives: summary(positive, positives.length),
    negatives: { ...summary(negative, negatives.length), active },
    others,
    firstOther,
    record: [positives.length, exactText(positive), negatives.length, exactText(negative), active, others],
  }
}

/** Computes d loss / d input times the upstream gradient, one per element or one for all, from the definitions. */
export function expectedGradients(
  input: InputData,
  label: LabelData | number,
  settings: Settings,
  gradOutput: InputData | number,
): InputData {
  const round = input instanceof Float32Array ? Math.fround : (value: number) => value
  const margin = round(settings.margin)
  return input.map((x, i) => {
    const y = typeof label === 'number' ? label : Number(label[i])
    const g = typeof gradOutput === 'number' ? round(gradOutput) : (gradOutput[i] as number)
    if (y === settings.positiveLabel) return g
    if (y !== settings.negativeLabel || x >= margin) return 0
    return x < margin ? -g : Number.NaN
  })
}

/** The value of a finite double in units of 2^−1074. */
function unitsOf(value: number): bigint {
  double[0] = value
  const [low, high] = words as unknown as [number, number]
  const exponent = (high >>> 20) & 0x7ff
  const significand = (BigInt(high & 0xfffff) << 32n) + BigInt(low) + (exponent === 0 ? 0n : 2n ** 52n)
  const units = significand << BigInt(Math.max(exponent, 1) - 1)
  return high >>> 31 ? -units : units
}

/** Rounds numerator / denominator · 2^power once to the nearest double, ties to even; the denominator is positive. */
export function roundRatio(numerator: bigint, denominator: bigint, power = 0): number {
  if (numerator === 0n) return 0
  const dividend = magnitude(numerator)
  // The place of the last bit that a double of this size has.
  let place = Math.max(bitLength(dividend) - bitLength(denominator) + power - 53, -1074)
  const divide = (): [quotient: bigint, rest: bigint, divisor: bigint] => {
    const shift = BigInt(place - power)
    const [top, bottom] = shift < 0n ? [dividend << -shift, denominator] : [dividend, denominator << shift]
    return [top / bottom, top % bottom, bottom]
  }
  if (divide()[0] >= 2n ** 53n) place++
  const [quotient, rest, divisor] = divide()
  const isUp = 2n * rest > divisor || (2n * rest === divisor && quotient % 2n === 1n)
  const rounded = Number(quotient + (isUp ? 1n : 0n))
  // Two steps: 2^place may be too large for a double where the product is not.
  const value = rounded * 2 ** Math.max(place, -1000) * 2 ** Math.min(place + 1000, 0)
  return numerator < 0n ? -value : value
}

/** Exact sums of weights and of weighted losses, of the elements of some classes. */
interface WeightedSum {
  /** in units of 2^−1074 */
  readonly weight: bigint
  /** in units of 2^−2148 */
  readonly units: bigint
  /** the IEEE sum of products that are not finite */
  readonly special: number
}

interface WeightedSummary extends Summary {
  readonly weight: number
}

export interface ExpectedWeighted extends WeightedSummary {
  readonly losses: InputData
  readonly positives: WeightedSummary
  readonly negatives: WeightedSummary
  readonly record: StateRecord
  /** Σ w in units of 2^−1074 */
  readonly weightUnits: bigint
}

/** The exponent of the least limb of a sum of products. */
const leastProductPower = -2162

function weightedText({ units, special }: WeightedSum): string {
  return exactText({ units: units << BigInt(-2148 - leastProductPower), special }, leastProductPower)
}

/** Computes what every function of the addon must return for elements with weights, from the definitions. */
export function expectedWeighted(
  input: InputData,
  label: LabelData | number,
  weight: InputData | number,
  settings: Settings,
  policy: OtherLabelPolicy,
): ExpectedWeighted {
  const round = input instanceof Float32Array ? Math.fround : (value: number) => value
  const answer = expected(input, label, settings, policy)
  const products = input.slice()
  const empty = { weight: 0n, units: 0n, special: 0 }
  const sums = { positive: { ...empty }, negative: { ...empty }, other: { ...empty } }
  for (let i = 0; i < input.length; i++) {
    const y = typeof label === 'number' ? label : Number(label[i])
    const w = typeof weight === 'number' ? weight : (weight[i] as number)
    const loss = answer.losses[i] as number
    const name = y === settings.positiveLabel ? 'positive' : y === settings.negativeLabel ? 'negative' : 'other'
    const sum = sums[name]
    products[i] = round(w * loss) + 0
    sum.weight += unitsOf(w)
    if (Number.isFinite(loss)) sum.units += unitsOf(w) * unitsOf(loss)
    else sum.special += w * loss
  }
  const { positive, negative, other } = sums
  const counted = policy === 'ignore' ? [positive, negative] : [positive, negative, other]
  const all = counted.reduce((a, b) => ({
    weight: a.weight + b.weight,
    units: a.units + b.units,
    special: a.special + b.special,
  }))
  const summaryOf = ({ weight, units, special }: WeightedSum, count: number): WeightedSummary => {
    return {
      count,
      sum: special === 0 ? roundRatio(units, 1n, -2148) : special,
      mean: weight === 0n ? Number.NaN : special === 0 ? roundRatio(units, weight, -1074) : special,
      weight: roundRatio(weight, 1n, -1074),
    }
  }
  const weightText = ({ weight }: WeightedSum) => exactText({ units: weight, special: 0 })
  const [positives, , negatives, , active, others] = answer.record
  return {
    losses: products,
    ...summaryOf(all, answer.count),
    positives: summaryOf(positive, positives),
    negatives: summaryOf(negative, negatives),
    record: [
      ...([positives, weightedText(positive), negatives, weightedText(negative), active, others] as const),
      ...([weightText(positive), weightText(negative), weightText(other)] as const),
    ],
    weightUnits: all.weight,
  }
}

/** The finite numbers of a format: multiples of 2^lowest below 2^highest, of so many binary digits. */
export interface Format {
  readonly digits: number
  readonly lowest: number
  readonly highest: number
  readonly Type: new (n: number) => InputData
}

export const formats: readonly Format[] = [
  { Type: Float32Array, digits: 24, lowest: -149, highest: 128 },
  { Type: Float64Array, digits: 53, lowest: -1074, highest: 1024 },
]

/** What a kind of losses is drawn from. `variant`, any integer, steps through the parameters of the kind. */
interface Draw {
  readonly random: Random
  readonly format: Format
  readonly n: number
  readonly variant: number
}

const fill = (n: number, value: (i: number) => number) => Array.from({ length: n }, (_, i) => value(i))

/** Draws a number with 2^(above − 1) ≤ |number| < 2^above. */
function inBinade({ random, format: { digits } }: Draw, above: number): number {
  const half = 2 ** (digits - 1)
  return random.sign() * (half + random.below(half)) * 2 ** (above - digits)
}

const normalBinade = ({ random, format: { lowest, digits, highest } }: Draw) =>
  lowest + digits + random.below(highest - lowest - digits + 1)

const largestBelow = ({ format: { digits } }: Draw, above: number) => (2 ** digits - 1) * 2 ** (above - digits)

/** Returns the parts and, up to `n` numbers, pairs that cancel out, in random order. */
function among({ random, n }: Draw, parts: readonly number[], filler: () => number): number[] {
  const values = parts.slice(0, n)
  while (values.length + 1 < n) {
    const value = filler()
    values.push(value, -value)
  }
  if (values.length < n) values.push(0)
  return random.shuffle(values)
}

/** Fillers for `among`: zeros, or numbers of any exponent. */
const anyOf = (draw: Draw) => (draw.variant % 4 === 0 ? () => 0 : () => inBinade(draw, normalBinade(draw)))

/** Splits `total` · 2^place into numbers that add up to it. */
function parts(total: bigint, place: number): number[] {
  const values: number[] = []
  for (let rest = magnitude(total), at = place; rest > 0n; rest >>= 18n, at += 18) {
    const digits = Number(rest & 0x3ffffn)
    if (digits !== 0) values.push((total < 0n ? -digits : digits) * 2 ** at)
  }
  return values
}

/**
 * The limits of log2(|largest| / last place of the smallest) up to which blocks sum exactly with 1, 2 and 3 terms per
 * lane.
 */
const certificates = ({ digits }: Format) => [42, 83, 124].filter((limit) => limit >= digits)

/** Steps through widths around each certificate. */
function nearCertificate({ format, variant }: Draw): { width: number; level: number } {
  const limits = certificates(format)
  const index = variant % limits.length
  const offset = (Math.floor(variant / limits.length) % 6) - 2
  return { width: (limits[index] as number) + offset, level: index + 3 - limits.length }
}

const { NaN: nan, POSITIVE_INFINITY: infinity } = Number
const nonFinite = [[nan], [infinity], [-infinity], [infinity, -infinity], [infinity, infinity], [nan, infinity]]

export const kinds: Readonly<Record<string, (draw: Draw) => number[]>> = {
  normal: ({ random, n }) => fill(n, () => random.fraction() + random.fraction() + random.fraction() - 1.5),

  'near a spread of exponents that some number of terms sums': (draw) => {
    const { random, format, n, variant } = draw
    const spread = nearCertificate(draw).width - format.digits
    const lowest = format.lowest + format.digits + random.below(format.highest - format.lowest - format.digits - spread)
    const values = fill(n, (i) => inBinade(draw, lowest + (i < 2 ? i * spread : random.below(spread + 1))))
    return random.shuffle(variant % 5 < 3 ? values : values.map(Math.abs))
  },

  // The last term gets 2048 numbers of one sign, as large as they can be, and one with an odd multiple of the last
  // place: one bit beyond the certificate would be lost. The next 2048 numbers cancel what would hide the loss.
  'the worst that a number of terms must sum': (draw) => {
    const { random, format, n } = draw
    const { digits, lowest, highest } = format
    const { width, level } = nearCertificate(draw)
    const above = lowest + width + random.below(highest - lowest - width + 1)
    const unit = 2 ** (above - width)
    const isWide = width - 41 * level > digits
    const bulk = () =>
      isWide
        ? (2 ** digits - 1 - random.below(64)) * 2 ** (above - 41 * level - digits)
        : (2 ** (digits - 1) + 2 ** (width - 41 * level) - 2 - 2 * random.below(64)) * unit
    const block = fill(2048, bulk)
    block[random.below(Math.min(n, 2048))] = largestBelow(draw, above)
    const odd = random.below(Math.min(n, 2048))
    const shift = 2 ** (digits - 1)
    return fill(n, (i) => {
      const at = i % 2048
      const isCancelling = Math.floor(i / 2048) % 2 === 1
      if (at === odd) return isCancelling ? 0 : (shift + 2 * random.below(shift / 2) + 1) * unit
      return isCancelling ? -(block[at] as number) : (block[at] as number)
    })
  },

  // The magnitudes of a block do not predict those of the next.
  'magnitudes that change along the way': (draw) => {
    let above = 0
    return fill(draw.n, (i) => {
      if (i % 700 === 0) above = normalBinade(draw)
      return inBinade(draw, Math.max(above - draw.random.below(8), draw.format.lowest + draw.format.digits))
    })
  },

  'all exponents': (draw) => fill(draw.n, () => inBinade(draw, normalBinade(draw))),

  'massive cancellation': (draw) => {
    const { random, format } = draw
    const above = normalBinade(draw)
    const rest = fill(3, () => random.sign() * random.below(2 ** (format.digits - 1)) * 2 ** format.lowest)
    return among(draw, rest, () => inBinade(draw, above))
  },

  'alternating signs': (draw) => {
    const above = normalBinade(draw)
    const value = Math.abs(inBinade(draw, above))
    const ulp = 2 ** (above - draw.format.digits)
    return fill(draw.n, (i) => (i % 2 === 0 ? value : ulp - value))
  },

  subnormals: (draw) => {
    const { random, format, n, variant } = draw
    const largest = 2 ** (variant % 2 === 0 ? format.digits - 1 : 3)
    return fill(n, () => (random.below(2 * largest + 1) - largest) * 2 ** format.lowest)
  },

  'largest numbers, with a finite sum': (draw) => {
    const { random, format, n } = draw
    const largest = largestBelow(draw, format.highest)
    const signs = [1, 1, -1, -1]
    return fill(n, (i) => {
      const value = largest - (random.isTrue(0.3) ? 2 ** (format.highest - 30) : 0)
      return i < n - (n % 4) ? (signs[i % 4] as number) * value : inBinade(draw, 0)
    })
  },

  'about the overflow': (draw) => {
    const { random, format, variant } = draw
    const half = 2n ** BigInt(format.digits + 1) - 1n
    const sign = variant % 2 === 0 ? 1n : -1n
    const place = format.highest - format.digits - 1
    const tiny = (random.below(3) - 1) * 2 ** format.lowest
    const excess = variant % 3 === 0 ? [largestBelow(draw, format.highest)] : []
    return among(draw, [...parts(sign * half, place), tiny, ...excess], anyOf(draw))
  },

  // Ties of the sum or of the mean: exact, or off by the smallest number.
  'ties, and beside them': (draw) => {
    const { random, format, n, variant } = draw
    const odd = 2n ** 53n + 2n * BigInt(random.below(2 ** 52)) + 1n
    const total = odd * BigInt(variant % 2 === 0 ? 1 : n) * (random.isTrue() ? 1n : -1n)
    const place = format.lowest + 1 + random.below(format.highest - format.lowest - 90)
    const beside = ((Math.floor(variant / 2) % 3) - 1) * 2 ** format.lowest
    return among(draw, [...parts(total, place), beside], anyOf(draw))
  },

  'ties of subnormal means, and beside them': (draw) => {
    const { random, format, n } = draw
    const halves = BigInt(n) * BigInt(2 * random.below(1000) + 1)
    const total = halves / 2n + BigInt(random.below(3) - 1)
    return among(draw, parts(random.isTrue() ? total : -total, format.lowest), anyOf(draw))
  },

  'signed zeros': ({ random, n, variant }) => fill(n, () => (variant % 2 === 0 && random.isTrue() ? 0 : -0)),

  'not finite': (draw) => {
    const { random, n, variant } = draw
    const values = kinds.normal?.(draw) ?? []
    for (const value of nonFinite[variant % nonFinite.length] ?? []) values[random.below(n)] = value
    return values.slice(0, n)
  },

  'long carries': (draw) => {
    const { random, format, n, variant } = draw
    const above = normalBinade(draw)
    const value = random.sign() * (variant % 2 === 0 ? largestBelow(draw, above) : 2 ** (above - 1))
    const least = -Math.sign(value) * 2 ** format.lowest
    return random.shuffle(fill(n, (i) => (i === 0 || (variant % 3 === 0 && i % 8 === 1) ? least : value)))
  },

  'one last place': (draw) => {
    const { random, format, n } = draw
    const above = normalBinade(draw)
    const one = 2 ** (above - 1)
    return fill(n, () => one + random.below(3) * 2 ** (above - format.digits))
  },
}

import type { InputData } from '../lib/native.ts'

/** A kind of distance, as its options name it: a power, or the cosine. */
export type Measure = number | 'cosine'

/** What a distance or a gradient is: value · 2^(exponent − places), to some 590 binary places. */
export interface Exact {
  readonly value: bigint
  readonly exponent: number
}

const places = 600n
const one = 1n << places

const double = new DataView(new ArrayBuffer(8))

/** A finite double as an integer of 2^−1074. */
function unitsOf(value: number): bigint {
  double.setFloat64(0, value)
  const bits = double.getBigUint64(0)
  const exponent = (bits >> 52n) & 0x7ffn
  const significand = (bits & 0xfffffffffffffn) + (exponent === 0n ? 0n : 1n << 52n)
  const units = significand << (exponent > 0n ? exponent - 1n : 0n)
  return bits >> 63n === 1n ? -units : units
}

const magnitude = (value: bigint) => (value < 0n ? -value : value)
const shift = (value: bigint, by: number) => (by < 0 ? value >> BigInt(-by) : value << BigInt(by))
const lengthOf = (value: bigint) => (value === 0n ? 0 : magnitude(value).toString(16).length * 4)
const times = (a: bigint, b: bigint) => (a * b) >> places
const over = (a: bigint, b: bigint) => (a << places) / b

function largest(values: readonly bigint[]): bigint {
  let found = 0n
  for (const value of values) if (value > found) found = value
  return found
}

/** ⌊value^(1/degree)⌋ by Newton's method. */
function rootOf(value: bigint, degree: number): bigint {
  if (value === 0n) return 0n
  const n = BigInt(degree)
  let root = 1n << (BigInt(lengthOf(value)) / n + 1n)
  for (;;) {
    const next = ((n - 1n) * root + value / root ** (n - 1n)) / n
    if (next >= root) return root
    root = next
  }
}

/** A power as a fraction: it has few binary places. */
function fractionOf(p: number): readonly [numerator: number, denominator: number] {
  let denominator = 1
  while (!Number.isInteger(p * denominator)) denominator *= 2
  return [p * denominator, denominator]
}

/** value^(numerator / denominator), for a fixed-point value ≥ 0. */
function powerOf(value: bigint, numerator: number, denominator: number): bigint {
  return rootOf(shift(value ** BigInt(numerator), Number(places) * (denominator - numerator)), denominator)
}

/** Fixed-point numbers of a row, divided by 2^exponent: the largest is about 1. */
function scaled(values: readonly number[]): { exponent: number; fixed: bigint[] } {
  const units = values.map(unitsOf)
  const exponent = Math.max(...units.map(lengthOf), 0) - 1074
  return { exponent, fixed: units.map((each) => shift(each, Number(places) - exponent - 1074)) }
}

/** The rounding of a dtype, that of a difference of two of its numbers as well. */
export const roundingOf = (like: InputData) => (like instanceof Float32Array ? Math.fround : (value: number) => value)

/** The differences d, which are rounded twice by definition. */
function differences(left: InputData, right: InputData, epsilon: number): number[] {
  const round = roundingOf(left)
  return Array.from(left, (l, i) => round(round(l - (right[i] as number)) + round(epsilon)))
}

/** (Σ |d|^p)^(1/p) of a fixed-point row. */
function normOf(fixed: readonly bigint[], p: number): bigint {
  const magnitudes = fixed.map(magnitude)
  if (p === Number.POSITIVE_INFINITY) return largest(magnitudes)
  const [numerator, denominator] = fractionOf(p)
  const sum = magnitudes.reduce((sum, each) => sum + powerOf(each, numerator, denominator), 0n)
  return powerOf(sum, denominator, numerator)
}

interface Products {
  readonly l: readonly bigint[]
  readonly r: readonly bigint[]
  readonly product: bigint
  readonly leftSquares: bigint
  readonly rightSquares: bigint
  readonly norms: bigint
  readonly epsilon: bigint
  readonly exponents: readonly [number, number]
}

function productsOf(left: InputData, right: InputData, epsilon: number): Products {
  const { fixed: l, exponent: leftExponent } = scaled([...left])
  const { fixed: r, exponent: rightExponent } = scaled([...right])
  const dot = (a: readonly bigint[], b: readonly bigint[]) =>
    a.reduce((sum, x, i) => sum + times(x, b[i] as bigint), 0n)
  const [product, leftSquares, rightSquares] = [dot(l, r), dot(l, l), dot(r, r)]
  const limit = shift(unitsOf(epsilon), Number(places) - 1074 - leftExponent - rightExponent)
  const norms = rootOf(leftSquares * rightSquares, 2)
  return { l, r, product, leftSquares, rightSquares, norms, epsilon: limit, exponents: [leftExponent, rightExponent] }
}

/** The distance of two finite rows. `p` has few binary places. */
export function exactDistance(left: InputData, right: InputData, measure: Measure, epsilon: number): Exact {
  if (measure !== 'cosine') {
    const { fixed, exponent } = scaled(differences(left, right, epsilon))
    return { value: normOf(fixed, measure), exponent }
  }
  const { product, norms, epsilon: limit } = productsOf(left, right, epsilon)
  const divisor = largest([norms, limit])
  return { value: divisor === 0n ? one : one - over(product, divisor), exponent: 0 }
}

/** The gradients of the distance of two finite rows by both, for an upstream gradient of 1. `p` is 1, 2, 3 or Infinity. */
export function exactGradients(
  left: InputData,
  right: InputData,
  measure: Measure,
  epsilon: number,
): [Exact[], Exact[]] {
  if (measure !== 'cosine') {
    const { fixed } = scaled(differences(left, right, epsilon))
    const norm = normOf(fixed, measure)
    const values = fixed.map((d) => {
      if (d === 0n) return 0n
      const ratio = over(d, norm)
      if (measure === 2) return ratio
      if (measure === 3) return times(ratio, magnitude(ratio))
      return measure === 1 || magnitude(d) === norm ? (d < 0n ? -one : one) : 0n
    })
    return [values.map((value) => ({ value, exponent: 0 })), values.map((value) => ({ value: -value, exponent: 0 }))]
  }
  const {
    l,
    r,
    product,
    leftSquares,
    rightSquares,
    norms,
    epsilon: limit,
    exponents,
  } = productsOf(left, right, epsilon)
  const gradients = (own: readonly bigint[], other: readonly bigint[], squares: bigint, ownExponent: number) =>
    own.map((x, i) => {
      const y = other[i] as bigint
      const value = norms < limit ? -over(y, limit) : times(over(product, norms), over(x, squares)) - over(y, norms)
      return { value, exponent: -ownExponent }
    })
  return [gradients(l, r, leftSquares, exponents[0]), gradients(r, l, rightSquares, exponents[1])]
}

/** |actual − exact| in 2^exponent. */
export function errorIn(exponent: number, actual: number, exact: Exact): number {
  const difference = shift(unitsOf(actual), Number(places) - 1074 - exact.exponent) - exact.value
  const bits = 60
  return Number(shift(magnitude(difference), exact.exponent - exponent - Number(places) + bits)) / 2 ** bits
}

/** The exponent of the unit in the last place that a dtype has at an exact value. */
export function lastPlaceOf(like: InputData, { value, exponent }: Exact): number {
  const above =
    value === 0n ? Number.NEGATIVE_INFINITY : magnitude(value).toString(2).length + exponent - Number(places)
  return like instanceof Float32Array ? Math.max(above - 24, -149) : Math.max(above - 53, -1074)
}

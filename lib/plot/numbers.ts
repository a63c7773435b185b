import { formatCount } from '../format.ts'

/**
 * A number in the one notation of a picture: `1,234`, `0.25`, `−3`, and `1.5e−7` or `2e9` below 0.0001 and from a million on.
 * Plain numbers keep all digits before the point.
 */
export function formatNumber(value: number, digits = 4): string {
  const size = Math.abs(Number(value.toPrecision(digits)))
  const isPlain = size === 0 || Number.isNaN(size) || (size >= 1e-4 && size < 1e6)
  const text = isPlain ? formatPlain(value, digits) : formatExponential(value, digits)
  return text.replaceAll('-', '−')
}

/** A number with as many digits as distinguish those that people write. */
export function formatFully(value: number): string {
  return formatNumber(value, 12)
}

function formatPlain(value: number, digits: number): string {
  const size = Math.abs(value)
  const { length } = String(Math.trunc(size))
  const [whole, ...fraction] = String(Number(size.toPrecision(Math.max(digits, length)))).split('.')
  return `${value < 0 ? '-' : ''}${[formatCount(Number(whole)), ...fraction].join('.')}`
}

function formatExponential(value: number, digits: number): string {
  return Number(value.toPrecision(digits)).toExponential().replace('+', '')
}

/** A share of 1 in percent. */
export function formatPercent(share: number): string {
  return `${formatFully(100 * share)} %`
}

const superscripts: Readonly<Record<string, string>> = Object.fromEntries(
  [...'-0123456789'].map((digit, i) => [digit, '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'[i] as string]),
)

/** A power of two in full: as a decimal or, where that has many digits, as `2⁻²⁰`. */
export function formatPowerOfTwo(value: number): string {
  const exponent = Math.log2(value)
  const isShort = exponent >= -10 && exponent < 20
  return isShort ? formatFully(value) : `2${Array.from(String(exponent), (digit) => superscripts[digit]).join('')}`
}

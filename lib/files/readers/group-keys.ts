import { formatJSON } from '../../format.ts'

/** A value of the option `by`. */
export interface GroupKey {
  /** equal if and only if the values are */
  readonly json: string
  readonly name: string
  readonly value: KeyValue
  readonly kind: KeyKind
}

/** Keys of one kind compare with each other, and null compares with all. */
export type KeyKind = 'null' | 'text' | 'a date' | 'a number' | 'a boolean'

export type KeyValue = string | number | bigint | boolean | null

const kinds = { string: 'text', number: 'a number', bigint: 'a number', boolean: 'a boolean' } as const

export function makeKey(value: KeyValue): GroupKey {
  const kind = value === null ? 'null' : kinds[typeof value as keyof typeof kinds]
  const text = String(value)
  const isQuoted = typeof value === 'string' || (typeof value === 'number' && !Number.isFinite(value))
  return { json: isQuoted ? formatJSON(value) : text, name: value === null ? 'NULL' : text, value, kind }
}

/** The key of a date: the day and, other than at midnight, the time. */
export function makeDateKey(millisecondsSince1970: number): GroupKey {
  return { ...makeKey(new Date(millisecondsSince1970).toISOString().replace('T00:00:00.000Z', '')), kind: 'a date' }
}

/** The order of DuckDB: text by its bytes, NaN after all numbers, null last. */
export function compareKeys({ value: a }: GroupKey, { value: b }: GroupKey): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null)
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b))
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b))
  return a < b ? -1 : Number(a > b)
}

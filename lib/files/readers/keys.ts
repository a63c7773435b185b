/** A value of `by`. */
export interface Key {
  /** equal for equal values alone */
  readonly json: string
  readonly name: string
  readonly value: KeyValue
  readonly kind: KeyKind
}

/** Keys of one kind compare with each other; null compares with all. */
export type KeyKind = 'null' | 'text' | 'a date' | 'a number' | 'a boolean'

export type KeyValue = string | number | bigint | boolean | null

export function keyOf(value: KeyValue): Key {
  if (value === null) return { json: 'null', name: 'NULL', value, kind: 'null' }
  if (typeof value === 'string') return { json: JSON.stringify(value), name: value, value, kind: 'text' }
  const name = String(value)
  const json = typeof value === 'number' && !Number.isFinite(value) ? JSON.stringify(name) : name
  return { json, name, value, kind: typeof value === 'boolean' ? 'a boolean' : 'a number' }
}

/** The day, and the time of day where there is one, of milliseconds since 1970. */
export function dateKeyOf(milliseconds: number): Key {
  return { ...keyOf(new Date(milliseconds).toISOString().replace('T00:00:00.000Z', '')), kind: 'a date' }
}

/** The order of DuckDB: text by its bytes, NaN after all numbers, null last. */
export function compareKeys({ value: a }: Key, { value: b }: Key): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null)
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b))
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b))
  return a < b ? -1 : Number(a > b)
}

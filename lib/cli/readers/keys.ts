/** A value of `--by`. */
export interface Key {
  /** equal for equal values alone */
  readonly json: string
  readonly name: string
  readonly value: KeyValue
}

export type KeyValue = string | number | bigint | boolean | null

export function keyOf(value: KeyValue): Key {
  if (value === null) return { json: 'null', name: 'NULL', value }
  if (typeof value === 'string') return { json: JSON.stringify(value), name: value, value }
  const text = String(value)
  return { json: typeof value === 'number' && !Number.isFinite(value) ? JSON.stringify(text) : text, name: text, value }
}

/** The order of DuckDB: text by its bytes, NaN after all numbers, null last. */
export function compareKeys({ value: a }: Key, { value: b }: Key): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null)
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b))
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b))
  return a < b ? -1 : Number(a > b)
}

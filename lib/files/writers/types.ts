import type { DataType } from 'apache-arrow'

type Arrow = typeof import('apache-arrow')

/** Types that DuckDB and Arrow have alike, whose values are the same in JavaScript. */
const names = {
  TINYINT: 'Int8',
  SMALLINT: 'Int16',
  INTEGER: 'Int32',
  BIGINT: 'Int64',
  UTINYINT: 'Uint8',
  USMALLINT: 'Uint16',
  UINTEGER: 'Uint32',
  UBIGINT: 'Uint64',
  FLOAT: 'Float32',
  DOUBLE: 'Float64',
  BOOLEAN: 'Bool',
  VARCHAR: 'Utf8',
} as const

export const duckdbTypes = Object.keys(names).join(', ')
export const arrowTypes = Object.values(names).join(', ')

export function arrowType(arrow: Arrow, duckdbType: string): DataType | undefined {
  const name = names[duckdbType as keyof typeof names] as (typeof names)[keyof typeof names] | undefined
  return name && new arrow[name]()
}

export function duckdbType(type: DataType): string | undefined {
  const name = String(type).replace(/^(Large)?Utf8(View)?$/, 'Utf8')
  return Object.entries(names).find(([, arrowName]) => arrowName === name)?.[0]
}

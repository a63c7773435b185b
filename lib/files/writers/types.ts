import type { DataType } from 'apache-arrow'
import type { Arrow } from '../arrow.ts'

/** By DuckDB's types: the types of Arrow with the same values, which are also the same in JavaScript. */
const arrowNames = {
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

export const duckdbTypes = Object.keys(arrowNames).join(', ')
export const arrowTypes = Object.values(arrowNames).join(', ')

/** The type of Arrow for a type of DuckDB, if there is one. */
export function toArrowType(arrow: Arrow, duckdbType: string): DataType | undefined {
  if (!Object.hasOwn(arrowNames, duckdbType)) return undefined
  return new arrow[arrowNames[duckdbType as keyof typeof arrowNames]]()
}

/** The type of DuckDB for a type of Arrow, if there is one. */
export function toDuckDBType(type: DataType): string | undefined {
  const name = String(type).replace(/^(Large)?Utf8(View)?$/, 'Utf8')
  return Object.entries(arrowNames).find(([, arrowName]) => arrowName === name)?.[0]
}

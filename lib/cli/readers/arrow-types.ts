import type { DataType } from 'apache-arrow'
import { dtypes } from '../../dtypes.ts'
import type { ColumnDType } from './rows.ts'

export type Arrow = typeof import('apache-arrow')

/** The place of the column of that name. */
export function indexOf(fields: readonly { readonly name: string }[], option: string, name: string): number {
  const indexes = fields.flatMap((field, index) => (field.name === name ? [index] : []))
  const [index] = indexes
  if (index === undefined) {
    const names = fields.slice(0, 10).map((field) => JSON.stringify(field.name))
    const more = fields.length > 10 ? ', …' : ''
    const advice = /\W/.test(name) ? ' (of Arrow a name as it is, without quotes or expressions)' : ''
    throw new Error(`${option} ${name}: no such column. Its columns: ${names.join(', ')}${more}${advice}`)
  }
  if (indexes.length > 1) throw new Error(`${option} ${name}: ${indexes.length} columns have that name`)
  return index
}

/** What a number is read as; undefined for all else. */
export function dtypeOf({ DataType, Precision }: Arrow, type: DataType): ColumnDType | undefined {
  if (DataType.isBool(type)) return 'bit'
  if (DataType.isInt(type)) return dtypes.find((each) => each === `${type.isSigned ? '' : 'u'}int${type.bitWidth}`)
  if (!DataType.isFloat(type)) return undefined
  const floats = { [Precision.HALF]: 'float16', [Precision.SINGLE]: 'float32', [Precision.DOUBLE]: 'float64' } as const
  return floats[type.precision]
}

/** Of a dictionary the type of its values. */
export function valueType({ DataType }: Arrow, type: DataType): DataType {
  return DataType.isDictionary(type) ? type.dictionary : type
}

/** Refuses what is not scored. */
export function assertType(
  arrow: Arrow,
  option: string,
  name: string,
  type: DataType,
  expected: string,
  refused: readonly unknown[],
): void {
  const dtype = dtypeOf(arrow, valueType(arrow, type))
  if (dtype !== undefined && !refused.includes(dtype)) return
  throw new Error(`${option} ${name} is ${type}, must be ${expected}`)
}

/** Refuses what is no value of --by. */
export function assertKeyType(arrow: Arrow, name: string, type: DataType): void {
  const { DataType } = arrow
  const value = valueType(arrow, type)
  const isText = DataType.isUtf8(value) || DataType.isLargeUtf8(value) || DataType.isUtf8View(value)
  if (isText || DataType.isDate(value) || dtypeOf(arrow, value) !== undefined) return
  throw new Error(`--by ${name} is ${type}, must be text, a number, Bool or a date`)
}

import type { DataType } from 'apache-arrow'
import { dtypes } from '../../../tensor/dtypes.ts'
import { findColumn } from '../../column-names.ts'
import { fileError, given, message } from '../../errors.ts'
import type { ColumnDType } from '../batches.ts'

export type Arrow = typeof import('apache-arrow')

/** The place of the column that a text names. */
export function indexOf(fields: readonly { readonly name: string }[], option: string, text: string): number {
  const names = fields.map(({ name }) => name)
  const place = findColumn(given(option, text), text, names)
  if (place !== undefined) return place
  const first = names.slice(0, 10).map((name) => JSON.stringify(name))
  const more = names.length > 10 ? ', …' : ''
  const advice = /\W/.test(text) ? ' (of Arrow a name, no expression)' : ''
  const columns = `Its columns: ${first.join(', ')}${more}${advice}`
  throw fileError(message`${given(option, text)}: no such column. ${columns}`, { option })
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
  throw fileError(message`${given(option, name)} is ${String(type)}, must be ${expected}`, { option })
}

/** Refuses what is no value of `by`. */
export function assertKeyType(arrow: Arrow, name: string, type: DataType): void {
  const { DataType } = arrow
  const value = valueType(arrow, type)
  const isText = DataType.isUtf8(value) || DataType.isLargeUtf8(value) || DataType.isUtf8View(value)
  if (isText || DataType.isDate(value) || dtypeOf(arrow, value) !== undefined) return
  const expected = 'must be text, a number, Bool or a date'
  throw fileError(message`${given('by', name)} is ${String(type)}, ${expected}`, { option: 'by' })
}

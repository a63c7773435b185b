import type { DataType } from 'apache-arrow'
import { dtypes } from '../../../tensor/dtypes.ts'
import type { Arrow } from '../../arrow.ts'
import { findColumn } from '../../column-names.ts'
import { fileError, given, message } from '../../errors.ts'
import type { ColumnDType } from '../batch.ts'

/** The index of the column that an option names. */
export function requireColumn(fields: readonly { readonly name: string }[], option: string, text: string): number {
  const names = fields.map(({ name }) => name)
  const index = findColumn(given(option, text), text, names)
  if (index !== undefined) return index
  const first = names.slice(0, 10).map((name) => JSON.stringify(name))
  const more = names.length > 10 ? ', …' : ''
  const advice = /\W/.test(text) ? ' (Arrow takes column names, not expressions)' : ''
  const columns = `Its columns: ${first.join(', ')}${more}${advice}`
  throw fileError(message`${given(option, text)}: no such column. ${columns}`, { option })
}

/** The type of a number or Bool; undefined for any other type. */
export function toDType({ DataType, Precision }: Arrow, type: DataType): ColumnDType | undefined {
  if (DataType.isBool(type)) return 'bit'
  if (DataType.isInt(type)) return dtypes.find((each) => each === `${type.isSigned ? '' : 'u'}int${type.bitWidth}`)
  if (!DataType.isFloat(type)) return undefined
  const floats = { [Precision.HALF]: 'float16', [Precision.SINGLE]: 'float32', [Precision.DOUBLE]: 'float64' } as const
  return floats[type.precision]
}

/** The type of the values: of a dictionary, that of its entries. */
export function valueTypeOf({ DataType }: Arrow, type: DataType): DataType {
  return DataType.isDictionary(type) ? type.dictionary : type
}

export function assertInputType(arrow: Arrow, name: string, type: DataType): void {
  const dtype = toDType(arrow, valueTypeOf(arrow, type))
  if (dtype === undefined || dtype === 'bit') throw wrongType('input', name, type, 'a number')
}

export function assertLabelType(arrow: Arrow, name: string, type: DataType): void {
  if (toDType(arrow, valueTypeOf(arrow, type)) === undefined) throw wrongType('label', name, type, 'a number or Bool')
}

export function assertKeyType(arrow: Arrow, name: string, type: DataType): void {
  const { DataType } = arrow
  const value = valueTypeOf(arrow, type)
  const isText = DataType.isUtf8(value) || DataType.isLargeUtf8(value) || DataType.isUtf8View(value)
  if (isText || DataType.isDate(value) || toDType(arrow, value) !== undefined) return
  throw wrongType('by', name, type, 'text, a number, Bool or a date')
}

function wrongType(option: string, name: string, type: DataType, expected: string): Error {
  return fileError(message`${given(option, name)} is ${String(type)}, must be ${expected}`, { option })
}

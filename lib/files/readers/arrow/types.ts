import type { DataType, Field, FixedSizeList } from 'apache-arrow'
import type { DType } from '../../../index.ts'
import { dtypes } from '../../../tensor/dtypes.ts'
import type { Arrow } from '../../arrow.ts'
import { findColumn, type ListedColumn } from '../../column-names.ts'
import { fileError, given, type Message, message, option, quoteShort } from '../../errors.ts'
import type { LabelTexts } from '../../options.ts'
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

/** What the values of a column are. */
export function kindOf(arrow: Arrow, type: DataType): ListedColumn['kind'] {
  const { DataType } = arrow
  const value = valueTypeOf(arrow, type)
  if (DataType.isUtf8(value) || DataType.isLargeUtf8(value) || DataType.isUtf8View(value)) return 'text'
  const dtype = toDType(arrow, value)
  if (dtype === undefined) return 'other'
  return dtype === 'bit' ? 'boolean' : 'number'
}

/** The type of the elements of a list; undefined for any other type. */
function elementTypeOf({ DataType }: Arrow, type: DataType): DataType | undefined {
  const isList = DataType.isFixedSizeList(type) || DataType.isList(type) || DataType.isLargeList(type)
  if (!isList) return undefined
  const { children, listSize = 0 } = type as FixedSizeList
  if (children[0] === undefined || listSize < 0) throw new Error('damaged: the schema has lists without elements')
  return children[0].type
}

/** The precision in which a column of numbers, or lists of numbers, is scored. */
export function scoredDType(arrow: Arrow, type: DataType): DType {
  const dtype = toDType(arrow, elementTypeOf(arrow, type) ?? valueTypeOf(arrow, type))
  return dtype === 'float32' || dtype === 'float16' ? 'float32' : 'float64'
}

/** Refuses an input that is no number, and a left or right that is no list of numbers. */
export function assertInputType(arrow: Arrow, option: string, name: string, type: DataType): void {
  const isList = option !== 'input'
  const value = isList ? elementTypeOf(arrow, type) : valueTypeOf(arrow, type)
  const dtype = value && toDType(arrow, value)
  if (dtype !== undefined && dtype !== 'bit') return
  throw wrongType(option, name, type, isList ? 'lists of numbers' : 'a number')
}

/** The error of embeddings of which one is scored in float32, the other in float64. */
export function mixedTypes([left, right]: readonly Field[]): Error {
  const [one, other] = [given('right', right?.name ?? ''), given('left', left?.name ?? '')]
  const types = message`${one} is ${String(right?.type)}, but ${other} ${String(left?.type)}`
  return fileError(message`${types}: both must have float32 or float16, or neither`, { option: 'right' })
}

/** Refuses a label or weight of a type that is no number. */
export function assertNumberType(arrow: Arrow, name: string, text: string, type: DataType): void {
  if (toDType(arrow, valueTypeOf(arrow, type)) !== undefined) return
  const isLabel = name === 'label' && kindOf(arrow, type) === 'text'
  const advice = isLabel ? message` (${option('positiveLabel')} takes the text of similar pairs)` : ''
  throw wrongType(name, text, type, message`a number or Bool${advice}`)
}

/** Refuses labels of another type than text. */
export function assertTextType(arrow: Arrow, text: string, type: DataType, { positive }: LabelTexts): void {
  if (kindOf(arrow, type) === 'text') return
  throw wrongType('label', text, type, message`text, as ${option('positiveLabel')} ${quoteShort(positive)} is`)
}

export function assertKeyType(arrow: Arrow, name: string, type: DataType): void {
  if (kindOf(arrow, type) !== 'other' || arrow.DataType.isDate(valueTypeOf(arrow, type))) return
  throw wrongType('by', name, type, 'text, a number, Bool or a date')
}

function wrongType(option: string, name: string, type: DataType, expected: Message | string): Error {
  return fileError(message`${given(option, name)} is ${String(type)}, must be ${expected}`, { option })
}

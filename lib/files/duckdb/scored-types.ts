import { adviseOnBooleans, fileError, given, type Message, message, option, quoteShort, set } from '../errors.ts'
import type { LabelTexts } from '../options.ts'
import { adviseOnLabels } from './csv-errors.ts'
import { quoteText } from './sql.ts'

/** The type of a column whose values are all null, whatever the file says. */
export const nullType = 'NULL'

const integers = ['TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'UTINYINT', 'USMALLINT', 'UINTEGER', 'UBIGINT']
const wide = ['HUGEINT', 'UHUGEINT', 'BIGNUM', 'DECIMAL']
/** DuckDB's own cast to DOUBLE rounds a DECIMAL of so many digits once. */
const decimalDigits = 15

type ScoredOption = 'input' | 'label' | 'weight'

function mapTypes(types: readonly string[], target?: string): Record<string, string> {
  return Object.fromEntries(types.map((type) => [type, target ?? type]))
}

/** What a column of each type is scored as. */
const scoredTypes: Readonly<Record<ScoredOption, Readonly<Record<string, string>>>> = {
  input: { ...mapTypes(['FLOAT', 'DOUBLE']), ...mapTypes([...integers, ...wide], 'DOUBLE') },
  label: { ...mapTypes([...integers, 'FLOAT', 'DOUBLE', 'BOOLEAN']), ...mapTypes(wide, 'DOUBLE') },
  weight: { ...mapTypes([...integers, 'FLOAT', 'DOUBLE', 'BOOLEAN']), ...mapTypes(wide, 'DOUBLE') },
}

function scoredTypeOf(option: ScoredOption, type: string): string | undefined {
  return scoredTypes[option][type.replace(/\(\d+,\s?\d+\)$/, '')]
}

/** True if values of the type can be scored. */
export function isScorable(option: ScoredOption, type: string): boolean {
  return scoredTypeOf(option, type) !== undefined
}

/** True if values of the type are text. */
export function isText(type: string): boolean {
  return /^(VARCHAR$|ENUM\()/.test(type)
}

/** True if inputs of both types are scored in the same precision. */
export function isSamePrecision(one: string, other: string): boolean {
  return [one, other].includes(nullType) || scoredTypeOf('input', one) === scoredTypeOf('input', other)
}

/**
 * SQL of a column of labels that are text as 1, −1 or, of any other, 0.
 *
 * @throws {Error} ERR_INVALID_FILE, with `option`: values of the type are no text
 */
export function castLabelTexts({ text, column, type }: ScoredColumn, { positive, negative }: LabelTexts): string {
  if (type === nullType) return 'CAST(NULL AS TINYINT)'
  if (!isText(type)) {
    const reason = message`must be text, as ${option('positiveLabel')} ${quoteShort(positive)} is`
    const advice = type === 'BOOLEAN' ? message` (${adviseOnBooleans()})` : ''
    throw fileError(message`${given('label', text)} is ${type}, ${reason}${advice}`, { option: 'label' })
  }
  const y = `CAST(${column} AS VARCHAR)`
  const classes = `WHEN ${y} = ${quoteText(positive)} THEN 1 WHEN ${y} = ${quoteText(negative)} THEN -1`
  return `CAST(CASE ${classes} WHEN ${y} IS NOT NULL THEN 0 END AS TINYINT)`
}

interface ScoredColumn {
  /** the option's text, for errors */
  readonly text: string
  /** its SQL as a user writes it, for advice */
  readonly sql: string
  /** the name of the column in the query */
  readonly column: string
  readonly type: string
}

/**
 * SQL of a column in the type that it is scored as.
 *
 * @param texts some texts of the column, for advice
 * @throws {Error} ERR_INVALID_FILE, with `option`: values of the type are not numbers
 */
export function castToScored(
  option: ScoredOption,
  { text, sql, column, type }: ScoredColumn,
  texts: readonly string[] = [],
): string {
  if (type === nullType) return 'CAST(NULL AS DOUBLE)'
  if (isRoundedTwice(type)) return castToNearestDouble(option, column)
  const scored = scoredTypeOf(option, type)
  if (scored !== undefined) return scored === type ? column : `CAST(${column} AS ${scored})`
  const expected = `a number${option === 'input' ? '' : ' or BOOLEAN'}`
  const advice = type === 'VARCHAR' ? message` (${adviseOnTexts(option, sql, texts)})` : ''
  throw fileError(message`${given(option, text)} is ${type}, must be ${expected}${advice}`, { option })
}

function adviseOnTexts(option: ScoredOption, sql: string, texts: readonly string[]): Message {
  if (option === 'label' && texts.length === 2) return adviseOnLabels(sql, texts)
  const numbers = `CAST(${sql} AS DOUBLE) reads numbers in text`
  if (option !== 'label') return message`${numbers}`
  return message`${numbers}; ${set({ label: `${sql} = 'similar'`, negativeLabel: 0 })} reads words`
}

/** True if DuckDB's own cast to DOUBLE may round twice. */
function isRoundedTwice(type: string): boolean {
  const [, name = type, digits] = /^(\w+)\((\d+),\s?\d+\)$/.exec(type) ?? []
  return wide.includes(name) && !(Number(digits) <= decimalDigits)
}

/** SQL of the double nearest to a wide number. A label that is no integer does not become one. */
function castToNearestDouble(option: ScoredOption, column: string): string {
  const text = `CAST(${column} AS VARCHAR)`
  const nearest = `CAST(${text} AS DOUBLE)`
  if (option !== 'label') return nearest
  const isRoundedToInteger = `regexp_matches(${text}, '\\.0*[1-9]') AND ${nearest} = trunc(${nearest})`
  return `CASE WHEN ${isRoundedToInteger} THEN nextafter(${nearest}, CAST('inf' AS DOUBLE)) ELSE ${nearest} END`
}

import { fileError, type Message, message, type OptionValue, option, quoteShort, set } from '../errors.ts'
import { quoteText } from './sql.ts'

/** Options that help, and what they do. */
export interface Remedy {
  readonly settings: Readonly<Record<string, OptionValue>>
  readonly effect: string
}

/** What helps where a column of numbers has a text. */
export function findRemedy(name: string, column: string, value: string): Remedy {
  const isNull = /^(#?n\/?a|<na>|null|none|nil|missing|undefined|\\n|[-–—?.*]+)$/i
  const leavesOut = 'leaves out such rows'
  if (isNull.test(value.trim())) return { settings: { nullString: value, nulls: 'ignore' }, effect: leavesOut }
  if (/^\s*[+-]?\d*,\d+(e[+-]?\d+)?\s*$/i.test(value)) {
    return { settings: { decimal: ',' }, effect: 'reads decimal commas' }
  }
  if (/^\s*[+-]?\d*\.\d+(e[+-]?\d+)?\s*$/i.test(value)) {
    return { settings: { decimal: '.' }, effect: 'reads decimal points' }
  }
  if (/^\s*−[\d.]+/.test(value)) {
    const plain = `replace(${column}::VARCHAR, '−', '-')::DOUBLE`
    return { settings: { [name]: plain }, effect: 'reads minus signs' }
  }
  if (value.startsWith('#')) return { settings: { comment: '#' }, effect: 'skips lines that begin with it' }
  if (name === 'label') {
    return { settings: { label: `${column} = ${quoteText(value)}`, negativeLabel: 0 }, effect: 'reads text' }
  }
  return { settings: { [name]: `TRY_CAST(${column} AS DOUBLE)`, nulls: 'ignore' }, effect: leavesOut }
}

/**
 * Advice on a text where a number is expected.
 *
 * @param texts some texts of the column: where there are two, of labels each may be the positive one
 */
export function adviseOnText(name: string, column: string, value: string, texts: readonly string[] = []): Message {
  const { settings, effect } = findRemedy(name, column, value)
  return 'negativeLabel' in settings && texts.length === 2
    ? adviseOnLabels(column, texts)
    : message`${set(settings)} ${effect}`
}

/** Advice on a column of labels of two texts. Those that are numbers are read as such: the command line takes two numbers for no texts. */
export function adviseOnLabels(column: string, texts: readonly string[]): Message {
  const [one, other] = texts as [string, string]
  const numbers = texts.filter((text) => text.trim() !== '' && !Number.isNaN(Number(text)))
  if (numbers.length === 0)
    return message`${set({ positiveLabel: texts })} says which of its two texts similar pairs have`
  if (numbers.length === 1) {
    const settings = { positiveLabel: one, negativeLabel: other }
    return message`${set(settings)}, or the other way round, says which of its two texts similar pairs have`
  }
  const values = numbers.map(Number)
  if (values[0] === values[1]) {
    const settings = { label: `${column} = ${quoteText(one)}`, negativeLabel: 0 }
    return message`${quoteShort(one)} and ${quoteShort(other)} are equal numbers; ${set(settings)} takes the first for similar`
  }
  const type = numbers.every((text) => /^\s*[+-]?\d{1,9}\s*$/.test(text)) ? 'INTEGER' : 'DOUBLE'
  const isEncoding = (...labels: number[]) => labels.every((label) => values.includes(label))
  const label = `CAST(${column} AS ${type})`
  if (isEncoding(1, 0)) return message`${set({ label, negativeLabel: 0 })} reads its texts as numbers`
  const naming = message`, which ${option('positiveLabel')} and ${option('negativeLabel')} name`
  return message`${set({ label })} reads its texts as numbers${isEncoding(1, -1) ? '' : naming}`
}

/** An error of DuckDB about a row of CSV, in words of this package; other errors as they are. */
export function explainCsvError(error: Error): Error {
  const text = error.message
  const [, line] = /CSV Error on Line: (\d+)/.exec(text) ?? []
  if (line === undefined) return error
  const [, expected, found] = /Expected Number of Columns: (\d+) Found: (\d+)/.exec(text) ?? []
  if (expected !== undefined) return fileError(describeFieldCount(line, Number(found), expected), {}, error)
  const [, column = '', value = '', type] =
    /converting column "(.*)"\. Could not convert string "(.*)" to '(\w+)'/.exec(text) ?? []
  if (type === undefined) return error
  const wanted = type === 'DOUBLE' ? 'a number' : 'true or false'
  const advice = adviseOnText('input', column, value)
  return fileError(message`line ${line}: column "${column}" is "${value}", expected ${wanted} (${advice})`, {}, error)
}

/** What is wrong with a record that has too few or too many fields. */
export function describeFieldCount(line: string | number, found: number, expected: string | number): string {
  return `line ${line} has ${found} field${found === 1 ? '' : 's'}, expected ${expected}`
}

import { fileError, type Message, message, set } from '../errors.ts'
import { quoteText } from './sql.ts'

/**
 * Advice on a text where a number is expected.
 *
 * @param texts some texts of the column: where there are two, of labels each may be the positive one
 */
export function adviseOnText(option: string, column: string, value: string, texts: readonly string[] = []): Message {
  const isNull = /^(#?n\/?a|<na>|null|none|nil|missing|undefined|\\n|[-–—?.*]+)$/i
  if (isNull.test(value.trim())) return message`${set({ nullString: value, nulls: 'ignore' })} leaves out such rows`
  if (/^\s*[+-]?\d*,\d+(e[+-]?\d+)?\s*$/i.test(value)) return message`${set({ decimal: ',' })} reads decimal commas`
  if (/^\s*[+-]?\d*\.\d+(e[+-]?\d+)?\s*$/i.test(value)) return message`${set({ decimal: '.' })} reads decimal points`
  if (/^\s*−[\d.]+/.test(value)) {
    return message`${set({ [option]: `replace(${column}::VARCHAR, '−', '-')::DOUBLE` })} reads minus signs`
  }
  if (value.startsWith('#')) return message`${set({ comment: '#' })} skips lines that begin with it`
  if (option === 'label' && texts.length === 2) return adviseOnLabels(texts)
  if (option === 'label')
    return message`${set({ label: `${column} = ${quoteText(value)}`, negativeLabel: 0 })} reads text`
  return message`${set({ [option]: `TRY_CAST(${column} AS DOUBLE)`, nulls: 'ignore' })} leaves out such rows`
}

/** Advice on labels of two texts. */
export function adviseOnLabels(texts: readonly string[]): Message {
  return message`${set({ positiveLabel: texts })} says which of its two texts similar pairs have`
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

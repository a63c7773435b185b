import { fileError, type Message, message, set } from '../errors.ts'
import { quoteText } from './sql.ts'

/** Advice for a text where a number is expected. */
export function adviseOnText(option: 'input' | 'label', column: string, value: string): Message {
  const isNull = /^(#?n\/?a|<na>|null|none|nil|missing|undefined|\\n|[-–—?.*]+)$/i
  if (isNull.test(value.trim())) return message`${set({ nullString: value, nulls: 'ignore' })} leaves out such rows`
  if (/^\s*[+-]?\d*,\d+(e[+-]?\d+)?\s*$/i.test(value)) return message`${set({ decimal: ',' })} reads decimal commas`
  if (/^\s*[+-]?\d*\.\d+(e[+-]?\d+)?\s*$/i.test(value)) return message`${set({ decimal: '.' })} reads decimal points`
  if (/^\s*−[\d.]+/.test(value)) {
    return message`${set({ [option]: `replace(${column}::VARCHAR, '−', '-')::DOUBLE` })} reads minus signs`
  }
  if (value.startsWith('#')) return message`${set({ comment: '#' })} passes over lines that begin with it`
  if (option === 'label')
    return message`${set({ label: `${column} = ${quoteText(value)}`, negativeLabel: 0 })} reads text`
  return message`${set({ [option]: `TRY_CAST(${column} AS DOUBLE)`, nulls: 'ignore' })} leaves out such rows`
}

/** A message of DuckDB about a row of CSV, in words of this package; other messages as they are. */
export function describeCsvError(text: string): Message {
  const [, line] = /CSV Error on Line: (\d+)/.exec(text) ?? []
  const [, expected = '', found] = /Expected Number of Columns: (\d+) Found: (\d+)/.exec(text) ?? []
  if (line !== undefined && found !== undefined) {
    return message`line ${line} has ${found} field${found === '1' ? '' : 's'}, expected ${expected}`
  }
  const [, column = '', value = '', type] =
    /converting column "(.*)"\. Could not convert string "(.*)" to '(\w+)'/.exec(text) ?? []
  if (line === undefined || type === undefined) return message`${text}`
  const wanted = type === 'DOUBLE' ? 'a number' : 'true or false'
  return message`line ${line}: column "${column}" is "${value}", expected ${wanted} (${adviseOnText('input', column, value)})`
}

/** The error of a scan, where its message is about a row of CSV with that message in words of this package. */
export function describedCsvError(error: Error): Error {
  const described = describeCsvError(error.message)
  return described.toString() === error.message ? error : fileError(described, {}, error)
}

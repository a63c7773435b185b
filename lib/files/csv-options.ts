import { UsageError } from './errors.ts'
import type { Source } from './sources.ts'

/** How CSV and TSV are written, where files do not say it themselves. */
export interface TextOptions {
  readonly delimiter?: string
  readonly decimal?: '.' | ','
  /** texts that stand for a null, beside an empty field */
  readonly nullString?: readonly string[]
  /** whether the first record has the names of the columns: by default it does */
  readonly header?: boolean
  /** what lines begin with that are no rows */
  readonly comment?: string
}

const flags: Readonly<Record<keyof TextOptions, string>> = {
  delimiter: '--delimiter',
  decimal: '--decimal',
  nullString: '--null-string',
  header: '--header',
  comment: '--comment',
}

/** The text options alone. */
export function textOptionsIn({ delimiter, decimal, nullString, header, comment }: TextOptions): TextOptions {
  const all = { delimiter, decimal, nullString, header, comment }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}

/** True if a text can be a delimiter, or begin a comment. */
export function isSeparator(text: string): boolean {
  return /^[\t -~]$/.test(text) && text !== '"'
}

/**
 * Refuses wrong values, and options for CSV if there is no CSV or TSV.
 *
 * @throws {UsageError}
 */
export function assertTextOptions(options: TextOptions, sources: readonly Source[]): void {
  const { delimiter, comment } = options
  for (const [name, text] of Object.entries({ delimiter, comment })) {
    if (text === undefined || isSeparator(text)) continue
    throw new UsageError(`--${name} must be one character of ASCII other than a quote, got '${text}'`)
  }
  if (comment !== undefined && (comment === delimiter || comment === ' ')) {
    throw new UsageError(`--comment must be other than --delimiter and a space, got '${comment}'`)
  }
  const [given] = Object.keys(textOptionsIn(options)) as (keyof TextOptions)[]
  if (given === undefined || sources.some(({ kind }) => kind === 'CSV' || kind === 'TSV')) return
  throw new UsageError(`${flags[given]} is for CSV and TSV, of which there is no file`)
}

/** Advice for text that is no number. */
export function adviceOnText(option: string, column: string, value: string): string {
  const isNull = /^(#?n\/?a|<na>|null|none|nil|missing|undefined|\\n|[-–—?.*]+)$/i
  if (isNull.test(value.trim())) return `--null-string '${value}' --nulls ignore leaves out such rows`
  if (/^\s*[+-]?\d*,\d+(e[+-]?\d+)?\s*$/i.test(value)) return '--decimal , reads decimal commas'
  if (/^\s*[+-]?\d*\.\d+(e[+-]?\d+)?\s*$/i.test(value)) return '--decimal . reads decimal points'
  if (/^\s*−[\d.]+/.test(value)) return `${option} "replace(${column}::VARCHAR, '−', '-')::DOUBLE" reads minus signs`
  if (value.startsWith('#')) return `--comment '#' passes over lines that begin with it`
  if (option === '--label') return `--label "${column} = ${sqlText(value)}" --negative-label 0 reads text`
  return `${option} "TRY_CAST(${column} AS DOUBLE)" --nulls ignore leaves out such rows`
}

function sqlText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** What DuckDB reports of a row of CSV, in our words. */
export function describeCsvError(message: string): string {
  const [, line] = /CSV Error on Line: (\d+)/.exec(message) ?? []
  const [, expected, found] = /Expected Number of Columns: (\d+) Found: (\d+)/.exec(message) ?? []
  if (line !== undefined && found !== undefined) {
    return `line ${line} has ${found} field${found === '1' ? '' : 's'}, expected ${expected}`
  }
  const [, column = '', value = '', type] =
    /converting column "(.*)"\. Could not convert string "(.*)" to '(\w+)'/.exec(message) ?? []
  if (line === undefined || type === undefined) return message
  const wanted = type === 'DOUBLE' ? 'a number' : 'true or false'
  return `line ${line}: column "${column}" is "${value}", expected ${wanted} (${adviceOnText('--input', column, value)})`
}

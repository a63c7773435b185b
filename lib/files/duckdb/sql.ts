import { isRemote } from '../remote.ts'
import { system } from '../system.ts'

/** A text as an SQL literal. */
export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** A name as an SQL identifier, in its exact case. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** Paths as an SQL list, in which no path is a pattern; a session takes URLs as they are. */
export function quoteFiles(files: readonly string[]): string {
  return `[${files.map((file) => quoteText(isRemote(file) ? file : escapePattern(file))).join(', ')}]`
}

/** A pattern that matches this path alone; DuckDB reads a leading ~ as the home folder. */
export function escapePattern(path: string, { wildcard } = system): string {
  return path.replace(wildcard, '[$&]').replace(/^~/, './~')
}

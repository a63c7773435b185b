import { findColumn } from '../column-names.ts'
import { given } from '../errors.ts'
import { checkRowExpression, type Reference } from './expressions.ts'
import type { Session } from './session.ts'
import { quoteName } from './sql.ts'

/** A column of a file. */
export interface Column {
  /** in the file */
  readonly name: string
  /** in the table that DuckDB makes of the file, where no two names are alike */
  readonly tableName: string
}

/** What a text of the options input, label, by or keep stands for in a table. */
export interface Resolved {
  readonly option: string
  readonly sql: string
  /** what the text names, if it is not a column but an expression */
  readonly references: readonly Reference[]
  /** the columns that it may read */
  readonly columns: readonly Column[]
}

/**
 * Reads a text as the name of a column, or else as an expression whose references take the exact case first.
 *
 * @throws {RangeError} ERR_INVALID_ARG_VALUE: the text is neither a column nor an expression that depends on its row alone
 */
export async function resolveColumn(
  session: Session,
  option: string,
  text: string,
  columns: readonly Column[],
): Promise<Resolved> {
  const names = columns.map(({ name }) => name)
  const place = findColumn(given(option, text), text, names)
  const column = place === undefined ? undefined : (columns[place] as Column)
  if (column !== undefined) return { option, sql: quoteName(column.tableName), references: [], columns: [column] }
  const references = await checkRowExpression(session, option, text)
  const sql = rewriteReferences(option, text, references, columns)
  const read = new Set(references.flatMap((reference) => reference.names.map((name) => name.toLowerCase())))
  return { option, sql, references, columns: columns.filter(({ name }) => read.has(name.toLowerCase())) }
}

/** Renames references to columns whose names differ in case alone, or are equal; DuckDB would take the first of them. */
function rewriteReferences(
  option: string,
  text: string,
  references: readonly Reference[],
  columns: readonly Column[],
): string {
  const names = columns.map(({ name }) => name)
  const bytes = Buffer.from(text)
  let sql = ''
  let done = 0
  for (const {
    names: [first = ''],
    location,
  } of references.toSorted((one, other) => one.location - other.location)) {
    const place = findColumn(given(option, text), quoteName(first), names)
    const { name, tableName } = place === undefined ? { name: first, tableName: first } : (columns[place] as Column)
    if (name === tableName) continue
    const [written = first] = /^"(?:[^"]|"")+"/.exec(bytes.subarray(location).toString()) ?? []
    sql += `${bytes.subarray(done, location)}${quoteName(tableName)}`
    done = location + Buffer.byteLength(written)
  }
  return `${sql}${bytes.subarray(done)}`
}

/** The columns of these names, with names in DuckDB that differ in more than case. */
export function columnsOf(names: readonly string[]): Column[] {
  const lower = names.map((name) => name.toLowerCase())
  const taken = new Set(lower)
  return names.map((name, place) => {
    const isOnly = lower.indexOf(name.toLowerCase()) === lower.lastIndexOf(name.toLowerCase())
    return { name, tableName: isOnly ? name : freeName(name, place, taken) }
  })
}

function freeName(name: string, place: number, taken: Set<string>): string {
  let free = `${name}_${place}`
  while (taken.has(free.toLowerCase())) free += '_'
  taken.add(free.toLowerCase())
  return free
}

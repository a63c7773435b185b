import { findColumn } from '../column-names.ts'
import { given } from '../errors.ts'
import { checkRowExpression, type Reference } from './expressions.ts'
import type { Session } from './session.ts'
import { quoteName } from './sql.ts'

/** A column of a scan. */
export interface Column {
  /** in the file, or in the name of the folder */
  readonly name: string
  /** in the table that DuckDB makes of the files, where names differ in more than case */
  readonly tableName: string
  /** as DuckDB writes it */
  readonly type: string
}

/** A column whose type is not known yet. */
export type NamedColumn = Omit<Column, 'type'>

/** What a text of the options input, label, by or keep stands for in a table. */
export interface Expression {
  readonly option: string
  readonly sql: string
  /** the table name of the column that the text names; absent: it is an expression */
  readonly column?: string
  /** the names in an expression */
  readonly references: readonly Reference[]
  /** the table names of all columns that it may read */
  readonly columns: readonly string[]
}

/**
 * Reads a text as the name of a column, or else as an expression whose references prefer a column of the same case.
 *
 * @throws {RangeError} ERR_INVALID_ARG_VALUE: the text is neither a column nor an expression that depends on its row alone
 * @throws {Error} ERR_INVALID_FILE, with `option`: a name may be that of several columns
 */
export async function resolveText(
  session: Session,
  option: string,
  text: string,
  columns: readonly NamedColumn[],
): Promise<Expression> {
  const names = columns.map(({ name }) => name)
  const index = findColumn(given(option, text), text, names)
  if (index !== undefined) {
    const { tableName } = columns[index] as NamedColumn
    return { option, sql: quoteName(tableName), column: tableName, references: [], columns: [tableName] }
  }
  const references = await checkRowExpression(session, option, text)
  const sql = rewriteReferences(option, text, references, columns)
  const read = new Set(references.flatMap((reference) => reference.names.map((name) => name.toLowerCase())))
  const mayRead = columns.filter(({ name }) => read.has(name.toLowerCase()))
  return { option, sql, references, columns: mayRead.map(({ tableName }) => tableName) }
}

/** Replaces references by table names: of columns whose names differ in case alone DuckDB would take the first. */
function rewriteReferences(
  option: string,
  text: string,
  references: readonly Reference[],
  columns: readonly NamedColumn[],
): string {
  const names = columns.map(({ name }) => name)
  const bytes = Buffer.from(text)
  let sql = ''
  let done = 0
  for (const {
    names: [first = ''],
    location,
  } of references.toSorted((one, other) => one.location - other.location)) {
    const index = findColumn(given(option, text), quoteName(first), names)
    const { name, tableName } =
      index === undefined ? { name: first, tableName: first } : (columns[index] as NamedColumn)
    if (name === tableName) continue
    const [written = first] = /^"(?:[^"]|"")+"/.exec(bytes.subarray(location).toString()) ?? []
    sql += `${bytes.subarray(done, location)}${quoteName(tableName)}`
    done = location + Buffer.byteLength(written)
  }
  return `${sql}${bytes.subarray(done)}`
}

/** Gives columns table names that differ in more than case. */
export function nameColumns(names: readonly string[]): NamedColumn[] {
  const lower = names.map((name) => name.toLowerCase())
  const taken = new Set(lower)
  return names.map((name, index) => {
    const isUnique = lower.indexOf(name.toLowerCase()) === lower.lastIndexOf(name.toLowerCase())
    return { name, tableName: isUnique ? name : findFreeName(name, index, taken) }
  })
}

/** Columns of another table beside `columns`, with table names that none of these have. */
export function nameBeside<T extends NamedColumn>(columns: readonly NamedColumn[], others: readonly T[]): T[] {
  const taken = new Set(columns.map(({ tableName }) => tableName.toLowerCase()))
  return others.map((column, index) => {
    const isFree = !taken.has(column.tableName.toLowerCase())
    taken.add(column.tableName.toLowerCase())
    return isFree ? column : { ...column, tableName: findFreeName(column.tableName, index, taken) }
  })
}

function findFreeName(name: string, index: number, taken: Set<string>): string {
  let free = `${name}_${index}`
  while (taken.has(free.toLowerCase())) free += '_'
  taken.add(free.toLowerCase())
  return free
}

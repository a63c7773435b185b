import { fileError, type Given, given, message } from '../errors.ts'
import { checkRowExpression, type Reference } from './expressions.ts'
import { identifier, type Session } from './session.ts'

/** A column of a file. */
export interface Column {
  /** in the file */
  readonly name: string
  /** in the table that DuckDB makes of the file, where no two names are alike */
  readonly tableName: string
}

/**
 * The place of the column that a text names: exactly, or as an identifier of SQL, in another case if no other column
 * has that name; undefined if it names none. An error begins with the subject.
 */
export function placeOf(subject: Given, text: string, names: readonly string[]): number | undefined {
  return onlyPlace(subject, text, names) ?? identifiedPlace(subject, text, names)
}

function identifiedPlace(subject: Given, text: string, names: readonly string[]): number | undefined {
  const name = identifierIn(text)
  if (name === undefined) return undefined
  const exact = onlyPlace(subject, name, names)
  if (exact !== undefined) return exact
  const alike = names.filter((each) => each.toLowerCase() === name.toLowerCase())
  if (alike.length > 1) {
    throw fileError(message`${subject}: may be any of the columns ${alike.join(', ')}; write one of them exactly`, {
      option: subject.given,
    })
  }
  return alike.length === 0 ? undefined : names.indexOf(alike[0] as string)
}

function onlyPlace(subject: Given, name: string, names: readonly string[]): number | undefined {
  const place = names.indexOf(name)
  if (place < 0) return undefined
  if (names.indexOf(name, place + 1) < 0) return place
  throw fileError(message`${subject}: the file has more than one column of the name ${name}; rename one`, {
    option: subject.given,
  })
}

/** What an identifier of SQL names, plain or in double quotes. */
function identifierIn(text: string): string | undefined {
  if (/^[\p{L}_][\p{L}\p{N}_]*$/u.test(text)) return text
  const [, inner] = /^"((?:[^"]|"")+)"$/.exec(text) ?? []
  return inner?.replaceAll('""', '"')
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
  const place = placeOf(given(option, text), text, names)
  const column = place === undefined ? undefined : (columns[place] as Column)
  if (column !== undefined) return { option, sql: identifier(column.tableName), references: [], columns: [column] }
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
    const place = placeOf(given(option, text), identifier(first), names)
    const { name, tableName } = place === undefined ? { name: first, tableName: first } : (columns[place] as Column)
    if (name === tableName) continue
    const [written = first] = /^"(?:[^"]|"")+"/.exec(bytes.subarray(location).toString()) ?? []
    sql += `${bytes.subarray(done, location)}${identifier(tableName)}`
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

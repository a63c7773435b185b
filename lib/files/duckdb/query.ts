import { detailsOf, errorAt, fileError, isOptionError, message, option, optionError } from '../errors.ts'
import { listTexts, resolveTexts } from './column-uses.ts'
import { nameColumns } from './columns.ts'
import { type ExtensionOptions, withExtensions } from './extensions.ts'
import { assertOwnColumns } from './open-scans.ts'
import { explainScanError, shortenError } from './row-error-search.ts'
import { describeTexts, type Scan, type ScanOptions } from './scan.ts'
import { outOfMemoryCode, type Session } from './session.ts'
import { quoteName, quoteText } from './sql.ts'

/** The name of a query where errors name a file. */
const queryName = 'query'

/** The table of a session that has the rows of its query. */
const rowsTable = 'query_rows'

/** A query as DuckDB parses it. */
export interface ParsedQuery {
  readonly sql: string
  /** the paths and patterns that it may read */
  readonly paths: readonly string[]
  /** true if it computes a path, so that it may read any file */
  readonly computesPaths: boolean
}

/**
 * Parses a query.
 *
 * @throws {RangeError} ERR_INVALID_ARG_VALUE, with `option`: it is not one SELECT statement, or calls a function that does more
 * than read
 */
export async function parseQuery(session: Session, sql: string): Promise<ParsedQuery> {
  const [json = ''] = await session.readTexts(`SELECT json_serialize_sql(${quoteText(sql)})`)
  const { error_message: reason, statements = [] } = JSON.parse(json)
  const refuse = (got: string) => {
    const expected = 'one SELECT of DuckDB, or WITH, FROM, VALUES or a UNION'
    return optionError('query', message`${option('query')} must be ${expected}, got ${got}`)
  }
  if (reason !== undefined) throw refuse(reason.startsWith('Only SELECT') ? 'another statement' : `an error: ${reason}`)
  if (statements.length !== 1) throw refuse(statements.length === 0 ? 'none' : `${statements.length} statements`)
  const nodes = listObjects(statements)
  const name = nodes.map((node) => String(node.function_name).toLowerCase()).find((each) => effects.test(each))
  if (name === undefined) return { sql, paths: nodes.flatMap(listPaths), computesPaths: nodes.some(isComputed) }
  throw optionError('query', message`${option('query')} must only read, but calls ${name}`)
}

/**
 * Functions that a SELECT can call and that write files, change a session, run the SQL or read the memory that an argument names.
 * Databases are attached to be read, so others cannot write there.
 */
const effects =
  /^((enable|disable|truncate)_.*|(force_)?checkpoint|write_log|query|json_execute_serialized_sql|\w+_(execute|attach)|(arrow|seq)_scan.*)$/

type Node = Readonly<Record<string, unknown>>

/** All objects in a parsed query. */
function listObjects(value: unknown): Node[] {
  if (typeof value !== 'object' || value === null) return []
  const inner = Object.values(value).flatMap(listObjects)
  return Array.isArray(value) ? inner : [value as Node, ...inner]
}

/** The texts of a node that may be paths: of a table that is no table of a database, and all of a table function. */
function listPaths({ type, table_name: name, function: called }: Node): string[] {
  if (type === 'BASE_TABLE') return [String(name)]
  if (type !== 'TABLE_FUNCTION') return []
  return listObjects(called).flatMap(({ value }) => (typeof value === 'string' ? [value] : []))
}

/** True of a table function of which an argument is computed, unless it reads no files. Settings are comparisons. */
function isComputed({ type, function: called }: Node): boolean {
  if (type !== 'TABLE_FUNCTION') return false
  const { function_name: name, children } = called as { readonly function_name: string; readonly children: Node[] }
  return (
    !/^(range|generate_series|unnest)$/i.test(name) &&
    children.some((child) => child.type !== 'COMPARE_EQUAL' && !isConstant(child))
  )
}

function isConstant({ class: kind, function_name: name, children }: Node): boolean {
  return kind === 'CONSTANT' || (name === 'list_value' && (children as Node[]).every(isConstant))
}

/**
 * Runs a query once, and keeps the columns that the options read: two runs may differ in their rows and in their order.
 *
 * @throws {Error} ERR_INVALID_FILE: DuckDB cannot run it, or a text of the options names no column of its result
 */
export async function openQuery(
  session: Session,
  { sql }: ParsedQuery,
  options: ScanOptions,
  extensions: ExtensionOptions,
): Promise<Scan> {
  const names = await runFor(() => withExtensions(session, extensions, () => session.readColumnNames(sql)))
  const named = nameColumns(names)
  const aliases = named.map(({ tableName }) => quoteName(tableName)).join(', ')
  const from = `query(${quoteText(sql)}) AS ${queryName}(${aliases})`
  const described = await runFor(() => session.describe(`FROM ${from}`))
  const columns = described.map(({ type }, index) => ({ ...(named[index] as (typeof named)[number]), type }))
  const scan: Scan = {
    kind: 'Query',
    compression: 'uncompressed',
    files: [queryName],
    from,
    columns,
    expressions: await resolveTexts(session, columns, options),
  }
  assertOwnColumns(scan, [queryName])
  try {
    await describeTexts(
      session,
      scan,
      listTexts(options).map(([, text]) => text),
    )
  } catch (cause) {
    throw errorAt(queryName, await explainScanError(session, scan, cause))
  }
  const read = new Set([...scan.expressions.values()].flatMap((expression) => expression.columns))
  const kept = columns.filter(({ tableName }, index) => read.has(tableName) || (read.size === 0 && index === 0))
  const list = kept.map(({ tableName }) => quoteName(tableName)).join(', ')
  session.pass = { doing: 'running the query' }
  await runFor(() => session.run(`CREATE TEMP TABLE ${rowsTable} AS SELECT ${list} FROM ${from}`))
  return { ...scan, from: `(FROM ${rowsTable}) AS ${queryName}` }
}

/** Runs what DuckDB does with the query; its errors are told as those of the query. */
async function runFor<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (isOptionError(cause) || detailsOf(cause).code === outOfMemoryCode) throw cause
    throw errorAt(queryName, fileError(shortenError(cause), { ...detailsOf(cause), option: 'query' }, cause))
  }
}

import { type ColumnUse, findColumnUses, inexactError, resolveTexts } from './column-uses.ts'
import type { Column } from './columns.ts'
import { findFolderColumns } from './partitions.ts'
import {
  type FileSchema,
  fromClause,
  type ScanFiles,
  type ScanOptions,
  type ScanSource,
  type TextSchema,
} from './scan.ts'
import type { QueryColumn, Session } from './session.ts'
import { quoteFiles, quoteName, quoteText } from './sql.ts'

/** All rows are the sample: of fewer DuckDB could read a column as BIGINT and round a later 0.5. */
const sampleAllRows = 'sample_size = -1, maximum_sample_files = 2147483647'

/** The columns of files of NDJSON, with types that suit all rows and change no text; none if DuckDB cannot read the files. */
export async function readJsonColumns(session: Session, files: ScanFiles): Promise<Column[]> {
  const sampled = await session
    .describe(`FROM ${fromClause({ ...files, textArguments: sampleAllRows })}`)
    .catch((): QueryColumn[] => [])
  const tableNames = sampled.map(({ name }) => name)
  const keys = await findKeys(session, files, tableNames)
  return sampled.map(({ name, type }, index) => ({ name: keys[index] ?? name, tableName: name, type: keepText(type) }))
}

/** Samples files of NDJSON, once, and finds types of their columns that change no value that the options read. */
export async function readJsonSchema(
  session: Session,
  files: ScanFiles,
  first: ScanSource,
  options: ScanOptions,
): Promise<TextSchema> {
  const sampled = await readJsonColumns(session, files)
  const expressions = await resolveTexts(session, [...sampled, ...findFolderColumns(first, sampled)], options)
  if (sampled.length === 0) return { schema: { textArguments: sampleAllRows, columns: [] }, expressions }
  const rows = `FROM ${fromClause({ ...files, ...readAs(sampled) })}`
  const types = new Map<string, string>()
  for (const use of findColumnUses(sampled, expressions, options)) {
    const column = sampled.find(({ tableName }) => tableName === use.column) as Column
    types.set(use.column, await findType(session, rows, column, use))
  }
  const columns = sampled.map((column) => ({ ...column, type: types.get(column.tableName) ?? column.type }))
  return { schema: { ...readAs(columns), columns }, expressions }
}

/** Types that DuckDB finds in strings, which would change them: JSON has none of these. */
const typesInStrings = /"(?:[^"]|"")*"|\b(?:DATE|TIME|TIMESTAMP|TIMESTAMP WITH TIME ZONE|TIMESTAMP_NS|UUID)(?=[,)[]|$)/g

/** The type with each string as text; names in quotes stay. */
function keepText(type: string): string {
  return type.replace(typesInStrings, (found) => (found.startsWith('"') ? found : 'VARCHAR'))
}

/** The reader's arguments and table names for these columns. Unlike in SQL, keys of a struct from JSON may differ in case alone. */
function readAs(columns: readonly Column[]): Omit<FileSchema, 'columns'> {
  const toObject = (describe: (column: Column) => string) =>
    quoteText(
      `{${columns.map((column) => `${JSON.stringify(column.name)}: ${JSON.stringify(describe(column))}`).join(', ')}}`,
    )
  const types = toObject(({ type }) => type)
  const textArguments = `columns = from_json(${types}, ${toObject(() => 'VARCHAR')})`
  if (columns.every(({ name, tableName }) => name === tableName)) return { textArguments }
  return { textArguments, alias: columns.map(({ tableName }) => quoteName(tableName)).join(', ') }
}

/** The keys of the columns. DuckDB appends _1 and so on to the names of columns whose keys differ in case alone. */
async function findKeys(
  session: Session,
  { files, compression }: ScanFiles,
  tableNames: readonly string[],
): Promise<readonly string[]> {
  const lower = new Set(tableNames.map((name) => name.toLowerCase()))
  const removeSuffix = (name: string) => name.replace(/_\d+$/, '')
  const suffixed = tableNames.filter(
    (name) => removeSuffix(name) !== name && lower.has(removeSuffix(name).toLowerCase()),
  )
  if (suffixed.length === 0) return tableNames
  const keys = await session.readTexts(`SELECT DISTINCT key FROM (
    SELECT unnest(json_keys(json)) AS key FROM read_json_objects(${quoteFiles(files)}, compression = ${quoteText(compression)})
  ) WHERE key IN (${suffixed.map(quoteText)})`)
  return tableNames.map((name) => (suffixed.includes(name) && !keys.includes(name) ? removeSuffix(name) : name))
}

/** The type of a column that the options read: the sampled one, unless it changes a value. */
async function findType(session: Session, rows: string, { tableName, type }: Column, use: ColumnUse): Promise<string> {
  const hasRows = async (condition: string) =>
    (await session.readRows(`SELECT 1 ${rows} WHERE ${condition} LIMIT 1`)).length > 0
  const name = quoteName(tableName)
  // DuckDB finds JSON where all values are null.
  if (type === 'JSON' && !(await hasRows(`${name} IS NOT NULL`))) return 'DOUBLE'
  if (use.exactFor.length === 0 || !type.includes('DOUBLE') || !(await hasRows(isLarge(name, type)))) return type
  if (type !== 'DOUBLE' || use.isNumber || use.isComputed) throw inexactError(use)
  return 'JSON'
}

/** True of a value with a number of 2^53 or more; lists and structs are searched as JSON. */
function isLarge(column: string, type: string): string {
  if (type === 'DOUBLE') return `isfinite(${column}) AND abs(${column}) >= ${2 ** 53}`
  return `regexp_matches(to_json(${column})::VARCHAR, '(^|[\\[:,-])[0-9]{16,}|[0-9]e\\+?[0-9]{2}')`
}

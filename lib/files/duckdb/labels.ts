import { findColumn } from '../column-names.ts'
import { fileError, given, message } from '../errors.ts'
import type { Labels } from '../options.ts'
import { type Column, type NamedColumn, nameBeside } from './columns.ts'
import { floatType } from './group-keys.ts'
import { assertUnique, describeTypes, equalIds, findTable, type Ids } from './ids.ts'
import { assertOwnColumns, openScans, readNames } from './open-scans.ts'
import { fromClause, type Scan, type ScanOptions, type ScanSource } from './scan.ts'
import type { Session } from './session.ts'
import { quoteName } from './sql.ts'

/** The table of a session that has the labels. */
const labelsTable = 'labels_by_id'

/**
 * Opens scans as `openScans` does, and joins each to a file of labels: texts of the options may then name columns of both.
 *
 * @throws {RangeError} ERR_INVALID_ARG_VALUE, with `option`: the file of labels has another format
 * @throws {Error} ERR_INVALID_FILE, with `option` and `file`: a file has no column of ids, or the labels have an id twice
 * @throws {Error} ENOENT, with `file`
 */
export async function openLabeledScans(
  session: Session,
  sources: readonly ScanSource[],
  labels: Labels,
  options: ScanOptions,
  signal: AbortSignal,
  isInOrder: boolean,
): Promise<Scan[]> {
  const open = async (given: ScanOptions) => {
    const texts = { ...given, on: labels.on }
    const table = await openTable(session, sources, labels, texts, signal)
    const beside = withoutIds(table.columns, labels.on)
    const scans = await openScans(session, sources, { ...texts, beside }, signal, isInOrder)
    const [tableIds, ...ids] = await findIds(session, [table, ...scans], labels.on)
    return { table, beside, scans, tableIds: tableIds as Ids, ids }
  }
  const opened = await open(options)
  // Ids that are text in one file are text in all files of CSV.
  const areText = new Set([opened.tableIds, ...opened.ids].map(({ type }) => type === 'VARCHAR'))
  const { onNote: _, ...silent } = options
  const { table, beside, scans, tableIds, ids } =
    areText.size === 1 ? opened : await open({ ...silent, areIdsText: true })
  const read = new Set([...table.expressions.values()].flatMap(({ columns }) => columns))
  const columns = beside.filter(({ tableName }) => read.has(tableName)).map(({ tableName }) => quoteName(tableName))
  const rows = `SELECT ${[tableIds.sql, ...columns].join(', ')} FROM ${fromClause(table)}`
  await session.run(`CREATE TEMP TABLE ${labelsTable} AS ${rows}`)
  await assertUnique(session, labelsTable, tableIds)
  return scans.map((scan, index) => joinLabels(scan, ids[index] as Ids, tableIds, beside, read))
}

/** Opens the file of labels; its columns have types for what the options do with them. The options of CSV are not about it. */
async function openTable(
  session: Session,
  [first]: readonly ScanSource[],
  { file, on }: Labels,
  options: ScanOptions,
  signal: AbortSignal,
): Promise<Scan> {
  const source = await findTable('labels', file)
  const { onNote: _, ...silent } = options
  const names = (first && (await readNames(session, first, silent, signal))) ?? []
  const { delimiter: _1, decimal: _2, nullString: _3, header: _4, comment: _5, ...texts } = options
  const [table] = await openScans(session, [source], { ...texts, beside: withoutIds(names, on) }, signal)
  if (table === undefined) throw fileError(`${file}: the file has no rows`, { option: 'labels', file })
  return table
}

/** The columns without that of the ids, which both files have. */
function withoutIds<T extends NamedColumn>(columns: readonly T[], on: string): T[] {
  const names = columns.map(({ name }) => name)
  const index = findColumn(given('on', on), on, names)
  return columns.filter((_, i) => i !== index)
}

async function findIds(session: Session, scans: readonly Scan[], on: string): Promise<Ids[]> {
  const ids: Ids[] = []
  for (const scan of scans) {
    const [file = ''] = scan.files
    const name = scan.expressions.get(on)?.column
    const column = scan.columns.find(({ tableName }) => tableName === name)
    // The error of a name that the file lacks has the nearest ones.
    if (column === undefined) await describeTypes(session, scan, [on])
    if (column === undefined) {
      throw fileError(message`${file}: ${given('on', on)} must be a column of both files`, { option: 'on', file })
    }
    ids.push({ file, option: 'on', text: on, sql: quoteName(column.tableName), type: column.type })
  }
  return ids
}

/**
 * Joins a scan to the table of labels.
 *
 * @param beside the columns of the labels as the texts of the scan know them
 * @param read the names of those that the table has
 */
function joinLabels(scan: Scan, ids: Ids, tableIds: Ids, beside: readonly Column[], read: ReadonlySet<string>): Scan {
  const named = nameBeside(scan.columns, beside)
  const columns = [...scan.columns, ...named]
  const references = [...scan.expressions.values()].flatMap((each) => each.references.flatMap(({ names }) => names))
  const taken = [...columns, ...references.map(toColumn)]
  const own = nameBeside(taken, ['id', 'file', 'row'].map(toColumn))
  const [id = '', ...place] = own.map(({ tableName }) => quoteName(tableName))
  const lower = new Set(columns.map(({ tableName }) => tableName.toLowerCase()))
  const added = addedColumns.filter((name) => references.includes(name) && !lower.has(name))
  const labels = named.flatMap(({ tableName }, index) => {
    const name = (beside[index] as Column).tableName
    return read.has(name) ? [`${quoteName(name)} AS ${quoteName(tableName)}`] : []
  })
  const joined = {
    ...scan,
    columns,
    labels: {
      file: tableIds.file,
      sql: `(SELECT ${[`${tableIds.sql} AS ${id}`, ...labels].join(', ')} FROM ${labelsTable}) AS labels`,
      condition: equalIds(ids, { ...tableIds, sql: id }),
      ...{ id, on: ids.sql, shownOn: showId(ids), place, added },
    },
  }
  assertOwnColumns(joined, ['files', 'labels'])
  return joined
}

function showId({ sql, type }: Ids): string {
  return floatType.test(type) ? `regexp_replace(CAST(${sql} AS VARCHAR), '\\.0$', '')` : sql
}

/** Columns that DuckDB adds to a file, and that expressions may name. */
const addedColumns = ['filename', 'file_row_number']

function toColumn(name: string): NamedColumn {
  return { name, tableName: name }
}

import { errorAt, fileError, given, message, option, optionError } from '../errors.ts'
import { type Lookup, lookupOf, type Pair } from '../pair.ts'
import { assertFile, assertLocal } from '../paths.ts'
import { recognizeFile } from '../sources.ts'
import { elementTypeOf } from './embedding-lists.ts'
import { numericType } from './group-keys.ts'
import { assertOwnColumns, openScans, virtualColumns } from './open-scans.ts'
import { explainScanError } from './row-error-search.ts'
import { describeTexts, fromClause, type OpenedLookup, type Scan, type ScanSource, sqlOf } from './scan.ts'
import { isScorable } from './scored-types.ts'
import type { Session } from './session.ts'
import { quoteName } from './sql.ts'

/**
 * Adds the embeddings that left and right are looked up in, if the input is such a pair, to scans.
 *
 * @throws {RangeError} ERR_INVALID_ARG_VALUE, with `option`: the file of embeddings has another format
 * @throws {Error} ERR_INVALID_FILE, with `option` and `file`: it has an id twice, no column of lists, or several
 * @throws {Error} ENOENT, with `file`
 */
export async function attachLookup(
  session: Session,
  scans: readonly Scan[],
  input: string | Pair,
  signal: AbortSignal,
): Promise<Scan[]> {
  const lookup = lookupOf(input)
  if (typeof input === 'string' || lookup === undefined) return [...scans]
  const table = await openTable(session, lookup, signal)
  const attached: Scan[] = []
  for (const scan of scans) {
    const types = await describeTypes(session, scan, [input.left, input.right])
    const [left = '', right = ''] = (['left', 'right'] as const).map((side, i) => {
      return normalizeId({ option: side, text: input[side] }, types[i] as string, table, lookup)
    })
    attached.push({ ...scan, lookup: { file: lookup.file, sql: table.sql, type: table.type, left, right } })
  }
  return attached
}

/** The file of embeddings as a table. */
interface Table extends Pick<OpenedLookup, 'sql' | 'type'> {
  readonly idType: string
}

async function openTable(session: Session, lookup: Lookup, signal: AbortSignal): Promise<Table> {
  const { file, id, embedding } = lookup
  const source = await findTable(file)
  const texts = { id, ...(embedding !== undefined && { embedding }) }
  const [scan] = await openScans(session, [source], texts, signal)
  if (scan === undefined) throw fileError(`${file}: the file has no rows`, { option: 'embeddings', file })
  assertOwnColumns(scan, virtualColumns)
  const column = embedding ?? findListColumn(scan, file)
  const [idType = '', type = ''] = await describeTypes(session, scan, [id, column])
  const expressions = [id, column].map((text) => `(${sqlOf(scan, text)})`)
  const rows = `(SELECT ${expressions} FROM ${fromClause(scan)}) AS rows(id, embedding)`
  const sql = `(SELECT ${castId('id', idType)} AS id, embedding FROM ${rows})`
  await assertUnique(session, sql, lookup)
  return { sql, type, idType }
}

/** The types of texts; the error of one that cannot be read has the file. */
async function describeTypes(session: Session, scan: Scan, texts: readonly string[]): Promise<string[]> {
  try {
    return (await describeTexts(session, scan, texts)).map(({ type }) => type)
  } catch (cause) {
    throw errorAt(scan.files[0] ?? '', await explainScanError(session, scan, cause))
  }
}

async function findTable(file: string): Promise<ScanSource> {
  assertLocal(file, 'embeddings')
  await assertFile(file)
  const source = recognizeFile(file)
  if (source === undefined || source.kind === 'Arrow') {
    const expected = message`must name a file of Parquet, CSV, TSV or NDJSON`
    throw optionError('embeddings', message`${option('embeddings')} ${expected}, got ${file}`)
  }
  return source as ScanSource
}

/** The name of the only column of lists of numbers. */
function findListColumn({ columns }: Scan, file: string): string {
  const lists = columns.filter(({ type }) => isScorable('input', elementTypeOf(type) ?? ''))
  const [only, ...others] = lists
  if (only !== undefined && others.length === 0) return quoteName(only.tableName)
  const names = lists.map(({ name }) => name).join(', ')
  const found = only === undefined ? 'no column of lists of numbers' : `several columns of lists of numbers, ${names}`
  throw fileError(message`${file}: has ${found}; ${option('embedding')} names one`, { option: 'embedding', file })
}

/** Refuses an id that several embeddings have. */
async function assertUnique(session: Session, sql: string, { file, id }: Lookup): Promise<void> {
  const [found] = await session.readRows(`SELECT CAST(id AS VARCHAR), rows, count(*) OVER ()
    FROM (SELECT id, count(*) AS rows FROM ${sql} WHERE id IS NOT NULL GROUP BY id HAVING count(*) > 1)
    ORDER BY id LIMIT 1`)
  if (found === undefined) return
  const [value, rows, count] = found
  const such = `${count} such id${count === 1n ? '' : 's'}`
  throw fileError(message`${file}: ${given('id', id)}: ${String(value)} is the id of ${String(rows)} rows (${such})`, {
    option: 'id',
    file,
    count: Number(count),
  })
}

const floatType = /^(FLOAT|DOUBLE)$/

/** SQL of an id. A float is the integer that it stands for, and no id if it may stand for several. */
function castId(column: string, type: string): string {
  if (!floatType.test(type)) return column
  const isInteger = `isfinite(${column}) AND ${column} = trunc(${column}) AND abs(${column}) < ${2 ** 53}`
  return `CASE WHEN ${isInteger} THEN CAST(${column} AS BIGINT) END`
}

/** SQL of the column `left_id` or `right_id`, comparable with the ids of the table. */
function normalizeId(
  { option: side, text }: { option: 'left' | 'right'; text: string },
  type: string,
  { idType }: Table,
  { file, id }: Lookup,
): string {
  const areComparable = type === idType || (numericType.test(type) && numericType.test(idType))
  if (areComparable) return castId(`${side}_id`, type)
  const problem = message`${given(side, text)} is ${type}, but ${given('id', id)} ${idType} in ${file}`
  throw fileError(message`${problem}; CAST both to one type`, { option: side })
}

import { errorAt, fileError, given, message, option, optionError } from '../errors.ts'
import { type Lookup, lookupOf, type Pair } from '../pair.ts'
import { assertFile, assertLocal } from '../paths.ts'
import { isRemote } from '../remote.ts'
import { recognizeFile } from '../sources.ts'
import { elementTypeOf } from './embedding-lists.ts'
import { floatType } from './group-keys.ts'
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
  input: string | Pair | undefined,
  signal: AbortSignal,
): Promise<Scan[]> {
  const lookup = lookupOf(input)
  if (typeof input !== 'object' || lookup === undefined) return [...scans]
  const table = await openTable(session, lookup, signal)
  const attached: Scan[] = []
  for (const scan of scans) {
    const types = await describeTypes(session, scan, [input.left, input.right])
    const [left = '', right = ''] = (['left', 'right'] as const).map((side, i) => {
      const id = { option: side, text: input[side], type: types[i] as string }
      return joinCondition(scan.files[0] ?? '', id, table, lookup)
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
  await assertUnique(session, `(SELECT ${castToExact('id', idType)} AS id FROM ${rows})`, lookup)
  return { sql: `(FROM ${rows})`, type, idType }
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
  if (!isRemote(file)) {
    assertLocal(file, 'embeddings')
    await assertFile(file)
  }
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

/**
 * SQL of the integer that an id of a type stands for; null if it is none or may be one of several. DuckDB compares the integers
 * of all types here exactly.
 */
const integerCasts: readonly (readonly [type: RegExp, cast: (id: string, type: string) => string])[] = [
  [/^(U?(TINYINT|SMALLINT|INTEGER|BIGINT)|HUGEINT)$/, (id) => id],
  [/^FLOAT$/, (id) => castFloat(id, 2 ** 24)],
  [/^DOUBLE$/, (id) => castFloat(id, 2 ** 53)],
  // The cast to HUGEINT rounds.
  [
    /^DECIMAL\(/,
    (id, type) => `CASE WHEN TRY_CAST(CAST(${id} AS HUGEINT) AS ${type}) = ${id} THEN CAST(${id} AS HUGEINT) END`,
  ],
]

/** Integers below `limit` are the only ones that round to their float. */
function castFloat(id: string, limit: number): string {
  return `CASE WHEN isfinite(${id}) AND ${id} = trunc(${id}) AND abs(${id}) < ${limit} THEN CAST(${id} AS BIGINT) END`
}

function castToInteger(id: string, type: string): string | undefined {
  return integerCasts.find(([pattern]) => pattern.test(type))?.[1](id, type)
}

/** SQL of an id that equals another of its type only if both are the same id: floats may be rounded. */
function castToExact(id: string, type: string): string {
  return floatType.test(type) ? (castToInteger(id, type) as string) : id
}

/**
 * SQL that is true if the id of a side is the id of the table, exactly: both have one type, or both are integers. Of some
 * other types DuckDB would compare the nearest doubles.
 */
function joinCondition(
  pairsFile: string,
  { option: side, text, type }: { option: 'left' | 'right'; text: string; type: string },
  { idType }: Table,
  { file, id }: Lookup,
): string {
  const [one, other] = [`${side}_table.id`, `${side}_id`]
  if (type === idType) return `${castToExact(one, type)} = ${castToExact(other, type)}`
  const [integer, otherInteger] = [castToInteger(one, idType), castToInteger(other, type)]
  if (integer !== undefined && otherInteger !== undefined) return `${integer} = ${otherInteger}`
  const problem = message`${given(side, text)} is ${type}, but ${given('id', id)} ${idType} in ${file}`
  throw fileError(message`${pairsFile}: ${problem}; CAST both to one type`, { option: side, file: pairsFile })
}

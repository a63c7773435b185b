import { formatCount } from '../../format.ts'
import { errorAt, fileError, given, message, option, optionError } from '../errors.ts'
import { assertFile, assertLocal } from '../paths.ts'
import { isRemote } from '../remote.ts'
import { recognizeFile } from '../sources.ts'
import { floatType } from './group-keys.ts'
import { explainScanError } from './row-error-search.ts'
import { describeTexts, type Scan, type ScanSource } from './scan.ts'
import type { Session } from './session.ts'

/** The ids of a file: the option and text that name them, and their SQL and type. */
export interface Ids {
  readonly file: string
  readonly option: string
  readonly text: string
  readonly sql: string
  readonly type: string
}

/**
 * Finds a file whose rows have ids.
 *
 * @throws {RangeError} ERR_INVALID_ARG_VALUE, with `option`: it has another format
 * @throws {Error} ENOENT, with `file`
 */
export async function findTable(name: string, file: string): Promise<ScanSource> {
  if (!isRemote(file)) {
    assertLocal(file, name)
    await assertFile(file)
  }
  const source = recognizeFile(file)
  if (source === undefined || source.kind === 'Arrow') {
    const expected = message`must name a file of Parquet, CSV, TSV or NDJSON`
    throw optionError(name, message`${option(name)} ${expected}, got ${file}`)
  }
  return source as ScanSource
}

/** The types of texts; the error of one that cannot be read has the file. */
export async function describeTypes(session: Session, scan: Scan, texts: readonly string[]): Promise<string[]> {
  try {
    return (await describeTexts(session, scan, texts)).map(({ type }) => type)
  } catch (cause) {
    throw errorAt(scan.files[0] ?? '', await explainScanError(session, scan, cause))
  }
}

/** Refuses an id that several rows of a table have; its rows are in the order of the file. */
export async function assertUnique(
  session: Session,
  table: string,
  { file, option, text, sql, type }: Ids,
): Promise<void> {
  const ids = `SELECT ${castToExact(sql, type)} AS id, row_number() OVER () AS row FROM ${table}`
  const [found] = await session.readRows(`SELECT CAST(id AS VARCHAR), rows, count(*) OVER (), row
    FROM (SELECT id, count(*) AS rows, min(row) AS row FROM (${ids}) WHERE id IS NOT NULL GROUP BY id HAVING count(*) > 1)
    ORDER BY row LIMIT 1`)
  if (found === undefined) return
  const [value, rows, count, row] = found
  const such = `${count} such id${count === 1n ? '' : 's'}`
  const problem = message`${given(option, text)}: ${String(value)} is the id of ${String(rows)} rows (${such})`
  throw fileError(message`${file}, row ${formatCount(Number(row))}: ${problem}`, {
    ...{ option, file, row: Number(row), count: Number(count) },
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
 * SQL that is true if both ids are the same one, exactly: both have one type, or both are integers. Of some other types DuckDB
 * would compare the nearest doubles.
 */
export function equalIds(one: Ids, other: Ids): string {
  if (one.type === other.type) return `${castToExact(other.sql, other.type)} = ${castToExact(one.sql, one.type)}`
  const [integer, otherInteger] = [castToInteger(one.sql, one.type), castToInteger(other.sql, other.type)]
  if (integer !== undefined && otherInteger !== undefined) return `${otherInteger} = ${integer}`
  const problem = message`${given(one.option, one.text)} is ${one.type}, but ${given(other.option, other.text)} ${other.type} in ${other.file}`
  throw fileError(message`${one.file}: ${problem}; CAST both to one type`, { option: one.option, file: one.file })
}

import type { LossAccumulator } from '../../index.ts'
import {
  detailsOf,
  errorAt,
  fileError,
  given,
  isOptionError,
  type Message,
  message,
  messageOf,
  option,
} from '../errors.ts'
import { assertMargin, type Scoring } from '../options.ts'
import { type RowError, type RowErrorKind, rowError } from '../row-errors.ts'
import type { Group } from '../totals.ts'
import { describedCsvError } from './csv-errors.ts'
import { PartialsByKey, typeMismatchError } from './partials-by-key.ts'
import { fromClause, rowCondition, type Scan, splitByFile, sqlOf } from './scan.ts'
import type { Session } from './session.ts'
import { quoteText } from './sql.ts'

/** The types of what is scored; files whose types differ cannot be totalled as one. */
export interface Types {
  readonly input: string
  readonly by: string
}

/** What the rows of all files have. */
export interface ScanTotals {
  readonly groups: Group[]
  /** with those that are left out */
  readonly rows: number
  /** rows whose input is NaN, as far as they are counted */
  readonly nans: number
  readonly typed: readonly TypedScan[]
  /** the type of `Group.by` */
  readonly keyType: string
}

const integers = ['TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'UTINYINT', 'USMALLINT', 'UINTEGER', 'UBIGINT']
const wide = ['HUGEINT', 'UHUGEINT', 'BIGNUM', 'DECIMAL']
/** Of so many digits a DECIMAL is rounded once by DuckDB's own cast. */
const decimalDigits = 15

function as(types: readonly string[], readAs?: string): Record<string, string> {
  return Object.fromEntries(types.map((type) => [type, readAs ?? type]))
}

/** What a column of each type is scored as. */
const readAs: Readonly<Record<'input' | 'label', Readonly<Record<string, string>>>> = {
  input: { ...as(['FLOAT', 'DOUBLE']), ...as([...integers, ...wide], 'DOUBLE') },
  label: { ...as([...integers, 'FLOAT', 'DOUBLE', 'BOOLEAN']), ...as(wide, 'DOUBLE') },
}

/** Scans with what their columns are scored as. */
export interface TypedScan {
  readonly scan: Scan
  readonly x: string
  readonly y: string
  readonly types: Types
}

/** The totals of all files by the values of `by`, in their order; without `by` one group at most. */
export async function scoreScans(
  session: Session,
  scans: readonly Scan[],
  options: Scoring,
  signal: AbortSignal,
): Promise<ScanTotals> {
  let found: ScanTotals
  try {
    found = await find(session, scans, options)
  } catch (cause) {
    if (isOptionError(cause)) throw cause
    await assertFaultless(session, scans, options, signal)
    throw fileError(shorten(cause), detailsOf(cause), cause)
  }
  const scored = found.groups.reduce((sum, { total }) => sum + sizeOf(total), 0)
  const leftOut = options.nan === 'ignore' ? found.nans : 0
  const hasNull = options.nulls === 'error' && found.rows - leftOut > scored
  const hasNaN = options.nan === 'error' && found.nans > 0
  // Infinities of both signs, too, have a sum of NaN.
  const mayHaveNaN = options.nan === 'error' && found.groups.some(({ total }) => isSumNaN(total))
  if (hasNull || hasNaN || mayHaveNaN) await assertFaultless(session, scans, options, signal)
  if (hasNull || hasNaN) throw fileChangedError()
  return found
}

/** What DuckDB read once is not what it reads now. */
export function fileChangedError(): Error {
  return fileError('a file changed while it was read', { code: 'ERR_FILE_CHANGED' })
}

function isSumNaN({ positives, negatives }: LossAccumulator): boolean {
  return Number.isNaN(positives.sum) || Number.isNaN(negatives.sum)
}

function sizeOf({ positives, negatives, others }: LossAccumulator): number {
  return positives.count + negatives.count + others
}

/** Goes scan after scan: a query over several would hold all of them open. */
async function find(session: Session, scans: readonly Scan[], options: Scoring): Promise<ScanTotals> {
  const typed = await typeScans(session, scans, options)
  const partials = new PartialsByKey(session, options)
  let parquetRows = 0
  for (const { scan } of typed) parquetRows += await rowsOfParquet(session, scan)
  const known = typed.every(({ scan }) => scan.kind === 'Parquet') ? parquetRows : undefined
  for (const [step, one] of typed.entries()) {
    session.pass = { rows: known, step, steps: typed.length }
    await partials.add(query(one, options), one.types.by, one.scan.files[0] ?? '')
  }
  const { groups, rows, nans, keyType } = await partials.totals()
  return { groups, rows: rows + parquetRows, nans, typed, keyType }
}

/** Parquet says how many rows it has; to count them beside the losses would take a fifth of the time. */
async function rowsOfParquet(session: Session, scan: Scan): Promise<number> {
  if (scan.kind !== 'Parquet') return 0
  const [count] = await session.readTexts(`SELECT count(*) FROM ${fromClause(scan)} WHERE ${rowCondition(scan)}`)
  return Number(count)
}

export async function typeScans(session: Session, scans: readonly Scan[], options: Scoring): Promise<TypedScan[]> {
  const found: { scan: Scan; kind: Scan['kind']; file: string; x: string; y: string; by: string }[] = []
  for (const scan of scans) {
    const columns = await session.describe(`SELECT x, y, key FROM ${selectPairs(scan, options)}`)
    const [x = '', y = '', by = ''] = columns.map(({ type }) => type)
    const {
      kind,
      files: [file = ''],
    } = scan
    found.push({ scan, kind, file, x, y, by })
  }
  for (const one of found) {
    const { scan, kind, x, y } = one
    const isMixed = found.some((other) => other.kind === kind && other.x !== x)
    if ((isMixed || !isScorable('input', x)) && !(await hasValues(session, scan, options, 'x'))) one.x = nullType
    if (!isScorable('label', y) && !(await hasValues(session, scan, options, 'y'))) one.y = nullType
  }
  for (const { kind, file, x } of found) {
    assertMargin(options.margin, x === 'FLOAT' ? 'float32' : 'float64')
    const other = found.find((each) => each.kind === kind && each.x !== nullType)
    if (other !== undefined && !isSamePrecision(x, other.x)) {
      throw typeMismatchError('input', options, { file, type: x }, { file: other.file, type: other.x })
    }
  }
  return found.map(({ scan, x, y, by }) => {
    const types = { input: x, by }
    return { scan, x: cast('input', options.input, 'x', x), y: cast('label', options.label, 'y', y), types }
  })
}

/** The type of a column whose values are all null, whatever the file says. */
export const nullType = 'NULL'

/** True if a row has a value other than null. */
export async function hasValues(session: Session, scan: Scan, options: Scoring, column: string): Promise<boolean> {
  const rows = await session.readRows(`SELECT 1 FROM ${selectPairs(scan, options)} WHERE ${column} IS NOT NULL LIMIT 1`)
  return rows.length > 0
}

/**
 * A table of x, y, key and, of what is to be kept, kept0, kept1, ….
 * WHERE refuses aggregates, window functions and unnest, all of which would change which rows there are. The columns have
 * no names of their own that an expression could refer to by mistake.
 */
export function selectPairs(scan: Scan, { input, label, by = 'NULL', keep = [] }: Scoring): string {
  const expressions = [input, label, by, ...keep].map((text) => `(${sqlOf(scan, text)})`)
  const names = ['x', 'y', 'key', ...keep.map((_, index) => `kept${index}`)]
  return `(SELECT ${expressions.join(', ')} FROM ${fromClause(scan)}
    WHERE ${rowCondition(scan)} AND (${expressions.map((text) => `${text} IS NULL OR `).join('')} TRUE)) AS pairs(${names.join(', ')})`
}

function scoredAs(option: 'input' | 'label', type: string): string | undefined {
  return readAs[option][type.replace(/\(\d+,\s?\d+\)$/, '')]
}

/** True if inputs of both types are scored in the same precision. */
export function isSamePrecision(one: string, other: string): boolean {
  return [one, other].includes(nullType) || scoredAs('input', one) === scoredAs('input', other)
}

function isScorable(option: 'input' | 'label', type: string): boolean {
  return scoredAs(option, type) !== undefined
}

/** True if DuckDB's own cast to DOUBLE may round twice. */
function isRoundedTwice(type: string): boolean {
  const [, name = type, digits] = /^(\w+)\((\d+),\s?\d+\)$/.exec(type) ?? []
  return wide.includes(name) && !(Number(digits) <= decimalDigits)
}

/** A number of a wide type as the nearest double; a label between integers does not become one. */
function nearestDouble(column: string, option: 'input' | 'label'): string {
  const text = `CAST(${column} AS VARCHAR)`
  const nearest = `CAST(${text} AS DOUBLE)`
  if (option === 'input') return nearest
  const isRoundedToInteger = `regexp_matches(${text}, '\\.0*[1-9]') AND ${nearest} = trunc(${nearest})`
  return `CASE WHEN ${isRoundedToInteger} THEN nextafter(${nearest}, CAST('inf' AS DOUBLE)) ELSE ${nearest} END`
}

function cast(name: 'input' | 'label', text: string, column: string, type: string): string {
  if (type === nullType) return 'CAST(NULL AS DOUBLE)'
  if (isRoundedTwice(type)) return nearestDouble(column, name)
  const wanted = scoredAs(name, type)
  if (wanted !== undefined) return wanted === type ? column : `CAST(${column} AS ${wanted})`
  const expected = `a number${name === 'label' ? ' or BOOLEAN' : ''}`
  const advice = type === 'VARCHAR' ? ` (CAST(${text} AS DOUBLE) reads numbers in text)` : ''
  throw fileError(message`${given(name, text)} is ${type}, must be ${expected}${advice}`, { option: name })
}

/** Rows of [key, number of rows of text, number of NaN, partial]. */
function query(typed: TypedScan, options: Scoring): string {
  const { scan, x } = typed
  const isGrouped = options.by !== undefined
  const nans = isNaNCounted(options) ? `count(*) FILTER (isnan(${x}) AND y IS NOT NULL)` : '0::BIGINT'
  return `SELECT ${isGrouped ? 'key' : 'NULL AS key'}, ${scan.kind === 'Parquet' ? '0::BIGINT' : 'count(*)'} AS rows,
    ${nans} AS nans, hinge_embedding_loss_partial(${lossArguments(typed, options)}) AS partial
    FROM ${selectPairs(scan, options)} ${isGrouped ? 'GROUP BY key' : ''}`
}

/** Without other labels, whose loss is 0, the sums show a NaN, which costs nothing. */
function isNaNCounted({ nan, otherLabels }: Scoring): boolean {
  return nan === 'ignore' || (nan === 'error' && otherLabels !== 'error')
}

/** What SQL's functions take. */
export function lossArguments({ x, y }: TypedScan, options: Scoring): string {
  const input = options.nan === 'ignore' ? `CASE WHEN isnan(${x}) THEN NULL ELSE ${x} END` : x
  return `${input}, ${y}${settings(options)}`
}

/** As few arguments as say it: each one that is constant costs as much as a column. */
function settings({ margin, positiveLabel, negativeLabel, otherLabels }: Scoring): string {
  const isPlain = positiveLabel === 1 && negativeLabel === -1 && otherLabels === 'error'
  if (isPlain && margin === 1) return ''
  const labels = `, ${positiveLabel}, ${negativeLabel}, '${otherLabels}'`
  return `, '${margin}'::DOUBLE${isPlain ? '' : labels}`
}

/** Throws what is wrong with the first file that has something wrong with it. */
async function assertFaultless(
  session: Session,
  scans: readonly Scan[],
  options: Scoring,
  signal: AbortSignal,
): Promise<void> {
  const files = splitByFile(scans)
  for (const [step, { file, scan }] of files.entries()) {
    session.pass = { doing: 'looking for the first faulty row', step, steps: files.length }
    signal.throwIfAborted()
    let found: RowError | undefined
    try {
      const [typed] = await typeScans(session, [scan], options)
      found = typed && (await firstFault(session, typed, options))
    } catch (cause) {
      throw errorAt(
        file,
        fileError(message`${shorten(cause)}${await nearestColumns(session, scan, cause)}`, detailsOf(cause), cause),
      )
    }
    if (found !== undefined) throw rowError(file, found, options)
  }
}

/** Where an error says that there is no such column. */
async function nearestColumns(session: Session, scan: Scan, error: unknown): Promise<string> {
  const [, missing] = /Referenced column "(.*)" not found/.exec(String(error)) ?? []
  if (missing === undefined) return ''
  const distance = `levenshtein(lower(column_name), lower(${quoteText(missing)}))`
  const names = await session.readTexts(
    `SELECT column_name FROM (DESCRIBE FROM ${fromClause(scan)}) ORDER BY ${distance}, column_name LIMIT 5`,
  )
  const [first = '', ...others] = names.map(
    (tableName) => scan.columns.find((column) => column.tableName === tableName)?.name ?? tableName,
  )
  const nearest = [first, ...others].map((name) => `"${name}"`).join(', ')
  const isPlain = /^[\p{L}_][\p{L}\p{N}_]*$/u.test(first)
  return ` The nearest of its columns: ${nearest}${isPlain ? '' : `; the text '${first}' names the first`}`
}

/** The first row whose null, NaN or label is an error, and how many there are like it. */
async function firstFault(
  session: Session,
  { scan, x, y }: TypedScan,
  options: Scoring,
): Promise<RowError | undefined> {
  const { positiveLabel, negativeLabel, otherLabels, nulls, nan } = options
  const isOther = otherLabels === 'error' ? `y NOT IN (${positiveLabel}, ${negativeLabel})` : 'FALSE'
  const isNotNumber = nan === 'keep' ? 'FALSE' : 'isnan(x)'
  const kinds = [...(nulls === 'error' ? ['input', 'label'] : []), ...(nan === 'error' ? ['nan'] : []), 'other']
  const [row] = await session.readRows(`
    SELECT fault, min(row), arg_min(CAST(y AS VARCHAR), row), count(*)
    FROM (
      SELECT row, y, CASE WHEN x IS NULL THEN 'input' WHEN y IS NULL THEN 'label' WHEN ${isNotNumber} THEN 'nan' WHEN ${isOther} THEN 'other' END AS fault
      FROM (SELECT row_number() OVER () AS row, ${x} AS x, ${y} AS y FROM ${selectPairs(scan, options)})
    )
    WHERE fault IN (${kinds.map(quoteText)}) GROUP BY fault ORDER BY min(row) LIMIT 1`)
  if (row === undefined) return undefined
  const [kind, first, label, count] = row as [RowErrorKind, bigint, string, bigint]
  return { kind, row: Number(first), label, count: Number(count) }
}

/** Without the excerpt of our query and the advice on DuckDB's own options. */
function shorten(error: unknown): Message {
  const described = messageOf(error instanceof Error ? describedCsvError(error) : error)
  // A message that mentions options is one of ours already.
  if (described.parts.some((part) => typeof part !== 'string')) return described
  const [first = ''] = String(described).split(/\n\n|\n\s*(?:Possible|Candidate|LINE) /)
  const line = first.trim().replace(/\s*\n\s*/g, ' ')
  const [before = '', after] = line
    .replace(/^Binder Error: Referenced (column ".*" not found).*/, '$1.')
    .split('WHERE clause')
  if (after === undefined) return message`${before}`
  return message`${before}${option('input')}, ${option('label')} and ${option('by')}${after}`
}

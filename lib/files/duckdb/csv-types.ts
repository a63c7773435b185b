import { formatCount } from '../../format.ts'
import { isPlainIdentifier } from '../column-names.ts'
import { fileError, given, message, quoteShort } from '../errors.ts'
import type { CsvOptions } from '../options.ts'
import {
  type ColumnUse,
  findColumnUses,
  inexactError,
  listNumberOptions,
  listTexts,
  resolveTexts,
} from './column-uses.ts'
import { type Column, type Expression, nameColumns } from './columns.ts'
import { adviseOnText } from './csv-errors.ts'
import { formatCsvArguments, inspectCsv } from './csv-format.ts'
import { findFolderColumns } from './partitions.ts'
import { fromClause, type Scan, type ScanOptions, type ScanSource, type TextSchema } from './scan.ts'
import type { Session } from './session.ts'
import { quoteName, quoteText } from './sql.ts'

/** A file of text in columns that a delimiter separates. */
export type CsvSource = ScanSource & { readonly kind: 'CSV' | 'TSV' }

/** A file of CSV whose columns have types. */
export interface CsvSchema extends TextSchema {
  /** the header has numbers alone, and no option says that it is one */
  readonly hasNumberHeader: boolean
}

/** Inspects a file of CSV, and finds the types of the columns that the options read; all others are text. */
export async function readCsvSchema(
  session: Session,
  source: CsvSource,
  options: ScanOptions,
  signal: AbortSignal,
): Promise<CsvSchema> {
  const { file, kind, compression } = source
  const { format, rows, hasNumberHeader } = await inspectCsv(session, source, options, signal)
  const named = nameColumns(format.names)
  const expressions = await resolveTexts(session, [...named, ...findFolderColumns(source, named)], options)
  const readAs = (columns: readonly Column[]) => formatCsvArguments(format, formatStruct(columns), options)
  const asText = named.map((column) => ({ ...column, type: 'VARCHAR' }))
  const text = fromClause({ kind, compression, files: [file], textArguments: readAs(asText) })
  if (rows !== undefined) await assertRowCount(session, text, rows)
  const types = await findTypes(session, text, findColumnUses(named, expressions, options), options)
  await assertScorable(session, text, expressions, types, options)
  const columns = asText.map((column) => ({ ...column, type: types.get(column.tableName) ?? column.type }))
  return { schema: { textArguments: readAs(columns), columns }, expressions, hasNumberHeader }
}

function formatStruct(columns: readonly Column[]): string {
  return `{${columns.map(({ tableName, type }) => `${quoteText(tableName)}: '${type}'`).join(', ')}}`
}

async function assertRowCount(session: Session, text: string, expected: number): Promise<void> {
  const [counted] = await session.readTexts(`SELECT count(*) FROM ${text}`)
  if (Number(counted) === expected) return
  const advice = 'remove empty lines, which may be rows in a file of one column'
  throw fileError(`DuckDB reads ${counted} rows, expected ${expected}; ${advice}`)
}

/** How many rows decide the type of a column that is scored and nothing else. */
const sampleRows = 20_480

/**
 * The types of the columns that the options read: numbers in CSV are DOUBLE, or integers where DOUBLE does not hold them; the
 * words true and false are BOOLEAN; all else is text. A sample decides for columns that must be numbers, all rows for others.
 */
async function findTypes(
  session: Session,
  text: string,
  uses: readonly ColumnUse[],
  options: CsvOptions,
): Promise<Map<string, string>> {
  const sample = `FROM ${text} LIMIT ${sampleRows}`
  const others = uses.filter((use) => !isScoredAlone(use))
  // What is text in a sample is text in all rows, which take long to read.
  const sampled = await queryTypes(
    session,
    sample,
    others.map((use) => ({ ...use, exactFor: [] })),
    options,
  )
  const undecided = others.filter(({ column }) => sampled.get(column) !== 'VARCHAR')
  return new Map([
    ...sampled,
    ...(await queryTypes(session, sample, uses.filter(isScoredAlone), options)),
    ...(await queryTypes(session, `FROM ${text}`, undecided, options)),
  ])
}

/** The types of all columns of a scan of CSV as a sample shows them: DOUBLE, BOOLEAN or VARCHAR, by their table names. */
export function sampleCsvTypes(session: Session, scan: Scan, options: CsvOptions): Promise<Map<string, string>> {
  const uses = scan.columns
    .map(({ tableName: column, type }) => ({ column, type }))
    .filter(({ type }) => type === 'VARCHAR')
  const numbers = uses.map(({ column }) => ({
    ...{ column, isNumber: true, isText: false, isComputed: false, isGroup: false },
    exactFor: [],
  }))
  return queryTypes(session, `FROM ${fromClause(scan)} LIMIT ${sampleRows}`, numbers, options)
}

/** A text in a sample of a column that is no number, if there is one. */
export async function findNonNumber(
  session: Session,
  scan: Scan,
  column: string,
  options: CsvOptions,
): Promise<string | undefined> {
  const text = quoteName(column)
  const [found] = await session.readTexts(`SELECT ${text} FROM (FROM ${fromClause(scan)} LIMIT ${sampleRows})
    WHERE ${text} IS NOT NULL AND NOT ${isNumber(text, options)} LIMIT 1`)
  return found
}

function isScoredAlone({ isNumber, isComputed, exactFor }: ColumnUse): boolean {
  return isNumber && !isComputed && exactFor.length === 0
}

async function queryTypes(
  session: Session,
  rows: string,
  uses: readonly ColumnUse[],
  options: CsvOptions,
): Promise<Map<string, string>> {
  if (uses.length === 0) return new Map()
  const conditions = uses.map((use) => Object.entries(typeConditions(use, options)))
  const counts = conditions.flatMap((each) => each.map(([, sql]) => `count(*) FILTER (${sql})`))
  const [found = []] = await session.readRows(`SELECT ${counts.join(', ')} FROM (${rows})`)
  const remaining = found.values()
  return new Map(
    uses.map((use, i) => {
      const counted = new Map(conditions[i]?.map(([name]) => [name, Number(remaining.next().value)]))
      return [use.column, chooseType(use, (name) => counted.get(name) === counted.get('filled'))]
    }),
  )
}

/** Conditions on a text; a type needs some of them to hold for all texts that are not null. */
type TypeCondition = 'filled' | 'word' | 'number' | 'exact' | 'unpadded' | 'small' | 'integer' | 'bigint'

function typeConditions(use: ColumnUse, options: CsvOptions): Partial<Record<TypeCondition, string>> {
  const text = quoteName(use.column)
  const number = withPoint(text, options)
  const double = `TRY_CAST(${number} AS DOUBLE)`
  const digits = `ltrim(regexp_replace(regexp_replace(${number}, '[eE].*', ''), '[^0-9]', '', 'g'), '0')`
  const kinds = { filled: `${text} IS NOT NULL`, word: `lower(${text}) IN ('true', 'false')` }
  if (isScoredAlone(use)) return { ...kinds, number: isNumber(text, options) }
  return {
    ...kinds,
    number: isPlainNumber(text, options),
    // Two numbers of 15 digits are never one DOUBLE, and only one text is what DuckDB writes for a DOUBLE.
    exact: `length(${digits}) <= 15 OR ${double}::VARCHAR = ${number}`,
    unpadded: `NOT regexp_matches(${number}, '^[+-]?0[0-9]')`,
    small: `NOT isfinite(${double}) OR abs(${double}) < ${2 ** 53}`,
    integer: `regexp_full_match(${number}, '-?(0|[1-9][0-9]{0,37})')`,
    bigint: `TRY_CAST(${number} AS BIGINT) IS NOT NULL`,
  }
}

function chooseType(use: ColumnUse, areAll: (condition: TypeCondition) => boolean): string {
  if (use.isText) return 'VARCHAR'
  if (!areAll('number')) return areAll('word') ? 'BOOLEAN' : 'VARCHAR'
  const { isNumber, isComputed, isGroup, exactFor } = use
  if (exactFor.length === 0) return 'DOUBLE'
  const isUnchanged = areAll('unpadded') && (areAll('exact') || !isGroup)
  if (areAll('small') && (isUnchanged || isNumber || isComputed || areAll('integer'))) return 'DOUBLE'
  if (areAll('integer')) return areAll('bigint') ? 'BIGINT' : 'HUGEINT'
  if (!isNumber && !isComputed) return 'VARCHAR'
  throw inexactError(use)
}

/** Refuses a column of text as input, label or weight; the error has the first row with such a text. */
async function assertScorable(
  session: Session,
  text: string,
  expressions: ReadonlyMap<string, Expression>,
  types: ReadonlyMap<string, string>,
  options: ScanOptions,
): Promise<void> {
  for (const [option, name] of listTexts(options)) {
    if (!listNumberOptions(options).includes(option)) continue
    const { column } = expressions.get(name) ?? {}
    if (column === undefined || types.get(column) !== 'VARCHAR') continue
    const value = quoteName(column)
    const [[row, found] = []] = await session.readRows(`SELECT row, ${value}
      FROM (SELECT row_number() OVER () AS row, ${value} FROM ${text})
      WHERE ${value} IS NOT NULL AND NOT ${isPlainNumber(value, options)}
      ORDER BY ${isNumber(value, options)}, row LIMIT 1`)
    const place = message`row ${formatCount(Number(row))}: ${given(option, name)} is ${quoteShort(String(found))}`
    const texts =
      option === 'label'
        ? await session.readTexts(`SELECT DISTINCT ${value} FROM ${text} WHERE ${value} IS NOT NULL ORDER BY 1 LIMIT 3`)
        : []
    const advice = adviseOnText(option, isPlainIdentifier(column) ? column : value, String(found), texts)
    const expected = `expected a number${option === 'input' ? '' : ' or true or false'}`
    throw fileError(message`${place}, ${expected} (${advice})`, { option, row: Number(row) })
  }
}

/** SQL of a text with the decimal point of SQL. */
function withPoint(text: string, { decimal = '.' }: CsvOptions): string {
  return decimal === '.' ? text : `translate(${text}, ${quoteText(`.${decimal}`)}, ${quoteText(`${decimal}.`)})`
}

/** SQL that is true of a text that DuckDB reads as a number in a column that is scored and nothing else. */
function isNumber(text: string, options: CsvOptions): string {
  return `(TRY_CAST(${withPoint(text, options)} AS DOUBLE) IS NOT NULL)`
}

/** SQL that is true of a text that is a number for every use: DuckDB also reads 1_000 as 1000, as Python does. */
function isPlainNumber(text: string, options: CsvOptions): string {
  return `(${isNumber(text, options)} AND NOT contains(${text}, '_'))`
}

import { joinLines } from '../../format.ts'
import { isPlainIdentifier } from '../column-names.ts'
import { detailsOf, errorAt, fileError, type Message, message, messageOf, option } from '../errors.ts'
import type { Scoring } from '../options.ts'
import { type RowError, type RowErrorKind, rowError } from '../row-errors.ts'
import { explainCsvError } from './csv-errors.ts'
import type { EmbeddingLists } from './embedding-lists.ts'
import { type Scan, splitByFile } from './scan.ts'
import type { Session } from './session.ts'
import { quoteText } from './sql.ts'
import { selectPairs, type TypedScan, typeScans } from './typed-scans.ts'

/** Reads file after file, and throws the error of the first that has a row error or that DuckDB cannot score. */
export async function assertNoRowErrors(
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
      found = typed && (await findRowError(session, typed, options))
    } catch (cause) {
      throw errorAt(file, await explainScanError(session, scan, cause))
    }
    if (found !== undefined) throw rowError(file, found, options)
  }
}

/** A kind of row error: rows that meet the condition have it, unless an earlier one holds. */
interface RowCheck {
  readonly kind: RowErrorKind
  readonly condition: string
  readonly isError: boolean
  /** SQL of the error's detail */
  readonly detail?: string
}

/** The checks of two ids: those that are unknown, and those whose embedding is null. */
function checkIds(isNullError: boolean): RowCheck[] {
  const hasNull = (side: string) => `"${side}" IS NULL AND ${side}_id IS NOT NULL`
  return [
    { kind: 'leftId', condition: 'unknown_left IS NOT NULL', isError: true, detail: 'unknown_left' },
    { kind: 'rightId', condition: 'unknown_right IS NOT NULL', isError: true, detail: 'unknown_right' },
    { kind: 'leftEmbedding', condition: hasNull('left'), isError: isNullError, detail: 'left_id' },
    { kind: 'rightEmbedding', condition: hasNull('right'), isError: isNullError, detail: 'right_id' },
  ]
}

/** The checks of an id whose labels are in a file of their own. */
function checkLabelId(isNullError: boolean): RowCheck[] {
  return [
    { kind: 'labelId', condition: 'unknown_label IS NOT NULL', isError: true, detail: 'unknown_label' },
    { kind: 'on', condition: 'on_id IS NULL', isError: isNullError },
  ]
}

/** The checks of two embeddings, of which no later check takes the distance if one holds. */
function checkLists({ left, right }: EmbeddingLists, isNullError: boolean): RowCheck[] {
  const placeOfNull = (list: string) => `list_position(list_transform(${list}, lambda e: e IS NULL), TRUE)`
  const hasNull = (list: string) => `list_count(${list}) < len(${list})`
  return [
    { kind: 'left', condition: '"left" IS NULL', isError: isNullError },
    { kind: 'right', condition: '"right" IS NULL', isError: isNullError },
    {
      kind: 'length',
      condition: `len(${left}) <> len(${right})`,
      isError: true,
      detail: `concat(len(${left}), ',', len(${right}))`,
    },
    { kind: 'leftElement', condition: hasNull(left), isError: true, detail: placeOfNull(left) },
    { kind: 'rightElement', condition: hasNull(right), isError: true, detail: placeOfNull(right) },
  ]
}

/** The checks of a weight. */
function checkWeight(weight: string, isNullError: boolean): { isNull: RowCheck; isInvalid: RowCheck } {
  const value = `CAST(${weight} AS DOUBLE)`
  return {
    isNull: { kind: 'weight', condition: `${weight} IS NULL`, isError: isNullError },
    isInvalid: {
      kind: 'invalidWeight',
      condition: `NOT (${value} >= 0 AND isfinite(${value}))`,
      isError: true,
      detail: `CASE WHEN isnan(${value}) THEN 'NaN'
        WHEN isinf(${value}) THEN if(${value} < 0, '-Infinity', 'Infinity') ELSE CAST(${value} AS VARCHAR) END`,
    },
  }
}

/** The first row whose null, NaN, label, weight or embeddings are an error, and the number of rows with the same error. */
async function findRowError(
  session: Session,
  { scan, x, y, labelText, w, pair }: TypedScan,
  options: Scoring,
): Promise<RowError | undefined> {
  const { positiveLabel, negativeLabel, otherLabels, nulls, nan } = options
  const isNullError = nulls === 'error'
  const weight = w === undefined ? undefined : checkWeight(w, isNullError)
  const other: RowCheck = {
    kind: 'other',
    condition: `CAST(${y} AS DOUBLE) NOT IN (${positiveLabel}, ${negativeLabel})`,
    isError: true,
    detail: labelText ?? y,
  }
  const checks: RowCheck[] = [
    ...(scan.lookup ? checkIds(isNullError) : []),
    ...(pair
      ? checkLists(pair, isNullError)
      : [{ kind: 'input', condition: `${x} IS NULL`, isError: isNullError } as const]),
    ...(scan.labels ? checkLabelId(isNullError) : []),
    { kind: 'label', condition: `${y} IS NULL`, isError: isNullError },
    ...(weight ? [weight.isNull] : []),
    { kind: 'nan', condition: nan === 'keep' ? 'FALSE' : `isnan(${pair?.distance ?? x})`, isError: nan === 'error' },
    ...(otherLabels === 'error' ? [other] : []),
    ...(weight ? [weight.isInvalid] : []),
  ]
  const kinds = checks.map(({ kind, condition }) => `WHEN ${condition} THEN '${kind}'`)
  const details = checks.map(({ kind, detail = 'NULL' }) => `WHEN '${kind}' THEN CAST(${detail} AS VARCHAR)`)
  const errors = checks.flatMap(({ kind, isError }) => (isError ? [quoteText(kind)] : []))
  const [found] = await session.readRows(`
    SELECT kind, min(row), arg_min(CASE kind ${details.join(' ')} END, row), count(*)
    FROM (SELECT *, CASE ${kinds.join(' ')} END AS kind FROM ${selectPairs(scan, options, true)})
    WHERE kind IN (${errors}) GROUP BY kind ORDER BY min(row) LIMIT 1`)
  if (found === undefined) return undefined
  const [kind, row, detail, count] = found as [RowErrorKind, bigint, string, bigint]
  return { kind, row: Number(row), detail, count: Number(count) }
}

/** The error of a scan in words of this package, with the nearest columns if no column has a name. */
export async function explainScanError(session: Session, scan: Scan, cause: unknown): Promise<Error> {
  const text = shortenError(cause)
  const [, missing] = /Referenced column "(.*)" not found/.exec(String(cause)) ?? []
  const [, column = missing] = /converting column "(.*)"\./.exec(String(cause)) ?? []
  const owner = column === undefined ? undefined : findOptionOf(scan, column)
  const details = { ...(owner !== undefined && { option: owner }), ...detailsOf(cause) }
  const nearest = missing === undefined ? '' : await describeNearestColumns(session, scan, missing)
  const isQuoted = [...scan.expressions.keys()].some((each) => isInDoubleQuotes(each, missing))
  const advice = isQuoted ? `. Text takes single quotes in SQL: '${missing}'` : ''
  return fileError(message`${text}${nearest}${advice}`, details, cause)
}

/** True if an expression has the name in double quotes, as other languages write a text. */
function isInDoubleQuotes(expression: string, name: string | undefined): boolean {
  const quoted = `"${name}"`
  return expression !== quoted && expression.includes(quoted)
}

/** The first option whose text names a column or refers to it. */
function findOptionOf({ expressions }: Scan, name: string): string | undefined {
  const lower = name.toLowerCase()
  return [...expressions.values()].find(({ columns, references }) =>
    [...columns, ...references.flatMap(({ names }) => names)].some((each) => each.toLowerCase() === lower),
  )?.option
}

async function describeNearestColumns(session: Session, { kind, columns }: Scan, missing: string): Promise<Message> {
  const nearest =
    await session.readTexts(`SELECT name FROM (SELECT unnest([${columns.map(({ tableName }) => quoteText(tableName))}]::VARCHAR[]) AS name)
    ORDER BY levenshtein(lower(name), lower(${quoteText(missing)})), name LIMIT 5`)
  const names = nearest.map((name) => columns.find(({ tableName }) => tableName === name)?.name ?? name)
  const [first = ''] = names
  const advice = isPlainIdentifier(first) ? '' : `; the text '${first}' names the first`
  const isUndivided = kind === 'CSV' && columns.length === 1 && first.includes(missing)
  const delimiter = isUndivided ? message`; ${option('delimiter')} says what separates its columns` : ''
  return message` The nearest of its columns: ${names.map((name) => `"${name}"`).join(', ')}${advice}${delimiter}`
}

const notParquet = 'not Parquet, or cut off: it does not end with the bytes PAR1'

/** The message of an error, without DuckDB's excerpt of our query and its advice on its own options. */
export function shortenError(error: unknown): Message {
  const known = messageOf(error instanceof Error ? explainCsvError(error) : error)
  // DuckDB mentions no option of ours.
  if (known.parts.some((part) => typeof part !== 'string')) return known
  const [first = ''] = String(known).split(/\n\n|\n\s*(?:Possible|Candidate|LINE) /)
  const line = joinLines(first)
  return message`${line
    .replace(/^Binder Error: Referenced (column ".*" not found).*/, '$1.')
    .replace(/^Invalid Input Error: No magic bytes found at end of file.*/, notParquet)}`
}

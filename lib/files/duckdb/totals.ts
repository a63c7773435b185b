import type { LossAccumulator } from '../../index.ts'
import { codeOf, detailsOf, fileError, isOptionError } from '../errors.ts'
import type { Scoring } from '../options.ts'
import { type GroupTable, stateColumn } from './group-table.ts'
import { assertNoRowErrors, shortenError } from './row-error-search.ts'
import { findJoined, fromClause, rowCondition, type Scan } from './scan.ts'
import { outOfMemoryCode, type Session } from './session.ts'
import { StatesByKey } from './states-by-key.ts'
import { lossArguments, selectInputs, type TypedScan, typeScans } from './typed-scans.ts'

/** The totals of all rows of scans. */
export interface ScanTotals {
  /** for each margin, in one table of the session; without `by` one group at most */
  readonly groups: readonly GroupTable[]
  /** the number of rows, also of those left out */
  readonly rows: number
  readonly typed: readonly TypedScan[]
}

/**
 * Scores all rows of scans.
 *
 * @throws {Error} ERR_NULL, ERR_NAN, ERR_INVALID_LABEL, ERR_INVALID_WEIGHT: a row error, with the file and the first such row
 * @throws {Error} ERR_FILE_CHANGED: a second reading does not find the row error of the first
 */
export async function scoreScans(
  session: Session,
  scans: readonly Scan[],
  options: Scoring,
  signal: AbortSignal,
): Promise<ScanTotals> {
  let totals: ScanTotals
  try {
    totals = await queryTotals(session, scans, options)
  } catch (cause) {
    if (isOptionError(cause) || codeOf(cause) === outOfMemoryCode) throw cause
    await assertNoRowErrors(session, scans, options, signal)
    throw fileError(shortenError(cause), detailsOf(cause), cause)
  }
  // The rows, the NaN and the sum of the positives are the same at each margin.
  const { total, nans } = totals.groups[0] as GroupTable
  const leftOut = options.nan === 'ignore' ? nans : 0
  const hasNull = options.nulls === 'error' && totals.rows - leftOut > countRows(total)
  const hasNaN = options.nan === 'error' && nans > 0
  // The sum of infinities of both signs is NaN, too.
  const mayHaveNaN = options.nan === 'error' && isSumNaN(total)
  if (hasNull || hasNaN || mayHaveNaN) await assertNoRowErrors(session, scans, options, signal)
  if (hasNull || hasNaN) throw fileChangedError()
  return totals
}

/** The error of a file that DuckDB reads twice, and differently. */
export function fileChangedError(): Error {
  return fileError('a file changed while it was read', { code: 'ERR_FILE_CHANGED' })
}

function isSumNaN({ positives, negatives }: LossAccumulator): boolean {
  return Number.isNaN(positives.sum) || Number.isNaN(negatives.sum)
}

function countRows({ positives, negatives, others }: LossAccumulator): number {
  return positives.count + negatives.count + others
}

/** Queries scan after scan: one query over several would hold all their files open. */
async function queryTotals(session: Session, scans: readonly Scan[], options: Scoring): Promise<ScanTotals> {
  const typed = await typeScans(session, scans, options)
  const states = new StatesByKey(session, options)
  let readRows = 0
  for (const { scan } of typed) readRows += await countRowsBefore(session, scan)
  const areKnown = typed.every(({ scan }) => scan.kind === 'Parquet' || findJoined(scan))
  for (const [step, each] of typed.entries()) {
    session.pass = { rows: areKnown ? readRows : undefined, step, steps: typed.length }
    await states.add(totalsQuery(each, options), each.types.by, each.scan.files[0] ?? '')
  }
  const groups = await states.mergeAll()
  const { rows } = groups[0] as GroupTable
  const joined = typed[0] && findJoined(typed[0].scan)
  if (joined === undefined) return { groups, rows: readRows + rows, typed }
  if (rows !== readRows) {
    const problem = `${readRows} rows were read, but the join with the ${joined.option} has ${rows}`
    throw fileError(`${joined.file}: ${problem}`, joined)
  }
  return { groups, rows, typed }
}

/**
 * The rows of a scan, if they are counted before the totals. Metadata of Parquet has their number; to count them beside the
 * losses takes a fifth longer. With a join they are counted here and there: the join must neither add rows nor drop any.
 */
async function countRowsBefore(session: Session, scan: Scan): Promise<number> {
  if (scan.kind !== 'Parquet' && findJoined(scan) === undefined) return 0
  const [count] = await session.readTexts(`SELECT count(*) FROM ${fromClause(scan)} WHERE ${rowCondition(scan)}`)
  return Number(count)
}

/** A query for rows of [key, number of rows that were not counted before or that are joined, number of NaN, state for each margin]. */
function totalsQuery(typed: TypedScan, options: Scoring): string {
  const { scan, x, w } = typed
  const isGrouped = options.by !== undefined
  const others = ['y', ...(w === undefined ? [] : ['w'])].map((column) => ` AND ${column} IS NOT NULL`)
  const nans = isNaNCounted(options) ? `count(*) FILTER (isnan(${x})${others.join('')})` : '0::BIGINT'
  const aggregate = `hinge_embedding_loss${w === undefined ? '' : '_weighted'}_state`
  const states = options.margins.map((margin, index) => {
    return `${aggregate}(${lossArguments(typed, options, margin)}) AS ${stateColumn(index)}`
  })
  return `SELECT ${isGrouped ? 'key' : 'NULL AS key'}, ${scan.kind === 'Parquet' && findJoined(scan) === undefined ? '0::BIGINT' : 'count(*)'} AS rows,
    ${nans} AS nans, ${states.join(', ')}
    FROM ${selectInputs(typed, options)} ${isGrouped ? 'GROUP BY key' : ''}`
}

/** Without other labels, whose loss is 0, a NaN shows in the sums, which costs nothing. */
function isNaNCounted({ nan, otherLabels }: Scoring): boolean {
  return nan === 'ignore' || (nan === 'error' && otherLabels !== 'error')
}

import { assertMargins, type Scoring } from '../options.ts'
import { describeTexts, fromClause, rowCondition, type Scan, sqlOf, writeSql } from './scan.ts'
import { castToScored, isSamePrecision, isScorable, nullType } from './scored-types.ts'
import type { QueryColumn, Session } from './session.ts'
import { typeMismatchError } from './type-mismatch.ts'

/** The types of the input and of the group key. Scans whose types differ may not add up to one total. */
interface Types {
  readonly input: string
  readonly by: string
}

/** A scan with the types of what the options name. */
export interface TypedScan {
  readonly scan: Scan
  /** SQL of the input, over the columns of `selectPairs` */
  readonly x: string
  /** SQL of the label, over the columns of `selectPairs` */
  readonly y: string
  readonly types: Types
  /** the names and types of what is kept */
  readonly kept: readonly QueryColumn[]
}

/** Finds the types in which the input and label of each scan are scored; refuses scans that do not add up to one total. */
export async function typeScans(session: Session, scans: readonly Scan[], options: Scoring): Promise<TypedScan[]> {
  const described = []
  for (const scan of scans) described.push(await describeScan(session, scan, options))
  for (const each of described) {
    const { scan, kind, input, label } = each
    const isMixed = described.some((other) => other.kind === kind && other.input !== input)
    if ((isMixed || !isScorable('input', input)) && !(await hasValues(session, scan, options, 'x'))) {
      each.input = nullType
    }
    if (!isScorable('label', label) && !(await hasValues(session, scan, options, 'y'))) each.label = nullType
  }
  for (const { kind, file, input } of described) {
    assertMargins(options.margins, input === 'FLOAT' ? 'float32' : 'float64')
    const other = described.find((each) => each.kind === kind && each.input !== nullType)
    if (other !== undefined && !isSamePrecision(input, other.input)) {
      throw typeMismatchError('input', options, { file, type: input }, { file: other.file, type: other.input })
    }
  }
  return described.map(({ scan, input, label, by, kept }) => ({
    scan,
    x: castToScored('input', { text: options.input, sql: writeSql(scan, options.input), column: 'x', type: input }),
    y: castToScored('label', { text: options.label, sql: writeSql(scan, options.label), column: 'y', type: label }),
    types: { input, by },
    kept,
  }))
}

async function describeScan(session: Session, scan: Scan, { input, label, by = 'NULL', keep = [] }: Scoring) {
  const [x, y, key, ...kept] = await describeTexts(session, scan, [input, label, by, ...keep])
  const { kind, files } = scan
  return { scan, kind, file: files[0] ?? '', input: x?.type ?? '', label: y?.type ?? '', by: key?.type ?? '', kept }
}

/** True if a row has a value other than null in a column of `selectPairs`. */
export async function hasValues(session: Session, scan: Scan, options: Scoring, column: string): Promise<boolean> {
  const rows = await session.readRows(`SELECT 1 FROM ${selectPairs(scan, options)} WHERE ${column} IS NOT NULL LIMIT 1`)
  return rows.length > 0
}

/**
 * What follows FROM to read the rows of a scan as columns x, y, key and, of what is kept, kept0, kept1, …. No expression
 * can refer to these names by mistake.
 */
export function selectPairs(scan: Scan, { input, label, by = 'NULL', keep = [] }: Scoring): string {
  const expressions = [input, label, by, ...keep].map((text) => `(${sqlOf(scan, text)})`)
  const names = ['x', 'y', 'key', ...keep.map((_, index) => `kept${index}`)]
  return `(SELECT ${expressions.join(', ')} FROM ${fromClause(scan)} WHERE ${rowCondition(scan)}) AS pairs(${names.join(', ')})`
}

/** The arguments of the SQL functions of the loss at a margin, over the columns of `selectPairs`. */
export function lossArguments({ x, y }: Pick<TypedScan, 'x' | 'y'>, options: Scoring, margin: number): string {
  const input = options.nan === 'ignore' ? `CASE WHEN isnan(${x}) THEN NULL ELSE ${x} END` : x
  return `${input}, ${y}${settingArguments(options, margin)}`
}

/** As few arguments as possible: each constant one costs as much as a column. */
function settingArguments({ positiveLabel, negativeLabel, otherLabels }: Scoring, margin: number): string {
  const areLabelsDefault = positiveLabel === 1 && negativeLabel === -1 && otherLabels === 'error'
  if (areLabelsDefault && margin === 1) return ''
  const labels = `, ${positiveLabel}, ${negativeLabel}, '${otherLabels}'`
  return `, '${margin}'::DOUBLE${areLabelsDefault ? '' : labels}`
}

import { assertFiniteSettings, type Scoring } from '../options.ts'
import { callDistance, castToLists, type EmbeddingLists, pairTypeOf } from './embedding-lists.ts'
import { describeTexts, type Scan, selectRows, sqlOf, writeSql } from './scan.ts'
import { castLabelTexts, castToScored, isSamePrecision, isScorable, isText, nullType } from './scored-types.ts'
import type { QueryColumn, Session } from './session.ts'
import { quoteName } from './sql.ts'
import { typeMismatchError } from './type-mismatch.ts'

/** The types of the input and of the group key. Scans whose types differ may not add up to one total. */
interface Types {
  readonly input: string
  readonly by: string
}

/** A scan with the types of what the options name. */
export interface TypedScan {
  readonly scan: Scan
  /** SQL of the input, over the columns of `selectInputs` */
  readonly x: string
  /** SQL of the label, over the same */
  readonly y: string
  /** SQL of the label as text, over the same; absent where labels are numbers */
  readonly labelText?: string
  /** SQL of the weight, over the same; absent without weights */
  readonly w?: string
  /** of a pair: the embeddings, and SQL of their distance, over the columns of `selectPairs` */
  readonly pair?: EmbeddingLists & { readonly distance: string }
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
    if ((isMixed || !isScorable('input', input)) && !(await hasInput(session, scan, options))) {
      each.input = nullType
    }
    const isLabel = options.labelTexts === undefined ? isScorable('label', label) : isText(label)
    if (!isLabel && !(await hasValues(session, scan, options, 'y'))) each.label = nullType
    else if (!isLabel && isText(label)) each.texts = await readTexts(session, scan, options)
    if (each.weight === undefined || isScorable('weight', each.weight)) continue
    if (!(await hasValues(session, scan, options, 'w'))) each.weight = nullType
  }
  for (const { kind, file, input } of described) {
    assertFiniteSettings(options, input === 'FLOAT' ? 'float32' : 'float64')
    const other = described.find((each) => each.kind === kind && each.input !== nullType)
    if (other !== undefined && !isSamePrecision(input, other.input)) {
      throw typeMismatchError('input', options, { file, type: input }, { file: other.file, type: other.input })
    }
  }
  return described.map((each) => {
    const { scan, label, texts, by, kept, input, weight } = each
    const column = { text: options.label, sql: writeSql(scan, options.label), column: 'y', type: label }
    const { labelTexts } = options
    const y = labelTexts ? castLabelTexts(column, labelTexts) : castToScored('label', column, texts)
    const w = options.weight !== undefined && {
      w: castToScored('weight', {
        text: options.weight,
        sql: writeSql(scan, options.weight),
        column: 'w',
        type: weight ?? nullType,
      }),
    }
    const labelText = labelTexts && { labelText: 'CAST(y AS VARCHAR)' }
    return { scan, ...castInput(each, options), y, ...labelText, ...w, types: { input, by }, kept }
  })
}

type DescribedScan = Awaited<ReturnType<typeof describeScan>>

async function describeScan(session: Session, scan: Scan, { input, label, weight, by = 'NULL', keep = [] }: Scoring) {
  const { kind, files } = scan
  const inputs = Object.values(listInputs(input))
  const weights = weight === undefined ? [] : [weight]
  const described = await describeTexts(session, scan, [...inputs, ...weights, label, by, ...keep])
  const own = described.splice(0, inputs.length).map(({ type }) => type)
  const [x = '', right] = scan.lookup ? [scan.lookup.type, scan.lookup.type] : own
  const [w] = described.splice(0, weights.length)
  const [y, key, ...kept] = described
  const types = { x, right, input: right === undefined ? x : pairTypeOf(x, right) }
  return {
    scan,
    kind,
    file: files[0] ?? '',
    ...types,
    weight: w?.type,
    label: y?.type ?? '',
    /** some texts of the label, if it is one where numbers are expected */
    texts: [] as readonly string[],
    by: key?.type ?? '',
    kept,
  }
}

/** The texts of the input by their columns in `selectPairs`: x, or of a pair left and right. */
function listInputs(input: Scoring['input']): Readonly<Record<string, string>> {
  return typeof input === 'string' ? { x: input } : { left: input.left, right: input.right }
}

function castInput(
  { scan, x, right = '', input: type }: DescribedScan,
  { input }: Scoring,
): Pick<TypedScan, 'x' | 'pair'> {
  if (typeof input === 'string') {
    return { x: castToScored('input', { text: input, sql: writeSql(scan, input), column: 'x', type }) }
  }
  const side = (option: 'left' | 'right', type: string) => {
    return { option, text: input[option], sql: writeSql(scan, input[option]), column: `"${option}"`, type }
  }
  const lists = castToLists(side('left', x), side('right', right), type)
  const distance = type === nullType ? 'CAST(NULL AS DOUBLE)' : callDistance(lists, input)
  if (scan.lookup === undefined) return { x: 'x', pair: { ...lists, distance } }
  const unknown = 'coalesce(unknown_left, unknown_right)'
  const known = `CASE WHEN ${unknown} IS NULL THEN ${distance} ELSE error(concat('no embedding of ', ${unknown})) END`
  return { x: 'x', pair: { ...lists, distance: known } }
}

/** The texts of the label, three at most. */
function readTexts(session: Session, scan: Scan, options: Scoring): Promise<string[]> {
  const labels = `SELECT DISTINCT CAST(y AS VARCHAR) AS y FROM ${selectPairs(scan, options)} WHERE y IS NOT NULL`
  return session.readTexts(`${labels} ORDER BY y LIMIT 3`)
}

/** True if a row has an input. */
export function hasInput(session: Session, scan: Scan, options: Scoring): Promise<boolean> {
  return hasValues(session, scan, options, ...Object.keys(listInputs(options.input)))
}

/** True if a row has values other than null in columns of `selectPairs`. */
export async function hasValues(
  session: Session,
  scan: Scan,
  options: Scoring,
  ...columns: readonly string[]
): Promise<boolean> {
  const condition = columns.map((column) => `"${column}" IS NOT NULL`).join(' AND ')
  const rows = await session.readRows(`SELECT 1 FROM ${selectPairs(scan, options)} WHERE ${condition} LIMIT 1`)
  return rows.length > 0
}

/**
 * What follows FROM to read the rows of a scan as columns x (of a pair left and right), y, with weights w, key and, of what is kept, kept0,
 * kept1, …. No expression can refer to these names by mistake. With a lookup there are also left_id and right_id, and unknown_left and
 * unknown_right: the ids that it lacks; with labels on_id and unknown_label, the same of the labels; and with either
 * the rows are in any order. `isNumbered` adds columns `file` and `row`, which `selectRows` explains.
 */
export function selectPairs(scan: Scan, options: Scoring, isNumbered = false): string {
  const { input, label, weight, by = 'NULL', keep = [] } = options
  const { lookup, labels } = scan
  const weights = Object.entries(weight === undefined ? {} : { w: weight })
  const inputs = listInputs(input)
  const read = (text: string) => `(${sqlOf(scan, text)})`
  const isLabeled = `${labels?.id} IS NOT NULL`
  const expressions = [
    ...Object.values(inputs).map(read),
    labels ? `CASE WHEN ${isLabeled} THEN ${read(label)} END` : read(label),
    ...[...weights.map(([, text]) => text), by, ...keep].map(read),
    ...(labels ? [labels.on, `CASE WHEN NOT ${isLabeled} THEN ${labels.shownOn} END`] : []),
  ]
  const inputNames = Object.keys(inputs).map((name) => quoteName(lookup ? `${name}_id` : name))
  const others = [
    'y',
    ...weights.map(([name]) => name),
    'key',
    ...keep.map((_, index) => `kept${index}`),
    ...(labels ? ['on_id', 'unknown_label'] : []),
    ...(isNumbered ? ['file', 'row'] : []),
  ]
  const { from, place } = selectRows(scan, isNumbered)
  const selected = [...expressions, ...(isNumbered ? place : [])]
  const rows = `(SELECT ${selected.join(', ')} FROM ${from}) AS pairs(${[...inputNames, ...others].join(', ')})`
  if (lookup === undefined) return rows
  const sides = (['left', 'right'] as const).map((side) => ({
    columns: `${side}_table.embedding AS "${side}", ${side}_id, CASE WHEN ${side}_table.id IS NULL THEN ${side}_id END AS unknown_${side}`,
    join: `LEFT JOIN ${lookup.sql} AS ${side}_table ON ${lookup[side]}`,
  }))
  return `(SELECT ${[...sides.map(({ columns }) => columns), ...others].join(', ')}
    FROM ${rows} ${sides.map(({ join }) => join).join(' ')}) AS pairs`
}

const knownLabel = `CASE WHEN unknown_label IS NULL THEN y ELSE error(concat('no label of ', unknown_label)) END`

/** The same of a typed scan, in which an unknown id fails, with the distance of a pair as x: queries refer to it several times, and DuckDB computes it once. */
export function selectInputs({ scan, pair }: TypedScan, options: Scoring, isNumbered = false): string {
  const rows = selectPairs(scan, options, isNumbered)
  const columns = [...(pair ? [`${pair.distance} AS x`] : []), scan.labels ? `* REPLACE (${knownLabel} AS y)` : '*']
  return pair || scan.labels ? `(SELECT ${columns.join(', ')} FROM ${rows}) AS inputs` : rows
}

/** The arguments of the SQL functions of the loss at a margin, over the columns of `selectInputs`. */
export function lossArguments({ x, y, w }: Pick<TypedScan, 'x' | 'y' | 'w'>, options: Scoring, margin: number): string {
  const input = options.nan === 'ignore' ? `CASE WHEN isnan(${x}) THEN NULL ELSE ${x} END` : x
  return `${input}, ${y}${w === undefined ? '' : `, ${w}`}${settingArguments(options, margin)}`
}

/** As few arguments as possible: each constant one costs as much as a column. */
function settingArguments({ positiveLabel, negativeLabel, otherLabels }: Scoring, margin: number): string {
  const areLabelsDefault = positiveLabel === 1 && negativeLabel === -1 && otherLabels === 'error'
  if (areLabelsDefault && margin === 1) return ''
  const labels = `, ${positiveLabel}, ${negativeLabel}, '${otherLabels}'`
  return `, '${margin}'::DOUBLE${areLabelsDefault ? '' : labels}`
}

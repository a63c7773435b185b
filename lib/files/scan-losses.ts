import { type Arrow, importArrow } from './arrow.ts'
import { writeAtomically } from './atomic-write.ts'
import { columnOf, fromClause, type Scan, sqlOf } from './duckdb/scan.ts'
import type { Session } from './duckdb/session.ts'
import { quoteName } from './duckdb/sql.ts'
import {
  fileChangedError,
  hasValues,
  lossArguments,
  nullType,
  type ScanTotals,
  selectPairs,
  type TypedScan,
} from './duckdb/totals.ts'
import { errorAt, fileError, given, message } from './errors.ts'
import { type LossBatch, type LossSchema, lossColumn } from './loss-batches.ts'
import type { Scoring } from './options.ts'
import { assertDistinctNames, type Output } from './output-formats.ts'
import { copyQueries } from './writers/duckdb.ts'
import { duckdbTypes, toArrowType } from './writers/types.ts'

/** Writes the loss of each row of scans, scan after scan. */
export async function writeScanLosses(
  { path, format }: Output,
  session: Session,
  scans: readonly Scan[],
  { typed, rows }: ScanTotals,
  options: Scoring,
  signal: AbortSignal,
): Promise<void> {
  const queries =
    typed.length > 0 ? await lossQueries(session, typed, options) : [await emptyQuery(session, scans, options)]
  session.pass = { doing: 'writing losses', rows }
  await writeAtomically(path, signal, async (beside) => {
    if (typeof format !== 'string') return format(beside, assertRows(scannedLosses(session, queries), rows))
    if ((await copyQueries(session, queries, beside, format)) !== rows) throw fileChangedError()
  })
}

/** A query for each scan, all of the same columns. */
async function lossQueries(session: Session, typed: readonly TypedScan[], options: Scoring): Promise<string[]> {
  const inputs = typed.map(({ types }) => types.input).filter((type) => type !== nullType)
  const lossType = inputs.length > 0 && inputs.every((type) => type === 'FLOAT') ? 'FLOAT' : 'DOUBLE'
  const queries: string[] = []
  const keptByScan = []
  for (const { scan } of typed) keptByScan.push(await keptOf(session, scan, options))
  const wanted = await commonColumns(session, keptByScan, options)
  for (const [index, one] of typed.entries()) {
    const { scan } = one
    const kept = keptByScan[index] ?? []
    const columns = kept.map(
      (column, i) => `, ${keptAs(`kept${i}`, column, wanted[i] as Kept)} AS ${quoteName(column.name)}`,
    )
    queries.push(`SELECT CAST(hinge_embedding_loss_each(${lossArguments(one, options)}) AS ${lossType}) AS ${lossColumn}${columns.join('')}
      FROM ${selectPairs(scan, options)}`)
  }
  return queries
}

/** The columns without rows. */
async function emptyQuery(session: Session, [scan]: readonly Scan[], options: Scoring): Promise<string> {
  const names = scan ? (await keptOf(session, scan, options)).map(({ name }) => name) : (options.keep ?? [])
  const nulls = names.map((name) => `, NULL AS ${quoteName(name)}`)
  return `SELECT NULL::DOUBLE AS ${lossColumn}${nulls.join('')} LIMIT 0`
}

/** A column to keep, of one scan. */
interface Kept {
  readonly scan: Scan
  readonly text: string
  readonly name: string
  readonly type: string
}

async function keptOf(session: Session, scan: Scan, { keep = [] }: Scoring): Promise<Kept[]> {
  if (keep.length === 0) return []
  const columns = await session.describe(
    `SELECT ${keep.map((text) => `(${sqlOf(scan, text)})`).join(', ')} FROM ${fromClause(scan)}`,
  )
  const kept = columns.map(({ name, type }, index) => {
    const text = keep[index] as string
    return { scan, text, name: columnOf(scan, text)?.name ?? name, type }
  })
  assertDistinctNames(kept.map(({ name }) => name))
  return kept
}

/** The columns that are written, of one type in all scans, as DuckDB would convert what differs; where a scan has nulls alone its types do not count. */
async function commonColumns(session: Session, scans: readonly Kept[][], options: Scoring): Promise<Kept[]> {
  const [first = []] = scans
  const common = []
  for (const index of first.keys()) {
    const columns = scans.map((kept) => kept[index] as Kept)
    const isMixed = columns.some(({ type }) => type !== columns[0]?.type)
    const filled = []
    for (const column of columns) {
      if (!isMixed || (await hasValues(session, column.scan, options, `kept${index}`))) filled.push(column)
    }
    const [one = columns[0] as Kept, ...others] = filled
    const other = others.find(({ type }) => type !== one.type)
    if (other !== undefined) {
      const found = message`${given('keep', other.text)} is ${other.type}, but ${one.type} in ${one.scan.files[0] ?? ''}`
      throw errorAt(other.scan.files[0] ?? '', fileError(found, { option: 'keep' }))
    }
    common.push(one)
  }
  return common
}

function keptAs(name: string, column: Kept, wanted: Kept): string {
  return column.type === wanted.type ? name : `CAST(NULL AS ${wanted.type})`
}

/** How many losses are written at once, at most. */
const rowsPerBatch = 2 ** 16

async function* scannedLosses(session: Session, queries: readonly string[]): AsyncGenerator<LossBatch> {
  const schema = await lossSchemaOf(session, queries[0] ?? '')
  const { makeBuilder, Vector } = schema.keptFields.length > 0 ? await importArrow() : ({} as Arrow)
  const builders = schema.keptFields.map(({ type }) => makeBuilder({ type, nullValues: [null] }))
  const memory = new (schema.dtype === 'float32' ? Float32Array : Float64Array)(rowsPerBatch)
  const nulls = new Uint8Array(rowsPerBatch)
  let rows = 0
  const flush = (): LossBatch => {
    const [values, isNull] = [memory.slice(0, rows), nulls.slice(0, rows)]
    rows = 0
    return { schema, values, nulls: isNull, keptColumns: builders.map((builder) => new Vector([builder.flush()])) }
  }
  for (const [step, sql] of queries.entries()) {
    session.pass = { ...session.pass, step, steps: queries.length }
    for await (const [losses = [], ...kept] of session.readChunks(sql)) {
      if (rows + losses.length > rowsPerBatch) yield flush()
      for (const loss of losses) {
        memory[rows] = loss === null ? Number.NaN : (loss as number)
        nulls[rows++] = Number(loss === null)
      }
      for (const [index, builder] of builders.entries()) for (const value of kept[index] ?? []) builder.append(value)
    }
  }
  yield flush()
}

async function lossSchemaOf(session: Session, sql: string): Promise<LossSchema> {
  const [loss, ...keep] = await session.describe(sql)
  const dtype = loss?.type === 'FLOAT' ? 'float32' : 'float64'
  if (keep.length === 0) return { dtype, keptFields: [] }
  const arrow = await importArrow()
  const keptFields = keep.map(({ name, type }) => {
    const found = toArrowType(arrow, type)
    if (found !== undefined) return new arrow.Field(name, found, true)
    const advice = `CAST(${name} AS VARCHAR) makes it text`
    const reason = `which .arrow does not take (but ${duckdbTypes}; ${advice})`
    throw fileError(message`${given('keep', name)} is ${type}, ${reason}`, { option: 'keep' })
  })
  return { dtype, keptFields }
}

/** All batches, if they have so many rows together. */
async function* assertRows(batches: AsyncIterable<LossBatch>, rows: number): AsyncGenerator<LossBatch> {
  let written = 0
  for await (const losses of batches) {
    written += losses.values.length
    yield losses
  }
  if (written !== rows) throw fileChangedError()
}

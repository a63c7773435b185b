import { type Arrow, importArrow } from './arrow.ts'
import { findJoined } from './duckdb/scan.ts'
import { nullType } from './duckdb/scored-types.ts'
import type { QueryColumn, Session } from './duckdb/session.ts'
import { quoteName } from './duckdb/sql.ts'
import { fileChangedError, type ScanTotals } from './duckdb/totals.ts'
import { hasValues, lossArguments, selectInputs, type TypedScan } from './duckdb/typed-scans.ts'
import { fileError, given, message } from './errors.ts'
import { type LossBatch, type LossSchema, lossColumn } from './loss-batches.ts'
import type { Scoring } from './options.ts'
import { assertDistinctNames, type Output } from './output-formats.ts'
import { copyQueries } from './writers/duckdb.ts'
import { duckdbTypes, toArrowType } from './writers/types.ts'

/** Writes the loss of each row of scans, scan after scan. */
export async function writeScanLosses(
  { target, format }: Output,
  session: Session,
  { typed, rows }: ScanTotals,
  options: Scoring,
  signal: AbortSignal,
): Promise<void> {
  const queries = typed.length > 0 ? await makeQueries(session, typed, options) : makeEmptyQuery(options)
  session.pass = { doing: 'writing losses', rows }
  await target.write(signal, async (partPath) => {
    if (typeof format !== 'string') return format(partPath, assertRowCount(readLosses(session, queries), rows))
    if ((await copyQueries(session, queries.sql, partPath, format)) !== rows) throw fileChangedError()
  })
}

/** Queries for the losses of scans, which have the same columns. */
interface LossQueries {
  readonly sql: readonly string[]
  readonly lossType: 'FLOAT' | 'DOUBLE'
  /** the columns beside the losses */
  readonly keptColumns: readonly QueryColumn[]
}

async function makeQueries(session: Session, typed: readonly TypedScan[], options: Scoring): Promise<LossQueries> {
  const { keep = [] } = options
  for (const { kept } of typed) assertDistinctNames(kept.map(({ name }) => name))
  const inputs = typed.map(({ types }) => types.input).filter((type) => type !== nullType)
  const lossType = inputs.length > 0 && inputs.every((type) => type === 'FLOAT') ? 'FLOAT' : 'DOUBLE'
  const types: string[] = []
  for (const index of keep.keys()) types.push(await findKeptType(session, typed, index, options))
  const [margin] = options.margins as [number]
  const sql = typed.map((each) => {
    // A join may change the order of rows.
    const isJoined = findJoined(each.scan) !== undefined
    const kept = each.kept.map(({ name, type }, index) => {
      const value = type === types[index] ? `kept${index}` : `CAST(NULL AS ${types[index]})`
      return `, ${value} AS ${quoteName(name)}`
    })
    return `SELECT CAST(hinge_embedding_loss_each(${lossArguments(each, options, margin)}) AS ${lossType}) AS ${lossColumn}${kept.join('')}
      FROM ${selectInputs(each, options, isJoined)} ${isJoined ? 'ORDER BY file, row' : ''}`
  })
  const keptColumns = types.map((type, index) => ({ name: typed[0]?.kept[index]?.name ?? '', type }))
  return { sql, lossType, keptColumns }
}

/** Without scans: no rows of columns that are named as the options name them. */
function makeEmptyQuery({ keep = [] }: Scoring): LossQueries {
  const nulls = keep.map((name) => `, NULL AS ${quoteName(name)}`)
  const sql = [`SELECT NULL::DOUBLE AS ${lossColumn}${nulls.join('')} LIMIT 0`]
  return { sql, lossType: 'DOUBLE', keptColumns: keep.map((name) => ({ name, type: 'INTEGER' })) }
}

/** The type of a kept column in all scans, as DuckDB would convert what differs. Scans in which it has nulls alone do not count. */
async function findKeptType(
  session: Session,
  typed: readonly TypedScan[],
  index: number,
  options: Scoring,
): Promise<string> {
  const columns = typed.map(({ scan, kept }) => ({ scan, file: scan.files[0] ?? '', type: kept[index]?.type ?? '' }))
  const [first] = columns
  if (columns.every(({ type }) => type === first?.type)) return first?.type ?? ''
  const filled = []
  for (const each of columns) if (await hasValues(session, each.scan, options, `kept${index}`)) filled.push(each)
  const [one = first, ...others] = filled
  const other = others.find(({ type }) => type !== one?.type)
  if (other === undefined) return one?.type ?? ''
  const text = given('keep', options.keep?.[index] ?? '')
  const mixed = message`${text} is ${other.type}, but ${one?.type ?? ''} in ${one?.file ?? ''}`
  throw fileError(message`${other.file}: ${mixed}`, { option: 'keep', file: other.file })
}

/** The most losses of a batch. */
const rowsPerBatch = 2 ** 16

async function* readLosses(session: Session, queries: LossQueries): AsyncGenerator<LossBatch> {
  const schema = await makeLossSchema(queries)
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
  for (const [step, sql] of queries.sql.entries()) {
    session.pass = { ...session.pass, step, steps: queries.sql.length }
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

async function makeLossSchema({ lossType, keptColumns }: LossQueries): Promise<LossSchema> {
  const dtype = lossType === 'FLOAT' ? 'float32' : 'float64'
  if (keptColumns.length === 0) return { dtype, keptFields: [] }
  const arrow = await importArrow()
  const keptFields = keptColumns.map(({ name, type }) => {
    const arrowType = toArrowType(arrow, type)
    if (arrowType !== undefined) return new arrow.Field(name, arrowType, true)
    const advice = `CAST(${name} AS VARCHAR) makes it text`
    const reason = `which .arrow does not take (but ${duckdbTypes}; ${advice})`
    throw fileError(message`${given('keep', name)} is ${type}, ${reason}`, { option: 'keep' })
  })
  return { dtype, keptFields }
}

/** The batches; throws at their end unless they have so many rows together. */
async function* assertRowCount(batches: AsyncIterable<LossBatch>, rows: number): AsyncGenerator<LossBatch> {
  let written = 0
  for await (const losses of batches) {
    written += losses.values.length
    yield losses
  }
  if (written !== rows) throw fileChangedError()
}

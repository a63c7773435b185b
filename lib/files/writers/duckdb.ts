import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DuckDBValue } from '@duckdb/node-api'
import { type Appender, rowsPerChunk, Session } from '../duckdb/session.ts'
import { quoteName, quoteText } from '../duckdb/sql.ts'
import { fileError, given, message, option } from '../errors.ts'
import { type LossBatch, type LossSchema, type LossWriter, lossColumn } from '../loss-batches.ts'
import { removal } from '../system.ts'
import { arrowTypes, toDuckDBType } from './types.ts'

/** A writer that collects losses in a table on the disk, which DuckDB then copies to the file. */
export function makeDuckDBWriter(copyOptions: string, threads: number, signal: AbortSignal): LossWriter {
  return async (path, batches) => {
    const session = await Session.open(threads, signal)
    try {
      await withDatabase(session, path, async () => {
        let appender: Appender | undefined
        for await (const losses of batches) {
          appender ??= await createTable(session, losses.schema)
          appendLosses(appender, losses)
        }
        appender?.close()
        signal.throwIfAborted()
        await copyTo(session, `FROM ${lossTable}`, path, copyOptions)
      })
    } finally {
      session.close()
    }
  }
}

/** Writes the rows of queries in their order and returns their number. Several queries go through a table on the disk. */
export async function copyQueries(
  session: Session,
  queries: readonly string[],
  path: string,
  copyOptions: string,
): Promise<number> {
  if (queries.length === 1) return copyTo(session, queries.join(), path, copyOptions)
  return withDatabase(session, path, async () => {
    for (const [step, sql] of queries.entries()) {
      session.pass = { ...session.pass, step, steps: queries.length + 1 }
      await session.run(`${step === 0 ? `CREATE TABLE ${lossTable} AS` : `INSERT INTO ${lossTable}`} ${sql}`)
    }
    session.pass = { ...session.pass, step: queries.length }
    return copyTo(session, `FROM ${lossTable}`, path, copyOptions)
  })
}

const catalog = 'part'
const lossTable = `${catalog}.losses`

/** Runs `work` with a database beside the file, in a folder that only its owner can enter, and removes it afterwards. */
async function withDatabase<T>(session: Session, path: string, work: () => Promise<T>): Promise<T> {
  const folder = `${path}.db`
  try {
    await mkdir(folder, 0o700)
    await session.run(`ATTACH ${quoteText(join(folder, 'losses'))} AS ${catalog}`)
    return await work()
  } finally {
    await session.detach(catalog).catch(() => {})
    await rm(folder, removal)
  }
}

async function copyTo(session: Session, sql: string, path: string, copyOptions: string): Promise<number> {
  const [rows] = await session.readTexts(`COPY (${sql}) TO ${quoteText(path)} ${copyOptions}`)
  return Number(rows)
}

async function createTable(session: Session, { dtype, keptFields }: LossSchema): Promise<Appender> {
  const columns = keptFields.map(({ name, type }) => {
    const duckdbType = toDuckDBType(type)
    if (duckdbType !== undefined) return `${quoteName(name)} ${duckdbType}`
    const expected = message`must be one of ${arrowTypes} for this ${option('output')}; .arrow takes any type`
    throw fileError(message`${given('keep', name)} is ${String(type)}, ${expected}`, { option: 'keep' })
  })
  const loss = `${lossColumn} ${{ float32: 'FLOAT', float64: 'DOUBLE' }[dtype]}`
  await session.run(`CREATE TABLE ${lossTable} (${[loss, ...columns].join(', ')})`)
  return session.openAppender('losses', 'main', catalog)
}

function appendLosses(appender: Appender, { values, nulls, keptColumns }: LossBatch): void {
  for (let begin = 0; begin < values.length; begin += rowsPerChunk) {
    const end = Math.min(begin + rowsPerChunk, values.length)
    const loss: DuckDBValue[] = Array.from(values.subarray(begin, end))
    nulls?.subarray(begin, end).forEach((isNull, i) => {
      if (isNull !== 0) loss[i] = null
    })
    appender.append([loss, ...keptColumns.map((vector) => Array.from(vector.slice(begin, end)) as DuckDBValue[])])
  }
}

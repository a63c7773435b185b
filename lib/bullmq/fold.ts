import { rowsPerChunk, Session } from '../cli/session.ts'
import { emptyTotal, type Group, mergedTotals, mismatch, type Types } from '../cli/totals.ts'
import { LossAccumulator } from '../index.ts'
import { parseShardResult, type ShardResult } from './payload.ts'
import type { Plan } from './plan.ts'

/** What one machine would have found. */
export interface Totals {
  readonly total: LossAccumulator
  /** in the order of the values of --by; none without it */
  readonly groups: readonly Group[]
}

/**
 * The totals of a plan, of what its shards have returned in any order; a shard counts once, however often it comes.
 *
 * @throws {Error} a shard is missing, or the files cannot be totalled as one
 *
 * @example
 * const results = Object.values(await job.getChildrenValues())
 * const { total } = await foldResults(plan, results)
 */
export async function foldResults(plan: Plan, results: Iterable<unknown> | AsyncIterable<unknown>): Promise<Totals> {
  const { options } = plan
  const counted = new Set<number>()
  const schemas = new Map<string, { index: number; types: Types & { columns: string } }>()
  let total = emptyTotal(options)
  const session = options.by === undefined ? undefined : await Session.open(1)
  try {
    await session?.setTimeZone(options.timeZone)
    await session?.run('CREATE TABLE parts (key VARCHAR, partial VARCHAR)')
    for await (const value of results) {
      const { index, types, groups } = parseShardResult(value)
      if (counted.has(index) || plan.shards[index] === undefined) continue
      counted.add(index)
      for (const [, partial] of groups) total = total.merge(LossAccumulator.fromJSON(partial))
      if (session !== undefined) await insert(session, groups)
      if (types === null) continue
      const schema = [plan.shards[index].kind, types.input, types.by, types.columns].join('\0')
      if (index < (schemas.get(schema)?.index ?? Number.POSITIVE_INFINITY)) schemas.set(schema, { index, types })
    }
    const missing = plan.shards.findIndex((_, index) => !counted.has(index))
    if (missing >= 0) throw new Error(`${plan.shards[missing]?.file}: the results of a shard are missing`)
    const types = assertAlike(
      plan,
      [...schemas.values()].sort((one, other) => one.index - other.index),
    )
    const groups = session && types ? await mergedTotals(session, 'parts', types.by, options) : []
    return { total, groups }
  } finally {
    session?.close()
  }
}

async function insert(session: Session, groups: ShardResult['groups']): Promise<void> {
  const appender = await session.appender('parts', 'main', 'memory')
  try {
    for (let from = 0; from < groups.length; from += rowsPerChunk) {
      const some = groups.slice(from, from + rowsPerChunk)
      appender.append([some.map(([key]) => key), some.map(([, partial]) => JSON.stringify(partial))])
    }
  } finally {
    appender.close()
  }
}

/** Files of a kind are of one type on one machine, too. */
function assertAlike(
  { shards, options }: Plan,
  schemas: readonly { index: number; types: Types & { columns: string } }[],
): Types | undefined {
  const first = new Map<string, { file: string; types: Types & { columns: string } }>()
  for (const { index, types } of schemas) {
    const { kind = '', file = '' } = shards[index] ?? {}
    const other = first.get(kind) ?? { file, types }
    first.set(kind, other)
    for (const option of ['input', 'by'] as const) {
      if (types[option] !== other.types[option]) throw mismatch(option, options, { file, types }, other)
    }
    if (types.columns !== other.types.columns) {
      throw new Error(`${file}: columns other than in ${other.file}: workers score NDJSON of one schema only`)
    }
  }
  return schemas[0]?.types
}

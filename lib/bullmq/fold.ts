import { PartialsByKey, typeMismatchError } from '../files/duckdb/partials-by-key.ts'
import { rowsPerChunk, Session } from '../files/duckdb/session.ts'
import { quoteText } from '../files/duckdb/sql.ts'
import { isSamePrecision, nullType } from '../files/duckdb/totals.ts'
import { emptyTotal } from '../files/options.ts'
import type { FileTotals, Group } from '../files/totals.ts'
import { LossAccumulator } from '../index.ts'
import { parseShardResult, type ShardResult } from './payload.ts'
import type { Plan } from './plan.ts'

/**
 * The totals of a plan, of what its shards have returned in any order; a shard counts once, however often it comes.
 *
 * @throws {Error} a shard is missing, or the files cannot be totalled as one
 *
 * @example
 * const results = Object.values(await job.getChildrenValues())
 * const { total } = await foldResults(plan, results)
 */
export async function foldResults(
  plan: Plan,
  results: Iterable<unknown> | AsyncIterable<unknown>,
): Promise<FileTotals> {
  const { options } = plan
  const counted = new Set<number>()
  const schemas = new Map<string, Schema>()
  let total = emptyTotal(options)
  const session = options.by === undefined ? undefined : await Session.open(1)
  try {
    await session?.setTimeZone(options.timeZone)
    await session?.run('CREATE TABLE parts (type VARCHAR, key VARCHAR, partial VARCHAR)')
    for await (const value of results) {
      const { index, types, groups } = parseShardResult(value)
      if (counted.has(index) || plan.shards[index] === undefined) continue
      counted.add(index)
      for (const [, partial] of groups) total = total.merge(LossAccumulator.fromJSON(partial))
      if (types === null) continue
      if (session !== undefined) await insert(session, types.by, groups)
      const schema = [plan.shards[index].kind, types.input, types.by, types.columns].join('\0')
      if (index < (schemas.get(schema)?.index ?? Number.POSITIVE_INFINITY)) schemas.set(schema, { index, types })
    }
    const missing = plan.shards.findIndex((_, index) => !counted.has(index))
    if (missing >= 0) throw new Error(`${plan.shards[missing]?.file}: the results of a shard are missing`)
    const inOrder = [...schemas.values()].sort((one, other) => one.index - other.index)
    assertAlike(plan, inOrder)
    return session ? { total, groups: await groupsOf(session, plan, inOrder) } : { total }
  } finally {
    session?.close()
  }
}

/** What the first of some shards says of its file. */
interface Schema {
  readonly index: number
  readonly types: NonNullable<ShardResult['types']>
}

async function insert(session: Session, type: string, groups: ShardResult['groups']): Promise<void> {
  const appender = await session.openAppender('parts', 'main', 'memory')
  try {
    for (let from = 0; from < groups.length; from += rowsPerChunk) {
      const some = groups.slice(from, from + rowsPerChunk)
      const partials = some.map(([, partial]) => JSON.stringify(partial))
      appender.append([some.map(() => type), some.map(([key]) => key), partials])
    }
  } finally {
    appender.close()
  }
}

async function groupsOf(session: Session, { shards, options }: Plan, schemas: readonly Schema[]): Promise<Group[]> {
  const partials = new PartialsByKey(session, options)
  const files = new Map<string, string>()
  for (const { index, types } of schemas) if (!files.has(types.by)) files.set(types.by, shards[index]?.file ?? '')
  for (const [type, file] of files) {
    const keys = `SELECT CAST(key AS ${type}) AS key, 0::BIGINT AS rows, 0::BIGINT AS nans, partial FROM parts WHERE type = ${quoteText(type)}`
    await partials.add(keys, type, file)
  }
  return (await partials.totals()).groups
}

/** Files of a kind are of one type on one machine, too. */
function assertAlike({ shards, options }: Plan, schemas: readonly Schema[]): void {
  const first = new Map<string, { file: string; types: Schema['types'] }>()
  for (const { index, types } of schemas.filter(({ types: { input } }) => input !== nullType)) {
    const { kind = '', file = '' } = shards[index] ?? {}
    const other = first.get(kind) ?? { file, types }
    first.set(kind, other)
    if (!isSamePrecision(types.input, other.types.input)) {
      throw typeMismatchError(
        'input',
        options,
        { file, type: types.input },
        { file: other.file, type: other.types.input },
      )
    }
    if (types.columns !== other.types.columns) {
      throw new Error(`${file}: columns other than in ${other.file}: workers score NDJSON of one schema only`)
    }
  }
}

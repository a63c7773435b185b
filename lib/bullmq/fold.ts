import { type GroupTable, stateColumn } from '../files/duckdb/group-table.ts'
import { isSamePrecision, nullType } from '../files/duckdb/scored-types.ts'
import { rowsPerChunk, Session } from '../files/duckdb/session.ts'
import { quoteText } from '../files/duckdb/sql.ts'
import { StatesByKey } from '../files/duckdb/states-by-key.ts'
import { typeMismatchError } from '../files/duckdb/type-mismatch.ts'
import { fileError } from '../files/errors.ts'
import { emptyTotals, type Group } from '../files/options.ts'
import type { FileTotals } from '../files/totals.ts'
import { LossAccumulator } from '../index.ts'
import { parseShardResult, type ShardPart } from './payload.ts'
import { nameOfFile, type Plan } from './plan.ts'

/** The types of the first file that has them: its shard, and its place in that shard. */
interface Schema extends Pick<ShardPart, 'file' | 'types'> {
  readonly index: number
}

/**
 * Folds the results of a plan's shards, in any order, into the totals that `scoreFiles` returns. A shard counts once, however
 * often its result comes.
 *
 * @throws {Error} ERR_RESULT_MISSING: a shard has no result; `file`
 * @throws {Error} ERR_INVALID_RESULT: no worker of this version returns such a result
 * @throws {Error} ERR_INVALID_FILE: the files do not add up to one total; `file`, and `option` if their types differ
 *
 * @example
 * const results = Object.values(await job.getChildrenValues())
 * const { total, groups } = await foldResults(plan, results)
 */
export async function foldResults(
  plan: Plan,
  results: Iterable<unknown> | AsyncIterable<unknown>,
): Promise<FileTotals> {
  const { options, shards } = plan
  const folded = new Set<number>()
  const schemas = new Map<string, Schema>()
  let [total] = emptyTotals(options) as [LossAccumulator]
  const session = options.by === undefined ? undefined : await Session.open(1, undefined, true)
  try {
    await session?.setTimeZone(options.timeZone)
    await session?.run('CREATE TABLE parts (type VARCHAR, key VARCHAR, partial VARCHAR)')
    for await (const value of results) {
      const { index, parts } = parseShardResult(value)
      const shard = shards[index]
      if (shard === undefined || folded.has(index)) continue
      folded.add(index)
      for (const { file, types, groups } of parts) {
        for (const [, partial] of groups) total = total.merge(LossAccumulator.fromJSON(partial))
        if (session !== undefined) await insertGroups(session, types.by, groups)
        const schema = [shard.kind, types.input, types.by, types.columns].join('\0')
        const [found, first] = [{ index, file, types }, schemas.get(schema)]
        if (first === undefined || compareSchemas(found, first) < 0) schemas.set(schema, found)
      }
    }
    assertComplete(plan, folded)
    const inOrder = [...schemas.values()].sort(compareSchemas)
    assertScoredAlike(plan, inOrder)
    return session ? { total, groups: await foldGroups(session, plan, inOrder) } : { total }
  } finally {
    session?.close()
  }
}

function compareSchemas(one: Schema, other: Schema): number {
  return one.index - other.index || one.file - other.file
}

function assertComplete(plan: Plan, folded: ReadonlySet<number>): void {
  const missing = plan.shards.findIndex((_, index) => !folded.has(index))
  if (missing < 0) return
  const file = nameOfFile(plan, missing)
  throw fileError(`${file}: the results of a shard are missing`, { code: 'ERR_RESULT_MISSING', file })
}

async function insertGroups(session: Session, type: string, groups: ShardPart['groups']): Promise<void> {
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

async function foldGroups(session: Session, plan: Plan, schemas: readonly Schema[]): Promise<readonly Group[]> {
  const states = new StatesByKey(session, plan.options)
  const files = new Map<string, string>()
  for (const { index, file, types } of schemas) {
    if (!files.has(types.by)) files.set(types.by, nameOfFile(plan, index, file))
  }
  for (const [type, file] of files) {
    const parts = `(SELECT CAST(key AS ${type}) AS key, partial FROM parts WHERE type = ${quoteText(type)})`
    const state = `hinge_embedding_loss_merge(partial) AS ${stateColumn(0)}`
    await states.add(
      `SELECT key, 0::BIGINT AS rows, 0::BIGINT AS nans, ${state} FROM ${parts} GROUP BY key`,
      type,
      file,
    )
  }
  const groups = []
  const [table] = (await states.mergeAll()) as [GroupTable]
  for await (const batch of table.readGroups()) groups.push(...batch)
  return groups
}

/** Refuses files of a kind whose inputs are scored in different precisions, and NDJSON whose columns differ. */
function assertScoredAlike(plan: Plan, schemas: readonly Schema[]): void {
  const first = new Map<string, { file: string; types: Schema['types'] }>()
  for (const { index, file: place, types } of schemas.filter(({ types: { input } }) => input !== nullType)) {
    const kind = plan.shards[index]?.kind ?? ''
    const file = nameOfFile(plan, index, place)
    const other = first.get(kind) ?? { file, types }
    first.set(kind, other)
    if (!isSamePrecision(types.input, other.types.input)) {
      throw typeMismatchError(
        'input',
        plan.options,
        { file, type: types.input },
        { file: other.file, type: other.types.input },
      )
    }
    if (types.columns !== other.types.columns) {
      throw fileError(`${file}: columns other than in ${other.file}: workers score NDJSON of one schema only`, { file })
    }
  }
}

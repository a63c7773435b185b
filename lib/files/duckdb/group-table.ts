import type { DuckDBBlobValue } from '@duckdb/node-api'
import { LossAccumulator } from '../../index.ts'
import { emptyTotals, type Group, type Scoring } from '../options.ts'
import { type GroupReader, makeGroup } from '../totals.ts'
import { castKey, keyAsJson, keyAsText, mayShareJson, toJson } from './group-keys.ts'
import type { Session } from './session.ts'
import { quoteText } from './sql.ts'

/**
 * The groups of scans at one margin: a table [key, rows, nans, state for each margin] of a session, with one row for each
 * key. Each reading sorts it. A sorted copy would cost as much memory again, and most runs read the groups once.
 */
export class GroupTable implements GroupReader {
  /** of all groups */
  readonly total: LossAccumulator
  /** the number of keys, of which those with the same JSON are one group */
  readonly count: number
  /** the sum of the column `rows` */
  readonly rows: number
  /** the sum of the column `nans` */
  readonly nans: number
  /** the type of the keys */
  readonly keyType: string
  readonly #session: Session
  readonly #name: string
  /** the column of the margin */
  readonly #state: string
  /** the totals of a group without rows */
  readonly #empty: LossAccumulator

  private constructor(
    session: Session,
    name: string,
    keyType: string,
    state: string,
    empty: LossAccumulator,
    [count, rows, nans, partial]: readonly unknown[],
  ) {
    this.#session = session
    this.#name = name
    this.#state = state
    this.#empty = empty
    this.keyType = keyType
    this.count = Number(count)
    this.rows = Number(rows)
    this.nans = Number(nans)
    this.total = partial === null ? empty : LossAccumulator.fromJSON(JSON.parse(String(partial)))
  }

  /** Takes a table whose keys have this type and are unique, and returns its groups for each margin. */
  static async open(session: Session, name: string, keyType: string, options: Scoring): Promise<GroupTable[]> {
    const totals = emptyTotals(options)
    const partials = totals.map((_, index) => partialOf(mergeStates(stateColumn(index))))
    const sums = `count(*), coalesce(sum(rows), 0), coalesce(sum(nans), 0), ${partials.join(', ')}`
    const [[count, rows, nans, ...read] = []] = await session.readRows(`SELECT ${sums} FROM ${name}`)
    return totals.map((empty, index) => {
      return new GroupTable(session, name, keyType, stateColumn(index), empty, [count, rows, nans, read[index]])
    })
  }

  async *readGroups(): AsyncGenerator<Group[]> {
    for await (const [jsons = [], ...columns] of this.#read(
      keyAsJson(this.keyType),
      keyAsText(this.keyType),
      this.#partial,
    )) {
      const [keys, partials] = columns as [(string | null)[], string[]]
      yield jsons.map((json, i) => makeGroup(String(json), keys[i] ?? null, partials[i] as string))
    }
  }

  async *readElements(by: 'key' | 'json'): AsyncGenerator<Uint8Array> {
    const key = by === 'key' ? toJson(keyAsText(this.keyType)) : keyAsJson(this.keyType)
    const [element, empty] = ['state', this.#emptyPartial].map((state) => `hinge_embedding_loss_json(${key}, ${state})`)
    for await (const [lists = []] of this.#read(`hinge_embedding_loss_json_list(coalesce(${element}, ${empty}))`)) {
      for (const list of lists as (DuckDBBlobValue | null)[]) if (list !== null) yield list.bytes
    }
  }

  /** Drops the table of all margins, in a session that goes on. */
  async drop(): Promise<void> {
    await this.#session.run(`DROP TABLE ${this.#name}`)
  }

  get #partial(): string {
    return `coalesce(${partialOf('state')}, ${this.#emptyPartial})`
  }

  get #emptyPartial(): string {
    return quoteText(JSON.stringify(this.#empty))
  }

  #read(...columns: readonly string[]) {
    this.#session.pass = { doing: 'reading the groups' }
    const selectGroups = mayShareJson(this.keyType) ? mergeByJson : sortByKey
    const groups = selectGroups(this.#name, this.keyType, this.#state)
    return this.#session.readChunks(`SELECT ${columns.join(', ')} FROM (${groups})`)
  }
}

/** The column of the states at the margin with this index. */
export function stateColumn(index: number): string {
  return `state${index}`
}

/** SQL of a state as the JSON text of a LossAccumulator. */
function partialOf(state: string): string {
  return `hinge_embedding_loss_as_partial(${state})`
}

/** A query for the groups [key, state] of a table in the order of their keys. */
function sortByKey(name: string, keyType: string, state: string): string {
  return `SELECT ${castKey(keyType)} AS key, ${state} AS state FROM ${name} ORDER BY key`
}

/**
 * A query for the groups [key, state] of a table in the order of their keys, of which those with the same JSON are one: at
 * the place of the first key, with the last.
 */
function mergeByJson(name: string, keyType: string, state: string): string {
  return `SELECT last(key ORDER BY position) AS key, ${mergeStates(state)} AS state
    FROM (SELECT *, ${keyAsJson(keyType)} AS json, row_number() OVER (ORDER BY key) AS position FROM ${name})
    GROUP BY json ORDER BY min(position)`
}

function mergeStates(state: string): string {
  return `hinge_embedding_loss_merge(${state})`
}

/** What follows SELECT to add up the rows of a table of groups. */
export function mergeRows({ margins }: Scoring): string {
  const states = margins.map((_, index) => stateColumn(index)).map((state) => `${mergeStates(state)} AS ${state}`)
  return `sum(rows)::BIGINT AS rows, sum(nans)::BIGINT AS nans, ${states.join(', ')}`
}

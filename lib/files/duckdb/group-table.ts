import { LossAccumulator } from '../../index.ts'
import { emptyTotals, type Group, type Scoring } from '../options.ts'
import { formatFigures, type GroupFigures, type GroupReader, makeGroup } from '../totals.ts'
import { castKey, keyAsJson, keyAsText, mayShareJson } from './group-keys.ts'
import type { Session } from './session.ts'
import { quoteText } from './sql.ts'

/**
 * The groups of scans at one margin: a table [key, rows, nans, state for each margin] of a session, with one row for each
 * key, in their order.
 */
export class GroupTable implements GroupReader {
  /** of all groups */
  readonly total: LossAccumulator
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
    if (options.by !== undefined) {
      const groups = mayShareJson(keyType) ? mergeByJson(name, keyType, options) : sortByKey(name, keyType)
      await session.run(`CREATE OR REPLACE TEMP TABLE ${name} AS ${groups}`)
    }
    const totals = emptyTotals(options)
    const partials = totals.map((_, index) => partialOf(`hinge_embedding_loss_merge(${stateColumn(index)})`))
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

  async *readFigures(value: 'key' | 'json'): AsyncGenerator<GroupFigures> {
    const write = value === 'key' ? keyAsText : keyAsJson
    const figures = `coalesce(hinge_embedding_loss_json(${this.#state}), ${quoteText(formatFigures(this.#empty))})`
    for await (const columns of this.#read(write(this.keyType), figures)) {
      const [values, figures] = columns as [(string | null)[], string[]]
      yield { values, figures }
    }
  }

  /** Drops the table of all margins, in a session that goes on. */
  async drop(): Promise<void> {
    await this.#session.run(`DROP TABLE ${this.#name}`)
  }

  get #partial(): string {
    return `coalesce(${partialOf(this.#state)}, ${quoteText(JSON.stringify(this.#empty))})`
  }

  #read(...columns: readonly string[]) {
    this.#session.pass = { doing: 'reading the groups' }
    return this.#session.readChunks(`SELECT ${columns.join(', ')} FROM ${this.#name}`)
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

/** A query for the rows of a table of groups in the order of their keys. */
function sortByKey(name: string, keyType: string): string {
  return `SELECT * REPLACE (${castKey(keyType)} AS key) FROM ${name} ORDER BY key`
}

/**
 * A query for the rows of a table of groups in the order of their keys, of which those with the same JSON are one: at the
 * place of the first key, with the last.
 */
function mergeByJson(name: string, keyType: string, options: Scoring): string {
  return `SELECT last(key ORDER BY position) AS key, ${mergeRows(options)}
    FROM (SELECT *, ${keyAsJson(keyType)} AS json, row_number() OVER (ORDER BY key) AS position FROM ${name})
    GROUP BY json ORDER BY min(position)`
}

/** What follows SELECT to add up the rows of a table of groups. */
export function mergeRows({ margins }: Scoring): string {
  const states = margins.map((_, index) => `hinge_embedding_loss_merge(${stateColumn(index)}) AS ${stateColumn(index)}`)
  return `sum(rows)::BIGINT AS rows, sum(nans)::BIGINT AS nans, ${states.join(', ')}`
}

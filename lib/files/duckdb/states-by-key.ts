import { fileError, given, message, messageOf } from '../errors.ts'
import type { Scoring } from '../options.ts'
import { castKey, numericType } from './group-keys.ts'
import { GroupTable, mergeRows, stateColumn } from './group-table.ts'
import type { Session } from './session.ts'
import { typeMismatchError } from './type-mismatch.ts'

/** A table of states whose keys have one type. */
interface KeyTable {
  readonly name: string
  readonly type: string
  /** the first file with keys of the type */
  readonly file: string
  rows: number
  /** the number of rows when each key was last in one row only */
  merged: number
}

/**
 * States by group key, in tables of a session: one for each type of the keys. Equal keys merge, also numbers of different
 * types if conversion to a common type changes none of them.
 */
export class StatesByKey {
  readonly #session: Session
  readonly #options: Scoring
  readonly #tables: KeyTable[] = []

  constructor(session: Session, options: Scoring) {
    this.#session = session
    this.#options = options
  }

  /** Adds the rows of a query, [key, rows, nans, state for each margin], whose keys have this type and are unique. */
  async add(sql: string, type: string, file: string): Promise<void> {
    if (/\bINTERVAL\b/.test(type)) {
      const advice = 'in which 1 month and 30 days are equal; CAST it to VARCHAR'
      const problem = message`${given('by', this.#options.by ?? '')} is ${type}, ${advice}`
      throw fileError(message`${file}: ${problem}`, { option: 'by', file })
    }
    const known = this.#tables.find((table) => table.type === type)
    const table = known ?? { name: `states${this.#tables.length}`, type, file, rows: 0, merged: 0 }
    const into = known ? `INSERT INTO ${table.name}` : `CREATE OR REPLACE TEMP TABLE ${table.name} AS`
    table.rows += Number((await this.#session.readTexts(`${into} ${sql}`))[0])
    if (known === undefined) {
      table.merged = table.rows
      this.#tables.push(table)
    }
    if (this.#tables.length > 1) await this.#findFilledTables()
    if (table.rows > 2 * table.merged + 100_000) await this.#merge(table)
  }

  /** Merges all into one table of groups, which the session then has alone, and returns them for each margin. */
  async mergeAll(): Promise<GroupTable[]> {
    const keyType = await this.#findCommonType()
    const [first, ...others] = this.#tables
    if (first !== undefined && others.length === 0 && first.rows === first.merged) {
      return GroupTable.open(this.#session, first.name, keyType, this.#options)
    }
    const states = this.#options.margins.map((_, index) => stateColumn(index))
    const parts = this.#tables.map(({ name }) => {
      return `SELECT ${castKey(keyType)} AS key, rows, nans, ${states.join(', ')} FROM ${name}`
    })
    const all = parts.length > 0 ? parts.join(' UNION ALL ') : noRows(states)
    await this.#session.run(`CREATE OR REPLACE TEMP TABLE merged AS ${this.#mergeQuery(all)}`)
    for (const { name } of this.#tables.splice(0)) await this.#session.run(`DROP TABLE ${name}`)
    return GroupTable.open(this.#session, 'merged', keyType, this.#options)
  }

  /** A query for one row for each key, over the rows of another. */
  #mergeQuery(sql: string): string {
    return `SELECT key, ${mergeRows(this.#options)} FROM (${sql}) GROUP BY key`
  }

  async #merge(table: KeyTable): Promise<void> {
    const sql = `CREATE OR REPLACE TEMP TABLE ${table.name} AS ${this.#mergeQuery(`FROM ${table.name}`)}`
    table.rows = table.merged = Number((await this.#session.readTexts(sql))[0])
  }

  /** The tables with keys other than null; throws if these cannot be compared. */
  async #findFilledTables(): Promise<KeyTable[]> {
    const filled: KeyTable[] = []
    for (const table of this.#tables) {
      const keys = await this.#session.readRows(`SELECT 1 FROM ${table.name} WHERE key IS NOT NULL LIMIT 1`)
      if (keys.length > 0) filled.push(table)
    }
    const [first, ...others] = filled
    const other = others.find(({ type }) => !numericType.test(type) || !numericType.test(first?.type ?? ''))
    if (first && other) throw typeMismatchError('by', this.#options, other, first)
    return filled
  }

  /** A type that holds the keys of all tables exactly: the one that DuckDB chooses, or else HUGEINT. */
  async #findCommonType(): Promise<string> {
    const filled = this.#tables.length > 1 ? await this.#findFilledTables() : this.#tables
    const types = (filled.length > 0 ? filled : this.#tables.slice(0, 1)).map(({ type }) => type)
    if (types.length < 2) return types[0] ?? '"NULL"'
    const nulls = types.map((type) => `SELECT CAST(NULL AS ${type})`)
    const [{ type: common } = { type: '' }] = await this.#session.describe(nulls.join(' UNION ALL '))
    let failure: Error | undefined
    for (const type of [common, 'HUGEINT']) {
      const inexact = await this.#findInexactKey(filled, type)
      if (inexact === undefined) return type
      failure ??= inexact
    }
    throw failure
  }

  /** The error of the first key that a type does not hold exactly. */
  async #findInexactKey(tables: readonly KeyTable[], keyType: string): Promise<Error | undefined> {
    for (const { name, type, file } of tables.filter((table) => table.type !== keyType)) {
      const [key] = await this.#session.readTexts(`SELECT CAST(key AS VARCHAR) FROM ${name}
        WHERE TRY_CAST(TRY_CAST(key AS ${keyType}) AS ${type}) IS DISTINCT FROM key ORDER BY key LIMIT 1`)
      if (key === undefined) continue
      const other = tables.find((table) => table.type !== type) as KeyTable
      const text = messageOf(typeMismatchError('by', this.#options, { file, type }, other))
      return fileError(message`${text} (${key} is no ${keyType})`, { option: 'by', file })
    }
    return undefined
  }
}

function noRows(states: readonly string[]): string {
  const columns = states.map((state) => `NULL::BLOB AS ${state}`)
  return `SELECT NULL AS key, 0 AS rows, 0 AS nans, ${columns.join(', ')} LIMIT 0`
}

import { formatJSON } from '../../format.ts'
import { LossAccumulator } from '../../index.ts'
import { fileError, given, message, messageOf } from '../errors.ts'
import { emptyTotal, type Scoring } from '../options.ts'
import { type Group, makeGroup } from '../totals.ts'
import type { Session } from './session.ts'
import { typeMismatchError } from './type-mismatch.ts'

/** Types whose values DuckDB compares as numbers. */
const numeric = /^(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|BIGNUM|DECIMAL\(.*\)|FLOAT|DOUBLE)$/
const nested = /^(STRUCT|MAP|UNION)\(|\]$/

/** A table of partials whose keys have one type. */
interface KeyTable {
  readonly name: string
  readonly type: string
  /** the first file with keys of the type */
  readonly file: string
  rows: number
  /** the number of rows after the last merge */
  merged: number
}

/**
 * Partials by group key, in tables of a session: one for each type of the keys. Equal keys merge, also numbers of different
 * types if conversion to a common type changes none of them.
 */
export class PartialsByKey {
  readonly #session: Session
  readonly #options: Scoring
  readonly #tables: KeyTable[] = []

  constructor(session: Session, options: Scoring) {
    this.#session = session
    this.#options = options
  }

  /** Adds the rows of a query, [key, rows, nans, partial], whose keys have this type. */
  async add(sql: string, type: string, file: string): Promise<void> {
    if (/\bINTERVAL\b/.test(type)) {
      const advice = 'in which 1 month and 30 days are equal; CAST it to VARCHAR'
      const problem = message`${given('by', this.#options.by ?? '')} is ${type}, ${advice}`
      throw fileError(message`${file}: ${problem}`, { option: 'by', file })
    }
    const known = this.#tables.find((table) => table.type === type)
    const table = known ?? { name: `partials${this.#tables.length}`, type, file, rows: 0, merged: 0 }
    const into = known ? `INSERT INTO ${table.name}` : `CREATE OR REPLACE TEMP TABLE ${table.name} AS`
    table.rows += Number((await this.#session.readTexts(`${into} ${sql}`))[0])
    if (known === undefined) this.#tables.push(table)
    if (this.#tables.length > 1) await this.#findFilledTables()
    if (table.rows > 2 * table.merged + 100_000) await this.#merge(table)
  }

  /** Merges all partials into groups in the order of their keys, and drops the tables. */
  async readTotals(): Promise<{ groups: Group[]; rows: number; nans: number; keyType: string }> {
    const keyType = await this.#findCommonType()
    const parts = this.#tables.map(({ name }) => `SELECT ${castKey(keyType)} AS key, rows, nans, partial FROM ${name}`)
    const sql = `SELECT ${keyAsJson}, ${keyAsText(keyType)}, rows, nans, partial
      FROM (${mergeQuery(parts.join(' UNION ALL '))}) ORDER BY key`
    const answers = parts.length > 0 ? await this.#session.readRows(sql) : []
    for (const { name } of this.#tables.splice(0)) await this.#session.run(`DROP TABLE ${name}`)
    // DuckDB compares keys of JSON as text, where 0.0 and -0.0 differ.
    const groups = new Map<string, Group>()
    for (const [json, text, , , partial] of answers) {
      const by = normalizeJson(json)
      const total = partial === null ? emptyTotal(this.#options) : LossAccumulator.fromJSON(JSON.parse(String(partial)))
      const known = groups.get(by)
      const key = text === null ? null : String(text)
      groups.set(by, makeGroup(by, key, known ? known.total.merge(total) : total))
    }
    const sum = (column: number) => answers.reduce((total, answer) => total + Number(answer[column]), 0)
    return { groups: [...groups.values()], rows: sum(2), nans: sum(3), keyType }
  }

  async #merge(table: KeyTable): Promise<void> {
    const sql = `CREATE OR REPLACE TEMP TABLE ${table.name} AS ${mergeQuery(`FROM ${table.name}`)}`
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
    const other = others.find(({ type }) => !numeric.test(type) || !numeric.test(first?.type ?? ''))
    if (first && other) throw typeMismatchError('by', this.#options, other, first)
    return filled
  }

  /** A type that holds the keys of all tables exactly: the one that DuckDB chooses, or else HUGEINT. */
  async #findCommonType(): Promise<string> {
    const filled = this.#tables.length > 1 ? await this.#findFilledTables() : this.#tables
    const types = (filled.length > 0 ? filled : this.#tables.slice(0, 1)).map(({ type }) => type)
    if (types.length < 2) return types[0] ?? ''
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

/** A query for one row per key, over the rows [key, rows, nans, partial] of another. */
function mergeQuery(sql: string): string {
  return `SELECT key, sum(rows)::BIGINT AS rows, sum(nans)::BIGINT AS nans, hinge_embedding_loss_merge(partial) AS partial
    FROM (${sql}) GROUP BY key`
}

/** SQL of the key in a type, with one NaN and one zero: a group holds any of several. */
export function castKey(type: string): string {
  const key = `CAST(key AS ${type})`
  return type === 'FLOAT' || type === 'DOUBLE' ? `CASE WHEN isnan(${key}) THEN 'nan' ELSE ${key} + 0 END` : key
}

/** SQL of the key as JSON, for `normalizeJson`. */
export const keyAsJson = 'CAST(to_json(key) AS VARCHAR)'

/** SQL of the key as text; nested keys as JSON, which distinguishes numbers from text. */
function keyAsText(type: string): string {
  return nested.test(type) ? keyAsJson : 'CAST(key AS VARCHAR)'
}

/** JSON without the numbers that JSON lacks, negative zeros and spaces, which DuckDB writes. */
export function normalizeJson(value: unknown): string {
  return String(value).replace(
    /"(?:[^"\\]|\\.)*"|\s+|(-?)(?:(nan)|inf(?:inity)?)|-0\.0(?![\d])/gi,
    (token, sign, nan) => {
      if (token.startsWith('"')) return token
      if (token.startsWith('-0')) return '0.0'
      if (nan !== undefined) return formatJSON(Number.NaN)
      return sign === undefined ? '' : formatJSON(Number(`${sign}Infinity`))
    },
  )
}

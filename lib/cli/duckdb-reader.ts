import { createReadStream } from 'node:fs'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import type { DuckDBConnection, DuckDBDataChunk } from '@duckdb/node-api'
import { getNumThreads, type InputData, type LabelData } from '../index.ts'
import { peer, UsageError } from './failures.ts'
import { findSources, type Source } from './files.ts'

export interface Columns {
  /** SQL expressions over a file's columns */
  input: string
  label: string
  nulls: 'error' | 'ignore'
}

export interface Batch {
  input: InputData
  label: LabelData
  /** the row of an element within its file, from 1 */
  rowOf(index: number): number
}

const integers = ['TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'UTINYINT', 'USMALLINT', 'UINTEGER', 'UBIGINT']
const wide = ['HUGEINT', 'UHUGEINT', 'BIGNUM', 'DECIMAL']

function table(types: readonly string[], readAs?: string): Record<string, string> {
  return Object.fromEntries(types.map((type) => [type, readAs ?? type]))
}

/** What a column of each type is read as: a type whose vectors are typed arrays. */
const readAs: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  input: { ...table(['FLOAT', 'DOUBLE']), ...table([...integers, ...wide], 'DOUBLE') },
  label: { ...table([...integers, 'FLOAT', 'DOUBLE']), ...table(wide, 'DOUBLE'), BOOLEAN: 'UTINYINT' },
}

/**
 * A sample of a text file may hold integers alone: were its column read as BIGINT, a later 0.5 would be rounded without
 * a word. So numbers in CSV are DOUBLE, and JSON takes all rows as its sample. Nor may rows disappear as comments or as
 * what precedes the header.
 */
const csv = `auto_type_candidates = ['BOOLEAN', 'DOUBLE', 'VARCHAR'], comment = '', skip = 0`
const scans: Readonly<Record<Source['kind'], (file: string, compression: string) => string>> = {
  Parquet: (file) => `read_parquet(${file})`,
  CSV: (file, compression) => `read_csv(${file}, compression = ${compression}, ${csv})`,
  TSV: (file, compression) => `read_csv(${file}, compression = ${compression}, ${csv}, delim = '\t')`,
  NDJSON: (file, compression) => `read_json(${file}, compression = ${compression}, sample_size = -1)`,
}

export class Reader {
  readonly #connection: DuckDBConnection
  #isInterrupted = false

  private constructor(connection: DuckDBConnection) {
    this.#connection = connection
  }

  static async open(): Promise<Reader> {
    const { DuckDBInstance } = await peer(import('@duckdb/node-api'))
    const instance = await DuckDBInstance.create(':memory:', {
      threads: String(getNumThreads()),
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
    })
    return new Reader(await instance.connect())
  }

  interrupt(): void {
    this.#isInterrupted = true
    this.#connection.interrupt()
  }

  close(): void {
    this.#connection.closeSync()
  }

  /** All files that the arguments stand for. */
  async find(paths: readonly string[]): Promise<Source[]> {
    const match = (pattern: string) => this.#texts(`SELECT file FROM glob(${quoted(pattern)})`)
    const sources = []
    for (const path of paths) sources.push(...(await findSources(path, match)))
    return sources
  }

  /** Refuses text that is more, or less, than one expression where a query has `(text)`. */
  async assertExpression(option: string, text: string): Promise<void> {
    const parse = (sql: string) => this.#texts(`SELECT json_serialize_sql(${quoted(sql)})`)
    const [[plain = ''], [parsed = '']] = await Promise.all([parse('SELECT (1)'), parse(`SELECT (${text})`)])
    const { error_message: reason = 'more than one, a parameter or a star' } = JSON.parse(parsed)
    if (shape(parsed) === shape(plain) && !parsed.includes('"class":"STAR"')) return
    throw new UsageError(`${option} must be one SQL expression, got '${text}' (${reason})`)
  }

  /** One file, in the order of its rows. */
  async *read({ file, kind, compression }: Source, columns: Columns): AsyncGenerator<Batch> {
    const scan = scans[kind](quoted(literally(file)), quoted(compression))
    try {
      if (compression === 'gzip') await assertWhole(file)
      if (kind !== 'Parquet' && (await this.#isEmpty(scan))) {
        const hasHeader = kind === 'NDJSON' || (await this.#columns(scan))[0] !== 'column0'
        if (hasHeader) return
        throw new Error('the file is empty, without even a header')
      }
      let sql = query(scan, columns, 'x', 'y')
      let statement = await this.#connection.prepare(sql)
      const x = cast('input', columns.input, 'x', String(statement.columnType(0)))
      const y = cast('label', columns.label, 'y', String(statement.columnType(1)))
      if (x !== 'x' || y !== 'y') {
        sql = query(scan, columns, x, y)
        statement = await this.#connection.prepare(sql)
      }

      let rows = 0
      let isWhole = false
      for await (const chunk of await statement.stream()) {
        const rowKinds = items(chunk, 2) as Uint8Array
        isWhole = rowKinds.at(-1) === rowKind.end
        yield toBatch(chunk, rowKinds, rows, columns)
        rows += chunk.rowCount
      }
      if (!isWhole) await this.#failAgain(sql)
    } catch (cause) {
      throw new Error(`${file}: ${shortened(cause)}${await this.#columnsIfMissed(scan, cause)}`, { cause })
    }
  }

  async #isEmpty(scan: string): Promise<boolean> {
    return (await this.#texts(`SELECT 1 FROM ${scan} LIMIT 1`)).length === 0
  }

  #columns(scan: string): Promise<string[]> {
    return this.#texts(`SELECT column_name FROM (DESCRIBE FROM ${scan})`)
  }

  /** What columns there are, where an error says that one is not. */
  async #columnsIfMissed(scan: string, error: unknown): Promise<string> {
    if (!/Referenced column/.test(String(error))) return ''
    return ` The file's columns: ${(await this.#columns(scan)).map((name) => `"${name}"`).join(', ')}`
  }

  /** What made a stream stop short: without a stream DuckDB tells. */
  async #failAgain(sql: string): Promise<never> {
    if (!this.#isInterrupted) await this.#connection.run(`SELECT max(COLUMNS(*)) FROM (${sql})`)
    throw new Error('reading stopped before the end')
  }

  async #texts(sql: string): Promise<string[]> {
    return (await this.#connection.runAndReadAll(sql)).getRows().map(([value]) => String(value))
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** The path as a pattern that matches nothing else. */
function literally(path: string): string {
  return path.replace(/[*?[]/g, '[$&]')
}

/** A parsed query but for what it selects. */
function shape(json: string): string {
  return JSON.stringify(JSON.parse(json), (key, value) => (key === 'select_list' ? value.length : value))
}

const rowKind = { present: 0, null: 1, end: 2 }

/**
 * WHERE refuses aggregates, window functions and unnest, all of which would change which rows there are. The columns have
 * no names of their own that an expression could refer to by mistake. The last row tells the end of the data from an error
 * or an interruption, at which a stream of DuckDB's just ends.
 */
function query(scan: string, { input, label }: Columns, x: string, y: string): string {
  return `SELECT ${x}, ${y}, CAST(x IS NULL OR y IS NULL AS UTINYINT) FROM (
    SELECT (${input}), (${label}) FROM ${scan} WHERE (${input}) IS NULL OR (${label}) IS NULL OR TRUE
  ) AS pairs(x, y) UNION ALL SELECT NULL, NULL, ${rowKind.end}::UTINYINT`
}

function cast(option: string, text: string, column: string, type: string): string {
  const wanted = readAs[option]?.[type.replace(/\(\d+,\s?\d+\)$/, '')]
  if (wanted !== undefined) return wanted === type ? column : `CAST(${column} AS ${wanted})`
  const expected = `a number${option === 'label' ? ' or BOOLEAN' : ''}`
  const advice = type === 'VARCHAR' ? ` (CAST(${text} AS DOUBLE) reads numbers in text)` : ''
  throw new Error(`--${option} ${text} is ${type}, must be ${expected}${advice}`)
}

function toBatch(chunk: DuckDBDataChunk, rowKinds: Uint8Array, rowsBefore: number, columns: Columns): Batch {
  const [input, label] = [items(chunk, 0) as InputData, items(chunk, 1)]
  const firstNull = rowKinds.indexOf(rowKind.null)
  if (firstNull >= 0 && columns.nulls === 'error') {
    const option = chunk.getColumnVector(0).getItem(firstNull) === null ? 'input' : 'label'
    const row = rowsBefore + firstNull + 1
    throw new Error(`row ${row}: --${option} ${columns[option]} is null (--nulls ignore leaves such rows out)`)
  }
  const isFull = firstNull < 0 && rowKinds.at(-1) !== rowKind.end
  if (isFull) return { input, label, rowOf: (index) => rowsBefore + index + 1 }
  const lanes = presentLanes(rowKinds)
  return {
    input: gather(input, lanes),
    label: gather(label, lanes),
    rowOf: (index) => rowsBefore + (lanes[index] as number) + 1,
  }
}

function presentLanes(rowKinds: Uint8Array): Uint16Array {
  const lanes = new Uint16Array(rowKinds.length)
  let count = 0
  for (let lane = 0; lane < rowKinds.length; lane++) if (rowKinds[lane] === rowKind.present) lanes[count++] = lane
  return lanes.subarray(0, count)
}

function gather<T extends InputData | LabelData>(data: T, lanes: Uint16Array): T {
  const gathered = data.slice(0, lanes.length) as T
  for (let at = 0; at < lanes.length; at++) gathered[at] = data[lanes[at] as number] as number
  return gathered
}

/** A vector's own memory, which its declaration keeps private. Null lanes hold garbage. */
function items(chunk: DuckDBDataChunk, column: number): InputData | LabelData {
  return (chunk.getColumnVector(column) as unknown as { items: InputData | LabelData }).items
}

/** DuckDB takes a truncated .gz for a complete one. */
async function assertWhole(file: string): Promise<void> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  await pipeline(createReadStream(file), createGunzip(), nowhere)
}

/** Without the excerpt of our query and the advice on DuckDB's own options. */
function shortened(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  const [first = ''] = message.split(/\n\n|\nPossible |\nCandidate |\nLINE /)
  const line = first.trim().replace(/\s*\n\s*/g, ' ')
  return line.replace('WHERE clause', '--input and --label')
}

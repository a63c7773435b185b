import type { DuckDBConnection, DuckDBInstance, DuckDBValue } from '@duckdb/node-api'
import { load } from '../../duckdb.ts'
import type { Progress } from '../options.ts'
import { importPeer } from '../peers.ts'
import { quoteText } from './sql.ts'

/** One reading of the files, for progress. */
export interface Pass {
  /** what it does, where that is not the first reading */
  readonly doing?: string
  /** how many rows it reads, where that is known; not shown while it has several steps, of which nobody knows how many each reads */
  readonly rows?: number | undefined
  /** of several queries, which are taken to last equally long, the one that runs, from 0 on */
  readonly step?: number
  readonly steps?: number
}

/** What a chunk of DuckDB's holds. */
export const rowsPerChunk = 2048

export interface Appender {
  append(columns: readonly DuckDBValue[][]): void
  close(): void
}

/** A DuckDB of our own, in memory, with our functions. */
export class Session {
  readonly #instance: DuckDBInstance
  readonly #connection: DuckDBConnection
  #isInterrupted = false
  /** none while the schemas of the files are read */
  #pass: Pass | undefined
  /** of the pass, the most that was shown: between two queries DuckDB knows nothing */
  #share = 0

  private constructor(instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#instance = instance
    this.#connection = connection
  }

  static async open(threads: number): Promise<Session> {
    const { DuckDBInstance } = await importPeer(import('@duckdb/node-api'), 'scoring files')
    const instance = await DuckDBInstance.create(':memory:', {
      threads: String(threads),
      allow_unsigned_extensions: 'true',
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
    })
    const connection = await instance.connect()
    await load(connection)
    await connection.run('SET enable_progress_bar = true; SET enable_progress_bar_print = false')
    return new Session(instance, connection)
  }

  /** From now on reads files of these folders only, loads no extension, and no setting changes. */
  async lock(folders: readonly string[]): Promise<void> {
    await this.#connection.run(`SET allowed_directories = [${folders.map(quoteText)}];
      SET enable_external_access = false; SET lock_configuration = true`)
  }

  /** In which times with a zone have their days and hours. */
  async readTimeZone(): Promise<string> {
    const [zone = ''] = await this.readTexts(`SELECT current_setting('TimeZone')`)
    return zone
  }

  async setTimeZone(zone: string): Promise<void> {
    await this.#connection.run(`SET TimeZone = ${quoteText(zone)}`)
  }

  interrupt(): void {
    this.#isInterrupted = true
    this.#connection.interrupt()
  }

  /** Ends its threads too, which would else run until the garbage collector finds them. */
  close(): void {
    this.#connection.closeSync()
    this.#instance.closeSync()
  }

  get pass(): Pass | undefined {
    return this.#pass
  }

  set pass(pass: Pass | undefined) {
    const isNext = pass?.doing === this.#pass?.doing && (pass?.step ?? 0) > (this.#pass?.step ?? 0)
    if (!isNext) this.#share = 0
    this.#pass = pass
  }

  /** Of the query that runs; undefined while DuckDB does not know. Its count of rows is a guess but for Parquet. */
  get progress(): Progress | undefined {
    const { percentage } = this.#connection.progress
    if (this.#pass === undefined) return percentage < 0 ? undefined : { doing: 'reading the schemas' }
    const { doing, rows, step = 0, steps = 1 } = this.#pass
    const done = Math.min(Math.max(percentage / 100, 0), 1)
    this.#share = Math.max(this.#share, (step + done) / steps)
    if (this.#share === 0) return doing === undefined ? undefined : { doing }
    return {
      doing,
      share: this.#share,
      count: rows === undefined || steps > 1 ? undefined : Math.floor(this.#share * rows),
    }
  }

  async run(sql: string): Promise<void> {
    await this.#connection.run(sql)
  }

  async readRows(sql: string): Promise<unknown[][]> {
    return (await this.#connection.runAndReadAll(sql)).getRows()
  }

  /** The columns of chunk after chunk of rows, which are not kept. */
  async *readChunks(sql: string): AsyncGenerator<DuckDBValue[][]> {
    for await (const chunk of await this.#connection.stream(sql)) {
      // DuckDB interrupts a query that runs, which this one does not while its chunks are used.
      if (this.#isInterrupted) throw new Error('interrupted')
      yield chunk.getColumns()
    }
  }

  /** Appends columns, `rowsPerChunk` at most in each, to a table, until `close`. */
  async openAppender(table: string, schema: string, catalog: string): Promise<Appender> {
    const { DuckDBDataChunk } = await importPeer(import('@duckdb/node-api'), 'scoring files')
    const appender = await this.#connection.createAppender(table, schema, catalog)
    const types = Array.from({ length: appender.columnCount }, (_, column) => appender.columnType(column))
    return {
      append(columns) {
        const chunk = DuckDBDataChunk.create(types)
        chunk.setColumns(columns)
        appender.appendDataChunk(chunk)
      },
      close: () => appender.closeSync(),
    }
  }

  /** The files that match. */
  findFiles(pattern: string): Promise<string[]> {
    return this.readTexts(`SELECT file FROM glob(${quoteText(pattern)})`)
  }

  /** The first column. */
  async readTexts(sql: string): Promise<string[]> {
    return (await this.readRows(sql)).map(([value]) => String(value))
  }

  /** The columns of a query, which is not run. */
  async describe(sql: string): Promise<{ name: string; type: string }[]> {
    const statement = await this.#connection.prepare(sql)
    try {
      return Array.from({ length: statement.columnCount }, (_, column) => {
        const type = statement.columnType(column)
        return { name: statement.columnName(column), type: type.alias === 'JSON' ? 'JSON' : String(type) }
      })
    } finally {
      statement.destroySync()
    }
  }
}

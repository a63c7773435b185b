import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join, sep } from 'node:path'
import type { DuckDBConnection, DuckDBInstance, DuckDBValue } from '@duckdb/node-api'
import { load } from '../../duckdb.ts'
import { fileError, message, option } from '../errors.ts'
import type { Progress } from '../options.ts'
import { importPeer } from '../peers.ts'
import { removal } from '../system.ts'
import { explainRemoteError } from './remote-errors.ts'
import { quoteName, quoteText } from './sql.ts'

/** A reading of the files, for progress. */
interface Pass {
  /** what the reading does; absent for the first */
  readonly doing?: string
  /** the number of rows, if it is known; not shown while the reading has several queries */
  readonly rows?: number | undefined
  /** the query that runs, from 0 on; all queries are taken to last equally long */
  readonly step?: number
  readonly steps?: number
}

/** The most rows of a chunk of DuckDB. */
export const rowsPerChunk = 2048

/** A column of a query. */
export interface QueryColumn {
  readonly name: string
  readonly type: string
}

export interface Appender {
  append(columns: readonly DuckDBValue[][]): void
  close(): void
}

/** The time between two interrupts, in milliseconds. */
const interruptInterval = 20

type DuckDB = typeof import('@duckdb/node-api')

function importDuckDB(): Promise<DuckDB> {
  return importPeer(requireDuckDB(), 'scoring files')
}

/**
 * Its package is CommonJS, of which `import` first searches each of 300 files for the names of exports. It is async, so
 * that a missing package rejects as a failed import does.
 */
async function requireDuckDB(): Promise<DuckDB> {
  const require = createRequire(import.meta.url)
  return require('@duckdb/node-api')
}

/** The code of the error of a query for which DuckDB has too little memory. */
export const outOfMemoryCode = 'ERR_OUT_OF_MEMORY'

/** Makes a folder that only its owner can enter; '' if there is no place for one. */
function makeFolder(): string {
  try {
    return mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
  } catch {
    return ''
  }
}

/** Removes a folder. What keeps its files open on Windows keeps them until the process ends. */
function removeFolder(folder: string): void {
  if (folder === '') return
  try {
    rmSync(folder, removal)
  } catch {}
}

/** A database of its own, in memory, with the functions of the extension. */
export class Session {
  readonly #instance: DuckDBInstance
  readonly #connection: DuckDBConnection
  readonly #signal: AbortSignal | undefined
  /** where DuckDB writes what exceeds its memory; '' if it cannot */
  readonly #folder: string
  #interruptTimer: NodeJS.Timeout | undefined
  /** absent while the schemas of the files are read */
  #pass: Pass | undefined
  /** the largest share of the pass so far: between two queries DuckDB reports none */
  #share = 0

  private constructor(
    instance: DuckDBInstance,
    connection: DuckDBConnection,
    folder: string,
    signal: AbortSignal | undefined,
  ) {
    this.#instance = instance
    this.#connection = connection
    this.#folder = folder
    this.#signal = signal
    if (signal?.aborted) this.interrupt()
    else signal?.addEventListener('abort', this.interrupt)
  }

  /** Opens a session, whose queries the abort of `signal` interrupts. With `spills` it has a folder until it is closed. */
  static async open(threads: number, signal?: AbortSignal, spills = false): Promise<Session> {
    const { DuckDBInstance } = await importDuckDB()
    const folder = spills ? makeFolder() : ''
    try {
      const instance = await DuckDBInstance.create(':memory:', {
        threads: String(threads),
        temp_directory: folder,
        allow_unsigned_extensions: 'true',
        autoinstall_known_extensions: 'false',
        autoload_known_extensions: 'false',
      })
      const connection = await instance.connect()
      await load(connection)
      await connection.run('SET enable_progress_bar = true; SET enable_progress_bar_print = false')
      return new Session(instance, connection, folder, signal)
    } catch (cause) {
      removeFolder(folder)
      throw cause
    }
  }

  /** From now on DuckDB reads these files and those of these folders alone, loads no extension, and changes no setting. */
  async lock(folders: readonly string[], files: readonly string[] = []): Promise<void> {
    await this.#connection.run(`SET allowed_directories = [${folders.map((folder) => quoteText(join(folder, sep)))}];
      SET allowed_paths = [${files.map(quoteText)}];
      SET enable_external_access = false; SET lock_configuration = true`)
  }

  /** The time zone for days and hours of TIMESTAMPTZ. */
  async readTimeZone(): Promise<string> {
    const [zone = ''] = await this.readTexts(`SELECT current_setting('TimeZone')`)
    return zone
  }

  async setTimeZone(zone: string): Promise<void> {
    await this.#connection.run(`SET TimeZone = ${quoteText(zone)}`)
  }

  /** Interrupts the query that runs, and all later ones: DuckDB forgets an interrupt that comes between two queries. */
  readonly interrupt = (): void => {
    this.#connection.interrupt()
    this.#interruptTimer ??= setInterval(() => this.#connection.interrupt(), interruptInterval)
  }

  /**
   * Ends its threads too, which would else run until the garbage collector finds them. A result that was not read to its end
   * keeps them until then.
   */
  close(): void {
    this.#signal?.removeEventListener('abort', this.interrupt)
    clearInterval(this.#interruptTimer)
    this.#connection.closeSync()
    this.#instance.closeSync()
    removeFolder(this.#folder)
  }

  get pass(): Pass | undefined {
    return this.#pass
  }

  set pass(pass: Pass | undefined) {
    const isNext = pass?.doing === this.#pass?.doing && (pass?.step ?? 0) > (this.#pass?.step ?? 0)
    if (!isNext) this.#share = 0
    this.#pass = pass
  }

  /** The progress of the query that runs; undefined while DuckDB reports none. Only for Parquet does DuckDB know the number of rows. */
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

  /** Closes a database that was attached. This has a connection of its own, which no interrupt reaches. */
  async detach(database: string): Promise<void> {
    const connection = await this.#instance.connect()
    try {
      await connection.run(`DETACH DATABASE IF EXISTS ${quoteName(database)}`)
    } finally {
      connection.closeSync()
    }
  }

  async run(sql: string): Promise<void> {
    await this.#query((connection) => connection.run(sql))
  }

  /** Reads all rows at once. */
  async readRows(sql: string): Promise<unknown[][]> {
    return (await this.#query((connection) => connection.runAndReadAll(sql))).getRows()
  }

  /** Reads the columns of chunk after chunk, and keeps none. */
  async *readChunks(sql: string): AsyncGenerator<DuckDBValue[][]> {
    const result = await this.#query((connection) => connection.stream(sql))
    for (;;) {
      const chunk = await this.#query(() => result.fetchChunk())
      if (chunk === null || chunk.rowCount === 0) return
      // While a caller uses a chunk, no query runs that DuckDB could interrupt.
      if (this.#interruptTimer !== undefined) throw fileError('interrupted')
      yield chunk.getColumns()
    }
  }

  async #query<T>(run: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    try {
      return await run(this.#connection)
    } catch (cause) {
      throw this.#explainMemory(explainRemoteError(cause))
    }
  }

  /** The error of a query, with advice where DuckDB has too little memory for it. */
  #explainMemory(cause: unknown): unknown {
    const [text, kind] = /^(\w[\w ]*) Error: .*/m.exec(String((cause as Error).message)) ?? ['']
    const isOfFolder = this.#folder !== '' && text.includes(this.#folder)
    if (kind !== 'Out of Memory' && !isOfFolder) return cause
    const advice = message`fewer ${option('threads')} take less memory, and so do fewer values of ${option('by')}`
    const place = `; DuckDB writes what exceeds its memory to ${this.#folder || 'no folder: there is none for temporary files'}`
    return fileError(message`${text.replace(/\.$/, '')}; ${advice}${place}`, { code: outOfMemoryCode }, cause)
  }

  /** Opens a table for columns of at most `rowsPerChunk` rows. */
  async openAppender(table: string, schema: string, catalog: string): Promise<Appender> {
    const { DuckDBDataChunk } = await importDuckDB()
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

  /** The files that match a pattern. */
  findFiles(pattern: string): Promise<string[]> {
    return this.readTexts(`SELECT file FROM glob(${quoteText(pattern)})`)
  }

  /** Reads the first column as texts. */
  async readTexts(sql: string): Promise<string[]> {
    return (await this.readRows(sql)).map(([value]) => String(value))
  }

  /** The names of a query's columns, of which several may be equal; the query does not run. */
  async readColumnNames(sql: string): Promise<string[]> {
    const prepared = await this.#query((connection) => connection.prepare(sql))
    try {
      return Array.from({ length: prepared.columnCount }, (_, index) => prepared.columnName(index))
    } finally {
      prepared.destroySync()
    }
  }

  /** The names and types, as DuckDB writes them, of a query's columns; the query does not run. */
  async describe(sql: string): Promise<QueryColumn[]> {
    const rows = await this.readRows(`SELECT column_name, column_type FROM (DESCRIBE ${sql})`)
    return rows.map(([name, type]) => ({ name: String(name), type: String(type) }))
  }
}

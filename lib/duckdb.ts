/**
 * The DuckDB extension, which adds the loss to SQL.
 *
 * @module hinge-embedding-loss/duckdb
 */

import { join } from 'node:path'
import { folder } from './binaries.ts'

/** The path of the extension, for any DuckDB of this platform: `LOAD '…/hinge_embedding_loss.duckdb_extension'`. */
export const extensionPath = join(folder, 'hinge_embedding_loss.duckdb_extension')

/**
 * Adds the functions of docs/sql.md to a DuckDB instance.
 *
 * @param connection a connection of `@duckdb/node-api`, or anything that runs SQL by `run`
 * @throws {Error} ERR_EXTENSION_NOT_LOADED: the instance loads signed extensions only, or DuckDB refuses this extension
 *
 * @example
 * const instance = await DuckDBInstance.create(':memory:', { allow_unsigned_extensions: 'true' })
 * const connection = await instance.connect()
 * await load(connection)
 * await connection.run(`SELECT hinge_embedding_loss(distance, label).mean FROM 'pairs.parquet'`)
 */
export async function load(connection: { run(sql: string): Promise<unknown> }): Promise<void> {
  try {
    await connection.run(`LOAD '${extensionPath.replaceAll("'", "''")}'`)
  } catch (cause) {
    const tried = cause instanceof Error ? cause.message : String(cause)
    const reason = /signature|unsigned/.test(tried)
      ? `the instance loads signed extensions only: DuckDBInstance.create(path, { allow_unsigned_extensions: 'true' })`
      : tried
    const message = `the DuckDB extension of hinge-embedding-loss cannot be loaded: ${reason}`
    throw Object.assign(new Error(message, { cause }), { code: 'ERR_EXTENSION_NOT_LOADED' })
  }
}

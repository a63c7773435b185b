import { join } from 'node:path'
import { type DuckDBBlobValue, type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { extensions } from './tools.ts'

/** A DuckDB of the tests' own, which reads and writes the objects of a server. */
export async function connectTo(url: string): Promise<DuckDBConnection> {
  const instance = await DuckDBInstance.create(':memory:', { allow_unsigned_extensions: 'true' })
  const connection = await instance.connect()
  await connection.run(`LOAD '${join(extensions, 'httpfs.duckdb_extension')}'; SET s3_endpoint = '${new URL(url).host}';
    SET s3_use_ssl = false; SET s3_url_style = 'path'; SET s3_region = 'us-east-1';
    SET s3_access_key_id = 'S3RVER'; SET s3_secret_access_key = 'S3RVER'`)
  return connection
}

/** The names of the objects below a prefix. */
export async function listObjects(connection: DuckDBConnection, prefix: string): Promise<string[]> {
  const rows = await connection.runAndReadAll(`SELECT file FROM glob('${prefix}**') ORDER BY file`)
  return rows.getRows().map(([file]) => String(file))
}

export async function readObject(connection: DuckDBConnection, url: string): Promise<Uint8Array> {
  const rows = await connection.runAndReadAll(`SELECT content FROM read_blob('${url}')`)
  const [[content] = []] = rows.getRows()
  return (content as DuckDBBlobValue).bytes
}

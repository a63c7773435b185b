import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileError, message, messageOf, set } from '../errors.ts'
import type { Session } from './session.ts'
import { quoteText } from './sql.ts'

/** Where to look for the extensions of DuckDB, for machines without internet. */
export interface ExtensionOptions {
  /** a folder that holds files such as `httpfs.duckdb_extension`; default: that of the environment */
  readonly duckdbExtensions?: string
}

/** The environment variable that names the folder of extensions. */
const folderVariable = 'HINGE_EMBEDDING_LOSS_DUCKDB_EXTENSIONS'

/**
 * Loads an extension of DuckDB into a session: from the folder of the options, else the one that DuckDB has installed, else
 * DuckDB downloads it.
 *
 * @throws {Error} ERR_EXTENSION_NOT_LOADED: there is none, or it is for another version of DuckDB
 */
export async function loadExtension(session: Session, name: string, options: ExtensionOptions): Promise<void> {
  const { folder, path } = findInFolder(name, options)
  try {
    if (path !== undefined) await session.run(`LOAD ${quoteText(path)}`)
    else await session.run(`LOAD ${name}`).catch(() => session.run(`INSTALL ${name}; LOAD ${name}`))
  } catch (cause) {
    throw await notLoadedError(session, name, path === undefined ? folder : undefined, cause)
  }
}

/** Loads an extension if the folder of the options or DuckDB has it; returns true if it did. */
export async function loadIfThere(session: Session, name: string, options: ExtensionOptions): Promise<boolean> {
  const { path } = findInFolder(name, options)
  return session.run(path === undefined ? `LOAD ${name}` : `LOAD ${quoteText(path)}`).then(
    () => true,
    () => false,
  )
}

/** The folder of the options, and the path of an extension in it. */
function findInFolder(name: string, options: ExtensionOptions): { readonly folder?: string; readonly path?: string } {
  const folder = options.duckdbExtensions ?? process.env[folderVariable]
  if (folder === undefined) return {}
  const path = join(folder, `${name}.duckdb_extension`)
  return existsSync(path) ? { folder, path } : { folder }
}

/** What DuckDB's errors say of an extension that a statement needs. */
const needs = [
  /exists in the (\w+) extension/,
  /requires the extension (\w+) to be loaded/,
  /(\w+)\.duckdb_extension" not found\.\s+Extension "\w+" is an existing extension/,
  /required extension '(\w+)'/,
]

/**
 * Runs `work` again each time that it needs one more extension of DuckDB, once this is loaded.
 *
 * @throws what `work` and `loadExtension` throw
 */
export async function withExtensions<T>(
  session: Session,
  options: ExtensionOptions,
  work: () => Promise<T>,
): Promise<T> {
  const loaded = new Set<string>()
  for (;;) {
    try {
      return await work()
    } catch (cause) {
      const name = needs.map((need) => need.exec(String(cause))?.[1]).find((each) => each !== undefined)
      if (name === undefined || loaded.has(name)) throw cause
      loaded.add(name)
      // An extension may need others.
      await withExtensions(session, options, () => loadExtension(session, name, options))
    }
  }
}

/** The error says both ways: with internet DuckDB downloads the extension, without it a folder holds the file. */
async function notLoadedError(
  session: Session,
  name: string,
  searched: string | undefined,
  cause: unknown,
): Promise<Error> {
  const [reason] = String(messageOf(cause)).split('\n')
  const build = await session.readTexts(
    `SELECT library_version || ' for ' || platform FROM pragma_version(), pragma_platform()`,
  )
  const file = `${name}.duckdb_extension of DuckDB ${build.join()}`
  const absent = searched === undefined ? '' : `${searched} does not hold it, and `
  const advice = message`with internet DuckDB downloads it; without it, ${set({ duckdbExtensions: 'FOLDER' })} names a folder that holds ${file}`
  const text = message`DuckDB's extension ${name} is needed: ${advice} (${absent}DuckDB says: ${reason ?? ''})`
  return fileError(text, { code: 'ERR_EXTENSION_NOT_LOADED', option: 'duckdbExtensions' }, cause)
}

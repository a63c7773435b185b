import { detailsOf, errorAt, fileError, message, option, optionError } from '../errors.ts'
import { type ExtensionOptions, withExtensions } from './extensions.ts'
import { shortenError } from './row-error-search.ts'
import type { Session } from './session.ts'
import { quoteText } from './sql.ts'

/** A database that a query reads. */
export interface Database {
  /** a path, or a connection after its scheme, as DuckDB's ATTACH takes it */
  readonly source: string
  /** as SQL has it */
  readonly name: string
}

/**
 * Reads the texts of the option `attach`: a database, which may be in quotes as in SQL, AS and its name.
 *
 * @throws {RangeError} ERR_INVALID_ARG_VALUE, with `option`; no message has the text: it may have a password
 */
export function parseDatabases(texts: readonly string[]): Database[] {
  return texts.map((text) => {
    const [, source, name] = /^\s*(\S.*?)\s+AS\s+("(?:[^"]|"")+"|[\p{L}_][\p{L}\p{N}_]*)\s*$/isu.exec(text) ?? []
    if (source !== undefined && name !== undefined) return { source: unquote(source), name }
    const expected = message`must be a database and its name, such as 'postgres:dbname=shop AS shop'`
    throw optionError('attach', message`${option('attach')} ${expected}`)
  })
}

function unquote(source: string): string {
  return /^'.*'$/s.test(source) ? source.slice(1, -1).replaceAll("''", "'") : source
}

/**
 * Attaches databases to a session, to be read.
 *
 * @throws {Error} ERR_INVALID_FILE, ERR_EXTENSION_NOT_LOADED, with `option`: a database cannot be opened, or DuckDB lacks what reads it
 */
export async function attachDatabases(
  session: Session,
  databases: readonly Database[],
  options: ExtensionOptions,
): Promise<void> {
  for (const { source, name } of databases) {
    // DuckDB takes a URL for a path.
    const type = /^postgres(ql)?:\/\//i.test(source) ? ', TYPE postgres' : ''
    try {
      await withExtensions(session, options, () =>
        session.run(`ATTACH ${quoteText(source)} AS ${name} (READ_ONLY${type})`),
      )
    } catch (cause) {
      throw errorAt(name, fileError(shortenError(cause), { ...detailsOf(cause), option: 'attach' }, cause))
    }
  }
}

import { detailsOf, errorAt, fileError } from '../errors.ts'
import type { FileState } from '../pair.ts'
import { nameRemote } from '../remote.ts'
import type { ExtensionOptions } from './extensions.ts'
import { endpointPath, prepareRemote } from './remote-files.ts'
import { Session } from './session.ts'
import { quoteFiles } from './sql.ts'

/** A session asks about its files one after the other, so that many files take several sessions. */
const filesPerSession = 32
const mostSessions = 8

/** The states of remote files, for which sessions of their own send a HEAD request each. */
export async function readRemoteStates(
  urls: readonly string[],
  options: ExtensionOptions,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, FileState>> {
  const unique = [...new Set(urls)]
  const count = Math.min(mostSessions, Math.ceil(unique.length / filesPerSession))
  const shares = Array.from({ length: count }, (_, share) => unique.filter((_, index) => index % count === share))
  const states = await Promise.all(
    shares.map(async (share) => {
      const session = await Session.open(1, signal)
      try {
        await prepareRemote(session, share, options)
        return [...(await seeRemoteStates(session, share))]
      } finally {
        session.close()
      }
    }),
  )
  return new Map(states.flat())
}

/**
 * The states of remote files, with one HEAD request each. From then on the session reads them in no other state: DuckDB
 * compares the ETag of each answer.
 *
 * @throws {Error} ENOENT, EACCES and other codes, with `file`; ERR_INVALID_FILE: a server gives no ETag
 */
export async function seeRemoteStates(
  session: Session,
  urls: readonly string[],
): Promise<ReadonlyMap<string, FileState>> {
  await session.run(`CALL truncate_duckdb_logs(); CALL enable_logging('HTTP')`)
  try {
    const sizes = await session.readRows(`SELECT filename, size FROM read_blob(${quoteFiles(urls)})`)
    const tags = await readTags(session)
    return new Map(
      sizes.map(([url, size]) => [String(url), { size: Number(size), version: findTag(tags, String(url)) }]),
    )
  } catch (cause) {
    const { file } = detailsOf(cause)
    throw file === undefined || String(cause).includes(`${file}: `) ? cause : errorAt(file, cause)
  } finally {
    // It has the headers of requests.
    await session.run('CALL disable_logging(); CALL truncate_duckdb_logs()')
  }
}

/** The ETags of the answers that were logged, by the server and path that the requests asked for. */
async function readTags(session: Session): Promise<ReadonlyMap<string, string>> {
  const tag = `list_filter(map_entries(response.headers), lambda e: lower(e.key) = 'etag')[1].value`
  const rows = await session.readRows(
    `SELECT request.url, ${tag} FROM duckdb_logs_parsed('HTTP') WHERE request.type = 'HEAD' AND ${tag} IS NOT NULL`,
  )
  return new Map(
    rows.flatMap(([asked, found]) => {
      const [, host = '', path = ''] = parseUrl(decode(String(asked)))
      // A bucket is in the path, or in the name of the server.
      return [`${host}${path}`, path, `/${host.split('.')[0]}${path}`].map((key) => [key, String(found)] as const)
    }),
  )
}

function findTag(tags: ReadonlyMap<string, string>, url: string): string {
  const isOfServer = /^https?:/.test(url)
  const [, host = '', path = ''] = parseUrl(isOfServer ? decode(url) : url)
  const tag = tags.get(isOfServer ? `${host}${path}` : `${endpointPath()}/${host}${path}`)
  if (tag !== undefined) return tag
  const file = nameRemote(url)
  throw fileError(`${file}: the server gives no ETag, by which workers know that they read the same file`, { file })
}

function parseUrl(url: string): readonly string[] {
  return /^[^:]+:\/\/([^/]*)(.*)$/s.exec(url) ?? []
}

function decode(url: string): string {
  try {
    return decodeURIComponent(url)
  } catch {
    return url
  }
}

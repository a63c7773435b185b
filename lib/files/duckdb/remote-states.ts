import { detailsOf, errorAt, fileError } from '../errors.ts'
import type { FileState } from '../pair.ts'
import { nameRemote } from '../remote.ts'
import { decodeUrl } from '../secrets.ts'
import type { ExtensionOptions } from './extensions.ts'
import { type Answer, logAnswers } from './http-log.ts'
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
  try {
    const { result, answers } = await logAnswers(session, () =>
      session.readRows(`SELECT filename, size FROM read_blob(${quoteFiles(urls)})`),
    )
    const tags = listTags(answers)
    return new Map(
      result.map(([url, size]) => [String(url), { size: Number(size), version: findTag(tags, String(url)) }]),
    )
  } catch (cause) {
    const { file } = detailsOf(cause)
    throw file === undefined || String(cause).includes(`${file}: `) ? cause : errorAt(file, cause)
  }
}

/** The ETags of answers, by the server and path that the requests asked for. */
function listTags(answers: readonly Answer[]): ReadonlyMap<string, string> {
  return new Map(
    answers.flatMap(({ url, tag }) => {
      if (tag === undefined) return []
      const [, host = '', path = ''] = parseUrl(decodeUrl(url))
      // A bucket is in the path, or in the name of the server.
      return [`${host}${path}`, path, `/${host.split('.')[0]}${path}`].map((key) => [key, tag] as const)
    }),
  )
}

function findTag(tags: ReadonlyMap<string, string>, url: string): string {
  const isOfServer = /^https?:/.test(url)
  const [, host = '', path = ''] = parseUrl(isOfServer ? decodeUrl(url) : url)
  const tag = tags.get(isOfServer ? `${host}${path}` : `${endpointPath()}/${host}${path}`)
  if (tag !== undefined) return tag
  const file = nameRemote(url)
  throw fileError(`${file}: the server gives no ETag, by which workers know that they read the same file`, { file })
}

function parseUrl(url: string): readonly string[] {
  return /^[^:]+:\/\/([^/]*)(.*)$/s.exec(url) ?? []
}

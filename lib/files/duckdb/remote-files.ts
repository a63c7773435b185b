import { stat } from 'node:fs/promises'
import { codeOf, errorAt, fileError } from '../errors.ts'
import { type FileSystem, type FolderEntry, isHiddenName, LocalFiles } from '../file-system.ts'
import { nameRemote, schemeOf, spellUrl } from '../remote.ts'
import { type ExtensionOptions, loadExtension, loadIfThere } from './extensions.ts'
import { logAnswers } from './http-log.ts'
import { explainRemoteError } from './remote-errors.ts'
import type { Session } from './session.ts'
import { quoteText } from './sql.ts'

/** Seconds that a server may be silent. A request is tried three times more, after 0.1, 0.4 and 1.6 seconds. */
const timeout = 15
const retries = 3
const firstWait = 100
const backoff = 4

/**
 * Makes a session read those of some paths that are URLs: loads what reads their schemes, and credentials. A session that will
 * be locked needs it before. With `isLiteral` no URL is a pattern.
 */
export async function prepareRemote(
  session: Session,
  paths: readonly string[],
  options: ExtensionOptions,
  { isLiteral = true }: { readonly isLiteral?: boolean } = {},
): Promise<void> {
  const needed = new Set(paths.flatMap((path) => schemeOf(path)?.extension ?? []))
  if (needed.size === 0) return
  // The extension of Azure opens URLs by itself, but its settings of HTTP are those of httpfs.
  await loadExtension(session, 'httpfs', options)
  for (const name of needed) if (name !== 'httpfs') await loadExtension(session, name, options)
  await session.run(`SET enable_http_metadata_cache = true; SET s3_url_compatibility_mode = ${isLiteral};
    SET http_timeout = ${timeout}; SET http_retries = ${retries}; SET http_retry_wait_ms = ${firstWait}; SET http_retry_backoff = ${backoff}`)
  await session.run(endpointSettings())
  if (paths.some(isOfS3) && !process.env.AWS_ACCESS_KEY_ID) await findCredentials(session, options)
}

function isOfS3(path: string): boolean {
  return /^s3[an]?:/i.test(path)
}

/** Finds credentials in profiles and roles of the machine, if DuckDB keeps no secret, and its extension for them is there. */
async function findCredentials(session: Session, options: ExtensionOptions): Promise<void> {
  const secrets = await session.readTexts(`SELECT name FROM duckdb_secrets() WHERE type = 's3'`)
  if (secrets.length > 0 || !(await loadIfThere(session, 'aws', options))) return
  const server = Object.entries(readServer() ?? {}).map(([name, value]) => `, ${name} ${quoteText(value)}`)
  // Without any credentials it fails; files may be public.
  await session.run(`CREATE SECRET (TYPE s3, PROVIDER credential_chain${server.join('')})`).catch(() => {})
}

/** The server that AWS_ENDPOINT_URL names; undefined if it names none. */
function readEndpoint({ AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL } = process.env): URL | undefined {
  const given = AWS_ENDPOINT_URL_S3 || AWS_ENDPOINT_URL
  if (!given) return undefined
  const url = URL.canParse(given) ? new URL(given) : undefined
  if (url !== undefined && /^https?:$/.test(url.protocol)) return url
  throw fileError('AWS_ENDPOINT_URL must be a URL that begins with http:// or https://', { code: 'ERR_INVALID_ENV' })
}

/** The path on that server under which buckets are. */
export function endpointPath(): string {
  return readEndpoint()?.pathname.replace(/\/$/, '') ?? ''
}

/** What DuckDB must know of that server. */
function readServer(): Readonly<Record<'endpoint' | 'use_ssl' | 'url_style', string>> | undefined {
  const url = readEndpoint()
  if (url === undefined) return undefined
  return { endpoint: `${url.host}${endpointPath()}`, use_ssl: String(url.protocol === 'https:'), url_style: 'path' }
}

/** The settings for that server. The extension reads keys and the region from the environment by itself. */
function endpointSettings(): string {
  const settings = Object.entries(readServer() ?? {})
  return settings.map(([name, value]) => `SET s3_${name} = ${quoteText(value)};`).join(' ')
}

/** The files that a session finds, on the disk and by URL. The session is opened when it is needed. */
export function findWith(
  openSession: () => Promise<Session>,
  options: ExtensionOptions,
): { readonly local: LocalFiles; readonly remote: RemoteFiles } {
  const local = new LocalFiles(async (pattern) => (await openSession()).findFiles(pattern))
  return { local, remote: new RemoteFiles(openSession, options) }
}

/** The files of servers. What a server lists it is asked for once. */
export class RemoteFiles implements FileSystem {
  readonly #openSession: () => Promise<Session>
  readonly #options: ExtensionOptions
  /** by the beginning of their URLs */
  readonly #listings = new Map<string, Promise<string[]>>()
  /** by the URLs of files */
  readonly #states = new Map<string, RemoteState>()

  constructor(openSession: () => Promise<Session>, options: ExtensionOptions) {
    this.#openSession = openSession
    this.#options = options
  }

  async findKind(url: string): Promise<string | undefined> {
    if (this.isPattern(url)) return undefined
    const isListed = schemeOf(url)?.isListed === true
    const isFolder = async () =>
      isListed && (await this.#listIfAny(asFolder(url))).length > 0 ? 'a folder' : undefined
    if (isListed && /^[^:]+:\/\/[^/]*$|\/$/.test(url)) return isFolder()
    try {
      await this.findSize(url)
      return 'a file'
    } catch (cause) {
      // Who may not list gets the answer of a forbidden object also for an absent one.
      if (codeOf(cause) === 'ENOENT') return isFolder()
      if (codeOf(cause) !== 'EACCES') throw cause
      const kind = await isFolder().catch(() => undefined)
      if (kind === undefined) throw cause
      return kind
    }
  }

  isPattern(url: string): boolean {
    return schemeOf(url)?.isListed === true && wildcard.test(url)
  }

  async match(pattern: string): Promise<string[]> {
    const files = await this.#list(pattern.slice(0, pattern.search(wildcard)))
    return files.filter((file) => matchesPattern(file, pattern))
  }

  async *walk(folder: string): AsyncGenerator<FolderEntry> {
    const prefix = asFolder(folder)
    for (const file of await this.#list(prefix)) {
      yield { file, isHidden: file.slice(prefix.length).split('/').some(isHiddenName) }
    }
  }

  /**
   * The nearest folder that is of no partition, with those of partitions in it, and the folder around one that Iceberg or Paimon
   * names: a question about each takes some requests.
   */
  async listFolders(url: string): Promise<string[]> {
    if (!schemeOf(url)?.isListed) return []
    const ancestors: string[] = []
    for (let folder = parentOf(url); folder !== undefined; folder = parentOf(folder)) ancestors.push(folder)
    const own = ancestors.findIndex((folder) => !folder.slice(folder.lastIndexOf('/')).includes('='))
    const isInner = /\/(data|bucket-\d+)$/.test(ancestors[own] ?? '')
    return ancestors.slice(0, own + (isInner ? 2 : 1))
  }

  async hasMarker(folder: string, marker: string): Promise<boolean> {
    if (!schemeOf(folder)?.isListed) return false
    const path = `${folder}/${marker}`
    const [start = ''] = path.split('*')
    // Who may read a file may perhaps not list what is beside it.
    const files = await this.#list(start).catch((): string[] => [])
    return files.some((file) => (path.endsWith('/') ? file.startsWith(path) : matchesPattern(file, path)))
  }

  async identify(url: string): Promise<string> {
    return schemeOf(url)?.isListed ? url : spellUrl(url)
  }

  /**
   * The size of a file, in bytes.
   *
   * @throws {Error} ENOENT, EACCES and other codes, with `file`
   */
  async findSize(url: string): Promise<number> {
    return (await this.#findState(url)).size
  }

  /** True of a file that can only be copied: without an ETag nothing tells that two requests read it in one state. */
  async isReadOnce(url: string): Promise<boolean> {
    return !schemeOf(url)?.isListed && !(await this.#findState(url)).hasTag
  }

  /** Copies a file to this machine. */
  async copy(url: string, path: string): Promise<void> {
    const { size, modified } = await this.#findState(url)
    const session = await this.#prepare(url)
    const name = nameRemote(url)
    if (size > largestCopy) {
      const advice = 'as Parquet it would be read where it is, if its server sends ETags'
      throw fileError(`${name}: ${size} bytes, at most ${largestCopy} are copied to this machine; ${advice}`, {
        file: name,
      })
    }
    const copy = `COPY (SELECT content FROM read_blob(${quoteText(url)})) TO ${quoteText(path)} (FORMAT blob, COMPRESSION none)`
    const { answers } = await logAnswers(session, () => at(url, () => session.run(copy)))
    const { size: copied } = await stat(path)
    if (copied !== size) throw truncatedError(url, copied, size)
    const whole = answers.find(({ total }) => total !== undefined && total !== size)?.total
    // A file that grew meanwhile also has another size than was announced.
    if (!schemeOf(url)?.isListed) await assertUnchanged(session, url, { size, modified })
    if (whole !== undefined) throw truncatedError(url, copied, whole)
  }

  /** What the server first says of a file. Later requests for it are answered from this by DuckDB. */
  async #findState(url: string): Promise<RemoteState> {
    const known = this.#states.get(url)
    if (known !== undefined) return known
    const session = await this.#prepare(url)
    const state = await at(url, () => readState(session, url))
    this.#states.set(url, state)
    return state
  }

  /** All files whose URLs begin with a text, in the order of their URLs. */
  #list(prefix: string): Promise<string[]> {
    const [, known] = [...this.#listings].find(([listed]) => prefix.startsWith(listed)) ?? []
    if (known !== undefined) return known.then((files) => files.filter((file) => file.startsWith(prefix)))
    const listing = this.#query(prefix)
    this.#listings.set(prefix, listing)
    return listing
  }

  /** The same; none where there is no such bucket. */
  async #listIfAny(prefix: string): Promise<string[]> {
    return this.#list(prefix).catch((cause) => {
      if (codeOf(cause) !== 'ENOENT') throw cause
      return []
    })
  }

  async #query(prefix: string): Promise<string[]> {
    const session = await this.#prepare(prefix)
    const globs = prefix.endsWith('/') ? [`${prefix}**`] : [`${prefix}*`, `${prefix}*/**`]
    await session.run('SET s3_url_compatibility_mode = false')
    try {
      const sql = `SELECT file FROM glob([${globs.map(quoteText).join(', ')}]) WHERE NOT ends_with(file, '/') ORDER BY encode(file)`
      const found = await at(prefix, () => session.readTexts(sql)).catch((cause) => {
        if (codeOf(cause) !== 'ENOENT') throw cause
        throw fileError(`${prefix}: no such bucket`, { code: 'ENOENT', file: prefix }, cause)
      })
      assertDistinct(found)
      return found.map((file) => assertLiteral(file))
    } finally {
      await session.run('SET s3_url_compatibility_mode = true')
    }
  }

  async #prepare(url: string): Promise<Session> {
    const session = await this.#openSession()
    const { extension = '' } = schemeOf(url) ?? {}
    if (!this.#prepared.has(extension)) await prepareRemote(session, [url], this.#options)
    this.#prepared.add(extension)
    return session
  }

  readonly #prepared = new Set<string>()
}

const wildcard = /[*?[]/

/** Runs `work`; an error gets the URL. */
async function at<T>(url: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw errorAt(nameRemote(url), cause)
  }
}

/** What a server says of a file. */
interface RemoteState {
  readonly size: number
  /** empty text if the server does not say it */
  readonly modified: string
  /** DuckDB compares the ETag in each answer */
  readonly hasTag: boolean
}

/**
 * Asks a web server again about a file.
 *
 * @throws {Error} ERR_FILE_CHANGED, with `file`
 */
async function assertUnchanged(session: Session, url: string, seen: Omit<RemoteState, 'hasTag'>): Promise<void> {
  await session.run('SET enable_http_metadata_cache = false')
  const { size, modified } = await at(url, () => readState(session, url))
  await session.run('SET enable_http_metadata_cache = true')
  if (size === seen.size && modified === seen.modified) return
  const file = nameRemote(url)
  throw fileError(`${file}: the file changed while it was read`, { code: 'ERR_FILE_CHANGED', file })
}

/** What the server says of a file. */
export async function readState(session: Session, url: string): Promise<RemoteState> {
  const sql = `SELECT size, coalesce(last_modified::VARCHAR, '') FROM read_blob(${quoteText(url)})`
  const { result, answers } = await logAnswers(session, () => session.readRows(sql).catch((cause: Error) => cause))
  if (result instanceof Error) throw explainRefusal(result, answers.at(-1)?.status)
  const [[size, modified] = []] = result
  return { size: Number(size), modified: String(modified), hasTag: answers.some(({ tag }) => tag !== undefined) }
}

/** The error with the status of a server's refusal, which DuckDB does not say of a web server. */
function explainRefusal(cause: Error, status = 0): unknown {
  if (!cause.message.includes('HTTP 0 ')) return cause
  return explainRemoteError(new Error(cause.message.replace('HTTP 0 ', `HTTP ${status} `), { cause }))
}

/** The most bytes of a value of DuckDB, in which a file is copied. */
const largestCopy = 2 ** 32 - 1

function asFolder(url: string): string {
  return url.endsWith('/') ? url : `${url}/`
}

/** The folder around a file or folder; undefined of a bucket. */
function parentOf(url: string): string | undefined {
  const [, parent] = /^([^:]+:\/\/.+?)\/+[^/]+$/s.exec(url) ?? []
  return parent
}

/** Refuses a list in which two objects have one name: DuckDB decodes names that some servers do not encode. */
function assertDistinct(sorted: readonly string[]): void {
  const file = sorted.find((each, index) => each === sorted[index + 1])
  if (file === undefined) return
  const reason = 'the server lists two objects of this name, as it does not encode %, + or & in names; name the objects'
  throw fileError(`${file}: ${reason}`, { file })
}

/** Refuses names that DuckDB would take for patterns. */
function assertLiteral(file: string): string {
  if (schemeOf(file)?.isLiteral || !wildcard.test(file)) return file
  throw fileError(`${file}: a name with *, ? or [ cannot be read; rename it`, { file })
}

function truncatedError(url: string, got: number, expected: number): Error {
  const name = nameRemote(url)
  return fileError(`${name}: cut off: ${got} bytes came, not ${expected}`, { code: 'ERR_TRUNCATED', file: name })
}

/** True if a URL matches a pattern, in which ** stands for any folders. */
export function matchesPattern(file: string, pattern: string): boolean {
  const matches = (names: readonly string[], [part, ...parts]: readonly string[]): boolean => {
    if (part === undefined) return names.length === 0
    if (part === '**') {
      return parts.length === 0 ? names.length > 0 : names.some((_, index) => matches(names.slice(index), parts))
    }
    const [name, ...others] = names
    return name !== undefined && toRegExp(part).test(name) && matches(others, parts)
  }
  return matches(file.split('/'), pattern.split('/'))
}

/** The names that a part of a pattern stands for. */
function toRegExp(part: string): RegExp {
  const source = part.replace(/\[(!?)([^\]]+)\]|[\s\S]/g, (text, isNegated?: string, set?: string) => {
    if (set !== undefined) return `[${isNegated ? '^' : ''}${set.replace(/[\\^[\]]/g, '\\$&')}]`
    return text === '*' ? '.*' : text === '?' ? '.' : text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
  })
  return new RegExp(`^${source}$`, 'su')
}

import { message, optionError } from './errors.ts'

/** How DuckDB reads the files of a scheme. */
interface Scheme {
  /** the extension of DuckDB that reads them */
  readonly extension: 'httpfs' | 'azure'
  /** true if the server lists what is under a prefix, so that there are patterns and folders */
  readonly isListed: boolean
  /** true if DuckDB can take a URL as it is, with characters of patterns in it */
  readonly isLiteral: boolean
  /** true if DuckDB writes files there too */
  readonly isWritten?: boolean
  /** the scheme that means the same, under which a file has one URL */
  readonly alias?: string
}

const objectStore = { extension: 'httpfs', isListed: true, isLiteral: true, isWritten: true } as const
const webServer = { extension: 'httpfs', isListed: false, isLiteral: true } as const
const azure = { extension: 'azure', isListed: true, isLiteral: false, isWritten: true } as const

const schemes: Readonly<Record<string, Scheme>> = {
  s3: objectStore,
  s3a: { ...objectStore, alias: 's3' },
  s3n: { ...objectStore, alias: 's3' },
  gs: objectStore,
  gcs: { ...objectStore, alias: 'gs' },
  r2: objectStore,
  az: azure,
  azure: { ...azure, alias: 'az' },
  abfss: azure,
  hf: { ...objectStore, isLiteral: false, isWritten: false },
  http: webServer,
  https: webServer,
}

/** The schemes to which files are written, for messages. */
export const writtenSchemes = 's3://, gs://, r2://, az://'

/** The schemes of remote files, for messages. */
export const remoteSchemes = 's3://, gs://, r2://, az://, hf://, https://'

/** The scheme of a URL whose files DuckDB reads; undefined of any other text. */
export function schemeOf(path: string): Scheme | undefined {
  const [, name = ''] = /^([a-z][a-z0-9+.-]+):\/\//i.exec(path) ?? []
  return Object.hasOwn(schemes, name.toLowerCase()) ? schemes[name.toLowerCase()] : undefined
}

/** True of the URL of a remote file, a pattern of such or a prefix. */
export function isRemote(path: string): boolean {
  return schemeOf(path) !== undefined
}

/** The URL without what may be secret: the query of a presigned URL. */
export function nameRemote(url: string): string {
  return isQueried(url) ? url.replace(/[?#].*$/s, '') : url
}

/** One spelling of the URL of a web server: `HTTP://Host:80/%61` is `http://host/a`. */
export function spellUrl(url: string): string {
  try {
    const parsed = new URL(url)
    const names = parsed.pathname.split('/').map((name) => encodeURIComponent(decodeURIComponent(name)))
    return `${parsed.origin}${names.join('/')}${parsed.search}`
  } catch {
    return url
  }
}

/** True if a ? begins the query of a URL; of object stores it is the character of a pattern. */
function isQueried(url: string): boolean {
  return /^https?:/i.test(url)
}

/** What a URL may not have, with what to do instead. No message has the URL: it may have a password. */
const faults: readonly (readonly [pattern: RegExp, advice: string])[] = [
  [/^[^:]+:\/\/($|\/)/, 'a URL without a bucket or host'],
  [
    /^https?:\/\/[^/]*@|^[^:]+:\/\/[^/]*:[^/]*@/i,
    'a URL with a user or password: give credentials as docs/files.md says',
  ],
  [/^(?!https?:)[^?]*\?[\w-]+=/i, 'a URL with a query: give credentials and settings as docs/files.md says'],
  [
    /^[^?]*(\/|\\|%2f|%5c)(\.|%2e){1,2}(\/|\\|%2f|%5c|\?|$)/i,
    'a URL with . or .. in its path: give the path that it leads to',
  ],
  [/^(?!https?:)[^/]*\/\/[^/]*[*?[]/i, 'a URL with a pattern in the name of the bucket: name it in full'],
  [/^https?:[^?]*#/i, 'a URL with #: leave out what follows it'],
]

/**
 * Reads the URL of a remote file: its scheme becomes the one that files have one URL by, in lower case.
 *
 * @throws {RangeError} ERR_INVALID_ARG_VALUE, with `option`: a URL that may lead elsewhere, or has a password
 */
export function readRemote(url: string, option: string): string {
  const fault = faults.find(([pattern]) => pattern.test(url))
  if (fault !== undefined) throw optionError(option, message`${{ name: option }}: ${fault[1]}`)
  return url.replace(/^[^:]+/, (scheme) => schemeOf(url)?.alias ?? scheme.toLowerCase())
}

import { type ErrorDetails, fileError } from '../errors.ts'
import { isRemote, nameRemote } from '../remote.ts'
import { decodeUrl, hideSecrets } from '../secrets.ts'

/** What DuckDB says of a request that failed, with the code and the text of our error. */
interface Reason {
  readonly pattern: RegExp
  readonly code: string
  readonly text: (found: RegExpExecArray) => string
}

const noRights =
  'access denied (HTTP STATUS): the credentials are absent or wrong, or have no right to it; docs/files.md says where they are looked for'

const reasons: readonly Reason[] = [
  {
    pattern: /ETag on reading file|changed while it was read/,
    code: 'ERR_FILE_CHANGED',
    text: () => 'the file changed while it was read',
  },
  {
    pattern: /partial file|Short read|size reported by HEAD|Content-Length from server mismatches/,
    code: 'ERR_TRUNCATED',
    text: () => 'cut off: fewer bytes came than the server had announced, or the server reads no ranges of a file',
  },
  { pattern: /HTTP (?:code )?404/, code: 'ENOENT', text: () => 'no such file' },
  {
    pattern: /HTTP (?:code )?(401|403)/,
    code: 'EACCES',
    text: ([, status = '']) => noRights.replace('STATUS', status),
  },
  {
    pattern: /HTTP (?:code )?(301|307|400)/,
    code: 'ERR_HTTP',
    text: ([, status]) => `the server answered HTTP ${status}: the region may be another one, which AWS_REGION names`,
  },
  {
    pattern: /HTTP (?:code )?([1-9]\d\d)/,
    code: 'ERR_HTTP',
    text: ([, status]) => `the server answered HTTP ${status}, also when asked again`,
  },
  {
    pattern: /Timeout was reached/,
    code: 'ETIMEDOUT',
    text: () => 'the server did not answer in time, also when asked again',
  },
  { pattern: /(?:resolve host\S*)/, code: 'ENOTFOUND', text: () => 'there is no server of that name' },
  { pattern: /Could not connect/, code: 'ECONNREFUSED', text: () => 'the server cannot be reached' },
  {
    pattern: /Error: (.*) error for HTTP [A-Z]+ to '/,
    code: 'ECONNRESET',
    text: ([, reason]) => `the connection failed, also when tried again: ${reason}`,
  },
]

/** The codes of the errors of requests. */
export const requestCodes: ReadonlySet<string> = new Set(reasons.map(({ code }) => code))

/**
 * The error of a query in words, if a request to a server failed, with the URL as `file`. The message of any error loses
 * what may be secret.
 */
export function explainRemoteError(cause: unknown): unknown {
  if (!(cause instanceof Error)) return cause
  const [line = ''] = hideSecrets(cause.message).split('\n')
  const isRequest = /HTTP|partial file/.test(line)
  // What follows the line may name a key. The stack has the message too.
  cause.message = isRequest ? line : hideSecrets(cause.message)
  cause.stack = `${cause.name}: ${cause.message}`
  if (!isRequest) return cause
  for (const { pattern, code, text } of reasons) {
    const found = pattern.exec(line)
    if (found === null) continue
    const url = findUrl(line)
    const details: ErrorDetails = { code, ...(url !== undefined && { file: url }) }
    return fileError(text(found), details, cause)
  }
  return cause
}

/** The URL in quotes. Of a server for S3 it is the one that a user writes. */
function findUrl(text: string): string | undefined {
  const [, url] = /['"]([a-z][a-z0-9+.-]+:\/\/[^'"]+)['"]/i.exec(text) ?? []
  if (url === undefined || !isRemote(url)) return undefined
  const endpoint = process.env.AWS_ENDPOINT_URL_S3 || process.env.AWS_ENDPOINT_URL
  const server = endpoint?.replace(/\/*$/, '/')
  if (server === undefined || !url.startsWith(server)) return nameRemote(url)
  return `s3://${decodeUrl(url.slice(server.length))}`
}

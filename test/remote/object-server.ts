import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

/** A request as the server got it, and what it sent. */
export interface Request {
  readonly method: string
  readonly path: string
  readonly range: string
  /** bytes of the body of the answer */
  bytes: number
  readonly headers: IncomingMessage['headers']
}

/** The part of a file that a request asks for. */
interface Part {
  readonly file: string
  readonly start: number
  readonly end: number
}

/** Answers a request, for a part of a file or for a list, in place of the server; false leaves the answer to the server, which has the headers set so far. */
export type Fault = (response: ServerResponse, request: Request, part: Part | undefined, attempt: number) => boolean

/**
 * A server of the folders in a folder as buckets, without a check of credentials. What it does wrong is chosen by the first name of
 * a path: a name of `faults`. It then serves the bucket `pairs`.
 */
export class ObjectServer {
  readonly requests: Request[] = []
  readonly #server = createServer((request, response) => this.#answer(request, response))
  readonly #folder: string
  readonly #faults: Readonly<Record<string, Fault>>
  readonly #attempts = new Map<string, number>()

  private constructor(folder: string, faults: Readonly<Record<string, Fault>>) {
    this.#folder = folder
    this.#faults = faults
  }

  static async start(folder: string, faults: Readonly<Record<string, Fault>> = {}): Promise<ObjectServer> {
    const server = new ObjectServer(folder, faults)
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve))
    return server
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Forgets what it was asked. */
  reset(): void {
    this.requests.length = 0
    this.#attempts.clear()
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  #answer({ method = '', url = '', headers }: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(url, 'http://server')
    const path = decodeURIComponent(pathname)
    const request: Request = { method, path: url, range: headers.range ?? '', bytes: 0, headers }
    this.requests.push(request)
    const attempt = (this.#attempts.get(path) ?? 0) + 1
    this.#attempts.set(path, attempt)
    const [, bucket = '', ...names] = path.split('/')
    const fault = this.#faults[bucket]
    const root = join(this.#folder, fault === undefined ? bucket : 'pairs')
    const file = join(root, ...names)
    if (searchParams.has('list-type')) {
      if (fault?.(response, request, undefined, attempt)) return
      const body = listObjects(root, bucket, searchParams)
      request.bytes = body.length
      response.end(body)
      return
    }
    const exists = existsSync(file) && statSync(file).isFile()
    const size = exists ? statSync(file).size : 0
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.range) ?? []
    const start = Number(first ?? 0)
    const end = Math.min(Number(last ?? size - 1), size - 1)
    response.setHeader('ETag', `"${size}"`)
    response.setHeader('Last-Modified', 'Sat, 01 Jan 2022 00:00:00 GMT')
    if (fault?.(response, request, { file, start, end }, attempt)) return
    if (!exists) {
      response.writeHead(404).end()
      return
    }
    response.setHeader('Accept-Ranges', 'bytes')
    response.setHeader('Content-Length', end - start + 1)
    if (first !== undefined) response.writeHead(206, { 'Content-Range': `bytes ${start}-${end}/${size}` })
    if (method === 'HEAD' || size === 0) {
      response.end()
      return
    }
    request.bytes = end - start + 1
    createReadStream(file, { start, end, highWaterMark: 2 ** 20 }).pipe(response)
  }
}

/** The answer to ListObjectsV2. */
function listObjects(root: string, bucket: string, parameters: URLSearchParams): string {
  const prefix = parameters.get('prefix') ?? ''
  const after = parameters.get('continuation-token') ?? ''
  const all = existsSync(root) ? readdirSync(root, { recursive: true, encoding: 'utf8' }) : []
  const keys = all
    .filter((key) => key.startsWith(prefix) && key > after && statSync(join(root, key)).isFile())
    .sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
  const page = keys.slice(0, 1000)
  const next = keys.length > page.length ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : ''
  const contents = page.map((key) => {
    const { size } = statSync(join(root, key))
    return `<Contents><Key>${encodeURIComponent(key).replaceAll('%2F', '/')}</Key><LastModified>2022-01-01T00:00:00.000Z</LastModified><ETag>&quot;${size}&quot;</ETag><Size>${size}</Size></Contents>`
  })
  return `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>${bucket}</Name><IsTruncated>${next !== ''}</IsTruncated>${contents.join('')}${next}</ListBucketResult>`
}

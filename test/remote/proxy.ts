import { request as ask, createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** A request that went through the proxy. */
export interface Passed {
  readonly method: string
  /** decoded, without the query */
  readonly path: string
  readonly query: string
  readonly range: string
  readonly authorization: string
  status: number
  /** bytes of the body of the answer */
  bytes: number
}

/** What happens to a request: it waits, it is refused, or no answer ever comes. */
type Fault = { readonly wait?: number; readonly status?: number; readonly hangs?: boolean }

/** A server between DuckDB and a store, which counts requests and bytes, and makes faults. */
export class FaultProxy {
  readonly passed: Passed[] = []
  fault: (request: Passed) => Fault | undefined | Promise<Fault | undefined> = () => undefined
  readonly #target: URL
  readonly #server = createServer((request, response) => void this.#answer(request, response))

  private constructor(target: string) {
    this.#target = new URL(target)
  }

  static async start(target: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(target)
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Forgets requests and faults. */
  reset(): void {
    this.passed.length = 0
    this.fault = () => undefined
  }

  stop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request
    const { pathname, search } = new URL(url, 'http://proxy')
    const { range = '', authorization = '' } = headers
    const passed = {
      method,
      path: decodeURIComponent(pathname),
      query: search,
      range,
      authorization,
      status: 0,
      bytes: 0,
    }
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    this.passed.push(passed)
    const { wait = 0, status, hangs = false } = (await this.fault(passed)) ?? {}
    if (hangs) return
    await sleep(wait)
    if (status !== undefined) {
      passed.status = status
      response.writeHead(status).end()
      return
    }
    const { hostname, port } = this.#target
    const { expect: _, ...kept } = headers
    const asked = ask({ hostname, port, path: url, method, headers: kept }, (answer) => {
      passed.status = answer.statusCode ?? 0
      response.writeHead(passed.status, answer.headers)
      answer.on('data', (chunk: Buffer) => {
        passed.bytes += chunk.length
      })
      answer.pipe(response)
    })
    asked.on('error', () => response.destroy())
    asked.end(Buffer.concat(chunks))
  }
}

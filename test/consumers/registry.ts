import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { manifest } from '../support/application.ts'

/** A registry that has this package as if it were published, and sends clients to another registry for all others. */
export class Registry {
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(upstream: string, tarball: string): Promise<Registry> {
    const bytes = readFileSync(tarball)
    const { name, version } = manifest
    const hash = (algorithm: string, encoding: 'hex' | 'base64') => createHash(algorithm).update(bytes).digest(encoding)
    const server = createServer(({ url = '/' }, response) => {
      if (url === `/${name}`) {
        const dist = {
          tarball: `${registry.url}${name}/-/${name}-${version}.tgz`,
          integrity: `sha512-${hash('sha512', 'base64')}`,
          shasum: hash('sha1', 'hex'),
        }
        const versions = { [version]: { ...manifest, _id: `${name}@${version}`, dist } }
        const times = { created: '2026-01-01T00:00:00.000Z', [version]: '2026-01-01T00:00:00.000Z' }
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ _id: name, name, 'dist-tags': { latest: version }, versions, time: times }))
      } else if (url.startsWith(`/${name}/-/`)) {
        response.end(bytes)
      } else {
        response.writeHead(307, { location: new URL(url.slice(1), upstream).href }).end()
      }
    })
    const registry = new Registry(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return registry
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

import { type ChildProcess, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect } from 'chai'
import { readText } from '../support/application.ts'
import { node, nodePath, root, run, succeeds } from '../support/processes.ts'

const binary = 'application/octet-stream'

/** What of Fastify is used here. */
interface App {
  addHook(name: 'preHandler', hook: (request: { headers: Record<string, string> }) => Promise<void>): void
  addHook(name: 'onError', hook: (request: unknown, reply: unknown, error: Error) => Promise<void>): void
  listen(options: { port: number }): Promise<string>
  close(): Promise<void>
}

describe('examples with packages of their own', function () {
  this.timeout(600_000)

  /** Stands for a clone that was built: what the examples' file:../.. is. */
  const clone = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
  for (const name of ['package.json', 'dist']) symlinkSync(join(root, name), join(clone, name))
  after(() => rmSync(clone, { recursive: true }))

  async function install(name: string): Promise<string> {
    const folder = join(clone, 'examples', name)
    cpSync(join(root, 'examples', name), folder, {
      recursive: true,
      filter: (path) => !path.startsWith(join(root, 'examples', name, 'node_modules')),
    })
    await succeeds(run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder }))
    return folder
  }

  describe('onnxruntime', () => {
    const [pairs, features, dimensions] = [1000, 32, 16]
    const wave = (seed: number, length: number) => Array.from({ length }, (_, i) => Math.fround(Math.sin(seed * i * i)))
    const weights = wave(7, features * dimensions)

    /** The embeddings of all items, as the model computes them. */
    function embed(seed: number): number[][] {
      const values = wave(seed, pairs * features)
      return Array.from({ length: pairs }, (_, item) => {
        const mapped = Array.from({ length: dimensions }, (_, d) =>
          weights.reduce((sum, weight, at) => {
            const isOfColumn = at % dimensions === d
            return isOfColumn ? sum + weight * (values[item * features + Math.floor(at / dimensions)] as number) : sum
          }, 0),
        )
        const norm = Math.hypot(...mapped)
        return mapped.map((value) => value / norm)
      })
    }

    it('onnxruntime: scores the embeddings of a model, without a copy, as plain JavaScript does', async () => {
      const output = await succeeds(node(['score.mjs'], { cwd: await install('onnxruntime') }))
      const [left, right] = [embed(1), embed(2)]
      const sums = { Euclidean: 0, cosine: 0 }
      for (const [pair, l] of left.entries()) {
        const r = right[pair] as number[]
        const distances = {
          Euclidean: Math.hypot(...l.map((value, d) => value - (r[d] as number))),
          cosine: 1 - l.reduce((sum, value, d) => sum + value * (r[d] as number), 0),
        }
        for (const name of ['Euclidean', 'cosine'] as const) {
          sums[name] += pair % 2 === 0 ? distances[name] : Math.max(0, 1 - distances[name])
        }
      }
      for (const [name, sum] of Object.entries(sums)) {
        const [, mean] = new RegExp(`^mean loss, ${name} distance: (\\S+)$`, 'm').exec(output) ?? []
        expect(Number(mean), name).to.be.closeTo(sum / pairs, 1e-5)
      }
      expect(output).to.match(/: true\n$/)
    })
  })

  describe('fastify', () => {
    let folder: string
    before(async () => {
      folder = await install('fastify')
    })

    const post = (
      address: string,
      body: NonNullable<RequestInit['body']>,
      type = 'application/json',
      signal?: AbortSignal,
    ) => fetch(`${address}/loss`, { method: 'POST', headers: { 'content-type': type }, body, signal: signal ?? null })

    const answer = async (response: Promise<Response>) => {
      const { status } = await response
      const { loss, code } = (await (await response).json()) as { loss?: number; code?: string }
      return { status, loss, code }
    }

    /** `distances` and labels as bytes. */
    function bytes(distances: Float32Array, label: number): Uint8Array<ArrayBuffer> {
      const body = new Uint8Array(5 * distances.length).fill(label, 4 * distances.length)
      body.set(new Uint8Array(distances.buffer))
      return body
    }

    describe('as a server', () => {
      let server: ChildProcess
      let address: string
      before(async () => {
        server = spawn(nodePath, ['server.mjs'], { cwd: folder, env: { ...process.env, PORT: '0' } })
        const [line] = await once(server.stdout as EventEmitter, 'data')
        address = String(line).trim()
      })
      after(() => server.kill())

      const score = (body: object) => answer(post(address, JSON.stringify(body)))

      it('a server answers with the loss', async () => {
        const good = { status: 200, loss: 0.25, code: undefined }
        const [, body = ''] =
          /curl --json '(.*)' http:\/\/localhost:3000\/loss/.exec(readText('examples/README.md')) ?? []
        expect(await answer(post(address, body))).to.deep.equal(good)
        expect(await answer(post(address, bytes(new Float32Array([0.125, 0.375]), 1), binary))).to.deep.equal(good)
      })

      const bad = [
        ['ERR_INVALID_LABEL', { distance: [1, 2], label: [1, 0] }],
        ['ERR_SHAPE_MISMATCH', { distance: [1, 2], label: [1] }],
        ['ERR_INVALID_ARG_TYPE', { distance: 'far', label: [1] }],
        ['ERR_INVALID_ARG_TYPE', {}],
      ] as const
      for (const [code, body] of bad) {
        it(`a server answers ${JSON.stringify(body)} with 400 and ${code}`, async () => {
          expect(await score(body)).to.deep.equal({ status: 400, loss: undefined, code })
        })
      }
    })

    describe('while a large request is under way', () => {
      const large = bytes(new Float32Array(40_000_000).fill(0.5), 1)
      const events = new EventEmitter()
      let app: App
      let address: string
      before(async () => {
        app = ((await import(pathToFileURL(join(folder, 'app.mjs')).href)) as { app: App }).app
        app.addHook(
          'preHandler',
          async ({ headers }) => void (headers['content-type'] === binary && events.emit('begun')),
        )
        app.addHook('onError', async (_request, _reply, error) => void events.emit('failed', error))
        address = await app.listen({ port: 0 })
      })
      after(() => app.close())

      it('a server answers a small request during a large one', async () => {
        const order: string[] = []
        const largeAnswer = answer(post(address, large, binary)).finally(() => order.push('large'))
        await once(events, 'begun')
        const small = await answer(post(address, '{ "distance": [0.25], "label": [1] }')).finally(() =>
          order.push('small'),
        )
        expect(small.loss).to.equal(0.25)
        expect((await largeAnswer).loss).to.equal(0.5)
        expect(order).to.deep.equal(['small', 'large'])
      })

      it('a large request stops when its client goes away', async () => {
        const client = new AbortController()
        const gone = post(address, large, binary, client.signal).catch(({ name }) => name)
        await once(events, 'begun')
        client.abort()
        expect(await gone).to.equal('AbortError')
        const [error] = await once(events, 'failed')
        expect(error).to.include({ name: 'AbortError' })
      })
    })
  })
})

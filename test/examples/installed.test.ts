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
    const embeddings = (seed: number) => Float32Array.from({ length: 16_000 }, (_, i) => Math.sin(seed * i * i))

    it('onnxruntime: scores the output of a model, without a copy, as plain JavaScript does', async () => {
      const output = await succeeds(node(['score.mjs'], { cwd: await install('onnxruntime') }))
      const [left, right] = [embeddings(1), embeddings(2)]
      const squares = left.map((value, i) => (value - (right[i] as number)) ** 2)
      let sum = 0
      for (let pair = 0; pair < 1000; pair++) {
        const distance = Math.sqrt(squares.subarray(16 * pair, 16 * (pair + 1)).reduce((a, b) => a + b))
        sum += pair % 2 === 0 ? distance : Math.max(0, 4 - distance)
      }
      const [, loss, isShared] = output.match(/^mean loss of 1000 pairs: (\S+)\n.*: (\S+)\n$/) ?? []
      expect(Number(loss)).to.be.closeTo(sum / 1000, 1e-6)
      expect(isShared).to.equal('true')
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

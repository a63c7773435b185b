import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { makeApplication } from './support/application.ts'
import { node, type Outcome, succeeds } from './support/processes.ts'
import { isWindows } from './support/system.ts'

/** How many times more often everything runs than in `npm test`; `npm run test:soak` sets it. */
const times = Number(process.env.SOAK_TIMES ?? 1)

/** The beginning of all scripts and of the workers in them. A step is a pause of up to 8 ms. */
const prelude = `
  const { Worker, parentPort } = require('node:worker_threads')
  const { setTimeout: sleep } = require('node:timers/promises')
  const { HingeEmbeddingLoss, LossAccumulator, hingeEmbeddingLoss, setNumThreads } = require('hinge-embedding-loss')
  const mean = new HingeEmbeddingLoss()
  const none = new HingeEmbeddingLoss({ reduction: 'none' })
  const size = 2 ** 22
  const step = () => sleep(Math.random() * 8)
  const memory = () => new ArrayBuffer(4 * size, { maxByteLength: 4 * size })
  // A change of memory either comes too late, or makes the call reject.
  const settle = (promise, isExpected) => promise.catch((error) => {
    if (!isExpected(error)) throw error
  })
  // Node aborts if a worker thread ends while it loads an ES module by require.
  const loaded = (worker) => new Promise((resolve) => worker.once('message', () => resolve(worker)))
  const isMemoryError = ({ code }) => code === 'ERR_SHAPE_MISMATCH'
  setNumThreads(3);
`
/** Endless calls. */
const endless = {
  synchronous: `for (const x = new Float32Array(size);;) { mean(x, 1); none(x, 1); new LossAccumulator().update(x, 1) }`,
  refused: 'for (const x = new Float32Array(size);;) try { mean(x, 0) } catch {}',
  asynchronous: `
    for (const call of [
      () => mean.forwardAsync(new Float32Array(size), 1),
      () => none.forwardAsync(new Float32Array(size), 1),
      () => new LossAccumulator().updateAsync(new Float32Array(size), 1),
    ]) {
      const again = () => call().then(again)
      again()
    }`,
}
const workerOf = (code: string) =>
  `new Worker(${JSON.stringify(`${prelude}; parentPort.postMessage('loaded'); ${code}`)}, { eval: true })`

describe('lifetimes', () => {
  let application: string

  before(async () => {
    application = await makeApplication()
  })
  after(() => rmSync(application, { recursive: true }))

  /** Node 22.12 warns of require() of an ES module. */
  const env = { NODE_NO_WARNINGS: '1' }
  const script = (code: string, ...flags: string[]) => {
    return node([...flags, '--eval', prelude + code], { cwd: application, env })
  }
  const inAsync = (code: string) => `;(async () => { ${code} })()`

  /** Runs so many processes, two at a time. */
  async function outcomes(count: number, start: () => Promise<Outcome>): Promise<Outcome[]> {
    const all: Outcome[] = []
    while (all.length < count) all.push(...(await Promise.all([start(), start()])))
    return all
  }

  describe('a process whose worker threads are terminated in the middle', () => {
    for (const [kind, code] of Object.entries(endless)) {
      it(`a process goes on after it terminates worker threads during ${kind} calls`, async () => {
        const output = await succeeds(
          script(
            inAsync(`
              for (let i = 0; i < ${3 * times}; i++) {
                const workers = [1, 2].map(() => loaded(${workerOf(code)}))
                await Promise.all(workers.map(async (starting) => {
                  const worker = await starting
                  await step()
                  await worker.terminate()
                }))
              }
              console.log(mean(new Float32Array(size), 1))`),
          ),
        )
        expect(output).to.equal('0\n')
      })
    }

    it('a process goes on after the only worker thread that had loaded the addon', async () => {
      const output = await succeeds(
        node(
          [
            '--eval',
            inAsync(`
              const { Worker } = require('node:worker_threads')
              for (let i = 0; i < ${2 * times}; i++) {
                const worker = ${workerOf('mean(new Float32Array(size), 1)')}
                console.log(await new Promise((resolve) => worker.on('exit', resolve)))
              }`),
          ],
          { cwd: application },
        ),
      )
      expect(output).to.equal('0\n'.repeat(2 * times))
    })
  })

  describe('memory', () => {
    it('memory that another thread writes to during calls gives numbers or errors of ours', async () => {
      const output = await succeeds(
        script(
          inAsync(`
            const { CosineDistance, PairwiseDistance, Tensor } = require('hinge-embedding-loss')
            const [pairs, width] = [2000, 8]
            const shared = (length) => new Float64Array(new SharedArrayBuffer(8 * length)).fill(1)
            const [values, weight] = [shared(pairs * width), shared(pairs)]
            const writer = new Worker(\`
              const { workerData: all } = require('node:worker_threads')
              const odd = [NaN, Infinity, 0, 1e308, 5e-324, -Infinity, 1, 1]
              for (let i = 0; ; i++) for (const each of all) each[Math.floor(Math.random() * each.length)] = odd[i % odd.length]
            \`, { eval: true, workerData: [values, weight] })
            const [left, row] = [new Tensor(values, [pairs, width]), shared(width)]
            const calls = [
              new PairwiseDistance({ p: 3, epsilon: 0 }),
              new PairwiseDistance({ p: 1e301, epsilon: 0 }),
              new CosineDistance(),
            ].flatMap((distance) => [
              () => distance(left, row),
              () => distance.backward(left, row),
              () => mean.valueAndGradPairs(left, row, -1, { distance }),
              () => new LossAccumulator().updatePairs(left, row, 1, { distance, weight }),
            ])
            for (const end = Date.now() + ${2000 * times}; Date.now() < end;) {
              for (const call of calls) {
                try {
                  call()
                } catch (error) {
                  if (error.code !== 'ERR_INVALID_WEIGHT' || !(error.index < pairs)) throw error
                }
              }
            }
            await writer.terminate()
            console.log('done')`),
        ),
      )
      expect(output).to.equal('done\n')
    })

    const changes = {
      'is transferred': 'structuredClone(buffer, { transfer: [buffer] })',
      'is transferred to a worker': 'writer.postMessage(buffer, [buffer])',
      'is detached': 'new MessageChannel().port1.postMessage(null, [buffer])',
      'is shrunk': 'buffer.resize(Math.floor(Math.random() * size) * 4)',
    }
    for (const [title, change] of Object.entries(changes)) {
      it(`memory that ${title} at random times gives an error, or the result of what it had`, async () => {
        const calls = [
          'mean.forwardAsync(new Float32Array(buffer), 1)',
          'none.forwardAsync(new Float32Array(size), new Int32Array(buffer).fill(1))',
          'none.forwardAsync(new Float32Array(size), 1, { out: new Float32Array(buffer) })',
          'new LossAccumulator().updateAsync(new Float32Array(buffer), 1)',
        ]
        const output = await succeeds(
          script(
            inAsync(`
              const writer = new Worker('require("node:worker_threads").parentPort.on("message", (buffer) => new Uint8Array(buffer).fill(1))', { eval: true })
              for (let i = 0; i < ${3 * times}; i++) {
                for (const call of [${calls.map((call) => `(buffer) => ${call}`)}]) {
                  const buffer = memory()
                  const settled = settle(call(buffer), isMemoryError)
                  await step()
                  ${change}
                  await settled
                }
              }
              await writer.terminate()
              console.log('done')`),
          ),
        )
        expect(output).to.equal('done\n')
      })
    }
  })

  it('aborts at random times leave accumulators as they were', async () => {
    const output = await succeeds(
      script(
        inAsync(`
          const input = new Float32Array(size).fill(0.1)
          const expected = new LossAccumulator()
          const total = new LossAccumulator()
          for (let i = 0; i < ${20 * times}; i++) {
            const controller = new AbortController()
            const { signal } = controller
            let isDone = false
            const settled = settle(total.updateAsync(input, 1, { signal }).then(() => { isDone = true }), (error) => error === signal.reason)
            await step()
            controller.abort()
            await settled
            if (isDone) expected.update(input, 1)
            if (JSON.stringify(total) !== JSON.stringify(expected)) throw new Error('a part of an update was added')
          }
          console.log('done')`),
      ),
    )
    expect(output).to.equal('done\n')
  })

  describe('a process that ends in the middle of all kinds of calls', () => {
    const busy = `${endless.asynchronous}; loaded(${workerOf(endless.synchronous)}).then(step)`
    const ends: [title: string, end: string, code: Outcome['code'], stderr: RegExp][] = [
      ['by process.exit', 'process.exit(7)', 7, /^$/],
      ['by process.exit in a call’s own turn', `setImmediate(() => process.exit(7))`, 7, /^$/],
      ['by a signal', `process.kill(process.pid, 'SIGTERM')`, isWindows ? 1 : 'SIGTERM', /^$/],
      ['by an uncaught exception', `setTimeout(() => { throw new Error('uncaught') })`, 1, /Error: uncaught/],
      ['by a rejection', `Promise.reject(new Error('rejected'))`, 1, /Error: rejected/],
    ]
    for (const [title, end, code, stderr] of ends) {
      it(`a process ends as usual ${title} during calls of all kinds`, async () => {
        const all = await outcomes(2 * times, () => script(`${busy}.then(() => { ${end} })`))
        for (const outcome of all) {
          expect(outcome.code, outcome.stderr).to.equal(code)
          expect(outcome.stderr).to.match(stderr)
        }
      })
    }

    it('a process waits for a running call before it ends', async () => {
      const output = await succeeds(
        script('mean.forwardAsync(new Float32Array(size), 1).then((loss) => console.log(loss))'),
      )
      expect(output).to.equal('0\n')
    })
  })

  describe('memory in use stays flat', () => {
    /**
     * Measures by how many MiB the resident set grows while `body` runs `count` times, after as many runs to warm up.
     */
    const growth = async (count: number, body: string) => {
      const output = await succeeds(
        script(
          inAsync(`
            const [x, y] = [Float32Array.of(1, 2, 3), Int8Array.of(1, -1, 1)]
            const repeat = async () => { for (let i = 0; i < ${count}; i++) { ${body} } }
            const measure = async () => {
              await repeat()
              for (let i = 0; i < 3; i++) { gc(); await sleep(10) }
              return process.memoryUsage.rss()
            }
            const before = await measure()
            console.log((await measure() - before) / 2 ** 20)`),
          '--expose-gc',
        ),
      )
      return Number(output)
    }

    it('memory in use stays flat over small calls', async () => {
      expect(await growth(200_000 * times, 'mean(x, y)')).to.be.below(16)
      expect(await growth(10_000 * times, 'none(x, y)')).to.be.below(16)
      expect(await growth(5_000 * times, 'await mean.forwardAsync(x, y)')).to.be.below(16)
    })

    it('memory in use stays flat over refused calls', async () => {
      expect(await growth(5_000 * times, 'try { mean(x, 0) } catch {}')).to.be.below(16)
    })

    it('memory in use stays flat over 10,000 dropped accumulators', async () => {
      expect(await growth(10_000, 'new LossAccumulator().update(x, y)')).to.be.below(16)
    })
  })

  describe('works', () => {
    const compare = `
      const x = Float32Array.from({ length: 500_000 }, (_, i) => i % 7)
      const y = Int8Array.from(x, (each) => each > 3 ? 1 : -1)`

    it('two copies of the library work in one process', async () => {
      const copy = join(application, 'copy/node_modules')
      cpSync(join(application, 'node_modules/hinge-embedding-loss'), join(copy, 'hinge-embedding-loss'), {
        recursive: true,
      })
      const output = await succeeds(
        script(
          inAsync(`${compare}
            const other = require('node:module').createRequire(${JSON.stringify(join(copy, 'index.js'))})('hinge-embedding-loss')
            other.setNumThreads(2)
            const losses = await Promise.all([mean, new other.HingeEmbeddingLoss()].map((each) => each.forwardAsync(x, y)))
            const total = other.LossAccumulator.fromJSON(new LossAccumulator().update(x, y))
            console.log(other.HingeEmbeddingLoss !== HingeEmbeddingLoss, new Set([...losses, mean(x, y), total.mean]).size)`),
        ),
      )
      expect(output).to.equal('true 1\n')
    })

    const same = `mean.forwardAsync(x, y).then((loss) => console.log(loss === mean(x, y)))`

    it('the library works under --frozen-intrinsics', async () => {
      expect(await succeeds(script(`${compare}; ${same}`, '--frozen-intrinsics'))).to.equal('true\n')
    })

    it('the library works in a vm context', async () => {
      const inner = `(mean, console) => { ${compare}; ${same} }`
      const output = await succeeds(
        script(`require('node:vm').runInNewContext(${JSON.stringify(inner)})(mean, console)`),
      )
      expect(output).to.equal('true\n')
    })
  })
})

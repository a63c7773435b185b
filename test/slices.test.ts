import { lookup } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import fc from 'fast-check'
import {
  getNumThreads,
  HingeEmbeddingLoss,
  type HingeEmbeddingLossOptions,
  type InvalidLabelError,
  LossAccumulator,
  type Reduction,
  setNumThreads,
  Tensor,
  type TensorLike,
} from '../lib/index.ts'

/** Several slices; the first has 2^16 elements. */
const large = 300_001

const inputOf = (length: number) => Float32Array.from({ length }, (_, i) => Math.sin(i) * 2 ** (i % 20))
const labelOf = (length: number) => Int8Array.from({ length }, (_, i) => (i % 3 === 0 ? 1 : -1))

async function rejected(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error('it did not reject')
}

/** A promise that rejects with the error that `call` throws. */
async function expectSameError(call: () => unknown, promise: Promise<unknown>) {
  const error = await rejected(promise)
  expect(call).to.throw(Error)
  try {
    call()
  } catch (expected) {
    const { message, name, ...properties } = expected as Error
    expect(error).to.include({ message, name, ...properties })
  }
}

const take = (buffer: ArrayBufferLike) => structuredClone(buffer, { transfer: [buffer as ArrayBuffer] })

const resizable = (bytes: number) =>
  Reflect.construct(ArrayBuffer, [bytes, { maxByteLength: 2 * bytes }]) as ArrayBuffer & { resize(bytes: number): void }

describe('asynchronous calls', () => {
  const numThreads = getNumThreads()
  afterEach(() => setNumThreads(numThreads))

  const reductions: readonly Reduction[] = ['none', 'mean', 'sum']

  describe('give the bits that forward gives', () => {
    async function expectSame(input: TensorLike, label: TensorLike, options: HingeEmbeddingLossOptions = {}) {
      for (const reduction of reductions) {
        const criterion = new HingeEmbeddingLoss({ ...options, reduction })
        const [expected, actual] = [criterion(input, label), await criterion.forwardAsync(input, label)]
        expect(actual).to.deep.equal(expected)
        if (actual instanceof Tensor) expect(actual.data).to.deep.equal((expected as Tensor).data)
      }
    }

    for (const size of [0, 1, 9, 2048, 65_535, 65_536, 65_537, large]) {
      it(`forwardAsync returns the bits of forward for ${size} elements`, async () => {
        const input = inputOf(size)
        await expectSame(input, labelOf(size))
        await expectSame(Float64Array.from(input), Float64Array.from(labelOf(size)), { margin: 0.3 })
        await expectSame(input, -1)
        await expectSame(new Tensor(input, [1, size]), new Tensor(BigInt64Array.from(labelOf(size), BigInt), [1, size]))
      })
    }

    it('forwardAsync returns the bits of forward for data at any offset in memory', async () => {
      const [input, label] = [inputOf(large), labelOf(large)]
      for (const begin of [1, 7, 2047]) await expectSame(input.subarray(begin), label.subarray(begin))
    })

    it('forwardAsync returns the bits of forward if other labels are let pass', async () => {
      const label = labelOf(large).map((each, i) => (i % 1000 === 7 ? 0 : each))
      for (const otherLabels of ['zero', 'ignore'] as const) await expectSame(inputOf(large), label, { otherLabels })
      await expectSame(inputOf(large), 5, { otherLabels: 'ignore' })
    })

    it('forwardAsync returns the bits of forward for NaN and infinities', async () => {
      for (const special of [Number.NaN, Infinity, -Infinity]) {
        await expectSame(inputOf(large).fill(special, large - 1), labelOf(large))
      }
      await expectSame(
        inputOf(large)
          .fill(Infinity, 0, 1)
          .fill(-Infinity, large - 1),
        labelOf(large).fill(1),
      )
    })

    it('forwardAsync returns the bits of forward for shared memory', async () => {
      const input = new Float32Array(new SharedArrayBuffer(4 * large))
      input.set(inputOf(large))
      await expectSame(input, labelOf(large))
    })

    it('forwardAsync writes the bits of forward to memory of the caller, also to that of the input', async () => {
      const criterion = new HingeEmbeddingLoss({ reduction: 'none' })
      const [input, label] = [inputOf(large), labelOf(large)]
      const expected = criterion(input, label).data
      const out = new Float32Array(large)
      expect((await criterion.forwardAsync(input, label, { out })).data).to.equal(out)
      expect(out).to.deep.equal(expected)
      const tensor = new Tensor(input)
      expect(await criterion.forwardAsync(input, label, { out: tensor })).to.equal(tensor)
      expect(input).to.deep.equal(expected)
    })

    it('forwardAsync returns the bits of forward even if arrays of numbers change after the call', async () => {
      const [input, label] = [
        [1, -2, 3],
        [-1, 1, 1],
      ]
      const promise = new HingeEmbeddingLoss().forwardAsync(input, label)
      input.fill(100)
      label.length = 0
      expect(await promise).to.equal(1 / 3)
    })

    it('updateAsync has the totals of update', async () => {
      const [input, label] = [inputOf(large), labelOf(large)]
      const total = new LossAccumulator()
      expect(await total.updateAsync(input, label)).to.equal(total)
      expect(total.toJSON()).to.deep.equal(new LossAccumulator().update(input, label).toJSON())
    })

    it('updateAsync has the totals of update for any split of the data, whether updates overlap or wait for each other', async () => {
      const element = fc.tuple(fc.double(), fc.constantFrom(1, -1, 0))
      const update = fc.record({
        length: fc.nat(70_000),
        way: fc.constantFrom('sync', 'async', 'awaited', 'aborted', 'refused'),
      })
      const property = fc.asyncProperty(
        fc.array(element, { minLength: 1 }),
        fc.array(update, { maxLength: 6 }),
        async (pairs, updates) => {
          const size = updates.reduce((size, { length }) => size + length, 0)
          const input = Float64Array.from({ length: size }, (_, i) => pairs[i % pairs.length]?.[0] as number)
          const label = Int8Array.from(input, (_, i) => pairs[i % pairs.length]?.[1] as number)
          const options = { otherLabels: 'zero' } as const
          const [expected, total] = [new LossAccumulator(options), new LossAccumulator(options)]
          const pending: Promise<unknown>[] = []
          let end = 0
          for (const { length, way } of updates) {
            const [x, y] = [input.subarray(end, end + length), label.subarray(end, end + length)]
            end += length
            if (way === 'aborted') {
              const controller = new AbortController()
              pending.push(rejected(total.updateAsync(x, y, { signal: controller.signal })))
              controller.abort()
            } else if (way === 'refused') {
              pending.push(rejected(total.updateAsync(x, new Int8Array(length + 1))))
            } else {
              expected.update(x, y)
              if (way === 'sync') total.update(x, y)
              else pending.push(total.updateAsync(x, y))
              if (way === 'awaited') await pending.at(-1)
            }
          }
          await Promise.all(pending)
          expect(total.toJSON()).to.deep.equal(expected.toJSON())
        },
      )
      await fc.assert(property, { numRuns: 50 })
    })
  })

  describe('reject with the errors that forward throws', () => {
    const [input, label] = [inputOf(large), labelOf(large)]
    const none = new HingeEmbeddingLoss({ reduction: 'none', name: 'pairs' })
    const mean = new HingeEmbeddingLoss({ name: 'pairs' })

    it('asynchronous calls reject arguments of the wrong type as forward does', async () => {
      const cases: [input: unknown, label: unknown, options?: object][] = [
        [new Map(), label],
        [input, new Int8Array(3)],
        [label, label],
        [input, label, { out: new Float64Array(large) }],
        [input, label, { out: new Float32Array(3) }],
        [input, label, { out: input.subarray(1) }],
      ]
      for (const [x, y, options] of cases) {
        await expectSameError(
          () => none.forward(x as never, y as never, options),
          none.forwardAsync(x as never, y as never, options),
        )
      }
      await expectSameError(
        () => new LossAccumulator().update(input, new Int8Array(3)),
        new LossAccumulator().updateAsync(input, new Int8Array(3)),
      )
    })

    it('asynchronous calls reject an out that the reduction does not take, and unknown options', async () => {
      expect(await rejected(mean.forwardAsync(input, label, { out: input }))).to.include({
        code: 'ERR_INVALID_ARG_VALUE',
      })
      for (const options of [{ sginal: undefined }, null, 1, []] as never[]) {
        for (const call of [
          () => mean.forwardAsync(input, label, options),
          () => new LossAccumulator().updateAsync(input, label, options),
        ]) {
          expect(await rejected(call()))
            .to.be.an('error')
            .with.property('code')
            .that.matches(/^ERR_INVALID_ARG/)
        }
      }
    })

    it('forwardAsync rejects an out that overlaps only in a later slice', async () => {
      const memory = new Float32Array(3 * large)
      const x = memory.subarray(0, large)
      const out = memory.subarray(large - 1, 2 * large - 1)
      await expectSameError(() => none.forward(x, 1, { out }), none.forwardAsync(x, 1, { out }))
      const y = new Float32Array(memory.buffer, 4 * (2 * large - 2), large).fill(1)
      await expectSameError(() => none.forward(input, y, { out }), none.forwardAsync(input, y, { out }))
    })

    it('asynchronous calls reject other labels in any slice as forward does', async () => {
      for (const indices of [[large - 1], [65_535, 65_536], [1, 100_000, 299_999]]) {
        const wrong = Float32Array.from(label)
        for (const index of indices) wrong[index] = 7
        for (const reduction of reductions) {
          const criterion = new HingeEmbeddingLoss({ reduction, name: 'pairs' })
          await expectSameError(() => criterion(input, wrong), criterion.forwardAsync(input, wrong))
          const error = await rejected(criterion.forwardAsync(input, wrong))
          expect(error as InvalidLabelError).to.include({ index: indices[0], value: 7, count: indices.length })
        }
        const total = new LossAccumulator()
        await expectSameError(() => total.update(input, wrong), total.updateAsync(input, wrong))
        expect(total.toJSON()).to.deep.equal(new LossAccumulator().toJSON())
      }
      await expectSameError(() => mean(input, 7), mean.forwardAsync(input, 7))
    })
  })

  describe('end with a signal', () => {
    const [input, label] = [inputOf(large), labelOf(large)]
    const criterion = new HingeEmbeddingLoss({ name: 'pairs' })

    it('asynchronous calls reject with the reason of a signal that is aborted before', async () => {
      const reason = Object.assign(new RangeError('enough'), { code: 'ERR_ENOUGH' })
      const signal = AbortSignal.abort(reason)
      expect(await rejected(criterion.forwardAsync(input, label, { signal }))).to.equal(reason)
      expect(await rejected(criterion.forwardAsync([], [], { signal }))).to.equal(reason)
      const total = new LossAccumulator()
      expect(await rejected(total.updateAsync(input, label, { signal }))).to.equal(reason)
      expect(total.count).to.equal(0)
      expect(reason.message).to.equal('enough')
    })

    it('an aborted updateAsync leaves the accumulator as it was', async () => {
      const total = new LossAccumulator().update(input, label)
      const before = total.toJSON()
      for (let slices = 0; slices < 4; slices++) {
        const controller = new AbortController()
        const { signal } = controller
        const calls = [criterion.forwardAsync(input, label, { signal }), total.updateAsync(input, label, { signal })]
        const errors = Promise.all(calls.map(rejected))
        for (let i = 0; i < slices; i++) await setImmediate()
        controller.abort()
        for (const error of await errors) expect(error).to.equal(signal.reason)
        expect(total.toJSON()).to.deep.equal(before)
      }
    })

    it('a signal that is aborted after the call, or never, has no effect', async () => {
      const controller = new AbortController()
      const { signal } = controller
      expect(await criterion.forwardAsync(input, label, { signal })).to.equal(criterion(input, label))
      controller.abort()
    })

    it('asynchronous calls take only an AbortSignal as their signal', async () => {
      for (const signal of [null, 'abort', 1, {}, new AbortController()] as never[]) {
        for (const promise of [
          criterion.forwardAsync(input, label, { signal }),
          new LossAccumulator().updateAsync(input, label, { signal }),
        ]) {
          const error = (await rejected(promise)) as Error
          expect(error).to.be.an.instanceof(TypeError).with.property('code', 'ERR_INVALID_ARG_TYPE')
          expect(error.message).to.match(/signal must be an AbortSignal, got /)
        }
      }
    })
  })

  describe('reject where memory changes between slices', () => {
    const bytes = 4 * large
    const changes: [title: string, memory: () => ArrayBuffer, change: (memory: never) => void][] = [
      ['transferred', () => new ArrayBuffer(bytes), take],
      ['shrunk', () => resizable(bytes), (memory: ReturnType<typeof resizable>) => memory.resize(bytes - 4)],
      ['shrunk to nothing', () => resizable(bytes), (memory: ReturnType<typeof resizable>) => memory.resize(0)],
      ['grown', () => resizable(bytes), (memory: ReturnType<typeof resizable>) => memory.resize(bytes + 4)],
    ]
    const none = new HingeEmbeddingLoss({ reduction: 'none' })
    for (const [title, allocate, change] of changes) {
      for (const role of ['input', 'label', 'out'] as const) {
        it(`forwardAsync rejects if the memory of ${role} is ${title} between slices`, async () => {
          for (const slices of [0, 1, 2]) {
            const memory = allocate()
            const arrays = { input: new Float32Array(large), label: new Int32Array(large).fill(1) }
            const out = role === 'out' ? { out: new Float32Array(memory) } : {}
            if (role === 'input') arrays.input = new Float32Array(memory)
            if (role === 'label') arrays.label = new Int32Array(memory).fill(1)
            const error = rejected(none.forwardAsync(arrays.input, arrays.label, out))
            for (let i = 0; i < slices; i++) await setImmediate()
            change(memory as never)
            expect(await error)
              .to.be.an.instanceof(RangeError)
              .with.property('code', 'ERR_SHAPE_MISMATCH')
            expect(((await error) as Error).message).to.match(new RegExp(`^${role} .*transferred or resized`))
          }
        })
      }
    }

    it('updateAsync leaves the accumulator as it was if memory is transferred between slices', async () => {
      const total = new LossAccumulator()
      const input = new Float32Array(large)
      const error = rejected(total.updateAsync(input, 1))
      await setImmediate()
      take(input.buffer)
      expect(await error).to.include({ code: 'ERR_SHAPE_MISMATCH' })
      expect(total.count).to.equal(0)
    })
  })

  describe('take turns', () => {
    it('small asynchronous calls do not wait for large ones', async () => {
      const order: string[] = []
      const criterion = new HingeEmbeddingLoss()
      const note = (name: string) => () => order.push(name)
      await Promise.all([
        criterion.forwardAsync(new Float32Array(2 ** 24), 1).then(note('large')),
        criterion.forwardAsync(new Float32Array(2 ** 24), 1).then(note('large')),
        criterion.forwardAsync([1], 1).then(note('small')),
        new LossAccumulator().updateAsync([1], 1).then(note('small')),
      ])
      expect(order).to.deep.equal(['small', 'small', 'large', 'large'])
    })

    it('10,000 asynchronous calls end in the order in which they began', async () => {
      const order: number[] = []
      const criterion = new HingeEmbeddingLoss()
      const calls = Array.from({ length: 10_000 }, (_, i) => criterion.forwardAsync([i], 1).then((x) => order.push(x)))
      await Promise.all(calls)
      expect(order).to.deep.equal(calls.map((_, i) => i))
    })

    it('timers, files and name resolution go on during a call over 256 M elements', async () => {
      const delay = monitorEventLoopDelay({ resolution: 1 })
      const counts = { timers: 0, files: 0, names: 0 }
      let isRunning = true
      const repeat = async (what: keyof typeof counts, once: () => Promise<unknown>) => {
        for (; isRunning; counts[what]++) await once()
      }
      const others = [
        repeat('timers', () => setTimeout(1)),
        repeat('files', () => readFile(fileURLToPath(import.meta.url))),
        repeat('names', () => lookup('localhost')),
      ]
      const input = new Float32Array(2 ** 28)
      setNumThreads(1)
      delay.enable()
      const mean = await new HingeEmbeddingLoss().forwardAsync(input, 1)
      delay.disable()
      isRunning = false
      await Promise.all(others)
      expect(mean).to.equal(0)
      for (const [what, count] of Object.entries(counts)) expect(count, what).to.be.above(5)
      // Far longer than a slice and far shorter than the whole call: the machine may be busy.
      expect(delay.percentile(50) / 1e6).to.be.below(10)
    })
  })
})

import { setImmediate } from 'node:timers/promises'
import { expect } from 'chai'
import {
  CosineDistance,
  getNumThreads,
  HingeEmbeddingLoss,
  type InputData,
  LossAccumulator,
  PairwiseDistance,
  type Reduction,
  setNumThreads,
  Tensor,
  type TensorLike,
} from '../lib/index.ts'
import { native } from '../lib/native.ts'
import { Random } from './support/random.ts'

const types = [Float32Array, Float64Array] as const
const reductions: readonly Reduction[] = ['none', 'mean', 'sum']
const distances = [
  new PairwiseDistance(),
  new PairwiseDistance({ p: 1, epsilon: 0 }),
  new PairwiseDistance({ p: Number.POSITIVE_INFINITY }),
  new PairwiseDistance({ p: 3, keepdim: true }),
  new CosineDistance(),
]

/** The pairs, and their width; the last ones are more than a block, and rows that no cache holds. */
const sizes = [
  [0, 4],
  [1, 0],
  [1, 1],
  [9, 5],
  [300, 33],
  [5000, 8],
  [2100, 128],
  [3, 40_000],
] as const

type Shared = 'left' | 'right' | undefined

interface Batch {
  readonly left: Tensor<InputData>
  readonly right: Tensor<InputData>
  /** in the shape of the distances, with and without `keepdim` */
  readonly label: (keepdim: boolean) => Tensor
  readonly weight: (keepdim: boolean) => Tensor
}

function makeBatch(Type: (typeof types)[number], count: number, width: number, shared: Shared, seed: number): Batch {
  const random = new Random(seed)
  const side = (isShared: boolean) => {
    const data = new Type(isShared ? width : count * width).map(() => random.fraction())
    return new Tensor(data as InputData, isShared ? [width] : [count, width])
  }
  const labels = Int8Array.from({ length: count }, () => random.sign())
  const weights = new Type(count).map(() => random.integer(0, 3) * random.fraction()) as InputData
  const shapeOf = (keepdim: boolean) => (keepdim ? [count, 1] : [count])
  return {
    left: side(shared === 'left'),
    right: side(shared === 'right'),
    label: (keepdim) => new Tensor(labels, shapeOf(keepdim)),
    weight: (keepdim) => new Tensor(weights, shapeOf(keepdim)),
  }
}

function bitsOf(value: number | Tensor): string {
  const data = typeof value === 'number' ? Float64Array.of(value) : value.data
  return `${data.constructor.name} ${typeof value === 'number' ? '' : value.shape} ${Buffer.from(
    data.buffer,
    data.byteOffset,
    data.byteLength,
  ).toString('latin1')}`
}

const expectSame = (actual: number | Tensor, expected: number | Tensor, what: string) =>
  expect(bitsOf(actual) === bitsOf(expected), what).to.equal(true)

describe(`the loss of pairs (${native.instructionSets().join(', ')})`, () => {
  const set = native.instructionSet()
  const threads = getNumThreads()
  afterEach(() => {
    native.setInstructionSet(set)
    setNumThreads(threads)
  })

  /** Checks one call of each kind against its two steps. */
  async function expectTwoSteps(batch: Batch, distance: PairwiseDistance | CosineDistance, hasWeight: boolean) {
    const { left, right } = batch
    const label = batch.label(distance.keepdim)
    const weighted = hasWeight ? { weight: batch.weight(distance.keepdim) as TensorLike } : {}
    const margin = distance instanceof CosineDistance ? 0.3 : 1.5
    const of = distance(left, right)
    for (const reduction of reductions) {
      const criterion = new HingeEmbeddingLoss({ margin, reduction })
      const options = { distance, ...weighted }
      const what = `${distance}, ${reduction}, left [${left.shape}], right [${right.shape}], ${Object.keys(weighted)}`
      const { loss, gradInput } = criterion.valueAndGrad(of, label, weighted)
      const { gradLeft, gradRight } = distance.backward(left, right, gradInput)
      expectSame(criterion.forwardPairs(left, right, label, options), criterion(of, label, weighted), what)
      expectSame(await criterion.forwardPairsAsync(left, right, label, options), loss, `${what}, in slices`)
      const both = criterion.valueAndGradPairs(left, right, label, options)
      expectSame(both.loss, loss, `${what}, with gradients`)
      expectSame(both.gradLeft, gradLeft, `${what}, gradient by left`)
      expectSame(both.gradRight, gradRight, `${what}, gradient by right`)
    }
    const [expected, actual, sliced] = [1, 2, 3].map(() => new LossAccumulator({ margin })) as [
      LossAccumulator,
      LossAccumulator,
      LossAccumulator,
    ]
    expected.update(of, label, weighted)
    expect(actual.updatePairs(left, right, label, { distance, ...weighted }).toJSON()).to.deep.equal(expected.toJSON())
    expect((await sliced.updatePairsAsync(left, right, label, { distance, ...weighted })).toJSON()).to.deep.equal(
      expected.toJSON(),
    )
  }

  describe('has the bits of distance and loss, one after the other', () => {
    for (const Type of types) {
      for (const [count, width] of sizes) {
        it(`for ${count} pairs of ${width} in ${Type.name}, with and without weights`, async () => {
          const batch = makeBatch(Type, count, width, undefined, count + width)
          for (const distance of distances) {
            for (const hasWeight of [false, true]) await expectTwoSteps(batch, distance, hasWeight)
          }
        }).timeout(20_000)
      }
      for (const shared of ['left', 'right'] as const) {
        it(`where ${shared} is one row, in ${Type.name}`, async () => {
          const batch = makeBatch(Type, 1200, 130, shared, 21)
          for (const distance of distances.filter(({ keepdim }) => !keepdim)) {
            await expectTwoSteps(batch, distance, false)
          }
        }).timeout(20_000)
      }
      for (const numThreads of [1, 2, 3]) {
        it(`with ${numThreads} threads and every instruction set, in ${Type.name}`, async () => {
          const batch = makeBatch(Type, 1500, 100, numThreads === 2 ? 'left' : undefined, 22)
          for (const name of native.instructionSets()) {
            native.setInstructionSet(name)
            setNumThreads(1)
            const criterion = new HingeEmbeddingLoss({ margin: 4 })
            const expected = criterion.valueAndGradPairs(batch.left, batch.right, batch.label(false))
            setNumThreads(numThreads)
            const actual = criterion.valueAndGradPairs(batch.left, batch.right, batch.label(false))
            expectSame(actual.loss, expected.loss, `${name}, loss`)
            expectSame(actual.gradLeft, expected.gradLeft, `${name}, left`)
            expectSame(actual.gradRight, expected.gradRight, `${name}, right`)
            await expectTwoSteps(batch, distances[0] as PairwiseDistance, true)
          }
        }).timeout(20_000)
      }
    }
  })

  it('reads labels of every kind, and lets other labels pass as the loss does', () => {
    const { left, right } = makeBatch(Float32Array, 700, 20, undefined, 3)
    const random = new Random(5)
    const distance = distances[0] as PairwiseDistance
    const of = distance(left, right)
    const labels: readonly [TensorLike, object][] = [
      [1, {}],
      [-1, {}],
      [Float32Array.from({ length: 700 }, () => random.sign()), {}],
      [BigInt64Array.from({ length: 700 }, () => BigInt(random.sign())), {}],
      [Uint8Array.from({ length: 700 }, () => random.below(2)), { negativeLabel: 0 }],
      [Int8Array.from({ length: 700 }, () => random.below(3) - 1), { otherLabels: 'zero' }],
      [Int8Array.from({ length: 700 }, () => random.below(3) - 1), { otherLabels: 'ignore' }],
    ]
    for (const [label, options] of labels) {
      for (const reduction of reductions) {
        const criterion = new HingeEmbeddingLoss({ margin: 2, reduction, ...options })
        const { loss, gradInput } = criterion.valueAndGrad(of, label)
        const gradients = distance.backward(left, right, gradInput)
        const both = criterion.valueAndGradPairs(left, right, label)
        const what = `${JSON.stringify(options)}, ${reduction}`
        expectSame(both.loss, loss, what)
        expectSame(both.gradLeft, gradients.gradLeft, what)
        expectSame(both.gradRight, gradients.gradRight, what)
        expectSame(criterion.forwardPairs(left, right, label), loss, what)
      }
    }
  })

  it('its gradient is that of finite differences', () => {
    const { left, right, label } = makeBatch(Float64Array, 6, 5, undefined, 8)
    for (const distance of distances.filter(({ keepdim }) => !keepdim)) {
      const criterion = new HingeEmbeddingLoss({ margin: 0.9 })
      const { gradLeft, gradRight } = criterion.valueAndGradPairs(left, right, label(false), { distance })
      for (const [{ data }, gradient] of [
        [left, gradLeft],
        [right, gradRight],
      ] as const) {
        for (let i = 0; i < data.length; i++) {
          const x = data[i] as number
          const [above, below] = [x + 2 ** -22, x - 2 ** -22].map((value) => {
            data[i] = value
            return criterion.forwardPairs(left, right, label(false), { distance })
          }) as [number, number]
          data[i] = x
          expect(gradient.data[i], `${distance}`).to.be.closeTo((above - below) / 2 ** -21, 1e-6)
        }
      }
    }
  })

  it('writes to out, outLeft and outRight', () => {
    const criterion = new HingeEmbeddingLoss({ reduction: 'none' })
    const [left, right] = [Float32Array.of(3, 4), Float32Array.of(0, 0)]
    const [out, outLeft, outRight] = [new Float32Array(1), new Float32Array(2), new Float32Array(2)]
    const distance = new PairwiseDistance({ epsilon: 0, keepdim: true })
    expect(criterion.forwardPairs(left, right, [1], { out, distance }).data).to.equal(out)
    const both = criterion.valueAndGradPairs(left, right, 1, { outLeft, outRight, distance })
    expect([both.gradLeft.data, both.gradRight.data]).to.deep.equal([outLeft, outRight])
    expect([...out, ...both.loss.data]).to.deep.equal([5, 5])
    expect([...outLeft, ...outRight]).to.deep.equal([3 / 5, 4 / 5, -3 / 5, -4 / 5].map(Math.fround))
  })

  describe('errors', () => {
    const criterion = new HingeEmbeddingLoss({ name: 'siamese', reduction: 'none' })
    const [l, r] = [new Tensor(new Float32Array(6), [2, 3]), new Tensor(new Float32Array(6), [2, 3])]
    const any = (value: unknown) => value as never
    const cases: readonly [code: string, message: RegExp, call: () => unknown][] = [
      [
        'ERR_INVALID_ARG_TYPE',
        /^siamese: distance must be a PairwiseDistance or a CosineDistance, got 'cosine'$/,
        () => criterion.forwardPairs(l, r, 1, { distance: any('cosine') }),
      ],
      [
        'ERR_INVALID_ARG_TYPE',
        /distance must be a PairwiseDistance or a CosineDistance, got a function/,
        () => criterion.forwardPairs(l, r, 1, { distance: any(() => 0) }),
      ],
      [
        'ERR_SHAPE_MISMATCH',
        /^siamese: label must be of the shape of the distances, \[2\], got \[3\]$/,
        () => criterion.forwardPairs(l, r, [1, 1, 1]),
      ],
      [
        'ERR_SHAPE_MISMATCH',
        /label must be of the shape of the distances, \[2, 1\], got \[2\]/,
        () => criterion.forwardPairs(l, r, [1, 1], { distance: new PairwiseDistance({ keepdim: true }) }),
      ],
      ['ERR_SHAPE_MISMATCH', /right must be/, () => criterion.valueAndGradPairs(l, [1, 2], 1)],
      [
        'ERR_SHAPE_MISMATCH',
        /weight must be of the shape of the distances, \[2\], got \[3\]/,
        () => criterion.forwardPairs(l, r, 1, { weight: [1, 1, 1] }),
      ],
      [
        'ERR_INVALID_LABEL',
        /^siamese: label must be 1 or -1, got 2 at flat index 1/,
        () => criterion.valueAndGradPairs(l, r, [1, 2]),
      ],
      ['ERR_INVALID_WEIGHT', /got -1 at flat index 0/, () => criterion.valueAndGradPairs(l, r, 1, { weight: [-1, 1] })],
      [
        'ERR_INVALID_ARG_VALUE',
        /out must be memory apart from left/,
        () => criterion.forwardPairs(l, r, 1, { out: l.data.subarray(0, 2) }),
      ],
      [
        'ERR_INVALID_ARG_VALUE',
        /outLeft must be memory apart from right/,
        () => criterion.valueAndGradPairs(l, r, 1, { outLeft: r }),
      ],
      [
        'ERR_INVALID_ARG_VALUE',
        /out must be left out for reduction 'mean'/,
        () => new HingeEmbeddingLoss().forwardPairs(l, r, 1, { out: new Float32Array(2) }),
      ],
      [
        'ERR_INVALID_ARG_VALUE',
        /options must be an object of distance, weight, outLeft, outRight, got one with 'out'/,
        () => criterion.valueAndGradPairs(l, r, 1, any({ out: 1 })),
      ],
      [
        'ERR_INVALID_ARG_VALUE',
        /options must be an object of distance, weight, got one with 'p'/,
        () => new LossAccumulator().updatePairs(l, r, 1, any({ p: 1 })),
      ],
      [
        'ERR_INVALID_ARG_VALUE',
        /margin must be finite in float32/,
        () => new LossAccumulator({ margin: 1e39 }).updatePairs(l, r, 1),
      ],
    ]
    for (const [code, message, call] of cases) {
      it(`${code}: ${message.source}`, () => {
        expect(call)
          .to.throw(code.endsWith('TYPE') ? TypeError : RangeError, message)
          .with.property('code', code)
      })
    }

    it('a call that throws adds nothing', () => {
      const total = new LossAccumulator()
      expect(() => total.updatePairs(l, r, [1, 5])).to.throw(RangeError)
      expect(total.count).to.equal(0)
    })

    it('outputs apart from labels and weights are asked for', () => {
      const memory = new Float32Array(8)
      const outLeft = new Tensor(memory.subarray(1, 7), [2, 3])
      expect(() => criterion.valueAndGradPairs(l, r, memory.subarray(0, 2), { outLeft })).to.throw(/apart from label/)
      expect(() => criterion.valueAndGradPairs(l, r, 1, { outLeft, weight: memory.subarray(6) })).to.throw(
        /apart from weight/,
      )
      expect(() => criterion.forwardPairs(l, r, memory.subarray(0, 2), { out: memory.subarray(1, 3) })).to.throw(
        /apart from label/,
      )
    })

    it('reports memory that is transferred while labels are read', () => {
      const left = new Float32Array(6)
      const label = {
        shape: [],
        get data() {
          if (left.length > 0) structuredClone(left.buffer, { transfer: [left.buffer] })
          return Int8Array.of(1)
        },
      }
      expect(() => criterion.forwardPairs(left, new Float32Array(6), any(label))).to.throw(
        RangeError,
        /left must be 6 elements long, as it was made/,
      )
    })
  })

  describe('asynchronously', () => {
    const failureOf = (promise: Promise<unknown>) =>
      promise.then(
        () => undefined,
        (error: unknown) => error,
      )
    const { left, right } = makeBatch(Float32Array, 4000, 90, undefined, 31)
    const criterion = new HingeEmbeddingLoss({ name: 'siamese' })
    const distance = new PairwiseDistance({ p: 3 })

    it('ends at an abort with its reason, and adds nothing', async () => {
      const controller = new AbortController()
      const { signal } = controller
      const total = new LossAccumulator()
      const failures = [
        criterion.forwardPairsAsync(left, right, 1, { signal, distance }),
        total.updatePairsAsync(left, right, 1, { signal, distance }),
      ].map(failureOf)
      await setImmediate()
      const reason = new Error('enough')
      controller.abort(reason)
      expect(await Promise.all(failures)).to.deep.equal([reason, reason])
      expect(total.count).to.equal(0)
    })

    it('rejects where memory is transferred meanwhile, with the name of the side', async () => {
      const taken = right.data.slice()
      const failure = failureOf(criterion.forwardPairsAsync(left, new Tensor(taken, [4000, 90]), 1, { distance }))
      await setImmediate()
      structuredClone(taken.buffer, { transfer: [taken.buffer] })
      expect(await failure)
        .to.be.an.instanceof(RangeError)
        .with.property('message')
        .that.matches(/^siamese: right must be 360000 elements long/)
    })

    it('reports the first invalid label and the number of all', async () => {
      const label = Int8Array.from({ length: 4000 }, (_, i) => (i === 1717 || i === 3999 ? 7 : 1))
      expect(await failureOf(criterion.forwardPairsAsync(left, right, label, { distance }))).to.include({
        code: 'ERR_INVALID_LABEL',
        index: 1717,
        count: 2,
        value: 7,
      })
    })
  })
})

import { inspect } from 'node:util'
import { expect } from 'chai'
import fc from 'fast-check'
import { hingeEmbeddingLoss, LossAccumulator, type LossAccumulatorJSON, type MarginOptions } from '../lib/index.ts'
import { input as exampleInput, label as exampleLabel } from './support/example.ts'
import { totalsOf } from './support/totals.ts'

const x = exampleInput.flat()
const y = exampleLabel.flat()

const throwsType = (action: () => unknown, message?: RegExp) =>
  expect(action).to.throw(TypeError, message).with.property('code', 'ERR_INVALID_ARG_TYPE')
const throwsValue = (action: () => unknown, message?: RegExp) =>
  expect(action).to.throw(RangeError, message).with.property('code', 'ERR_INVALID_ARG_VALUE')
const refuses = (action: () => unknown, about: string) => {
  let error: unknown
  try {
    action()
  } catch (thrown) {
    error = thrown
  }
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const matches =
    (error instanceof TypeError && code === 'ERR_INVALID_ARG_TYPE') ||
    (error instanceof RangeError && code === 'ERR_INVALID_ARG_VALUE')
  expect(matches, `${about}: ${inspect(error)}`).to.equal(true)
}

/** Expects equal totals, equal JSON, and equal text of the JSON. */
function expectEqual(actual: LossAccumulator, expected: LossAccumulator) {
  expect(totalsOf(actual)).to.deep.equal(totalsOf(expected))
  expect(actual.toJSON()).to.deep.equal(expected.toJSON())
  expect(JSON.stringify(actual)).to.equal(JSON.stringify(expected))
}

const throughText = (accumulator: LossAccumulator) =>
  LossAccumulator.fromJSON(JSON.parse(JSON.stringify(accumulator)) as unknown)

describe('LossAccumulator', () => {
  describe('totals', () => {
    it('has totals of 0, and means of NaN, while it is empty', () => {
      const none = { count: 0, sum: 0, mean: Number.NaN }
      expect(totalsOf(new LossAccumulator())).to.deep.equal({
        ...none,
        positives: none,
        negatives: { ...none, active: 0 },
        others: 0,
      })
    })

    it('has the known totals of the example of 3 × 3', () => {
      for (const TypedArray of [Float32Array, Float64Array]) {
        const total = new LossAccumulator().update(TypedArray.from(x), y)
        expect(totalsOf(total)).to.deep.equal({
          count: 9,
          sum: 2,
          mean: 2 / 9,
          positives: { count: 6, sum: 1, mean: 1 / 6 },
          negatives: { count: 3, sum: 1, mean: 1 / 3, active: 1 },
          others: 0,
        })
      }
      const wide = new LossAccumulator({ margin: 4 }).update(x, Int8Array.from(y))
      expect(totalsOf(wide)).to.deep.equal({
        count: 9,
        sum: 9,
        mean: 1,
        positives: { count: 6, sum: 1, mean: 1 / 6 },
        negatives: { count: 3, sum: 8, mean: 8 / 3, active: 3 },
        others: 0,
      })
    })

    it('has the sum and mean of the loss', () => {
      const element = fc.tuple(fc.double(), fc.constantFrom(1, -1))
      fc.assert(
        fc.property(fc.array(element), fc.double({ noNaN: true, noDefaultInfinity: true }), (pairs, margin) => {
          const input = Float64Array.from(pairs, ([each]) => each)
          const label = Int8Array.from(pairs, ([, each]) => each)
          const total = new LossAccumulator({ margin }).update(input, label)
          expect(total.count).to.equal(pairs.length)
          expect(total.sum).to.deep.equal(hingeEmbeddingLoss(input, label, { margin, reduction: 'sum' }))
          expect(total.mean).to.deep.equal(hingeEmbeddingLoss(input, label, { margin }))
          for (const [name, sign] of [
            ['positives', 1],
            ['negatives', -1],
          ] as const) {
            const own = input.filter((_, i) => label[i] === sign)
            expect(total[name]).to.include({ count: own.length })
            expect(total[name].sum).to.deep.equal(hingeEmbeddingLoss(own, sign, { margin, reduction: 'sum' }))
            expect(total[name].mean).to.deep.equal(hingeEmbeddingLoss(own, sign, { margin }))
          }
          const active = pairs.filter(([each, sign]) => sign === -1 && each < margin)
          expect(total.negatives.active).to.equal(active.length)
        }),
      )
    })

    it('counts a negative as active if x < margin in the arithmetic of the input', () => {
      const active = (input: Float32Array | Float64Array, margin: number) =>
        new LossAccumulator({ margin }).update(input, -1).negatives
      for (const TypedArray of [Float32Array, Float64Array]) {
        const input = TypedArray.of(-Infinity, -1, 0.5, 0.75, 1, Infinity, Number.NaN)
        expect(active(input, 0.75).active).to.equal(3)
        expect(active(input, -1).active).to.equal(1)
        // Longer than a vector, or than a block.
        expect(active(TypedArray.from(new Array(5000).fill(0.5)), 0.75).active).to.equal(5000)
        expect(active(TypedArray.from(new Array(5000).fill(0.75)), 0.75).active).to.equal(0)
      }
      // Rounded to float32, 0.7 falls and 0.1 rises: neither 0.7 nor 0.1 lies inside a margin of itself.
      for (const margin of [0.7, 0.1]) expect(active(Float32Array.of(margin), margin)).to.include({ active: 0, sum: 0 })
    })

    it('counts other labels under zero, and leaves them out under ignore', () => {
      const label = [1, -1, 0, 2, Number.NaN, 1]
      const input = [1, 0, 9, Number.NaN, -Infinity, 2]
      const zero = new LossAccumulator({ otherLabels: 'zero' }).update(input, label)
      expect(zero).to.include({ count: 6, sum: 4, mean: 4 / 6, others: 3 })
      const ignore = new LossAccumulator({ otherLabels: 'ignore' }).update(input, label)
      expect(ignore).to.include({ count: 3, sum: 4, mean: 4 / 3, others: 3 })
      for (const total of [zero, ignore]) {
        expect(total.positives).to.include({ count: 2, sum: 3, mean: 1.5 })
        expect(total.negatives).to.include({ count: 1, sum: 1, mean: 1, active: 1 })
      }
      const nothing = new LossAccumulator({ otherLabels: 'ignore' }).update([1, 2], 0)
      expect(nothing).to.deep.include({ count: 0, sum: 0, others: 2 })
      expect(nothing.mean).to.be.NaN
      expect(new LossAccumulator({ otherLabels: 'zero' }).update([1, 2], 0)).to.include({
        count: 2,
        mean: 0,
        others: 2,
      })
    })

    it('has NaN or infinite totals for losses that are not finite', () => {
      expect(new LossAccumulator().update([Number.NaN, 1], 1).sum).to.be.NaN
      expect(new LossAccumulator().update([Infinity, 1], 1)).to.include({ sum: Infinity, mean: Infinity })
      expect(new LossAccumulator().update([Infinity], 1).update([-Infinity], 1).sum).to.be.NaN
      const both = new LossAccumulator().update([Infinity], 1).update([-Infinity], -1)
      expect(both).to.include({ sum: Infinity, mean: Infinity })
      const mixed = new LossAccumulator().update([Number.NaN, 2], [-1, 1])
      expect(mixed.positives).to.include({ sum: 2 })
      expect(mixed.negatives.sum).to.be.NaN
    })

    it('has exact totals over batches of float32 and float64', () => {
      const total = new LossAccumulator()
      total
        .update(Float64Array.of(2 ** 53), 1)
        .update(Float32Array.of(1), 1)
        .update(Float32Array.of(1), [1])
      expect(total.sum).to.equal(2 ** 53 + 2)
      total
        .update(Float64Array.of(1e300, -(2 ** 53)), 1)
        .update(Float32Array.of(0.1), 1)
        .update(Float64Array.of(-1e300), 1)
      expect(total.sum).to.equal(2 + Math.fround(0.1))
      const max = new LossAccumulator().update(Float64Array.of(Number.MAX_VALUE, Number.MAX_VALUE), 1)
      expect(max).to.include({ sum: Infinity, mean: Number.MAX_VALUE })
      expect(max.update(Float64Array.of(-Number.MAX_VALUE), 1).sum).to.equal(Number.MAX_VALUE)
    })

    it('has totals that cannot be assigned or changed', () => {
      const total = new LossAccumulator().update(x, y)
      for (const key of ['count', 'sum', 'mean', 'positives', 'negatives', 'others', 'margin']) {
        expect(() => Object.assign(total, { [key]: 0 }), key).to.throw(TypeError)
      }
      try {
        Object.assign(total.negatives, { count: 100 })
      } catch {}
      expect(total.negatives.count).to.equal(3)
    })
  })

  describe('the options', () => {
    it('takes the options of the loss', () => {
      const bits = y.map((each) => (each === 1 ? 1 : 0))
      expect(new LossAccumulator({ negativeLabel: 0 }).update(x, bits).sum).to.equal(2)
      expect(new LossAccumulator({ positiveLabel: 5, negativeLabel: 6 }).update([3, 0], [5, 6]).sum).to.equal(4)
      expect(new LossAccumulator(undefined).update(x, y).sum).to.equal(2)
    })

    it('refuses the options that the loss refuses', () => {
      for (const options of [null, 1, 'zero', []]) throwsType(() => new LossAccumulator(options as never))
      throwsType(() => new LossAccumulator({ margin: '1' } as never), /margin/)
      throwsValue(() => new LossAccumulator({ margin: Infinity }), /margin/)
      throwsValue(() => new LossAccumulator({ otherLabels: 'mask' as never }), /otherLabels/)
      throwsValue(() => new LossAccumulator({ positiveLabel: -1 }), /positiveLabel|negativeLabel/)
      for (const unknown of ['reduction', 'name', 'marginn']) {
        throwsValue(() => new LossAccumulator({ [unknown]: 'sum' } as object), new RegExp(unknown))
      }
      expect(() => Reflect.apply(LossAccumulator, undefined, [])).to.throw(TypeError)
    })
  })

  describe('update', () => {
    it('update returns the accumulator', () => {
      const total = new LossAccumulator()
      expect(total.update(x, y)).to.equal(total)
      expect(total.update([], [])).to.equal(total)
      expect(total.count).to.equal(9)
    })

    it('update leaves the accumulator as it was if it throws', () => {
      const size = 300_000
      const label = new Int8Array(size).fill(1)
      label[size - 1] = 3
      const halfBad = new Float32Array(size).fill(-1)
      halfBad[size / 2] = Number.NaN
      const calls: [string, (total: LossAccumulator) => unknown][] = [
        [
          'an invalid label at the end of a large batch',
          (total) => total.update(new Float32Array(size).fill(1), label),
        ],
        ['an invalid label in the middle', (total) => total.update(new Float64Array(size).fill(1), halfBad)],
        ['an invalid label in a small batch', (total) => total.update([1, 2, 3], [1, -1, 0])],
        ['one invalid label for all', (total) => total.update(x, 0)],
        ['another shape', (total) => total.update(x, [1])],
        ['no tensor', (total) => total.update(x, null as never)],
        ['an integer input', (total) => total.update(new Int32Array(2), 1)],
        [
          'a getter',
          (total) =>
            total.update(
              {
                get data(): never {
                  throw new Error('no')
                },
                shape: [1],
              },
              1,
            ),
        ],
      ]
      for (const [title, call] of calls) {
        const total = new LossAccumulator().update(x, y).update(Float64Array.of(0.1, 1e-300), -1)
        const before = JSON.stringify(total)
        expect(() => call(total), title).to.throw(Error)
        expect(JSON.stringify(total), title).to.equal(before)
      }
      const wide = new LossAccumulator({ margin: 1e39 }).update(Float64Array.of(1), -1)
      const before = JSON.stringify(wide)
      throwsValue(() => wide.update(Float32Array.of(1), -1), /margin/)
      expect(JSON.stringify(wide)).to.equal(before)
    })

    it('update counts both batches if a getter calls it while it reads a batch', () => {
      const total = new LossAccumulator()
      const expected = new LossAccumulator().update([1, 2], [1, -1])
      const updateBoth = (input: Float64Array, label: number[]) => {
        total.update(input, label)
        expected.update(input, label)
      }
      const reentrant = {
        dtype: 'float32',
        shape: [2],
        dataSync() {
          updateBoth(Float64Array.of(1e300, 1), [1, 1])
          return Float32Array.of(1, 2)
        },
      }
      const label = {
        shape: [2],
        get data() {
          updateBoth(Float64Array.of(-1e300, 0.5), [1, -1])
          return Int8Array.of(1, -1)
        },
      }
      total.update(reentrant, label)
      expectEqual(total, expected)
      expect(total.count).to.be.at.least(6)
    })

    it('update counts only the outer batch if a call inside it throws', () => {
      const total = new LossAccumulator()
      const reentrant = {
        shape: [1],
        get data() {
          expect(() => total.update([1, 2], [1, 0])).to.throw(RangeError)
          return Float32Array.of(5)
        },
      }
      total.update(reentrant, 1)
      expectEqual(total, new LossAccumulator().update([5], 1))
    })

    it('update throws if its object is not an accumulator', () => {
      const { update, merge, toJSON } = LossAccumulator.prototype
      const impostors = [
        undefined,
        null,
        {},
        Object.create(LossAccumulator.prototype),
        new Proxy(new LossAccumulator(), {}),
      ]
      for (const impostor of impostors) {
        expect(() => Reflect.apply(update, impostor, [[1], [1]])).to.throw(TypeError)
        expect(() => Reflect.apply(merge, impostor, [new LossAccumulator()])).to.throw(Error)
        expect(() => Reflect.apply(toJSON, impostor, [])).to.throw(TypeError)
      }
    })
  })

  describe('batches', () => {
    const anyLabel = fc.constantFrom(1, -1, 0)
    const elements = fc.array(fc.tuple(fc.double(), anyLabel), { maxLength: 60 })
    const policy = fc.constantFrom('zero' as const, 'ignore' as const)
    const accumulate = (pairs: [number, number][], options: MarginOptions) =>
      new LossAccumulator(options).update(
        Float64Array.from(pairs, ([each]) => each),
        Float32Array.from(pairs, ([, each]) => each),
      )

    it('has the same totals and the same JSON for any split, order and grouping of the data', () => {
      fc.assert(
        fc.property(
          elements,
          fc.array(fc.nat(60)),
          policy,
          fc.infiniteStream(fc.nat()),
          (pairs, cuts, otherLabels, keys) => {
            const options = { margin: 2.5, otherLabels }
            const whole = accumulate(pairs, options)
            const shuffled = pairs
              .map((pair) => ({ pair, key: keys.next().value ?? 0 }))
              .sort((a, b) => a.key - b.key)
              .map(({ pair }) => pair)
            const bounds = [0, ...cuts.sort((a, b) => a - b), pairs.length]
            const shards = bounds.slice(1).map((end, i) => shuffled.slice(bounds[i], end))

            const stream = new LossAccumulator(options)
            for (const shard of shards)
              stream.update(
                Float64Array.from(shard, ([each]) => each),
                shard.map(([, each]) => each),
              )
            expectEqual(stream, whole)

            const parts = shards.map((shard) => accumulate(shard, options))
            expectEqual(parts.length === 0 ? whole : LossAccumulator.merge(...parts), whole)
            expectEqual(
              parts.map(throughText).reduceRight((a, b) => a.merge(b), new LossAccumulator(options)),
              whole,
            )
          },
        ),
      )
    })

    it('has the same totals wherever large batches are cut', () => {
      const size = 200_003
      const input = Float32Array.from({ length: size }, (_, i) => Math.sin(i) * 2 ** ((i * 7) % 90))
      const label = Int8Array.from({ length: size }, (_, i) => ((i * 31) % 3 === 0 ? 1 : -1))
      const whole = new LossAccumulator({ margin: 0.3 }).update(input, label)
      for (const step of [1999, 65_536, 150_000]) {
        const stream = new LossAccumulator({ margin: 0.3 })
        for (let at = 0; at < size; at += step)
          stream.update(input.subarray(at, at + step), label.subarray(at, at + step))
        expectEqual(stream, whole)
      }
      expectEqual(new LossAccumulator({ margin: 0.3 }).update(input.toReversed(), label.toReversed()), whole)
    })

    it('has the state of an empty sum after losses that cancel out', () => {
      const cancelled = new LossAccumulator().update(Float64Array.of(1e300, 0.1, -0.1, -1e300), 1)
      const zeros = new LossAccumulator().update([0, -0, 0, -0], 1)
      expectEqual(cancelled, zeros)
      expect(cancelled.sum).to.deep.equal(0)
    })
  })

  describe('merge', () => {
    const options = { margin: 0.5, negativeLabel: 0, otherLabels: 'ignore' } as const
    const one = () => new LossAccumulator(options).update([0.1, 0.2, 7], [1, 0, 5])
    const two = () => new LossAccumulator(options).update(Float64Array.of(1e200, Infinity), [1, 0])

    it('merge adds the totals of the other accumulator, and returns the first', () => {
      const left = one()
      const right = two()
      const before = JSON.stringify(right)
      expect(left.merge(right)).to.equal(left)
      expect(JSON.stringify(right)).to.equal(before)
      const expected = new LossAccumulator(options)
        .update(Float64Array.of(1e200, Infinity), [1, 0])
        .update([0.1, 0.2, 7], [1, 0, 5])
      expectEqual(left, expected)
      expectEqual(two().merge(one()), expected)
    })

    it('merge doubles an accumulator that is merged with itself', () => {
      const total = new LossAccumulator().update(x, y)
      total.merge(total)
      expectEqual(total, new LossAccumulator().update(x, y).update(x, y))
      expect(total).to.include({ count: 18, sum: 4 })
    })

    it('merge changes nothing if one of the two is empty', () => {
      const empty = () => new LossAccumulator(options)
      expectEqual(one().merge(empty()), one())
      expectEqual(empty().merge(one()), one())
      expectEqual(empty().merge(empty()), empty())
    })

    const settings: [string, MarginOptions, MarginOptions][] = [
      ['margin', { margin: 1 }, { margin: 1.5 }],
      ['positiveLabel', { positiveLabel: 1 }, { positiveLabel: 2 }],
      ['negativeLabel', { negativeLabel: -1 }, { negativeLabel: 0 }],
      ['otherLabels', { otherLabels: 'zero' }, { otherLabels: 'ignore' }],
    ]
    for (const [name, left, right] of settings) {
      it(`merge throws a RangeError that names ${name} if it differs`, () => {
        const total = new LossAccumulator(left).update([0.25], left.positiveLabel ?? 1)
        const before = JSON.stringify(total)
        for (const other of [
          new LossAccumulator(right),
          new LossAccumulator(right).update([1], right.positiveLabel ?? 1),
        ]) {
          throwsValue(() => total.merge(other), new RegExp(name))
          throwsValue(() => LossAccumulator.merge(total, other), new RegExp(name))
          throwsValue(() => LossAccumulator.merge(total, new LossAccumulator(left), other), new RegExp(name))
        }
        expect(JSON.stringify(total)).to.equal(before)
      })
    }

    it('merge throws a TypeError for anything that is not an accumulator', () => {
      const total = new LossAccumulator().update(x, y)
      const before = JSON.stringify(total)
      const impostors = [
        undefined,
        null,
        0,
        'total',
        {},
        [],
        total.toJSON(),
        Object.create(LossAccumulator.prototype),
        Object.create(total),
        new Proxy(total, {}),
        LossAccumulator,
      ]
      for (const impostor of impostors) {
        throwsType(() => total.merge(impostor as never))
        throwsType(() => LossAccumulator.merge(impostor as never))
        throwsType(() => LossAccumulator.merge(total, impostor as never))
      }
      throwsType(() => LossAccumulator.merge([total] as never))
      expect(JSON.stringify(total)).to.equal(before)
    })

    it('merge throws for no accumulators, whose settings are unknown', () => {
      refuses(() => LossAccumulator.merge(), 'merge()')
    })

    it('merge returns a new accumulator as a static method, and leaves its arguments as they were', () => {
      const parts = [one(), two(), one()] as const
      const texts = parts.map((part) => JSON.stringify(part))
      const merged = LossAccumulator.merge(...parts)
      for (const part of parts) expect(merged).not.to.equal(part)
      expect(parts.map((part) => JSON.stringify(part))).to.deep.equal(texts)
      expectEqual(merged, one().merge(two()).merge(one()))

      const original = one()
      const copy = LossAccumulator.merge(original)
      expect(copy).not.to.equal(original)
      expectEqual(copy, original)
      copy.update([3], 1)
      expectEqual(original, one())
      expectEqual(LossAccumulator.merge(original, original), one().merge(one()))
    })

    it('merge throws where a count would exceed 2^53, or is right', () => {
      const json = { ...new LossAccumulator().update([0], 1).toJSON() }
      const large = LossAccumulator.fromJSON({ ...json, positives: { ...json.positives, count: 2 ** 53 - 1 } })
      const before = JSON.stringify(large)
      expect(large.count).to.equal(2 ** 53 - 1)
      for (const overflow of [
        () => LossAccumulator.merge(large, large),
        () => LossAccumulator.merge(large).update([0], 1),
        () => LossAccumulator.merge(large).update([0], -1),
      ]) {
        let merged: LossAccumulator
        try {
          merged = overflow()
        } catch (error) {
          expect(error).to.be.an.instanceof(RangeError).with.property('code', 'ERR_INVALID_ARG_VALUE')
          continue
        }
        expectEqual(throughText(merged), merged)
      }
      expect(JSON.stringify(large)).to.equal(before)
    })
  })

  const samples: Record<string, () => LossAccumulator> = {
    empty: () => new LossAccumulator(),
    'the example of 3 × 3': () => new LossAccumulator().update(x, y),
    'other settings': () =>
      new LossAccumulator({ margin: -0.1, positiveLabel: 7, negativeLabel: 0, otherLabels: 'zero' })
        .update([1.5, -2.25, 3], [7, 0, 2])
        .update(Float64Array.of(0.1), 7),
    'a mask': () => new LossAccumulator({ otherLabels: 'ignore' }).update([1, 2, 3, 4], [0, 1, -1, 0]),
    'others alone': () => new LossAccumulator({ otherLabels: 'zero' }).update([1, 2], 0),
    'positives alone': () => new LossAccumulator().update([0.1, -0.7], 1),
    'negatives alone': () => new LossAccumulator().update([0.1, 0.7, 3], -1),
    'the full range of exponents': () =>
      new LossAccumulator().update(Float64Array.of(Number.MAX_VALUE, Number.MIN_VALUE, -1e-200, 1e200), [1, 1, 1, -1]),
    'a sum that overflows': () =>
      new LossAccumulator().update(Float64Array.of(Number.MAX_VALUE, Number.MAX_VALUE, Number.MAX_VALUE), 1),
    'a negative sum': () => new LossAccumulator().update(Float64Array.of(-1e-320, -1e300), 1),
    'one subnormal': () => new LossAccumulator().update(Float64Array.of(-Number.MIN_VALUE), 1),
    NaN: () => new LossAccumulator().update([Number.NaN, 1], [1, -1]),
    infinities: () => new LossAccumulator().update([Infinity, -Infinity], [1, -1]),
    'an infinity below zero': () => new LossAccumulator().update([-Infinity], 1),
    'both infinities in one class': () => new LossAccumulator().update([Infinity, -Infinity], 1),
  }

  describe('toJSON', () => {
    it('toJSON returns a plain object with a version, the settings and the sums as text', () => {
      for (const sample of Object.values(samples)) {
        const json = sample().toJSON()
        expect(Object.getPrototypeOf(json)).to.equal(Object.prototype)
        expect(json).to.have.property('version').that.is.a('number')
        expect(json).to.include({ margin: sample().margin, otherLabels: sample().otherLabels })
        expect(json).to.have.all.keys(
          'version',
          'margin',
          'positiveLabel',
          'negativeLabel',
          'otherLabels',
          'positives',
          'negatives',
          'others',
        )
        expect(json.positives.sum).to.be.a('string')
        expect(json.negatives.sum).to.be.a('string')
        expect(JSON.parse(JSON.stringify(json))).to.deep.equal(json)
        expect(JSON.stringify(sample())).to.equal(JSON.stringify(json))
      }
    })

    it('toJSON returns a snapshot, which later updates do not change', () => {
      const total = new LossAccumulator().update(x, y)
      const json = total.toJSON()
      json.positives.count = 77
      json.margin = 3
      expect(total.toJSON()).to.deep.equal(new LossAccumulator().update(x, y).toJSON())
      const before = total.toJSON()
      total.update(x, y)
      expect(before).to.deep.equal(new LossAccumulator().update(x, y).toJSON())
    })

    it('toJSON returns the same for settings of 0 and −0', () => {
      const signed = (zero: number) =>
        new LossAccumulator({ margin: zero, positiveLabel: 1, negativeLabel: zero }).update([-3, 0, 2], [0, 0, 1])
      expectEqual(signed(-0), signed(0))
      expectEqual(throughText(signed(-0)), signed(-0))
      expectEqual(signed(-0).merge(signed(0)), signed(0).merge(signed(0)))
      expectEqual(throughText(signed(-0)).merge(signed(-0)), signed(0).merge(signed(0)))
    })

    it('toJSON returns less than 2,000 characters of JSON', () => {
      for (const [title, sample] of Object.entries(samples)) {
        expect(JSON.stringify(sample()).length, title).to.be.below(2000)
      }
    })
  })

  describe('fromJSON', () => {
    for (const [title, sample] of Object.entries(samples)) {
      it(`fromJSON restores ${title}`, () => {
        expectEqual(LossAccumulator.fromJSON(sample().toJSON()), sample())
        expectEqual(throughText(sample()), sample())
        const label = sample().positiveLabel
        const input = Float64Array.of(0.1, -1e300)
        expectEqual(throughText(sample()).update(input, label), sample().update(input, label))
        expectEqual(throughText(sample()).merge(sample()), sample().merge(sample()))
      })
    }

    it('fromJSON restores accumulators of random data', () => {
      const pairs = fc.array(fc.tuple(fc.double(), fc.constantFrom(1, -1)), { maxLength: 30 })
      fc.assert(
        fc.property(pairs, fc.double({ noNaN: true, noDefaultInfinity: true }), (elements, margin) => {
          const total = new LossAccumulator({ margin }).update(
            Float64Array.from(elements, ([each]) => each),
            Int8Array.from(elements, ([, each]) => each),
          )
          expectEqual(throughText(total), total)
        }),
      )
    })

    it('fromJSON ignores the order of the keys', () => {
      const total = new LossAccumulator().update(x, y)
      const reordered = (value: unknown): unknown =>
        typeof value === 'object' && value !== null
          ? Object.fromEntries(
              Object.entries(value)
                .reverse()
                .map(([key, each]) => [key, reordered(each)]),
            )
          : value
      expectEqual(LossAccumulator.fromJSON(reordered(total.toJSON())), total)
    })

    it('fromJSON throws a TypeError for anything that is not an object', () => {
      const text = JSON.stringify(new LossAccumulator())
      for (const value of [undefined, null, 0, Number.NaN, true, '', text, 1n, Symbol('s'), () => {}]) {
        throwsType(() => LossAccumulator.fromJSON(value))
      }
    })

    it('fromJSON refuses objects that toJSON does not return', () => {
      const others = [{}, [], [new LossAccumulator().toJSON()], new Map(), new Date(), new Float32Array(4)]
      for (const value of others) refuses(() => LossAccumulator.fromJSON(value), inspect(value))
    })

    type Path = readonly string[]
    const paths = (value: unknown, path: Path = []): Path[] =>
      typeof value === 'object' && value !== null
        ? Object.entries(value).flatMap(([key, each]) => [[...path, key], ...paths(each, [...path, key])])
        : []
    const parent = (json: object, path: Path) =>
      path
        .slice(0, -1)
        .reduce<Record<string, unknown>>((each, key) => each[key] as Record<string, unknown>, json as never)
    const mutated = (
      json: LossAccumulatorJSON,
      path: Path,
      mutate: (parent: Record<string, unknown>, key: string) => void,
    ) => {
      const copy = structuredClone(json)
      mutate(parent(copy, path), path.at(-1) ?? '')
      return copy
    }

    /** Expects that JSON is refused, or restored exactly. */
    function expectRefusedOrEqual(json: unknown, about: string) {
      let accumulator: LossAccumulator
      try {
        accumulator = LossAccumulator.fromJSON(json)
      } catch (error) {
        refuses(() => {
          throw error
        }, about)
        return
      }
      expect(accumulator.toJSON(), about).to.deep.equal(json)
      expect(totalsOf(accumulator).count, about).to.satisfy(Number.isSafeInteger)
    }

    const numbers = [
      -1,
      1,
      2,
      3,
      0.5,
      1e21,
      2 ** 53 - 1,
      2 ** 53,
      2 ** 64,
      -(2 ** 31),
      5e-324,
      1e39,
      Infinity,
      Number.NaN,
    ]
    const texts = [
      '0 1 -1 1.5 NaN nan Infinity -Infinity inf error zero ignore toString 0x 0x0 -0x0 0x0p+0 -0x0p+0 0x1p 0x1p+ 0x1p0',
      '0x1p+0 0x1p-0 0x1p+00 0x01p+0 +0x1p+0 0X1P+0 0x1P+0 0xAp+0 0x1.8p+0 0x10p+0 0x1p+4 0x1p-1 0x1p-4 0x2p-1 0x1p+0x',
      '0x1p-1074 0x1p-1075 0x1p-1076 0x1p-1078 0x1p-99999999999 0x1p+1023 0x1p+1024 0x1p+2000 0x1p+99999999999 --0x1p+0',
      `0x1${'0'.repeat(100)}p+0 0x${'f'.repeat(5000)}p-1074 0x1p+0\n 0x1p+0\u0000 ０x1p+0 0x1p−4`,
    ].flatMap((line) => line.split(' '))
    const kinds = [
      undefined,
      null,
      true,
      false,
      1n,
      Symbol('s'),
      () => 0,
      [],
      [1],
      {},
      { count: 1 },
      new Date(0),
      '',
      ' 0',
    ]
    const values: unknown[] = [...numbers, ...texts, ...kinds]

    for (const [title, sample] of Object.entries(samples)) {
      it(`fromJSON refuses each change to the JSON of ${title}, or restores what it now says`, () => {
        const json = sample().toJSON()
        for (const path of paths(json)) {
          const about = `${title}: ${path.join('.')}`
          refuses(
            () => LossAccumulator.fromJSON(mutated(json, path, (object, key) => Reflect.deleteProperty(object, key))),
            `${about} deleted`,
          )
          const renamed = mutated(json, path, (object, key) => {
            object[`${key}s`] = object[key]
            Reflect.deleteProperty(object, key)
          })
          refuses(() => LossAccumulator.fromJSON(renamed), `${about} renamed`)
          for (const extra of ['extra', 'toJSON', '__proto__', 'constructor', 'mean', '0', '']) {
            const extended = mutated(json, path, (object) => {
              Object.defineProperty(object, extra, { value: 1, enumerable: true, configurable: true, writable: true })
            })
            refuses(() => LossAccumulator.fromJSON(extended), `${about}: ${extra} added`)
          }
          const original = parent(json, path)[path.at(-1) ?? '']
          const rewritten = typeof original === 'string' ? variants(original) : []
          const near =
            typeof original === 'number'
              ? [original + 1, original - 1, original + 0.5, -original - 1, `${original}`]
              : []
          for (const value of [...values, ...rewritten, ...near]) {
            const changed = structuredClone(json)
            parent(changed, path)[path.at(-1) ?? ''] = value
            expectRefusedOrEqual(changed, `${about} = ${inspect(value)}`)
          }
        }
      })
    }

    /** Lists other texts of the same number, or of nearly the same. */
    function variants(text: string): string[] {
      return [
        ` ${text}`,
        `${text} `,
        `+${text}`,
        `-${text}`,
        text.replace(/^-/, ''),
        text.toUpperCase(),
        text.replace('0x', '0x0'),
        text.replace('p', '0p'),
        text.replace(/p.*/, ''),
        text.replace(/p([+-]?)/, 'p$10'),
        text.replace('p+', 'p'),
        text.replace('p', 'p+'),
        text.replace(/[0-9a-f](?=p)/, (digit) => ((Number.parseInt(digit, 16) + 1) % 16).toString(16)),
        text.replace(/p(.*)/, (_, exponent: string) => `0p${Number(exponent) - 4}`),
        text.replace(
          /0x(.*)p(.*)/,
          (_, digits: string, exponent: string) =>
            `0x${(BigInt(`0x${digits}`) * 2n).toString(16)}p${Number(exponent) - 1}`,
        ),
        `${text}${text}`,
        [...text].reverse().join(''),
      ].filter((variant) => variant !== text)
    }

    const impossible: [string, (json: LossAccumulatorJSON) => unknown][] = [
      ['a sum of no positives', (json) => ({ ...json, positives: { count: 0, sum: '0x4p-2' } })],
      ['a sum of no negatives', (json) => ({ ...json, negatives: { count: 0, sum: '0x4p-2', active: 0 } })],
      ['NaN of no positives', (json) => ({ ...json, positives: { count: 0, sum: 'NaN' } })],
      ['Infinity of no negatives', (json) => ({ ...json, negatives: { count: 0, sum: 'Infinity', active: 0 } })],
      ['more active than negatives', (json) => ({ ...json, negatives: { ...json.negatives, active: 4 } })],
      ['a negative count', (json) => ({ ...json, positives: { ...json.positives, count: -6 } })],
      ['a fractional count', (json) => ({ ...json, positives: { ...json.positives, count: 6.5 } })],
      ['a count of 2^53', (json) => ({ ...json, positives: { ...json.positives, count: 2 ** 53 } })],
      ['fractional others', (json) => ({ ...json, others: 0.5 })],
      ['negative others', (json) => ({ ...json, others: -1 })],
      ['another version', (json) => ({ ...json, version: 2 })],
      ['a text as version', (json) => ({ ...json, version: '1' })],
      ['equal labels', (json) => ({ ...json, negativeLabel: 1 })],
      ['a label that is no integer', (json) => ({ ...json, negativeLabel: 0.5 })],
      ['an infinite margin', (json) => ({ ...json, margin: Infinity })],
      ['no margin', (json) => ({ ...json, margin: null })],
      ['an unknown policy', (json) => ({ ...json, otherLabels: 'mask' })],
      ['a number as sum', (json) => ({ ...json, positives: { ...json.positives, sum: 1 } })],
      ['a list for a class', (json) => ({ ...json, positives: [6, '0x4p-2'] })],
      ['active positives', (json) => ({ ...json, positives: { ...json.positives, active: 0 } })],
      [
        'a prototype among the keys',
        (json) => JSON.parse(JSON.stringify(json).replace('{', '{"__proto__":{"polluted":1},')),
      ],
      ['inherited fields', (json) => Object.create(json) as unknown],
    ]
    for (const [title, change] of impossible) {
      it(`fromJSON refuses JSON with ${title}`, () => {
        const json = new LossAccumulator().update(x, y).toJSON()
        expect(() => LossAccumulator.fromJSON(json)).not.to.throw()
        refuses(() => LossAccumulator.fromJSON(change(json)), title)
        expect({}).not.to.have.property('polluted')
      })
    }

    it('fromJSON reads each field once, so that a getter cannot answer twice', () => {
      const json = new LossAccumulator().update(x, y).toJSON()
      for (const path of paths(json)) {
        for (const second of [-1, 'NaN', null, 2 ** 60, { count: 0 }]) {
          const copy = structuredClone(json)
          const object = parent(copy, path)
          const key = path.at(-1) ?? ''
          const first = object[key]
          let reads = 0
          Object.defineProperty(object, key, { enumerable: true, get: () => (reads++ === 0 ? first : second) })
          let accumulator: LossAccumulator
          try {
            accumulator = LossAccumulator.fromJSON(copy)
          } catch {
            continue
          }
          expectEqual(throughText(accumulator), accumulator)
          expect(accumulator.toJSON()).to.deep.equal(json)
        }
      }
    })

    it('fromJSON throws if a getter throws', () => {
      const thrown = new Error('from the getter')
      const json = new LossAccumulator().update(x, y).toJSON()
      for (const path of paths(json)) {
        const copy = structuredClone(json)
        Object.defineProperty(parent(copy, path), path.at(-1) ?? '', {
          enumerable: true,
          get() {
            throw thrown
          },
        })
        expect(() => LossAccumulator.fromJSON(copy)).to.throw(Error)
      }
      const proxy = new Proxy(json, {
        ownKeys() {
          throw thrown
        },
        get() {
          throw thrown
        },
      })
      expect(() => LossAccumulator.fromJSON(proxy)).to.throw(Error)
      const { proxy: revoked, revoke } = Proxy.revocable({}, {})
      revoke()
      expect(() => LossAccumulator.fromJSON(revoked)).to.throw(Error)
    })

    it('fromJSON refuses JSON with random edits, or restores what it now says', () => {
      const texts = Object.values(samples).map((sample) => JSON.stringify(sample()))
      const edit = fc.record({
        text: fc.constantFrom(...texts),
        at: fc.double({ min: 0, max: 1, noNaN: true }),
        remove: fc.nat(3),
        insert: fc.oneof(
          fc.string({ maxLength: 2 }),
          fc.constantFrom('0', '1', 'f', 'p', '-', 'e9', '.5', 'x', '9007199254740993'),
        ),
      })
      fc.assert(
        fc.property(edit, ({ text, at, remove, insert }) => {
          const place = Math.floor(at * text.length)
          let json: unknown
          try {
            json = JSON.parse(text.slice(0, place) + insert + text.slice(place + remove))
          } catch {
            return
          }
          // JSON writes −0 as 0, so it is the same total.
          if (
            JSON.stringify(json, (_, value: unknown) => (Object.is(value, -0) ? 'negative zero' : value)).includes(
              'negative zero',
            )
          )
            return
          expectRefusedOrEqual(json, JSON.stringify(json))
        }),
        { numRuns: 3000 },
      )
    })
  })
})

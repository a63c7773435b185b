import { inspect } from 'node:util'
import { expect } from 'chai'
import fc from 'fast-check'
import {
  HingeEmbeddingLoss,
  type HingeEmbeddingLossOptions,
  hingeEmbeddingLoss,
  type InvalidLabelError,
  type MarginOptions,
  Tensor,
  type TensorLike,
  tensor,
} from '../lib/index.ts'
import { input as x, label as y } from './support/example.ts'

const none = (input: TensorLike, label: TensorLike, options: MarginOptions = {}) =>
  hingeEmbeddingLoss(input, label, { ...options, reduction: 'none' })
const losses = (input: TensorLike, label: TensorLike, options: MarginOptions = {}) =>
  Array.from(none(input, label, options).data)
const mean = (input: TensorLike, label: TensorLike, options: MarginOptions = {}) =>
  hingeEmbeddingLoss(input, label, options)
const sum = (input: TensorLike, label: TensorLike, options: MarginOptions = {}) =>
  hingeEmbeddingLoss(input, label, { ...options, reduction: 'sum' })

function caught(action: () => unknown): unknown {
  try {
    action()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

const invalidLabel = (action: () => unknown): InvalidLabelError => {
  const error = caught(action)
  expect(error).to.be.an.instanceof(RangeError).with.property('code', 'ERR_INVALID_LABEL')
  return error as InvalidLabelError
}

const floatArrays = [Float32Array, Float64Array] as const
/** Lengths around every vector width, and around the block length. */
const sizes = [1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 2047, 2048, 2049, 5000]

describe('HingeEmbeddingLoss', () => {
  describe('rules', () => {
    describe('other labels', () => {
      it("another label is by default a RangeError with the number of such labels, and the first's index and value", () => {
        const input = tensor([
          [1, 2, 3],
          [4, 5, 6],
        ])
        const label = tensor([
          [1, -1, 7],
          [-1, 3, 1],
        ])
        for (const reduction of ['none', 'mean', 'sum'] as const) {
          const error = invalidLabel(() => hingeEmbeddingLoss(input, label, { reduction }))
          expect(error).to.include({ index: 2, value: 7, count: 2 })
          expect(error.message).to.match(/\b2\b/).and.match(/\b7\b/)
        }
      })

      it('an error about a label of 0 recommends negativeLabel: 0', () => {
        expect(invalidLabel(() => mean([1, 2], [1, 0])).message).to.include('negativeLabel: 0')
      })

      it('an error about other labels does not recommend negativeLabel: 0 where it would not help', () => {
        expect(invalidLabel(() => mean([1, 2], [1, 5])).message).not.to.include('negativeLabel: 0')
        expect(invalidLabel(() => mean([1, 2], [2, 0], { positiveLabel: 2, negativeLabel: 3 })).message).not.to.include(
          'negativeLabel: 0',
        )
      })

      it('an error counts all other labels and names the first, in batches of every size', () => {
        for (const TypedArray of floatArrays) {
          for (const size of sizes) {
            const label = new TypedArray(size).fill(-1)
            const wrong = [...new Set([Math.floor(size / 2), size - 1])]
            for (const index of wrong) label[index] = 0.5
            for (const reduction of ['none', 'mean', 'sum'] as const) {
              const error = invalidLabel(() => hingeEmbeddingLoss(new TypedArray(size), label, { reduction }))
              expect(error).to.include({ index: wrong[0], value: 0.5, count: wrong.length })
            }
          }
        }
      })

      it("another label has a loss of 0, which counts in the mean, under 'zero'", () => {
        const options = { otherLabels: 'zero' } as const
        expect(losses([5, 5, -5], [1, 2, 0], options)).to.deep.equal([5, 0, 0])
        expect(mean([5, 5, -5], [1, 2, 0], options)).to.equal(5 / 3)
        expect(sum([5, 5, -5], [1, 2, 0], options)).to.equal(5)
      })

      it("another label has a loss of 0, which does not count in the mean, under 'ignore'", () => {
        const options = { otherLabels: 'ignore' } as const
        expect(losses([5, 5, -5], [1, 2, 0], options)).to.deep.equal([5, 0, 0])
        expect(mean([5, 5, -5], [1, 2, 0], options)).to.equal(5)
        expect(sum([5, 5, -5], [1, 2, 0], options)).to.equal(5)
        expect(mean([5, 5], [2, 0], options)).to.be.NaN
        expect(sum([5, 5], [2, 0], options)).to.equal(0)
      })

      it('another label has a loss of +0 for any input', () => {
        const hostile = [Number.NaN, Infinity, -Infinity, -0, -3]
        for (const otherLabels of ['zero', 'ignore'] as const) {
          for (const TypedArray of floatArrays) {
            const input = TypedArray.from(hostile)
            expect(losses(input, 0, { otherLabels })).to.deep.equal([0, 0, 0, 0, 0])
            expect(losses(input, new TypedArray(5), { otherLabels })).to.deep.equal([0, 0, 0, 0, 0])
            expect(sum(input, new TypedArray(5), { otherLabels })).to.equal(0)
          }
        }
      })

      it('a number that rounds or wraps around to ±1 is another label', () => {
        const almost: [TensorLike, number][] = [
          [Float32Array.of(1, 1.0000001192092896), 1.0000001192092896],
          [Float64Array.of(1, 1 + 2 ** -52), 1 + 2 ** -52],
          [Float64Array.of(1, -1 - 2 ** -40), -1 - 2 ** -40],
          [Uint8Array.of(1, 255), 255],
          [Uint8ClampedArray.of(1, 255), 255],
          [Uint16Array.of(1, 65535), 65535],
          [Uint32Array.of(1, 2 ** 32 - 1), 2 ** 32 - 1],
          [BigInt64Array.of(1n, 2n ** 32n + 1n), 2 ** 32 + 1],
          [BigInt64Array.of(1n, 2n ** 32n - 1n), 2 ** 32 - 1],
          [BigUint64Array.of(1n, 2n ** 64n - 1n), 2 ** 64],
        ]
        for (const [label, value] of almost) {
          for (const TypedArray of floatArrays) {
            const error = invalidLabel(() => mean(new TypedArray(2), label))
            expect(error).to.include({ index: 1, count: 1 })
            expect(Number(error.value)).to.equal(value)
          }
        }
      })

      it('a label is not taken for an encoding that its dtype does not have', () => {
        const wrapped: [TensorLike, MarginOptions][] = [
          [Int8Array.of(1), { positiveLabel: 257 }],
          [Int8Array.of(-1), { negativeLabel: 255 }],
          [Uint8Array.of(1), { positiveLabel: -255 }],
          [Int16Array.of(1), { positiveLabel: 65537 }],
          [Uint16Array.of(1), { positiveLabel: -65535 }],
        ]
        for (const [label, options] of wrapped) {
          expect(invalidLabel(() => mean([5], label, options))).to.include({ index: 0, count: 1 })
        }
      })
    })

    it('positiveLabel and negativeLabel select the encoding, such as 0/1', () => {
      const zeroOne = { negativeLabel: 0 }
      const label = y.map((row) => row.map((each) => (each === 1 ? 1 : 0)))
      expect(none(x, label, zeroOne).toArray()).to.deep.equal(none(x, y).toArray())
      expect(mean(x, label, zeroOne)).to.equal(mean(x, y))
      expect(losses([5, 0.25], [3, -7], { positiveLabel: 3, negativeLabel: -7 })).to.deep.equal([5, 0.75])
      expect(losses([5, 0.25], [-1, 1], { positiveLabel: -1, negativeLabel: 1 })).to.deep.equal([5, 0.75])
      expect(losses([5, 0.25], [-0, 1], { positiveLabel: 0, negativeLabel: 1 })).to.deep.equal([5, 0.75])
      expect(
        losses([5, 0.25], Float32Array.of(2 ** 24, -(2 ** 24)), { positiveLabel: 2 ** 24, negativeLabel: -(2 ** 24) }),
      ).to.deep.equal([5, 0.75])
    })

    describe('integer labels', () => {
      const signed = [Float32Array, Float64Array, Int8Array, Int16Array, Int32Array]
      const unsigned = [Uint8Array, Uint8ClampedArray, Uint16Array, Uint32Array]
      const random = (size: number) => Array.from({ length: size }, (_, i) => (((i * 2654435761) >>> 7) & 1 ? 1 : 0))

      for (const TypedArray of floatArrays) {
        it(`labels in any typed array go with an input in a ${TypedArray.name}`, () => {
          for (const size of [0, ...sizes]) {
            const bits = random(size)
            const signs = bits.map((bit) => 2 * bit - 1)
            const input = TypedArray.from(bits.map((bit, i) => (i % 7) / 4 - bit))
            const expected = Array.from(input, (each, i) => (bits[i] === 1 ? each : Math.max(0, 1 - each)))
            const labels: [TensorLike, MarginOptions][] = [
              ...signed.map((Labels): [TensorLike, MarginOptions] => [Labels.from(signs), {}]),
              ...[...signed, ...unsigned].map((Labels): [TensorLike, MarginOptions] => [
                Labels.from(bits),
                { negativeLabel: 0 },
              ]),
              [BigInt64Array.from(signs, BigInt), {}],
              [BigInt64Array.from(bits, BigInt), { negativeLabel: 0 }],
              [BigUint64Array.from(bits, BigInt), { negativeLabel: 0 }],
            ]
            for (const [label, options] of labels) {
              const total = expected.reduce((a, b) => a + b, 0)
              expect(losses(input, label, options)).to.deep.equal(expected)
              expect(sum(input, label, options)).to.equal(total)
              expect(mean(input, label, options)).to.deep.equal(total / size)
            }
          }
        })
      }
    })

    it('a number is the label of all elements', () => {
      const criterion = new HingeEmbeddingLoss({ reduction: 'none', margin: 2 })
      expect(criterion.forward(x, -1).toArray()).to.deep.equal([
        [1, 4, 0],
        [2, 3, 0],
        [1, 2, 1],
      ])
      expect(criterion(x, 1).toArray()).to.deep.equal(x)
      expect(invalidLabel(() => criterion(x, 0))).to.include({ index: 0, value: 0, count: 9 })
      expect(invalidLabel(() => mean(x, Number.NaN))).to.deep.include({ index: 0, value: Number.NaN, count: 9 })
      expect(mean(new Float32Array(0), 7)).to.be.NaN
      expect(mean(x, 7, { otherLabels: 'zero' })).to.equal(0)
      expect(mean(x, 7, { otherLabels: 'ignore' })).to.be.NaN
    })

    it('different shapes are a RangeError that names both', () => {
      const mismatches: [number[], number[]][] = [
        [
          [2, 3],
          [3, 2],
        ],
        [
          [2, 3],
          [2, 1],
        ],
        [
          [2, 3],
          [1, 3],
        ],
        [[2, 3], [6]],
        [[2, 3], [3]],
        [[3], [1]],
        [[1], [3]],
        [[3], [1, 3]],
        [[1], []],
        [[], [1]],
        [[3], []],
        [
          [0, 2],
          [2, 0],
        ],
        [[0], []],
      ]
      const ofShape = (shape: number[]) => new Tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1), shape)
      const text = (shape: number[]) => `[${shape.join(', ')}]`
      for (const [inputShape, labelShape] of mismatches) {
        expect(() => mean(ofShape(inputShape), ofShape(labelShape)))
          .to.throw(RangeError)
          .with.property('code', 'ERR_SHAPE_MISMATCH')
        const { message } = caught(() => mean(ofShape(inputShape), ofShape(labelShape))) as Error
        expect(message).to.include(text(inputShape)).and.include(text(labelShape))
      }
    })

    it('an input that is not float32 or float64 is a TypeError that names its dtype and these two', () => {
      const refused: [TensorLike, string][] = [
        [Int8Array.of(1), 'int8'],
        [Uint8Array.of(1), 'uint8'],
        [Uint8ClampedArray.of(1), 'uint8'],
        [Int16Array.of(1), 'int16'],
        [Uint16Array.of(1), 'uint16'],
        [Int32Array.of(1), 'int32'],
        [Uint32Array.of(1), 'uint32'],
        [BigInt64Array.of(1n), 'int64'],
        [BigUint64Array.of(1n), 'uint64'],
        [tensor([1], { dtype: 'int32' }), 'int32'],
      ]
      for (const [input, dtype] of refused) {
        expect(() => mean(input, [1]))
          .to.throw(TypeError, new RegExp(`\\b${dtype}\\b`))
          .with.property('code', 'ERR_INVALID_ARG_TYPE')
        const { message } = caught(() => mean(input, [1])) as Error
        expect(message).to.include('input').and.include('float32').and.include('float64')
      }
      expect(none(Float32Array.of(1), [1]).dtype).to.equal('float32')
      expect(none(Float64Array.of(1), [1]).dtype).to.equal('float64')
      expect(none([1], Float64Array.of(1)).dtype).to.equal('float32')
      expect(none(1, 1).dtype).to.equal('float32')
    })

    it('an input of NaN has a loss of NaN for both labels, anywhere in a batch', () => {
      for (const TypedArray of floatArrays) {
        for (const size of sizes) {
          for (const index of new Set([0, Math.floor(size / 3), size - 1])) {
            const input = new TypedArray(size).fill(0.5)
            input[index] = Number.NaN
            for (const sign of [-1, 1]) {
              for (const label of [sign, new TypedArray(size).fill(sign), new Int8Array(size).fill(sign)]) {
                for (const margin of [1, 0, -1]) {
                  const result = losses(input, label, { margin })
                  expect(result.map(Number.isNaN).indexOf(true)).to.equal(index)
                  expect(result.filter(Number.isNaN)).to.have.lengthOf(1)
                  expect(mean(input, label, { margin })).to.be.NaN
                  expect(sum(input, label, { margin })).to.be.NaN
                }
              }
            }
          }
        }
      }
    })

    it('a label of NaN is another label, like 0 or 2', () => {
      for (const TypedArray of floatArrays) {
        const label = TypedArray.of(1, Number.NaN, -1)
        expect(invalidLabel(() => mean([1, 2, 0], label))).to.deep.include({ index: 1, value: Number.NaN, count: 1 })
        expect(losses([1, 2, 0], label, { otherLabels: 'zero' })).to.deep.equal([1, 0, 1])
        expect(mean([1, 2, 0], label, { otherLabels: 'zero' })).to.equal(2 / 3)
        expect(mean([1, 2, 0], label, { otherLabels: 'ignore' })).to.equal(1)
      }
    })

    it('a loss of zero is +0, also for an input of −0 and where Δ − x is −0', () => {
      for (const TypedArray of floatArrays) {
        for (const size of sizes) {
          const zeros = new Array<number>(size).fill(0)
          const negativeZeros = new TypedArray(size).fill(-0)
          for (const label of [1, new TypedArray(size).fill(1), new Int8Array(size).fill(1)]) {
            expect(losses(negativeZeros, label)).to.deep.equal(zeros)
            expect(sum(negativeZeros, label)).to.deep.equal(0)
            expect(mean(negativeZeros, label)).to.deep.equal(0)
          }
          expect(losses(new TypedArray(size), new TypedArray(size).fill(-1), { margin: -0 })).to.deep.equal(zeros)
          expect(sum(new TypedArray(size), -1, { margin: -0 })).to.deep.equal(0)
        }
      }
    })

    it('a negative has a loss of 0 for an input of +∞, and of +∞ for −∞', () => {
      for (const TypedArray of floatArrays) {
        for (const margin of [1, 0, -5]) {
          expect(losses(TypedArray.of(Infinity, -Infinity), [-1, -1], { margin })).to.deep.equal([0, Infinity])
          expect(sum(TypedArray.of(Infinity, -Infinity), -1, { margin })).to.equal(Infinity)
          expect(mean(TypedArray.of(Infinity, Infinity), -1, { margin })).to.equal(0)
        }
      }
    })

    it('a positive has a loss of ±∞ for an input of ±∞', () => {
      for (const TypedArray of floatArrays) {
        expect(losses(TypedArray.of(Infinity, -Infinity), [1, 1])).to.deep.equal([Infinity, -Infinity])
        expect(sum(TypedArray.of(Infinity, 1), 1)).to.equal(Infinity)
        expect(mean(TypedArray.of(-Infinity, 1), 1)).to.equal(-Infinity)
        expect(sum(TypedArray.of(Infinity, -Infinity), 1)).to.be.NaN
      }
    })

    describe('margin', () => {
      it('the margin may be any finite number, also a negative one', () => {
        for (const margin of [0, -0, 5e-324, -4, 1e38, -1e308, Number.MAX_VALUE]) {
          expect(new HingeEmbeddingLoss({ margin }).margin).to.equal(margin)
          expect(losses(Float64Array.of(0), [-1], { margin })).to.deep.equal([Math.max(0, margin)])
        }
      })

      for (const margin of [Number.NaN, Infinity, -Infinity]) {
        it(`a margin of ${margin} is a RangeError in the constructor`, () => {
          expect(() => new HingeEmbeddingLoss({ margin }))
            .to.throw(RangeError, /margin/)
            .with.property('code', 'ERR_INVALID_ARG_VALUE')
        })
      }

      it('a margin that overflows float32 is a RangeError for a float32 input', () => {
        const justTooLarge = 2 ** 128 - 2 ** 103
        const largest = 2 ** 128 - 2 ** 104
        for (const margin of [1e39, -1e39, justTooLarge, -justTooLarge]) {
          const criterion = new HingeEmbeddingLoss({ margin, reduction: 'none' })
          expect(() => criterion(Float32Array.of(1), [-1]))
            .to.throw(RangeError, /margin/)
            .with.property('code', 'ERR_INVALID_ARG_VALUE')
          expect(() => criterion([1], 1))
            .to.throw(RangeError)
            .with.property('code', 'ERR_INVALID_ARG_VALUE')
          expect(Array.from(criterion(Float64Array.of(0), [-1]).data)).to.deep.equal([Math.max(0, margin)])
        }
        // The last double that rounds to the largest float32.
        expect(losses([0], [-1], { margin: justTooLarge - 2 ** 75 })).to.deep.equal([largest])
      })
    })

    it('a float32 input rounds Δ to float32, and computes Δ − x in float32', () => {
      const f32 = fc.float({ noDefaultInfinity: true, noNaN: true })
      fc.assert(
        fc.property(fc.array(f32, { maxLength: 40 }), f32, fc.double({ min: -1e30, max: 1e30 }), (xs, last, margin) => {
          if (Number.isNaN(margin)) return
          const input = Float32Array.of(...xs, last)
          const expected = Array.from(input, (each) => Math.max(0, Math.fround(Math.fround(margin) - each)))
          expect(losses(input, -1, { margin })).to.deep.equal(expected)
          expect(losses(input, new Float32Array(input.length).fill(-1), { margin })).to.deep.equal(expected)
        }),
      )
    })

    describe('bad reduction', () => {
      it('an unknown reduction is a RangeError in the constructor', () => {
        const message = "reduction must be 'none', 'mean' or 'sum', got 'avg'"
        const options = { reduction: 'avg' } as unknown as HingeEmbeddingLossOptions
        expect(() => new HingeEmbeddingLoss(options))
          .to.throw(RangeError, message)
          .with.property('code', 'ERR_INVALID_ARG_VALUE')
        expect(() => hingeEmbeddingLoss([1], [1], options)).to.throw(RangeError, message)
      })
    })

    it('no elements give a mean of NaN, a sum of 0, and an empty tensor', () => {
      for (const dtype of ['float32', 'float64'] as const) {
        for (const shape of [[0], [2, 0], [0, 3, 4]]) {
          const empty = tensor([], { dtype, shape })
          for (const label of [empty, tensor([], { dtype: 'int8', shape }), 1, -1]) {
            expect(mean(empty, label)).to.be.NaN
            expect(sum(empty, label)).to.deep.equal(0)
            const result = none(empty, label)
            expect(result.shape).to.deep.equal(shape)
            expect(result.dtype).to.equal(dtype)
            expect(result.size).to.equal(0)
          }
        }
      }
    })

    it('each result owns its memory, which another call or a transfer does not change', () => {
      const criterion = new HingeEmbeddingLoss({ reduction: 'none' })
      for (const TypedArray of floatArrays) {
        for (let size = 0; size <= 20; size++) {
          const input = new TypedArray(size).map((_, i) => 1 + i)
          const results = () => {
            const { loss, gradInput } = criterion.valueAndGrad(input, 1)
            return [loss, criterion(input, 1), gradInput, criterion.backward(input, 1)].map(({ data }) => data)
          }
          const all = [...results(), ...results()]
          const wanted = all.map((_, i) => (i % 4 < 2 ? input : new TypedArray(size).fill(1)))
          criterion.valueAndGrad(
            input.map((each) => -each),
            -1,
          )
          expect(all).to.deep.equal(wanted)
          expect(new Set(all.map(({ buffer }) => buffer)).size).to.equal(8)
          expect(all.map(({ buffer }) => buffer.byteLength)).to.deep.equal(all.map(() => input.byteLength))
          for (const { buffer } of all.slice(1)) structuredClone(buffer, { transfer: [buffer as ArrayBuffer] })
          expect(all[0]).to.deep.equal(input)
          expect(results()).to.deep.equal(wanted.slice(0, 4))
        }
      }
    })

    it('a result has the bits of its input, of any NaN and subnormal, in batches of every size', () => {
      for (const [bits, TypedArray] of [
        [Uint32Array.of(0x7f800001, 0x7fc00123, 0xffc00000, 1, 0x807fffff), Float32Array],
        [BigUint64Array.of(0x7ff0000000000001n, 0x7ff8000000000123n, 1n, 0x800fffffffffffffn), Float64Array],
      ] as const) {
        const few = new TypedArray(bits.buffer)
        const many = new TypedArray(few.length * 100)
        for (let at = 0; at < many.length; at += few.length) many.set(few, at)
        const bytes = ({ data }: Tensor) => Buffer.from(data.buffer, data.byteOffset, data.byteLength)
        const small = bytes(none(few, 1))
        expect(bytes(none(many, 1)).subarray(0, small.length).equals(small)).to.equal(true)
      }
    })

    it('an input of no dimensions gives losses of shape []', () => {
      for (const input of [0.25, tensor(0.25), new Tensor(Float64Array.of(0.25), [])]) {
        const result = none(input, -1)
        expect(result.shape).to.deep.equal([])
        expect(result.toArray()).to.equal(0.75)
        expect(none(input, tensor(-1)).shape).to.deep.equal([])
        expect(mean(input, -1)).to.equal(0.75)
        expect(sum(input, -1)).to.equal(0.75)
      }
    })

    it('mean and sum are exact, rounded once to float64', () => {
      expect(sum(Float32Array.of(2 ** 60, 1, -(2 ** 60)), 1)).to.equal(1)
      expect(sum(Float64Array.of(1e300, 1, 2 ** -1074, -1e300, -1), 1)).to.equal(2 ** -1074)
      expect(sum(Float64Array.of(Number.MAX_VALUE, Number.MAX_VALUE, -Number.MAX_VALUE), 1)).to.equal(Number.MAX_VALUE)
      expect(sum(Float64Array.of(Number.MAX_VALUE, Number.MAX_VALUE), 1)).to.equal(Infinity)
      expect(mean(Float64Array.of(Number.MAX_VALUE, Number.MAX_VALUE), 1)).to.equal(Number.MAX_VALUE)
      // 2^53 + 1 is no double, but a third of it is.
      expect(mean(Float64Array.of(2 ** 53, 1, 0), 1)).to.equal(3002399751580331)
      expect(mean(Float32Array.of(0.1, 0.1, 0.1), 1)).to.equal(Math.fround(0.1))
    })

    it('toString() and error messages show the name', () => {
      const criterion = new HingeEmbeddingLoss({ name: 'face pairs' })
      expect(criterion.name).to.equal('face pairs')
      expect(String(criterion)).to.include('face pairs')
      expect(() => criterion([1, 2], [1]))
        .to.throw(RangeError, 'face pairs')
        .with.property('code', 'ERR_SHAPE_MISMATCH')
      expect(() => criterion([1, 2], [1, 3]))
        .to.throw(RangeError, 'face pairs')
        .with.property('code', 'ERR_INVALID_LABEL')
      expect(() => criterion(Int8Array.of(1), [1]))
        .to.throw(TypeError, 'face pairs')
        .with.property('code', 'ERR_INVALID_ARG_TYPE')
      expect(() => hingeEmbeddingLoss([1, 2], [1], { name: 'face pairs' })).to.throw(RangeError, 'face pairs')
      expect(criterion(x, y)).to.equal(mean(x, y))
    })

    it('toString() and util.inspect show the options', () => {
      const reprs: [HingeEmbeddingLossOptions, string][] = [
        [{}, "HingeEmbeddingLoss(margin=1, reduction='mean')"],
        [{ margin: -0.5, reduction: 'none' }, "HingeEmbeddingLoss(margin=-0.5, reduction='none')"],
        [{ name: 'pairs' }, "HingeEmbeddingLoss(margin=1, reduction='mean', name='pairs')"],
      ]
      for (const [options, repr] of reprs) {
        const criterion = new HingeEmbeddingLoss(options)
        expect(String(criterion)).to.equal(repr)
        expect(criterion.toString()).to.equal(repr)
        expect(`${criterion}`).to.equal(repr)
        expect(inspect(criterion)).to.equal(repr)
        expect(inspect({ criterion })).to.include(repr)
      }
      const labels = String(new HingeEmbeddingLoss({ negativeLabel: 0, otherLabels: 'ignore' }))
      expect(labels).to.match(/^HingeEmbeddingLoss\(margin=1, reduction='mean'/)
      expect(labels).not.to.equal(String(new HingeEmbeddingLoss()))
    })

    describe('instances as functions', () => {
      it('an instance is a function, which computes forward', () => {
        const criterion = new HingeEmbeddingLoss({ margin: 4, reduction: 'none' })
        expect(criterion).to.be.a('function')
        expect(criterion).to.be.an.instanceof(HingeEmbeddingLoss)
        expect(criterion(x, y).toArray()).to.deep.equal(criterion.forward(x, y).toArray())
        expect(new HingeEmbeddingLoss()(x, y)).to.equal(new HingeEmbeddingLoss().forward(x, y))
        const { sum: total } = { sum: new HingeEmbeddingLoss({ reduction: 'sum' }) }
        expect(total(x, y)).to.equal(2)
      })

      it('an instance is a function with its own options', () => {
        const criteria = [0.5, 1, 4].map((margin) => new HingeEmbeddingLoss({ margin, reduction: 'sum' }))
        expect(criteria.map((criterion) => criterion(x, y))).to.deep.equal([1.5, 2, 9])
        expect(criteria.map((criterion) => criterion(x, y))).to.deep.equal([1.5, 2, 9])
      })

      it('an instance of a subclass is a function, which computes its forward', () => {
        class Doubled extends HingeEmbeddingLoss {
          override forward(input: TensorLike, label: TensorLike): number {
            return 2 * super.forward(input, label)
          }
        }
        const criterion = new Doubled({ margin: 4 })
        expect(criterion).to.be.an.instanceof(Doubled)
        expect(criterion.forward(x, y)).to.equal(2)
        expect(criterion(x, y)).to.equal(2)
      })
    })
  })

  describe('examples', () => {
    const seed: [number, number[][], number, number][] = [
      [
        1,
        [
          [0, -2, 0],
          [0, -1, 2],
          [1, 1, 1],
        ],
        2,
        2 / 9,
      ],
      [
        4,
        [
          [3, -2, 1],
          [0, -1, 2],
          [1, 4, 1],
        ],
        9,
        1,
      ],
      [
        0.5,
        [
          [0, -2, 0],
          [0, -1, 2],
          [1, 0.5, 1],
        ],
        1.5,
        1 / 6,
      ],
      [
        0,
        [
          [0, -2, 0],
          [0, -1, 2],
          [1, 0, 1],
        ],
        1,
        1 / 9,
      ],
      [
        -4,
        [
          [0, -2, 0],
          [0, -1, 2],
          [1, 0, 1],
        ],
        1,
        1 / 9,
      ],
    ]
    for (const [margin, elementwise, total, average] of seed) {
      it(`the losses of the example of 3 × 3 are known at Δ = ${margin}`, () => {
        for (const dtype of ['float32', 'float64'] as const) {
          const input = tensor(x, { dtype })
          for (const labelDtype of ['float32', 'float64', 'int8'] as const) {
            const label = tensor(y, { dtype: labelDtype })
            expect(none(input, label, { margin }).toArray()).to.deep.equal(elementwise)
            expect(sum(input, label, { margin })).to.equal(total)
            expect(mean(input, label, { margin })).to.equal(average)
          }
        }
      })
    }

    it("other labels give a mean of 20/6 under 'zero', of 20 under 'ignore', and by default an error about 5 labels", () => {
      const input = [
        [2, 22, 4],
        [20, 10, 0],
      ]
      const label = [
        [2, 6, 4],
        [1, 10, 0],
      ]
      expect(mean(input, label, { margin: 2, otherLabels: 'zero' })).to.equal(20 / 6)
      expect(mean(input, label, { margin: 2, otherLabels: 'ignore' })).to.equal(20)
      const error = invalidLabel(() => mean(input, label, { margin: 2 }))
      expect(error).to.include({ index: 0, value: 2, count: 5 })
      expect(error.message).to.match(/\b5\b/).and.match(/\b0\b/).and.match(/\b2\b/)
    })

    it('the mean of x = [.9,−1.2,2,.8,3.9,2,1,0,−1] is 1/6, but for the rounding of inputs to float32', () => {
      const input = [0.9, -1.2, 2, 0.8, 3.9, 2, 1, 0, -1]
      const label = [1, 1, -1, 1, -1, 1, -1, 1, 1]
      expect(mean(input, label)).to.be.closeTo(1 / 6, 2 ** -24)
      expect(mean(Float64Array.from(input), label)).to.be.closeTo(1 / 6, 2 ** -53)
    })

    it('pairs with L1 distances of [3,3,9] have losses of [3,3,9] and a mean of 5 at Δ = 6', () => {
      const a = [
        [1, 2, 3],
        [3, 4, 5],
        [5, 6, 7],
      ]
      const b = [
        [1, 4, 4],
        [4, 5, 6],
        [9, 2, 8],
      ]
      const distances = a.map((row, i) => row.reduce((total, each, j) => total + Math.abs(each - (b[i]?.[j] ?? 0)), 0))
      expect(distances).to.deep.equal([3, 3, 9])
      expect(losses(distances, [-1, 1, 1], { margin: 6 })).to.deep.equal([3, 3, 9])
      expect(mean(distances, [-1, 1, 1], { margin: 6 })).to.equal(5)
    })

    it('a negative of −668044.5 in float32 has a loss of 668044.625 at Δ = 0.11', () => {
      expect(losses([-668044.5], [-1], { margin: 0.11 })).to.deep.equal([668044.625])
      expect(mean([-668044.5], -1, { margin: 0.11 })).to.equal(668044.625)
    })

    it('the sum of 2²⁴ copies of float32 0.1 is exact, which float32 gets wrong', () => {
      const input = new Float32Array(2 ** 24).fill(0.1)
      expect(sum(input, 1)).to.equal(1677721.625)
      expect(sum(input, new Int8Array(2 ** 24).fill(1))).to.equal(1677721.625)
      expect(mean(input, 1)).to.equal(0.10000000149011612)
    })

    it('a negative of 0.05 has a loss of 0.25 at Δ = 0.3, in float64 and float32', () => {
      expect(losses(Float64Array.of(0.05), [-1], { margin: 0.3 })).to.deep.equal([0.25])
      expect(losses(Float32Array.of(0.05), [-1], { margin: 0.3 })).to.deep.equal([0.25])
    })
  })

  describe('options', () => {
    it('options have defaults', () => {
      const defaults = {
        margin: 1,
        reduction: 'mean',
        name: '',
        positiveLabel: 1,
        negativeLabel: -1,
        otherLabels: 'error',
      }
      for (const criterion of [
        new HingeEmbeddingLoss(),
        new HingeEmbeddingLoss({}),
        new HingeEmbeddingLoss(undefined),
      ]) {
        expect(criterion).to.include(defaults)
      }
    })

    const options = {
      margin: 0.5,
      reduction: 'sum',
      name: 'pairs',
      positiveLabel: 2,
      negativeLabel: 0,
      otherLabels: 'zero',
    } as const

    it('options are readonly properties', () => {
      const criterion = new HingeEmbeddingLoss(options)
      for (const [key, value] of Object.entries(options)) {
        expect(criterion).to.have.property(key, value)
        expect(() => Object.assign(criterion, { [key]: value })).to.throw(TypeError)
        expect(() => Object.assign(criterion, { [key]: 3 })).to.throw(TypeError)
        expect(criterion).to.have.property(key, value)
      }
    })

    it('options are read once: later changes of the object have no effect', () => {
      const mutable: { -readonly [K in keyof typeof options]: (typeof options)[K] | number } = { ...options }
      const criterion = new HingeEmbeddingLoss(mutable as typeof options)
      mutable.margin = 100
      expect(criterion).to.include(options)
    })

    it('options that are undefined have their defaults', () => {
      const unset = { margin: undefined, reduction: undefined, name: undefined, otherLabels: undefined }
      expect(new HingeEmbeddingLoss(unset as object)).to.include({ margin: 1, reduction: 'mean', name: '' })
    })
  })

  describe('reduction none', () => {
    it('reduction none returns a Tensor of the input’s dtype and shape, in memory of its own', () => {
      for (const TypedArray of floatArrays) {
        const input = new Tensor(TypedArray.of(1, -2, 3, 0, -1, 2), [2, 1, 3])
        const result = none(input, 1)
        expect(result).to.be.an.instanceof(Tensor)
        expect(result.data).to.be.an.instanceof(TypedArray)
        expect(result.shape).to.deep.equal([2, 1, 3])
        expect(result.data).not.to.equal(input.data)
        expect(Array.from(input.data)).to.deep.equal([1, -2, 3, 0, -1, 2])
        expect(none(input, 1).data).not.to.equal(result.data)
      }
    })

    it('the losses have the sum and the mean that the other reductions return', () => {
      fc.assert(
        fc.property(fc.array(fc.tuple(fc.integer({ min: -999, max: 999 }), fc.constantFrom(1, -1))), (pairs) => {
          const input = pairs.map(([each]) => each / 8)
          const label = pairs.map(([, each]) => each)
          const total = losses(input, label).reduce((a, b) => a + b, 0)
          expect(sum(input, label)).to.equal(total)
          expect(mean(input, label)).to.deep.equal(total / pairs.length)
        }),
      )
    })
  })

  describe('out', () => {
    const criterion = new HingeEmbeddingLoss({ reduction: 'none' })
    const expected = [0, -2, 0, 0, -1, 2, 1, 1, 1]
    const outOfRange = (action: () => unknown) =>
      expect(action).to.throw(RangeError, /out/).with.property('code', 'ERR_INVALID_ARG_VALUE')
    const misfit = (action: () => unknown) =>
      expect(action).to.throw(RangeError, /out/).with.property('code', 'ERR_SHAPE_MISMATCH')
    const wrongType = (action: () => unknown) =>
      expect(action).to.throw(TypeError, /out/).with.property('code', 'ERR_INVALID_ARG_TYPE')

    for (const TypedArray of floatArrays) {
      const input = new Tensor(TypedArray.from(x.flat()), [3, 3])

      it(`out receives the losses in a ${TypedArray.name}`, () => {
        const out = new TypedArray(9)
        const result = criterion.forward(input, y, { out })
        expect(Array.from(out)).to.deep.equal(expected)
        expect(result.data).to.equal(out)
        expect(result.shape).to.deep.equal([3, 3])
      })

      it(`out receives the losses in a Tensor of a ${TypedArray.name}`, () => {
        const out = new Tensor(new TypedArray(9), [3, 3])
        const result = criterion.forward(input, y, { out })
        expect(out.toArray()).to.deep.equal(result.toArray())
        expect(result.data).to.equal(out.data)
        expect(Array.from(result.data)).to.deep.equal(expected)
      })

      it(`out is written only within its part of a buffer, in a ${TypedArray.name}`, () => {
        const memory = new TypedArray(11).fill(7)
        criterion.forward(input, y, { out: memory.subarray(1, 10) })
        expect(Array.from(memory)).to.deep.equal([7, ...expected, 7])
      })

      it(`out may be the input itself, a ${TypedArray.name}`, () => {
        for (const size of sizes) {
          const data = TypedArray.from(Array.from({ length: size }, (_, i) => (i % 9) - 4))
          const label = Int8Array.from({ length: size }, (_, i) => (i % 2 === 0 ? 1 : -1))
          const losses = Array.from(criterion(data, label).data)
          const inPlace = data.slice()
          expect(criterion.forward(inPlace, label, { out: inPlace }).data).to.equal(inPlace)
          expect(Array.from(inPlace)).to.deep.equal(losses)
        }
        const inPlace = new Tensor(TypedArray.from(x.flat()), [3, 3])
        criterion.forward(inPlace, y, { out: inPlace })
        expect(Array.from(inPlace.data)).to.deep.equal(expected)
        const twice = TypedArray.from(x.flat())
        criterion.forward(twice, y.flat(), { out: new TypedArray(twice.buffer) })
        expect(Array.from(twice)).to.deep.equal(expected)
      })

      it(`out throws a TypeError if its dtype is not that of a ${TypedArray.name}`, () => {
        const Other = TypedArray === Float32Array ? Float64Array : Float32Array
        wrongType(() => criterion.forward(input, y, { out: new Other(9) }))
        wrongType(() => criterion.forward(input, y, { out: new Tensor(new Other(9), [3, 3]) }))
      })
    }

    it('out throws a TypeError if it is not a float array or a Tensor', () => {
      const refused = [null, [0, 0, 0], 'out', 3, true, new Int32Array(9), new ArrayBuffer(36), {}, () => {}]
      for (const out of refused) wrongType(() => criterion.forward(x, y, { out: out as never }))
      wrongType(() => criterion.forward(x, y, { out: tensor(x, { dtype: 'int32' }) }))
    })

    it('out throws a RangeError if it has another length or shape', () => {
      misfit(() => criterion.forward(x, y, { out: new Float32Array(8) }))
      misfit(() => criterion.forward(x, y, { out: new Float32Array(10) }))
      misfit(() => criterion.forward(x, y, { out: new Tensor(new Float32Array(9)) }))
      misfit(() => criterion.forward(x, y, { out: new Tensor(new Float32Array(9), [9, 1]) }))
      misfit(() => criterion.forward(new Float32Array(0), 1, { out: new Float32Array(1) }))
    })

    it('out throws a RangeError if it overlaps a part of the input', () => {
      const memory = new Float32Array(16)
      outOfRange(() => criterion.forward(memory.subarray(0, 8), 1, { out: memory.subarray(1, 9) }))
      outOfRange(() => criterion.forward(memory.subarray(1, 9), 1, { out: memory.subarray(0, 8) }))
      outOfRange(() => criterion.forward(memory.subarray(0, 8), 1, { out: memory.subarray(7, 15) }))
      expect(() => criterion.forward(memory.subarray(0, 8), 1, { out: memory.subarray(8, 16) })).not.to.throw()
      expect(() => criterion.forward(memory.subarray(8, 16), 1, { out: memory.subarray(0, 8) })).not.to.throw()
    })

    it('out throws a RangeError if it overlaps the label', () => {
      const memory = new Float32Array(16).fill(1)
      const input = new Float32Array(8)
      outOfRange(() => criterion.forward(input, memory.subarray(0, 8), { out: memory.subarray(0, 8) }))
      outOfRange(() => criterion.forward(input, memory.subarray(0, 8), { out: memory.subarray(4, 12) }))
      outOfRange(() => criterion.forward(input, new Int8Array(memory.buffer, 8, 8), { out: memory.subarray(0, 8) }))
      expect(() => criterion.forward(input, memory.subarray(8, 16), { out: memory.subarray(0, 8) })).not.to.throw()
    })

    it('out throws a RangeError if it overlaps through another SharedArrayBuffer of the same memory', () => {
      const memory = new SharedArrayBuffer(64)
      const twin = structuredClone(memory)
      expect(twin).not.to.equal(memory)
      const input = new Float32Array(memory, 0, 8)
      outOfRange(() => criterion.forward(input, 1, { out: new Float32Array(twin, 4, 8) }))
      outOfRange(() => criterion.forward(new Float32Array(8), input, { out: new Float32Array(twin, 0, 8) }))
    })

    it('out throws unless the reduction is none', () => {
      for (const reduction of ['mean', 'sum'] as const) {
        const reduced = new HingeEmbeddingLoss({ reduction })
        const out = new Float32Array(9).fill(7)
        expect(() => reduced.forward(x, y, { out }))
          .to.throw(Error, /out/)
          .with.property('code')
          .that.is.oneOf(['ERR_INVALID_ARG_VALUE', 'ERR_INVALID_ARG_TYPE'])
        expect(Array.from(out)).to.deep.equal(new Array(9).fill(7))
        expect(reduced.forward(x, y, {})).to.equal(new HingeEmbeddingLoss({ reduction })(x, y))
      }
    })

    it('out is untouched by a call that throws for its arguments', () => {
      const out = new Float32Array(9).fill(7)
      const calls = [
        () => criterion.forward(x, [1], { out }),
        () => criterion.forward(x, null as never, { out }),
        () => criterion.forward(null as never, y, { out }),
        () => criterion.forward(tensor(x, { dtype: 'float64' }), y, { out }),
        () => criterion.forward([1], [1], { out }),
        () => new HingeEmbeddingLoss({ reduction: 'none', margin: 1e39 }).forward(x, y, { out }),
      ]
      for (const call of calls) {
        expect(call).to.throw()
        expect(Array.from(out)).to.deep.equal(new Array(9).fill(7))
      }
    })
  })
})

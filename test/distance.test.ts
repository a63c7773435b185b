import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { expect } from 'chai'
import {
  CosineDistance,
  type Distance,
  getNumThreads,
  type InputData,
  PairwiseDistance,
  setNumThreads,
  Tensor,
  type TensorLike,
} from '../lib/index.ts'
import { native } from '../lib/native.ts'
import { errorIn, exactDistance, exactGradients, lastPlaceOf, type Measure } from './distance-oracle.ts'
import { Random } from './support/random.ts'

const types = [Float32Array, Float64Array] as const
type FloatArray = (typeof types)[number]

/** Every width up to some steps of a kernel, and two larger ones. */
const widths = [...Array.from({ length: 71 }, (_, width) => width), 128, 300]
const measures: readonly Measure[] = [2, 1, Number.POSITIVE_INFINITY, 3, 1.5, 0.5, 'cosine']

const distanceOf = (measure: Measure, epsilon: number) =>
  measure === 'cosine' ? new CosineDistance({ epsilon }) : new PairwiseDistance({ p: measure, epsilon })

/** Kinds of rows; the numbers of a side follow from those of the other where the kind says so. */
const kinds: Readonly<Record<string, (random: Random, Type: FloatArray) => (() => number) | 'near'>> = {
  normal: (random) => () => random.fraction() + random.fraction() - 1,
  near: () => 'near',
  'of many magnitudes': (random) => () => random.sign() * random.fraction() * 2 ** random.integer(-40, 40),
  large: (random, Type) => () => random.sign() * random.fraction() * (Type === Float32Array ? 1e38 : 8e307),
  small: (random, Type) => () => random.sign() * random.fraction() * (Type === Float32Array ? 1e-37 : 1e-200),
  subnormal: (random, Type) => () => random.integer(-9, 9) * (Type === Float32Array ? 2 ** -149 : 2 ** -1074),
}

interface Rows {
  readonly left: InputData
  readonly right: InputData
}

function makeRows(kind: string, Type: FloatArray, width: number, seed: number): Rows {
  const random = new Random(seed)
  const drawn = kinds[kind]?.(random, Type)
  const draw = typeof drawn === 'function' ? drawn : () => 2 * random.fraction() - 1
  const left = new Type(width).map(draw)
  const right = new Type(width).map((_, i) => (drawn === 'near' ? (left[i] as number) * (1 + 1e-5 * draw()) : draw()))
  return { left, right }
}

/** The bounds of docs/numerics.md: of |error| in units in the last place, and for the cosine also an absolute one. */
function boundOf(measure: Measure, Type: FloatArray, width: number): { ulps: number; absolute: number } {
  const isFloat = Type === Float32Array
  const additions = isFloat ? width / 16 + 4 : 1
  const inDoubles =
    measure === 'cosine' || measure === Number.POSITIVE_INFINITY
      ? 0
      : measure === 1
        ? additions
        : measure === 2
          ? additions / 2 + 1
          : 3.1 + 2.1 / measure
  const last = measure === 1 && !isFloat ? 2 ** -20 : inDoubles
  const isRounded = isFloat || measure === 1 || measure === 2
  return {
    ulps: (isRounded ? 0.5 : 0) + last * (isFloat ? 2 ** -29 : 1),
    absolute: measure === 'cosine' ? (2 * additions + 6) * 2 ** -53 : 0,
  }
}

describe(`distances (${native.instructionSets().join(', ')})`, () => {
  const set = native.instructionSet()
  const threads = getNumThreads()
  afterEach(() => {
    native.setInstructionSet(set)
    setNumThreads(threads)
  })

  for (const Type of types) {
    describe(`of ${Type.name}`, () => {
      for (const measure of measures) {
        for (const kind of Object.keys(kinds)) {
          it(`${measure} of rows that are ${kind} is exact to within its bound, for every width`, () => {
            let compared = 0
            for (const width of widths) {
              const epsilon = measure === 'cosine' ? 1e-8 : width % 3 === 0 ? 0 : 1e-6
              const { left, right } = makeRows(kind, Type, width, 1000 * width + 7)
              const distance = distanceOf(measure, epsilon)(left, right).data[0] as number
              const exact = exactDistance(left, right, measure, epsilon)
              const place = lastPlaceOf(left, exact)
              const { ulps, absolute } = boundOf(measure, Type, width)
              const what = `${distance} for D = ${width}, ε = ${epsilon}`
              if (distance === Number.POSITIVE_INFINITY) {
                // The exact distance rounds to infinity.
                const largest = Type === Float32Array ? (2 - 2 ** -23) * 2 ** 127 : Number.MAX_VALUE
                expect(Number(exact.value >> 500n) * 2 ** (exact.exponent - 101), what).to.be.at.least(largest / 2)
              } else {
                expect(errorIn(place, distance, exact), what).to.be.at.most(ulps + absolute / 2 ** place + 1e-9)
              }
              compared++
            }
            expect(compared).to.equal(widths.length)
          })
        }
      }
    })
  }

  it('powers of any size are exact to within their bound', () => {
    const random = new Random(12)
    for (const p of [0.0625, 0.3125, 0.75, 1.0625, 1.9375, 2.3125, 6.4375, 17, 40.5]) {
      for (let i = 0; i < 60; i++) {
        const draw = () => random.sign() * random.fraction() * 2 ** random.integer(-4, 4)
        const [left, right] = [Float64Array.from({ length: 1 + (i % 7) }, draw), new Float64Array(1 + (i % 7))]
        const distance = distanceOf(p, 0)(left, right).data[0] as number
        const exact = exactDistance(left, right, p, 0)
        const error = errorIn(lastPlaceOf(left, exact), distance, exact)
        expect(error, `${distance} for p = ${p}`).to.be.at.most(boundOf(p, Float64Array, left.length).ulps)
      }
    }
  })

  describe('gradients', () => {
    /** As `boundOf`: in units in the last place, and for the cosine also in units of 1 / |row|. */
    function gradientBoundOf(measure: Measure, Type: FloatArray, width: number) {
      const isFloat = Type === Float32Array
      const additions = isFloat ? width / 16 + 4 : 1
      const inDoubles = measure === 2 ? additions / 2 + 4 : measure === 3 ? 14 : 0
      const isExact = measure === 1 || measure === Number.POSITIVE_INFINITY
      return {
        ulps: isExact ? 0 : (isFloat ? 0.5 : 1) + inDoubles * (isFloat ? 2 ** -29 : 1),
        absolute: measure === 'cosine' ? (3 * additions + 12) * 2 ** -53 : 0,
      }
    }

    const lengthOf = (row: InputData) => Math.hypot(...row)

    for (const Type of types) {
      for (const measure of [2, 1, Number.POSITIVE_INFINITY, 3, 'cosine'] as const) {
        for (const kind of Object.keys(kinds)) {
          if (measure === 'cosine' && kind === 'subnormal') continue
          it(`${Type.name}: ${measure} of rows that are ${kind} has gradients exact to within their bound`, () => {
            let elements = 0
            for (const width of widths) {
              const epsilon = measure === 'cosine' ? 1e-8 : width % 3 === 0 ? 0 : 1e-6
              const rows = makeRows(kind, Type, width, 1000 * width + 8)
              const { left, right } = rows
              const { gradLeft, gradRight } = distanceOf(measure, epsilon).backward(left, right)
              const { ulps, absolute } = gradientBoundOf(measure, Type, width)
              const exact = exactGradients(left, right, measure, epsilon)
              for (const [side, { data }] of [gradLeft, gradRight].entries()) {
                const scale = absolute === 0 ? 0 : absolute / lengthOf(side === 0 ? left : right)
                for (const [i, gradient] of data.entries()) {
                  const wanted = exact[side]?.[i] as (typeof exact)[0][0]
                  const place = lastPlaceOf(left, wanted)
                  const error = Number.isFinite(gradient) ? errorIn(place, gradient, wanted) : Number.NaN
                  const what = `${gradient} of element ${i} of side ${side}, D = ${width}`
                  expect(error, what).to.be.at.most(ulps + scale / 2 ** place + 1e-9)
                  elements++
                }
              }
            }
            expect(elements).to.equal(2 * widths.reduce((sum, width) => sum + width, 0))
          })
        }
      }
    }

    for (const measure of [1, 1.3, 2, 3.7, 0.5, Number.POSITIVE_INFINITY, 'cosine'] as const) {
      it(`${measure} has the gradients that finite differences show`, () => {
        const { left, right } = makeRows('normal', Float64Array, 12, 5)
        const distance = distanceOf(measure, 1e-6)
        const { gradLeft, gradRight } = distance.backward(left, right, 3)
        for (const [rows, gradients] of [
          [left, gradLeft.data],
          [right, gradRight.data],
        ] as const) {
          for (let i = 0; i < 12; i++) {
            const x = rows[i] as number
            const [above, below] = [x + 2 ** -20, x - 2 ** -20].map((value) => {
              rows[i] = value
              return distance(left, right).data[0] as number
            }) as [number, number]
            rows[i] = x
            expect(gradients[i]).to.be.closeTo((3 * (above - below)) / 2 ** -19, 1e-5)
          }
        }
      })
    }

    it('multiplies each pair with its own upstream gradient', () => {
      const { left, right } = makeRows('normal', Float64Array, 30, 6)
      const [l, r] = [new Tensor(left, [5, 6]), new Tensor(right, [5, 6])]
      const upstream = Float64Array.of(1, -2, 0.5, 0, 1024)
      for (const measure of measures) {
        const distance = distanceOf(measure, 1e-6)
        const [ones, all] = [distance.backward(l, r), distance.backward(l, r, upstream)]
        for (const side of ['gradLeft', 'gradRight'] as const) {
          const wanted = ones[side].data.map((gradient, i) => gradient * (upstream[Math.floor(i / 6)] as number) + 0)
          expect(all[side].data, `${measure}`).to.deep.equal(wanted)
        }
      }
    })

    it('gradients of 16 MiB and more, which are stored past the caches, have the bits of those of a part', () => {
      for (const [count, width] of [
        [33_000, 128],
        [42_000, 101],
      ] as const) {
        const data = Float32Array.from({ length: count * width }, (_, i) => Math.sin(i))
        const [l, r] = [new Tensor(data, [count, width]), data.subarray(7, 7 + count * width)]
        const other = new Float32Array(count * width)
        other.set(r)
        const distance = new PairwiseDistance()
        const whole = distance.backward(l, new Tensor(other, [count, width]))
        for (const at of [0, 11_111, count - 200]) {
          const [from, to] = [at * width, (at + 200) * width]
          const part = (values: Float32Array) => new Tensor(values.slice(from, to), [200, width])
          const { gradLeft, gradRight } = distance.backward(part(data), part(other))
          expect(whole.gradLeft.data.slice(from, to)).to.deep.equal(gradLeft.data)
          expect(whole.gradRight.data.slice(from, to)).to.deep.equal(gradRight.data)
        }
      }
    })

    it('a row beside many has the sum of its gradients, with the same bits for any number of threads', () => {
      const [count, width] = [2000, 70]
      const { left, right: row } = makeRows('normal', Float64Array, width * count, 7)
      const one = row.slice(0, width)
      const rows = new Tensor(left, [count, width])
      const repeated = new Tensor(
        row.map((_, i) => one[i % width] as number),
        [count, width],
      )
      const upstream = left.slice(0, count)
      for (const measure of [2, 1, 'cosine'] as const) {
        const distance = distanceOf(measure, 1e-6)
        const { gradLeft, gradRight } = distance.backward(rows, repeated, upstream)
        let byOneThread: InputData | undefined
        for (const numThreads of [1, 2, 3]) {
          setNumThreads(numThreads)
          const shared = distance.backward(rows, one, upstream)
          const swapped = distance.backward(one, rows, upstream)
          expect(shared.gradLeft.data).to.deep.equal(gradLeft.data)
          expect(shared.gradRight.shape).to.deep.equal([width])
          if (measure === 'cosine') expect(swapped.gradLeft.data).to.deep.equal(shared.gradRight.data)
          for (let i = 0; i < width; i++) {
            let [sum, magnitudes] = [0, 0]
            for (let at = i; at < width * count; at += width) {
              sum += gradRight.data[at] as number
              magnitudes += Math.abs(gradRight.data[at] as number)
            }
            expect(shared.gradRight.data[i]).to.be.closeTo(sum, 1e-13 * magnitudes)
          }
          byOneThread ??= shared.gradRight.data
          expect(shared.gradRight.data).to.deep.equal(byOneThread)
        }
      }
    })

    it('are right where an element or the upstream gradient is extreme', () => {
      const { gradLeft } = new PairwiseDistance({ epsilon: 0 }).backward(Float64Array.of(1e-300, 1e300), [0, 0], 1e300)
      expect([...gradLeft.data]).to.deep.equal([1e-300, 1e300])
      const tiny = new PairwiseDistance({ epsilon: 0 }).backward(Float64Array.of(2 ** -1060, 2 ** -10), [0, 0], 2 ** 30)
      expect([...tiny.gradLeft.data]).to.deep.equal([2 ** -1020, 2 ** 30])
      // l = (1, 2) and r = (3, -1): the gradient by l is (cos · l / 5 − r / √50) = (−2.8, 1.4) / √50, and 2^-1060 of scale
      const scale = 2 ** -1060
      const cosine = new CosineDistance({ epsilon: 0 }).backward(
        Float64Array.of(scale, 2 * scale),
        Float64Array.of(3 * scale, -scale),
        2 ** -50,
      )
      for (const [i, wanted] of [-2.8, 1.4].entries()) {
        expect((cosine.gradLeft.data[i] as number) / 2 ** 1010).to.be.closeTo(wanted / Math.sqrt(50), 1e-15)
      }
    })

    it('of a large power stay exact for ties', () => {
      for (const p of [1e4, 1e8, 1e16]) {
        const { gradLeft } = new PairwiseDistance({ p, epsilon: 0 }).backward(
          Float64Array.of(3, -4, 0, 4),
          [0, 0, 0, 0],
        )
        const tie = 2 ** (1 / p - 1)
        expect(gradLeft.data[3], `${p}`).to.be.closeTo(tie, 2e-16)
        expect([...gradLeft.data], `${p}`).to.deep.equal([0, -(gradLeft.data[3] as number), 0, gradLeft.data[3]])
      }
    })

    it('are 0 where the distance or the upstream gradient is 0, of all ties, and NaN where the distance is NaN', () => {
      const backward = (measure: Measure, left: number[], right: number[]) => {
        const { gradLeft, gradRight } = distanceOf(measure, measure === 'cosine' ? 1e-8 : 0).backward(left, right)
        return [[...gradLeft.data], [...gradRight.data]]
      }
      for (const p of [1, 2, 3, 0.5, Number.POSITIVE_INFINITY]) {
        expect(backward(p, [1, 2], [1, 2]), `${p}`).to.deep.equal([
          [0, 0],
          [0, 0],
        ])
        expect(backward(p, [1, Number.NaN], [0, 0]).flat()).to.deep.equal([
          Number.NaN,
          Number.NaN,
          Number.NaN,
          Number.NaN,
        ])
      }
      expect(backward(Number.POSITIVE_INFINITY, [3, -3, 1], [0, 0, 0])).to.deep.equal([
        [1, -1, 0],
        [-1, 1, 0],
      ])
      const masked = new PairwiseDistance().backward(
        [
          [1, Number.NaN],
          [1, Number.POSITIVE_INFINITY],
        ],
        [0, 0],
        [0, -0],
      )
      expect([...masked.gradLeft.data, ...masked.gradRight.data]).to.deep.equal([0, 0, 0, 0, 0, 0])
      expect(backward('cosine', [2, 3], [2, 3]).flat()).to.deep.equal([0, 0, 0, 0])
      expect(backward('cosine', [0, 0], [1, -2])).to.deep.equal([
        [-1e8, 2e8],
        [0, 0],
      ])
    })
  })

  describe('do not depend on', () => {
    const width = 100

    /** Every bit of the distances and gradients of pairs. */
    function bitsOf(Type: FloatArray, count: number, offset: number): string[] {
      const { left, right } = makeRows('of many magnitudes', Type, count * width, 9)
      right[3] = Number.NaN
      left[width + 1] = Number.POSITIVE_INFINITY
      const place = (values: InputData, by: number) => {
        const placed = new Type(values.length + by).subarray(by)
        placed.set(values)
        return new Tensor(placed, [count, width])
      }
      const [l, r] = [place(left, offset), place(right, 3 * offset)]
      return measures.flatMap((measure) => {
        const distance = distanceOf(measure, 1e-6)
        const { gradLeft, gradRight } = distance.backward(l, r)
        return [distance(l, r), gradLeft, gradRight].map(({ data }) => Buffer.from(data.buffer).toString('latin1'))
      })
    }

    for (const Type of types) {
      for (const name of native.instructionSets()) {
        it(`the instruction set: ${name} has the same bits of ${Type.name}, from any address`, () => {
          const expected = bitsOf(Type, 60, 0)
          native.setInstructionSet(name)
          for (const offset of [0, 1, 5])
            expect(bitsOf(Type, 60, offset).every((bits, i) => bits === expected[i])).to.equal(true)
        })
      }
      it(`the number of threads, for ${Type.name}`, () => {
        setNumThreads(1)
        const expected = bitsOf(Type, 1500, 0)
        for (const numThreads of [2, 3]) {
          setNumThreads(numThreads)
          expect(bitsOf(Type, 1500, 0).every((bits, i) => bits === expected[i])).to.equal(true)
        }
      })
    }
  })

  it('have the bits that they have on other platforms, with every instruction set', () => {
    for (const name of native.instructionSets()) {
      native.setInstructionSet(name)
      expect(hashResults(), name).to.equal('891cb1e81957f933a9be7de812366ff7ce83cfbe76ea7b03c88e7cc10391c9f4')
    }
  })

  function hashResults(): string {
    const hash = createHash('sha256')
    for (const Type of types) {
      for (const measure of measures) {
        for (const kind of Object.keys(kinds)) {
          const { left, right } = makeRows(kind, Type, 40 * 37, 13)
          const distance = distanceOf(measure, 1e-6)
          const [l, r] = [new Tensor(left, [40, 37]), new Tensor(right, [40, 37])]
          const { gradLeft, gradRight } = distance.backward(l, r, -0.7)
          for (const { data } of [distance(l, r), gradLeft, gradRight]) hash.update(data)
        }
      }
    }
    return hash.digest('hex')
  }

  describe('at the ends of the range', () => {
    const all = (left: number[], right: number[], epsilon = 0) =>
      measures.map((measure) => distanceOf(measure, epsilon)(Float64Array.from(left), Float64Array.from(right)).data[0])

    it('extreme rows are right, not infinite or 0', () => {
      const root = 2 ** 0.5
      for (const scale of [2 ** 700, 2 ** -700, 2 ** -1000]) {
        const [euclidean, ...others] = all([scale, 0], [0, -scale])
        expect(euclidean).to.equal(root * scale)
        expect(others.slice(0, 2)).to.deep.equal([2 * scale, scale])
        expect(others[4]).to.equal(4 * scale)
        expect(others[5]).to.equal(1)
      }
      expect(all([2 ** -1074], [0]).slice(0, 6)).to.deep.equal(new Array(6).fill(2 ** -1074))
      expect(
        new CosineDistance({ epsilon: 0 })(Float64Array.of(1e-320, 0), Float64Array.of(1e300, 0)).data[0],
      ).to.equal(0)
    })

    it('NaN gives NaN, also beside an infinity, and always the same bits', () => {
      for (const Type of types) {
        const negativeNaN = new Type(1)
        new Uint8Array(negativeNaN.buffer).fill(0xff)
        for (const measure of measures) {
          for (const row of [Type.of(Number.NaN, 1), Type.of(Number.POSITIVE_INFINITY, ...negativeNaN)]) {
            const { data } = distanceOf(measure, 0)(row, Type.of(1, 1))
            const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex')
            expect(bytes).to.equal(Type === Float32Array ? '0000c07f' : '000000000000f87f')
          }
        }
      }
    })

    it('infinite differences give an infinite distance, and the cosine of infinities is NaN', () => {
      const distances = all([Number.POSITIVE_INFINITY, 1], [0, 1])
      expect(distances).to.deep.equal([...new Array(6).fill(Number.POSITIVE_INFINITY), Number.NaN])
      expect(all([Number.POSITIVE_INFINITY], [Number.POSITIVE_INFINITY])).to.deep.equal(new Array(7).fill(Number.NaN))
    })

    it('is exactly 0 for equal vectors, and 1 for the cosine of a zero vector', () => {
      const { left } = makeRows('of many magnitudes', Float64Array, 77, 3)
      for (const scale of [1, 2 ** -600, 2 ** 600]) {
        const row = [...left].map((value) => value * scale)
        expect(all(row, row)).to.deep.equal(new Array(7).fill(0))
      }
      expect(all([0, 0], [0, 0])).to.deep.equal([0, 0, 0, 0, 0, 0, 1])
      expect(new CosineDistance()([0, -0], [3, 4]).data[0]).to.equal(1)
      expect(all([], [])).to.deep.equal([0, 0, 0, 0, 0, 0, 1])
    })

    it('the cosine distance is at most 2', () => {
      const random = new Random(4)
      for (let i = 0; i < 1000; i++) {
        const row = Float64Array.from({ length: 3 }, () => random.fraction())
        const { data } = new CosineDistance()(
          row,
          row.map((value) => -value * 3),
        )
        expect(data[0]).to.be.within(2 - 2 ** -50, 2)
      }
    })

    it('a huge power has the largest difference as its distance, and its gradient', () => {
      for (const p of [1e16, 1e100, 1e301, Number.MAX_VALUE]) {
        const distance = new PairwiseDistance({ p, epsilon: 0 })
        expect(distance([3, -4, 0], [0, 0, 0]).data[0], `${p}`).to.equal(4)
        expect(distance.backward([3, -4, 0], [0, 0, 0]).gradLeft.toArray(), `${p}`).to.deep.equal([0, -1, 0])
      }
    })

    it('a large or small power has the limits that it should', () => {
      expect(new PairwiseDistance({ p: 1e300, epsilon: 0 })([3, 4], [0, 0]).data[0]).to.equal(4)
      expect(new PairwiseDistance({ p: 1e-300, epsilon: 0 })([3, 0], [0, 0]).data[0]).to.equal(3)
      expect(new PairwiseDistance({ p: 1e-3, epsilon: 0 })([3, 4], [0, 0]).data[0]).to.equal(Number.POSITIVE_INFINITY)
      const tiny = Float64Array.of(2 ** -1000, 2 ** -1000)
      expect(new PairwiseDistance({ p: 1 / 1024, epsilon: 0 })(tiny, [0, 0]).data[0]).to.equal(2 ** 24)
    })
  })

  describe('shapes', () => {
    const distance = new PairwiseDistance({ epsilon: 0 })
    const shapeOf = (left: TensorLike, right: TensorLike, keepdim = false) =>
      new PairwiseDistance({ keepdim })(left, right).shape
    const zeros = (...shape: number[]) => new Tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape)

    it('drops the last dimension, or keeps it as 1', () => {
      for (const [left, right, wanted] of [
        [[5], [5], []],
        [[1, 5], [1, 5], [1]],
        [[3, 5], [3, 5], [3]],
        [
          [2, 3, 5],
          [2, 3, 5],
          [2, 3],
        ],
        [[0, 5], [0, 5], [0]],
        [[3, 0], [3, 0], [3]],
        [[0], [0], []],
        [[5], [3, 5], [3]],
        [[3, 5], [5], [3]],
        [[1, 5], [3, 5], [3]],
        [[3, 5], [1, 5], [3]],
        [[1, 5], [5], [1]],
        [[5], [0, 5], [0]],
      ] as const) {
        expect(shapeOf(zeros(...left), zeros(...right)), `${left} and ${right}`).to.deep.equal(wanted)
        expect(shapeOf(zeros(...left), zeros(...right), true)).to.deep.equal([...wanted, 1])
      }
    })

    it('compares one row with each of many', () => {
      expect(
        distance(
          [0, 0],
          [
            [3, 4],
            [6, 8],
            [0, 0],
          ],
        ).toArray(),
      ).to.deep.equal([5, 10, 0])
      expect(
        distance(
          [
            [3, 4],
            [6, 8],
            [0, 0],
          ],
          [[0, 0]],
        ).toArray(),
      ).to.deep.equal([5, 10, 0])
    })

    it('reads nested arrays in the dtype of the other side', () => {
      expect(distance([0, 0], Float64Array.of(3, 4)).dtype).to.equal('float64')
      expect(distance(Float64Array.of(3, 4), [0, 0]).dtype).to.equal('float64')
      expect(distance([3, 4], [0, 0]).dtype).to.equal('float32')
    })

    it('vectors without elements are 0 apart, and lie in no memory that out could overlap', () => {
      const memory = new Float32Array(8).fill(7)
      const none = new Tensor(memory.subarray(2, 2), [4, 0])
      expect([...distance(none, none, { out: memory.subarray(0, 4) }).data]).to.deep.equal([0, 0, 0, 0])
    })

    it('writes to out, outLeft and outRight', () => {
      const [out, outLeft, outRight] = [new Float32Array(1), new Float32Array(2), new Tensor(new Float32Array(2))]
      expect(distance([3, 4], [0, 0], { out }).data).to.equal(out)
      expect([...out]).to.deep.equal([5])
      const { gradLeft, gradRight } = distance.backward([3, 4], [0, 0], 10, { outLeft, outRight })
      expect(gradLeft.data).to.equal(outLeft)
      expect(gradRight).to.equal(outRight)
      expect([...outLeft, ...outRight.data]).to.deep.equal([6, 8, -6, -8])
    })

    it('a small result shares its memory with no other', () => {
      const [first, second] = [distance([3, 4], [0, 0]), distance([6, 8], [0, 0])]
      expect([first.data[0], second.data[0]]).to.deep.equal([5, 10])
      const one = distance.backward([3, 4], [0, 0])
      distance.backward([4, 3], [0, 0])
      expect([...one.gradLeft.data, ...one.gradRight.data].map((each) => Math.fround(each * 10) / 10)).to.deep.equal(
        [0.6, 0.8, -0.6, -0.8].map((each) => Math.fround(Math.fround(each) * 10) / 10),
      )
    })
  })

  describe('errors', () => {
    const distance = new PairwiseDistance({ name: 'encoder' })
    const [l, r] = [new Float32Array(6), new Float32Array(6)]
    const row = (values: Float32Array) => new Tensor(values, [2, 3])
    const memory = new Float32Array(20)
    const options = (value: unknown) => value as never
    const cases: readonly [code: string, message: RegExp, call: () => unknown][] = [
      ['ERR_SHAPE_MISMATCH', /^encoder: left must be of at least one dimension, got 1$/, () => distance(1, 2)],
      [
        'ERR_SHAPE_MISMATCH',
        /^encoder: right must be of the shape of left, \[6\], .* got \[5\]$/,
        () => distance(l, r.subarray(1)),
      ],
      [
        'ERR_SHAPE_MISMATCH',
        /right must .* got \[3\]$/,
        () => distance(new Tensor(new Float32Array(12), [2, 2, 3]), l.subarray(3)),
      ],
      [
        'ERR_SHAPE_MISMATCH',
        /right must .* got \[2, 3\]$/,
        () => distance(new Tensor(new Float32Array(9), [3, 3]), row(r)),
      ],
      [
        'ERR_INVALID_ARG_VALUE',
        /left must be at most 65536 vectors without elements, got 1099511627776/,
        () => distance(new Tensor(new Float32Array(0), [2 ** 40, 0]), new Tensor(new Float32Array(0), [2 ** 40, 0])),
      ],
      [
        'ERR_INVALID_ARG_VALUE',
        /kind must be 'euclidean', .* got 'x'/,
        () => Reflect.construct(Object.getPrototypeOf(PairwiseDistance), ['x', 1, {}, 1]),
      ],
      [
        'ERR_INVALID_ARG_TYPE',
        /right must be of the dtype of left, float32, got float64/,
        () => distance(l, new Float64Array(6)),
      ],
      [
        'ERR_INVALID_ARG_TYPE',
        /left must be a tensor of float32 or float64, .* got int8/,
        () => distance(new Int8Array(6), r),
      ],
      ['ERR_INVALID_ARG_TYPE', /right must be a tensor/, () => distance(l, options('text'))],
      [
        'ERR_INVALID_ARG_VALUE',
        /options must be an object of out, got one with 'outt'/,
        () => distance(l, r, options({ outt: 1 })),
      ],
      [
        'ERR_SHAPE_MISMATCH',
        /out must be of the shape of the distances, \[2\], got \[3\]/,
        () => distance(row(l), row(r), { out: new Float32Array(3) }),
      ],
      [
        'ERR_INVALID_ARG_TYPE',
        /out must be of the dtype of the distances, float32, got float64/,
        () => distance(row(l), row(r), { out: new Float64Array(2) }),
      ],
      [
        'ERR_INVALID_ARG_VALUE',
        /out must be memory apart from right, got overlapping memory/,
        () => distance(row(l), row(r), { out: r.subarray(2, 4) }),
      ],
      [
        'ERR_SHAPE_MISMATCH',
        /gradOutput must be of the shape of the distances, \[2\], got \[3\]/,
        () => distance.backward(row(l), row(r), [1, 2, 3]),
      ],
      [
        'ERR_SHAPE_MISMATCH',
        /outRight must be of the shape of right, \[3\], got \[6\]/,
        () => distance.backward(row(l), r.subarray(3), 1, { outRight: new Float32Array(6) }),
      ],
      [
        'ERR_INVALID_ARG_VALUE',
        /outLeft must be memory apart from outRight/,
        () => distance.backward(l, r, 1, { outLeft: memory.subarray(0, 6), outRight: memory.subarray(5, 11) }),
      ],
      [
        'ERR_INVALID_ARG_VALUE',
        /outRight must be memory apart from left/,
        () => distance.backward(l, r, 1, { outRight: l }),
      ],
      [
        'ERR_INVALID_ARG_VALUE',
        /outLeft must be memory apart from gradOutput/,
        () => distance.backward(row(l), row(r), memory.subarray(0, 2), { outLeft: memory.subarray(1, 7) }),
      ],
      [
        'ERR_INVALID_ARG_VALUE',
        /epsilon must be finite in float32, as left is, got 1e\+39/,
        () => new PairwiseDistance({ epsilon: 1e39 })(l, r),
      ],
      ['ERR_INVALID_ARG_VALUE', /p must be a number > 0, got 0/, () => new PairwiseDistance({ p: 0 })],
      ['ERR_INVALID_ARG_VALUE', /p must be a number > 0, got NaN/, () => new PairwiseDistance({ p: Number.NaN })],
      ['ERR_INVALID_ARG_TYPE', /p must be a number, got '2'/, () => new PairwiseDistance({ p: options('2') })],
      [
        'ERR_INVALID_ARG_VALUE',
        /epsilon must be a finite number, got Infinity/,
        () => new CosineDistance({ epsilon: Infinity }),
      ],
      ['ERR_INVALID_ARG_VALUE', /epsilon must be at least 0, got -1/, () => new CosineDistance({ epsilon: -1 })],
      ['ERR_INVALID_ARG_TYPE', /keepdim must be a boolean, got 1/, () => new CosineDistance({ keepdim: options(1) })],
      ['ERR_INVALID_ARG_TYPE', /name must be a string, got 1/, () => new PairwiseDistance({ name: options(1) })],
      [
        'ERR_INVALID_ARG_VALUE',
        /options must be an object of epsilon, keepdim, name, got one with 'p'/,
        () => new CosineDistance(options({ p: 2 })),
      ],
    ]
    for (const [code, message, call] of cases) {
      it(`${code}: ${message.source}`, () => {
        expect(call)
          .to.throw(code.endsWith('TYPE') ? TypeError : RangeError, message)
          .with.property('code', code)
      })
    }

    it('reports memory that was transferred while options were read', () => {
      const left = new Float32Array(6)
      const late = {
        get out() {
          structuredClone(left.buffer, { transfer: [left.buffer] })
          return undefined
        },
      }
      expect(() => distance(left, r, options(late))).to.throw(
        RangeError,
        /encoder: left must be 6 elements long, as it was made/,
      )
    })
  })

  describe('asynchronously', () => {
    const { left, right } = makeRows('normal', Float32Array, 70 * 5000, 11)
    const [l, r] = [new Tensor(left, [5000, 70]), new Tensor(right, [5000, 70])]
    const failureOf = (promise: Promise<unknown>) =>
      promise.then(
        () => undefined,
        (error: unknown) => error,
      )

    it('have the same bits, also to out and for no pairs', async () => {
      for (const measure of [2, 3, 'cosine'] as const) {
        const distance = distanceOf(measure, 1e-6)
        const out = new Float32Array(5000)
        const actual = await distance.forwardAsync(l, r, { out })
        expect(actual.data).to.equal(out)
        expect(out).to.deep.equal(distance(l, r).data)
        expect((await distance.forwardAsync(l, left.subarray(70, 140))).data).to.deep.equal(
          distance(l, left.subarray(70, 140)).data,
        )
      }
      const none = new Tensor(new Float32Array(0), [0, 70])
      expect((await new CosineDistance().forwardAsync(none, none)).shape).to.deep.equal([0])
    })

    it('take turns of the event loop, and end at an abort with its reason', async () => {
      const controller = new AbortController()
      const distance: Distance = new PairwiseDistance({ p: 3 })
      const failure = failureOf(distance.forwardAsync(l, r, { signal: controller.signal }))
      await setImmediate()
      await setImmediate()
      const reason = new Error('enough')
      controller.abort(reason)
      expect(await failure).to.equal(reason)
    })

    it('reject if memory is transferred meanwhile, and at once for wrong arguments', async () => {
      const taken = left.slice()
      const failure = failureOf(new PairwiseDistance({ p: 3 }).forwardAsync(new Tensor(taken, [5000, 70]), r))
      await setImmediate()
      structuredClone(taken.buffer, { transfer: [taken.buffer] })
      expect(await failure).to.have.property('code', 'ERR_SHAPE_MISMATCH')
      expect(await failureOf(new PairwiseDistance().forwardAsync(l, [1]))).to.have.property(
        'code',
        'ERR_SHAPE_MISMATCH',
      )
    })
  })

  it('have names, options and a text', () => {
    const distance = new PairwiseDistance({ p: 3, keepdim: true, name: 'encoder' })
    expect({ ...distance }).to.deep.equal({ epsilon: 1e-6, keepdim: true, p: 3 })
    expect(distance.name).to.equal('encoder')
    expect(`${distance} ${new CosineDistance()}`).to.equal(
      'PairwiseDistance(p=3, epsilon=0.000001, keepdim=true) CosineDistance(epsilon=1e-8)',
    )
    expect(distance).to.be.an.instanceof(Function).and.an.instanceof(PairwiseDistance)
  })
})

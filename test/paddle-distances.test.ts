import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { CosineDistance, type InputData, PairwiseDistance, Tensor } from '../lib/index.ts'
import { native } from '../lib/native.ts'

type Figures = readonly (number | 'NaN' | 'Infinity')[]

/** What Paddle 3.3.1 answered: paddle.nn.PairwiseDistance, or 1 − paddle.nn.functional.cosine_similarity. */
interface PaddleCase {
  readonly dtype: 'float32' | 'float64'
  readonly measure: number | 'Infinity' | 'cosine'
  readonly epsilon: number
  readonly keepdim: boolean
  readonly leftShape: readonly number[]
  readonly rightShape: readonly number[]
  readonly left: Figures
  readonly right: Figures
  readonly gradOutput: Figures
  readonly shape: readonly number[]
  readonly distance: Figures
  readonly gradLeft: Figures
  readonly gradRight: Figures
}

const cases = JSON.parse(
  readFileSync(new URL('paddle-distances.json', import.meta.url), 'utf8'),
) as readonly PaddleCase[]

/** How far Paddle may be from us, in units of the dtype's precision: its sums are in the dtype. */
const tolerances = { distance: 6, gradient: 12 }

const read = (dtype: PaddleCase['dtype'], figures: Figures): InputData =>
  new ({ float32: Float32Array, float64: Float64Array })[dtype](figures.map(Number))

const largestOf = (values: Iterable<number>) => Math.max(0, ...Array.from(values, Math.abs))

/** The least norm of a row that is not 0. */
function leastNormOf(...sides: Tensor<InputData>[]): number {
  const rows = sides.flatMap(({ data, shape }) => {
    const width = shape.at(-1) as number
    return Array.from({ length: data.length / width }, (_, i) => data.subarray(i * width, (i + 1) * width))
  })
  return Math.min(...rows.map((row) => Math.hypot(...row)).filter((norm) => norm > 0))
}

describe(`Paddle's distances (${native.instructionSets().join(', ')})`, () => {
  const set = native.instructionSet()
  after(() => {
    native.setInstructionSet(set)
  })

  it('Paddle has answered 94 cases', () => expect(cases).to.have.lengthOf(94))

  for (const name of native.instructionSets()) {
    it(`${name} agrees to within the rounding of Paddle`, () => {
      native.setInstructionSet(name)
      for (const [index, each] of cases.entries()) {
        const { dtype, measure, epsilon, keepdim } = each
        const distance =
          measure === 'cosine'
            ? new CosineDistance({ epsilon, keepdim })
            : new PairwiseDistance({ p: Number(measure), epsilon, keepdim })
        const left = new Tensor(read(dtype, each.left), each.leftShape)
        const right = new Tensor(read(dtype, each.right), each.rightShape)
        const gradOutput = new Tensor(read(dtype, each.gradOutput), each.shape)
        // Paddle rounds 1/p to float32, also for float64.
        const precision = dtype === 'float32' || measure === 3 ? 2 ** -24 : 2 ** -53
        const near = (actual: InputData, figures: Figures, units: number, scale: number, what: string) => {
          const wanted = read(dtype, figures)
          expect(actual.length).to.equal(wanted.length)
          for (const [i, value] of actual.entries()) {
            const limit = units * precision * Math.max(scale, Math.abs(value))
            // Where the distance is 0, some gradients of Paddle are 0 / 0.
            const expected = Number.isNaN(wanted[i]) ? 0 : (wanted[i] as number)
            expect(value, `case ${index}, ${what}[${i}]`).to.be.closeTo(expected, limit)
          }
        }
        const distances = distance(left, right)
        expect(distances.shape).to.deep.equal(each.shape)
        near(distances.data, each.distance, tolerances.distance, measure === 'cosine' ? 1 : 0, 'distance')
        const { gradLeft, gradRight } = distance.backward(left, right, gradOutput)
        // A gradient of the cosine is a difference of two numbers of this size.
        const difference = measure === 'cosine' ? largestOf(gradOutput.data) / leastNormOf(left, right) : 0
        expect([gradLeft.shape, gradRight.shape]).to.deep.equal([left.shape, right.shape])
        for (const [gradients, figures] of [
          [gradLeft, each.gradLeft],
          [gradRight, each.gradRight],
        ] as const) {
          near(
            gradients.data,
            figures,
            tolerances.gradient,
            Math.max(difference, largestOf(gradients.data)),
            `gradient by ${gradients === gradLeft ? 'left' : 'right'}`,
          )
        }
      }
    })
  }
})

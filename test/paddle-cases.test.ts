import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { type InputData, type LabelData, native } from '../lib/native.ts'
import { type Arguments, asMean, callCode } from './support/cases.ts'

/** Numbers, some as text: "NaN", "Infinity", "-Infinity", "-0". A 0-D case has them without an array. */
type Figures = number | string | readonly (number | string)[]

interface PaddleCase {
  readonly dtype: 'float32' | 'float64'
  readonly labelDtype: string
  readonly margin: number
  readonly shape: readonly number[]
  readonly input: Figures
  readonly label: Figures
  readonly none: Figures
  readonly mean: Figures
  readonly sum: Figures
  /** If there are elements: the upstream gradient of `none`, and the gradients of all three reductions. */
  readonly gradOutput?: Figures
  readonly gradNone?: Figures
  readonly gradSum?: Figures
  readonly gradMean?: Figures
}

const cases = JSON.parse(readFileSync(new URL('paddle-cases.json', import.meta.url), 'utf8')) as readonly PaddleCase[]

const numbers = (figures: Figures) => [figures].flat().map(Number)

const inputOf: Readonly<Record<string, (values: readonly number[]) => InputData>> = {
  float32: (values) => Float32Array.from(values),
  float64: (values) => Float64Array.from(values),
}
const labelOf: Readonly<Record<string, (values: readonly number[]) => LabelData>> = {
  ...inputOf,
  int8: (values) => Int8Array.from(values),
  int32: (values) => Int32Array.from(values),
  int64: (values) => BigInt64Array.from(values, BigInt),
}

function near(actual: number, wanted: number, tolerance: number, what: string) {
  const isNear = Object.is(actual, wanted) || Math.abs(actual - wanted) <= tolerance
  expect(isNear, `${what} ${actual} for ${wanted} ± ${tolerance}`).to.equal(true)
}

const positiveZeros = (values: Iterable<number>) => Array.from(values, (value) => value + 0)

/** Checks the gradients of both calls, which Paddle rounds as we do. */
function checkGradients(
  call: Readonly<Arguments>,
  { dtype, gradOutput, gradNone, gradSum, gradMean }: PaddleCase,
  what: string,
) {
  if (gradOutput === undefined || gradNone === undefined || gradSum === undefined || gradMean === undefined) return
  const out = call[0].slice()
  const agree = (wanted: Figures, name: string) =>
    expect(positiveZeros(out), `${what}, ${name}`).to.deep.equal(positiveZeros(numbers(wanted)))
  native.backward(...call, out, inputOf[dtype]?.(numbers(gradOutput)) as InputData)
  agree(gradNone, 'none')
  const reductions: [string, Readonly<Arguments>, Figures][] = [
    ['sum', call, gradSum],
    ['mean', asMean(call), gradMean],
  ]
  for (const [name, reduced, wanted] of reductions) {
    native.backward(...reduced, out, 1)
    agree(wanted, name)
    out.fill(7)
    native.valueAndGrad(...reduced, out)
    agree(wanted, `${name} with its value`)
  }
}

describe(`Paddle's answers (${native.instructionSets().join(', ')})`, () => {
  const set = native.instructionSet()
  after(() => {
    native.setInstructionSet(set)
  })

  it('Paddle has answered 132 cases', () => expect(cases).to.have.lengthOf(132))

  for (const [index, each] of cases.entries()) {
    const { dtype, labelDtype, margin, shape } = each
    it(`case ${index} has the answers of Paddle: ${dtype} with ${labelDtype} labels, shape [${shape}], margin ${margin}`, () => {
      const input = inputOf[dtype]?.(numbers(each.input)) as InputData
      const none = numbers(each.none)
      // The error of adding n numbers in any order is at most (n − 1)u / (1 − (n − 1)u) ≤ nu times Σ|l|, as n(n − 1)u ≤
      // 1.
      // A rounded division, or a product with 1/n, adds 2u and a product of both errors, and our rounding adds u: 4u.
      const unit = dtype === 'float32' ? 2 ** -24 : 2 ** -53
      const sumTolerance = (none.length + 4) * unit * none.reduce((sum, loss) => sum + Math.abs(loss), 0)
      for (const name of new Set([labelDtype, dtype, 'int8'])) {
        const label = labelOf[name]?.(numbers(each.label)) as LabelData
        const call: Arguments = [input, label, callCode(input, label, 'zero'), margin, 1, -1]
        for (const instructionSet of native.instructionSets()) {
          native.setInstructionSet(instructionSet)
          const out = input.slice()
          native.forward(...call, out)
          const what = `${name} labels, ${instructionSet}`
          expect(positiveZeros(out), what).to.deep.equal(positiveZeros(none))
          checkGradients(call, each, what)
          near(native.reduce(...call) as number, Number(each.sum), sumTolerance, 'sum')
          near(native.reduce(...asMean(call)) as number, Number(each.mean), sumTolerance / none.length, 'mean')
        }
      }
    })
  }
})

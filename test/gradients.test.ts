import { expect } from 'chai'
import fc from 'fast-check'
import { HingeEmbeddingLoss, setNumThreads, Tensor } from '../lib/index.ts'
import { type InputData, type InvalidElements, native, otherLabelPolicies } from '../lib/native.ts'
import { expected, expectedGradients, type Format, formats } from './oracle.ts'
import {
  type Arguments,
  asMean,
  type Case,
  callCode,
  encodings,
  labelTypes,
  largeSizes,
  pack,
  smallSizes,
  threadCounts,
  traps,
} from './support/cases.ts'
import { input as x, label as y } from './support/example.ts'
import { Random } from './support/random.ts'

const instructionSets = native.instructionSets()
const reductions = ['none', 'mean', 'sum'] as const
const margins = [1, 0, -0.5, 0.3, 2 ** 90, 2 ** -149, 1e-60]

/** The margin and its neighbours, zeros, subnormals, the largest numbers, NaN and infinities. */
function edges({ digits, lowest, highest, Type }: Format, margin: number): readonly number[] {
  const [own = 0] = new Type(1).fill(margin)
  const ulp = Math.max(2 ** lowest, 2 ** (Math.floor(Math.log2(Math.abs(own))) - digits + 1))
  const largest = (2 ** digits - 1) * 2 ** (highest - digits)
  const finite = [own, own + ulp, own - ulp, own - ulp / 2, 0, -0, 2 ** lowest, -(2 ** lowest), largest, -largest]
  return [...finite, Infinity, -Infinity, Number.NaN]
}

function makeCase(format: Format, n: number, seed: number): Case {
  const random = new Random(seed)
  const margin = random.pick(margins)
  const special = edges(format, margin)
  const [positiveLabel, negativeLabel] = random.pick(encodings)
  const policy = random.pick(otherLabelPolicies)
  const LabelType = random.pick(labelTypes)
  const one = random.pick([positiveLabel, negativeLabel, negativeLabel, 5])
  const otherShare = random.pick([0, 0, 0.1])
  const inputs = Array.from({ length: n }, () => (random.isTrue(0.3) ? random.pick(special) : 2 * random.fraction()))
  const labels = inputs.map(() => {
    if (LabelType === undefined) return one
    return random.isTrue(otherShare) ? random.pick(traps) : random.pick([positiveLabel, negativeLabel])
  })
  const name = `${format.Type.name}, ${LabelType?.name ?? 'one label'}, ${policy}, n = ${n}, seed = ${seed}`
  return { inputs, labels, LabelType, format, policy, margin, positiveLabel, negativeLabel, name }
}

let compared = 0

function agree(actual: ArrayLike<number>, wanted: ArrayLike<number>, what: string) {
  for (let i = 0; i < wanted.length; i++) {
    if (!Object.is(actual[i], wanted[i])) expect.fail(`${what}[${i}] is ${actual[i]}, not ${wanted[i]}`)
  }
  expect(actual.length, what).to.equal(wanted.length)
  compared += wanted.length
}

/** All calls that give gradients, each with the memory that must have them, and with its other result. */
function checkWhole(call: Arguments, each: Case, gradOutput: InputData, what: string) {
  const [input, label, ...rest] = call
  const [, , ...meanRest] = asMean(call)
  const answer = expected(input, label, each, each.policy)
  const gradients = (incoming: InputData | number) => expectedGradients(input, label, each, incoming)
  const [given, ones, threes] = [gradients(gradOutput), gradients(1), gradients(-3)]
  const [means, thirds] = [gradients(1 / answer.count), gradients(-0.3 / answer.count)]
  const losses = input.slice()
  const ways: [string, (input: InputData, out: InputData) => unknown, InputData, unknown][] = [
    ['none', (x, out) => native.backward(x, label, ...rest, out, gradOutput), given, undefined],
    ['one for all', (x, out) => native.backward(x, label, ...rest, out, -3), threes, undefined],
    ['mean', (x, out) => native.backward(x, label, ...meanRest, out, -0.3), thirds, undefined],
    ['losses too', (x, out) => native.valueAndGrad(x, label, ...rest, out, losses), ones, undefined],
    ['sum too', (x, out) => native.valueAndGrad(x, label, ...rest, out), ones, answer.sum],
    ['mean too', (x, out) => native.valueAndGrad(x, label, ...meanRest, out), means, answer.mean],
  ]
  for (const set of instructionSets) {
    native.setInstructionSet(set)
    for (const inPlace of [false, true]) {
      for (const [way, run, wanted, value] of ways) {
        const x = input.slice()
        const out = inPlace ? x : new each.format.Type(x.length + 3).subarray(x.length % 4, (x.length % 4) + x.length)
        const result = run(x, out)
        const where = `${what}, ${set}${inPlace ? ', in place' : ''}: ${way}`
        if (answer.firstOther !== undefined && each.policy === 'error') {
          const { index, count } = result as InvalidElements
          agree([index, count], [answer.firstOther, answer.others], where)
          continue
        }
        if (!Object.is(result, value)) expect.fail(`${where} gives ${result}, not ${value}`)
        agree(out, wanted, where)
        if (way === 'losses too') agree(losses, answer.losses, `${where}, losses`)
      }
    }
  }
}

function checkCase(each: Case, seed: number) {
  const random = new Random(seed)
  const call = pack(each, [...each.inputs.keys()], random.below(4))
  const gradOutput = call[0].map(() => random.pick([random.fraction() - 0.5, 0, -0, Infinity, Number.NaN, 1e-310]))
  checkWhole(call, each, gradOutput, each.name)
}

describe(`gradients (${instructionSets.join(', ')})`, () => {
  const [set, threads] = [native.instructionSet(), native.numThreads()]
  afterEach(() => {
    native.setInstructionSet(set)
    native.setNumThreads(threads)
  })

  for (const [f, format] of formats.entries()) {
    it(`the gradients of a ${format.Type.name} are the derivative, for any labels`, () => {
      for (const [i, n] of [...smallSizes, ...smallSizes].entries()) checkCase(makeCase(format, n, 2 * i + f), i)
    })

    for (const [t, count] of threadCounts.entries()) {
      it(`the gradients of a ${format.Type.name} are the same on ${count} threads`, () => {
        native.setNumThreads(count)
        checkCase(makeCase(format, largeSizes[t + f] as number, 7 * t + f), t)
      })
    }

    it(`the gradients of a ${format.Type.name} are right in outputs too large for the caches`, () => {
      const { Type } = format
      const n = 2 ** 25 / new Type(0).BYTES_PER_ELEMENT - 5
      const memory = new Type(n + 5)
      const input = memory.subarray(1, n + 1)
      const label = new Int8Array(n)
      for (let i = 0; i < n; i++) {
        input[i] = ((i * 7) % 1000) / 500
        label[i] = i % 3 === 0 ? -1 : 1
      }
      const call = [input, label, callCode(input, label), 1, 1, -1] as const
      const part = 2 ** 18
      const parts = (of: (x: InputData, y: Int8Array, out: InputData) => void) => {
        const wanted = new Type(n)
        for (let at = 0; at < n; at += part) {
          of(input.subarray(at, at + part), label.subarray(at, at + part), wanted.subarray(at, at + part))
        }
        return Buffer.from(wanted.buffer)
      }
      const losses = parts((x, y, out) => native.forward(x, y, call[2], 1, 1, -1, out))
      const given = parts((x, y, out) => native.backward(x, y, call[2], 1, 1, -1, out, x))
      const ones = parts((x, y, out) => native.backward(x, y, call[2], 1, 1, -1, out, 1))
      const [out, values] = [new Type(n + 3).subarray(3), new Type(n)]
      const check = (array: InputData, wanted: Buffer) =>
        expect(wanted.equals(Buffer.from(array.buffer, array.byteOffset, array.byteLength))).to.equal(true)
      for (const [i, name] of instructionSets.entries()) {
        native.setInstructionSet(name)
        native.setNumThreads(1 + ((i + f) % 2))
        native.forward(...call, out)
        check(out, losses)
        native.backward(...call, out, input)
        check(out, given)
        native.valueAndGrad(...call, out, values)
        check(out, ones)
        check(values, losses)
        out.fill(0)
        native.valueAndGrad(...call, out)
        check(out, ones)
      }
    })
  }

  it('gradients agree with finite differences away from the kink', () => {
    const [n, h] = [101, 2 ** -20]
    const random = new Random(1)
    const input = Float64Array.from({ length: n }, () => random.below(2 ** 10) * 2 ** -9 + 2 ** -11)
    const label = Int8Array.from(input, () => random.pick([1, -1, 0]))
    for (const otherLabels of ['zero', 'ignore'] as const) {
      for (const reduction of ['mean', 'sum'] as const) {
        const criterion = new HingeEmbeddingLoss({ reduction, otherLabels })
        const { data } = criterion.backward(input, label)
        for (let i = 0; i < n; i++) {
          const moved = (by: number) => criterion(input.with(i, (input[i] as number) + by), label)
          const slope = (moved(h) - moved(-h)) / (2 * h)
          // Sums and losses are exact; each mean is off by half a unit in the last place.
          expect(slope, `${reduction}[${i}]`).to.be.closeTo(data[i] as number, reduction === 'sum' ? 0 : 2 ** -52 / h)
        }
      }
    }
  })

  it('valueAndGrad returns the bits of forward and of backward', () => {
    const inputs = fc.oneof(
      fc.float32Array({ maxLength: 70 }).map((array): InputData => array),
      fc.float64Array({ maxLength: 70 }).map((array): InputData => array),
    )
    const options = fc.record({
      margin: fc.double({ min: -1e38, max: 1e38, noNaN: true }),
      reduction: fc.constantFrom(...reductions),
      otherLabels: fc.constantFrom('zero' as const, 'ignore' as const),
    })
    fc.assert(
      fc.property(
        inputs,
        options,
        fc.infiniteStream(fc.constantFrom(1, -1, -1, 0)),
        fc.boolean(),
        (x, by, y, inPlace) => {
          const label = Int8Array.from(x, () => y.next().value)
          const criterion = new HingeEmbeddingLoss(by)
          const [loss, gradInput] = [criterion(x, label), criterion.backward(x, label)]
          const both = criterion.valueAndGrad(x, label, inPlace ? { out: x } : {})
          expect(both.gradInput.data).to.deep.equal(gradInput.data)
          expect(both.gradInput.data === x).to.equal(inPlace)
          if (loss instanceof Tensor) expect(both.loss).to.have.property('data').that.deep.equals(loss.data)
          else expect(both.loss).to.deep.equal(loss)
        },
      ),
      { numRuns: 500 },
    )
  })

  it('the gradients of the example of 3 × 3 are known', () => {
    const slopes = [
      [0, 1, 0],
      [1, 1, 1],
      [1, -1, 1],
    ]
    const scaled = (by: number) => slopes.map((row) => row.map((slope) => Math.fround(slope * by) + 0))
    const none = new HingeEmbeddingLoss({ reduction: 'none' })
    expect(new HingeEmbeddingLoss().backward(x, y).toArray()).to.deep.equal(scaled(1 / 9))
    expect(new HingeEmbeddingLoss().backward(x, y, 3).toArray()).to.deep.equal(scaled(3 / 9))
    expect(new HingeEmbeddingLoss({ reduction: 'sum' }).backward(x, y, 0.1).toArray()).to.deep.equal(scaled(0.1))
    expect(none.backward(x, y).toArray()).to.deep.equal(slopes)
    expect(none.backward(x, y, 2).toArray()).to.deep.equal(scaled(2))
    expect(none.backward(x, y, x).toArray()).to.deep.equal([
      [0, -2, 0],
      [0, -1, 2],
      [1, -0, 1],
    ])
    const { loss, gradInput } = none.valueAndGrad(x, y)
    expect(loss.toArray()).to.deep.equal(none(x, y).toArray())
    expect(gradInput.toArray()).to.deep.equal(slopes)
  })

  it('backward reads an upstream gradient of nested arrays in the dtype of the input', () => {
    const none = new HingeEmbeddingLoss({ reduction: 'none' })
    expect(none.backward(Float64Array.of(1, 2), 1, [0.1, 0.2]).toArray()).to.deep.equal([0.1, 0.2])
    expect(none.backward([1, 2], 1, [0.1, 0.2]).toArray()).to.deep.equal([0.1, 0.2].map(Math.fround))
    expect(none.backward(1, 1, 0.5).shape).to.deep.equal([])
    expect(none.backward([1, 0.5, 2], [1, -1, -1], -0).toArray()).to.deep.equal([-0, 0, 0])
  })

  it('gradients are 0 if no label counts, and empty without elements', () => {
    for (const reduction of reductions) {
      const criterion = new HingeEmbeddingLoss({ reduction, otherLabels: 'ignore' })
      expect(criterion.backward([Number.NaN, Infinity], [0, 0]).toArray()).to.deep.equal([0, 0])
      expect(criterion.valueAndGrad([Number.NaN, 2], 7).gradInput.toArray()).to.deep.equal([0, 0])
      expect(criterion.backward([], []).toArray()).to.deep.equal([])
      expect(criterion.valueAndGrad(new Float64Array(0), 1).gradInput.dtype).to.equal('float64')
    }
  })

  it('gradients are written to the given memory, on any number of threads', () => {
    const input = Float32Array.of(0.5, 2)
    const out = new Tensor(new Float32Array(2))
    setNumThreads(2)
    expect(new HingeEmbeddingLoss().backward(input, -1, 1, { out }).data).to.equal(out.data)
    expect(new HingeEmbeddingLoss().valueAndGrad(input, -1, { out }).gradInput.data).to.equal(out.data)
    expect(out.toArray()).to.deep.equal([-0.5, 0])
  })

  it('these tests compare enough gradients, bit for bit', function (this: Mocha.Context) {
    if (this.test) this.test.title = `these tests compare ${compared.toLocaleString('en')} gradients, bit for bit`
    expect(compared).to.be.at.least(1_000_000)
  })
})

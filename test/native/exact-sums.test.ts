import { expect } from 'chai'
import fc from 'fast-check'
import { type InputData, type InvalidElements, native, otherLabelPolicies, type StateRecord } from '../../lib/native.ts'
import { type Expected, expected, type Format, formats, kinds } from '../oracle.ts'
import {
  type Arguments,
  asMean,
  type Case,
  callCode,
  encodings,
  labelTypes,
  largeSizes,
  pack,
  policyCode,
  smallSizes,
  threadCounts,
  traps,
} from '../support/cases.ts'
import { Random } from '../support/random.ts'

type Figure = number | string

const instructionSets = native.instructionSets()
const margins = [0, 1, 0, -0.5, 0, 0.3, 0, 2 ** 90]
function makeCase(kind: string, format: Format, n: number, variant: number, seed: number): Case {
  const random = new Random(seed)
  const values = kinds[kind]?.({ random, format, n, variant }) ?? []
  const LabelType = random.pick(labelTypes)
  const [positiveLabel, negativeLabel] = random.pick(encodings)
  const policy = random.pick(otherLabelPolicies)
  const margin = random.pick(margins)
  const negativeShare = random.pick([0, 0.5, 1])
  const otherShare = random.pick([0, 0, 0, 0.1])
  const one = random.pick([positiveLabel, positiveLabel, negativeLabel, negativeLabel, 5])
  const labels = values.map((value) => {
    if (LabelType === undefined) return one
    if (otherShare > 0 && random.isTrue(otherShare)) return random.pick(traps)
    return !(value < 0) && random.isTrue(negativeShare) ? negativeLabel : positiveLabel
  })
  const inputs = values.map((value, i) => (labels[i] === negativeLabel ? margin - value : value))
  const name = `${kind}, ${LabelType?.name ?? 'one label'}, ${policy}, n = ${n}, variant = ${variant}, seed = ${seed}`
  return { inputs, labels, LabelType, format, policy, margin, positiveLabel, negativeLabel, name }
}

const compared = { figures: 0, losses: 0 }

/** True for arrays of the same type with the same bytes. NaNs that differ in their bytes are equal as figures, too. */
function haveEqualBytes(actual: unknown, wanted: unknown): boolean {
  if (!ArrayBuffer.isView(actual) || !ArrayBuffer.isView(wanted)) return false
  const [one, other] = [actual, wanted].map((each) => Buffer.from(each.buffer, each.byteOffset, each.byteLength))
  return actual.constructor === wanted.constructor && (one as Buffer).equals(other as Buffer)
}

function agree(
  actual: ArrayLike<Figure>,
  wanted: ArrayLike<Figure>,
  what: string,
  as: keyof typeof compared = 'figures',
) {
  if (actual.length !== wanted.length) expect.fail(`${what} has ${actual.length} figures, not ${wanted.length}`)
  compared[as] += wanted.length
  if (haveEqualBytes(actual, wanted)) return
  for (let i = 0; i < wanted.length; i++) {
    if (!Object.is(actual[i], wanted[i])) expect.fail(`${what}[${i}] is ${actual[i]}, not ${wanted[i]}`)
  }
}

const newState = () => new Uint8Array(native.stateBytes)

function agreeState(state: Uint8Array, answer: Expected, policy: number, what: string) {
  const { positives, negatives, others } = answer
  const classes = [answer, positives, negatives]
  const totals = classes.flatMap((row) => [row.count, row.sum, row.mean])
  const weights = classes.map((row) => row.count)
  agree(native.totals(state, policy), [...totals, negatives.active, others, ...weights], `${what}: totals`)
  agree(native.exportState(state), answer.record, `${what}: export`)
}

function restored(state: Uint8Array): Uint8Array {
  const copy = newState()
  expect(native.importState(copy, native.exportState(state))).to.equal(true)
  return copy
}

function checkCalls(call: Arguments, answer: Expected, policy: number, what: string) {
  const [input, ...rest] = call
  const [out, inPlace, state] = [input.slice(), input.slice(), newState()]
  const [sum, mean] = [native.reduce(...call), native.reduce(...asMean(call))]
  const refusals = [native.forward(...call, out), native.forward(inPlace, ...rest, inPlace)]
  refusals.push(native.accumulate(...call, state))
  if (answer.firstOther !== undefined && policy === otherLabelPolicies.indexOf('error')) {
    const given = [sum, mean, ...refusals].map((each) => each as InvalidElements)
    const wanted = given.flatMap(() => [answer.firstOther as number, answer.others])
    const figures = given.flatMap(({ index, count }) => [index, count])
    agree(figures, wanted, `${what}: refusals`)
    agree(state, newState(), `${what}: refused state`, 'losses')
  } else {
    expect(refusals, what).to.deep.equal([undefined, undefined, undefined])
    agree([sum as number, mean as number], [answer.sum, answer.mean], `${what}: sum and mean`)
    agree(out, answer.losses, `${what}: none`, 'losses')
    agree(inPlace, answer.losses, `${what}: none in place`, 'losses')
    agreeState(state, answer, policy, what)
  }
}

/** Cuts the elements into shards, sums each with a random instruction set, restores some, and merges them in a random order. */
function checkShards(each: Case, answer: Expected, order: number[], shards: number, random: Random) {
  const cuts = Array.from({ length: shards - 1 }, () => random.below(order.length + 1)).sort((a, b) => a - b)
  let states = [...cuts, order.length].map((end, i) => {
    native.setInstructionSet(random.pick(instructionSets))
    const state = newState()
    native.accumulate(...pack(each, order.slice(cuts[i - 1] ?? 0, end), random.below(4)), state)
    return random.isTrue(0.3) ? restored(state) : state
  })
  while (states.length > 1) {
    states = random.shuffle(states)
    native.merge(states[0] as Uint8Array, states.pop() as Uint8Array)
  }
  agreeState(states[0] as Uint8Array, answer, policyCode(each), `${each.name}, ${shards} shards`)
}

function checkCase(each: Case, threads: readonly number[], shardings: readonly number[], seed: number) {
  const random = new Random(seed)
  const order = [...each.inputs.keys()]
  const call = pack(each, order, random.below(4))
  const answer = expected(call[0], call[1], each, each.policy)
  for (const set of instructionSets) {
    native.setInstructionSet(set)
    for (const count of threads) {
      native.setNumThreads(count)
      checkCalls(call, answer, policyCode(each), `${each.name}, ${set}, ${count} threads`)
    }
  }
  if (answer.others > 0 && each.policy === 'error') return
  for (const shards of shardings) checkShards(each, answer, random.shuffle(order), shards, random)
}

describe(`exact sums (${instructionSets.join(', ')})`, () => {
  const [set, threads] = [native.instructionSet(), native.numThreads()]
  after(() => {
    native.setInstructionSet(set)
    native.setNumThreads(threads)
  })

  for (const [k, kind] of Object.keys(kinds).entries()) {
    for (const [f, format] of formats.entries()) {
      const seeds = 1000 * (2 * k + f)
      it(`returns the oracle's bits for ${format.Type.name}, ${kind}`, () => {
        for (const [i, n] of smallSizes.entries()) {
          const each = makeCase(kind, format, n, i, seeds + i)
          // Shards of a few blocks are summed as shards of many are.
          const shardings = n < 2 ** 15 ? [1, 3, 7, 5, 2, 3] : [3, 7]
          checkCase(each, [threadCounts[i % 4] as number], shardings, seeds + i)
        }
      })

      it(`returns the oracle's bits for ${format.Type.name}, ${kind}, on ${threadCounts.join(', ')} threads`, () => {
        const n = largeSizes[(k + f) % largeSizes.length] as number
        checkCase(makeCase(kind, format, n, 5 * k + f, seeds + 999), threadCounts, [3], seeds + 999)
      })
    }
  }

  describe('for any elements', () => {
    const elements = (maxLength: number, minLength = 0) =>
      fc.constantFrom(...formats).chain((format) => {
        const input = format.digits === 24 ? fc.float32Array : fc.float64Array
        return input({ minLength, maxLength }).map((array: InputData) => array)
      })
    const label = (input: InputData) => Int8Array.from(input, (value, i) => (value > 0 === i % 3 > 0 ? 1 : -1))
    const scored = (input: InputData, labels = label(input)) => {
      const state = newState()
      native.accumulate(input, labels, callCode(input, labels), 0.5, 1, -1, state)
      return state
    }
    const merged = (...states: Uint8Array[]) => {
      const target = newState()
      for (const state of states) native.merge(target, state)
      return native.exportState(target)
    }

    it('returns the same bits for any order, cut, number of threads and instruction set', () => {
      const settings = { margin: 0.5, positiveLabel: 1, negativeLabel: -1 }
      fc.assert(
        fc.property(elements(300), fc.nat(), fc.constantFrom(...instructionSets), fc.nat(), (input, seed, name, at) => {
          native.setInstructionSet(name)
          native.setNumThreads(1 + (seed % 7))
          const labels = label(input)
          const answer = expected(input, labels, settings, 'error')
          const order = new Random(seed).shuffle([...input.keys()])
          const [x, y] = [input.map((_, i) => input[order[i] as number] as number), labels.slice()]
          for (const [i, from] of order.entries()) y[i] = labels[from] as number
          const cut = at % (input.length + 1)
          const state = scored(x.subarray(0, cut), y.subarray(0, cut))
          native.merge(state, scored(x.subarray(cut), y.subarray(cut)))
          agreeState(state, answer, 0, `two parts, ${name}`)
          agree([native.reduce(x, y, callCode(x, y), 0.5, 1, -1) as number], [answer.sum], `sum, ${name}`)
        }),
        { numRuns: 500 },
      )
    })

    it('sums positives exactly beside a NaN of the other class, in whatever lane it hides the largest loss', () => {
      const settings = { margin: 0.5, positiveLabel: 1, negativeLabel: -1 }
      for (const { Type, digits } of formats) {
        const input = new Type(2048).map((_, i) => 1 + i * 2 ** (1 - digits))
        const labels = new Int8Array(2048).fill(1)
        for (const name of instructionSets) {
          native.setInstructionSet(name)
          for (let lane = 0; lane < 64; lane++) {
            const [x, y] = [input.slice(), labels.slice()]
            x[lane] = Number.NaN
            y[lane] = -1
            x[lane + 64] = 2 ** 60
            agreeState(scored(x, y), expected(x, y, settings, 'error'), 0, `${Type.name}, ${name}, lane ${lane}`)
          }
        }
      }
    })

    it('returns the same bits if threads share the work', () => {
      fc.assert(
        fc.property(elements(100, 1), fc.integer({ min: 2 ** 17, max: 2 ** 17 + 2 ** 16 }), (few, n) => {
          const input = few instanceof Float32Array ? new Float32Array(n) : new Float64Array(n)
          for (let i = 0; i < n; i++) input[i] = few[(i * 7 + (i >> 11)) % few.length] as number
          const records = threadCounts.map((count) => {
            native.setNumThreads(count)
            const labels = label(input)
            const mean = native.reduce(...asMean([input, labels, callCode(input, labels), 0.5, 1, -1]))
            return [...native.exportState(scored(input, labels)), mean]
          })
          for (const record of records) agree(record as Figure[], records[0] as Figure[], `threads, n = ${n}`)
        }),
        { numRuns: 10 },
      )
    })

    it('merges commutatively and associatively; empty and restored states change nothing', () => {
      fc.assert(
        fc.property(elements(40), elements(40), elements(40), (...inputs) => {
          const [a, b, c] = inputs.map((input) => scored(input)) as [Uint8Array, Uint8Array, Uint8Array]
          const left = merged(a, b, c)
          agree(merged(newState(), a, newState()), native.exportState(a), '0 + a + 0')
          agree(merged(restored(a)), native.exportState(a), 'restored')
          agree(native.totals(restored(a), 0), native.totals(a, 0), 'restored totals')
          native.merge(b, c)
          agree(merged(restored(b), a), left, '(b + c) + a')
        }),
        { numRuns: 500 },
      )
    })

    it('refuses any text that it would not write itself', () => {
      const state = scored(Float64Array.of(2 ** 1000, -(2 ** -1070), 3, 1e-300, -7))
      const text = native.exportState(state)[1]
      const edited = fc
        .tuple(fc.constantFrom(text, '0x1ap-4', 'NaN', '-Infinity', '0x0p+0'), fc.nat(300), fc.nat(3), fc.string())
        .map(([from, at, length, by]) => from.slice(0, at) + by.slice(0, 2) + from.slice(at + length))
      const figure = fc.oneof(fc.double(), fc.string(), fc.bigInt(), fc.constant(undefined), fc.constant(null))
      const hexadecimal = fc
        .tuple(fc.stringMatching(/^-?(0x)?[0-9a-fA-F]{0,600}$/), fc.integer({ min: -1100, max: 1100 }))
        .map(([digits, power]) => `${digits}p${power < 0 ? '' : '+'}${power}`)
      fc.assert(
        fc.property(fc.oneof(edited, hexadecimal, fc.string(), figure), figure, (sum, count) => {
          for (const record of [
            [1, sum, 0, '0x0p+0', 0, 0],
            [0, '0x0p+0', 1, sum, 0, 0],
            [count, '0x1p-2', 1, '0x0p+0', 0, count],
          ]) {
            const read = newState()
            const isTaken = native.importState(read, record as unknown as StateRecord)
            const wanted = isTaken ? record : [0, '0x0p+0', 0, '0x0p+0', 0, 0]
            agree(native.exportState(read), wanted as Figure[], 'text')
          }
        }),
        { numRuns: 2000 },
      )
    })

    it('refuses text of a number, or nearly one, that is not in its canonical form', () => {
      const texts = [
        '|0|0x|0x0|0x0p0|-0x0p+0|0x0p-2|0x1p0|0x1p+0|0x1p-1|0x1p-3|0x10p-2|0x01p-2|0x1Ap-2|0X1p-2|+0x1p-2| 0x1p-2|0x1p-2 ',
        '0x1p-2\0|0x1p-02|0x1p--2|0x1p+-2|0x1p-2.0|0x1.8p-2|0x1p-1078|0x1p+1078|0x1p+99999999999|0xp-2|0x-1p-2|--0x1p-2',
        'nan|-NaN|inf|+Infinity|infinity|Infinity |0x1p|p-2|x|0x١p-2|0x1p−2|\u{1f600}',
        ...['0', 'f', '\0'].flatMap((digit) => [539, 1e6].map((n) => `-0x1${digit.repeat(n)}1p-1074`)),
      ]
      for (const text of texts.flatMap((some) => some.split('|'))) {
        const what = JSON.stringify(text.slice(0, 40))
        expect(native.importState(newState(), [1, text, 0, '0x0p+0', 0, 0]), what).to.equal(false)
        expect(native.importState(newState(), [0, '0x0p+0', 1, text, 1, 0]), what).to.equal(false)
      }
    })
  })

  it('these tests compare enough figures and losses, bit for bit', function (this: Mocha.Context) {
    const [figures, losses] = [compared.figures, compared.losses].map((count) => count.toLocaleString('en'))
    if (this.test) this.test.title = `these tests compare ${figures} figures and ${losses} losses, bit for bit`
    expect(compared.figures).to.be.at.least(200_000)
  })
})

import { expect } from 'chai'
import { HingeEmbeddingLoss, LossAccumulator, type LossAccumulatorJSON, type TensorLike } from '../lib/index.ts'
import { type InputData, native, otherLabelPolicies, weightPlace } from '../lib/native.ts'
import { type ExpectedWeighted, expected, expectedWeighted, type Format, formats, kinds, roundRatio } from './oracle.ts'
import { asMean, callCode, largeSizes, smallSizes, threadCounts } from './support/cases.ts'
import { Random } from './support/random.ts'

const instructionSets = native.instructionSets()
const settings = { margin: 0.5, positiveLabel: 1, negativeLabel: -1 }

/** Weights, finite and not negative, of any size; some are 0. */
const weightKinds: Readonly<Record<string, (random: Random, format: Format) => number>> = {
  'from 0 to 1': (random) => random.fraction(),
  'of 0 and small integers': (random) => random.below(4),
  'of any exponent': (random, { digits, lowest, highest }) =>
    random.isTrue(0.1)
      ? 0
      : (2 ** (digits - 1) + random.below(2 ** (digits - 1))) *
        2 ** (lowest + random.below(highest - lowest - digits + 1)),
  'at the ends of the range': (random, { digits, lowest, highest }) =>
    random.pick([0, -0, 2 ** lowest, 3 * 2 ** lowest, (2 - 2 ** (1 - digits)) * 2 ** (highest - 1), 1]),
}

function arrayOf(Type: Format['Type'], values: readonly number[]): InputData {
  const array = new Type(values.length)
  array.set(values)
  return array
}

interface Weighted {
  readonly x: InputData
  readonly y: Int8Array
  readonly w: InputData
  readonly policy: (typeof otherLabelPolicies)[number]
}

function makeCase(
  kind: string,
  weightKind: string,
  format: Format,
  n: number,
  variant: number,
  seed: number,
): Weighted {
  const random = new Random(seed)
  const values = kinds[kind]?.({ random, format, n, variant }) ?? []
  const policy = otherLabelPolicies[variant % 3] as Weighted['policy']
  const hasOthers = policy !== 'error'
  const y = Int8Array.from(values, (value) => {
    if (hasOthers && random.isTrue(0.1)) return 5
    return !(value < 0) && random.isTrue() ? -1 : 1
  })
  const x = arrayOf(
    format.Type,
    values.map((value, i) => (y[i] === -1 ? settings.margin - value : value)),
  )
  const w = arrayOf(
    format.Type,
    values.map(() => weightKinds[weightKind]?.(random, format) ?? 1),
  )
  return { x, y, w, policy }
}

let compared = 0

function agree(actual: ArrayLike<unknown>, wanted: ArrayLike<unknown>, what: string) {
  compared += wanted.length
  expect(actual.length, what).to.equal(wanted.length)
  for (let i = 0; i < wanted.length; i++) {
    if (!Object.is(actual[i], wanted[i])) expect.fail(`${what}[${i}] is ${actual[i]}, not ${wanted[i]}`)
  }
}

const newState = () => new Uint8Array(native.weightedStateBytes)

function weighted({ x, y, policy }: Weighted): [InputData, Int8Array, number, number, number, number] {
  return [x, y, callCode(x, y, policy) + weightPlace * (x instanceof Float32Array ? 1 : 2), settings.margin, 1, -1]
}

function agreeState(state: Uint8Array, answer: ExpectedWeighted, policy: number, what: string) {
  const classes = [answer, answer.positives, answer.negatives]
  const [, , , , active, others] = answer.record
  const totals = classes.flatMap(({ count, sum, mean }) => [count, sum, mean])
  const weights = classes.map(({ weight }) => weight)
  agree(native.exportState(state), answer.record, `${what}: export`)
  agree(native.totals(state, policy), [...totals, active, others, ...weights], `${what}: totals`)
}

function checkCalls(each: Weighted, answer: ExpectedWeighted, what: string) {
  const call = weighted(each)
  const [out, inPlace, state] = [each.x.slice(), each.x.slice(), newState()]
  const none = [undefined, undefined, undefined] as const
  agree(
    [native.reduce(...call, ...none, each.w), native.reduce(...asMean(call), ...none, each.w)],
    [answer.sum, answer.mean],
    `${what}: sum and mean`,
  )
  const ends = [undefined, undefined] as const
  const [, ...rest] = call
  expect(native.forward(...call, out, ...ends, each.w)).to.equal(undefined)
  expect(native.forward(inPlace, ...rest, inPlace, ...ends, each.w)).to.equal(undefined)
  expect(native.accumulate(...call, state, ...ends, each.w)).to.equal(undefined)
  agree(out, answer.losses, `${what}: none`)
  agree(inPlace, answer.losses, `${what}: none in place`)
  agreeState(state, answer, otherLabelPolicies.indexOf(each.policy), what)
}

/** Adds shards in a random order, each with another instruction set, and restores some from their records. */
function checkShards(each: Weighted, answer: ExpectedWeighted, shards: number, random: Random, what: string) {
  const order = random.shuffle([...each.x.keys()])
  const cuts = [...random.list(shards - 1, () => random.below(order.length + 1)).sort((a, b) => a - b), order.length]
  const states = cuts.map((end, i) => {
    native.setInstructionSet(random.pick(instructionSets))
    const rows = order.slice(cuts[i - 1] ?? 0, end)
    const shard = {
      ...each,
      x: each.x.map((_, k) => each.x[rows[k] ?? 0] as number).subarray(0, rows.length),
      y: Int8Array.from(rows, (row) => each.y[row] as number),
    }
    const w = each.w.map((_, k) => each.w[rows[k] ?? 0] as number).subarray(0, rows.length)
    const state = newState()
    native.accumulate(...weighted(shard), state, undefined, undefined, w)
    if (random.isTrue()) return state
    const restored = newState()
    expect(native.importState(restored, native.exportState(state)), what).to.equal(true)
    return restored
  })
  const [target, ...others] = random.shuffle(states)
  for (const state of others) native.merge(target as Uint8Array, state)
  agreeState(target as Uint8Array, answer, otherLabelPolicies.indexOf(each.policy), `${what}, ${shards} shards`)
}

describe(`weights (${instructionSets.join(', ')})`, () => {
  const [set, threads] = [native.instructionSet(), native.numThreads()]
  afterEach(() => {
    native.setInstructionSet(set)
    native.setNumThreads(threads)
  })

  const sizes = [...new Set(smallSizes)].filter((n) => n % 3 === 0 || n > 64)
  for (const [k, weightKind] of Object.keys(weightKinds).entries()) {
    for (const format of formats) {
      it(`returns the oracle's bits for ${format.Type.name} and weights ${weightKind}, for losses of any kind`, () => {
        for (const [j, kind] of Object.keys(kinds).entries()) {
          for (const [i, n] of sizes.entries()) {
            if ((i + j) % 7 !== 0) continue
            const seed = 1000 * k + 100 * j + i
            const what = `${kind}, ${weightKind}, n = ${n}, seed = ${seed}`
            const each = makeCase(kind, weightKind, format, n, i + j, seed)
            const answer = expectedWeighted(each.x, each.y, each.w, settings, each.policy)
            native.setNumThreads(threadCounts[i % 4] as number)
            for (const set of instructionSets) {
              native.setInstructionSet(set)
              checkCalls(each, answer, `${what}, ${set}`)
            }
            checkShards(each, answer, 1 + (i % 4), new Random(seed), what)
          }
        }
      }).timeout(60_000)

      it(`returns the oracle's bits for ${format.Type.name} and weights ${weightKind}, on ${threadCounts.join(', ')} threads`, () => {
        const kind = Object.keys(kinds)[(5 * k) % Object.keys(kinds).length] as string
        const each = makeCase(kind, weightKind, format, largeSizes[k + 1] as number, k, 77 + k)
        const answer = expectedWeighted(each.x, each.y, each.w, settings, each.policy)
        for (const count of threadCounts) {
          native.setNumThreads(count)
          checkCalls(each, answer, `${kind}, ${count} threads`)
        }
      }).timeout(60_000)
    }
  }

  it('one number is the weight of all elements', () => {
    for (const { Type } of formats) {
      const [x, y] = [arrayOf(Type, [0.25, 0.125, 3, -1]), Int8Array.of(1, -1, -1, 1)]
      for (const weight of [0.3, 1, 1e-40, 1e39, 0]) {
        const answer = expectedWeighted(x, y, weight, settings, 'error')
        for (const reduction of ['mean', 'sum'] as const) {
          const loss = new HingeEmbeddingLoss({ margin: 0.5, reduction }).forward(x, y, { weight })
          expect(loss).to.deep.equal(answer[reduction])
        }
        const none = new HingeEmbeddingLoss({ margin: 0.5, reduction: 'none' }).forward(x, y, { weight })
        expect(none.data).to.deep.equal(answer.losses)
        const total = new LossAccumulator({ margin: 0.5 }).update(x, y, { weight })
        expect([total.sum, total.mean, total.weight]).to.deep.equal([answer.sum, answer.mean, answer.weight])
      }
    }
  })

  it('may be float64 where the input is float32, and the other way round', () => {
    const random = new Random(21)
    for (const [Input, Weight] of [
      [Float32Array, Float64Array],
      [Float64Array, Float32Array],
    ] as const) {
      for (const n of [1, 9, 3000]) {
        const x = Input.from(random.list(n, () => random.fraction() * 2 - 0.5))
        const y = Int8Array.from(random.list(n, () => random.sign()))
        const weight = Weight.from(random.list(n, () => random.fraction() * 2 ** random.integer(-80, 80)))
        const answer = expectedWeighted(x, y, weight, settings, 'error')
        for (const reduction of ['mean', 'sum'] as const) {
          const loss = new HingeEmbeddingLoss({ margin: 0.5, reduction })
          expect(loss(x, y, { weight })).to.equal(answer[reduction])
          const g = reduction === 'mean' ? answer.weight : 1
          const sign = (i: number) => (y[i] === 1 ? 1 : (x[i] as number) < 0.5 ? -1 : 0)
          const wanted = x.map((_, i) => (sign(i) === 0 ? 0 : (sign(i) * (weight[i] as number)) / g))
          agree(loss.backward(x, y, 1, { weight }).data, wanted, reduction)
        }
        const none = new HingeEmbeddingLoss({ margin: 0.5, reduction: 'none' })
        agree(none(x, y, { weight }).data, answer.losses, 'none')
      }
    }
  })

  it('is right where products of weight and loss are beyond the doubles', () => {
    const mean = (x: number[], weight: number[]) => new HingeEmbeddingLoss()(Float64Array.from(x), 1, { weight })
    const sum = (x: number[], weight: number[]) =>
      new HingeEmbeddingLoss({ reduction: 'sum' })(Float64Array.from(x), 1, { weight })
    expect(mean([1e200, 1e200], [1e200, 1e200])).to.equal(1e200)
    expect(sum([1e200, -1e200, 7], [1e200, 1e200, 1])).to.equal(7)
    expect(sum([1e200, 1e200], [1e200, 1e200])).to.equal(Number.POSITIVE_INFINITY)
    expect(mean([Number.MAX_VALUE, Number.MAX_VALUE], [Number.MAX_VALUE, Number.MAX_VALUE])).to.equal(Number.MAX_VALUE)
    expect(mean([5e-324, 5e-324], [5e-324, 5e-324])).to.equal(5e-324)
    expect(mean([1e-200, 3e-200], [1e-200, 1e-200])).to.equal(2e-200)
    expect(mean([1e-320, 3], [Number.MAX_VALUE, 5e-324])).to.equal(1e-320)
    expect(sum([1e-200], [1e-200])).to.equal(0)
  })

  describe('of 1', () => {
    for (const { Type } of formats) {
      it(`change no bit of a loss or gradient of a ${Type.name}`, () => {
        const random = new Random(5)
        for (const n of [0, 1, 9, 700, 5000]) {
          const x = arrayOf(
            Type,
            random.list(n, () => random.fraction() - 0.3),
          )
          const y = Int8Array.from(random.list(n, () => random.sign()))
          for (const weight of [1, new Type(n).fill(1)]) {
            for (const reduction of ['none', 'mean', 'sum'] as const) {
              const loss = new HingeEmbeddingLoss({ margin: 0.5, reduction })
              expect(loss.forward(x, y, { weight })).to.deep.equal(loss.forward(x, y))
              for (const g of [1, 3, -0.7, 1e-300]) {
                expect(loss.backward(x, y, g, { weight })).to.deep.equal(loss.backward(x, y, g))
              }
              expect(loss.valueAndGrad(x, y, { weight })).to.deep.equal(loss.valueAndGrad(x, y))
            }
          }
        }
      })
    }
  })

  describe('in gradients', () => {
    /** d/dx of one element, and the weights' sum, as ratios of integers. */
    const within = (actual: number, wanted: number, unit: number) =>
      Object.is(actual, wanted) || Math.abs(actual - wanted) <= 2 * unit * Math.abs(wanted) + unit * 2 ** -1021

    it('are g · w by the weight of all elements, for any weights', () => {
      const random = new Random(8)
      for (const format of formats) {
        const unit = 2 ** (1 - format.digits)
        for (const weightKind of Object.keys(weightKinds)) {
          for (const n of [1, 2, 9, 3000]) {
            const { x, y, w, policy } = makeCase('normal', weightKind, format, n, n, n)
            const answer = expectedWeighted(x, y, w, settings, policy)
            const options = { ...settings, otherLabels: policy }
            for (const g of [1, -3, 2 ** -600, 2 ** 600]) {
              const gradients = new HingeEmbeddingLoss({ ...options }).backward(x, y, g, { weight: w })
              const sums = new HingeEmbeddingLoss({ ...options, reduction: 'sum' }).backward(x, y, g, { weight: w })
              for (let i = 0; i < n; i += random.integer(1, 50)) {
                const sign = y[i] === 1 ? 1 : y[i] === -1 && (x[i] as number) < 0.5 ? -1 : 0
                const scale = (value: number) => BigInt(Math.round(value * 2 ** 52))
                const round = format.digits === 24 ? Math.fround : (value: number) => value
                const [mantissa, power] = splitDouble(w[i] as number)
                const [gMantissa, gPower] = splitDouble(g)
                const top = scale(mantissa) * scale(gMantissa) * BigInt(sign)
                const mean =
                  answer.weightUnits === 0n
                    ? Number.NaN
                    : roundRatio(top, answer.weightUnits, power + gPower - 104 + 1074)
                const place = `${weightKind}, n = ${n}, g = ${g}, [${i}]`
                const wantedMean = sign === 0 ? 0 : round(mean)
                expect(within(gradients.data[i] as number, wantedMean, unit), `mean, ${place}`).to.equal(true)
                const wantedSum = sign === 0 ? 0 : round(sign * g * Math.abs(w[i] as number))
                expect(sums.data[i], `sum, ${place}`).to.satisfy((own: number) => own === wantedSum)
              }
            }
          }
        }
      }
    })

    it('agree with finite differences of the loss', () => {
      const random = new Random(3)
      const x = Float64Array.from(random.list(40, () => random.fraction() * 2))
      const y = Int8Array.from(random.list(40, () => random.sign()))
      const weight = Float64Array.from(random.list(40, () => random.fraction()))
      for (const reduction of ['mean', 'sum'] as const) {
        const loss = new HingeEmbeddingLoss({ reduction })
        const { loss: value, gradInput } = loss.valueAndGrad(x, y, { weight })
        expect(value).to.equal(loss.forward(x, y, { weight }))
        expect(gradInput).to.deep.equal(loss.backward(x, y, 1, { weight }))
        for (let i = 0; i < x.length; i++) {
          const at = (step: number) =>
            loss.forward(
              x.map((each, k) => (k === i ? each + step : each)),
              y,
              { weight },
            )
          expect((at(2 ** -20) - at(-(2 ** -20))) * 2 ** 19).to.be.closeTo(gradInput.data[i] as number, 1e-6)
        }
      }
    })

    it('multiply each upstream gradient for none, rounded once', () => {
      for (const { Type } of formats) {
        const random = new Random(4)
        const [x, weight, g] = [0, 1, 2].map(() =>
          arrayOf(
            Type,
            random.list(3000, () => random.fraction()),
          ),
        ) as [InputData, InputData, InputData]
        const loss = new HingeEmbeddingLoss({ reduction: 'none', margin: 0.5 })
        const out = loss.backward(x, -1, g, { weight })
        const wanted = x.map((each, i) => (each < 0.5 ? -((g[i] as number) * (weight[i] as number)) : 0))
        agree(out.data, wanted, Type.name)
        const { loss: losses, gradInput } = loss.valueAndGrad(x, -1, { weight })
        agree(
          gradInput.data,
          x.map((each, i) => (each < 0.5 ? -(weight[i] as number) : 0)),
          'valueAndGrad',
        )
        agree(losses.data, loss.forward(x, -1, { weight }).data, 'losses')
        const inPlace = x.slice()
        loss.backward(inPlace, -1, g, { weight, out: inPlace })
        agree(inPlace, wanted, 'in place')
      }
    })
  })

  it('of 0 take an element out of the mean; if all are 0, the mean and its gradients are NaN', () => {
    const loss = new HingeEmbeddingLoss()
    const [x, y] = [Float64Array.of(0.5, 7, 0.25), Int8Array.of(1, 1, -1)]
    expect(loss(x, y, { weight: [1, 0, 1] })).to.equal(loss([0.5, 0.25], [1, -1]))
    expect(loss.backward(x, y, 1, { weight: [1, 0, 1] }).toArray()).to.deep.equal([0.5, 0, -0.5])
    expect(loss(x, y, { weight: 0 })).to.deep.equal(Number.NaN)
    expect(loss.backward(x, y, 1, { weight: 0 }).toArray()).to.deep.equal([Number.NaN, Number.NaN, Number.NaN])
    expect(new HingeEmbeddingLoss({ reduction: 'sum' })(x, y, { weight: 0 })).to.equal(0)
    const total = new LossAccumulator().update(x, y, { weight: 0 })
    expect(total).to.include({ count: 3, sum: 0, weight: 0 })
    expect(total.mean).to.deep.equal(Number.NaN)
  })

  it('keep a NaN, and a loss of infinity, as IEEE products do', () => {
    const sum = new HingeEmbeddingLoss({ reduction: 'sum' })
    for (const { Type } of formats) {
      expect(sum(arrayOf(Type, [Number.NaN, 1]), 1, { weight: arrayOf(Type, [0, 1]) })).to.deep.equal(Number.NaN)
      expect(sum(arrayOf(Type, [Infinity, 1]), 1, { weight: arrayOf(Type, [2, 1]) })).to.equal(Infinity)
      expect(sum(arrayOf(Type, [Infinity, 1]), 1, { weight: arrayOf(Type, [0, 1]) })).to.deep.equal(Number.NaN)
    }
  })

  it('of other labels count under zero, and not under ignore', () => {
    const [x, y, weight] = [Float64Array.of(1, 2, 3), Int8Array.of(1, 5, -1), Float64Array.of(1, 10, 2)]
    expect(new HingeEmbeddingLoss({ otherLabels: 'zero' })(x, y, { weight })).to.equal(1 / 13)
    expect(new HingeEmbeddingLoss({ otherLabels: 'ignore' })(x, y, { weight })).to.equal(1 / 3)
    const gradients = (otherLabels: 'zero' | 'ignore') =>
      new HingeEmbeddingLoss({ otherLabels }).backward(x, y, 1, { weight }).toArray()
    expect(gradients('zero')).to.deep.equal([1 / 13, 0, 0])
    expect(gradients('ignore')).to.deep.equal([1 / 3, 0, 0])
    expect(new LossAccumulator({ otherLabels: 'zero' }).update(x, y, { weight })).to.include({ weight: 13, others: 1 })
    expect(new LossAccumulator({ otherLabels: 'ignore' }).update(x, y, { weight })).to.include({ weight: 3, others: 1 })
  })

  describe('that are wrong', () => {
    const [x, y] = [Float32Array.of(0.2, 1.7, 0.4), Int8Array.of(1, -1, -1)]
    const loss = new HingeEmbeddingLoss({ reduction: 'none' })
    const calls: Record<string, (weight: TensorLike) => unknown> = {
      forward: (weight) => loss.forward(x, y, { weight }),
      mean: (weight) => new HingeEmbeddingLoss()(x, y, { weight }),
      backward: (weight) => loss.backward(x, y, 1, { weight }),
      'backward of the mean': (weight) => new HingeEmbeddingLoss().backward(x, y, 1, { weight }),
      valueAndGrad: (weight) => loss.valueAndGrad(x, y, { weight }),
      'valueAndGrad of the mean': (weight) => new HingeEmbeddingLoss().valueAndGrad(x, y, { weight }),
      update: (weight) => new LossAccumulator().update(x, y, { weight }),
    }
    const asynchronous: Record<string, (weight: TensorLike) => Promise<unknown>> = {
      forwardAsync: (weight) => loss.forwardAsync(x, y, { weight }),
      'forwardAsync of the mean': (weight) => new HingeEmbeddingLoss().forwardAsync(x, y, { weight }),
      updateAsync: (weight) => new LossAccumulator().updateAsync(x, y, { weight }),
    }
    const errorOf = async (call: () => unknown): Promise<Record<string, unknown>> => {
      try {
        await call()
      } catch (error) {
        return error as Record<string, unknown>
      }
      throw new Error('the call did not throw')
    }

    for (const [name, call] of Object.entries({ ...calls, ...asynchronous })) {
      it(`${name} refuses a negative, NaN or infinite one by its index`, async () => {
        for (const value of [-1, Number.NaN, Infinity, -Infinity, -1e-40]) {
          const weight = Float32Array.of(1, 2, value)
          const error = await errorOf(() => call(weight))
          expect(error).to.be.instanceOf(RangeError)
          expect(error).to.include({ code: 'ERR_INVALID_WEIGHT', index: 2, count: 1 })
          expect(error.value).to.deep.equal(weight[2])
          expect(error.message).to.equal(`weight must be 0 or more, and finite, got ${weight[2]} at flat index 2`)
        }
        const several = await errorOf(() => call([1, -3, -2]))
        expect(several).to.include({ code: 'ERR_INVALID_WEIGHT', index: 1, count: 2, value: -3 })
        expect(several.message).to.match(/got 2 others, the first -3 at flat index 1$/)
        expect(await errorOf(() => call(Infinity))).to.include({ code: 'ERR_INVALID_WEIGHT', index: 0, count: 3 })
        expect(await errorOf(() => call(-1))).to.include({ code: 'ERR_INVALID_WEIGHT', index: 0, value: -1 })
      })

      it(`${name} refuses weights of another shape, dtype or kind`, async () => {
        expect(await errorOf(() => call(Float32Array.of(1, 2)))).to.include({ code: 'ERR_SHAPE_MISMATCH' })
        expect(await errorOf(() => call(Int32Array.of(1, 2, 3)))).to.include({ code: 'ERR_INVALID_ARG_TYPE' })
        expect(await errorOf(() => call('1' as unknown as TensorLike))).to.include({ code: 'ERR_INVALID_ARG_TYPE' })
      })
    }

    it('write nothing, and add nothing', async () => {
      const out = Float32Array.of(7, 7, 7)
      const weight = Float32Array.of(1, -1, 1)
      await errorOf(() => loss.forward(x, y, { weight, out }))
      await errorOf(() => loss.backward(x, y, 1, { weight, out }))
      expect([...out]).to.deep.equal([7, 7, 7])
      const total = new LossAccumulator().update(x, y)
      const before = JSON.stringify(total)
      await errorOf(() => total.update(x, y, { weight }))
      await errorOf(() => total.updateAsync(x, y, { weight }))
      await errorOf(() => total.update(x, [1, 7, 1], { weight: 1 }))
      expect(JSON.stringify(total)).to.equal(before)
    })

    it('are found in large arrays, and reported before labels', async () => {
      for (const count of threadCounts) {
        native.setNumThreads(count)
        const n = 2 ** 18 + 5
        const [input, weight] = [new Float64Array(n), new Float64Array(n).fill(1)]
        const label = new Int8Array(n).fill(1)
        label[5] = 9
        for (const at of [2 ** 17 + 3, 2 ** 18, 100_001]) weight[at] = -at
        const wanted = { code: 'ERR_INVALID_WEIGHT', index: 100_001, value: -100_001, count: 3 }
        expect(await errorOf(() => new HingeEmbeddingLoss()(input, label, { weight }))).to.include(wanted)
        const slow = new HingeEmbeddingLoss().forwardAsync(input, label, { weight })
        expect(await errorOf(() => slow)).to.include(wanted)
      }
    })

    it('out must be memory apart from them', async () => {
      const memory = new Float32Array(6).fill(1)
      const weight = memory.subarray(0, 3)
      for (const out of [weight, memory.subarray(2, 5)]) {
        for (const call of [
          () => loss.forward(x, y, { weight, out }),
          () => loss.backward(x, y, 1, { weight, out }),
          () => loss.valueAndGrad(x, y, { weight, out }),
        ]) {
          expect(await errorOf(call)).to.include({
            code: 'ERR_INVALID_ARG_VALUE',
            message: 'out must be memory apart from weight, got overlapping memory',
          })
        }
      }
    })

    it('transferred memory is an error, also between slices', async () => {
      const n = 2 ** 20
      const weight = new Float32Array(n).fill(1)
      const promise = new HingeEmbeddingLoss().forwardAsync(new Float32Array(n), 1, { weight })
      structuredClone(weight.buffer, { transfer: [weight.buffer] })
      expect(await errorOf(() => promise)).to.include({ code: 'ERR_SHAPE_MISMATCH' })
    })
  })

  it('asynchronous calls return the bits of the others', async () => {
    const random = new Random(12)
    const n = 300_000
    for (const { Type } of formats) {
      const x = arrayOf(
        Type,
        random.list(n, () => random.fraction()),
      )
      const y = Int8Array.from(random.list(n, () => random.sign()))
      const weight = arrayOf(
        Type,
        random.list(n, () => random.fraction()),
      )
      for (const reduction of ['none', 'mean', 'sum'] as const) {
        const loss = new HingeEmbeddingLoss({ reduction, margin: 0.5 })
        expect(await loss.forwardAsync(x, y, { weight })).to.deep.equal(loss.forward(x, y, { weight }))
      }
      const total = await new LossAccumulator().updateAsync(x, y, { weight })
      expect(total.toJSON()).to.deep.equal(new LossAccumulator().update(x, y, { weight }).toJSON())
    }
  })

  describe('in an accumulator', () => {
    const [x, y] = [Float32Array.of(0.25, 1.5, 0.5), Int8Array.of(1, -1, -1)]
    const total = () => new LossAccumulator().update(x, y, { weight: [1, 2, 3] })

    it('are printed beside the totals', () => {
      expect(String(total())).to.equal(
        'LossAccumulator(margin=1, count=3, sum=1.75, mean=0.2916666666666667, weight=6)',
      )
      expect(total().positives).to.deep.equal({ count: 1, sum: 0.25, mean: 0.25, weight: 1 })
      expect(total().negatives).to.deep.equal({ count: 2, sum: 1.5, mean: 0.3, weight: 5, active: 1 })
    })

    it('are in its JSON, and no JSON without weights changes', () => {
      expect(JSON.stringify(total())).to.equal(
        '{"version":1,"margin":1,"positiveLabel":1,"negativeLabel":-1,"otherLabels":"error",' +
          '"positives":{"count":1,"sum":"0x1p-2"},"negatives":{"count":2,"sum":"0x6p-2","active":1},"others":0,' +
          '"weights":{"positives":"0x4p-2","negatives":"0x14p-2","others":"0x0p+0"}}',
      )
      expect(JSON.stringify(new LossAccumulator().update(x, y))).to.equal(
        '{"version":1,"margin":1,"positiveLabel":1,"negativeLabel":-1,"otherLabels":"error",' +
          '"positives":{"count":1,"sum":"0x1p-2"},"negatives":{"count":2,"sum":"0x2p-2","active":1},"others":0}',
      )
    })

    it('come back from its JSON', () => {
      const random = new Random(9)
      for (let i = 0; i < 200; i++) {
        const each = makeCase('all exponents', 'of any exponent', formats[i % 2] as Format, random.below(40), i, i)
        const options = { ...settings, otherLabels: each.policy }
        const own = new LossAccumulator(options).update(each.x, each.y, { weight: each.w })
        const copy = LossAccumulator.fromJSON(JSON.parse(JSON.stringify(own)))
        expect(JSON.stringify(copy)).to.equal(JSON.stringify(own))
        expect([copy.sum, copy.mean, copy.weight]).to.deep.equal([own.sum, own.mean, own.weight])
      }
    })

    it('mix with batches and accumulators without weights, whose elements have a weight of 1', () => {
      const wanted = new LossAccumulator().update([...x, ...x], [...y, ...y], { weight: [1, 2, 3, 1, 1, 1] }).toJSON()
      const plain = () => new LossAccumulator().update(x, y)
      expect(total().update(x, y).toJSON()).to.deep.equal(wanted)
      expect(
        plain()
          .update(x, y, { weight: [1, 2, 3] })
          .toJSON(),
      ).to.deep.equal(wanted)
      expect(total().merge(plain()).toJSON()).to.deep.equal(wanted)
      expect(plain().merge(total()).toJSON()).to.deep.equal(wanted)
      expect(LossAccumulator.merge(plain(), total()).toJSON()).to.deep.equal(wanted)
      expect(plain()).to.include({ weight: 3, count: 3 })
      expect(plain().positives).to.not.have.property('weight')
    })

    it('mix with them also in updateAsync', async () => {
      const wanted = total().update(x, y).toJSON()
      const first = await new LossAccumulator().updateAsync(x, y)
      expect((await first.updateAsync(x, y, { weight: [1, 2, 3] })).toJSON()).to.deep.equal(wanted)
      expect((await total().updateAsync(x, y)).toJSON()).to.deep.equal(wanted)
    })

    it('merged with itself have twice the weight', () => {
      const own = total()
      expect(own.merge(own)).to.include({ count: 6, weight: 12, sum: 3.5 })
    })

    it('are refused from JSON that it cannot have written', () => {
      const json = () => total().toJSON()
      const edits: ((json: LossAccumulatorJSON) => unknown)[] = [
        (each) => ({ ...each, weights: undefined }),
        (each) => ({ ...each, weights: null }),
        (each) => ({ ...each, weights: {} }),
        (each) => ({ ...each, weights: { ...each.weights, more: '0x0p+0' } }),
        ...['-0x4p-2', 'NaN', 'Infinity', '0x1p+0', '1', 1, '0x0p+0'].map(
          (positives) => (each: LossAccumulatorJSON) => {
            return { ...each, weights: { ...each.weights, positives } }
          },
        ),
        (each) => ({ ...each, weights: { ...each.weights, others: '0x4p-2' } }),
        (each) => ({ ...each, negatives: { ...each.negatives, sum: '-0x6p-2' } }),
        (each) => ({ ...each, negatives: { ...each.negatives, active: 0 } }),
        (each) => ({ ...each, positives: { ...each.positives, count: 0 } }),
        (each) => ({ ...each, weights: { ...each.weights, positives: `0x1${'0'.repeat(260)}p+0` } }),
      ]
      for (const [i, edit] of edits.entries()) {
        expect(() => LossAccumulator.fromJSON(edit(json())), String(i)).to.throw(RangeError)
      }
    })
  })

  it('the totals without weights agree with those of weight 1, up to their text', () => {
    const random = new Random(30)
    for (const format of formats) {
      const { x, y, policy } = makeCase('all exponents', 'from 0 to 1', format, 3000, 0, random.below(1000))
      const state = newState()
      const plain = new Uint8Array(native.stateBytes)
      native.accumulate(x, y, callCode(x, y, policy), settings.margin, 1, -1, plain)
      native.merge(state, plain)
      const answer = expected(x, y, settings, policy)
      expect(native.exportState(state).slice(0, 6)).to.deep.equal(answer.record)
      agreeState(state, expectedWeighted(x, y, 1, settings, policy), otherLabelPolicies.indexOf(policy), 'merged')
    }
  })

  it('these tests compare enough figures', () => {
    expect(compared).to.be.at.least(100_000)
  })
})

/** A finite double as mantissa · 2^power, with 1/2 ≤ |mantissa| < 1. */
function splitDouble(value: number): [mantissa: number, power: number] {
  if (value === 0) return [0, 0]
  let [mantissa, power] = [value, 0]
  for (; Math.abs(mantissa) >= 1; mantissa /= 2) power++
  for (; Math.abs(mantissa) < 0.5; mantissa *= 2) power--
  return [mantissa, power]
}

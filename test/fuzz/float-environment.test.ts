import { expect } from 'chai'
import { getNumThreads, type LabelData, setNumThreads } from '../../lib/index.ts'
import { dtypes, type TensorDType, typedArrays } from '../../lib/tensor/dtypes.ts'
import { bitsOf, compileModeSetter, listOperations, loadModeSetter, modes, runInMode } from '../support/float-modes.ts'
import { fuzz, type Random } from '../support/random.ts'

/** Values whose sums and products round, and subnormals of both floats. */
function randomValue(random: Random): number {
  const sign = random.isTrue() ? 1 : -1
  const scale = random.pick([0, 0, 0, 1, 24, 53, -24, -53, -100, -126, -140, -149, 100, -1000, -1022, -1040, -1074])
  return sign * (1 + random.integer(0, 2 ** 24) / 2 ** 24) * 2 ** scale
}

/** V8 itself reads a subnormal number as 0 while subnormals are flushed. */
const normal = (value: number) => (Math.abs(value) < 2 ** -1022 ? 0 : value)

function randomLabels(random: Random, dtype: TensorDType, length: number, values: readonly number[]): LabelData {
  const data = new typedArrays[dtype](length)
  const convert = dtype === 'int64' || dtype === 'uint64' ? BigInt : Number
  for (let i = 0; i < length; i++) data[i] = convert(random.pick(values)) as never
  return data
}

describe('whatever rounding and subnormals the program has set', () => {
  const { path, remove } = compileModeSetter()
  const setMode = loadModeSetter(path)
  const threads = getNumThreads()
  before(() => setNumThreads(2))
  after(() => {
    setNumThreads(threads)
    remove()
  })

  fuzz('every function returns the bits of the default mode under any rounding mode', async (random) => {
    const length = random.isTrue(0.01) ? 140_000 : random.pick([1, 2, 3, 9, 40, 2100])
    const Class = random.pick([Float32Array, Float64Array])
    const values = random.list(8, () => randomValue(random))
    const input = new Class(random.list(length, () => (random.isTrue() ? random.pick(values) : randomValue(random))))
    const gradOutput = new Class(random.list(length, () => randomValue(random)))
    const dtype = random.pick(dtypes)
    const encodings = dtype.startsWith('u')
      ? [
          [1, 0],
          [2, 1],
        ]
      : [
          [1, -1],
          [1, 0],
          [-1, 1],
        ]
    const [positiveLabel, negativeLabel] = random.pick(encodings) as [number, number]
    const otherLabels = random.pick(['zero', 'ignore'] as const)
    const others = random.isTrue(0.3) ? [3] : []
    const label = randomLabels(random, dtype, length, [positiveLabel, negativeLabel, ...others])
    const margin = random.pick([1, 0.1, 0, -0, 1 / 3, normal(randomValue(random))])
    const elements = { input, label, gradOutput, options: { margin, positiveLabel, negativeLabel, otherLabels } }
    const [name, mode] = random.pick(Object.entries(modes))
    for (const [operation, run] of Object.entries(listOperations(elements))) {
      const expected = bitsOf(await run())
      const actual = await runInMode(setMode, mode, run)
      expect(bitsOf(actual), `${operation}, ${name}`).to.deep.equal(expected)
    }
  })
})

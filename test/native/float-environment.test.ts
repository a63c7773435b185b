import { expect } from 'chai'
import { LossAccumulator } from '../../lib/index.ts'
import {
  bitsOf,
  compileModeSetter,
  defaultMode,
  type Elements,
  listOperations,
  loadModeSetter,
  modes,
  runInMode,
} from '../support/float-modes.ts'
import { node, root, succeeds } from '../support/processes.ts'

const values = [
  0.1,
  2 ** 53,
  1,
  1.5,
  -1 / 3,
  2 ** -149,
  3 * 2 ** -140,
  5e-324,
  -1e-310,
  2 ** -1022,
  1e-40,
  0.7,
  2 ** 24 + 1,
]
const label = Int8Array.from(values, (_, i) => [1, -1, 0, 3][i % 4] as number)
const options = { margin: 0.1, positiveLabel: 1, negativeLabel: -1, otherLabels: 'ignore' } as const

describe('the library in any floating-point mode', () => {
  const { path, remove } = compileModeSetter()
  const setMode = loadModeSetter(path)
  after(remove)

  for (const Class of [Float32Array, Float64Array]) {
    const input = Class.from(values)
    const elements: Elements = { input, label, gradOutput: input.toReversed(), options }
    for (const [operation, run] of Object.entries(listOperations(elements))) {
      it(`${operation} returns the bits of the default mode for ${Class.name}`, async () => {
        const expected = bitsOf(await run())
        for (const [name, mode] of Object.entries(modes)) {
          expect(bitsOf(await runInMode(setMode, mode, run)), name).to.deep.equal(expected)
        }
      })
    }
  }

  it('sums exactly, as integer arithmetic does, in any floating-point mode', async () => {
    for (const mode of Object.values(modes)) {
      const text = await runInMode(setMode, mode, () => {
        const total = new LossAccumulator()
        for (const value of [2 ** 53, 1.5, 5e-324, -(2 ** -1022)]) total.update(Float64Array.of(value), 1)
        return JSON.stringify(total.toJSON().positives.sum)
      })
      // 2^53 + 1.5 − 2^−1022 + 2^−1074, times 2^1074.
      const sum = (2n ** 54n + 3n) * 2n ** 1073n - 2n ** 52n + 1n
      expect(text).to.equal(`"0x${sum.toString(16)}p-1074"`)
    }
  })

  it('computes in the default mode on threads started in another mode, and if it was loaded in another mode', async () => {
    const script = `
      import { createRequire } from 'node:module'
      const setMode = createRequire(import.meta.url)(${JSON.stringify(path)})
      const before = setMode(Number(process.argv[1]))
      const { LossAccumulator, setNumThreads } = await import(${JSON.stringify(`${root}dist/index.js`)})
      setNumThreads(2)
      const input = new Float64Array(300_000).fill(1 / 3)
      for (let i = 0; i < input.length; i += 3) input[i] = 2 ** 60
      for (let i = 1; i < input.length; i += 3) input[i] = 5e-324
      const total = new LossAccumulator().update(input, 1).update(input, -1)
      setMode(before)
      console.log(JSON.stringify(total))`
    const run = (mode: number) => succeeds(node(['--input-type=module', '--eval', script, String(mode)]))
    const expected = await run(defaultMode)
    for (const name of ['rounding up', 'rounding down and flushing subnormals']) {
      expect(await run(modes[name] as number), name).to.equal(expected)
    }
  })
})

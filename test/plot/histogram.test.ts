import { expect } from 'chai'
import { Histogram, type View } from '../../lib/plot/histogram.ts'
import { chooseView } from '../../lib/plot/view.ts'

const hard = [0, -0, 1, -1, 0.1, 2 ** -30, 2 ** -1022, 5e-324, -5e-324, 2 ** -1001, 1e300, -1e300, 3, 1023.999, 1024]
  .flatMap((x) => [x, step(x, 1n), step(x, -1n), -x])
  .concat(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY)

/** The double that is so many steps larger in size. */
function step(x: number, steps: bigint): number {
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, x)
  const bits = view.getBigUint64(0) + steps
  view.setBigUint64(0, BigInt.asUintN(63, bits) === 2n ** 63n - 1n ? 0n : bits)
  return view.getFloat64(0)
}

/** The number of values in each bin, found by comparing them with its edges. */
function countByComparing(values: readonly number[], { low, high, width }: View): number[] {
  return Array.from({ length: (high - low) / width }, (_, bin) => {
    const edge = low + bin * width
    return values.filter((x) => x >= edge && x < edge + width).length
  })
}

function histogramOf(values: readonly number[]): Histogram {
  const histogram = new Histogram()
  for (const x of values) histogram.add('positive', x)
  return histogram
}

describe('the histogram of a plot', () => {
  const cases: Record<string, { values: readonly number[]; margin: number }> = {
    'hard values': { values: hard, margin: 1 },
    'hard values close to 0': { values: hard.filter((x) => Math.abs(x) < 1e-300), margin: 0 },
    'powers of two and their neighbours': {
      values: Array.from({ length: 40 }, (_, i) => 2 ** (i / 4 - 5)).flatMap((x) => [x, step(x, 1n), step(x, -1n), -x]),
      margin: 0.3,
    },
    'negative values': { values: Array.from({ length: 3000 }, (_, i) => Math.sin(i) - 5), margin: -5 },
    'far outliers': { values: [...Array.from({ length: 3000 }, (_, i) => Math.sin(i)), 1e9, -1e12, 77], margin: 1 },
    'one value': { values: [0.7], margin: 0.7 },
    'no value': { values: [], margin: 1 },
    'values far from the margin': { values: [1, 2, 3, 3.5], margin: 1e6 },
  }
  for (const [name, { values, margin }] of Object.entries(cases)) {
    it(`a histogram counts ${name} as comparing with the edges of bins does, and loses none`, () => {
      const histogram = histogramOf(values)
      const view = chooseView([histogram], [margin])
      const shown = histogram.countByBin(['positive'], view)
      const { below, above, infinite, nan } = histogram.countHidden(['positive'], view)
      expect(shown).to.deep.equal(countByComparing(values, view))
      expect(below).to.equal(values.filter((x) => Number.isFinite(x) && x < view.low).length)
      expect(above).to.equal(values.filter((x) => Number.isFinite(x) && x >= view.high).length)
      expect(infinite).to.equal(values.filter((x) => Math.abs(x) === Number.POSITIVE_INFINITY).length)
      expect(nan).to.equal(values.filter(Number.isNaN).length)
      const sum = shown.reduce((all, rows) => all + rows, below + above + infinite + nan)
      expect([sum, histogram.count('positive')]).to.deep.equal([values.length, values.length])
      expect(view.low <= margin && margin < view.high, `${margin} in ${view.low} to ${view.high}`).to.equal(true)
      expect(shown.length).to.be.within(1, 100)
    })
  }

  it('a view leaves out only the outliers that would squash the other values', () => {
    const values = Array.from({ length: 3000 }, (_, i) => Math.sin(i))
    const { low, high } = chooseView([histogramOf([...values, 1e9])], [0.5])
    expect([low, high]).to.deep.equal(
      [-1, 1.03125].map((end) => chooseView([histogramOf(values)], [0.5])[end < 0 ? 'low' : 'high']),
    )
    expect(chooseView([histogramOf([...values, 1.5])], [0.5]).high).to.be.above(1.5)
  })
})

import { expect } from 'chai'
import { Histogram, type View } from '../../lib/plot/histogram.ts'
import { chooseView } from '../../lib/plot/view.ts'
import { Random } from '../support/random.ts'

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
function countByComparing(values: readonly number[], { edges }: View): number[] {
  return edges.slice(1).map((end, bin) => values.filter((x) => x >= (edges[bin] as number) && x < end).length)
}

/** Ten thousand values of a function of a normal variable, which is approximated. */
function quantilesOf(quantile: (z: number) => number): number[] {
  return Array.from({ length: 10_000 }, (_, i) => {
    const share = (i + 0.5) / 10_000
    return quantile((share ** 0.1349 - (1 - share) ** 0.1349) / 0.1975)
  })
}

function histogramOf(values: readonly number[]): Histogram {
  const histogram = new Histogram()
  for (const x of values) histogram.add('positive', x)
  return histogram
}

describe('the histogram of a plot', () => {
  const sines = Array.from({ length: 3000 }, (_, i) => Math.sin(i))
  const cases: Record<string, { values: readonly number[]; margin: number }> = {
    'hard values': { values: hard, margin: 1 },
    'hard values close to 0': { values: hard.filter((x) => Math.abs(x) < 1e-300), margin: 0 },
    'powers of two and their neighbours': {
      values: Array.from({ length: 40 }, (_, i) => 2 ** (i / 4 - 5)).flatMap((x) => [x, step(x, 1n), step(x, -1n), -x]),
      margin: 0.3,
    },
    'negative values': { values: sines.map((x) => x - 5), margin: -5 },
    'far outliers': { values: [...sines, 1e9, -1e12, 77], margin: 1 },
    'one value': { values: [0.7], margin: 0.7 },
    'no value': { values: [], margin: 1 },
    'values far from the margin': { values: [1, 2, 3, 3.5], margin: 1e6 },
    'lognormal values': { values: quantilesOf((z) => Math.exp(3 * z)), margin: 1 },
  }
  const looks: Record<string, Parameters<typeof chooseView>[2]> = {
    'by default': {},
    'on a logarithmic axis': { log: true },
    'in a range': { range: [-0.3, 0.77] },
    'in a range of a logarithmic axis': { log: true, range: [0.3, 77] },
    'in at most 7 bins': { bins: 7 },
    'in at most 1,000 bins of a logarithmic axis': { log: true, bins: 1000 },
  }
  for (const [name, { values, margin }] of Object.entries(cases)) {
    for (const [look, options] of Object.entries(looks)) {
      it(`a histogram counts ${name} ${look} as comparing with the edges of bins does, and loses none`, () => {
        const histogram = histogramOf(values)
        const view = chooseView([histogram], [margin], options)
        const { low, high, edges } = view
        expect([edges[0], edges.at(-1)]).to.deep.equal([low, high])
        expect(edges).to.deep.equal([...new Set(edges)].sort((a, b) => a - b))
        const shown = histogram.countByBin(['positive'], view)
        const { notPositive, below, above, infinite, nan } = histogram.countHidden(['positive'], view)
        const finite = values.filter((x) => Number.isFinite(x) && !(view.isLog && x <= 0))
        expect(shown).to.deep.equal(countByComparing(values, view))
        expect(notPositive).to.equal(view.isLog ? values.filter((x) => Number.isFinite(x) && x <= 0).length : 0)
        expect(below).to.equal(finite.filter((x) => x < low).length)
        expect(above).to.equal(finite.filter((x) => x >= high).length)
        expect(infinite).to.equal(values.filter((x) => Math.abs(x) === Number.POSITIVE_INFINITY).length)
        expect(nan).to.equal(values.filter(Number.isNaN).length)
        const sum = shown.reduce((all, rows) => all + rows, notPositive + below + above + infinite + nan)
        expect([sum, histogram.count('positive')]).to.deep.equal([values.length, values.length])
        expect(shown.length).to.be.within(1, options?.bins ?? 100)
      })
    }
  }

  it('merged histograms count the rows of both', () => {
    const [one, other] = [histogramOf(hard), histogramOf(sines)]
    one.merge(other)
    const view = chooseView([one], [1])
    expect(one.countByBin(['positive'], view)).to.deep.equal(countByComparing([...hard, ...sines], view))
    expect(other.count('positive')).to.equal(3000)
  })
})

describe('the view of a plot', () => {
  const sines = Array.from({ length: 3000 }, (_, i) => Math.sin(i))

  /** Edges of bins of one width, from `low` to `high`. */
  const edges = (low: number, high: number, width: number) =>
    Array.from({ length: (high - low) / width + 1 }, (_, i) => low + i * width)

  it('leaves out only the outliers that would squash the other values', () => {
    const { low, high } = chooseView([histogramOf([...sines, 1e9])], [0.5])
    const without = chooseView([histogramOf(sines)], [0.5])
    expect([low, high]).to.deep.equal([without.low, without.high])
    expect(chooseView([histogramOf([...sines, 1.5])], [0.5]).high).to.be.above(1.5)
  })

  it('has bins of the width that Freedman and Diaconis or Sturges ask for, as a power of two', () => {
    // The numbers 0, 0.001, … 0.999 have the quartiles 0.25 and 0.75.
    const repeat = (times: number) => {
      const histogram = new Histogram()
      for (let i = 0; i < 1000; i++) histogram.add('positive', i / 1000, times)
      return histogram
    }
    // Sturges: 1 / (log2(1000) + 1) = 0.091; Freedman and Diaconis: 2 · 0.5 / 10 = 0.1.
    expect(chooseView([repeat(1)], [1]).width).to.equal(1 / 16)
    // 1 / (log2(27000) + 1) = 0.064 and 2 · 0.5 / 30 = 0.033.
    expect(chooseView([repeat(27)], [1]).width).to.equal(1 / 32)
    // 2 · 0.5 / 1000 = 0.001, but no more than 96 bins can be seen.
    expect(chooseView([repeat(1e6)], [1]).width).to.equal(1 / 64)
    // The panel of more rows decides.
    expect(chooseView([repeat(1), repeat(27)], [1]).width).to.equal(1 / 32)
  })

  it('has finite, ascending edges for any distances, margins and options', () => {
    const random = new Random(7)
    const numbers = [...hard, 0.7, 1e6, 1e15, 2 ** 1000, 1e-310]
    const margins = numbers.filter(Number.isFinite)
    for (let i = 0; i < 500; i++) {
      const histogram = histogramOf(random.list(random.below(20), () => random.pick(numbers)))
      const log = random.isTrue()
      const bins = random.pick([undefined, 2, 10, 1000])
      const { edges } = chooseView([histogram], [random.pick(margins), random.pick(margins)], {
        log,
        ...(bins && { bins }),
      })
      const isRight = edges.every((edge, k) => Number.isFinite(edge) && (k === 0 || edge > (edges[k - 1] as number)))
      expect(isRight && edges.length > 1, `picture ${i}: ${edges}`).to.equal(true)
      if (bins) expect(edges.length - 1).to.be.at.most(bins)
    }
  })

  it('shows the middle half of skewed distances in at least five bins, and a tenth of a class outside at most', () => {
    for (const quantile of [
      (z: number) => Math.exp(z),
      (z: number) => z ** 3,
      (z: number) => Math.exp(-z / 2) - 3,
      (z: number) => Math.sinh(2 * z),
    ]) {
      const values = quantilesOf(quantile).sort((a, b) => a - b)
      const view = chooseView([histogramOf(values)], [1])
      const [first, third] = [values[2500], values[7500]] as [number, number]
      expect(view.edges.filter((edge) => edge >= first && edge <= third).length, String(quantile)).to.be.above(4)
      expect(values.filter((x) => x < view.low || x >= view.high).length).to.be.below(1000)
    }
  })

  it('shows equal distances in the narrowest bins, with the margin and 0', () => {
    const view = chooseView([histogramOf(new Array(1000).fill(0.7))], [1])
    expect(view.edges).to.deep.equal(edges(0, 1.015625, 1 / 64))
  })

  it('has bins of one at least for whole numbers', () => {
    const counts = Array.from({ length: 1000 }, (_, i) => i % 20)
    expect(chooseView([histogramOf(counts)], [5]).edges).to.deep.equal(edges(0, 20, 1))
    expect(chooseView([histogramOf(counts)], [5], { bins: 100 }).width).to.equal(1)
    expect(chooseView([histogramOf([...counts, 0.5])], [5], { bins: 100 }).width).to.equal(1 / 4)
  })

  it('holds the margins that do not squash the distances', () => {
    const view = chooseView([histogramOf(sines)], [-7, 0.5, 20, 1e3])
    expect([view.low <= -7, view.high > 20, view.high < 1e3]).to.deep.equal([true, true, true])
  })

  it('shows the range that is asked for, widened to whole bins', () => {
    for (const range of [
      [0, 2],
      [-0.3, 1.7],
      [1e9, 1e9 + 1],
      [-1e300, 1e300],
      [3, 3 + 2 ** -51],
    ] as const) {
      for (const bins of [undefined, 2, 10, 1000]) {
        const { low, high, width } = chooseView([histogramOf(sines)], [1], { range, ...(bins && { bins }) })
        expect(low <= range[0] && range[0] - low < width, `${low} for ${range}`).to.equal(true)
        expect(high >= range[1] && high - range[1] < width, `${high} for ${range}`).to.equal(true)
      }
    }
    expect(chooseView([histogramOf(sines)], [1], { range: [0, 2], bins: 32 }).edges).to.deep.equal(edges(0, 2, 1 / 16))
  })

  it('has the edges of a logarithmic axis within a thousandth of equal steps', () => {
    for (const bins of [2, 30, 1000]) {
      const { edges, width } = chooseView([histogramOf(sines)], [1], { log: true, range: [1e-6, 1e3], bins })
      const first = Math.round(Math.log2(edges[0] as number) / width)
      for (const [i, edge] of edges.entries()) {
        expect(edge / 2 ** ((first + i) * width), `${edge}`).to.be.within(0.999, 1.001)
      }
    }
  })
})

import { expect } from 'chai'
import { formatFully, formatNumber, formatPercent, formatPowerOfTwo } from '../../lib/plot/numbers.ts'
import { estimateWidth, toPrintableLine, truncate, truncateNames, wrapPhrases, wrapWords } from '../../lib/plot/text.ts'
import { chooseLogTicks, chooseTicks } from '../../lib/plot/ticks.ts'

describe('the texts of a plot', () => {
  const fontSize = 10

  it('numbers have four digits, all digits before the point, and one notation', () => {
    const cases: [number, string][] = [
      [0, '0'],
      [-0, '0'],
      [0.5, '0.5'],
      [-0.25, '−0.25'],
      [0.123456, '0.1235'],
      [1234.56, '1,235'],
      [-123456.7, '−123,457'],
      [999999.7, '1e6'],
      [1234567, '1.235e6'],
      [0.0001, '0.0001'],
      [0.00001234, '1.234e−5'],
      [-1e300, '−1e300'],
      [5e-324, '5e−324'],
      [Number.NaN, 'NaN'],
      [Number.NEGATIVE_INFINITY, '−Infinity'],
    ]
    for (const [value, text] of cases) expect(formatNumber(value), String(value)).to.equal(text)
  })

  it('ticks and edges have all their digits, and shares are percent', () => {
    expect([0.1 + 0.2, 1.71875, -12345.5, 1000001, 1e-7].map(formatFully)).to.deep.equal([
      '0.3',
      '1.71875',
      '−12,345.5',
      '1.000001e6',
      '1e−7',
    ])
    expect([0.07, 0.005, 1].map(formatPercent)).to.deep.equal(['7 %', '0.5 %', '100 %'])
  })

  it('the width of a bin is exact: a decimal or a power of two', () => {
    const widths = [1, 1 / 64, 2 ** -10, 2 ** 19, 2 ** -11, 2 ** 20, 2 ** -1031].map(formatPowerOfTwo)
    expect(widths).to.deep.equal(['1', '0.015625', '0.0009765625', '524,288', '2⁻¹¹', '2²⁰', '2⁻¹⁰³¹'])
  })

  it('names that are too wide are cut where they differ from the most similar one', () => {
    const begin = 'experiments/2024/vision/resnet50-learning-rate-'
    const names = ['00-seed', '01-seed', '10-seed'].map((end) => begin + end)
    const cut = truncateNames(names, 130, fontSize)
    expect(cut).to.deep.equal(['experi…rate-00-seed', 'experi…rate-01-seed', 'experi…rate-10-seed'])
    const ends = truncateNames(
      ['07', '08'].map((end) => `${begin}${end}-${'x'.repeat(50)}`),
      130,
      fontSize,
    )
    expect(ends.map((name) => name.slice(0, 10))).to.deep.equal(['experim…07', 'experim…08'])
    expect(truncateNames(['short', `${'long '.repeat(20)}`, 'other'], 130, fontSize)).to.deep.equal([
      'short',
      'long long long lon…',
      'other',
    ])
    expect(truncateNames(['same', 'same'], 130, fontSize)).to.deep.equal(['same', 'same'])
  })

  it('no cut text is wider than its place or ends within a letter, and names of megabytes take no time', () => {
    const family = '👨‍👩‍👧‍👦'
    const names = [family.repeat(30), `${family.repeat(30)}é`, 'é'.repeat(100), 'x'.repeat(4e6), `${'x'.repeat(4e6)}y`]
    for (const width of [50, 130]) {
      for (const name of truncateNames(names, width, fontSize)) {
        expect(estimateWidth(name, fontSize)).to.be.at.most(width)
        expect(name).not.to.match(/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/)
      }
    }
    expect(truncate('a long name of a group', 60, fontSize)).to.equal('a long…')
    expect(new Set(truncateNames(names.slice(3), 130, fontSize)).size).to.equal(2)
  })

  it('phrases on several lines keep their commas', () => {
    expect(wrapPhrases(['one row', 'two rows', 'three'], 110, fontSize)).to.deep.equal(['one row,', 'two rows, three'])
    expect(wrapPhrases(['one', 'two'], 0, fontSize, '; ')).to.deep.equal(['one;', 'two'])
    expect(wrapPhrases(['one'], 0, fontSize)).to.deep.equal(['one'])
  })

  it('a title takes few lines, and an ellipsis says that there is more', () => {
    expect(wrapWords('a title of a few words', 100, fontSize, 3)).to.deep.equal(['a title of a', 'few words'])
    const lines = wrapWords('many words '.repeat(1e5), 100, fontSize, 3)
    expect(lines).to.have.lengthOf(3)
    expect(lines[2]).to.match(/…$/)
    for (const line of lines) expect(estimateWidth(line, fontSize)).to.be.at.most(100)
  })

  it('a line has no line breaks, control characters or marks that turn the direction of others', () => {
    expect(toPrintableLine(' a\u202eb\u2066c\n\0d\ud800 ')).to.equal('abc d')
  })

  it('ticks are the most round numbers whose labels have room', () => {
    const atMost = (most: number) => (ticks: readonly number[]) => ticks.length <= most
    expect(chooseTicks(0, 2.1, atMost(5))).to.deep.equal([0, 0.5, 1, 1.5, 2])
    expect(chooseTicks(-0.35, 0.35, atMost(7))).to.deep.equal([-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3])
    expect(chooseTicks(1e6, 1e6 + 1, atMost(3))).to.deep.equal([1e6, 1e6 + 0.5, 1e6 + 1])
    expect(chooseTicks(0, 1, () => false)).to.have.lengthOf.at.most(1)
    expect(chooseLogTicks(0.9, 150, atMost(7))).to.deep.equal([1, 2, 5, 10, 20, 50, 100])
    expect(chooseLogTicks(0.9, 150, atMost(5))).to.deep.equal([1, 3, 10, 30, 100])
    expect(chooseLogTicks(0.9, 150, atMost(3))).to.deep.equal([1, 10, 100])
    expect(chooseLogTicks(1e-300, 1e300, atMost(7))).to.deep.equal([1e-300, 1e-200, 1e-100, 1, 1e100, 1e200, 1e300])
    expect(chooseLogTicks(1.1, 1.9, atMost(5))).to.deep.equal([1.2, 1.4, 1.6, 1.8])
  })
})

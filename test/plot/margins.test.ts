import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { tableFromArrays, tableToIPC } from 'apache-arrow'
import { expect } from 'chai'
import { type FileTotals, plotFiles, scoreFiles } from '../../lib/files.ts'
import { LossAccumulator } from '../../lib/index.ts'
import { command } from '../support/command.ts'

/** A circle of a picture, in pixels of its strip. */
interface Dot {
  readonly x: number
  readonly y: number
}

describe('plot with several margins', function () {
  this.timeout(60_000)

  const columns = { input: 'd', label: 'y' }
  /** Not in ascending order. */
  const margin = [1.25, 0.25, 0.5]
  const ascending = [0.25, 0.5, 1.25]
  const ink = '#1f2328'
  const orange = '#d55e00'
  const rows = [...Array(5000).keys()]
  const d = Float64Array.from(rows, (i) => (Math.sin(i) + 1) * 0.7)
  const y = Int8Array.from(rows, (i) => (i % 10 === 3 ? 1 : -1))
  let folder: string

  const at = (name: string) => join(folder, name)

  async function draw(name: string, file: string, more: object = {}): Promise<string> {
    await plotFiles([at(file)], { ...columns, margin, output: at(name), ...more })
    return readFileSync(at(name), 'utf8')
  }

  const describe = (svg: string) => /<desc>(.*)<\/desc>/.exec(svg)?.[1] ?? ''

  function textsOf(svg: string): string[] {
    const marks = svg.slice(svg.indexOf('</desc>'))
    return [...marks.matchAll(/>([^<>]+)<\/(?:text|tspan)>/g)].map(([, line = '']) => line)
  }

  /** The circles of one colour, panel after panel. */
  function dotsOf(svg: string, color: string): Dot[] {
    const circles = svg.matchAll(
      /<path transform="translate\(([-\d.e]+),([-\d.e]+)\)" d="M[^"]*A[^"]*" fill="(#\w+)"\/>/g,
    )
    return [...circles].filter(([, , , fill]) => fill === color).map(([, x, y]) => ({ x: Number(x), y: Number(y) }))
  }

  /** Checks that pixels are a linear function of numbers, which grows if `slope` is 1 and falls if it is -1. */
  function assertLinear(pixels: readonly number[], numbers: readonly number[], slope: 1 | -1): void {
    expect(pixels).to.have.lengthOf(numbers.length)
    const [least, most] = [Math.min, Math.max].map((pick) => numbers.indexOf(pick(...numbers))) as [number, number]
    const [from, to] = [pixels[least] as number, pixels[most] as number]
    expect(Math.sign(to - from)).to.equal(slope)
    const [low, high] = [numbers[least] as number, numbers[most] as number]
    for (const [index, pixel] of pixels.entries()) {
      const expected = from + ((to - from) * ((numbers[index] as number) - low)) / (high - low)
      expect(pixel).to.be.closeTo(expected, 1e-6)
    }
  }

  /** The totals of rows at each margin, ascending, without the engine of files. */
  function totalsOf(isKept: (row: number) => boolean = () => true): LossAccumulator[] {
    const kept = rows.filter(isKept)
    const [input, label] = [Float64Array.from(kept, (i) => d[i] as number), Int8Array.from(kept, (i) => y[i] as number)]
    return ascending.map((margin) => new LossAccumulator({ margin }).update(input, label))
  }

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
    const arrow = tableToIPC(tableFromArrays({ d, y, model: rows.map((i) => `m${i % 3}`) }), 'file')
    writeFileSync(at('pairs.arrow'), arrow)
    const lines = rows.map((i) => `${d[i]},${y[i]},m${i % 3}\n`)
    writeFileSync(at('pairs.csv'), `d,y,model\n${lines.join('')}`)
    const connection = await (await DuckDBInstance.create()).connect()
    const types = `{ d: 'DOUBLE', y: 'TINYINT', model: 'VARCHAR' }`
    await connection.run(`COPY (FROM read_csv('${at('pairs.csv')}', columns = ${types})) TO '${at('pairs.parquet')}'`)
    connection.closeSync()
  })
  after(() => rmSync(folder, { recursive: true }))

  it('draws a dot for the exact mean loss and the exact active share at each margin', async () => {
    const totals = totalsOf()
    const svg = await draw('dots.svg', 'pairs.parquet')
    for (const [color, values] of [
      [ink, totals.map(({ mean }) => mean)],
      [orange, totals.map(({ negatives: { active, count } }) => active / count)],
    ] as const) {
      const dots = dotsOf(svg, color)
      assertLinear(
        dots.map(({ x }) => x),
        ascending,
        1,
      )
      assertLinear(
        dots.map(({ y }) => y),
        values,
        -1,
      )
      // Stems stand on 0: with the value 0, at the bottom of a strip 110 high, the heights are still a linear function.
      assertLinear([...dots.map(({ y }) => y), 110], [...values, 0], -1)
    }
  })

  it('writes the figures beside the dots, and into the description', async () => {
    const svg = await draw('figures.svg', 'pairs.parquet')
    for (const { margin, mean, negatives } of totalsOf()) {
      const [loss, share] = [
        Number(mean.toPrecision(4)),
        `${((100 * negatives.active) / negatives.count).toFixed(1)} %`,
      ]
      expect(textsOf(svg)).to.include.members([`Δ = ${margin}`, String(loss), share])
      const counts = [negatives.active, negatives.count].map((count) => count.toLocaleString('en')).join(' of ')
      expect(describe(svg)).to.include(`margin Δ = ${margin}: mean loss ${loss}, ${counts} negatives active (${share})`)
    }
    expect(textsOf(svg)).to.include.members(['5,000 rows, 3 margins Δ from 0.25 to 1.25', 'mean loss over Δ'])
  })

  it('has the same scales in all panels', async () => {
    const svg = await draw('panels.svg', 'pairs.parquet', { by: 'model' })
    const totals = [0, 1, 2].flatMap((model) => totalsOf((i) => i % 3 === model))
    const dots = dotsOf(svg, ink)
    assertLinear([...dots.map(({ y }) => y), 110], [...totals.map(({ mean }) => mean), 0], -1)
    const shares = totals.map(({ negatives: { active, count } }) => active / count)
    assertLinear([...dotsOf(svg, orange).map(({ y }) => y), 110], [...shares, 0], -1)
    expect(textsOf(svg).filter((text) => text === 'active share over Δ')).to.have.lengthOf(3)
  })

  it('draws the same picture from Parquet, CSV and Arrow, for any order of the margins', async () => {
    const expected = await draw('expected.svg', 'pairs.parquet', { margin: ascending })
    for (const file of ['pairs.parquet', 'pairs.csv', 'pairs.arrow']) {
      expect(await draw('same.svg', file)).to.equal(expected)
    }
  })

  it('draws for a list of one margin the picture of that margin', async () => {
    const expected = await draw('one.svg', 'pairs.parquet', { margin: 0.5 })
    expect(await draw('list.svg', 'pairs.parquet', { margin: [0.5] })).to.equal(expected)
  })

  it('returns the totals of scoreFiles, in the order of the list', async () => {
    const toPlain = ({ total, groups }: FileTotals) => {
      return { total: total.toJSON(), groups: groups?.map((group) => ({ ...group, total: group.total.toJSON() })) }
    }
    for (const file of ['pairs.parquet', 'pairs.arrow']) {
      for (const options of [columns, { ...columns, by: 'model' }]) {
        const list: readonly number[] = margin
        const plotted = await plotFiles([at(file)], { ...options, margin: list, output: at('totals.svg') })
        const scored = await scoreFiles([at(file)], { ...options, margin: list })
        expect(plotted.map(({ total }) => total.margin)).to.deep.equal(margin)
        expect(plotted.map(toPlain)).to.deep.equal(scored.map(toPlain))
      }
    }
  })

  it('prints on the command line what score prints', async () => {
    const args = [at('pairs.parquet'), '--input', 'd', '--label', 'y', '--by', 'model', '--margin', margin.join()]
    for (const json of [[], ['--json']]) {
      const scored = await command(['score', ...args, ...json])
      expect(await command(['plot', ...args, ...json, '--output', at('printed.svg')])).to.deep.equal(scored)
      expect(scored).to.include({ code: 0, stderr: '' })
    }
  })

  it('draws no dot for a mean that is not finite or of no rows, and one for a negative mean below 0', async () => {
    const lines = ['inf,1,infinite', 'nan,-1,nothing', '0.5,1,positive', '-3,1,negative', '-1,1,negative']
    writeFileSync(at('odd.csv'), `d,y,g\n${lines.join('\n')}\n`)
    const svg = await draw('odd.svg', 'odd.csv', { by: 'g', nan: 'keep', margin: [0, 5] })
    expect(textsOf(svg).filter((text) => text === 'Infinity' || text === 'NaN')).to.include.members(['Infinity', 'NaN'])
    const means = dotsOf(svg, ink)
    // Of the groups negative and positive, at each margin.
    assertLinear([...means.map(({ y }) => y)], [-2, -2, 0.5, 0.5], -1)
    expect(dotsOf(svg, orange), 'the group with a negative').to.have.lengthOf(2)
    writeFileSync(at('none.csv'), 'd,y\n')
    expect(dotsOf(await draw('none.svg', 'none.csv', { nulls: 'ignore' }), ink)).to.deep.equal([])
  })

  it('refuses lists that score refuses, by the same errors', async () => {
    for (const wrong of [[], [1, 1], [1, Number.NaN]]) {
      const scored = await scoreFiles([at('pairs.csv')], { ...columns, margin: wrong }).catch(String)
      const plotted = await plotFiles([at('pairs.csv')], { ...columns, margin: wrong, output: at('never.svg') }).catch(
        String,
      )
      expect(plotted)
        .to.equal(scored)
        .and.to.match(/^RangeError: margin must /)
    }
  })

  it('keeps labels apart: none meets another of its strip, and there is none where dots make a line', async () => {
    const many = Array.from({ length: 40 }, (_, i) => (i + 1) / 32)
    const svg = await draw('many.svg', 'pairs.parquet', { margin: many })
    expect(dotsOf(svg, ink)).to.have.lengthOf(40)
    const labels = [
      ...svg.matchAll(
        /<text text-anchor="middle" transform="translate\(([\d.]+),([\d.]+)\)"[^>]*font-size="([\d.]+)px"[^>]*>([\d.]+ %)</g,
      ),
    ]
      .map(([, x, y, size, text = '']) => ({ x: Number(x), y: Number(y), size: Number(size), text }))
      // Those of the axis stand to the left of the strip.
      .filter(({ x }) => x > 0)
    expect(labels.length).to.be.within(5, 39)
    const dense = await draw('dense.svg', 'pairs.parquet', { margin: many.map((margin) => margin / 4) })
    expect(dotsOf(dense, ink)).to.have.lengthOf(40)
    expect(textsOf(dense).filter((text) => /^\d+\.\d %$/.test(text))).to.deep.equal([])
    for (const [i, one] of labels.entries()) {
      for (const other of labels.slice(i + 1)) {
        const width = (0.6 * one.size * (one.text.length + other.text.length)) / 2
        const isApart = Math.abs(one.x - other.x) > width || Math.abs(one.y - other.y) > 0.9 * one.size
        expect(isApart, `${one.text} and ${other.text}`).to.equal(true)
      }
    }
  })
})

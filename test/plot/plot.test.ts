import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { Resvg } from '@resvg/resvg-js'
import { tableFromArrays, tableToIPC } from 'apache-arrow'
import { expect } from 'chai'
import { Histogram } from '../../lib/plot/histogram.ts'
import { chooseView } from '../../lib/plot/view.ts'
import { installPackage, readText } from '../support/application.ts'
import { command } from '../support/command.ts'
import { node, root, succeeds } from '../support/processes.ts'

const hard = [0, -0, 1, -1, 0.1, 2 ** -30, 2 ** -1022, 5e-324, -5e-324, 2 ** -1001, 1e300, -1e300, 3, 1023.999, 1024]
  .flatMap((x) => [x, next(x, 1n), next(x, -1n), -x])
  .concat(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY)

/** The double so many after x in size. */
function next(x: number, steps: bigint): number {
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, x)
  const bits = view.getBigUint64(0) + steps
  view.setBigUint64(0, BigInt.asUintN(63, bits) === 2n ** 63n - 1n ? 0n : bits)
  return view.getFloat64(0)
}

/** As many as lie in each bin, by comparing. */
function countsBetween(values: readonly number[], { low, high, width }: ReturnType<typeof chooseView>): number[] {
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

describe('Histogram', () => {
  const cases: Record<string, { values: readonly number[]; margin: number }> = {
    'hard values': { values: hard, margin: 1 },
    'hard values, close to 0': { values: hard.filter((x) => Math.abs(x) < 1e-300), margin: 0 },
    'powers of two and their neighbours': {
      values: Array.from({ length: 40 }, (_, i) => 2 ** (i / 4 - 5)).flatMap((x) => [x, next(x, 1n), next(x, -1n), -x]),
      margin: 0.3,
    },
    'negative values': { values: Array.from({ length: 3000 }, (_, i) => Math.sin(i) - 5), margin: -5 },
    'far outliers': { values: [...Array.from({ length: 3000 }, (_, i) => Math.sin(i)), 1e9, -1e12, 77], margin: 1 },
    'one value': { values: [0.7], margin: 0.7 },
    'no value': { values: [], margin: 1 },
    'a margin far away': { values: [1, 2, 3, 3.5], margin: 1e6 },
  }
  for (const [name, { values, margin }] of Object.entries(cases)) {
    it(`counts ${name} as comparing does, and loses none`, () => {
      const histogram = histogramOf(values)
      const view = chooseView([histogram], margin)
      const shown = histogram.countByBin(['positive'], view)
      const { below, above, infinite, nan } = histogram.countHidden(['positive'], view)
      expect(shown).to.deep.equal(countsBetween(values, view))
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

  it('shows all but what would squash the rest', () => {
    const values = Array.from({ length: 3000 }, (_, i) => Math.sin(i))
    const { low, high } = chooseView([histogramOf([...values, 1e9])], 0.5)
    expect([low, high]).to.deep.equal(
      [-1, 1.03125].map((end) => chooseView([histogramOf(values)], 0.5)[end < 0 ? 'low' : 'high']),
    )
    expect(chooseView([histogramOf([...values, 1.5])], 0.5).high).to.be.above(1.5)
  })
})

describe('hinge-embedding-loss plot', function () {
  this.timeout(30_000)

  const digits = join(root, 'examples/digit-pairs.parquet')
  let folder: string

  const at = (name: string) => join(folder, name)

  async function prints(args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await command(args)
    expect({ code, stderr }, args.join(' ')).to.deep.equal({ code: 0, stderr: '' })
    return stdout
  }

  function of(file: string, input: string, label: string, ...more: string[]): string[] {
    return [file, '--input', input, '--label', label, ...more]
  }

  async function draws(output: string, args: readonly string[]): Promise<Buffer> {
    await prints(['plot', ...args, '--output', at(output)])
    return readFileSync(at(output))
  }

  /** What there is to read in a picture, but for its title and description. */
  function wordsOf(svg: string): string[] {
    const drawn = svg.slice(svg.indexOf('</desc>'))
    return [...drawn.matchAll(/>([^<>]+)<\/(?:text|tspan)>/g)].map(([, words = '']) => words)
  }

  /** Numbers as a picture has them, of what score says. */
  function figures({ count, mean, active }: { count: number; mean: number; active?: number }): string[] {
    const whole = (value: number) => value.toLocaleString('en')
    const share = active === undefined ? [] : [`${whole(active)} active (${((100 * active) / count).toFixed(1)} %)`]
    return [whole(count), `mean loss ${Number(mean.toPrecision(4))}`, ...share]
  }

  async function copy(name: string, sql: string): Promise<void> {
    const connection = await (await DuckDBInstance.create()).connect()
    await connection.run(`COPY (${sql}) TO '${at(name)}'`)
    connection.closeSync()
  }

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
    await copy(
      'pairs.parquet',
      `SELECT (sin(i) + 1) * 0.7 AS d, ((sin(i) + 1) * 0.7)::FLOAT AS f, CASE WHEN i % 10 = 3 THEN 1 ELSE -1 END AS y,
        ['résumé <b>&amp; "sons"</b>', '模型甲', repeat('long ', 40), 'a' || chr(1) || chr(10) || 'b', ''][1 + i // 1000] AS name,
        CASE WHEN i % 50 = 0 THEN NULL WHEN i % 51 = 0 THEN 'nan' WHEN i % 52 = 0 THEN 'inf' ELSE d END::DOUBLE AS odd,
        CASE WHEN i % 60 = 0 THEN 5 ELSE y END AS label
      FROM range(5000) AS r(i)`,
    )
    await copy('none.parquet', 'SELECT 1.0 AS d, 1 AS y LIMIT 0')
  })
  after(() => rmSync(folder, { recursive: true }))

  it('prints what score prints, and has the same numbers in words', async () => {
    const args = of(at('pairs.parquet'), 'f', 'y', '--margin', '0.1')
    const scored = await prints(['score', ...args, '--json'])
    expect(await prints(['plot', ...args, '--json', '--output', at('words.svg')])).to.equal(scored)
    const svg = readFileSync(at('words.svg'), 'utf8')
    const total = JSON.parse(scored)
    const words = wordsOf(svg).join('\n')
    for (const part of [total, total.positives, total.negatives].flatMap(figures)) {
      expect(words).to.include(part)
      expect(/<desc>(.*)<\/desc>/.exec(svg)?.[1]).to.include(part)
    }
    expect(words).to.include('margin 0.1')
  })

  it('says in words what it does not show', async () => {
    const options = ['--nulls', 'ignore', '--nan', 'keep', '--other-labels', 'zero']
    const svg = String(await draws('odd.svg', of(at('pairs.parquet'), 'odd', 'label', ...options)))
    const desc = /<desc>(.*)<\/desc>/.exec(svg)?.[1] ?? ''
    const rows = [...Array(5000).keys()]
    const isOdd = (i: number) => i % 50 !== 0 && i % 51 === 0
    const isPositive = (i: number) => i % 60 !== 0 && i % 10 === 3
    const isNegative = (i: number) => i % 60 !== 0 && i % 10 !== 3
    const count = (test: (i: number) => boolean) => rows.filter(test).length
    const infinite = (i: number) => i % 50 !== 0 && i % 51 !== 0 && i % 52 === 0
    expect(desc).to.include('100 rows with a null left out')
    expect(desc).to.include(`${count((i) => i % 60 === 0 && i % 50 !== 0)} labels that are neither`)
    expect(desc).to.match(new RegExp(`positives, .*${count((i) => isPositive(i) && isOdd(i))} NaN, .*negatives`))
    expect(desc).to.match(
      new RegExp(
        `negatives, .*${count((i) => isNegative(i) && infinite(i))} infinite, ${count((i) => isNegative(i) && isOdd(i))} NaN`,
      ),
    )
  })

  it('draws the same from Parquet, CSV, Arrow and .npy', async () => {
    await copy('pairs.csv', `SELECT d, y FROM '${at('pairs.parquet')}'`)
    await copy('d.json', `SELECT list(d) AS d, list(y) AS y FROM '${at('pairs.parquet')}'`)
    const { d, y } = JSON.parse(readFileSync(at('d.json'), 'utf8'))
    const columns = { d: Float64Array.from(d), y: Int8Array.from(y) }
    writeFileSync(at('pairs.arrow'), tableToIPC(tableFromArrays(columns), 'file'))
    const expected = String(await draws('parquet.svg', of(at('pairs.parquet'), 'd', 'y')))
    for (const end of ['csv', 'arrow'])
      expect(String(await draws(`${end}.svg`, of(at(`pairs.${end}`), 'd', 'y')))).to.equal(expected)
    for (const name of ['d', 'y']) {
      await prints(['score', ...of(at('pairs.parquet'), name, '1', '--output', at(`${name}.npy`))])
    }
    const arrays = String(await draws('npy.svg', ['--input', at('d.npy'), '--label', at('y.npy')]))
    expect(arrays.replaceAll(at('d.npy'), 'd')).to.equal(expected)
  })

  it('has a panel for each value of --by, whatever it is called', async () => {
    const args = of(at('pairs.parquet'), 'd', 'y', '--by', 'name')
    const svg = String(await draws('by.svg', args))
    const { groups } = JSON.parse(await prints(['score', ...args, '--json']))
    expect(groups).to.have.lengthOf(5)
    for (const { positives, negatives } of groups) {
      for (const part of [positives, negatives].flatMap(figures)) expect(svg).to.include(part)
    }
    expect(svg)
      .to.include('résumé &lt;b&gt;&amp;amp; "sons"')
      .and.to.include('模型甲')
      .and.to.match(/long long l?o?n?g?…/)
    expect(svg).not.to.match(/[^\P{Cc}\n]/u)
    expect(wordsOf(svg).filter((words) => words === 'margin 1')).to.have.lengthOf(10)
  })

  it('is the same twice, of either theme and size', async () => {
    const args = (theme: string, size: string) => of(digits, 'raw_distance', 'label', '--theme', theme, '--size', size)
    const pictures = []
    for (const theme of ['light', 'dark']) {
      for (const size of ['readme', 'slide']) {
        const picture = String(await draws('theme.svg', args(theme, size)))
        expect(picture).to.match(size === 'slide' ? /^<svg [^>]*width="1600" height="900"/ : /^<svg [^>]*width="880"/)
        expect(picture).to.include(theme === 'dark' ? 'fill="#0d1117"' : 'fill="#ffffff"')
        pictures.push(picture)
      }
    }
    expect(new Set(pictures).size).to.equal(4)
    expect(String(await draws('again.svg', args('dark', 'slide')))).to.equal(pictures.at(-1))
  })

  it('is a PNG with letters in it, of twice as many pixels each way', async () => {
    const args = of(at('pairs.parquet'), 'd', 'y', '--size', 'slide')
    const png = await draws('slide.png', args)
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).to.deep.equal([3200, 1800])
    const image = `<image width="3200" height="1800" href="data:image/png;base64,${png.toString('base64')}"/>`
    const { pixels } = new Resvg(
      `<svg xmlns="http://www.w3.org/2000/svg" width="3200" height="1800">${image}</svg>`,
    ).render()
    const darkIn = (top: number, bottom: number) => {
      let dark = 0
      for (let i = top * 3200 * 4; i < bottom * 3200 * 4; i += 4) dark += Number((pixels[i] as number) < 100)
      return dark
    }
    expect(darkIn(40, 120), 'pixels of the title').to.be.within(5000, 60_000)
    expect(darkIn(0, 20), 'pixels above it').to.equal(0)
  })

  it('draws of no rows the losses alone', async () => {
    const svg = String(await draws('none.svg', of(at('none.parquet'), 'd', 'y')))
    expect(wordsOf(svg)).to.include.members(['0 positives', '0 negatives', 'margin 1'])
  })

  it('fails on what score fails on, and on what cannot be drawn, and leaves nothing behind', async () => {
    writeFileSync(at('old.svg'), 'old')
    writeFileSync(at('truncated.parquet'), readFileSync(at('pairs.parquet')).subarray(0, 5000))
    symlinkSync(at('pairs.parquet'), at('link.svg'))
    const before = readdirSync(folder)
    const pairs = (...more: string[]) => of(at('pairs.parquet'), 'd', 'y', ...more)
    const cases: [number, string[], RegExp][] = [
      [2, pairs(), /--output/],
      [2, pairs('--output', at('new.gif')), /--output must end in \.svg or \.png, got .*new\.gif/],
      [2, pairs('--output', at('link.svg')), /is an input/],
      [2, pairs('--output', at('nowhere/new.svg')), /no such folder/],
      [2, pairs('--output', at('new.svg'), '--theme', 'blue'), /--theme.*light, dark/],
      [2, pairs('--output', at('new.svg'), '--size', 'poster'), /--size.*readme, slide/],
      [2, pairs('--output', at('old.svg'), '--by', 'd'), /--by d must have at most 12 values/],
      [1, of(at('pairs.parquet'), 'odd', 'y', '--output', at('old.svg')), /pairs\.parquet, row 1: --input odd is null/],
      [1, of(at('pairs.parquet'), 'd', 'label', '--output', at('old.svg')), /label is 5/],
      [1, of(at('truncated.parquet'), 'd', 'y', '--output', at('old.svg')), /truncated\.parquet/],
    ]
    for (const [exitCode, args, named] of cases) {
      const { code, stdout, stderr } = await command(['plot', ...args])
      expect({ code, stdout }, stderr).to.deep.equal({ code: exitCode, stdout: '' })
      expect(stderr).to.match(named)
    }
    expect(readdirSync(folder)).to.deep.equal(before)
    expect(readFileSync(at('old.svg'), 'utf8')).to.equal('old')
  })

  it('asks for the packages it lacks', async () => {
    const needs = ['node-gyp-build', 'commander', '@duckdb']
    const asks = async (name: string, more: string[], output: string) => {
      const program = await installPackage(at(name), [...needs, ...more])
      return node([program, 'plot', ...of(at('pairs.parquet'), 'd', 'y', '--output', at(output))])
    }
    expect(await asks('bare', [], 'new.svg'))
      .to.include({ code: 1, stdout: '' })
      .and.property('stderr')
      .to.match(/npm install vega$/m)
    const advice = /npm install vega @resvg\/resvg-js dejavu-fonts-ttf$/m
    expect((await asks('fontless', ['vega', '@resvg'], 'new.png')).stderr).to.match(advice)
  })

  it('has an example in its help that works', async () => {
    const [, example = ''] =
      /Example.*\n +hinge-embedding-loss (plot .*)\n/.exec(await prints(['plot', '--help'])) ?? []
    const args = example
      .replace('examples/digit-pairs.parquet', digits)
      .replace('digits.svg', at('digits.svg'))
      .split(' ')
    expect(await prints(args)).to.include('100,000')
    expect(readFileSync(at('digits.svg'), 'utf8')).to.match(/^<svg .*<\/svg>\n$/s)
  })

  it('drew the pictures of the README', async () => {
    await succeeds(node([join(root, 'examples/digit-pictures.mjs'), folder]))
    const shown = [...readText('README.md').matchAll(/(docs\/pictures\/([\w-]+\.svg))"/g)]
    expect(shown).to.have.lengthOf(2)
    for (const [, path = '', name = ''] of shown) expect(readText(path)).to.equal(readFileSync(at(name), 'utf8'))
  })
})

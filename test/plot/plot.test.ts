import { linkSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { Resvg } from '@resvg/resvg-js'
import { tableFromArrays, tableToIPC } from 'apache-arrow'
import { expect } from 'chai'
import { installPackage, readText } from '../support/application.ts'
import { command } from '../support/command.ts'
import { node, root, succeeds } from '../support/processes.ts'

describe('hinge-embedding-loss plot', function () {
  this.timeout(30_000)

  const digits = join(root, 'examples/digit-pairs.parquet')
  let folder: string

  const at = (name: string) => join(folder, name)

  async function runCommand(args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await command(args)
    expect({ code, stderr }, args.join(' ')).to.deep.equal({ code: 0, stderr: '' })
    return stdout
  }

  function argumentsFor(file: string, input: string, label: string, ...more: string[]): string[] {
    return [file, '--input', input, '--label', label, ...more]
  }

  async function draw(output: string, args: readonly string[]): Promise<Buffer> {
    await runCommand(['plot', ...args, '--output', at(output)])
    return readFileSync(at(output))
  }

  /** The texts in a picture, without its title and description. */
  function textsOf(svg: string): string[] {
    const marks = svg.slice(svg.indexOf('</desc>'))
    return [...marks.matchAll(/>([^<>]+)<\/(?:text|tspan)>/g)].map(([, line = '']) => line)
  }

  /** The totals that score prints, as a picture formats them. */
  function formatFigures({ count, mean, active }: { count: number; mean: number; active?: number }): string[] {
    const integer = (value: number) => value.toLocaleString('en')
    const share = active === undefined ? [] : [`${integer(active)} active (${((100 * active) / count).toFixed(1)} %)`]
    return [integer(count), `mean loss ${Number(mean.toPrecision(4))}`, ...share]
  }

  async function writeQuery(name: string, sql: string): Promise<void> {
    const connection = await (await DuckDBInstance.create()).connect()
    await connection.run(`COPY (${sql}) TO '${at(name)}'`)
    connection.closeSync()
  }

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
    await writeQuery(
      'pairs.parquet',
      `SELECT (sin(i) + 1) * 0.7 AS d, ((sin(i) + 1) * 0.7)::FLOAT AS f, CASE WHEN i % 10 = 3 THEN 1 ELSE -1 END AS y,
        ['résumé <b>&amp; "sons"</b>', '模型甲', repeat('long ', 40), 'a' || chr(1) || chr(10) || 'b', ''][1 + i // 1000] AS name,
        CASE WHEN i % 50 = 0 THEN NULL WHEN i % 51 = 0 THEN 'nan' WHEN i % 52 = 0 THEN 'inf' ELSE d END::DOUBLE AS odd,
        CASE WHEN i % 60 = 0 THEN 5 ELSE y END AS label
      FROM range(5000) AS r(i)`,
    )
    await writeQuery('none.parquet', 'SELECT 1.0 AS d, 1 AS y LIMIT 0')
  })
  after(() => rmSync(folder, { recursive: true }))

  it('plot prints what score prints, and puts the same numbers into the picture', async () => {
    const args = argumentsFor(at('pairs.parquet'), 'f', 'y', '--margin', '0.1')
    const scored = await runCommand(['score', ...args, '--json'])
    expect(await runCommand(['plot', ...args, '--json', '--output', at('words.svg')])).to.equal(scored)
    const svg = readFileSync(at('words.svg'), 'utf8')
    const total = JSON.parse(scored)
    const words = textsOf(svg).join('\n')
    for (const part of [total, total.positives, total.negatives].flatMap(formatFigures)) {
      expect(words).to.include(part)
      expect(/<desc>(.*)<\/desc>/.exec(svg)?.[1]).to.include(part)
    }
    expect(words).to.include('margin 0.1')
  })

  it('a description counts the rows that its picture leaves out', async () => {
    const options = ['--nulls', 'ignore', '--nan', 'keep', '--other-labels', 'zero']
    const svg = String(await draw('odd.svg', argumentsFor(at('pairs.parquet'), 'odd', 'label', ...options)))
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

  it('plot draws the same picture from Parquet, CSV, Arrow and .npy', async () => {
    await writeQuery('pairs.csv', `SELECT d, y FROM '${at('pairs.parquet')}'`)
    await writeQuery('d.json', `SELECT list(d) AS d, list(y) AS y FROM '${at('pairs.parquet')}'`)
    const { d, y } = JSON.parse(readFileSync(at('d.json'), 'utf8'))
    const columns = { d: Float64Array.from(d), y: Int8Array.from(y) }
    writeFileSync(at('pairs.arrow'), tableToIPC(tableFromArrays(columns), 'file'))
    const expected = String(await draw('parquet.svg', argumentsFor(at('pairs.parquet'), 'd', 'y')))
    for (const end of ['csv', 'arrow'])
      expect(String(await draw(`${end}.svg`, argumentsFor(at(`pairs.${end}`), 'd', 'y')))).to.equal(expected)
    for (const name of ['d', 'y']) {
      await runCommand(['score', ...argumentsFor(at('pairs.parquet'), name, '1', '--output', at(`${name}.npy`))])
    }
    const arrays = String(await draw('npy.svg', ['--input', at('d.npy'), '--label', at('y.npy')]))
    expect(arrays.replaceAll(at('d.npy'), 'd')).to.equal(expected)
  })

  it('plot draws a panel for each value of --by, whatever its name', async () => {
    const args = argumentsFor(at('pairs.parquet'), 'd', 'y', '--by', 'name')
    const svg = String(await draw('by.svg', args))
    const { groups } = JSON.parse(await runCommand(['score', ...args, '--json']))
    expect(groups).to.have.lengthOf(5)
    for (const { positives, negatives } of groups) {
      for (const part of [positives, negatives].flatMap(formatFigures)) expect(svg).to.include(part)
    }
    expect(svg)
      .to.include('résumé &lt;b&gt;&amp;amp; "sons"')
      .and.to.include('模型甲')
      .and.to.match(/long long l?o?n?g?…/)
    expect(svg).not.to.match(/[^\P{Cc}\n]/u)
    expect(textsOf(svg).filter((line) => line === 'margin 1')).to.have.lengthOf(10)
  })

  it('plot draws the same bytes twice, in each theme and size', async () => {
    const args = (theme: string, size: string) =>
      argumentsFor(digits, 'raw_distance', 'label', '--theme', theme, '--size', size)
    const pictures = []
    for (const theme of ['light', 'dark']) {
      for (const size of ['readme', 'slide']) {
        const picture = String(await draw('theme.svg', args(theme, size)))
        expect(picture).to.match(size === 'slide' ? /^<svg [^>]*width="1600" height="900"/ : /^<svg [^>]*width="880"/)
        expect(picture).to.include(theme === 'dark' ? 'fill="#0d1117"' : 'fill="#ffffff"')
        pictures.push(picture)
      }
    }
    expect(new Set(pictures).size).to.equal(4)
    expect(String(await draw('again.svg', args('dark', 'slide')))).to.equal(pictures.at(-1))
  })

  it('plot draws a PNG with letters and twice as many pixels each way', async () => {
    const args = argumentsFor(at('pairs.parquet'), 'd', 'y', '--size', 'slide')
    const png = await draw('slide.png', args)
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

  it('plot draws the range, the axis, the bins and the title that its flags ask for', async () => {
    const flags = ['--range', '0.25,1', '--log', '--bins', '4', '--title', 'Two doublings']
    const svg = String(await draw('flags.svg', argumentsFor(at('pairs.parquet'), 'd', 'y', ...flags)))
    const words = textsOf(svg).join('\n')
    expect(words)
      .to.include('Two doublings')
      .and.to.include('distance x, logarithmic: d')
      .and.to.match(/share of the class in each bin, 2 to a doubling/)
    const below = [...Array(5000).keys()].filter((i) => i % 10 === 3 && (Math.sin(i) + 1) * 0.7 < 0.25).length
    expect(words).to.include(`not shown: ${below} below 0.25`)
    expect(String(await draw('negative.svg', argumentsFor(at('pairs.parquet'), 'd', 'y', '--range', '-1,3')))).to.match(
      /−0.5/,
    )
  })

  it('plot draws only the losses if there are no rows', async () => {
    const svg = String(await draw('none.svg', argumentsFor(at('none.parquet'), 'd', 'y')))
    expect(textsOf(svg)).to.include.members(['0 positives', '0 negatives', 'margin 1'])
  })

  it('plot fails where score fails, and where it cannot draw, and leaves no file behind', async () => {
    writeFileSync(at('old.svg'), 'old')
    writeFileSync(at('truncated.parquet'), readFileSync(at('pairs.parquet')).subarray(0, 5000))
    linkSync(at('pairs.parquet'), at('link.svg'))
    const before = readdirSync(folder)
    const pairs = (...more: string[]) => argumentsFor(at('pairs.parquet'), 'd', 'y', ...more)
    const cases: [number, string[], RegExp][] = [
      [2, pairs(), /--output/],
      [2, pairs('--output', at('new.gif')), /--output must end in \.svg or \.png, got .*new\.gif/],
      [2, pairs('--output', at('link.svg')), /is an input/],
      [2, pairs('--output', at('nowhere/new.svg')), /no such folder/],
      [2, pairs('--output', at('new.svg'), '--theme', 'blue'), /--theme.*light, dark/],
      [2, pairs('--output', at('new.svg'), '--size', 'poster'), /--size.*readme, slide/],
      [
        2,
        pairs('--output', at('old.svg'), '--range', '2,1'),
        /--range must be two numbers .*the lesser first, got 2, 1/,
      ],
      [2, pairs('--output', at('old.svg'), '--range', '2'), /--range must be two numbers .*got 2$/m],
      [2, pairs('--output', at('old.svg'), '--range', '0,2', '--log'), /--range must begin above 0 with --log, got 0/],
      [2, pairs('--output', at('old.svg'), '--range', 'a,b'), /--range.*must be a number/],
      [2, pairs('--output', at('old.svg'), '--bins', '1'), /--bins must be an integer from 2 to 1000, got 1/],
      [2, pairs('--output', at('old.svg'), '--title', ''), /--title must be a text that can be seen/],
      [
        1,
        argumentsFor(at('pairs.parquet'), 'odd', 'y', '--output', at('old.svg')),
        /pairs\.parquet, row 1: --input odd is null/,
      ],
      [1, argumentsFor(at('pairs.parquet'), 'd', 'label', '--output', at('old.svg')), /label is 5/],
      [1, argumentsFor(at('truncated.parquet'), 'd', 'y', '--output', at('old.svg')), /truncated\.parquet/],
    ]
    for (const [exitCode, args, named] of cases) {
      const { code, stdout, stderr } = await command(['plot', ...args])
      expect({ code, stdout }, stderr).to.deep.equal({ code: exitCode, stdout: '' })
      expect(stderr).to.match(named)
    }
    expect(readdirSync(folder)).to.deep.equal(before)
    expect(readFileSync(at('old.svg'), 'utf8')).to.equal('old')
  })

  it('plot names the missing packages that a picture needs', async () => {
    const needs = ['commander', '@duckdb']
    const asks = async (name: string, more: string[], output: string) => {
      const program = await installPackage(at(name), [...needs, ...more])
      return node([program, 'plot', ...argumentsFor(at('pairs.parquet'), 'd', 'y', '--output', at(output))])
    }
    expect(await asks('bare', [], 'new.svg'))
      .to.include({ code: 1, stdout: '' })
      .and.property('stderr')
      .to.match(/npm install vega$/m)
    const advice = /npm install vega @resvg\/resvg-js dejavu-fonts-ttf$/m
    expect((await asks('fontless', ['vega', '@resvg'], 'new.png')).stderr).to.match(advice)
  })

  it('the example in the help of plot works', async () => {
    const [, example = ''] =
      /Example.*\n +hinge-embedding-loss (plot .*)\n/.exec(await runCommand(['plot', '--help'])) ?? []
    const args = example
      .replace('examples/digit-pairs.parquet', digits)
      .replace('digits.svg', at('digits.svg'))
      .split(' ')
    expect(await runCommand(args)).to.include('100,000')
    expect(readFileSync(at('digits.svg'), 'utf8')).to.match(/^<svg .*<\/svg>\n$/s)
  })

  it('the pictures of the README are those that the example draws', async () => {
    await succeeds(node([join(root, 'examples/digit-pictures.mjs'), folder]))
    const shown = [...readText('README.md').matchAll(/(docs\/pictures\/([\w-]+\.svg))"/g)]
    expect(shown).to.have.lengthOf(2)
    for (const [, path = '', name = ''] of shown) expect(readText(path)).to.equal(readFileSync(at(name), 'utf8'))
  })
})

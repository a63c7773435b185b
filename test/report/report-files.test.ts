import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { tableFromArrays, tableToIPC } from 'apache-arrow'
import { expect } from 'chai'
import { type ReportFilesOptions, reportFiles, scoreFiles } from '../../lib/files.ts'
import type { InputData } from '../../lib/index.ts'
import { type Expected, expected } from '../oracle.ts'
import { command } from '../support/command.ts'
import { readTable, sectionOf, tagsOf, textOf } from '../support/page.ts'

const columns = { input: 'd', label: 'y' } as const
const wholeOptions = { ...columns, margin: 0.7, by: 'm', keep: ['id', 'm'], top: 5 } as const
const labels = { positiveLabel: 1, negativeLabel: -1 }

describe('reportFiles', function () {
  this.timeout(60_000)

  let folder: string
  /** about pairs.parquet, with everything that a page may have */
  let whole: string
  const rows = [...Array(3000).keys()]
  const distances = Float64Array.from(rows, (i) => (Math.sin(i) + 1) * 0.9)
  const label = Int8Array.from(rows, (i) => (i % 10 === 3 ? 1 : -1))

  const at = (name: string) => join(folder, name)

  async function writeReport(
    files: readonly string[],
    options: Omit<ReportFilesOptions<number | readonly number[]>, 'output'>,
    name = 'report.html',
  ): Promise<string> {
    await reportFiles(files, { ...options, output: at(name) })
    return readFileSync(at(name), 'utf8')
  }

  function writeRows(name: string, list: readonly object[]): string {
    writeFileSync(at(name), list.map((row) => `${JSON.stringify(row)}\n`).join(''))
    return at(name)
  }

  const answer = (margin: number, input: InputData = distances, of: Int8Array = label): Expected =>
    expected(input, of, { margin, ...labels }, 'error')

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
    const connection = await (await DuckDBInstance.create()).connect()
    const list = writeRows(
      'pairs.ndjson',
      rows.map((i) => ({ d: distances[i], y: label[i], m: `m${i % 3}`, id: i })),
    )
    await connection.run(`COPY (FROM read_ndjson('${list}')) TO '${at('pairs.parquet')}'`)
    connection.closeSync()
    const arrays = { d: Float32Array.from(distances), y: label, m: rows.map((i) => `m${i % 3}`) }
    writeFileSync(at('pairs.arrow'), tableToIPC(tableFromArrays(arrays), 'file'))
    whole = await writeReport([at('pairs.parquet')], wholeOptions)
  })
  after(() => rmSync(folder, { recursive: true }))

  it('the totals of the page are the exact ones, in numbers and in words', async () => {
    const { positives, negatives, ...all } = answer(0.7)
    const table = readTable(whole, 'Totals of each class')
    const figures = table.map((row) => [row.Class?.text, row.Pairs?.value, row['Mean loss']?.value])
    expect(figures).to.deep.equal([
      ['Positive', 300, positives.mean],
      ['Negative', 2700, negatives.mean],
      ['All', 3000, all.mean],
    ])
    expect(table.map((row) => row['Sum of losses']?.value)).to.deep.equal([positives.sum, negatives.sum, all.sum])
    expect(table[1]?.Active?.value).to.equal(negatives.active)
    const words = textOf(sectionOf(whole, 'totals'))
    expect(words).to.include(`${negatives.active.toLocaleString('en')} (${(negatives.active / 27).toFixed(1)} %)`)
    expect(words).to.include(`The mean is ${Number(positives.mean.toPrecision(4))}.`)
    expect(textOf(whole)).to.include(`3,000 pairs were scored by d at a margin of 0.7.`)
  })

  it('the figures at each margin shown are exact, in float64 and in float32', async () => {
    for (const [file, input] of [
      ['pairs.parquet', distances],
      ['pairs.arrow', Float32Array.from(distances)],
    ] as const) {
      const page = await writeReport([at(file)], { ...columns, margin: 0.6 })
      const table = readTable(page, 'Figures at each margin')
      const margins = [0, 0.6 - 3 * 0.15, 0.6 - 2 * 0.15, 0.6 - 0.15, 0.6, 0.75, 0.6 + 2 * 0.15, 0.6 + 3 * 0.15, 1.2]
      expect(table.map((row) => row['Margin Δ']?.value)).to.deep.equal(margins)
      expect(table.map((row) => row['Margin Δ']?.text.includes('asked for'))).to.deep.equal(
        margins.map((_, i) => i === 4),
      )
      for (const [i, margin] of margins.entries()) {
        const { mean, negatives } = answer(margin, input)
        expect(table[i]?.['Mean loss']?.value, `${file}, ${margin}`).to.equal(mean)
        expect(table[i]?.['Mean loss of negatives']?.value).to.equal(negatives.mean)
        expect(table[i]?.Active?.value).to.equal(negatives.active)
        expect(table[i]?.['Active share']?.value).to.equal(negatives.active / negatives.count)
      }
    }
  })

  it('of a list of margins those alone are shown, with totals of each', async () => {
    const page = await writeReport([at('pairs.parquet')], { ...columns, margin: [1.5, 0.5] })
    const shown = readTable(page, 'Figures at each margin')
    expect(shown.map((row) => row['Margin Δ']?.text)).to.deep.equal(['0.5', '1.5'])
    const totals = readTable(page, 'Totals of each class').filter((row) => row.Class?.text === 'All')
    expect(totals.map((row) => row['Mean loss']?.value)).to.deep.equal([answer(0.5).mean, answer(1.5).mean])
  })

  it('of many margins the words and the tables of totals are about the least and the greatest', async () => {
    const margin = [...Array(40).keys()].map((i) => (i + 1) / 20)
    const page = await writeReport([at('pairs.parquet')], { ...columns, margin, by: 'm' })
    expect(textOf(page)).to.include('3,000 pairs were scored by d at margins of 0.05 and 2 and 38 between them.')
    expect(readTable(page, 'Totals of each class')).to.have.lengthOf(5)
    expect(readTable(page, 'Totals of each value of m').map((row) => row['Margin Δ']?.value)).to.deep.equal(
      [0, 1, 2].flatMap(() => [0.05, 2]),
    )
    const shown = readTable(page, 'Figures at each margin').map((row) => row['Mean loss']?.value)
    expect(shown).to.deep.equal(margin.map((each) => answer(each).mean))
  })

  it('the table of groups has the exact totals of each, and each has a picture', async () => {
    const groups = readTable(whole, 'Totals of each value of m')
    expect(groups.map((row) => row.m?.text)).to.deep.equal(['m0', 'm1', 'm2'])
    for (const [k, group] of groups.entries()) {
      const own = rows.filter((i) => i % 3 === k)
      const { count, mean, positives, negatives } = answer(
        0.7,
        Float64Array.from(own, (i) => distances[i] as number),
        Int8Array.from(own, (i) => label[i] as number),
      )
      expect([group.Pairs?.value, group['Mean loss']?.value]).to.deep.equal([count, mean])
      expect(group['Mean loss of positives']?.value).to.equal(positives.mean)
      expect(group['Mean loss of negatives']?.value).to.equal(negatives.mean)
      expect(group['Active share']?.value).to.equal(negatives.active / negatives.count)
    }
    expect(sectionOf(whole, 'groups').match(/<svg /g)).to.have.lengthOf(3)
  })

  it('the smallest of very many groups share a row and a picture', async () => {
    const name = (i: number) => `g${i < 300 ? i % 3 : i}`
    const list = rows.slice(0, 2000).map((i) => ({ d: distances[i], y: label[i], m: name(i) }))
    const page = await writeReport([writeRows('many.ndjson', list)], { ...columns, margin: 0.7, by: 'm' })
    const groups = readTable(page, 'Totals of each value of m: the 999 largest, and the others as one')
    expect(groups).to.have.lengthOf(1000)
    expect(groups.at(-1)?.m?.text).to.equal('the other 704')
    expect(groups.reduce((sum, { Pairs }) => sum + (Pairs?.value ?? 0), 0)).to.equal(2000)
    expect(sectionOf(page, 'groups').match(/<figcaption>/g)).to.have.lengthOf(12)
  })

  it('range, log, bins and title are those of plotFiles', async () => {
    const options = { ...columns, range: [0.25, 1], log: true, bins: 2, title: 'Shoes & "boots"' } as const
    const page = await writeReport([at('pairs.parquet')], options)
    expect(textOf(/<h1>(.*)<\/h1>/.exec(page)?.[1] ?? '')).to.equal('Shoes & "boots"')
    const bars = readTable(page, 'Pairs with each distance x').map((bar) => bar.Distance?.text)
    expect(bars).to.deep.equal(['0.25 ≤ x < 0.5', '0.5 ≤ x < 1'])
  })

  it('the numbers of the bars count every pair of the class that the view holds', async () => {
    const bars = readTable(whole, 'Pairs with each distance x')
    for (const bar of bars) {
      const [low, high] = (bar.Distance?.text ?? '').split(' ≤ x < ').map(Number) as [number, number]
      const isIn = (i: number) => (distances[i] as number) >= low && (distances[i] as number) < high
      const [positives, negatives] = [1, -1].map((y) => rows.filter((i) => isIn(i) && label[i] === y).length)
      expect([bar.Positives?.value, bar.Negatives?.value], bar.Distance?.text).to.deep.equal([positives, negatives])
    }
    expect(bars.reduce((sum, bar) => sum + (bar.Positives?.value ?? 0), 0)).to.equal(300)
    const hover = sectionOf(whole, 'distances').match(/<title>[^<]* positives?, [^<]*<\/title>/g)
    // The wide and the narrow drawing have a text for each bar.
    expect(hover).to.have.lengthOf(2 * bars.filter((bar) => bar.Positives?.value !== 0).length)
  })

  it('the pairs of greatest loss of each class come with their rows and the kept columns', async () => {
    for (const [y, caption, lossOf] of [
      [1, '5 positive pairs of greatest loss', (x: number) => x],
      [-1, '5 negative pairs of greatest loss', (x: number) => Math.max(0, 0.7 - x)],
    ] as const) {
      const ofClass = rows.filter((i) => label[i] === y)
      const sorted = ofClass.map((i) => ({ i, loss: lossOf(distances[i] as number) })).sort((a, b) => b.loss - a.loss)
      const table = readTable(whole, caption)
      expect(table.map((row) => row.Row?.value)).to.deep.equal(sorted.slice(0, 5).map(({ i }) => i + 1))
      expect(table.map((row) => row.Loss?.value)).to.deep.equal(sorted.slice(0, 5).map(({ loss }) => loss))
      expect(table.map((row) => row.id?.text)).to.deep.equal(sorted.slice(0, 5).map(({ i }) => String(i)))
      expect(table.map((row) => row.m?.text)).to.deep.equal(sorted.slice(0, 5).map(({ i }) => `m${i % 3}`))
    }
  })

  it('a negative beyond the margin is none of the pairs of greatest loss', async () => {
    const file = writeRows('few.ndjson', [
      { d: 0.5, y: -1 },
      { d: 3, y: -1 },
      { d: 1, y: 1 },
    ])
    const table = readTable(await writeReport([file], columns), '1 negative pair of greatest loss')
    expect(table.map((row) => row['Distance x']?.value)).to.deep.equal([0.5])
    const far = writeRows('far.ndjson', [{ d: 3, y: -1 }])
    expect(textOf(sectionOf(await writeReport([far], columns), 'top'))).to.include('No negative pair has a loss.')
  })

  it('reportFiles returns the totals of scoreFiles at the margins asked for', async () => {
    const options = { ...columns, by: 'm' }
    for (const margin of [0.7, [0.5, 0.25]]) {
      const [scored, reported] = [
        await scoreFiles([at('pairs.parquet')], { ...options, margin }),
        await reportFiles([at('pairs.parquet')], { ...options, margin, output: at('totals.html') }),
      ].map((each) =>
        [each].flat().map(({ total, groups }) => [total.toJSON(), groups?.map((group) => group.total.toJSON())]),
      )
      expect(reported).to.deep.equal(scored)
    }
  })

  it('the same files and options give the same bytes, with any number of threads', async () => {
    expect(await writeReport([at('pairs.parquet')], { ...wholeOptions, threads: 1 }, 'other.html')).to.equal(whole)
    expect(whole).not.to.match(/\b20\d\d-\d\d-\d\d\b/)
  })

  it('the page names its files, sizes, options and version, and no path but those given', async () => {
    const making = sectionOf(whole, 'making')
    const { length } = readFileSync(at('pairs.parquet'))
    expect(readTable(making, 'Files')).to.deep.equal([
      { File: { text: at('pairs.parquet') }, Bytes: { text: length.toLocaleString('en'), value: length } },
    ])
    const options = Object.fromEntries(readTable(making, 'Options').map((row) => [row.Option?.text, row.Value?.text]))
    expect(options).to.deep.equal({
      ...{ input: 'd', label: 'y', by: 'm', keep: 'id, m', nulls: 'error', nan: 'error' },
      ...{ positiveLabel: '1', negativeLabel: '-1', otherLabels: 'error', margin: '0.7', top: '5' },
    })
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
    expect(textOf(making)).to.include(`hinge-embedding-loss ${version} read 1 file`)
    expect(whole.replaceAll(at('pairs.parquet'), '')).not.to.include(folder)
  })

  it('a page shows neither passwords nor the queries of URLs, of options and of the command line', async () => {
    const secrets = "'password=hunter2' <> 'https://a.example/x?X-Amz-Signature=hunter3'"
    const args = ['report', '--query', `SELECT * FROM '${at('pairs.parquet')}' WHERE ${secrets}`, '-i', 'd', '-l', 'y']
    const { code, stderr } = await command([...args, '-o', at('secrets.html')])
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' })
    const page = readFileSync(at('secrets.html'), 'utf8')
    expect(page).not.to.include('hunter')
    expect(textOf(page).match(/'password=…' <> 'https:\/\/a\.example\/x'/g)).to.have.lengthOf(2)
  })

  it('the policy of the page allows its own style and script by their hashes, and nothing else', async () => {
    const [, policy = ''] = /<meta http-equiv="Content-Security-Policy" content="([^"]*)">/.exec(whole) ?? []
    const hash = (tag: string) => {
      const [, text = '', ...more] = whole.split(new RegExp(`</?${tag}>`))
      expect(more, tag).to.have.lengthOf(1)
      return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
    }
    expect(policy.replaceAll('&#39;', "'").split('; ')).to.deep.equal([
      "default-src 'none'",
      `style-src ${hash('style')}`,
      `script-src ${hash('script')}`,
      'img-src data:',
      "base-uri 'none'",
      "form-action 'none'",
    ])
    expect(whole).not.to.match(/ (?:style|on\w+)=/)
    expect(whole.match(/(?:href|src)="[^"]*"/g)?.filter((link) => !/="#\w+"$/.test(link))).to.deep.equal([
      'href="data:,"',
    ])
  })

  const hostile = [
    '</title></style></script><script>alert(1)</script>',
    '<img src=x onerror=alert(1)>',
    '" onmouseover="alert(1)" x="',
    "' onfocus='alert(1)",
    '<svg><foreignObject><body onload=alert(1)>',
    ']]></desc></svg><!-- --><!--',
    'javascript:alert(1)',
    'https://example.com/?a=1&amp;b=2&lt;',
    '&#60;b&#62;',
    '{{alert(1)}} #{7*7} %3Cb%3E',
    'שלום עולם \u202e abc \u2066',
    '\u0001\u001b[31m\u0007\u009b',
    '\ufffe\ufeff\u2028\u2029',
    'e\u0301'.repeat(300),
    '😀'.repeat(150),
  ]

  it('data becomes text and never markup: tags and attributes are those of a page about plain data', async () => {
    const list = (names: readonly string[]) =>
      names.flatMap((name, i) => [
        { d: i / 10, y: 1, name, '<b id=x>col</b>': name },
        { d: i / 10 + 0.05, y: -1, name, '<b id=x>col</b>': name },
      ])
    // As long as the hostile name, so that it is cut where that is.
    const plainName = (name: string, i: number) => `name ${i} `.padEnd(name.length, 'x')
    const quoted = '"<b id=x>col</b>"'
    const options = { ...columns, keep: ['name', quoted] }
    const plain = await writeReport([writeRows('plain.ndjson', list(hostile.map(plainName)))], options)
    const file = writeRows("<b onclick='x'> & \u202e.ndjson", list(hostile))
    const page = await writeReport([file], options)
    expect(new Set(tagsOf(page))).to.deep.equal(new Set(tagsOf(plain)))
    for (const half of [hostile.slice(0, 8), hostile.slice(8)]) {
      const names = writeRows('half.ndjson', list(half))
      const [grouped, plainGrouped] = [
        await writeReport([names], { ...columns, by: 'name' }),
        await writeReport([writeRows('plain.ndjson', list(half.map(plainName)))], {
          ...columns,
          by: 'name',
        }),
      ]
      expect(new Set(tagsOf(grouped))).to.deep.equal(new Set(tagsOf(plainGrouped)))
    }
    expect(page).not.to.match(/(?!\n)\p{Cc}|\p{Zl}|\p{Zp}|\p{Cs}|\p{Bidi_Control}|\p{Noncharacter_Code_Point}/u)
  })

  it('data reads in the page as it is, with invisible characters escaped', async () => {
    const list = hostile.map((name, i) => ({ d: 1 - i / 100, y: 1, name }))
    const page = await writeReport([writeRows('names.ndjson', list)], { ...columns, keep: ['name'] })
    const names = readTable(page, `${hostile.length} positive pairs`).map((row) => row.name?.text ?? '')
    expect(names.slice(0, 10)).to.deep.equal(hostile.slice(0, 10))
    expect(names[10]).to.equal('שלום עולם \\u202e abc \\u2066')
    expect(names[11]).to.equal('\\x01\\x1b[31m\\x07\\x9b')
    expect(names[13]).to.equal(`${'e\u0301'.repeat(100)}… (cut, 600 characters)`)
    expect(names[14]).to.equal(`${'😀'.repeat(100)}… (cut, 300 characters)`)
  })

  it('no two groups look the same, in the table, in the headings of the pictures and in score', async () => {
    const groups = [
      [null, 'NULL'],
      ['NULL', "'NULL'"],
      ['', "''"],
      [' ', "' '"],
      ['\u00a0', "'\\u00a0'"],
      ['\u200b', "'\\u200b'"],
      [' near', "' near'"],
      ["'near'", "''near''"],
      ['\x1b', '\\x1b'],
      ['(empty text)', '(empty text)'],
    ] as const
    const file = writeRows(
      'similar.ndjson',
      groups.map(([name], i) => ({ d: 1 - i / 16, y: 1, name })),
    )
    const shown = groups.map(([, text]) => text)
    const page = await writeReport([file], { ...columns, by: 'name', keep: ['name'] })
    expect(readTable(page, 'Totals of each value of name').map((row) => row.name?.text)).to.have.members(shown)
    const headings = sectionOf(page, 'groups').matchAll(/<figcaption>(.*?)<\/figcaption>/g)
    expect(Array.from(headings, ([, text = '']) => textOf(text))).to.have.members(shown)
    expect(readTable(page, '10 positive pairs').map((row) => row.name?.text)).to.deep.equal(shown)
    const args = ['score', file, '-i', 'd', '-l', 'y', '--by', 'name', '--top', '10', '--keep', 'name']
    const lines = (await command(args)).stdout.split('\n').map((line) => line.trimEnd())
    for (const text of shown) {
      expect(lines.filter((line) => line.startsWith(`${text}  `))).to.have.lengthOf(1)
      expect(lines.filter((line) => line.endsWith(`  ${text}`))).to.have.lengthOf(1)
    }
  })

  it('a name of two million characters is cut, and the page says so', async () => {
    const file = writeRows('long.ndjson', [
      { d: 0.5, y: 1, name: 'x'.repeat(2_000_000) },
      { d: 0.5, y: -1, name: 'y' },
    ])
    const page = await writeReport([file], { ...columns, by: 'name', keep: ['name'] })
    expect(page.length).to.be.below(300_000)
    expect(textOf(sectionOf(page, 'groups'))).to.include(`${'x'.repeat(200)}… (cut, 2,000,000 characters)`)
  })

  it('files without rows, or with one class, give a page that says so', async () => {
    const none = await writeReport([writeRows('none.csv', []).replace('none.csv', 'pairs.parquet')], {
      ...columns,
      input: 'd + NULL',
      nulls: 'ignore',
    })
    expect(textOf(none)).to.include('0 pairs were scored by d + NULL')
    expect(textOf(sectionOf(none, 'totals'))).to.match(
      /There is no positive pair.*There is no negative pair.*3,000 rows with a null are left out/s,
    )
    const figures = [...readTable(none, 'Totals of each class'), ...readTable(none, 'Figures at each margin')]
    expect(figures.map((row) => row['Mean loss']?.text)).to.deep.equal(Array(12).fill('–'))
    for (const id of ['totals', 'distances', 'margins']) expect(textOf(sectionOf(none, id))).not.to.include('NaN')
    const one = await writeReport([writeRows('one.ndjson', [{ d: 0.25, y: 1 }])], columns)
    expect(textOf(sectionOf(one, 'totals'))).to.include('1 pair is positive')
  })

  for (const [name, options, details] of [
    ['a page that is no .html', { output: 'page.svg' }, { code: 'ERR_INVALID_ARG_VALUE', option: 'output' }],
    ['no output', { output: undefined }, { code: 'ERR_INVALID_ARG_TYPE', option: 'output' }],
    ['weights', { weight: 'w' }, { code: 'ERR_INVALID_ARG_VALUE', option: 'weight' }],
    ['a top of 0', { top: 0 }, { code: 'ERR_INVALID_ARG_VALUE', option: 'top' }],
    ['an unknown option', { theme: 'dark' }, { code: 'ERR_INVALID_ARG_VALUE', option: 'theme' }],
    ['a margin that is no number', { margin: Number.NaN }, { code: 'ERR_INVALID_ARG_VALUE', option: 'margin' }],
  ] as const) {
    it(`reportFiles refuses ${name}, and names the option`, async () => {
      const output = 'output' in options && options.output !== undefined ? at(options.output) : at('refused.html')
      const given = { ...columns, output, ...options, ...('output' in options && { output: options.output && output }) }
      const error = await reportFiles([at('pairs.parquet')], given as unknown as ReportFilesOptions).catch(
        (error) => error,
      )
      expect(error).to.be.an('error').that.includes(details)
      expect(existsSync(output)).to.equal(false)
    })
  }

  it('an input is never overwritten, and a run that ends early leaves the old page', async () => {
    writeFileSync(at('input.html'), readFileSync(at('pairs.ndjson')))
    const options = { ...columns, format: 'ndjson', output: at('input.html') } as const
    const error = await reportFiles([at('input.html')], options).catch((error) => error)
    expect(error).to.include({ code: 'ERR_INVALID_ARG_VALUE', option: 'output' })
    writeFileSync(at('old.html'), 'old')
    const before = readdirSync(folder)
    const reason = new Error('enough')
    const aborted = { ...columns, output: at('old.html'), signal: AbortSignal.abort(reason) }
    expect(await reportFiles([at('pairs.parquet')], aborted).catch((error) => error)).to.equal(reason)
    const wrong = { ...columns, label: 'id', output: at('old.html') }
    const failure = await reportFiles([at('pairs.parquet')], wrong).catch((error) => error)
    expect(failure).to.include({ code: 'ERR_INVALID_LABEL', row: 1 })
    expect(readFileSync(at('old.html'), 'utf8')).to.equal('old')
    expect(readdirSync(folder)).to.deep.equal(before)
  })
})

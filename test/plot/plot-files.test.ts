import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import { tableFromArrays, tableToIPC } from 'apache-arrow'
import { expect } from 'chai'
import { type FileTotals, type PlotFilesOptions, type Progress, plotFiles, scoreFiles } from '../../lib/files.ts'

const columns = { input: 'd', label: 'y' } as const

describe('plotFiles', function () {
  this.timeout(30_000)

  let folder: string
  let stream: Uint8Array

  const at = (name: string) => join(folder, name)

  async function writeQuery(name: string, sql: string): Promise<void> {
    const connection = await (await DuckDBInstance.create()).connect()
    await connection.run(`COPY (${sql}) TO '${at(name)}'`)
    connection.closeSync()
  }

  /** The error that a call rejects with. */
  async function failureOf(call: () => Promise<unknown>): Promise<unknown> {
    try {
      await call()
    } catch (error) {
      return error
    }
    throw new Error('nothing was thrown')
  }

  function toPlain({ total, groups }: FileTotals): unknown {
    return { total: total.toJSON(), groups: groups?.map((group) => ({ ...group, total: group.total.toJSON() })) }
  }

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
    await writeQuery(
      'pairs.parquet',
      `SELECT (sin(i) + 1) * 0.7 AS d, CASE WHEN i % 10 = 3 THEN 1 ELSE -1 END AS y, 'm' || i % 3 AS model, i,
        CASE WHEN i % 1000 = 40 THEN NULL ELSE d END AS holes, CASE WHEN i = 70 THEN 5 ELSE y END AS wrong
      FROM range(50000) AS r(i)`,
    )
    const rows = [...Array(20_000).keys()]
    const arrays = {
      d: Float32Array.from(rows, (i) => Math.sin(i) + 1),
      y: Int8Array.from(rows, (i) => (i % 7 === 3 ? 1 : -1)),
      model: rows.map((i) => `m${i % 3}`),
    }
    stream = tableToIPC(tableFromArrays(arrays), 'stream')
    writeFileSync(at('pairs.arrow'), stream)
  })
  after(() => rmSync(folder, { recursive: true }))

  for (const end of ['parquet', 'arrow']) {
    it(`plotFiles returns the totals of scoreFiles, bit for bit, of ${end} with and without by`, async () => {
      for (const by of [undefined, 'model']) {
        const options = { ...columns, margin: 0.3, ...(by !== undefined && { by }) }
        const scored = await scoreFiles([at(`pairs.${end}`)], options)
        const plotted = await plotFiles([at(`pairs.${end}`)], { ...options, output: at('totals.svg') })
        expect(toPlain(plotted)).to.deep.equal(toPlain(scored))
        expect(plotted.groups?.length).to.equal(by === undefined ? undefined : 3)
        expect(readFileSync(at('totals.svg'), 'utf8')).to.match(/^<svg .*<\/svg>\n$/s)
      }
    })
  }

  it('a reader of the output sees the old picture or the whole new one, never a part', async () => {
    writeFileSync(at('whole.svg'), 'old')
    const before = readdirSync(folder)
    const seen = new Set<string>()
    let isDone = false
    const watched = (async () => {
      for (; !isDone; await nextTurn()) seen.add(readFileSync(at('whole.svg'), 'utf8'))
    })()
    await plotFiles([at('pairs.parquet')], { ...columns, output: at('whole.svg') }).finally(() => {
      isDone = true
    })
    await watched
    const drawn = readFileSync(at('whole.svg'), 'utf8')
    expect(drawn).to.match(/^<svg .*<\/svg>\n$/s)
    expect(['old', drawn]).to.include.members([...seen])
    expect(seen).to.include('old')
    expect(readdirSync(folder)).to.deep.equal(before)
  })

  it('an aborted call rejects with the reason of its signal, and leaves the old picture and no other file', async () => {
    writeFileSync(at('kept.svg'), 'old')
    const before = readdirSync(folder)
    const reason = new Error('enough')
    const aborted = { ...columns, output: at('kept.svg'), signal: AbortSignal.abort(reason) }
    expect(await failureOf(() => plotFiles([at('pairs.parquet')], aborted))).to.equal(reason)

    const controller = new AbortController()
    async function* endless() {
      yield stream.subarray(0, -8)
      controller.abort(reason)
      await new Promise(() => {})
    }
    const waiting = { ...columns, output: at('kept.svg'), stdin: Readable.from(endless()), signal: controller.signal }
    expect(await failureOf(() => plotFiles(['-'], waiting))).to.equal(reason)
    expect(readFileSync(at('kept.svg'), 'utf8')).to.equal('old')
    expect(readdirSync(folder)).to.deep.equal(before)
  })

  it('onProgress gets the number of rows that plotFiles has read so far', async () => {
    const calls: Progress[] = []
    let report = () => {}
    const reported = new Promise<void>((resolve) => {
      report = resolve
    })
    async function* slow() {
      yield stream.subarray(0, -8)
      await reported
      yield stream.subarray(-8)
    }
    const onProgress = (progress: Progress) => {
      calls.push(progress)
      report()
    }
    const options = { ...columns, output: at('progress.svg'), stdin: Readable.from(slow()), onProgress }
    const { total } = await plotFiles(['-'], options)
    expect(calls[0]?.count).to.equal(20_000)
    expect(total.count).to.equal(20_000)
  })

  const wrongOptions: [string, Partial<Record<keyof PlotFilesOptions | 'keep', unknown>>, object][] = [
    ['an unknown theme', { theme: 'blue' }, { code: 'ERR_INVALID_ARG_VALUE', option: 'theme' }],
    ['a theme that is no string', { theme: 3 }, { code: 'ERR_INVALID_ARG_TYPE', option: 'theme' }],
    ['an unknown size', { size: 'poster' }, { code: 'ERR_INVALID_ARG_VALUE', option: 'size' }],
    ['an output of another format', { output: 'new.gif' }, { code: 'ERR_INVALID_ARG_VALUE', option: 'output' }],
    ['a missing output', { output: undefined }, { code: 'ERR_INVALID_ARG_TYPE', option: 'output' }],
    ['an output without a folder', { output: 'nowhere/new.svg' }, { code: 'ERR_INVALID_ARG_VALUE', option: 'output' }],
    ['a range of one number', { range: [1] }, { code: 'ERR_INVALID_ARG_VALUE', option: 'range' }],
    ['a range of three numbers', { range: [1, 2, 3] }, { code: 'ERR_INVALID_ARG_VALUE', option: 'range' }],
    ['a range that ends before it begins', { range: [2, 0] }, { code: 'ERR_INVALID_ARG_VALUE', option: 'range' }],
    ['an empty range', { range: [1, 1] }, { code: 'ERR_INVALID_ARG_VALUE', option: 'range' }],
    ['an endless range', { range: [0, Infinity] }, { code: 'ERR_INVALID_ARG_VALUE', option: 'range' }],
    ['a range that is NaN', { range: [Number.NaN, 1] }, { code: 'ERR_INVALID_ARG_VALUE', option: 'range' }],
    ['a range of text', { range: ['0', '1'] }, { code: 'ERR_INVALID_ARG_TYPE', option: 'range' }],
    ['a range that is a number', { range: 2 }, { code: 'ERR_INVALID_ARG_TYPE', option: 'range' }],
    ['0 on a logarithmic axis', { range: [0, 1], log: true }, { code: 'ERR_INVALID_ARG_VALUE', option: 'range' }],
    ['a log that is text', { log: 'yes' }, { code: 'ERR_INVALID_ARG_TYPE', option: 'log' }],
    ['one bin', { bins: 1 }, { code: 'ERR_INVALID_ARG_VALUE', option: 'bins' }],
    ['half a bin', { bins: 2.5 }, { code: 'ERR_INVALID_ARG_VALUE', option: 'bins' }],
    ['too many bins', { bins: 1001 }, { code: 'ERR_INVALID_ARG_VALUE', option: 'bins' }],
    ['a title that nobody sees', { title: ' \n' }, { code: 'ERR_INVALID_ARG_VALUE', option: 'title' }],
    ['a title that is a number', { title: 7 }, { code: 'ERR_INVALID_ARG_TYPE', option: 'title' }],
    ['keep', { keep: ['i'] }, { code: 'ERR_INVALID_ARG_VALUE', option: 'keep' }],
    ['an infinite margin', { margin: Infinity }, { code: 'ERR_INVALID_ARG_VALUE', option: 'margin' }],
  ]
  for (const [name, wrong, details] of wrongOptions) {
    it(`plotFiles refuses ${name} by an error that programs can read, and writes nothing`, async () => {
      const before = readdirSync(folder)
      const output = typeof wrong.output === 'string' ? at(wrong.output) : at('new.svg')
      const options = { ...columns, ...wrong, output: 'output' in wrong ? wrong.output && output : output }
      const error = await failureOf(() => plotFiles([at('pairs.parquet')], options as PlotFilesOptions))
      expect(error).to.be.an('error').that.includes(details)
      expect(readdirSync(folder)).to.deep.equal(before)
    })
  }

  const wrongRows: [string, Partial<PlotFilesOptions>, object][] = [
    ['a null input', { input: 'holes' }, { code: 'ERR_NULL', option: 'input', row: 41, count: 50 }],
    ['another label', { label: 'wrong' }, { code: 'ERR_INVALID_LABEL', row: 71, count: 1 }],
  ]
  for (const [name, options, details] of wrongRows) {
    it(`plotFiles rejects with the file and row of ${name}, and writes nothing`, async () => {
      const before = readdirSync(folder)
      const call = () => plotFiles([at('pairs.parquet')], { ...columns, ...options, output: at('new.svg') })
      const error = await failureOf(call)
      expect(error)
        .to.be.an('error')
        .that.includes({ ...details, file: at('pairs.parquet') })
      expect(readdirSync(folder)).to.deep.equal(before)
    })
  }

  /** The description and the texts of a picture. */
  const readPicture = (name: string) => {
    const svg = readFileSync(at(name), 'utf8')
    const [marks = ''] = /<\/desc>.*/s.exec(svg) ?? []
    const texts = [...marks.matchAll(/>([^<>]+)<\/(?:text|tspan)>/g)].map(([, line = '']) => line)
    return { svg, description: /<desc>(.*)<\/desc>/.exec(svg)?.[1] ?? '', texts }
  }

  it('twelve groups fit into one picture', async () => {
    const { groups } = await plotFiles([at('pairs.parquet')], { ...columns, by: 'i % 12', output: at('twelve.svg') })
    expect(groups).to.have.lengthOf(12)
    expect(readPicture('twelve.svg').texts).to.include.members(['0', '11'])
  })

  it('of more groups the 11 largest have a panel, of equal ones the first, and the others have one together', async () => {
    // Group k has 100 + 10 · (k % 20) rows, so that 20 to 39 are as large as 0 to 19. The largest: 9 to 19 and 29 to 39.
    const sizes = Array.from({ length: 40 }, (_, k) => 100 + 10 * (k % 20))
    const largest = sizes.flatMap((size, k) => (size >= 250 && k !== 35 ? [k] : []))
    expect(largest).to.have.lengthOf(9)
    const rows = sizes.flatMap((size, k) => Array.from({ length: size }, (_, i) => ({ k, i })))
    const arrays = {
      d: Float64Array.from(rows, ({ k, i }) => Math.sin(i * k) + 1),
      y: Int8Array.from(rows, ({ i }) => (i % 3 === 0 ? 1 : -1)),
      run: rows.map(({ k }) => `r${String(k).padStart(2, '0')}`),
    }
    writeFileSync(at('runs.arrow'), tableToIPC(tableFromArrays(arrays), 'file'))
    const lines = rows.map(({ k }, row) => `${arrays.d[row]},${arrays.y[row]},r${String(k).padStart(2, '0')}\n`)
    writeFileSync(at('runs.csv'), `d,y,run\n${lines.join('')}`)
    for (const margin of [0.5, [1.5, 0.5]]) {
      for (const end of ['arrow', 'csv']) {
        await plotFiles([at(`runs.${end}`)], { ...columns, by: 'run', margin, output: at(`runs-${end}.svg`) })
      }
      const { svg, texts, description } = readPicture('runs-arrow.svg')
      expect(readPicture('runs-csv.svg').svg).to.equal(svg)
      const chosen = [14, 15, 16, 17, 18, 19, 35, 36, 37, 38, 39]
      expect(texts.filter((line) => /^r\d\d$/.test(line))).to.deep.equal(chosen.map((k) => `r${k}`))
      const rest = rows.flatMap(({ k }, row) => (chosen.includes(k) ? [] : [row]))
      const negatives = rest.filter((row) => arrays.y[row] === -1)
      const active = negatives.filter((row) => (arrays.d[row] as number) < 0.5).length
      const format = (count: number) => count.toLocaleString('en')
      expect(texts).to.include('the other 29')
      expect(texts.join(' ')).to.include('the 11 largest of 40 groups and the other 29 as one')
      expect(description).to.match(
        new RegExp(
          `the other 29: ${format(rest.length - negatives.length)} positives, .*${format(negatives.length)} negatives`,
        ),
      )
      expect(description.slice(description.indexOf('the other 29: '))).to.include(
        typeof margin === 'number'
          ? `${format(active)} active`
          : `${format(active)} of ${format(negatives.length)} negatives active`,
      )
    }
  })

  it('draws the same picture of the smallest and the largest numbers from CSV and Arrow', async () => {
    const sizes = [0, 5e-324, 1e-320, 2 ** -1032, 2 ** -1022, 2 ** -1010, 2 ** -1000, 1e-300, 1, 1e300, 1.7e308]
    const d = Float64Array.from(sizes.flatMap((x) => [x, -x, 1.5 * Math.min(x, 1e308), x * (1 - 2 ** -53)]))
    const y = Int8Array.from(d, (_, i) => (i % 3 === 0 ? 1 : -1))
    writeFileSync(at('sizes.arrow'), tableToIPC(tableFromArrays({ d, y }), 'file'))
    writeFileSync(at('sizes.csv'), `d,y\n${Array.from(d, (x, i) => `${x},${y[i]}\n`).join('')}`)
    const looks = [
      {},
      { log: true },
      { range: [0, 1e-307] },
      { log: true, range: [1e-301, 2] },
      { bins: 1000 },
    ] as const
    for (const look of looks) {
      for (const end of ['csv', 'arrow']) {
        await plotFiles([at(`sizes.${end}`)], { ...columns, ...look, margin: 0, output: at(`sizes-${end}.svg`) })
      }
      expect(readPicture('sizes-csv.svg').svg, JSON.stringify(look)).to.equal(readPicture('sizes-arrow.svg').svg)
    }
    const { description } = readPicture('sizes-csv.svg')
    expect(description).to.include(`${y.filter((label) => label === 1).length} positives`)
  })

  it('counts the distances outside a range, and those of 0 or less on a logarithmic axis', async () => {
    const d = Float64Array.from({ length: 5000 }, (_, i) => 2 * Math.sin(i))
    d.fill(0, 0, 100)
    const y = Int8Array.from(d, (_, i) => (i % 3 === 0 ? 1 : -1))
    writeFileSync(at('waves.arrow'), tableToIPC(tableFromArrays({ d, y }), 'file'))
    const count = (label: number, test: (x: number) => boolean) =>
      d.filter((x, i) => y[i] === label && test(x)).length.toLocaleString('en')
    const output = at('waves.svg')
    await plotFiles([at('waves.arrow')], { ...columns, range: [-0.5, 1.25], output })
    const { description } = readPicture('waves.svg')
    for (const label of [1, -1]) {
      const [below, above] = [count(label, (x) => x < -0.5), count(label, (x) => x >= 1.25)]
      expect(description).to.include(`not shown: ${below} below −0.5, ${above} of 1.25 or more`)
    }
    await plotFiles([at('waves.arrow')], { ...columns, log: true, range: [0.25, 1], margin: 5, output })
    const { description: ofLog, texts } = readPicture('waves.svg')
    for (const label of [1, -1]) {
      const phrases = [
        `not shown: ${count(label, (x) => x <= 0)} of 0 or less`,
        `${count(label, (x) => x > 0 && x < 0.25)} below 0.25`,
        `${count(label, (x) => x >= 1)} of 1 or more`,
      ]
      expect(ofLog).to.include(phrases.join(', '))
    }
    expect(texts.filter((line) => line === 'margin 5 →')).to.have.lengthOf(2)
    expect(texts).to.include('distance x, logarithmic: d')
  })

  it('draws the same picture for any order of the rows and any number of threads', async () => {
    const query = (order: string) =>
      `SELECT d, y, i % 20 AS g FROM '${at('pairs.parquet')}' ORDER BY ${order} LIMIT 50000`
    await writeQuery('rows.parquet', query('i'))
    await writeQuery('shuffled.parquet', query('hash(i)'))
    const pictures = new Set<string>()
    for (const file of ['rows.parquet', 'shuffled.parquet']) {
      for (const threads of [1, 3]) {
        await plotFiles([at(file)], { ...columns, by: 'g', threads, output: at('order.svg') })
        pictures.add(readPicture('order.svg').svg)
      }
    }
    expect(pictures.size).to.equal(1)
  })

  it('notes that a logarithmic axis shows distances of different sizes, of which one bar has more than half', async () => {
    const shapes = {
      powers: 'exp(8 * sin(i))',
      sines: 'sin(i) + 1',
      zeros: 'CASE WHEN i % 3 = 0 THEN sin(i) + 1 ELSE 0 END',
    }
    for (const [name, d] of Object.entries(shapes)) {
      await writeQuery(
        'shape.parquet',
        `SELECT ${d} AS d, CASE WHEN i % 2 = 0 THEN 1 ELSE -1 END AS y FROM range(1000) r(i)`,
      )
      for (const log of [false, true]) {
        const notes: string[] = []
        const onNote = (note: string) => notes.push(note)
        await plotFiles([at('shape.parquet')], { ...columns, log, output: at('shape.svg'), onNote })
        expect(notes.length, `${name} ${log}`).to.equal(name === 'powers' && !log ? 1 : 0)
        if (notes.length > 0) expect(notes[0]).to.match(/one bar has more than half of a class.*log: true shows them/)
      }
    }
  })

  it('writes the title that is asked for, on several lines if it is long', async () => {
    const title = `<b>${'many words '.repeat(20)}& so on`
    await plotFiles([at('pairs.parquet')], { ...columns, title, output: at('title.svg') })
    const { svg, texts } = readPicture('title.svg')
    expect(/<title>(.*)<\/title>/.exec(svg)?.[1]).to.equal(
      title.replace('<b>', '&lt;b&gt;').replace('& so on', '&amp; so on'),
    )
    expect(texts[0]).to.match(/^&lt;b&gt;many words many words/)
    expect(texts.slice(0, 3).join(' ')).to.match(/& so on$|…$|&amp; so on$/)
  })
})

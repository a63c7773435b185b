import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { mergePartials, scoreFiles } from '../../lib/files.ts'
import { LossAccumulator } from '../../lib/index.ts'
import { rejects as assertRejects, type Failure } from '../support/failures.ts'
import { assertTotals, pairs, selectRows, writePairs } from '../support/pairs.ts'
import { device } from '../support/system.ts'
import { accumulate } from '../support/totals.ts'

const { w, y } = pairs

describe('mergePartials', () => {
  let folder: string
  const path = (name: string) => join(folder, name)
  /** The partials of three parts of the rows. */
  const texts = [0, 1, 2].map((part) => {
    return JSON.stringify(accumulate(...selectRows(w, y, (row) => row % 3 === part)))
  })
  const [first = '', second = '', third = ''] = texts

  function write(name: string, content: string | Buffer): string {
    writeFileSync(path(name), content)
    return path(name)
  }

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-merge-'))
    await writePairs(folder)
  })
  after(() => rmSync(folder, { recursive: true }))

  async function merges(parts: readonly string[]): Promise<void> {
    const { total, groups } = await mergePartials(parts)
    assertTotals(total, w, y)
    expect(groups).to.equal(undefined)
  }

  it('returns what scoreFiles returns over all the rows, bit for bit', async () => {
    const { total } = await scoreFiles([path('pairs.parquet')], { input: 'w', label: 'y' })
    const merged = await mergePartials(texts)
    expect(merged.total.toJSON()).to.deep.equal(total.toJSON())
    assertTotals(merged.total, w, y)
  })

  it('reads files, texts, and both together, in any order', async () => {
    const files = texts.map((text, i) => write(`part-${i}.json`, `${text}\n`))
    await merges(files)
    await merges([files[2] as string, first, files[1] as string])
    await merges([` \n${third}`, `${first}\n${second}`])
  })

  it('reads many partials in a file, blank lines, CR LF, and no line break at the end', async () => {
    await merges([write('lines.json', `\n${first}\n \n${second}\n\n${third}`)])
    await merges([write('windows.json', texts.map((text) => `${text}\r\n`).join('\r\n'))])
  })

  it('skips a byte-order mark, in a file and in a text', async () => {
    await merges([write('mark.json', `\ufeff${texts.join('\n')}`)])
    await merges([`\ufeff${first}`, second, third])
  })

  it('reads UTF-16, which > of Windows PowerShell writes', async () => {
    const text = Buffer.from(`\ufeff${texts.join('\r\n')}\r\n`, 'utf16le')
    await merges([write('powershell.json', text)])
    await merges([write('big-endian.json', Buffer.from(text).swap16())])
  })

  it('counts a partial each time it is given', async () => {
    const file = write('twice.json', `${texts.join('\n')}\n`)
    const { total } = await mergePartials([file, file])
    assertTotals(total, Float64Array.of(...w, ...w), [...y, ...y])
  })

  it('merges ten thousand partials exactly, and gives the event loop its turns', async () => {
    const one = JSON.stringify(accumulate(Float64Array.of(0.1, 0.7), [1, -1]))
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    const { total } = await mergePartials([write('many.json', `${one}\n`.repeat(10_000))])
    clearInterval(timer)
    const count = 20_000
    const input = Float64Array.from({ length: count }, (_, i) => (i % 2 === 0 ? 0.1 : 0.7))
    assertTotals(
      total,
      input,
      Array.from({ length: count }, (_, i) => (i % 2 === 0 ? 1 : -1)),
    )
    expect(turns).to.be.above(2)
  })

  it('keeps the settings of the partials', async () => {
    const settings = { margin: 0.3, positiveLabel: 1, negativeLabel: 0, otherLabels: 'ignore' } as const
    const text = JSON.stringify(accumulate(w, pairs.zero_one, settings))
    assertTotals((await mergePartials([text])).total, w, pairs.zero_one, settings)
  })

  it('reads the parts once, at the call', async () => {
    const parts = [first, second, third]
    const merged = mergePartials(parts)
    parts.push(first)
    assertTotals((await merged).total, w, y)
  })

  describe('rejects', () => {
    const rejects = (merged: Promise<unknown>, failure: Failure, Class?: ErrorConstructor) =>
      assertRejects(merged, String(failure.message), failure, Class)

    const code = 'ERR_INVALID_FILE'

    it('names the file and the line of a line that is not a partial', async () => {
      const cases: [name: string, content: string, row: number, message: RegExp][] = [
        ['cut.json', `${first}\n${second.slice(0, -1)}`, 2, /cut\.json, line 2: not a partial: .*JSON/],
        [
          'word.json',
          `${first}\n\n"x"\n`,
          3,
          /line 3: not a partial: object must be what LossAccumulator\.toJSON gives/,
        ],
        [
          'figures.json',
          '{"count":1,"sum":1,"mean":1}',
          1,
          /line 1: not a partial: these are .*rounded figures .*run partial/,
        ],
        ['groups.json', '{"groups":[],"total":{}}', 1, /line 1: not a partial: these are .*rounded figures/],
        ['null.json', 'null', 1, /line 1: not a partial: object must be/],
        [
          'other.json',
          '{"version":1}',
          1,
          /line 1: not a partial: object\.margin must be of type number, got undefined$/,
        ],
        ['bits.json', first.replace(/0x[^"]*/, '0x1p-2000'), 1, /line 1: not a partial: object must be figures/],
        ['pairs.csv', 'w,y\n', 1, /pairs\.csv, line 1: not a partial: /],
      ]
      for (const [name, content, row, message] of cases) {
        const file = write(name, content)
        await rejects(mergePartials([file]), { code, file, row, message })
      }
    })

    it('names a text that is not a partial by its number', async () => {
      const message = /^text 2, line 1: not a partial: /
      await rejects(mergePartials([first, '{"version":2}']), { code, row: 1, message })
    })

    it('names both places of partials whose settings differ', async () => {
      const margin = write('margin.json', `${first}\n${JSON.stringify(new LossAccumulator({ margin: 2 }))}`)
      const message = /margin\.json, line 2: margin is 2, but 1 in .*margin\.json, line 1$/
      await rejects(mergePartials([margin]), { code, file: margin, row: 2, message })
      const others = JSON.stringify(new LossAccumulator({ otherLabels: 'zero' }))
      const text = /^text 2, line 1: otherLabels is zero, but error in text 1, line 1$/
      await rejects(mergePartials([first, others]), { code, row: 1, message: text })
    })

    it('names parts without a partial', async () => {
      const blank = write('blank.json', '\n \r\n')
      const zero = write('zero.json', '')
      const both = /blank\.json, .*zero\.json: no partial in the file; run partial again$/
      await rejects(mergePartials([first, blank, second, zero]), { code, file: blank, message: both })
      const many = [zero, ...Array(9).fill(blank)]
      const more = /zero\.json, .*blank\.json and 5 more: no partial in the file/
      await rejects(mergePartials(many), { code, file: zero, message: more })
    })

    it('names a part that is not a file that can be read', async () => {
      mkdirSync(path('folder'))
      const cases: [part: string, code: string, message: RegExp][] = [
        [path('missing.json'), 'ENOENT', /missing\.json: no such file$/],
        [path('folder'), code, /folder: a folder, must be a file of lines that partial has printed$/],
        [device, code, /: a device, must be a file/],
        ['s3://b/x.json', code, /^s3:\/\/b\/x\.json: remote files are not read here/],
      ]
      for (const [file, code, message] of cases) await rejects(mergePartials([first, file]), { code, file, message })
    })

    it('refuses parts that are not an array of texts, and unknown options', async () => {
      const type = { code: 'ERR_INVALID_ARG_TYPE', option: 'parts' }
      const value = { code: 'ERR_INVALID_ARG_VALUE', option: 'parts' }
      const cases: [unknown, Failure, ErrorConstructor | TypeErrorConstructor | RangeErrorConstructor][] = [
        ['part.json', { ...type, message: /^parts must be an array of strings, got 'part\.json'$/ }, TypeError],
        [undefined, { ...type, message: /^parts must be an array of strings, got undefined$/ }, TypeError],
        [[{}], { ...type, message: /^parts\[0\] must be a string, got an object of class Object$/ }, TypeError],
        [
          [new LossAccumulator()],
          { ...type, message: /^parts\[0\] must be a path, or the text that JSON\.stringify gives, got an object/ },
          TypeError,
        ],
        [[''], { ...value, message: /^parts\[0\] must be a path, got ''$/ }, RangeError],
        [[], { ...value, message: /^parts must have a file or text, got none$/ }, RangeError],
      ]
      for (const [parts, failure, Class] of cases) await rejects(mergePartials(parts as string[]), failure, Class)
      const options = { signl: new AbortController().signal } as object
      const unknown = { code: 'ERR_INVALID_ARG_VALUE', option: 'signl', message: /^'signl' is not an option/ }
      await rejects(mergePartials([first], options), unknown, RangeError)
      const kind = { code: 'ERR_INVALID_ARG_TYPE', option: 'signal', message: /^signal must be an AbortSignal, got 1$/ }
      await rejects(mergePartials([first], { signal: 1 as never }), kind, TypeError)
      const none = { code: 'ERR_INVALID_ARG_TYPE', message: /^options must be an object, got null$/ }
      await rejects(mergePartials([first], null as never), none, TypeError)
    })

    it("rejects with the signal's reason after an abort, before the call and within it", async () => {
      const reason = { why: 'enough' }
      const before = mergePartials([path('missing.json')], { signal: AbortSignal.abort(reason) })
      expect(await before.catch((cause) => cause)).to.equal(reason)
      const abort = new AbortController()
      const within = mergePartials([`${first}\n`.repeat(20_000)], { signal: abort.signal })
      setTimeout(() => abort.abort(reason), 5)
      expect(await within.catch((cause) => cause)).to.equal(reason)
    })
  })
})

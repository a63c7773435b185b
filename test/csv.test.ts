import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { command } from './command.ts'
import { assertAsPython, writeCsv } from './csv-files.ts'
import { Random } from './fuzz/fuzz.ts'

const cases = new URL('fixtures/cases/', import.meta.url).pathname

describe('CSV on the command line', function () {
  this.timeout(120_000)

  let folder: string

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-csv-'))
  })

  after(() => rmSync(folder, { recursive: true, force: true }))

  const score = (files: string | readonly string[], ...more: string[]) =>
    command(['score', ...[files].flat(), '--input', 'distance', '--label', 'label', '--json', ...more])

  async function scores(file: string, count: number, sum: number, ...more: string[]): Promise<void> {
    const { code, stdout, stderr } = await score(file, ...more)
    expect({ code, stderr }, file).to.deep.equal({ code: 0, stderr: '' })
    expect(JSON.parse(stdout), file).to.deep.include({ count, sum })
  }

  function write(name: string, text: string): string {
    const path = join(folder, name)
    writeFileSync(path, text)
    return path
  }

  async function fails(file: string, named: RegExp, ...more: string[]): Promise<void> {
    const { code, stdout, stderr } = await score(file, ...more)
    expect({ code, stdout }, stderr).to.deep.equal({ code: 1, stdout: '' })
    expect(stderr).to.match(named)
  }

  it('reads 2,000 generated files as Python reads them', async () => {
    const random = new Random(15)
    const files = random.list(2000, (i) => writeCsv(random, folder, `small-${i}`, random.integer(0, 20)))
    await assertAsPython(files)
  })

  it('reads fields that are quoted only after the first 20,480 rows', async () => {
    const random = new Random(16)
    const files = random.list(4, (i) => writeCsv(random, folder, `late-${i}`, 20_600, 20_480))
    await assertAsPython(files)
    await scores(join(cases, 'late-quote-20480.csv.gz'), 20_481, 5120.5)
  })

  it('takes apostrophes for text', () => scores(join(cases, 'apostrophes.csv'), 4, 1.65))

  it('reads lines that end in LF and in CRLF', () => scores(join(cases, 'crlfmix.csv'), 3, 0.75))

  it('names the line of a row that is too short or too long', async () => {
    const rows = (at: number, row: string) =>
      `distance,label,note\n${Array.from({ length: 200 }, (_, i) => (i === at ? row : '0.5,1,"a ""b"""')).join('\n')}\n`
    for (const at of [0, 1, 98, 150]) {
      const line = at + 2
      await fails(write('short.csv', rows(at, '0.5,1')), new RegExp(`line ${line} has 2 fields, expected 3`))
      await fails(write('long.csv', rows(at, '0.5,1,x,y')), new RegExp(`line ${line} has 4 fields, expected 3`))
      await fails(write('trailing.csv', rows(at, '0.5,1,x,')), new RegExp(`line ${line} has 4 fields, expected 3`))
    }
    await fails(write('plain.csv', 'distance,label\n0.5,1,\n'), /plain\.csv: line 2 has 3 fields, expected 2/)
    await fails(write('plain.csv', 'distance,label\n0.5,1,'), /plain\.csv: line 2 has 3 fields, expected 2/)
    await fails(write('plain.csv', 'distance,label\n0.5\n'), /plain\.csv: line 2 has 1 field, expected 2/)
  })

  it('refuses quotes that are never closed, and text after a closing quote', async () => {
    await fails(
      write('open.csv', 'distance,label,note\n0.5,1,"a\n0.5,1,b\n'),
      /line 2: a quote that opens there is never closed/,
    )
    await fails(write('after.csv', 'distance,label,note\n0.5,1,"a"b\n'), /line 2: text follows a closing quote/)
  })

  it('refuses separators between which it cannot choose', () =>
    fails(write('either.csv', 'distance,a;label,b\n0.5,1;1,2\n'), /separated by , or ;: --delimiter says which/))

  it('refuses UTF-16 and says how to convert it', async () => {
    const path = write('utf16.csv', '')
    writeFileSync(path, Buffer.from('\ufeffdistance,label\n0.5,1\n', 'utf16le'))
    await fails(path, /utf16\.csv: UTF-16, expected UTF-8: iconv/)
  })

  it('binds columns by their names where files have them in another order', async () => {
    const files = [
      write('one.csv', 'distance,label\n0.5,1\n'),
      write('two.csv', 'label,distance\n1,0.25\n'),
      write('three.csv', 'label;distance\n-1;0.5\n'),
    ]
    const { stdout } = await score(files)
    expect(JSON.parse(stdout)).to.deep.include({ count: 3, sum: 1.25 })
  })
})

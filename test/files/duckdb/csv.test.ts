import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { chunksOf, command } from '../../support/command.ts'
import { assertAsPython, writeCsv } from '../../support/csv-files.ts'
import { Random } from '../../support/random.ts'
import { withTemporaryFolder } from '../../support/system.ts'

const cases = fileURLToPath(new URL('../../fixtures/cases/', import.meta.url))

describe('CSV', function () {
  this.timeout(120_000)

  let folder: string

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-csv-'))
  })

  after(() => rmSync(folder, { recursive: true, force: true }))

  const columns: Readonly<Record<string, string>> = { '--input': 'distance', '--label': 'label' }

  const score = (files: string | readonly string[], ...more: string[]) => {
    const named = ['--input', '--label'].filter((option) => !more.includes(option))
    return command([
      'score',
      ...[files].flat(),
      ...named.flatMap((option) => [option, columns[option] as string]),
      '--json',
      ...more,
    ])
  }

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

  it('300 generated CSV files have the totals of Python', async () => {
    const random = new Random(15)
    const files = random.list(300, (i) => writeCsv(random, folder, `small-${i}`, random.integer(0, 20)))
    await assertAsPython(files)
  })

  it('CSV fields that are quoted only after the first 20,480 rows have the totals of Python', async () => {
    const random = new Random(16)
    const files = random.list(4, (i) => writeCsv(random, folder, `late-${i}`, 20_600, 20_480))
    await assertAsPython(files)
    await scores(join(cases, 'late-quote-20480.csv.gz'), 20_481, 5120.5)
  })

  it('apostrophes in CSV are text, not quotes', () => scores(join(cases, 'apostrophes.csv'), 4, 1.65))

  it('a CSV file may mix LF and CRLF', () => scores(join(cases, 'crlfmix.csv'), 3, 0.75))

  it('the error of a CSV record with too few or too many fields names its line', async () => {
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

  it('CSV quotes that are never closed, and text after a closing quote, are refused', async () => {
    await fails(
      write('open.csv', 'distance,label,note\n0.5,1,"a\n0.5,1,b\n'),
      /line 2: a quote that opens there is never closed/,
    )
    await fails(write('after.csv', 'distance,label,note\n0.5,1,"a"b\n'), /line 2: text follows a closing quote/)
  })

  it('1_000 in CSV is a number as in Python, early or late in the file', async () => {
    const rows = (before: number) => `distance,label\n${'0.5,1\n'.repeat(before)}1_000,1\n`
    await scores(write('early.csv', rows(3)), 4, 1001.5)
    await scores(write('late.csv', rows(30_000)), 30_001, 16_000)
    await fails(write('key.csv', rows(3)), /row 4: --input distance is '1_000', expected a number/, '--by', 'distance')
  })

  it('--by reads folders whose names differ in case', async () => {
    for (const name of ['Day=1', 'day=2']) {
      mkdirSync(join(folder, 'days', name), { recursive: true })
      write(join('days', name, 'a.csv'), 'distance,label\n0.5,1\n')
    }
    const { code, stdout, stderr } = await score(join(folder, 'days'), '--by', 'day')
    expect(code, stderr).to.equal(0)
    const { groups } = JSON.parse(stdout) as { groups: { by: number; sum: number }[] }
    expect(groups.map(({ by, sum }) => [by, sum])).to.deep.equal([
      [1, 0.5],
      [2, 0.5],
    ])
  })

  it('a CSV file that two delimiters fit is refused', () =>
    fails(write('either.csv', 'distance,a;label,b\n0.5,1;1,2\n'), /separated by , or ;: --delimiter says which/))

  it('CSV in UTF-16 is refused with the command that converts it', async () => {
    const path = write('utf16.csv', '')
    writeFileSync(path, Buffer.from('\ufeffdistance,label\n0.5,1\n', 'utf16le'))
    await fails(path, /utf16\.csv: UTF-16, expected UTF-8: save it as UTF-8, or iconv/)
  })

  it('CSV lines may have many megabytes, and a file without a header is refused', async () => {
    await scores(write('long.csv', `distance,label,note\n0.5,1,"${'x'.repeat(10_000_000)}"\n0.25,1,\n`), 2, 0.75)
    for (const text of ['\n\n', '# only\n']) {
      await fails(write('none.csv', text), /none\.csv: the file is empty, without even a header/, '--comment', '#')
    }
  })

  it('CSV columns are found by name if files have them in different orders', async () => {
    const files = [
      write('one.csv', 'distance,label\n0.5,1\n'),
      write('two.csv', 'label,distance\n1,0.25\n'),
      write('three.csv', 'label;distance\n-1;0.5\n'),
    ]
    const { stdout } = await score(files)
    expect(JSON.parse(stdout)).to.deep.include({ count: 3, sum: 1.25 })
  })

  describe('as people write it', () => {
    const file = (name: string) => join(cases, name)

    it('the error of a CSV text that is not a number has its row, and advice that works', async () => {
      await fails(
        file('r.csv'),
        /r\.csv, row 2: --input distance is 'NA', expected a number \(--null-string NA --nulls ignore/,
      )
      await scores(file('r.csv'), 2, 0.75, '--null-string', 'NA', '--nulls', 'ignore')
      await scores(file('r.csv'), 2, 0.75, '--input', 'TRY_CAST(distance AS DOUBLE)', '--nulls', 'ignore')
      await fails(file('deccomma.csv'), /row 1: --input distance is '0,25', .*--decimal , reads/)
      await scores(file('deccomma.csv'), 3, 0.75, '--decimal', ',')
      const minus = write('minus.csv', 'distance,label\n0.5,−1\n0.25,1\n')
      await fails(minus, /row 1: --label label is '−1', .*--label "replace\(label::VARCHAR, '−', '-'\)::DOUBLE"/)
      await scores(minus, 2, 0.75, '--label', `replace(label::VARCHAR, '−', '-')::DOUBLE`)
      const words = write('words.csv', 'distance,label\n0.5,similar\n0.25,other\n')
      await fails(words, /row 1: --label label is 'similar', .*--positive-label other or similar says which/)
      await scores(words, 2, 1.25, '--positive-label', 'similar', '--negative-label', 'other')
      const three = write('three.csv', 'distance,label\n0.5,similar\n0.25,other\n0.25,Other\n')
      await fails(three, /row 1: --label label is 'similar', .*--label "label = 'similar'" --negative-label 0/)
      await scores(three, 3, 2, '--label', `label = 'similar'`, '--negative-label', '0')
      const late = write('late.csv', `distance,label\n${'0.5,1\n'.repeat(30_000)}N/A,1\n`)
      await fails(
        late,
        /line 30002: column "distance" is "N\/A", expected a number \(--null-string N\/A --nulls ignore/,
      )
      await scores(late, 30_000, 15_000, '--null-string', 'NA', '--null-string', 'N/A', '--nulls', 'ignore')
    })

    it('CSV is read with any delimiter, with the sep= of Excel, and with decimal commas in quotes', async () => {
      await scores(write('bars.csv', 'distance|label\n0.5|-1\n'), 1, 0.5)
      await scores(write('carets.csv', 'distance^label\n0.5^-1\n'), 1, 0.5, '--delimiter', '^')
      await scores(write('spaces.csv', 'distance label\n0.5 -1\n'), 1, 0.5, '--delimiter', ' ')
      await scores(write('tabs.csv', 'distance\tlabel\n0.5\t-1\n'), 1, 0.5, '--delimiter', '\\t')
      await scores(write('sep.csv', '\ufeffsep=;\r\ndistance;label\r\n0.5;-1\r\n'), 1, 0.5)
      await scores(write('quoted.csv', 'distance,label\n"0,5","-1"\n'), 1, 0.5, '--decimal', ',')
      await scores(write('either.csv', 'distance,a;label,b\n0.5,1;1,2\n'), 1, 0.5, '--delimiter', ',', '--label', '1')
    })

    it('a note says that a CSV header of numbers is read as a header', async () => {
      const numbers = file('numeric-header.csv')
      const columns = ['--input', '0', '--label', '1', '--json']
      const { code, stdout, stderr } = await command(['score', numbers, ...columns])
      expect(code, stderr).to.equal(0)
      expect(JSON.parse(stdout)).to.deep.include({ count: 3, sum: 0.75 })
      expect(stderr).to.match(
        /numeric-header\.csv: the first row, .* is taken for the header; --no-header takes it for data/,
      )
      const quiet = await command(['score', numbers, ...columns, '--header'])
      expect(quiet).to.deep.equal({ code: 0, stdout, stderr: '' })
      const data = await command([
        'score',
        numbers,
        '--no-header',
        '--input',
        'column0',
        '--label',
        'column1',
        '--json',
      ])
      expect({ ...data, ...JSON.parse(data.stdout) }).to.deep.include({ code: 0, stderr: '', count: 4, sum: 0.75 })
    })

    it('a CSV header that NumPy writes as a comment names the columns, or is skipped', async () => {
      const path = file('savetxt.csv')
      await fails(path, /"distance" not found.*"# distance".*the text '# distance' names the first/)
      const named = await command(['score', path, '--input', '# distance', '--label', 'label', '--json'])
      const bare = ['--no-header', '--comment', '#', '--input', 'column0', '--label', 'column1', '--json']
      const unnamed = await command(['score', path, ...bare])
      for (const { stdout, stderr } of [named, unnamed]) {
        expect(JSON.parse(stdout), stderr).to.deep.include({ count: 3, sum: 0.75 })
      }
    })

    it('CSV comments are skipped at the start of a line and refused elsewhere', async () => {
      const commented = '# a\ndistance,label,color\n# b,c\n0.5,1,"#fff"\n\n 0.5,1,x\n#\n'
      await scores(write('comments.csv', commented), 2, 1, '--comment', '#')
      await fails(
        write('comments.csv', 'distance,label,color\n0.5,1,#fff\n'),
        /line 2: # stands after the beginning/,
        '--comment',
        '#',
      )
    })

    it('--format reads files of any name, and standard input', async () => {
      const text = 'distance,label\n0.25,1\n1.5,-1\n0.5,-1\n'
      const options = ['--input', 'distance', '--label', 'label', '--json']
      const parquet = readFileSync(file('case/a.parquet'))
      const objects = '{"distance":0.25,"label":1}\n{"distance":0.5,"label":-1}\n'
      const inputs: [format: string, bytes: Uint8Array, count: number, sum: number][] = [
        ['csv', Buffer.from(text), 3, 0.75],
        ['csv', gzipSync(text), 3, 0.75],
        ['tsv', Buffer.from(text.replaceAll(',', '\t')), 3, 0.75],
        ['ndjson', Buffer.from(objects), 2, 0.75],
        ['parquet', parquet, 2, 0.25],
      ]
      for (const [format, bytes, count, sum] of inputs) {
        const temporary = mkdtempSync(join(folder, 'temporary-'))
        const piped = await withTemporaryFolder(temporary, () =>
          command(['score', '-', '--format', format, ...options], chunksOf(bytes, 7)),
        )
        expect(JSON.parse(piped.stdout), piped.stderr).to.deep.include({ count, sum })
        expect(readdirSync(temporary)).to.deep.equal([])
        const part = join(folder, 'part-0')
        writeFileSync(part, bytes)
        await scores(part, count, sum, '--format', format)
      }
      const broken = await command(['score', '-', '--format', 'csv', ...options], [Buffer.from('distance,label\n1\n')])
      expect(broken).to.deep.include({ code: 1, stdout: '' })
      expect(broken.stderr).to.match(/^hinge-embedding-loss: standard input: line 2 has 1 field, expected 2/)
    })

    it('padding after gzip, and empty lines that could be rows, are refused', async () => {
      const zipped = gzipSync('distance,label\n0.5,1\n')
      for (const padding of [1, 512, 100_000]) {
        const path = write('padded.csv.gz', '')
        writeFileSync(path, Buffer.concat([zipped, Buffer.alloc(padding)]))
        await fails(path, new RegExp(`${padding} bytes of padding follow the data: head -c ${zipped.length} leaves`))
      }
      await fails(
        write('one.csv', 'distance\n0.5\n\n0.25\n'),
        /reads 3 rows, expected 2; remove empty lines/,
        '--label',
        '1',
      )
      await scores(write('one.csv', 'distance\n0.5\n0.25\n'), 2, 0.75, '--label', '1')
    })

    it('impossible CSV options are refused, and CSV options without a CSV file', async () => {
      const usage = async (...args: string[]) => {
        const { code, stdout, stderr } = await score(file('case/a.parquet'), ...args)
        expect({ code, stdout }, stderr).to.deep.equal({ code: 2, stdout: '' })
        return stderr
      }
      for (const option of ['--delimiter', '--comment']) {
        for (const text of ['', ';;', '"', '\n', 'é']) expect(await usage(option, text)).to.include(option)
      }
      expect(await usage('--decimal', ';')).to.match(/--decimal.*\., ,/)
      expect(await usage('--format', 'xls')).to.match(/--format.*parquet, csv, tsv, ndjson, arrow/)
      for (const option of [
        ['--delimiter', ';'],
        ['--decimal', ','],
        ['--null-string', 'NA'],
        ['--no-header'],
        ['--header'],
        ['--comment', '#'],
      ]) {
        expect(await usage(...option)).to.match(/ is for CSV and TSV, of which there is no file/)
      }
    })
  })
})

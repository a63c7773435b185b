import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import {
  Dictionary,
  Int8,
  LargeUtf8,
  makeVector,
  Table,
  tableFromArrays,
  tableToIPC,
  Utf8,
  vectorFromArray,
} from 'apache-arrow'
import { expect } from 'chai'
import { planOf } from '../../lib/bullmq/index.ts'
import { plotFiles, type ScoreFilesOptions, scoreFiles } from '../../lib/files.ts'
import { LossAccumulator } from '../../lib/index.ts'
import { command, fails } from '../support/command.ts'
import { rejects } from '../support/failures.ts'
import { assertTotals } from '../support/pairs.ts'
import { Random } from '../support/random.ts'

const random = new Random(2121)
const count = 3000
const rows = Array.from({ length: count }, (_, row) => row)
const x = Float64Array.from(rows, () => random.integer(-40, 200) / 64)
/** Texts that differ in case, spaces and quotes alone are others. */
const positive = "it's near"
const negative = 'größer 𝔸'
const odd = ["It's near", "it's near ", ' größer 𝔸', '1', 'true', '-1', 'NULL', "it's\nnear"]
const two = rows.map(() => (random.fraction() < 0.3 ? positive : negative))
const many = two.map((text, row) => (row % 9 === 4 ? (odd[random.integer(0, odd.length - 1)] as string) : text))
const gaps = two.map((text, row) => (row % 7 === 3 ? null : text))

const toNumbers = (texts: readonly (string | null)[]) =>
  texts.map((text) => (text === positive ? 1 : text === negative ? -1 : 0))

describe('labels that are text', function () {
  this.timeout(60_000)
  let folder: string
  let connection: DuckDBConnection
  const path = (name: string) => join(folder, name)
  const score = (name: string, options: Partial<ScoreFilesOptions>) =>
    scoreFiles([path(name)], { input: 'x', label: 'two', positiveLabel: positive, ...options })

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-texts-'))
    const quote = (text: string | null) => (text === null ? '' : `"${text.replaceAll('"', '""')}"`)
    const lines = rows.map((row) => [
      x[row],
      quote(two[row] ?? null),
      quote(many[row] ?? null),
      quote(gaps[row] ?? null),
    ])
    writeFileSync(path('texts.csv'), ['x,two,many,gaps', ...lines.map((fields) => fields.join())].join('\n'))
    const records = rows.map((row) => ({ x: x[row], two: two[row], many: many[row], gaps: gaps[row] }))
    writeFileSync(path('texts.ndjson'), records.map((record) => `${JSON.stringify(record)}\n`).join(''))
    for (const [name, makeType] of [
      ['texts.arrow', () => new Utf8()],
      ['large.arrow', () => new LargeUtf8()],
      ['dictionary.arrow', () => new Dictionary(new Utf8(), new Int8())],
    ] as const) {
      const column = (texts: readonly (string | null)[]) => vectorFromArray(texts, makeType() as Utf8)
      const table = new Table({ x: makeVector(x), two: column(two), many: column(many), gaps: column(gaps) })
      writeFileSync(path(name), tableToIPC(table, 'file'))
    }
    connection = await (await DuckDBInstance.create(':memory:')).connect()
    await connection.run(`COPY (FROM read_json('${path('texts.ndjson')}', format = 'newline_delimited', columns =
      {x: 'DOUBLE', two: 'VARCHAR', many: 'VARCHAR', gaps: 'VARCHAR'})) TO '${path('texts.parquet')}' (ROW_GROUP_SIZE 2048)`)
  })
  after(() => {
    connection.closeSync()
    rmSync(folder, { recursive: true })
  })

  const names = ['texts.csv', 'texts.ndjson', 'texts.parquet', 'texts.arrow', 'large.arrow', 'dictionary.arrow']
  for (const name of names) {
    it(`have the totals of 1 and -1 in ${name}`, async () => {
      const { total } = await score(name, { negativeLabel: negative })
      assertTotals(total, x, toNumbers(two))
    })

    it(`follow the policies on nulls and other labels in ${name}`, async () => {
      for (const otherLabels of ['zero', 'ignore'] as const) {
        const { total } = await score(name, { label: 'many', negativeLabel: negative, otherLabels, margin: 0.5 })
        assertTotals(total, x, toNumbers(many), { otherLabels, margin: 0.5 })
      }
      const { total } = await score(name, { label: 'gaps', negativeLabel: negative, nulls: 'ignore' })
      const isPresent = (row: number) => gaps[row] !== null
      assertTotals(
        total,
        x.filter((_, row) => isPresent(row)),
        toNumbers(gaps.filter((text) => text !== null)),
      )
      const row = gaps.indexOf(null) + 1
      const missing = gaps.filter((text) => text === null).length
      const details = { row, count: missing, file: path(name) }
      const failure = { code: 'ERR_NULL', option: 'label', ...details, message: /label 'gaps' is null/ }
      await rejects(score(name, { label: 'gaps', negativeLabel: negative }), name, failure)
    })

    it(`name the first row of another text in ${name}`, async () => {
      const row = many.findIndex((text) => odd.includes(text)) + 1
      const others = many.filter((text) => odd.includes(text)).length
      const message = new RegExp(
        `, row ${row}: label is '${many[row - 1]}', neither 'it's near' nor 'größer 𝔸' \\(${others} such rows; `,
      )
      const failure = { code: 'ERR_INVALID_LABEL', option: 'label', row, count: others, file: path(name), message }
      await rejects(score(name, { label: 'many', negativeLabel: negative }), name, failure)
    })

    it(`take the only other text of ${name} for the negative one, and say so`, async () => {
      const notes: string[] = []
      const { total } = await score(name, { onNote: (note) => notes.push(note) })
      assertTotals(total, x, toNumbers(two))
      expect(notes).to.deep.equal([`takes negativeLabel: '${negative}': the files have no other label`])
      const failure = { code: 'ERR_INVALID_ARG_VALUE', option: 'negativeLabel' }
      const listed =
        /^negativeLabel is missing, and the labels are 'größer 𝔸' \(\d,\d+ rows\), .* and 5 more; it names the one of dissimilar pairs$/
      await rejects(score(name, { label: 'many' }), name, { ...failure, message: listed }, RangeError)
      const absent = /^no label is 'it': the labels are 'größer 𝔸' \([\d,]+ rows\), 'it's near' \([\d,]+ rows\)$/
      const wrong = { code: 'ERR_INVALID_ARG_VALUE', option: 'positiveLabel', message: absent }
      await rejects(score(name, { positiveLabel: 'it' }), name, wrong, RangeError)
    })

    it(`are those of the top rows of ${name}, of groups and of margins`, async () => {
      const options = { negativeLabel: negative, by: 'two', top: 3, margin: [1, 2] } as const
      const all = await scoreFiles([path(name)], { input: 'x', label: 'two', positiveLabel: positive, ...options })
      for (const [index, margin] of options.margin.entries()) {
        const { groups = [], top = [] } = all[index] ?? {}
        const losses = rows.map(
          (row) => (two[row] === positive ? x[row] : Math.max(0, margin - (x[row] as number))) as number,
        )
        const greatest = [...losses].sort((one, other) => other - one).slice(0, 3)
        expect(top.map(({ loss }) => loss)).to.deep.equal(greatest)
        for (const { row, loss, label } of top) {
          expect([loss, label]).to.deep.equal([losses[row - 1], two[row - 1]])
        }
        expect(groups.map(({ by, total }) => [by, total.positives.count, total.negatives.count])).to.have.deep.members([
          [positive, two.filter((text) => text === positive).length, 0],
          [negative, 0, two.filter((text) => text === negative).length],
        ])
      }
    })
  }

  it('are counted over all files', async () => {
    writeFileSync(path('a.csv'), 'x,two\n1,a\n')
    writeFileSync(path('b.ndjson'), '{"x":1,"two":"b"}\n')
    const c = new Table({ x: vectorFromArray([1]), two: vectorFromArray(['c'], new Utf8()) })
    writeFileSync(path('c.arrow'), tableToIPC(c, 'file'))
    const files = ['a.csv', 'b.ndjson', 'c.arrow'].map(path)
    const options = { input: 'x', label: 'two', positiveLabel: 'a' }
    const { total } = await scoreFiles(files.slice(0, 2), options)
    expect([total.positives.count, total.negatives.count]).to.deep.equal([1, 1])
    const message = /the labels are 'a' \(1 row\), 'b' \(1 row\), 'c' \(1 row\)|the labels are 'c' \(1 row\), /
    await rejects(
      scoreFiles(files, options),
      'three',
      { code: 'ERR_INVALID_ARG_VALUE', option: 'negativeLabel', message },
      RangeError,
    )
    await rejects(
      scoreFiles(files.slice(0, 1), options),
      'one',
      {
        code: 'ERR_INVALID_ARG_VALUE',
        option: 'negativeLabel',
        message: /^negativeLabel is missing, and every label is 'a'$/,
      },
      RangeError,
    )
  })

  it('are empty texts and words of booleans and numbers, too', async () => {
    await connection.run(`COPY (SELECT * FROM (VALUES (1.0, ''), (2.0, ' ')) AS t(x, y)) TO '${path('empty.parquet')}'`)
    const both = { input: 'x', label: 'y', positiveLabel: '', negativeLabel: ' ' }
    const { total } = await scoreFiles([path('empty.parquet')], both)
    assertTotals(total, Float64Array.of(1, 2), [1, -1])
    writeFileSync(path('words.csv'), 'x,y,n\n1,true,01\n2,false,1\n3,TRUE,01\n')
    const options = { input: 'x', negativeLabel: 'false', positiveLabel: 'true', otherLabels: 'zero' } as const
    const words = await scoreFiles([path('words.csv')], { ...options, label: 'y' })
    assertTotals(words.total, Float64Array.of(1, 2, 3), [1, -1, 0], { otherLabels: 'zero' })
    const padded = await scoreFiles([path('words.csv')], { input: 'x', label: 'n', positiveLabel: '1' })
    assertTotals(padded.total, Float64Array.of(1, 2, 3), [-1, 1, -1])
  })

  it('are taken for negative ones only if they are more than another spelling', async () => {
    for (const [other, shown] of [
      ['Größe', "'Gr\\u00f6\\u00dfe'"],
      [' größe', "' gr\\u00f6\\u00dfe'"],
      ['größe'.normalize('NFD'), "'gro\\u0308\\u00dfe'"],
      ['ｇröße\u00a0', "'\\uff47r\\u00f6\\u00dfe\\u00a0'"],
    ] as const) {
      writeFileSync(path('spellings.ndjson'), `{"x":1,"y":"größe"}\n{"x":3,"y":${JSON.stringify(other)}}\n`)
      const options = { input: 'x', label: 'y', positiveLabel: 'größe' }
      const message = `negativeLabel is missing, and the only other label, ${shown}, is 'gr\\u00f6\\u00dfe' in another spelling; it names the one of dissimilar pairs`
      const failure = await scoreFiles([path('spellings.ndjson')], options).catch((error: Error) => error)
      expect(failure).to.include({ code: 'ERR_INVALID_ARG_VALUE', option: 'negativeLabel', message })
      const { total } = await scoreFiles([path('spellings.ndjson')], { ...options, negativeLabel: other, margin: 4 })
      // 1 of the positive, 4 − 3 of the negative
      expect([total.count, total.sum]).to.deep.equal([2, 2])
    }
  })

  it('that are numbers are read as numbers by what the error says', async () => {
    const rows = (texts: readonly string[]) => texts.map((y) => `${JSON.stringify({ x: 0.25, y })}\n`).join('')
    for (const [texts, advice, flags, sum] of [
      [
        ['1', '0'],
        "--label 'CAST(y AS INTEGER)' --negative-label 0 reads its texts as numbers",
        ['-l', 'CAST(y AS INTEGER)', '--negative-label', '0'],
        1,
      ],
      [['1', '-1'], "--label 'CAST(y AS INTEGER)' reads its texts as numbers", ['-l', 'CAST(y AS INTEGER)'], 1],
      [
        ['2', '3.5'],
        "--label 'CAST(y AS DOUBLE)' reads its texts as numbers, which --positive-label and --negative-label name",
        ['-l', 'CAST(y AS DOUBLE)', '--positive-label', '2', '--negative-label', '3', '--other-labels', 'zero'],
        0.25,
      ],
      [
        ['1', '01'],
        `'01' and '1' are equal numbers; --label "y = '01'" --negative-label 0 takes the first for similar`,
        ['-l', "y = '01'", '--negative-label', '0'],
        1,
      ],
      [
        ['1', 'far'],
        '--positive-label 1 --negative-label far, or the other way round, says which of its two texts similar pairs have',
        ['-l', 'y', '--positive-label', '1', '--negative-label', 'far'],
        1,
      ],
    ] as const) {
      writeFileSync(path('number-texts.ndjson'), rows(texts))
      const score = ['score', path('number-texts.ndjson'), '-i', 'x', '--json']
      const { stderr } = await command([...score, '-l', 'y'])
      expect(stderr).to.equal(
        `hinge-embedding-loss: ${path('number-texts.ndjson')}: --label y is VARCHAR, must be a number or BOOLEAN (${advice})\n`,
      )
      // 0.25 of the positive and, if there is one, 1 − 0.25 of the negative
      expect(JSON.parse((await command([...score, ...flags])).stdout)).to.include({ count: 2, sum })
    }
  })

  it('are values of expressions and of folders', async () => {
    const { total } = await score('texts.csv', { label: 'lower(many)', negativeLabel: negative, otherLabels: 'zero' })
    expect(total.negatives.count).to.equal(many.filter((text) => text === negative).length - 0)
    await connection.run(`COPY (SELECT 1.0 AS x, 'near' AS kind UNION ALL SELECT 2.0, 'far')
      TO '${path('hive')}' (FORMAT parquet, PARTITION_BY kind)`)
    const folders = await score('hive', { label: 'kind', positiveLabel: 'near' })
    assertTotals(folders.total, Float64Array.of(1, 2), [1, -1])
  })

  it('are drawn, written and added up like 1 and -1', async () => {
    const numbers = lines(x, toNumbers(two))
    writeFileSync(path('numbers.csv'), numbers)
    for (const [name, options] of [
      ['texts.csv', { label: 'two', positiveLabel: positive, negativeLabel: negative }],
      ['numbers.csv', { label: 'y' }],
    ] as const) {
      await plotFiles([path(name)], { input: 'x', ...options, output: path(`${name}.svg`) })
      await scoreFiles([path(name)], { input: 'x', ...options, output: path(`${name}.losses.csv`) })
    }
    expect(readFileSync(path('texts.csv.svg'), 'utf8')).to.equal(readFileSync(path('numbers.csv.svg'), 'utf8'))
    const [texts, plain] = ['texts.csv', 'numbers.csv'].map((name) => readFileSync(path(`${name}.losses.csv`), 'utf8'))
    expect(texts).to.equal(plain)
  })

  it('are refused by partial with the expression that makes 1 and -1 of them', async () => {
    writeFileSync(path('pair.csv'), 'distance,label\n0.5,near\n0.25,far\n0.75,far\n')
    const partial = (...rest: string[]) => ['partial', path('pair.csv'), '-i', 'distance', ...rest]
    const refuse = (cases: string) =>
      `hinge-embedding-loss: --positive-label takes no text for a partial, which has 1 and -1 in its place: --label "${cases}" says which text is which\n`
    const texts = ['--positive-label', 'near', '--negative-label', 'far']
    const cases = "CASE label WHEN 'near' THEN 1 WHEN 'far' THEN -1 END"
    expect(await command(partial(...texts))).to.deep.equal({ code: 2, stdout: '', stderr: refuse(cases) })
    const { stderr } = await command(partial('-l', 'kind', '--positive-label', "it's"))
    expect(stderr).to.equal(refuse("CASE kind WHEN 'it''s' THEN 1 WHEN 'TEXT' THEN -1 END"))
    const { stdout, code } = await command(partial('-l', cases))
    expect(code).to.equal(0)
    // 0.5 of the positive, 1 − 0.25 and 1 − 0.75 of the negatives
    expect(LossAccumulator.fromJSON(JSON.parse(stdout))).to.include({
      count: 3,
      sum: 1.5,
      positiveLabel: 1,
      negativeLabel: -1,
    })
    const third = "CASE label WHEN 'near' THEN 1 WHEN 'afar' THEN -1 END"
    await fails(partial('-l', third), 1, /row 2: --label CASE .* is null \(2 such rows/)
  })

  it('come from standard input with both labels', async () => {
    const stdin = () => Readable.from([readFileSync(path('texts.arrow'))])
    const options = { input: 'x', label: 'two', positiveLabel: positive }
    const failure = {
      code: 'ERR_INVALID_ARG_VALUE',
      option: 'negativeLabel',
      message: /^negativeLabel is missing: standard input is read once/,
    }
    await rejects(scoreFiles(['-'], { ...options, stdin: stdin() }), 'one', failure, RangeError)
    const { total } = await scoreFiles(['-'], { ...options, negativeLabel: negative, stdin: stdin() })
    assertTotals(total, x, toNumbers(two))
    const csv = Readable.from([readFileSync(path('texts.csv'))])
    const text = await scoreFiles(['-'], { ...options, stdin: csv, format: 'csv' })
    assertTotals(text.total, x, toNumbers(two))
  })

  it('are refused where labels are numbers, and beside a number', async () => {
    const invalid = { code: 'ERR_INVALID_FILE', option: 'label' }
    await connection.run(`COPY (SELECT 1.0 AS x, 1 AS y, true AS b) TO '${path('numbers.parquet')}'`)
    writeFileSync(path('numbers.arrow'), tableToIPC(tableFromArrays({ x: [1], y: [1] }), 'file'))
    const given = { input: 'x', positiveLabel: 'near', negativeLabel: 'far' }
    for (const [name, label, type] of [
      ['numbers.parquet', 'y', 'INTEGER'],
      ['numbers.parquet', 'b', 'BOOLEAN'],
      ['numbers.arrow', 'y', 'Float64'],
    ] as const) {
      const advice = {
        b: ' \\(its true and false are the numbers 1 and 0, which negativeLabel: 0 alone names\\)',
        y: '',
      }[label]
      const message = new RegExp(`label '${label}' is ${type}, must be text, as positiveLabel 'near' is${advice}$`)
      await rejects(scoreFiles([path(name)], { ...given, label }), name, { ...invalid, file: path(name), message })
    }
    const arrays = { input: path('x.npy'), label: path('y.npy'), positiveLabel: 'near' }
    const array = {
      code: 'ERR_INVALID_ARG_VALUE',
      option: 'positiveLabel',
      message: /^positiveLabel must be a number: .npy arrays have no text, got 'near'$/,
    }
    await rejects(scoreFiles([], arrays), 'npy', array, RangeError)
    for (const [labels, option, message] of [
      [
        { positiveLabel: 'a', negativeLabel: 0 },
        'negativeLabel',
        /^negativeLabel must be text, as positiveLabel is, got 0$/,
      ],
      [
        { positiveLabel: 1, negativeLabel: 'a' },
        'positiveLabel',
        /^positiveLabel must be text, as negativeLabel is, got 1$/,
      ],
      [
        { positiveLabel: 'a', negativeLabel: 'a' },
        'negativeLabel',
        /^negativeLabel must be other than positiveLabel, a, got 'a'$/,
      ],
      [{ positiveLabel: 'a\0' }, 'positiveLabel', /^positiveLabel must be without NUL/],
    ] as const) {
      const failure = { code: 'ERR_INVALID_ARG_VALUE', option, message }
      await rejects(score('texts.csv', labels as object), JSON.stringify(labels), failure, RangeError)
    }
    const failure = {
      code: 'ERR_INVALID_ARG_VALUE',
      option: 'negativeLabel',
      message: /takes both labels where they are text$/,
    }
    await rejects(
      planOf([path('texts.csv')], { input: 'x', label: 'two', positiveLabel: 'a' }),
      'plan',
      failure,
      RangeError,
    )
    const plan = await planOf([path('texts.csv')], { input: 'x', label: 'two', positiveLabel: 'a', negativeLabel: 'b' })
    expect(plan.options).to.deep.include({
      labelTexts: { positive: 'a', negative: 'b' },
      positiveLabel: 1,
      negativeLabel: -1,
    })
  })

  it('are named by an error that expects numbers, if there are two', async () => {
    writeFileSync(path('plain.csv'), lines(x.subarray(0, 2), ['near', 'far']))
    writeFileSync(path('three.csv'), lines(x.subarray(0, 3), ['near', 'far', 'Far']))
    writeFileSync(path('plain.ndjson'), '{"x":1,"y":"near"}\n{"x":1,"y":"far"}\n{"x":1,"y":null}\n')
    const args = (name: string) => ['score', path(name), '-i', 'x', '-l', 'y']
    const advice = /--positive-label far or near says which of its two texts similar pairs have/
    await fails(args('plain.csv'), 1, advice)
    await fails(args('plain.ndjson'), 1, advice)
    await fails(args('three.csv'), 1, /--label y is 'near', expected a number or true or false/)
    const arrow = new Table({ x: vectorFromArray([1]), y: vectorFromArray(['near'], new Utf8()) })
    writeFileSync(path('plain.arrow'), tableToIPC(arrow, 'file'))
    await fails(
      args('plain.arrow'),
      1,
      /is Utf8, must be a number or Bool \(--positive-label takes the text of similar pairs\)/,
    )
    for (const [similar, positives] of [
      ['near', 1],
      ['far', 1],
    ] as const) {
      const { stdout } = await command([...args('plain.csv'), '--positive-label', similar, '--json'])
      expect(JSON.parse(stdout).positives.count).to.equal(positives)
    }
    const mixed = await command([...args('plain.csv'), '--positive-label', '1', '--negative-label', 'near'])
    expect(mixed.stderr).to.match(/label is 'far', neither '1' nor 'near'/)
  })
})

function lines(x: Float64Array, y: readonly (string | number)[]): string {
  return `x,y\n${Array.from(x, (value, row) => `${value},${y[row]}\n`).join('')}`
}

import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect } from 'chai'
import { columns, fails, figuresOf, score, scores, write, writeScoredFiles } from '../support/scored-files.ts'
import { device, globName, isWindows, makesLinks } from '../support/system.ts'

describe('score of files of all kinds', function () {
  this.timeout(30_000)
  writeScoredFiles()

  it('reads text of every kind', async () => {
    const double = figuresOf(Float64Array.from(columns.w), columns.y)
    const ends = ['csv', 'tsv', 'ndjson', 'jsonl', 'json', 'csv.gz', 'csv.zst', 'ndjson.gz', 'json.zst']
    expect(gunzipSync(readFileSync(resolve('text.csv.gz'))).toString()).to.match(/^w,y\n/)
    const names = [...ends.map((end) => `text.${end}`), 'UPPER.CSV']
    await Promise.all(names.map((name) => scores(score(name, 'w', 'y'), double)))
  })

  it('reads several files of different kinds, globs and folders', async () => {
    const { w, d, y } = columns
    const double = figuresOf(Float64Array.from(w), y)
    const twice = figuresOf(Float64Array.from([...w, ...w]), [...y, ...y])
    await Promise.all([
      scores(score(['half.csv', 'half.ndjson'], 'w', 'y'), double),
      scores(score('half.*', 'w', 'y'), double),
      scores(score('parts', 'w', 'y'), double),
      scores(score('parts/**/*.parquet', 'd', 'y'), figuresOf(Float32Array.from(d), y)),
      scores(score(['pairs.parquet', resolve('text.tsv')], 'w', 'y'), twice),
    ])
  })

  it('reads files whose names have quotes and glob characters', async () => {
    const expected = figuresOf(Float32Array.from(columns.d), columns.y)
    await Promise.all([
      scores(score(`it's.parquet`, 'd', 'y'), expected),
      scores(score(`sub[1]/${globName}`, 'd', 'y'), expected),
    ])
  })

  it('reads columns by all rows, not by the first ones', async () => {
    const late = figuresOf(Float64Array.of(...new Array<number>(30_000).fill(1), 0.5), new Array(30_001).fill(1))
    await Promise.all([scores(score('late.csv', 'w', 'y'), late), scores(score('late.ndjson', 'w', 'y'), late)])
  })

  it('reads files without rows', async () => {
    for (const [name, content] of Object.entries({ 'header.csv': 'd,y\n', 'zero.ndjson': '' })) {
      writeFileSync(resolve(name), content)
      await scores(score(name, 'd', 'y'), figuresOf(new Float64Array(0), []))
    }
  })

  it('loses no row as a comment, a preamble or a short line', async () => {
    const files = {
      'comment.csv': ['d,y\n0.5,1\n#0.7,1\n0.2,-1\n', /row 2: --input d is '#0\.7', expected a number/],
      'preamble.csv': ['# pairs\nd,y\n0.5,1\n0.2,-1\n', /line 2 has 2 fields, expected 1/],
      'short.csv': ['d,y\n0.5,1\n0.7\n0.2,-1\n', /short\.csv: line 3 has 1 field, expected 2/],
    } as const
    for (const [name, [content, named]] of Object.entries(files)) {
      writeFileSync(resolve(name), content)
      await fails(1, score(name, 'd', 'y'), named)
    }
  })

  it('reads files that differ in columns that are not scored, and in the type of the label', () =>
    scores(
      score(['drift/a.parquet', 'drift/c.parquet'], 'd', 'y'),
      figuresOf(Float32Array.from([...columns.d, ...columns.d]), [...columns.y, ...columns.y]),
    ))

  it('refuses files that differ in the type of the input or lack a column', () =>
    Promise.all([
      fails(1, score('drift/[ab].parquet', 'd', 'y'), /b\.parquet: --input d is DOUBLE, but FLOAT in .*a\.parquet/),
      fails(1, score('drift', 'd', 'y'), /[bd]\.parquet: /),
      fails(1, score(['drift/a.parquet', 'drift/d.parquet'], 'd', 'y'), /d\.parquet: .*"d" not found.*: "w", "y"/),
    ]))

  it('names a file that cannot be read', () =>
    Promise.all([
      fails(1, score('missing.parquet', 'w', 'y'), /missing\.parquet: no such file or folder/),
      fails(1, score('missing*.parquet', 'w', 'y'), /missing\*\.parquet: no file matches/),
      fails(1, score(['pairs.parquet', 'missing.csv'], 'w', 'y'), /missing\.csv/),
      fails(1, score('none', 'w', 'y'), /none: the folder has no file/),
      fails(1, score('folder.parquet', 'w', 'y'), /folder\.parquet: the folder has no file/),
      fails(1, score('mixed', 'w', 'y'), /mixed: the folder mixes CSV and Parquet/),
      fails(1, score('notes.txt', 'w', 'y'), /^hinge-embedding-loss: notes\.txt: the name .* \.parquet, \.csv/),
      fails(1, score(['pairs.parquet', 'no*s.txt'], 'w', 'y'), /notes\.txt: the name/),
      fails(1, score('empty.parquet', 'w', 'y'), /empty\.parquet: the file is empty/),
      fails(1, score('truncated.parquet', 'w', 'y'), /truncated\.parquet: /),
      fails(1, score('corrupt.parquet', 'w', 'y'), /corrupt\.parquet: /),
      fails(1, score('empty.csv', 'w', 'y'), /empty\.csv: the file is empty, without even a header/),
      fails(1, score('truncated.csv.gz', 'w', 'y'), /truncated\.csv\.gz: unexpected end of file/),
      fails(1, score('truncated.csv.zst', 'w', 'y'), /truncated\.csv\.zst: unexpected end of file/),
      fails(1, score('plain.csv.zst', 'w', 'y'), /plain\.csv\.zst: incorrect header/),
      makesLinks && fails(1, score('linked', 'w', 'y'), /linked.inner: a link to a folder is not followed/),
      fails(1, score(device, 'w', 'y'), /: a device, neither a file nor a folder/),
      fails(1, score('plain.csv.gz', 'w', 'y'), /plain\.csv\.gz: incorrect header/),
      fails(1, score('binary.csv', 'w', 'y'), /binary\.csv: /),
      fails(1, score('ragged.csv', 'w', 'y'), /ragged\.csv: .*30002/),
      fails(1, score('word.csv', 'w', 'y'), /word\.csv: .*30002.*"none"/),
      fails(1, score('bad.ndjson', 'w', 'y'), /bad\.ndjson: .*Malformed JSON/),
    ]))

  it('names a file however late it turns out to be bad', async () => {
    const late = (row: number) =>
      score('slow.parquet', `CASE WHEN w * 3e6 = ${row} THEN 'late' ELSE w::VARCHAR END::DOUBLE`, 'y')
    write('late-ragged.csv', `w,y\n${'0.5,1\n'.repeat(2_000_000)}0.5\n`)
    await Promise.all([
      fails(1, late(2_999_999), /slow\.parquet: .*late/),
      fails(1, [...late(1_500_000), '--threads', '1'], /slow\.parquet: .*late/),
      fails(1, score('late-ragged.csv', 'w', 'y'), /late-ragged\.csv: .*2000002/),
    ])
  })

  it('names a file that the user may not read', async function () {
    if (isWindows || process.getuid?.() === 0) return this.skip()
    write('secret.parquet', readFileSync(resolve('pairs.parquet')))
    chmodSync(resolve('secret.parquet'), 0)
    await fails(1, score('secret.parquet', 'w', 'y'), /secret\.parquet: .*[Pp]ermission/)
  })
})

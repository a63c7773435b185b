import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { Random } from '../support/random.ts'
import { columns, fails, figuresOf, score, scores, succeeds, write, writeScoredFiles } from '../support/scored-files.ts'

describe('score', function () {
  this.timeout(30_000)
  writeScoredFiles()

  describe('columns', () => {
    it('scores columns of any number type, and labels that are boolean', async () => {
      const { y } = columns
      const double = figuresOf(Float64Array.from(columns.w), y)
      const cents = Float64Array.from(columns.w, (_, i) => i % 100)
      const zeroOne = ['--negative-label', '0']
      const as = (...types: string[]) => types.map((type) => `y::${type}`)
      const labels = as('SMALLINT', 'BIGINT', 'HUGEINT', 'FLOAT', 'DECIMAL(5, 2)')
      const unsigned = ['UINTEGER', 'UBIGINT'].map((type) => `zero_one::${type}`)
      const inputs = ['TINYINT', 'UBIGINT', 'DECIMAL(9, 3)'].map((type) => `(id % 100)::${type}`)
      await Promise.all([
        ...labels.map((label) => scores(score('pairs.parquet', 'w', label), double)),
        ...unsigned.map((label) => scores(score('pairs.parquet', 'w', label, ...zeroOne), double)),
        scores(score('pairs.parquet', 'w', 'flag', ...zeroOne), double),
        ...inputs.map((input) => scores(score('pairs.parquet', input, 'y'), figuresOf(cents, y))),
      ])
    })

    it('rounds columns of wide types once to doubles, as ECMAScript rounds their text', async () => {
      const random = new Random(17)
      const digits = (count: number) => Array.from({ length: count }, () => random.integer(0, 9)).join('')
      const numbers: [type: string, make: () => string][] = [
        ['DECIMAL(38,30)', () => `${digits(random.integer(1, 8))}.${digits(30)}`],
        ['DECIMAL(38,30)', () => `0.${digits(random.integer(1, 30))}`],
        ['DECIMAL(18,18)', () => `0.${digits(18)}`],
        ['DECIMAL(18,2)', () => `${digits(16)}.${digits(2)}`],
        ['DECIMAL(15,7)', () => `${digits(8)}.${digits(7)}`],
        ['HUGEINT', () => `${digits(random.integer(17, 38))}`],
        ['UHUGEINT', () => `${digits(random.integer(17, 38))}`],
        ['BIGNUM', () => `${digits(random.integer(17, 60))}`],
      ]
      for (const [k, [type, make]] of numbers.entries()) {
        const texts = ['0.1', ...Array.from({ length: 300 }, make)].slice(/INT|NUM/.test(type) ? 1 : 0)
        write(`wide${k}.ndjson`, texts.map((t) => `${JSON.stringify({ t })}\n`).join(''))
        const expected = figuresOf(Float64Array.from(texts, Number), Array(texts.length).fill(1))
        await scores(score(`wide${k}.ndjson`, `t::${type}`, '1'), expected)
      }
    })

    it('takes no number between integers for an integer label', () =>
      Promise.all([
        fails(1, score('pairs.parquet', 'w', '1.0000000000000000001'), /label.* 1\.0000000000000002/),
        fails(1, score('pairs.parquet', 'w', '-0.99999999999999999999'), /label.* -0\.9999999999999999/),
      ]))

    it('scores expressions and columns of any name', async () => {
      const { w, d, y } = columns
      const double = figuresOf(Float64Array.from(w), y)
      await Promise.all([
        scores(score('pairs.parquet', '"weird ""name"""', 'y'), double),
        scores(score('pairs.parquet', '"d x"', 'CASE WHEN flag THEN 1 ELSE -1 END'), double),
        scores(score('pairs.parquet', 'list_distance(a, b)', 'y'), figuresOf(Float32Array.from(d), y)),
        scores(
          score('pairs.parquet', '-w', 'y'),
          figuresOf(
            Float64Array.from(w, (x) => -x),
            y,
          ),
        ),
        scores(
          score('pairs.parquet', 'list_sum(list_transform([w], lambda x: x * 2))', '(SELECT -1)'),
          figuresOf(
            Float64Array.from(w, (x) => x * 2),
            w.map(() => -1),
          ),
        ),
      ])
    })

    it('refuses a column that is missing or is not a number', () =>
      Promise.all([
        fails(
          1,
          score('pairs.parquet', 'ww', 'y'),
          /pairs\.parquet: .*"ww" not found.* The nearest of its columns: "w", /,
        ),
        fails(1, score('pairs.parquet', 'w', 'input'), /"input" not found/),
        fails(1, score('pairs.parquet', 'w', 'x'), /"x" not found/),
        fails(1, score('pairs.parquet', 'word', 'y'), /: --input word is VARCHAR, must be a number \(CAST\(word AS/),
        fails(1, score('pairs.parquet', 'flag', 'y'), /--input flag is BOOLEAN, must be a number\n/),
        fails(1, score('pairs.parquet', 'w', 'word'), /--label word is VARCHAR, must be a number or BOOLEAN/),
        fails(1, score('pairs.parquet', 'w', `'a'::ENUM('a', 'b')`), /--label .* is ENUM/),
        fails(1, score('pairs.parquet', '[w::DECIMAL(5, 1)]', 'y'), /is DECIMAL\(5,1\)\[\], must be/),
        fails(1, score('pairs.parquet', 'w, y', 'y'), /--input w, y is STRUCT/),
      ]))

    it('advises SQL and shell words that run as they are written', async () => {
      write('spaced.ndjson', '{"w":1,"my label":"near"}\n{"w":2,"my label":"far"}\n{"w":3,"my label":"Far"}')
      write('spaced.csv', 'w,my label\n1,near\n2,far\n3,Far')
      const name = String.raw`"\\"my label\\"`
      const cast = `\\(CAST\\("my label" AS DOUBLE\\) reads numbers in text`
      const read = `${name} = 'near'" --negative-label 0 reads text`
      await Promise.all([
        fails(
          1,
          score('spaced.ndjson', 'w', 'my label'),
          new RegExp(`${cast}; --label ${name} = 'similar'" --negative-label 0 reads words`),
        ),
        fails(1, score('spaced.csv', 'w', 'my label'), new RegExp(`\\(--label ${read}\\)`)),
        fails(1, score('pairs.parquet', 'w', 'word'), /; --label "word = 'similar'" --negative-label 0 reads words\)/),
        fails(1, score('pairs.parquet', 'w', 'word = "near"'), /\. Text takes single quotes in SQL: 'near'/),
      ])
    })

    it('says that a file of text has another delimiter, or is compressed', async () => {
      write('spaces.csv', 'w y\n1 1\n2 -1\n')
      write('compressed.csv', gzipSync('w,y\n1,1\n'))
      const delimiter = /"w" not found\. .*: "w y"; the text 'w y' names the first; --delimiter says what separates/
      await fails(1, score('spaces.csv', 'w', 'y'), delimiter)
      await fails(
        1,
        score('compressed.csv', 'w', 'y'),
        /: compressed by gzip, but its name does not end in \.gz or \.zst/,
      )
    })

    it('says that a file is not Parquet', async () => {
      write('rows.parquet', 'w,y\n1,1\n2,-1\n')
      await fails(1, score('rows.parquet', 'w', 'y'), /: rows\.parquet: not Parquet, or cut off: it does not end with/)
    })

    it('refuses text that is not one expression of a row', async () => {
      const texts = [
        'w --',
        'w); DROP TABLE pairs; --',
        'w), (y',
        'w) FROM range(9) AS r(w',
        'w) UNION SELECT (1',
        'w AS x',
      ]
      await Promise.all([
        ...[...texts, 'abs(COLUMNS(*))', '?', ''].map((text) =>
          fails(2, score('pairs.parquet', text, 'y'), /--input must be one SQL expression/),
        ),
        fails(2, score('pairs.parquet', 'w', 'y --'), /--label must be one SQL expression, got 'y --' \(syntax error/),
        fails(2, score('pairs.parquet', 'sum(w)', 'y'), /sum is an aggregate/),
        fails(2, score('pairs.parquet', 'w', 'max(y)'), /max is an aggregate/),
        fails(2, score('pairs.parquet', 'lag(w) OVER ()', 'y'), /a window function reads other rows/),
        fails(2, score('pairs.parquet', 'unnest([w, w])', 'y'), /no scalar function unnest/),
      ])
    })
  })

  describe('groups', () => {
    const byFlag = (...more: string[]) => score('pairs.parquet', 'd', 'y', '--by', 'id % 3', ...more)
    const ofGroup = (keep: (id: number) => boolean) => {
      const kept = [...columns.d.keys()].filter(keep)
      return figuresOf(
        Float32Array.from(kept, (id) => columns.d[id] as number),
        kept.map((id) => columns.y[id] as number),
      )
    }

    it('prints the totals of each group in the order of their values, and the total of all', async () => {
      const groups = [0, 1, 2].map((by) => ({ by, ...ofGroup((id) => id % 3 === by) }))
      await scores(byFlag(), { groups, total: ofGroup(() => true) })
    })

    it('prints groups as lines of a table', async () => {
      const lines = (await succeeds(byFlag())).split('\n')
      expect(lines[0]).to.match(/^id % 3 +count +mean +sum +positives +negatives +active$/)
      expect(lines.slice(1, 5).map((line) => line.split(' ')[0])).to.deep.equal(['0', '1', '2', 'all'])
      expect(lines[4]).to.match(/^all +5,000 /)
      expect(lines[6]).to.match(/^active negatives, inside the margin of 1: /)
    })

    it('groups by values of any type', async () => {
      const values = async (by: string) => {
        const json = await succeeds(score('pairs.parquet', 'd', 'y', '--by', by, '--json'))
        return JSON.parse(json).groups.map((group: { by: unknown }) => group.by)
      }
      const cases: [string, unknown[]][] = [
        [`CASE id % 3 WHEN 0 THEN 'it''s' WHEN 1 THEN '"b"' END`, ['"b"', `it's`, null]],
        [`DATE '2024-01-31' + (id % 2)::INT`, ['2024-01-31', '2024-02-01']],
        [`CASE WHEN id = 1 THEN 'nan'::DOUBLE WHEN id = 2 THEN 'inf' ELSE 0.5 END`, [0.5, 'Infinity', 'NaN']],
        ['flag', [false, true]],
        [
          '{ day: id % 2, flag: true }',
          [
            { day: 0, flag: true },
            { day: 1, flag: true },
          ],
        ],
      ]
      const found = await Promise.all(cases.map(([by]) => values(by)))
      expect(found).to.deep.equal(cases.map(([, wanted]) => wanted))
    })

    it('merges groups over files of different kinds', async () => {
      const json = await succeeds(score(['pairs.parquet', 'text.csv'], 'w', 'y', '--by', 'y', '--json'))
      const { groups } = JSON.parse(json)
      const counts = [-1, 1].map((label) => 2 * columns.y.filter((y) => y === label).length)
      expect(groups.map(({ by, count }: { by: number; count: number }) => [by, count])).to.deep.equal([
        [-1, counts[0]],
        [1, counts[1]],
      ])
    })

    it('groups by the folders of a partitioned table', async () => {
      const json = await succeeds(score('hive', 'd', 'y', '--by', 'part', '--json'))
      expect(JSON.parse(json).groups.map(({ by, count }: { by: number; count: number }) => [by, count])).to.deep.equal([
        [0, 2500],
        [1, 2500],
      ])
    })

    it('reads a column of a file before a folder of its name', async () => {
      const { d, w, y } = columns
      await Promise.all([
        scores(score('d=5/y=-1', 'd', 'y'), figuresOf(Float32Array.from(d), y)),
        scores(score('d=5/*/*.parquet', 'd', 'y'), figuresOf(Float32Array.from([...d, ...d]), [...y, ...y])),
        scores(score('d=5/w=1.csv', 'w', 'y'), figuresOf(Float64Array.from(w), y)),
        scores(score('~/home.csv', 'w', 'y'), figuresOf(Float64Array.from(w), y)),
      ])
    })

    it('refuses files whose paths have doubled slashes and whose types differ', async () => {
      await fails(
        1,
        score(['.//drift//a.parquet', './/drift//b.parquet'], 'd', 'y'),
        /--input d is DOUBLE, but FLOAT in/,
      )
    })

    it('refuses a --by that is not one expression', () =>
      Promise.all([
        fails(2, score('pairs.parquet', 'd', 'y', '--by', 'y --'), /--by must be one SQL expression, got 'y --'/),
        fails(2, score('pairs.parquet', 'd', 'y', '--by', 'sum(w)'), /sum is an aggregate/),
        fails(1, score('pairs.parquet', 'd', 'y', '--by', 'nothing'), /"nothing" not found/),
      ]))
  })

  describe('nulls', () => {
    it('names the first row with a null and the way out', () =>
      Promise.all([
        fails(
          1,
          score('pairs.parquet', 'gap', 'y'),
          /pairs\.parquet, row 4,321: --input gap is null \(1 such row; --nulls ignore/,
        ),
        fails(
          1,
          score('pairs.parquet', 'w', 'gaps', '--nulls', 'error'),
          /, row 1: --label gaps is null \(715 such rows; --nulls/,
        ),
      ]))

    it('leaves out rows with a null on demand', async () => {
      const kept = (keep: (row: number) => boolean) =>
        figuresOf(
          Float64Array.from(columns.w.filter((_, row) => keep(row))),
          columns.y.filter((_, row) => keep(row)),
        )
      const ignore = ['--nulls', 'ignore']
      await Promise.all([
        scores(
          score('pairs.parquet', 'gap', 'y', ...ignore),
          kept((row) => row !== 4320),
        ),
        scores(
          score('pairs.parquet', 'w', 'gaps', ...ignore),
          kept((row) => row % 7 !== 0),
        ),
        scores(
          score('pairs.parquet', 'gap', 'gaps::BIGINT', ...ignore),
          kept((row) => row !== 4320 && row % 7 !== 0),
        ),
        scores(
          score('pairs.parquet', 'NULL::DOUBLE', 'y', ...ignore),
          kept(() => false),
        ),
        fails(
          1,
          score('pairs.parquet', 'w', 'CASE WHEN id = 4320 THEN 9 ELSE gaps END', ...ignore),
          /pairs\.parquet, row 4,321: label is 9, neither 1 nor -1 \(1 such row; /,
        ),
      ])
    })
  })

  describe('other labels', () => {
    it('names the first row with another label and the way out', () =>
      Promise.all([
        fails(
          1,
          score('pairs.parquet', 'd', 'other'),
          /pairs\.parquet, row 4,321: label is 5, neither 1 nor -1 \(1 such row; .*--other-labels/,
        ),
        fails(
          1,
          score('pairs.parquet', 'd', 'zero_one'),
          /, row 1: label is 0, neither 1 nor -1 \(4,500 such rows; for 0\/1 labels use --negative-label 0\)/,
        ),
        fails(
          1,
          score('pairs.parquet', 'd', 'flag'),
          /, row 1: label is false, .* such rows; for 0\/1 labels use --negative-label 0/,
        ),
        fails(
          1,
          score(['pairs.parquet', 'text.csv'], 'w', 'CASE WHEN w = 2 THEN y ELSE y / 2 END'),
          /label is -0\.5, neither/,
        ),
      ]))

    it('counts other labels with a loss of 0, or leaves them out, on demand', async () => {
      const d = Float32Array.from(columns.d)
      const label = columns.y.map((value, row) => (row === 4320 ? 5 : value))
      const [zero, ignore] = await Promise.all([
        succeeds(score('pairs.parquet', 'd', 'other', '--other-labels', 'zero')),
        succeeds(score('pairs.parquet', 'd', 'other', '--other-labels', 'ignore')),
        scores(
          score('pairs.parquet', 'd', 'other', '--other-labels', 'zero'),
          figuresOf(d, label, { otherLabels: 'zero' }),
        ),
        scores(
          score('pairs.parquet', 'd', 'other', '--other-labels', 'ignore'),
          figuresOf(d, label, { otherLabels: 'ignore' }),
        ),
      ])
      expect(zero)
        .to.include('labels that are neither, counted with a loss of 0: 1\n')
        .and.match(/^all +5,000 /m)
      expect(ignore)
        .to.include('labels that are neither, not counted: 1\n')
        .and.match(/^all +4,999 /m)
    })
  })
})

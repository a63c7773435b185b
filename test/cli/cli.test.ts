import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import { formatJSON } from '../../lib/format.ts'
import { type InputData, LossAccumulator, type MarginOptions, runtimeInfo } from '../../lib/index.ts'
import { installPackage } from '../support/application.ts'
import { command } from '../support/command.ts'
import { type Outcome, Program, run } from '../support/processes.ts'
import { Random } from '../support/random.ts'
import { accumulate, totalsOf } from '../support/totals.ts'

const libraryNeeds = ['node-gyp-build']
const commandNeeds = ['commander', '@duckdb']
const rows = 5000

interface Place {
  main?: string
  env?: NodeJS.ProcessEnv
}

describe('hinge-embedding-loss on the command line', function () {
  this.timeout(30_000)

  const home = process.cwd()
  let folder: string
  let complete: string
  /** columns of pairs.parquet, read on a way of their own */
  const column: Record<'d' | 'w' | 'y', number[]> = { d: [], w: [], y: [] }

  /** The program as it is once installed beside the given packages. */
  function install(name: string, packages: readonly string[]): Promise<string> {
    return installPackage(join(folder, name), packages)
  }

  function start(args: readonly string[], { main = complete, env = {} }: Place = {}): Program {
    return new Program(process.execPath, [main, ...args], { cwd: folder, env })
  }

  /** In this process, where no other is asked for: starting one takes ten times as long as scoring. */
  async function runCommand(args: readonly string[], place?: Place): Promise<Outcome> {
    return place === undefined ? command(args) : start(args, place).outcome
  }

  async function succeeds(args: readonly string[], place?: Place): Promise<string> {
    const { code, stdout, stderr } = await runCommand(args, place)
    expect({ code, stderr }, args.join(' ')).to.deep.equal({ code: 0, stderr: '' })
    return stdout
  }

  async function fails(exitCode: number, args: readonly string[], named: RegExp, place?: Place): Promise<void> {
    const { code, stdout, stderr } = await runCommand(args, place)
    const what = `${args.join(' ')}\n${stderr}`
    expect(code, what).to.equal(exitCode)
    expect(stdout, what).to.equal('')
    expect(stderr, what).to.match(named)
    expect(stderr, what).to.match(/^hinge-embedding-loss: .+\n$/s)
    expect(stderr, what).not.to.match(/^ +at |node:internal|undefined|\[object/m)
  }

  function score(files: string | string[], input: string, label: string, ...more: string[]): string[] {
    return ['score', ...[files].flat(), '--input', input, '--label', label, ...more]
  }

  /** An expression that takes time for each row. */
  function lasting(steps: number): string {
    return `list_sum(list_transform(range(0, ${steps}), lambda z: z * w))`
  }

  function totals(input: InputData, label: readonly number[], options: MarginOptions = {}): object {
    const total = accumulate(input, label, options)
    return JSON.parse(formatJSON({ ...totalsOf(total), margin: total.margin }))
  }

  async function scores(args: readonly string[], expected: object): Promise<void> {
    const stdout = await succeeds([...args, '--json'])
    expect(JSON.parse(stdout), args.join(' ')).to.deep.equal(expected)
  }

  function write(name: string, data: string | Uint8Array): void {
    writeFileSync(join(folder, name), data)
  }

  before('write the files', async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
    for (const name of [
      'parts/year=2024',
      'mixed',
      'none',
      'folder.parquet',
      'sub[1]',
      'drift',
      'd=5/y=1',
      'd=5/y=-1',
      '~',
    ]) {
      mkdirSync(join(folder, name), { recursive: true })
    }
    complete = await install('complete', [...libraryNeeds, ...commandNeeds])
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    const copy = (select: string, name: string, options = '') =>
      connection.run(`COPY (${select}) TO '${join(folder, name).replaceAll("'", "''")}' ${options}`)

    await connection.run(`CREATE TABLE pairs AS
      SELECT i AS id, w, w::FLOAT AS d, y::TINYINT AS y, y = 1 AS flag, (y > 0)::UTINYINT AS zero_one,
        CASE WHEN i = 4320 THEN NULL ELSE w END AS gap, CASE WHEN i % 7 = 0 THEN NULL ELSE y END AS gaps,
        CASE WHEN i = 4320 THEN 5 ELSE y END AS other, [w, 1]::FLOAT[2] AS a, [0, 1]::FLOAT[2] AS b,
        'word' AS word, w AS "weird ""name""", w AS "d x"
      FROM (SELECT i, sin(i) + 1 AS w, CASE WHEN i % 10 = 3 THEN 1 ELSE -1 END AS y FROM range(${rows}) AS r(i))`)
    for (const name of Object.keys(column) as (keyof typeof column)[]) {
      const values = await connection.runAndReadAll(`SELECT ${name} FROM pairs ORDER BY id`)
      column[name] = values.getRows().map(([value]) => Number(value))
    }

    for (const name of ['pairs.parquet', `it's.parquet`, 'sub[1]/p?[a]*.parquet']) await copy('FROM pairs', name)
    await copy('SELECT 7 AS d, 1 AS y', 'sub[1]/p1a2.parquet')
    await copy('FROM pairs WHERE id < 1000', 'parts/year=2024/a.parquet')
    await copy('FROM pairs WHERE id >= 1000', 'parts/b.parquet')
    await copy('SELECT w, y FROM pairs WHERE id < 1000', 'half.csv')
    await copy('SELECT w, y FROM pairs WHERE id >= 1000', 'half.ndjson')
    const texts = ['csv', 'ndjson', 'jsonl', 'json', 'csv.gz', 'csv.zst', 'ndjson.gz', 'json.zst']
    for (const end of texts) await copy('SELECT w, y FROM pairs', `text.${end}`, end === 'jsonl' ? '(FORMAT json)' : '')
    await copy('SELECT w, y FROM pairs', 'text.tsv', `(FORMAT csv, DELIMITER '\t')`)
    await copy('SELECT i / 3e6 AS w, 1 AS y FROM range(3000000) AS r(i)', 'slow.parquet')
    await copy('SELECT w, y FROM pairs LIMIT 0', 'zero.parquet')
    await copy('SELECT d, y, id % 2 AS part FROM pairs', 'hive', '(FORMAT parquet, PARTITION_BY (part))')
    for (const name of ['d=5/y=1', 'd=5/y=-1']) await copy('SELECT d, y FROM pairs', `${name}/a.parquet`)
    await copy('SELECT w, y FROM pairs', 'd=5/w=1.csv')
    await copy('SELECT w, y FROM pairs', '~/home.csv')
    await copy('SELECT w AS d, y FROM pairs', 'drift/b.parquet')
    await copy('SELECT d, y FROM pairs', 'drift/a.parquet')
    await copy('SELECT d, y::BIGINT AS y, w FROM pairs', 'drift/c.parquet')
    await copy('SELECT w, y FROM pairs', 'drift/d.parquet')
    connection.closeSync()

    cpSync(join(folder, 'text.csv'), join(folder, 'UPPER.CSV'))
    cpSync(join(folder, 'text.csv'), join(folder, 'mixed/a.csv'))
    cpSync(join(folder, 'pairs.parquet'), join(folder, 'mixed/b.parquet'))
    const parquet = readFileSync(join(folder, 'pairs.parquet'))
    const half = parquet.length >> 1
    write('truncated.parquet', parquet.subarray(0, half))
    write(
      'corrupt.parquet',
      Buffer.concat([parquet.subarray(0, 4), Buffer.alloc(half, 0xa5), parquet.subarray(half + 4)]),
    )
    write('empty.parquet', '')
    write('empty.csv', '')
    write('truncated.csv.gz', readFileSync(join(folder, 'text.csv.gz')).subarray(0, 5000))
    write('truncated.csv.zst', readFileSync(join(folder, 'text.csv.zst')).subarray(0, -5))
    for (const name of ['plain.csv.gz', 'plain.csv.zst']) write(name, 'w,y\n1,1\n')
    mkdirSync(join(folder, 'linked'))
    symlinkSync(join(folder, 'mixed'), join(folder, 'linked/inner'))
    write('binary.csv', Uint8Array.from([0, 255, 254, 10, 0, 1]))
    write('ragged.csv', `w,y\n${'0.5,1\n'.repeat(30_000)}0.5\n`)
    write('late.csv', `w,y\n${'1,1\n'.repeat(30_000)}0.5,1\n`)
    write('late.ndjson', `${'{"w":1,"y":1}\n'.repeat(30_000)}{"w":0.5,"y":1}\n`)
    write('word.csv', `w,y\n${'1,1\n'.repeat(30_000)}none,1\n`)
    write('bad.ndjson', '{"w":1,"y":1}\n{"w":\n')
    write('special.csv', 'w,y\nNaN,1\ninf,-1\n-inf,-1\n')
    write('none/notes.txt', '')
    process.chdir(folder)
    write('notes.txt', '')
  })

  after(() => {
    process.chdir(home)
    rmSync(folder, { recursive: true, force: true })
  })

  describe('results', () => {
    it('are those of the library', async () => {
      const d = Float32Array.from(column.d)
      await Promise.all([
        scores(score('pairs.parquet', 'd', 'y'), totals(d, column.y)),
        scores(
          score('pairs.parquet', 'd', 'y', '--margin', '1.3', '--threads', '2'),
          totals(d, column.y, { margin: 1.3 }),
        ),
        scores(
          score('pairs.parquet', 'w', 'y', '--margin', '-0.5'),
          totals(Float64Array.from(column.w), column.y, { margin: -0.5 }),
        ),
        scores(
          score('pairs.parquet', 'd', 'y', '--positive-label', '-1', '--negative-label', '1'),
          totals(d, column.y, { positiveLabel: -1, negativeLabel: 1 }),
        ),
      ])
    })

    it('are one line of JSON with the promised keys in their order', async () => {
      const stdout = await succeeds(score('pairs.parquet', 'd', 'y', '--json'))
      expect(stdout).to.match(/^\{.*\}\n$/)
      expect(stdout.replace(/:-?[\d.e-]+/g, ':0')).to.equal(
        '{"count":0,"sum":0,"mean":0,"margin":0,"positives":{"count":0,"sum":0,"mean":0},' +
          '"negatives":{"count":0,"sum":0,"mean":0,"active":0},"others":0}\n',
      )
    })

    it('are a table for people', async () => {
      const stdout = await succeeds(score('pairs.parquet', 'd', 'y'))
      const total = totals(Float32Array.from(column.d), column.y) as { mean: number; negatives: { active: number } }
      expect(stdout.split('\n')[0]).to.match(/^ +count +mean +sum$/)
      expect(stdout)
        .to.match(/^all +5,000 /m)
        .and.match(/^positives +500 /m)
        .and.match(/^negatives +4,500 /m)
      expect(stdout).to.include(` ${Number(total.mean.toPrecision(7))} `)
      const active = total.negatives.active
      const share = ((100 * active) / 4500).toFixed(1)
      expect(stdout).to.include(
        `active negatives, inside the margin of 1: ${active.toLocaleString('en')} (${share} %)\n`,
      )
    })

    it('have NaN and infinities as strings', async () => {
      const special = totals(Float64Array.of(Number.NaN, Infinity, -Infinity), [1, -1, -1])
      expect(special).to.deep.include({ count: 3, sum: 'NaN', mean: 'NaN' })
      await Promise.all([
        scores(score('special.csv', 'w', 'y', '--nan', 'keep'), special),
        scores(score('zero.parquet', 'w', 'y'), totals(new Float64Array(0), [])),
        scores(score('zero.parquet', 'w', 'y', '--threads', '1'), totals(new Float64Array(0), [])),
      ])
    })
  })

  describe('columns', () => {
    it('may be of any number type, labels also boolean', async () => {
      const { y } = column
      const double = totals(Float64Array.from(column.w), y)
      const cents = Float64Array.from(column.w, (_, i) => i % 100)
      const zeroOne = ['--negative-label', '0']
      const as = (...types: string[]) => types.map((type) => `y::${type}`)
      const labels = as('SMALLINT', 'BIGINT', 'HUGEINT', 'FLOAT', 'DECIMAL(5, 2)')
      const unsigned = ['UINTEGER', 'UBIGINT'].map((type) => `zero_one::${type}`)
      const inputs = ['TINYINT', 'UBIGINT', 'DECIMAL(9, 3)'].map((type) => `(id % 100)::${type}`)
      await Promise.all([
        ...labels.map((label) => scores(score('pairs.parquet', 'w', label), double)),
        ...unsigned.map((label) => scores(score('pairs.parquet', 'w', label, ...zeroOne), double)),
        scores(score('pairs.parquet', 'w', 'flag', ...zeroOne), double),
        ...inputs.map((input) => scores(score('pairs.parquet', input, 'y'), totals(cents, y))),
      ])
    })

    it('of wide types are rounded once to doubles, as ECMAScript rounds their text', async () => {
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
        const expected = totals(Float64Array.from(texts, Number), Array(texts.length).fill(1))
        await scores(score(`wide${k}.ndjson`, `t::${type}`, '1'), expected)
      }
    })

    it('between integers are no integer label', () =>
      Promise.all([
        fails(1, score('pairs.parquet', 'w', '1.0000000000000000001'), /label.* 1\.0000000000000002/),
        fails(1, score('pairs.parquet', 'w', '-0.99999999999999999999'), /label.* -0\.9999999999999999/),
      ]))

    it('may be expressions, with any name', async () => {
      const { w, d, y } = column
      const double = totals(Float64Array.from(w), y)
      await Promise.all([
        scores(score('pairs.parquet', '"weird ""name"""', 'y'), double),
        scores(score('pairs.parquet', '"d x"', 'CASE WHEN flag THEN 1 ELSE -1 END'), double),
        scores(score('pairs.parquet', 'list_distance(a, b)', 'y'), totals(Float32Array.from(d), y)),
        scores(
          score('pairs.parquet', '-w', 'y'),
          totals(
            Float64Array.from(w, (x) => -x),
            y,
          ),
        ),
        scores(
          score('pairs.parquet', 'list_sum(list_transform([w], lambda x: x * 2))', '(SELECT -1)'),
          totals(
            Float64Array.from(w, (x) => x * 2),
            w.map(() => -1),
          ),
        ),
      ])
    })

    it('must be there and be numbers', () =>
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

    it('must be one expression a row', async () => {
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
      const kept = [...column.d.keys()].filter(keep)
      return totals(
        Float32Array.from(kept, (id) => column.d[id] as number),
        kept.map((id) => column.y[id] as number),
      )
    }

    it('have their totals, in the order of their values, and the total of all', async () => {
      const groups = [0, 1, 2].map((by) => ({ by, ...ofGroup((id) => id % 3 === by) }))
      await scores(byFlag(), { groups, total: ofGroup(() => true) })
    })

    it('are lines of a table for people', async () => {
      const lines = (await succeeds(byFlag())).split('\n')
      expect(lines[0]).to.match(/^id % 3 +count +mean +sum +positives +negatives +active$/)
      expect(lines.slice(1, 5).map((line) => line.split(' ')[0])).to.deep.equal(['0', '1', '2', 'all'])
      expect(lines[4]).to.match(/^all +5,000 /)
      expect(lines[6]).to.match(/^active negatives, inside the margin of 1: /)
    })

    it('may have any values', async () => {
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

    it('come together over files of different kinds', async () => {
      const json = await succeeds(score(['pairs.parquet', 'text.csv'], 'w', 'y', '--by', 'y', '--json'))
      const { groups } = JSON.parse(json)
      const counts = [-1, 1].map((label) => 2 * column.y.filter((y) => y === label).length)
      expect(groups.map(({ by, count }: { by: number; count: number }) => [by, count])).to.deep.equal([
        [-1, counts[0]],
        [1, counts[1]],
      ])
    })

    it('by the folders of a partitioned table', async () => {
      const json = await succeeds(score('hive', 'd', 'y', '--by', 'part', '--json'))
      expect(JSON.parse(json).groups.map(({ by, count }: { by: number; count: number }) => [by, count])).to.deep.equal([
        [0, 2500],
        [1, 2500],
      ])
    })

    it('and never by a folder in place of a column', async () => {
      const { d, w, y } = column
      await Promise.all([
        scores(score('d=5/y=-1', 'd', 'y'), totals(Float32Array.from(d), y)),
        scores(score('d=5/*/*.parquet', 'd', 'y'), totals(Float32Array.from([...d, ...d]), [...y, ...y])),
        scores(score('d=5/w=1.csv', 'w', 'y'), totals(Float64Array.from(w), y)),
        scores(score('~/home.csv', 'w', 'y'), totals(Float64Array.from(w), y)),
      ])
    })

    it('are told apart, or an error', async () => {
      await fails(
        1,
        score(['.//drift//a.parquet', './/drift//b.parquet'], 'd', 'y'),
        /--input d is DOUBLE, but FLOAT in/,
      )
    })

    it('need one expression too', () =>
      Promise.all([
        fails(2, score('pairs.parquet', 'd', 'y', '--by', 'y --'), /--by must be one SQL expression, got 'y --'/),
        fails(2, score('pairs.parquet', 'd', 'y', '--by', 'sum(w)'), /sum is an aggregate/),
        fails(1, score('pairs.parquet', 'd', 'y', '--by', 'nothing'), /"nothing" not found/),
      ]))
  })

  describe('partial and merge', () => {
    const partial = async (...args: [string | string[], string, string, ...string[]]) => {
      const [, ...rest] = score(...args)
      return succeeds(['partial', ...rest])
    }

    it('print what score prints, byte for byte, over any split', async () => {
      const splits = [
        ['id < 1', 'id >= 1'],
        ['id % 3 = 0', 'id % 3 = 1', 'id % 3 = 2'],
        ['id < 2500', 'id >= 2500'],
        ['TRUE', 'FALSE'],
      ]
      const only = (condition: string) => `CASE WHEN ${condition} THEN d END`
      const [json, table] = await Promise.all([
        succeeds(score('pairs.parquet', 'd', 'y', '--margin', '0.7', '--json')),
        succeeds(score('pairs.parquet', 'd', 'y', '--margin', '0.7')),
      ])
      for (const [i, conditions] of splits.entries()) {
        const parts = await Promise.all(
          conditions.map((condition) =>
            partial('pairs.parquet', only(condition), 'y', '--margin', '0.7', '--nulls', 'ignore'),
          ),
        )
        const names = parts.map((_, k) => `part-${i}-${k}.json`)
        for (const [k, part] of parts.entries()) write(names[k] as string, part)
        write(`parts-${i}.json`, parts.join('\n'))
        expect(await succeeds(['merge', ...names, '--json'])).to.equal(json)
        expect(await succeeds(['merge', `parts-${i}.json`])).to.equal(table)
      }
    })

    it('count a partial as often as it is given', async () => {
      const total = new LossAccumulator().update(Float64Array.of(0.5, 0.25), 1)
      write('twice.json', `${JSON.stringify(total)}\n`)
      const json = await succeeds(['merge', 'twice.json', 'twice.json', '--json'])
      expect(JSON.parse(json)).to.deep.include({ count: 4, sum: 1.5 })
    })

    it('give a LossAccumulator', async () => {
      const text = await partial('pairs.parquet', 'd', 'y')
      const total = new LossAccumulator().update(Float32Array.from(column.d), Float64Array.from(column.y))
      expect(text).to.equal(`${JSON.stringify(total)}\n`)
      expect(await partial('zero.parquet', 'w', 'y', '--margin', '3')).to.equal(
        `${JSON.stringify(new LossAccumulator({ margin: 3 }))}\n`,
      )
    })

    it('fail by name on what is no partial, or of other settings', async () => {
      const text = JSON.stringify(new LossAccumulator())
      write('good.json', text)
      write('margin.json', JSON.stringify(new LossAccumulator({ margin: 2 })))
      write('late.json', `${text}\n\n"x"\n`)
      write('no.json', 'pairs')
      write('blank.json', '\n \r\n')
      write('zero.json', '')
      write('cut.json', `${text}\n${text.slice(0, -1)}`)
      const many = new Array<string>(9).fill('blank.json')
      await Promise.all([
        fails(
          1,
          ['merge', 'good.json', 'margin.json'],
          /margin\.json, line 1: margin is 2, but 1 in good\.json, line 1/,
        ),
        fails(
          1,
          ['merge', 'late.json'],
          /late\.json, line 3: not a partial: object must be what LossAccumulator\.toJSON gives/,
        ),
        fails(1, ['merge', 'no.json'], /no\.json, line 1: .*JSON/),
        fails(1, ['merge', 'blank.json'], /blank\.json: no partial/),
        fails(
          1,
          ['merge', 'good.json', 'blank.json', 'good.json', 'zero.json'],
          /: blank\.json, zero\.json: no partial/,
        ),
        fails(1, ['merge', 'zero.json', ...many], /: zero\.json, blank\.json(, blank\.json){3} and 5 more: no partial/),
        fails(1, ['merge', 'good.json', 'cut.json'], /cut\.json, line 2: .*JSON/),
        fails(1, ['merge', 'good.json', 'none'], /none: a folder, must be a file/),
        fails(1, ['merge', 'good.json', '/dev/null'], /\/dev\/null: a device, must be a file/),
        fails(1, ['merge', 'good.json', 'missing.json'], /missing\.json: no such file/),
        fails(2, ['merge'], /missing required argument 'part'/),
      ])
    })
  })

  describe('duckdb-extension', () => {
    it('prints a path that DuckDB loads', async () => {
      const path = (await succeeds(['duckdb-extension'])).trimEnd()
      const instance = await DuckDBInstance.create(':memory:', { allow_unsigned_extensions: 'true' })
      const connection = await instance.connect()
      await connection.run(`LOAD '${path}'`)
      const result = await connection.runAndReadAll('SELECT hinge_embedding_loss(0.5, 1).sum')
      expect(result.getRows()).to.deep.equal([[0.5]])
      connection.closeSync()
    })
  })

  describe('nulls', () => {
    it('are an error that names the row', () =>
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

    it('are left out on demand', async () => {
      const kept = (keep: (row: number) => boolean) =>
        totals(
          Float64Array.from(column.w.filter((_, row) => keep(row))),
          column.y.filter((_, row) => keep(row)),
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
    it('are an error that names the row and the way out', () =>
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

    it('count with a loss of 0, or not, on demand', async () => {
      const d = Float32Array.from(column.d)
      const label = column.y.map((value, row) => (row === 4320 ? 5 : value))
      const [zero, ignore] = await Promise.all([
        succeeds(score('pairs.parquet', 'd', 'other', '--other-labels', 'zero')),
        succeeds(score('pairs.parquet', 'd', 'other', '--other-labels', 'ignore')),
        scores(
          score('pairs.parquet', 'd', 'other', '--other-labels', 'zero'),
          totals(d, label, { otherLabels: 'zero' }),
        ),
        scores(
          score('pairs.parquet', 'd', 'other', '--other-labels', 'ignore'),
          totals(d, label, { otherLabels: 'ignore' }),
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

  describe('files', () => {
    it('may be text of every kind', async () => {
      const double = totals(Float64Array.from(column.w), column.y)
      const ends = ['csv', 'tsv', 'ndjson', 'jsonl', 'json', 'csv.gz', 'csv.zst', 'ndjson.gz', 'json.zst']
      expect(gunzipSync(readFileSync(join(folder, 'text.csv.gz'))).toString()).to.match(/^w,y\n/)
      const names = [...ends.map((end) => `text.${end}`), 'UPPER.CSV']
      await Promise.all(names.map((name) => scores(score(name, 'w', 'y'), double)))
    })

    it('may be several, of different kinds, globs and folders', async () => {
      const { w, d, y } = column
      const double = totals(Float64Array.from(w), y)
      const twice = totals(Float64Array.from([...w, ...w]), [...y, ...y])
      await Promise.all([
        scores(score(['half.csv', 'half.ndjson'], 'w', 'y'), double),
        scores(score('half.*', 'w', 'y'), double),
        scores(score('parts', 'w', 'y'), double),
        scores(score('parts/**/*.parquet', 'd', 'y'), totals(Float32Array.from(d), y)),
        scores(score(['pairs.parquet', join(folder, 'text.tsv')], 'w', 'y'), twice),
      ])
    })

    it('may have names with quotes and glob characters', async () => {
      const expected = totals(Float32Array.from(column.d), column.y)
      await Promise.all([
        scores(score(`it's.parquet`, 'd', 'y'), expected),
        scores(score('sub[1]/p?[a]*.parquet', 'd', 'y'), expected),
      ])
    })

    it('are read by their content, not by their first rows', async () => {
      const late = totals(Float64Array.of(...new Array<number>(30_000).fill(1), 0.5), new Array(30_001).fill(1))
      await Promise.all([scores(score('late.csv', 'w', 'y'), late), scores(score('late.ndjson', 'w', 'y'), late)])
    })

    it('may be empty', async () => {
      for (const [name, content] of Object.entries({ 'header.csv': 'd,y\n', 'zero.ndjson': '' })) {
        writeFileSync(join(folder, name), content)
        await scores(score(name, 'd', 'y'), totals(new Float64Array(0), []))
      }
    })

    it('lose no row as a comment, a preamble or a short line', async () => {
      const files = {
        'comment.csv': ['d,y\n0.5,1\n#0.7,1\n0.2,-1\n', /row 2: --input d is '#0\.7', expected a number/],
        'preamble.csv': ['# pairs\nd,y\n0.5,1\n0.2,-1\n', /line 2 has 2 fields, expected 1/],
        'short.csv': ['d,y\n0.5,1\n0.7\n0.2,-1\n', /short\.csv: line 3 has 1 field, expected 2/],
      } as const
      for (const [name, [content, named]] of Object.entries(files)) {
        writeFileSync(join(folder, name), content)
        await fails(1, score(name, 'd', 'y'), named)
      }
    })

    it('may differ in what is not scored, and in the type of the label', () =>
      scores(
        score(['drift/a.parquet', 'drift/c.parquet'], 'd', 'y'),
        totals(Float32Array.from([...column.d, ...column.d]), [...column.y, ...column.y]),
      ))

    it('must not differ in the type of the input, nor lack a column', () =>
      Promise.all([
        fails(1, score('drift/[ab].parquet', 'd', 'y'), /b\.parquet: --input d is DOUBLE, but FLOAT in .*a\.parquet/),
        fails(1, score('drift', 'd', 'y'), /[bd]\.parquet: /),
        fails(1, score(['drift/a.parquet', 'drift/d.parquet'], 'd', 'y'), /d\.parquet: .*"d" not found.*: "w", "y"/),
      ]))

    it('fail by name when they are bad', () =>
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
        fails(1, score('linked', 'w', 'y'), /linked.inner: a link to a folder is not followed/),
        fails(1, score('/dev/null', 'w', 'y'), /\/dev\/null: a device, neither a file nor a folder/),
        fails(1, score('plain.csv.gz', 'w', 'y'), /plain\.csv\.gz: incorrect header/),
        fails(1, score('binary.csv', 'w', 'y'), /binary\.csv: /),
        fails(1, score('ragged.csv', 'w', 'y'), /ragged\.csv: .*30002/),
        fails(1, score('word.csv', 'w', 'y'), /word\.csv: .*30002.*"none"/),
        fails(1, score('bad.ndjson', 'w', 'y'), /bad\.ndjson: .*Malformed JSON/),
      ]))

    it('fail however late they turn out to be bad', async () => {
      const late = (row: number) =>
        score('slow.parquet', `CASE WHEN w * 3e6 = ${row} THEN 'late' ELSE w::VARCHAR END::DOUBLE`, 'y')
      write('late-ragged.csv', `w,y\n${'0.5,1\n'.repeat(2_000_000)}0.5\n`)
      await Promise.all([
        fails(1, late(2_999_999), /slow\.parquet: .*late/),
        fails(1, [...late(1_500_000), '--threads', '1'], /slow\.parquet: .*late/),
        fails(1, score('late-ragged.csv', 'w', 'y'), /late-ragged\.csv: .*2000002/),
      ])
    })

    it('fail by name when they may not be read', async function () {
      if (process.getuid?.() === 0) return this.skip()
      write('secret.parquet', readFileSync(join(folder, 'pairs.parquet')))
      chmodSync(join(folder, 'secret.parquet'), 0)
      await fails(1, score('secret.parquet', 'w', 'y'), /secret\.parquet: .*[Pp]ermission/)
    })
  })

  describe('the program', () => {
    it('tells its version and its options', async () => {
      const [version, help, scoreHelp] = await Promise.all(
        [['--version'], ['--help'], ['score', '--help']].map((args) => succeeds(args)),
      )
      expect(version).to.equal(`${runtimeInfo().version}\n`)
      expect(help).to.match(/^Usage: hinge-embedding-loss .*score/s)
      for (const option of [
        '--input',
        '--label',
        '--margin',
        '--positive-label',
        '--negative-label',
        '--other-labels',
        '--nulls',
        '--threads',
        '--json',
        '--no-progress',
      ]) {
        expect(scoreHelp).to.include(`${option} `)
      }
    })

    it('refuses wrong usage', async () => {
      const pairs = (...more: string[]) => score('pairs.parquet', 'd', 'y', ...more)
      const { code, stdout, stderr } = await runCommand([])
      expect([code, stdout]).to.deep.equal([2, ''])
      expect(stderr).to.match(/^Usage: hinge-embedding-loss/)
      await Promise.all([
        fails(2, ['scores'], /unknown command 'scores'/),
        fails(2, pairs('--bogus'), /unknown option '--bogus'/),
        fails(
          2,
          ['score', '--input', 'd', '--label', 'y'],
          /without a FILE --input and --label must name a \.npy each, got --input d/,
        ),
        fails(2, ['score', 'pairs.parquet', '--label', 'y'], /--input/),
        fails(2, ['score', 'pairs.parquet', '--input', 'd'], /--label/),
        fails(2, pairs('--margin', 'wide'), /--margin <number>' argument 'wide'/),
        fails(2, pairs('--margin', ''), /--margin/),
        fails(2, pairs('--margin', 'NaN'), /--margin/),
        fails(2, pairs('--margin', 'Infinity'), /--margin must be a finite number, got Infinity/),
        fails(2, pairs('--margin', '1e300'), /--margin must be finite in float32/),
        fails(2, pairs('--negative-label', '1'), /--negative-label must be other than --positive-label/),
        fails(2, pairs('--positive-label', '0.5'), /--positive-label must be an integer/),
        fails(2, pairs('--other-labels', 'drop'), /--other-labels.*drop.*error, zero, ignore/),
        fails(2, pairs('--nulls', 'drop'), /--nulls.*drop.*error, ignore/),
        ...['0', '-1', '1.5', '2000'].map((n) =>
          fails(2, pairs('--threads', n), /--threads must be an integer from 1/),
        ),
      ])
    })

    it('asks for the packages it lacks', async () => {
      const advice = /npm install commander @duckdb\/node-api/
      const pairs = score('pairs.parquet', 'd', 'y')
      const bare = { main: await install('bare', libraryNeeds) }
      const noReader = { main: await install('no-reader', [...libraryNeeds, 'commander']) }
      await Promise.all([
        fails(1, ['--version'], advice, bare),
        fails(1, pairs, advice, bare),
        succeeds(['--version'], noReader),
        fails(1, pairs, /scoring files needs more packages: npm install @duckdb\/node-api/, noReader),
      ])
    })

    it('says what hinders the library', async () => {
      const main = await install('unbuilt', [...libraryNeeds, ...commandNeeds])
      rmSync(join(folder, 'unbuilt/build'), { recursive: true })
      await fails(1, ['--version'], /the native addon of hinge-embedding-loss cannot be loaded/, { main })
      const env = { HINGE_EMBEDDING_LOSS_NUM_THREADS: 'many' }
      await fails(2, score('pairs.parquet', 'd', 'y'), /HINGE_EMBEDDING_LOSS_NUM_THREADS must be an integer/, { env })
    })

    it('can be interrupted', async () => {
      const child = start(score('slow.parquet', lasting(2000), 'y', '--json'))
      await sleep(2000)
      expect(await child.end('SIGINT')).to.deep.equal({
        code: 130,
        stdout: '',
        stderr: 'hinge-embedding-loss: interrupted\n',
      })
    })

    describe('progress', () => {
      const pty = 'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))'
      const onTerminal = async (env: NodeJS.ProcessEnv, ...more: string[]) => {
        const command = [process.execPath, complete, ...score('slow.parquet', lasting(10), 'y', '--json', ...more)]
        return run('python3', ['-c', pty, ...command], { cwd: folder, env: { CI: '', NO_COLOR: '', ...env } })
      }

      it('is shown on a terminal, and leaves nothing there', async () => {
        const { code, stdout } = await onTerminal({})
        expect(code, stdout).to.equal(0)
        const shown = stdout.replaceAll('\r\x1b[K', '<again>')
        expect(shown).to.match(/<again>\d+ %, [\d,]+ rows, [\d,]+ rows\/s, \d+ s left<again>/)
        expect(shown).to.match(/<again>\{"count":3000000,.*\}\r\n$/)
      })

      it('is not where it is not wanted', async () => {
        const outcomes = [
          await onTerminal({ CI: '1' }),
          await onTerminal({ NO_COLOR: '1' }),
          await onTerminal({}, '--no-progress'),
        ]
        for (const { code, stdout } of outcomes) {
          expect(code, stdout).to.equal(0)
          expect(stdout).to.match(/^\{"count":3000000,.*\}\r\n$/)
        }
      })
    })

    it('gives all or an error that names the file, where one vanishes or shrinks meanwhile', async () => {
      const whole = JSON.parse(await succeeds(score(['slow.parquet', 'pairs.parquet'], 'w', 'y', '--json')))
      const changes = [rmSync, (file: string) => truncateSync(file, 1000)]
      for (const change of changes) {
        cpSync(join(folder, 'pairs.parquet'), join(folder, 'going.parquet'))
        const { outcome } = start(score(['slow.parquet', 'going.parquet'], 'w', 'y', '--json'))
        await sleep(300 + 700 * Math.random())
        change(join(folder, 'going.parquet'))
        const { code, stdout, stderr } = await outcome
        if (code === 0) expect(JSON.parse(stdout)).to.deep.equal(whole)
        else expect({ code, stderr }).to.satisfy(() => code === 1 && stderr.includes('going.parquet'))
      }
    })

    it('is quiet when nobody reads its output to the end', async function () {
      if (process.platform !== 'linux') return this.skip()
      const command = [process.execPath, complete, ...score('pairs.parquet', 'd', 'y')]
      const outcome = await run('bash', ['-c', '"$@" | true; exit $PIPESTATUS', 'bash', ...command], { cwd: folder })
      expect(outcome).to.deep.equal({ code: 1, stdout: '', stderr: '' })
    })

    it('says so when its output cannot be written', async function () {
      if (process.platform !== 'linux') return this.skip()
      const command = [process.execPath, complete, ...score('pairs.parquet', 'd', 'y')]
      const outcome = await run('sh', ['-c', '"$@" > /dev/full', 'sh', ...command], { cwd: folder })
      expect(outcome).to.deep.include({ code: 1, stdout: '' })
      expect(outcome.stderr).to.match(/^hinge-embedding-loss: standard output: ENOSPC[^\n]*\n$/)
    })
  })
})

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { DateDay, Table, tableFromArrays, tableToIPC, Utf8, vectorFromArray } from 'apache-arrow'
import { expect } from 'chai'
import { foldResults, planOf, shardProcessor } from '../../lib/bullmq/index.ts'
import { explainError } from '../../lib/cli/flags.ts'
import { streamTotals } from '../../lib/files/totals.ts'
import { command } from '../support/command.ts'
import {
  type Answer,
  assertAnswer,
  expectationsOf,
  type GroupCase,
  randomCase,
  writeFiles,
} from '../support/group-files.ts'
import { Random } from '../support/random.ts'
import { formatAsJSON } from '../support/totals.ts'

describe('groups of --by', function () {
  this.timeout(120_000)
  let folder: string
  let connection: DuckDBConnection
  const path = (name: string) => join(folder, name)

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-groups-'))
    connection = await (await DuckDBInstance.create(':memory:')).connect()
  })
  after(() => {
    connection.closeSync()
    rmSync(folder, { recursive: true })
  })

  const options = (by: string) => ['--input', 'x', '--label', 'y', '--by', by, '--json']

  async function values(files: readonly string[], by: string, ...more: string[]): Promise<string[]> {
    const { code, stdout, stderr } = await command(['score', ...files.map(path), ...options(by), ...more])
    expect({ code, stderr }, `${files} ${by}`).to.deep.equal({ code: 0, stderr: '' })
    return [...stdout.matchAll(/\{"by":(.*?),"count"/g)].map(([, value = '']) => value)
  }

  async function refuses(files: readonly string[], by: string, named: RegExp): Promise<void> {
    const { code, stdout, stderr } = await command(['score', ...files.map(path), ...options(by)])
    expect({ code, stdout }, stderr).to.deep.equal({ code: 1, stdout: '' })
    expect(stderr).to.match(named)
  }

  /** The answer of shards that are scored one by one in this process. */
  async function shards(files: readonly string[], by: string): Promise<Answer> {
    const { process, close } = await shardProcessor({ threads: 1 })
    try {
      const plan = await planOf(files, { input: 'x', label: 'y', by })
      const { version } = JSON.parse(
        JSON.stringify({ version: (await import('../../lib/index.ts')).runtimeInfo().version }),
      )
      const results = []
      for (const [index, shard] of plan.shards.entries()) {
        results.push(await process({ data: { version, index, options: plan.options, shard, retention: 60 } }))
      }
      return { stdout: await formatAsJSON([streamTotals(await foldResults(plan, results.reverse()))]), stderr: '' }
    } catch (error) {
      return { stdout: '', stderr: explainError(error).message }
    } finally {
      close()
    }
  }

  it('groups of all kinds of files are those of Python, on one machine and in shards, or are refused', async () => {
    const random = new Random(1)
    const cases: (GroupCase & { folder: string })[] = []
    for (let i = 0; i < 24; i++) {
      const place = path(`case${i}`)
      mkdirSync(place)
      cases.push({ ...randomCase(random), folder: place })
      await writeFiles(connection, place, cases[i]?.files ?? [])
    }
    const expectations = expectationsOf(cases)
    let refused = 0
    for (const [i, each] of cases.entries()) {
      const files = each.files.map(({ name }) => join(each.folder, name))
      const answers = [await command(['score', ...files, ...options(each.by)]), await shards(files, each.by)]
      for (const answer of answers) {
        assertAnswer(expectations[i] as (typeof expectations)[0], each, answer)
        if (answer.stdout === '') refused++
      }
    }
    expect(refused).to.be.within(1, 24)
  })

  it('integers of 2^53 and more in text are different keys, also in an expression', async () => {
    writeFileSync(path('ids.csv'), 'x,y,id\n0.5,1,9007199254740993\n0.5,1,9007199254740992\n')
    writeFileSync(path('ids.ndjson'), '{"x":0.5,"y":1,"id":9007199254740993}\n{"x":0.5,"y":1,"id":2}\n')
    writeFileSync(path('few.csv'), 'x,y,id\n0.5,1,2\n')
    await connection.run(`COPY (SELECT 0.5 AS x, 1 AS y, 9007199254740993 AS id) TO '${path('ids.parquet')}'`)
    const [even, odd] = ['9007199254740992', '9007199254740993']
    expect(await values(['ids.csv'], 'id')).to.deep.equal([even, odd])
    expect(await values(['ids.csv'], 'id % 10')).to.deep.equal(['2', '3'])
    expect(await values(['ids.ndjson'], 'id % 10')).to.deep.equal(['2', '3'])
    expect(await values(['ids.csv', 'ids.ndjson', 'few.csv', 'ids.parquet'], 'id')).to.deep.equal(['2', even, odd])
    writeFileSync(path('halves.ndjson'), '{"x":0.5,"y":1,"id":9007199254740993}\n{"x":0.5,"y":1,"id":0.5}\n')
    writeFileSync(path('halves.csv'), 'x,y,id\n0.5,1,9007199254740993\n0.5,1,0.5\n')
    for (const file of ['halves.csv', 'halves.ndjson']) {
      expect(await values([file], 'id')).to.deep.equal(file.endsWith('.csv') ? ['"0.5"', `"${odd}"`] : ['0.5', odd])
      await refuses([file], 'id % 10', new RegExp(`${file}: --by id % 10: column id has numbers of 2\\^53 or more`))
    }
    writeFileSync(path('half.csv'), 'x,y,id\n0.5,1,0.5\n')
    await refuses(
      ['half.csv', 'ids.parquet'],
      'id',
      /--by id is BIGINT, but DOUBLE in .*half\.csv.*9007199254740993 is no DOUBLE/,
    )
    writeFileSync(
      path('deep.ndjson'),
      '{"x":0.5,"y":1,"of":{"id":9007199254740993}}\n{"x":0.5,"y":1,"of":{"id":0.5}}\n',
    )
    for (const by of ['of', 'of.id']) await refuses(['deep.ndjson'], by, /column of has numbers of 2\^53 or more/)
  })

  it('only numbers compare with keys of another type', async () => {
    writeFileSync(path('words.csv'), 'x,y,k\n0.5,1,true\n')
    writeFileSync(path('number.csv'), 'x,y,k\n0.5,1,1\n')
    writeFileSync(path('nothing.csv'), 'x,y,k\n0.5,1,\n')
    writeFileSync(path('text.ndjson'), '{"x":0.5,"y":1,"k":"1"}\n')
    for (const [file, type] of [
      ['one', '1::TINYINT'],
      ['half', '1.5::DOUBLE'],
      ['cent', '1::DECIMAL(9,2)'],
      ['day', "DATE '2024-01-01'"],
    ]) {
      await connection.run(`COPY (SELECT 0.5 AS x, 1 AS y, ${type} AS k) TO '${path(`${file}.parquet`)}'`)
    }
    expect(
      await values(['one.parquet', 'half.parquet', 'cent.parquet', 'number.csv', 'nothing.csv'], 'k'),
    ).to.deep.equal(['1.0', '1.5', 'null'])
    await refuses(['one.parquet', 'words.csv'], 'k', /words\.csv: --by k is BOOLEAN, but TINYINT in .*one\.parquet/)
    await refuses(['one.parquet', 'text.ndjson'], 'k', /text\.ndjson: --by k is VARCHAR, but TINYINT in .*one\.parquet/)
    await refuses(['half.parquet', 'day.parquet'], 'k', /day\.parquet: --by k is DATE, but DOUBLE in/)
  })

  it('keys have one zero, one NaN and both infinities', async () => {
    writeFileSync(path('zeros.csv'), 'x,y,k\n0.5,1,-0.0\n0.5,1,0\n0.5,1,inf\n0.5,1,-inf\n0.5,1,nan\n0.5,1,-nan\n')
    expect(await values(['zeros.csv'], 'k')).to.deep.equal(['"-Infinity"', '0.0', '"Infinity"', '"NaN"'])
    expect(await values(['zeros.csv'], '[k, 1]')).to.deep.equal([
      '["-Infinity",1.0]',
      '[0.0,1.0]',
      '["Infinity",1.0]',
      '["NaN",1.0]',
    ])
  })

  it('keys in JSON of several types have one zero, too', async () => {
    const keys = ['0.0', '-0.0', '"a"', '{"b":[-0.0]}', '{"b":[0.0]}']
    writeFileSync(path('zeros.ndjson'), keys.map((key) => `{"x":0.5,"y":1,"k":${key}}\n`).join(''))
    expect((await values(['zeros.ndjson'], 'k')).sort()).to.deep.equal(['"a"', '0.0', '{"b":[0.0]}'])
  })

  it('text keys of JSON are what the file has', async () => {
    const texts = ['2024-01-01', '2024-1-1', '6F9619FF-8B86-D011-B42D-00CF4FC964FF', '10:00', '2024-01-01T00:00:00Z']
    for (const [i, text] of texts.entries()) {
      writeFileSync(path(`${i}.ndjson`), `{"x":0.5,"y":1,"k":"${text}","in":{"DATE":["${text}"]}}\n`)
      expect(await values([`${i}.ndjson`], 'k')).to.deep.equal([JSON.stringify(text)])
      expect(await values([`${i}.ndjson`], '"in"')).to.deep.equal([JSON.stringify({ DATE: [text] })])
    }
  })

  it('keys from folder names are what the folders spell', async () => {
    const folders = {
      days: ['2024-01-01', '2024-1-1'],
      times: ['2024-01-01 00%3A00', '2024-01-01 00%3A00%3A00'],
      zips: ['007', '7'],
      numbers: ['10', '9', '-1', '__HIVE_DEFAULT_PARTITION__'],
    }
    const wanted = {
      days: ['"2024-01-01"', '"2024-1-1"'],
      times: ['"2024-01-01 00:00"', '"2024-01-01 00:00:00"'],
      zips: ['"007"', '"7"'],
      numbers: ['-1', '9', '10', 'null'],
    }
    for (const [name, folder] of Object.entries(folders)) {
      for (const value of folder) {
        mkdirSync(path(`${name}/k=${value}`), { recursive: true })
        writeFileSync(path(`${name}/k=${value}/a.csv`), 'x,y\n0.5,1\n')
      }
      expect(await values([name], 'k')).to.deep.equal(wanted[name as keyof typeof wanted])
      const { stdout, stderr } = await shards([path(name)], 'k')
      expect(stdout, stderr).to.include(`"by":${wanted[name as keyof typeof wanted][1]}`)
    }
  })

  it('all keys may be null, also in an expression', async () => {
    writeFileSync(path('nulls.ndjson'), '{"x":0.5,"y":1,"k":null}\n')
    for (const by of ['k', 'k % 3']) expect(await values(['nulls.ndjson'], by)).to.deep.equal(['null'])
  })

  it('Arrow keys are of one kind, and each day is its own key', async () => {
    const columns = { x: Float64Array.of(0.5), y: Int8Array.of(1) }
    const write = (name: string, k: Table) =>
      writeFileSync(path(name), tableToIPC(tableFromArrays(columns).assign(k), 'file'))
    write('one.arrow', tableFromArrays({ k: Int32Array.of(1) }))
    write('half.arrow', tableFromArrays({ k: Float64Array.of(1.5) }))
    write('nan.arrow', tableFromArrays({ k: Float64Array.of(Number.NaN) }))
    write('text.arrow', new Table({ k: vectorFromArray(['NaN'], new Utf8()) }))
    write('day.arrow', new Table({ k: vectorFromArray([new Date('+010000-01-02')], new DateDay()) }))
    write('next.arrow', new Table({ k: vectorFromArray([new Date('+010000-01-03')], new DateDay()) }))
    expect(await values(['one.arrow', 'half.arrow', 'nan.arrow'], 'k')).to.deep.equal(['1', '1.5', '"NaN"'])
    expect(await values(['day.arrow', 'next.arrow'], 'k')).to.deep.equal(['"+010000-01-02"', '"+010000-01-03"'])
    await refuses(['nan.arrow', 'text.arrow'], 'k', /text\.arrow: --by k: NaN is text, but NaN before is a number/)
    await refuses(
      ['text.arrow', 'day.arrow'],
      'k',
      /day\.arrow: --by k: \+010000-01-02 is a date, but NaN before is text/,
    )
  })

  it('keys of any type are printed as valid JSON', async () => {
    const types: [string, string][] = [
      [
        `{ a: 'nan'::DOUBLE, b: ['inf'::FLOAT, -0.0], c: '-inf "NaN" -0.0' }`,
        '{"a":"NaN","b":["Infinity",0.0],"c":"-inf \\"NaN\\" -0.0"}',
      ],
      [`'\\xAA"'::BLOB`, String.raw`"\\xAA\\x22"`],
      [`TIMESTAMP '2024-01-01 00:00:00.5'`, '"2024-01-01 00:00:00.5"'],
      [`'infinity'::TIMESTAMP`, '"infinity"'],
      [`MAP { 'a"': 'nan'::DOUBLE }`, '{"a\\"":"NaN"}'],
      [`union_value(a := 'nan'::DOUBLE)`, '{"a":"NaN"}'],
      [`'101'::BIT`, '"101"'],
      [`chr(1) || chr(8232) || '\\'`, '"\\u0001\u2028\\\\"'],
      [`'{"a": [NaN, "x y"]}'::JSON`, '{"a":["NaN","x y"]}'],
      ['0.1::DECIMAL(38,30)', '0.100000000000000000000000000000'],
      ['170141183460469231731687303715884105727::HUGEINT', '170141183460469231731687303715884105727'],
      ['1::BIGNUM', '1'],
    ]
    writeFileSync(path('one.csv'), 'x,y\n0.5,1\n')
    for (const [by, wanted] of types) {
      const { stdout, stderr } = await command(['score', path('one.csv'), ...options(by)])
      expect(stdout, `${by} ${stderr}`).to.include(`{"by":${wanted},"count"`)
      JSON.parse(stdout)
    }
    await refuses(['one.csv'], `INTERVAL '1 month'`, /INTERVAL/)
  })
})

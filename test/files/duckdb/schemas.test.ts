import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import { command } from '../../support/command.ts'
import { exchangeJSON, type Outcome } from '../../support/processes.ts'

describe('files of different schemas', function () {
  this.timeout(60_000)

  let folder: string

  before('write files', async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-schemas-'))
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    const copy = (name: string, select: string) =>
      connection.run(`COPY (SELECT ${select}) TO '${join(folder, name)}.parquet'`)
    await copy('ab', `{ 'a': 0.25::DOUBLE, 'b': 9::DOUBLE } AS s, 1 AS y, 'k' AS k`)
    await copy('ba', `{ 'b': 9::DOUBLE, 'a': 0.5::DOUBLE } AS s, 1 AS y, 'k' AS k`)
    await copy('deep', `{ 'a': { 'b': 1 }, 'c': 0.25::DOUBLE } AS s, 1 AS y`)
    await copy('flat', `{ 'a': { 'b': 1, 'c': 0.25::DOUBLE } } AS s, 1 AS y`)
    await copy('scale3', '0.125::DECIMAL(9, 3) AS d, 1 AS y')
    await copy('scale5', '0.03125::DECIMAL(9, 5) AS d, 1 AS y')
    await copy('scale2', '1.25::DECIMAL(4, 2) AS d, 1 AS y')
    await copy('integer', '2::INTEGER AS d, 1 AS y')
    await copy('float', `0.25::FLOAT AS d, 1 AS y, 'a' AS k`)
    await copy('nulls', 'NULL::INTEGER AS d, 1 AS y, NULL::INTEGER AS k')
    await copy('texts', `NULL::VARCHAR AS d, NULL::VARCHAR AS y, 'b' AS k`)
    await copy('none', `'' AS d, '' AS y, 5 AS k LIMIT 0`)
    connection.closeSync()
    writeFileSync(join(folder, 'header.csv'), 'd,y,k\n')
    writeFileSync(join(folder, 'x.csv'), 'd,y,k\n0.5,1,a\n')
    writeFileSync(join(folder, 'empty.csv'), 'd,y,k\n,1,\n')
  })

  after(() => rmSync(folder, { recursive: true, force: true }))

  const score = (files: readonly string[], ...more: string[]): Promise<Outcome> => {
    const paths = files.map((name) => join(folder, name.includes('.') ? name : `${name}.parquet`))
    return command(['score', ...paths, '--label', 'y', '--json', ...more])
  }

  async function scores(files: readonly string[], count: number, sum: number, ...more: string[]): Promise<Outcome> {
    const outcome = await score(files, ...more)
    expect(outcome, files.join()).to.include({ code: 0, stderr: '' })
    const { total, ...all } = JSON.parse(outcome.stdout)
    expect(total ?? all, files.join()).to.deep.include({ count, sum })
    return outcome
  }

  it('files whose structs differ are each read by their own schema', async () => {
    for (const files of [
      ['ab', 'ba'],
      ['ba', 'ab'],
    ])
      await scores(files, 2, 0.75, '--input', 's.a')
    const { stderr } = await score(['ab', 'ba'], '--input', 's.a', '--by', 's')
    expect(stderr).to.match(/ba\.parquet: --by s is STRUCT\(b DOUBLE, a DOUBLE\), but STRUCT\(a DOUBLE, b DOUBLE\)/)
    const deep = await score(['deep', 'flat'], '--input', 's.c')
    expect(deep).to.include({ code: 1, stdout: '' })
    expect(deep.stderr).to.match(/flat\.parquet: /)
  })

  it('files whose decimals have different scales are each read by their own schema', async () => {
    for (const files of [
      ['scale3', 'scale5', 'scale2', 'integer'],
      ['integer', 'scale2', 'scale5', 'scale3'],
    ]) {
      await scores(files, 4, 3.40625, '--input', 'd')
    }
    const by = await scores(['scale3', 'scale5'], 2, 0.15625, '--input', 'd', '--by', 'd')
    expect(JSON.parse(by.stdout).groups.map(({ by }: { by: number }) => by)).to.deep.equal([0.03125, 0.125])
  })

  it('files of one schema are one scan, so that their folders have one type', async () => {
    const files = ['day=01', 'day=1', 'day=x'].map((name) => join(name, 'pairs'))
    for (const name of files) {
      mkdirSync(dirname(join(folder, name)))
      copyFileSync(join(folder, 'float.parquet'), join(folder, `${name}.parquet`))
    }
    const { stdout } = await scores(files, 3, 0.75, '--input', 'd', '--by', 'day')
    expect(JSON.parse(stdout).groups.map(({ by }: { by: unknown }) => by)).to.deep.equal(['01', '1', 'x'])
  })

  it('a column without values may have any type beside files with values', async () => {
    const ignore = ['--input', 'd', '--nulls', 'ignore']
    const all = ['nulls', 'texts', 'none', 'float']
    for (const files of [all, all.toReversed()]) await scores(files, 1, 0.25, ...ignore)
    for (const name of ['nulls', 'texts', 'none', 'header.csv', 'empty.csv']) await scores([name], 0, 0, ...ignore)
    await scores(['none', 'header.csv', 'float', 'x.csv'], 2, 0.75, '--input', 'd', '--by', 'k')
    const { code, stderr } = await score(['nulls', 'float'], '--input', 'd')
    expect(code).to.equal(1)
    expect(stderr).to.match(/nulls\.parquet, row 1: --input d is null/)
    const output = join(folder, 'losses.csv')
    await scores(['none', 'nulls', 'float', 'texts'], 1, 0.25, ...ignore, '--keep', 'k', '--output', output)
    const python = 'import csv, json, sys; print(json.dumps(list(csv.reader(open(sys.argv[1])))))'
    expect(exchangeJSON('python3', ['-c', python, output])).to.deep.equal([
      ['loss', 'k'],
      ['', ''],
      ['0.25', 'a'],
      ['', 'b'],
    ])
  })

  describe('of text files', () => {
    const byValues = async (name: string, text: string, by: string): Promise<unknown[]> => {
      writeFileSync(join(folder, name), text)
      const { code, stdout, stderr } = await score([name], '--input', 'd', '--by', by)
      expect(code, stderr).to.equal(0)
      return JSON.parse(stdout).groups.map((group: { by: unknown; count: number }) => [group.by, group.count])
    }
    const objects = (...keys: unknown[]) => keys.map((k) => `{"d":0.5,"y":1,"k":${JSON.stringify(k)}}\n`).join('')

    it('dates, times and UUIDs in NDJSON stay as they are written', async () => {
      const groups = [
        ['2024-01-05', '2024-1-5'],
        ['2024-01-05 00:00:00', '2024-01-05T00:00:00'],
        ['AAAAAAAA-0000-0000-0000-000000000000', 'aaaaaaaa-0000-0000-0000-000000000000'],
        ['1:00:00', '01:00:00'],
      ]
      for (const keys of groups) {
        const counts = keys.toSorted().map((key) => [key, 1])
        expect(await byValues('keys.ndjson', objects(...keys), 'k')).to.deep.equal(counts)
        const inner = await byValues('keys.ndjson', objects(...keys.map((DATE) => ({ DATE }))), 'k.DATE')
        expect(inner).to.deep.equal(counts)
      }
    })

    it('NDJSON with true beside 1, or text beside numbers, is refused', async () => {
      for (const [d, y] of [
        ['"0.5"', '1'],
        ['0.5', 'true'],
      ]) {
        writeFileSync(join(folder, 'mixed.ndjson'), `{"d":0.5,"y":1}\n{"d":${d},"y":${y}}\n`)
        const { code, stderr } = await score(['mixed.ndjson'], '--input', 'd')
        expect(code).to.equal(1)
        expect(stderr).to.match(/mixed\.ndjson: --(input d|label y) is JSON, must be a number/)
      }
    })

    it('CSV text that looks like numbers only at first, or only in part, stays text', async () => {
      const late = `d,y,k\n${'0.5,1,1\n'.repeat(21_000)}0.5,1,x\n`
      expect(await byValues('late.csv', late, 'k')).to.deep.equal([
        ['1', 21_000],
        ['x', 1],
      ])
      expect(await byValues('ids.csv', 'd,y,k\n0.5,1,1_2\n0.5,1,12\n', 'k')).to.deep.equal([
        ['12', 1],
        ['1_2', 1],
      ])
      expect(await byValues('words.csv', 'd,y,k\n0.5,1,y\n0.5,1,yes\n', 'k')).to.deep.equal([
        ['y', 1],
        ['yes', 1],
      ])
    })
  })
})

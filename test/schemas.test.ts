import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import { command, type Outcome } from './command.ts'

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

  it('are read each by its own structure', async () => {
    for (const files of [
      ['ab', 'ba'],
      ['ba', 'ab'],
    ])
      await scores(files, 2, 0.75, '--input', 's.a')
    const { stderr } = await score(['ab', 'ba'], '--input', 's.a', '--by', 's')
    expect(stderr).to.match(
      /ba\.parquet: --by s is STRUCT\("b" DOUBLE, "a" DOUBLE\), but STRUCT\("a" DOUBLE, "b" DOUBLE\)/,
    )
    const deep = await score(['deep', 'flat'], '--input', 's.c')
    expect(deep).to.include({ code: 1, stdout: '' })
    expect(deep.stderr).to.match(/flat\.parquet: /)
  })

  it('are read each by its own scale of decimals', async () => {
    for (const files of [
      ['scale3', 'scale5', 'scale2', 'integer'],
      ['integer', 'scale2', 'scale5', 'scale3'],
    ]) {
      await scores(files, 4, 3.40625, '--input', 'd')
    }
    const by = await scores(['scale3', 'scale5'], 2, 0.15625, '--input', 'd', '--by', 'd')
    expect(JSON.parse(by.stdout).groups.map(({ by }: { by: number }) => by)).to.deep.equal([0.03125, 0.125])
  })

  it('have nulls alone, or no rows, of any type beside others', async () => {
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
    expect(JSON.parse(execFileSync('python3', ['-c', python, output]).toString())).to.deep.equal([
      ['loss', 'k'],
      ['', ''],
      ['0.25', 'a'],
      ['', 'b'],
    ])
  })
})

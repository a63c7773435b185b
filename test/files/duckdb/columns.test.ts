import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import { command } from '../../support/command.ts'
import { exchangeJSON } from '../../support/processes.ts'

const cases = fileURLToPath(new URL('../../fixtures/cases/', import.meta.url))

describe('columns that options name', function () {
  this.timeout(60_000)

  let folder: string

  before('write the same columns in all formats', async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-columns-'))
    const rows = [
      [0.25, 9, 1, 7, 0.5],
      [1.5, 9, -1, 8, 0.5],
    ]
    const names = ['distance', 'Distance', 'label', 'order', 'Distance (L2)', 'my distance', '1', 'a"b']
    const texts = rows.map((row) => [...row, row[0], row[0], row[0]])
    writeFileSync(join(folder, 'x.csv'), [names.map((name) => `"${name.replaceAll('"', '""')}"`), ...texts].join('\n'))
    const objects = texts.map((row) => JSON.stringify(Object.fromEntries(row.map((value, i) => [names[i], value]))))
    writeFileSync(join(folder, 'x.ndjson'), objects.join('\n'))
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    const others = names.filter((name) => name !== 'Distance').map((name) => `"${name.replaceAll('"', '""')}"`)
    await connection.run(`COPY (SELECT ${others} FROM read_csv('${folder}/x.csv', header = true, quote = '"'))
      TO '${folder}/x.parquet'`)
    connection.closeSync()
  })

  after(() => rmSync(folder, { recursive: true, force: true }))

  const score = (file: string, input: string, ...more: string[]) =>
    command(['score', file, '--input', input, '--label', 'label', '--json', ...more])

  async function scores(file: string, input: string, sum: number): Promise<void> {
    const { code, stdout, stderr } = await score(file, input)
    expect({ code, stderr }, `${file} ${input}`).to.deep.equal({ code: 0, stderr: '' })
    expect(JSON.parse(stdout), `${file} ${input}`).to.deep.include({ count: 2, sum })
  }

  it('a text that is exactly a column name is that column before it is SQL', async () => {
    for (const file of ['x.csv', 'x.ndjson', 'x.parquet'].map((name) => join(folder, name))) {
      await scores(file, 'distance', 0.25)
      await scores(file, 'order', 7)
      await scores(file, 'Distance (L2)', 1)
      for (const name of [
        'my distance',
        '"my distance"',
        '1',
        'a"b',
        '"a""b"',
        'MY_DISTANCE'.toLowerCase().replace('_', ' '),
      ]) {
        await scores(file, name, 0.25)
      }
      await scores(file, 'LABEL * 0 + "1"', 0.25)
    }
  })

  it('a column of the exact case is found first, also in quotes and in expressions', async () => {
    const files = [
      join(folder, 'x.csv'),
      join(folder, 'x.ndjson'),
      join(cases, 'case/a.csv'),
      join(cases, 'case/a.parquet'),
    ]
    for (const file of files) {
      for (const text of [
        'distance',
        '"distance"',
        'distance + 0',
        '0 + "distance"',
        'CASE WHEN Distance = 9 THEN distance END',
        'distance::DOUBLE+distance*0+Distance*0',
        `CASE WHEN 'é😀'<>'' THEN"distance"-0*distance END`,
        'list_sum(list_transform([distance], lambda x: x+0))',
      ]) {
        await scores(file, text, 0.25)
      }
      await scores(file, 'Distance', 9)
      await scores(file, '"Distance" * 1 + distance * 0', 9)
    }
  })

  it('a column is found in another case if only one column has that name', async () => {
    for (const name of ['x.csv', 'x.ndjson', 'x.parquet']) {
      await scores(join(folder, name), 'ORDER', 7).catch((error) => expect(String(error)).to.match(/syntax|ORDER/))
      await scores(join(folder, name), '"ORDER"', 7)
    }
  })

  it('a name that fits several columns is refused with a list of them', async () => {
    for (const file of [join(folder, 'x.csv'), join(folder, 'x.ndjson'), join(cases, 'case/a.parquet')]) {
      for (const text of ['DISTANCE', '"dIstance"', 'DISTANCE + 1']) {
        const { code, stdout, stderr } = await score(file, text)
        expect({ code, stdout }, stderr).to.deep.equal({ code: 1, stdout: '' })
        expect(stderr)
          .to.include(`--input ${text}: `)
          .and.match(/(distance, Distance|Distance, distance)/)
      }
    }
  })

  it('a name that two columns share is refused', async () => {
    const twice = join(folder, 'twice.csv')
    writeFileSync(twice, 'distance,distance,label\n0.5,0.25,1\n')
    for (const file of [twice, join(cases, 'case/dup.parquet')]) {
      const { code, stderr } = await score(file, 'distance')
      expect(code).to.equal(1)
      expect(stderr).to.match(/more than one column has the name distance/)
    }
    const { stdout } = await command(['score', twice, '--input', 'label', '--label', 'label', '--json'])
    expect(JSON.parse(stdout)).to.deep.include({ count: 1, sum: 1 })
  })

  it('--by and --keep find columns as --input does', async () => {
    for (const name of ['x.csv', 'x.ndjson', 'x.parquet']) {
      const output = join(folder, 'losses.csv')
      const more = ['--by', 'order', '--output', output, '--keep', 'Distance (L2)', '--keep', 'order']
      const { code, stdout, stderr } = await score(join(folder, name), 'distance', ...more)
      expect(code, stderr).to.equal(0)
      expect(
        JSON.parse(stdout).groups.map(({ by }: { by: number }) => by),
        name,
      ).to.deep.equal([7, 8])
      const python = 'import csv, json, sys; print(json.dumps(list(csv.reader(open(sys.argv[1])))))'
      const rows = exchangeJSON<string[][]>('python3', ['-c', python, output])
      expect(rows[0], readFileSync(output, 'utf8')).to.deep.equal(['loss', 'Distance (L2)', 'order'])
      expect(rows.slice(1).map((row: string[]) => row.map(Number))).to.deep.equal([
        [0.25, 0.5, 7],
        [0, 0.5, 8],
      ])
    }
  })
})

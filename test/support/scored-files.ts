import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import { formatJSON } from '../../lib/format.ts'
import type { InputData, MarginOptions } from '../../lib/index.ts'
import { command } from './command.ts'
import type { Outcome } from './processes.ts'
import { globName } from './system.ts'
import { accumulate, totalsOf } from './totals.ts'

const rows = 5000

/** Columns of pairs.parquet, which DuckDB reads by itself. */
export const columns: Record<'d' | 'w' | 'y', number[]> = { d: [], w: [], y: [] }

/** Runs a command line. */
type RunCommand = (args: readonly string[]) => Promise<Outcome>

export async function succeeds(args: readonly string[], runCommand: RunCommand = command): Promise<string> {
  const { code, stdout, stderr } = await runCommand(args)
  expect({ code, stderr }, args.join(' ')).to.deep.equal({ code: 0, stderr: '' })
  return stdout
}

export async function fails(
  exitCode: number,
  args: readonly string[],
  message: RegExp,
  runCommand: RunCommand = command,
): Promise<void> {
  const { code, stdout, stderr } = await runCommand(args)
  const what = `${args.join(' ')}\n${stderr}`
  expect(code, what).to.equal(exitCode)
  expect(stdout, what).to.equal('')
  expect(stderr, what).to.match(message)
  expect(stderr, what).to.match(/^hinge-embedding-loss: .+\n$/s)
  expect(stderr, what).not.to.match(/^ +at |node:internal|undefined|\[object/m)
}

/** The arguments of the command score. */
export function score(files: string | string[], input: string, label: string, ...more: string[]): string[] {
  return ['score', ...[files].flat(), '--input', input, '--label', label, ...more]
}

/** An expression that takes time for each row. */
export function slowExpression(steps: number): string {
  return `list_sum(list_transform(range(0, ${steps}), lambda z: z * w))`
}

/** What `--json` prints for elements. */
export function figuresOf(input: InputData, label: readonly number[], options: MarginOptions = {}): object {
  const total = accumulate(input, label, options)
  return JSON.parse(formatJSON({ ...totalsOf(total), margin: total.margin }))
}

/** Checks what `--json` prints. */
export async function scores(args: readonly string[], expected: object): Promise<void> {
  const stdout = await succeeds([...args, '--json'])
  expect(JSON.parse(stdout), args.join(' ')).to.deep.equal(expected)
}

export function write(name: string, data: string | Uint8Array): void {
  writeFileSync(name, data)
}

/** Writes files of all kinds to a new folder, which is the working directory while the tests run. */
export function writeScoredFiles(): void {
  const home = process.cwd()
  let folder: string

  before('write the files', async function () {
    this.timeout(60_000)
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
    process.chdir(folder)
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
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    const copy = (select: string, name: string, options = '') =>
      connection.run(`COPY (${select}) TO '${join(folder, name).replaceAll("'", "''")}' ${options}`)

    await connection.run(`CREATE TABLE pairs AS
      SELECT i AS id, w, w::FLOAT AS d, y::TINYINT AS y, y = 1 AS flag, (y > 0)::UTINYINT AS zero_one,
        CASE WHEN i = 4320 THEN NULL ELSE w END AS gap, CASE WHEN i % 7 = 0 THEN NULL ELSE y END AS gaps,
        CASE WHEN i = 4320 THEN 5 ELSE y END AS other, [w, 1]::FLOAT[2] AS a, [0, 1]::FLOAT[2] AS b,
        'word' AS word, w AS "weird ""name""", w AS "d x"
      FROM (SELECT i, sin(i) + 1 AS w, CASE WHEN i % 10 = 3 THEN 1 ELSE -1 END AS y FROM range(${rows}) AS r(i))`)
    for (const name of Object.keys(columns) as (keyof typeof columns)[]) {
      const values = await connection.runAndReadAll(`SELECT ${name} FROM pairs ORDER BY id`)
      columns[name] = values.getRows().map(([value]) => Number(value))
    }

    for (const name of ['pairs.parquet', `it's.parquet`, `sub[1]/${globName}`]) await copy('FROM pairs', name)
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
    write('notes.txt', '')
  })

  after(() => {
    process.chdir(home)
    rmSync(folder, { recursive: true, force: true })
  })
}

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { Table, tableFromArrays, tableFromIPC, tableToIPC, vectorFromArray } from 'apache-arrow'
import { expect } from 'chai'
import { chunksOf, command } from '../support/command.ts'
import type { Outcome } from '../support/processes.ts'

const rows = [
  { x: 0.25, y: 1, odd: 1, g: 'a', isNull: false },
  { x: Number.NaN, y: 1, odd: 7, g: 'b', isNull: false },
  { x: 1.5, y: -1, odd: -1, g: 'a', isNull: true },
  { x: Number.NaN, y: -1, odd: 7, g: 'a', isNull: true },
  { x: Number.NaN, y: -1, odd: 7, g: 'b', isNull: false },
  { x: 0.5, y: -1, odd: -1, g: 'b', isNull: false },
]
const losses = [0.25, null, 0, null, null, 0.5]

/** An array as the bytes of a .npy. */
function npy(descr: string, values: ArrayBufferView): Buffer {
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${rows.length},), }\n`
  const start = Buffer.from('\x93NUMPY\x01\x00\x00\x00', 'latin1')
  start.writeUInt16LE(header.length, 8)
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  return Buffer.concat([start, Buffer.from(header), bytes])
}

describe('rows whose input is NaN', function () {
  this.timeout(60_000)
  let folder: string
  let connection: DuckDBConnection
  const path = (name: string) => join(folder, name)

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-nan-'))
    connection = await (await DuckDBInstance.create(':memory:')).connect()
    const values = rows.map(({ x, y, odd, g, isNull }) => `('${x}'::DOUBLE, ${y}, ${odd}, '${g}', ${isNull})`)
    await connection.run(`CREATE TABLE pairs AS SELECT x, y, odd, g, x::FLOAT AS f, CASE WHEN NOT is_null THEN x END AS gap
      FROM (VALUES ${values.join()}) AS pairs(x, y, odd, g, is_null)`)
    await connection.run(`COPY pairs TO '${path('pairs.parquet')}'`)
    await connection.run(`COPY (FROM pairs WHERE NOT isnan(x)) TO '${path('clean.parquet')}'`)
    await connection.run(`COPY pairs TO '${path('pairs.csv')}'`)
    writeFileSync(
      path('pairs.ndjson'),
      rows
        .map(
          ({ x, y, odd, g, isNull }) =>
            `{"x":${x},"f":${x},"y":${y},"odd":${odd},"g":"${g}","gap":${isNull ? null : x}}\n`,
        )
        .join(''),
    )
    const [x, y] = [Float64Array.from(rows, (row) => row.x), Int8Array.from(rows, (row) => row.y)]
    const table = tableFromArrays({
      x,
      f: Float32Array.from(x),
      y,
      odd: Int8Array.from(rows, (row) => row.odd),
    }).assign(tableFromArrays({ g: rows.map(({ g }) => g), gap: rows.map((row) => (row.isNull ? null : row.x)) }))
    writeFileSync(path('pairs.arrow'), tableToIPC(table, 'file'))
    writeFileSync(path('pairs.arrows'), tableToIPC(table, 'stream'))
    writeFileSync(path('x.npy'), npy('<f8', x))
    writeFileSync(path('f.npy'), npy('<f4', Float32Array.from(x)))
    writeFileSync(path('y.npy'), npy('|i1', y))
  })
  after(() => {
    connection.closeSync()
    rmSync(folder, { recursive: true })
  })

  /** Files with the arguments that score `input` by `label`. */
  const files = ['pairs.parquet', 'pairs.csv', 'pairs.ndjson', 'pairs.arrow', '-']
  const score = (file: string, input = 'x', label = 'y') => {
    const first = file === '-' ? file : path(file)
    return ['score', first, '--input', input, '--label', label, '--json']
  }
  const arrays = (input: string) => ['score', '--input', path(`${input}.npy`), '--label', path('y.npy'), '--json']

  function run(args: readonly string[]): Promise<Outcome> {
    return command(args, args.includes('-') ? [...chunksOf(readFileSync(path('pairs.arrows')), 100)] : [])
  }

  async function totals(args: readonly string[]): Promise<Record<string, unknown>> {
    const { code, stdout, stderr } = await run(args)
    expect({ code, stderr }, args.join(' ')).to.deep.equal({ code: 0, stderr: '' })
    return JSON.parse(stdout)
  }

  async function fails(args: readonly string[], named: RegExp): Promise<void> {
    const { code, stdout, stderr } = await run(args)
    expect({ code, stdout }, `${args.join(' ')}\n${stderr}`).to.deep.equal({ code: 1, stdout: '' })
    expect(stderr, args.join(' ')).to.match(named)
  }

  it('the error of a NaN input has the file, the first row and the number of such rows', async () => {
    const nanError = (file: string, input: string) =>
      new RegExp(`${file}, row 2: --input \\S*${input} is NaN \\(3 such rows; --nan ignore leaves them out\\)`)
    for (const file of files) {
      for (const input of ['x', 'f']) {
        await fails(score(file, input), nanError(file === '-' ? 'standard input' : file, input))
        await fails([...score(file, input), '--by', 'g'], nanError(file === '-' ? 'standard input' : file, input))
      }
    }
    for (const input of ['x', 'f']) await fails(arrays(input), nanError('y.npy', `${input}.npy`))
    await fails([...score('clean.parquet'), path('pairs.parquet')], nanError('pairs.parquet', 'x'))
    await fails(
      [...score('clean.parquet'), path('pairs.csv'), '--output', path('none.csv')],
      nanError('pairs.csv', 'x'),
    )
    await fails(['partial', path('pairs.parquet'), '--input', 'x', '--label', 'y'], nanError('pairs.parquet', 'x'))
  })

  it('a NaN input is an error even if its label is another one that is ignored', async () => {
    for (const policy of ['zero', 'ignore']) {
      for (const file of files) {
        await fails([...score(file, 'x', 'odd'), '--other-labels', policy], /row 2: --input x is NaN \(3 such rows/)
      }
    }
  })

  it('of the errors of a row a null comes first, a NaN next and an invalid label last', async () => {
    for (const file of files) {
      await fails(score(file, 'x', 'odd'), /row 2: --input x is NaN \(3 such rows/)
      await fails([...score(file, 'gap'), '--nulls', 'ignore'], /row 2: --input gap is NaN \(2 such rows/)
      await fails([...score(file, 'gap'), '--nan', 'ignore'], /row 3: --input gap is null \(2 such rows/)
      await fails([...score(file, 'x', 'odd'), '--nan', 'keep'], /row 2: label is 7, neither 1 nor -1 \(3 such rows/)
    }
  })

  it('--nan ignore leaves out NaN inputs, beside nulls and other labels', async () => {
    const sums = ({ count, sum, others }: Record<string, unknown>) => ({ count, sum, others })
    for (const file of files) {
      const ignore = ['--nan', 'ignore']
      expect(sums(await totals([...score(file), ...ignore]))).to.deep.equal({ count: 3, sum: 0.75, others: 0 })
      const noNulls = await totals([...score(file, 'gap'), ...ignore, '--nulls', 'ignore'])
      expect(sums(noNulls)).to.deep.equal({ count: 2, sum: 0.75, others: 0 })
      for (const policy of ['error', 'zero', 'ignore']) {
        const odd = await totals([...score(file, 'x', 'odd'), ...ignore, '--other-labels', policy])
        expect(sums(odd), `${file} ${policy}`).to.deep.equal({ count: 3, sum: 0.75, others: 0 })
      }
      const { groups } = await totals([...score(file), ...ignore, '--by', 'g'])
      expect(
        (groups as { by: string; count: number; sum: number }[]).map(({ by, count, sum }) => [by, count, sum]),
      ).to.deep.equal([
        ['a', 2, 0.25],
        ['b', 1, 0.5],
      ])
    }
    expect(sums(await totals([...arrays('f'), '--nan', 'ignore']))).to.deep.equal({ count: 3, sum: 0.75, others: 0 })
  })

  it('--nan keep counts NaN inputs, and the sum is NaN', async () => {
    for (const file of files) {
      const { count, sum } = await totals([...score(file), '--nan', 'keep'])
      expect({ count, sum }).to.deep.equal({ count: 6, sum: 'NaN' })
    }
  })

  it('the loss of a NaN input is null, but NaN with --nan keep and in .npy', async () => {
    const read = async (name: string): Promise<unknown[]> => {
      const bytes = readFileSync(path(name))
      if (name.endsWith('.npy')) return [...new Float64Array(Uint8Array.from(bytes.subarray(-8 * rows.length)).buffer)]
      if (name.endsWith('.arrow')) return [...(tableFromIPC(bytes).getChild('loss') ?? [])]
      const found = await connection.runAndReadAll(`SELECT loss::DOUBLE FROM '${path(name)}'`)
      return found.getRows().map(([loss]) => loss)
    }
    const kept = losses.map((loss) => loss ?? Number.NaN)
    for (const output of ['out.parquet', 'out.csv', 'out.arrow', 'out.npy']) {
      for (const file of ['pairs.parquet', 'pairs.csv', 'pairs.arrow']) {
        const args = [...score(file), '--output', path(output)]
        await totals([...args, '--nan', 'ignore'])
        expect(await read(output), `${file} ${output}`).to.deep.equal(output.endsWith('.npy') ? kept : losses)
        await totals([...args, '--nan', 'keep'])
        expect(await read(output), `${file} ${output}`).to.deep.equal(kept)
      }
    }
  })

  it('a picture says how many NaN inputs it leaves out', async () => {
    for (const file of files) {
      const plot = ['plot', ...score(file, 'gap').slice(1), '--output', path('gap.svg')]
      await totals([...plot, '--nan', 'ignore', '--nulls', 'ignore'])
      const svg = readFileSync(path('gap.svg'), 'utf8')
      expect(svg).to.include('2 rows with a null left out').and.include('2 rows with NaN left out')
    }
  })

  it('infinite inputs are not NaN inputs even if their sum is NaN', async () => {
    writeFileSync(path('infinite.csv'), 'x,y\ninf,1\n-inf,1\n')
    const infinite = tableFromArrays({ x: Float64Array.of(Infinity, -Infinity), y: Int8Array.of(1, 1) })
    writeFileSync(path('infinite.arrow'), tableToIPC(infinite, 'file'))
    for (const file of ['infinite.csv', 'infinite.arrow']) {
      const { count, sum } = await totals(score(file))
      expect({ count, sum }).to.deep.equal({ count: 2, sum: 'NaN' })
    }
  })

  it('a NaN under a null of an Arrow column is a null', async () => {
    const x = vectorFromArray([0.5, null, 0.25])
    ;(x.data[0]?.values as Float64Array)[1] = Number.NaN
    const table = tableFromArrays({ y: Int8Array.of(1, 1, 1) })
    writeFileSync(path('hidden.arrow'), tableToIPC(table.assign(new Table({ x })), 'file'))
    const { count, sum } = await totals([...score('hidden.arrow'), '--nulls', 'ignore'])
    expect({ count, sum }).to.deep.equal({ count: 2, sum: 0.75 })
  })
})

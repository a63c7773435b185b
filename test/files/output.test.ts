import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { Bool, Table, tableFromArrays, tableFromIPC, tableToIPC, Utf8, vectorFromArray } from 'apache-arrow'
import { expect } from 'chai'
import { detailsOf } from '../../lib/files/errors.ts'
import { scoreFiles } from '../../lib/files.ts'
import { hingeEmbeddingLoss, type MarginOptions } from '../../lib/index.ts'
import { installPackage } from '../support/application.ts'
import { chunksOf, command } from '../support/command.ts'
import { node, nodePath, Program, succeeds } from '../support/processes.ts'
import { Random } from '../support/random.ts'
import { isWindows, makesLinks } from '../support/system.ts'

const fixture = fileURLToPath(new URL('../fixtures/arrow/plain/pyarrow.arrow', import.meta.url))
const kills = Number(process.env.SOAK_TIMES ?? 2)
/** More rows than DuckDB has in a chunk. */
const rows = Array.from({ length: 2100 }, (_, i) => i)
const words = ['near', '', null, 'a "quoted", word', 'two\nlines', 'größer 𝔸']
const columns = {
  x: Float64Array.from(rows, (i) => ((i * 37) % 97) / 30),
  f: Float32Array.from(rows, (i) => ((i * 41) % 89) / 27),
  y: Int8Array.from(rows, (i) => (i % 10 === 3 ? 1 : -1)),
  one: Int8Array.from(rows, () => 1),
  odd: Int8Array.from(rows, (i) => [1, -1, 0][i % 3] as number),
  gap: rows.map((i) => (i % 7 === 5 ? null : ((i * 37) % 97) / 30)),
  note: rows.map((i) => words[i % words.length] as string | null),
  flag: rows.map((i) => (i % 4 === 1 ? null : i % 2 === 0)),
  large: BigInt64Array.from(rows, (i) => 2n ** 62n + BigInt(i)),
}

type Losses = (number | null)[]

function lossesOf(input: Float32Array | Float64Array, label: ArrayLike<number>, options: MarginOptions = {}): number[] {
  return [...hingeEmbeddingLoss(input, Float64Array.from(label), { ...options, reduction: 'none' }).data]
}

/** The bytes of a .npy file. */
function npy(descr: string, values: ArrayBufferView, shape: readonly number[], isFortranOrder = false): Buffer {
  const order = isFortranOrder ? 'True' : 'False'
  const header = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': (${shape.join(', ')},), }\n`
  const start = Buffer.from('\x93NUMPY\x01\x00\x00\x00', 'latin1')
  start.writeUInt16LE(header.length, 8)
  return Buffer.concat([
    start,
    Buffer.from(header),
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  ])
}

describe('score --output', function () {
  this.timeout(process.env.SOAK_TIMES ? 1_200_000 : 60_000)
  let folder: string
  let connection: DuckDBConnection
  let program: string
  const path = (name: string) => join(folder, name)

  before('write the inputs', async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
    program = await installPackage(path('program'), ['commander', '@duckdb', 'apache-arrow'])
    const { gap, note, flag, ...plain } = columns
    const texts = vectorFromArray(note, new Utf8())
    const flags = vectorFromArray(flag, new Bool())
    const table = tableFromArrays(plain).assign(new Table({ gap: vectorFromArray(gap), note: texts, flag: flags }))
    writeFileSync(path('pairs.arrow'), tableToIPC(table, 'file'))
    writeFileSync(path('pairs.arrows'), tableToIPC(table, 'stream'))
    const { x, f, y, one } = columns
    for (const [name, values] of Object.entries({ x, f, y, one })) {
      const descr = { x: '<f8', f: '<f4', y: '|i1', one: '|i1' }[name] as string
      writeFileSync(path(`${name}.npy`), npy(descr, values, [rows.length]))
      writeFileSync(path(`${name}-square.npy`), npy(descr, values, [35, 60]))
      writeFileSync(path(`${name}-fortran.npy`), npy(descr, values, [35, 60], true))
    }
    connection = await (await DuckDBInstance.create(':memory:')).connect()
    const values = rows.map((i) => {
      const { x, f, y, one, odd, gap, note, flag, large } = columns
      const text = note[i] === null ? 'NULL' : `'${note[i]}'`
      return `(${i}, '${x[i]}'::DOUBLE, '${f[i]}'::FLOAT, ${y[i]}::TINYINT, ${one[i]}::TINYINT, ${odd[i]}::TINYINT, ${gap[i] === null ? 'NULL' : `'${gap[i]}'`}::DOUBLE, ${text}, ${flag[i]}, ${large[i]}::BIGINT)`
    })
    await connection.run(
      `CREATE TABLE pairs AS FROM (VALUES ${values.join()}) t(i, x, f, y, one, odd, gap, note, flag, large)`,
    )
    for (const end of ['parquet', 'csv', 'ndjson']) {
      const format = end === 'ndjson' ? '(FORMAT json)' : ''
      await connection.run(`COPY (FROM pairs ORDER BY i) TO '${path(`pairs.${end}`)}' ${format}`)
    }
  })
  after(() => {
    connection.closeSync()
    rmSync(folder, { recursive: true })
  })

  async function run(args: readonly string[], stdin?: Iterable<Uint8Array>): Promise<string> {
    const { code, stdout, stderr } = await command(['score', ...args, '--json'], stdin)
    expect({ code, stderr }, args.join(' ')).to.deep.equal({ code: 0, stderr: '' })
    return stdout
  }

  async function assertFails(exitCode: number, args: readonly string[], expected: RegExp): Promise<void> {
    const { code, stdout, stderr } = await command(['score', ...args])
    expect({ code, stdout }, `${args.join(' ')}\n${stderr}`).to.deep.equal({ code: exitCode, stdout: '' })
    expect(stderr, args.join(' ')).to.match(expected)
    expect(stderr).to.match(/^hinge-embedding-loss: .+\n$/)
  }

  const score = (input: string, label: string, ...more: string[]) => ['--input', input, '--label', label, ...more]

  async function read(name: string): Promise<Record<string, unknown[]>> {
    if (name.endsWith('.npy')) return { loss: arrayIn(readFileSync(path(name))).values }
    if (name.endsWith('.arrow')) {
      const table = tableFromIPC(readFileSync(path(name)))
      return Object.fromEntries(table.schema.fields.map((field, i) => [field.name, [...(table.getChildAt(i) ?? [])]]))
    }
    const from = name.endsWith('.csv')
      ? `read_csv('${path(name)}', all_varchar = true, allow_quoted_nulls = false)`
      : `'${path(name)}'`
    const result = await connection.runAndReadAll(`FROM ${from}`)
    const found = result.getColumnsObject() as Record<string, unknown[]>
    const numbers = (found.loss ?? []).map((loss) => (loss === null ? null : Number(loss)))
    return { ...found, loss: numbers }
  }

  function arrayIn(bytes: Buffer): { values: number[]; header: string } {
    const begin = 10 + bytes.readUInt16LE(8)
    const header = bytes.toString('latin1', 10, begin)
    const data = Uint8Array.from(bytes.subarray(begin)).buffer
    return { header, values: [...(header.includes('<f4') ? new Float32Array(data) : new Float64Array(data))] }
  }

  async function assertLosses(
    name: string,
    losses: Losses,
    args: readonly string[],
    stdin?: Iterable<Uint8Array>,
  ): Promise<void> {
    const bytes = stdin && [...stdin]
    const line = args.join(' ')
    const totals = known.get(line) ?? (await run(args, bytes))
    known.set(line, totals)
    expect(await run([...args, '--output', path(name)], bytes)).to.equal(totals)
    const expected = losses.map((loss) => (name.endsWith('.npy') ? (loss ?? Number.NaN) : loss))
    const isSingle = losses.every((loss) => loss === null || loss === Math.fround(loss))
    const { loss: found = [] } = await read(name)
    const differs = found.findIndex((loss, i) => {
      return !Object.is(isSingle && typeof loss === 'number' ? Math.fround(loss) : loss, expected[i])
    })
    expect({ rows: found.length, differs }, `${line} ${name}`).to.deep.equal({ rows: losses.length, differs: -1 })
    expect(readdirSync(folder).filter((file) => file.endsWith('.part'))).to.be.empty
  }

  /** what the command line prints, by its arguments */
  const known = new Map<string, string>()
  const outputs = ['out.parquet', 'out.csv', 'out.arrow', 'out.npy']

  it('writes the loss of each row in order, from each input format to each output format', async () => {
    const doubles = lossesOf(columns.x, columns.y)
    const floats = lossesOf(columns.f, columns.y)
    for (const output of outputs) {
      for (const end of ['parquet', 'csv', 'ndjson', 'arrow', 'arrows']) {
        await assertLosses(output, doubles, [path(`pairs.${end}`), ...score('x', 'y')])
      }
      await assertLosses(output, floats, [path('pairs.parquet'), ...score('f', 'y')])
      await assertLosses(output, floats, [path('pairs.arrow'), ...score('f', 'y')])
      await assertLosses(output, doubles, ['-', ...score('x', 'y')], chunksOf(readFileSync(path('pairs.arrows')), 4096))
      for (const shape of ['', '-square', '-fortran']) {
        await assertLosses(output, doubles, score(path(`x${shape}.npy`), path(`y${shape}.npy`)))
        await assertLosses(output, floats, score(path(`f${shape}.npy`), path(`y${shape}.npy`)))
      }
    }
  })

  it('keeps the shape and the memory order of an array', async () => {
    for (const [shape, header] of [
      ['', /'fortran_order': False, 'shape': \(2100,\)/],
      ['-square', /'fortran_order': False, 'shape': \(35, 60,?\)/],
      ['-fortran', /'fortran_order': True, 'shape': \(35, 60,?\)/],
    ] as const) {
      await run([...score(path(`x${shape}.npy`), path(`y${shape}.npy`)), '--output', path('shaped.npy')])
      expect(arrayIn(readFileSync(path('shaped.npy'))).header).to.match(header)
    }
    await run([...score(path('x-fortran.npy'), path('one-square.npy')), '--output', path('shaped.npy')])
    expect(arrayIn(readFileSync(path('shaped.npy'))).values).to.deep.equal([...columns.x])
  })

  it('writes losses in the order of the given files, even if their schemas differ', async () => {
    mkdirSync(path('parts'))
    const parts = ['x, y', 'y, x, note', 'x, y', 'x, y::BIGINT AS y', 'x, y']
    for (const [part, list] of parts.entries()) {
      await connection.run(
        `COPY (SELECT ${list} FROM pairs WHERE i % 5 = ${part} ORDER BY i) TO '${path(`parts/${part}.parquet`)}'`,
      )
    }
    const losses = lossesOf(columns.x, columns.y)
    const of = (part: number) => losses.filter((_, i) => i % 5 === part)
    const file = (part: number) => path(`parts/${part}.parquet`)
    for (const output of outputs) {
      const some = [3, 0, 1, 4, 2]
      await assertLosses(output, some.flatMap(of), [...some.map(file), ...score('x', 'y')])
      await assertLosses(output, [0, 1, 2, 3, 4].flatMap(of), [path('parts/*.parquet'), ...score('x', 'y')])
      const twice = [path('pairs.arrows'), path('pairs.arrow')]
      await assertLosses(output, [...losses, ...losses], [...twice, ...score('x', 'y')])
      await assertLosses(
        output,
        [...of(1), ...losses, ...of(0)],
        [file(1), path('pairs.parquet'), file(0), ...score('x', 'y')],
      )
      for (const threads of ['1', '2']) {
        await assertLosses(output, some.flatMap(of), [...some.map(file), ...score('x', 'y', '--threads', threads)])
      }
    }
  })

  it('writes float64 if the inputs of some files are float32 and those of others float64', async () => {
    const losses = [...lossesOf(columns.f, columns.y), ...lossesOf(columns.x, columns.y)]
    await connection.run(`COPY (SELECT f AS x, y FROM pairs ORDER BY i) TO '${path('single.parquet')}'`)
    for (const output of outputs) {
      await assertLosses(output, losses, [path('single.parquet'), path('pairs.csv'), ...score('x', 'y')])
    }
  })

  it('scores more files of different schemas than a process may have open', async function () {
    if (isWindows) this.skip()
    mkdirSync(path('many'))
    const inputs = Array.from({ length: 80 }, (_, i) => i / 64)
    for (const [i, x] of inputs.entries()) {
      const rest = i % 2 === 0 ? ['', ''] : [',note', ',"a"']
      writeFileSync(path(`many/${i + 100}.csv`), `x,y${rest[0]}\n${x},-1${rest[1]}\n`)
    }
    const args = [program, 'score', path('many'), ...score('x', 'y'), '--output', path('many.csv')]
    await succeeds(node(args, { shell: 'ulimit -n 64' }))
    const { loss } = await read('many.csv')
    expect(loss).to.deep.equal(inputs.map((x) => Math.max(0, 1 - x)))
  })

  it('writes the columns of --keep beside the losses', async () => {
    const { note, flag, large, gap } = columns
    for (const end of ['parquet', 'arrow']) {
      for (const output of ['kept.parquet', 'kept.csv', 'kept.arrow']) {
        const kept = ['note', 'flag', 'large', 'gap'].flatMap((name) => ['--keep', name])
        await run([path(`pairs.${end}`), ...score('x', 'y'), ...kept, '--output', path(output)])
        const found = await read(output)
        expect(Object.keys(found)).to.deep.equal(['loss', 'note', 'flag', 'large', 'gap'])
        expect(found.loss).to.deep.equal(lossesOf(columns.x, columns.y))
        expect(found.note, `${end} ${output}`).to.deep.equal(note)
        const text = (value: unknown) => (value === null ? null : String(value))
        expect(found.large?.map(text), output).to.deep.equal([...large].map(text))
        expect(found.flag?.map(text), output).to.deep.equal(flag.map(text))
        expect(
          found.gap?.map((value) => (value === null ? null : Number(value))),
          output,
        ).to.deep.equal(gap)
      }
    }
    const expressions = ['--keep', 'note || note', '--keep', 'x > 1']
    await run([path('pairs.parquet'), ...score('x', 'y', ...expressions), '--output', path('kept.arrow')])
    const found = Object.values(await read('kept.arrow'))
    expect(found[1]).to.deep.equal(note.map((text) => (text === null ? null : text + text)))
    expect(found[2]).to.deep.equal([...columns.x].map((x) => x > 1))
  })

  it('writes null, in .npy NaN, for a row with a null, and 0 for a label that is neither', async () => {
    const gapless = lossesOf(
      Float64Array.from(columns.gap, (gap) => gap ?? 0),
      columns.y,
    )
    const nulls = columns.gap.map((gap, i) => (gap === null ? null : (gapless[i] as number)))
    const others = lossesOf(columns.x, columns.odd, { otherLabels: 'zero' })
    for (const output of outputs) {
      for (const end of output === 'out.arrow' ? ['csv', 'ndjson', 'arrow'] : ['parquet']) {
        await assertLosses(output, nulls, [path(`pairs.${end}`), ...score('gap', 'y', '--nulls', 'ignore')])
        for (const policy of ['zero', 'ignore']) {
          await assertLosses(output, others, [path(`pairs.${end}`), ...score('x', 'odd', '--other-labels', policy)])
        }
      }
    }
  })

  it('writes losses whose sum is the sum it prints', async () => {
    const total = JSON.parse(await run([path('pairs.parquet'), ...score('x', 'y')])) as { sum: number; count: number }
    const from = [path('pairs.arrow'), ...score('x', 'y', '--keep', 'one')]
    for (const output of ['sum.parquet', 'sum.csv', 'sum.arrow']) {
      await run([...from, '--output', path(output)])
      const { sum, count } = JSON.parse(await run([path(output), ...score('loss', 'one')])) as typeof total
      expect({ sum, count }, output).to.deep.equal({ sum: total.sum, count: total.count })
    }
    await run([...score(path('x.npy'), path('y.npy')), '--output', path('sum.npy')])
    const { sum } = JSON.parse(await run(score(path('sum.npy'), path('one.npy')))) as typeof total
    expect(sum).to.equal(total.sum)
  })

  it('refuses an output that it cannot write or must not overwrite', async () => {
    const pairs = [path('pairs.parquet'), ...score('x', 'y')]
    const link = makesLinks ? symlinkSync : linkSync
    link(path('pairs.parquet'), path('link.parquet'))
    const before = readFileSync(path('pairs.parquet'))
    const outputs: [output: string, named: RegExp][] = [
      [path('pairs.parquet'), /is an input/],
      [path('link.parquet'), /is an input/],
      [join(folder, '..', basename(folder), './pairs.parquet'), /is an input/],
      [path('parts'), /must end in one of \.parquet, \.csv, \.arrow, \.npy/],
      [path('missing/out.parquet'), /no such folder/],
      [path('out.feather'), /must end in one of/],
      [path('out'), /must end in one of/],
      [path('out.constructor'), /must end in one of/],
      [path('pairs.csv/out.csv'), /no such folder/],
    ]
    if (makesLinks) {
      symlinkSync(path('nothing'), path('dangling.csv'))
      outputs.push([path('dangling.csv'), /a link to nothing/])
    }
    if (isWindows) {
      writeFileSync(path('kept.csv'), 'kept')
      chmodSync(path('kept.csv'), 0o444)
      outputs.push([path('kept.csv'), /there is a file that is read-only/])
      outputs.push([path('PAIRS.Parquet'), /is an input/])
      for (const name of ['nul.csv', 'pairs.parquet:losses.csv'])
        outputs.push([path(name), /no file can have the name/])
    }
    mkdirSync(path('folder.csv'))
    for (const [output, named] of [...outputs, [path('folder.csv'), /there is a folder, must be a file/] as const]) {
      await assertFails(2, [...pairs, '--output', output], named)
    }
    expect(readFileSync(path('pairs.parquet')).equals(before)).to.equal(true)
    await assertFails(2, [...score(path('x.npy'), path('y.npy')), '--output', path('x.npy')], /is an input/)
    await assertFails(2, [...pairs, '--keep', 'note'], /--keep takes an --output/)
    await assertFails(2, [...pairs, '--keep', 'note', '--output', path('out.npy')], /--keep takes another --output/)
    for (const names of [
      ['note', 'NOTE'],
      ['note', 'note'],
    ]) {
      await assertFails(
        2,
        [...pairs, ...names.flatMap((name) => ['--keep', name]), '--output', path('out.csv')],
        /--keep/,
      )
    }
    await assertFails(
      1,
      [path('pairs.arrow'), ...score('x', 'y', '--keep', 'missing'), '--output', path('out.csv')],
      /--keep missing: no such column/,
    )
    const days = [fixture, ...score('distance', 'label', '--keep', 'day'), '--output', path('out.csv')]
    await assertFails(
      1,
      days,
      /--keep day is Date32<DAY>, must be one of Int8, .* for this --output; \.arrow takes any/,
    )
    await assertFails(
      2,
      [...score(path('x.npy'), path('y.npy'), '--keep', 'a'), '--output', path('out.csv')],
      /--keep takes a FILE/,
    )
  })

  it('converts no value of a kept column', async () => {
    writeFileSync(path('large.csv'), 'x,y,large,note\n0.5,1,9007199254740993,007\n0.5,1,1,0.1234567890123456789\n')
    await connection.run(`COPY (SELECT x, y, large::DOUBLE AS large FROM pairs) TO '${path('double.parquet')}'`)
    const keep = [...score('x', 'y', '--keep', 'large'), '--output', path('out.csv')]
    await run([path('large.csv'), ...keep, '--keep', 'note'])
    expect(readFileSync(path('out.csv'), 'utf8').split('\n').slice(1, 3)).to.deep.equal([
      '0.5,9007199254740993,007',
      '0.5,1,0.1234567890123456789',
    ])
    writeFileSync(path('mixed.csv'), 'x,y,large\n0.5,1,9007199254740993\n0.5,1,0.5\n')
    const computed = ['--keep', 'large + 1', '--output', path('out.csv')]
    await assertFails(
      1,
      [path('mixed.csv'), ...score('x', 'y'), ...computed],
      /mixed\.csv: --keep large \+ 1: column large has/,
    )
    await assertFails(
      1,
      [path('pairs.parquet'), path('double.parquet'), ...keep],
      /double\.parquet: --keep large is DOUBLE, but BIGINT in/,
    )
  })

  it('keeps the permissions of the file that it replaces', async function () {
    if (isWindows) this.skip()
    writeFileSync(path('private.csv'), '', { mode: 0o600 })
    await run([path('pairs.parquet'), ...score('x', 'y'), '--output', path('private.csv')])
    expect(statSync(path('private.csv')).mode & 0o777).to.equal(0o600)
  })

  it('leaves the old file, and nothing beside it, if scoring fails', async () => {
    mkdirSync(path('kept'))
    const last = `CASE WHEN i = ${rows.length - 1} THEN`
    await connection.run(
      `COPY (SELECT *, ${last} 7 ELSE y END AS bad FROM pairs ORDER BY i) TO '${path('bad.parquet')}'`,
    )
    const bad = Int8Array.from(columns.y).fill(7, -1)
    writeFileSync(path('bad.npy'), npy('|i1', bad, [rows.length]))
    writeFileSync(path('bad.arrow'), tableToIPC(tableFromArrays({ x: columns.x, bad }), 'file'))
    writeFileSync(path('short.arrow'), readFileSync(path('bad.arrow')).subarray(0, -200))
    writeFileSync(path('short.arrows'), readFileSync(path('pairs.arrows')).subarray(0, -200))
    const failures: string[][] = [
      [path('bad.parquet'), ...score('x', 'bad')],
      [path('bad.arrow'), ...score('x', 'bad')],
      score(path('x.npy'), path('bad.npy')),
      [path('pairs.parquet'), ...score('gap', 'y')],
      [path('pairs.arrow'), ...score('gap', 'y')],
      [path('short.arrow'), ...score('x', 'bad')],
      [path('short.arrows'), ...score('x', 'y')],
      [path('pairs.arrow'), path('short.arrows'), ...score('x', 'y')],
    ]
    for (const end of ['parquet', 'csv', 'arrow', 'npy']) {
      for (const isThere of [true, false]) {
        const output = path(`kept/old.${end}`)
        if (isThere) writeFileSync(output, 'old')
        for (const args of failures) {
          await assertFails(1, [...args, '--output', output], /row 2,100: label is 7|is null|unexpected end of file/)
          expect(readdirSync(path('kept'))).to.deep.equal(isThere ? [`old.${end}`] : [])
          if (isThere) expect(readFileSync(output, 'utf8')).to.equal('old')
        }
        rmSync(output, { force: true })
      }
    }
  })

  describe('in a process that ends early', () => {
    const random = new Random(7)
    const ends = ['parquet', 'npy', 'csv', 'arrow']
    const some = process.env.SOAK_TIMES ? ends : ends.slice(0, 1)
    const isPart = (file: string) => /^\.old\.\w+\.\w+\.part(\.db)?$/.test(file)

    before(async () => {
      mkdirSync(path('large'))
      const sql = `SELECT (hash(range) % 1000000007) / 3e8 AS x, CASE WHEN range % 10 = 3 THEN 1 ELSE -1 END AS y FROM range(500000)`
      await connection.run(`COPY (${sql}) TO '${path('large.parquet')}'`)
    })

    function start(output: string, shell?: string, input = 'large.parquet'): Program {
      const args = [program, 'score', path(input), ...score('x', 'y'), '--json', '--output', output]
      return new Program(nodePath, args, shell === undefined ? {} : { shell })
    }

    /** Waits until the program has a part file. */
    async function untilPart(child: Program): Promise<void> {
      while (!child.hasEnded && !readdirSync(path('large')).some(isPart)) await sleep(5)
    }

    function assertOld(output: string): void {
      expect(readFileSync(output, 'utf8')).to.equal('old')
    }

    it('gives the part file the permissions of the old file from its beginning', async function () {
      if (isWindows) this.skip()
      writeFileSync(
        path('large.arrow'),
        tableToIPC(tableFromArrays({ x: new Float64Array(5e5), y: new Int8Array(5e5).fill(1) })),
      )
      const modes = new Set<number>()
      const rightsOf = (file: string) => statSync(file, { throwIfNoEntry: false })?.mode ?? 0
      for (const [input, end] of [
        ['large.parquet', 'parquet'],
        ['large.parquet', 'npy'],
        ['large.arrow', 'csv'],
      ] as const) {
        const output = path(`large/old.${end}`)
        writeFileSync(output, 'old', { mode: 0o600 })
        const child = start(output, 'umask 0', input)
        await untilPart(child)
        while (!child.hasEnded) {
          for (const file of readdirSync(path('large')).filter(isPart))
            modes.add(rightsOf(path(`large/${file}`)) & 0o77)
          await sleep(1)
        }
        expect((await child.outcome).code, end).to.equal(0)
        expect(statSync(output).size).to.be.above(1000)
        expect(rightsOf(output) & 0o7777, end).to.equal(0o600)
        rmSync(output)
      }
      expect([...modes]).to.deep.equal([0])
    })

    it('gives a new file the permissions that the umask allows', async function () {
      if (isWindows) this.skip()
      await succeeds(start(path('large/new.parquet'), 'umask 027').outcome)
      expect(statSync(path('large/new.parquet')).mode & 0o7777).to.equal(0o640)
      rmSync(path('large/new.parquet'))
    })

    it('leaves the old file, and nothing beside it, after SIGHUP', async function () {
      if (isWindows) this.skip() // a process cannot send it to another one
      for (const [input, end] of [
        ['large.parquet', 'parquet'],
        ['large.arrow', 'csv'],
      ] as const) {
        const output = path(`large/old.${end}`)
        writeFileSync(output, 'old')
        const child = start(output, 'true', input)
        await untilPart(child)
        expect((await child.end('SIGHUP')).code).to.equal(130)
        assertOld(output)
        expect(readdirSync(path('large')), end).to.deep.equal([`old.${end}`])
        rmSync(output)
      }
    })

    it('leaves the old file, and nothing beside it, after SIGINT', async function () {
      if (isWindows) this.skip() // a process cannot send Ctrl-C to another one
      for (const end of some) {
        const output = path(`large/old.${end}`)
        writeFileSync(output, 'old')
        const child = start(output)
        await untilPart(child)
        expect((await child.end('SIGINT')).code, end).to.equal(130)
        assertOld(output)
        expect(readdirSync(path('large')), end).to.deep.equal([`old.${end}`])
        rmSync(output)
      }
    })

    it('leaves the old file or the new one after SIGKILL', async () => {
      for (let i = 0; i < kills; i++) {
        const output = path(`large/old.${ends[i % ends.length]}`)
        writeFileSync(output, 'old')
        const child = start(output)
        await untilPart(child)
        await sleep(random.fraction() * 400)
        await child.end('SIGKILL')
        if (statSync(output).size > 3) {
          const label = output.endsWith('.npy') ? undefined : 'CASE WHEN true THEN 1 END'
          if (label === undefined) expect(arrayIn(readFileSync(output)).values).to.have.lengthOf(500_000)
          else expect((await read(`large/${output.split('/').at(-1)}`)).loss).to.have.lengthOf(500_000)
        } else assertOld(output)
        const beside = readdirSync(path('large')).filter((file) => !file.startsWith('old.'))
        expect(beside.filter((file) => !isPart(file))).to.be.empty
        for (const file of readdirSync(path('large'))) rmSync(path(`large/${file}`), { recursive: true })
      }
    })

    it('leaves the old file if the output exceeds the limit of file sizes', async function () {
      if (isWindows) this.skip()
      for (const end of some) {
        const output = path(`large/old.${end}`)
        writeFileSync(output, 'old')
        const { code, stderr } = await start(output, `trap '' XFSZ; ulimit -f 512`).outcome
        expect(code, `${end} ${stderr}`).to.equal(1)
        expect(stderr, end).to.match(/^hinge-embedding-loss: .*(too large|EFBIG)/)
        assertOld(output)
        expect(readdirSync(path('large')), end).to.deep.equal([`old.${end}`])
        rmSync(output)
      }
    })

    it('leaves the old file if the disk is full', async function () {
      const disk = path('disk')
      mkdirSync(disk)
      try {
        execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk], { stdio: 'ignore' })
      } catch {
        this.skip()
      }
      try {
        for (const end of some) {
          const output = join(disk, `old.${end}`)
          writeFileSync(output, 'old')
          const { code, stderr } = await start(output).outcome
          expect(code, `${end} ${stderr}`).to.equal(1)
          expect(stderr, end).to.match(new RegExp(`^hinge-embedding-loss: ${output}: .*no space left`, 'i'))
          const scored = scoreFiles([path('large.parquet')], { input: 'x', label: 'y', output })
          const error = await scored.then(() => undefined, detailsOf)
          expect(error, end).to.deep.equal({ code: 'ENOSPC', option: 'output', file: output })
          assertOld(output)
          expect(readdirSync(disk), end).to.deep.equal([`old.${end}`])
          rmSync(output)
        }
      } finally {
        execFileSync('umount', [disk])
      }
    })
  })
})

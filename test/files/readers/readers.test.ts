import { execFileSync } from 'node:child_process'
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  Field,
  Float32,
  Int8,
  Int32,
  LargeBinary,
  Message as MetadataMessage,
  Schema,
  tableFromArrays,
  tableToIPC,
} from 'apache-arrow'
import * as metadata from 'apache-arrow/ipc/metadata/message'
import { expect } from 'chai'
import { explainError } from '../../../lib/cli/flags.ts'
import { detailsOf, type ErrorDetails } from '../../../lib/files/errors.ts'
import type { ColumnOptions } from '../../../lib/files/options.ts'
import type { ArraySource } from '../../../lib/files/readers/array-source.ts'
import { splitBatch } from '../../../lib/files/readers/arrow/columns.ts'
import { type ArrowMessage, prefixLength } from '../../../lib/files/readers/arrow/messages.ts'
import { scoreFiles } from '../../../lib/files.ts'
import { chunksOf, command } from '../../support/command.ts'
import { arrowBases, isClear, lenient, mutantsOf, npyBases, scoreSource } from '../../support/mutants.ts'
import { describeReaders } from '../../support/reader-tests.ts'
import { isWindows, withTemporaryFolder } from '../../support/system.ts'

const folder = fileURLToPath(new URL('../../fixtures', import.meta.url))

describe('readers of Arrow IPC and .npy', () => {
  describeReaders(() => folder, 4)

  it('gives no groups for an Arrow stream without rows', async () => {
    const file = join(folder, 'arrow/plain/pyarrow.arrows')
    const bytes = readFileSync(file)
    const schema = bytes.subarray(0, 8 + bytes.readUInt32LE(4))
    const place = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
    const path = join(place, 'empty.arrows')
    writeFileSync(path, Buffer.concat([schema, bytes.subarray(-8)]))
    const options = { ...lenient, input: 'distance', label: 'label', by: 'text' }
    const { groups, total } = JSON.parse(await scoreSource({ kind: 'Arrow', files: [path] }, options))
    expect({ groups, count: total.count }).to.deep.equal({ groups: [], count: 0 })
    rmSync(place, { recursive: true })
  })

  it('says of input that is not Arrow, and of an archive, what it is or what to do', async () => {
    const inputs: [stdin: readonly Uint8Array[], named: RegExp][] = [
      [[], /^hinge-embedding-loss: standard input: not Arrow IPC: empty/],
      [
        [Buffer.from('x,label\n0.5,1\n')],
        /standard input: not Arrow IPC; --format says what else it is, such as csv\n/,
      ],
      [[Buffer.alloc(1000)], /standard input: not Arrow IPC: it does not begin with a schema/],
    ]
    for (const [stdin, named] of inputs) {
      const { code, stderr } = await command(['score', '-', '--input', 'x', '--label', 'label'], stdin)
      expect(code).to.equal(1)
      expect(stderr).to.match(named)
    }
    const archive = await command(['score', '--input', 'a.npz', '--label', 'b.npy'])
    expect(archive).to.deep.include({ code: 2 })
    expect(archive.stderr).to.match(/a\.npz, which is an archive/)
    const missing = await command(['score', '--input', 'missing.npy', '--label', 'b.npy'])
    expect(missing.stderr).to.equal('hinge-embedding-loss: missing.npy: no such file\n')
  })

  it('reads an Arrow file on standard input, whose schema is only at its end', async () => {
    const bytes = readFileSync(join(folder, 'arrow/plain/polars-newest.arrow'))
    expect(bytes.readUInt32LE(8), 'it does not begin with its schema').to.equal(4)
    const args = ['score', '-', '--input', 'distance', '--label', 'label', '--json']
    const temporary = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
    await withTemporaryFolder(temporary, async () => {
      const whole = await command(args, chunksOf(bytes, 100))
      expect(JSON.parse(whole.stdout)).to.deep.include({ count: 21, sum: 6.699999839067459 })
      for (const end of [6, 7, 40, bytes.length >> 1, bytes.length - 1]) {
        const { code, stderr } = await command(args, chunksOf(bytes.subarray(0, end), 100))
        expect({ code, stderr }, `${end} bytes`).to.deep.equal({
          code: 1,
          stderr: 'hinge-embedding-loss: standard input: unexpected end of file\n',
        })
      }
    })
    expect(readdirSync(temporary)).to.deep.equal([])
    rmSync(temporary, { recursive: true })
  })

  it('finds Arrow columns by the same rules as columns of other files', async () => {
    const place = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
    const path = join(place, 'names.arrow')
    const columns = {
      Distance: [9],
      distance: [0.5],
      'my distance': [0.25],
      'a"b': [2],
      Apart: [4],
      A: [1],
      a: [2],
      y: [1],
    }
    const floats = Object.entries(columns).map(([name, values]) => [name, Float32Array.from(values)])
    writeFileSync(path, tableToIPC(tableFromArrays(Object.fromEntries(floats)), 'file'))
    const sums = {
      distance: 0.5,
      Distance: 9,
      '"distance"': 0.5,
      'my distance': 0.25,
      '"my distance"': 0.25,
      '"a""b"': 2,
      'a"b': 2,
      aPart: 4,
      a: 2,
    }
    for (const [input, sum] of Object.entries(sums)) {
      const { stdout, stderr } = await command(['score', path, '--input', input, '--label', 'Y', '--json'])
      expect(JSON.parse(stdout || '{}'), `${input} ${stderr}`).to.include({ sum })
    }
    for (const [input, said] of Object.entries({
      DISTANCE: /may be any of the columns Distance, distance/,
      'a + 1': /--input a \+ 1: no such column/,
    })) {
      const { code, stderr } = await command(['score', path, '--input', input, '--label', 'y'])
      expect(code, stderr).to.equal(1)
      expect(stderr).to.match(said)
    }
    rmSync(place, { recursive: true })
  })

  it('reads files that users had trouble with', async () => {
    const ree = join(folder, 'cases/x-ree.arrow')
    const columns = ['--input', 'd', '--label', 'y', '--json']
    const right = { count: 6, sum: 2.549999952316284 }
    expect(JSON.parse((await command(['score', ree, ...columns])).stdout)).to.deep.include(right)
    expect(JSON.parse((await command(['score', '-', ...columns], [readFileSync(ree)])).stdout)).to.deep.include(right)
    for (const name of ['descr-0-f8', 'descr-2-float64']) {
      const arrays = ['--input', join(folder, `cases/npy/${name}.npy`), '--label', join(folder, 'cases/npy/y.npy')]
      const { stdout } = await command(['score', ...arrays, '--json'])
      expect(JSON.parse(stdout), name).to.deep.include({ count: 6, sum: 2.55 })
    }
  })

  it('puts the code, the file and the option or row into its errors', async () => {
    const place = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
    const arrow = join(folder, 'arrow/plain/pyarrow.arrow')
    const [cut, short, missing] = ['cut.arrow', 'short.npy', 'missing.npz'].map((name) => join(place, name)) as [
      string,
      string,
      string,
    ]
    writeFileSync(cut, readFileSync(arrow).subarray(0, -20))
    const [x, y, square] = ['versions/1.npy', 'dtypes/i1.npy', 'refused/square.npy'].map((name) =>
      join(folder, 'npy', name),
    ) as [string, string, string]
    writeFileSync(short, readFileSync(y).subarray(0, -1))
    const invalid = { code: 'ERR_INVALID_FILE' }
    const cases: [paths: string[], columns: ColumnOptions, details: ErrorDetails][] = [
      [[cut], { input: 'distance', label: 'label' }, { ...invalid, file: cut }],
      [[arrow], { input: 'far', label: 'label' }, { ...invalid, file: arrow, option: 'input' }],
      [[arrow], { input: 'distance', label: 'text' }, { ...invalid, file: arrow, option: 'label' }],
      [[arrow], { input: 'gap', label: 'label' }, { code: 'ERR_NULL', file: arrow, option: 'input', row: 6, count: 3 }],
      [[], { input: x, label: short }, { ...invalid, file: short }],
      [[], { input: x, label: square }, { ...invalid, file: square, option: 'label' }],
      [[], { input: x, label: `${missing}:label` }, { code: 'ENOENT', file: missing }],
    ]
    for (const [paths, columns, details] of cases) {
      const error = await scoreFiles(paths, columns).then(() => undefined, detailsOf)
      expect(error, JSON.stringify(columns)).to.deep.equal(details)
    }
    rmSync(place, { recursive: true })
  })

  it('refuses to keep a column of a type that it cannot read', async () => {
    const args = ['--input', 'distance', '--label', 'label', '--keep', 'other list_view', '--output', 'never.arrow']
    const { code, stderr } = await command(['score', join(folder, 'arrow/newer/plain.arrow'), ...args])
    expect({ code, stderr }).to.deep.equal({
      code: 1,
      stderr: `hinge-embedding-loss: ${join(folder, 'arrow/newer/plain.arrow')}: --keep other list_view has ListView, which cannot be read\n`,
    })
  })

  it('skips a column of unknown type after the columns to read, and refuses one before them', () => {
    const plain = {
      nodes: 1,
      buffers: 2,
      unions: 0,
      views: 0,
      dictionaries: [],
      unreadable: undefined,
      unknown: undefined,
    }
    const [known, unknown] = [
      { ...plain, name: 'd' },
      { ...plain, name: 'odd', nodes: 1, buffers: 0, unknown: 'type 27' },
    ]
    const batch = {
      rows: 3,
      nodes: [0, 1, 2].map(() => ({ length: 3, nullCount: 0 })),
      buffers: [0, 8, 16, 24, 32, 40, 48].map((offset) => ({ offset, length: 8 })),
      variadicCounts: [],
    }
    const message = { batch, version: 4 } as unknown as ArrowMessage
    expect(splitBatch([known, known, unknown], 1, message).map(({ buffers }) => buffers[0]?.offset)).to.deep.equal([
      0, 16,
    ])
    expect(() => splitBatch([known, unknown, known], 2, message)).to.throw(/column "odd" has type 27, which is newer/)
    expect(() => splitBatch([known, known], 1, message), 'a node and buffers too many').to.throw(
      /do not match its schema/,
    )
    expect(() => splitBatch([known, known, known, known], 3, message)).to.throw(/do not match its schema/)
  })

  it('reads a record batch larger than memory, since it reads only the columns it needs', async () => {
    const place = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
    const path = join(place, 'large.arrows')
    const columns = [
      new Field('blob', new LargeBinary()),
      new Field('d', new Float32()),
      new Field('y', new Int8()),
      new Field('k', new Int32()),
    ]
    const blobBytes = 10 * 2 ** 30
    // validity, offsets and data of the blob, then validity and values of the others
    const lengths = [0, 64, blobBytes, 0, 64, 0, 64, 0, 64]
    const offsets = lengths.map((_, index) => lengths.slice(0, index).reduce((sum, length) => sum + length, 0))
    const buffers = lengths.map((length, index) => new metadata.BufferRegion(offsets[index] as number, length))
    const nodes = columns.map(() => new metadata.FieldNode(3, 0))
    const bodyLength = blobBytes + 4 * 64
    const heads = [
      MetadataMessage.from(new Schema(columns)),
      MetadataMessage.from(new metadata.RecordBatch(3, nodes, buffers, null), bodyLength),
    ].map((message) => prefixLength(MetadataMessage.encode(message)))
    const file = openSync(path, 'w')
    writeSync(file, Buffer.concat(heads))
    const body = heads.reduce((sum, head) => sum + head.length, 0)
    for (const [index, values] of [
      [4, Float32Array.of(0.5, 2, 0.25)],
      [6, Int8Array.of(1, -1, -1)],
      [8, Int32Array.of(7, 8, 7)],
    ] as const) {
      writeSync(file, new Uint8Array(values.buffer), 0, values.byteLength, body + (offsets[index] as number))
    }
    ftruncateSync(file, body + bodyLength + 4)
    closeSync(file)
    const args = ['score', path, '--input', 'd', '--label', 'y', '--by', 'k', '--json']
    const { code, stdout, stderr } = await command(args)
    expect(code, stderr).to.equal(0)
    const { groups, total } = JSON.parse(stdout)
    expect(total).to.deep.include({ count: 3, sum: 1.25 })
    expect(groups.map(({ by, sum }: { by: number; sum: number }) => [by, sum])).to.deep.equal([
      [7, 1.25],
      [8, 0],
    ])
    rmSync(place, { recursive: true })
  })

  describe('headers of .npy', () => {
    let place: string
    before(() => {
      place = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
    })
    after(() => rmSync(place, { recursive: true }))

    const bytesOf = (code: string, values: readonly number[]): Buffer => {
      const [order, kind, size] = [code[0], code[1] as string, Number(code.slice(2))]
      const bytes = Buffer.alloc(size * values.length)
      for (const [i, value] of values.entries()) {
        if (kind === 'f' && size === 2) bytes.writeUInt16LE([0, 0x3c00, 0x4000][value] as number, 2 * i)
        else if (kind === 'f') size === 4 ? bytes.writeFloatLE(value, 4 * i) : bytes.writeDoubleLE(value, 8 * i)
        else bytes.writeUInt8(value, size * i)
      }
      if (order === '>') bytes[`swap${(8 * size) as 16 | 32 | 64}`]()
      return bytes
    }

    /** Returns the sum of the losses, or the message of the error. */
    async function score(
      header: (role: 'input' | 'label') => string,
      codes: { input: string; label: string },
    ): Promise<unknown> {
      const values = { input: [2, 1, 1], label: [1, 0, 1] }
      const paths = (['input', 'label'] as const).map((role) => {
        const path = join(place, `${role}.npy`)
        const text = `${header(role)}\n`
        const start = Buffer.from('\x93NUMPY\x01\x00\x00\x00', 'latin1')
        start.writeUInt16LE(text.length, 8)
        writeFileSync(path, Buffer.concat([start, Buffer.from(text), bytesOf(codes[role], values[role])]))
        return path
      })
      const [input = '', label = ''] = paths
      const options = { ...lenient, otherLabels: 'error', input, label, negativeLabel: 0 } as const
      return scoreSource({ kind: 'npy', files: paths }, options).then(
        (json) => JSON.parse(json).sum,
        (error: Error) => error.message,
      )
    }

    const headerOf = (descr: string) => `{'descr': '${descr}', 'fortran_order': False, 'shape': (3,), }`

    it('accepts each spelling of a dtype that numpy.dtype() accepts', async () => {
      const known: Record<string, string> = JSON.parse(readFileSync(join(folder, 'npy/descr.json'), 'utf8'))
      expect(Object.keys(known)).to.have.lengthOf.above(190)
      for (const [descr, code] of Object.entries(known)) {
        const label = await score((role) => headerOf(role === 'label' ? descr : '<f8'), { input: '<f8', label: code })
        expect(label, `--label of ${descr}`).to.equal(3)
        if (code === '|b1') continue
        const input = await score((role) => headerOf(role === 'input' ? descr : '|i1'), { input: code, label: '|i1' })
        expect(input, `--input of ${descr}`).to.equal(3)
      }
    })

    it('refuses a .npy dtype that is no number, or that numpy.dtype() refuses', async () => {
      for (const descr of [
        '',
        '<',
        'g',
        'f1',
        'f16',
        'i3',
        'b2',
        'B1',
        '?1',
        '<bool',
        '<double',
        'Float64',
        ' f8',
        'f8 ',
        '2f8',
        'S1',
        'O',
        'toString',
        '<c8',
        '<f88',
      ]) {
        const found = await score((role) => headerOf(role === 'input' ? descr : '|i1'), { input: '<f8', label: '|i1' })
        expect(found, descr).to.match(/has dtype .*, must be bool, |has no valid \.npy header/)
      }
    })

    it('parses the Python dictionary of a .npy header in any spelling, and nothing else', async () => {
      const codes = { input: '<f8', label: '|i1' }
      const spelled = (role: 'input' | 'label') => `'${codes[role]}'`
      const headers: ((role: 'input' | 'label') => string)[] = [
        (role) => `{"descr": "${codes[role]}", "fortran_order": False, "shape": (3,)}`,
        (role) => `{'shape': (3,), 'descr': u'${codes[role]}', "fortran_order":False}`,
        (role) => `  {'fortran_order' : True ,'shape':( 3 , ),'descr':${spelled(role)},}   `,
        (role) => `{'descr': ${spelled(role)}, 'fortran_order': False, 'shape': (3L,)}`,
      ]
      for (const header of headers) expect(await score(header, codes), header('input')).to.equal(3)
      const wrong: ((role: 'input' | 'label') => string)[] = [
        (role) => `{'descr": ${spelled(role)}, 'fortran_order': False, 'shape': (3,)}`,
        (role) => `{'descr': ${spelled(role)}, 'fortran_order': False, 'shape': (3,), 'more': 1}`,
        (role) => `{'descr': ${spelled(role)}, 'descr': '<f8', 'fortran_order': False, 'shape': (3,)}`,
      ]
      for (const header of wrong)
        expect(await score(header, codes), header('input')).to.match(/has no valid \.npy header/)
    })
  })

  describe('archives of arrays', () => {
    const [x, y] = [join(folder, 'npy/versions/1.npy'), join(folder, 'npy/dtypes/i1.npy')]
    const options = ['--negative-label', '0', '--json']
    let place: string
    let right: string
    before(async function () {
      if (isWindows) this.skip() // Python, which writes the archives, is there on Linux alone
      if (
        !(await import('yauzl').then(
          () => true,
          () => false,
        ))
      )
        return this.skip()
      place = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
      right = (await command(['score', '--input', x, '--label', y, ...options])).stdout
      const write = `
import sys, zipfile
x, y, place = sys.argv[1:]
for name, method in {'stored': zipfile.ZIP_STORED, 'deflated': zipfile.ZIP_DEFLATED, 'lzma': zipfile.ZIP_LZMA}.items():
    with zipfile.ZipFile(f'{place}/{name}.npz', 'w', method) as archive:
        archive.write(x, 'distance.npy')
        archive.write(y, 'a label: 1.npy')
        with archive.open('large.npy', 'w', force_zip64=True) as member:
            member.write(open(x, 'rb').read())
        for copy in 'one', 'two.npy', 'two':
            archive.write(y, copy)
content = bytearray(open(f'{place}/stored.npz', 'rb').read())
open(f'{place}/cut.npz', 'wb').write(content[:-30])
content[150] ^= 1
open(f'{place}/flipped.npz', 'wb').write(content)
open(f'{place}/none.npz', 'wb').write(b'no archive')
`
      execFileSync('python3', ['-c', write, x, y, place])
    })
    after(() => place && rmSync(place, { recursive: true }))

    const score = (input: string, label: string) =>
      command(['score', '--input', join(place, input), '--label', join(place, label), ...options])

    it('reads an array of a .npz archive by its name, stored or deflated', async () => {
      for (const end of ['stored', 'deflated']) {
        for (const input of ['distance', 'distance.npy', 'large']) {
          for (const label of ['a label: 1', 'one']) {
            const { stdout, stderr } = await score(`${end}.npz:${input}`, `${end}.npz:${label}`)
            expect({ stdout, stderr }, `${end} ${input} ${label}`).to.deep.equal({ stdout: right, stderr: '' })
          }
        }
      }
      const { stdout } = await command(['score', '--input', x, '--label', join(place, 'stored.npz:one'), ...options])
      expect(stdout).to.equal(right)
      const output = ['--output', join(place, 'losses.npy')]
      await command(['score', '--input', join(place, 'stored.npz:large'), '--label', y, ...options, ...output])
      expect(readFileSync(join(place, 'losses.npy'))).to.have.lengthOf(128 + 4 * 24)
    })

    it('refuses a .npz archive that is damaged, cut off or lacks the array', async () => {
      const wrong = {
        'flipped.npz:distance': /flipped\.npz:distance: damaged: its checksum does not match its bytes/,
        'cut.npz:distance': /cut\.npz: not an archive that can be read/,
        'none.npz:distance': /none\.npz: not an archive that can be read/,
        'missing.npz:distance': /missing\.npz: no such file/,
        'lzma.npz:distance': /lzma\.npz:distance: unsupported compression method: 14/,
        'stored.npz:far': /stored\.npz:far: no such array\. Its arrays: distance, a label: 1, large, one, two, two\n/,
        'stored.npz:two': /stored\.npz:two: more than one array has that name/,
      }
      for (const [input, said] of Object.entries(wrong)) {
        const { code, stdout, stderr } = await score(input, 'stored.npz:one')
        expect({ code, stdout }, stderr).to.deep.equal({ code: 1, stdout: '' })
        expect(stderr)
          .to.match(said)
          .and.match(/^hinge-embedding-loss: [^\n]+\n$/)
      }
      const { code, stderr } = await score('stored.npz', 'stored.npz:one')
      expect(code).to.equal(2)
      expect(stderr).to.match(/stored\.npz, which is an archive: name one of its arrays, as in .*stored\.npz:distance/)
    })
  })

  it('reads every float16 exactly', async () => {
    const place = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
    const bits = Uint16Array.from({ length: 2 ** 16 }, (_, i) => i).filter((half) => ((half >> 10) & 31) < 31)
    const header = (descr: string) => {
      const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${bits.length},), }`.padEnd(117)
      return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00\x76\x00', 'latin1'), Buffer.from(`${text}\n`)])
    }
    const [input, label, output] = ['x.npy', 'y.npy', 'z.npy'].map((name) => join(place, name)) as [
      string,
      string,
      string,
    ]
    writeFileSync(input, Buffer.concat([header('<f2'), Buffer.from(bits.buffer)]))
    writeFileSync(label, Buffer.concat([header('|i1'), Buffer.alloc(bits.length, 1)]))
    const { code, stderr } = await command(['score', '--input', input, '--label', label, '--output', output])
    expect(code, stderr).to.equal(0)
    // The loss of a positive is its input.
    const right = execFileSync(
      'python3',
      [
        '-c',
        'import struct, sys; b = sys.stdin.buffer.read(); sys.stdout.buffer.write(struct.pack(f"<{len(b) // 2}f", *struct.unpack(f"<{len(b) // 2}e", b)))',
      ],
      { input: Buffer.from(bits.buffer) },
    )
    const floats = (bytes: Buffer) => new Float32Array(Uint8Array.from(bytes).buffer)
    const [found, expected] = [floats(readFileSync(output).subarray(-4 * bits.length)), floats(right)]
    expect(found.findIndex((value, i) => value !== expected[i])).to.equal(-1)
    rmSync(place, { recursive: true })
  })

  describe('damaged files', () => {
    let place: string
    before(() => {
      place = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
    })
    after(() => rmSync(place, { recursive: true }))

    /** The originals of the mutants, each with a function that scores a file in its place. */
    function bases(): [original: string, score: (path: string) => Promise<string>][] {
      const scored = (kind: ArraySource['kind'], files: string[], columns: typeof lenient) =>
        scoreSource({ kind, files }, columns)
      const arrow = arrowBases.map(({ file, columns }) => {
        const score = (path: string) => scored('Arrow', [path], { ...lenient, ...columns })
        return [join(folder, 'arrow', file), score] as [string, typeof score]
      })
      const npy = npyBases.map((base) => {
        const label = join(folder, 'npy', base.label)
        const score = (path: string) => scored('npy', [path, label], { ...lenient, input: path, label })
        return [join(folder, 'npy', base.input), score] as [string, typeof score]
      })
      return [...arrow, ...npy]
    }

    it('refuses a file that is cut off anywhere, or that has bytes after its end', async () => {
      const path = join(place, 'cut')
      for (const [original, score] of bases()) {
        const bytes = readFileSync(original)
        writeFileSync(path, bytes)
        expect(await score(path), original).to.equal(await score(original))
        const cut = Array.from({ length: 12 }, (_, i) => bytes.subarray(0, Math.floor((i * bytes.length) / 12)))
        for (const part of [...cut, bytes.subarray(0, -1), Buffer.concat([bytes, bytes])]) {
          writeFileSync(path, part)
          const isTwoFiles = part.length > bytes.length && bytes.toString('latin1', 0, 6) === 'ARROW1'
          if (isTwoFiles) continue
          const error = await score(path).then(() => undefined, explainError)
          expect(error?.message, `${original}, ${part.length} of ${bytes.length} bytes`)
            .to.include(path)
            .and.satisfy(isClear)
        }
      }
    })

    it('names a damaged file in an error of one line', async () => {
      const path = join(place, 'mutant')
      let errors = 0
      for (const [index, [original, score]] of bases().entries()) {
        for (const mutant of mutantsOf(
          readFileSync(original),
          20,
          1000 + index,
          original.endsWith('npy') ? 128 : undefined,
        )) {
          writeFileSync(path, mutant)
          const error = await score(path).then(() => undefined, explainError)
          if (error === undefined) continue
          errors++
          expect(error.message, original).to.include(path).and.satisfy(isClear)
        }
      }
      expect(errors).to.be.greaterThan(100)
    })
  })
})

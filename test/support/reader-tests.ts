import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { openScans } from '../../lib/files/duckdb/open-scans.ts'
import { Session } from '../../lib/files/duckdb/session.ts'
import { scoreScans } from '../../lib/files/duckdb/totals.ts'
import type { Scoring } from '../../lib/files/options.ts'
import { formatFigures } from '../../lib/files/totals.ts'
import { chunksOf, command } from './command.ts'
import { accumulate, formatAsJSON } from './totals.ts'

const defaults = {
  nulls: 'ignore',
  nan: 'keep',
  margins: [1],
  positiveLabel: 1,
  negativeLabel: -1,
  otherLabels: 'error',
} as const

type Options = Pick<Scoring, 'input' | 'label'> & Partial<Scoring>

function scoring(input: string, label: string, more: Partial<Scoring> = {}): Options {
  return { ...defaults, input, label, ...more }
}

function argumentsOf(options: Options): string[] {
  const flags = Object.entries({ ...defaults, ...options }).map(([name, value]) => {
    return `--${(name === 'margins' ? 'margin' : name).replace(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`)}=${value}`
  })
  return [...flags, '--json']
}

const integers = ['int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64']
const zeroOne = { negativeLabel: 0 }
const plainQueries = [
  scoring('distance', 'label'),
  scoring('wide', 'mark', { margins: [0.7] }),
  scoring('gap', 'label'),
  scoring('real', 'label'),
  scoring('whole', 'label'),
  scoring('gap', 'alike', zeroOne),
  ...integers.map((name) => scoring(name, name, zeroOne)),
]
const textQueries = [
  scoring('coded_gap', 'coded_label'),
  scoring('distance', 'coded_alike', zeroOne),
  scoring('coded_null', 'label'),
]
const keysOfPlain = ['text', 'real', 'single', 'whole', 'counting', 'day', 'alike', 'int8', 'uint16']
const keysOfTexts = [
  'large',
  'view',
  'coded',
  'coded_gap',
  'coded_label',
  'coded_alike',
  'coded_null',
  'coded_day',
  'instant',
]
const float16Queries = [
  scoring('half', 'label'),
  scoring('half_gap', 'half_label'),
  scoring('coded_half', 'mark'),
  scoring('extreme', 'half_label', { margins: [0.3] }),
]
const groupBy = (names: readonly string[]) => names.map((name) => scoring('gap', 'label', { by: name }))

/** By folder, whose files hold the same table: the options with which they are scored. */
const folders: Readonly<Record<string, readonly Options[]>> = {
  plain: [...plainQueries, ...groupBy(keysOfPlain)],
  all: [...plainQueries, ...textQueries, ...groupBy([...keysOfPlain, ...keysOfTexts])],
  unions: [scoring('distance', 'label'), scoring('gap', 'mark')],
  newer: [...textQueries, ...float16Queries, ...groupBy(['text', 'view', 'coded', 'coded_day', 'half'])],
  growing: [scoring('distance', 'label', { by: 'value' })],
  replaced: [scoring('distance', 'label', { by: 'value' })],
  growing_numbers: [scoring('value', 'label'), scoring('distance', 'label', { by: 'value' })],
  replaced_numbers: [scoring('value', 'label'), scoring('distance', 'label', { by: 'value' })],
}

const unknownTypes = {
  'large_list_view.arrow': 'LargeListView',
  'list_of_unknown.arrow': 'ListView',
  'list_view.arrow': 'ListView',
  'run_end_encoded.arrow': 'RunEndEncoded',
  'struct_of_unknown.arrow': 'ListView',
}

const refusals: Readonly<Record<string, RegExp>> = {
  ...Object.fromEntries(
    Object.entries(unknownTypes).map(([file, type]) => [
      file,
      new RegExp(`--input distance has ${type}, which cannot be read`),
    ]),
  ),
  'big-endian.arrows': /big-endian/,
  'bool.arrow': /--input distance is Bool, must be a number/,
  'coded_text.arrow': /--input distance is .*Utf8.*, must be a number/,
  'date.arrow': /--input distance is Date.*, must be a number/,
  'decimal.arrow': /--input distance is Decimal.*, must be a number/,
  'null.arrow': /--input distance is Null, must be a number/,
  'text.arrow': /--input distance is Utf8, must be a number/,
  'twice.arrow': /--input distance: more than one column has the name distance/,
  'version-1.feather': /version 1 of Feather/,
}

const refusedArrays: Readonly<Record<string, RegExp>> = {
  'archive.npy': /an archive \(\.npz\)/,
  'bytes.npy': /has dtype \|S1/,
  'complex.npy': /has dtype <c8/,
  'date.npy': /has dtype <M8\[D\]/,
  'long.npy': /has 153 bytes, but its shape, \[3\] of <f8, takes 152/,
  'objects.npy': /has dtype \|O/,
  'short.npy': /has 151 bytes, but its shape, \[3\] of <f8, takes 152/,
  'square.npy': /has shape \[3, 1\], but .*i1\.npy has \[24\]/,
  'structures.npy': /an array of structures/,
  'text.npy': /has dtype <U1/,
}

const npyTypes = ['b1', 'i1', 'i2', 'i4', 'i8', 'u1', 'u2', 'u4', 'u8', 'f2', 'f4', 'f8']

/** The totals, as JSON, of the first `count` pairs by the formulas of python/tables.py. */
function formatExpected(
  Input: Float32ArrayConstructor | Float64ArrayConstructor,
  count: number,
  inputOf = distanceOf,
): string {
  const rows = Array.from({ length: count }, (_, i) => i)
  const total = accumulate(new Input(rows.map(inputOf)), rows.map(bitOf), { negativeLabel: 0 })
  return `${formatFigures(total)}\n`
}

function distanceOf(i: number): number {
  return ((i * 37) % 97) / 30
}

function bitOf(i: number): number {
  return Number(i % 10 === 3)
}

/** Scores a Parquet file by DuckDB. */
async function scoreParquet(session: Session, file: string, query: Options): Promise<string> {
  const options = { ...defaults, ...query }
  const { signal } = new AbortController()
  const scans = await openScans(session, [{ file, kind: 'Parquet', compression: 'uncompressed' }], options, signal)
  const { groups } = await scoreScans(session, scans, options, signal)
  return formatAsJSON(groups.map((each) => ({ total: each.total, ...(options.by !== undefined && { groups: each }) })))
}

async function score(args: readonly string[], stdin?: Iterable<Uint8Array>): Promise<string> {
  const { code, stdout, stderr } = await command(['score', ...args], stdin)
  expect({ code, stderr }, args.join(' ')).to.deep.equal({ code: 0, stderr: '' })
  return stdout
}

async function assertFails(args: readonly string[], expected: RegExp, stdin?: Iterable<Uint8Array>): Promise<void> {
  const { code, stdout, stderr } = await command(['score', ...args], stdin)
  expect({ code, stdout }, args.join(' ')).to.deep.equal({ code: 1, stdout: '' })
  expect(stderr, args.join(' ')).to.match(/^hinge-embedding-loss: .+\n$/)
  expect(stderr, args.join(' ')).to.match(expected)
}

/** The source of an expression that matches this text alone. */
function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}

/** Unifies group keys: DuckDB writes a DOUBLE with a decimal point, and 0 may be -0.0. */
function normalizeKeys(json: string): string {
  return json.replace(/(?<="by":)-?\d+(?=[.e])[\d.e+-]+/g, (number) => String(Number(number) + 0))
}

/** Tests the readers with the files that python/tables.py has written to `folder()`. Each file is scored with every `sample`-th set of options. */
export function describeReaders(folder: () => string, sample = 1): void {
  let session: Session
  before(async () => {
    session = await Session.open(2)
  })
  after(() => session.close())

  for (const [name, queries] of Object.entries(folders)) {
    it(`reads Arrow with the totals and groups of the same Parquet: ${name}`, async () => {
      const place = join(folder(), 'arrow', name)
      const files = readdirSync(place)
      expect(files).not.to.be.empty
      for (const [index, query] of queries.entries()) {
        const args = argumentsOf(query)
        const expected = normalizeKeys(await scoreParquet(session, `${place}.parquet`, query))
        for (const [shift, file] of files.entries()) {
          if (index > 0 && (index + shift) % sample !== 0) continue
          const path = join(place, file)
          const bytes = readFileSync(path)
          expect(normalizeKeys(await score([path, ...args])), `${path} ${args.join(' ')}`).to.equal(expected)
          const sizes = index === 0 ? [shift === 0 ? 1 : 7, 64, bytes.length] : []
          for (const size of sizes) {
            const piped = await score(['-', ...args], chunksOf(bytes, size))
            expect(normalizeKeys(piped), `${path} through a pipe ${args.join(' ')}`).to.equal(expected)
          }
        }
      }
    })
  }

  it('refuses Arrow that it cannot read, and says why', async () => {
    const place = join(folder(), 'arrow/refused')
    expect(readdirSync(place)).to.have.members(Object.keys(refusals))
    for (const [file, reason] of Object.entries(refusals)) {
      const path = join(place, file)
      const columns = argumentsOf(scoring('distance', 'label'))
      await assertFails([path, ...columns], new RegExp(`^hinge-embedding-loss: ${literally(path)}: .*${reason.source}`))
      const piped = chunksOf(readFileSync(path), 64)
      await assertFails(
        ['-', ...columns],
        new RegExp(`^hinge-embedding-loss: standard input: .*${reason.source}`),
        piped,
      )
    }
  })

  it('reads .npy arrays in C order, in Fortran order and one of each', async () => {
    const place = join(folder(), 'npy/shapes')
    const shapes = readdirSync(place)
    expect(shapes).not.to.be.empty
    for (const shape of shapes) {
      const count = shape === 'none' ? 1 : shape.split('x').reduce((product, extent) => product * Number(extent), 1)
      for (const [x, y] of ['CC', 'CF', 'FC', 'FF']) {
        const files = [`input-${x}`, `label-${y}`].map((name) => join(place, shape, `${name}.npy`)) as [string, string]
        expect(await score(argumentsOf(scoring(...files, zeroOne))), files.join()).to.equal(
          formatExpected(Float32Array, count),
        )
      }
    }
  })

  it('reads .npy arrays of every dtype, byte order and version of the format', async () => {
    const place = join(folder(), 'npy')
    const distances = join(place, 'versions/1.npy')
    const expected = formatExpected(Float32Array, 24)
    for (const version of [1, 2, 3]) {
      const query = scoring(join(place, `versions/${version}.npy`), join(place, 'dtypes/i1.npy'), zeroOne)
      expect(await score(argumentsOf(query))).to.equal(expected)
    }
    for (const type of npyTypes.flatMap((name) => [name, `${name}-big`])) {
      const file = join(place, 'dtypes', `${type}.npy`)
      expect(await score(argumentsOf(scoring(distances, file, zeroOne))), file).to.equal(expected)
      if (type.startsWith('b'))
        await assertFails(argumentsOf(scoring(file, file)), /b1(-big)?\.npy: has dtype bool, must be a number/)
      else {
        const total = formatExpected(/^f[24]/.test(type) ? Float32Array : Float64Array, 24, bitOf)
        expect(await score(argumentsOf(scoring(file, file, zeroOne))), file).to.equal(total)
      }
    }
  })

  it('refuses .npy arrays that it cannot read, and says why', async () => {
    const place = join(folder(), 'npy/refused')
    const label = join(folder(), 'npy/dtypes/i1.npy')
    expect(readdirSync(place).sort()).to.deep.equal(Object.keys(refusedArrays))
    for (const [file, reason] of Object.entries(refusedArrays)) {
      const path = join(place, file)
      await assertFails(argumentsOf(scoring(path, label)), new RegExp(`${literally(path)}:? .*${reason.source}`))
    }
  })
}

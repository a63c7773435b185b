import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { openScans } from '../../lib/files/duckdb/open-scans.ts'
import { findWith } from '../../lib/files/duckdb/remote-files.ts'
import type { ScanSource } from '../../lib/files/duckdb/scan.ts'
import { Session } from '../../lib/files/duckdb/session.ts'
import { scoreScans } from '../../lib/files/duckdb/totals.ts'
import type { Scoring } from '../../lib/files/options.ts'
import { findSources } from '../../lib/files/sources.ts'
import { LossAccumulator, type MarginOptions } from '../../lib/index.ts'

const folder = fileURLToPath(new URL('../fixtures', import.meta.url))
const defaults: Scoring = {
  input: 'distance',
  label: 'label',
  nulls: 'error',
  nan: 'error',
  margins: [1],
  positiveLabel: 1,
  negativeLabel: -1,
  otherLabels: 'error',
}

/** The same formulas as in fixtures/make.py. */
const pairs = Array.from({ length: 200 }, (_, i) => ({
  distance: ((i * 37) % 97) / 30,
  label: i % 10 === 3 ? 1 : -1,
  isGap: i % 7 === 5,
}))
const floats = totalOf(Float32Array)
const doubles = totalOf(Float64Array)
const gapless = totalOf(
  Float64Array,
  pairs.filter(({ isGap }) => !isGap),
)

function totalOf(Input: Float32ArrayConstructor | Float64ArrayConstructor, of = pairs, options: MarginOptions = {}) {
  const { negativeLabel = -1 } = options
  const input = new Input(of.map(({ distance }) => distance))
  const label = Float64Array.from(of, ({ label }) => (label === 1 ? 1 : negativeLabel))
  return new LossAccumulator(options).update(input, label)
}

function filesIn(name: string): string[] {
  return readdirSync(join(folder, name)).map((file) => join(folder, name, file))
}

describe('files that other programs wrote', () => {
  let session: Session
  before(async () => {
    session = await Session.open(2)
  })
  after(() => session.close())

  async function score(files: readonly string[], options: Partial<Scoring>): Promise<LossAccumulator> {
    const sources = await findSources(files, { ...findWith(async () => session, {}), note: () => {} })
    const all = { ...defaults, ...options }
    const { signal } = new AbortController()
    const scans = await openScans(session, sources as ScanSource[], all, signal)
    const { groups } = await scoreScans(session, scans, all, signal)
    return groups[0]?.total as LossAccumulator
  }

  async function scores(files: string | readonly string[], options: Partial<Scoring>, expected: LossAccumulator) {
    const list = [files].flat()
    const total = await score(list, options)
    const what = `${list.map((file) => relative(folder, file)).join()} ${JSON.stringify(options)}`
    expect(total.toJSON(), what).to.deep.equal(expected.toJSON())
  }

  async function fails(file: string, reason: string) {
    const error = await score([file], {}).then(() => undefined, String)
    expect(error, file).to.include(`Error: ${file}: ${reason}`)
  }

  it('Parquet is read with any codec, encoding, page version and size of row groups', async () => {
    const files = filesIn('flat')
    for (const file of files) {
      await scores(file, {}, floats)
      await scores(file, { input: 'wide' }, doubles)
      await scores(file, { input: 'gap', nulls: 'ignore' }, gapless)
    }
    await scores(files, {}, LossAccumulator.merge(...files.map(() => floats)))
  })

  it('labels may have any numeric type', async () => {
    const file = join(folder, 'labels.parquet')
    const signed = ['int8', 'int16', 'int32', 'int64', 'halffloat', 'float', 'double']
    const decimals = ['decimal_3', 'decimal_12', 'decimal_30', 'decimal_20']
    for (const label of [...signed, ...decimals]) await scores(file, { input: 'wide', label }, doubles)
    const zeroOne = { negativeLabel: 0 }
    const total = totalOf(Float64Array, pairs, zeroOne)
    for (const label of ['bool', 'uint8', 'uint16', 'uint32', 'uint64']) {
      await scores(file, { input: 'wide', label, ...zeroOne }, total)
    }
  })

  it('expressions read distances in structs and compute them from lists', async () => {
    const label = 'pair.label'
    for (const file of filesIn('nested')) {
      await scores(file, { input: 'pair.distance', label }, floats)
      await scores(file, { input: 'list_distance(a, b)', label }, floats)
      await scores(file, { input: 'maybe.of.gap', label, nulls: 'ignore' }, gapless)
    }
    const json = join(folder, 'nested.ndjson.gz')
    await scores(json, { input: 'pair.distance::FLOAT', label }, floats)
    await scores(json, { input: 'list_distance(a, b)::FLOAT', label }, floats)
    await scores(json, { input: 'maybe.of.gap', label, nulls: 'ignore' }, gapless)
  })

  it('text is read with any quotes, byte order marks, line ends, delimiters and compressions', async () => {
    const files = filesIn('text')
    for (const file of files) {
      await scores(file, {}, doubles)
      await scores(file, { input: 'gap', nulls: 'ignore' }, gapless)
    }
    await scores(files, {}, LossAccumulator.merge(...files.map(() => doubles)))
  })

  it('the error of a file that DuckDB cannot read names the file', async () => {
    for (const file of filesIn('refused')) await fails(file, '')
  })

  it('compressed files that are cut off are refused', async () => {
    const place = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
    for (const name of ['gzip.csv.gz', 'zstd.csv.zst', 'polars.ndjson.gz', 'polars.ndjson.zst']) {
      const bytes = readFileSync(join(folder, 'text', name))
      const file = join(place, name)
      for (let length = 1; length < bytes.length; length += 101) {
        writeFileSync(file, bytes.subarray(0, length))
        await fails(file, 'unexpected end of file')
      }
      writeFileSync(file, 'distance,label\n1,1\n')
      await fails(file, 'incorrect header check')
    }
    rmSync(place, { recursive: true })
  })
})

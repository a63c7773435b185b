import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { Table, tableFromArrays, tableToIPC, Utf8, vectorFromArray } from 'apache-arrow'
import { expect } from 'chai'
import type { InputData, LossAccumulator, MarginOptions } from '../../lib/index.ts'
import { type Expected, expected } from '../oracle.ts'
import { Random } from './random.ts'
import { totalsOf } from './totals.ts'

const random = new Random(29)
const count = 3000
const rows = Array.from({ length: count }, (_, i) => i)
const words = ['near', 'far', 'two\nlines', 'a "quoted", word', 'größer 𝔸']
const wide = rows.map(() => (random.fraction() - 0.25) * 2 ** random.integer(-30, 3))

/** Columns of pairs that tests write to files of all kinds, and read here for what they expect. */
export const pairs = {
  count,
  /** float32 */
  d: Float32Array.from(wide),
  w: Float64Array.from(wide),
  y: rows.map(() => random.sign()),
  zero_one: rows.map((i) => (i % 3 === 0 ? 1 : 0)),
  /** labels of which some are neither */
  other: rows.map((i) => (i % 7 === 3 ? 5 : i % 2 === 0 ? 1 : -1)),
  gap: wide.map((value, i) => (i % 11 === 7 ? null : value)),
  label_gap: rows.map((i) => (i % 13 === 5 ? null : 1)),
  nan: wide.map((value, i) => (i % 17 === 9 ? Number.NaN : value)),
  k: rows.map((i) => i % 3),
  word: rows.map((i) => (i % 6 === 5 ? null : (words[i % 6] as string))),
} as const

/** The types of the columns in Parquet. */
const types = {
  d: 'FLOAT',
  w: 'DOUBLE',
  y: 'TINYINT',
  zero_one: 'UTINYINT',
  other: 'SMALLINT',
  gap: 'DOUBLE',
  label_gap: 'INTEGER',
  nan: 'DOUBLE',
  k: 'INTEGER',
  word: 'VARCHAR',
}
type Column = keyof typeof types
const columns = Object.keys(types) as Column[]

function fieldsOf(row: number): (string | number | null)[] {
  return columns.map((name) => {
    const value = pairs[name][row] as string | number | null
    return typeof value === 'number' && Number.isNaN(value) ? 'NaN' : value
  })
}

function csvField(value: string | number | null): string {
  if (value === null) return ''
  return typeof value === 'string' && value !== 'NaN' ? `"${value.replaceAll('"', '""')}"` : String(value)
}

/** An array in the order of C as the bytes of a .npy. */
export function makeNpy(descr: string, values: ArrayBufferView, shape: readonly number[]): Buffer {
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(', ')},), }\n`
  const start = Buffer.from('\x93NUMPY\x01\x00\x00\x00', 'latin1')
  start.writeUInt16LE(header.length, 8)
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  return Buffer.concat([start, Buffer.from(header), bytes])
}

/** Writes the pairs: pairs.parquet, .csv, .tsv, .ndjson, .arrow (a file), .arrows (a stream), and x.npy, w.npy, y.npy. */
export async function writePairs(folder: string): Promise<void> {
  const write = (name: string, content: string | Uint8Array) => writeFileSync(join(folder, name), content)
  for (const [name, separator] of [
    ['csv', ','],
    ['tsv', '\t'],
  ] as const) {
    const lines = [columns, ...rows.map((row) => fieldsOf(row).map(csvField))].map((fields) => fields.join(separator))
    write(`pairs.${name}`, `${lines.join('\n')}\n`)
  }
  const records = rows.map((row) => Object.fromEntries(fieldsOf(row).map((value, i) => [columns[i], value])))
  write('pairs.ndjson', records.map((record) => `${JSON.stringify(record)}\n`).join(''))
  const { d, w, y, zero_one, other, gap, label_gap, nan, k, word } = pairs
  const numbers = { d, w, y: Int8Array.from(y), zero_one: Uint8Array.from(zero_one), other: Int16Array.from(other) }
  const table = tableFromArrays({ ...numbers, nan: Float64Array.from(nan), k: Int32Array.from(k) }).assign(
    new Table({
      gap: vectorFromArray(gap),
      label_gap: vectorFromArray(label_gap),
      word: vectorFromArray(word, new Utf8()),
    }),
  )
  write('pairs.arrow', tableToIPC(table, 'file'))
  write('pairs.arrows', tableToIPC(table, 'stream'))
  write('x.npy', makeNpy('<f4', d, [count]))
  write('w.npy', makeNpy('<f8', w, [count]))
  write('y.npy', makeNpy('|i1', Int8Array.from(y), [count]))
  const connection = await (await DuckDBInstance.create(':memory:')).connect()
  const schema = JSON.stringify(types).replaceAll('"', "'")
  const source = `read_json('${join(folder, 'pairs.ndjson')}', format = 'newline_delimited', columns = ${schema})`
  await connection.run(`COPY (FROM ${source}) TO '${join(folder, 'pairs.parquet')}' (ROW_GROUP_SIZE 2048)`)
  connection.closeSync()
}

const defaults = { margin: 1, positiveLabel: 1, negativeLabel: -1, otherLabels: 'error' } as const

/** What the BigInt oracle computes for elements. */
export function expectedOf(input: InputData, label: readonly number[], options: MarginOptions = {}): Expected {
  const { otherLabels, ...settings } = { ...defaults, ...options }
  return expected(input, Float64Array.from(label), settings, otherLabels)
}

/** Checks totals against the BigInt oracle: the rounded figures, and the exact sums that their JSON has. */
export function assertTotals(
  total: LossAccumulator,
  input: InputData,
  label: readonly number[],
  options: MarginOptions = {},
): void {
  const { count, sum, mean, positives, negatives, others, record } = expectedOf(input, label, options)
  expect(totalsOf(total)).to.deep.equal({ count, sum, mean, positives, negatives, others })
  const json = total.toJSON()
  expect(json).to.deep.include({ ...defaults, ...options })
  expect([json.positives.count, json.positives.sum]).to.deep.equal(record.slice(0, 2))
  expect([json.negatives.count, json.negatives.sum, json.negatives.active, json.others]).to.deep.equal(record.slice(2))
}

/** The elements of some rows. */
export function selectRows<T extends InputData>(
  input: T,
  label: readonly number[],
  isSelected: (row: number) => boolean,
): [input: T, label: number[]] {
  return [input.filter((_, row) => isSelected(row)) as T, label.filter((_, row) => isSelected(row))]
}

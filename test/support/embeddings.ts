import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import type { InputData } from '../../lib/index.ts'
import { Random } from './random.ts'

/** A pair of embeddings of one length. */
export interface EmbeddingPair {
  readonly left: readonly number[]
  readonly right: readonly number[]
}

export type Precision = 'float32' | 'float64'

export const distanceNames = ['euclidean', 'manhattan', 'chebyshev', 'cosine', 'minkowski:3'] as const

/** An exact multiple of 2^-400. */
function toExact(value: number): bigint {
  if (value === 0) return 0n
  let [scaled, exponent] = [value, 400]
  while (!Number.isInteger(scaled)) {
    scaled *= 2
    exponent--
  }
  if (exponent < 0) throw new RangeError(`${value} is too small for the oracle`)
  return BigInt(scaled) << BigInt(exponent)
}

/** The double that is nearest to the sum of products. */
function sumProducts(one: readonly number[], other: readonly number[]): number {
  const sum = one.reduce((total, value, i) => total + toExact(value) * toExact(other[i] as number), 0n)
  return Number(sum) * 2 ** -400 * 2 ** -400
}

/** The distance of a pair by its definition, from exact sums: within two roundings of float64, before that of float32. */
export function distanceOf(
  { left, right }: EmbeddingPair,
  name: string,
  precision: Precision,
  epsilon = name === 'cosine' ? 1e-8 : 1e-6,
): number {
  const round = precision === 'float32' ? Math.fround : Number
  if (name === 'cosine') {
    const norms = Math.sqrt(sumProducts(left, left)) * Math.sqrt(sumProducts(right, right))
    return round(1 - sumProducts(left, right) / Math.max(norms, epsilon))
  }
  const sizes = left.map((value, i) => Math.abs(round(round(value - (right[i] as number)) + round(epsilon))))
  if (name === 'manhattan') return round(sumProducts(sizes, Array(sizes.length).fill(1)))
  if (name === 'chebyshev') return Math.max(0, ...sizes)
  if (name === 'euclidean') return round(Math.sqrt(sumProducts(sizes, sizes)))
  const p = Number(name.replace('minkowski:', ''))
  return round(sizes.reduce((sum, size) => sum + size ** p, 0) ** (1 / p))
}

export function distancesOf(pairs: readonly EmbeddingPair[], name: string, precision: Precision): InputData {
  const values = pairs.map((pair) => distanceOf(pair, name, precision))
  return precision === 'float32' ? Float32Array.from(values) : Float64Array.from(values)
}

/** Pairs of random lengths up to `mostElements`, or all of one length; their elements are float32 numbers. */
export function makePairs(random: Random, count: number, mostElements: number, length?: number): EmbeddingPair[] {
  return Array.from({ length: count }, () => {
    const width = length ?? random.integer(0, mostElements)
    const side = () => Array.from({ length: width }, () => Math.fround(random.fraction() - 0.5))
    return { left: side(), right: side() }
  })
}

const count = 2500
const random = new Random(20)

/** Pairs whose lengths differ from row to row, their labels, and pairs that have 24 elements each. */
export const embeddings = {
  count,
  pairs: makePairs(random, count, 300),
  fixed: makePairs(random, count, 24, 24),
  y: Array.from({ length: count }, () => random.sign()),
  k: Array.from({ length: count }, (_, i) => i % 3),
} as const

const { pairs, fixed, y, k } = embeddings

/** Runs queries in a DuckDB of their own. */
export async function runQueries(...queries: readonly string[]): Promise<void> {
  const connection = await (await DuckDBInstance.create(':memory:')).connect()
  try {
    for (const sql of queries) await connection.run(sql)
  } finally {
    connection.closeSync()
  }
}

const columns = { a: 'FLOAT[]', b: 'FLOAT[]', fa: 'FLOAT[]', fb: 'FLOAT[]', y: 'TINYINT', k: 'INTEGER', id: 'INTEGER' }

/**
 * Writes embeddings.parquet, .ndjson and double.parquet: `a` and `b` have lengths that differ from row to row, `fa` and `fb`
 * have one; the elements are FLOAT, in double.parquet and NDJSON DOUBLE.
 */
export async function writeEmbeddings(folder: string): Promise<void> {
  const lines = pairs.map(({ left, right }, i) => {
    const { left: fa, right: fb } = fixed[i] as EmbeddingPair
    return `${JSON.stringify({ a: left, b: right, fa, fb, y: y[i], k: k[i], id: i })}\n`
  })
  writeFileSync(join(folder, 'embeddings.ndjson'), lines.join(''))
  const read = (types: object) =>
    `FROM read_json('${join(folder, 'embeddings.ndjson')}', columns = ${JSON.stringify(types).replaceAll('"', "'")})`
  const doubles = Object.fromEntries(
    Object.entries(columns).map(([name, type]) => [name, type.replace('FLOAT', 'DOUBLE')]),
  )
  await runQueries(
    `COPY (${read(columns)}) TO '${join(folder, 'embeddings.parquet')}' (ROW_GROUP_SIZE 2048)`,
    `COPY (${read(doubles)}) TO '${join(folder, 'double.parquet')}' (ROW_GROUP_SIZE 2048)`,
  )
}

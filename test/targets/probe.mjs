// Runs in the runtime of a target. Scores the same rows in every way the package has, checks the figures against the oracle, and
// prints as JSON what answered: the runtime, the instruction sets and the binaries that the process has loaded.
import { deepStrictEqual as assertEqual } from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { parentPort, Worker } from 'node:worker_threads'
import { HingeEmbeddingLoss, LossAccumulator, runtimeInfo } from 'hinge-embedding-loss'
import { extensionPath, load } from 'hinge-embedding-loss/duckdb'
import { expected } from '../oracle.js'

const count = 100_000
const options = { margin: 0.75 }
/** Values of many magnitudes, whose sum no order of additions gets right. */
const input = Float32Array.from({ length: count }, (_, i) => (((i * 7919) % 10007) / 10007) * 2 ** ((i % 60) - 40))
const label = Int8Array.from({ length: count }, (_, i) => (i % 3 === 0 ? 1 : -1))

const update = () => new LossAccumulator(options).update(input, label).toJSON()

function updateInThread() {
  return new Promise((resolve, reject) => {
    new Worker(new URL(import.meta.url)).once('message', resolve).once('error', reject)
  })
}

async function updateInDuckdb() {
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const instance = await DuckDBInstance.create(':memory:', { allow_unsigned_extensions: 'true' })
  const connection = await instance.connect()
  await load(connection)
  const rows = `SELECT (i * 7919 % 10007 / 10007.0::DOUBLE * 2.0::DOUBLE ** (i % 60 - 40))::FLOAT AS d,
    CASE WHEN i % 3 = 0 THEN 1 ELSE -1 END AS y FROM range(${count}) AS rows(i)`
  const partial = `hinge_embedding_loss_partial(d, y, ${options.margin})`
  const reader = await connection.runAndReadAll(`SELECT ${partial} FROM (${rows})`)
  return JSON.parse(String(reader.getRows()[0][0]))
}

/** The shared libraries of this process. Only Linux has a list of them for every runtime. */
function listLibraries() {
  if (process.platform !== 'linux') return process.report.getReport().sharedObjects
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .map((line) => line.replace(/^(\S+\s+){5}/, ''))
}

async function main() {
  const { positives, negatives, others } = update()
  const { record } = expected(input, label, { ...options, positiveLabel: 1, negativeLabel: -1 }, 'error')
  const figures = [positives.count, positives.sum, negatives.count, negatives.sum, negatives.active, others]
  assertEqual(figures, record)
  assertEqual(await updateInThread(), update())
  assertEqual((await new LossAccumulator(options).updateAsync(input, label)).toJSON(), update())
  if (!process.argv.includes('--without-duckdb')) assertEqual(await updateInDuckdb(), update())

  // The first example of README.md.
  const loss = new HingeEmbeddingLoss({ margin: 4, reduction: 'sum' })
  assertEqual(
    loss(
      [
        [1, -2, 3],
        [0, -1, 2],
        [1, 0, 1],
      ],
      [
        [-1, 1, -1],
        [1, 1, 1],
        [1, -1, 1],
      ],
    ),
    9,
  )

  const { instructionSet, instructionSets } = runtimeInfo()
  const libraries = [...new Set(listLibraries())].filter((path) => /hinge_embedding_loss/.test(path))
  console.log(JSON.stringify({ versions: process.versions, instructionSet, instructionSets, libraries, extensionPath }))
}

if (parentPort) parentPort.postMessage(update())
else await main()

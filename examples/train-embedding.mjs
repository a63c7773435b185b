// Trains a siamese model on handwritten digits: one linear embedding, 64 pixels to 4 numbers, for both images of a pair. Images of
// the same digit should be near, others a margin apart. Half of the images are held out, to be told by their nearest neighbours
// in the other half.
import { fileURLToPath } from 'node:url'
import { DuckDBInstance } from '@duckdb/node-api'
import { HingeEmbeddingLoss } from 'hinge-embedding-loss'

const dimensions = 4
const epochs = 10
const learningRate = 1
const pairCount = 4096
const batchSize = 128

const criterion = new HingeEmbeddingLoss({ margin: 1 })

async function readImages() {
  const connection = await (await DuckDBInstance.create()).connect()
  const file = fileURLToPath(new URL('digit-embeddings.parquet', import.meta.url))
  const reader = await connection.runAndReadAll('SELECT digit, raw AS pixels FROM read_parquet($file)', { file })
  return reader.getRowObjectsJS()
}

/** Numbers in [0, 1), for a seed always the same: a linear congruential generator. */
function generator(seed) {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0)
const embed = (weights, pixels) => weights.map((row) => dot(row, pixels))

function drawPair(images, label, random) {
  const pick = () => images[Math.floor(random() * images.length)]
  const left = pick()
  let right = pick()
  while ((left.digit === right.digit) !== (label === 1)) right = pick()
  return { left: left.pixels, right: right.pixels, label }
}

/**
 * One step down the gradient. The loss comes with its gradients by the embeddings of both sides; the gradient by the weights
 * is that by an embedding ⊗ the pixels. Gives the loss before the step.
 */
function descend(weights, pairs) {
  const [left, right] = ['left', 'right'].map((side) => pairs.map((pair) => embed(weights, pair[side])))
  const label = pairs.map((pair) => pair.label)
  const { loss, gradLeft, gradRight } = criterion.valueAndGradPairs(left, right, label)
  for (const [side, { data }] of Object.entries({ left: gradLeft, right: gradRight })) {
    for (const [i, pair] of pairs.entries()) {
      for (const [d, row] of weights.entries()) {
        const scale = learningRate * data[i * dimensions + d]
        for (const [p, pixel] of pair[side].entries()) row[p] -= scale * pixel
      }
    }
  }
  return loss
}

/** All pairs once; gives the mean loss on the way. */
function train(weights, pairs) {
  let sum = 0
  for (let i = 0; i < pairs.length; i += batchSize) sum += descend(weights, pairs.slice(i, i + batchSize))
  return (sum * batchSize) / pairs.length
}

function accuracy(weights, known, unknown) {
  const points = known.map(({ digit, pixels }) => ({ digit, point: embed(weights, pixels) }))
  const isTold = ({ digit, pixels }) => nearest(points, embed(weights, pixels)).digit === digit
  return unknown.filter(isTold).length / unknown.length
}

function nearest(points, from) {
  const squaredDistance = ({ point }) => point.reduce((sum, value, d) => sum + (value - from[d]) ** 2, 0)
  return points.reduce((best, each) => (squaredDistance(each) < squaredDistance(best) ? each : best))
}

const images = await readImages()
const [seen, heldOut] = [0, 1].map((half) => images.filter((_, i) => i % 2 === half))
const random = generator(1)
const pairs = Array.from({ length: pairCount }, (_, i) => drawPair(seen, i % 2 === 0 ? 1 : -1, random))
const weights = Array.from({ length: dimensions }, () => seen[0].pixels.map(() => random() - 0.5))

const before = accuracy(weights, seen, heldOut)
for (let epoch = 1; epoch <= epochs; epoch++) {
  const loss = train(weights, pairs)
  console.log(`epoch ${String(epoch).padStart(2)}   loss ${loss.toFixed(4)}   ${'█'.repeat(Math.round(100 * loss))}`)
}
const after = accuracy(weights, seen, heldOut)
const percent = (share) => `${(100 * share).toFixed(1)} %`
console.log(`held-out digits told by their nearest neighbour: ${percent(before)} before, ${percent(after)} after`)

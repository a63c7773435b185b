// Runs a model on both sides of pairs, and scores its output tensors where they lie: the distances of the embeddings are
// computed on the way. Outputs of transformers.js go in the same way: `await extractor(texts, { pooling: 'mean' })`.
import { fileURLToPath } from 'node:url'
import { CosineDistance, LossAccumulator, tensor } from 'hinge-embedding-loss'
import { InferenceSession, Tensor } from 'onnxruntime-node'

const [pairs, features] = [1000, 32]
const items = (seed) => {
  const values = Float32Array.from({ length: pairs * features }, (_, i) => Math.sin(seed * i * i))
  return new Tensor('float32', values, [pairs, features])
}
const label = Int8Array.from({ length: pairs }, (_, i) => (i % 2 === 0 ? 1 : -1))

const session = await InferenceSession.create(fileURLToPath(new URL('embedding.onnx', import.meta.url)))
const embed = async (item) => (await session.run({ item })).embedding
const [left, right] = [await embed(items(1)), await embed(items(2))]

const euclidean = new LossAccumulator({ margin: 1 }).updatePairs(left, right, label)
const cosine = new LossAccumulator({ margin: 1 }).updatePairs(left, right, label, { distance: new CosineDistance() })

console.log(`embeddings: ${left.dims.join(' × ')}`)
console.log(`mean loss, Euclidean distance: ${euclidean.mean}`)
console.log(`mean loss, cosine distance: ${cosine.mean}`)
console.log(`read in the memory of the session's tensors: ${tensor(left).data === left.data}`)

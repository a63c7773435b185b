// Runs a model that gives the distances of pairs of embeddings, and scores its output tensor where it lies, without a copy.
import { fileURLToPath } from 'node:url'
import { HingeEmbeddingLoss, tensor } from 'hinge-embedding-loss'
import { InferenceSession, Tensor } from 'onnxruntime-node'

const [pairs, dimensions] = [1000, 16]
const embeddings = (seed) => {
  const values = Float32Array.from({ length: pairs * dimensions }, (_, i) => Math.sin(seed * i * i))
  return new Tensor('float32', values, [pairs, dimensions])
}
const label = Int8Array.from({ length: pairs }, (_, i) => (i % 2 === 0 ? 1 : -1))

const session = await InferenceSession.create(fileURLToPath(new URL('distance.onnx', import.meta.url)))
const { distance } = await session.run({ left: embeddings(1), right: embeddings(2) })
const criterion = new HingeEmbeddingLoss({ margin: 4 })

console.log(`mean loss of ${distance.dims} pairs: ${criterion(distance, label)}`)
console.log(`read in the memory of the session's tensor: ${tensor(distance).data === distance.data}`)

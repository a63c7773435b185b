// Small calls in processes of their own: fresh ones, which make one kind of call only, and mixed ones, which have used
// every dtype, kind of argument and function before. `node bench/mixed.mjs tensors fresh` prints the ns of one call.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import * as ort from 'onnxruntime-common'
import { HingeEmbeddingLoss, LossAccumulator, setNumThreads, Tensor, tensor } from '../dist/index.js'
import { least, pairs } from './measure.mjs'

const mean = new HingeEmbeddingLoss()
const none = new HingeEmbeddingLoss({ reduction: 'none' })
const { input, label } = pairs(9)
const shape = [3, 3]
const onnx = (data) => new ort.Tensor(data, shape)
const nested = (data) => [0, 3, 6].map((at) => Array.from(data.subarray(at, at + 3)))
const duck = (data) => ({ type: 'float32', dims: shape, data })

/** The input and label of each kind of call, and the loss that it computes. */
const kinds = {
  tensors: [mean, (data) => new Tensor(data, shape)],
  arrays: [mean, (data) => data],
  none: [none, (data) => new Tensor(data, shape)],
  nested: [mean, nested],
  onnx: [mean, onnx],
  duck: [mean, duck],
}

/** All kinds of input of `Floats`, and of labels that go with them, both of shape [9] and of shape [3, 3]. */
function argumentsOf(Floats) {
  const x = Floats.from(input)
  const shared = new Floats(new SharedArrayBuffer(9 * Floats.BYTES_PER_ELEMENT))
  const resizable = new Floats(new ArrayBuffer(9 * Floats.BYTES_PER_ELEMENT, { maxByteLength: 100 }))
  shared.set(x)
  resizable.set(x)
  const dtype = x instanceof Float32Array ? 'float32' : 'float64'
  const signed = [Float32Array, Float64Array, Int8Array, Int16Array, Int32Array].map((Class) => Class.from(label))
  const ones = [Uint8Array, Uint8ClampedArray, Uint16Array, Uint32Array].map((Class) => new Class(9).fill(1))
  const bigs = [BigInt64Array.from(label, BigInt), new BigUint64Array(9).fill(1n)]
  const labels = [...signed, ...ones, ...bigs]
  return [
    {
      inputs: [x, new Tensor(x), shared, resizable, Array.from(x), { data: x, shape: [9], stride: [1], offset: 0 }],
      labels: [...labels, ...labels.map((each) => new Tensor(each)), Array.from(label), 1, Array.from(label, BigInt)],
    },
    {
      inputs: [
        new Tensor(x, shape),
        onnx(x),
        nested(x),
        { type: dtype, dims: shape, data: x },
        { data: x, shape, strides: [3, 1] },
        { dtype, shape, dataSync: () => x },
        tensor(nested(x), { dtype }),
      ],
      labels: [
        ...labels.map((each) => new Tensor(each, shape)),
        ...labels.filter((each) => !(each instanceof Uint8ClampedArray)).map(onnx),
        nested(label),
        -1,
        duck(Float32Array.from(label)),
      ],
    },
  ]
}

/** Calls every function with every kind of argument, often enough that V8 has compiled all of them for all kinds. */
async function useEverything(rounds) {
  const losses = ['none', 'mean', 'sum'].map((reduction) => new HingeEmbeddingLoss({ reduction }))
  const total = new LossAccumulator()
  const sets = [Float32Array, Float64Array].flatMap(argumentsOf)
  for (let round = 0; round < rounds; round++) {
    for (const { inputs, labels } of sets) {
      for (const x of inputs) {
        const out = new (tensor(x).data.constructor)(9)
        for (const y of labels) {
          for (const loss of losses) {
            loss(x, y)
            loss.backward(x, y, 1, { out })
            loss.valueAndGrad(x, y)
          }
          none.backward(x, y, x)
          none.forward(x, y, { out })
          total.update(x, y)
        }
      }
      const [x, y] = [inputs[round % inputs.length], labels[round % labels.length]]
      for (const loss of losses) await loss.forwardAsync(x, y)
      await total.updateAsync(x, y)
    }
  }
}

/**
 * The least ns of a call of each kind, in fresh and in mixed processes, which alternate: `{ tensors: { fresh, mixed },
 * … }`.
 */
export function measureCalls({ processes = 5 } = {}) {
  const times = {}
  for (let i = 0; i < processes; i++) {
    for (const kind of Object.keys(kinds)) {
      times[kind] ??= { fresh: Number.POSITIVE_INFINITY, mixed: Number.POSITIVE_INFINITY }
      for (const state of ['fresh', 'mixed']) {
        const printed = execFileSync(process.execPath, [fileURLToPath(import.meta.url), kind, state])
        times[kind][state] = Math.min(times[kind][state], Number(printed))
      }
    }
  }
  return times
}

/** A loss, an input and a label of this kind, in a process that is made `mixed` if it shall be. */
export async function prepare(kind, state) {
  const [loss, make] = kinds[kind]
  setNumThreads(1)
  if (state === 'mixed') await useEverything(20)
  return [loss, make(input), make(label)]
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [kind, state] = process.argv.slice(2)
  const [loss, x, y] = await prepare(kind, state)
  const call = () => loss(x, y)
  for (let i = 0; i < 30_000; i++) call()
  console.log(least([call], { rounds: 100, sampleMs: 1 })[0])
}

// Every figure is a ratio of two times of one run, or the time of a call too short to have one: see measure.mjs.
import { cpus, freemem } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import {
  CosineDistance,
  HingeEmbeddingLoss,
  LossAccumulator,
  PairwiseDistance,
  runtimeInfo,
  setNumThreads,
  Tensor,
} from '../dist/index.js'
import { distributedBenchmarks } from './distributed.mjs'
import { fileBenchmarks } from './files.mjs'
import { amountOf, embeddings, least, markdown, pairs, row } from './measure.mjs'
import { measureCalls } from './mixed.mjs'
import { readerBenchmarks } from './readers.mjs'

const million = 2 ** 20
/** Of what takes little time: enough for the least of them to meet no other program. */
const manyRounds = 100
const mean = new HingeEmbeddingLoss()
const none = new HingeEmbeddingLoss({ reduction: 'none' })

function loopMean(input, label) {
  let sum = 0
  for (let i = 0; i < input.length; i++) sum += label[i] === 1 ? input[i] : Math.max(0, 1 - input[i])
  return sum / input.length
}

/** What a call of each kind of bench/mixed.mjs may take, in ns. */
const callTargets = {
  tensors: { what: 'tensors', target: 350 },
  arrays: { what: 'typed arrays', target: 350 },
  none: { what: '`none` of tensors', target: 900 },
  nested: { what: 'nested arrays', target: 1500 },
  onnx: { what: 'ONNX tensors', target: 800 },
  duck: { what: 'objects with dims', target: 800 },
}

/** The same on two threads. */
function onTwo(run) {
  return () => {
    setNumThreads(2)
    run()
    setNumThreads(1)
  }
}

/** The 99th percentile of the event loop's delay, in ms. */
async function delayDuring(run) {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  await run()
  delay.disable()
  return delay.percentile(99) / 1e6
}

const benchmarks = {
  calls() {
    const { input, label } = pairs(9)
    const [x, y] = [new Tensor(input, [3, 3]), new Tensor(label, [3, 3])]
    const [tensors, loop] = least([() => mean(x, y), () => loopMean(input, label)], { rounds: manyRounds })
    const times = measureCalls({ processes: amountOf.processes })
    return [
      ...Object.entries(callTargets).flatMap(([kind, { what, target }]) => {
        const { fresh, mixed } = times[kind]
        const note = `${fresh.toFixed(0)} ns in a fresh process`
        return [
          row(`9 elements, ${what}, in a mixed process`, mixed, { target, unit: 'ns', digits: 0, note }),
          row(`9 elements, ${what}: mixed / fresh process`, mixed / fresh, { target: 1.2 }),
        ]
      }),
      row('9 elements, tensors / JavaScript loop', tensors / loop, { digits: 1 }),
    ]
  },

  inCache() {
    return [64 * 1024, million].flatMap((size) => {
      const { input, label, read } = pairs(size)
      const name = `float32 mean, ${size / 1024} K in cache`
      const call = () => mean(input, label)
      const [ours, two, memcmp, loop] = least([call, onTwo(call), read, () => loopMean(input, label)], {
        rounds: manyRounds,
      })
      return [
        row(`${name} / memcmp`, ours / memcmp, { target: 2.5 }),
        row(`${name}, JavaScript loop / ours`, loop / ours, { digits: 1 }),
        row(`${name}, 1 thread / 2 threads`, ours / two, size === million ? { target: 1.8, atLeast: true } : {}),
      ]
    })
  },

  inMemory() {
    const size = 64 * million
    const { input, label, read } = pairs(size)
    const codes = Int8Array.from(label)
    const out = new Float32Array(size)
    const runs = [
      read,
      () => mean(input, label),
      () => mean(input, codes),
      () => none.forward(input, label, { out }),
      () => out.set(input),
      () => mean.backward(input, label, 1, { out }),
      () => mean.valueAndGrad(input, label, { out }),
      onTwo(() => mean(input, label)),
    ]
    const [memcmp, ours, int8, forward, set, backward, both, two] = least(runs)
    return [
      row('float32 mean, 64 M / memcmp', ours / memcmp, { target: 1.06 }),
      row('int8 labels / float32 labels, 64 M', int8 / ours, { target: 0.75 }),
      row('none with out, 64 M / out.set(input)', forward / set, { target: 1.5 }),
      row('backward with out, 64 M / out.set(input)', backward / set, { target: 1.6 }),
      row('valueAndGrad, 64 M / forward, then backward', both / (ours + backward), { target: 0.75 }),
      row('float32 mean, 64 M, 1 thread / 2 threads', ours / two),
    ]
  },

  float64() {
    const { input, label, read } = pairs(32 * million, Float64Array)
    const [memcmp, ours] = least([read, () => mean(input, label)])
    return [row('float64 mean, 32 M / memcmp', ours / memcmp, { target: 1.06 })]
  },

  async pairs() {
    const width = 128
    const [few, many] = [256, amountOf.embeddings]
    const distance = new PairwiseDistance()
    const prepare = (count) => {
      const { left, right, ...rest } = embeddings(count, width)
      const shape = [count, width]
      return {
        l: new Tensor(left, shape),
        r: new Tensor(right, shape),
        left,
        right,
        ...rest,
        out: new Float32Array(count),
      }
    }
    const cached = prepare(few)
    const loop = ({ left, right, out }) => {
      for (let i = 0; i < few; i++) {
        let sum = 0
        for (let j = i * width; j < (i + 1) * width; j++) {
          const d = left[j] - right[j] + 1e-6
          sum += d * d
        }
        out[i] = Math.sqrt(sum)
      }
    }
    const compute = ({ l, r, out }, of = distance) => of(l, r, { out })
    const peer = await import('simsimd').catch(() => undefined)
    const sides = Array.from({ length: few }, (_, i) =>
      [cached.left, cached.right].map((side) => side.subarray(i * width, (i + 1) * width)),
    )
    const computeByPeer = () => {
      for (const [i, [left, right]] of sides.entries()) cached.out[i] = peer.euclidean(left, right)
    }
    const [inCache, javascript, ofPeer] = least(
      [() => compute(cached), () => loop(cached), ...(peer ? [computeByPeer] : [])],
      { rounds: manyRounds },
    )
    const inMemory = prepare(many)
    const { l, r, label, out, read } = inMemory
    const [outLeft, outRight] = [new Float32Array(many * width), new Float32Array(many * width)]
    const [memcmp, ours, cosine, fused, two, both, steps] = least([
      read,
      () => compute(inMemory),
      () => compute(inMemory, new CosineDistance()),
      () => mean.forwardPairs(l, r, label),
      onTwo(() => compute(inMemory)),
      () => mean.valueAndGradPairs(l, r, label, { outLeft, outRight }),
      () => {
        const { gradInput } = mean.valueAndGrad(distance(l, r, { out }), label)
        distance.backward(l, r, gradInput, { outLeft, outRight })
      },
    ])
    const name = `${many / 1024} K pairs of ${width} float32`
    return [
      row(`euclidean, ${name} / memcmp`, ours / memcmp, { target: 1.15 }),
      row(`cosine, ${name} / memcmp`, cosine / memcmp),
      row(`forwardPairs / distances alone, ${name}`, fused / ours, { target: 1.05 }),
      row(`valueAndGradPairs / distance, loss and gradients one after the other, ${name}`, both / steps),
      row(`euclidean, ${name}, 1 thread / 2 threads`, ours / two),
      row(`euclidean, ${few} pairs of ${width} in cache, JavaScript loop / ours`, javascript / inCache, {
        target: 20,
        atLeast: true,
        digits: 1,
      }),
      ...(peer
        ? [
            row(
              `euclidean, ${few} pairs of ${width} in cache, simsimd, a call for each pair / ours`,
              ofPeer / inCache,
              { digits: 1 },
            ),
          ]
        : []),
    ]
  },

  batches() {
    const { input, label } = pairs(million)
    const starts = Array.from({ length: million / 2048 }, (_, i) => i * 2048)
    const parts = starts.map((at) => [input.subarray(at, at + 2048), label.subarray(at, at + 2048)])
    const whole = () => new LossAccumulator().update(input, label)
    const inParts = () => {
      const total = new LossAccumulator()
      for (const [x, y] of parts) total.update(x, y)
    }
    const [one, many] = least([whole, inParts], { rounds: manyRounds })
    return [row('accumulator, 1 M in batches of 2,048 / in one', many / one, { target: 1.3 })]
  },

  growth() {
    const largest = amountOf.largestElements
    const sizes = [4 * million, 16 * million, 64 * million, largest / 2, largest]
    const needed = 12 * largest
    if (freemem() < 1.2 * needed) return [row('growth: not measured, for want of memory', Number.NaN)]
    const { input, label } = pairs(largest)
    const runs = sizes.map((size) => {
      const [x, y] = [input.subarray(0, size), label.subarray(0, size)]
      return () => mean(x, y)
    })
    const before = process.resourceUsage().maxRSS
    const times = least(runs, { rounds: 7 }).map((time, i) => time / sizes[i])
    const grown = (process.resourceUsage().maxRSS - before) / 1024
    const note = times.map((time, i) => `${sizes[i] / million} M: ${(time / times[0]).toFixed(2)}`).join(', ')
    const what = `${largest / million} M`
    return [
      row(`float32 mean, time an element, ${what} / 4 M`, times.at(-1) / times[0], { target: 1.15, note }),
      row(`memory that mean takes beside its arguments, ${what}`, grown, { target: 1, unit: 'MiB' }),
    ]
  },

  async eventLoop() {
    const size = amountOf.asyncElements
    const { input, label } = pairs(size)
    const [x, y] = [input, label].map((each) => each.subarray(0, 64 * million))
    const [sharedX, sharedY] = [x, y].map((each) => {
      const shared = new Float32Array(new SharedArrayBuffer(each.byteLength))
      shared.set(each)
      return shared
    })
    const best = { forward: Number.POSITIVE_INFINITY, forwardAsync: Number.POSITIVE_INFINITY }
    const p99s = { own: [], shared: [], idle: [] }
    for (let round = 0; round < amountOf.asyncCalls; round++) {
      for (const call of Object.keys(best)) {
        const begin = performance.now()
        await mean[call](input, label)
        best[call] = Math.min(best[call], performance.now() - begin)
      }
      p99s.own.push(await delayDuring(() => mean.forwardAsync(x, y)))
      p99s.shared.push(await delayDuring(() => mean.forwardAsync(sharedX, sharedY)))
      p99s.idle.push(await delayDuring(() => setTimeout(50)))
    }
    const [own, shared, idle] = Object.values(p99s).map((all) => all.sort((a, b) => a - b))
    const median = (all) => all[all.length >> 1]
    const delay = (what, all) => {
      const range = `${all.at(0).toFixed(1)} to ${all.at(-1).toFixed(1)}`
      const note = `median of ${all.length} calls, ${range}; ${median(idle).toFixed(1)} while nothing runs`
      return row(`event-loop delay during 64 M async, ${what}, p99`, median(all), { target: 2, unit: 'ms', note })
    }
    return [
      row(`forwardAsync / forward, ${size / million} M`, best.forwardAsync / best.forward, { target: 1.1 }),
      delay('own memory', own),
      delay('shared memory', shared),
    ]
  },
}

setNumThreads(1)
const { instructionSet, version } = runtimeInfo()
console.log(`hinge-embedding-loss ${version}, ${instructionSet}, ${cpus()[0]?.model}, Node ${process.version}\n`)
const all = { ...benchmarks, ...fileBenchmarks, ...readerBenchmarks, ...distributedBenchmarks }
const named = process.argv.slice(2).filter((argument) => argument !== '--quick')
const unknown = named.filter((name) => !(name in all))
if (unknown.length > 0) throw new Error(`unknown: ${unknown.join(', ')}; known: ${Object.keys(all).join(', ')}`)
const rows = []
for (const name of named.length > 0 ? named : Object.keys(all)) {
  const begin = performance.now()
  rows.push(...(await all[name]()))
  console.error(`${name}: ${((performance.now() - begin) / 1000).toFixed(0)} s`)
}
console.log(markdown(rows))

// Every figure is a ratio of two times of one run, or the time of a call too short to have one: see measure.mjs.
import { cpus, freemem } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { HingeEmbeddingLoss, LossAccumulator, runtimeInfo, setNumThreads, Tensor } from '../dist/index.js'
import { distributedBenchmarks } from './distributed.mjs'
import { fileBenchmarks } from './files.mjs'
import { least, markdown, pairs, row } from './measure.mjs'
import { readerBenchmarks } from './readers.mjs'

const million = 2 ** 20
const mean = new HingeEmbeddingLoss()
const none = new HingeEmbeddingLoss({ reduction: 'none' })

function loopMean(input, label) {
  let sum = 0
  for (let i = 0; i < input.length; i++) sum += label[i] === 1 ? input[i] : Math.max(0, 1 - input[i])
  return sum / input.length
}

const benchmarks = {
  calls() {
    const { input, label } = pairs(9)
    const [x, y] = [new Tensor(input, [3, 3]), new Tensor(label, [3, 3])]
    const [tensors, arrays, loop] = least([() => mean(x, y), () => mean(input, label), () => loopMean(input, label)], {
      rounds: 100,
    })
    return [
      row('9 elements, a call with tensors', tensors, { target: 350, unit: 'ns', digits: 0 }),
      row('9 elements, a call with typed arrays', arrays, { target: 350, unit: 'ns', digits: 0 }),
      row('9 elements, tensors / JavaScript loop', tensors / loop, { digits: 1 }),
    ]
  },

  inCache() {
    return [64 * 1024, million].flatMap((size) => {
      const { input, label, read } = pairs(size)
      const name = `float32 mean, ${size / 1024} K in cache`
      const [ours, memcmp, loop] = least([() => mean(input, label), read, () => loopMean(input, label)])
      setNumThreads(2)
      const [two] = least([() => mean(input, label)])
      setNumThreads(1)
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
    ]
    const [memcmp, ours, int8, forward, set, backward, both] = least(runs)
    setNumThreads(2)
    const [two] = least([runs[1]])
    setNumThreads(1)
    return [
      row('float32 mean, 64 M / memcmp', ours / memcmp, { target: 1.06 }),
      row('int8 labels / float32 labels, 64 M', int8 / ours, { target: 0.75 }),
      row('none with out, 64 M / out.set(input)', forward / set, { target: 1.6 }),
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

  batches() {
    const { input, label } = pairs(million)
    const starts = Array.from({ length: million / 2048 }, (_, i) => i * 2048)
    const parts = starts.map((at) => [input.subarray(at, at + 2048), label.subarray(at, at + 2048)])
    const whole = () => new LossAccumulator().update(input, label)
    const inParts = () => {
      const total = new LossAccumulator()
      for (const [x, y] of parts) total.update(x, y)
    }
    const [one, many] = least([whole, inParts])
    return [row('accumulator, 1 M in batches of 2,048 / in one', many / one, { target: 1.5 })]
  },

  growth() {
    const sizes = [4, 16, 64, 256, 512].map((size) => size * million)
    const needed = 12 * 512 * million
    if (freemem() < 1.2 * needed) return [row('growth: not measured, for want of memory', Number.NaN)]
    const { input, label } = pairs(512 * million)
    const runs = sizes.map((size) => {
      const [x, y] = [input.subarray(0, size), label.subarray(0, size)]
      return () => mean(x, y)
    })
    const before = process.resourceUsage().maxRSS
    const times = least(runs, { rounds: 7 }).map((time, i) => time / sizes[i])
    const grown = (process.resourceUsage().maxRSS - before) / 1024
    const note = times.map((time, i) => `${sizes[i] / million} M: ${(time / times[0]).toFixed(2)}`).join(', ')
    return [
      row('float32 mean, time an element, 512 M / 4 M', times.at(-1) / times[0], { target: 1.15, note }),
      row('memory that mean takes beside its arguments, 512 M', grown, { target: 1, unit: 'MiB' }),
    ]
  },

  async eventLoop() {
    const { input, label } = pairs(256 * million)
    const best = { forward: Number.POSITIVE_INFINITY, forwardAsync: Number.POSITIVE_INFINITY }
    const p99s = []
    for (let round = 0; round < 9; round++) {
      for (const call of Object.keys(best)) {
        const delay = monitorEventLoopDelay({ resolution: 1 })
        delay.enable()
        const begin = performance.now()
        await mean[call](input, label)
        best[call] = Math.min(best[call], performance.now() - begin)
        delay.disable()
        if (call === 'forwardAsync') p99s.push(delay.percentile(99) / 1e6)
      }
    }
    p99s.sort((a, b) => a - b)
    const note = `median of ${p99s.length} calls, ${p99s.at(0).toFixed(1)} to ${p99s.at(-1).toFixed(1)}`
    return [
      row('forwardAsync / forward, 256 M', best.forwardAsync / best.forward, { target: 1.1 }),
      row('event-loop delay meanwhile, p99', p99s[p99s.length >> 1], { target: 3, unit: 'ms', note }),
    ]
  },
}

setNumThreads(1)
const { instructionSet, version } = runtimeInfo()
console.log(`hinge-embedding-loss ${version}, ${instructionSet}, ${cpus()[0]?.model}, Node ${process.version}\n`)
const chosen = process.argv.slice(2)
const rows = []
const all = { ...benchmarks, ...fileBenchmarks, ...readerBenchmarks, ...distributedBenchmarks }
for (const [name, run] of Object.entries(all)) {
  if (chosen.length === 0 || chosen.includes(name)) rows.push(...(await run()))
}
console.log(markdown(rows))

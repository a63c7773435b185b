import { inspect } from 'node:util'
import { expect } from 'chai'
import {
  getNumThreads,
  HingeEmbeddingLoss,
  hingeEmbeddingLoss,
  type LabelData,
  LossAccumulator,
  setNumThreads,
  Tensor,
  type TensorLike,
  tensor,
} from '../../lib/index.ts'
import { dtypes, lengthOf, type TensorDType, typedArrays } from '../../lib/tensor/dtypes.ts'
import { fuzz, type Random } from '../support/random.ts'

/** An argument that lies about what it is, and what it is in truth, where it is one of ours at all. */
interface Lie {
  readonly value: unknown
  readonly truth?: () => Tensor | LabelData
}

const lengths = [0, 1, 3, 9, 64, 2049, 5000]

function randomData(random: Random, dtype: TensorDType, length: number, values: readonly number[]): LabelData {
  const convert = dtype === 'int64' || dtype === 'uint64' ? BigInt : Number
  const make = () => convert(random.pick(values)) as never
  const Class = typedArrays[dtype] as unknown as new (length: number) => LabelData
  const data = new Class(length)
  for (let i = 0; i < length; i++) data[i] = make()
  return data
}

/** What an overridden property may say. */
function randomClaim(random: Random, key: PropertyKey, size: number): unknown {
  const claims: unknown[] = [
    undefined,
    null,
    -1,
    0,
    1,
    size,
    2 * size,
    2 ** 31,
    2 ** 53,
    Number.NaN,
    'x',
    {},
    [],
    Symbol('s'),
  ]
  if (key === 'dtype' || key === 'type') claims.push(...dtypes, ...dtypes)
  if (key === 'shape' || key === 'dims') claims.push([size], [2 * size], [2 ** 40], [-1], [1, size])
  if (key === 'data') claims.push(new Float64Array(size), new Int8Array(2 * size), new Float32Array(0))
  if (key === Symbol.toStringTag) claims.push('Float64Array', 'Int8Array', 'BigInt64Array')
  if (key === 'constructor') claims.push(Float64Array, Int8Array, { [Symbol.species]: Float64Array })
  if (key === 'buffer') claims.push(new ArrayBuffer(8), new SharedArrayBuffer(8))
  return random.pick(claims)
}

const tensorKeys = [
  'dtype',
  'data',
  'shape',
  'size',
  'type',
  'dims',
  'location',
  'constructor',
  'toArray',
  'dataSync',
  'strides',
]
const arrayKeys = [
  'length',
  'byteLength',
  'byteOffset',
  'buffer',
  'constructor',
  'subarray',
  'slice',
  'forEach',
  'BYTES_PER_ELEMENT',
  Symbol.toStringTag,
  Symbol.iterator,
]

function lieOf<T extends object>(random: Random, value: T, keys: readonly PropertyKey[], size: number): T {
  for (const key of random.shuffle(keys).slice(0, random.integer(1, 4))) {
    const claim = randomClaim(random, key, size)
    const property = random.isTrue() ? { value: claim } : { get: () => claim }
    Reflect.defineProperty(value, key, { ...property, configurable: true })
  }
  return value
}

function randomShape(random: Random, size: number): number[] {
  const shapes = [[size], [1, size], [size, 1], [size, 1, 1]]
  if (size % 3 === 0) shapes.push([3, size / 3])
  return random.pick(shapes)
}

function randomLie(
  random: Random,
  dtype: TensorDType,
  size: number,
  shape: readonly number[],
  values: readonly number[],
): Lie {
  const data = randomData(random, dtype, size, values)
  const truth = () => new Tensor(data.slice() as LabelData, shape)
  const bare = () => data.slice() as LabelData
  const Base = typedArrays[dtype] as unknown as typeof Float32Array
  const way = random.integer(0, 9)
  if (way === 0) return { value: new Tensor(data, shape), truth }
  if (way === 1) return { value: lieOf(random, new Tensor(data, shape), tensorKeys, size), truth }
  if (way === 2) {
    class Subclass extends Tensor {}
    lieOf(random, Subclass.prototype, tensorKeys, size)
    return { value: new Subclass(data, shape), truth }
  }
  if (way === 3)
    return { value: Object.setPrototypeOf(new Tensor(data, shape), random.pick([null, {}, Array.prototype])), truth }
  if (way === 4) {
    const view = new Base(data as never) as LabelData
    lieOf(random, view, arrayKeys, size)
    return random.isTrue() ? { value: new Tensor(view, shape), truth } : { value: view, truth: bare }
  }
  if (way === 5) {
    class Subclass extends Base {}
    lieOf(random, Subclass.prototype, arrayKeys, size)
    const view = new Subclass(data as never) as LabelData
    return random.isTrue() ? { value: new Tensor(view, shape), truth } : { value: view, truth: bare }
  }
  const other = random.pick<() => unknown>([
    () => Object.create(Tensor.prototype),
    () => lieOf(random, Object.create(Tensor.prototype) as object, tensorKeys, size),
    () => new Proxy(new Tensor(data, shape), {}),
    () => new Proxy(data, {}),
    () => structuredClone(new Tensor(data, shape)),
    () => {
      const { proxy, revoke } = Proxy.revocable([], {})
      revoke()
      return proxy
    },
    () => new Proxy([1, 2], { get: (_, key) => (key === 'length' ? random.pick([0, 2, 70, 2 ** 32 - 1]) : undefined) }),
    () => lieOf(random, [1, -1, 1], ['0', 'constructor', 'map', Symbol.iterator], size),
    () => ({
      data,
      shape: random.pick([[size], [2 * size], [2 ** 40], [-1]]),
      strides: [random.integer(-2, 2)],
      offset: random.integer(-1, size),
    }),
    () => ({ data, shape: [2 ** 14, 2 ** 14], strides: [0, 0] }),
    () => ({
      type: { typeId: random.pick([2, 3, 6]), precision: random.integer(0, 2), isSigned: true, bitWidth: 8 },
      data: [
        {
          values: data,
          length: random.pick([-1, 0, size, 2 * size, 2 ** 40]),
          offset: random.pick([-8, 0, 8, 2 ** 33]),
          nullCount: 0,
        },
      ],
    }),
    () => lieOf(random, { data, shape, type: dtype, dims: shape }, tensorKeys, size),
    () => new Array(2 ** 31),
  ])
  return { value: other() }
}

/** What a call gives, or its error: anything but an `Error` is a fault. */
async function outcome(call: () => unknown): Promise<{ result?: unknown; error?: Error }> {
  try {
    return { result: await call() }
  } catch (error) {
    expect(error, inspect(error)).to.be.an.instanceof(Error)
    expect((error as Error).message)
      .to.have.length.below(400)
      .and.not.include('\n')
    return { error: error as Error }
  }
}

const comparable = (value: unknown): unknown => {
  if (value instanceof LossAccumulator) return value.toJSON()
  if (typeof value === 'object' && value !== null && 'gradInput' in value) {
    const { loss, gradInput } = value as { loss: unknown; gradInput: unknown }
    return [comparable(loss), comparable(gradInput)]
  }
  return typeof value === 'object' && value !== null ? elements(value) : value
}

/** The memory of a tensor, past whatever its properties say. */
const dataOf = Object.getOwnPropertyDescriptor(Tensor.prototype, 'data')?.get as () => Float32Array
const elements = (value: object) => {
  const data = Reflect.apply(dataOf, value, [])
  return Array.from({ length: lengthOf(data) }, (_, i) => data[i])
}

describe('hostile arguments', () => {
  const threads = getNumThreads()
  before(() => setNumThreads(2))
  after(() => setNumThreads(threads))

  fuzz('hostile tensors give the result of their real contents, or an error', async (random) => {
    const size = random.isTrue(0.003) ? 140_000 : random.pick(lengths)
    const shape = randomShape(random, size)
    const inputType = random.pick(['float32', 'float64'] as const)
    const labelType = random.pick(dtypes)
    const isUnsigned = labelType.startsWith('u')
    const input = randomLie(random, random.isTrue(0.95) ? inputType : 'int32', size, shape, [0, 0.25, 0.5, 1, 3])
    const label = randomLie(random, labelType, size, shape, isUnsigned ? [0, 1] : [1, -1])
    const gradOutput = randomLie(random, inputType, size, shape, [1, 2])
    const out = randomLie(random, inputType, size, shape, [7])
    const options = {
      negativeLabel: isUnsigned ? 0 : -1,
      margin: 1,
      otherLabels: random.pick(['error', 'zero'] as const),
    }
    const none = new HingeEmbeddingLoss({ ...options, reduction: 'none' })
    const mean = new HingeEmbeddingLoss(options)
    const sum = new HingeEmbeddingLoss({ ...options, reduction: 'sum', name: 'the sum' })

    const calls: ((x: TensorLike, y: TensorLike, g: TensorLike, out: never) => unknown)[] = [
      (x, y) => mean(x, y),
      (x, y) => sum.forward(x, y),
      (x, y) => none(x, y),
      (x, y, _, out) => none.forward(x, y, { out }),
      (x, y, _, out) => none.forwardAsync(x, y, { out }),
      (x, y) => mean.forwardAsync(x, y),
      (x, y, g, out) => none.backward(x, y, g, { out }),
      (x, y) => mean.backward(x, y),
      (x, y, _, out) => mean.valueAndGrad(x, y, { out }),
      (x, y) => none.valueAndGrad(x, y),
      (x, y, w) => mean.forward(x, y, { weight: w }),
      (x, y, w, out) => none.forward(x, y, { weight: w, out }),
      (x, y, w) => sum.forwardAsync(x, y, { weight: w }),
      (x, y, w, out) => mean.backward(x, y, 1, { weight: w, out }),
      (x, y, w, out) => mean.valueAndGrad(x, y, { weight: w, out }),
      (x, y, w) => none.valueAndGrad(x, y, { weight: w }),
      (x, y, w) => new LossAccumulator(options).update(x, y, { weight: w }),
      (x, y, w) => new LossAccumulator(options).updateAsync(x, y, { weight: w }),
      (x, y) => hingeEmbeddingLoss(x, y, options),
      (x, y) => new LossAccumulator(options).update(x, y),
      (x, y) => new LossAccumulator(options).updateAsync(x, y),
      (x) => tensor(x, { dtype: labelType }),
      (x) => tensor(x, { shape }),
    ]
    const call = random.pick(calls)
    const all = [input, label, gradOutput, out]
    const copies = all.map(({ truth }) => truth?.())
    const { result, error } = await outcome(() =>
      Reflect.apply(
        call,
        undefined,
        all.map(({ value }) => value),
      ),
    )
    const used = all.slice(0, call.length)
    if (used.some(({ truth }) => truth === undefined)) return
    const expected = await outcome(() => Reflect.apply(call, undefined, copies))
    if (error === undefined) expect(comparable(result)).to.deep.equal(comparable(expected.result))
    else if (expected.error === undefined) expect.fail(`refused what is right: ${error.message}`)
  })

  fuzz('hostile accumulators, options, JSON and receivers give an error, or what they say', async (random) => {
    const total = new LossAccumulator().update(Float32Array.of(0.5, 2), Int8Array.of(1, -1))
    const json = JSON.parse(JSON.stringify(total)) as Record<string, unknown>
    const claim = () => randomClaim(random, 'data', 3)
    const part = random.pick([json, json.positives as object, json.negatives as object])
    Reflect.set(part, random.pick(Object.keys(part)), claim())
    class Liar extends LossAccumulator {
      override get margin() {
        return claim() as never
      }
      override get count() {
        return claim() as never
      }
    }
    const calls: (() => unknown)[] = [
      () => LossAccumulator.fromJSON(json).toJSON(),
      () => LossAccumulator.merge(new Liar(), total).toJSON(),
      () => total.merge(new Liar()).merge(claim() as never),
      () => Reflect.apply(total.update, claim(), [[1], [1]]),
      () => Reflect.apply(LossAccumulator.prototype.toJSON, random.pick([claim(), new Proxy(total, {})]), []),
      () => Reflect.apply(Tensor.prototype.at, claim(), [0]),
      () => Reflect.apply(HingeEmbeddingLoss.prototype.forward, claim(), [[1], [1]]),
      () => new HingeEmbeddingLoss(claim() as never),
      () =>
        new HingeEmbeddingLoss({
          [random.pick(['margin', 'reduction', 'name', 'positiveLabel', 'otherLabels'])]: claim(),
        }),
      () => new Tensor(claim() as never, claim() as never).toString(),
      () => new Tensor([] as never, claim() as never),
      () => tensor(claim() as never, claim() as never).toString(),
      () => setNumThreads(random.pick([0, -1, 1.5, 2, Number.NaN, '2' as never])),
    ]
    await outcome(random.pick(calls))
    setNumThreads(2)
  })
})

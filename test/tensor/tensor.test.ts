import { inspect } from 'node:util'
import vm from 'node:vm'
import stdlib from '@stdlib/ndarray'
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import * as arrow from 'apache-arrow'
import { expect } from 'chai'
import ndarray from 'ndarray'
import * as ort from 'onnxruntime-common'
import {
  HingeEmbeddingLoss,
  hingeEmbeddingLoss,
  LossAccumulator,
  Tensor,
  type TensorLike,
  tensor,
} from '../../lib/index.ts'
import * as example from '../support/example.ts'

const typedArrays = [
  ['float32', Float32Array.of(1, 2, 3, 4, 5, 6)],
  ['float64', Float64Array.of(1, 2, 3, 4, 5, 6)],
  ['int8', Int8Array.of(1, 2, 3, 4, 5, 6)],
  ['uint8', Uint8Array.of(1, 2, 3, 4, 5, 6)],
  ['uint8', Uint8ClampedArray.of(1, 2, 3, 4, 5, 6)],
  ['int16', Int16Array.of(1, 2, 3, 4, 5, 6)],
  ['uint16', Uint16Array.of(1, 2, 3, 4, 5, 6)],
  ['int32', Int32Array.of(1, 2, 3, 4, 5, 6)],
  ['uint32', Uint32Array.of(1, 2, 3, 4, 5, 6)],
  ['int64', BigInt64Array.of(1n, 2n, 3n, 4n, 5n, 6n)],
  ['uint64', BigUint64Array.of(1n, 2n, 3n, 4n, 5n, 6n)],
] as const

const throwsType = (action: () => unknown, message?: RegExp) =>
  expect(action).to.throw(TypeError, message).with.property('code', 'ERR_INVALID_ARG_TYPE')
const throwsValue = (action: () => unknown, message?: RegExp) =>
  expect(action).to.throw(RangeError, message).with.property('code', 'ERR_INVALID_ARG_VALUE')
const throwsShape = (action: () => unknown, message?: RegExp) =>
  expect(action).to.throw(RangeError, message).with.property('code', 'ERR_SHAPE_MISMATCH')
const throwsOurs = (action: () => unknown, message?: RegExp) =>
  expect(action)
    .to.throw(Error, message)
    .with.property('code')
    .that.is.oneOf(['ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_VALUE', 'ERR_SHAPE_MISMATCH'])

describe('Tensor', () => {
  for (const [dtype, data] of typedArrays) {
    it(`a Tensor of a ${data.constructor.name} is ${dtype}, and shares its data`, () => {
      const matrix = new Tensor(data, [2, 3])
      expect(matrix).to.include({ dtype, size: 6, type: dtype, location: 'cpu' })
      expect(matrix.data).to.equal(data)
      expect(matrix.shape).to.deep.equal([2, 3])
      expect(matrix.dims).to.deep.equal([2, 3])
      expect(new Tensor(data).shape).to.deep.equal([6])
      expect(matrix.at(1, 0)).to.equal(data[3])
      const [a, b, c, d, e, f] = data
      expect(matrix.toArray()).to.deep.equal([
        [a, b, c],
        [d, e, f],
      ])
      for (const text of [String(matrix), inspect(matrix)]) {
        expect(text).to.include(dtype)
        expect(text).to.match(/\[2, 3\]/)
        for (const value of data) expect(text).to.include(String(value))
      }
    })
  }

  it('a Tensor sees later changes of its data', () => {
    const data = Float32Array.of(1, 2)
    const vector = new Tensor(data)
    data[1] = 7
    expect(vector.at(1)).to.equal(7)
    expect(vector.toArray()).to.deep.equal([1, 7])
    expect(hingeEmbeddingLoss(vector, 1, { reduction: 'sum' })).to.equal(8)
  })

  it('a Tensor has properties that cannot be assigned, and a frozen shape of its own', () => {
    const shape = [1, 2]
    const row = new Tensor(Float32Array.of(1, 2), shape)
    shape[0] = 5
    expect(row.shape).to.deep.equal([1, 2])
    expect(row.shape).to.be.frozen
    expect(row.dims).to.be.frozen
    for (const key of ['data', 'shape', 'dtype', 'size', 'type', 'dims', 'location']) {
      expect(() => Object.assign(row, { [key]: 1 }), key).to.throw(TypeError)
    }
    expect(() => Object.assign(row.shape, { 0: 2 })).to.throw(TypeError)
    expect(row.size).to.equal(2)
  })

  it('a Tensor of no dimensions has one element', () => {
    const scalar = new Tensor(Float64Array.of(0.1), [])
    expect(scalar).to.include({ size: 1, dtype: 'float64' })
    expect(scalar.shape).to.deep.equal([])
    expect(scalar.toArray()).to.equal(0.1)
    expect(scalar.at()).to.equal(0.1)
    expect(String(scalar)).to.include('0.1').and.include('[]')
  })

  it('a Tensor may be empty', () => {
    for (const shape of [[0], [2, 0], [0, 3], [3, 0, 2]]) {
      const empty = new Tensor(new Float32Array(0), shape)
      expect(empty.size).to.equal(0)
      expect(empty.shape).to.deep.equal(shape)
      expect(String(empty)).to.be.a('string')
    }
    expect(new Tensor(new Float32Array(0)).shape).to.deep.equal([0])
    expect(new Tensor(new Float32Array(0), [2, 0]).toArray()).to.deep.equal([[], []])
    expect(new Tensor(new Float32Array(0), [0, 2]).toArray()).to.deep.equal([])
  })

  describe('data length that does not fit the shape', () => {
    const shapes = [[3], [2, 2, 2], [], [0], [5], [2 ** 32, 2 ** 32], [2 ** 53 - 1, 4], [2 ** 64, 0]]
    for (const shape of shapes) {
      it(`4 elements do not fit the shape [${shape}]`, () => {
        // A shape that exceeds all memory may be refused as a bad value.
        throwsOurs(() => new Tensor(new Float32Array(4), shape))
        if (shape.every((extent) => extent < 100)) throwsShape(() => new Tensor(new Float32Array(4), shape))
      })
    }

    it('an error about a length names length and shape', () => {
      throwsShape(() => new Tensor(new Float32Array(4), [2, 3]), /4.*\[2, 3\].*|\[2, 3\].*4/)
    })
  })

  describe('a bad shape', () => {
    for (const extent of [-1, 0.5, Number.NaN, Infinity, 2 ** 53]) {
      it(`a shape of [2, ${extent}] is refused`, () => {
        throwsOurs(() => new Tensor(new Float32Array(2), [2, extent]), /shape/)
        throwsOurs(() => new Tensor(new Float32Array(0), [0, extent]), /shape/)
      })
    }
    for (const shape of [
      null,
      4,
      '4',
      {},
      { length: 1, 0: 4 },
      new Set([4]),
      ['4'],
      [null],
      [undefined],
      [[4]],
      [4n],
    ]) {
      it(`a shape of ${inspect(shape)} is refused`, () => {
        throwsType(() => new Tensor(new Float32Array(4), shape as never), /shape/)
      })
    }
    for (const length of [0.5, -1, '0', null, Number.NaN, 65]) {
      it(`a shape whose length is ${inspect(length)} is refused`, () => {
        const shape = new Proxy([4], { get: (target, key) => (key === 'length' ? length : Reflect.get(target, key)) })
        throwsValue(() => new Tensor(new Float32Array(4), shape), /shape/)
      })
    }
    it('a shape with a hole is refused', () => {
      // biome-ignore lint/suspicious/noSparseArray: the very thing
      throwsOurs(() => new Tensor(new Float32Array(4), [, 4] as never), /shape/)
    })
  })

  it('a Tensor takes only a typed array', () => {
    const refused = [
      null,
      undefined,
      1,
      'data',
      [1, 2],
      { length: 2 },
      new ArrayBuffer(8),
      new DataView(new ArrayBuffer(8)),
      new Set([1]),
      Object.create(Float32Array.prototype),
    ]
    for (const data of refused) throwsType(() => new Tensor(data as never), /data/)
    expect(new Tensor(Buffer.from([1, 2])).dtype).to.equal('uint8')
    expect(new Tensor(new Float32Array(new SharedArrayBuffer(8))).dtype).to.equal('float32')
  })

  describe('at', () => {
    const cube = new Tensor(Float32Array.from(Array.from({ length: 24 }, (_, i) => i)), [2, 3, 4])

    it('Tensor.at reads the element at one index per dimension, in C order', () => {
      let next = 0
      for (const i of [0, 1])
        for (const j of [0, 1, 2]) for (const k of [0, 1, 2, 3]) expect(cube.at(i, j, k)).to.equal(next++)
    })

    it('Tensor.at counts negative indices from the end', () => {
      expect(cube.at(-1, -1, -1)).to.equal(23)
      expect(cube.at(-2, 0, -4)).to.equal(0)
      expect(cube.at(0, -2, 1)).to.equal(5)
    })

    for (const indices of [[], [0], [0, 0], [0, 0, 0, 0], [2, 0, 0], [0, 3, 0], [0, 0, 4], [-3, 0, 0], [0, 0, -5]]) {
      it(`Tensor.at(${indices}) is a RangeError for the shape [2, 3, 4]`, () => {
        throwsValue(() => cube.at(...indices))
      })
    }

    for (const index of [0.5, Number.NaN, Infinity, '0', null, undefined, 0n]) {
      it(`Tensor.at refuses ${inspect(index)}`, () => {
        throwsOurs(() => cube.at(0, 0, index as never))
      })
    }

    it('Tensor.at is a RangeError for an empty tensor', () => {
      throwsValue(() => new Tensor(new Float32Array(0)).at(0))
      throwsValue(() => new Tensor(new Float32Array(0)).at(-1))
    })
  })

  it('Tensor.toArray copies the elements', () => {
    const matrix = tensor([
      [1, 2],
      [3, 4],
    ])
    const nested = matrix.toArray() as number[][]
    nested[0]?.fill(9)
    expect(matrix.at(0, 0)).to.equal(1)
  })

  it('Tensor.toString returns a short text for a tensor of any size', () => {
    for (const shape of [[1_000_000], [1000, 1000], [500_000, 2], [2, 500_000], new Array(20).fill(2)]) {
      const large = new Tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(-1.17549435e-38), shape)
      for (const text of [String(large), inspect(large), inspect({ nested: [large] })]) {
        expect(text.length).to.be.below(2000)
        expect(text).to.include('float32')
      }
    }
  })
})

describe('tensor', () => {
  it('tensor makes float32 from numbers and nested arrays', () => {
    const pair = tensor([
      [1, -2, 3],
      [0, -1, 2],
    ])
    expect(pair).to.be.an.instanceof(Tensor)
    expect(pair.dtype).to.equal('float32')
    expect(pair.shape).to.deep.equal([2, 3])
    expect(pair.data).to.deep.equal(Float32Array.of(1, -2, 3, 0, -1, 2))
    expect(tensor([0.1]).at(0)).to.equal(Math.fround(0.1))
    expect(
      tensor([
        [[1], [2]],
        [[3], [4]],
      ]).shape,
    ).to.deep.equal([2, 2, 1])
    expect(tensor(7).shape).to.deep.equal([])
    expect(tensor(7).toArray()).to.equal(7)
    expect(tensor([Number.NaN, Infinity, -0]).toArray()).to.deep.equal([Number.NaN, Infinity, -0])
  })

  it('tensor makes empty tensors', () => {
    expect(tensor([]).shape).to.deep.equal([0])
    expect(tensor([[], []]).shape).to.deep.equal([2, 0])
    expect(tensor([[[]], [[]]]).shape).to.deep.equal([2, 1, 0])
    expect(tensor([]).dtype).to.equal('float32')
    expect(tensor(new Int8Array(0)).dtype).to.equal('int8')
  })

  for (const [dtype, data] of typedArrays) {
    it(`tensor makes ${dtype} by its option dtype, and shares a ${data.constructor.name}`, () => {
      const made = tensor([[1], [2]], { dtype })
      expect(made.dtype).to.equal(dtype)
      expect(made.shape).to.deep.equal([2, 1])
      expect(made.toArray()).to.deep.equal(typeof data[0] === 'bigint' ? [[1n], [2n]] : [[1], [2]])
      expect(tensor(3, { dtype }).dtype).to.equal(dtype)

      expect(tensor(data).data).to.equal(data)
      expect(tensor(data).shape).to.deep.equal([6])
      expect(tensor(data, { shape: [3, 2] }).data).to.equal(data)
      expect(tensor(data, { shape: [3, 2] }).shape).to.deep.equal([3, 2])
      expect(tensor(data, { dtype }).data).to.equal(data)
    })
  }

  it('tensor copies a typed array to convert it to another dtype', () => {
    const data = Float64Array.of(1, -2, 0.1)
    const single = tensor(data, { dtype: 'float32' })
    expect(single.data).to.deep.equal(Float32Array.of(1, -2, 0.1))
    expect(Array.from(data)).to.deep.equal([1, -2, 0.1])
    expect(tensor(Float32Array.of(1, -2), { dtype: 'int8', shape: [2, 1] }).toArray()).to.deep.equal([[1], [-2]])
    expect(tensor(Int8Array.of(1, -2), { dtype: 'int64' }).toArray()).to.deep.equal([1n, -2n])
    expect(tensor(BigInt64Array.of(1n, -2n), { dtype: 'int64' }).toArray()).to.deep.equal([1n, -2n])
  })

  it('tensor takes a shape that has as many elements as the data', () => {
    expect(tensor([1, 2, 3, 4], { shape: [2, 2] }).toArray()).to.deep.equal([
      [1, 2],
      [3, 4],
    ])
    expect(
      tensor(
        [
          [1, 2],
          [3, 4],
        ],
        { shape: [4] },
      ).toArray(),
    ).to.deep.equal([1, 2, 3, 4])
    expect(tensor(5, { shape: [1, 1] }).toArray()).to.deep.equal([[5]])
    expect(tensor([5], { shape: [] }).toArray()).to.equal(5)
    throwsShape(() => tensor([1, 2, 3], { shape: [2, 2] }))
    throwsShape(() => tensor(new Float32Array(3), { shape: [2, 2] }))
    throwsShape(() => tensor(5, { shape: [2] }))
  })

  describe('ragged arrays', () => {
    for (const ragged of [
      [[1, 2], [3]],
      [[1], []],
      [[[1], [2]], [[3]]],
      [[1, 2, 3], [4, 5], [6]],
      [[], [1]],
    ]) {
      it(`tensor refuses ragged arrays such as ${JSON.stringify(ragged)}`, () => {
        throwsShape(() => tensor(ragged))
        throwsShape(() => hingeEmbeddingLoss(ragged, 1))
      })
    }
    for (const ragged of [
      [1, [2]],
      [[1], 2],
      [[], 1],
      [[1], [[2]]],
    ]) {
      it(`tensor refuses nested arrays of mixed depth, such as ${JSON.stringify(ragged)}`, () => {
        throwsOurs(() => tensor(ragged))
        throwsOurs(() => hingeEmbeddingLoss([1, 2], ragged))
      })
    }
  })

  describe('elements that are no numbers', () => {
    const wrong = ['1', null, undefined, {}, Symbol('s'), () => 1, new Date(0), new Number(1)]
    for (const element of wrong) {
      it(`tensor throws a TypeError that names the place of ${inspect(element)}`, () => {
        throwsType(() => tensor([1, element, 3] as never), /1/)
        throwsType(
          () =>
            tensor([
              [1, 2],
              [3, element],
            ] as never),
          /\b1\b.*\b1\b/,
        )
        throwsType(
          () =>
            hingeEmbeddingLoss(
              [
                [1, 2],
                [3, element],
              ] as never,
              1,
            ),
          /input.*\b1\b.*\b1\b/,
        )
        throwsType(() => hingeEmbeddingLoss([1, 2], [1, element] as never), /label.*\b1\b/)
      })
    }

    it('tensor throws a TypeError that names the place of a hole', () => {
      // biome-ignore lint/suspicious/noSparseArray: the very thing
      throwsType(() => tensor([1, 2, , 4] as never), /\b2\b/)
      throwsType(() => tensor(new Array(3)), /\b0\b/)
      throwsType(() => tensor([[1], new Array(1)]), /\b1\b/)
    })
  })

  describe('booleans and BigInts', () => {
    it('tensor makes uint8 from booleans and int64 from BigInts without a dtype', () => {
      const [booleans, bigints] = [tensor([[true], [false]]), tensor([[1n, -(2n ** 63n)]])]
      expect([booleans.dtype, booleans.toArray()]).to.deep.equal(['uint8', [[1], [0]]])
      expect([bigints.dtype, bigints.toArray()]).to.deep.equal(['int64', [[1n, -(2n ** 63n)]]])
    })

    it('booleans and BigInts serve as labels, also nested', () => {
      const criterion = new HingeEmbeddingLoss({ reduction: 'none' })
      expect(criterion([0.25, 0.5], [1n, -1n]).toArray()).to.deep.equal([0.25, 0.5])
      const zeroOne = new HingeEmbeddingLoss({ reduction: 'none', negativeLabel: 0 })
      expect(zeroOne([[0.25], [0.75]], [[true], [false]]).toArray()).to.deep.equal([[0.25], [0.25]])
      expect(() => criterion([1, 2], [1n, 2n ** 60n + 1n])).to.throw(RangeError, /1152921504606846977/)
    })

    it('tensor converts booleans and BigInts to the dtype', () => {
      for (const dtype of ['float32', 'float64', 'int8', 'uint32'] as const) {
        expect(tensor([1n, 0n], { dtype }).toArray()).to.deep.equal([1, 0])
        expect(tensor([true, false], { dtype }).toArray()).to.deep.equal([1, 0])
      }
      expect(tensor([1n, -2n], { dtype: 'int64' }).toArray()).to.deep.equal([1n, -2n])
      expect(tensor([1n, 2 ** 53 - 1], { dtype: 'uint64' }).toArray()).to.deep.equal([1n, 2n ** 53n - 1n])
      throwsValue(() => tensor([1n, 300n], { dtype: 'uint8' }), /data\[1\].*300n/)
      throwsValue(() => tensor([[2n ** 63n]]), /data\[0\]\[0\].*int64/)
    })

    it('tensor refuses booleans and BigInts among elements of another type', () => {
      for (const mixed of [
        [1, true],
        [true, 1],
        [1n, 1],
        [1, 1n],
        [[true], [0n]],
      ])
        throwsType(() => tensor(mixed as never))
    })
  })

  describe('values that do not fit an integer dtype: a RangeError', () => {
    const unfit: [
      'int8' | 'uint8' | 'int16' | 'uint16' | 'int32' | 'uint32' | 'int64' | 'uint64',
      (number | bigint)[],
    ][] = [
      ['int8', [128, -129]],
      ['uint8', [256, -1]],
      ['int16', [32768, -32769]],
      ['uint16', [65536, -1]],
      ['int32', [2 ** 31, -(2 ** 31) - 1]],
      ['uint32', [2 ** 32, -1]],
      ['int64', [2 ** 63, -(2 ** 63) * 1.5, 2n ** 63n, -(2n ** 63n) - 1n]],
      ['uint64', [2 ** 64, -1, 2n ** 64n, -1n]],
    ]
    for (const [dtype, values] of unfit) {
      for (const value of [...values, 0.5, Number.NaN, Infinity, -Infinity]) {
        it(`tensor throws a RangeError for ${inspect(value)} in ${dtype}`, () => {
          throwsValue(() => tensor([0, value] as never, { dtype }))
          if (typeof value === 'number') {
            throwsValue(() => tensor(Float64Array.of(0, value), { dtype }))
            throwsValue(() => tensor(value, { dtype }))
          }
        })
      }
    }

    it('tensor names the place of a value that does not fit in nested arrays', () => {
      throwsValue(
        () =>
          tensor(
            [
              [1, 2],
              [3, 400],
            ],
            { dtype: 'int8' },
          ),
        /data\[1\]\[1\].*int8.*400/,
      )
    })

    it('tensor rounds integers once to float32', () => {
      const integer = 2n ** 60n + 2n ** 36n + 1n // to float64 it would be a tie of float32
      expect(tensor(BigInt64Array.of(integer), { dtype: 'float32' }).toArray()).to.deep.equal([2 ** 60 + 2 ** 37])
      expect(tensor([integer], { dtype: 'float32' }).toArray()).to.deep.equal([2 ** 60 + 2 ** 37])
    })

    it('tensor takes the limits of each integer dtype', () => {
      expect(tensor([127, -128], { dtype: 'int8' }).toArray()).to.deep.equal([127, -128])
      expect(tensor([2 ** 32 - 1, 0], { dtype: 'uint32' }).toArray()).to.deep.equal([2 ** 32 - 1, 0])
      expect(tensor([-(2 ** 63)], { dtype: 'int64' }).toArray()).to.deep.equal([-(2n ** 63n)])
      expect(tensor([2n ** 64n - 1n] as never, { dtype: 'uint64' }).toArray()).to.deep.equal([2n ** 64n - 1n])
      throwsValue(() => tensor(BigInt64Array.of(-1n), { dtype: 'uint64' }))
      throwsValue(() => tensor(BigUint64Array.of(2n ** 63n), { dtype: 'int64' }))
      throwsValue(() => tensor(BigInt64Array.of(128n), { dtype: 'int8' }))
      throwsValue(() => tensor(Int32Array.of(-1), { dtype: 'uint8' }))
    })
  })

  describe('bad options', () => {
    it('tensor throws a RangeError for an unknown dtype, and a TypeError for one that is not a string', () => {
      for (const dtype of ['float16', 'double', 'Float32', '', 'constructor', '__proto__']) {
        throwsValue(() => tensor([1], { dtype: dtype as never }), /dtype/)
      }
      for (const dtype of [null, 32, Float32Array, {}])
        throwsType(() => tensor([1], { dtype: dtype as never }), /dtype/)
    })

    it('tensor throws a RangeError that names an unknown option', () => {
      throwsValue(() => tensor([1], { dtyp: 'float64' } as object), /dtyp/)
    })

    it('tensor throws a TypeError for options that are not an object', () => {
      for (const options of [null, 'float64', 3, ['float64']]) throwsType(() => tensor([1], options as never))
    })
  })

  it('tensor refuses arrays that contain themselves, and endless ones', () => {
    const own: unknown[] = []
    own.push(own)
    throwsOurs(() => tensor(own as never))
    const long: unknown[] = [1]
    long.push(long)
    throwsOurs(() => hingeEmbeddingLoss(long as never, 1))
    let deep: unknown = 1
    for (let depth = 0; depth < 100_000; depth++) deep = [deep]
    throwsOurs(() => tensor(deep as never))
  })
})

describe('tensors of others', () => {
  const exampleInput = example.input.flat()
  const exampleLabel = example.label.flat()
  const bits = exampleLabel.map((each) => (each === 1 ? 1 : 0))
  const elementwise = [
    [0, -2, 0],
    [0, -1, 2],
    [1, 1, 1],
  ]
  const zeroOne = { negativeLabel: 0 }
  const transposed = (values: number[]) => values.map((_, i) => values[(i % 3) * 3 + Math.floor(i / 3)] ?? Number.NaN)
  const reversed = (values: number[]) => values.toReversed()

  /** The kinds of input stand for `exampleInput` as [3, 3] or [9], the labels for `exampleLabel` likewise, or for `bits`. */
  interface Kind {
    inputs: Record<string, () => TensorLike>
    labels: Record<string, () => TensorLike>
    bitLabels?: Record<string, () => TensorLike>
    shape: number[]
  }

  const strided = (scale: number) => (values: number[]) =>
    Float32Array.from(
      new Array(4 + 9 * scale)
        .fill(Number.NaN)
        .map((nan, i) => ((i - 4) % scale === 0 ? (values[(i - 4) / scale] ?? nan) : nan)),
    )

  const vector = <T extends arrow.DataType>(values: unknown[], type: T) => arrow.vectorFromArray(values, type)
  const chunked = <T extends arrow.DataType>(values: unknown[], type: T) =>
    vector(values.slice(0, 4), type).concat(
      vector(values.slice(4, 4), type),
      vector(values.slice(4, 5), type),
      vector(values.slice(5), type),
    )
  const sliced = <T extends arrow.DataType>(values: unknown[], type: T) =>
    vector([...values.slice(3, 8), ...values, ...values.slice(2, 5)], type).slice(5, 14)
  const chunkedAndSliced = <T extends arrow.DataType>(values: unknown[], type: T) =>
    chunked([...values.slice(3, 6), ...values, ...values.slice(2, 5)], type).slice(3, 12)

  // The functions of @stdlib return overlapping generics; types.test.ts checks the types.
  const fromStdlib = (array: unknown) => array as TensorLike

  // Otherwise TensorFlow.js advertises its other backends.
  tf.enableProdMode()

  const kinds: Record<string, Kind> = {
    'onnxruntime-node, transformers.js': {
      shape: [3, 3],
      inputs: {
        float32: () => new ort.Tensor('float32', Float32Array.from(exampleInput), [3, 3]),
        float64: () => new ort.Tensor('float64', Float64Array.from(exampleInput), [3, 3]),
        'a Proxy with getters, as in transformers.js': () =>
          new Proxy(
            {
              ort_tensor: new ort.Tensor('float32', Float32Array.from(exampleInput), [3, 3]),
              get type() {
                return this.ort_tensor.type
              },
              get dims() {
                return this.ort_tensor.dims
              },
              get data() {
                return this.ort_tensor.data
              },
              get location() {
                return this.ort_tensor.location
              },
            },
            {
              get(target, key) {
                if (typeof key === 'string' && !Number.isNaN(Number(key))) throw new Error('rows are not wanted')
                return Reflect.get(target, key)
              },
            },
          ),
      },
      labels: {
        float32: () => new ort.Tensor('float32', Float32Array.from(exampleLabel), [3, 3]),
        int8: () => new ort.Tensor('int8', Int8Array.from(exampleLabel), [3, 3]),
        int32: () => new ort.Tensor('int32', Int32Array.from(exampleLabel), [3, 3]),
        int64: () => new ort.Tensor('int64', BigInt64Array.from(exampleLabel, BigInt), [3, 3]),
      },
      bitLabels: {
        bool: () => new ort.Tensor('bool', bits.map(Boolean), [3, 3]),
        uint8: () => new ort.Tensor('uint8', Uint8Array.from(bits), [3, 3]),
      },
    },
    'TensorFlow.js': {
      shape: [3, 3],
      inputs: {
        tensor2d: () => tf.tensor2d(exampleInput, [3, 3]),
        'a result': () => tf.mul(tf.tensor2d(exampleInput, [3, 3]), tf.scalar(1)),
        variable: () => tf.variable(tf.tensor2d(exampleInput, [3, 3])),
      },
      labels: {
        float32: () => tf.tensor2d(exampleLabel, [3, 3]),
        int32: () => tf.tensor2d(exampleLabel, [3, 3], 'int32'),
      },
      bitLabels: {
        bool: () => tf.tensor2d(bits.map(Boolean), [3, 3], 'bool'),
      },
    },
    'scijs ndarray': {
      shape: [3, 3],
      inputs: {
        contiguous: () => ndarray(Float32Array.from(exampleInput), [3, 3]),
        float64: () => ndarray(Float64Array.from(exampleInput), [3, 3]),
        transposed: () => ndarray(Float32Array.from(transposed(exampleInput)), [3, 3]).transpose(1, 0),
        'with negative strides': () => ndarray(Float32Array.from(reversed(exampleInput)), [3, 3]).step(-1, -1),
        'with an offset': () => ndarray(strided(1)(exampleInput), [3, 3], [3, 1], 4),
        'with gaps and an offset': () => ndarray(strided(3)(exampleInput), [3, 3], [9, 3], 4),
        'a part of a larger one': () => {
          const large = ndarray(new Float32Array(42).fill(Number.NaN), [7, 6])
          for (let i = 0; i < 9; i++) large.set(2 + Math.floor(i / 3), 1 + (i % 3), exampleInput[i] ?? 0)
          return large.lo(2, 1).hi(3, 3)
        },
        picked: () => ndarray(Float32Array.from([...exampleLabel, ...exampleInput]), [2, 3, 3]).pick(1, null, null),
      },
      labels: {
        int8: () => ndarray(Int8Array.from(exampleLabel), [3, 3]),
        transposed: () => ndarray(Int32Array.from(transposed(exampleLabel)), [3, 3]).transpose(1, 0),
        'bigint64, with negative strides': () =>
          ndarray(BigInt64Array.from(reversed(exampleLabel), BigInt), [3, 3]).step(-1, -1),
      },
      bitLabels: {
        uint8_clamped: () => ndarray(Uint8ClampedArray.from(bits), [3, 3]),
      },
    },
    '@stdlib/ndarray': {
      shape: [3, 3],
      inputs: {
        'row-major': () =>
          fromStdlib(stdlib.array(Float32Array.from(exampleInput), { shape: [3, 3], dtype: 'float32' })),
        float64: () => fromStdlib(stdlib.array(Float64Array.from(exampleInput), { shape: [3, 3] })),
        'column-major': () =>
          fromStdlib(
            stdlib.array(Float32Array.from(transposed(exampleInput)), {
              shape: [3, 3],
              dtype: 'float32',
              order: 'column-major',
            }),
          ),
        'with negative strides': () =>
          fromStdlib(
            stdlib.reverse(
              stdlib.array(Float32Array.from(reversed(exampleInput)), { shape: [3, 3], dtype: 'float32' }),
            ),
          ),
        'with an offset': () =>
          fromStdlib(stdlib.ndarray('float32', strided(1)(exampleInput), [3, 3], [3, 1], 4, 'row-major')),
      },
      labels: {
        int8: () => fromStdlib(stdlib.array(Int8Array.from(exampleLabel), { shape: [3, 3], dtype: 'int8' })),
        'int32, column-major': () =>
          fromStdlib(
            stdlib.array(Int32Array.from(transposed(exampleLabel)), {
              shape: [3, 3],
              dtype: 'int32',
              order: 'column-major',
            }),
          ),
      },
      bitLabels: {
        uint8c: () => fromStdlib(stdlib.array(Uint8ClampedArray.from(bits), { shape: [3, 3], dtype: 'uint8c' })),
      },
    },
    'Apache Arrow Vector': {
      shape: [9],
      inputs: {
        Float32: () => vector(exampleInput, new arrow.Float32()),
        Float64: () => vector(exampleInput, new arrow.Float64()),
        'of a typed array': () => arrow.makeVector(Float32Array.from(exampleInput)),
        'in chunks': () => chunked(exampleInput, new arrow.Float32()),
        sliced: () => sliced(exampleInput, new arrow.Float64()),
        'in chunks and sliced': () => chunkedAndSliced(exampleInput, new arrow.Float32()),
        'with its nulls sliced away': () => vector([null, ...exampleInput, null], new arrow.Float32()).slice(1, 10),
        'a column of a table': () =>
          arrow.tableFromArrays({ d: Float32Array.from(exampleInput) }).getChild('d') as arrow.Vector<arrow.Float32>,
        'through IPC': () =>
          arrow
            .tableFromIPC(arrow.tableToIPC(arrow.tableFromArrays({ d: Float64Array.from(exampleInput) })))
            .getChild('d') as arrow.Vector<arrow.Float64>,
      },
      labels: {
        Float64: () => vector(exampleLabel, new arrow.Float64()),
        Int8: () => vector(exampleLabel, new arrow.Int8()),
        'Int16 in chunks': () => chunked(exampleLabel, new arrow.Int16()),
        'Int32 sliced': () => sliced(exampleLabel, new arrow.Int32()),
        Int64: () => vector(exampleLabel.map(BigInt), new arrow.Int64()),
        'Int64 in chunks and sliced': () => chunkedAndSliced(exampleLabel.map(BigInt), new arrow.Int64()),
      },
      bitLabels: {
        Bool: () => vector(bits.map(Boolean), new arrow.Bool()),
        'Bool in chunks': () => chunked(bits.map(Boolean), new arrow.Bool()),
        'Bool sliced': () => sliced(bits.map(Boolean), new arrow.Bool()),
        'Bool in chunks and sliced': () => chunkedAndSliced(bits.map(Boolean), new arrow.Bool()),
        Uint8: () => vector(bits, new arrow.Uint8()),
        Uint16: () => vector(bits, new arrow.Uint16()),
        Uint32: () => vector(bits, new arrow.Uint32()),
        Uint64: () => vector(bits.map(BigInt), new arrow.Uint64()),
      },
    },
    'typed array': {
      shape: [9],
      inputs: {
        Float32Array: () => Float32Array.from(exampleInput),
        Float64Array: () => Float64Array.from(exampleInput),
        'of another realm': () => vm.runInNewContext(`new Float32Array([${exampleInput}])`) as Float32Array,
        'over shared memory': () => {
          const shared = new Float32Array(new SharedArrayBuffer(36))
          shared.set(exampleInput)
          return shared
        },
        'over part of its memory': () => Float64Array.from([9, 9, ...exampleInput, 9]).subarray(2, 11),
        'over resizable memory': () => {
          const memory = Reflect.construct(ArrayBuffer, [36, { maxByteLength: 72 }]) as ArrayBuffer
          const array = new Float32Array(memory)
          array.set(exampleInput)
          return array
        },
        'of a subclass': () => {
          class Distances extends Float32Array {}
          return Distances.from(exampleInput) as Float32Array
        },
      },
      labels: {
        Int8Array: () => Int8Array.from(exampleLabel),
        BigInt64Array: () => BigInt64Array.from(exampleLabel, BigInt),
        'of another realm': () => vm.runInNewContext(`new Int8Array([${exampleLabel}])`) as Int8Array,
        'over shared memory': () => {
          const shared = new Int32Array(new SharedArrayBuffer(36))
          shared.set(exampleLabel)
          return shared
        },
        'over odd bytes': () => {
          const bytes = new Int8Array(12)
          bytes.set(exampleLabel, 3)
          return bytes.subarray(3)
        },
      },
      bitLabels: { Buffer: () => Buffer.from(bits) },
    },
    'plain object': {
      shape: [3, 3],
      inputs: {
        float32: () => ({ data: Float32Array.from(exampleInput), shape: [3, 3] }),
        float64: () => ({ data: Float64Array.from(exampleInput), shape: [3, 3] }),
        'with a dtype': () => ({ data: Float32Array.from(exampleInput), shape: [3, 3], dtype: 'float32' }),
        frozen: () => Object.freeze({ data: Float32Array.from(exampleInput), shape: Object.freeze([3, 3]) }),
        'without prototype': () =>
          Object.assign(Object.create(null), { data: Float32Array.from(exampleInput), shape: [3, 3] }),
      },
      labels: {
        int8: () => ({ data: Int8Array.from(exampleLabel), shape: [3, 3] }),
        int64: () => ({ data: BigInt64Array.from(exampleLabel, BigInt), shape: [3, 3] }),
      },
    },
    'nested arrays, number': {
      shape: [3, 3],
      inputs: {
        'nested arrays': () => [exampleInput.slice(0, 3), exampleInput.slice(3, 6), exampleInput.slice(6)],
        'nested arrays of another realm': () => vm.runInNewContext('[[1,-2,3],[0,-1,2],[1,0,1]]') as number[][],
        Tensor: () => new Tensor(Float32Array.from(exampleInput), [3, 3]),
      },
      labels: {
        'nested arrays': () => [exampleLabel.slice(0, 3), exampleLabel.slice(3, 6), exampleLabel.slice(6)],
        Tensor: () => new Tensor(Int16Array.from(exampleLabel), [3, 3]),
      },
    },
  }

  const criterion = new HingeEmbeddingLoss({ reduction: 'none' })
  const bitCriterion = new HingeEmbeddingLoss({ reduction: 'none', ...zeroOne })

  for (const [kind, { inputs, labels, bitLabels = {}, shape }] of Object.entries(kinds)) {
    const expected = shape.length === 2 ? elementwise : elementwise.flat()
    const ownInput = new Tensor(Float64Array.from(exampleInput), shape)
    const ownLabel = new Tensor(Float32Array.from(exampleLabel), shape)

    describe(kind, () => {
      for (const [title, input] of Object.entries(inputs)) {
        it(`${kind} is read as input: ${title}`, () => {
          const result = criterion(input(), ownLabel)
          expect(result.shape).to.deep.equal(shape)
          expect(result.toArray()).to.deep.equal(expected)
          expect(result.dtype).to.be.oneOf(['float32', 'float64'])
          expect(hingeEmbeddingLoss(input(), ownLabel)).to.equal(2 / 9)
          expect(new LossAccumulator().update(input(), ownLabel).sum).to.equal(2)
          expect(criterion(input(), 1).data).to.deep.equal(
            result.dtype === 'float32' ? Float32Array.from(exampleInput) : Float64Array.from(exampleInput),
          )
        })
      }
      for (const [title, label] of Object.entries(labels)) {
        it(`${kind} is read as label: ${title}`, () => {
          expect(criterion(ownInput, label()).toArray()).to.deep.equal(expected)
          expect(new LossAccumulator().update(ownInput, label()).sum).to.equal(2)
        })
      }
      for (const [title, label] of Object.entries(bitLabels)) {
        it(`${kind} is read as 0/1 label: ${title}`, () => {
          expect(bitCriterion(ownInput, label()).toArray()).to.deep.equal(expected)
          expect(new LossAccumulator(zeroOne).update(ownInput, label()).sum).to.equal(2)
        })
      }
    })
  }

  it('inputs and labels of any kinds go together if their shapes are equal', () => {
    const all = Object.values(kinds)
    for (const { inputs, shape } of all) {
      for (const { labels, shape: labelShape } of all) {
        if (shape.length !== labelShape.length) continue
        for (const input of Object.values(inputs)) {
          for (const label of Object.values(labels)) expect(hingeEmbeddingLoss(input(), label())).to.equal(2 / 9)
        }
      }
    }
  })

  it('tensors of other libraries may have no dimensions', () => {
    const scalars: TensorLike[] = [
      new ort.Tensor('float32', [0.25], []),
      tf.scalar(0.25),
      ndarray(Float32Array.of(0.25), []),
      fromStdlib(stdlib.ndarray('float32', Float32Array.of(0.25), [], [0], 0, 'row-major')),
      { data: Float32Array.of(0.25), shape: [] },
      0.25,
    ]
    for (const scalar of scalars) {
      expect(criterion(scalar, -1).shape).to.deep.equal([])
      expect(criterion(scalar, -1).toArray()).to.equal(0.75)
    }
  })

  it('tensors of other libraries may have no elements', () => {
    const empties: TensorLike[] = [
      new ort.Tensor('float32', new Float32Array(0), [0]),
      tf.tensor1d([]),
      ndarray(new Float32Array(0), [0]),
      fromStdlib(stdlib.ndarray('float32', new Float32Array(0), [0], [1], 0, 'row-major')),
      vector([], new arrow.Float32()),
      vector([1, 2], new arrow.Float32()).slice(1, 1),
      { data: new Float32Array(0), shape: [0] },
      [],
    ]
    for (const empty of empties) {
      expect(criterion(empty, -1).shape).to.deep.equal([0])
      expect(hingeEmbeddingLoss(empty, new Float32Array(0))).to.be.NaN
    }
  })

  const bothPlaces =
    (assertion: (call: () => unknown, message?: RegExp) => void) => (value: unknown, message?: RegExp) => {
      assertion(() => hingeEmbeddingLoss(value as never, 1), message)
      assertion(() => hingeEmbeddingLoss([1, 2], value as never), message)
    }
  const refusesType = bothPlaces(throwsType)
  const refuses = bothPlaces(throwsOurs)

  describe('onnxruntime: what is refused', () => {
    it('onnxruntime tensors of float16, which lie in a Uint16Array or a Float16Array, are refused', () => {
      const half = new ort.Tensor('float16', Uint16Array.of(15360, 15360), [2])
      refusesType(half, /float16/i)
    })

    it('onnxruntime tensors of 4-bit integers, two of which share a byte, are refused', () => {
      refusesType({ type: 'int4', dims: [2], data: Int8Array.of(1, 1), location: 'cpu' }, /int4/)
      refusesType({ type: 'uint4', dims: [2], data: Uint8Array.of(1, 1), location: 'cpu' }, /uint4/)
    })

    it('onnxruntime tensors of strings are refused', () => refusesType(new ort.Tensor('string', ['a', 'b'], [2])))

    it('onnxruntime tensors of integers are refused as input', () => {
      throwsType(() => hingeEmbeddingLoss(new ort.Tensor('int32', Int32Array.of(1, 1), [2]), 1), /int32/)
      throwsType(() => hingeEmbeddingLoss(new ort.Tensor('bool', [true, true], [2]), 1))
    })

    it('onnxruntime tensors on a GPU are refused', () => {
      const remote = ort.Tensor.fromGpuBuffer({ size: 8, mapState: 'unmapped' } as never, {
        dataType: 'float32',
        dims: [2],
      })
      refuses(remote, /gpu-buffer/)
      for (const location of ['gpu-buffer', 'texture', 'ml-tensor', 'none']) {
        let touched = false
        const tensorLike = {
          type: 'float32',
          dims: [2],
          location,
          get data() {
            touched = true
            return new Float32Array(2)
          },
        }
        refuses(tensorLike, new RegExp(location))
        expect(touched).to.equal(false)
      }
    })

    it('onnxruntime tensors that are disposed are refused', () => {
      const disposed = new ort.Tensor('float32', Float32Array.of(1, 1), [2])
      disposed.dispose()
      refuses(disposed)
    })

    it('onnxruntime tensors whose data has another type or length than they say are refused', () => {
      for (const data of [Float64Array.of(1, 1), Uint16Array.of(1, 1), BigInt64Array.of(1n, 1n), null, undefined]) {
        refuses({ type: 'float32', dims: [2], data, location: 'cpu' })
      }
      refuses({ type: 'int64', dims: [2], data: Int32Array.of(1, 1), location: 'cpu' })
      throwsShape(() => hingeEmbeddingLoss({ type: 'float32', dims: [3], data: Float32Array.of(1, 1) }, 1))
      throwsShape(() => hingeEmbeddingLoss({ type: 'float32', dims: [], data: Float32Array.of(1, 1) }, 1))
      refuses({ type: 'float32', dims: [-1, -2], data: Float32Array.of(1, 1), location: 'cpu' })
      refuses({ type: 'float32', dims: ['2'], data: Float32Array.of(1, 1), location: 'cpu' })
      refuses({ type: 'float32', dims: 2, data: Float32Array.of(1, 1), location: 'cpu' })
    })
  })

  describe('TensorFlow.js: what is refused', () => {
    it('TensorFlow.js tensors of integers and bools are refused as input', () => {
      throwsType(() => hingeEmbeddingLoss(tf.tensor1d([1, 1], 'int32'), 1), /int32/)
      throwsType(() => hingeEmbeddingLoss(tf.tensor1d([true, true], 'bool'), 1))
    })
    it('TensorFlow.js tensors of complex numbers are refused', () =>
      refusesType(tf.complex([1, 1], [0, 0]), /complex64/))
    it('TensorFlow.js tensors of strings are refused', () => refusesType(tf.tensor1d(['a', 'b'])))
    it('TensorFlow.js tensors that are disposed are refused', () => {
      const disposed = tf.tensor1d([1, 1])
      disposed.dispose()
      refuses(disposed)
    })
    it('TensorFlow.js tensors whose data has another type or length than they say are refused', () => {
      refuses({ dtype: 'float32', shape: [2], dataSync: () => Int32Array.of(1, 1) })
      refuses({ dtype: 'float32', shape: [2], dataSync: () => Float32Array.of(1) })
      refuses({ dtype: 'float32', shape: [2], dataSync: () => Promise.resolve() })
    })
  })

  describe('scijs ndarray: what is refused', () => {
    const misfits: [string, number[], number[], number][] = [
      ['a shape beyond the data', [2, 3], [3, 1], 0],
      ['an offset beyond the data', [2], [1], 3],
      ['a negative offset', [2], [1], -1],
      ['strides that lead below the data', [3], [-1], 1],
      ['strides that lead beyond the data', [2, 2], [3, 1], 0],
      ['strides that overflow', [2], [2 ** 53], 0],
      ['strides that cancel out of bounds', [2, 2], [5, -5], 0],
    ]
    for (const [title, shape, stride, offset] of misfits) {
      it(`a scijs ndarray with ${title} is refused`, () => {
        for (const strided of [
          { data: new Float32Array(4), shape, stride, offset },
          { data: new Float32Array(4), shape, strides: stride, offset, order: 'row-major', dtype: 'float32' },
          ndarray(new Float32Array(4), shape, stride, offset),
        ]) {
          expect(() => hingeEmbeddingLoss(strided, 1))
            .to.throw(RangeError, /input/)
            .with.property('code')
            .that.is.oneOf(['ERR_SHAPE_MISMATCH', 'ERR_INVALID_ARG_VALUE'])
        }
      })
    }

    it('a scijs ndarray whose strides or offset are not integers is refused', () => {
      for (const wrong of [0.5, Number.NaN, Infinity, '1', null, {}]) {
        refuses({ data: new Float32Array(4), shape: [2], stride: [wrong], offset: 0 })
        refuses({ data: new Float32Array(4), shape: [2], stride: [1], offset: wrong })
        refuses({ data: new Float32Array(4), shape: [2], strides: [wrong], offset: 0 })
      }
      refuses({ data: new Float32Array(4), shape: [2], stride: [1, 1], offset: 0 })
      refuses({ data: new Float32Array(4), shape: [2, 2], stride: [1], offset: 0 })
      refuses({ data: new Float32Array(4), shape: [2, 2], stride: 1, offset: 0 })
    })

    it('a scijs ndarray with its data behind get and set is refused', () => {
      refuses(ndarray({ get: () => 1, set: () => {}, length: 2 }, [2]))
    })

    it('a scijs ndarray may have a stride of 0, and any strides if it has no elements', () => {
      expect(criterion(ndarray(Float32Array.of(5), [2, 2], [0, 0]), 1).toArray()).to.deep.equal([
        [5, 5],
        [5, 5],
      ])
      expect(criterion(ndarray(new Float32Array(1), [0, 3], [3, 1]), 1).shape).to.deep.equal([0, 3])
    })
  })

  describe('@stdlib/ndarray: what is refused', () => {
    it('a @stdlib ndarray of complex numbers is refused', () => {
      refuses(stdlib.zeros([2], { dtype: 'complex64' }))
      refuses(stdlib.zeros([2], { dtype: 'complex128' }))
    })
  })

  describe('Apache Arrow: what is refused', () => {
    it('an Arrow vector with nulls is refused', () => {
      refuses(vector([1, null], new arrow.Float32()), /null/)
      refuses(chunked([1, 1, 1, 1, 1, 1, null], new arrow.Float32()), /null/)
      throwsOurs(() => hingeEmbeddingLoss([1, 2], vector([1, null], new arrow.Int8())), /label.*null/)
      throwsOurs(() => hingeEmbeddingLoss([1, 2], vector([true, null], new arrow.Bool())), /label.*null/)
    })

    const others: Record<string, () => arrow.Vector> = {
      Float16: () => vector([1, 1], new arrow.Float16()),
      Utf8: () => vector(['a', 'b'], new arrow.Utf8()),
      'a dictionary of strings': () => arrow.vectorFromArray(['a', 'b']),
      'a dictionary of numbers': () => vector([1, 1], new arrow.Dictionary(new arrow.Float32(), new arrow.Int32())),
      Date: () => vector([new Date(1), new Date(1)], new arrow.DateMillisecond()),
      Timestamp: () => vector([1, 1], new arrow.TimestampMillisecond()),
      Time: () => vector([1, 1], new arrow.TimeSecond()),
      Duration: () => vector([1n, 1n], new arrow.DurationSecond()),
      Interval: () => vector([Int32Array.of(1, 1), Int32Array.of(1, 1)], new arrow.IntervalDayTime()),
      Binary: () => vector([Uint8Array.of(1), Uint8Array.of(1)], new arrow.Binary()),
      List: () => vector([[1], [1]], new arrow.List(new arrow.Field('item', new arrow.Float32()))),
      FixedSizeList: () => vector([[1], [1]], new arrow.FixedSizeList(1, new arrow.Field('item', new arrow.Float32()))),
    }
    for (const [title, other] of Object.entries(others)) {
      it(`an Arrow vector of ${title} is refused`, () => refusesType(other()))
    }

    it('an Arrow vector of integers is refused as input', () => {
      throwsType(() => hingeEmbeddingLoss(vector([1, 1], new arrow.Int32()), 1), /int32/i)
      throwsType(() => hingeEmbeddingLoss(vector([true, true], new arrow.Bool()), 1))
    })
  })

  describe('plain object: what is refused', () => {
    it('an object whose data does not fit its shape is refused', () => {
      throwsShape(() => hingeEmbeddingLoss({ data: new Float32Array(4), shape: [3] }, 1))
      throwsShape(() => hingeEmbeddingLoss({ data: new Float32Array(4), shape: [5] }, 1))
      throwsShape(() => hingeEmbeddingLoss({ data: new Float32Array(4), shape: [] }, 1))
    })
    it('an object whose data has another dtype than it says is refused', () => {
      refuses({ data: Uint16Array.of(1, 1), shape: [2], dtype: 'float16' })
      refuses({ data: Int32Array.of(1, 1), shape: [2], dtype: 'float32' })
    })
    it('an object whose data is not a typed array is refused', () => {
      for (const data of [null, 'ab', new ArrayBuffer(8), new DataView(new ArrayBuffer(8)), { length: 2 }]) {
        refuses({ data, shape: [2] })
      }
    })
  })

  describe('our Tensor as others want it', () => {
    it('a Tensor has what InferenceSession.run takes: string type, array dims, typed array data, location cpu', () => {
      for (const ours of [
        tensor([
          [1, 2],
          [3, 4],
        ]),
        criterion(
          [
            [1, 2],
            [3, 4],
          ],
          1,
        ),
        tensor([[1, 2]], { dtype: 'int64' }),
      ]) {
        expect(ours.type).to.be.a('string')
        expect(ours.dims).to.satisfy(Array.isArray)
        expect(ours.location).to.equal('cpu')
        const theirs = new ort.Tensor(ours.type as 'float32', ours.data as Float32Array, ours.dims)
        expect(theirs.data).to.equal(ours.data)
        expect(theirs.dims).to.deep.equal(ours.dims)
        expect(theirs.type).to.equal(ours.type)
        expect(theirs.size).to.equal(ours.size)
      }
    })
  })
})

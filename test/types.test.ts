import stdlib from '@stdlib/ndarray'
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import * as arrow from 'apache-arrow'
import { expect } from 'chai'
import ndarray from 'ndarray'
import * as ort from 'onnxruntime-common'
import {
  type FileTotals,
  type Format,
  type Group,
  type GroupValue,
  type Margins,
  mergePartials,
  type PlotFilesOptions,
  type plotFiles,
  type ScoreFilesOptions,
  scoreFiles,
} from '../lib/files.ts'
import {
  type DType,
  type GradOptions,
  type GradOutput,
  type getNumThreads,
  HingeEmbeddingLoss,
  type HingeEmbeddingLossOptions,
  hingeEmbeddingLoss,
  type LabelOptions,
  LossAccumulator,
  type Reduction,
  type Result,
  type runtimeInfo,
  setNumThreads,
  Tensor,
  type TensorLike,
  tensor,
  type ValueAndGrad,
} from '../lib/index.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
type Extends<A, B> = [A] extends [B] ? true : false

/** Does not compile unless its argument is true: `tsc --project test` runs before the tests. */
function assertTypes<_Assertions extends readonly true[]>() {}

/** Compiled and never called. */
const compiles = (_: () => unknown) => {}

const x = new Float32Array(3)

describe('the types', () => {
  it('the types name dtypes and reductions', () => {
    assertTypes<[Equal<DType, 'float32' | 'float64'>, Equal<Reduction, 'none' | 'mean' | 'sum'>]>()
  })

  it('the types give each reduction its result', () => {
    assertTypes<
      [
        Extends<Result<'none'>, Tensor>,
        Equal<Result<'mean'>, number>,
        Equal<Result<'sum'>, number>,
        Extends<Result<Reduction>, Tensor | number>,
        Extends<Result<'none'>, number> extends false ? true : false,
      ]
    >()
    const none = new HingeEmbeddingLoss({ reduction: 'none' })
    const mean = new HingeEmbeddingLoss()
    const margin = new HingeEmbeddingLoss({ margin: 2 })
    const sum = new HingeEmbeddingLoss({ reduction: 'sum', margin: 2 })
    assertTypes<
      [
        Equal<typeof none, HingeEmbeddingLoss<'none'>>,
        Equal<typeof mean, HingeEmbeddingLoss<'mean'>>,
        Equal<typeof mean, HingeEmbeddingLoss>,
        Equal<typeof margin, HingeEmbeddingLoss<'mean'>>,
        Equal<typeof sum, HingeEmbeddingLoss<'sum'>>,
        Equal<ReturnType<typeof none>, Result<'none'>>,
        Extends<ReturnType<typeof none>, Tensor>,
        Equal<ReturnType<typeof mean>, number>,
        Equal<ReturnType<typeof sum>, number>,
        Extends<ReturnType<typeof none.forward>, Tensor>,
        Equal<ReturnType<typeof mean.forward>, number>,
      ]
    >()
    const tensorResult: Tensor = none(x, 1)
    const numberResult: number = mean(x, 1)
    expect(tensorResult).to.be.an.instanceof(Tensor)
    expect(numberResult).to.be.a('number')
  })

  it('the types of gradients are tensors, with the value of the reduction beside them', () => {
    const [none, mean] = [new HingeEmbeddingLoss({ reduction: 'none' }), new HingeEmbeddingLoss()]
    const [both, reduced] = [none.valueAndGrad(x, 1), mean.valueAndGrad(x, 1, { out: new Float32Array(3) })]
    assertTypes<
      [
        Equal<typeof both, ValueAndGrad<'none'>>,
        Equal<(typeof both)['loss'], Result<'none'>>,
        Equal<(typeof reduced)['loss'], number>,
        Extends<(typeof reduced)['gradInput'], Tensor>,
        Extends<ReturnType<typeof mean.backward>, Tensor>,
        Extends<{ out: Float64Array }, GradOptions>,
        Equal<GradOutput<'none'>, TensorLike>,
        Equal<GradOutput<'mean'>, number>,
      ]
    >()
    const floats: Float32Array | Float64Array = none.backward(x, 1, [1, 2, 3], { out: tensor([1, 2, 3]) }).data
    expect(floats).to.deep.equal(Float32Array.of(1, 2, 3))
    compiles(() => {
      // @ts-expect-error a string
      none.backward(x, 1, '1')
      // @ts-expect-error a number for a mean
      mean.backward(x, 1, x)
      // @ts-expect-error no such option
      none.backward(x, 1, 1, { signal: undefined })
      // @ts-expect-error not memory for gradients
      mean.valueAndGrad(x, 1, { out: [0] })
      // @ts-expect-error readonly
      both.gradInput = tensor([1])
    })
  })

  it('the types give hingeEmbeddingLoss the result of its reduction', () => {
    const none = hingeEmbeddingLoss(x, 1, { reduction: 'none' })
    const mean = hingeEmbeddingLoss(x, 1)
    const margin = hingeEmbeddingLoss(x, 1, { margin: 2 })
    const sum = hingeEmbeddingLoss(x, 1, { reduction: 'sum' })
    assertTypes<
      [
        Extends<typeof none, Tensor>,
        Equal<typeof mean, number>,
        Equal<typeof margin, number>,
        Equal<typeof sum, number>,
      ]
    >()
    expect(none).to.be.an.instanceof(Tensor)
    for (const each of [mean, margin, sum]) expect(each).to.be.a('number')
  })

  it('the types allow a reduction that is known only at run time', () => {
    const later = (reduction: Reduction) => hingeEmbeddingLoss(x, 1, { reduction })
    assertTypes<[Extends<ReturnType<typeof later>, Tensor | number>, Extends<number, ReturnType<typeof later>>]>()
    const generic = <R extends Reduction>(options: HingeEmbeddingLossOptions<R>): Result<R> =>
      new HingeEmbeddingLoss(options)(x, 1)
    assertTypes<[Equal<ReturnType<typeof generic<'sum'>>, number>]>()
    expect(later('sum')).to.equal(0)
    expect(generic({ reduction: 'sum' })).to.equal(0)
  })

  it('the types know that losses are floats', () => {
    compiles(() => {
      const { data } = hingeEmbeddingLoss(x, 1, { reduction: 'none' })
      const floats: Float32Array | Float64Array = data
      return floats
    })
  })

  it('the types accept the tensors of other libraries without casts', () => {
    const accepted: TensorLike[] = [
      1,
      [1, 2],
      [[[1]], [[2]]],
      new Float32Array(1),
      new Float64Array(1),
      new BigInt64Array(1),
      new Uint8ClampedArray(1),
      Buffer.alloc(1),
      tensor([1]),
      new Tensor(new Int8Array(1)),
      new ort.Tensor('float32', new Float32Array(1), [1]),
      new ort.Tensor('int64', new BigInt64Array(1), [1]),
      new ort.Tensor('bool', [true]),
      tf.tensor1d([1]),
      tf.tensor2d([[1]]),
      tf.scalar(1) as tf.Tensor,
      ndarray(new Float32Array(1), [1]),
      ndarray(new Int8Array(1), [1]).transpose(0),
      arrow.vectorFromArray([1], new arrow.Float32()),
      arrow.vectorFromArray([1n], new arrow.Int64()),
      arrow.vectorFromArray([true], new arrow.Bool()),
      arrow.makeVector(new Float64Array(1)),
      { data: new Float32Array(1), shape: [1] },
      { data: new Float32Array(1), shape: [1] as const },
      { data: new Float32Array(1), shape: [1], stride: [1], offset: 0 },
    ]
    expect(accepted).to.have.lengthOf(25)
    assertTypes<
      [
        Extends<ort.Tensor, TensorLike>,
        Extends<ort.TypedTensor<'float32'>, TensorLike>,
        Extends<tf.Tensor, TensorLike>,
        Extends<ndarray.NdArray<Float32Array>, TensorLike>,
        Extends<arrow.Vector<arrow.Float32>, TensorLike>,
        Extends<arrow.Vector<arrow.Bool>, TensorLike>,
        Extends<readonly number[], TensorLike>,
        Extends<readonly (readonly number[])[], TensorLike>,
        Extends<Tensor, TensorLike>,
        Extends<Float32Array<SharedArrayBuffer>, TensorLike>,
      ]
    >()
  })

  it('the types give asynchronous calls a promise of the same result', () => {
    const none = () => new HingeEmbeddingLoss({ reduction: 'none' }).forwardAsync(x, 1, { out: x })
    const mean = () => new HingeEmbeddingLoss().forwardAsync(x, 1, { signal: new AbortController().signal })
    const total = () => new LossAccumulator().updateAsync(x, 1, { signal: new AbortController().signal })
    assertTypes<
      [
        Equal<ReturnType<typeof none>, Promise<Result<'none'>>>,
        Equal<ReturnType<typeof mean>, Promise<number>>,
        Equal<ReturnType<typeof total>, Promise<LossAccumulator>>,
      ]
    >()
    // @ts-expect-error a controller is not a signal
    compiles(() => new HingeEmbeddingLoss().forwardAsync(x, 1, { signal: new AbortController() }))
    // @ts-expect-error an accumulator has no out
    compiles(() => new LossAccumulator().updateAsync(x, 1, { out: x }))
  })

  it('the types accept the arrays of @stdlib/ndarray without casts', () => {
    const array: TensorLike = stdlib.ndarray('float32', new Float32Array(1), [1], [1], 0, 'row-major')
    expect(hingeEmbeddingLoss(array, 1)).to.equal(0)
  })

  it('the types refuse values that are not tensors', () => {
    compiles(() => {
      // @ts-expect-error a string
      hingeEmbeddingLoss('1', 1)
      // @ts-expect-error an array of strings
      hingeEmbeddingLoss(['1'], 1)
      // @ts-expect-error null
      hingeEmbeddingLoss(null, 1)
      // @ts-expect-error a bigint
      hingeEmbeddingLoss(1n, 1)
      // @ts-expect-error a boolean as label
      hingeEmbeddingLoss(x, true)
      // @ts-expect-error a string as label
      hingeEmbeddingLoss(x, '1')
      // @ts-expect-error no label
      hingeEmbeddingLoss(x)
      // @ts-expect-error a DataView
      hingeEmbeddingLoss(new DataView(new ArrayBuffer(4)), 1)
      // @ts-expect-error an ArrayBuffer
      new LossAccumulator().update(new ArrayBuffer(4), 1)
      // @ts-expect-error a Set
      new HingeEmbeddingLoss()(new Set([1]), 1)
      // @ts-expect-error a number array is not the data of a Tensor
      new Tensor([1, 2])
    })
  })

  it('the types refuse wrong options', () => {
    compiles(() => {
      // @ts-expect-error no such reduction
      new HingeEmbeddingLoss({ reduction: 'avg' })
      // @ts-expect-error not a number
      new HingeEmbeddingLoss({ margin: '1' })
      // @ts-expect-error no such option
      new HingeEmbeddingLoss({ marginn: 1 })
      // @ts-expect-error no such policy
      new HingeEmbeddingLoss({ otherLabels: 'mask' })
      // @ts-expect-error not a string
      new HingeEmbeddingLoss({ name: 1 })
      // @ts-expect-error an accumulator has no reduction
      new LossAccumulator({ reduction: 'sum' })
      // @ts-expect-error no such dtype
      tensor([1], { dtype: 'float16' })
      // @ts-expect-error no such option
      hingeEmbeddingLoss(x, 1, { out: x })
      // @ts-expect-error not memory for losses
      new HingeEmbeddingLoss({ reduction: 'none' }).forward(x, 1, { out: [0] })
      // @ts-expect-error nor an integer array
      new HingeEmbeddingLoss({ reduction: 'none' }).forward(x, 1, { out: new Int32Array(3) })
      // @ts-expect-error not a number of threads
      setNumThreads('2')
      // @ts-expect-error not callable without new
      HingeEmbeddingLoss(x, 1)
    })
  })

  it('the types refuse wrong results', () => {
    compiles(() => {
      // @ts-expect-error a number
      const mean: Tensor = new HingeEmbeddingLoss()(x, 1)
      // @ts-expect-error a Tensor
      const none: number = new HingeEmbeddingLoss({ reduction: 'none' })(x, 1)
      // @ts-expect-error a Tensor
      const forward: number = new HingeEmbeddingLoss({ reduction: 'none' }).forward(x, 1)
      // @ts-expect-error another reduction
      const sum: HingeEmbeddingLoss<'none'> = new HingeEmbeddingLoss({ reduction: 'sum' })
      return [mean, none, forward, sum]
    })
  })

  it('the types make properties readonly', () => {
    compiles(() => {
      const criterion = new HingeEmbeddingLoss()
      // @ts-expect-error readonly
      criterion.margin = 2
      // @ts-expect-error readonly
      criterion.reduction = 'mean'
      // @ts-expect-error readonly
      criterion.name = 'pairs'
      // @ts-expect-error readonly
      criterion.otherLabels = 'zero'
      const vector = tensor([1])
      // @ts-expect-error readonly
      vector.shape = [1]
      // @ts-expect-error readonly
      vector.shape[0] = 2
      // @ts-expect-error readonly
      vector.data = new Float32Array(1)
      const total = new LossAccumulator()
      // @ts-expect-error readonly
      total.sum = 1
      // @ts-expect-error readonly
      total.negatives.active = 1
    })
  })

  it('the types describe the accumulator', () => {
    const total = new LossAccumulator()
    assertTypes<
      [
        Equal<typeof total.count, number>,
        Equal<typeof total.sum, number>,
        Equal<typeof total.mean, number>,
        Equal<typeof total.others, number>,
        Extends<typeof total.positives, { count: number; sum: number; mean: number }>,
        Extends<typeof total.negatives, { count: number; sum: number; mean: number; active: number }>,
        Extends<ReturnType<typeof total.update>, LossAccumulator>,
        Extends<ReturnType<typeof total.merge>, LossAccumulator>,
        Equal<ReturnType<typeof LossAccumulator.merge>, LossAccumulator>,
        Equal<ReturnType<typeof LossAccumulator.fromJSON>, LossAccumulator>,
        Extends<ReturnType<typeof total.toJSON>, object>,
      ]
    >()
    const fromParsed = LossAccumulator.fromJSON(JSON.parse(JSON.stringify(total)))
    const fromOwn = LossAccumulator.fromJSON(total.toJSON())
    expect(fromParsed.merge(fromOwn).count).to.equal(0)
  })

  it('the types describe options, Tensor and the runtime', () => {
    assertTypes<
      [
        Extends<{ margin: 1; reduction: 'sum'; name: 'pairs' }, HingeEmbeddingLossOptions<'sum'>>,
        Extends<{ positiveLabel: 2; negativeLabel: 0; otherLabels: 'ignore' }, LabelOptions>,
        Extends<Record<never, never>, HingeEmbeddingLossOptions<'mean'>>,
        Extends<Tensor['shape'], readonly number[]>,
        Extends<Tensor['dims'], readonly number[]>,
        Equal<Tensor['size'], number>,
        Extends<Tensor['type'], string>,
        Equal<Tensor['location'], 'cpu'>,
        Extends<Tensor['data'], ArrayBufferView>,
        Extends<ReturnType<typeof runtimeInfo>['version'], string>,
        Extends<ReturnType<typeof runtimeInfo>['instructionSets'], readonly string[]>,
        Equal<ReturnType<typeof getNumThreads>, number>,
      ]
    >()
    const criterion = new HingeEmbeddingLoss({ reduction: 'none' })
    assertTypes<
      [
        Equal<typeof criterion.margin, number>,
        Equal<typeof criterion.reduction, 'none'>,
        Equal<typeof criterion.name, string>,
        Equal<typeof criterion.positiveLabel, number>,
        Equal<typeof criterion.otherLabels, 'error' | 'zero' | 'ignore'>,
      ]
    >()
    expect(criterion.reduction).to.equal('none')
  })

  it('the types of files name each option and its values, and none of them or of the results is any', () => {
    type IsAny<T> = 0 extends 1 & T ? true : false
    type OptionName =
      | ('left' | 'right' | 'distance' | 'epsilon' | 'embeddings' | 'id' | 'embedding' | 'labels' | 'on')
      | (
          | 'input'
          | 'label'
          | 'weight'
          | 'by'
          | 'nulls'
          | 'nan'
          | 'margin'
          | 'positiveLabel'
          | 'negativeLabel'
          | 'otherLabels'
        )
      | (
          | 'delimiter'
          | 'decimal'
          | 'nullString'
          | 'header'
          | 'comment'
          | 'format'
          | 'allowDuplicates'
          | 'query'
          | 'attach'
        )
      | (
          | 'output'
          | 'keep'
          | 'top'
          | 'threads'
          | 'duckdbExtensions'
          | 'stdin'
          | 'signal'
          | 'onProgress'
          | 'onNote'
          | 'onGroup'
        )
    type AnyOption = { [Name in OptionName]: IsAny<ScoreFilesOptions[Name]> }[OptionName]
    type Result = Awaited<ReturnType<typeof scoreFiles<number>>>
    assertTypes<
      [
        Equal<keyof ScoreFilesOptions, OptionName>,
        Equal<
          keyof PlotFilesOptions,
          | Exclude<OptionName, 'weight' | 'keep' | 'top' | 'onGroup'>
          | ('theme' | 'size' | 'range' | 'log' | 'bins' | 'title')
        >,
        Equal<AnyOption, false>,
        Equal<NonNullable<ScoreFilesOptions['nulls']>, 'error' | 'ignore'>,
        Equal<NonNullable<ScoreFilesOptions['nan']>, 'error' | 'ignore' | 'keep'>,
        Equal<NonNullable<ScoreFilesOptions['otherLabels']>, 'error' | 'zero' | 'ignore'>,
        Equal<Format, 'parquet' | 'csv' | 'tsv' | 'ndjson' | 'arrow'>,
        Equal<ScoreFilesOptions['output'], string | undefined>,
        Equal<PlotFilesOptions['output'], string>,
        Equal<Result['total'], LossAccumulator>,
        Equal<Group['by'], GroupValue>,
        IsAny<GroupValue> extends false ? true : false,
        Equal<ReturnType<typeof mergePartials>, ReturnType<typeof scoreFiles<number>>>,
        Equal<ReturnType<typeof plotFiles<number>>, ReturnType<typeof scoreFiles<number>>>,
      ]
    >()
    const columns = { input: 'd', label: 'y' }
    const without = () => scoreFiles(['pairs.csv'], columns)
    const one = () => scoreFiles(['pairs.csv'], { ...columns, margin: 0.5 })
    const list = () => scoreFiles(['pairs.csv'], { ...columns, margin: [0.5, 1] })
    const unknownList = (margin: readonly number[]) => scoreFiles(['pairs.csv'], { ...columns, margin })
    const either = (margin: Margins) => scoreFiles(['pairs.csv'], { ...columns, margin })
    assertTypes<
      [
        Equal<Awaited<ReturnType<typeof without>>, FileTotals>,
        Equal<Awaited<ReturnType<typeof one>>, FileTotals>,
        Equal<Awaited<ReturnType<typeof list>>, readonly [FileTotals, FileTotals]>,
        Equal<Awaited<ReturnType<typeof unknownList>>, readonly FileTotals[]>,
        Equal<Awaited<ReturnType<typeof either>>, FileTotals | readonly FileTotals[]>,
      ]
    >()
    // @ts-expect-error a text
    compiles(() => scoreFiles(['pairs.csv'], { ...columns, margin: '1' }))
    // @ts-expect-error label is required
    compiles(() => scoreFiles(['pairs.csv'], {}))
    compiles(() => scoreFiles(['pairs.csv'], { left: 'a', right: 'b', distance: 'minkowski:3', label: 'y' }))
    // @ts-expect-error no such distance
    compiles(() => scoreFiles(['pairs.csv'], { left: 'a', right: 'b', distance: 'l2', label: 'y' }))
    // @ts-expect-error no such option
    compiles(() => scoreFiles(['pairs.csv'], { input: 'd', label: 'y', margn: 1 }))
    // @ts-expect-error partials have no columns
    compiles(() => mergePartials(['part.json'], { input: 'd' }))
  })

  it('the types let a Tensor become one of ONNX Runtime from its own dtype, data and shape', () => {
    const losses = new HingeEmbeddingLoss({ reduction: 'none' })([1], 1)
    const known = new Tensor(new BigInt64Array(1), [1, 1])
    const [any, clamped] = [tensor([1]), new Tensor(new Uint8ClampedArray(1))]
    assertTypes<
      [
        Equal<typeof known.dtype, 'int64'>,
        Equal<typeof clamped.dtype, 'uint8'>,
        Equal<typeof losses.dtype, 'float32' | 'float64'>,
        Extends<typeof clamped.data, Uint8ClampedArray>,
        Extends<typeof any.data, Uint8ClampedArray> extends false ? true : false,
      ]
    >()
    const typed: ort.TypedTensor<'int64'> = new ort.Tensor(known.dtype, known.data, known.shape)
    const theirs = [
      typed,
      new ort.Tensor(any.dtype, any.data, any.shape),
      new ort.Tensor(losses.type, losses.data, losses.dims),
      new ort.Tensor(clamped.dtype, clamped.data, clamped.shape),
    ]
    expect(theirs.map(({ type }) => type)).to.deep.equal(['int64', 'float32', 'float32', 'uint8'])
    expect(typed.data).to.equal(known.data)
  })
})

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { arch, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HingeEmbeddingLoss, type LabelData, LossAccumulator, Tensor, tensor } from '../../lib/index.ts'
import { totalsOf } from './totals.ts'

/** Compiles a source of test/native to a library for run time, in a new folder. */
export function compileLibrary(name: string): { path: string; remove: () => void } {
  const source = fileURLToPath(new URL(`../native/${name}.cpp`, import.meta.url))
  const folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-library-'))
  const path = join(folder, `${name}.node`)
  const shared = process.platform === 'darwin' ? ['-shared', '-undefined', 'dynamic_lookup'] : ['-shared']
  execFileSync(process.env.CXX ?? 'g++', ['-std=c++20', '-O1', '-fPIC', ...shared, source, '-o', path])
  return { path, remove: () => rmSync(folder, { recursive: true }) }
}

/** Compiles an addon that sets the floating-point mode of its thread. */
export const compileModeSetter = () => compileLibrary('float_mode')

type SetMode = (mode: number) => number

export const loadModeSetter = (path: string) => createRequire(import.meta.url)(path) as SetMode

/** Bits of MXCSR on x86-64 and of FPCR on arm64. The defaults are those of IEEE 754. */
const bits =
  arch() === 'x64'
    ? { defaults: 0x1f80, flush: 0x8040, down: 0x2000, up: 0x4000, zero: 0x6000 }
    : { defaults: 0, flush: 1 << 24, down: 2 << 22, up: 1 << 22, zero: 3 << 22 }

export const defaultMode = bits.defaults

/** Every mode other than the default: each way of rounding, with subnormals and with subnormals flushed. */
export const modes: Readonly<Record<string, number>> = {
  'rounding down': bits.defaults | bits.down,
  'rounding up': bits.defaults | bits.up,
  'rounding towards zero': bits.defaults | bits.zero,
  'flushing subnormals': bits.defaults | bits.flush,
  'rounding down and flushing subnormals': bits.defaults | bits.down | bits.flush,
  'rounding up and flushing subnormals': bits.defaults | bits.up | bits.flush,
  'rounding towards zero and flushing subnormals': bits.defaults | bits.zero | bits.flush,
}

/** Calls `run` while this thread is in `mode`. */
export async function runInMode<T>(setMode: SetMode, mode: number, run: () => T | Promise<T>): Promise<T> {
  const before = setMode(mode)
  try {
    return await run()
  } finally {
    setMode(before)
  }
}

/**
 * Returns the bits of a result. A subnormal number counts as 0: optimized JavaScript turns it into 0 while subnormals
 * are flushed, once it leaves the addon. In tensors, and in the text of exact sums, subnormals stay as they are.
 */
export function bitsOf(value: unknown): unknown {
  if (typeof value === 'number') {
    return new BigUint64Array(Float64Array.of(Math.abs(value) < 2 ** -1022 ? 0 : value).buffer)[0]
  }
  if (value instanceof Tensor) {
    const { buffer, byteOffset, byteLength } = value.data
    return [value.dtype, Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength).toString('hex')]
  }
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, bitsOf(each)]))
}

export interface Elements {
  readonly input: Float32Array | Float64Array
  readonly label: LabelData
  readonly gradOutput: Float32Array | Float64Array
  readonly options: { margin: number; positiveLabel: number; negativeLabel: number; otherLabels: 'zero' | 'ignore' }
}

/** Returns every function of the library that calculates, for the same elements. */
export function listOperations({ input, label, gradOutput, options }: Elements): Record<string, () => unknown> {
  const none = new HingeEmbeddingLoss({ ...options, reduction: 'none' })
  // Read before the mode is set, in which V8 itself would read elements.
  const nested = [[...input]]
  const oneForAll = gradOutput[0] as number
  const half = input.length >> 1
  const parts = [
    [input.subarray(0, half), label.subarray(0, half)],
    [input.subarray(half), label.subarray(half)],
  ] as const
  const accumulate = () => new LossAccumulator(options).update(...parts[0])
  const merge = () => LossAccumulator.merge(accumulate(), new LossAccumulator(options).update(...parts[1]))
  const operations: Record<string, () => unknown> = {
    'new HingeEmbeddingLoss': () => ({ ...new HingeEmbeddingLoss(options) }),
    'forward of none': () => none.forward(input, label),
    'forwardAsync of none': () => none.forwardAsync(input, label),
    'backward of none': () => none.backward(input, label, gradOutput),
    'backward of none for one number': () => none.backward(input, label, oneForAll),
    'valueAndGrad of none': () => none.valueAndGrad(input, label),
    'forward for one label': () => none.forward(input, options.negativeLabel),
    update: () => accumulate().toJSON(),
    updateAsync: async () => (await new LossAccumulator(options).updateAsync(input, label)).toJSON(),
    merge: () => merge().toJSON(),
    totals: () => totalsOf(merge()),
    fromJSON: () => totalsOf(LossAccumulator.fromJSON(merge().toJSON()).update(...parts[1])),
    'fromJSON and toJSON': () => LossAccumulator.fromJSON(merge().toJSON()).toJSON(),
    'tensor of nested arrays': () => tensor(nested),
    'tensor of labels': () => tensor(label, { dtype: 'float32' }),
    'tensor of another float': () => tensor(input, { dtype: input instanceof Float32Array ? 'float64' : 'float32' }),
  }
  for (const reduction of ['mean', 'sum'] as const) {
    const loss = new HingeEmbeddingLoss({ ...options, reduction })
    operations[`forward of ${reduction}`] = () => loss.forward(input, label)
    operations[`forwardAsync of ${reduction}`] = () => loss.forwardAsync(input, label)
    operations[`backward of ${reduction}`] = () => loss.backward(input, label, oneForAll)
    operations[`valueAndGrad of ${reduction}`] = () => loss.valueAndGrad(input, label)
  }
  return operations
}

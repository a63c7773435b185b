import { ChunkTotals, scoreChunks } from '../../lib/files/chunk-totals.ts'
import type { Scoring } from '../../lib/files/options.ts'
import type { ArraySource } from '../../lib/files/readers/array-source.ts'
import { streamTotals, sumGroups } from '../../lib/files/totals.ts'
import { Random } from './random.ts'
import { formatAsJSON } from './totals.ts'

const extremes = [0, 1, 8, 0x7fffffff, 0x7ffffff8, 0x80000000, 0xffffffff, 0xfffffff8]

type Mutation = (bytes: Buffer, at: number, random: Random) => Buffer

const mutations: readonly Mutation[] = [
  (bytes, at, random) => overwritten(bytes, at, [(bytes[at] as number) ^ (1 << random.below(8))]),
  (bytes, at, random) => overwritten(bytes, at, [random.below(256)]),
  (bytes, at, random) => overwritten(bytes, at - (at % 4), uint32(extremes[random.below(extremes.length)] as number)),
  (bytes, at, random) => overwritten(bytes, at - (at % 2), uint32(random.below(2 ** 16)).subarray(0, 2)),
  (bytes, at, random) => {
    const [low, high] = [0, 1].map(() => uint32(extremes[random.below(extremes.length)] as number)) as [Buffer, Buffer]
    return overwritten(bytes, at - (at % 8), [...low, ...high])
  },
  (bytes, at, random) => overwritten(bytes, at, new Uint8Array(1 + random.below(16))),
  (bytes, at, random) =>
    overwritten(bytes, at, bytes.subarray(random.below(bytes.length)).subarray(0, 1 + random.below(32))),
  (bytes, at, random) => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(16))]),
  (bytes, at, random) =>
    Buffer.concat([
      bytes.subarray(0, at),
      bytes.subarray(at - (at % 8), at + 1 + random.below(64)),
      bytes.subarray(at),
    ]),
  (bytes, at) => bytes.subarray(0, at),
]

function overwritten(bytes: Buffer, at: number, by: ArrayLike<number>): Buffer {
  const mutant = Buffer.from(bytes)
  mutant.set(Array.from(by).slice(0, bytes.length - at), at)
  return mutant
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

/** Copies of `bytes` damaged by accident or malice; most of the damage is within the first `focus` bytes. */
export function* mutantsOf(bytes: Buffer, count: number, seed: number, focus = bytes.length): Generator<Buffer> {
  const random = new Random(seed)
  for (let i = 0; i < count; i++) {
    const at = random.below(random.isTrue(0.8) ? focus : bytes.length)
    yield (mutations[i % mutations.length] as Mutation)(bytes, at, random)
  }
}

/** The files below fixtures/arrow that are mutated, and the columns to score. */
export const arrowBases: readonly { file: string; columns: Pick<Scoring, 'input' | 'label'> & { by?: string } }[] = [
  { file: 'growing_numbers/file.arrow', columns: { input: 'value', label: 'label' } },
  { file: 'growing/file.arrow', columns: { input: 'distance', label: 'label', by: 'value' } },
  { file: 'unions/legacy.arrow', columns: { input: 'gap', label: 'mark' } },
  { file: 'plain/pyarrow.arrow', columns: { input: 'gap', label: 'alike', by: 'text' } },
  { file: 'plain/polars-newest.arrow', columns: { input: 'gap', label: 'mark', by: 'text' } },
  { file: 'plain/pyarrow-lz4.arrow', columns: { input: 'gap', label: 'mark', by: 'int8' } },
  { file: 'newer/plain.arrow', columns: { input: 'half_gap', label: 'half_label', by: 'coded' } },
  { file: 'newer/lz4.arrows', columns: { input: 'coded_half', label: 'mark', by: 'view' } },
  { file: 'growing_numbers/True.arrows', columns: { input: 'value', label: 'label' } },
  { file: 'replaced/False.arrows', columns: { input: 'distance', label: 'label', by: 'value' } },
  { file: 'unions/plain.arrows', columns: { input: 'gap', label: 'mark' } },
  { file: 'plain/pyarrow.arrows', columns: { input: 'gap', label: 'alike', by: 'text' } },
  { file: 'plain/polars-newest.arrows', columns: { input: 'gap', label: 'mark', by: 'text' } },
  { file: 'plain/polars-zstd.arrows', columns: { input: 'gap', label: 'mark', by: 'text' } },
]

/** The pairs below fixtures/npy whose input is mutated. */
export const npyBases = [
  { input: 'shapes/2x3x4/input-C.npy', label: 'shapes/2x3x4/label-F.npy' },
  { input: 'shapes/4x6/input-F.npy', label: 'shapes/4x6/label-C.npy' },
  { input: 'versions/2.npy', label: 'dtypes/i8-big.npy' },
  { input: 'versions/3.npy', label: 'dtypes/b1.npy' },
  { input: 'dtypes/u8-big.npy', label: 'dtypes/f8.npy' },
] as const

/** True if a message is one line for users, without words of the implementation. */
export function isClear(message: string): boolean {
  return !/\n|undefined|is not a function|Cannot (read|destr)|DataView|typed array|allocation|\[object/.test(message)
}

export const lenient: Scoring = {
  input: '',
  label: '',
  nulls: 'ignore',
  nan: 'keep',
  margins: [1],
  positiveLabel: 1,
  negativeLabel: -1,
  otherLabels: 'ignore',
}

/** Scores one source; returns the totals as `score --json` prints them. */
export async function scoreSource(
  source: ArraySource,
  options: Scoring,
  stdin: AsyncIterable<Uint8Array> | undefined = undefined,
): Promise<string> {
  const totals = new ChunkTotals(options)
  const { signal } = new AbortController()
  const reading = { arraySources: [source], signal, stdin: stdin as never, progress: { count: 0 } }
  for await (const _ of scoreChunks(reading, totals));
  return formatAsJSON(sumGroups(totals.groups, options).map(streamTotals))
}

import { peer } from '../failures.ts'

type Arrow = typeof import('apache-arrow')

/** By the number of Arrow's CompressionType. */
const decoders = [
  async () => {
    const { decompressFrameSync } = await peer(import('lz4-napi'), 'Arrow compressed with LZ4')
    return (bytes: Uint8Array) => decompressFrameSync(Buffer.from(bytes))
  },
  async () => {
    const { decompress } = await peer(import('fzstd'), 'Arrow compressed with ZSTD')
    return (bytes: Uint8Array) => decompress(bytes)
  },
]

/** Gives apache-arrow what decompresses such buffers, into memory of their own, which is aligned. */
export async function provideCodec({ compressionRegistry }: Arrow, codec: number | undefined): Promise<void> {
  if (codec === undefined || compressionRegistry.get(codec) !== null) return
  const load = decoders[codec]
  if (load === undefined) throw new Error(`compressed with codec ${codec}, must be LZ4 or ZSTD`)
  const decode = await load()
  compressionRegistry.set(codec, { decode: (bytes) => new Uint8Array(decode(bytes)) })
}

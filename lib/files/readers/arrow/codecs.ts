import { importPeer } from '../../peers.ts'

type Arrow = typeof import('apache-arrow')
type Decode = (bytes: Uint8Array, length: number) => Uint8Array

/** By the number of Arrow's CompressionType. */
const decoders: readonly (() => Promise<Decode>)[] = [
  async () => {
    const { decompressFrameSync } = await importPeer(import('lz4-napi'), 'Arrow compressed with LZ4')
    return (bytes) => decompressFrameSync(Buffer.from(bytes))
  },
  async () => {
    const { ZSTDDecoder } = await importPeer(import('zstddec'), 'Arrow compressed with ZSTD')
    const decoder = new ZSTDDecoder()
    await decoder.init()
    return (bytes, length) => decoder.decode(bytes, length)
  },
]

/** Gives apache-arrow what decompresses such buffers, into memory of their own, which is aligned. */
export async function provideCodec({ compressionRegistry }: Arrow, codec: number | undefined): Promise<void> {
  if (codec === undefined || compressionRegistry.get(codec) !== null) return
  const load = decoders[codec]
  if (load === undefined) throw new Error(`compressed with codec ${codec}, must be LZ4 or ZSTD`)
  const decode = await load()
  compressionRegistry.set(codec, {
    decode(bytes) {
      const length = declaredLength(bytes)
      const decoded = new Uint8Array(decode(bytes, length))
      if (decoded.length !== length) throw new Error('a compressed buffer is damaged')
      return decoded
    },
  })
}

/** The most that a byte can stand for: a block of ZSTD of 4 bytes, for 128 KiB. */
const mostOfByte = 2 ** 15

/** The format has it as an int64 before the compressed bytes. */
function declaredLength({ buffer, byteOffset, length: compressed }: Uint8Array): number {
  const length = Number(new DataView(buffer, byteOffset - 8, 8).getBigInt64(0, true))
  if (length >= 0 && length <= compressed * mostOfByte) return length
  throw new Error('a compressed buffer is damaged')
}

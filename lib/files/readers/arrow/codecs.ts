import type { Arrow } from '../../arrow.ts'
import { importPeer } from '../../peers.ts'

type Decode = (bytes: Uint8Array, length: number) => Uint8Array

/** By the value of Arrow's CompressionType. */
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

/** Registers the decoder of a codec with apache-arrow. It decodes into new memory, which is aligned. */
export async function registerCodec({ compressionRegistry }: Arrow, codec: number | undefined): Promise<void> {
  if (codec === undefined || compressionRegistry.get(codec) !== null) return
  const load = decoders[codec]
  if (load === undefined) throw new Error(`is compressed with codec ${codec}, must be LZ4 or ZSTD`)
  const decode = await load()
  compressionRegistry.set(codec, {
    decode(bytes) {
      const length = readDecodedLength(bytes)
      const decoded = new Uint8Array(decode(bytes, length))
      if (decoded.length !== length) throw damagedBuffer()
      return decoded
    },
  })
}

/** The highest compression ratio: 4 bytes of ZSTD can stand for a block of 128 KiB. */
const maxRatio = 2 ** 15

/** The length of the decompressed buffer: an int64 before the compressed bytes. */
function readDecodedLength({ buffer, byteOffset, length: compressed }: Uint8Array): number {
  const length = Number(new DataView(buffer, byteOffset - 8, 8).getBigInt64(0, true))
  if (length >= 0 && length <= compressed * maxRatio) return length
  throw damagedBuffer()
}

function damagedBuffer(): Error {
  return new Error('a compressed buffer is damaged')
}

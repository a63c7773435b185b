import { open } from 'node:fs/promises'
import type { LossBatch, LossSchema } from '../loss-batches.ts'

/** Writes a .npy array. Its header is written last, when the number of losses is known. */
export async function writeNpy(path: string, batches: AsyncIterable<LossBatch>): Promise<void> {
  const file = await open(path, 'r+')
  try {
    let schema: LossSchema | undefined
    let headerBytes = 0
    let rows = 0
    for await (const losses of batches) {
      if (schema === undefined) {
        schema = losses.schema
        headerBytes = formatHeader(schema, Number.MAX_SAFE_INTEGER).length
        await file.writeFile(Buffer.alloc(headerBytes))
      }
      const { buffer, byteOffset, byteLength } = losses.values
      await file.writeFile(new Uint8Array(buffer, byteOffset, byteLength))
      rows += losses.values.length
    }
    await file.write(formatHeader(schema as LossSchema, rows, headerBytes), 0, headerBytes, 0)
  } finally {
    await file.close()
  }
}

/** A header of version 1, padded to `length` bytes; by default to the next multiple of 64. */
function formatHeader({ dtype, layout }: LossSchema, rows: number, length?: number): Buffer {
  const { shape, isFortranOrder } = layout ?? { shape: [rows], isFortranOrder: false }
  const tuple = `(${shape.map((extent) => `${extent},`).join(' ')})`
  const descr = { float32: '<f4', float64: '<f8' }[dtype]
  const text = `{'descr': '${descr}', 'fortran_order': ${isFortranOrder ? 'True' : 'False'}, 'shape': ${tuple}, }`
  const size = length ?? 64 * Math.ceil((10 + text.length + 1) / 64)
  const start = Buffer.from('\x93NUMPY\x01\x00\x00\x00', 'latin1')
  start.writeUInt16LE(size - start.length, 8)
  return Buffer.concat([start, Buffer.from(`${text.padEnd(size - start.length - 1)}\n`)])
}

import { open } from 'node:fs/promises'
import type { Schema as ArrowSchema } from 'apache-arrow'
import { type Arrow, importArrow } from '../arrow.ts'
import { type LossBatch, lossColumn } from '../loss-batches.ts'

/** Writes an Arrow IPC file with a record batch for each batch of losses. */
export async function writeArrow(path: string, batches: AsyncIterable<LossBatch>): Promise<void> {
  const arrow = await importArrow()
  const { Field, Float32, Float64, makeData, RecordBatch, Schema, Struct } = arrow
  const file = await open(path, 'r+')
  try {
    const chunks: Uint8Array[] = []
    const queue = new arrow.AsyncByteQueue()
    queue.write = (chunk) => chunks.push(chunk as Uint8Array)
    const writer = new (makeFileWriter(arrow))()
    let arrowSchema: ArrowSchema | undefined
    for await (const { schema, values, nulls, keptColumns } of batches) {
      const type = schema.dtype === 'float32' ? new Float32() : new Float64()
      if (arrowSchema === undefined) {
        arrowSchema = new Schema([new Field(lossColumn, type, true), ...schema.keptFields])
        writer.reset(queue, arrowSchema)
      }
      const length = values.length
      const loss = makeData({ type, length, data: values as never, ...(nulls && packValidity(nulls)) })
      const children = [loss, ...keptColumns.flatMap((vector) => vector.data)]
      writer.write(new RecordBatch(arrowSchema, makeData({ type: new Struct(arrowSchema.fields), length, children })))
      await file.writeFile(Buffer.concat(chunks.splice(0)))
    }
    writer.finish()
    await file.writeFile(Buffer.concat(chunks))
  } finally {
    await file.close()
  }
}

/** A writer of files that begin with their schema, so that they can be read as streams too. apache-arrow leaves it out. */
function makeFileWriter({ Message, RecordBatchFileWriter }: Arrow) {
  return class extends RecordBatchFileWriter {
    protected override _writeSchema(schema: ArrowSchema) {
      super._writeSchema(schema)
      return this._writeMessage(Message.from(schema))
    }
  }
}

function packValidity(nulls: Uint8Array): { nullBitmap: Uint8Array; nullCount: number } {
  const nullBitmap = new Uint8Array(Math.ceil(nulls.length / 8))
  let nullCount = 0
  for (let i = 0; i < nulls.length; i++) {
    if (nulls[i] !== 0) nullCount++
    else nullBitmap[i >> 3] = (nullBitmap[i >> 3] as number) | (1 << (i & 7))
  }
  return { nullBitmap, nullCount }
}

import { open } from 'node:fs/promises'
import type { Schema as ArrowSchema } from 'apache-arrow'
import { type LossBatch, lossColumn } from '../loss-batches.ts'
import { importPeer } from '../peers.ts'

/** An Arrow IPC file, of a record batch for each batch of losses. */
export async function writeArrow(path: string, batches: AsyncIterable<LossBatch>): Promise<void> {
  const arrow = await importPeer(import('apache-arrow'), 'Arrow')
  const { Field, Float32, Float64, makeData, RecordBatch, Schema, Struct } = arrow
  const file = await open(path, 'r+')
  try {
    const chunks: Uint8Array[] = []
    const queue = new arrow.AsyncByteQueue()
    queue.write = (chunk) => chunks.push(chunk as Uint8Array)
    const writer = new (fileWriter(arrow))()
    let schema: ArrowSchema | undefined
    for await (const { schema: declared, values, nulls, keptColumns } of batches) {
      const type = declared.dtype === 'float32' ? new Float32() : new Float64()
      if (schema === undefined) {
        schema = new Schema([new Field(lossColumn, type, true), ...declared.keptFields])
        writer.reset(queue, schema)
      }
      const length = values.length
      const loss = makeData({ type, length, data: values as never, ...(nulls && validity(nulls)) })
      const children = [loss, ...keptColumns.flatMap((vector) => vector.data)]
      writer.write(new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length, children })))
      await file.writeFile(Buffer.concat(chunks.splice(0)))
    }
    writer.finish()
    await file.writeFile(Buffer.concat(chunks))
  } finally {
    await file.close()
  }
}

/** With the schema also at the beginning, which apache-arrow leaves out: so the file can be read as a stream as well. */
function fileWriter({ Message, RecordBatchFileWriter }: typeof import('apache-arrow')) {
  return class extends RecordBatchFileWriter {
    protected override _writeSchema(schema: ArrowSchema) {
      super._writeSchema(schema)
      return this._writeMessage(Message.from(schema))
    }
  }
}

function validity(nulls: Uint8Array): { nullBitmap: Uint8Array; nullCount: number } {
  const nullBitmap = new Uint8Array(Math.ceil(nulls.length / 8))
  let nullCount = 0
  for (let i = 0; i < nulls.length; i++) {
    if (nulls[i] !== 0) nullCount++
    else nullBitmap[i >> 3] = (nullBitmap[i >> 3] as number) | (1 << (i & 7))
  }
  return { nullBitmap, nullCount }
}

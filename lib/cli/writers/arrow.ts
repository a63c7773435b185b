import { createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Data, RecordBatch } from 'apache-arrow'
import { peer } from '../failures.ts'
import { type Losses, lossColumn } from './losses.ts'

type Arrow = typeof import('apache-arrow')

/** An Arrow IPC file, of a record batch for each batch of losses. */
export async function writeArrow(path: string, batches: AsyncIterable<Losses>): Promise<void> {
  const arrow = await peer(import('apache-arrow'))
  const writer = arrow.RecordBatchFileWriter.throughNode()
  await pipeline(Readable.from(recordBatches(arrow, batches)), writer, createWriteStream(path, { flags: 'wx' }))
}

async function* recordBatches(arrow: Arrow, batches: AsyncIterable<Losses>): AsyncGenerator<RecordBatch> {
  const { Field, Float32, Float64, makeData, RecordBatch, Schema, Struct } = arrow
  let schema: InstanceType<Arrow['Schema']> | undefined
  for await (const { table, values, nulls, kept } of batches) {
    const type = table.dtype === 'float32' ? new Float32() : new Float64()
    schema ??= new Schema([new Field(lossColumn, type, true), ...table.kept])
    const loss = makeData({ type, length: values.length, data: values as never, ...(nulls && validity(nulls)) })
    const columns = kept.map((vector) => vector.data[0] as Data)
    const data = { length: values.length, children: [loss, ...columns] }
    yield new RecordBatch(schema, makeData({ type: new Struct(schema.fields), ...data }))
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

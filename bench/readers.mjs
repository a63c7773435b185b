// What DuckDB does not read, against reading its bytes; and the losses of rows, against writing those rows.
import { spawn, spawnSync } from 'node:child_process'
import { closeSync, fsyncSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Field, Float32, makeVector } from 'apache-arrow'
import { ChunkTotals, scoreChunks } from '../dist/files/chunk-totals.js'
import { writeArrow } from '../dist/files/writers/arrow.js'
import { writeNpy } from '../dist/files/writers/npy.js'
import { setNumThreads } from '../dist/index.js'
import { connect, peersOf, processOf, program, withFiles, writePairs } from './files.mjs'
import { amountOf, leastLater, pairs, row } from './measure.mjs'

const options = { nulls: 'error', nan: 'error', margin: 1, positiveLabel: 1, negativeLabel: -1, otherLabels: 'error' }

async function* batches(column, size, kept) {
  for (let i = 0; i < column.length; i += size) {
    const keptColumns = kept ? [makeVector(kept.subarray(i, i + size))] : []
    const schema = { dtype: 'float32', keptFields: keptColumns.map(() => new Field('label', new Float32(), true)) }
    yield { schema, values: column.subarray(i, i + size), keptColumns }
  }
}

/** Writers fill a file that is there. */
async function write(writer, path, losses) {
  writeFileSync(path, '')
  await writer(path, losses)
}

function score(source, columns) {
  return async () => {
    const reading = { arraySources: [source], signal: new AbortController().signal, progress: {} }
    for await (const _ of scoreChunks(reading, new ChunkTotals({ ...options, ...columns })));
  }
}

const cat =
  (...files) =>
  () =>
    spawnSync('cat', files, { stdio: 'ignore' })

/** Brings a file to the disk, as --output does. */
function sync(file) {
  const descriptor = openSync(file)
  fsyncSync(descriptor)
  closeSync(descriptor)
}

/** Whatever reads standard input, fed by cat through a pipe. */
function piped(file, command, ...args) {
  return async () => {
    const source = spawn('cat', [file], { stdio: ['ignore', 'pipe', 'ignore'] })
    const reader = spawn(command, args, { stdio: [source.stdout, 'ignore', 'inherit'] })
    source.stdout.destroy()
    await new Promise((resolve) => reader.on('close', resolve))
  }
}

export const readerBenchmarks = {
  readers: () =>
    withFiles(async (folder) => {
      setNumThreads(2)
      const { input, label } = pairs(20 * 2 ** 20)
      const names = ['large.arrow', 'small.arrow', 'x.npy', 'y.npy']
      const [large, small, x, y] = names.map((name) => join(folder, name))
      await write(writeArrow, large, batches(input, 2 ** 20, label))
      await write(writeArrow, small, batches(input, 2 ** 16, label))
      await write(writeNpy, x, batches(input, 2 ** 20))
      await write(writeNpy, y, batches(label, 2 ** 20))
      const columns = { input: 'loss', label: 'label' }
      const times = await leastLater(
        [
          score({ kind: 'Arrow', files: [large] }, columns),
          score({ kind: 'Arrow', files: [small] }, columns),
          cat(large),
          score({ kind: 'npy', files: [x, y] }, { input: x, label: y }),
          cat(x, y),
        ],
        3 * amountOf.queryRounds,
      )
      const [ofLarge, ofSmall, catOfArrow, ofArrays, catOfArrays] = times
      const { mapped } = peersOf('mapped', large)
      const against = (what, time, read, target = 1.5) => row(`20 M rows of ${what}`, time / read, { target })
      const mappedRows = [
        against('Arrow IPC, batches of 1 M rows / a pass over the mapped file', ofLarge / 1e9, mapped),
        against('Arrow IPC, batches of 65,536 / a pass over the mapped file', ofSmall / 1e9, mapped),
        against('.npy / a pass over as many mapped bytes', ofArrays / 1e9, mapped),
      ]
      return [
        against('Arrow IPC, batches of 1 M rows / cat of the file', ofLarge, catOfArrow),
        against('Arrow IPC, batches of 65,536 / cat of the file', ofSmall, catOfArrow, 1.3),
        against('.npy / cat of the files', ofArrays, catOfArrays),
        ...(mapped ? mappedRows : []),
      ]
    }),

  pipe: () =>
    withFiles(async (folder) => {
      const { input, label } = pairs(20 * 2 ** 20)
      const file = join(folder, 'pairs.arrow')
      await write(writeArrow, file, batches(input, 2 ** 16, label))
      const args = [program, 'score', '-', '--input', 'loss', '--label', 'label', '--json']
      const drain = ['--eval', 'process.stdin.resume()']
      const [ours, node] = await leastLater([
        piped(file, process.execPath, ...args),
        piped(file, process.execPath, ...drain),
      ])
      const [start] = await leastLater([() => spawnSync(process.execPath, args, { input: '' })])
      const [nodeStart] = await leastLater([() => spawnSync(process.execPath, drain, { input: '' })])
      return [
        row(
          '20 M rows through a pipe / Node reading the pipe, without their starts',
          (ours - start) / (node - nodeStart),
        ),
      ]
    }),

  output: () =>
    withFiles(async (folder) => {
      const [file, copy, losses] = ['pairs', 'copy', 'losses'].map((name) => join(folder, `${name}.parquet`))
      const connection = await connect(2)
      const rows = 20e6 // with fewer rows, this is the difference of two starts of a process
      await writePairs(connection, rows, file)
      const score = (...more) => processOf(['score', file, '--input', 'x', '--label', 'y', '--json', ...more])
      score('--output', losses, '--keep', 'y')
      const [copied, written, plain] = await leastLater(
        [
          async () => {
            await connection.run(`COPY (FROM '${losses}') TO '${copy}'`)
            sync(copy)
          },
          () => score('--output', losses, '--keep', 'y'),
          () => score(),
        ],
        2 * amountOf.queryRounds,
      )
      const [least, most] = [20e6, 100e6].map((count) => {
        const files = Array(count / rows).fill(file)
        const args = [...files, '--allow-duplicates', '--input', 'x', '--label', 'y', '--output', losses]
        return processOf(['score', ...args]).mebibytes
      })
      return [
        row(
          '20 M rows: (score --output − score) / COPY of the same rows, brought to the disk',
          (written - plain) / copied,
          { target: 1.3 },
        ),
        row('memory of score --output, 100 M rows − 20 M rows', most - least, { unit: 'MiB', digits: 0 }),
      ]
    }),
}

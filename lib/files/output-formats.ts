import type { OutputTarget } from './atomic-write.ts'
import { given, message, option, optionError } from './errors.ts'
import { type LossWriter, lossColumn } from './loss-batches.ts'
import type { Scoring } from './options.ts'
import { nameRemote } from './remote.ts'
import { writeArrow } from './writers/arrow.ts'
import { writeNpy } from './writers/npy.ts'

/** DuckDB's options of COPY, or our own writer. */
type OutputFormat = string | LossWriter

/** By file extension. DuckDB writes into the file that is there, which has its permissions already. */
const formats: Readonly<Record<string, OutputFormat>> = {
  parquet: '(FORMAT parquet, USE_TMP_FILE false)',
  csv: '(FORMAT csv, USE_TMP_FILE false)',
  arrow: writeArrow,
  npy: writeNpy,
}

/** Where to write losses, and in which format. */
export interface Output {
  readonly target: OutputTarget
  readonly format: OutputFormat
}

/**
 * Finds the format of an output by its extension.
 *
 * @throws {RangeError} ERR_INVALID_ARG_VALUE: no such format, or the format cannot hold the columns to keep
 */
export function findOutputFormat(output: string, { keep = [] }: Pick<Scoring, 'keep'>): OutputFormat {
  const [, extension = ''] = /\.(\w+)$/.exec(output.toLowerCase()) ?? []
  const format = Object.hasOwn(formats, extension) ? formats[extension] : undefined
  if (format === undefined) {
    const extensions = Object.keys(formats).map((each) => `.${each}`)
    const expected = `must end in one of ${extensions.join(', ')}, got ${nameRemote(output)}`
    throw optionError('output', message`${option('output')} ${expected}`)
  }
  if (format === writeNpy && keep.length > 0) {
    throw optionError('keep', message`${option('keep')} takes another ${option('output')}: .npy is one array`)
  }
  return format
}

/** Refuses columns to keep whose names, in any case, are equal or that of the losses, beside which they are written. */
export function assertDistinctNames(kept: readonly string[], taken: readonly string[] = [lossColumn]): void {
  const names = [...taken, ...kept].map((name) => name.toLowerCase())
  const duplicate = kept.find((_, index) => names.indexOf(names[index + taken.length] as string) < index + taken.length)
  if (duplicate === undefined) return
  throw optionError('keep', message`${given('keep', duplicate)}: there is a column of that name already`)
}

import type { OutputTarget } from './atomic-write.ts'
import { ChunkTotals, scoreChunks } from './chunk-totals.ts'
import type { ExtensionOptions } from './duckdb/extensions.ts'
import { scoreScans } from './duckdb/totals.ts'
import { message, option } from './errors.ts'
import { completeLabels } from './find-labels.ts'
import { withInputs } from './open.ts'
import {
  assertGrouped,
  assertKeepable,
  assertOneMargin,
  assertOneSide,
  assertUnweighted,
  type Group,
  type Margins,
  readOptions,
  readPaths,
  readScoring,
  type ScoreFilesOptions,
} from './options.ts'
import { isRemote } from './remote.ts'
import type { TopCollector } from './top-rows.ts'
import { type FileTotals, type StreamedTotals, selectTotals, streamTotals, sumGroups, type TotalsOf } from './totals.ts'

/**
 * Scores files as the command line does: exact totals over all rows and, with `output`, the loss of each row.
 *
 * It reads the paths and options once, at the call. It reads files in slices of a few milliseconds or in DuckDB's threads, so
 * that the event loop goes on. Calls may overlap: each has a DuckDB, a signal and callbacks of its own.
 *
 * @param paths files, patterns and folders; `-` reads `stdin`; none with `query`, or if `input` and `label` name .npy files
 * @param options `input` and `label` are required; see `ScoreFilesOptions` for the others and their defaults
 * @returns the totals of all rows, which `total.toJSON()` keeps exactly, and with `by` those of each of its values, unless
 * `onGroup` takes these; with a list of margins such totals for each, in the order of the list
 * @throws {TypeError} ERR_INVALID_ARG_TYPE: an option has the wrong type; `option` is its key
 * @throws {RangeError} ERR_INVALID_ARG_VALUE: a value or expression that the option does not take, or an unknown option;
 * `option` is its key
 * @throws {Error} ERR_NULL, ERR_NAN, ERR_INVALID_LABEL, ERR_INVALID_WEIGHT: rows without a loss; `option` is `input`, `label` or `weight`, `file` the first
 * file that has one, `row` the first such row in it, from 1 on, and `count` their number in that file
 * @throws {Error} ERR_SHAPE_MISMATCH, ERR_UNKNOWN_ID: `left` and `right` differ in length in a row, or an id is that of no embedding or label; the
 * same details
 * @throws {Error} ERR_INVALID_FILE: a file is damaged, is not what its name says, or lacks a column; `file`, and where it
 * applies `option` and `row`
 * @throws {Error} ENOENT, EACCES, ENOSPC and other codes of the file system; `file`, and `option` for the output
 * @throws {Error} ERR_FILE_CHANGED: a file changed while it was read
 * @throws {Error} ERR_OUT_OF_MEMORY: DuckDB has too little memory for the groups, and cannot write them to the disk
 * @throws {Error} ERR_PACKAGE_MISSING: an optional package is not installed or too old; the message says which
 * @throws the signal's reason after an abort, and what `onGroup`, `onProgress` or `onNote` throws
 *
 * @example
 * const { total, groups = [] } = await scoreFiles(['pairs/*.parquet'], { input: 'distance', label: 'label', by: 'model' })
 * console.log(total.mean, total.negatives.active)
 * for (const { by, total } of groups) console.log(by, total.mean)
 *
 * @example
 * // Several margins, from one reading of the files.
 * const [narrow, wide] = await scoreFiles(['pairs/*.parquet'], { input: 'distance', label: 'label', margin: [0.5, 1.5] })
 * console.log(narrow.total.margin, narrow.total.mean, wide.total.mean)
 *
 * @example
 * // The distance of two columns of lists is the input.
 * await scoreFiles(['pairs.parquet'], { left: 'image', right: 'text', label: 'label', distance: 'cosine' })
 *
 * @example
 * // Millions of groups, one after the other: the next is read when the promise has resolved.
 * const onGroup = ({ json, total }) => write(file, `${json} ${total.mean}\n`)
 * await scoreFiles(['pairs/*.parquet'], { input: 'distance', label: 'label', by: 'user', onGroup })
 *
 * @example
 * try {
 *   await scoreFiles([upload], { input: 'distance', label: 'label', signal: AbortSignal.timeout(60_000) })
 * } catch (error) {
 *   if (error.code !== 'ERR_NULL') throw error
 *   console.log(`${error.file}: row ${error.row} of ${error.count} has no ${error.option}`)
 * }
 */
export function scoreFiles<const Margin extends Margins = number>(
  paths: readonly string[],
  options: ScoreFilesOptions<Margin>,
): Promise<TotalsOf<Margin>> {
  return withTotals(paths, options, async (totals, checked, signal) => {
    const collected: FileTotals[] = []
    for (const each of totals) collected.push(await collectGroups(each, checked, signal))
    return selectTotals(collected, checked.margin)
  })
}

async function collectGroups(
  { groups, ...totals }: StreamedTotals,
  { onGroup }: Pick<ScoreFilesOptions, 'onGroup'>,
  signal: AbortSignal,
): Promise<FileTotals> {
  if (groups === undefined) return totals
  const kept: Group[] = []
  for await (const batch of groups.readGroups()) {
    if (onGroup === undefined) kept.push(...batch)
    else
      for (const group of batch) {
        await onGroup(group)
        signal.throwIfAborted()
      }
  }
  return onGroup === undefined ? { ...totals, groups: kept } : totals
}

/**
 * Scores files as `scoreFiles` does, and closes them after `use` of the totals for each margin, whose groups DuckDB has.
 * Before `use` all rows have been scored and all losses written.
 *
 * @throws what `scoreFiles` and `use` throw
 */
export async function withTotals<T, Margin extends Margins>(
  paths: readonly string[],
  options: ScoreFilesOptions<Margin>,
  use: (totals: readonly StreamedTotals[], options: ScoreFilesOptions<Margin>, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const patterns = readPaths(paths)
  const checked = readOptions(options)
  assertKeepable(checked)
  assertGrouped(checked)
  assertUnweighted(checked)
  const { output, margin, top } = checked
  if (output !== undefined) assertOneMargin(margin, message`with ${option('output')}`)
  const given = readScoring(checked)
  const writers = output === undefined ? undefined : await importWriters()
  const format = writers?.findOutputFormat(output as string, given)
  return withInputs(patterns, given, checked, async (inputs) => {
    const { files, names, scans, arraySources, signal } = inputs
    if (scans && arraySources.length > 0) assertOneSide(checked)
    const scoring = await completeLabels(inputs, given)
    const target = writers && format && { target: await openTarget(output as string, files, checked), format }
    const collector = top === undefined ? undefined : await makeTopCollector(scoring, top, names)
    const addTop = <T extends StreamedTotals>(totals: readonly T[]) => {
      const rows = collector?.list()
      return totals.map((each, index) => ({ ...each, ...(rows && { top: rows[index]?.[0] ?? [] }) }))
    }
    const chunkTotals = new ChunkTotals(scoring)
    const scored = scoreChunks(inputs, chunkTotals)
    const chunks = collector?.collect(scored) ?? scored
    if (arraySources.length > 0 && target) await writers.writeChunkLosses(target, chunks, scoring, inputs)
    else for await (const _ of chunks);
    const totals = sumGroups(chunkTotals.groups, scoring)
    if (scans === undefined) return use(addTop(totals.map(streamTotals)), checked, signal)
    const scanTotals = await scoreScans(scans.session, scans.list, scoring, signal)
    await collector?.addScans(scans.session, scanTotals)
    if (target) await writers.writeScanLosses(target, scans.session, scanTotals, scoring, signal)
    const merged = scanTotals.groups.map((groups, index) => ({
      total: (totals[index] as FileTotals).total.merge(groups.total),
      // With `by` the files of a run are either scans or array sources.
      ...(scoring.by !== undefined && { groups }),
    }))
    return use(addTop(merged), checked, signal)
  })
}

/** The module is loaded for it alone, as those that write losses are. */
async function makeTopCollector(...given: ConstructorParameters<typeof TopCollector>): Promise<TopCollector> {
  const topRows = await import('./top-rows.ts')
  return new topRows.TopCollector(...given)
}

/** Opens the file of this machine, or of a server, to write losses to. */
async function openTarget(output: string, inputs: readonly string[], options: ExtensionOptions): Promise<OutputTarget> {
  if (!isRemote(output)) return (await import('./atomic-write.ts')).openOutput(output, inputs)
  return (await import('./duckdb/upload.ts')).openUpload(output, inputs, options)
}

/** Loads what writes losses. Without an output these modules would take some milliseconds of the start. */
async function importWriters() {
  const [formats, chunks, scans] = await Promise.all([
    import('./output-formats.ts'),
    import('./chunk-losses.ts'),
    import('./scan-losses.ts'),
  ])
  return { ...formats, ...chunks, ...scans }
}

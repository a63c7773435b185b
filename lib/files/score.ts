import { resolveOutput } from './atomic-write.ts'
import { writeChunkLosses } from './chunk-losses.ts'
import { ChunkTotals, scoreChunks } from './chunk-totals.ts'
import { scoreScans } from './duckdb/totals.ts'
import { withInputs } from './open.ts'
import {
  assertKeepable,
  assertOneSide,
  checkOptions,
  checkPaths,
  readScoring,
  type ScoreFilesOptions,
} from './options.ts'
import { findOutputFormat } from './output-formats.ts'
import { writeScanLosses } from './scan-losses.ts'
import { type FileTotals, totalsOf } from './totals.ts'

/**
 * Scores files as the command line does: exact totals over all rows and, with `output`, the loss of each row.
 *
 * @param paths files, patterns and folders; `-` reads `stdin`; none if `input` and `label` name .npy files
 * @throws {TypeError} ERR_INVALID_ARG_TYPE: an option is of another kind; `option` is its key
 * @throws {RangeError} ERR_INVALID_ARG_VALUE: a value or expression that the option does not take; `option` is its key
 * @throws {Error} ERR_NULL, ERR_NAN, ERR_INVALID_LABEL: rows without a loss; `file`, `row` of the first, `count`
 * @throws {Error} ERR_INVALID_FILE, ENOENT, ERR_FILE_CHANGED: a file cannot be read as what it is; `file`
 * @throws {Error} ERR_PACKAGE_MISSING: an optional package is not installed
 * @throws the signal's reason, if it is aborted
 *
 * @example
 * const { total, groups } = await scoreFiles(['pairs/*.parquet'], { input: 'distance', label: 'label', by: 'model' })
 * total.mean
 * for (const { by, total } of groups ?? []) console.log(by, total.mean)
 */
export async function scoreFiles(paths: readonly string[], options: ScoreFilesOptions): Promise<FileTotals> {
  checkPaths(paths)
  checkOptions(options)
  assertKeepable(options)
  const { output } = options
  const scoring = readScoring(options)
  const format = output === undefined ? undefined : findOutputFormat(output, scoring)
  return withInputs(paths, scoring, options, async (inputs) => {
    const { files, scans, arraySources, signal } = inputs
    if (scans && arraySources.length > 0) assertOneSide(options)
    const target = output && format && { path: await resolveOutput(output, files), format }
    const totals = new ChunkTotals(scoring)
    if (arraySources.length > 0 && target) await writeChunkLosses(target, inputs, totals)
    else for await (const _ of scoreChunks(inputs, totals));
    if (scans === undefined) return totalsOf(totals.groups, scoring)
    const found = await scoreScans(scans.session, scans.list, scoring, signal)
    if (target) await writeScanLosses(target, scans.session, scans.list, found, scoring, signal)
    return totalsOf([...found.groups, ...totals.groups], scoring)
  })
}

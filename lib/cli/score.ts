import type { LossAccumulator } from '../index.ts'
import { opened, type RunOptions } from './opened.ts'
import type { Terminal } from './progress.ts'
import { toJSON, toTable } from './report.ts'
import { emptyTotal, type Group, type Options, totalsOf } from './totals.ts'

export interface ScoreOptions extends RunOptions {
  json?: true
}

/** The totals over all files, as the text for standard output. */
export async function score(
  paths: readonly string[],
  options: ScoreOptions,
  signal: AbortSignal,
  stderr: Terminal,
): Promise<string> {
  const found = await run(paths, options, signal, stderr)
  const total = sum(found, options)
  const byGroups = options.by === undefined ? undefined : found
  return options.json ? toJSON(total, byGroups) : toTable(total, byGroups, options.by)
}

/** The totals over all files as one line that `merge`, and `LossAccumulator.fromJSON`, take up again. */
export async function partial(
  paths: readonly string[],
  options: ScoreOptions,
  signal: AbortSignal,
  stderr: Terminal,
): Promise<string> {
  return `${JSON.stringify(sum(await run(paths, options, signal, stderr), options))}\n`
}

function sum(found: readonly Group[], options: Options): LossAccumulator {
  return found.reduce((all, { total }) => all.merge(total), emptyTotal(options))
}

function run(paths: readonly string[], options: ScoreOptions, signal: AbortSignal, stderr: Terminal): Promise<Group[]> {
  return opened(paths, options, signal, stderr, (session, scans) => totalsOf(session, scans, options, signal))
}

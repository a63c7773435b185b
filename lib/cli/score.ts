import type { Totals } from '../bullmq/index.ts'
import { assertDistributed, distributed, type RedisOptions } from './distributed.ts'
import { opened, type RunOptions } from './opened.ts'
import type { Terminal } from './progress.ts'
import { toJSON, toTable } from './report.ts'
import { emptyTotal, totalsOf } from './totals.ts'

export interface ScoreOptions extends RunOptions, RedisOptions {
  json?: true
}

/** The totals over all files, as the text for standard output. */
export async function score(
  paths: readonly string[],
  options: ScoreOptions,
  signal: AbortSignal,
  stderr: Terminal,
): Promise<string> {
  const { total, groups } = await run(paths, options, signal, stderr)
  const byGroups = options.by === undefined ? undefined : groups
  return options.json ? toJSON(total, byGroups) : toTable(total, byGroups, options.by)
}

/** The totals over all files as one line that `merge`, and `LossAccumulator.fromJSON`, take up again. */
export async function partial(
  paths: readonly string[],
  options: ScoreOptions,
  signal: AbortSignal,
  stderr: Terminal,
): Promise<string> {
  return `${JSON.stringify((await run(paths, options, signal, stderr)).total)}\n`
}

async function run(
  paths: readonly string[],
  options: ScoreOptions,
  signal: AbortSignal,
  stderr: Terminal,
): Promise<Totals> {
  assertDistributed(options)
  if (options.redis !== undefined) return distributed(paths, options, signal, stderr)
  const groups = await opened(paths, options, signal, stderr, (session, scans) =>
    totalsOf(session, scans, options, signal),
  )
  return { total: groups.reduce((all, { total }) => all.merge(total), emptyTotal(options)), groups }
}

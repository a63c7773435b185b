import type { LossAccumulator } from '../index.ts'
import { UsageError } from './failures.ts'
import { type Io, type Opened, opened, type RunOptions } from './opened.ts'
import { toJSON, toTable } from './report.ts'
import { StreamTotals, scored } from './streams.ts'
import { emptyTotal, type Group, type Options, totalsOf } from './totals.ts'

export interface ScoreOptions extends RunOptions {
  json?: true
}

/** The totals over all files, as the text for standard output. */
export async function score(paths: readonly string[], options: ScoreOptions, io: Io): Promise<string> {
  const found = await opened(paths, options, io, (files) => groupsOf(files, options, io))
  const total = sum(found, options)
  const byGroups = options.by === undefined ? undefined : found
  return options.json ? toJSON(total, byGroups) : toTable(total, byGroups, options.by)
}

/** The totals over all files as one line that `merge`, and `LossAccumulator.fromJSON`, take up again. */
export async function partial(paths: readonly string[], options: ScoreOptions, io: Io): Promise<string> {
  const found = await opened(paths, options, io, (files) => groupsOf(files, options, io))
  return `${JSON.stringify(sum(found, options))}\n`
}

function sum(found: readonly Group[], options: Options): LossAccumulator {
  return found.reduce((all, { total }) => all.merge(total), emptyTotal(options))
}

/** The totals by the values of `by`, in their order; without `by` a group from each side that has rows. */
async function groupsOf({ scans, streams, progress }: Opened, options: Options, io: Io): Promise<Group[]> {
  if (options.by !== undefined && scans !== undefined && streams.length > 0) {
    throw new UsageError('--by takes Arrow and other files apart: score each by itself')
  }
  const found = scans ? await totalsOf(scans.session, scans.list, options, io.signal) : []
  const totals = new StreamTotals(options)
  for await (const _ of scored({ streams, names: options, io, progress }, totals));
  return [...found, ...totals.groups]
}

import type { Totals } from '../bullmq/index.ts'
import { assertDistributed, distributed, type RedisOptions } from '../bullmq/score.ts'
import { toJSON, toTable } from '../cli/report.ts'
import { outputPath } from './atomic-write.ts'
import { StreamTotals, scored } from './chunk-totals.ts'
import { emptyTotal, type Group, type Options, totalsOf } from './duckdb/totals.ts'
import { UsageError } from './errors.ts'
import { formatOf, writeScanned, writeStreamed } from './losses.ts'
import { type Io, opened, type RunOptions } from './open.ts'

export interface ScoreOptions extends RunOptions, RedisOptions {
  json?: true
}

/** The totals over all files, as the text for standard output. */
export async function score(paths: readonly string[], options: ScoreOptions, io: Io): Promise<string> {
  return told(await run(paths, options, io), options)
}

/** Totals as the text for standard output. */
export function told({ total, groups }: Totals, options: ScoreOptions): string {
  const byGroups = options.by === undefined ? undefined : groups
  return options.json ? toJSON(total, byGroups) : toTable(total, byGroups, options.by)
}

/** The totals over all files as one line that `merge`, and `LossAccumulator.fromJSON`, take up again. */
export async function partial(paths: readonly string[], options: ScoreOptions, io: Io): Promise<string> {
  return `${JSON.stringify((await run(paths, options, io)).total)}\n`
}

async function run(paths: readonly string[], options: ScoreOptions, io: Io): Promise<Totals> {
  assertDistributed(options)
  if (options.keep !== undefined && options.output === undefined) {
    throw new UsageError('--keep takes an --output to write to')
  }
  if (options.redis !== undefined) return distributed(paths, options, io.signal, io.streams.stderr)
  return totalled(await found(paths, options, io), options)
}

/** Groups with the total of all. */
export function totalled(groups: readonly Group[], options: Options): Totals {
  return { total: groups.reduce((all, { total }) => all.merge(total), emptyTotal(options)), groups }
}

/** The totals by the values of `by`, in their order; without `by` a group from each side that has rows. */
function found(paths: readonly string[], options: ScoreOptions, io: Io): Promise<Group[]> {
  const { output } = options
  const format = output === undefined ? undefined : formatOf(output, options)
  return opened(paths, options, io, async ({ files, scans, streams, progress }) => {
    if (scans && streams.length > 0) assertEitherSide(options)
    const target = output && format && { path: await outputPath(output, files), format }
    const totals = new StreamTotals(options)
    const reading = { streams, names: options, io, progress }
    if (streams.length > 0 && target) await writeStreamed(target, reading, totals)
    else for await (const _ of scored(reading, totals));
    if (scans === undefined) return totals.groups
    const found = await totalsOf(scans.session, scans.list, options, io.signal)
    if (target) await writeScanned(target, scans.session, scans.list, found, options, io.signal)
    return [...found.groups, ...totals.groups]
  })
}

export function assertEitherSide(options: ScoreOptions): void {
  const option = (['by', 'output'] as const).find((each) => options[each] !== undefined)
  if (option !== undefined) throw new UsageError(`--${option} takes Arrow and other files apart: score each by itself`)
}

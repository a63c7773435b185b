import { getNumThreads, type LossAccumulator, setNumThreads } from '../index.ts'
import { findSources } from './files.ts'
import { showProgress, type Terminal } from './progress.ts'
import { toJSON, toTable } from './report.ts'
import { scansOf } from './scans.ts'
import { quoted, Session } from './session.ts'
import { emptyTotal, type Group, type Options, totalsOf } from './totals.ts'

export interface ScoreOptions extends Options {
  threads?: number
  json?: true
  progress: boolean
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

async function run(
  paths: readonly string[],
  options: ScoreOptions,
  signal: AbortSignal,
  stderr: Terminal,
): Promise<Group[]> {
  emptyTotal(options)
  if (options.threads !== undefined) setNumThreads(options.threads)
  const session = await Session.open(getNumThreads())
  const interrupt = () => session.interrupt()
  signal.addEventListener('abort', interrupt)
  const { CI, NO_COLOR } = process.env
  const isShown = options.progress && stderr.isTTY && !CI && !NO_COLOR
  const endProgress = isShown ? showProgress(stderr, () => session.progress) : () => {}
  try {
    signal.throwIfAborted()
    for (const option of ['input', 'label', 'by'] as const) {
      const text = options[option]
      if (text !== undefined) await session.assertExpression(`--${option}`, text)
    }
    const match = (pattern: string) => session.texts(`SELECT file FROM glob(${quoted(pattern)})`)
    const sources = []
    for (const path of paths) sources.push(...(await findSources(path, match)))
    const scans = await scansOf(session, sources, signal)
    return await totalsOf(session, scans, options, signal)
  } finally {
    endProgress()
    signal.removeEventListener('abort', interrupt)
    session.close()
  }
}

import { getNumThreads, setNumThreads } from '../index.ts'
import { findSources } from './files.ts'
import { showProgress, type Terminal } from './progress.ts'
import { type Scan, scansOf } from './scans.ts'
import { quoted, Session } from './session.ts'
import { emptyTotal, type Options } from './totals.ts'

export interface RunOptions extends Options {
  threads?: number
  progress: boolean
}

/** Runs `work` over the files that `paths` stand for, in a DuckDB of its own, and shows progress where it can be seen. */
export async function opened<T>(
  paths: readonly string[],
  options: RunOptions,
  signal: AbortSignal,
  stderr: Terminal,
  work: (session: Session, scans: readonly Scan[]) => Promise<T>,
): Promise<T> {
  emptyTotal(options)
  if (options.threads !== undefined) setNumThreads(options.threads)
  const session = await Session.open(getNumThreads())
  const interrupt = () => session.interrupt()
  signal.addEventListener('abort', interrupt)
  const endProgress = showProgress(stderr, options.progress, 'rows', () => session.progress)
  try {
    signal.throwIfAborted()
    for (const option of ['input', 'label', 'by'] as const) {
      const text = options[option]
      if (text !== undefined) await session.assertExpression(`--${option}`, text)
    }
    const match = (pattern: string) => session.texts(`SELECT file FROM glob(${quoted(pattern)})`)
    const sources = []
    for (const path of paths) sources.push(...(await findSources(path, match)))
    return await work(session, await scansOf(session, sources, signal))
  } finally {
    endProgress()
    signal.removeEventListener('abort', interrupt)
    session.close()
  }
}

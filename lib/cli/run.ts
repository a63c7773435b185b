import { assertThreads, formats, type Margins, type ScoreFilesOptions } from '../files/options.ts'
import { setNumThreads } from '../index.ts'
import { formatMessage } from './flags.ts'
import type { Context } from './options.ts'
import { notify, showProgress } from './progress.ts'

/** The options that commander reads for every command over files. */
export interface FileFlags extends ScoreFilesOptions<Margins> {
  readonly progress: boolean
  readonly json?: true
}

/**
 * Runs a function of the engine over files, and shows its progress and notes on the terminal. The function may end the
 * progress earlier, to print.
 */
export async function runOnFiles<Flags extends FileFlags, Result>(
  paths: readonly string[],
  { progress: isWanted, json: _, ...options }: Flags,
  { signal, streams: { stdin, stderr } }: Context,
  unit: 'rows' | 'shards',
  run: (
    paths: readonly string[],
    options: Omit<Flags, 'progress' | 'json'>,
    endProgress: () => void,
  ) => Promise<Result>,
): Promise<Result> {
  const { threads, format } = options
  if (threads !== undefined) {
    assertThreads(threads)
    setNumThreads(threads)
  }
  if (paths.includes('-') && stdin.isTTY) {
    const kind = format === undefined ? 'Arrow IPC' : formats[format]
    notify(stderr, `waiting for ${kind} on standard input, which is a terminal: pipe data in, or Ctrl-C to stop`)
  }
  const { show, end } = showProgress(stderr, isWanted, unit)
  try {
    const io = { stdin, signal, ...(show && { onProgress: show }) }
    const onNote: FileFlags['onNote'] = (_note, message) => notify(stderr, formatMessage(message))
    return await run(paths, { ...options, ...io, onNote }, end)
  } finally {
    end()
  }
}

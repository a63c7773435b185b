import { addAbortSignal, type Readable } from 'node:stream'
import { notify, type Progress, showProgress, type Terminal } from '../cli/progress.ts'
import { getNumThreads, setNumThreads } from '../index.ts'
import { assertTextOptions, type TextOptions } from './csv-options.ts'
import { assertColumns, type Scan, type ScanSource, scansOf } from './duckdb/scan.ts'
import { Session } from './duckdb/session.ts'
import { emptyTotal, type Options } from './duckdb/totals.ts'
import { named, UsageError } from './errors.ts'
import { fileOf, memberOf } from './readers/npz.ts'
import type { Stream } from './readers/readers.ts'
import { copyToFile, type TemporaryFile } from './readers/temporary-file.ts'
import { compressionOf, type Format, findSources, formats, type Source } from './sources.ts'
import { assertLocal } from './urls.ts'

export interface RunOptions extends Options, TextOptions {
  /** where to write what depends on the order of the rows */
  output?: string
  threads?: number
  /** a file that is given several times counts several times */
  allowDuplicates?: boolean
  /** what all files are, whatever their names */
  format?: Format
  progress: boolean
}

/** What a command has of the process. Standard input is not touched unless it is read. */
export interface Io {
  readonly signal: AbortSignal
  readonly streams: { readonly stdin: Readable & { readonly isTTY?: boolean }; readonly stderr: Terminal }
}

/** Where the rows are: in what DuckDB reads, and in what we read ourselves. */
export interface Opened {
  /** of both; `-` is standard input */
  readonly files: readonly string[]
  readonly scans?: { readonly session: Session; readonly list: readonly Scan[] }
  readonly streams: readonly Stream[]
  /** of the streams, to be kept up to date */
  readonly progress: Progress
}

/** Runs `work` over the files that `paths` stand for, and shows progress where it can be seen. */
export async function opened<T>(
  paths: readonly string[],
  options: RunOptions,
  { signal, streams: { stdin, stderr } }: Io,
  work: (opened: Opened) => Promise<T>,
): Promise<T> {
  emptyTotal(options)
  if (options.threads !== undefined) setNumThreads(options.threads)
  let session: Session | undefined
  const openSession = async () => {
    session ??= await Session.open(getNumThreads())
    signal.throwIfAborted()
    return session
  }
  const progress: Progress = {}
  const interrupt = () => session?.interrupt()
  signal.addEventListener('abort', interrupt)
  const read = () => session?.progress ?? (progress.count === undefined ? undefined : progress)
  if (paths.includes('-') && stdin.isTTY) {
    const kind = options.format === undefined ? 'Arrow IPC' : formats[options.format]
    notify(stderr, `waiting for ${kind} on standard input, which is a terminal: pipe data in, or Ctrl-C to stop`)
  }
  const endProgress = showProgress(stderr, options.progress, 'rows', read)
  let copy: TemporaryFile | undefined
  /** A message with the name that people know. */
  const rename = (message: string) => (copy ? message.replaceAll(copy.path, 'standard input') : message)
  const note = (message: string) => notify(stderr, rename(message))
  try {
    if (paths.indexOf('-') !== paths.lastIndexOf('-')) throw new UsageError('standard input, -, can be read only once')
    const sources = await findSources(paths, {
      match: async (pattern) => (await openSession()).glob(pattern),
      allowDuplicates: options.allowDuplicates,
      format: options.format,
      note,
    })
    if (options.format !== undefined && paths.length === 0) throw new UsageError('--format takes a FILE')
    assertTextOptions(options, sources)
    const streams = paths.length === 0 ? [arraysOf(options)] : streamsOf(sources)
    const scanned = sources.filter(isScanned)
    for (const source of scanned.filter(({ file }) => file === '-')) {
      copy = await copyToFile(addAbortSignal(signal, stdin)).catch((cause) => {
        throw named('standard input', cause)
      })
      source.file = copy.path
      if (source.kind !== 'Parquet') source.compression = await compressionOf(copy.path)
    }
    const files = [...scanned.map(({ file }) => file), ...streams.flatMap((stream) => stream.files.map(fileOf))]
    if (scanned.length === 0) return await work({ files, streams, progress })
    const list = await scansOf(
      await openSession(),
      scanned,
      { ...options, onNote: note },
      signal,
      options.output !== undefined,
    )
    for (const scan of list) assertColumns(scan)
    return await work({ files, scans: { session: await openSession(), list }, streams, progress })
  } catch (error) {
    if (error instanceof Error) error.message = rename(error.message)
    throw error
  } finally {
    endProgress()
    signal.removeEventListener('abort', interrupt)
    session?.close()
    await copy?.remove()
  }
}

function isScanned(source: Source): source is ScanSource {
  return source.kind !== 'Arrow'
}

function streamsOf(sources: readonly Source[]): Stream[] {
  return sources.flatMap(({ kind, file }) => (kind === 'Arrow' ? [{ kind, files: [file] }] : []))
}

/** Arrays are named by the options alone. */
function arraysOf({ input, label, by, keep }: Options): Stream {
  for (const [option, path] of Object.entries({ input, label })) {
    assertLocal(path, `--${option}`)
    if (/\.npy$/i.test(path) || memberOf(path) !== undefined) continue
    const advice = /\.npz$/i.test(path) ? `, which is an archive: name one of its arrays, as in ${path}:distance` : ''
    throw new UsageError(`without a FILE --input and --label must name a .npy each, got --${option} ${path}${advice}`)
  }
  for (const [option, columns] of Object.entries({ by, keep })) {
    if (columns !== undefined) throw new UsageError(`--${option} takes a FILE: .npy files have no other columns`)
  }
  return { kind: 'npy', files: [input, label] }
}

import { addAbortSignal, type Readable } from 'node:stream'
import { getNumThreads } from '../index.ts'
import { assertOwnColumns, openScans, type Scan, type ScanSource } from './duckdb/scan.ts'
import { Session } from './duckdb/session.ts'
import {
  addFile,
  errorAt,
  given,
  type Message,
  message,
  option,
  optionError,
  replaceInError,
  replaceInMessage,
} from './errors.ts'
import { assertCsvOptions, type Progress, type RunOptions, type ScoreFilesOptions, type Scoring } from './options.ts'
import { assertLocal } from './paths.ts'
import type { ArraySource } from './readers/array-source.ts'
import { containingFile, parseMember } from './readers/npz.ts'
import { copyToFile, type TemporaryFile } from './readers/temporary-file.ts'
import { compressionOf, findSources, type Source } from './sources.ts'

/** The opened files: scans, which DuckDB reads, and array sources, which this package reads. */
export interface Inputs {
  /** of both kinds; `-` is standard input */
  readonly files: readonly string[]
  readonly scans?: { readonly session: Session; readonly list: readonly Scan[] }
  readonly arraySources: readonly ArraySource[]
  readonly signal: AbortSignal
  readonly stdin: Readable | undefined
  readonly threads: number
  /** of the array sources; who reads them keeps it up to date */
  readonly progress: { -readonly [Key in keyof Progress]: Progress[Key] }
}

/** The time between two calls of `onProgress`, in milliseconds. */
const progressInterval = 200
/** The time between two interrupts of a DuckDB after an abort, in milliseconds: one that comes between two queries is lost. */
const interruptInterval = 20

/**
 * Opens the files that `paths` stand for, runs `work` over them, and closes them. It rejects with the signal's reason after an
 * abort, and with what a callback throws.
 */
export async function withInputs<T>(
  paths: readonly string[],
  scoring: Scoring,
  options: RunOptions & Pick<ScoreFilesOptions, 'format' | 'allowDuplicates' | 'output'>,
  work: (inputs: Inputs) => Promise<T>,
): Promise<T> {
  const { stdin, threads = getNumThreads(), onProgress, onNote } = options
  const run = new AbortController()
  const { signal } = run
  const abort = () => run.abort(options.signal?.reason)
  const call = (callback: () => void) => {
    try {
      callback()
    } catch (error) {
      run.abort(error)
    }
  }
  if (options.signal?.aborted) abort()
  signal.throwIfAborted()
  let session: Session | undefined
  let copy: TemporaryFile | undefined
  const progress: Inputs['progress'] = {}
  const timers: NodeJS.Timeout[] = []
  const openSession = async () => {
    session ??= await Session.open(threads)
    signal.throwIfAborted()
    return session
  }
  const interrupt = () => session?.interrupt()
  signal.addEventListener('abort', () => {
    interrupt()
    timers.push(setInterval(interrupt, interruptInterval))
  })
  options.signal?.addEventListener('abort', abort)
  const report = () => {
    const current = session?.progress ?? (progress.count === undefined ? undefined : progress)
    if (current !== undefined) call(() => onProgress?.({ ...current }))
  }
  if (onProgress) timers.push(setInterval(report, progressInterval))
  const note = (text: Message) => {
    const known = copy === undefined ? text : replaceInMessage(text, copy.path, 'standard input')
    call(() => onNote?.(String(known), known))
  }
  const copyStdin = async (source: Source) => {
    copy = await copyToFile(addAbortSignal(signal, stdin as Readable)).catch((cause) => {
      throw errorAt('-', cause, 'standard input')
    })
    source.file = copy.path
    if (source.kind !== 'Parquet') source.compression = await compressionOf(copy.path)
  }
  try {
    assertStdin(paths, stdin)
    const { format, allowDuplicates } = options
    const match = async (pattern: string) => (await openSession()).findFiles(pattern)
    const sources = await findSources(paths, { match, allowDuplicates, format, note })
    if (format !== undefined && paths.length === 0) {
      throw optionError('format', message`${option('format')} takes ${option('paths')}`)
    }
    assertCsvOptions(
      scoring,
      sources.map(({ kind }) => kind),
    )
    const arraySources = paths.length === 0 ? [findArrayPair(scoring)] : findArraySources(sources)
    const scanned = sources.filter(isScanned)
    for (const source of scanned) if (source.file === '-') await copyStdin(source)
    const files = [
      ...scanned.map(({ file }) => file),
      ...arraySources.flatMap((source) => source.files.map(containingFile)),
    ]
    const inputs = { files, arraySources, signal, stdin, threads, progress }
    let scans: Inputs['scans']
    if (scanned.length > 0) {
      const isInOrder = options.output !== undefined
      const list = await openScans(await openSession(), scanned, { ...scoring, onNote: note }, signal, isInOrder)
      for (const scan of list) assertOwnColumns(scan)
      scans = { session: await openSession(), list }
    }
    const result = await work({ ...inputs, ...(scans && { scans }) })
    signal.throwIfAborted()
    return result
  } catch (error) {
    signal.throwIfAborted()
    throw addFile(copy === undefined ? error : replaceInError(error, copy.path, 'standard input'))
  } finally {
    for (const timer of timers) clearInterval(timer)
    options.signal?.removeEventListener('abort', abort)
    session?.close()
    await copy?.remove()
  }
}

function assertStdin(paths: readonly string[], stdin: Readable | undefined): void {
  const count = paths.filter((path) => path === '-').length
  if (count > 1) throw optionError('paths', message`standard input, -, can be read only once`)
  if (count === 1 && stdin === undefined) {
    throw optionError('stdin', message`${option('stdin')} must be a Readable stream for the path -, got undefined`)
  }
}

function isScanned(source: Source): source is ScanSource {
  return source.kind !== 'Arrow'
}

function findArraySources(sources: readonly Source[]): ArraySource[] {
  return sources.flatMap(({ kind, file }) => (kind === 'Arrow' ? [{ kind, files: [file] }] : []))
}

/** The pair of arrays that the options name where there are no paths. */
function findArrayPair({ input, label, by, keep }: Scoring): ArraySource {
  for (const [name, path] of Object.entries({ input, label })) {
    assertLocal(path, name)
    if (/\.npy$/i.test(path) || parseMember(path) !== undefined) continue
    const advice = /\.npz$/i.test(path) ? `, which is an archive: name one of its arrays, as in ${path}:distance` : ''
    const expected = message`${option('input')} and ${option('label')} must name a .npy each`
    throw optionError(name, message`without ${option('paths')} ${expected}, got ${given(name, path)}${advice}`)
  }
  for (const [name, columns] of Object.entries({ by, keep })) {
    if (columns === undefined) continue
    throw optionError(name, message`${option(name)} takes ${option('paths')}: .npy files have no other columns`)
  }
  return { kind: 'npy', files: [input, label] }
}

import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { addAbortSignal, type Readable } from 'node:stream'
import { getNumThreads } from '../index.ts'
import { Copies } from './copies.ts'
import { attachDatabases, parseDatabases } from './duckdb/attach.ts'
import type { ExtensionOptions } from './duckdb/extensions.ts'
import { openLabeledScans } from './duckdb/labels.ts'
import { attachLookup } from './duckdb/lookup.ts'
import { assertOwnColumns, openScans } from './duckdb/open-scans.ts'
import { openQuery, type ParsedQuery, parseQuery } from './duckdb/query.ts'
import { findWith, prepareRemote } from './duckdb/remote-files.ts'
import type { Scan, ScanOptions, ScanSource } from './duckdb/scan.ts'
import { Session } from './duckdb/session.ts'
import {
  addFile,
  codeOf,
  detailsOf,
  errorAt,
  fileError,
  given,
  type Message,
  message,
  messageOf,
  option,
  optionError,
  quoteShort,
  rewriteError,
  rewriteMessage,
} from './errors.ts'
import {
  assertCsvOptions,
  type Progress,
  type RunOptions,
  type ScoreFilesOptions,
  type SourceOptions,
} from './options.ts'
import { lookupOf, type Pair } from './pair.ts'
import { assertLocal, describeKind, isLocal } from './paths.ts'
import type { ArraySource } from './readers/array-source.ts'
import { containingFile, parseMember } from './readers/npz.ts'
import { copyToFile, type TemporaryFile } from './readers/temporary-file.ts'
import { isRemote, nameRemote, readRemote } from './remote.ts'
import { RunSignal } from './run-signal.ts'
import { Secrets } from './secrets.ts'
import { detectCompression, findSources, isText, recognizeFile, type Source } from './sources.ts'

/** The opened files: scans, which DuckDB reads, and array sources, which this package reads. */
export interface Inputs {
  /** of both kinds; `-` is standard input */
  readonly files: readonly string[]
  /** by the path of each scored file, in their order: the name that the caller knows */
  readonly names: ReadonlyMap<string, string>
  readonly scans?: { readonly session: Session; readonly list: readonly Scan[] }
  readonly arraySources: readonly ArraySource[]
  readonly signal: AbortSignal
  /** tells the caller what a reader should know */
  readonly note: (text: Message) => void
  readonly stdin: Readable | undefined
  readonly threads: number
  /** of the array sources; who reads them keeps it up to date */
  readonly progress: { -readonly [Key in keyof Progress]: Progress[Key] }
}

/** The options of a run that say what is opened. */
type OpenOptions = RunOptions & SourceOptions & Pick<ScoreFilesOptions, 'output'>

/** The time between two calls of `onProgress`, in milliseconds. */
const progressInterval = 200

/**
 * Opens the files that `paths` stand for, runs `work` over them, and closes them. It rejects with the signal's reason after an
 * abort, and with what a callback throws.
 */
export async function withInputs<T>(
  paths: readonly string[],
  scoring: ScanOptions,
  options: OpenOptions,
  work: (inputs: Inputs) => Promise<T>,
): Promise<T> {
  const run = new Run(options, scoring)
  try {
    run.signal.throwIfAborted()
    const result = await work(await openInputs(run, paths, scoring, options))
    run.signal.throwIfAborted()
    return result
  } catch (error) {
    run.signal.throwIfAborted()
    throw await run.complete(error)
  } finally {
    await run.close()
  }
}

/** The signal, the callbacks, the DuckDB and the copy of standard input of one run. */
class Run {
  readonly progress: Inputs['progress'] = {}
  /** of standard input, for DuckDB, and of remote files */
  readonly copies = new Copies()
  readonly secrets = new Secrets()
  readonly systems: ReturnType<typeof findWith>
  readonly #scoring: ScanOptions
  /** once they are found */
  files: readonly string[] = []
  readonly #options: OpenOptions
  readonly #began = Date.now()
  readonly #runSignal: RunSignal
  readonly #timer: NodeJS.Timeout | undefined
  #session: Session | undefined
  #stdin: TemporaryFile | undefined

  constructor(options: OpenOptions, scoring: ScanOptions) {
    this.#options = options
    this.#scoring = scoring
    this.systems = findWith(() => this.openSession(), options)
    const { signal, onProgress } = options
    this.#runSignal = new RunSignal(signal)
    this.#timer = onProgress && setInterval(() => this.#report(onProgress), progressInterval)
  }

  /** where DuckDB's extensions are */
  get extensions(): ExtensionOptions {
    return this.#options
  }

  get signal(): AbortSignal {
    return this.#runSignal.signal
  }

  /** Opens the session of the run; groups and the rows of a query may take more memory than DuckDB has. */
  async openSession(): Promise<Session> {
    const { by, input, labels } = this.#scoring
    const { threads = getNumThreads(), query } = this.#options
    const spills = [by, query, labels, lookupOf(input)].some((each) => each !== undefined)
    this.#session ??= await Session.open(threads, this.signal, spills)
    this.signal.throwIfAborted()
    return this.#session
  }

  /** Copies standard input; returns the path of the copy. */
  async copyStdin(stdin: Readable): Promise<string> {
    this.#stdin = await copyToFile(addAbortSignal(this.signal, stdin)).catch((cause) => {
      throw errorAt('-', cause, 'standard input')
    })
    this.copies.add(this.#stdin.path, 'standard input', '-')
    return this.#stdin.path
  }

  /** The path of a file on this machine: of a remote one, that of a copy, unless DuckDB can read it where it is. */
  async localize(file: string, kind?: Source['kind']): Promise<string> {
    if (!isRemote(file)) return file
    if (kind === 'Parquet' && !(await this.systems.remote.isReadOnce(file))) return file
    const session = await this.openSession()
    session.pass = { doing: 'fetching remote files' }
    try {
      return await this.copies.copy(file, (path) => this.systems.remote.copy(file, path))
    } finally {
      session.pass = undefined
    }
  }

  note(text: Message): void {
    const note = rewriteMessage(this.copies.rename(text), this.#hide)
    this.#runSignal.call(() => this.#options.onNote?.(String(note), note))
  }

  /** The error with the names that the caller knows, and with the file, where only the system knows it. */
  async complete(error: unknown): Promise<unknown> {
    const known = rewriteError(this.copies.renameError(error), this.#hide, this.#hide)
    const isChanged = codeOf(known) === 'ERR_FILE_CHANGED' && detailsOf(known).file === undefined
    const file = isChanged ? await this.#findChangedFile() : undefined
    if (file === undefined) return addFile(addUrl(known))
    return fileError(`${file}: the file changed while it was read`, { ...detailsOf(known), file }, known)
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#runSignal.close()
    this.#session?.close()
    await this.#stdin?.remove()
    await this.copies.remove()
  }

  readonly #hide = (text: string): string => this.secrets.hide(text)

  /** The first file that changed, came or went since the run began. */
  async #findChangedFile(): Promise<string | undefined> {
    for (const file of this.files.filter((each) => !isRemote(each))) {
      const changed = await stat(file).catch(() => undefined)
      if (changed === undefined || changed.ctimeMs >= this.#began) return file
    }
    return undefined
  }

  #report(onProgress: (progress: Progress) => void): void {
    const progress = this.#session?.progress ?? (this.progress.count === undefined ? undefined : this.progress)
    if (progress !== undefined) this.#runSignal.call(() => onProgress({ ...progress }))
  }
}

/** The error of a request with its URL before the message, unless it is there. */
function addUrl(error: unknown): unknown {
  const { file = '' } = detailsOf(error)
  return isRemote(file) && !String(messageOf(error)).includes(file) ? errorAt(file, error) : error
}

async function openInputs(
  run: Run,
  paths: readonly string[],
  scoring: ScanOptions,
  options: OpenOptions,
): Promise<Inputs> {
  const { stdin, threads = getNumThreads(), format, allowDuplicates, query, output } = options
  const { signal, progress } = run
  const note = (text: Message) => run.note(text)
  const { systems } = run
  const { labels, label, input } = scoring
  const columns = typeof input === 'object' ? [input.left, input.right, input.lookup?.file] : [input]
  const texts = [...paths, ...columns, label, labels?.file, output]
  for (const text of texts) if (text !== undefined) run.secrets.add(text)
  assertStdin(paths, stdin)
  if (format !== undefined && paths.length === 0) {
    throw optionError('format', message`${option('format')} takes ${option('paths')}`)
  }
  if (query !== undefined && paths.length > 0) {
    throw optionError('query', message`${option('query')} stands in place of ${option('paths')}`)
  }
  if (query !== undefined && scoring.labels !== undefined) {
    throw optionError(
      'labels',
      message`${option('labels')} takes ${option('paths')}; ${option('query')} can join them itself`,
    )
  }
  const sources = await findSources(paths, { ...systems, allowDuplicates, format, note })
  assertCsvOptions(
    scoring,
    sources.map(({ kind }) => kind),
  )
  const hasArrays = paths.length === 0 && query === undefined
  const joined = { embeddings: lookupOf(scoring.input)?.file, labels: scoring.labels?.file }
  for (const [name, file] of Object.entries(joined)) {
    if (file === undefined || !(hasArrays || sources.some(({ kind }) => kind === 'Arrow'))) continue
    throw optionError(name, message`${option(name)} takes pairs in Parquet, CSV, TSV or NDJSON`)
  }
  const arrays = hasArrays ? findArrays(scoring) : []
  const found = sources.map(({ file }) => file)
  const parsed = query === undefined ? undefined : await prepareQuery(run, query, options)
  const files = [
    ...Object.values(joined).filter((file) => file !== undefined),
    ...(parsed ? await findQueryFiles(parsed, systems.local.match) : []),
    ...found,
    ...arrays.map(containingFile),
  ]
  run.files = files
  if (parsed && output !== undefined) await assertWritable(output, files, parsed)
  for (const source of sources) await localizeSource(run, source, stdin as Readable)
  const localArrays = await localizeArrays(run, arrays)
  const arraySources = hasArrays ? [{ kind: 'npy' as const, files: localArrays }] : findArraySources(sources)
  const locals = [...sources.map(({ file }) => file), ...localArrays.map(containingFile)]
  const givens = [...found, ...arrays.map(containingFile)]
  const names = new Map(locals.map((file, index) => [file, nameRemote(givens[index] ?? file)]))
  const inputs = { files, names, arraySources, signal, note, stdin, threads, progress }
  const scanned = sources.filter(isScanned)
  if (scanned.length === 0 && parsed === undefined) return inputs
  const session = await run.openSession()
  const opened = await openRows(run, parsed ?? scanned, { ...scoring, onNote: note }, output !== undefined)
  const list = await attachLookup(session, opened, await localizeLookup(run, scoring.input), signal)
  for (const scan of list) assertOwnColumns(scan)
  return { ...inputs, scans: { session, list } }
}

/** Copies a source that is not read where it is: standard input, unless it is Arrow, and remote files, unless they are Parquet that can be read twice. */
async function localizeSource(run: Run, source: Source, stdin: Readable): Promise<void> {
  const isStdin = source.file === '-'
  if (isStdin && source.kind === 'Arrow') return
  const given = source.file
  source.file = isStdin ? await run.copyStdin(stdin) : await run.localize(given, source.kind)
  // The Content-Encoding of a server is another name for its compression.
  if ((isStdin || isRemote(given)) && isText(source)) source.compression = await detectCompression(source.file)
}

/** The paths of arrays on this machine. */
async function localizeArrays(run: Run, arrays: readonly string[]): Promise<string[]> {
  const files: string[] = []
  for (const name of arrays) {
    const { archive = name, array } = parseMember(name) ?? {}
    const path = await run.localize(archive)
    files.push(array === undefined ? path : `${path}:${array}`)
  }
  return files
}

/** The input with the path or URL of its embeddings that DuckDB reads. */
async function localizeLookup<Input extends ScanOptions['input']>(run: Run, input: Input): Promise<Input | Pair> {
  const lookup = lookupOf(input)
  if (typeof input !== 'object' || lookup === undefined) return input
  return { ...input, lookup: { ...lookup, file: await localizeTable(run, lookup.file, 'embeddings') } }
}

/** The path or URL that DuckDB reads of a table, which an option names. */
async function localizeTable(run: Run, file: string, name: string): Promise<string> {
  if (!isRemote(file)) return file
  const url = readRemote(file, name)
  const { kind } = recognizeFile(url) ?? {}
  if (kind === undefined || kind === 'Arrow') return file
  if (kind === 'Parquet') await run.systems.remote.findSize(url)
  return run.localize(url, kind)
}

/** Refuses an output before a query runs, which may take long. */
async function assertWritable(output: string, files: readonly string[], { computesPaths }: ParsedQuery): Promise<void> {
  if (isRemote(output)) return
  const path = await (await import('./atomic-write.ts')).resolveOutput(output, files)
  if (!computesPaths || !existsSync(path)) return
  const reason = 'there is a file, which the query may read, as it computes a path; remove it, or name another'
  throw optionError('output', message`${given('output', output)}: ${reason}`)
}

/** Parses a query, and attaches the databases that it reads. */
async function prepareQuery(run: Run, query: string, options: OpenOptions): Promise<ParsedQuery> {
  const databases = parseDatabases(options.attach ?? [])
  const session = await run.openSession()
  const { sql, paths, computesPaths } = await parseQuery(session, query)
  const all = [...databases.map(({ source }) => source), ...paths]
  for (const text of all) run.secrets.add(text)
  await prepareRemote(session, all, options, { isLiteral: false })
  await attachDatabases(session, databases, options)
  return { sql, computesPaths, paths: all.map((text) => text.replace(/^(duckdb|sqlite|ducklake):/i, '')) }
}

/** Opens the scans of a query, or of files with or without their labels. */
async function openRows(
  run: Run,
  from: ParsedQuery | readonly ScanSource[],
  options: ScanOptions,
  isInOrder: boolean,
): Promise<Scan[]> {
  const session = await run.openSession()
  if ('sql' in from) return [await openQuery(session, from, options, run.extensions)]
  if (options.labels === undefined) return openScans(session, from, options, run.signal, isInOrder)
  const labels = { ...options.labels, file: await localizeTable(run, options.labels.file, 'labels') }
  return openLabeledScans(session, from, labels, options, run.signal, isInOrder)
}

/**
 * The local files that a query names by path or pattern, and its URLs. Refuses pipes: what DuckDB reads of one to learn its
 * columns would be missing when the query runs.
 */
async function findQueryFiles(
  { paths }: ParsedQuery,
  match: (pattern: string) => Promise<string[]>,
): Promise<readonly string[]> {
  const found = new Set<string>()
  for (const path of paths.filter(isLocal)) for (const file of [path, ...(await match(path))]) found.add(file)
  const files: string[] = []
  for (const file of found) {
    const stats = await stat(file).catch(() => undefined)
    if (stats?.isFile()) files.push(file)
    if (stats === undefined || stats.isFile() || stats.isDirectory()) continue
    const problem = `${file}: ${describeKind(stats)}, which is read once; a query takes files`
    throw fileError(problem, { option: 'query', file })
  }
  return [...files, ...paths.filter(isRemote)]
}

function assertStdin(paths: readonly string[], stdin: Readable | undefined): void {
  const count = paths.filter((path) => path === '-').length
  if (count > 1) throw optionError('paths', message`standard input, -, can be read only once`)
  if (count === 1 && stdin === undefined) {
    throw optionError('stdin', message`${option('stdin')} must be a Readable stream for the path -, got undefined`)
  }
  if (count === 0 || stdin === undefined) return
  if (takenStreams.has(stdin)) {
    throw optionError('stdin', message`${option('stdin')} must be a stream that no other run has read`)
  }
  takenStreams.add(stdin)
}

/** The streams that runs have read, or read now: two runs would share out the data of one. */
const takenStreams = new WeakSet<Readable>()

function isScanned(source: Source): source is ScanSource {
  return source.kind !== 'Arrow'
}

function findArraySources(sources: readonly Source[]): ArraySource[] {
  return sources.flatMap(({ kind, file }) => (kind === 'Arrow' ? [{ kind, files: [file] }] : []))
}

/** The arrays that the options name where there are no paths. */
function findArrays({ input = '', label = '', labelTexts, weight, by, keep }: ScanOptions): string[] {
  const inputs = typeof input === 'string' ? { input } : { left: input.left, right: input.right }
  const arrays = { ...inputs, label, ...(weight !== undefined && { weight }) }
  for (const [name, path] of Object.entries(arrays)) {
    if (!isRemote(path)) assertLocal(path, name)
    if (/\.npy$/i.test(nameRemote(path)) || parseMember(path) !== undefined) continue
    const advice = /\.npz$/i.test(path) ? `, which is an archive: name one of its arrays, as in ${path}:distance` : ''
    const others =
      typeof input === 'string' ? message`${option('input')}` : message`${option('left')}, ${option('right')}`
    const expected = message`${others} and ${option('label')} must name a .npy each`
    throw optionError(name, message`without ${option('paths')} ${expected}, got ${given(name, path)}${advice}`)
  }
  for (const [name, columns] of Object.entries({ by, keep })) {
    if (columns === undefined) continue
    throw optionError(name, message`${option(name)} takes ${option('paths')}: .npy files have no other columns`)
  }
  if (labelTexts !== undefined) {
    const expected = message`must be a number: .npy arrays have no text, got ${quoteShort(labelTexts.positive)}`
    throw optionError('positiveLabel', message`${option('positiveLabel')} ${expected}`)
  }
  return Object.entries(arrays).map(([name, path]) => (isRemote(path) ? readRemote(path, name) : path))
}

import { type Message, message, option, optionError, set } from '../files/errors.ts'
import { assertThreads, formats, type Margins, type ScoreFilesOptions } from '../files/options.ts'
import { setNumThreads } from '../index.ts'
import { formatMessage, quoteWord } from './flags.ts'
import { type Context, parseLabels, programName } from './options.ts'
import { notify, showProgress } from './progress.ts'

/** The options that commander reads for every command over files. */
export interface FileFlags extends ScoreFilesOptions<Margins> {
  readonly progress: boolean
  readonly quiet?: true
  readonly json?: true
}

/**
 * Runs a function of the engine over files, and shows its progress and notes on the terminal. The function may end the
 * progress earlier, to print.
 */
export async function runOnFiles<Flags extends FileFlags, Result>(
  paths: readonly string[],
  { progress: isWanted, quiet, json: _, ...flags }: Flags,
  context: Context,
  unit: 'rows' | 'shards',
  run: (
    paths: readonly string[],
    options: Omit<Flags, 'progress' | 'quiet' | 'json'>,
    endProgress: () => void,
  ) => Promise<Result>,
): Promise<Result> {
  const options = parseLabels(flags)
  const { signal } = context
  const { stdin, stderr } = context.streams
  const { threads, format } = options
  if (threads !== undefined) {
    assertThreads(threads)
    setNumThreads(threads)
  }
  const note = (text: Message) => {
    if (!quiet) notify(stderr, formatMessage(text))
  }
  if (paths.includes('-') && stdin.isTTY) {
    const kind = format === undefined ? 'Arrow IPC' : formats[format]
    note(message`waiting for ${kind} on standard input, which is a terminal: pipe data in, or Ctrl-C to stop`)
  }
  const { show, end } = showProgress(stderr, isWanted && !quiet, unit)
  try {
    const io = { stdin, signal, ...(show && { onProgress: show }) }
    const onNote: FileFlags['onNote'] = (_note, message) => note(message)
    const columns = await findMissingColumns(paths, options as Partial<FileFlags>, context, note)
    return await run(paths, { ...options, ...columns, ...io, onNote }, end)
  } finally {
    end()
  }
}

/** Finds the columns that the command line does not name, and says which they are. */
async function findMissingColumns(
  paths: readonly string[],
  options: Partial<FileFlags>,
  { args, signal }: Context,
  note: (text: Message) => void,
): Promise<{ readonly input?: string; readonly label?: string }> {
  const { input, left, right, label, labels, query } = options
  const names = { input: input ?? left ?? right, label }
  const absent = (['input', 'label'] as const).filter((name) => names[name] === undefined)
  const missing = labels !== undefined && absent.includes('label') ? 'label' : absent[0]
  if (missing === undefined) return {}
  const refuse = (reason: string) => optionError(missing, message`${option(missing)} is missing: ${reason}`)
  if (missing === 'label' && labels !== undefined) throw refuse('a column of the file of labels, or an expression')
  if (query !== undefined)
    throw refuse('a column of the query, or an expression; only FILEs have columns by conventional names')
  if (paths.length === 0) throw refuse('without a FILE it names a .npy')
  if (paths.includes('-')) throw refuse('standard input is read once, and a name of its columns must be known before')
  const { findColumns } = await import('../files/find-columns.ts')
  const search = await findColumns(paths, { ...options, signal })
  if ('problem' in search) {
    const { problem, example } = search
    const command = example && formatCommand(args, formatMessage(message`${set(example)}`))
    throw optionError(search.option, command ? message`${problem}. For example: ${command}` : problem)
  }
  note(message`takes ${set(search.columns)} by the names of the columns`)
  return search.columns
}

/** The command line with more flags, as a shell takes it. */
function formatCommand(args: readonly string[], flags: string): string {
  const words = args.map(quoteWord)
  const end = words.indexOf('--')
  return [programName, ...words.toSpliced(end < 0 ? words.length : end, 0, flags)].join(' ')
}

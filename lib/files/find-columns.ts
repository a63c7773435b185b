import { isPlainIdentifier, type ListedColumn } from './column-names.ts'
import { findRemedy, type Remedy } from './duckdb/csv-errors.ts'
import { findNonNumber, sampleCsvTypes } from './duckdb/csv-types.ts'
import type { Scan } from './duckdb/scan.ts'
import { isScorable } from './duckdb/scored-types.ts'
import type { Session } from './duckdb/session.ts'
import { adviseOnBooleans, Message, message, option, quoteShort, set } from './errors.ts'
import { withInputs } from './open.ts'
import { type CsvOptions, type Margins, type ScoreFilesOptions, selectCsvOptions } from './options.ts'
import { type ArraySource, listArrowColumns } from './readers/array-source.ts'

/** The names that columns of an option conventionally have, in any case. */
const conventions = {
  input: ['distance', 'dist', 'score', 'x'],
  label: ['label', 'y', 'target', 'similar'],
} as const

type ColumnOption = keyof typeof conventions
type Columns = Readonly<Partial<Record<ColumnOption, string>>>

/** The columns of one file, or of the first of several with one schema. */
interface ListedFile {
  readonly file: string
  readonly columns: readonly SampledColumn[]
}

/** A column; of text where the name is one of numbers, with what makes it text, and what helps. */
interface SampledColumn extends ListedColumn {
  readonly misfit?: Misfit
}

interface Misfit {
  readonly reason: Message
  readonly remedy: Remedy
}

/** The columns of the options that were absent or why they are not clear, with an example of options that make them so. */
export type Search =
  | { readonly columns: Columns }
  | { readonly problem: Message; readonly option: ColumnOption; readonly example?: Remedy['settings'] }

/**
 * Finds the columns of `input` and `label` where these are absent: each has a conventional name and a type that fits. Every file must
 * have exactly one, of the same name.
 *
 * @throws what opening the files throws
 */
export async function findColumns(
  paths: readonly string[],
  options: Partial<ScoreFilesOptions<Margins>>,
): Promise<Search> {
  const { onNote: _note, onProgress: _progress, output: _output, ...opening } = options
  const { input, left, label } = options
  const missing = (['input', 'label'] as const).filter((name) => ({ input: input ?? left, label })[name] === undefined)
  const csv = selectCsvOptions(options)
  const files = await withInputs(paths, csv, opening, async (inputs) => {
    const { scans, arraySources, names } = inputs
    const listed: ListedFile[] = []
    const add = ({ files: [file = ''] }: ArraySource | Scan, columns: readonly SampledColumn[]) =>
      listed.push({ file: names.get(file) ?? file, columns })
    for (const source of arraySources) add(source, await listArrowColumns(source))
    for (const scan of scans?.list ?? []) add(scan, await listScanColumns(scans?.session as Session, scan, csv))
    return listed
  })
  return chooseColumns(files, missing, options)
}

async function listScanColumns(session: Session, scan: Scan, csv: CsvOptions): Promise<SampledColumn[]> {
  const isText = scan.kind === 'CSV' || scan.kind === 'TSV'
  const sampled = isText ? await sampleCsvTypes(session, scan, csv) : new Map<string, string>()
  const columns: SampledColumn[] = []
  for (const { name, tableName, type: declared } of scan.columns) {
    const type = sampled.get(tableName) ?? declared
    const column = { name, type, kind: kindOf(type) }
    const isMisfit = column.kind === 'text' && isConventional(column, 'input')
    columns.push(isMisfit ? { ...column, misfit: await explainText(session, scan, column, tableName, csv) } : column)
  }
  return columns
}

async function explainText(
  session: Session,
  scan: Scan,
  { name, type }: ListedColumn,
  tableName: string,
  csv: CsvOptions,
): Promise<Misfit> {
  const text = await findNonNumber(session, scan, tableName, csv)
  const numbers = { settings: { input: `CAST(${name} AS DOUBLE)` }, effect: 'reads its texts as numbers' }
  const remedy = text === undefined ? numbers : findRemedy('input', name, text)
  const cause = text === undefined ? '' : ` because of text such as ${quoteShort(text)}`
  return { remedy, reason: message`${name} is ${type}${cause} (${set(remedy.settings)} ${remedy.effect})` }
}

function kindOf(type: string): ListedColumn['kind'] {
  if (isScorable('input', type)) return 'number'
  return ({ BOOLEAN: 'boolean', VARCHAR: 'text' } as const)[type] ?? 'other'
}

function chooseColumns(files: readonly ListedFile[], missing: readonly ColumnOption[], options: ChoiceOptions): Search {
  if (files.length === 0) {
    const [name = 'input'] = missing
    return { problem: message`${option(name)} is missing, and no file has a column`, option: name }
  }
  const found: Partial<Record<ColumnOption, string>> = {}
  const problems: Problem[] = []
  for (const name of missing) {
    const choices = files.map(({ file, columns }) => ({ file, columns, fitting: findFitting(columns, name, options) }))
    const first = choices[0] as Choice
    const problem = choices
      .map((each) => describeProblem(each, first, name, options))
      .find((each) => each !== undefined)
    if (problem !== undefined) problems.push(problem)
    else found[name] = first.fitting[0]?.name as string
  }
  const [problem] = problems
  if (problem === undefined) return { columns: found }
  const { file, columns } = problem
  const texts = problems
    .filter((each) => each.file === file)
    .flatMap(({ text }, index) => (index === 0 ? [text] : ['; ', text]))
  const text = message`${file}: ${new Message(...texts)}. Its columns: ${listColumns(columns)}`
  if (problems.some(({ differs }) => differs)) return { problem: text, option: problem.option }
  const guessed: Partial<Record<ColumnOption, string>> = {}
  for (const name of missing) guessed[name] = guessColumn(columns, name, { ...options, ...guessed }) ?? 'EXPR'
  const misfit = guessed.input === undefined ? undefined : columns.find(({ name }) => name === guessed.input)?.misfit
  const example = { ...guessed, ...misfit?.remedy.settings }
  return { problem: text, option: problem.option, example }
}

/** What decides which columns fit: the columns that are named, and whether labels are text. */
type ChoiceOptions = Pick<ScoreFilesOptions, 'positiveLabel'> & Columns

/** The columns of a file that may be those of an option. */
interface Choice extends ListedFile {
  readonly fitting: readonly ListedColumn[]
}

interface Problem extends ListedFile {
  readonly option: ColumnOption
  readonly text: Message
  /** true if the column is clear, and another one than in the first file */
  readonly differs: boolean
}

/** The columns with a conventional name whose type fits best. */
function findFitting(columns: readonly SampledColumn[], name: ColumnOption, options: ChoiceOptions): ListedColumn[] {
  const named = columns.filter((column) => isConventional(column, name) && !isNamed(column, options))
  for (const kinds of listKinds(name, options)) {
    const fitting = named.filter(({ kind }) => kinds.includes(kind))
    if (fitting.length > 0) return fitting
  }
  return []
}

/** The kinds of columns that fit. Text is a label where the options say so, and where there is no other. */
function listKinds(name: ColumnOption, { positiveLabel }: ChoiceOptions): readonly ListedColumn['kind'][][] {
  if (name === 'input') return [['number']]
  return typeof positiveLabel === 'string' ? [['text']] : [['number', 'boolean'], ['text']]
}

function isConventional(column: ListedColumn, name: ColumnOption): boolean {
  return (conventions[name] as readonly string[]).includes(column.name.toLowerCase())
}

function isNamed({ name }: ListedColumn, { input, label }: ChoiceOptions): boolean {
  return name === input || name === label
}

function describeProblem(
  { file, columns, fitting }: Choice,
  first: Choice,
  name: ColumnOption,
  options: ChoiceOptions,
): Problem | undefined {
  const describe = (text: Message, differs = false) => {
    return { file, columns, option: name, text: message`${option(name)} is missing, and ${text}`, differs }
  }
  const [found, ...others] = fitting.map((column) => column.name)
  if (found === undefined) {
    const misfit =
      name === 'input' ? columns.find((column) => column.misfit && !isNamed(column, options))?.misfit : undefined
    if (misfit) return describe(misfit.reason)
    const isBoolean = (column: ListedColumn) => column.kind === 'boolean' && isConventional(column, 'label')
    const boolean = name === 'label' ? columns.find(isBoolean) : undefined
    if (boolean) return describe(message`${boolean.name} is ${boolean.type}: ${adviseOnBooleans()}`)
    const kind = { input: ' of numbers', label: typeof options.positiveLabel === 'string' ? ' of text' : '' }[name]
    return describe(message`no column${kind} is called ${joinWords(conventions[name], 'or')}`)
  }
  if (others.length > 0) return describe(message`${joinWords([found, ...others], 'or')} may be meant`)
  const other = first.fitting[0]?.name
  if (found.toLowerCase() === other?.toLowerCase()) return undefined
  return describe(message`would be ${found} here, but ${other ?? ''} in ${first.file}: score them apart`, true)
}

/**
 * A column for an example: of several that fit the first, or else one with a conventional name whose text has a remedy, or whose
 * type fits best. None has a conventional name of the other option.
 */
function guessColumn(
  columns: readonly SampledColumn[],
  name: ColumnOption,
  options: ChoiceOptions,
): string | undefined {
  const isId = (column: ListedColumn) => /(^|[^a-z])ids?$/i.test(column.name)
  const other = name === 'input' ? 'label' : 'input'
  const unnamed = columns.filter((column) => !isNamed(column, options) && !isConventional(column, other))
  const others = [...unnamed.filter((column) => !isId(column)), ...unnamed.filter(isId)]
  const isOfKind =
    (...kinds: readonly ListedColumn['kind'][]) =>
    (column: ListedColumn) =>
      kinds.includes(column.kind)
  const isOfType = (pattern: RegExp) => (column: ListedColumn) => pattern.test(column.type)
  const wishes =
    name === 'input'
      ? [
          ({ misfit }: SampledColumn) => misfit !== undefined,
          isOfType(/^(FLOAT|DOUBLE|DECIMAL|Float)/),
          isOfKind('number'),
        ]
      : typeof options.positiveLabel === 'string'
        ? [isOfKind('text')]
        : [isOfKind('boolean'), isOfType(/^U?(\w*INT|Int)/), isOfKind('number', 'text')]
  const guesses = wishes.map((isWished) => others.find(isWished))
  return [...findFitting(columns, name, options), ...guesses].find((each) => each !== undefined)?.name
}

/** The most columns that a message lists. */
const mostColumns = 20

function listColumns(columns: readonly ListedColumn[]): string {
  const listed = columns.slice(0, mostColumns).map(({ name, type }) => {
    return `${isPlainIdentifier(name) ? name : JSON.stringify(name)} ${type}`
  })
  const more = columns.length > mostColumns ? `, and ${columns.length - mostColumns} more` : ''
  return listed.join(', ') + more
}

function joinWords(words: readonly string[], conjunction: string): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(', ')} ${conjunction} ${words.at(-1)}`
}

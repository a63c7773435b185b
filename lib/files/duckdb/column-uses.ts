import { findColumn } from '../column-names.ts'
import { fileError, type Given, given, message } from '../errors.ts'
import { lookupOf } from '../pair.ts'
import { type Expression, type NamedColumn, nameBeside, resolveText } from './columns.ts'
import type { ScanOptions } from './scan.ts'
import type { Session } from './session.ts'

/** What the options do with a column of text or JSON, which decides its type. */
export interface ColumnUse {
  /** its name in the table */
  readonly column: string
  /** input, label or weight names the column */
  isNumber: boolean
  /** an expression reads it */
  isComputed: boolean
  /** its values are group keys or ids */
  isGroup: boolean
  /** its values are text, whatever they look like */
  isText: boolean
  /** the options whose values must be those of the file, exactly */
  readonly exactFor: Given[]
}

/** The options whose columns must be numbers. */
export function listNumberOptions({ labelTexts }: ScanOptions): readonly string[] {
  return labelTexts === undefined ? ['input', 'label', 'weight'] : ['input', 'weight']
}

/** Each text of the options that stands for a column or an expression. */
export function listTexts({
  input,
  label,
  weight,
  by,
  keep,
  id,
  embedding,
  on,
}: ScanOptions): [option: string, text: string][] {
  const scored = typeof input === 'object' ? { left: input.left, right: input.right } : { input }
  return Object.entries({ ...scored, label, weight, by, keep, id, embedding, on }).flatMap(([option, texts]) =>
    [texts ?? []].flat().map((text): [string, string] => [option, text]),
  )
}

/** What each text of the options stands for in a table of these columns, and of those beside it. */
export async function resolveTexts(
  session: Session,
  columns: readonly NamedColumn[],
  options: ScanOptions,
): Promise<Map<string, Expression>> {
  const expressions = new Map<string, Expression>()
  const all = [...columns, ...nameBeside(columns, options.beside ?? [])]
  for (const [option, text] of listTexts(options)) {
    if (options.beside && option !== 'on') assertOneFile(option, text, columns, options.beside)
    expressions.set(text, await resolveText(session, option, text, option === 'on' ? columns : all))
  }
  return expressions
}

/** Refuses a text that names a column of both files of a join. */
function assertOneFile(
  option: string,
  text: string,
  columns: readonly NamedColumn[],
  beside: readonly NamedColumn[],
): void {
  const [own, other] = [columns, beside].map((each) => {
    const names = each.map(({ name }) => name)
    return findColumn(given(option, text), text, names)
  })
  if (own === undefined || other === undefined) return
  const problem = message`${given(option, text)} is a column of the scored file and of the file of labels; rename one`
  throw fileError(problem, { option })
}

/** The uses of those file columns that the options read. */
export function findColumnUses(
  fileColumns: readonly NamedColumn[],
  expressions: ReadonlyMap<string, Expression>,
  options: ScanOptions,
): ColumnUse[] {
  const names = new Set(fileColumns.map(({ tableName }) => tableName))
  const uses = new Map<string, ColumnUse>()
  const numberOptions = listNumberOptions(options)
  const keys = ['by', 'id', 'on', ...(lookupOf(options.input) ? ['left', 'right'] : [])]
  for (const [option, text] of listTexts(options)) {
    const { column: named, columns = [] } = expressions.get(text) ?? {}
    const isColumn = named !== undefined
    for (const column of columns.filter((each) => names.has(each))) {
      const use = uses.get(column) ?? {
        ...{ column, isNumber: false, isText: false, isComputed: false, isGroup: false },
        exactFor: [],
      }
      uses.set(column, use)
      const isKept = keys.includes(option) || option === 'keep'
      if (isColumn && numberOptions.includes(option)) use.isNumber = true
      if (isColumn && option === 'label' && options.labelTexts !== undefined) use.isText = true
      if (!isColumn) use.isComputed = true
      else if (keys.includes(option)) use.isGroup = true
      if (option === 'on' && options.areIdsText) use.isText = true
      if (isKept || (option === 'label' && !isColumn)) use.exactFor.push(given(option, text))
    }
  }
  return [...uses.values()]
}

/** The error of a column of integers that neither DOUBLE nor an integer type holds exactly. */
export function inexactError({ column, exactFor: [first] }: ColumnUse): Error {
  const problem = `column ${column} has numbers of 2^53 or more, which DOUBLE cannot tell from their neighbours`
  return fileError(message`${first ?? ''}: ${problem}`, { ...(first && { option: first.given }) })
}

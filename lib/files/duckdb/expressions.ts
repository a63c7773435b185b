import { given, message, option as named, optionError } from '../errors.ts'
import { columnlessFunctions, listAggregates, listAggregations, rowFunctions } from './functions.ts'
import type { Session } from './session.ts'
import { quoteText } from './sql.ts'

/** A name in an expression: of a column, if the files have it. */
export interface Reference {
  /** the parts between dots */
  readonly names: readonly string[]
  /** in bytes of the text */
  readonly location: number
}

/** An expression as DuckDB parses it. */
interface Node {
  readonly class: string
  readonly type: string
  readonly schema?: string
  readonly function_name?: string
  readonly children?: readonly Node[]
  readonly value?: { readonly value?: unknown }
  readonly column_names?: readonly string[]
  readonly query_location?: number
  readonly cast_type?: unknown
  readonly subquery?: { readonly node: Query }
}

interface Query {
  readonly type: string
  readonly from_table: { readonly type: string }
  readonly modifiers: readonly unknown[]
  readonly sample: unknown
}

const expressionClasses = [
  ...['BETWEEN', 'CASE', 'CAST', 'COLLATE', 'COLUMN_REF', 'COMPARISON', 'CONJUNCTION', 'CONSTANT', 'FUNCTION'],
  ...['LAMBDA', 'OPERATOR', 'SUBQUERY'],
]

const checked = new WeakMap<Session, Map<string, readonly Reference[]>>()

/**
 * The names in an option's SQL. Refuses SQL other than one expression whose value depends on its row alone: rows are read
 * more than once, by an output and by a worker that retries a shard.
 *
 * @throws {RangeError} ERR_INVALID_ARG_VALUE, with `option`
 */
export async function checkRowExpression(
  session: Session,
  option: string,
  text: string,
): Promise<readonly Reference[]> {
  const known = checked.get(session) ?? new Map<string, readonly Reference[]>()
  checked.set(session, known)
  const references = known.get(text) ?? (await findReferences(session, option, text))
  known.set(text, references)
  return references
}

async function findReferences(session: Session, option: string, text: string): Promise<Reference[]> {
  const nodes = await parseExpression(session, option, text)
  const reason = await findDependence(session, nodes)
  if (reason !== undefined)
    throw optionError(option, message`${given(option, text)} is not a function of its row alone: ${reason}`)
  return listReferences(nodes)
}

/** The first name that is no column, but that DuckDB reads as a function or as a column that it adds. */
export function findNonColumn(
  references: readonly Reference[],
  columns: ReadonlySet<string>,
  added: readonly string[],
): string | undefined {
  for (const { names } of references) {
    const lower = names.map((name) => name.toLowerCase())
    const isFunction = lower.length === 1 && columnlessFunctions.has(lower[0] as string)
    const isAdded = lower.some((name) => added.includes(name))
    if ((isFunction || isAdded) && !lower.some((name) => columns.has(name))) return lower.join('.')
  }
  return undefined
}

/** The nodes of a text that is one expression in parentheses. */
async function parseExpression(session: Session, option: string, text: string): Promise<Node[]> {
  const [expected = '', parsed = ''] = await parseSelects(session, ['1', text])
  const { error_message: reason = 'more than one, a parameter or a star' } = JSON.parse(parsed)
  const nodes = listNodes(JSON.parse(parsed))
  if (withoutSelected(parsed) === withoutSelected(expected) && nodes.every((node) => node.class !== 'STAR'))
    return nodes
  // The parenthesis is ours: the text ends before its expression does.
  const problem = text.includes(')') ? reason : reason.replace('at or near ")"', 'at its end')
  const found = `got '${text}' (${problem}), and no column has that name`
  throw optionError(option, message`${named(option)} must be one SQL expression, ${found}`)
}

const selectStart = 'SELECT ('

/** Queries that each select an expression, as DuckDB parses them, in JSON. */
async function parseSelects(session: Session, texts: readonly string[]): Promise<string[]> {
  const queries = texts.map((text) => `json_serialize_sql(${quoteText(`${selectStart}${text})`)})`)
  const [parsed = []] = await session.readRows(`SELECT ${queries}`)
  return parsed.map(String)
}

/** A parsed query without the expressions that it selects. */
function withoutSelected(json: string): string {
  return JSON.stringify(JSON.parse(json), (key, value) => (key === 'select_list' ? value.length : value))
}

/** All expressions in a parsed query, each before those inside it. */
function listNodes(value: unknown): Node[] {
  if (typeof value !== 'object' || value === null) return []
  const inner = Object.values(value).flatMap(listNodes)
  return 'class' in value ? [value as Node, ...inner] : inner
}

function listReferences(nodes: readonly Node[]): Reference[] {
  return nodes.flatMap(({ column_names: names, query_location: location = 0 }) =>
    names ? [{ names, location: location - selectStart.length }] : [],
  )
}

/** What an expression depends on other than its row; undefined if nothing. */
async function findDependence(
  session: Session,
  nodes: readonly Node[],
  checked = new Set<string>(),
): Promise<string | undefined> {
  for (const node of nodes) {
    const reason = findNodeDependence(node)
    if (reason !== undefined) return reason
  }
  const called = nodes.flatMap(({ function_name: name }) => (name === undefined ? [] : [name.toLowerCase()]))
  const names = [...new Set(called)].filter((name) => !checked.has(name))
  if (names.length === 0) return undefined
  const overloads = await readOverloads(session)
  for (const name of names) {
    checked.add(name)
    const own = overloads.get(name)
    if (own === undefined) return `DuckDB has no scalar function ${name}`
    for (const [, type, stability, body] of own) {
      const reason =
        type === 'macro'
          ? await findMacroDependence(session, name, String(body), checked)
          : findFunctionDependence(name, type, stability)
      if (reason !== undefined) return reason
    }
  }
  return undefined
}

let allOverloads: ReadonlyMap<string, readonly unknown[][]> | undefined

/** The functions of DuckDB by name. All sessions have the same, and DuckDB takes 25 ms to list them: one listing serves the process. */
async function readOverloads(session: Session): Promise<ReadonlyMap<string, readonly unknown[][]>> {
  if (allOverloads !== undefined) return allOverloads
  const rows = await session.readRows(`SELECT DISTINCT lower(function_name), function_type, stability, macro_definition
    FROM duckdb_functions() WHERE function_type IN ('scalar', 'aggregate', 'macro')`)
  const overloads = new Map<string, unknown[][]>()
  for (const row of rows) {
    const name = String(row[0])
    overloads.set(name, [...(overloads.get(name) ?? []), row])
  }
  allOverloads = overloads
  return overloads
}

async function findMacroDependence(
  session: Session,
  name: string,
  body: string,
  checked: Set<string>,
): Promise<string | undefined> {
  const [parsed = ''] = await parseSelects(session, [body])
  const nodes = listNodes(JSON.parse(parsed))
  const names = listReferences(nodes).flatMap(({ names }) => names.map((name) => name.toLowerCase()))
  const columnless = names.find((name) => columnlessFunctions.has(name))
  const reason = columnless
    ? `${columnless} may give another value in each query`
    : await findDependence(session, nodes, checked)
  return reason && `${name} is ${body}: ${reason}`
}

function findFunctionDependence(name: string, type: unknown, stability: unknown): string | undefined {
  if (type === 'aggregate') return `${name} is an aggregate`
  if (stability === 'VOLATILE') return `${name} may give another value at each call`
  if (stability === 'CONSISTENT_WITHIN_QUERY') return `${name} may give another value in each query`
  return rowFunctions.has(name) ? undefined : `${name} may depend on more than its arguments`
}

function findNodeDependence(node: Node): string | undefined {
  if (node.class === 'WINDOW') return 'a window function reads other rows'
  if (!expressionClasses.includes(node.class) || node.type === 'GROUPING_FUNCTION') return `it has a ${node.type}`
  if (node.subquery !== undefined && !isWithoutTables(node.subquery.node))
    return 'a subquery over tables reads other rows'
  if (/"TIME WITH TIME ZONE"/.test(JSON.stringify(node.cast_type))) {
    return 'a time with a zone but no date takes the offset of today'
  }
  const name = String(node.function_name).toLowerCase()
  if (!listAggregations.has(name)) return undefined
  const aggregate = node.schema === '' ? node.children?.[1] : undefined
  if (aggregate?.class === 'CONSTANT' && listAggregates.has(String(aggregate.value?.value).toLowerCase()))
    return undefined
  return `${name} must name an aggregate such as 'sum', which depends on its list alone`
}

/** True if a query reads no tables. */
function isWithoutTables({ type, from_table: from, modifiers, sample }: Query): boolean {
  return type === 'SELECT_NODE' && from.type === 'EMPTY' && modifiers.length === 0 && sample === null
}

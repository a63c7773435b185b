import { UsageError } from '../cli/failures.ts'
import { type Scan, table } from '../cli/scans.ts'
import { quoted, type Session } from '../cli/session.ts'
import type { Options } from '../cli/totals.ts'

/** Of a parsed expression, beside expressions themselves: queries over nothing but values, and what types and orders have. */
const harmless =
  /^(SELECT_NODE|SET_OPERATION_NODE|EMPTY|SUBQUERY|EXPRESSION_LIST|JOIN|(ORDER|LIMIT|LIMIT_PERCENT|DISTINCT)_MODIFIER|ORDER_DEFAULT|ASCENDING|DESCENDING|\w+_TYPE_INFO)$/
const generators = ['unnest', 'range', 'generate_series']
const meddling = ['current_setting', 'getenv', 'getvariable', 'write_log', 'sleep_ms', 'pg_sleep', 'nextval', 'currval']

interface Parsed {
  readonly class?: string
  readonly type?: unknown
  readonly function?: { readonly function_name?: string }
  readonly function_name?: unknown
  readonly column_names?: readonly string[]
}

/** What DuckDB says of a file, and of its place among those of a scan, where no column has the name. */
const virtual = ['filename', 'file_index']

/**
 * Refuses expressions over anything but the columns of the file: no tables, no files, no functions of the system's. What
 * it gives are the references that are to the file's columns only where the file has them: see `assertColumns`.
 *
 * @throws {UsageError}
 */
export async function assertHarmless(session: Session, options: Options): Promise<string[][]> {
  const references: string[][] = []
  for (const option of ['input', 'label', 'by'] as const) {
    const expression = options[option]
    if (expression === undefined) continue
    await session.assertExpression(`--${option}`, expression)
    const [parsed = ''] = await session.texts(`SELECT json_serialize_sql(${quoted(`SELECT (${expression})`)})`)
    JSON.parse(parsed, (_, node: Parsed | null) => {
      const found = harmIn(node)
      if (found !== undefined) {
        throw new UsageError(`--${option} must be over the columns of the file alone for workers, got ${found}`)
      }
      const names = node?.column_names?.map((name) => name.toLowerCase())
      if (names?.some((name) => virtual.includes(name))) references.push(names)
      return node
    })
  }
  return references
}

/**
 * Refuses references to a file's name or place, which are others for a worker, where they are not to columns of it.
 *
 * @throws {UsageError}
 */
export async function assertColumns(session: Session, scan: Scan, references: readonly string[][]): Promise<void> {
  if (references.length === 0) return
  const columns = await session.texts(`SELECT lower(column_name) FROM (DESCRIBE FROM ${table(scan)})`)
  const other = references.find((names) => !names.some((name) => columns.includes(name)))
  if (other === undefined) return
  throw new UsageError(`${scan.files[0]}: workers do not score by ${other.join('.')}, which is no column of the file`)
}

function harmIn(node: Parsed | null): string | undefined {
  if (typeof node !== 'object' || node === null) return undefined
  if (meddling.includes(String(node.function_name).toLowerCase())) return `the function ${node.function_name}`
  if (node.class !== undefined || typeof node.type !== 'string') return undefined
  if (node.type !== 'TABLE_FUNCTION') return harmless.test(node.type) ? undefined : `a ${node.type}`
  const name = String(node.function?.function_name)
  return generators.includes(name.toLowerCase()) ? undefined : `the table function ${name}`
}

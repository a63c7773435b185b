import { fileError, message, option } from '../errors.ts'
import { type Lookup, lookupOf, type Pair } from '../pair.ts'
import { elementTypeOf } from './embedding-lists.ts'
import { assertUnique, describeTypes, equalIds, findTable, type Ids } from './ids.ts'
import { assertOwnColumns, openScans, virtualColumns } from './open-scans.ts'
import { fromClause, type Scan, sqlOf } from './scan.ts'
import { isScorable } from './scored-types.ts'
import type { Session } from './session.ts'
import { quoteName } from './sql.ts'

/**
 * Adds the embeddings that left and right are looked up in, if the input is such a pair, to scans.
 *
 * @throws {RangeError} ERR_INVALID_ARG_VALUE, with `option`: the file of embeddings has another format
 * @throws {Error} ERR_INVALID_FILE, with `option` and `file`: it has an id twice, no column of lists, or several
 * @throws {Error} ENOENT, with `file`
 */
export async function attachLookup(
  session: Session,
  scans: readonly Scan[],
  input: string | Pair | undefined,
  signal: AbortSignal,
): Promise<Scan[]> {
  const lookup = lookupOf(input)
  if (typeof input !== 'object' || lookup === undefined) return [...scans]
  const table = await openTable(session, lookup, signal)
  const attached: Scan[] = []
  for (const scan of scans) {
    const types = await describeTypes(session, scan, [input.left, input.right])
    const [left = '', right = ''] = (['left', 'right'] as const).map((side, i) => {
      const pairs = {
        file: scan.files[0] ?? '',
        option: side,
        text: input[side],
        sql: `${side}_id`,
        type: types[i] as string,
      }
      return equalIds(pairs, { ...table, sql: `${side}_table.id` })
    })
    attached.push({ ...scan, lookup: { file: lookup.file, sql: table.rows, type: table.embeddingType, left, right } })
  }
  return attached
}

/** The file of embeddings as a table. */
interface Table extends Omit<Ids, 'sql'> {
  /** what follows FROM to read it as columns id and embedding */
  readonly rows: string
  readonly embeddingType: string
}

async function openTable(session: Session, lookup: Lookup, signal: AbortSignal): Promise<Table> {
  const { file, id, embedding } = lookup
  const source = await findTable('embeddings', file)
  const texts = { id, ...(embedding !== undefined && { embedding }) }
  const [scan] = await openScans(session, [source], texts, signal)
  if (scan === undefined) throw fileError(`${file}: the file has no rows`, { option: 'embeddings', file })
  assertOwnColumns(scan, virtualColumns)
  const column = embedding ?? findListColumn(scan, file)
  const [type = '', embeddingType = ''] = await describeTypes(session, scan, [id, column])
  const expressions = [id, column].map((text) => `(${sqlOf(scan, text)})`)
  const rows = `(SELECT ${expressions} FROM ${fromClause(scan)}) AS rows(id, embedding)`
  const ids = { file, option: 'id', text: id, type }
  await assertUnique(session, rows, { ...ids, sql: 'id' })
  return { ...ids, rows: `(FROM ${rows})`, embeddingType }
}

/** The name of the only column of lists of numbers. */
function findListColumn({ columns }: Scan, file: string): string {
  const lists = columns.filter(({ type }) => isScorable('input', elementTypeOf(type) ?? ''))
  const [only, ...others] = lists
  if (only !== undefined && others.length === 0) return quoteName(only.tableName)
  const names = lists.map(({ name }) => name).join(', ')
  const found = only === undefined ? 'no column of lists of numbers' : `several columns of lists of numbers, ${names}`
  throw fileError(message`${file}: has ${found}; ${option('embedding')} names one`, { option: 'embedding', file })
}

import type { Session } from './session.ts'
import { quoteFiles } from './sql.ts'

/** What the metadata of a Parquet file says of its columns. */
export interface ParquetSchema {
  /** equal for files that one scan reads as each by itself would be read */
  readonly hash: string
  /** the names of the columns, in their order */
  readonly names: readonly string[]
}

/** The schemas of files by their paths, without those of files that cannot be read. */
export async function readParquetSchemas(
  session: Session,
  files: readonly string[],
): Promise<Map<string, ParquetSchema>> {
  const distinct = [...new Set(files)]
  const schemas = await querySchemas(session, distinct).catch(unreadable)
  // One file that cannot be read fails the query for all. DuckDB may also spell a path in another way.
  for (const file of distinct.filter((each) => !schemas.has(each))) {
    const [schema] = (await querySchemas(session, [file]).catch(unreadable)).values()
    if (schema !== undefined) schemas.set(file, schema)
  }
  return schemas
}

const unreadable = () => new Map<string, ParquetSchema>()

interface SchemaElement {
  readonly name: string
  readonly children: number | null
}

const columnProperties =
  'row(name, type, type_length, repetition_type, num_children, converted_type, scale, precision, logical_type)'

async function querySchemas(session: Session, files: readonly string[]): Promise<Map<string, ParquetSchema>> {
  if (files.length === 0) return new Map()
  const rows =
    await session.readRows(`SELECT hash, to_json(any_value(elements))::VARCHAR, to_json(list(file_name))::VARCHAR
    FROM (SELECT file_name, md5(to_json(list(${columnProperties} ORDER BY place))::VARCHAR) AS hash,
        list({ 'name': name, 'children': num_children } ORDER BY place) AS elements
      FROM (SELECT *, row_number() OVER () AS place FROM parquet_schema(${quoteFiles(files)})) GROUP BY file_name)
    GROUP BY hash`)
  return new Map(
    rows.flatMap(([hash, elements, names]) => {
      const schema = { hash: String(hash), names: topLevelNames(JSON.parse(String(elements))) }
      return (JSON.parse(String(names)) as string[]).map((file): [string, ParquetSchema] => [file, schema])
    }),
  )
}

/** The names of the root's children; the elements of a schema are a tree in depth-first order. */
function topLevelNames(elements: readonly SchemaElement[]): string[] {
  const skipSubtree = (index: number): number => {
    let next = index + 1
    for (let child = 0; child < (elements[index]?.children ?? 0); child++) next = skipSubtree(next)
    return next
  }
  const names = []
  for (let index = 1; index < elements.length; index = skipSubtree(index)) names.push(elements[index]?.name ?? '')
  return names
}

import { splitPath, system } from '../system.ts'
import type { NamedColumn } from './columns.ts'
import { fromClause, type ScanFiles, type ScanSource } from './scan.ts'
import type { QueryColumn, Session } from './session.ts'

/** A folder named `key=value`, as Hive names the folders of a partition. */
interface PartitionFolder {
  readonly key: string
  readonly value: string
}

/** The value of a folder whose rows have a null. */
const nullValue = '__HIVE_DEFAULT_PARTITION__'

/** Folder names that DuckDB prints as they are once it has read them as numbers or dates. */
const canonicalValues = [/^-?(0|[1-9]\d*)$/, /^\d{4}-\d\d-\d\d$/]

function parseFolders(file: string, of = system): PartitionFolder[] {
  return splitPath(file, of)
    .slice(0, -1)
    .flatMap((name) => {
      const [, key, value] = /([^=]+)=(.*)/s.exec(name) ?? []
      return key === undefined || value === undefined ? [] : [{ key, value }]
    })
}

/** The keys of the folders around a file, from the outermost on. */
export function partitionKeysOf(file: string, of = system): string[] {
  return parseFolders(file, of).map(({ key }) => key)
}

/** The columns that folders are named for: none if a column of the files has such a name, as DuckDB would replace that column. */
export function findFolderColumns(
  { file, partitions }: Pick<ScanSource, 'file' | 'partitions'>,
  fileColumns: readonly NamedColumn[],
): NamedColumn[] {
  const keys = partitions ? Object.keys(partitions) : [...new Set(partitionKeysOf(file))]
  const names = new Set(fileColumns.map(({ tableName }) => tableName.toLowerCase()))
  return keys.some((key) => names.has(key.toLowerCase())) ? [] : keys.map((key) => ({ name: key, tableName: key }))
}

/**
 * The types of the columns that folders are named for: the types that DuckDB finds, but VARCHAR if it would not print
 * all values as the folders spell them.
 */
export async function readPartitionTypes(
  session: Session,
  files: ScanFiles,
  keys: readonly string[],
): Promise<Record<string, string>> {
  const folders = files.files.flatMap((file) => parseFolders(file))
  const isText = (key: string) => {
    const values = folders.filter((folder) => folder.key === key && folder.value !== nullValue)
    return !canonicalValues.some((pattern) => values.every(({ value }) => pattern.test(value)))
  }
  const texts = Object.fromEntries(keys.filter(isText).map((key) => [key, 'VARCHAR']))
  if (keys.every((key) => key in texts)) return texts
  const columns = await session
    .describe(`FROM ${fromClause({ ...files, partitions: texts })}`)
    .catch((): QueryColumn[] => [])
  return Object.fromEntries(keys.map((key) => [key, columns.find(({ name }) => name === key)?.type ?? 'VARCHAR']))
}

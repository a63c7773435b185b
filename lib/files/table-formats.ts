import { access, readdir, realpath } from 'node:fs/promises'
import { basename, dirname, join, normalize } from 'node:path'
import { fileError } from './errors.ts'

/** Tables of many files, of which only some hold rows that count. */
interface TableFormat {
  readonly name: string
  /** what its folder has; `*` stands for any text */
  readonly mark: string
  /** DuckDB's function that reads it, or else a program that does */
  readonly reader: string
}

const formats: readonly TableFormat[] = [
  { name: 'a Delta table', mark: '_delta_log', reader: 'delta_scan' },
  { name: 'an Iceberg table', mark: 'metadata/*.metadata.json', reader: 'iceberg_scan' },
  { name: 'an Iceberg table', mark: 'metadata/version-hint.text', reader: 'iceberg_scan' },
  { name: 'a Hudi table', mark: '.hoodie', reader: 'Spark' },
  { name: 'a Paimon table', mark: 'manifest/manifest-list-*', reader: 'Spark' },
  { name: 'a table of Spark streaming', mark: '_spark_metadata', reader: 'Spark' },
  { name: 'a DuckLake table', mark: 'ducklake-*.parquet', reader: 'DuckDB' },
]

const datasetMark = 'dataset_info.json'

/** Refuses files of tables, of which only a reader of the table knows which rows count. */
export class Tables {
  readonly #formats = new Map<string, Promise<TableFormat | undefined>>()
  readonly #datasets = new Map<string, Promise<boolean>>()

  /** `isNamed`: whether the name of the file, or a pattern for it, was given, and not that of a folder around it. */
  async assertNone(file: string, isNamed: boolean): Promise<void> {
    const folder = dirname(file)
    if ((!isNamed || /^cache-.*\.arrow$/.test(basename(file))) && (await this.#isDataset(folder))) {
      throw fileError(
        `${folder}: a Hugging Face dataset (it has ${datasetMark}), beside whose data cache-*.arrow are results of map(); name its data, such as '${join(folder, 'data-*.arrow')}'`,
        { file: folder },
      )
    }
    for (const each of [...foldersOf(normalize(file)), ...foldersOf(await realpath(file))]) {
      const format = await this.#formatOf(each)
      if (format !== undefined) throw fileError(`${each}: ${describe(format, each)}`, { file: each })
    }
  }

  #formatOf(folder: string): Promise<TableFormat | undefined> {
    const known = this.#formats.get(folder) ?? findFormat(folder)
    this.#formats.set(folder, known)
    return known
  }

  #isDataset(folder: string): Promise<boolean> {
    const known = this.#datasets.get(folder) ?? has(folder, datasetMark)
    this.#datasets.set(folder, known)
    return known
  }
}

function describe({ name, mark, reader }: TableFormat, folder: string): string {
  const [, extension] = /^(\w+)_scan$/.exec(reader) ?? []
  const advice =
    extension === undefined
      ? `export its rows with its own reader, such as ${reader}`
      : `export its rows, as DuckDB does: INSTALL ${extension}; LOAD ${extension}; COPY (FROM ${reader}('${folder}')) TO 'rows.parquet'`
  return `${name} (it has ${mark}), whose files also hold rows that do not count, such as deleted ones; ${advice}`
}

/** All folders above a file, the nearest first. */
function foldersOf(file: string): string[] {
  const folder = dirname(file)
  return folder === file ? [] : [folder, ...foldersOf(folder)]
}

async function findFormat(folder: string): Promise<TableFormat | undefined> {
  for (const format of formats) if (await has(folder, format.mark)) return format
  return undefined
}

async function has(folder: string, mark: string): Promise<boolean> {
  const [start = '', end] = basename(mark).split('*')
  const path = join(folder, mark)
  if (end === undefined) {
    return access(path).then(
      () => true,
      () => false,
    )
  }
  const names = await readdir(dirname(path)).catch((): string[] => [])
  return names.some((name) => name.startsWith(start) && name.endsWith(end))
}

import { basename, dirname } from 'node:path'
import { fileError } from './errors.ts'
import type { FileSystem } from './file-system.ts'

/** A format of tables of many files, whose files also hold rows that do not count. */
interface TableFormat {
  readonly name: string
  /** a path in the table's folder that shows the format: of a folder, if it ends in /; `*` stands for any text */
  readonly marker: string
  /** DuckDB's function that reads it, or else a program that does */
  readonly reader: string
}

const formats: readonly TableFormat[] = [
  { name: 'a Delta table', marker: '_delta_log/', reader: 'delta_scan' },
  { name: 'an Iceberg table', marker: 'metadata/*.metadata.json', reader: 'iceberg_scan' },
  { name: 'an Iceberg table', marker: 'metadata/version-hint.text', reader: 'iceberg_scan' },
  { name: 'a Hudi table', marker: '.hoodie/', reader: 'Spark' },
  { name: 'a Paimon table', marker: 'manifest/manifest-list-*', reader: 'Spark' },
  { name: 'a table of Spark streaming', marker: '_spark_metadata/', reader: 'Spark' },
  { name: 'a DuckLake table', marker: 'ducklake-*.parquet', reader: 'DuckDB' },
]

const datasetMarker = 'dataset_info.json'

/** Folders that were searched for the markers of tables, each once. */
export class TableFolders {
  readonly #files: FileSystem
  readonly #formats = new Map<string, Promise<TableFormat | undefined>>()
  readonly #datasets = new Map<string, Promise<boolean>>()

  constructor(files: FileSystem) {
    this.#files = files
  }

  /**
   * Refuses a file of a table: only a reader of the table knows which of its rows count.
   *
   * @param isNamed true if the file or a pattern for it was given, and not a folder around it
   */
  async assertNotInTable(file: string, isNamed: boolean): Promise<void> {
    const folder = dirname(file)
    if ((!isNamed || /^cache-.*\.arrow$/.test(basename(file))) && (await this.#isDataset(folder))) {
      throw fileError(
        `${folder}: a Hugging Face dataset (it has ${datasetMarker}), beside whose data cache-*.arrow are results of map(); name its data, such as '${folder}/data-*.arrow'`,
        { file: folder },
      )
    }
    for (const each of await this.#files.listFolders(file)) {
      const format = await this.#formatOf(each)
      if (format !== undefined) throw fileError(`${each}: ${describeTable(format, each)}`, { file: each })
    }
  }

  #formatOf(folder: string): Promise<TableFormat | undefined> {
    const known = this.#formats.get(folder) ?? findFormat(folder, this.#files)
    this.#formats.set(folder, known)
    return known
  }

  #isDataset(folder: string): Promise<boolean> {
    const known = this.#datasets.get(folder) ?? this.#files.hasMarker(folder, datasetMarker)
    this.#datasets.set(folder, known)
    return known
  }
}

function describeTable({ name, marker, reader }: TableFormat, folder: string): string {
  const [, extension] = /^(\w+)_scan$/.exec(reader) ?? []
  const advice =
    extension === undefined
      ? `export its rows with its own reader, such as ${reader}`
      : `export its rows, as DuckDB does: INSTALL ${extension}; LOAD ${extension}; COPY (FROM ${reader}('${folder}')) TO 'rows.parquet'`
  return `${name} (it has ${marker.replace(/\/$/, '')}), whose files also hold rows that do not count, such as deleted ones; ${advice}`
}

async function findFormat(folder: string, files: FileSystem): Promise<TableFormat | undefined> {
  for (const format of formats) if (await files.hasMarker(folder, format.marker)) return format
  return undefined
}

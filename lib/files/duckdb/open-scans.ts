import { stat } from 'node:fs/promises'
import { errorAt, fileError, given, isOptionError, type Message, message, optionError, set } from '../errors.ts'
import { isRemote } from '../remote.ts'
import { resolveTexts } from './column-uses.ts'
import { type Column, type NamedColumn, nameColumns } from './columns.ts'
import { explainCsvError } from './csv-errors.ts'
import { readCsvHead } from './csv-format.ts'
import { type CsvSchema, type CsvSource, readCsvSchema } from './csv-types.ts'
import { findNonColumn } from './expressions.ts'
import { readJsonColumns, readJsonSchema } from './json-types.ts'
import { type ParquetSchema, readParquetSchemas } from './parquet-schemas.ts'
import { findFolderColumns, partitionKeysOf, readPartitionTypes } from './partitions.ts'
import { readState } from './remote-files.ts'
import { fromClause, type Scan, type ScanFiles, type ScanOptions, type ScanSource } from './scan.ts'
import type { QueryColumn, Session } from './session.ts'
import { assertComplete } from './truncation.ts'

/**
 * Opens one scan for each schema or, with `isInOrder`, as few as keep the order of the files. Files that cannot be read have
 * no columns; DuckDB reports them when it reads them.
 */
export async function openScans(
  session: Session,
  sources: readonly ScanSource[],
  options: ScanOptions,
  signal: AbortSignal,
  isInOrder = false,
): Promise<Scan[]> {
  const scans: Scan[] = []
  for (const group of await groupSources(session, sources, options, signal, isInOrder)) {
    signal.throwIfAborted()
    scans.push(await openScan(session, group, options))
  }
  return scans
}

/** Files of one kind and schema, as far as it is known before they are opened as one. */
interface SourceGroup {
  readonly first: ScanSource
  readonly files: string[]
  readonly parquet?: ParquetSchema | undefined
  readonly csv?: CsvSchema | undefined
}

async function groupSources(
  session: Session,
  sources: readonly ScanSource[],
  options: ScanOptions,
  signal: AbortSignal,
  isInOrder: boolean,
): Promise<SourceGroup[]> {
  const parquetFiles = sources.filter(({ kind }) => kind === 'Parquet').map(({ file }) => file)
  const parquetSchemas = await readParquetSchemas(session, parquetFiles)
  const groups: SourceGroup[] = []
  /** the groups that may take more files, by what their files have in common */
  const open = new Map<string, SourceGroup>()
  let numberHeader: string | undefined
  for (const source of sources) {
    const { file, kind, compression, partitions = partitionKeysOf(file) } = source
    signal.throwIfAborted()
    const hasText = await assertComplete(session, source, signal)
    if (kind === 'NDJSON' && !hasText) continue
    if (!parquetSchemas.has(file) && (await findSize(session, file)) === 0) {
      throw fileError(`${file}: the file is empty${kind === 'Parquet' ? '' : ', without even a header'}`, { file })
    }
    const csv = isCsv(source) ? await reportAt(file, () => readCsvSchema(session, source, options, signal)) : undefined
    if (csv?.hasNumberHeader) numberHeader ??= file
    const parquet = parquetSchemas.get(file)
    // A Parquet file that cannot be read is a scan of its own.
    const schema = kind === 'Parquet' ? (parquet?.hash ?? file) : csv?.schema
    const key = JSON.stringify([kind, compression, schema, partitions])
    if (isInOrder && !open.has(key)) open.clear()
    const group = open.get(key) ?? { first: source, files: [], parquet, csv }
    if (group.files.length === 0) groups.push(group)
    group.files.push(file)
    open.set(key, group)
  }
  if (numberHeader !== undefined) options.onNote?.(describeNumberHeader(numberHeader))
  return groups
}

async function findSize(session: Session, file: string): Promise<number> {
  const { size } = isRemote(file) ? await readState(session, file) : await stat(file)
  return size
}

async function openScan(
  session: Session,
  { first, files, parquet, csv }: SourceGroup,
  options: ScanOptions,
): Promise<Scan> {
  const { kind, compression } = first
  const bare = { kind, compression, files }
  const text =
    kind === 'NDJSON' ? await reportAt(files.join(', '), () => readJsonSchema(session, bare, first, options)) : csv
  const schema = text?.schema ?? { columns: await readParquetColumns(session, bare, parquet) }
  const { columns: fileColumns, ...reading } = schema
  const keys = findFolderColumns(first, fileColumns).map(({ name }) => name)
  const partitions =
    keys.length === 0
      ? undefined
      : (first.partitions ?? (await readPartitionTypes(session, { ...bare, ...reading }, keys)))
  const folderColumns = Object.entries(partitions ?? {}).map(([key, type]) => ({ name: key, tableName: key, type }))
  const columns = [...fileColumns, ...folderColumns]
  const expressions = text?.expressions ?? (await reportAt(first.file, () => resolveTexts(session, columns, options)))
  return { ...bare, ...reading, ...(partitions && { partitions }), columns, expressions }
}

/** The columns of files of Parquet; none if DuckDB cannot read the first of them. */
async function readParquetColumns(
  session: Session,
  files: ScanFiles,
  schema: ParquetSchema | undefined,
): Promise<Column[]> {
  const described = await session.describe(`FROM ${fromClause(files)}`).catch((): QueryColumn[] => [])
  return described.map(({ name, type }, index) => ({ name: schema?.names[index] ?? name, tableName: name, type }))
}

/** Columns that DuckDB adds to a file, and that differ between machines. A file's own columns of these names are read. */
export const virtualColumns: readonly string[] = ['filename', 'file_index']

/** Refuses names that are no columns, but that DuckDB reads as functions or as columns that it adds. */
export function assertOwnColumns(scan: Scan, added: readonly string[] = ['file_index']): void {
  const columns = new Set(scan.columns.map(({ tableName }) => tableName.toLowerCase()))
  for (const [text, { option, references }] of scan.expressions) {
    const name = findNonColumn(references, columns, added)
    if (name === undefined) continue
    const reason = `${scan.files[0]} has no column ${name}`
    throw optionError(option, message`${given(option, text)} is not a function of its row alone: ${reason}`)
  }
}

/**
 * Refuses texts that the columns of the first file show to be wrong; `columns` has them if the file was opened already. A file
 * that cannot be read is left for a worker to report.
 */
export async function assertResolvable(
  session: Session,
  [source]: readonly ScanSource[],
  options: ScanOptions,
  signal: AbortSignal,
  columns?: readonly NamedColumn[],
): Promise<void> {
  if (source === undefined) return
  const known = columns ?? (await readNames(session, source, options, signal))
  if (known !== undefined) await reportAt(source.file, () => resolveTexts(session, known, options))
}

/** The names of a file's columns; undefined if it is CSV that cannot be read. */
export async function readNames(
  session: Session,
  source: ScanSource,
  options: ScanOptions,
  signal: AbortSignal,
): Promise<readonly NamedColumn[] | undefined> {
  const { file, kind, compression } = source
  const files = { kind, compression, files: [file] }
  if (kind === 'NDJSON') return readJsonColumns(session, files)
  if (!isCsv(source)) return readParquetColumns(session, files, (await readParquetSchemas(session, [file])).get(file))
  const head = await readCsvHead(session, source, options, signal).catch(() => undefined)
  if (head?.hasNumberHeader) options.onNote?.(describeNumberHeader(file))
  return head && nameColumns(head.base.names)
}

function isCsv(source: ScanSource): source is CsvSource {
  return source.kind === 'CSV' || source.kind === 'TSV'
}

function describeNumberHeader(file: string): Message {
  const advice = message`${set({ header: false })} takes it for data, ${set({ header: true })} for a header without this message`
  return message`${file}: the first row, which has numbers alone, is taken for the header; ${advice}`
}

/** Runs `work`; the file is put before the message of an error about the data. */
async function reportAt<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (isOptionError(cause) || !(cause instanceof Error)) throw cause
    throw errorAt(file, explainCsvError(cause))
  }
}

import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from './failures.ts'
import { assertLocal } from './remote.ts'

const kinds = new Map([
  ['parquet', 'Parquet'],
  ['csv', 'CSV'],
  ['tsv', 'TSV'],
  ['json', 'NDJSON'],
  ['ndjson', 'NDJSON'],
  ['jsonl', 'NDJSON'],
  ['arrow', 'Arrow'],
  ['ipc', 'Arrow'],
  ['feather', 'Arrow'],
  ['arrows', 'Arrow'],
] as const)
const compressions: Readonly<Record<string, string>> = { gz: 'gzip', zst: 'zstd' }
const supported = `${[...kinds.keys()].map((end) => `.${end}`).join(', ')}; text also with .gz or .zst`

export interface Source {
  file: string
  kind: 'Parquet' | 'CSV' | 'TSV' | 'NDJSON' | 'Arrow'
  /** in DuckDB's words */
  compression: string
}

function sourceOf(file: string): Source | undefined {
  const [, end = '', suffix = ''] = /\.(\w+?)(?:\.(gz|zst))?$/i.exec(file.toLowerCase()) ?? []
  const kind = kinds.get(end as never)
  if (kind === 'Arrow' && suffix !== '') return undefined
  return kind && { file, kind, compression: compressions[suffix] ?? 'uncompressed' }
}

function requireSource(file: string): Source {
  const source = sourceOf(file)
  if (source !== undefined) return source
  const advice = /\.np[yz]$/i.test(file) ? '; arrays are .npy, named by --input and --label without a FILE' : ''
  throw new Error(`${file}: the name of a file must end in one of ${supported}${advice}`)
}

/** What one FILE argument stands for: itself, standard input, all in the folder, or all that match the pattern. */
export async function findSources(path: string, match: (pattern: string) => Promise<string[]>): Promise<Source[]> {
  assertLocal(path)
  if (path === '-') return [{ file: path, kind: 'Arrow', compression: 'uncompressed' }]
  try {
    const status = await stat(path)
    if (status.isDirectory()) return await sourcesIn(path)
    if (!status.isFile()) throw new Error(`${path}: neither a file nor a folder`)
    return [requireSource(path)]
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR'].includes(codeOf(error))) throw error
    if (!/[*?[]/.test(path)) throw new Error(`${path}: no such file or folder`)
    const files = await match(path)
    if (files.length === 0) throw new Error(`${path}: no file matches`)
    return files.map(requireSource)
  }
}

async function sourcesIn(folder: string): Promise<Source[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true })
  const files = entries.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name))
  const links = entries.filter((entry) => entry.isSymbolicLink()).map((entry) => join(entry.parentPath, entry.name))
  for (const link of links) {
    const target = await stat(link).catch(() => undefined)
    if (target === undefined) throw new Error(`${link}: a link to nothing`)
    if (target.isDirectory()) throw new Error(`${link}: a link to a folder is not followed; name the folder`)
  }
  const sources = files.sort().flatMap((file) => sourceOf(file) ?? [])
  const [kind, ...others] = new Set(sources.map((source) => source.kind))
  if (kind === undefined) throw new Error(`${folder}: the folder has no file that ends in one of ${supported}`)
  if (others.length === 0) return sources
  throw new Error(`${folder}: the folder mixes ${[kind, ...others].join(' and ')}; name the files, or a pattern`)
}

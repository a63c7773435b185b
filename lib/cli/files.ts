import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from './failures.ts'

const kinds: Readonly<Record<string, string>> = {
  parquet: 'Parquet',
  csv: 'CSV',
  tsv: 'TSV',
  json: 'NDJSON',
  ndjson: 'NDJSON',
  jsonl: 'NDJSON',
}
const supported =
  'Parquet (.parquet), CSV (.csv), TSV (.tsv) or NDJSON (.json, .ndjson, .jsonl), text also as .gz or .zst'
const fileName = /\.(?:(parquet)|(csv|tsv|json|ndjson|jsonl)(?:\.(gz|zst))?)$/i
const glob = /[*?[]/

export interface FileKind {
  kind: string
  compression: 'uncompressed' | 'gzip' | 'zstd'
}

function kindOf(path: string): FileKind | undefined {
  const [match, parquet, text, suffix] = fileName.exec(path.toLowerCase()) ?? []
  if (match === undefined) return undefined
  const compression = suffix === undefined ? 'uncompressed' : suffix === 'gz' ? 'gzip' : 'zstd'
  return { kind: kinds[parquet ?? text ?? ''] as string, compression }
}

export function requireKind(path: string): FileKind {
  const found = kindOf(path)
  if (found === undefined) throw new Error(`${path}: a file must be ${supported}`)
  return found
}

/** The path as a pattern that matches nothing else. */
export function literally(path: string): string {
  return path.replace(/[*?[]/g, '[$&]')
}

/** The files that one FILE argument stands for: itself, all in the folder, or all that match the pattern. */
export async function findFiles(path: string, match: (pattern: string) => Promise<string[]>): Promise<string[]> {
  try {
    return (await stat(path)).isDirectory() ? await filesIn(path) : [path]
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    if (!glob.test(path)) throw new Error(`${path}: no such file or folder`)
    const files = await match(path)
    if (files.length === 0) throw new Error(`${path}: no file matches`)
    return files
  }
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true })
  const files = entries.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name))
  const found = files.filter((file) => kindOf(file) !== undefined).sort()
  const distinct = [...new Set(found.map((file) => requireKind(file).kind))]
  if (distinct.length === 0) throw new Error(`${folder}: the folder has no file that is ${supported}`)
  if (distinct.length > 1)
    throw new Error(`${folder}: the folder mixes ${distinct.join(' and ')}; name the files, or a pattern`)
  return found
}

import { fileURLToPath } from 'node:url'
import { UsageError } from './errors.ts'

/** Refuses a URL where a path is expected, as a FILE or as the value of an option. */
export function assertLocal(path: string, option?: string): void {
  const [, scheme] = /^([a-z][a-z0-9+.-]*):\/\//i.exec(path) ?? []
  if (scheme === undefined) return
  const advice = scheme.toLowerCase() === 'file' ? `give the path instead of the URL, ${pathOf(path)}` : remote(option)
  if (option === undefined) throw new Error(`${path}: ${advice}`)
  throw new UsageError(`${option} ${path}: ${advice}`)
}

function remote(option?: string): string {
  return option === '--output'
    ? 'remote files are not written yet; write to this machine, then copy the file'
    : 'remote files are not read yet; copy them to this machine first'
}

function pathOf(url: string): string {
  try {
    return fileURLToPath(url)
  } catch {
    return url.replace(/^file:\/\//i, '')
  }
}

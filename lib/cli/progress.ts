import type { Writable } from 'node:stream'
import { groups } from './report.ts'
import type { Progress } from './session.ts'

/** What may be one. */
export type Terminal = Writable & { readonly isTTY?: boolean }

/**
 * A line on a terminal that replaces itself, five times a second, until the returned function ends it; nothing where it is
 * not wanted or cannot be seen.
 */
export function showProgress(
  terminal: Terminal,
  isWanted: boolean,
  unit: string,
  read: () => Progress | undefined,
): () => void {
  const { CI, NO_COLOR } = process.env
  if (!isWanted || !terminal.isTTY || CI || NO_COLOR) return () => {}
  const started = performance.now()
  const replace = (text: string) => terminal.write(`\r\x1b[K${text}`)
  const timer = setInterval(() => {
    const progress = read()
    if (progress !== undefined) replace(line(progress, unit, (performance.now() - started) / 1000))
  }, 200)
  return () => {
    clearInterval(timer)
    replace('')
  }
}

function line({ share, count }: Progress, unit: string, seconds: number): string {
  const parts = [`${groups(count)} ${unit}`, `${groups(Math.round(count / seconds))} ${unit}/s`]
  if (share !== undefined) parts.unshift(`${Math.floor(100 * share)} %`)
  if (share) parts.push(`${Math.ceil((seconds * (1 - share)) / share)} s left`)
  return parts.join(', ')
}

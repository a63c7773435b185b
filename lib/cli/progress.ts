import type { Writable } from 'node:stream'
import { groups } from './report.ts'
import type { Progress } from './session.ts'

/** What may be one. */
export type Terminal = Writable & { readonly isTTY?: boolean }

/** A line on a terminal that replaces itself, five times a second, until the returned function ends it. */
export function showProgress(terminal: Terminal, read: () => Progress | undefined): () => void {
  const started = performance.now()
  const replace = (text: string) => terminal.write(`\r\x1b[K${text}`)
  const timer = setInterval(() => {
    const progress = read()
    if (progress !== undefined) replace(line(progress, (performance.now() - started) / 1000))
  }, 200)
  return () => {
    clearInterval(timer)
    replace('')
  }
}

function line({ share, rows }: Progress, seconds: number): string {
  const parts = [`${groups(rows)} rows`, `${groups(Math.round(rows / seconds))} rows/s`]
  if (share !== undefined) parts.unshift(`${Math.floor(100 * share)} %`)
  if (share) parts.push(`${Math.ceil((seconds * (1 - share)) / share)} s left`)
  return parts.join(', ')
}

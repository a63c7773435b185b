import type { Writable } from 'node:stream'
import { escapeInvisible } from './escape.ts'
import { groups } from './report.ts'

/** How far a run is. */
export interface Progress {
  /** what it does, where that is not the first reading of the files */
  readonly doing?: string | undefined
  /** done, from 0 to 1 */
  share?: number | undefined
  /** rows or shards done */
  count?: number | undefined
}

/** A stream that may be a terminal. */
export type Terminal = Writable & { readonly isTTY?: boolean; readonly columns?: number }

const eraseLine = '\r\x1b[K'

/** The terminals whose last line is a progress line. */
const withLine = new WeakSet<Terminal>()

/** Writes a message on a line of its own. */
export function notify(terminal: Terminal, message: string): void {
  eraseProgress(terminal)
  terminal.write(`hinge-embedding-loss: ${onOneLine(message)}\n`)
}

/** Text without what could break the line or steer a terminal, such as a file name may hold. */
function onOneLine(text: string): string {
  return escapeInvisible(text.trim().replace(/\s*\n\s*/g, ' '))
}

/**
 * Shows a line of progress five times a second, until the returned function is called. Shows nothing where no terminal
 * can show it, or where it is not wanted.
 */
export function showProgress(
  terminal: Terminal,
  isWanted: boolean,
  unit: string,
  read: () => Progress | undefined,
): () => void {
  const { CI, NO_COLOR, TERM } = process.env
  if (!isWanted || !terminal.isTTY || CI || NO_COLOR || TERM === 'dumb') return () => {}
  let started = performance.now()
  let last = started
  let doing: string | undefined
  const timer = setInterval(() => {
    const now = performance.now()
    const progress = read()
    // What began between two lines began at the first of them at the earliest.
    if (progress?.doing !== doing) started = last
    doing = progress?.doing
    last = now
    if (progress === undefined) return
    const line = formatProgress(progress, unit, (now - started) / 1000)
    // A line as wide as the terminal would wrap on some. A terminal of unknown width says 0.
    terminal.write(eraseLine + line.slice(0, (terminal.columns || 80) - 1))
    withLine.add(terminal)
  }, 200)
  return () => {
    clearInterval(timer)
    eraseProgress(terminal)
  }
}

function eraseProgress(terminal: Terminal): void {
  if (withLine.delete(terminal)) terminal.write(eraseLine)
}

export function formatProgress({ doing, share, count }: Progress, unit: string, seconds: number): string {
  const parts = []
  if (share !== undefined) parts.push(`${Math.floor(100 * share)} %`)
  if (count !== undefined) {
    parts.push(`${groups(count)} ${unit}`)
    if (seconds > 0) parts.push(`${groups(Math.round(count / seconds))} ${unit}/s`)
  }
  if (share) parts.push(`${Math.ceil((seconds * (1 - share)) / share)} s left`)
  const figures = parts.join(', ')
  return doing === undefined ? figures : [doing, figures].filter(Boolean).join(': ')
}

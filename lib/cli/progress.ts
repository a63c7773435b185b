import type { Writable } from 'node:stream'
import type { Progress } from '../files/options.ts'
import { escapeInvisible, formatCount, joinLines } from '../format.ts'

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

/** Joins lines, and escapes what could control the terminal: a file name may hold anything. */
function onOneLine(text: string): string {
  return escapeInvisible(joinLines(text))
}

/** The time between two calls of `show`, in milliseconds, with room for a busy event loop. */
const longestInterval = 250

/**
 * Returns a function that shows a line of progress, and one that erases it for good. There is nothing to show where no
 * terminal can show it, or where it is not wanted.
 */
export function showProgress(
  terminal: Terminal,
  isWanted: boolean,
  unit: string,
): { readonly show?: (progress: Progress) => void; readonly end: () => void } {
  const { CI, NO_COLOR, TERM } = process.env
  if (!isWanted || !terminal.isTTY || CI || NO_COLOR || TERM === 'dumb') return { end: () => {} }
  let started = performance.now()
  let last = started
  let doing: string | undefined
  let hasEnded = false
  const show = (progress: Progress) => {
    if (hasEnded) return
    const now = performance.now()
    // A step that began since the last call began after it.
    if (progress.doing !== doing) started = Math.max(last, now - longestInterval)
    doing = progress.doing
    last = now
    const line = formatProgress(progress, unit, (now - started) / 1000)
    // A line as wide as the terminal would wrap on some. A terminal of unknown width says 0.
    terminal.write(eraseLine + line.slice(0, (terminal.columns || 80) - 1))
    withLine.add(terminal)
  }
  const end = () => {
    hasEnded = true
    eraseProgress(terminal)
  }
  return { show, end }
}

function eraseProgress(terminal: Terminal): void {
  if (withLine.delete(terminal)) terminal.write(eraseLine)
}

export function formatProgress({ doing, share, count }: Progress, unit: string, seconds: number): string {
  const parts = []
  if (share !== undefined) parts.push(`${Math.floor(100 * share)} %`)
  if (count !== undefined) {
    parts.push(`${formatCount(count)} ${unit}`)
    if (seconds > 0) parts.push(`${formatCount(Math.round(count / seconds))} ${unit}/s`)
  }
  if (share) parts.push(`${Math.ceil((seconds * (1 - share)) / share)} s left`)
  const figures = parts.join(', ')
  return doing === undefined ? figures : [doing, figures].filter(Boolean).join(': ')
}

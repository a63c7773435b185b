import type { Writable } from 'node:stream'
import type { Progress } from '../files/options.ts'
import { escapeInvisible, formatCount, joinLines } from '../format.ts'
import { cutToWidth } from './width.ts'

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
  const meter = new Meter(unit, performance.now())
  let hasEnded = false
  const show = (progress: Progress) => {
    if (hasEnded) return
    const line = escapeInvisible(meter.describe(progress, performance.now()))
    // A line as wide as the terminal would wrap on some. A terminal of unknown width says 0.
    terminal.write(eraseLine + cutToWidth(line, (terminal.columns || 80) - 1))
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

/** Describes the progress of a run, step after step. */
export class Meter {
  readonly #unit: string
  #last: number
  #doing: string | undefined
  #pace: Pace

  /** @param start the time, in milliseconds */
  constructor(unit: string, start: number) {
    this.#unit = unit
    this.#last = start
    this.#pace = new Pace(start)
  }

  describe(progress: Progress, now: number): string {
    // A step that began since the last call began after it.
    if (progress.doing !== this.#doing) this.#pace = new Pace(Math.max(this.#last, now - longestInterval))
    this.#doing = progress.doing
    this.#last = now
    return formatProgress(progress, this.#unit, this.#pace.measure(progress, now))
  }
}

/** The time within which a change of speed shows, in seconds. */
const inertia = 10
/** How long a step must take, in seconds, and which part of it must be done, before its speed says how long it will take. */
const least = { seconds: 1, share: 0.005 } as const

/** The speed of a step: that of the last seconds, since files and machines are faster at some times than at others. */
class Pace {
  #last: number
  #seconds = 0
  /** what was done in `seconds`; what is older than the inertia counts little in both */
  readonly #done = { share: 0, count: 0, seconds: 0 }
  readonly #before = { share: 0, count: 0 }
  #left: number | undefined

  constructor(start: number) {
    this.#last = start
  }

  measure({ share = 0, count = 0 }: Progress, now: number): Speed {
    const seconds = (now - this.#last) / 1000
    const weight = Math.exp(-seconds / inertia)
    this.#last = now
    this.#seconds += seconds
    this.#done.seconds = this.#done.seconds * weight + seconds
    for (const [name, value] of Object.entries({ share, count }) as ['share' | 'count', number][]) {
      this.#done[name] = this.#done[name] * weight + value - this.#before[name]
      this.#before[name] = value
    }
    if (this.#seconds < least.seconds) return {}
    this.#left = this.#estimate(share, seconds)
    const perSecond = this.#done.count / this.#done.seconds
    return { ...(count > 0 && { perSecond }), ...(this.#left !== undefined && { left: this.#left }) }
  }

  /** The time left: the last one less the time that has passed, corrected little by little, and sooner towards the end. */
  #estimate(share: number, seconds: number): number | undefined {
    const estimate = ((1 - share) * this.#done.seconds) / this.#done.share
    if (share < least.share) return undefined
    if (this.#left === undefined || share === 1) return estimate
    const expected = Math.max(0, this.#left - seconds)
    return expected + (estimate - expected) * (1 - Math.exp(-seconds / Math.min(inertia, estimate / 4)))
  }
}

/** How fast a step goes, and how many seconds of it are left, where they are known. */
interface Speed {
  readonly perSecond?: number
  readonly left?: number
}

export function formatProgress({ doing, share, count }: Progress, unit: string, { perSecond, left }: Speed): string {
  const parts = []
  if (share !== undefined) parts.push(`${Math.floor(100 * share)} %`)
  if (count !== undefined) parts.push(`${formatCount(count)} ${unit}`)
  if (perSecond !== undefined) parts.push(`${formatCount(Math.round(perSecond))} ${unit}/s`)
  if (left !== undefined) parts.push(`${formatTime(left)} left`)
  const figures = parts.join(', ')
  return doing === undefined ? figures : [doing, figures].filter(Boolean).join(': ')
}

/** A time in the largest unit of which there are two at least. */
function formatTime(seconds: number): string {
  if (seconds < 120) return `${Math.ceil(seconds)} s`
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`
}

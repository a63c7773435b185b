import { formatActiveShare, formatCount } from '../format.ts'
import type { LossAccumulator } from '../index.ts'
import type { Histogram, Stratum, View } from './histogram.ts'

/** What the words of a picture are about: all rows of a group, or of all. */
export interface Told {
  readonly total: LossAccumulator
  readonly histogram: Histogram
}

/** A number in four digits, or as many as it has before the point. */
export function short(value: number): string {
  const isLong = Math.abs(value) >= 1e3 && Math.abs(value) < 1e15
  return (isLong ? formatCount(Math.round(value)) : String(Number(value.toPrecision(4)))).replace('-', '−')
}

function counted(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`
}

export function totalWords(total: LossAccumulator, nulls: number, nans: number): string[] {
  const { count, mean, margin, negatives, others, otherLabels } = total
  const fate = otherLabels === 'zero' ? 'counted with a loss of 0' : 'not counted'
  return [
    counted(count, 'row'),
    `mean loss ${short(mean)}`,
    `margin Δ = ${short(margin)}`,
    `${formatCount(negatives.active)} of ${formatCount(negatives.count)} negatives active${formatActiveShare(negatives)}`,
    ...(others > 0 ? [`${counted(others, 'label')} that ${others === 1 ? 'is' : 'are'} neither, ${fate}`] : []),
    ...(nulls > 0 ? [`${counted(nulls, 'row')} with a null left out`] : []),
    ...(nans > 0 ? [`${counted(nans, 'row')} with NaN left out`] : []),
  ]
}

export function positiveWords({ total: { positives }, histogram }: Told, view: View): string[] {
  return [...classWords('positive', positives), ...unseenWords(histogram, ['positive'], view)]
}

export function negativeWords({ total: { negatives }, histogram }: Told, view: View): string[] {
  const active = negatives.count === 0 ? [] : [`${formatCount(negatives.active)} active${formatActiveShare(negatives)}`]
  return [...classWords('negative', negatives), ...active, ...unseenWords(histogram, ['active', 'inactive'], view)]
}

function classWords(name: string, { count, mean }: { count: number; mean: number }): string[] {
  return [counted(count, name), ...(count === 0 ? [] : [`mean loss ${short(mean)}`])]
}

function unseenWords(histogram: Histogram, of: readonly Stratum[], view: View): string[] {
  const { below, above, infinite, nan } = histogram.unseen(of, view)
  const words = {
    [`below ${short(view.low)}`]: below,
    [`above ${short(view.high)}`]: above,
    infinite,
    NaN: nan,
  }
  const parts = Object.entries(words).filter(([, rows]) => rows > 0)
  return parts.map(([where, rows], i) => `${i === 0 ? 'not shown: ' : ''}${formatCount(rows)} ${where}`)
}

/** As wide as text comes out in fonts of wide letters, so that it fits in others. */
export function widthOf(text: string, font: number): number {
  const widths = Array.from(text, (letter) => ((letter.codePointAt(0) ?? 0) < 0x1100 ? 0.63 : 1.05))
  return font * widths.reduce((sum, width) => sum + width, 0)
}

/** On one line, and without what XML has no letters for. */
export function plain(text: string): string {
  return text.replace(/[\s\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]+/gu, ' ').trim()
}

/** Without what does not fit in the width. */
export function fitted(text: string, width: number, font: number): string {
  if (widthOf(text, font) <= width) return text
  const letters = Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment)
  while (letters.length > 0 && widthOf(`${letters.join('')}…`, font) > width) letters.pop()
  return `${letters.join('').trimEnd()}…`
}

/** Parts on as few lines as have room for them, none broken. */
export function wrapped(parts: readonly string[], width: number, font: number, between = ', '): string[] {
  const lines: string[] = []
  for (const part of parts) {
    const longer = lines.length === 0 ? part : `${lines.at(-1)}${between}${part}`
    if (widthOf(longer, font) <= width) lines.splice(-1, 1, longer)
    else lines.push(part)
  }
  return lines
}

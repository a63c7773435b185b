import { describeOthers, formatActiveShare, formatCount } from '../format.ts'
import type { LossAccumulator } from '../index.ts'
import type { Histogram, View } from './histogram.ts'
import { type ClassName, classNames, classStrata, type Stratum } from './strata.ts'

/** The rows of one group, or all rows. */
export interface Panel {
  /** the name of the group */
  readonly name?: string
  readonly total: LossAccumulator
  readonly histogram: Histogram
}

/** What a picture shows. */
export interface ChartData {
  /** the expression of the distance, as the user wrote it */
  readonly input: string
  /** the expression of the groups, as the user wrote it */
  readonly by?: string
  readonly total: LossAccumulator
  readonly panels: readonly Panel[]
  readonly view: View
}

/** A number with four digits, or with all digits before its point if these are more. */
export function formatNumber(value: number): string {
  const isLong = Math.abs(value) >= 1e3 && Math.abs(value) < 1e15
  return (isLong ? formatCount(Math.round(value)) : String(Number(value.toPrecision(4)))).replace('-', '−')
}

function formatQuantity(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`
}

export function formatTitle({ input }: ChartData): string {
  return `Hinge embedding loss of ${input}`
}

/** Phrases about all rows. */
export function describeTotal({ total, by, panels }: ChartData): string[] {
  const { count, mean, margin, negatives, others } = total
  const [nulls, nans] = (['null', 'nan'] as const).map((stratum) =>
    panels.reduce((sum, { histogram }) => sum + histogram.count(stratum), 0),
  ) as [number, number]
  return [
    formatQuantity(count, 'row'),
    `mean loss ${formatNumber(mean)}`,
    `margin Δ = ${formatNumber(margin)}`,
    `${formatCount(negatives.active)} of ${formatCount(negatives.count)} negatives active${formatActiveShare(negatives)}`,
    ...(others > 0
      ? [`${formatQuantity(others, 'label')} that ${others === 1 ? 'is' : 'are'} neither, ${describeOthers(total)}`]
      : []),
    ...(nulls > 0 ? [`${formatQuantity(nulls, 'row')} with a null left out`] : []),
    ...(nans > 0 ? [`${formatQuantity(nans, 'row')} with NaN left out`] : []),
    ...(by === undefined ? [] : [`by ${by}`]),
  ]
}

/** Phrases about the rows of one class in a panel. */
export function describeClass({ total, histogram }: Panel, name: ClassName, view: View): string[] {
  const { count, mean } = total[`${name}s`]
  const { negatives } = total
  const active = `${formatCount(negatives.active)} active${formatActiveShare(negatives)}`
  return [
    formatQuantity(count, name),
    ...(count > 0 ? [`mean loss ${formatNumber(mean)}`] : []),
    ...(count > 0 && name === 'negative' ? [active] : []),
    ...describeHidden(histogram, classStrata[name], view),
  ]
}

function describeHidden(histogram: Histogram, strata: readonly Stratum[], view: View): string[] {
  const { below, above, infinite, nan } = histogram.countHidden(strata, view)
  const counts = {
    [`below ${formatNumber(view.low)}`]: below,
    [`above ${formatNumber(view.high)}`]: above,
    infinite,
    NaN: nan,
  }
  const phrases = Object.entries(counts).filter(([, rows]) => rows > 0)
  return phrases.map(([where, rows], i) => `${i === 0 ? 'not shown: ' : ''}${formatCount(rows)} ${where}`)
}

/** Phrases that say how to read the picture. */
export function describeMarks({ width }: View): string[] {
  return [
    `bars: share of the class in each bin of ${formatNumber(width)}`,
    'filled: positives, and negatives inside the margin (active)',
    'outlined: negatives beyond it, whose loss is 0',
    'dashed: the loss of a row at x, which is x for positives and max(0, Δ − x) for negatives',
  ]
}

/** The picture in words, for readers who do not see it. */
export function describeChart(data: ChartData): string {
  const panels = data.panels.map((panel) => {
    const words = classNames.flatMap((name) => describeClass(panel, name, data.view)).join(', ')
    return panel.name === undefined ? words : `${panel.name}: ${words}`
  })
  return [formatTitle(data), describeTotal(data).join(', '), ...panels].join('. ')
}

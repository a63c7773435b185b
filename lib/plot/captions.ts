import { describeOthers, formatActiveShare, formatCount, formatQuantity } from '../format.ts'
import type { LossAccumulator } from '../index.ts'
import type { ChartData, Panel } from './chart-data.ts'
import { type Histogram, isInView, type View } from './histogram.ts'
import { formatFully, formatNumber, formatPowerOfTwo } from './numbers.ts'
import { type ClassName, classNames, classStrata, isClassName, type Stratum } from './strata.ts'
import { truncateNames } from './text.ts'

/** What is drawn over the margin. */
const marginTitles = { meanLoss: 'mean loss over Δ', activeShare: 'active share over Δ' } as const

export function formatTitle({ input, title }: ChartData): string {
  return title ?? `Hinge embedding loss of ${input}`
}

/** The title of the axis of distances, which are margins too where there are several, or margins alone. */
export function formatAxisTitle({ input, totals, strips, view }: ChartData): string {
  if (!strips.some(isClassName)) return 'margin Δ'
  const isNamed = /^(distance|x)$/i.test(input)
  const subject = !isNamed && /\bdistance\b/i.test(input) ? 'x' : 'distance x'
  const margins = totals.length === 1 ? '' : ' and margin Δ'
  return `${subject}${margins}${view.isLog ? ', logarithmic' : ''}${isNamed ? '' : `: ${input}`}`
}

/** Phrases about all rows. */
export function describeTotal({ totals, by, panels, otherGroups }: ChartData): string[] {
  const [total] = totals as [LossAccumulator]
  const { count, others } = total
  const [nulls, nans] = (['null', 'nan'] as const).map((stratum) =>
    panels.reduce((sum, { histogram }) => sum + histogram.count(stratum), 0),
  ) as [number, number]
  return [
    formatQuantity(count, 'row'),
    ...(totals.length > 1 ? [describeMargins(totals)] : describeLosses(total)),
    ...(others > 0
      ? [`${formatQuantity(others, 'label')} that ${others === 1 ? 'is' : 'are'} neither, ${describeOthers(total)}`]
      : []),
    ...(nulls > 0 ? [`${formatQuantity(nulls, 'row')} with a null left out`] : []),
    ...(nans > 0 ? [`${formatQuantity(nans, 'row')} with NaN left out`] : []),
    ...(by === undefined ? [] : [`by ${by}`]),
    ...(otherGroups === 0 ? [] : [describeGroups(panels.length - 1, otherGroups)]),
  ]
}

function describeGroups(shown: number, others: number): string {
  return `the ${shown} largest of ${formatCount(shown + others)} groups and the other ${formatCount(others)} as one`
}

function describeMargins(totals: readonly LossAccumulator[]): string {
  const [least, most] = [totals[0], totals.at(-1)].map((total) => formatNumber((total as LossAccumulator).margin))
  return `${totals.length} margins Δ from ${least} to ${most}`
}

/** Phrases about the losses of all rows at one margin. */
function describeLosses({ mean, margin, negatives }: LossAccumulator): [mean: string, margin: string, active: string] {
  const active = `${formatCount(negatives.active)} of ${formatCount(negatives.count)} negatives active`
  return [
    `mean loss ${formatNumber(mean)}`,
    `margin Δ = ${formatNumber(margin)}`,
    `${active}${formatActiveShare(negatives)}`,
  ]
}

function describeMargin(total: LossAccumulator): string {
  const [mean, margin, active] = describeLosses(total)
  return `${margin}: ${mean}, ${active}`
}

/** Phrases about the rows of one class in a panel. What depends on the margin is left out where there are several. */
function describeClass({ totals, histogram }: Panel, name: ClassName, view: View): string[] {
  const [total] = totals as [LossAccumulator]
  const { count, mean } = total[`${name}s`]
  const { negatives } = total
  const active = `${formatCount(negatives.active)} active${formatActiveShare(negatives)}`
  const hasOneMargin = totals.length === 1
  return [
    formatQuantity(count, name),
    ...(count > 0 && (hasOneMargin || name === 'positive') ? [`mean loss ${formatNumber(mean)}`] : []),
    ...(count > 0 && hasOneMargin && name === 'negative' ? [active] : []),
    ...describeHidden(histogram, classStrata[name], view),
  ]
}

/** Phrases above each strip of a panel. */
export function describeStrips(panel: Panel, { strips, view }: ChartData): string[][] {
  return strips.map((name) => (isClassName(name) ? describeClass(panel, name, view) : [marginTitles[name]]))
}

function describeHidden(histogram: Histogram, strata: readonly Stratum[], view: View): string[] {
  const { notPositive, below, above, infinite, nan } = histogram.countHidden(strata, view)
  // The edges of a logarithmic axis are no round numbers.
  const format = view.isLog ? formatNumber : formatFully
  const counts = [
    ['of 0 or less', notPositive],
    [`below ${format(view.low)}`, below],
    [`of ${format(view.high)} or more`, above],
    ['infinite', infinite],
    ['NaN', nan],
  ] as const
  const phrases = counts.filter(([, rows]) => rows > 0)
  return phrases.map(([where, rows], i) => `${i === 0 ? 'not shown: ' : ''}${formatCount(rows)} ${where}`)
}

/** Phrases that say how to read the picture. */
export function describeMarks({ totals, strips, view }: ChartData): string[] {
  const bars = `bars: share of the class in each bin${describeWidth(view)}`
  if (totals.length > 1) {
    const outside = totals.filter(({ margin }) => !isInView(margin, view)).length
    return [
      bars,
      `vertical lines: the margins Δ${outside === 0 ? '' : `, but ${formatCount(outside)} outside the view`}`,
      'filled: positives, and negatives inside the least margin',
      ...(strips.every(isClassName) ? [] : ['dots: exact values at the margins; nothing is drawn between them']),
    ]
  }
  return [
    bars,
    'filled: positives, and negatives inside the margin (active)',
    'outlined: negatives beyond it, whose loss is 0',
    'dashed: the loss of a row at x, which is x for positives and max(0, Δ − x) for negatives',
  ]
}

function describeWidth({ width, isLog }: View): string {
  if (!isLog) return ` of ${formatPowerOfTwo(width)}`
  return width < 1
    ? `, ${formatNumber(1 / width)} to a doubling`
    : `, up to ${formatPowerOfTwo(2 ** width)} times its beginning`
}

/** Letters of a name in a description, about. */
const mostLetters = 200

/** The picture in words, for readers who do not see it. */
export function describeChart(data: ChartData): string {
  const names = truncateNames(
    data.panels.flatMap(({ name = [] }) => name),
    mostLetters,
    1,
  )
  const panels = data.panels.map((panel, index) => {
    const classes = classNames.flatMap((name) => describeClass(panel, name, data.view))
    const margins = panel.totals.length === 1 ? [] : panel.totals.map(describeMargin)
    const words = [classes.join(', '), ...margins].join('; ')
    return names.length === 0 ? words : `${names[index]}: ${words}`
  })
  return [formatTitle(data), describeTotal(data).join(', '), ...panels].join('. ')
}

import { describeOthers, formatCount, formatQuantity, formatShare } from '../format.ts'
import type { LossAccumulator } from '../index.ts'
import { formatNumber } from '../plot/numbers.ts'
import type { ReportData } from './data.ts'
import { type Html, html, lines, showText } from './html.ts'

const strong = (text: string): Html => html`<strong>${text}</strong>`

/** Joins texts as a sentence does: a, b and c. */
function joinWords(words: readonly string[]): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`
}

/** The most margins that words and tables of totals are about; the section about margins has all. */
const mostMargins = 3

/** The totals that words and tables are about: at each margin or, if they are too many, at the least and the greatest. */
export function selectMargins(totals: readonly LossAccumulator[]): readonly LossAccumulator[] {
  return totals.length > mostMargins ? [totals[0], totals.at(-1)].filter((each) => each !== undefined) : totals
}

/** The first paragraph: how many pairs, and their mean loss. */
export function summarize({ input, totals: all }: ReportData): Html {
  const totals = selectMargins(all)
  const [first] = totals as [LossAccumulator]
  const margins = totals.map(({ margin }) => formatNumber(margin))
  const place = `${margins.length === 1 ? 'a margin' : 'margins'} of ${joinWords(margins)}${describeHidden(all)}`
  const begin = html`${strong(formatQuantity(first.count, 'pair'))} ${first.count === 1 ? 'was' : 'were'} scored by ${showText(input)} at ${place}.`
  if (first.count === 0) return html`<p class="lead">${begin} So there is no mean loss.</p>`
  const means = strong(joinWords(totals.map(({ mean }) => formatNumber(mean))))
  return html`<p class="lead">${begin} ${totals.length === 1 ? html`The mean loss is ${means}.` : html`The mean losses are ${means}.`}</p>`
}

function describeHidden(totals: readonly LossAccumulator[]): string {
  const hidden = totals.length - selectMargins(totals).length
  return hidden === 0 ? '' : ` and ${formatCount(hidden)} between them`
}

/** What the totals say, a sentence or two for each class. */
export function describeTotals(data: ReportData): Html {
  const [first] = data.totals as [LossAccumulator]
  const sentences = [
    describePositives(first),
    ...selectMargins(data.totals).map(describeNegatives),
    ...(data.totals.length === 1 ? describeShares(first) : []),
    ...describeRest(data, first),
    ...(first.count > 0 && !Number.isFinite(first.mean)
      ? [html`A distance that is NaN or infinite makes these means so.`]
      : []),
  ]
  return html`<ul>
${lines(sentences.map((sentence) => html`<li>${sentence}</li>`))}</ul>
`
}

function describePositives({ positives: { count, mean } }: LossAccumulator): Html {
  if (count === 0) return html`There is no ${strong('positive')} pair, one that should be near.`
  const begin = html`${strong(formatQuantity(count, 'pair'))} ${count === 1 ? 'is' : 'are'} ${strong('positive')}: both sides belong together, and the loss is their distance.`
  return html`${begin} The mean is ${strong(formatNumber(mean))}.`
}

function describeNegatives({ margin, negatives: { count, active, mean, sum } }: LossAccumulator): Html {
  const far = formatNumber(margin)
  if (count === 0) return html`There is no ${strong('negative')} pair, one that should be ${far} apart.`
  const begin = html`${strong(formatQuantity(count, 'pair'))} ${count === 1 ? 'is' : 'are'} ${strong('negative')}: both sides should be at least ${far} apart.`
  if (active === 0) return html`${begin} All of them are, and none has a loss.`
  const nearer = html`${strong(`${formatCount(active)} (${formatShare(active, count)})`)} ${active === 1 ? 'is' : 'are'} nearer, or active, and the loss of each is what is missing to ${far}.`
  return html`${begin} ${nearer} The mean is ${strong(formatNumber(mean))} over all negatives, ${formatNumber(sum / active)} over the active ones.`
}

/** Which class has how much of the loss, where shares make sense. */
function describeShares({ sum, positives, negatives }: LossAccumulator): Html[] {
  const hasShares = Number.isFinite(sum) && sum > 0 && positives.sum >= 0 && negatives.sum >= 0
  if (!hasShares || positives.count === 0 || negatives.count === 0) return []
  return [
    html`${strong(formatShare(positives.sum, sum))} of all loss is that of positives, ${strong(formatShare(negatives.sum, sum))} that of negatives.`,
  ]
}

/** The rows that belong to neither class, or were left out. */
function describeRest({ leftOut }: ReportData, total: LossAccumulator): Html[] {
  const { others } = total
  const is = (count: number) => (count === 1 ? 'is' : 'are')
  return [
    ...(others > 0
      ? [
          html`${formatQuantity(others, 'pair')} ${others === 1 ? 'has' : 'have'} a label of neither class, and ${is(others)} ${describeOthers(total)}.`,
        ]
      : []),
    ...(leftOut.null > 0
      ? [html`${formatQuantity(leftOut.null, 'row')} with a null ${is(leftOut.null)} left out.`]
      : []),
    ...(leftOut.nan > 0
      ? [html`${formatQuantity(leftOut.nan, 'row')} with a distance of NaN ${is(leftOut.nan)} left out.`]
      : []),
  ]
}

/** The figures of the tables, each with its meaning. */
export const meanings: readonly (readonly [term: string, meaning: string])[] = [
  ['pair', 'a row of the files: a distance x, and a label that says which class it has'],
  ['distance x', 'how far apart the two sides of a pair are, in the units of the model'],
  ['positive', 'a pair that belongs together. Its loss is its distance: l = x'],
  ['negative', 'a pair that does not belong together. Its loss is what is missing to the margin: l = max(0, Δ − x)'],
  ['margin Δ', 'how far apart negatives should be. Where they are further apart, they have no loss'],
  ['mean loss', 'the sum of the losses, divided by the number of pairs. Lower is better, at one margin'],
  ['active', 'a negative that is nearer than the margin. Only these and positives train a model further'],
  ['active share', 'the active negatives as a share of all negatives. 0 % means that all are far enough apart'],
]

import type { GroupValue } from '../files/options.ts'
import { hideSecrets } from '../files/secrets.ts'
import type { TopRow } from '../files/totals.ts'
import { formatCount, formatFigure, formatJSON, formatQuantity, nameValue } from '../format.ts'
import type { ClassTotals, LossAccumulator, NegativeTotals } from '../index.ts'
import type { GatheredGroups } from '../plot/chart-data.ts'
import type { ReportData } from './data.ts'
import { type Html, html, lines, showCode, showText } from './html.ts'
import { buildTable, type Column, number, showCount, showFigure, showMean, showShare, text } from './table.ts'
import { describeTotals, meanings, selectMargins } from './words.ts'

/** A part of the page with a heading, to which the contents link. */
export interface Section {
  readonly id: string
  readonly title: Html
  readonly body: Html
}

export function buildSections(data: ReportData): Section[] {
  const { by, groups, pictures } = data
  return [
    { id: 'totals', title: html`Totals`, body: html`${describeTotals(data)}${buildTotals(data)}` },
    { id: 'distances', title: html`Distances`, body: buildDistances(data) },
    ...(pictures.curve ? [{ id: 'margins', title: html`Over the margin`, body: buildMargins(data) }] : []),
    ...(by !== undefined && groups
      ? [{ id: 'groups', title: html`By ${showText(by)}`, body: buildGroups(by, groups, data) }]
      : []),
    { id: 'top', title: html`Pairs of greatest loss`, body: buildTop(data) },
    { id: 'words', title: html`What the words mean`, body: buildMeanings() },
    { id: 'making', title: html`How this page was made`, body: buildMaking(data) },
  ]
}

/** A column of the margin, where there are several. */
function marginColumns(totals: readonly LossAccumulator[]): Column[] {
  return totals.length > 1 ? [number('Margin Δ')] : []
}

/** The cells of that column. */
function marginCells({ margin }: LossAccumulator, totals: readonly LossAccumulator[]): Html[] {
  return totals.length > 1 ? [showFigure(margin)] : []
}

function figureCells({ count, mean, sum }: Pick<ClassTotals, 'count' | 'mean' | 'sum'>): Html[] {
  return [showCount(count), showMean(mean, count), showFigure(sum)]
}

function activeCells({ active, count }: NegativeTotals): Html[] {
  return [showCount(active), showShare(active, count)]
}

function buildTotals(data: ReportData): Html {
  const totals = selectMargins(data.totals)
  const [{ positives }] = totals as [LossAccumulator]
  const rows = totals.flatMap((total) => [
    ['Negative', ...marginCells(total, totals), ...figureCells(total.negatives), ...activeCells(total.negatives)],
    ['All', ...marginCells(total, totals), ...figureCells(total), '', ''],
  ])
  return buildTable({
    caption: 'Totals of each class',
    columns: [
      text('Class'),
      ...marginColumns(totals),
      ...['Pairs', 'Mean loss', 'Sum of losses', 'Active', 'Active share'].map(number),
    ],
    rows: [['Positive', ...(totals.length > 1 ? ['any'] : []), ...figureCells(positives), '', ''], ...rows],
  })
}

function buildDistances({ pictures }: ReportData): Html {
  return html`<p>A good model puts positives far to the left, and negatives to the right of the margin.</p>
${pictures.distances}`
}

function buildMargins({ pictures, curve, totals }: ReportData): Html {
  const asked = totals.map(({ margin }) => margin)
  const mark = (margin: number) => (asked.length < curve.length && asked.includes(margin) ? ' (asked for)' : '')
  return html`<p>The same pairs at other margins. Compare mean losses only at one margin.</p>
${pictures.curve ?? ''}${buildTable({
  caption: 'Figures at each margin shown, all exact',
  columns: ['Margin Δ', 'Mean loss', 'Mean loss of negatives', 'Active', 'Active share'].map(number),
  rows: curve.map(({ margin, count, mean, negatives }) => [
    html`${showFigure(margin)}${mark(margin)}`,
    ...[showMean(mean, count), showMean(negatives.mean, negatives.count)],
    ...activeCells(negatives),
  ]),
})}`
}

function buildGroups(by: string, { own, others }: GatheredGroups, { totals, pictures }: ReportData): Html {
  const headings = [
    ...['Pairs', 'Mean loss', 'Positives', 'Mean loss of positives'],
    ...['Negatives', 'Mean loss of negatives', 'Active share'],
  ]
  const groups = own.map(({ key, totals }) => ({ name: showCell(key), totals }))
  const rest = others ? [{ name: html`<em>the other ${formatCount(others.count)}</em>`, totals: others.totals }] : []
  const table = buildTable({
    caption: html`Totals of each value of ${showText(by)}${others ? `: the ${formatCount(own.length)} largest, and the others as one` : ''}`,
    columns: [text(showText(by)), ...marginColumns(totals), ...headings.map(number)],
    rows: [...groups, ...rest].flatMap(({ name, totals }) => {
      return selectMargins(totals).map((total) => groupCells(name, total, totals))
    }),
    isSortable: true,
  })
  return html`${table}${pictures.groups ?? ''}`
}

function groupCells(name: Html, total: LossAccumulator, totals: readonly LossAccumulator[]): Html[] {
  const { positives, negatives } = total
  return [
    ...[name, ...marginCells(total, totals)],
    ...[total, positives, negatives].flatMap(({ count, mean }) => [showCount(count), showMean(mean, count)]),
    showShare(negatives.active, negatives.count),
  ]
}

function buildTop({ top, totals }: ReportData): Html {
  const { margin } = totals.at(-1) as LossAccumulator
  // A negative beyond the margin has no loss, and is none of the greatest.
  const negatives = top.negative.filter(({ loss }) => loss !== 0)
  return html`<h3>Positives: the furthest apart</h3>
${buildTopRows('positive', top.positive)}<h3>Negatives: the nearest, which should be ${formatFigure(margin)} apart</h3>
${buildTopRows('negative', negatives)}`
}

function buildTopRows(name: string, rows: readonly TopRow[]): Html {
  const [first] = rows
  if (first === undefined)
    return html`<p>No ${name} pair has a loss.</p>
`
  const kept = Object.keys(first.kept ?? {})
  const hasFiles = rows.some(({ file }) => file !== first.file)
  const place = hasFiles ? '' : html`, all in ${showFile(first.file)}`
  return buildTable({
    caption: html`${formatQuantity(rows.length, `${name} pair`)} of greatest loss${place}`,
    columns: [
      ...['Place', 'Loss', 'Distance x'].map(number),
      ...kept.map((each) => text(showText(each))),
      ...(hasFiles ? [text('File')] : []),
      number('Row'),
    ],
    rows: rows.map(({ loss, input, kept: values, file, row }, index) => [
      ...[showCount(index + 1), showFigure(loss), showFigure(input)],
      ...kept.map((each) => showCell(values?.[each] ?? null)),
      ...(hasFiles ? [showFile(file)] : []),
      showCount(row),
    ]),
    isSortable: true,
  })
}

function showFile(path: string): Html {
  return path === '-' ? html`<em>standard input</em>` : showText(hideSecrets(path))
}

function showCell(value: GroupValue): Html {
  if (value === null) return html`<em>NULL</em>`
  return showText(typeof value === 'object' ? formatJSON(value) : nameValue(String(value)))
}

function buildMeanings(): Html {
  return html`<dl>
${lines(meanings.map(([term, meaning]) => html`<dt>${term}</dt><dd>${meaning}</dd>`))}</dl>
`
}

/** The most files that a page lists. */
const mostFiles = 100

function buildMaking({ files, options, command, version }: ReportData): Html {
  const bytes = files.reduce((sum, { size = 0 }) => sum + size, 0)
  const listed = files.slice(0, mostFiles)
  const limit = listed.length < files.length ? `, the first ${mostFiles} of ${formatCount(files.length)}` : ''
  return html`<p>hinge-embedding-loss ${version} read ${formatQuantity(files.length, 'file')} of ${formatQuantity(bytes, 'byte')}. All sums and means are exact, and rounded once. The same files and options give the same page, byte for byte.</p>
${command === undefined ? '' : buildCommand(command)}${buildTable({
  caption: `Files${limit}`,
  columns: [text('File'), number('Bytes')],
  rows: listed.map(({ path, size }) => [showFile(path), size === undefined ? '–' : showCount(size)]),
})}${buildTable({
  caption: 'Options, with their defaults',
  columns: [text('Option'), text('Value')],
  rows: Object.entries(options).map(([name, value]) => [html`<code>${name}</code>`, showCode(value)]),
})}`
}

function buildCommand(command: string): Html {
  return html`<p>The command:</p>
<pre class="scroll">${showCode(command)}</pre>
`
}

import { themes } from '../plot/look.ts'

function declare(colors: Readonly<Record<string, string>>): string {
  return Object.entries(colors)
    .map(([name, color]) => `--${name}: ${color}`)
    .join('; ')
}

const light = declare({ ...themes.light, tint: '#f6f8fa', link: '#0550ae' })
const dark = declare({ ...themes.dark, tint: '#161b22', link: '#79c0ff' })

/**
 * The style of a page: light or dark as the reader's system is, and light on paper. Pictures have the same colours.
 * An arrow has the empty alternative text, so that no screen reader says it.
 */
export const style = `
:root { color-scheme: light dark; ${light} }
@media (prefers-color-scheme: dark) { :root { ${dark} } }
@media print { :root { color-scheme: light; ${light} } }
* { box-sizing: border-box }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100% }
body { margin: 0 auto; padding: 2rem 1.25rem 3rem; max-width: 58rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif }
h1, h2, h3 { line-height: 1.25; text-wrap: balance }
h1 { margin: 0 0 .75rem; font-size: 1.9rem }
h2 { margin: 3rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--grid); font-size: 1.4rem }
h3 { margin: 2rem 0 .5rem; font-size: 1.1rem }
h1, h2, h3, p, li, dd { overflow-wrap: anywhere }
p, ul, dl { max-width: 48rem; margin: .75rem 0; text-wrap: pretty }
ul { padding-left: 1.25rem }
li { margin: .35rem 0 }
.lead { font-size: 1.15rem }
figcaption, footer { color: var(--pale); font-size: .9rem }
.quiet { position: absolute; width: 1px; height: 1px; margin: 0; overflow: hidden; clip-path: inset(50%) }
a { color: var(--link) }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px }
bdi { white-space: pre-wrap; overflow-wrap: anywhere }
.empty, em { color: var(--pale); font-style: italic }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; max-width: none; padding: 0; list-style: none }
nav li { margin: 0 }
figure { margin: 1rem 0 1.5rem }
figure svg { display: block; width: 100%; height: auto }
figure text { font-family: inherit }
figure .narrow { display: none }
.bars rect { fill: transparent }
.bars rect.here { fill: var(--ink); fill-opacity: .18 }
.multiples { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(17rem, 100%), 1fr)); gap: 0 1.25rem }
.multiples figure { min-width: 0 }
.multiples figcaption { color: var(--ink); font-weight: 600; text-align: center }
summary { cursor: pointer; color: var(--link) }
.readout { min-height: 2.4em; margin: .25rem 0 1rem; padding: .4rem .75rem; max-width: none; background: var(--tint); font-variant-numeric: tabular-nums }
.scroll { overflow-x: auto; margin: 1rem 0 1.5rem }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums }
caption { padding: 0 0 .4rem; color: var(--pale); font-size: .9rem; text-align: left }
th, td { padding: .35rem .75rem; border-bottom: 1px solid var(--grid); text-align: left; vertical-align: top }
th:first-child, td:first-child { padding-left: .25rem }
thead th { border-bottom: 2px solid var(--pale); font-weight: 600; vertical-align: bottom }
tbody th { font-weight: 600 }
th.number, td.number { text-align: right }
td.number, tbody th.number { white-space: nowrap }
th bdi, td bdi { display: inline-block; max-width: 24rem; overflow-wrap: break-word }
tbody tr:hover { background: var(--tint) }
th button { padding: 0; border: 0; background: none; color: inherit; font: inherit; text-align: inherit; cursor: pointer }
th button { white-space: normal }
th button::after { content: '\\00a0↕'; content: '\\00a0↕' / ''; color: var(--pale) }
th[aria-sort=ascending] button::after { content: '\\00a0↑'; content: '\\00a0↑' / ''; color: inherit }
th[aria-sort=descending] button::after { content: '\\00a0↓'; content: '\\00a0↓' / ''; color: inherit }
dt { margin-top: .75rem; font-weight: 600 }
dd { margin: 0 }
pre { padding: .75rem 1rem; background: var(--tint) }
code { font: .92em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace }
footer { margin-top: 3rem; padding-top: .75rem; border-top: 1px solid var(--grid) }
@media (max-width: 40rem) {
  body { padding: 1.25rem 1rem 2rem }
  h1 { font-size: 1.5rem }
  figure .wide { display: none }
  figure .narrow { display: block }
  th, td { padding: .35rem .5rem }
}
@media (min-width: 40rem), print {
  dl { display: grid; grid-template-columns: max-content 1fr; gap: .5rem 1.25rem; max-width: none }
  dt { margin: 0 }
}
@media print {
  @page { margin: 15mm }
  body { max-width: none; padding: 0; font-size: 10pt }
  h2 { margin-top: 1.75rem }
  footer { margin-top: 1rem }
  nav, .readout, details:not([open]) { display: none }
  .multiples { grid-template-columns: repeat(3, 1fr) }
  figure .wide { display: block }
  figure .narrow { display: none }
  .scroll { overflow: visible }
  table { font-size: 8pt }
  th, td { padding: .25rem .4rem }
  th bdi, td bdi { max-width: 14em }
  th button::after { content: '' }
  a { color: inherit; text-decoration: none }
  h2, h3, caption { break-after: avoid }
  figure, tr { break-inside: avoid }
  thead { display: table-header-group }
  pre { white-space: pre-wrap }
}
`

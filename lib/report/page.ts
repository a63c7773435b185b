import { createHash } from 'node:crypto'
import type { ReportData } from './data.ts'
import { Html, html, lines, shortenText, showText } from './html.ts'
import { script } from './script.ts'
import { buildSections, type Section } from './sections.ts'
import { style } from './style.ts'
import { summarize } from './words.ts'

/** Builds the whole page: one text, which loads nothing. */
export function buildPage(data: ReportData): string {
  const { input, version, title = `Hinge embedding loss of ${input}` } = data
  const sections = buildSections(data)
  return html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${contentPolicy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="hinge-embedding-loss ${version}">
<title>${shortenText(title)}</title>
<link rel="icon" href="data:,">
<style>${new Html(style)}</style>
</head>
<body>
<header>
<h1>${showText(title)}</h1>
${summarize(data)}
</header>
<nav aria-label="Contents">
<ul>
${lines(sections.map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>`))}</ul>
</nav>
<main>
${lines(sections.map(buildSection))}</main>
<footer>
<p>Made by hinge-embedding-loss ${version}. This page loads nothing and sends nothing.</p>
</footer>
<script>${new Html(script)}</script>
</body>
</html>
`.text
}

function buildSection({ id, title, body }: Section): Html {
  return html`<section aria-labelledby="${id}">
<h2 id="${id}">${title}</h2>
${body}</section>`
}

/** Allows the style and the script of the page, by their hashes, and nothing else. */
const contentPolicy = [
  "default-src 'none'",
  `style-src ${hashOf(style)}`,
  `script-src ${hashOf(script)}`,
  // The empty icon keeps browsers from asking a server for one.
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
].join('; ')

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}

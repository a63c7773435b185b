import { escapeInvisible, formatCount } from '../format.ts'

/** Text that is HTML already. Any other text is escaped when it becomes a part of it. */
export class Html {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export type Part = string | number | Html | readonly Part[]

/** Makes HTML of a template. Its values are escaped, unless they are HTML; those of a list stand one after the other. */
export function html(texts: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(String.raw({ raw: texts }, ...parts.map(render)))
}

/** Puts each of some parts on a line of its own. */
export function lines(parts: readonly Html[]): Html {
  return new Html(parts.map(({ text }) => `${text}\n`).join(''))
}

function render(part: Part): string {
  if (part instanceof Html) return part.text
  if (typeof part === 'object') return part.map(render).join('')
  return escapeMarkup(String(part))
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escapeMarkup(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] as string)
}

/** The longest text of data that a page shows whole, in UTF-16 units; of commands and queries, in which people look for a part. */
const longest = 200
const longestCode = 10_000

/**
 * Shows text of data, such as a name or a path: as it is, in a direction of its own, but with invisible characters escaped.
 * A long text is cut, and its length is said.
 */
export function showText(text: string, most = longest): Html {
  if (text === '') return html`<bdi class="empty">(empty text)</bdi>`
  const shown = html`<bdi>${shortenText(text, most)}</bdi>`
  return text.length <= most ? shown : html`${shown} <small>(cut, ${formatCount(text.length)} characters)</small>`
}

/** Shows a command, or a part of one. */
export function showCode(text: string): Html {
  return html`<code>${showText(text, longestCode)}</code>`
}

/** The beginning of a text of data on one line, without invisible characters. */
export function shortenText(text: string, most = longest): string {
  if (text.length <= most) return escapeInvisible(text)
  // A cut never parts the halves of one character.
  return `${escapeInvisible(text.slice(0, most).replace(/[\ud800-\udbff]$/, ''))}…`
}

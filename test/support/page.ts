import { expect } from 'chai'

/** A cell of a table: what readers see and, of a number, its exact value. */
interface Cell {
  readonly text: string
  readonly value?: number
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" }

/** The text that a browser shows of HTML. */
export function textOf(html: string): string {
  return html.replace(/<[^>]*>/g, '').replace(/&([^;]+);/g, (_, name: string) => entities[name] as string)
}

/** The part of a page with this heading's id. */
export function sectionOf(page: string, id: string): string {
  const [, section = ''] = new RegExp(`<section aria-labelledby="${id}">(.*?)</section>`, 's').exec(page) ?? []
  return section
}

/** The rows of a table, found by the beginning of its caption, each by the headings of its columns. */
export function readTable(html: string, caption: string): Record<string, Cell>[] {
  const tables = [...html.matchAll(/<table[^>]*>(.*?)<\/table>/gs)].map(([, table = '']) => table)
  const captionOf = (table: string) => textOf(/<caption>(.*?)<\/caption>/s.exec(table)?.[1] ?? '')
  const table = tables.find((each) => captionOf(each).startsWith(caption))
  expect(table, `the table "${caption}"`).to.be.a('string')
  const [head = [], ...rows] = [...(table as string).matchAll(/<tr>(.*?)<\/tr>/gs)].map(([, row = '']) =>
    [...row.matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/gs)].map(([, cell = '']) => cell),
  )
  return rows.map((cells) => Object.fromEntries(cells.map((cell, i) => [textOf(head[i] as string), readCell(cell)])))
}

function readCell(cell: string): Cell {
  const [, value] = /<data value="([^"]*)"/.exec(cell) ?? []
  return { text: textOf(cell), ...(value !== undefined && { value: Number(value) }) }
}

/** The tags of a page, each with the names of its attributes. */
export function tagsOf(page: string): string[] {
  const content = page.replace(/(<(style|script)>).*?(?=<\/\2>)/gs, '$1')
  return [...content.matchAll(/<([^/!>\s][^>\s]*)([^>]*)>/g)].map(([, name = '', attributes = '']) => {
    const names = [...attributes.matchAll(/\s([^\s=/]+)(?:="[^"]*")?/g)].map(([, attribute]) => attribute)
    return [name, ...names.toSorted()].join(' ')
  })
}

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { readText } from './application.ts'
import { root } from './processes.ts'

/** The pages that people read, by their paths in the repository. */
export const pages: readonly string[] = [
  ...['README.md', 'CHANGELOG.md', 'examples/README.md', 'examples/spark/README.md'],
  ...readdirSync(join(root, 'docs')).flatMap((name) => (name.endsWith('.md') ? [`docs/${name}`] : [])),
]

/** A fenced block of a page. */
export interface Snippet {
  readonly language: string
  readonly code: string
  /** the block without a language that follows: what the code prints */
  readonly printed: string | undefined
  /** the line of the page where the code begins */
  readonly line: number
}

export function readSnippets(page: string): Snippet[] {
  const text = readText(page)
  const fences = text.matchAll(/^```(\w+)\n(.*?)^```$(?:\n+```\n(.*?)^```$)?/gms)
  return [...fences].map(({ 1: language = '', 2: code = '', 3: printed, index }) => {
    return { language, code, printed, line: text.slice(0, index).split('\n').length + 1 }
  })
}

/** The code of the snippets of one language. */
export function readCode(page: string, language: string): string[] {
  return readSnippets(page).flatMap((snippet) => (snippet.language === language ? [snippet.code] : []))
}

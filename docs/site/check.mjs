// The links of the built site.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Returns what is wrong: links to files or headings that do not exist, and what a browser would load from a network. */
export function findBrokenLinks(site) {
  const pages = readdirSync(site, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.html'))
  const anchors = new Map()

  function hasAnchor(file, anchor) {
    if (!anchors.has(file)) {
      const ids = readFileSync(file, 'utf8').matchAll(/ id="([^"]*)"/g)
      anchors.set(file, new Set([...ids].map(([, id]) => id)))
    }
    return anchors.get(file).has(anchor)
  }

  function isBroken(page, { tag, attribute, url }) {
    if (/^(https?:)?\/\//.test(url)) return tag !== 'a'
    if (url.startsWith('data:')) return false
    const [path, anchor] = url.split('#').map(decodeURIComponent)
    const file = path === '' ? join(site, page) : join(site, dirname(page), path)
    if (!existsSync(file) || (tag === 'a' && statSync(file).isDirectory())) return true
    return attribute === 'href' && tag === 'a' && Boolean(anchor) && !hasAnchor(file, anchor)
  }

  return pages.flatMap((page) => {
    const text = readFileSync(join(site, page), 'utf8')
    return readLinks(text).flatMap((link) => (isBroken(page, link) ? [`${page}: ${link.url}`] : []))
  })
}

function readLinks(text) {
  const tags = text.matchAll(/<(\w+)\s([^>]*)>/g)
  return [...tags].flatMap(([, tag, attributes]) => {
    const links = attributes.matchAll(/(?:^|\s)(href|src|srcset)="([^"]*)"/g)
    return [...links].map(([, attribute, url]) => ({ tag, attribute, url: url.replaceAll('&amp;', '&') }))
  })
}

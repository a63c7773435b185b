/** Passwords and queries in the texts that name databases and files. Messages have … in their place. */
export class Secrets {
  #known: string[] = []

  /** Adds a text that may have a password, `password=…` among the settings of a connection or `…:…@` in a URL, or a query. */
  add(text: string): void {
    const [, query = ''] = /^https?:[^?#]*[?#](.+)/is.exec(text) ?? []
    this.#know([query, ...(/[\s'"]/.test(query) ? query.split(/[\s'"]+/) : [])])
    const [, url = ''] = /:\/\/[^:/]*:(.+)@/s.exec(text) ?? []
    const [, value = ''] = /pass(?:word|wd)?\s*=\s*(.+)/is.exec(text) ?? []
    if (url + value === '') return
    // Of a password with spaces the server quotes single words.
    const words = value.split(/\s+/).filter((word, index) => index === 0 || !word.includes('='))
    const parts = [
      text,
      url,
      decodeUrl(url),
      ...url.split('@'),
      ...words.flatMap((word) => [word, word.replace(/^'|'$/g, '')]),
    ]
    this.#know(parts)
  }

  #know(parts: readonly string[]): void {
    this.#known.push(...parts.filter((part) => part.length >= shortest))
    this.#known.sort((one, other) => other.length - one.length)
  }

  hide(text: string): string {
    return hideSecrets(this.#known.reduce((rest, secret) => rest.replaceAll(secret, '…'), text))
  }
}

/** The text without what may be secret in it: passwords of connections, users and passwords of URLs, and what follows their ?. */
export function hideSecrets(text: string): string {
  return rules.reduce((rest, [pattern, shown]) => rest.replace(pattern, shown), text)
}

/** The rest of a URL. A quote ends it only where none of its characters follow. */
const rest = String.raw`(?:[^\s'"]|['"]+(?=[^\s'"),;:.\]}]))*`

const rules: readonly (readonly [pattern: RegExp, shown: string])[] = [
  [/(pass(?:word|wd)?\s*=\s*)(?:''[^']*''|'(?:[^'\\]|\\.)*'|(?:\\.|[^\s'"])+)/gi, '$1…'],
  // Digits up to a / are a port.
  [/(:\/\/)[^\s/:@'"[]*:(?!\d+\/)[^\s'"]*@/g, '$1…@'],
  [/(\bhttps?:\/\/)[^\s/:@?#'"]+@/gi, '$1…@'],
  [new RegExp(String.raw`(\bhttps?:\/\/[^\s'"?#]*)[?#]${rest}`, 'gi'), '$1'],
  [new RegExp(String.raw`(\b[a-z][a-z0-9+.-]+:\/\/[^\s'"?#]*)\?[\w-]+=${rest}`, 'gi'), '$1'],
]

/** Shorter texts occur in messages by chance. DuckDB quotes them with all settings, which are longer. */
const shortest = 3

/** Decodes what is percent-encoded in a URL; a text that is no such encoding stays as it is. */
export function decodeUrl(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

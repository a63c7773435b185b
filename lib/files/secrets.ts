/** Passwords in the texts that name databases. Messages have … in their place. */
export class Secrets {
  #known: string[] = []

  /** Adds a text that may have a password: `password=…` among the settings of a connection, or `…:…@` in a URL. */
  add(text: string): void {
    const [, url = ''] = /:\/\/[^:/]*:(.+)@/s.exec(text) ?? []
    const [, value = ''] = /pass(?:word|wd)?\s*=\s*(.+)/is.exec(text) ?? []
    if (url + value === '') return
    // Of a password with spaces the server quotes single words.
    const words = value.split(/\s+/).filter((word, index) => index === 0 || !word.includes('='))
    const parts = [
      text,
      url,
      decode(url),
      ...url.split('@'),
      ...words.flatMap((word) => [word, word.replace(/^'|'$/g, '')]),
    ]
    this.#known.push(...parts.filter((part) => part.length >= shortest))
    this.#known.sort((one, other) => other.length - one.length)
  }

  hide(text: string): string {
    return hidePasswords(this.#known.reduce((rest, secret) => rest.replaceAll(secret, '…'), text))
  }
}

/** The text with … in place of the passwords of connections and URLs in it. */
export function hidePasswords(text: string): string {
  return text
    .replace(/(pass(?:word|wd)?\s*=\s*)(?:''[^']*''|'(?:[^'\\]|\\.)*'|(?:\\.|[^\s'"])+)/gi, '$1…')
    .replace(/(:\/\/[^\s/:@'"]*:)[^\s'"]*@/g, '$1…@')
}

/** Shorter texts occur in messages by chance. DuckDB quotes them with all settings, which are longer. */
const shortest = 3

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

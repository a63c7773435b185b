import { fileError, type Given, message } from './errors.ts'

/** A column, and what its values are. */
export interface ListedColumn {
  readonly name: string
  readonly type: string
  readonly kind: 'number' | 'boolean' | 'text' | 'other'
}

/**
 * Finds the column that a text names: exactly, or as an SQL identifier, whose case may differ if only one column then
 * matches. Returns undefined if it names none.
 *
 * @throws {Error} ERR_INVALID_FILE, with `option`: the text may name several columns
 */
export function findColumn(subject: Given, text: string, names: readonly string[]): number | undefined {
  const exact = findExact(subject, text, names)
  if (exact !== undefined) return exact
  const name = parseIdentifier(text)
  return name === undefined ? undefined : (findExact(subject, name, names) ?? findInAnyCase(subject, name, names))
}

function findExact(subject: Given, name: string, names: readonly string[]): number | undefined {
  const index = names.indexOf(name)
  if (index < 0) return undefined
  if (names.indexOf(name, index + 1) < 0) return index
  throw fileError(message`${subject}: more than one column has the name ${name}; rename one`, {
    option: subject.given,
  })
}

function findInAnyCase(subject: Given, name: string, names: readonly string[]): number | undefined {
  const matches = names.filter((each) => each.toLowerCase() === name.toLowerCase())
  if (matches.length > 1) {
    throw fileError(message`${subject}: may be any of the columns ${matches.join(', ')}; write one of them exactly`, {
      option: subject.given,
    })
  }
  return matches[0] === undefined ? undefined : names.indexOf(matches[0])
}

/** True of a name that SQL reads without quotes. */
export function isPlainIdentifier(name: string): boolean {
  return /^[\p{L}_][\p{L}\p{N}_]*$/u.test(name)
}

/** The name in an SQL identifier, plain or in double quotes. */
function parseIdentifier(text: string): string | undefined {
  if (isPlainIdentifier(text)) return text
  const [, inner] = /^"((?:[^"]|"")+)"$/.exec(text) ?? []
  return inner?.replaceAll('""', '"')
}

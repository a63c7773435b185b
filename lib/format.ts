/** A count as people read it: 1234567 is `1,234,567`. Intl does the same, but is slow to load. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',')
}

/** A number of things: `1 row`, `1,234 rows`. */
export function formatQuantity(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`
}

/** A share in percent, with one digit after the point: `12.5 %`. */
export function formatShare(part: number, all: number): string {
  return `${((100 * part) / all).toFixed(1)} %`
}

/** A figure of totals with seven digits. */
export function formatFigure(value: number): string {
  return String(Number(Number(value).toPrecision(7)))
}

/** The text on one line. */
export function joinLines(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, ' ')
}

/**
 * The active share of the negatives, to put after their number: ` (12.5 %)`, or nothing where there are no negatives.
 */
export function formatActiveShare({ count, active }: { readonly count: number; readonly active: number }): string {
  return count === 0 ? '' : ` (${formatShare(active, count)})`
}

/** What totals do with the rows whose label is neither, if `otherLabels` lets them pass. */
export function describeOthers({ otherLabels }: { readonly otherLabels: string }): string {
  return otherLabels === 'zero' ? 'counted with a loss of 0' : 'not counted'
}

/** JSON in which NaN and infinities, at any depth, are the strings `"NaN"`, `"Infinity"` and `"-Infinity"`; BigInts are rounded. */
export function formatJSON(value: unknown): string {
  return JSON.stringify(value, (_, each) => {
    if (typeof each === 'bigint') return Number(each)
    return typeof each === 'number' && !Number.isFinite(each) ? String(each) : each
  })
}

/** Control characters, line separators, characters that change the direction of text, and what is no character. */
const invisible = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Bidi_Control}\p{Noncharacter_Code_Point}]/gu
const short: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** Text that two values may share to the eye: none, NULL, one in quotes, and one whose ends are seen by nobody. */
const isAmbiguous = /^$|^NULL$|^'.*'$|^(?!\p{Bidi_Control})[\p{Zs}\p{Cf}]|(?!\p{Bidi_Control})[\p{Zs}\p{Cf}]$/su

/**
 * Names a value of the data, such as a group, so that two values never look the same: NULL, or its text, in quotes where it is
 * empty or has outer spaces. Other characters are left for `escapeInvisible`.
 */
export function nameValue(text: string | null): string {
  if (text === null) return 'NULL'
  if (!isAmbiguous.test(text)) return text
  const shown = text.replace(/^[\p{Zs}\p{Cf}]+|[\p{Zs}\p{Cf}]+$/gu, (outer) => outer.replace(/[^ ]/gu, escapeCharacter))
  return `'${shown}'`
}

function escapeCharacter(character: string): string {
  return `\\u${(character.codePointAt(0) as number).toString(16).padStart(4, '0')}`
}

/** Puts text of data or a file name on one line, without characters that a terminal takes for commands. */
export function escapeInvisible(text: string): string {
  return text.replace(invisible, (character) => {
    const code = (character.codePointAt(0) as number).toString(16)
    return short[character] ?? (code.length > 2 ? `\\u${code.padStart(4, '0')}` : `\\x${code.padStart(2, '0')}`)
  })
}

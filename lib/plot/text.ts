/** Estimates the width of a text, in pixels, by a font of wide letters, so that the text fits in others too. */
export function estimateWidth(text: string, fontSize: number): number {
  const widths = Array.from(text, (letter) => ((letter.codePointAt(0) ?? 0) < 0x1100 ? 0.63 : 1.05))
  return fontSize * widths.reduce((sum, width) => sum + width, 0)
}

/** The text on one line, without characters that XML does not allow or that change the direction of others. */
export function toPrintableLine(text: string): string {
  return text
    .replace(/\p{Bidi_Control}+/gu, '')
    .replace(/[\s\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]+/gu, ' ')
    .trim()
}

/** Shortens a text that is wider than `width`, with an ellipsis at its end. No letter is cut. */
export function truncate(text: string, width: number, fontSize: number): string {
  const all = takeStart(text, width, fontSize)
  return all === text ? text : `${takeStart(text, width - estimateWidth('…', fontSize), fontSize).trimEnd()}…`
}

/**
 * Shortens names that are wider than `width`, so that each shows where it differs from the name most like it: with an ellipsis
 * at the end or, where the names share a longer beginning, in the middle.
 */
export function truncateNames(names: readonly string[], width: number, fontSize: number): string[] {
  return names.map((name) => {
    const fitting = takeStart(name, width, fontSize)
    if (fitting === name) return name
    const others = names.filter((other) => other !== name)
    const shared = Math.max(0, ...others.map((other) => countShared(name, other)))
    const room = width - estimateWidth('…', fontSize)
    const isApart = shared < takeStart(name, room, fontSize).length
    return isApart ? truncate(name, width, fontSize) : cutBeginning(name, shared, room, fontSize)
  })
}

/** Cuts the beginning that a name shares, of so many characters. What is left begins with a whole number or word, if that is short. */
function cutBeginning(name: string, shared: number, room: number, fontSize: number): string {
  const [word = ''] = /[\p{L}\p{M}\p{N}]*$/u.exec(name.slice(Math.max(0, shared - 4), shared)) ?? []
  const own = truncate(name.slice(shared - word.length), (2 * room) / 3, fontSize)
  const end = own.endsWith('…') ? own : takeEnd(name, (2 * room) / 3, fontSize)
  return `${takeStart(name, room - estimateWidth(end, fontSize), fontSize).trimEnd()}…${end.trimStart()}`
}

/** The number of UTF-16 units that two texts share at their beginning, without half a character. */
function countShared(one: string, other: string): number {
  let shared = 0
  while (shared < one.length && one[shared] === other[shared]) shared++
  return /[\uDC00-\uDFFF]/.test(one[shared] ?? '') ? shared - 1 : shared
}

const segmenter = new Intl.Segmenter()

/** As many of the first letters as fit. */
function takeStart(text: string, width: number, fontSize: number): string {
  // Twice as many characters as fit, so that none of them ends within a letter that fits.
  const start = text.slice(0, Math.max(1, 4 * Math.ceil(width / fontSize)))
  let rest = width
  for (const { segment, index } of segmenter.segment(start)) {
    rest -= estimateWidth(segment, fontSize)
    if (rest < 0) return text.slice(0, index)
  }
  return text
}

/** As many of the last letters as fit; a letter that ends before the last thousand characters may be cut. */
function takeEnd(text: string, width: number, fontSize: number): string {
  const letters = Array.from(segmenter.segment(text.slice(-1000)), ({ segment }) => segment)
  let rest = width
  const first = letters.findLastIndex((letter) => {
    rest -= estimateWidth(letter, fontSize)
    return rest < 0
  })
  return letters.slice(first + 1).join('')
}

/** Puts text on lines, between words; a line that is too wide, or the last of more than `most`, is cut. */
export function wrapWords(text: string, width: number, fontSize: number, most: number): string[] {
  const start = takeStart(text, most * width, fontSize)
  const lines = wrapPhrases((start === text ? text : `${start}…`).split(' '), width, fontSize, ' ')
  const shown = lines.length > most ? [...lines.slice(0, most - 1), lines.slice(most - 1).join(' ')] : lines
  return shown.map((line) => truncate(line, width, fontSize))
}

/**
 * Puts phrases on as few lines as have room for them: a phrase is never broken, and each but the last keeps its separator.
 */
export function wrapPhrases(phrases: readonly string[], width: number, fontSize: number, separator = ', '): string[] {
  const lines: string[] = []
  for (const [i, phrase] of phrases.entries()) {
    const own = i === phrases.length - 1 ? phrase : `${phrase}${separator.trimEnd()}`
    const longer = lines.length === 0 ? own : `${lines.at(-1)} ${own}`
    if (estimateWidth(longer, fontSize) <= width) lines.splice(-1, 1, longer)
    else lines.push(own)
  }
  return lines
}

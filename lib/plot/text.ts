/** Estimates the width of a text, in pixels, by a font of wide letters, so that the text fits in others too. */
export function estimateWidth(text: string, fontSize: number): number {
  const widths = Array.from(text, (letter) => ((letter.codePointAt(0) ?? 0) < 0x1100 ? 0.63 : 1.05))
  return fontSize * widths.reduce((sum, width) => sum + width, 0)
}

/** The text on one line, without characters that XML does not allow. */
export function toPrintableLine(text: string): string {
  return text.replace(/[\s\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]+/gu, ' ').trim()
}

/** Shortens a text that is wider than `width`, with an ellipsis at its end. No letter is cut. */
export function truncate(text: string, width: number, fontSize: number): string {
  if (estimateWidth(text, fontSize) <= width) return text
  const letters = Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment)
  while (letters.length > 0 && estimateWidth(`${letters.join('')}…`, fontSize) > width) letters.pop()
  return `${letters.join('').trimEnd()}…`
}

/** Puts phrases on as few lines as have room for them. A phrase is never broken. */
export function wrapPhrases(phrases: readonly string[], width: number, fontSize: number, separator = ', '): string[] {
  const lines: string[] = []
  for (const phrase of phrases) {
    const longer = lines.length === 0 ? phrase : `${lines.at(-1)}${separator}${phrase}`
    if (estimateWidth(longer, fontSize) <= width) lines.splice(-1, 1, longer)
    else lines.push(phrase)
  }
  return lines
}

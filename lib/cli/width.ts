/** Characters that take no column of a terminal: they are drawn over the one before, or not at all. */
const zero = /^[\p{Mn}\p{Me}\p{Cf}]$/u
/** Characters that take two columns: those of East Asia, and pictures. */
const wide =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}\p{Emoji_Presentation}]$/u

function widthOfCharacter(character: string): number {
  if (character >= ' ' && character <= '~') return 1
  if (zero.test(character)) return 0
  return wide.test(character) ? 2 : 1
}

/** The columns that a text takes on a terminal. */
export function widthOf(text: string): number {
  let width = 0
  for (const character of text) width += widthOfCharacter(character)
  return width
}

/** The beginning of a text that fits in so many columns. */
export function cutToWidth(text: string, columns: number): string {
  let width = 0
  let cut = ''
  for (const character of text) {
    width += widthOfCharacter(character)
    if (width > columns) return cut
    cut += character
  }
  return cut
}

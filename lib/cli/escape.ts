/** Control characters, line separators, lone surrogates, and characters that change the direction of text. */
const invisible = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Bidi_Control}]/gu
const short: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** Puts text of data or a file name on one line, without characters that a terminal takes for commands. */
export function escapeInvisible(text: string): string {
  return text.replace(invisible, (character) => {
    const code = (character.codePointAt(0) as number).toString(16)
    return short[character] ?? (code.length > 2 ? `\\u${code.padStart(4, '0')}` : `\\x${code.padStart(2, '0')}`)
  })
}

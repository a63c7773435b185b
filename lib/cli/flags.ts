import { isOptionError, type Message, messageOf, type OptionValue, type Spell } from '../files/errors.ts'

/** Options whose values in advice are free text, which a shell takes in quotes. */
const textOptions: ReadonlySet<string> = new Set(['input', 'label', 'nullString', 'comment'])

/** The flag of an option's key: `--shard-rows` for `shardRows`. */
export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

const spellFlags: Spell = (mention) => {
  if ('name' in mention) return mention.name === 'paths' ? 'a FILE' : flagOf(mention.name)
  if ('given' in mention) return `${flagOf(mention.given)} ${mention.text}`
  return Object.entries(mention.settings)
    .map(([name, value]) => spellSetting(name, value))
    .join(' ')
}

function spellSetting(name: string, value: OptionValue): string {
  if (typeof value === 'boolean') return value ? flagOf(name) : flagOf(name).replace('--', '--no-')
  const values = [value].flat().map((each) => (textOptions.has(name) ? quoteForShell(String(each)) : each))
  return `${flagOf(name)} ${values.join(' or ')}`
}

function quoteForShell(text: string): string {
  return text.includes("'") ? `"${text}"` : `'${text}'`
}

/** A message as the command line prints it: options as flags. */
export function formatMessage(message: Message): string {
  return message.spell(spellFlags)
}

/** The message of an error as the command line prints it, and the exit code for it. */
export function explainError(error: unknown): { message: string; exitCode: 1 | 2 } {
  return { message: formatMessage(messageOf(error)), exitCode: isOptionError(error) ? 2 : 1 }
}

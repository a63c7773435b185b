import { isOptionError, type Message, messageOf, type OptionValue, type Spell } from '../files/errors.ts'
import { system } from '../files/system.ts'

/** Options whose values in advice are free text, which a shell takes in quotes. */
const textOptions: ReadonlySet<string> = new Set([
  'query',
  'input',
  'left',
  'right',
  'label',
  'weight',
  'positiveLabel',
  'negativeLabel',
  'nullString',
  'comment',
])

/** Formats the key of an option as its flag: `--shard-rows` for `shardRows`. */
function formatFlag(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

const spellFlags: Spell = (mention) => {
  if ('name' in mention) return mention.name === 'paths' ? 'a FILE' : formatFlag(mention.name)
  if ('given' in mention) return `${formatFlag(mention.given)} ${mention.text}`
  return Object.entries(mention.settings)
    .map(([name, value]) => spellSetting(name, value))
    .join(' ')
}

function spellSetting(name: string, value: OptionValue): string {
  if (typeof value === 'boolean') return value ? formatFlag(name) : formatFlag(name).replace('--', '--no-')
  const values = [value].flat().map((each) => (textOptions.has(name) ? quoteWord(String(each)) : each))
  return `${formatFlag(name)} ${values.join(' or ')}`
}

/** A text as one word of a command line, in quotes where it needs them. */
export function quoteWord(text: string): string {
  return /^[\w./:=@%+-]+$/.test(text) ? text : system.quoteForShell(text)
}

/** Formats a message as the command line prints it: options as flags. */
export function formatMessage(message: Message): string {
  return message.spell(spellFlags)
}

/** Returns the message of an error as the command line prints it, and the exit code: 2 for a wrong option. */
export function explainError(error: unknown): { message: string; exitCode: 1 | 2 } {
  return { message: formatMessage(messageOf(error)), exitCode: isOptionError(error) ? 2 : 1 }
}

import { hideSecrets } from './secrets.ts'

/** What an option may be set to in advice. */
export type OptionValue = string | number | boolean | readonly string[]

/** An option that a message mentions: by its key, as the caller gave it, or set as the advice asks. */
export type Mention = { readonly name: string } | Given | { readonly settings: Readonly<Record<string, OptionValue>> }

/** An option as the caller gave it. */
export interface Given {
  readonly given: string
  readonly text: string
}

type Part = string | Mention

/** Turns a mention into text. */
export type Spell = (mention: Mention) => string

/**
 * A message whose options are not spelled yet: a program reads `nulls: 'ignore'`, the command line prints `--nulls ignore`.
 * As a string it is spelled for programs.
 */
export class Message {
  readonly parts: readonly Part[]

  constructor(...parts: readonly (Part | Message)[]) {
    this.parts = parts.flatMap((part) => (typeof part === 'object' && 'parts' in part ? part.parts : [part]))
  }

  spell(spell: Spell): string {
    return this.parts.map((part) => (typeof part === 'string' ? part : spell(part))).join('')
  }

  toString(): string {
    return this.spell(spellForPrograms)
  }
}

/** A message of text, values, options and other messages. */
export function message(
  texts: TemplateStringsArray,
  ...values: readonly (string | number | bigint | Mention | Message)[]
): Message {
  const parts = texts.flatMap((text, i) => {
    const value = values[i] ?? ''
    return [text, typeof value === 'object' ? value : String(value)]
  })
  return new Message(...parts)
}

/** An option by its key. */
export function option(name: string): Mention {
  return { name }
}

/** An option with the column, expression or path that the caller gave. */
export function given(name: string, text: string): Given {
  return { given: name, text }
}

/** Options with the values that help; a list of values offers a choice. */
export function set(settings: Readonly<Record<string, OptionValue>>): Mention {
  return { settings }
}

const spellForPrograms: Spell = (mention) => {
  if ('name' in mention) return mention.name
  if ('given' in mention) return `${mention.given} ${quote(mention.text)}`
  return Object.entries(mention.settings)
    .map(([name, value]) => `${name}: ${[value].flat().map(quote).join(' or ')}`)
    .join(', ')
}

function quote(value: unknown): string {
  if (typeof value !== 'string') return String(value)
  return value.includes("'") ? JSON.stringify(value) : `'${value}'`
}

/** A text of the data in quotes, cut if it is long. */
export function quoteShort(text: string): string {
  return `'${text.length > 50 ? `${text.slice(0, 50)}…` : text}'`
}

/** Advice on labels that are true and false where texts name them. */
export function adviseOnBooleans(): Message {
  return message`its true and false are the numbers 1 and 0, which ${set({ negativeLabel: 0 })} alone names`
}

/** What a program can read of an error beside its message. Details that do not apply are absent. */
export interface ErrorDetails {
  /** the kind of error, stable across versions: `ERR_NULL`, `ENOENT` and so on */
  readonly code?: string
  /** the key of the option that is wrong, or whose column is */
  readonly option?: string
  /** the path of the file as it was found, `-`, or `query` */
  readonly file?: string
  /** the first row with this error, from 1 on; of a file of partials the line */
  readonly row?: number
  /** the number of rows with this error in the file */
  readonly count?: number
}

const detailNames = ['code', 'option', 'file', 'row', 'count'] as const satisfies readonly (keyof ErrorDetails)[]

/** The key of an error's message. It is registered, so that a second copy of this module finds it too. */
const messageKey = Symbol.for('hinge-embedding-loss.message')

/** An error about an option's value. The command line ends with exit code 2 for it. */
export function optionError(name: string, text: Message): RangeError & ErrorDetails {
  const shown = rewriteMessage(text, hideSecrets)
  return withDetails(new RangeError(String(shown)), shown, { code: 'ERR_INVALID_ARG_VALUE', option: name })
}

/** An error of the core about the argument `name`, which is an option here. */
export function asOptionError(name: string, error: unknown): unknown {
  if (!(error instanceof Error) || !isOptionError(error) || !error.message.startsWith(name)) return error
  return withDetails(error, message`${option(name)}${error.message.slice(name.length)}`, { option: name })
}

/** An error about a file or its rows. */
export function fileError(text: Message | string, details: ErrorDetails = {}, cause?: unknown): Error & ErrorDetails {
  const shown = rewriteMessage(new Message(text), hideSecrets)
  const error = new Error(String(shown), cause === undefined ? undefined : { cause })
  const file = details.file === undefined ? {} : { file: hideSecrets(details.file) }
  return withDetails(error, shown, { code: 'ERR_INVALID_FILE', ...details, ...file })
}

/** The cause with the place before its message: `file`, or `place` where that says more. */
export function errorAt(file: string, cause: unknown, place: string = file): Error & ErrorDetails {
  const text = messageOf(cause)
  const separator = /^row \d/.test(String(text)) ? ', ' : ': '
  const isKept = (hasMessage(cause) && !isOptionError(cause)) || isSystemError(cause)
  return fileError(message`${place}${separator}${text}`, { ...(isKept && detailsOf(cause)), file }, cause)
}

/** True if the system call for a file or pipe failed; zlib's errors have a code and a number too. */
export function isSystemError(error: unknown): boolean {
  return typeof (Object(error) as NodeJS.ErrnoException).syscall === 'string'
}

/** The error with the `file` that the system names; other errors stay as they are. */
export function addFile(error: unknown): unknown {
  const { path, message: text } = Object(error) as NodeJS.ErrnoException
  const isComplete = !isSystemError(error) || path === undefined || detailsOf(error).file !== undefined
  return isComplete ? error : withDetails(error as Error, new Message(text), { file: path })
}

/** An error made of the message and details of another, which came as text. */
export function restoreError(text: Message, details: ErrorDetails): Error & ErrorDetails {
  const ErrorClass = isOptionError(details) ? RangeError : Error
  return withDetails(new ErrorClass(String(text)), text, details)
}

/** The message of any error, with its options not spelled yet. */
export function messageOf(error: unknown): Message {
  const known = (Object(error) as WithMessage)[messageKey]
  return known ?? new Message(error instanceof Error ? error.message : String(error))
}

interface WithMessage {
  readonly [messageKey]?: Message
}

/** True if the error was made here, so that its code is one of ours. */
function hasMessage(error: unknown): boolean {
  return (Object(error) as WithMessage)[messageKey] !== undefined
}

/** The details of an error that have a value. */
export function detailsOf(error: unknown): ErrorDetails {
  const known = Object(error) as ErrorDetails
  return Object.fromEntries(
    detailNames.flatMap((name) => (known[name] === undefined ? [] : [[name, known[name]]])),
  ) as ErrorDetails
}

/** The message with its texts, and those of the options that it mentions, rewritten. */
export function rewriteMessage(text: Message, rewrite: (text: string) => string): Message {
  return new Message(
    ...text.parts.map((part) => {
      if (typeof part === 'string') return rewrite(part)
      return 'given' in part ? given(part.given, rewrite(part.text)) : part
    }),
  )
}

/** The message with a file's path replaced by the name that the caller knows. */
export function replaceInMessage(text: Message, path: string, name: string): Message {
  return rewriteMessage(text, (part) => part.replaceAll(path, name))
}

/** The error with its message and its `file` rewritten, and those of its causes. */
export function rewriteError(
  error: unknown,
  rewrite: (text: string) => string,
  rewriteFile: (file: string) => string,
): unknown {
  if (!(error instanceof Error)) return error
  const rewritten = rewriteMessage(messageOf(error), rewrite)
  error.message = String(rewritten)
  if (error.stack !== undefined) error.stack = rewrite(error.stack)
  rewriteError(error.cause, rewrite, rewriteFile)
  const { file } = detailsOf(error)
  return withDetails(error, rewritten, file === undefined ? {} : { file: rewriteFile(file) })
}

function withDetails<T extends Error>(error: T, text: Message, details: ErrorDetails): T & ErrorDetails {
  Object.defineProperty(error, messageKey, { value: text, configurable: true })
  return Object.assign(error, details)
}

export function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | null)?.code)
}

/** True if an argument or option is wrong, and not the data. */
export function isOptionError(error: unknown): boolean {
  return codeOf(error).startsWith('ERR_INVALID_ARG')
}

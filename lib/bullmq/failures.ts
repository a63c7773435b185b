import {
  detailsOf,
  type ErrorDetails,
  type Mention,
  Message,
  messageOf,
  type OptionValue,
  replaceInMessage,
  restoreError,
} from '../files/errors.ts'
import { joinLines } from '../format.ts'

/** The most characters of a message, and of a failure in Redis: a message with its options, as JSON. */
const longestMessage = 20_000
const longestFailure = 200_000

/** What a program can read of an error of a shard. */
export interface FailureDetails extends ErrorDetails {
  /** the host of the worker, if the error is of this host alone: it does not see the file that the client saw */
  readonly host?: string
}

/**
 * An error as BullMQ keeps it with a failed job. The first line is the message, which dashboards show. The second line is
 * JSON with what a client needs to throw the same error.
 */
export function encodeFailure(error: unknown): string {
  const given = messageOf(error)
  const text = String(given)
  const { parts } = text.length > longestMessage ? new Message(clipText(text)) : given
  const { host } = Object(error) as FailureDetails
  return `${joinLines(clipText(text))}\n${JSON.stringify({ ...detailsOf(error), host, parts })}`
}

/**
 * The error that `encodeFailure` encoded. Any other text, such as one of BullMQ, is the message of an error without details.
 *
 * @param sources the files of the shard, and their names on the client; the error is about no other file
 */
export function decodeFailure(failure: string, sources?: readonly NamedFile[]): Error & FailureDetails {
  const [first = '', second] = failure.slice(0, longestFailure).split('\n', 2)
  const { parts, ...given } = parseObject(second)
  const text = readMessage(parts, first) ?? new Message(clipText(first || 'the shard failed without a reason'))
  const details = readDetails(given)
  if (sources === undefined) return restoreError(text, details)
  const { file, ...others } = details
  // A worker's message about its own host keeps the path that this worker reads.
  const known = details.host === undefined ? sources.reduce(replaceSource, text) : text
  const source = sources.find((each) => each.file === file)
  return restoreError(known, source === undefined ? others : { ...others, file: source.name })
}

/** A file of a shard, and its name on the client. */
export interface NamedFile {
  readonly file: string
  readonly name: string
}

function replaceSource(text: Message, { file, name }: NamedFile): Message {
  return replaceInMessage(text, file, name)
}

function clipText(text: string): string {
  return text.length > longestMessage ? `${text.slice(0, longestMessage - 1)}…` : text
}

function parseObject(json = ''): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(json))
  } catch {
    return {}
  }
}

/** The message of these parts, if it says what the first line says. */
function readMessage(parts: unknown, first: string): Message | undefined {
  if (!Array.isArray(parts) || first === '') return undefined
  const known = parts.map((part) => (typeof part === 'string' ? part : readMention(part)))
  if (known.includes(undefined)) return undefined
  const message = new Message(...(known as (string | Mention)[]))
  const text = String(message)
  return text === clipText(text) && joinLines(text) === first ? message : undefined
}

/** A mention without any other property. */
function readMention(value: unknown): Mention | undefined {
  const { name, given, text, settings } = Object(value) as Readonly<Record<string, unknown>>
  if (isKey(name)) return { name }
  if (isKey(given) && typeof text === 'string') return { given, text }
  const entries = Object.entries(Object(settings))
  const areRight = entries.length > 0 && entries.every(([key, each]) => isKey(key) && [each].flat().every(isScalar))
  return areRight ? { settings: Object.fromEntries(entries) as Readonly<Record<string, OptionValue>> } : undefined
}

function isScalar(value: unknown): boolean {
  return ['string', 'number', 'boolean'].includes(typeof value)
}

/** True if a value may be the key of an option. */
function isKey(value: unknown): value is string {
  return typeof value === 'string' && /^[a-z][A-Za-z]{0,30}$/.test(value)
}

function isPositive(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) > 0
}

const detailChecks: { readonly [Name in keyof FailureDetails]-?: (value: unknown) => boolean } = {
  code: (value) => typeof value === 'string' && /^[A-Z][A-Z0-9_]{0,50}$/.test(value),
  option: isKey,
  file: (value) => typeof value === 'string' && value.length <= 4096,
  row: isPositive,
  count: isPositive,
  host: (value) => typeof value === 'string' && value.length <= 255,
}

function readDetails(given: Readonly<Record<string, unknown>>): FailureDetails {
  const known = Object.entries(detailChecks).filter(([name, isRight]) => isRight(given[name]))
  return Object.fromEntries(known.map(([name]) => [name, given[name]]))
}

import { detailsOf, type ErrorDetails, type Mention, Message, messageOf, restoreError } from '../files/errors.ts'

/**
 * An error as BullMQ keeps it with a failed job: the message for people on the first line, and on the second what a client
 * needs to throw the same error.
 */
export function encodeFailure(error: unknown): string {
  const text = messageOf(error)
  const first = String(text).replace(/\s*\n\s*/g, ' ')
  return `${first}\n${JSON.stringify({ ...detailsOf(error), parts: text.parts })}`
}

/** The error that `encodeFailure` encoded. Any other text, such as BullMQ's own, is the message of an error. */
export function decodeFailure(failure: string): Error {
  const [first = '', second] = failure.split('\n')
  const { parts, ...details } = parseObject(second)
  return restoreError(new Message(...(isParts(parts) ? parts : [first])), readDetails(details))
}

function parseObject(json = ''): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(json))
  } catch {
    return {}
  }
}

function isParts(value: unknown): value is (string | Mention)[] {
  return Array.isArray(value) && value.every((part) => typeof part === 'string' || isMention(part))
}

function isMention(value: unknown): value is Mention {
  const { name, given, text, settings } = Object(value)
  if (typeof name === 'string') return true
  if (typeof given === 'string') return typeof text === 'string'
  const isValue = (each: unknown) => ['string', 'number', 'boolean'].includes(typeof each)
  return typeof settings === 'object' && settings !== null && Object.values(settings).flat().every(isValue)
}

function readDetails(given: Readonly<Record<string, unknown>>): ErrorDetails {
  const kinds = { code: 'string', option: 'string', file: 'string', row: 'number', count: 'number' } as const
  const known = Object.entries(kinds).filter(([name, kind]) => typeof given[name] === kind)
  return Object.fromEntries(known.map(([name]) => [name, given[name]]))
}

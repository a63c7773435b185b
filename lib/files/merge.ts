import { readFile } from 'node:fs/promises'
import { LossAccumulator } from '../index.ts'
import { settingNames } from '../settings.ts'
import { describe, invalidArgument } from '../validate.ts'
import { type ErrorDetails, errorAt, fileError, message, messageOf, option, optionError } from './errors.ts'
import { type Check, path, type RunOptions, readPaths, readSignal } from './options.ts'
import { assertFile, assertLocal, readFlags } from './paths.ts'
import type { FileTotals } from './totals.ts'
import { takeTurns } from './turns.ts'

/**
 * Adds up partials to the totals that `scoreFiles` returns over all their files, bit for bit. A partial counts each time it
 * is given.
 *
 * @param parts files of lines of JSON, as `partial` prints them, or such lines themselves: a text that begins with `{`.
 * Blank lines, CR before LF and a byte-order mark are skipped, and files may be UTF-16
 * @param options.signal aborts the call
 * @returns the totals; there are no `groups`
 * @throws {TypeError} ERR_INVALID_ARG_TYPE: `parts` is not an array of strings, or `signal` not an AbortSignal; `option`
 * @throws {RangeError} ERR_INVALID_ARG_VALUE: there is no part, or an unknown option; `option`
 * @throws {Error} ERR_INVALID_FILE: a part has no partial, a line is not one, or has other settings than the first; `file`,
 * and `row`, the number of the line
 * @throws {Error} ENOENT, EACCES and other codes of the file system; `file`
 * @throws the signal's reason after an abort
 *
 * @example
 * const { total } = await mergePartials(['monday.json', 'tuesday.json', JSON.stringify(accumulator)])
 * console.log(total.count, total.mean)
 */
export async function mergePartials(
  parts: readonly string[],
  options: Pick<RunOptions, 'signal'> = {},
): Promise<FileTotals> {
  const given = readPaths(parts, 'parts', part)
  const { signal } = readSignal(options)
  if (given.length === 0) throw optionError('parts', message`${option('parts')} must have a file or text, got none`)
  let first: Partial | undefined
  const empty: Part[] = []
  const turn = takeTurns(signal)
  for (const [index, text] of given.entries()) {
    signal?.throwIfAborted()
    const part = await readPart(text, index)
    if (part.lines.every(isBlank)) empty.push(part)
    for (const [i, line] of part.lines.entries()) {
      if (isBlank(line)) continue
      const partial = parsePartial(part, i + 1, line)
      if (first === undefined) first = partial
      else addPartial(first, partial)
      await turn()
    }
  }
  if (first === undefined || empty.length > 0) throw fileError(describeEmpty(empty), empty[0]?.details)
  return { total: first.total }
}

const part: Check = (name, value) => {
  if (!(value instanceof LossAccumulator)) return path(name, value)
  const expected = 'a path, or the text that JSON.stringify gives'
  throw invalidArgument('ERR_INVALID_ARG_TYPE', name, expected, describe(value))
}

/** A file or text with its lines. */
interface Part {
  readonly name: string
  /** of errors: `file`, where it is one */
  readonly details: ErrorDetails
  readonly lines: readonly string[]
}

/** A partial with where it was found. */
interface Partial {
  readonly total: LossAccumulator
  readonly place: string
  readonly details: ErrorDetails
}

/** True of a text that is a partial, and not the path of a file of partials. */
export function isPartialText(text: string): boolean {
  return /^\s*\{/.test(text)
}

async function readPart(text: string, index: number): Promise<Part> {
  const isText = isPartialText(text)
  const [name, details] = isText ? [`text ${index + 1}`, {}] : [text, { file: text }]
  const content = isText ? text : await readText(text)
  return { name, details, lines: content.replace(/^\ufeff/, '').split('\n') }
}

async function readText(path: string): Promise<string> {
  assertLocal(path)
  await assertFile(path, ' of lines that partial has printed')
  const bytes = await readFile(path, { flag: readFlags }).catch((cause) => {
    throw errorAt(path, cause)
  })
  return new TextDecoder(encodingOf(bytes)).decode(bytes)
}

/** The encoding by the byte order mark: `>` of Windows PowerShell writes UTF-16. */
function encodingOf(bytes: Buffer): 'utf-8' | 'utf-16le' | 'utf-16be' {
  const mark = bytes.subarray(0, 2).toString('hex')
  return mark === 'fffe' ? 'utf-16le' : mark === 'feff' ? 'utf-16be' : 'utf-8'
}

function isBlank(line: string): boolean {
  return line.trim() === ''
}

function parsePartial({ name, details }: Part, row: number, line: string): Partial {
  const origin = { place: `${name}, line ${row}`, details: { ...details, row } }
  try {
    return { ...origin, total: readTotal(JSON.parse(line)) }
  } catch (cause) {
    throw fileError(message`${origin.place}: not a partial: ${messageOf(cause)}`, origin.details, cause)
  }
}

function readTotal(value: unknown): LossAccumulator {
  const { mean, groups } = Object(value)
  if (mean === undefined && groups === undefined) return LossAccumulator.fromJSON(value)
  throw new Error('these are the rounded figures of score; run partial, or write JSON.stringify(total) in a program')
}

/** Adds a partial to the first; sums of losses under different settings mean nothing. */
function addPartial(first: Partial, { total, place, details }: Partial): void {
  const name = settingNames.find((each) => total[each] !== first.total[each])
  if (name !== undefined) {
    throw fileError(`${place}: ${name} is ${total[name]}, but ${first.total[name]} in ${first.place}`, details)
  }
  try {
    first.total.merge(total)
  } catch (cause) {
    throw fileError(message`${place}: ${messageOf(cause)}`, details, cause)
  }
}

function describeEmpty(parts: readonly Part[]): string {
  const names = parts.slice(0, 5).map(({ name }) => name)
  const more = parts.length > 5 ? ` and ${parts.length - 5} more` : ''
  return `${names.join(', ')}${more}: no partial in the file; run partial again`
}

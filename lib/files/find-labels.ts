import { formatCount } from '../format.ts'
import { describeTexts, type Scan, selectRows, sqlOf } from './duckdb/scan.ts'
import { isText } from './duckdb/scored-types.ts'
import type { Session } from './duckdb/session.ts'
import { type Message, message, option, optionError, quoteShort, set } from './errors.ts'
import type { Inputs } from './open.ts'
import type { GivenScoring, Scoring } from './options.ts'
import { type ArraySource, openArraySource } from './readers/array-source.ts'

/** The numbers of rows by the text of their label. */
type Counts = Map<string, number>

/** The most texts that are counted of a scan; more than two are an error already. */
const mostCounted = 1000

/**
 * Completes scoring options whose positive label is a text and whose negative one is absent: it is the only other text in the files,
 * and the caller gets a note.
 *
 * @throws {RangeError} ERR_INVALID_ARG_VALUE, with `option`: there are several other texts or none, or no label is the positive one
 */
export async function completeLabels(inputs: Inputs, { labelTexts, ...others }: GivenScoring): Promise<Scoring> {
  if (labelTexts === undefined) return others
  const { positive, negative } = labelTexts
  if (negative !== undefined) return { ...others, labelTexts: { positive, negative } }
  const { arraySources, scans, signal, note } = inputs
  const counts: Counts = new Map()
  // No text is the negative label yet: it does not matter while texts are counted.
  const reading = { ...others, labelTexts: { positive, negative: `not ${positive}` } }
  for (const source of arraySources) await countInArrays(source, reading, inputs, counts)
  for (const [step, scan] of (scans?.list ?? []).entries()) {
    signal.throwIfAborted()
    const session = scans?.session as Session
    session.pass = { doing: 'looking for the labels', step, steps: scans?.list.length ?? 1 }
    await countInScan(session, scan, others.label, counts)
  }
  if (counts.size === 0) return reading
  const found = chooseNegative(counts, positive)
  note(message`takes ${set({ negativeLabel: found })}: the files have no other label`)
  return { ...others, labelTexts: { positive, negative: found } }
}

async function countInArrays(source: ArraySource, reading: Scoring, inputs: Inputs, counts: Counts): Promise<void> {
  if (source.files.includes('-')) {
    const reason = 'standard input is read once, and both labels must be known before'
    throw optionError('negativeLabel', message`${option('negativeLabel')} is missing: ${reason}`)
  }
  const { keep: _, by: __, ...names } = reading
  const { batches } = await openArraySource(source, names, inputs)
  for await (const { rows, labelTextAt } of batches) {
    inputs.signal.throwIfAborted()
    for (let row = 0; row < rows; row++) count(counts, labelTextAt?.(row) ?? null, 1)
  }
}

/** A label of another type than text is left for the types of the scan to report. */
async function countInScan(session: Session, scan: Scan, label: string, counts: Counts): Promise<void> {
  const described = await describeTexts(session, scan, [label]).catch(() => [])
  if (!isText(described[0]?.type ?? '')) return
  const rows =
    await session.readRows(`SELECT CAST((${sqlOf(scan, label)}) AS VARCHAR), count(*) FROM ${selectRows(scan).from}
    GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ${mostCounted}`)
  for (const [text, number] of rows) count(counts, text as string | null, Number(number))
}

function count(counts: Counts, text: string | null, rows: number): void {
  if (text !== null) counts.set(text, (counts.get(text) ?? 0) + rows)
}

function chooseNegative(counts: Counts, positive: string): string {
  const [found, ...others] = [...counts.keys()].filter((text) => text !== positive)
  if (!counts.has(positive)) {
    throw optionError('positiveLabel', message`no label is ${quoteShort(positive)}: ${listLabels(counts)}`)
  }
  if (found !== undefined && others.length === 0) {
    if (simplify(found) !== simplify(positive)) return found
    const pair = `${escapeShort(found)}, is ${escapeShort(positive)} in another spelling`
    const advice = 'it names the one of dissimilar pairs'
    throw optionError(
      'negativeLabel',
      message`${option('negativeLabel')} is missing, and the only other label, ${pair}; ${advice}`,
    )
  }
  const reason =
    found === undefined
      ? message`every label is ${quoteShort(positive)}`
      : message`${listLabels(counts)}; it names the one of dissimilar pairs`
  throw optionError('negativeLabel', message`${option('negativeLabel')} is missing, and ${reason}`)
}

/** Equal for texts that people take for one: they differ in case, outer spaces or encoding alone. */
function simplify(text: string): string {
  return text.normalize('NFKC').trim().toLowerCase()
}

/** A text in quotes, of which texts that look the same differ. */
function escapeShort(text: string): string {
  return quoteShort(text).replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** The most labels that a message lists. */
const mostListed = 5

function listLabels(counts: Counts): Message {
  const sorted = [...counts].sort(([, one], [, other]) => other - one)
  const listed = sorted.slice(0, mostListed).map(([text, rows]) => {
    return `${quoteShort(text)} (${formatCount(rows)} row${rows === 1 ? '' : 's'})`
  })
  const more = sorted.length > mostListed ? ` and ${formatCount(sorted.length - mostListed)} more` : ''
  return message`the labels are ${listed.join(', ')}${more}`
}

import { formatCount } from '../format.ts'
import { isZeroOneEncoding } from '../settings.ts'
import { type ErrorDetails, fileError, given, type Message, message, option, set } from './errors.ts'
import type { Scoring } from './options.ts'

/** What is wrong with a row: its input or label is null, its input is NaN, or its label is neither of the two. */
export type RowErrorKind = 'input' | 'label' | 'nan' | 'other'

/** The first row with an error of a kind, and the number of such rows. */
export interface RowError {
  readonly kind: RowErrorKind
  /** from 1 on */
  readonly row: number
  /** the label as text, for the kind `other` */
  readonly label: string
  readonly count: number
}

const codes: Readonly<Record<RowErrorKind, string>> = {
  input: 'ERR_NULL',
  label: 'ERR_NULL',
  nan: 'ERR_NAN',
  other: 'ERR_INVALID_LABEL',
}

/** The exception for a row error in a file; `place` stands for the file in its message. */
export function rowError(file: string, error: RowError, scoring: Scoring, place = file): Error & ErrorDetails {
  const { kind, row, count } = error
  const name = kind === 'label' || kind === 'other' ? 'label' : 'input'
  const rows = `${formatCount(count)} such row${count === 1 ? '' : 's'}`
  const text = message`${place}, row ${formatCount(row)}: ${describeRow(error, scoring, rows)}`
  return fileError(text, { code: codes[kind], option: name, file, row, count })
}

function describeRow({ kind, label }: RowError, scoring: Scoring, rows: string): Message {
  const { positiveLabel, negativeLabel } = scoring
  if (kind === 'nan')
    return message`${given('input', scoring.input)} is NaN (${rows}; ${set({ nan: 'ignore' })} leaves them out)`
  if (kind !== 'other') {
    return message`${given(kind, scoring[kind])} is null (${rows}; ${set({ nulls: 'ignore' })} leaves them out)`
  }
  const value = label.replace(/\.0$/, '')
  const advice = isZeroOneEncoding(value, positiveLabel)
    ? message`for 0/1 labels use ${set({ negativeLabel: 0 })}`
    : message`${option('positiveLabel')} and ${option('negativeLabel')} name the encoding, ${set({ otherLabels: ['zero', 'ignore'] })} lets others pass`
  return message`label is ${value}, neither ${positiveLabel} nor ${negativeLabel} (${rows}; ${advice})`
}

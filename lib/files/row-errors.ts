import { formatCount } from '../format.ts'
import { isZeroOneEncoding } from '../settings.ts'
import { type ErrorDetails, fileError, given, type Message, message, option, quoteShort, set } from './errors.ts'
import type { Scoring } from './options.ts'
import { nameInput, optionOfInput, type Pair } from './pair.ts'

/**
 * What is wrong with a row: its input, an embedding, its label or its weight is null, its input is NaN, its label is neither of
 * the two, its weight is negative, NaN or infinite, an embedding has a null among its elements, the two embeddings differ in length, an id is that of no embedding, or of one that is null,
 * an id has no label, or is null.
 */
export type RowErrorKind =
  | 'input'
  | 'left'
  | 'right'
  | 'label'
  | 'weight'
  | 'nan'
  | 'other'
  | 'invalidWeight'
  | 'leftElement'
  | 'rightElement'
  | 'length'
  | 'leftId'
  | 'rightId'
  | 'leftEmbedding'
  | 'rightEmbedding'
  | 'labelId'
  | 'on'

/** The first row with an error of a kind, and the number of such rows. */
export interface RowError {
  readonly kind: RowErrorKind
  /** from 1 on */
  readonly row: number
  /** the label, for the kind `other`; the weight; the place of the null among the elements; both lengths */
  readonly detail: string
  readonly count: number
}

const codes: Readonly<Record<RowErrorKind, string>> = {
  input: 'ERR_NULL',
  left: 'ERR_NULL',
  right: 'ERR_NULL',
  label: 'ERR_NULL',
  weight: 'ERR_NULL',
  nan: 'ERR_NAN',
  other: 'ERR_INVALID_LABEL',
  invalidWeight: 'ERR_INVALID_WEIGHT',
  leftElement: 'ERR_NULL',
  rightElement: 'ERR_NULL',
  length: 'ERR_SHAPE_MISMATCH',
  leftId: 'ERR_UNKNOWN_ID',
  rightId: 'ERR_UNKNOWN_ID',
  leftEmbedding: 'ERR_NULL',
  rightEmbedding: 'ERR_NULL',
  labelId: 'ERR_UNKNOWN_ID',
  on: 'ERR_NULL',
}

/** The option of the column that a row error is about. */
function optionOf(kind: RowErrorKind, { input }: Scoring): string {
  if (kind === 'input' || kind === 'nan') return optionOfInput(input)
  return (
    {
      other: 'label',
      invalidWeight: 'weight',
      leftElement: 'left',
      rightElement: 'right',
      length: 'right',
      leftId: 'left',
      rightId: 'right',
      leftEmbedding: 'left',
      rightEmbedding: 'right',
      labelId: 'on',
    }[kind as string] ?? kind
  )
}

/** The exception for a row error in a file; `place` stands for the file in its message. */
export function rowError(file: string, error: RowError, scoring: Scoring, place = file): Error & ErrorDetails {
  const { kind, row, count } = error
  const rows = `${formatCount(count)} such row${count === 1 ? '' : 's'}`
  const text = message`${place}, row ${formatCount(row)}: ${describeRow(error, scoring, rows)}`
  return fileError(text, { code: codes[kind], option: optionOf(kind, scoring), file, row, count })
}

function describeRow({ kind, detail }: RowError, scoring: Scoring, rows: string): Message {
  const { input, positiveLabel, negativeLabel, labelTexts } = scoring
  if (kind === 'nan') return message`${nameInput(input)} is NaN (${rows}; ${set({ nan: 'ignore' })} leaves them out)`
  const pair = input as Pair
  const [left, right] = [given('left', pair.left), given('right', pair.right)]
  if (kind === 'length') {
    const [one = '', other = ''] = detail.split(',')
    return message`${left} has ${one} element${one === '1' ? '' : 's'}, but ${right} ${other} (${rows})`
  }
  if (kind === 'leftId' || kind === 'rightId') {
    const file = pair.lookup?.file ?? ''
    return message`${kind === 'leftId' ? left : right}: ${file} has no embedding of ${detail} (${rows})`
  }
  const { labels } = scoring
  const on = given('on', labels?.on ?? '')
  if (kind === 'labelId') return message`${on}: ${labels?.file ?? ''} has no label of ${detail} (${rows})`
  const advice = message`${rows}; ${set({ nulls: 'ignore' })} leaves them out`
  if (kind === 'leftEmbedding' || kind === 'rightEmbedding') {
    const file = pair.lookup?.file ?? ''
    return message`${kind === 'leftEmbedding' ? left : right}: the embedding of ${detail} in ${file} is null (${advice})`
  }
  if (kind === 'leftElement' || kind === 'rightElement') {
    return message`${kind === 'leftElement' ? left : right} has a null as its element ${detail} (${rows})`
  }
  const weight = given('weight', scoring.weight ?? '')
  if (kind === 'invalidWeight') {
    return message`${weight} is ${detail.replace(/\.0$/, '')}, must be 0 or more, and finite (${rows})`
  }
  if (kind !== 'other') {
    const name = { input: nameInput(input), left, right, label: given('label', scoring.label), weight, on }[kind]
    return message`${name} is null (${advice})`
  }
  const passing = message`${set({ otherLabels: ['zero', 'ignore'] })} lets others pass`
  if (labelTexts !== undefined) {
    const [positive, negative] = [labelTexts.positive, labelTexts.negative].map(quoteShort)
    const advice = message`texts are compared exactly, with case and spaces; ${passing}`
    return message`label is ${quoteShort(detail)}, neither ${positive ?? ''} nor ${negative ?? ''} (${rows}; ${advice})`
  }
  const value = detail.replace(/\.0$/, '')
  const encodings = isZeroOneEncoding(value, positiveLabel)
    ? message`for 0/1 labels use ${set({ negativeLabel: 0 })}`
    : message`${option('positiveLabel')} and ${option('negativeLabel')} name the encoding, ${passing}`
  return message`label is ${value}, neither ${positiveLabel} nor ${negativeLabel} (${rows}; ${encodings})`
}

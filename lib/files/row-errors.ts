import { groups } from '../cli/report.ts'
import type { Options } from './duckdb/totals.ts'

/** What is wrong with a row: a null, an input that is NaN, or a label that is neither. */
export type FaultKind = 'input' | 'label' | 'nan' | 'other'

/** The first row with a fault, and how many have it. */
export interface Fault {
  readonly kind: FaultKind
  /** from 1 on */
  readonly row: number
  readonly label: string
  readonly count: number
}

export function describeFault({ kind, row, label, count }: Fault, options: Options): string {
  const { positiveLabel, negativeLabel } = options
  const place = `row ${groups(row)}`
  const rows = `${groups(count)} such row${count === 1 ? '' : 's'}`
  if (kind === 'nan') return `${place}: --input ${options.input} is NaN (${rows}; --nan ignore leaves them out)`
  if (kind !== 'other') return `${place}: --${kind} ${options[kind]} is null (${rows}; --nulls ignore leaves them out)`
  const value = label.replace(/\.0$/, '')
  const isZeroOne = /^-?0$|^false$/.test(value) && positiveLabel === 1
  const advice = isZeroOne
    ? 'for 0/1 labels use --negative-label 0'
    : '--positive-label and --negative-label name the encoding, --other-labels zero or ignore lets others pass'
  return `${place}: label is ${value}, neither ${positiveLabel} nor ${negativeLabel} (${rows}; ${advice})`
}

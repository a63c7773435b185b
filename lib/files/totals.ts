import type { LossAccumulator } from '../index.ts'
import { emptyTotal, type Scoring } from './options.ts'

/** The totals of the rows with one value of `by`. */
export interface Group {
  /** the value as `--json` prints it; an integer of 2^53 or more is a bigint */
  readonly by: unknown
  /** the value as text; null where it is NULL */
  readonly key: string | null
  /** the value as JSON, without any loss */
  readonly json: string
  readonly total: LossAccumulator
}

/** The totals of files. */
export interface FileTotals {
  readonly total: LossAccumulator
  /** in the order of their values; absent without `by` */
  readonly groups?: readonly Group[]
}

export function makeGroup(json: string, key: string | null, total: LossAccumulator): Group {
  return { by: readKey(json), key, json, total }
}

function readKey(json: string): unknown {
  const value: unknown = JSON.parse(json)
  const isRounded = typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)
  return isRounded && /^-?\d+$/.test(json) ? BigInt(json) : value
}

/** The groups with the total of all. */
export function totalsOf(groups: readonly Group[], scoring: Scoring): FileTotals {
  const total = groups.reduce((all, { total }) => all.merge(total), emptyTotal(scoring))
  return { total, ...(scoring.by !== undefined && { groups }) }
}

import type { LossAccumulator } from '../index.ts'
import { emptyTotal, type Scoring } from './options.ts'

/**
 * A value of `by`, as JSON has it: dates, times, NaN and infinities are text. An integer of 2^53 or more is a bigint; inside
 * lists and structures it is rounded.
 */
export type GroupValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | readonly GroupValue[]
  | { readonly [name: string]: GroupValue }

/** The totals of the rows with one value of `by`. */
export interface Group {
  readonly by: GroupValue
  /** the value as text; null where it is NULL */
  readonly key: string | null
  /** the value as the JSON that `--json` prints, with all digits */
  readonly json: string
  readonly total: LossAccumulator
}

/** The totals of files. */
export interface FileTotals {
  /** of all rows */
  readonly total: LossAccumulator
  /** with `by`: a group for each of its values, in their order, null last; absent without it */
  readonly groups?: readonly Group[]
}

export function makeGroup(json: string, key: string | null, total: LossAccumulator): Group {
  return { by: parseGroupValue(json), key, json, total }
}

function parseGroupValue(json: string): GroupValue {
  const value: GroupValue = JSON.parse(json)
  const isRounded = typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)
  return isRounded && /^-?\d+$/.test(json) ? BigInt(json) : value
}

/** Adds up the totals of groups. */
export function sumGroups(groups: readonly Group[], scoring: Scoring): FileTotals {
  const total = groups.reduce((all, { total }) => all.merge(total), emptyTotal(scoring))
  return { total, ...(scoring.by !== undefined && { groups }) }
}

import type { Scoring } from '../files/options.ts'
import { Missing } from '../files/readers/chunks.ts'
import type { DType } from '../index.ts'

/**
 * What a row is to the loss. A negative is active if its distance is less than the margin, of several the least; a row is
 * `nan` if it is left out.
 */
export const strata = ['positive', 'active', 'inactive', 'other', 'null', 'nan'] as const
export type Stratum = (typeof strata)[number]

export const classNames = ['positive', 'negative'] as const
export type ClassName = (typeof classNames)[number]

export function isClassName(name: string): name is ClassName {
  return (classNames as readonly string[]).includes(name)
}

/** The strata of each class. No other stratum is drawn. */
export const classStrata = {
  positive: ['positive'],
  negative: ['active', 'inactive'],
} as const satisfies Readonly<Record<ClassName, readonly Stratum[]>>

/** Comparisons by their operators in SQL. */
const comparisons = {
  '=': (value: number, limit: number) => value === limit,
  '<>': (value: number, limit: number) => value !== limit,
  '<': (value: number, limit: number) => value < limit,
} as const

/** Compares the input x or the label y with a number. */
type Rule = readonly [stratum: Stratum, column: 'x' | 'y', operator: keyof typeof comparisons, limit: number]

/** The first rule that holds gives the stratum of a row without a null. If none does, the row is inactive. */
function rulesOf({ margins, positiveLabel, negativeLabel }: Scoring, dtype: DType): Rule[] {
  const margin = Math.min(...margins)
  return [
    ['positive', 'y', '=', positiveLabel],
    ['other', 'y', '<>', negativeLabel],
    ['active', 'x', '<', dtype === 'float32' ? Math.fround(margin) : margin],
  ]
}

/** Returns a function that classifies rows in memory. Its third argument is the row's code of `Missing`. */
export function makeClassifier(scoring: Scoring, dtype: DType): (x: number, y: number, code?: number) => Stratum {
  const rules = rulesOf(scoring, dtype)
  return (x, y, code = Missing.none) => {
    if (code !== Missing.none) return code === Missing.nan ? 'nan' : 'null'
    for (const [stratum, column, operator, limit] of rules) {
      if (comparisons[operator](column === 'x' ? x : y, limit)) return stratum
    }
    return 'inactive'
  }
}

/** The same classification as an SQL expression over x and y. Its value is an index of `strata`. */
export function classifyInSQL(scoring: Scoring, dtype: DType): string {
  const indexOf = (stratum: Stratum) => strata.indexOf(stratum)
  const whens = rulesOf(scoring, dtype).map(
    ([stratum, column, operator, limit]) => `WHEN ${column} ${operator} '${limit}'::DOUBLE THEN ${indexOf(stratum)}`,
  )
  return `CASE WHEN x IS NULL OR y IS NULL THEN ${indexOf('null')}
    ${scoring.nan === 'ignore' ? `WHEN isnan(x) THEN ${indexOf('nan')}` : ''}
    ${whens.join(' ')} ELSE ${indexOf('inactive')} END`
}

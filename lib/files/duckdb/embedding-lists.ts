import { fileError, given, message } from '../errors.ts'
import { defaultEpsilon, type Pair } from '../pair.ts'
import { castToScored, isSamePrecision, isScorable, nullType } from './scored-types.ts'
import { quoteText } from './sql.ts'

/** An embedding of a pair: its option, the option's text, its SQL as a user writes it, and what `selectPairs` has of it. */
interface Side {
  readonly option: 'left' | 'right'
  readonly text: string
  readonly sql: string
  readonly column: string
  readonly type: string
}

/** SQL of both embeddings as lists of FLOAT or of DOUBLE, over the columns of `selectPairs`. */
export interface EmbeddingLists {
  readonly left: string
  readonly right: string
}

/** The type of the elements of a list or array. */
export function elementTypeOf(type: string): string | undefined {
  return /^(.+)\[\d*\]$/.exec(type)?.[1]
}

/** The type of the elements of both columns, as a distance is scored; of other columns a type that cannot be scored. */
export function pairTypeOf(left: string, right: string): string {
  const [one, other] = [elementTypeOf(left), elementTypeOf(right)]
  const areScorable = one !== undefined && other !== undefined && isScorable('input', one) && isScorable('input', other)
  if (!areScorable || !isSamePrecision(one, other)) return `${left}, ${right}`
  return one === 'FLOAT' ? one : 'DOUBLE'
}

/**
 * Makes lists of the elements in the type that they are scored as.
 *
 * @throws {Error} ERR_INVALID_FILE, with `option`: a column has no lists of numbers, or the two have FLOAT and other numbers
 */
export function castToLists(left: Side, right: Side, type: string): EmbeddingLists {
  if (type === nullType) return { left: 'CAST(NULL AS DOUBLE[])', right: 'CAST(NULL AS DOUBLE[])' }
  const lists = { left: castSide(left), right: castSide(right) }
  if (isScorable('input', type)) return lists
  const problem = message`${given('right', right.text)} is ${right.type}, but ${given('left', left.text)} ${left.type}`
  const narrow = right.type.startsWith('FLOAT[') ? right : left
  throw fileError(message`${problem}; CAST(${narrow.sql} AS DOUBLE[]) makes both of one type`, { option: 'right' })
}

function castSide({ option, text, sql, column, type }: Side): string {
  const element = elementTypeOf(type)
  if (element === undefined || !isScorable('input', element)) {
    const advice = type === 'VARCHAR' ? ` (CAST(${sql} AS DOUBLE[]) reads lists in text)` : ''
    throw fileError(message`${given(option, text)} is ${type}, must be lists of numbers${advice}`, { option })
  }
  const scored = castToScored('input', { text, sql, column: 'e', type: element })
  return scored === 'e' ? `CAST(${column} AS ${element}[])` : `list_transform(${column}, lambda e: ${scored})`
}

/** SQL of the distance. Arguments by default are left out: each constant one costs as much as a column. */
export function callDistance({ left, right }: EmbeddingLists, { distance, epsilon }: Pair): string {
  const isDefault = distance === 'euclidean' && epsilon === defaultEpsilon(distance)
  const settings = isDefault ? '' : `, ${quoteText(distance)}, '${epsilon}'::DOUBLE`
  return `hinge_embedding_distance(${left}, ${right}${settings})`
}

import { formatJSON } from '../format.ts'
import { LossAccumulator } from '../index.ts'
import { emptyTotals, type Group, type GroupValue, type Margins, type Scoring } from './options.ts'

/** The totals of files at one margin. */
export interface FileTotals {
  /** of all rows */
  readonly total: LossAccumulator
  /** with `by`: a group for each of its values, in their order, null last; absent without it, and with `onGroup` */
  readonly groups?: readonly Group[]
  /** with `top`: the rows of the greatest losses, also of all groups; NaN first, equal losses in the order of the rows */
  readonly top?: readonly TopRow[]
}

/** A row whose loss is among the greatest. */
export interface TopRow {
  /** the path of the file as it was found, or `-` */
  readonly file: string
  /** from 1 on, in the file */
  readonly row: number
  /** the loss that `output` writes for the row: it has no weight */
  readonly loss: number
  readonly input: number
  /** of labels that are text the text */
  readonly label: number | string
  /** with `keep`: the kept columns by their names */
  readonly kept?: Readonly<Record<string, GroupValue>>
}

/** What a run over files returns: totals or, with a list of margins, totals for each in the order of the list. */
export type TotalsOf<Margin extends Margins> = Margin extends readonly number[]
  ? { readonly [Index in keyof Margin]: FileTotals }
  : FileTotals

/** The totals of a run in the form that its option `margin`, default 1, asks for. */
export function selectTotals<Margin extends Margins>(
  totals: readonly FileTotals[],
  margin: Margin | undefined,
): TotalsOf<Margin> {
  return (typeof margin === 'object' ? totals : totals[0]) as TotalsOf<Margin>
}

/** The groups of a run in the order of their values, batch after batch. They can be read several times. */
export interface GroupReader {
  readGroups(): AsyncIterable<readonly Group[]>
  /**
   * Reads `{"by":…,"count":…,…}`, the figures of each group after its `json` or, as a JSON string, its `key`: batches of
   * UTF-8 text with commas between groups. JavaScript makes nothing of a single group.
   */
  readElements(by: 'key' | 'json'): AsyncIterable<Uint8Array>
}

/** The totals of files at one margin, with groups that need not fit in memory. */
export interface StreamedTotals {
  /** of all rows */
  readonly total: LossAccumulator
  /** with `by` */
  readonly groups?: GroupReader
  /** with `top` */
  readonly top?: readonly TopRow[]
}

/** A group whose total is made from its partial when it is first read. */
class LazyGroup implements Group {
  readonly by: GroupValue
  readonly key: string | null
  readonly json: string
  declare readonly total: LossAccumulator
  #total: LossAccumulator | string

  constructor(json: string, key: string | null, total: LossAccumulator | string) {
    this.by = parseGroupValue(json)
    this.key = key
    this.json = json
    this.#total = total
    // A property of its own, so that copies and JSON have it.
    Object.defineProperty(this, 'total', LazyGroup.#totalProperty)
  }

  static readonly #totalProperty: PropertyDescriptor & ThisType<LazyGroup> = {
    enumerable: true,
    get() {
      if (typeof this.#total === 'string') this.#total = LossAccumulator.fromJSON(JSON.parse(this.#total))
      return this.#total
    },
  }
}

/** Makes a group of its value as JSON and as text, and of its total or the partial of it. */
export function makeGroup(json: string, key: string | null, total: LossAccumulator | string): Group {
  return new LazyGroup(json, key, total)
}

/** Reads a value as the JSON that DuckDB writes of it. */
export function parseGroupValue(json: string): GroupValue {
  const value: GroupValue = JSON.parse(json)
  const isRounded = typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)
  return isRounded && /^-?\d+$/.test(json) ? BigInt(json) : value
}

/** Adds up the totals of groups, which are given for each margin. */
export function sumGroups(groups: readonly (readonly Group[])[], scoring: Scoring): FileTotals[] {
  return emptyTotals(scoring).map((total, index) => {
    const own = groups[index] ?? []
    for (const group of own) total.merge(group.total)
    return { total, ...(scoring.by !== undefined && { groups: own }) }
  })
}

/** The figures of totals as JSON, as `--json` prints them. */
export function formatFigures(total: LossAccumulator): string {
  const { count, sum, mean, margin, positives, negatives, others } = total
  const weight = isWeighted(total) ? { weight: total.weight } : {}
  return formatJSON({ count, sum, mean, ...weight, margin, positives, negatives, others })
}

/** A row of the greatest losses as JSON. */
export function formatTopRow({ kept, ...figures }: TopRow): string {
  if (kept === undefined) return formatJSON(figures)
  const format = (value: GroupValue) => (typeof value === 'bigint' ? String(value) : formatJSON(value))
  const columns = Object.entries(kept).map(([name, value]) => `${JSON.stringify(name)}:${format(value)}`)
  return `${formatJSON(figures).slice(0, -1)},"kept":{${columns.join()}}}`
}

/** True of totals that have weights. */
export function isWeighted({ positives }: Pick<LossAccumulator, 'positives'>): boolean {
  return positives.weight !== undefined
}

/** Makes totals in memory readable like those that a database holds. */
export function streamTotals({ groups, ...totals }: FileTotals): StreamedTotals {
  return { ...totals, ...(groups !== undefined && { groups: new ListedGroups(groups) }) }
}

const groupsPerBatch = 1024

class ListedGroups implements GroupReader {
  readonly #groups: readonly Group[]

  constructor(groups: readonly Group[]) {
    this.#groups = groups
  }

  async *readGroups(): AsyncGenerator<readonly Group[]> {
    for (let begin = 0; begin < this.#groups.length; begin += groupsPerBatch) {
      yield this.#groups.slice(begin, begin + groupsPerBatch)
    }
  }

  async *readElements(by: 'key' | 'json'): AsyncGenerator<Uint8Array> {
    for await (const groups of this.readGroups()) {
      const elements = groups.map(({ json, key, total }) => {
        return `{"by":${by === 'json' ? json : JSON.stringify(key)},${formatFigures(total).slice(1)}`
      })
      yield Buffer.from(elements.join())
    }
  }
}

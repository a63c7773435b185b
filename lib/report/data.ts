import type { TopRow } from '../files/totals.ts'
import type { LossAccumulator } from '../index.ts'
import type { GatheredGroups } from '../plot/chart-data.ts'
import type { ClassName } from '../plot/strata.ts'
import type { Html } from './html.ts'

/** A file that was read. */
export interface ReportFile {
  readonly path: string
  /** in bytes; absent of standard input and of remote files */
  readonly size?: number
}

/** The pictures of a page. */
export interface Pictures {
  readonly distances: Html
  /** the figures over the margin; absent where there is one margin alone */
  readonly curve?: Html
  /** the distances of each group */
  readonly groups?: Html
}

/** What a page shows. Lists over margins are in ascending order. */
export interface ReportData {
  /** the distance, as the user wrote it */
  readonly input: string
  /** the heading; default: the name of the loss, and of the distance */
  readonly title?: string
  /** the groups, as the user wrote them */
  readonly by?: string
  /** at the margins asked for */
  readonly totals: readonly LossAccumulator[]
  /** at the margins shown, with those asked for among them */
  readonly curve: readonly LossAccumulator[]
  /** with `by`; those that are too many are one */
  readonly groups?: GatheredGroups
  /** rows with a null or NaN that options left out */
  readonly leftOut: { readonly null: number; readonly nan: number }
  readonly pictures: Pictures
  /** the rows of greatest loss at the greatest margin asked for */
  readonly top: Readonly<Record<ClassName, readonly TopRow[]>>
  readonly files: readonly ReportFile[]
  /** options by their keys, with their values as text */
  readonly options: Readonly<Record<string, string>>
  readonly version: string
  /** the command line that made the page */
  readonly command?: string
}

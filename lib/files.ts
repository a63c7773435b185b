/**
 * Totals, losses and pictures of files, with the options of the command line.
 *
 * @module hinge-embedding-loss/files
 */

export type { ErrorDetails } from './files/errors.ts'
export { mergePartials } from './files/merge.ts'
export type {
  ColumnOptions,
  CsvOptions,
  Format,
  Group,
  GroupValue,
  Margins,
  Progress,
  RunOptions,
  ScoreFilesOptions,
  SourceOptions,
} from './files/options.ts'
export type { DistanceName } from './files/pair.ts'
export { scoreFiles } from './files/score.ts'
export type { FileTotals, TopRow, TotalsOf } from './files/totals.ts'
export type { ChartOptions } from './plot/options.ts'
export { type PlotFilesOptions, plotFiles } from './plot/plot.ts'
export { type ReportFilesOptions, reportFiles } from './report/report.ts'

import { message, option, optionError, set } from '../files/errors.ts'
import { boolean, type Check, integer, text } from '../files/options.ts'
import { assertNumber, attempt, describe, invalidArgument, isArray } from '../validate.ts'
import { toPrintableLine } from './text.ts'

/** What a picture shows of the data that it is given. */
export interface ChartOptions {
  /** the distances to show, widened to whole bins; rows outside are counted in the captions; default: where most rows are */
  readonly range?: readonly [low: number, high: number]
  /** true for a logarithmic axis; distances of 0 or less have no place on it, and are counted in the captions; default false */
  readonly log?: boolean
  /** the greatest number of bins, from 2 to 1,000; default: what the spread of the rows asks for */
  readonly bins?: number
  /** the heading; default: the name of the loss, and of the distance */
  readonly title?: string
}

/** Limits of a range, so that no arithmetic on it overflows. */
const furthest = 1e300

const range: Check = (name, value) => {
  if (!isArray(value)) throw invalidArgument('ERR_INVALID_ARG_TYPE', name, 'an array of two numbers', describe(value))
  const ends = attempt(name, () => value.slice(0, 3))
  for (const [index, end] of ends.entries()) assertNumber(`${name}[${index}]`, end)
  const [low, high] = ends as [number, number]
  if (ends.length === 2 && low < high && low >= -furthest && high <= furthest) return ends
  const expected = `two numbers from -${furthest} to ${furthest}, the lesser first`
  throw invalidArgument('ERR_INVALID_ARG_VALUE', name, expected, ends.join(', ') || 'none')
}

const title: Check = (name, value) => {
  text(name, value)
  if (toPrintableLine(value as string) !== '') return
  throw invalidArgument('ERR_INVALID_ARG_VALUE', name, 'a text that can be seen', describe(value))
}

export const chartChecks = {
  range,
  log: boolean,
  bins: integer(2, 1000),
  title,
} as const satisfies Record<keyof ChartOptions, Check>

/** Selects the options of a picture's data, whose values are checked. */
export function selectChartOptions({ range, log, bins, title }: ChartOptions): ChartOptions {
  if (log && range && range[0] <= 0) {
    throw optionError('range', message`${option('range')} must begin above 0 with ${set({ log })}, got ${range[0]}`)
  }
  return {
    ...(range !== undefined && { range }),
    ...(log !== undefined && { log }),
    ...(bins !== undefined && { bins }),
    ...(title !== undefined && { title }),
  }
}

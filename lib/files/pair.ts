import { CosineDistance, type DistanceOptions, PairwiseDistance } from '../index.ts'
import { describe, invalidArgument } from '../validate.ts'
import { given, type Message, message } from './errors.ts'

/** The distance of two embeddings; `minkowski:3` has its p after the name. */
export type DistanceName = 'euclidean' | 'manhattan' | 'chebyshev' | 'cosine' | `minkowski:${number}`

/** An input that is the distance of two embeddings. */
export interface Pair {
  /** a column, an expression or a .npy file, as `input`; with `lookup` it has ids */
  readonly left: string
  readonly right: string
  readonly lookup?: Lookup
  readonly distance: DistanceName
  readonly epsilon: number
}

/** The file in which left and right are looked up. */
export interface Lookup {
  readonly file: string
  /** a column or an expression of the file */
  readonly id: string
  /** the same; default: the only column of lists of numbers */
  readonly embedding?: string
  /** the file that the client of workers has seen */
  readonly seen?: FileState
}

/** What shows that a file is the one that was seen. */
export interface FileState {
  /** in bytes */
  readonly size: number
  /** nanoseconds since 1970 at which it was changed or, of a remote file, its ETag */
  readonly version: string
}

/** The powers of distances by their names. */
const powers = new Map([
  ['euclidean', 2],
  ['manhattan', 1],
  ['chebyshev', Number.POSITIVE_INFINITY],
])

export function checkDistance(name: string, value: unknown): void {
  if (typeof value !== 'string') throw invalidArgument('ERR_INVALID_ARG_TYPE', name, 'a string', describe(value))
  if (value === 'cosine' || readPower(value) > 0) return
  const expected = "'euclidean', 'manhattan', 'chebyshev', 'cosine' or 'minkowski:p' with a finite p > 0"
  throw invalidArgument('ERR_INVALID_ARG_VALUE', name, expected, describe(value))
}

/** The p of a distance, which `minkowski:p` has in decimal digits; NaN for any other text, and where that is not finite. */
function readPower(distance: string): number {
  const [, digits = 'NaN'] = /^minkowski:(\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/.exec(distance) ?? []
  const power = Number(digits)
  return powers.get(distance) ?? (Number.isFinite(power) ? power : Number.NaN)
}

/** The function of the library that computes a distance. */
export function makeDistance(name: DistanceName, options: DistanceOptions = {}): CosineDistance | PairwiseDistance {
  return name === 'cosine' ? new CosineDistance(options) : new PairwiseDistance({ ...options, p: readPower(name) })
}

/** The epsilon of a distance by default. */
export function defaultEpsilon(distance: DistanceName): number {
  return makeDistance(distance).epsilon
}

/** The options of an input as the caller gave them, for messages. */
export function nameInput(input: string | Pair): Message {
  if (typeof input === 'string') return message`${given('input', input)}`
  return message`the distance of ${given('left', input.left)} and ${given('right', input.right)}`
}

/** The file in which the embeddings of an input are looked up, if it has one. */
export function lookupOf(input: string | Pair | undefined): Lookup | undefined {
  return typeof input === 'object' ? input.lookup : undefined
}

/** The option that an error about an input has. */
export function optionOfInput(input: string | Pair): 'input' | 'left' {
  return typeof input === 'string' ? 'input' : 'left'
}

/** The input in words, for pictures. */
export function describeInput(input: string | Pair): string {
  return typeof input === 'string' ? input : `${input.distance} distance of ${input.left} and ${input.right}`
}

/** The command line was not used as meant: exit code 2. */
export class UsageError extends Error {
  readonly code = 'ERR_USAGE'
}

/** What the command line calls the library's options. */
const optionNames = new Map([
  ['margin', '--margin'],
  ['positiveLabel', '--positive-label'],
  ['negativeLabel', '--negative-label'],
  ['count', '--threads'],
])

export function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | null)?.code)
}

/** One line for people, and the exit code for programs. */
export function explain(error: unknown): { message: string; exitCode: 1 | 2 } {
  const message = error instanceof Error ? error.message : String(error)
  if (codeOf(error) === 'ERR_USAGE') return { message, exitCode: 2 }
  if (!codeOf(error).startsWith('ERR_INVALID_ARG')) return { message, exitCode: 1 }
  return { message: message.replace(/\w+/g, (word) => optionNames.get(word) ?? word), exitCode: 2 }
}

/** Who needs which optional peer dependencies. */
const needs = {
  'the command line': ['commander', '@duckdb/node-api'],
  '--redis': ['bullmq', 'ioredis'],
  Arrow: ['apache-arrow'],
  'Arrow compressed with LZ4': ['lz4-napi'],
  'Arrow compressed with ZSTD': ['zstddec'],
  '.npz': ['yauzl'],
  'a picture': ['vega'],
  'a picture in PNG': ['vega', '@resvg/resvg-js', 'dejavu-fonts-ttf'],
} as const

export type User = keyof typeof needs

/** An optional peer dependency, or the advice to install all that `user` needs. */
export async function peer<T>(module: Promise<T>, user: User): Promise<T> {
  try {
    return await module
  } catch (cause) {
    if (!codeOf(cause).endsWith('MODULE_NOT_FOUND')) throw cause
    throw new Error(`${user} needs more packages: npm install ${needs[user].join(' ')}`, { cause })
  }
}

/** Says of what fails in `get` where. */
export function naming<T>(place: string, get: () => T): T {
  try {
    return get()
  } catch (cause) {
    throw named(place, cause)
  }
}

/** An error with where it was met. */
export function named(place: string, cause: unknown): Error {
  return new Error(`${place}: ${cause instanceof Error ? cause.message : cause}`, { cause })
}

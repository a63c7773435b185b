/** The command line was not used as meant: exit code 2. */
export class UsageError extends Error {
  readonly code = 'ERR_USAGE'
}

/** What the command line calls the library's options. */
const optionNames: Readonly<Record<string, string>> = {
  margin: '--margin',
  positiveLabel: '--positive-label',
  negativeLabel: '--negative-label',
  count: '--threads',
}

export function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | null)?.code)
}

/** One line for people, and the exit code for programs. */
export function explain(error: unknown): { message: string; exitCode: 1 | 2 } {
  const message = error instanceof Error ? error.message : String(error)
  if (codeOf(error) === 'ERR_USAGE') return { message, exitCode: 2 }
  if (!codeOf(error).startsWith('ERR_INVALID_ARG')) return { message, exitCode: 1 }
  return { message: message.replace(/\w+/g, (word) => optionNames[word] ?? word), exitCode: 2 }
}

/** Who needs which optional peer dependencies. */
export interface Need {
  readonly user: string
  readonly packages: readonly string[]
}

export const commandLine: Need = { user: 'the command line', packages: ['commander', '@duckdb/node-api'] }

/** One of them, or the advice to install all. */
export async function peer<T>(module: Promise<T>, { user, packages }: Need): Promise<T> {
  try {
    return await module
  } catch (cause) {
    if (!codeOf(cause).endsWith('MODULE_NOT_FOUND')) throw cause
    throw new Error(`${user} needs more packages: npm install ${packages.join(' ')}`, { cause })
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

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

const commandPackages = ['commander', '@duckdb/node-api']

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

/** An optional peer dependency, or the advice to install it and what goes with it. */
export async function peer<T>(module: Promise<T>, packages: readonly string[] = commandPackages): Promise<T> {
  try {
    return await module
  } catch (cause) {
    if (!codeOf(cause).endsWith('MODULE_NOT_FOUND')) throw cause
    const [what, names] = [packages === commandPackages ? 'the command line' : '--redis', packages.join(' ')]
    throw new Error(`${what} needs two more packages: npm install ${names}`, { cause })
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

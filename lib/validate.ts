/** The class of error that carries each stable `code`. */
const errorClasses = {
  ERR_INVALID_ARG_TYPE: TypeError,
  ERR_INVALID_ARG_VALUE: RangeError,
  ERR_SHAPE_MISMATCH: RangeError,
} as const

const argumentErrors = new WeakSet<object>()

/** Puts `text` on one line, and cuts it after `length` characters. */
export function clip(text: string, length: number): string {
  const cut = text.length > length ? `${text.slice(0, length)}…` : text
  return cut.replace(/[\p{Cc}\u2028\u2029]/gu, ' ')
}

/**
 * An error about one argument, which says what was expected and what came. It fits on a line, whatever the argument
 * holds.
 */
export function invalidArgument(
  code: keyof typeof errorClasses,
  name: string,
  expected: string,
  actual: string,
): TypeError | RangeError {
  const ErrorClass = errorClasses[code]
  const message = `${clip(name, 50)} must be ${clip(expected, 110)}, got ${clip(actual, 70)}`
  const error = Object.assign(new ErrorClass(message), { code })
  argumentErrors.add(error)
  return error
}

/**
 * Calls `read`. If a getter, a proxy or another library throws, throws an error about the argument with that as its
 * cause.
 */
export function attempt<T>(name: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (argumentErrors.has(cause as object)) throw cause
    const { code, reason } = explain(cause)
    throw Object.assign(invalidArgument(code, name, 'an object that can be read', reason), { cause })
  }
}

function explain(cause: unknown): { code: keyof typeof errorClasses; reason: string } {
  try {
    const { message } = cause as Error
    const code = cause instanceof TypeError ? 'ERR_INVALID_ARG_TYPE' : 'ERR_INVALID_ARG_VALUE'
    return { code, reason: typeof message === 'string' ? message : describe(cause) }
  } catch {
    return { code: 'ERR_INVALID_ARG_VALUE', reason: describe(cause) }
  }
}

/** The key of the method by which console.log and util.inspect show an object. */
export const inspect = Symbol.for('nodejs.util.inspect.custom')

/** Describes any value for an error message: never throws, and returns at most a line. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return `'${clip(value, 40)}'`
  if (typeof value === 'bigint') return BigInt.asIntN(128, value) === value ? `${value}n` : 'a bigint of over 128 bits'
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object' || value === null) return clip(String(value), 40)
  try {
    return isArray(value) ? `an array of ${Number(value.length)}` : `an object of class ${className(value)}`
  } catch {
    return 'an object that cannot be read'
  }
}

function className(value: object): string {
  const name: unknown = value.constructor?.name
  return typeof name === 'string' && name !== '' ? clip(name, 40) : 'Object'
}

/** Array.isArray, but false for a revoked proxy, where that throws. */
export function isArray(value: unknown): value is readonly unknown[] {
  try {
    return Array.isArray(value)
  } catch {
    return false
  }
}

export function assertNumber(name: string, value: unknown): asserts value is number {
  if (typeof value !== 'number') throw invalidArgument('ERR_INVALID_ARG_TYPE', name, 'a number', describe(value))
}

export function assertFinite(name: string, value: unknown): asserts value is number {
  assertNumber(name, value)
  if (!Number.isFinite(value)) throw invalidArgument('ERR_INVALID_ARG_VALUE', name, 'a finite number', String(value))
}

export function assertOneOf<T extends string>(name: string, value: unknown, allowed: readonly T[]): asserts value is T {
  if (typeof value !== 'string') {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', name, 'a string', describe(value))
  }
  if (!(allowed as readonly string[]).includes(value)) {
    const quoted = allowed.map((each) => `'${each}'`)
    const expected = `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`
    throw invalidArgument('ERR_INVALID_ARG_VALUE', name, expected, describe(value))
  }
}

/** Checks for the property `aborted`: a realm or a library may have its own class AbortSignal. */
export function assertSignal(name: string, value: unknown): asserts value is AbortSignal | undefined {
  if (value === undefined) return
  if (typeof value === 'object' && value !== null && attempt(name, () => 'aborted' in value)) return
  throw invalidArgument('ERR_INVALID_ARG_TYPE', name, 'an AbortSignal', describe(value))
}

/** Checks that options are undefined, or an object whose properties are all known. */
export function assertOptions(
  name: string,
  value: unknown,
  known: readonly string[],
): asserts value is object | undefined {
  if (value === undefined) return
  const expected = `an object of ${known.join(', ')}`
  if (typeof value !== 'object' || value === null || isArray(value) || ArrayBuffer.isView(value)) {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', name, expected, describe(value))
  }
  const unknown = attempt(name, () => Object.keys(value)).find((key) => !known.includes(key))
  if (unknown !== undefined)
    throw invalidArgument('ERR_INVALID_ARG_VALUE', name, expected, `one with ${describe(unknown)}`)
}

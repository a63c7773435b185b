/** The stable `code` of an argument error, and the class of error that carries it. */
const errorClasses = {
  ERR_INVALID_ARG_TYPE: TypeError,
  ERR_INVALID_ARG_VALUE: RangeError,
  ERR_SHAPE_MISMATCH: RangeError,
} as const

/** An error about one argument: which, what was expected and what came. */
export function invalidArgument(
  code: keyof typeof errorClasses,
  name: string,
  expected: string,
  actual: string,
): TypeError | RangeError {
  const ErrorClass = errorClasses[code]
  return Object.assign(new ErrorClass(`${name} must be ${expected}, got ${actual}`), { code })
}

/** The key of what console.log and util.inspect show. */
export const inspect = Symbol.for('nodejs.util.inspect.custom')

/** A short text for any value, for error messages: never throws, never longer than a line. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return value.length > 40 ? `'${value.slice(0, 40)}…'` : `'${value}'`
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object' || value === null) return String(value)
  if (Array.isArray(value)) return `an array of ${value.length}`
  return `an object of class ${className(value)}`
}

function className(value: object): string {
  try {
    const name: unknown = value.constructor?.name
    return typeof name === 'string' && name !== '' ? name.slice(0, 40) : 'Object'
  } catch {
    return 'Object'
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

/** By its looks, for a realm or a library may have an AbortSignal of its own. */
export function assertSignal(name: string, value: unknown): asserts value is AbortSignal | undefined {
  if (value === undefined || (typeof value === 'object' && value !== null && 'aborted' in value)) return
  throw invalidArgument('ERR_INVALID_ARG_TYPE', name, 'an AbortSignal', describe(value))
}

/** An object with no other properties than the known ones, or undefined for none given. */
export function assertOptions(
  name: string,
  value: unknown,
  known: readonly string[],
): asserts value is object | undefined {
  if (value === undefined) return
  const expected = `an object of ${known.join(', ')}`
  if (typeof value !== 'object' || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', name, expected, describe(value))
  }
  const unknown = Object.keys(value).find((key) => !known.includes(key))
  if (unknown !== undefined)
    throw invalidArgument('ERR_INVALID_ARG_VALUE', name, expected, `one with ${describe(unknown)}`)
}

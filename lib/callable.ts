import { types } from 'node:util'
import { clip } from './validate.ts'

interface Forwarding {
  forward(first: unknown, second: unknown, options?: object): unknown
}

/**
 * The base class that makes instances functions, which call their own `forward`. The `name` of an instance is the
 * function's.
 */
export const Callable = function (name: string) {
  const self = {
    [name]: (first: unknown, second: unknown, options?: object) => callable.forward(first, second, options),
  }[name]
  const callable: Forwarding = Object.setPrototypeOf(self, new.target.prototype)
  return callable
} as unknown as new (
  name: string,
) => object
Object.setPrototypeOf(Callable.prototype, Function.prototype)

/** Defines the options of an instance as properties that no program can change. */
export function defineOptions(instance: object, options: object): void {
  for (const [name, value] of Object.entries(options)) {
    Object.defineProperty(instance, name, { value, enumerable: true, writable: false, configurable: false })
  }
}

/**
 * Puts the name of an instance in front of the message of our own error. What an argument has thrown may be frozen, or
 * not be an error.
 */
export function addName(error: unknown, name: string): unknown {
  if (name === '' || !types.isNativeError(error) || !Object.hasOwn(error, 'code')) return error
  const message: unknown = Object.getOwnPropertyDescriptor(error, 'message')?.value
  Reflect.defineProperty(error, 'message', { value: `${clip(name, 40)}: ${message}` })
  return error
}

import { native, version } from './native.ts'
import { assertNumber, assertOneOf, invalidArgument } from './validate.ts'

const maxThreads = 1024

/**
 * Sets the number of threads that a large call may use, with the calling thread; 1 keeps every call on its own thread.
 * The results do not depend on it.
 *
 * @throws {TypeError} ERR_INVALID_ARG_TYPE: `count` is not a number
 * @throws {RangeError} ERR_INVALID_ARG_VALUE: `count` is not an integer from 1 to 1024
 *
 * @example
 * setNumThreads(4)
 */
export function setNumThreads(count: number): void {
  assertNumber('count', count)
  setThreads('count', count)
}

/**
 * The number of threads that a large call may use. By default the processors that affinity and the control group's
 * quota allow.
 */
export function getNumThreads(): number {
  return native.numThreads()
}

/** What `runtimeInfo` returns. */
export interface RuntimeInfo {
  /** version of this package */
  readonly version: string
  /** the instruction set of the kernels in use */
  readonly instructionSet: string
  /** the instruction sets that this processor can run, preferred first */
  readonly instructionSets: readonly string[]
  /** what `getNumThreads` returns */
  readonly numThreads: number
}

/**
 * Returns the version of this package, the kernels in use and the number of threads.
 *
 * @example
 * runtimeInfo() // { version: '0.1.0', instructionSet: 'avx2', instructionSets: ['avx2', 'baseline'], numThreads: 8 }
 */
export function runtimeInfo(): RuntimeInfo {
  return {
    version,
    instructionSet: native.instructionSet(),
    instructionSets: native.instructionSets(),
    numThreads: native.numThreads(),
  }
}

function setThreads(name: string, count: number, text = String(count)): void {
  if (!Number.isInteger(count) || count < 1 || count > maxThreads) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', name, `an integer from 1 to ${maxThreads}`, text)
  }
  native.setNumThreads(count)
}

function setInstructionSet(name: string, value: string): void {
  assertOneOf(name, value, native.instructionSets())
  native.setInstructionSet(value)
}

/** The setter of each environment variable. */
const setters: Readonly<Record<string, (name: string, value: string) => void>> = {
  HINGE_EMBEDDING_LOSS_NUM_THREADS: (name, value) =>
    setThreads(name, /^\d+$/.test(value) ? Number(value) : Number.NaN, value),
  HINGE_EMBEDDING_LOSS_INSTRUCTION_SET: setInstructionSet,
}

// Worker threads that load the library later leave the settings of the process as they are.
if (native.isFirst()) {
  for (const [name, set] of Object.entries(setters)) {
    const value = process.env[name]
    if (value !== undefined && value !== '') set(name, value)
  }
}

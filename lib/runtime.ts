import { native, version } from './native.ts'
import { assertNumber, assertOneOf, invalidArgument } from './validate.ts'

const maxThreads = 1024

/**
 * How many threads a large call may use, its own included; 1 keeps every call on its own thread.
 *
 * @throws {TypeError} ERR_INVALID_ARG_TYPE: `count` is no number
 * @throws {RangeError} ERR_INVALID_ARG_VALUE: `count` is no integer from 1 to 1024
 */
export function setNumThreads(count: number): void {
  assertNumber('count', count)
  setThreads('count', count)
}

/** By default the processors this process may use, by its affinity and its control group's quota. */
export function getNumThreads(): number {
  return native.numThreads()
}

export interface RuntimeInfo {
  /** of this package */
  readonly version: string
  /** the instruction set whose kernels are in use */
  readonly instructionSet: string
  /** those this processor can run, preferred first */
  readonly instructionSets: readonly string[]
  readonly numThreads: number
}

export function runtimeInfo(): RuntimeInfo {
  return {
    version,
    instructionSet: native.instructionSet(),
    instructionSets: native.instructionSets(),
    numThreads: native.numThreads(),
  }
}

function setThreads(name: string, count: number, written = String(count)): void {
  if (!Number.isInteger(count) || count < 1 || count > maxThreads) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', name, `an integer from 1 to ${maxThreads}`, written)
  }
  native.setNumThreads(count)
}

function setInstructionSet(name: string, value: string): void {
  assertOneOf(name, value, native.instructionSets())
  native.setInstructionSet(value)
}

/** What each variable sets, once a process: worker threads that load the library later change nothing. */
const environment: Readonly<Record<string, (name: string, value: string) => void>> = {
  HINGE_EMBEDDING_LOSS_NUM_THREADS: (name, value) =>
    setThreads(name, /^\d+$/.test(value) ? Number(value) : Number.NaN, value),
  HINGE_EMBEDDING_LOSS_INSTRUCTION_SET: setInstructionSet,
}

if (native.isFirst()) {
  for (const [name, set] of Object.entries(environment)) {
    const value = process.env[name]
    if (value !== undefined && value !== '') set(name, value)
  }
}

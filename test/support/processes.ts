import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'

/** The folder of the repository, where programs run by default. */
export const root = fileURLToPath(new URL('../..', import.meta.url))

/** The program of this Node. Where that needs an emulator, the runner of targets names a script which starts it. */
export const nodePath = process.env.HINGE_EMBEDDING_LOSS_TEST_NODE ?? process.execPath

/** How a program ended, and all that it printed. */
export interface Outcome {
  /** the exit code, or the name of the signal that ended it */
  code: number | NodeJS.Signals
  stdout: string
  stderr: string
}

export interface Surroundings {
  readonly cwd?: string
  /** variables beside those of this process */
  readonly env?: NodeJS.ProcessEnv
  /** commands that a shell runs first in the same process, such as `umask 0` */
  readonly shell?: string
}

/** A program in a process of its own, with what it has printed so far. */
export class Program {
  readonly process: ChildProcess
  readonly outcome: Promise<Outcome>
  stdout = ''
  stderr = ''

  constructor(command: string, args: readonly string[], { cwd = root, env, shell }: Surroundings = {}) {
    const options = { cwd, env: { ...process.env, ...env } }
    const child =
      shell === undefined
        ? spawn(command, args, options)
        : spawn('bash', ['-c', `${shell} && exec "$0" "$@"`, command, ...args], options)
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        this[name] += text
      })
    }
    this.process = child
    this.outcome = once(child, 'close').then(([code, signal]) => {
      return { code: code ?? signal, stdout: this.stdout, stderr: this.stderr }
    })
  }

  /** Waits until it has printed text that matches. */
  async prints(pattern: RegExp, stream: 'stdout' | 'stderr' = 'stderr'): Promise<void> {
    while (!pattern.test(this[stream])) {
      if (this.hasEnded) throw new Error(`${this.stdout}${this.stderr}`)
      await Promise.race([once(this.process[stream] as Readable, 'data'), this.outcome])
    }
  }

  get hasEnded(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null
  }

  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<Outcome> {
    this.process.kill(signal)
    return this.outcome
  }
}

export function run(command: string, args: readonly string[], surroundings?: Surroundings): Promise<Outcome> {
  return new Program(command, args, surroundings).outcome
}

export function node(args: readonly string[], surroundings?: Surroundings): Promise<Outcome> {
  return run(nodePath, args, surroundings)
}

/** The standard output of a program that must exit with 0. */
export async function succeeds(outcome: Promise<Outcome>): Promise<string> {
  const { code, stdout, stderr } = await outcome
  expect(code, `${stdout}\n${stderr}`).to.equal(0)
  return stdout
}

/** Writes `input` as JSON to the standard input of a program, and reads what it prints as JSON. */
export function exchangeJSON<T>(command: string, args: readonly string[], input: unknown = null): T {
  const options = { cwd: root, input: JSON.stringify(input), encoding: 'utf8', maxBuffer: Infinity } as const
  return JSON.parse(execFileSync(command, args, options))
}

/**
 * Skips a test where the machine lacks what the test needs. In CI that is an error: there nobody reads the list of skipped tests.
 *
 * @param need what the machine must have
 */
export function skipUnless(isMet: boolean, test: Mocha.Context, need: string): void {
  if (isMet) return
  if (process.env.CI) throw new Error(`CI must not skip this test, which needs ${need}`)
  test.skip()
}

export function isInstalled(command: string, ...args: string[]): boolean {
  return spawnSync(command, args.length > 0 ? args : ['--version']).status === 0
}

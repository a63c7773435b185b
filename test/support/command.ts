import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect } from 'chai'
import { main } from '../../lib/cli/program.ts'
import type { Outcome } from './processes.ts'

/** Runs the command line in this process: to start another takes ten times as long as to score. */
export async function command(
  args: readonly string[],
  stdin: Iterable<Uint8Array> = [],
  signal: AbortSignal = new AbortController().signal,
): Promise<Outcome> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const outputs = Promise.all([text(stdout), text(stderr)])
  const code = await main(args, signal, { stdin: Readable.from(stdin), stdout, stderr })
  stdout.end()
  stderr.end()
  const [out, err] = await outputs
  return { code, stdout: out, stderr: err }
}

/** Runs a command line in this process that fails with this exit code and message, and prints nothing. */
export async function fails(args: readonly string[], code: number, named: RegExp): Promise<void> {
  const outcome = await command(args)
  const what = args.join(' ').slice(0, 500)
  expect(outcome.stderr, what).to.match(named)
  expect(outcome, what).to.include({ code, stdout: '' })
}

/** The bytes in chunks as a pipe may give them. */
export function* chunksOf(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let begin = 0; begin < bytes.length; begin += size) yield bytes.subarray(begin, begin + size)
}

import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { main } from '../../lib/cli/program.ts'

export interface Outcome {
  code: number
  stdout: string
  stderr: string
}

/** The command line in this process: starting another takes ten times as long as scoring. */
export async function command(args: readonly string[], stdin: Iterable<Uint8Array> = []): Promise<Outcome> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const outputs = Promise.all([text(stdout), text(stderr)])
  const streams = { stdin: Readable.from(stdin), stdout, stderr }
  const code = await main(args, new AbortController().signal, streams)
  stdout.end()
  stderr.end()
  const [out, err] = await outputs
  return { code, stdout: out, stderr: err }
}

/** The same while it runs: what it has said so far, and its outcome. */
export function startCommand(args: readonly string[], signal: AbortSignal) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const said = { stdout: '', stderr: '' }
  stdout.on('data', (chunk) => {
    said.stdout += chunk
  })
  stderr.on('data', (chunk) => {
    said.stderr += chunk
  })
  const code = main(args, signal, { stdin: new PassThrough(), stdout, stderr })
  return { said, outcome: code.then((code): Outcome => ({ code, ...said })) }
}

/** The bytes in chunks as a pipe may give them. */
export function* chunksOf(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let begin = 0; begin < bytes.length; begin += size) yield bytes.subarray(begin, begin + size)
}

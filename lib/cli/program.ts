import { importPeer } from '../files/peers.ts'
import { explainError } from './flags.ts'
import { notify } from './progress.ts'
import { ReaderGone, type Streams } from './streams.ts'

/** Runs a command line until its end or the signal, and returns its exit code. */
export async function main(args: readonly string[], signal: AbortSignal, streams: Streams): Promise<number> {
  const { stdout, stderr } = streams
  // Who writes a result learns from the callback that it failed; a lost error message has nobody to tell.
  for (const stream of [stdout, stderr]) stream.on('error', () => {})
  try {
    const { runCommand } = await importPeer(import('./commands.ts'), 'the command line')
    return await runCommand(args, signal, streams)
  } catch (error) {
    if (error instanceof ReaderGone) return 1
    const { message, exitCode } = signal.aborted ? { message: 'interrupted', exitCode: 130 } : explainError(error)
    notify(stderr, message)
    return exitCode
  }
}

#!/usr/bin/env node
import { main } from './program.ts'

/** Sets the exit code that Node has for a top-level await which nothing keeps alive. */
function failUnsettled(exitCode: number): void {
  if (exitCode === 0) process.exitCode = 13
}

process.on('exit', failUnsettled)
const interruption = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGBREAK'] as const)
  process.once(signal, () => interruption.abort())
const exitCode = await main(process.argv.slice(2), interruption.signal, process)
process.off('exit', failUnsettled)
// Neither a connection nor a thread that still waits keeps a process that is done; what it wrote has been taken.
process.exit(exitCode)

#!/usr/bin/env node
import { main } from './program.ts'

const interruption = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGBREAK'] as const)
  process.once(signal, () => interruption.abort())
const exitCode = await main(process.argv.slice(2), interruption.signal, process)
// Neither a connection nor a thread that still waits keeps a process that is done; what it wrote has been taken.
process.exit(exitCode)

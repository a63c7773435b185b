#!/usr/bin/env node
import { main } from './program.ts'

const interruption = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => interruption.abort())
process.exitCode = await main(process.argv.slice(2), interruption.signal, process)
// Nothing that a connection or a thread still waits for keeps what was told to end.
if (interruption.signal.aborted) process.exit()

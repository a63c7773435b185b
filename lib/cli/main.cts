#!/usr/bin/env node
const { writeFileSync } = require('node:fs') as typeof import('node:fs')

/** Prints the version if that is all that is asked for; false if the program has to answer. */
function printVersion([option = '', ...others]: readonly string[]): boolean {
  if (!['-V', '--version'].includes(option) || others.length > 0) return false
  const { version } = require('../../package.json') as { version: string }
  try {
    writeFileSync(1, `${version}\n`)
    return true
  } catch {
    return false // the program says why
  }
}

/** The exit code of a process that ends before its command does, as Node has it for a top-level await. */
const unsettled = 13

async function run(args: readonly string[]): Promise<never> {
  process.exitCode = unsettled
  const { main } = await import('./program.ts')
  const interruption = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGBREAK'] as const)
    process.once(signal, () => interruption.abort())
  const exitCode = await main(args, interruption.signal, process)
  // Neither a connection nor a thread that still waits keeps a process that is done; what it wrote has been taken.
  process.exit(exitCode)
}

const args = process.argv.slice(2)
if (!printVersion(args)) run(args)

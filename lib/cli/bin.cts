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

if (!printVersion(process.argv.slice(2))) import('./main.ts')

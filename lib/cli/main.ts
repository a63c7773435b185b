#!/usr/bin/env node
import { main } from './program.ts'

const interruption = new AbortController()
process.once('SIGINT', () => interruption.abort())
process.exitCode = await main(process.argv.slice(2), interruption.signal, process)

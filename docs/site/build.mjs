// Builds the site in build/site: the pages, then a check of their links.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { findBrokenLinks } from './check.mjs'

const cwd = import.meta.dirname
const { status } = spawnSync(process.execPath, ['node_modules/typedoc/bin/typedoc'], { cwd, stdio: 'inherit' })
if (status !== 0) process.exit(1)

const broken = findBrokenLinks(join(cwd, '../../build/site'))
for (const link of broken) console.error(`broken link: ${link}`)
if (broken.length > 0) process.exit(1)

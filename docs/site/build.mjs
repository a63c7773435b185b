// Builds the site in build/site: the report of report.md, the pages, then a check of their links.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { findBrokenLinks } from './check.mjs'

const here = import.meta.dirname
const root = join(here, '../..')

const example = join(root, 'build/example')
const [, command] = /```sh\n(.*?)```/s.exec(readFileSync(join(here, 'report.md'), 'utf8'))
rmSync(example, { recursive: true, force: true })
mkdirSync(example, { recursive: true })
symlinkSync(join(root, 'examples'), join(example, 'examples'))
execFileSync('sh', ['-e', '-c', command.replace('npx hinge-embedding-loss', 'node ../../dist/cli/main.js')], {
  cwd: example,
})

const typedoc = [process.execPath, ['node_modules/typedoc/bin/typedoc'], { cwd: here, stdio: 'inherit' }]
if (spawnSync(...typedoc).status !== 0) process.exit(1)

const broken = findBrokenLinks(join(root, 'build/site'))
for (const link of broken) console.error(`broken link: ${link}`)
if (broken.length > 0) process.exit(1)

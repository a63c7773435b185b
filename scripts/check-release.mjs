// Refuses to publish what is not a release, and says what it lacks. Runs in the folder of the package.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { product, targets } from './targets.mjs'

const { GITHUB_REPOSITORY: home, GITHUB_REF_TYPE: type, GITHUB_REF_NAME: tag } = process.env
const { version, repository } = JSON.parse(readFileSync('package.json', 'utf8'))
const changes = readFileSync('CHANGELOG.md', 'utf8').split('\n')
const manifestPath = 'prebuilds/manifest.json'
const manifest = existsSync(manifestPath) ? JSON.parse(readFileSync(manifestPath, 'utf8')) : {}

/** Whether both binaries of a target are those of the manifest. */
function isPrebuilt({ name }) {
  return ['node', 'duckdb_extension'].every((ending) => {
    const file = `${product}.${ending}`
    const path = join('prebuilds', name, file)
    if (!existsSync(path)) return false
    return createHash('sha256').update(readFileSync(path)).digest('hex') === manifest.targets?.[name]?.[file]?.sha256
  })
}

const problems = []
if (type === 'tag' && tag !== `v${version}`) problems.push(`the tag is ${tag}, the version in package.json ${version}`)
if (!changes.some((line) => line.startsWith(`## ${version} (2`))) {
  problems.push(`CHANGELOG.md has no line "## ${version} (YYYY-MM-DD)"`)
}
if (repository?.url !== `git+https://github.com/${home}.git`) {
  problems.push('package.json does not name the repository of this workflow, which npm compares with the provenance')
}
const missing = targets.filter((target) => !isPrebuilt(target)).map(({ name }) => name)
if (missing.length > 0 || manifest.version !== version) {
  problems.push(`prebuilds/ has not all binaries of version ${version}: ${missing.join(', ')}`)
}
for (const problem of problems) console.error(`not a release: ${problem}`)
process.exitCode = problems.length > 0 ? 1 : 0

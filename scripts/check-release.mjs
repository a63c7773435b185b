// Refuses to publish what is not a release, and says what it lacks. Runs in the folder of the package.
import { readFileSync } from 'node:fs'
import { findReasonsAgainstPublishing } from './prebuild/manifest.mjs'

const { GITHUB_REPOSITORY: home, GITHUB_REF_TYPE: type, GITHUB_REF_NAME: tag } = process.env
const { version, repository } = JSON.parse(readFileSync('package.json', 'utf8'))
const changes = readFileSync('CHANGELOG.md', 'utf8').split('\n')

const problems = [...findReasonsAgainstPublishing()]
if (type === 'tag' && tag !== `v${version}`) problems.push(`the tag is ${tag}, the version in package.json ${version}`)
if (!changes.some((line) => line.startsWith(`## ${version} (2`))) {
  problems.push(`CHANGELOG.md has no line "## ${version} (YYYY-MM-DD)"`)
}
if (repository?.url !== `git+https://github.com/${home}.git`) {
  problems.push('package.json does not name the repository of this workflow, which npm compares with the provenance')
}
for (const problem of problems) console.error(`not a release: ${problem}`)
process.exitCode = problems.length > 0 ? 1 : 0

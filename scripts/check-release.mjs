// Refuses to publish what is not a release, and says why. The tag and the date are checked only where a tag starts the release.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findReasonsAgainstPublishing } from './prebuild/manifest.mjs'
import { root } from './prebuild/zig.mjs'

const { GITHUB_REPOSITORY: home, GITHUB_REF_TYPE: type, GITHUB_REF_NAME: tag } = process.env
const read = (name) => readFileSync(join(root, name), 'utf8')
const { version, repository } = JSON.parse(read('package.json'))

function* findReasons() {
  const isTag = type === 'tag'
  if (isTag && tag !== `v${version}`) yield `the tag is ${tag}, and the version in package.json is ${version}`
  const isDated = read('CHANGELOG.md').includes(`\n## ${version} (2`)
  if (isTag && !isDated) yield `CHANGELOG.md has no line "## ${version} (YYYY-MM-DD)"`
  const isNamed = repository?.url === `git+https://github.com/${home}.git`
  if (!isNamed) yield 'package.json does not name the repository of this workflow, which the provenance names'
  yield* findReasonsAgainstPublishing()
}

const reasons = [...findReasons()]
for (const reason of reasons) console.error(`not a release: ${reason}`)
process.exitCode = reasons.length > 0 ? 1 : 0

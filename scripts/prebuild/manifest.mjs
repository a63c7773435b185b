// prebuilds/manifest.json: for every target its files with sizes and hashes, and what they were built from.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { addonFile, extensionFile, targets } from '../targets.mjs'
import { root, zigVersion } from './zig.mjs'

export const prebuilds = join(root, 'prebuilds')
const path = join(prebuilds, 'manifest.json')

const hash = (bytes) => createHash('sha256').update(bytes).digest('hex')
const describe = (bytes) => ({ bytes: bytes.length, sha256: hash(bytes) })

/** The hash of everything that a prebuild is made from. */
function hashSources() {
  const files = ['native', 'scripts/prebuild'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
  )
  const sum = createHash('sha256')
  for (const file of files.toSorted()) sum.update(`${file.slice(root.length)}\n`).update(readFileSync(file))
  return sum.digest('hex')
}

const readVersion = () => JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version
const readManifest = () => (existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {})

/** Writes to the manifest what was built for a target: the bytes of each file by its name. */
export function recordTarget(name, files) {
  const described = Object.fromEntries(Object.entries(files).map(([file, bytes]) => [file, describe(bytes)]))
  const built = {
    ...readManifest(),
    [name]: { version: readVersion(), zig: zigVersion(), sources: hashSources(), files: described },
  }
  const ordered = targets.filter((target) => target.name in built).map((target) => [target.name, built[target.name]])
  writeFileSync(path, `${JSON.stringify(Object.fromEntries(ordered), null, 2)}\n`)
}

/** Yields why the package cannot be published with what lies in prebuilds/. */
export function* findReasonsAgainstPublishing() {
  const manifest = readManifest()
  const [version, sources] = [readVersion(), hashSources()]
  for (const { name } of targets) {
    const built = manifest[name]
    if (built === undefined) {
      yield `${name} is not built`
      continue
    }
    if (built.version !== version) yield `${name} was built for version ${built.version}, not ${version}`
    if (built.sources !== sources) yield `${name} was built from other sources than those here`
    for (const file of [addonFile, extensionFile]) {
      const place = join(prebuilds, name, file)
      if (!existsSync(place)) yield `${name}/${file} is missing`
      else if (hash(readFileSync(place)) !== built.files[file]?.sha256)
        yield `${name}/${file} is not the file that was built`
    }
  }
}

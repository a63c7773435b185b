// prebuilds/manifest.json: for every target its files with sizes and hashes, and what they were built from.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { addonFile, extensionFile, targets } from '../targets.mjs'
import { root, zigVersion } from './zig.mjs'

export const prebuilds = join(root, 'prebuilds')
const path = join(prebuilds, 'manifest.json')

const hash = (bytes) => createHash('sha256').update(bytes).digest('hex')
const describe = (bytes) => ({ bytes: bytes.length, sha256: hash(bytes) })

/** The packages whose headers a prebuild includes. */
const headerPackages = ['node-api-headers', 'node-addon-api']

/** Returns the names of the files that a prebuild is made from, in the same order and with / on every system. */
export function listSources() {
  const files = ['native', 'scripts/prebuild'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll(sep, '/')),
  )
  return [...files, 'scripts/prebuild.mjs', 'scripts/targets.mjs', 'scripts/duckdb-footer.mjs'].toSorted()
}

const readVersion = (folder = '') => JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')).version

/** Returns the hash of everything that a prebuild is made from but the compiler, which requirements.txt names. */
function hashSources() {
  const sum = createHash('sha256')
  for (const name of listSources()) sum.update(`${name}\n`).update(readFileSync(join(root, name)))
  for (const name of headerPackages) sum.update(`${name}@${readVersion(`node_modules/${name}`)}\n`)
  return sum.digest('hex')
}

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

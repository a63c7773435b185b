// Builds the addon and the DuckDB extension for every platform, or for those that are named, into prebuilds/, and checks them.
// prebuild.mjs [NAME…]; names are those of targets.mjs.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { appendFooter } from './duckdb-footer.mjs'
import { findFaults } from './prebuild/checks.mjs'
import { prebuilds, recordTarget } from './prebuild/manifest.mjs'
import { buildLibraries, installTools, root } from './prebuild/zig.mjs'
import { addonFile, extensionFile, targets } from './targets.mjs'

/** The libraries of native/binding.gyp, and the functions by which Node and DuckDB enter them. */
const addon = {
  product: 'hinge_embedding_loss',
  entries: ['napi_register_module_v1', 'node_api_module_get_api_version_v1'],
}
const extension = { product: 'duckdb_extension_code', entries: ['hinge_embedding_loss_init_c_api'] }

async function prebuild(target) {
  const libraries = [addon, extension]
  const paths = await buildLibraries(
    target,
    libraries.map(({ product }) => product),
  )
  const faults = findFaults(target, new Map(paths.map((path, i) => [path, libraries[i].entries])))
  if (faults.length > 0) throw new Error(faults.join('\n'))

  const [addonBytes, code] = paths.map((path) => readFileSync(join(root, path)))
  const files = {
    [addonFile]: addonBytes,
    [extensionFile]: appendFooter(code, target.duckdb),
  }
  const folder = join(prebuilds, target.name)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes, { mode: 0o755 })
  recordTarget(target.name, files)
  const sizes = Object.values(files).map(({ length }) => `${(length / 1e6).toFixed(2)} MB`)
  console.log(`${target.name}: addon ${sizes[0]}, extension ${sizes[1]}`)
}

/**
 * npm runs the script "prebuild" before "build" too, where it must do nothing. It runs "preprebuild" only if "prebuild" itself
 * was asked for. With ignore-scripts npm runs neither before another script, so "prebuild" was always asked for.
 */
function isRequested() {
  const request = join(root, 'build/prebuild-requested')
  const event = process.env.npm_lifecycle_event
  if (event === 'preprebuild') {
    mkdirSync(join(root, 'build'), { recursive: true })
    writeFileSync(request, '')
    return false
  }
  const { npm_config_ignore_scripts: ignored = process.env.NPM_CONFIG_IGNORE_SCRIPTS } = process.env
  if (event !== 'prebuild' || ignored === 'true') return true
  const exists = existsSync(request)
  rmSync(request, { force: true })
  return exists
}

if (!isRequested()) process.exit()
const names = process.argv.slice(2)
const known = targets.map(({ name }) => name)
const unknown = names.filter((name) => !known.includes(name))
if (unknown.length > 0) {
  console.error(`no such target: ${unknown.join(', ')} (targets: ${known.join(', ')})`)
  process.exit(1)
}

installTools()
const chosen = names.length > 0 ? targets.filter(({ name }) => names.includes(name)) : targets
const outcomes = await Promise.allSettled(chosen.map(prebuild))
for (const [i, { reason }] of outcomes.entries()) {
  if (reason) console.error(`${chosen[i].name} was not built: ${reason.message}`)
}
process.exitCode = outcomes.some(({ reason }) => reason) ? 1 : 0

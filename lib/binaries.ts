import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isMusl } from './libc.ts'
import { explainAttempts, explainBundle } from './load-error.ts'

interface Package {
  readonly root: string
  readonly version: string
}

/** Finds the package of this file. A bundle has no addon beside it, and may have the manifest of another package. */
function findPackage(): Package {
  const url: string | undefined = import.meta.url
  let cause: unknown
  try {
    const { name, version } = createRequire(url)('../package.json') as { name: string; version: string }
    if (name === 'hinge-embedding-loss') return { root: resolve(fileURLToPath(new URL('..', url))), version }
  } catch (error) {
    cause = error
  }
  throw explainBundle(url, cause)
}

/** Returns the name of this platform, as in scripts/targets.mjs. */
export function nameTarget(): string {
  return `${process.platform}-${process.arch}${isMusl() ? '-musl' : ''}`
}

const addonName = 'hinge_embedding_loss.node'
const { root, version } = findPackage()
// Next.js and others that trace the files of an application follow paths from here, not from root.
const here = dirname(fileURLToPath(import.meta.url))

/** Finds the folder of both binaries. A build from source comes before a prebuild, also if it does not load. */
function findFolder(): string {
  const custom = process.env.HINGE_EMBEDDING_LOSS_BINARIES
  const folders = custom
    ? [resolve(custom)]
    : [join(here, '../build/Release'), join(here, '../prebuilds', nameTarget())]
  const folder = folders.find((each) => existsSync(join(each, addonName)))
  if (folder !== undefined) return folder
  throw explainAttempts(
    root,
    folders.map((each) => ({ path: join(each, addonName), failure: 'missing' })),
  )
}

const folder = findFolder()

export { folder, root, version }
export const addonPath = join(folder, addonName)

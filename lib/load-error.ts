import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { joinLines } from './format.ts'
import { describeLibc } from './libc.ts'
import { findApplication, findManager } from './package-managers.ts'

/** A file that should have been loaded. */
export interface Attempt {
  readonly path: string
  readonly failure: string
}

/** Returns true if the package was published with a prebuild at `folder`, which may be gone. */
function isPublished(folder: string): boolean {
  try {
    return basename(folder) in JSON.parse(readFileSync(join(dirname(folder), 'manifest.json'), 'utf8'))
  } catch {
    return existsSync(folder)
  }
}

/** Returns what makes the package at `root` load, with a command where one does. */
function findRemedy(root: string, attempts: readonly Attempt[]): string {
  if (process.env.HINGE_EMBEDDING_LOSS_BINARIES) {
    return 'set HINGE_EMBEDDING_LOSS_BINARIES to a folder with the binaries for this platform, or unset it to use those of the package'
  }
  if (existsSync(join(root, 'lib'))) return `to build it, in ${root}: npm run build`
  const application = findApplication(root)
  const { add, development, reinstall } = findManager(root)
  const isIncomplete = attempts.some(({ path, failure }) => {
    const isPrebuild = path.startsWith(join(root, 'prebuilds')) && isPublished(dirname(path))
    // A system that is too old for a prebuild lacks versions, symbols or libraries.
    return isPrebuild && !/GLIBC|symbol|needed by|open shared object/i.test(failure)
  })
  if (isIncomplete) {
    return `to install it again, in ${application}: ${reinstall.replace('$', () => relative(application, root))}`
  }
  if (process.platform === 'win32') return 'use Node for x64, which Windows runs on other processors too'
  const linked = join(application, 'node_modules', 'hinge-embedding-loss')
  const script = relative(application, join(existsSync(linked) ? linked : root, 'scripts', 'build-addon.mjs'))
  const tools = [add, development, 'node-addon-api@8', 'node-gyp@12'].filter(Boolean).join(' ')
  return `to build it (python3, make and g++ 12 are needed), in ${application}: ${tools} && node ${script}`
}

function explain(reasons: readonly string[], cause: unknown): Error {
  const message = [
    'the native addon of hinge-embedding-loss cannot be loaded',
    `platform ${process.platform}, arch ${process.arch}, Node ${process.version}, libc ${describeLibc()}`,
    ...reasons,
  ].join('\n')
  return Object.assign(new Error(message, { cause }), { code: 'ERR_ADDON_NOT_LOADED' })
}

export function explainBundle(url: string | undefined, cause: unknown): Error {
  const reason = `tried ${url ?? 'a file without a URL'}, which is not in the package: it seems to be a bundle`
  const advice =
    'in a bundle keep hinge-embedding-loss external, and install it beside the bundle: esbuild --external:hinge-embedding-loss, externals of webpack, external of Rollup and Vite, serverExternalPackages of Next.js'
  return explain([reason, advice], cause)
}

/** Returns true if the runtime forbids addons, so that what is installed is not at fault. */
function isForbidden(cause: unknown): boolean {
  const { code, name } = Object(cause) as { code?: string; name?: string }
  return code === 'ERR_DLOPEN_DISABLED' || name === 'NotCapable'
}

/** Explains why none of the attempts to load the addon of the package at `root` succeeded. */
export function explainAttempts(root: string, attempts: readonly Attempt[], cause?: unknown): Error {
  const reasons = attempts.map(({ path, failure }) => `tried ${path}: ${joinLines(failure)}`)
  const remedy = isForbidden(cause)
    ? 'to allow addons: Node with --permission needs --allow-addons, and no Node may have --no-addons; Deno needs --allow-ffi'
    : findRemedy(root, attempts)
  return explain([...reasons, remedy], cause)
}

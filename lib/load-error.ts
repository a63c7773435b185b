import { existsSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'

/** A file that should have been loaded. */
export interface Attempt {
  readonly path: string
  readonly failure: string
}

interface Manager {
  readonly lockFiles: readonly string[]
  /** installs packages beside those of an application */
  readonly add: string
  /** installs again what is installed */
  readonly reinstall: string
}

const managers: Readonly<Record<string, Manager>> = {
  npm: {
    lockFiles: ['package-lock.json', 'npm-shrinkwrap.json'],
    add: 'npm install --save-dev',
    reinstall: 'npm install --force',
  },
  pnpm: { lockFiles: ['pnpm-lock.yaml'], add: 'pnpm add --save-dev', reinstall: 'pnpm install --force' },
  yarn: { lockFiles: ['yarn.lock'], add: 'yarn add --dev', reinstall: 'yarn install --force' },
  bun: { lockFiles: ['bun.lock', 'bun.lockb'], add: 'bun add --dev', reinstall: 'bun install --force' },
  deno: { lockFiles: ['deno.lock'], add: 'deno add --dev', reinstall: 'deno install --reload' },
}

function parentsOf(folder: string): string[] {
  const parent = dirname(folder)
  return parent === folder ? [folder] : [folder, ...parentsOf(parent)]
}

/** Finds the package manager that installed the package, or that runs now. */
function findManager(root: string): string {
  const [, agent] = /^(\w+)\//.exec(process.env.npm_config_user_agent ?? '') ?? []
  if (agent !== undefined && agent in managers) return agent
  const [, store] = /[\\/]node_modules[\\/]\.(pnpm|bun|deno)[\\/]/.exec(root) ?? []
  if (store !== undefined) return store
  for (const folder of parentsOf(root)) {
    for (const [name, { lockFiles }] of Object.entries(managers)) {
      if (lockFiles.some((file) => existsSync(join(folder, file)))) return name
    }
  }
  return 'npm'
}

/** Returns a command that makes the package at `root` load. */
function findRemedy(root: string, attempts: readonly Attempt[]): string {
  if (process.env.HINGE_EMBEDDING_LOSS_BINARIES) {
    return 'set HINGE_EMBEDDING_LOSS_BINARIES to a folder with the binaries for this platform, or unset it to use those of the package'
  }
  if (existsSync(join(root, 'lib'))) return `to build it, in ${root}: npm run build`
  const [application = root] = root.split(`${sep}node_modules${sep}`)
  const { add, reinstall } = managers[findManager(root)] as Manager
  const hasPrebuild = attempts.some(({ path }) => path.startsWith(join(root, 'prebuilds')) && existsSync(dirname(path)))
  if (hasPrebuild) return `to install it again, in ${application}: ${reinstall}`
  const linked = join(application, 'node_modules', 'hinge-embedding-loss')
  const script = relative(application, join(existsSync(linked) ? linked : root, 'scripts', 'build-addon.mjs'))
  return `to build it (python3, make and g++ 12 are needed), in ${application}: ${add} node-addon-api@8 node-gyp@12 && node ${script}`
}

function describeLibc(): string {
  if (process.platform !== 'linux') return 'the platform’s own'
  try {
    const report = process.report.getReport() as { header: { glibcVersionRuntime?: string } }
    const glibc = report.header.glibcVersionRuntime
    return glibc === undefined ? 'musl' : `glibc ${glibc}`
  } catch {
    return 'unknown'
  }
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

/** Explains why none of the attempts to load the addon of the package at `root` succeeded. */
export function explainAttempts(root: string, attempts: readonly Attempt[], cause?: unknown): Error {
  const reasons = attempts.map(({ path, failure }) => `tried ${path}: ${failure}`)
  return explain([...reasons, findRemedy(root, attempts)], cause)
}

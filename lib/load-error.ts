import { existsSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { joinLines } from './format.ts'

/** A file that should have been loaded. */
export interface Attempt {
  readonly path: string
  readonly failure: string
}

interface Manager {
  /** files that only this package manager writes beside package.json */
  readonly files: readonly string[]
  /** installs packages beside those of an application */
  readonly add: string
  /** installs again a package whose files are gone; `$` is its folder */
  readonly reinstall: string
}

const managers: Readonly<Record<string, Manager>> = {
  npm: { files: ['package-lock.json', 'npm-shrinkwrap.json'], add: 'npm install --save-dev', reinstall: 'npm ci' },
  pnpm: { files: ['pnpm-lock.yaml'], add: 'pnpm add --save-dev', reinstall: 'pnpm install --force' },
  'yarn 2': { files: ['.yarnrc.yml', '.pnp.cjs'], add: 'yarn add --dev', reinstall: 'rm -r $ && yarn install' },
  yarn: { files: ['yarn.lock'], add: 'yarn add --dev', reinstall: 'yarn install --force' },
  bun: { files: ['bun.lock', 'bun.lockb'], add: 'bun add --dev', reinstall: 'bun install --force' },
  deno: { files: ['deno.lock'], add: 'deno add --dev --npm', reinstall: 'deno install --reload' },
}
const globalNpm: Manager = {
  files: [],
  add: 'npm install --global',
  reinstall: 'npm install --global hinge-embedding-loss',
}

function parentsOf(folder: string): string[] {
  const parent = dirname(folder)
  return parent === folder ? [folder] : [folder, ...parentsOf(parent)]
}

/** Finds the package manager that installed the package at `root`, which may not be the one that runs the program. */
function findManager(root: string, application: string): Manager {
  const [, store = ''] = /node_modules[\\/]\.(pnpm|bun|deno)[\\/]/.exec(root) ?? []
  if (store !== '') return managers[store] as Manager
  if (!existsSync(join(application, 'package.json'))) return globalNpm
  for (const folder of parentsOf(application)) {
    const isUsed = ({ files }: Manager) => files.some((file) => existsSync(join(folder, file)))
    const found = Object.values(managers).find(isUsed)
    if (found !== undefined) return found
  }
  const [, agent = 'npm'] = /^(npm|pnpm|yarn|bun|deno)\//.exec(process.env.npm_config_user_agent ?? '') ?? []
  return managers[agent] as Manager
}

/** Returns what makes the package at `root` load, with a command where one does. */
function findRemedy(root: string, attempts: readonly Attempt[]): string {
  if (process.env.HINGE_EMBEDDING_LOSS_BINARIES) {
    return 'set HINGE_EMBEDDING_LOSS_BINARIES to a folder with the binaries for this platform, or unset it to use those of the package'
  }
  if (existsSync(join(root, 'lib'))) return `to build it, in ${root}: npm run build`
  const [application = root] = root.split(/[\\/](?:node_modules|\.yarn)[\\/]/)
  const { add, reinstall } = findManager(root, application)
  const isIncomplete = attempts.some(({ path, failure }) => {
    // A system that is too old for a prebuild lacks versions or symbols.
    return path.startsWith(join(root, 'prebuilds')) && existsSync(dirname(path)) && !/GLIBC|symbol/i.test(failure)
  })
  if (isIncomplete) {
    return `to install it again, in ${application}: ${reinstall.replace('$', () => relative(application, root))}`
  }
  if (process.platform === 'win32') return 'use Node for x64, which Windows runs on other processors too'
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

/** Returns true if the runtime was told to load no addon, so that what is installed is not at fault. */
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

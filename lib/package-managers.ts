import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

export interface Manager {
  /** files that only this package manager writes beside package.json */
  readonly files: readonly string[]
  /** adds packages that an application needs */
  readonly add: string
  /** the option of `add` for packages that an application only needs to be built */
  readonly development: string
  /** installs again a package whose files are gone; `$` is its folder */
  readonly reinstall: string
}

const managers: Readonly<Record<string, Manager>> = {
  npm: {
    files: ['package-lock.json', 'npm-shrinkwrap.json'],
    add: 'npm install',
    development: '--save-dev',
    reinstall: 'npm ci',
  },
  pnpm: { files: ['pnpm-lock.yaml'], add: 'pnpm add', development: '--save-dev', reinstall: 'pnpm install --force' },
  'yarn 2': {
    files: ['.yarnrc.yml', '.pnp.cjs'],
    add: 'yarn add',
    development: '--dev',
    reinstall: 'rm -r $ && yarn install',
  },
  yarn: { files: ['yarn.lock'], add: 'yarn add', development: '--dev', reinstall: 'yarn install --force' },
  bun: { files: ['bun.lock', 'bun.lockb'], add: 'bun add', development: '--dev', reinstall: 'bun install --force' },
  deno: { files: ['deno.lock'], add: 'deno add --npm', development: '--dev', reinstall: 'deno install --reload' },
}
const globalNpm: Manager = {
  files: [],
  add: 'npm install --global',
  development: '',
  reinstall: 'npm install --global hinge-embedding-loss',
}

function parentsOf(folder: string): string[] {
  const parent = dirname(folder)
  return parent === folder ? [folder] : [folder, ...parentsOf(parent)]
}

/** Returns true if there is such a file. Node and Deno may forbid to look. */
function isPresent(path: string): boolean {
  try {
    return existsSync(path)
  } catch {
    return false
  }
}

/** Returns the folder of the application that has installed the package at `root`: in a clone, the clone. */
export function findApplication(root: string): string {
  const [application = root] = root.split(/[\\/](?:node_modules|\.yarn)[\\/]/)
  return application
}

/**
 * Returns true if npm has installed the package for all users: in a folder `lib`, on Windows in `npm` or beside Node.
 * Elsewhere a folder without a package.json is a copy of an application.
 */
function isGlobal(application: string): boolean {
  const isPlace = /^(lib|npm)$/.test(basename(application)) || application === dirname(process.execPath)
  return isPlace && !isPresent(join(application, 'package.json'))
}

/** Finds the package manager that installed the package at `root`, which may not be the one that runs the program. */
export function findManager(root: string): Manager {
  const application = findApplication(root)
  const [, store = ''] = /node_modules[\\/]\.(pnpm|bun|deno)[\\/]/.exec(root) ?? []
  if (store !== '') return managers[store] as Manager
  if (isGlobal(application)) return globalNpm
  for (const folder of parentsOf(application)) {
    const isUsed = ({ files }: Manager) => files.some((file) => isPresent(join(folder, file)))
    const found = Object.values(managers).find(isUsed)
    if (found !== undefined) return found
  }
  const [, agent = 'npm'] = /^(npm|pnpm|yarn|bun|deno)\//.exec(process.env.npm_config_user_agent ?? '') ?? []
  return managers[agent] as Manager
}

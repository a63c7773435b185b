import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Consumer, peers, readKit } from '../support/consumers.ts'

/** A package manager, and how users type its commands. */
export interface Manager {
  readonly title: string
  /** its commands, and the programs that they start */
  readonly programs: Readonly<Record<string, readonly string[]>>
  /** adds packages to an application */
  readonly add: readonly string[]
  /** stands before the name of a package that is added */
  readonly prefix?: string
  /** starts a program, by default in Node */
  readonly node?: readonly string[]
  /** runs the command line of the package */
  readonly exec: readonly string[]
  /** runs the command line of packages that are not installed */
  readonly once?: readonly string[]
  readonly takesTarballs?: false
  readonly files?: Readonly<Record<string, string>>
  /** the folder of the kit with its Node, by default `bin` */
  readonly bin?: 'bin' | 'bin-24'
}

const { tool } = readKit()
const name = 'hinge-embedding-loss'
const named = [name, ...peers].flatMap((each) => ['--package', each])

const npm = (version: string) => ({
  programs: { npm: ['node', tool(version, 'bin/npm-cli.js')], npx: ['node', tool(version, 'bin/npx-cli.js')] },
  add: ['npm', 'install'],
  exec: ['npx', name],
  once: ['npx', '--yes', ...named, name],
})
const pnpm = (version: string, path: string) => ({
  programs: { pnpm: ['node', tool(version, path)] },
  add: ['pnpm', 'add'],
  exec: ['pnpm', 'exec', name],
  once: ['pnpm', '--silent', ...named, 'dlx', name],
})
const yarn4 = (linker: string) => ({
  programs: { yarn: ['node', tool('yarn4', 'bin/yarn.js')] },
  add: ['yarn', 'add'],
  node: ['yarn', 'node'],
  exec: ['yarn', name],
  files: { '.yarnrc.yml': `nodeLinker: ${linker}\nenableTelemetry: false\nunsafeHttpWhitelist: [127.0.0.1]\n` },
})

const ignoreScripts = ['npm', 'install', '--ignore-scripts']

export const npm11: Manager = { title: 'npm 11', ...npm('npm11') }
/** npm 12 needs a newer Node than the package. */
const npm12: Manager = { title: 'npm 12', ...npm('npm12'), bin: 'bin-24' }
export const pnpm12: Manager = { title: 'pnpm 12', ...pnpm('pnpm12', 'bin/pnpm.mjs') }
export const yarn1: Manager = {
  title: 'Yarn 1',
  programs: { yarn: ['node', tool('yarn1', 'bin/yarn.js')] },
  add: ['yarn', 'add'],
  exec: ['yarn', '--silent', name],
}
export const yarn4WithModules: Manager = { title: 'Yarn 4 with node_modules', ...yarn4('node-modules') }
export const yarn4WithPnp: Manager = { title: 'Yarn 4 with Plug’n’Play', ...yarn4('pnp') }
export const bun: Manager = {
  title: 'Bun, for programs in Node',
  programs: { bun: [tool(`@oven/bun-linux-${process.arch === 'arm64' ? 'aarch64' : process.arch}`, 'bin/bun')] },
  add: ['bun', 'add'],
  exec: ['bun', 'run', name],
}
export const deno: Manager = {
  title: 'Deno',
  programs: { deno: [tool(`@deno/linux-${process.arch}-glibc`, 'deno')] },
  add: ['deno', 'add'],
  prefix: 'npm:',
  node: ['deno', 'run', '--allow-ffi', '--allow-read', '--allow-env'],
  exec: ['deno', 'run', '--allow-all', `npm:${name}`],
  takesTarballs: false,
}

export const managers: readonly Manager[] = [
  npm11,
  { ...npm11, title: 'npm 11 with --ignore-scripts', add: ignoreScripts },
  npm12,
  { ...npm12, title: 'npm 12 with --ignore-scripts', add: ignoreScripts },
  { title: 'pnpm 9', ...pnpm('pnpm9', 'bin/pnpm.cjs') },
  pnpm12,
  yarn1,
  yarn4WithModules,
  yarn4WithPnp,
  bun,
  { ...bun, title: 'Bun, for programs in Bun', node: ['bun', 'run'], exec: ['bun', '--bun', 'run', name] },
  deno,
]

/** Returns the command that adds packages to an application. */
export function addPackages({ add, prefix = '' }: Manager, packages: readonly string[]): string[] {
  return [...add, ...packages.map((each) => `${prefix}${each}`)]
}

/** Makes an application with a package manager on PATH, which asks the registry of this run. `more` goes on PATH too. */
export function makeConsumer({ programs, files, bin = 'bin' }: Manager, more?: string): Consumer {
  const { folder } = readKit()
  const registry = process.env.CONSUMERS_REGISTRY
  const commands = mkdtempSync(join(folder, 'commands-'))
  for (const [command, program] of Object.entries(programs)) {
    const quoted = program.map((part) => `"${part}"`).join(' ')
    writeFileSync(join(commands, command), `#!/bin/sh\nexec ${quoted} "$@"\n`, { mode: 0o755 })
  }
  return new Consumer({
    files: { '.npmrc': `registry=${registry}\n`, ...files },
    env: {
      PATH: [commands, join(folder, bin), ...(more === undefined ? [] : [more])].join(':'),
      YARN_REGISTRY: registry,
      YARN_NPM_REGISTRY_SERVER: registry,
    },
  })
}

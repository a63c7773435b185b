import { expect } from 'chai'
import { Consumer, readKit } from '../support/consumers.ts'

/** The packages that an application names to have the library, the command line and SQL. */
const packages = ['hinge-embedding-loss', 'commander@14', '@duckdb/node-api']

/** How a package manager installs and runs packages. It reads which registry it asks from its own files or variables. */
interface Manager {
  /** the command, as users write it */
  readonly title: string
  readonly add: (tool: Tool) => readonly string[]
  /** how users run a program of theirs: by default `node` */
  readonly node?: (tool: Tool) => readonly string[]
  readonly exec: (tool: Tool) => readonly string[]
  readonly files?: Readonly<Record<string, string>>
  readonly env?: (registry: string, folder: string) => NodeJS.ProcessEnv
}

type Tool = (name: string, path?: string) => string

const npm = (name: string, ...flags: string[]) => ({
  add: (tool: Tool) => ['node', tool(name, 'bin/npm-cli.js'), 'install', ...flags, ...packages],
  exec: (tool: Tool) => ['node', tool(name, 'bin/npx-cli.js'), 'hinge-embedding-loss'],
})
/** npm 12 needs a newer Node than the package. */
const withNode24 = (_registry: string, folder: string) => ({ PATH: `${folder}/bin-24` })
const pnpm = (name: string, program: string) => ({
  add: (tool: Tool) => ['node', tool(name, program), 'add', ...packages],
  exec: (tool: Tool) => ['node', tool(name, program), 'exec', 'hinge-embedding-loss'],
})
const yarn4 = (linker: string) => ({
  add: (tool: Tool) => ['node', tool('yarn4', 'bin/yarn.js'), 'add', ...packages],
  node: (tool: Tool) => ['node', tool('yarn4', 'bin/yarn.js'), 'node'],
  exec: (tool: Tool) => ['node', tool('yarn4', 'bin/yarn.js'), 'hinge-embedding-loss'],
  files: { '.yarnrc.yml': `nodeLinker: ${linker}\nenableTelemetry: false\nunsafeHttpWhitelist: [127.0.0.1]\n` },
  env: (registry: string) => ({ YARN_NPM_REGISTRY_SERVER: registry }),
})
const bun = (tool: Tool) => tool(`@oven/bun-linux-${process.arch === 'arm64' ? 'aarch64' : process.arch}`, 'bin/bun')
const deno = (tool: Tool) => tool(`@deno/linux-${process.arch}-glibc`, 'deno')

const managers: readonly Manager[] = [
  { title: 'npm 11: npm install', ...npm('npm11') },
  { title: 'npm 11: npm install --ignore-scripts', ...npm('npm11', '--ignore-scripts') },
  { title: 'npm 12: npm install', ...npm('npm12'), env: withNode24 },
  { title: 'npm 12: npm install --ignore-scripts', ...npm('npm12', '--ignore-scripts'), env: withNode24 },
  { title: 'pnpm 9: pnpm add', ...pnpm('pnpm9', 'bin/pnpm.cjs') },
  { title: 'pnpm 12: pnpm add', ...pnpm('pnpm12', 'bin/pnpm.mjs') },
  {
    title: 'Yarn 1: yarn add',
    add: (tool) => ['node', tool('yarn1', 'bin/yarn.js'), 'add', ...packages],
    exec: (tool) => ['node', tool('yarn1', 'bin/yarn.js'), '--silent', 'hinge-embedding-loss'],
    env: (registry) => ({ YARN_REGISTRY: registry }),
  },
  { title: 'Yarn 4 with node_modules: yarn add', ...yarn4('node-modules') },
  { title: 'Yarn 4 with Plug’n’Play: yarn add', ...yarn4('pnp') },
  {
    title: 'Bun: bun add, programs in Node',
    add: (tool) => [bun(tool), 'add', ...packages],
    exec: (tool) => [bun(tool), 'run', 'hinge-embedding-loss'],
  },
  {
    title: 'Bun: bun add, programs in Bun',
    add: (tool) => [bun(tool), 'add', ...packages],
    node: (tool) => [bun(tool), 'run'],
    exec: (tool) => [bun(tool), '--bun', 'run', 'hinge-embedding-loss'],
  },
  {
    title: 'Deno: deno add npm:…',
    add: (tool) => [deno(tool), 'add', ...packages.map((name) => `npm:${name}`)],
    node: (tool) => [deno(tool), 'run', '--allow-ffi', '--allow-read', '--allow-env'],
    exec: (tool) => [deno(tool), 'run', '--allow-all', 'npm:hinge-embedding-loss'],
  },
]

describe('package managers', function () {
  this.timeout(180_000)

  for (const { title, add, node = () => ['node'], exec, files, env } of managers) {
    it(`${title} installs the package without a script, and all of it works`, async () => {
      const registry = process.env.CONSUMERS_REGISTRY as string
      const { tool, folder } = readKit()
      const consumer = new Consumer({
        files: { '.npmrc': `registry=${registry}\n`, ...files },
        env: env?.(registry, folder) ?? {},
      })
      const { stdout, stderr } = await consumer.succeeds(add(tool))
      expect(`${stdout}${stderr}`, consumer.tried).not.to.match(/\bscripts?\b|gyp (ERR|info)|\bbuild/i)
      await consumer.computes(node(tool))
      await consumer.scores(exec(tool))
      await consumer.queries(node(tool))
      consumer.remove()
    })
  }
})

import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { Consumer, peers, readKit } from '../support/consumers.ts'

const { tool, folder, tarball } = readKit()

/** How a package manager is used, as commands. */
interface Manager {
  readonly title: string
  readonly add: (packages: readonly string[]) => readonly string[]
  /** starts a program, by default in Node */
  readonly node?: readonly string[]
  /** runs the command line of the package */
  readonly exec: readonly string[]
  /** runs the command line of packages that are not installed */
  readonly once?: readonly string[]
  readonly takesTarballs?: false
  readonly files?: Readonly<Record<string, string>>
  readonly env?: NodeJS.ProcessEnv
}

const name = 'hinge-embedding-loss'
const npmPackages = [name, ...peers].flatMap((each) => ['--package', each])

const npm = (version: string, ...flags: string[]) => ({
  add: (packages: readonly string[]) => ['node', tool(version, 'bin/npm-cli.js'), 'install', ...flags, ...packages],
  exec: ['node', tool(version, 'bin/npx-cli.js'), name],
  once: ['node', tool(version, 'bin/npx-cli.js'), '--yes', ...npmPackages, name],
})
/** npm 12 needs a newer Node than the package. */
const withNode24 = { PATH: join(folder, 'bin-24') }

const pnpm = (...program: [version: string, path: string]) => ({
  add: (packages: readonly string[]) => ['node', tool(...program), 'add', ...packages],
  exec: ['node', tool(...program), 'exec', name],
  once: ['node', tool(...program), '--silent', ...npmPackages, 'dlx', name],
})

const yarn1 = ['node', tool('yarn1', 'bin/yarn.js')]
const yarn4 = ['node', tool('yarn4', 'bin/yarn.js')]
const yarn4Settings = (linker: string) => ({
  '.yarnrc.yml': `nodeLinker: ${linker}\nenableTelemetry: false\nunsafeHttpWhitelist: [127.0.0.1]\n`,
  'yarn.lock': '',
})

const bun = tool(`@oven/bun-linux-${process.arch === 'arm64' ? 'aarch64' : process.arch}`, 'bin/bun')
const deno = tool(`@deno/linux-${process.arch}-glibc`, 'deno')

const managers: readonly Manager[] = [
  { title: 'npm 11', ...npm('npm11') },
  { title: 'npm 11 with --ignore-scripts', ...npm('npm11', '--ignore-scripts') },
  { title: 'npm 12', ...npm('npm12'), env: withNode24 },
  { title: 'npm 12 with --ignore-scripts', ...npm('npm12', '--ignore-scripts'), env: withNode24 },
  { title: 'pnpm 9', ...pnpm('pnpm9', 'bin/pnpm.cjs') },
  { title: 'pnpm 12', ...pnpm('pnpm12', 'bin/pnpm.mjs') },
  { title: 'Yarn 1', add: (packages) => [...yarn1, 'add', ...packages], exec: [...yarn1, '--silent', name] },
  {
    title: 'Yarn 4 with node_modules',
    add: (packages) => [...yarn4, 'add', ...packages],
    exec: [...yarn4, name],
    files: yarn4Settings('node-modules'),
  },
  {
    title: 'Yarn 4 with Plug’n’Play',
    add: (packages) => [...yarn4, 'add', ...packages],
    node: [...yarn4, 'node'],
    exec: [...yarn4, name],
    files: yarn4Settings('pnp'),
  },
  { title: 'Bun, for programs in Node', add: (packages) => [bun, 'add', ...packages], exec: [bun, 'run', name] },
  {
    title: 'Bun, for programs in Bun',
    add: (packages) => [bun, 'add', ...packages],
    node: [bun, 'run'],
    exec: [bun, '--bun', 'run', name],
  },
  {
    title: 'Deno',
    add: (packages) => [deno, 'add', ...packages.map((each) => `npm:${each}`)],
    node: [deno, 'run', '--allow-ffi', '--allow-read', '--allow-env'],
    exec: [deno, 'run', '--allow-all', `npm:${name}`],
    takesTarballs: false,
  },
]

describe('package managers', function () {
  this.timeout(180_000)

  function makeConsumer({ files, env }: Pick<Manager, 'files' | 'env'> = {}): Consumer {
    const registry = process.env.CONSUMERS_REGISTRY
    return new Consumer({
      files: { '.npmrc': `registry=${registry}\n`, ...files },
      env: { YARN_REGISTRY: registry, YARN_NPM_REGISTRY_SERVER: registry, ...env },
    })
  }

  /** Installs packages, which must run, block and mention no script. */
  async function install(consumer: Consumer, { add }: Manager, packages: readonly string[]): Promise<void> {
    const { stdout, stderr } = await consumer.succeeds(add(packages))
    expect(`${stdout}${stderr}`, consumer.tried).not.to.match(/\bscripts?\b|gyp (ERR|info)|\bbuilds?\b/i)
  }

  for (const manager of managers) {
    const { title, node = ['node'], exec, once, takesTarballs = true } = manager

    it(`${title} installs the package without a script, and all of it works`, async () => {
      const consumer = makeConsumer(manager)
      await install(consumer, manager, [name, ...peers])
      await consumer.computes(node)
      await consumer.scores(exec)
      await consumer.queries(node)
      consumer.remove()
    })

    if (takesTarballs) {
      it(`${title} installs the tarball by its path without a script`, async () => {
        const consumer = makeConsumer(manager)
        cpSync(tarball, join(consumer.folder, 'package.tgz'))
        await install(consumer, manager, ['./package.tgz'])
        await consumer.computes(node)
        consumer.remove()
      })
    }

    if (once !== undefined) {
      it(`${title} runs the command line without an install`, async () => {
        const consumer = makeConsumer(manager)
        await consumer.scores(once)
        consumer.remove()
      })
    }
  }

  it('npm installs the command line for all users of a machine', async () => {
    const consumer = makeConsumer()
    const env = { npm_config_prefix: consumer.folder }
    await consumer.succeeds([...npm('npm11', '--global').add([tarball, ...peers])], env)
    await consumer.scores([join(consumer.folder, 'bin', name)])
    consumer.remove()
  })

  it('Deno needs no install for the library and SQL, but for packages that only ours imports', async () => {
    const consumer = makeConsumer({ files: { 'deno.json': '{ "nodeModulesDir": "none" }' } })
    const run = [deno, 'run', '--quiet', '--no-lock', '--allow-all']
    const files = `
      import { scoreFiles } from 'npm:${name}/files'
      const { total } = await scoreFiles(['pairs.parquet'], { input: 'distance', label: 'label' })
      console.log(total.mean)`
    consumer.write({
      'library.mjs': `import { hingeEmbeddingLoss } from 'npm:${name}'; console.log(hingeEmbeddingLoss([0.25], 1))`,
      'files.mjs': files,
      'both.mjs': `import 'npm:@duckdb/node-api'\n${files}`,
    })
    cpSync(consumer.kit.pairs, join(consumer.folder, 'pairs.parquet'))
    await consumer.prints([...run, 'library.mjs'], '0.25\n')
    await consumer.fails([...run, 'files.mjs'], /scoring files needs more packages: npm install @duckdb\/node-api/)
    await consumer.prints([...run, 'both.mjs'], '0.25\n')
    consumer.remove()
  })
})

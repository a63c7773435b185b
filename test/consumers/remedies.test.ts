import { chmodSync, realpathSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { nameTarget } from '../../lib/binaries.ts'
import { Consumer, readKit } from '../support/consumers.ts'

type Tool = (name: string, path?: string) => string

interface Manager {
  readonly title: string
  /** the command by its name, as the error has it */
  readonly name: string
  /** the command as it is installed for the tests */
  readonly program: (tool: Tool) => readonly string[]
  /** how users run a program of theirs: by default `node` */
  readonly node?: readonly string[]
  readonly spec?: string
  readonly files?: Readonly<Record<string, string>>
  readonly env?: (registry: string) => NodeJS.ProcessEnv
}

const pnpm: Manager = {
  title: 'pnpm',
  name: 'pnpm',
  program: (tool) => ['node', tool('pnpm12', 'bin/pnpm.mjs')],
}
const yarn4 = (linker: string): Manager => ({
  title: `Yarn 4 with nodeLinker ${linker}`,
  name: 'yarn',
  program: (tool) => ['node', tool('yarn4', 'bin/yarn.js')],
  node: ['yarn', 'node'],
  files: { '.yarnrc.yml': `nodeLinker: ${linker}\nenableTelemetry: false\nunsafeHttpWhitelist: [127.0.0.1]\n` },
  env: (registry) => ({ YARN_NPM_REGISTRY_SERVER: registry }),
})
const managers: readonly Manager[] = [
  { title: 'npm', name: 'npm', program: (tool) => ['node', tool('npm11', 'bin/npm-cli.js')] },
  pnpm,
  {
    title: 'Yarn 1',
    name: 'yarn',
    program: (tool) => ['node', tool('yarn1', 'bin/yarn.js')],
    env: (registry) => ({ YARN_REGISTRY: registry }),
  },
  yarn4('node-modules'),
  yarn4('pnp'),
  {
    title: 'Bun',
    name: 'bun',
    program: (tool) => [tool(`@oven/bun-linux-${process.arch === 'arm64' ? 'aarch64' : process.arch}`, 'bin/bun')],
  },
  {
    title: 'Deno',
    name: 'deno',
    program: (tool) => [tool(`@deno/linux-${process.arch}-glibc`, 'deno')],
    spec: 'npm:hinge-embedding-loss',
  },
]

const program = `
import('hinge-embedding-loss/duckdb')
  .then(({ extensionPath }) => console.log(extensionPath))
  .then(() => import('hinge-embedding-loss'))
  .then(({ hingeEmbeddingLoss }) => console.log(hingeEmbeddingLoss([0.25], 1)))
  .catch(({ code, message }) => console.log(code, message.split('\\n').at(-1)))
`

/** An application that has installed the package, with the package manager on PATH. */
class Application {
  readonly consumer: Consumer
  readonly env: NodeJS.ProcessEnv
  readonly #manager: Manager

  private constructor(manager: Manager, more: string) {
    const { folder, tool } = readKit()
    const registry = process.env.CONSUMERS_REGISTRY as string
    const command = manager.program(tool).map((part) => `"${part}"`)
    const files = {
      '.npmrc': `registry=${registry}\n`,
      'program.mjs': program,
      [`bin/${manager.name}`]: `#!/bin/sh\nexec ${command.join(' ')} "$@"\n`,
      'bin/rm': '#!/bin/sh\nexec /bin/rm "$@"\n',
      ...manager.files,
    }
    this.consumer = new Consumer({ files })
    for (const name of [manager.name, 'rm']) chmodSync(join(this.consumer.folder, 'bin', name), 0o755)
    this.env = {
      PATH: [join(this.consumer.folder, 'bin'), join(folder, 'bin'), more].join(':'),
      ...manager.env?.(registry),
    }
    this.#manager = manager
  }

  static async install(manager: Manager, more = ''): Promise<Application> {
    const application = new Application(manager, more)
    await application.consumer.succeeds([manager.name, 'add', manager.spec ?? 'hinge-embedding-loss'], application.env)
    return application
  }

  /** Runs a program that imports the package, and returns what it prints. */
  async start(): Promise<string> {
    const { node = ['node'] } = this.#manager
    return (await this.consumer.succeeds([...node, 'program.mjs'], this.env)).stdout
  }

  /** Runs the command that an error names after its kind, and the folder where it is to be run. */
  async runRemedy(kind: string): Promise<void> {
    const said = await this.start()
    const [, place, command = ''] = new RegExp(`ERR_ADDON_NOT_LOADED to ${kind}.*, in (\\S+): (.*)`).exec(said) ?? []
    expect(place, this.consumer.tried).to.equal(realpathSync(this.consumer.folder))
    await this.consumer.succeeds(['sh', '-c', command], this.env)
  }
}

describe('the command of the error about a missing addon', function () {
  this.timeout(300_000)

  for (const manager of managers) {
    it(`${manager.title} installs the package again if a file is gone`, async () => {
      const application = await Application.install(manager)
      const [extension = ''] = (await application.start()).split('\n')
      expect(extension, application.consumer.tried).to.include(`prebuilds/${nameTarget()}`)
      rmSync(join(dirname(extension), 'hinge_embedding_loss.node'))
      await application.runRemedy('install it again')
      expect(await application.start()).to.match(/\n0\.25\n$/)
      application.consumer.remove()
    })
  }

  // pnpm is the strictest: it links to a package only what the package names.
  it('pnpm builds the package from source if it has no binaries for the platform', async () => {
    const application = await Application.install(pnpm, process.env.PATH)
    const [extension = ''] = (await application.start()).split('\n')
    rmSync(dirname(dirname(extension)), { recursive: true })
    await application.runRemedy('build it')
    expect(await application.start()).to.match(/build\/Release\/.*\n0\.25\n$/)
    application.consumer.remove()
  })
})

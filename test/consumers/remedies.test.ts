import { realpathSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { nameTarget } from '../../lib/binaries.ts'
import type { Consumer } from '../support/consumers.ts'
import {
  addPackages,
  bun,
  deno,
  type Manager,
  makeConsumer,
  npm11,
  pnpm12,
  yarn1,
  yarn4WithModules,
  yarn4WithPnp,
} from './managers.ts'

const program = `
import('hinge-embedding-loss/duckdb')
  .then(({ extensionPath }) => console.log(extensionPath))
  .then(() => import('hinge-embedding-loss'))
  .then(({ hingeEmbeddingLoss }) => console.log(hingeEmbeddingLoss([0.25], 1)))
  .catch(({ code, message }) => console.log(code, message.split('\\n').at(-1)))
`

const tried = [npm11, pnpm12, yarn1, yarn4WithModules, yarn4WithPnp, bun, deno]

/** Makes an application that has installed the package. */
async function install(manager: Manager, more?: string): Promise<Consumer> {
  const application = makeConsumer(manager, more)
  application.write({ 'program.mjs': program })
  await application.succeeds(addPackages(manager, ['hinge-embedding-loss']))
  return application
}

/** Runs a program that imports the package, and returns what it prints. */
async function start(application: Consumer, { node = ['node'] }: Manager): Promise<string> {
  return (await application.succeeds([...node, 'program.mjs'])).stdout
}

/** Runs the command that an error names after its kind, and the folder where it is to be run. */
async function runRemedy(application: Consumer, manager: Manager, kind: string): Promise<void> {
  const said = await start(application, manager)
  const [, place, command = ''] = new RegExp(`ERR_ADDON_NOT_LOADED to ${kind}.*, in (\\S+): (.*)`).exec(said) ?? []
  expect(place, application.tried).to.equal(realpathSync(application.folder))
  await application.succeeds(['sh', '-c', command])
}

describe('the commands that errors name', function () {
  this.timeout(600_000)

  for (const manager of tried) {
    it(`${manager.title} installs the package again if a file is gone`, async () => {
      const application = await install(manager)
      const [extension = ''] = (await start(application, manager)).split('\n')
      expect(extension, application.tried).to.include(`prebuilds/${nameTarget()}`)
      rmSync(join(dirname(extension), 'hinge_embedding_loss.node'))
      await runRemedy(application, manager, 'install it again')
      expect(await start(application, manager)).to.match(/\n0\.25\n$/)
      application.remove()
    })
  }

  for (const manager of tried) {
    it(`${manager.title} adds the optional packages that an error names`, async () => {
      const application = await install(manager)
      const { code, stderr } = await application.run([...manager.exec, 'score', 'pairs.parquet', '--json'])
      expect(code, application.tried).not.to.equal(0)
      const [, command = ''] = /needs? more packages: (.*)/.exec(stderr) ?? []
      expect(command, application.tried).to.include('@duckdb/node-api')
      await application.succeeds(['sh', '-c', command])
      await application.scores(manager.exec)
      application.remove()
    })
  }

  // pnpm is the strictest: it links to a package only what the package names.
  it('pnpm builds the package from source if it has no binaries for the platform', async () => {
    const application = await install(pnpm12, process.env.PATH)
    const [extension = ''] = (await start(application, pnpm12)).split('\n')
    rmSync(dirname(dirname(extension)), { recursive: true })
    await runRemedy(application, pnpm12, 'build it')
    expect(await start(application, pnpm12)).to.match(/build\/Release\/.*\n0\.25\n$/)
    application.remove()
  })
})

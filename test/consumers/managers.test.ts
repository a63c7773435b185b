import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Consumer, peers } from '../support/consumers.ts'
import { addPackages, deno, type Manager, makeConsumer, managers, npm11 } from './managers.ts'

describe('package managers', function () {
  this.timeout(180_000)

  /** Installs packages, which must run, block and mention no script. */
  async function install(consumer: Consumer, manager: Manager, packages: readonly string[]): Promise<void> {
    const { stdout, stderr } = await consumer.succeeds(addPackages(manager, packages))
    expect(`${stdout}${stderr}`, consumer.tried).not.to.match(/\bscripts?\b|gyp (ERR|info)|\bbuilds?\b/i)
  }

  for (const manager of managers) {
    const { title, node = ['node'], exec, once, takesTarballs = true } = manager

    it(`${title} installs the package without a script, and all of it works`, async () => {
      const consumer = makeConsumer(manager)
      await install(consumer, manager, ['hinge-embedding-loss', ...peers])
      await consumer.computes(node)
      await consumer.scores(exec)
      await consumer.queries(node)
      consumer.remove()
    })

    if (takesTarballs) {
      it(`${title} installs the tarball by its path without a script`, async () => {
        const consumer = makeConsumer(manager)
        cpSync(consumer.kit.tarball, join(consumer.folder, 'package.tgz'))
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

  it('npm installs the package in an application that has older packages for itself', async () => {
    const consumer = makeConsumer(npm11)
    const own = ['commander@12', 'apache-arrow@17', 'ioredis@5', 'yauzl@2', 'node-addon-api@7']
    await install(consumer, npm11, own)
    await install(consumer, npm11, ['hinge-embedding-loss', '@duckdb/node-api'])
    await consumer.computes(['node'])
    await consumer.scores(npm11.exec)
    consumer.remove()
  })

  it('npm installs the command line for all users of a machine', async () => {
    const consumer = makeConsumer(npm11)
    const prefix = ['--global', '--prefix', consumer.folder]
    await consumer.succeeds(['npm', 'install', ...prefix, consumer.kit.tarball, ...peers])
    await consumer.scores([join(consumer.folder, 'bin/hinge-embedding-loss')])
    consumer.remove()
  })

  it('Deno needs no install for the library and SQL, but for packages that only ours imports', async () => {
    const consumer = makeConsumer(deno)
    const run = ['deno', 'run', '--quiet', '--no-lock', '--node-modules-dir=none', '--allow-all']
    const files = `
      import { scoreFiles } from 'npm:hinge-embedding-loss/files'
      const { total } = await scoreFiles(['pairs.parquet'], { input: 'distance', label: 'label' })
      console.log(total.mean)`
    consumer.write({
      'library.mjs': `
        import { hingeEmbeddingLoss } from 'npm:hinge-embedding-loss'
        console.log(hingeEmbeddingLoss([0.25], 1))`,
      'files.mjs': files,
      'both.mjs': `import 'npm:@duckdb/node-api'\n${files}`,
    })
    cpSync(consumer.kit.pairs, join(consumer.folder, 'pairs.parquet'))
    await consumer.prints([...run, 'library.mjs'], '0.25\n')
    await consumer.fails([...run, 'files.mjs'], /scoring files needs more packages: .*@duckdb\/node-api/)
    await consumer.prints([...run, 'both.mjs'], '0.25\n')
    consumer.remove()
  })
})

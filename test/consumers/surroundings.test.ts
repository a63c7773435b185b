import { chmodSync, cpSync, mkdirSync, realpathSync, renameSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { manifest } from '../support/application.ts'
import { Consumer, readKit } from '../support/consumers.ts'
import { isInstalled, skipUnless } from '../support/processes.ts'

const commandLine = ['node', 'node_modules/hinge-embedding-loss/dist/cli/main.js']
const program = `import { hingeEmbeddingLoss } from 'hinge-embedding-loss'; console.log(hingeEmbeddingLoss([0.25], 1))`

/** Makes an application beside the tools, whose commander and DuckDB it finds. */
function makeConsumer(files: Readonly<Record<string, string>> = {}, env: NodeJS.ProcessEnv = {}): Consumer {
  return new Consumer({ parent: readKit().tool('..', 'consumers'), files, env }).install()
}

/** Checks all that users run. \`prefix\` starts Node in other surroundings. */
async function checkAll(consumer: Consumer, prefix: readonly string[] = []): Promise<void> {
  await consumer.computes([...prefix, 'node'])
  await consumer.scores([...prefix, ...commandLine])
  await consumer.queries([...prefix, 'node'])
}

describe('surroundings', function () {
  this.timeout(120_000)

  it('threads and processes of a cluster score at the same time', async () => {
    const score = `hingeEmbeddingLoss(new Float32Array(1e6).fill(0.25), 1)`
    const consumer = makeConsumer({
      'threads.mjs': `
        import { Worker, isMainThread, parentPort } from 'node:worker_threads'
        import { hingeEmbeddingLoss } from 'hinge-embedding-loss'
        import { scoreFiles } from 'hinge-embedding-loss/files'
        if (isMainThread) {
          const answers = [1, 2, 3, 4].map(() => new Promise((resolve) => {
            new Worker(new URL(import.meta.url)).once('message', resolve)
          }))
          console.log((await Promise.all(answers)).join(), ${score})
        } else {
          const { total } = await scoreFiles(['pairs.parquet'], { input: 'distance', label: 'label' })
          parentPort.postMessage(${score} + total.mean)
        }`,
      'cluster.cjs': `
        const cluster = require('node:cluster')
        const { hingeEmbeddingLoss } = require('hinge-embedding-loss')
        if (cluster.isPrimary) {
          const answers = [1, 2, 3].map(() => new Promise((resolve) => cluster.fork().once('message', resolve)))
          Promise.all(answers).then((results) => console.log(results.join()))
        } else process.send(${score}, () => process.disconnect())`,
    })
    cpSync(consumer.kit.pairs, join(consumer.folder, 'pairs.parquet'))
    await consumer.prints(['node', 'threads.mjs'], '0.5,0.5,0.5,0.5 0.25\n')
    await consumer.prints(['node', 'cluster.cjs'], '0.25,0.25,0.25\n')
    consumer.remove()
  })

  it('all works in a folder whose name has spaces, quotes and other letters', async () => {
    const parent = join(readKit().tool('..', 'consumers'), `it's a "größere" 文件 \u{1F4C1} 100% #1?&;$HOME`)
    const consumer = new Consumer({ parent }).install()
    await checkAll(consumer)
    consumer.remove()
  })

  it('all works if node_modules is a link', async () => {
    const consumer = makeConsumer()
    renameSync(join(consumer.folder, 'node_modules'), join(consumer.folder, 'elsewhere'))
    symlinkSync('elsewhere', join(consumer.folder, 'node_modules'))
    await checkAll(consumer)
    consumer.remove()
  })

  it('all works if node_modules has a link to the package', async () => {
    const consumer = makeConsumer()
    const installed = join(consumer.folder, 'node_modules/hinge-embedding-loss')
    mkdirSync(join(consumer.folder, 'packages'))
    renameSync(installed, join(consumer.folder, 'packages/linked'))
    symlinkSync('../packages/linked', installed)
    await checkAll(consumer)
    consumer.remove()
  })

  it('two versions of the package work side by side in one process, and so do their extensions', async () => {
    const consumer = makeConsumer({
      'both.mjs': `
        import { DuckDBInstance } from '@duckdb/node-api'
        import { hingeEmbeddingLoss, runtimeInfo, tensor, Tensor } from 'hinge-embedding-loss'
        import { load } from 'hinge-embedding-loss/duckdb'
        import * as other from 'other'
        import { load as loadOther } from 'other/duckdb'
        const distances = tensor([0.25, 1.5, 0.5])
        const large = new Float32Array(1e6).fill(0.25)
        console.log(runtimeInfo().version === other.runtimeInfo().version, distances instanceof other.Tensor)
        console.log(hingeEmbeddingLoss(large, 1), other.hingeEmbeddingLoss(large, 1), other.hingeEmbeddingLoss(distances, [1, -1, -1]))
        for (const loads of [[load], [loadOther], [load, loadOther]]) {
          const connection = await (await DuckDBInstance.create(':memory:', { allow_unsigned_extensions: 'true' })).connect()
          for (const each of loads) await each(connection)
          const { value } = (await connection.runAndReadAll('SELECT hinge_embedding_loss(0.25, 1).mean AS value')).getRowObjects()[0]
          console.log(value)
        }`,
    })
    const [mine, other] = ['hinge-embedding-loss', 'other'].map((name) => join(consumer.folder, 'node_modules', name))
    cpSync(mine as string, other as string, { recursive: true })
    const version = `${manifest.version}-other`
    consumer.write({ 'node_modules/other/package.json': JSON.stringify({ ...manifest, version }) })
    await consumer.prints(['node', 'both.mjs'], 'false false\n0.25 0.25 0.25\n0.25\n0.25\n0.25\n')
    consumer.remove()
  })

  describe('with permissions', () => {
    const deno = () => readKit().tool(`@deno/linux-${process.arch}-glibc`, 'deno')
    const node24 = () => readKit().tool('node24', 'bin/node')
    const reads = (folder: string) => `--allow-fs-read=${folder}/`
    const permissions = [
      {
        title: 'Node 20 with --allow-addons and --allow-fs-read of the application',
        allowed: (folder: string) => ['node', '--experimental-permission', '--allow-addons', reads(folder)],
        forbidden: (folder: string) => ['node', '--experimental-permission', reads(folder)],
        advice: /needs --allow-addons/,
      },
      {
        title: 'Node 24 with --allow-addons and --allow-fs-read of the application',
        allowed: (folder: string) => [node24(), '--permission', '--allow-addons', reads(folder)],
        forbidden: (folder: string) => [node24(), '--permission', reads(folder)],
        advice: /needs --allow-addons/,
      },
      {
        title: 'Node 24 without --no-addons',
        allowed: () => [node24()],
        forbidden: () => [node24(), '--no-addons'],
        advice: /no Node may have --no-addons/,
      },
      {
        title: 'Deno with --allow-ffi, --allow-read and --allow-env',
        allowed: () => [deno(), 'run', '--allow-ffi', '--allow-read', '--allow-env'],
        forbidden: () => [deno(), 'run', '--no-prompt', '--allow-read', '--allow-env'],
        advice: /Deno needs --allow-ffi/,
      },
    ]
    for (const { title, allowed, forbidden, advice } of permissions) {
      it(`${title} loads the package, and otherwise an error says what is needed`, async () => {
        const consumer = makeConsumer({ 'program.mjs': program })
        const folder = realpathSync(consumer.folder)
        await consumer.prints([...allowed(folder), join(folder, 'program.mjs')], '0.25\n')
        await consumer.fails([...forbidden(folder), join(folder, 'program.mjs')], advice)
        consumer.remove()
      })
    }
  })

  describe('of another user', () => {
    /** Runs as a user that owns nothing and has no home. */
    const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
    before(function () {
      skipUnless(process.getuid?.() === 0 && isInstalled('setpriv'), this, 'the user root, and setpriv')
      for (const folder of [readKit().folder, readKit().tool('..')]) chmodSync(folder, 0o755)
    })

    for (const home of ['/nonexistent', undefined]) {
      it(`all works for a user that owns no files and whose HOME is ${home ?? 'not set'}`, async () => {
        const consumer = makeConsumer({}, { HOME: home, PATH: `${readKit().folder}/bin:${process.env.PATH}` })
        chmodSync(consumer.folder, 0o755)
        await checkAll(consumer, nobody)
        consumer.remove()
      })
    }

    it('all works where no file can be written', async function () {
      skipUnless(isInstalled('unshare', '--mount', 'true'), this, 'unshare')
      const consumer = makeConsumer({}, { HOME: '/nonexistent', PATH: `${readKit().folder}/bin:${process.env.PATH}` })
      chmodSync(consumer.folder, 0o755)
      const lock =
        'mount --make-rprivate / && for place in / /tmp /dev/shm /var/tmp /run; do mount --bind $place $place && mount -o remount,ro,bind $place; done'
      const check = 'touch written 2>/dev/null && exit 9'
      const shell = `${lock}; cd "$PWD"; ${check}; exec ${nobody.join(' ')} "$0" "$@"`
      await checkAll(consumer, ['unshare', '--mount', 'sh', '-c', shell])
      consumer.remove()
    })
  })
})

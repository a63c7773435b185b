import { copyFileSync, cpSync, existsSync, mkdirSync, realpathSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Consumer, peers, readKit } from '../support/consumers.ts'
import { isInstalled, run, skipUnless, succeeds } from '../support/processes.ts'

/** Copies a file to its own path below another root. */
function copyInto(root: string, path: string): void {
  mkdirSync(join(root, dirname(path)), { recursive: true })
  copyFileSync(realpathSync(path), join(root, path))
}

/** Makes a root that holds Node with the libraries that it loads, npm, and what a client of a registry reads. */
async function makeRoot(root: string): Promise<void> {
  const { tool } = readKit()
  const node = realpathSync(process.execPath)
  const libraries = await succeeds(run('ldd', [node]))
  for (const [, path = ''] of libraries.matchAll(/(?:=>|^)\s+(\/\S+) \(/gm)) copyInto(root, path)
  // The C library loads these to find the addresses of hosts.
  const [, libc = ''] = /libc\.so\.6 => (\S+)/.exec(libraries) ?? []
  const others = ['libresolv.so.2', 'libnss_dns.so.2', 'libnss_files.so.2'].map((name) => join(dirname(libc), name))
  const settings = ['/etc/resolv.conf', '/etc/hosts', '/etc/nsswitch.conf', process.env.NODE_EXTRA_CA_CERTS ?? '']
  for (const path of [...others, ...settings]) if (existsSync(path)) copyInto(root, path)
  mkdirSync(join(root, 'usr/local/bin'), { recursive: true })
  copyFileSync(node, join(root, 'usr/local/bin/node'))
  cpSync(tool('npm11'), join(root, 'usr/local/lib/node_modules/npm'), { recursive: true })
  for (const name of ['proc', 'dev', 'tmp']) mkdirSync(join(root, name))
}

describe('a root with only Node and npm', function () {
  this.timeout(180_000)

  it('one npm install of the tarball brings the library, the command line and SQL', async function () {
    const isRoot = process.platform === 'linux' && process.getuid?.() === 0
    skipUnless(isRoot && isInstalled('unshare', '--mount', 'true'), this, 'the user root, and unshare')
    const root = join(readKit().folder, 'root')
    await makeRoot(root)
    const consumer = new Consumer({
      parent: join(root, 'srv'),
      env: {
        HOME: '/tmp',
        PATH: `/usr/local/bin:${process.env.PATH}`,
        npm_config_registry: process.env.CONSUMERS_REGISTRY,
      },
    })
    const mounts = `mount -t proc proc "${root}/proc" && mount --rbind /dev "${root}/dev"`
    const enter = `exec unshare --root="${root}" --wd="${consumer.folder.slice(root.length)}" "$0" "$@"`
    const node = ['unshare', '--mount', 'sh', '-c', `${mounts} && ${enter}`, '/usr/local/bin/node']

    const list = `console.log(['/bin', '/usr/bin'].some(fs.existsSync), fs.readdirSync('/usr/local/bin').join())`
    await consumer.prints([...node, '--eval', list], 'false node\n')
    const npm = '/usr/local/lib/node_modules/npm/bin/npm-cli.js'
    cpSync(consumer.kit.tarball, join(consumer.folder, 'package.tgz'))
    await consumer.succeeds([...node, npm, 'install', './package.tgz', ...peers])
    await consumer.computes(node)
    await consumer.scores([...node, 'node_modules/.bin/hinge-embedding-loss'])
    await consumer.queries(node)
    rmSync(root, { recursive: true, force: true })
  })
})

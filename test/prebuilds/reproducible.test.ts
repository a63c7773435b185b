import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { node, root, succeeds } from '../support/processes.ts'

describe('the build of prebuilds', function () {
  this.timeout(1_800_000)
  let folder: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-again-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('gives the same bytes in another folder with nothing in the cache of the compiler', async () => {
    const copy = join(folder, 'a folder of another name')
    for (const path of ['package.json', 'native', 'scripts']) {
      cpSync(join(root, path), join(copy, path), { recursive: true })
    }
    mkdirSync(join(copy, 'build'))
    symlinkSync(join(root, 'build/tools'), join(copy, 'build/tools'))
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
    const env = { ZIG_GLOBAL_CACHE_DIR: join(folder, 'cache') }
    await succeeds(node([join(copy, 'scripts/prebuild.mjs'), 'linux-x64'], { env }))

    const hashes = (place: string) =>
      ['node', 'duckdb_extension'].map((end) => {
        const bytes = readFileSync(join(place, `prebuilds/linux-x64/hinge_embedding_loss.${end}`))
        return createHash('sha256').update(bytes).digest('hex')
      })
    expect(hashes(copy)).to.deep.equal(hashes(root))
  })

  it('names the targets that there are if it does not know one', async () => {
    const { code, stderr } = await node([join(root, 'scripts/prebuild.mjs'), 'linux-x64', 'plan9-x64'])
    expect(code).to.equal(1)
    expect(stderr).to.match(/^no such target: plan9-x64 \(targets: linux-x64, .*darwin-x64\)\n$/)
  })

  it('is no part of npm run build, before which npm runs the script of that name', async () => {
    const run = (event: string) =>
      node([join(root, 'scripts/prebuild.mjs'), 'plan9-x64'], { env: { npm_lifecycle_event: event } })
    expect(await run('prebuild')).to.deep.equal({ code: 0, stdout: '', stderr: '' })
    expect(await run('preprebuild')).to.deep.equal({ code: 0, stdout: '', stderr: '' })
    expect((await run('prebuild')).code).to.equal(1)
    expect((await run('prebuild')).code).to.equal(0)
  })
})

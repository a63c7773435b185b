import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { node, root, run, succeeds } from '../support/processes.ts'

describe('the build of prebuilds', function () {
  this.timeout(1_800_000)
  let folder: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-again-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  /** Builds a target in a copy of the repository, and expects the bytes of the build here. */
  async function expectSameBytes(target: string, env?: NodeJS.ProcessEnv) {
    const copy = join(folder, 'a folder of another name')
    for (const path of ['package.json', 'native', 'scripts']) {
      cpSync(join(root, path), join(copy, path), { recursive: true })
    }
    mkdirSync(join(copy, 'build'))
    symlinkSync(join(root, 'build/tools'), join(copy, 'build/tools'))
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
    await succeeds(node([join(copy, 'scripts/prebuild.mjs'), target], { env: { ...env } }))

    const hashes = (place: string) =>
      ['node', 'duckdb_extension'].map((end) => {
        const bytes = readFileSync(join(place, `prebuilds/${target}/hinge_embedding_loss.${end}`))
        return createHash('sha256').update(bytes).digest('hex')
      })
    expect(hashes(copy)).to.deep.equal(hashes(root))
  }

  it('gives the same bytes in another folder with nothing in the cache of the compiler', async () => {
    await expectSameBytes('linux-x64', { ZIG_GLOBAL_CACHE_DIR: join(folder, 'cache') })
  })

  for (const target of ['win32-x64', 'darwin-arm64']) {
    it(`gives the same bytes for ${target} in another folder at another time`, () => expectSameBytes(target))
  }

  it('names the targets that there are if it does not know one', async () => {
    const { code, stderr } = await node([join(root, 'scripts/prebuild.mjs'), 'linux-x64', 'plan9-x64'])
    expect(code).to.equal(1)
    expect(stderr).to.match(/^no such target: plan9-x64 \(targets: linux-x64, .*darwin-x64\)\n$/)
  })

  it('is no part of npm run build, before which npm runs the script of that name', async () => {
    const runEvent = (event: string) =>
      node([join(root, 'scripts/prebuild.mjs'), 'plan9-x64'], {
        env: { npm_lifecycle_event: event, npm_config_ignore_scripts: '' },
      })
    expect(await runEvent('prebuild')).to.deep.equal({ code: 0, stdout: '', stderr: '' })
    expect(await runEvent('preprebuild')).to.deep.equal({ code: 0, stdout: '', stderr: '' })
    expect((await runEvent('prebuild')).code).to.equal(1)
    expect((await runEvent('prebuild')).code).to.equal(0)
  })

  for (const variable of ['npm_config_ignore_scripts', 'NPM_CONFIG_IGNORE_SCRIPTS']) {
    it(`npm run prebuild builds where ${variable} is true, and npm run build does not`, async () => {
      const env = { npm_config_ignore_scripts: undefined, NPM_CONFIG_IGNORE_SCRIPTS: undefined, [variable]: 'true' }
      const { code, stderr } = await run('npm', ['run', 'prebuild', '--', 'plan9-x64'], { env })
      expect(code).to.equal(1)
      expect(stderr).to.match(/^no such target: plan9-x64/m)
      const scripts = { prebuild: 'exit 1', build: 'exit 0' }
      writeFileSync(join(folder, 'package.json'), JSON.stringify({ scripts }))
      await succeeds(run('npm', ['run', 'build'], { cwd: folder, env }))
    })
  }
})

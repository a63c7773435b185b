import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { manifest, readText } from './support/application.ts'
import { node, root } from './support/processes.ts'

const workflow = readText('.github/workflows/release.yml')
const check = (env: NodeJS.ProcessEnv) => node([join(root, 'scripts/check-release.mjs')], { env })

describe('a release', () => {
  let targets: string[]

  before(async () => {
    const module = (await import(join(root, 'scripts/targets.mjs'))) as { targets: { name: string }[] }
    targets = module.targets.map(({ name }) => name)
  })

  it('a clone is not a release: the check misses a repository and names it', async () => {
    const { code, stderr } = await check({ GITHUB_REPOSITORY: 'someone/hinge-embedding-loss' })
    expect(code).to.equal(1)
    expect(stderr).to.match(/^not a release: package.json does not name the repository/m)
  })

  it('the check refuses a tag of another version, and accepts the tag of this one', async () => {
    const tags = ['v9.9.9', `v${manifest.version}`]
    const outcomes = await Promise.all(tags.map((tag) => check({ GITHUB_REF_TYPE: 'tag', GITHUB_REF_NAME: tag })))
    const texts = outcomes.map(({ stderr }) => /^not a release: the tag is (\S+), and/m.exec(stderr)?.[1])
    expect(texts).to.deep.equal(['v9.9.9', undefined])
  })

  it('the check asks for a date in CHANGELOG.md only if there is a tag', async () => {
    const [tagged, untagged] = await Promise.all([
      check({ GITHUB_REF_TYPE: 'tag', GITHUB_REF_NAME: `v${manifest.version}` }),
      check({ GITHUB_REF_TYPE: 'branch', GITHUB_REF_NAME: 'main' }),
    ])
    const isDated = readText('CHANGELOG.md').includes(`\n## ${manifest.version} (2`)
    expect(/^not a release: CHANGELOG.md has no line/m.test(tagged.stderr)).to.equal(!isDated)
    expect(untagged.stderr).not.to.include('CHANGELOG.md')
  })

  it('the workflow publishes only after a push of a tag, and checks every run', () => {
    const conditions = [...workflow.matchAll(/^ +if: .*$/gm)].map(([text]) => text)
    expect(conditions).to.deep.equal(["    if: github.event_name == 'push' && github.ref_type == 'tag'"])
    expect(workflow.slice(workflow.indexOf('\n  publish:'), workflow.indexOf('\n  smoke:'))).to.include(conditions[0])
  })

  it('the sources of the binaries are listed with / in their names, and with the scripts that build them', async () => {
    const module = (await import(join(root, 'scripts/prebuild/manifest.mjs'))) as { listSources(): string[] }
    const names = module.listSources()
    expect(names).to.include.members(['native/binding.gyp', 'native/kernels/baseline.cpp'])
    const scripts = [
      'duckdb-footer.mjs',
      'prebuild.mjs',
      'prebuild/requirements.txt',
      'prebuild/zig.mjs',
      'targets.mjs',
    ]
    expect(names).to.include.members(scripts.map((name) => `scripts/${name}`))
    expect(names.filter((name) => /\\|^\//.test(name))).to.deep.equal([])
  })

  it('a warning names npm run prebuild if the package is packed without binaries, and packing goes on', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-pack-'))
    const name = 'scripts/warn-without-prebuilds.mjs'
    cpSync(join(root, name), join(folder, name))
    const { code, stderr } = await node([join(folder, name)])
    mkdirSync(join(folder, 'prebuilds'))
    writeFileSync(join(folder, 'prebuilds/manifest.json'), '{}')
    const packed = await node([join(folder, name)])
    rmSync(folder, { recursive: true })
    expect(code).to.equal(0)
    expect(stderr).to.match(/^warning: .* npm run prebuild .*\n$/)
    expect(packed).to.deep.equal({ code: 0, stdout: '', stderr: '' })
    expect(manifest.scripts.prepack).to.include(name)
  })

  it('the workflow tests every target, each on one runner', () => {
    expect(/^ +target: \[(.*)\]$/m.exec(workflow)?.[1]?.split(', ')).to.have.members(targets)
    expect([...workflow.matchAll(/\{ target: ([\w-]+), runner: /g)].map(([, name]) => name)).to.have.members(targets)
  })

  it('the workflow tries every package manager that scripts/smoke.mjs knows', async () => {
    const { code, stderr } = await node([join(root, 'scripts/smoke.mjs'), 'none'])
    expect(code).to.equal(1)
    const managers = /^ +manager: \[(.*)\]$/m.exec(workflow)?.[1]
    expect(stderr).to.include(`which package manager? ${managers}`)
  })

  it('the workflows run scripts that package.json has', () => {
    const folder = '.github/workflows'
    const texts = readdirSync(join(root, folder)).map((name) => readText(join(folder, name)))
    const names = texts.flatMap((text) => [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, name]) => name))
    expect(names).not.to.have.lengthOf(0)
    expect(Object.keys(manifest.scripts)).to.include.members(names)
  })

  it('docs/install.md has a row for every target', () => {
    const rows = [...readText('docs/install.md').matchAll(/^\| `([\w-]+)` \|.*\|.*\|.*\|.*\|$/gm)].map(
      ([, name]) => name,
    )
    expect(rows).to.have.members(targets)
  })
})

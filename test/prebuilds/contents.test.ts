import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { manifest } from '../support/application.ts'
import { node, root, run, succeeds } from '../support/processes.ts'

const names = [
  'linux-x64',
  'linux-arm64',
  'linux-x64-musl',
  'linux-arm64-musl',
  'win32-x64',
  'darwin-arm64',
  'darwin-x64',
]
const binaries = names.flatMap((name) =>
  ['duckdb_extension', 'node'].map((end) => `prebuilds/${name}/hinge_embedding_loss.${end}`),
)

describe('the packed package', () => {
  let packed: { size: number; files: { path: string; size: number }[] }

  before(async () => {
    const output = await succeeds(run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts']))
    ;[packed] = JSON.parse(output) as [typeof packed]
  })

  it('has both binaries of every target, and no others', () => {
    const paths = packed.files.map(({ path }) => path).filter((path) => /\.(node|duckdb_extension)$/.test(path))
    expect(paths).to.have.members(binaries)
  })

  it('has at most 5 MB to download', () => {
    expect(packed.size).to.be.within(2_000_000, 5_000_000)
  })

  it('has nothing but the program with its types, binaries, sources for a build, pages and the license', () => {
    const kinds = [
      /^dist\/[-\w/]+\.(c?js|d\.c?ts)$/,
      /^prebuilds\/[-\w]+\/hinge_embedding_loss\.(node|duckdb_extension)$/,
      /^prebuilds\/manifest\.json$/,
      /^native\/([a-z]+\/)?\w+\.(cpp|h|inl)$/,
      /^native\/binding\.gyp$/,
      /^scripts\/(build-addon|duckdb-footer|targets)\.mjs$/,
      /^docs\/\w+\.md$/,
      /^(package\.json|README\.md|CHANGELOG\.md|LICENSE|examples\/README\.md)$/,
    ]
    const others = packed.files.map(({ path }) => path).filter((path) => !kinds.some((kind) => kind.test(path)))
    expect(others).to.deep.equal([])
  })

  it('has each module that a module of it imports', () => {
    const paths = new Set(packed.files.map(({ path }) => path))
    const missing = [...paths]
      .filter((path) => /\.[cm]?js$/.test(path))
      .flatMap((path) => {
        const imports = readFileSync(join(root, path), 'utf8').matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)
        return [...imports].map(([, name]) => join(path, '..', name as string))
      })
      .filter((path) => !paths.has(path))
    expect(missing).to.deep.equal([])
  })

  it('has no dependency, and runs no script where it is installed', () => {
    const { scripts, gypfile, dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>
      gypfile: boolean
      dependencies?: object
    }
    expect(scripts).not.to.have.any.keys('preinstall', 'install', 'postinstall')
    expect(gypfile).to.equal(false)
    expect(packed.files.map(({ path }) => path)).not.to.include('binding.gyp')
    expect(dependencies).to.equal(undefined)
  })
})

describe('check-release.mjs', () => {
  let folder: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-release-'))
    for (const path of ['package.json', 'CHANGELOG.md', 'native', 'scripts', 'prebuilds']) {
      cpSync(join(root, path), join(folder, path), { recursive: true })
    }
    for (const path of ['build', 'node_modules']) symlinkSync(join(root, path), join(folder, path))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  /** What it says of the binaries: what else a release needs is no matter here. */
  const check = async () => {
    const { code, stderr } = await node([join(folder, 'scripts/check-release.mjs')], { cwd: folder })
    const lines = stderr.trimEnd().split('\n')
    if (lines.length > 0) expect(code).to.equal(1)
    return lines.filter((line) => names.some((name) => line.startsWith(`not a release: ${name}`)))
  }
  const change = (path: string, edit: (text: string) => string) => {
    writeFileSync(join(folder, path), edit(readFileSync(join(folder, path), 'latin1')), 'latin1')
  }

  it('accepts binaries that were built from the sources here', async () => {
    expect(await check()).to.deep.equal([])
  })

  it('refuses a target that was not built', async () => {
    change('prebuilds/manifest.json', (text) => text.replace('"darwin-x64"', '"darwin-x86"'))
    rmSync(join(folder, 'prebuilds/win32-x64/hinge_embedding_loss.node'))
    expect(await check()).to.deep.equal([
      'not a release: win32-x64/hinge_embedding_loss.node is missing',
      'not a release: darwin-x64 is not built',
    ])
  })

  it('refuses a file of which one byte differs', async () => {
    change('prebuilds/linux-x64/hinge_embedding_loss.duckdb_extension', (text) => `${text.slice(0, -1)}x`)
    expect(await check()).to.deep.equal([
      'not a release: linux-x64/hinge_embedding_loss.duckdb_extension is not the file that was built',
    ])
  })

  it('refuses binaries of another version', async () => {
    change('package.json', (text) => text.replace(`"version": "${manifest.version}"`, '"version": "9.9.9"'))
    const reasons = names.map((name) => `not a release: ${name} was built for version ${manifest.version}, not 9.9.9`)
    expect(await check()).to.have.members(reasons)
  })

  it('refuses binaries of other sources', async () => {
    const reasons = names.map((name) => `not a release: ${name} was built from other sources than those here`)
    for (const path of ['native/addon.cpp', 'scripts/prebuild.mjs', 'scripts/targets.mjs']) {
      const text = readFileSync(join(folder, path), 'latin1')
      change(path, () => `${text}\n// changed`)
      expect(await check(), path).to.have.members(reasons)
      change(path, () => text)
    }
    expect(await check()).to.deep.equal([])
  })
})

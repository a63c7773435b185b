import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import { expect } from 'chai'
import { addonPath } from '../lib/binaries.ts'
import { extensionPath } from '../lib/duckdb.ts'
import { installPackage } from './support/application.ts'
import { node, root, succeeds } from './support/processes.ts'

/** An ELF file with three program headers, one of which names a dynamic loader as the system writes it. */
function makeExecutable(interpreter: string): Buffer {
  const [headerSize, entrySize, gap] = [64, 56, 5000]
  const header = Buffer.alloc(headerSize + gap)
  header.write('\x7fELF\x02\x01\x01', 'latin1')
  header.writeBigUInt64LE(BigInt(header.length), 32)
  header.writeUInt16LE(entrySize, 54)
  header.writeUInt16LE(3, 56)
  const entries = Buffer.alloc(3 * entrySize)
  entries.writeUInt32LE(6, 0)
  entries.writeUInt32LE(3, entrySize)
  entries.writeUInt32LE(1, 2 * entrySize)
  entries.writeBigUInt64LE(BigInt(header.length + entries.length), entrySize + 8)
  entries.writeBigUInt64LE(BigInt(interpreter.length + 1), entrySize + 32)
  return Buffer.concat([header, entries, Buffer.from(`${interpreter}\0rest of the file`)])
}

describe('the binaries', () => {
  let folder: string
  let installed: string

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-binaries-'))
    installed = join(folder, 'node_modules/hinge-embedding-loss')
    await installPackage(installed)
    const { arch, platform } = process
    for (const target of ['linux-x64', 'linux-x64-musl', 'linux-arm64', 'linux-arm64-musl', `${platform}-${arch}`]) {
      fill(join('prebuilds', target))
    }
  })
  after(() => rmSync(folder, { recursive: true }))
  afterEach(() => rmSync(join(installed, 'build'), { recursive: true, force: true }))

  /** Copies both binaries to a folder of the package. */
  function fill(name: string): void {
    mkdirSync(join(installed, name), { recursive: true })
    for (const path of [addonPath, extensionPath]) cpSync(path, join(installed, name, basename(path)))
  }

  /** Loads the package after `setup`, and returns the folders of the addon and of the extension that it uses. */
  async function findLoaded(setup = '', env: NodeJS.ProcessEnv = {}): Promise<[addon: string, extension: string]> {
    const script = `
      ${setup}
      await import('hinge-embedding-loss')
      const { extensionPath } = await import('hinge-embedding-loss/duckdb')
      const { cache } = createRequire(import.meta.url)
      console.log(JSON.stringify([Object.keys(cache).find((path) => path.endsWith('.node')), extensionPath]))`
    const args = ['--input-type=module', '--eval', `import { createRequire } from 'node:module'\n${script}`]
    const surroundings = { cwd: folder, env: { HINGE_EMBEDDING_LOSS_BINARIES: '', ...env } }
    const paths = JSON.parse(await succeeds(node(args, surroundings))) as [string, string]
    return paths.map((path) => relative(installed, dirname(path))) as [string, string]
  }

  const prebuilt = (libc: '' | '-musl') => join('prebuilds', `${process.platform}-${process.arch}${libc}`)

  it('addon and extension are those of a build from source, if there is one', async () => {
    fill('build/Release')
    expect(await findLoaded()).to.deep.equal(['build/Release', 'build/Release'])
  })

  it('addon and extension are those of the folder that HINGE_EMBEDDING_LOSS_BINARIES names, if it does', async () => {
    fill('build/Release')
    fill('elsewhere')
    for (const path of [join(installed, 'elsewhere'), 'node_modules/hinge-embedding-loss/elsewhere/']) {
      const env = { HINGE_EMBEDDING_LOSS_BINARIES: path }
      expect(await findLoaded('', env)).to.deep.equal(['elsewhere', 'elsewhere'])
    }
  })

  it('addon and extension are of one folder, even if a part of the build is missing', async () => {
    const { platform, arch } = process
    mkdirSync(join(installed, 'build/Release'), { recursive: true })
    cpSync(extensionPath, join(installed, 'build/Release', basename(extensionPath)))
    const [addon, extension] = await findLoaded()
    expect(addon)
      .to.equal(extension)
      .and.match(new RegExp(`^prebuilds/${platform}-${arch}`))
  })

  describe('of Linux', () => {
    before(function () {
      if (process.platform !== 'linux') this.skip()
    })

    const interpreters: [string, '' | '-musl'][] = [
      ['/lib64/ld-linux-x86-64.so.2', ''],
      ['/lib/ld-linux-aarch64.so.1', ''],
      ['/lib/ld-musl-x86_64.so.1', '-musl'],
      ['/lib/ld-musl-aarch64.so.1', '-musl'],
      ['/nix/store/0a-musl-1.2.5/lib/ld-musl-x86_64.so.1', '-musl'],
      ['/home/musl/glibc/ld-linux-x86-64.so.2', ''],
    ]

    for (const [interpreter, libc] of interpreters) {
      it(`the binaries are those of ${libc === '' ? 'glibc' : 'musl'} if the executable names ${interpreter}`, async () => {
        const path = join(folder, 'executable')
        writeFileSync(path, makeExecutable(interpreter))
        const setup = `process.execPath = ${JSON.stringify(path)}`
        expect(await findLoaded(setup)).to.deep.equal([prebuilt(libc), prebuilt(libc)])
      })
    }

    it('the binaries are those of musl if the executable is its loader, which names none', async () => {
      for (const name of ['ld-musl-x86_64.so.1', 'libc.so']) {
        const path = join(folder, name)
        writeFileSync(path, makeExecutable('').fill(0, 64))
        const setup = `process.execPath = ${JSON.stringify(path)}`
        expect(await findLoaded(setup), name).to.deep.equal([prebuilt('-musl'), prebuilt('-musl')])
      }
    })

    it('the binaries are those of glibc if the executable is no ELF file', async () => {
      const path = join(folder, 'script')
      writeFileSync(path, '#!/bin/sh')
      const setup = `process.execPath = ${JSON.stringify(path)}`
      expect(await findLoaded(setup)).to.deep.equal([prebuilt(''), prebuilt('')])
    })

    const reports = [
      ['glibc', { glibcVersionRuntime: '2.36' }, ''],
      ['musl', {}, '-musl'],
    ] as const
    for (const [libc, header, name] of reports) {
      it(`the binaries are those of ${libc} if the report says so of an executable that is not to be read`, async () => {
        for (const path of [join(folder, 'none'), folder]) {
          const setup = `process.execPath = ${JSON.stringify(path)}
            process.report.getReport = () => (${JSON.stringify({ header })})`
          expect(await findLoaded(setup), path).to.deep.equal([prebuilt(name), prebuilt(name)])
        }
      })
    }
  })

  it('the binaries load from a folder with quotes, backslashes and spaces in its name', async function () {
    if (process.platform === 'win32') this.skip()
    const name = `it's a \\'"folder"`
    fill(name)
    // Node itself loads no package from a folder with a backslash in its name.
    const place = join(folder, name.replace('\\', ''))
    await installPackage(place, ['@duckdb'])
    const script = `
      const { DuckDBInstance } = await import('@duckdb/node-api')
      const { load } = await import('./dist/duckdb.js')
      const { hingeEmbeddingLoss } = await import('./dist/index.js')
      const instance = await DuckDBInstance.create(':memory:', { allow_unsigned_extensions: 'true' })
      const connection = await instance.connect()
      await load(connection)
      const reader = await connection.runAndReadAll('SELECT hinge_embedding_loss(0.25, 1).mean')
      console.log(reader.getRows()[0][0], hingeEmbeddingLoss([0.25], 1))`
    for (const binaries of ['', join(installed, name)]) {
      const surroundings = { cwd: place, env: { HINGE_EMBEDDING_LOSS_BINARIES: binaries } }
      expect(await succeeds(node(['--input-type=module', '--eval', script], surroundings))).to.equal('0.25 0.25\n')
    }
  })

  it('the name of a prebuild is that of a target', async () => {
    const { targets } = (await import(join(root, 'scripts/targets.mjs'))) as { targets: { name: string }[] }
    const names = targets.map(({ name }) => name)
    expect(names).to.include.members([prebuilt(''), prebuilt('-musl')].map((path) => basename(path)))
  })
})

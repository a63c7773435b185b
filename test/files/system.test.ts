import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { replace, resolveOutput } from '../../lib/files/atomic-write.ts'
import { partitionKeysOf } from '../../lib/files/duckdb/partitions.ts'
import { escapePattern } from '../../lib/files/duckdb/sql.ts'
import { assertLocal, identifyFile } from '../../lib/files/paths.ts'
import { spool } from '../../lib/files/readers/temporary-file.ts'
import { isInFolder, splitPath, systems, withSlashes } from '../../lib/files/system.ts'
import { withTemporaryFolder } from '../support/system.ts'

const { posix, windows } = systems

describe('files of Windows', () => {
  let folder: string
  const path = (name: string) => join(folder, name)
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'system-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('have names between slashes of both kinds', () => {
    expect(splitPath('C:\\pairs\\.\\day=1/x.csv', windows)).to.deep.equal(['C:', 'pairs', 'day=1', 'x.csv'])
    expect(splitPath('\\\\server\\share\\x.csv', windows)).to.deep.equal(['server', 'share', 'x.csv'])
    expect(splitPath('/pairs/a\\b.csv', posix)).to.deep.equal(['pairs', 'a\\b.csv'])
  })

  it('are in the order that they have elsewhere', () => {
    const files = ['d/a/b.csv', 'd/a-1/b.csv', 'd/aa/b.csv', 'd/a.csv']
    const inOrder = [...files].sort()
    const keys = new Map(files.map((file) => [withSlashes(file.replaceAll('/', '\\'), windows), file]))
    expect([...keys.keys()].sort().map((key) => keys.get(key))).to.deep.equal(inOrder)
  })

  it('have the columns of their folders key=value', () => {
    expect(partitionKeysOf('C:\\pairs\\day=1\\model=a=b\\x=y.csv', windows)).to.deep.equal(['day', 'model'])
    expect(partitionKeysOf('pairs/day=1\\x.csv', windows)).to.deep.equal(['day'])
    expect(partitionKeysOf('pairs/day=1\\x.csv', posix)).to.deep.equal([])
  })

  it('are no patterns, whatever their paths hold', () => {
    expect(escapePattern('\\\\?\\C:\\[1].csv', windows)).to.equal('\\\\?\\C:\\[[]1].csv')
    expect(escapePattern('what?/[1]*.csv', posix)).to.equal('what[?]/[[]1][*].csv')
  })

  it('may be on a drive, which is not the scheme of a URL', () => {
    for (const local of ['C://pairs.csv', 'c:/pairs.csv', 'C:\\pairs.csv', '\\\\server\\share\\pairs.csv'])
      assertLocal(local)
    expect(() => assertLocal('s3://bucket/pairs.csv')).to.throw(/remote files are not read here/)
  })

  it('are in a folder in any case of their letters', () => {
    expect(isInFolder('c:\\Data\\x.csv', 'C:\\data', windows)).to.equal(true)
    expect(isInFolder('C:\\x.csv', 'C:\\', windows)).to.equal(true)
    expect(isInFolder('C:\\database\\x.csv', 'C:\\data', windows)).to.equal(false)
    expect(isInFolder('/Data/x.csv', '/data', posix)).to.equal(false)
    expect(isInFolder('/data/x.csv', '/', posix)).to.equal(true)
  })

  it('are told apart by their paths on a share that gives all of them the number 0', async () => {
    for (const name of ['a.csv', 'b.csv']) writeFileSync(path(name), 'd,y\n')
    const share = { dev: 1n, ino: 0n }
    const [a, b, again] = await Promise.all([
      identifyFile(path('a.csv'), share),
      identifyFile(path('b.csv'), share),
      identifyFile(join(folder, '..', basename(folder), 'a.csv'), share),
    ])
    expect(a).to.equal(again).and.not.equal(b)
  })

  it('are no outputs if they are a stream in another file, also one that exists', async () => {
    const name = process.platform === 'win32' ? 'new.npy:x' : 'pairs.npy:x'
    if (process.platform !== 'win32') writeFileSync(path(name), 'a file of Linux with the name of a stream')
    const outcome = await resolveOutput(path(name), [], windows).catch(String)
    expect(outcome).to.include(`no file can have the name ${name}`)
  })

  it('never have the name of a device or of a stream in another file', () => {
    const forbidden = [
      'nul.csv',
      'CON',
      'com1.parquet',
      'Aux .csv',
      'pairs.parquet:losses.csv',
      'what?.csv',
      'x.csv ',
      'x.',
    ]
    for (const name of forbidden) expect(windows.forbiddenName.test(name), name).to.equal(true)
    for (const name of ['null.csv', 'context.csv', 'com10.csv', 'x.con', '[1].csv', '.csv', 'größer ½.csv']) {
      expect(windows.forbiddenName.test(name), name).to.equal(false)
    }
  })

  it('are replaced once no other process has them open', async () => {
    writeFileSync(path('old.csv'), 'old')
    const replaced = replace(path('new.csv'), path('old.csv'), { ...windows, heldCodes: ['ENOENT'] })
    await sleep(50)
    expect(readFileSync(path('old.csv'), 'utf8')).to.equal('old')
    writeFileSync(path('new.csv'), 'new')
    await replaced
    expect(readFileSync(path('old.csv'), 'utf8')).to.equal('new')
    expect(readdirSync(folder)).to.deep.equal(['old.csv'])
  })

  it('are not replaced while another program has them open, and the error says so', async () => {
    const error = await replace(path('new.csv'), path('old.csv'), { ...windows, heldCodes: ['ENOENT'] }).catch((e) => e)
    expect(error).to.include({ code: 'ENOENT', option: 'output', file: path('old.csv') })
    expect(error.message).to.equal(`${path('old.csv')}: not replaced, another program may have it open (ENOENT)`)
  })

  it('report at once any other reason that keeps them from being replaced', async () => {
    const began = performance.now()
    const error = await replace(path('absent.csv'), path('old.csv'), windows).catch((error) => error)
    expect(error).to.have.property('code', 'ENOENT')
    expect(performance.now() - began).to.be.below(500)
  })

  it('keep the name of a temporary copy until it is closed, and no longer', async () => {
    async function* chunks() {
      yield Buffer.from('abc')
    }
    await withTemporaryFolder(folder, async () => {
      const bytes = await spool(chunks(), windows)
      const target = Buffer.alloc(2)
      bytes.fill(target, 1)
      expect(String(target)).to.equal('bc')
      const [copy = ''] = readdirSync(folder)
      expect(existsSync(path(`${copy}/spool`))).to.equal(true)
      bytes.close()
      expect(readdirSync(folder)).to.deep.equal([])
    })
  })

  it('are named in double quotes on a command line', () => {
    expect(windows.quoteForShell('learned distance')).to.equal('"learned distance"')
    expect(windows.quoteForShell('"a b"')).to.equal('"\\"a b\\""')
    expect(posix.quoteForShell("it's $5")).to.equal(`"it's \\$5"`)
    expect(posix.quoteForShell('a "b"')).to.equal(`'a "b"'`)
  })
})

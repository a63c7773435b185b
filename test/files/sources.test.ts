import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { type Plan, planOf } from '../../lib/bullmq/index.ts'
import { command } from '../support/command.ts'
import { nodePath, Program, root } from '../support/processes.ts'
import { isWindows, makesLinks } from '../support/system.ts'

const cases = join(root, 'test/fixtures/cases')

describe('FILE arguments', () => {
  let folder: string
  const path = (...names: string[]) => join(folder, ...names)

  function write(name: string, content = 'd,y\n0.5,1\n'): string {
    mkdirSync(dirname(path(name)), { recursive: true })
    writeFileSync(path(name), content)
    return path(name)
  }

  /** The count and sum that `score` prints, and what it says besides. */
  async function score(...args: string[]): Promise<{ count: number; sum: number; said: string }> {
    const { code, stdout, stderr } = await command(['score', '--input', 'd', '--label', 'y', '--json', ...args])
    expect(code, stderr).to.equal(0)
    const { count, sum } = JSON.parse(stdout)
    return { count, sum, said: stderr.replace(/^hinge-embedding-loss: /, '') }
  }

  async function fails(args: readonly string[], said: RegExp, exitCode = 1): Promise<void> {
    const columns = args.includes('--input') ? [] : ['--input', 'd', '--label', 'y']
    const { code, stdout, stderr } = await command(['score', ...columns, ...args])
    expect({ code, stdout }, `${args.join(' ')}\n${stderr}`).to.deep.equal({ code: exitCode, stdout: '' })
    expect(stderr)
      .to.match(/^hinge-embedding-loss: .+\n$/)
      .and.match(said)
  }

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  describe('names that begin with _ or .', () => {
    const right = { count: 6, sum: 2.549999952316284 }

    it('skips hidden names in folders and patterns, and says how many', async () => {
      const said = `3 files whose name, or folder's name, begins with _ or .: skipped; name them to have them scored\n`
      const given = [join(cases, 'hidden'), join(cases, 'hidden/**/*.parquet'), join(cases, 'hid*/**')]
      for (const each of given) expect(await score(each), each).to.deep.equal({ ...right, said })
      const home = process.cwd()
      process.chdir(cases)
      try {
        for (const each of ['hidden/**/*.parquet', './hid*/**', 'delta/../hidden/**']) {
          expect(await score(each), each).to.deep.equal({ ...right, said })
        }
      } finally {
        process.chdir(home)
      }
      expect(await score(join(cases, 'hidden/*.parquet'))).to.deep.equal({ ...right, said: '' })
    })

    it('skips hidden names at any depth, also links to nothing', async () => {
      for (const name of ['a.csv', 'b/c.csv', '_a.csv', '.b.csv', 'b/_c.csv', '_d/e/f.csv', '.g/h.csv']) write(name)
      write('_d/_SUCCESS')
      if (makesLinks) symlinkSync(path('nowhere'), path('.link.csv'))
      expect(await score(path()))
        .to.deep.include({ count: 2 })
        .and.have.property('said')
        .that.matches(makesLinks ? /^6 files / : /^5 files /)
      expect(await score(path('**/*.csv'))).to.deep.include({ count: 2 })
      expect((await score(path('*/*.csv'))).said).to.match(/^2 files /)
      expect((await score(path('b/*.csv'))).said).to.match(/^1 file whose name/)
    })

    it('reads hidden names that are given in full or in a pattern', async () => {
      for (const name of ['_a.csv', '_d/b.csv', '_d/_c.csv', '.e/f.csv']) write(name)
      const given = { '_a.csv': 1, '_d/*.csv': 1, _d: 1, '_d/_*.csv': 1, '_*/b.csv': 1, '.e': 1, '[.]e/../.e/*.csv': 1 }
      for (const [name, count] of Object.entries(given)) expect(await score(path(name)), name).to.include({ count })
      await fails([path('[_]d/*.csv')], /no file matches but 2 files whose name/)
      await fails([path()], /the folder has no file that ends in .* but 4 files whose name/)
    })

    it('reads partitions whose names begin with _', async () => {
      for (const name of ['day=1/a.csv', '_day=1/b.csv', '.day=1/c.csv']) write(name)
      expect(await score(path())).to.include({ count: 2 })
      expect(await score(path('*/*.csv'))).to.include({ count: 2 })
    })
  })

  describe('tables of many files', () => {
    it('refuses a Delta table with what to do, however its files are reached', async () => {
      const delta = join(cases, 'delta')
      cpSync(delta, path('inner/delta'), { recursive: true })
      write('inner/delta/part=1/deeper/a.csv')
      if (makesLinks) symlinkSync(path('inner/delta/part=1/deeper/a.csv'), path('link.csv'))
      const given = [
        [delta],
        [join(delta, '*.parquet')],
        [join(delta, 'part-00000-008819e4-da3f-4eb9-91a8-32b48ac6c241-c000.zstd.parquet')],
        [path('inner')],
        [path('**/*.parquet')],
        [path('inner/delta/part=*/*/*.csv')],
        [path('inner/delta/part=1')],
        ...(makesLinks ? [[path('link.csv')]] : []),
      ]
      for (const args of given)
        await fails(args, /delta: a Delta table \(it has _delta_log\).*COPY \(FROM delta_scan\('/)
    })

    for (const [name, mark, said] of [
      ['an Iceberg table', 'metadata/00001-5a.metadata.json', /FROM iceberg_scan\('/],
      ['an Iceberg table', 'metadata/version-hint.text', /FROM iceberg_scan\('/],
      ['a Hudi table', '.hoodie/hoodie.properties', /its own reader/],
      ['a Paimon table', 'manifest/manifest-list-5a-0', /its own reader/],
      ['a table of Spark streaming', '_spark_metadata/0', /its own reader/],
      ['a DuckLake table', 'ducklake-0197.parquet', /its own reader, such as DuckDB/],
    ] as const) {
      it(`refuses ${name} with ${mark}`, async () => {
        write(`table/${mark}`)
        write('table/data/k=1/a.csv')
        for (const each of ['table', 'table/*/*/*.csv', '*/data/*/a.csv', 'table/data/k=1/a.csv']) {
          await fails([path(each)], new RegExp(`[/\\\\]table: ${name} .*${said.source}`))
        }
      })
    }

    it('refuses tables of many files for workers too', async () => {
      const plan = planOf([join(cases, 'delta/*.parquet')], { input: 'd', label: 'y' })
      expect(await plan.catch((error: Error) => error.message)).to.match(/delta: a Delta table/)
    })

    it('refuses a Hugging Face dataset, and reads its data files by name', async () => {
      const given = ['', '*.arrow', '**', 'cache-f99c83d75fab8d6b.arrow'].map((name) => [join(cases, 'hf', name)])
      for (const args of given)
        await fails(args, /hf: a Hugging Face dataset .* name its data, such as '.*hf.data-\*\.arrow'/)
      expect(await score(join(cases, 'hf/data-*.arrow'))).to.deep.equal({ count: 6, sum: 2.549999952316284, said: '' })
    })
  })

  describe('a file that is given twice', () => {
    const notes = (count: number) =>
      new RegExp(`.csv${count > 1 ? ` and ${count - 1} more` : ''}: given more than once`)

    it('counts a file once, whatever its names, and says so', async () => {
      const file = write('pairs/a.csv')
      write('pairs/b.csv', 'd,y\n0.25,1\n')
      const both = { count: 2, sum: 0.75 }
      const one = { count: 1, sum: 0.5 }
      linkSync(file, path('hard.csv'))
      const link = makesLinks ? symlinkSync : linkSync
      link(file, path('link.csv'))
      link(file, path('pairs/c.csv'))
      if (makesLinks) symlinkSync(path('pairs'), path('linked'))
      const given: [string[], object, number][] = [
        [['pairs/a.csv', 'pairs/a.csv'], one, 1],
        [['pairs/a.csv', 'pairs/../pairs//a.csv'], one, 1],
        [['pairs/*.csv', 'pairs/a*.csv'], both, 2],
        [['pairs'], both, 1],
        [['pairs', 'pairs/*.csv'], both, 4],
        ...(makesLinks ? ([[['pairs', 'linked'], both, 4]] as [string[], object, number][]) : []),
        [['link.csv', 'hard.csv', 'pairs/a.csv'], one, 2],
      ]
      for (const [names, right, count] of given) {
        const found = await score(...names.map((name) => path(name)))
        expect(found, names.join()).to.deep.include(right)
        expect(found.said).to.match(notes(count))
      }
    })

    it('counts a file as often as it is given with --allow-duplicates', async () => {
      const args = [write('a.csv'), path('*.csv'), '--allow-duplicates']
      expect(await score(...args)).to.deep.equal({ count: 2, sum: 1, said: '' })
    })

    it('plans a shard that has a file given twice once, or twice with allowDuplicates', async () => {
      const [file, notes] = [write('a.csv'), [] as string[]]
      const options = { input: 'd', label: 'y', onNote: (note: string) => notes.push(note) }
      const countFiles = ({ shards }: Plan) => shards.map(({ files }) => files.length)
      expect(countFiles(await planOf([file, file], options))).to.deep.equal([1])
      expect(notes).to.have.lengthOf(1)
      expect(countFiles(await planOf([file, file], { ...options, allowDuplicates: true }))).to.deep.equal([2])
    })

    it('counts two files of the same content', async () => {
      expect(await score(write('a.csv'), write('b.csv'))).to.deep.equal({ count: 2, sum: 1, said: '' })
    })
  })

  it('says how many files of folders a pattern leaves out', async () => {
    for (const name of ['a.csv', 'b.csv/part-0.csv', 'b.csv/k=1/part-1.csv', 'b.csv/_temporary/c.csv', 'b.csv/n.txt'])
      write(name)
    const said = '2 files in folders that the pattern matches: skipped; name the folders, or write **\n'
    expect(await score(path('*.csv'))).to.deep.equal({ count: 1, sum: 0.5, said })
    expect(await score(path('*'))).to.deep.equal({ count: 1, sum: 0.5, said })
    expect(await score(path('a*'))).to.deep.equal({ count: 1, sum: 0.5, said: '' })
    expect(await score(path('a.csv'), path('b.csv'))).to.include({ count: 3 })
    expect(await score(path('**/*.csv'))).to.include({ count: 3 })
    await fails([path('b*')], /no file matches but 2 files in folders that the pattern matches/)
  })

  describe('what is not a file', () => {
    before(function () {
      if (process.platform !== 'linux') this.skip()
    })

    it('refuses pipes and devices at once, wherever they are named', async () => {
      for (const name of ['a.csv', 'b.parquet', 'c.arrow', 'd.npy', 'e.csv.gz', 'f.json', 'in/g.csv', 'in/h.arrow']) {
        mkdirSync(dirname(path(name)), { recursive: true })
        execFileSync('mkfifo', [path(name)])
      }
      const array = path('x.npy')
      for (const name of ['a.csv', 'b.parquet', 'c.arrow', 'd.npy', 'e.csv.gz']) {
        await fails([path(name)], /: a pipe, neither a file nor a folder; - reads standard input/)
      }
      await fails([path('in')], /in\/[gh]\.\w+: a pipe, must be a file|mixes/)
      write('x.npy')
      await fails(['--input', path('d.npy'), '--label', array], /d\.npy: a pipe, must be a file/)
      await fails(['--input', array, '--label', path('none.npy')], /none\.npy: no such file/)
      await fails([write('z.csv'), '--output', path('a.csv')], /--output .*a\.csv: there is a pipe, must be a file/, 2)
      await fails(['/dev/zero'], /\/dev\/zero: a device, neither a file nor a folder/)
      const { code, stderr } = await command(['merge', path('f.json')])
      expect({ code, stderr }).to.deep.equal({
        code: 1,
        stderr: `hinge-embedding-loss: ${path('f.json')}: a pipe, must be a file of lines that partial has printed\n`,
      })
    })

    it('refuses a socket', async () => {
      const server = createServer().listen(path('s.csv'))
      await once(server, 'listening')
      await fails([path('s.csv')], /s\.csv: a socket, neither a file nor a folder/)
      server.close()
    })

    it('refuses a pipe that the shell makes of a command', async () => {
      const score = '"$0" "$@" <(sleep 20 2> /dev/null) --input d --label y'
      const main = ['--import', 'tsx', join(root, 'lib/cli/main.ts')]
      const program = new Program('bash', ['-c', score, nodePath, ...main, 'score'])
      const late = sleep(15_000, undefined, { ref: false }).then(() => program.end())
      const { code, stderr } = await Promise.race([program.outcome, late])
      expect(code).to.equal(1)
      expect(stderr).to.match(/\/dev\/fd\/\d+: a pipe, neither a file nor a folder; - reads/)
    })
  })

  describe('text of data and names that a terminal would take for commands', () => {
    it('escapes terminal commands in tables, one line a group, and keeps them exactly in JSON', async () => {
      const names = [
        'a\nb',
        'tab\there',
        '\x1b[31mred',
        '\x9b2J',
        'ab\u202ecd',
        '\u2028',
        'del\x7f',
        'plain é 漢\u200d',
      ]
      const file = write('groups.ndjson', names.map((g) => `${JSON.stringify({ d: 0.5, y: 1, g })}\n`).join(''))
      const args = ['score', file, '--input', 'd', '--label', 'y']
      const table = await command([...args, '--by', "g ||\n''"])
      const lines = table.stdout.split('\n')
      expect(lines[0]).to.match(/^g \|\|\\n'' +count +mean/)
      const shown = [
        'a\\nb',
        'tab\\there',
        '\\x1b[31mred',
        '\\x9b2J',
        'ab\\u202ecd',
        '\\u2028',
        'del\\x7f',
        "'plain é 漢\\u200d'",
      ]
      expect(lines.slice(1, 1 + names.length).map((line) => line.replace(/ +1 +0.5 +0.5.*/, ''))).to.have.members(shown)
      const json = JSON.parse((await command([...args, '--by', 'g', '--json'])).stdout)
      expect(json.groups.map(({ by }: { by: string }) => by)).to.have.members(names)
    })

    it('escapes terminal commands in messages', async () => {
      await fails([path('none\x1b\u202e.csv')], /none\\x1b\\u202e\.csv: no such file/)
      // No name on Windows has a control character of ASCII.
      const [name, said] = isWindows ? ['a\x9b.csv', 'a\\x9b'] : ['a\x9b\r.csv', 'a\\x9b\\r']
      await fails(
        [write(name, 'd,y\n0.5,7\n')],
        new RegExp(`${said.replaceAll('\\', '\\\\')}\\.csv, row 1: label is 7`),
      )
    })
  })
})

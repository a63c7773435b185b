import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { expect } from 'chai'
import { main } from '../../lib/cli/program.ts'
import { formatProgress, Meter, notify, showProgress } from '../../lib/cli/progress.ts'
import { cutToWidth, widthOf } from '../../lib/cli/width.ts'
import type { Progress } from '../../lib/files/options.ts'
import { runtimeInfo } from '../../lib/index.ts'
import { installPackage } from '../support/application.ts'
import { command } from '../support/command.ts'
import { nodePath, type Outcome, root, run } from '../support/processes.ts'
import { isWindows } from '../support/system.ts'

const pairs = ['--input', 'd', '--label', 'y']

describe('the command line, its pipes and its terminal', function () {
  this.timeout(60_000)

  let folder: string
  /** what a child process runs */
  let program: string
  let csv: string

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-manners-'))
    program = await installPackage(join(folder, 'program'), ['commander', '@duckdb'])
    csv = join(folder, 'pairs.csv')
    writeFileSync(csv, 'd,y\n0.5,1\n0.25,-1\n')
  })

  after(() => rmSync(folder, { recursive: true, force: true }))

  async function refuses(args: readonly string[], message: string, code = 2): Promise<void> {
    expect(await command(args), args.join(' ')).to.deep.equal({
      code,
      stdout: '',
      stderr: `hinge-embedding-loss: ${message}\n`,
    })
  }

  describe('wrong usage', () => {
    it('names an unknown option before a missing one, with the nearest option', async () => {
      await refuses(['score', csv, '--inptu', 'd'], `unknown option '--inptu' (Did you mean --input?)`)
      await refuses(['score', csv, '--xyzzy'], `unknown option '--xyzzy'`)
      await refuses(['plot', csv, ...pairs, '--margi', '1'], `unknown option '--margi' (Did you mean --margin?)`)
      await refuses(['worker', '--rediss', 'x'], `unknown option '--rediss' (Did you mean --redis?)`)
      await refuses(['score', csv, '--no-progress=1'], `unknown option '--no-progress=1' (Did you mean --no-progress?)`)
    })

    it('names the commands that have an option of another command', async () => {
      await refuses(['score', csv, '--theme', 'dark'], `unknown option '--theme' (an option of plot)`)
      await refuses(['plot', csv, ...pairs, '--keep', 'y'], `unknown option '--keep' (an option of score, report)`)
      await refuses(
        ['merge', csv, '--margin', '1'],
        `unknown option '--margin' (an option of score, partial, plot, report)`,
      )
    })

    it('names a missing option once all others are known', async () => {
      await refuses(['plot', csv, ...pairs], `required option '-o, --output <file>' not specified`)
      await refuses(['worker'], `required option '--redis <url>' not specified`)
      await refuses(['worker', 'x'], `too many arguments for 'worker'. Expected 0 arguments but got 1.`)
      await refuses(['merge'], `missing required argument 'part'`)
    })

    it('names an unknown command with the nearest command', async () => {
      await refuses(['scroe', csv], `unknown command 'scroe' (Did you mean score?)`)
      await refuses(
        [csv, ...pairs],
        `unknown command '${csv}' (the commands: score, partial, plot, report, merge, worker, duckdb-extension)`,
      )
      await refuses(['help', 'scroe'], `unknown command 'scroe'`)
      await refuses(['--bogus', 'score'], `unknown option '--bogus'`)
    })

    it('refuses two columns or files for one option, and takes the last of two numbers', async () => {
      await refuses(['score', csv, ...pairs, '--input', 'y'], `option '-i, --input <expr>' given twice`)
      await refuses(['score', csv, ...pairs, '--by', 'd', '--by', 'y'], `option '--by <expr>' given twice`)
      const margins = await command(['score', csv, ...pairs, '--margin', '5', '--margin=1', '--json'])
      expect(JSON.parse(margins.stdout)).to.include({ margin: 1, sum: 1.25 })
      const losses = join(folder, 'twice.csv')
      const keeps = ['--output', losses, '--keep', 'd', '--keep', 'y']
      expect(await command(['score', csv, ...pairs, ...keeps, '--json', '--json'])).to.include({ code: 0, stderr: '' })
      expect(readFileSync(losses, 'utf8')).to.equal('loss,d,y\n0.5,0.5,1.0\n0.75,0.25,-1.0\n')
    })

    it('refuses an option as the value of another', async () => {
      await refuses(
        ['score', csv, '--input', '--label', 'y'],
        `option '-i, --input <expr>' argument missing, got the option --label`,
      )
      await refuses(['score', csv, ...pairs, '--by'], `option '--by <expr>' argument missing`)
    })

    it('refuses empty values', async () => {
      await refuses(
        ['score', csv, ...pairs, '--output', ''],
        '--output must end in one of .parquet, .csv, .arrow, .npy, got',
      )
      const options = {
        '--root <folder...>': ['worker', '--redis', 'redis://localhost', '--root', ''],
        '--keep <expr>': ['score', csv, ...pairs, '--keep='],
      }
      for (const [flags, args] of Object.entries(options)) {
        await refuses(args, `option '${flags}' argument '' is invalid. It must not be empty.`)
      }
      const argument = (name: string) =>
        `command-argument value '' is invalid for argument '${name}'. It must not be empty.`
      await refuses(['score', '', ...pairs], argument('file'))
      await refuses(['merge', ''], argument('part'))
    })

    it('reads only decimal numbers, negative ones too', async () => {
      for (const junk of ['', ' ', '1,', '0x10', '0b1', '1_0', 'one', '--json']) {
        const { code, stderr } = await command(['score', csv, ...pairs, '--margin', junk])
        expect(code, junk).to.equal(2)
        expect(stderr, junk).to.include(
          `option '-m, --margin <numbers>' argument '${junk}' is invalid. It must be a number.`,
        )
      }
      const swapped = ['--positive-label', '-1', '--negative-label=1', '--margin', '-1', '--json']
      const { code, stdout } = await command(['score', csv, ...pairs, ...swapped])
      expect({ code, ...JSON.parse(stdout) }).to.deep.include({ code: 0, count: 2, sum: 0.25, margin: -1 })
    })

    it('takes arguments after -- for files', async () => {
      const name = join(folder, '--margin')
      copyFileSync(csv, `${name}.csv`)
      expect(await command(['score', ...pairs, '--json', '--', `${name}.csv`])).to.include({ code: 0, stderr: '' })
      const { code, stderr } = await command(['score', '--', csv, ...pairs])
      expect(code).to.equal(1)
      expect(stderr).to.match(/^hinge-embedding-loss: --input: no such file/)
    })

    it('prints help on demand, whatever else is missing', async () => {
      for (const args of [
        ['score', '--help'],
        ['help', 'score'],
        ['score', 'x', '--margin', '1', '-h'],
      ]) {
        const { code, stdout, stderr } = await command(args)
        expect([code, stderr], args.join(' ')).to.deep.equal([0, ''])
        expect(stdout).to.match(/^Usage: hinge-embedding-loss score \[options\] \[file\.\.\.\]\n/)
      }
      expect(await command([])).to.deep.include({ code: 2, stdout: '' })
    })
  })

  describe('files that are elsewhere', () => {
    const remote = 'remote files are not read here; copy them to this machine first'

    it('says that a URL of another scheme is not missing', async () => {
      const schemes = 's3://, gs://, r2://, az://, hf://, https://'
      const advice = `files of this scheme are not read, but those of ${schemes}; copy them to this machine first`
      for (const scheme of ['hdfs', 'ftp', 'S3X']) {
        for (const name of ['x.parquet', '*.csv']) {
          const url = `${scheme}://bucket/${name}`
          await refuses(['score', csv, url, ...pairs], `${url}: ${advice}`, 1)
        }
      }
      await refuses(['merge', 's3://b/x.json'], `s3://b/x.json: ${remote}`, 1)
      const arrays = ['--input', 'hdfs://b/x.npy', '--label', 'y.npy']
      await refuses(['score', ...arrays], `--input hdfs://b/x.npy: ${advice}`)
    })

    it('says which remote files are not written', async () => {
      const advice = 'write to this machine, then copy the file'
      const picture = `--output s3://b/x.svg: of remote files losses alone are written; ${advice}`
      await refuses(['plot', csv, ...pairs, '--output', 's3://b/x.svg'], picture)
      const losses = `--output hdfs://b/x.csv: files of this scheme are not written; ${advice}`
      await refuses(['score', csv, ...pairs, '--output', 'hdfs://b/x.csv'], losses)
    })

    it('names the path of a file URL', async () => {
      const path = join(folder, 'my pairs.csv')
      const { href } = pathToFileURL(path)
      await refuses(['score', href, ...pairs], `${href}: give the path instead of the URL, ${path}`, 1)
    })
  })

  describe('messages', () => {
    it('prints messages on one line without control characters, whatever a name holds', async () => {
      const { code, stderr } = await command(['score', join(folder, 'a\nb\x1b[31m.csv'), ...pairs])
      expect(code).to.equal(1)
      expect(stderr).to.match(
        /^hinge-embedding-loss: \P{Cc}*a b\\x1b\[31m\.csv: no file matches; \[ begins [^\n\p{Cc}]*\n$/u,
      )
    })

    it('says on a terminal that it waits for standard input', async () => {
      const message = 'waiting for Arrow IPC on standard input, which is a terminal'
      expect((await onTerminal([], { columns: 80 }, true)).stderr).to.include(message)
      expect((await onTerminal([], { columns: 80 }, false)).stderr).not.to.include(message)
    })

    async function onTerminal(chunks: Uint8Array[], size: { columns: number }, isTTY: boolean) {
      const stdin = Object.assign(new PassThrough(), { isTTY })
      const stderr = Object.assign(new PassThrough(), size)
      const stdout = new PassThrough()
      for (const chunk of chunks) stdin.write(chunk)
      stdin.end()
      const code = await main(['score', '-', ...pairs], new AbortController().signal, { stdin, stdout, stderr })
      stderr.end()
      return { code, stderr: await text(stderr) }
    }
  })

  describe('pipes and full disks', () => {
    /** The exit code of the program, and what it wrote to standard error, where its streams are as the redirections say. */
    async function redirected(redirections: string, ...args: string[]): Promise<Omit<Outcome, 'stdout'>> {
      const script = `"$@" ${redirections}; exit \${PIPESTATUS[0]}`
      const { code, stderr } = await run('bash', ['-c', script, 'bash', nodePath, program, ...args])
      return { code, stderr }
    }

    it('exits without a stack trace if its reader is gone: 0 after help, 1 after a result', async () => {
      const exitOf = async (...args: string[]) => {
        const child = spawn(nodePath, [program, ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
        child.stdout.destroy()
        const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'close')])
        return { code, stderr }
      }
      expect(await exitOf('--help')).to.deep.equal({ code: 0, stderr: '' })
      expect(await exitOf('score', csv, ...pairs)).to.deep.equal({ code: 1, stderr: '' })
    })

    it('exits without a stack trace if nobody reads: 0 after help, 1 after a result', async function () {
      if (isWindows) this.skip()
      for (const args of [['--version'], ['--help'], ['score', '--help'], ['help', 'plot']]) {
        expect(await redirected('| true', ...args), args.join(' ')).to.deep.equal({ code: 0, stderr: '' })
      }
      expect(await redirected('| true', 'score', csv, ...pairs)).to.deep.equal({ code: 1, stderr: '' })
      expect(await redirected('| true', 'duckdb-extension')).to.deep.equal({ code: 1, stderr: '' })
    })

    it('fails if standard output is full, for help as for results', async function () {
      if (process.platform !== 'linux') return this.skip()
      const stderr = 'hinge-embedding-loss: standard output: ENOSPC: no space left on device, write\n'
      for (const args of [['--version'], ['score', '--help'], ['score', csv, ...pairs]]) {
        expect(await redirected('> /dev/full', ...args), args.join(' ')).to.deep.equal({ code: 1, stderr })
      }
    })

    it('keeps the exit code if standard error takes no messages', async function () {
      if (isWindows) this.skip()
      const full = process.platform === 'linux' ? ['2> /dev/full'] : []
      for (const to of ['2>&-', '2>&1 > /dev/null | true', ...full]) {
        expect((await redirected(to, 'score', csv)).code, to).to.equal(2)
        expect((await redirected(to, 'merge', join(folder, 'none.json'))).code, to).to.equal(1)
      }
    })

    it('writes everything to a slow reader, or ends at a signal', async () => {
      const many = join(folder, 'many.csv')
      const keys = Array.from({ length: 3000 }, (_, i) => i)
      writeFileSync(many, `d,y,k\n${keys.map((k) => `${k},1,${k}\n`).join('')}`)
      const args = [program, 'score', many, ...pairs, '--by', 'k', '--json']
      const start = () => spawn(nodePath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })

      const child = start()
      await once(child.stdout, 'readable')
      await sleep(500)
      const [out, [code]] = await Promise.all([text(child.stdout), once(child, 'close')])
      expect(code).to.equal(0)
      expect(JSON.parse(out).groups.map(({ by }: { by: number }) => by)).to.deep.equal(keys)

      if (isWindows) return // which has no signal that asks a process to end
      const stopped = start()
      const stderr = text(stopped.stderr)
      await once(stopped.stdout, 'readable')
      stopped.kill('SIGTERM')
      const [exit] = await once(stopped, 'exit')
      stopped.stdout.destroy()
      expect({ exit, stderr: await stderr }).to.deep.equal({ exit: 130, stderr: 'hinge-embedding-loss: interrupted\n' })
    })
  })

  describe('progress', () => {
    const environment = { CI: process.env.CI, NO_COLOR: process.env.NO_COLOR, TERM: process.env.TERM }
    before(() => {
      delete process.env.CI
      delete process.env.NO_COLOR
      process.env.TERM = 'xterm'
    })
    after(() => {
      for (const [name, value] of Object.entries(environment)) {
        if (value === undefined) delete process.env[name]
        else process.env[name] = value
      }
    })

    const progress: Progress = { share: 0.5, count: 1_500_000 }

    it('formats progress as share, count, speed, time left and the current step', () => {
      const speed = { perSecond: 750_000, left: 1.5 }
      expect(formatProgress(progress, 'rows', speed)).to.equal('50 %, 1,500,000 rows, 750,000 rows/s, 2 s left')
      expect(formatProgress({ share: 0.25 }, 'rows', { left: 119.4 })).to.equal('25 %, 120 s left')
      expect(formatProgress({ share: 0.25 }, 'rows', { left: 140 })).to.equal('25 %, 2 min left')
      expect(formatProgress({ share: 0.25 }, 'rows', { left: 9000 })).to.equal('25 %, 3 h left')
      expect(formatProgress({ doing: 'writing losses', share: 1 }, 'rows', { left: 0 })).to.equal(
        'writing losses: 100 %, 0 s left',
      )
      expect(formatProgress({ doing: 'writing losses' }, 'rows', {})).to.equal('writing losses')
      expect(formatProgress({ count: 10 }, 'rows', { perSecond: 5 })).to.equal('10 rows, 5 rows/s')
    })

    /** What a meter says of a step of 1,000,000 rows, five times a second: the seconds that are left, and rows a second. */
    function measure(seconds: number, shareAt: (seconds: number) => number) {
      const meter = new Meter('rows', 0)
      return Array.from({ length: 5 * seconds }, (_, index) => {
        const time = (index + 1) / 5
        const share = Math.min(1, shareAt(time))
        const line = meter.describe({ share, count: Math.floor(1e6 * share) }, 1000 * time)
        const [, speed, left] = /rows(?:, ([\d,]+) rows\/s)?(?:, (\d+) s left)?$/.exec(line) ?? []
        return { time, line, speed: Number(speed?.replaceAll(',', '')), left: Number(left) }
      })
    }

    it('says how long a steady step takes once it has lasted a second', () => {
      const measured = measure(50, (time) => time / 50)
      expect(measured[0]?.line).to.equal('0 %, 4,000 rows')
      for (const { time, speed, left } of measured.slice(5)) {
        expect(speed).to.be.closeTo(20_000, 1)
        expect(left).to.be.closeTo(50 - time, 1)
      }
      expect(measured.at(-1)?.line).to.equal('100 %, 1,000,000 rows, 20,000 rows/s, 0 s left')
    })

    it('changes the time left little by little where a step stalls, jumps or slows down', () => {
      for (const [seconds, shareAt] of [
        [60, (time: number) => Math.floor(time / 3) * 0.05],
        [60, (time: number) => (time < 20 ? time / 40 : 0.5 + (time - 20) / 80)],
        [41, (time: number) => time / 40 + 0.02 * Math.sin(1.3 * time)],
      ] as const) {
        const told = measure(seconds, shareAt).filter(({ left }) => !Number.isNaN(left))
        for (const [index, { left }] of told.slice(1).entries()) {
          const change = left - (told[index]?.left ?? 0)
          expect(change).to.be.within(-3, 2)
        }
        const late = told.filter(({ time, line }) => time > seconds / 2 && !line.startsWith('100 %'))
        for (const { time, left } of late) expect(left).to.be.within(0.4 * (seconds - time), seconds - time + 4)
      }
    })

    it('begins anew with each step, whose last seconds count most', () => {
      const meter = new Meter('rows', 0)
      meter.describe({ share: 0.5, count: 500 }, 4000)
      expect(meter.describe({ doing: 'writing losses', share: 0.1, count: 100 }, 4200)).to.equal(
        'writing losses: 10 %, 100 rows',
      )
      expect(meter.describe({ doing: 'writing losses', share: 0.5, count: 500 }, 6000)).to.equal(
        'writing losses: 50 %, 500 rows, 246 rows/s, 3 s left',
      )
    })

    it('measures and cuts text by the columns of a terminal', () => {
      for (const [text, width] of [
        ['abc', 3],
        ['größer', 6],
        ['gro\u0308ßer', 6],
        ['日本語', 6],
        ['한글 🙂', 7],
        ['ｆｕｌｌ', 8],
        ['𠀀𝔸', 3],
        ['a\u200bb', 2],
      ] as const) {
        expect(widthOf(text), text).to.equal(width)
        for (let columns = 0; columns <= width; columns++) {
          expect(text.startsWith(cutToWidth(text, columns)), text).to.equal(true)
          expect(widthOf(cutToWidth(text, columns)), text).to.be.within(columns - 1, columns)
        }
        expect(cutToWidth(text, width), text).to.equal(text)
      }
    })

    it('cuts progress to the width of the terminal, and erases it for messages and at the end', async () => {
      const terminal = Object.assign(new PassThrough(), { isTTY: true, columns: 30 })
      const { show, end } = showProgress(terminal, true, 'rows')
      const timer = setInterval(() => show?.(progress), 200)
      await sleep(500)
      terminal.columns = 10
      await sleep(500)
      notify(terminal, 'a message')
      clearInterval(timer)
      end()
      notify(terminal, 'the end')
      terminal.end()
      const shown = await text(terminal)
      const lines = shown.split('\r\x1b[K')
      expect(lines[1]).to.equal('50 %, 1,500,000 rows')
      expect(lines).to.include('50 %, 1,5')
      expect(lines.at(-1)).to.equal('hinge-embedding-loss: a message\nhinge-embedding-loss: the end\n')
    })

    it('writes no progress where no terminal shows it', async () => {
      const places = [{ isTTY: false }, { isTTY: true, env: 'CI' }, { isTTY: true, env: 'NO_COLOR' }]
      for (const { isTTY, env } of places) {
        const terminal = Object.assign(new PassThrough(), { isTTY, columns: 80 })
        if (env !== undefined) process.env[env] = '1'
        const { show, end } = showProgress(terminal, true, 'rows')
        if (env !== undefined) delete process.env[env]
        expect(show).to.equal(undefined)
        end()
        terminal.end()
        expect(await text(terminal)).to.equal('')
      }
    })

    describe('of real runs', () => {
      const rows = 400_000
      const slow = 'list_sum(list_transform(range(0, 150), lambda z: z * d))'
      let files: { csv: string; faulty: string }

      before(function () {
        if (isWindows) this.skip() // Python has no terminals there
        files = { csv: join(folder, 'slow.csv'), faulty: join(folder, 'faulty.csv') }
        const lines = (last: string, header = 'd,y') => `${header}\n${'0.5,1\n'.repeat(rows - 1)}${last}\n`
        writeFileSync(files.csv, lines('0.5,-1'))
        writeFileSync(files.faulty, lines('0.5,5', 'd,y,z').replaceAll(',1\n', ',1,0\n').replace(',5\n', ',5,0\n'))
      })

      /** The lines of progress, and what is on the terminal in the end. */
      async function terminal(widths: string, ...args: string[]) {
        const terminal = join(root, 'test/support/terminal.py')
        const shown = [terminal, widths, nodePath, program, ...args, '--label', 'y']
        const { code, stdout } = await run('python3', shown)
        const lines = stdout.split('\r\x1b[K')
        return { code, last: lines.pop(), lines: lines.filter((line) => line !== '') }
      }

      /** No line has more than there is. */
      function checkLines(lines: readonly string[], columns: number): void {
        const shares = new Map<string, number>()
        for (const line of lines) {
          expect(line).to.have.length.below(columns)
          expect(line).not.to.match(/\p{Cc}/u)
          const [, share, count] = /(?:(\d+) %)?(?:, ([\d,]+) rows)?/.exec(line.replace(/^[^:\d]*: /, '')) ?? []
          const [doing = ''] = /^[^:\d]*/.exec(line) ?? []
          if (share !== undefined) {
            expect(Number(share), line).to.be.within(shares.get(doing) ?? 0, 100)
            shares.set(doing, Number(share))
          }
          expect(Number((count ?? '0').replaceAll(',', '')), line).to.be.within(0, rows)
        }
      }

      it('shows no more rows than there are, names the second reading, and leaves the result alone', async () => {
        const output = ['--output', join(folder, 'slow-losses.csv'), '--json']
        const { code, lines, last } = await terminal(
          '100',
          'score',
          files.csv,
          '--input',
          slow,
          '--threads',
          '1',
          ...output,
        )
        expect(code).to.equal(0)
        expect(lines.length).to.be.above(2)
        checkLines(lines, 100)
        expect(
          lines.some((line) => /^writing losses: \d+ %, [\d,]+ rows/.test(line)),
          lines.join('\n'),
        ).to.equal(true)
        expect(last).to.match(new RegExp(`^\\{"count":${rows},.*\\}\\r\\n$`))
      })

      it('says that it finds the greatest losses, and shows nothing with --quiet', async () => {
        const args = ['score', files.csv, '--input', slow, '--threads', '1', '--top', '1', '--json']
        const { code, lines, last } = await terminal('60', ...args)
        expect(code).to.equal(0)
        checkLines(lines, 60)
        const isNamed = lines.some((line) => line.startsWith('finding the greatest losses: '))
        expect(isNamed, lines.join('\n')).to.equal(true)
        const quiet = await terminal('60', ...args, '--quiet')
        expect(quiet).to.deep.equal({ code: 0, lines: [], last })
      })

      it('says that it looks for a faulty row, and leaves the error alone, on a narrow terminal that is resized', async () => {
        const { code, lines, last } = await terminal(
          '40,20',
          'score',
          csv,
          files.faulty,
          '--input',
          slow,
          '--threads',
          '1',
        )
        expect(code).to.equal(1)
        checkLines(lines, 40)
        expect(
          lines.some((line) => 'looking for the first faulty row'.startsWith(line.slice(0, 19))),
          lines.join('\n'),
        ).to.equal(true)
        expect(last).to.match(/^hinge-embedding-loss: [^\n]*, row 400,000: label is 5[^\n]*\n$/)
      })
    })
  })

  it('prints its version', async () => {
    expect(await command(['--version'])).to.deep.equal({ code: 0, stdout: `${runtimeInfo().version}\n`, stderr: '' })
  })
})

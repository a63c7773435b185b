import { cpSync, readdirSync, readlinkSync, rmSync, truncateSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import { LossAccumulator, runtimeInfo } from '../../lib/index.ts'
import { installPackage } from '../support/application.ts'
import { command } from '../support/command.ts'
import { nodePath, Program, run } from '../support/processes.ts'
import {
  columns,
  fails,
  figuresOf,
  score,
  scores,
  slowExpression,
  succeeds,
  write,
  writeScoredFiles,
} from '../support/scored-files.ts'
import { device, isWindows } from '../support/system.ts'

const commandNeeds = ['commander', '@duckdb']

describe('hinge-embedding-loss', function () {
  this.timeout(30_000)
  writeScoredFiles()

  let complete: string
  before('install the package', async () => {
    complete = await install('complete', commandNeeds)
  })

  /** The program as it is once installed beside the given packages. */
  function install(name: string, packages: readonly string[]): Promise<string> {
    return installPackage(resolve(name), packages)
  }

  /** Starts a program in a process of its own. */
  function start(args: readonly string[], main = complete, env: NodeJS.ProcessEnv = {}): Program {
    return new Program(nodePath, [main, ...args], { cwd: process.cwd(), env })
  }

  /** Waits until a program has a file open, where the system tells. */
  async function untilOpen({ process: { pid } }: Program, name: string): Promise<void> {
    if (process.platform !== 'linux') return sleep(2000)
    const folder = `/proc/${pid}/fd`
    const isName = (fd: string) => {
      try {
        return readlinkSync(join(folder, fd)).endsWith(`/${name}`)
      } catch {
        return false // closed meanwhile
      }
    }
    while (!readdirSync(folder).some(isName)) await sleep(10)
  }

  const runIn = (main: string, env?: NodeJS.ProcessEnv) => (args: readonly string[]) => start(args, main, env).outcome

  describe('results', () => {
    it('prints what the library computes', async () => {
      const d = Float32Array.from(columns.d)
      await Promise.all([
        scores(score('pairs.parquet', 'd', 'y'), figuresOf(d, columns.y)),
        scores(
          score('pairs.parquet', 'd', 'y', '--margin', '1.3', '--threads', '2'),
          figuresOf(d, columns.y, { margin: 1.3 }),
        ),
        scores(
          score('pairs.parquet', 'w', 'y', '--margin', '-0.5'),
          figuresOf(Float64Array.from(columns.w), columns.y, { margin: -0.5 }),
        ),
        scores(
          score('pairs.parquet', 'd', 'y', '--positive-label', '-1', '--negative-label', '1'),
          figuresOf(d, columns.y, { positiveLabel: -1, negativeLabel: 1 }),
        ),
      ])
    })

    it('prints one line of JSON with the promised keys in their order', async () => {
      const stdout = await succeeds(score('pairs.parquet', 'd', 'y', '--json'))
      expect(stdout).to.match(/^\{.*\}\n$/)
      expect(stdout.replace(/:-?[\d.e-]+/g, ':0')).to.equal(
        '{"count":0,"sum":0,"mean":0,"margin":0,"positives":{"count":0,"sum":0,"mean":0},' +
          '"negatives":{"count":0,"sum":0,"mean":0,"active":0},"others":0}\n',
      )
    })

    it('prints a table for people', async () => {
      const stdout = await succeeds(score('pairs.parquet', 'd', 'y'))
      const total = figuresOf(Float32Array.from(columns.d), columns.y) as {
        mean: number
        negatives: { active: number }
      }
      expect(stdout.split('\n')[0]).to.match(/^ +count +mean +sum$/)
      expect(stdout)
        .to.match(/^all +5,000 /m)
        .and.match(/^positives +500 /m)
        .and.match(/^negatives +4,500 /m)
      expect(stdout).to.include(` ${Number(total.mean.toPrecision(7))} `)
      const active = total.negatives.active
      const share = ((100 * active) / 4500).toFixed(1)
      expect(stdout).to.include(
        `active negatives, inside the margin of 1: ${active.toLocaleString('en')} (${share} %)\n`,
      )
    })

    it('prints NaN and infinities as strings in JSON', async () => {
      const special = figuresOf(Float64Array.of(Number.NaN, Infinity, -Infinity), [1, -1, -1])
      expect(special).to.deep.include({ count: 3, sum: 'NaN', mean: 'NaN' })
      await Promise.all([
        scores(score('special.csv', 'w', 'y', '--nan', 'keep'), special),
        scores(score('zero.parquet', 'w', 'y'), figuresOf(new Float64Array(0), [])),
        scores(score('zero.parquet', 'w', 'y', '--threads', '1'), figuresOf(new Float64Array(0), [])),
      ])
    })
  })

  describe('partial and merge', () => {
    const partial = async (...args: [string | string[], string, string, ...string[]]) => {
      const [, ...rest] = score(...args)
      return succeeds(['partial', ...rest])
    }

    it('partial and merge print what score prints, byte for byte, over any split', async () => {
      const splits = [
        ['id < 1', 'id >= 1'],
        ['id % 3 = 0', 'id % 3 = 1', 'id % 3 = 2'],
        ['id < 2500', 'id >= 2500'],
        ['TRUE', 'FALSE'],
      ]
      const only = (condition: string) => `CASE WHEN ${condition} THEN d END`
      const [json, table] = await Promise.all([
        succeeds(score('pairs.parquet', 'd', 'y', '--margin', '0.7', '--json')),
        succeeds(score('pairs.parquet', 'd', 'y', '--margin', '0.7')),
      ])
      for (const [i, conditions] of splits.entries()) {
        const parts = await Promise.all(
          conditions.map((condition) =>
            partial('pairs.parquet', only(condition), 'y', '--margin', '0.7', '--nulls', 'ignore'),
          ),
        )
        const names = parts.map((_, k) => `part-${i}-${k}.json`)
        for (const [k, part] of parts.entries()) write(names[k] as string, part)
        write(`parts-${i}.json`, parts.join('\n'))
        expect(await succeeds(['merge', ...names, '--json'])).to.equal(json)
        expect(await succeeds(['merge', `parts-${i}.json`])).to.equal(table)
      }
    })

    it('merge counts a partial as often as it is given', async () => {
      const total = new LossAccumulator().update(Float64Array.of(0.5, 0.25), 1)
      write('twice.json', `${JSON.stringify(total)}\n`)
      const json = await succeeds(['merge', 'twice.json', 'twice.json', '--json'])
      expect(JSON.parse(json)).to.deep.include({ count: 4, sum: 1.5 })
    })

    it('partial prints the JSON of a LossAccumulator', async () => {
      const text = await partial('pairs.parquet', 'd', 'y')
      const total = new LossAccumulator().update(Float32Array.from(columns.d), Float64Array.from(columns.y))
      expect(text).to.equal(`${JSON.stringify(total)}\n`)
      expect(await partial('zero.parquet', 'w', 'y', '--margin', '3')).to.equal(
        `${JSON.stringify(new LossAccumulator({ margin: 3 }))}\n`,
      )
    })

    it('merge names a file that is not a partial or has other settings', async () => {
      const text = JSON.stringify(new LossAccumulator())
      write('good.json', text)
      write('margin.json', JSON.stringify(new LossAccumulator({ margin: 2 })))
      write('late.json', `${text}\n\n"x"\n`)
      write('no.json', 'pairs')
      write('blank.json', '\n \r\n')
      write('zero.json', '')
      write('cut.json', `${text}\n${text.slice(0, -1)}`)
      const many = new Array<string>(9).fill('blank.json')
      await Promise.all([
        fails(
          1,
          ['merge', 'good.json', 'margin.json'],
          /margin\.json, line 1: margin is 2, but 1 in good\.json, line 1/,
        ),
        fails(
          1,
          ['merge', 'late.json'],
          /late\.json, line 3: not a partial: object must be what LossAccumulator\.toJSON gives/,
        ),
        fails(1, ['merge', 'no.json'], /no\.json, line 1: .*JSON/),
        fails(1, ['merge', 'blank.json'], /blank\.json: no partial/),
        fails(
          1,
          ['merge', 'good.json', 'blank.json', 'good.json', 'zero.json'],
          /: blank\.json, zero\.json: no partial/,
        ),
        fails(1, ['merge', 'zero.json', ...many], /: zero\.json, blank\.json(, blank\.json){3} and 5 more: no partial/),
        fails(1, ['merge', 'good.json', 'cut.json'], /cut\.json, line 2: .*JSON/),
        fails(1, ['merge', 'good.json', 'none'], /none: a folder, must be a file/),
        fails(1, ['merge', 'good.json', device], /: a device, must be a file/),
        fails(1, ['merge', 'good.json', 'missing.json'], /missing\.json: no such file/),
        fails(2, ['merge'], /missing required argument 'part'/),
      ])
    })
  })

  describe('duckdb-extension', () => {
    it('duckdb-extension prints a path that DuckDB loads', async () => {
      const path = (await succeeds(['duckdb-extension'])).trimEnd()
      const instance = await DuckDBInstance.create(':memory:', { allow_unsigned_extensions: 'true' })
      const connection = await instance.connect()
      await connection.run(`LOAD '${path}'`)
      const result = await connection.runAndReadAll('SELECT hinge_embedding_loss(0.5, 1).sum')
      expect(result.getRows()).to.deep.equal([[0.5]])
      connection.closeSync()
    })
  })

  describe('the program', () => {
    it('prints its version and its options', async () => {
      const [version, help, scoreHelp] = await Promise.all(
        [['--version'], ['--help'], ['score', '--help']].map((args) => succeeds(args)),
      )
      expect(version).to.equal(`${runtimeInfo().version}\n`)
      expect(help).to.match(/^Usage: hinge-embedding-loss .*score/s)
      for (const option of [
        '--input',
        '--label',
        '--margin',
        '--positive-label',
        '--negative-label',
        '--other-labels',
        '--nulls',
        '--threads',
        '--json',
        '--no-progress',
      ]) {
        expect(scoreHelp).to.include(`${option} `)
      }
    })

    it('refuses wrong usage with exit code 2', async () => {
      const pairs = (...more: string[]) => score('pairs.parquet', 'd', 'y', ...more)
      const { code, stdout, stderr } = await command([])
      expect([code, stdout]).to.deep.equal([2, ''])
      expect(stderr).to.match(/^Usage: hinge-embedding-loss/)
      await Promise.all([
        fails(2, ['scores'], /unknown command 'scores'/),
        fails(2, pairs('--bogus'), /unknown option '--bogus'/),
        fails(
          2,
          ['score', '--input', 'd', '--label', 'y'],
          /without a FILE --input and --label must name a \.npy each, got --input d/,
        ),
        fails(2, ['score', 'pairs.parquet', '--label', 'y'], /--input/),
        fails(2, pairs('--margin', 'wide'), /--margin <numbers>' argument 'wide'/),
        fails(2, pairs('--margin', ''), /--margin/),
        fails(2, pairs('--margin', 'NaN'), /--margin/),
        fails(2, pairs('--margin', 'Infinity'), /--margin must be a finite number, got Infinity/),
        fails(2, pairs('--margin', '1e300'), /--margin must be finite in float32/),
        fails(2, pairs('--negative-label', '1'), /--negative-label must be other than --positive-label/),
        fails(2, pairs('--positive-label', '0.5'), /--positive-label must be an integer/),
        fails(2, pairs('--other-labels', 'drop'), /--other-labels.*drop.*error, zero, ignore/),
        fails(2, pairs('--nulls', 'drop'), /--nulls.*drop.*error, ignore/),
        ...['0', '-1', '1.5', '2000'].map((n) =>
          fails(2, pairs('--threads', n), /--threads must be an integer from 1/),
        ),
      ])
    })

    it('names the packages that it lacks', async () => {
      const advice = /npm install commander@14 @duckdb\/node-api/
      const pairs = score('pairs.parquet', 'd', 'y')
      const bare = runIn(await install('bare', []))
      const noReader = runIn(await install('no-reader', ['commander']))
      await Promise.all([
        fails(1, ['--help'], advice, bare),
        fails(1, pairs, advice, bare),
        succeeds(['--help'], noReader),
        fails(1, pairs, /scoring files needs more packages: npm install @duckdb\/node-api/, noReader),
      ])
    })

    it('prints its version without any other package and without its binaries', async () => {
      const main = await install('alone', [])
      rmSync(resolve('alone/build'), { recursive: true })
      for (const option of ['-V', '--version']) {
        const outcome = { code: 0, stdout: `${runtimeInfo().version}\n`, stderr: '' }
        expect(await runIn(main)([option])).to.deep.equal(outcome)
      }
    })

    it('fails if nothing keeps its process until the command has ended', async () => {
      const deaf = 'data:text/javascript,process.stdout.write=()=>true'
      const { code } = await run(nodePath, ['--import', deaf, complete, '--help'])
      expect(code).to.equal(13)
    })

    it('says why the library does not load', async () => {
      const main = await install('unbuilt', commandNeeds)
      rmSync(resolve('unbuilt/build'), { recursive: true })
      await fails(1, ['--help'], /the native addon of hinge-embedding-loss cannot be loaded/, runIn(main))
      const env = { HINGE_EMBEDDING_LOSS_NUM_THREADS: 'many' }
      await fails(
        2,
        score('pairs.parquet', 'd', 'y'),
        /HINGE_EMBEDDING_LOSS_NUM_THREADS must be an integer/,
        runIn(complete, env),
      )
    })

    it('ends with exit code 130 when it is interrupted', async function () {
      if (isWindows) this.skip() // a process cannot send Ctrl-C to another one
      const child = start(score('slow.parquet', slowExpression(2000), 'y', '--json'))
      await untilOpen(child, 'slow.parquet')
      expect(await child.end('SIGINT')).to.deep.equal({
        code: 130,
        stdout: '',
        stderr: 'hinge-embedding-loss: interrupted\n',
      })
    })

    describe('progress', () => {
      before(function () {
        if (isWindows) this.skip() // Python has no terminals there
      })

      const pty = 'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))'
      const onTerminal = async (steps: number, env: NodeJS.ProcessEnv, ...more: string[]) => {
        const command = [nodePath, complete, ...score('slow.parquet', slowExpression(steps), 'y', '--json', ...more)]
        return run('python3', ['-c', pty, ...command], { cwd: process.cwd(), env: { CI: '', NO_COLOR: '', ...env } })
      }

      it('shows progress on a terminal, and erases it at the end', async () => {
        const { code, stdout } = await onTerminal(200, {})
        expect(code, stdout).to.equal(0)
        const shown = stdout.replaceAll('\r\x1b[K', '<again>')
        expect(shown).to.match(/<again>\d+ %, [\d,]+ rows, [\d,]+ rows\/s, \d+ s left<again>/)
        expect(shown).to.match(/<again>\{"count":3000000,.*\}\r\n$/)
      })

      it('shows no progress under CI, NO_COLOR or --no-progress', async () => {
        const outcomes = [
          await onTerminal(10, { CI: '1' }),
          await onTerminal(10, { NO_COLOR: '1' }),
          await onTerminal(10, {}, '--no-progress'),
        ]
        for (const { code, stdout } of outcomes) {
          expect(code, stdout).to.equal(0)
          expect(stdout).to.match(/^\{"count":3000000,.*\}\r\n$/)
        }
      })
    })

    it('prints all rows, or an error that names the file, if a file vanishes or shrinks meanwhile', async () => {
      const whole = JSON.parse(await succeeds(score(['slow.parquet', 'pairs.parquet'], 'w', 'y', '--json')))
      const changes = [rmSync, (file: string) => truncateSync(file, 1000)]
      for (const change of changes) {
        cpSync(resolve('pairs.parquet'), resolve('going.parquet'))
        const { outcome } = start(score(['slow.parquet', 'going.parquet'], 'w', 'y', '--json'))
        await sleep(300 + 700 * Math.random())
        change(resolve('going.parquet'))
        const { code, stdout, stderr } = await outcome
        if (code === 0) expect(JSON.parse(stdout)).to.deep.equal(whole)
        else expect({ code, stderr }, stderr).to.satisfy(() => code === 1 && stderr.includes('going.parquet'))
      }
    })

    it('prints no error when nobody reads its output to the end', async function () {
      if (process.platform !== 'linux') return this.skip()
      const command = [nodePath, complete, ...score('pairs.parquet', 'd', 'y')]
      const outcome = await run('bash', ['-c', '"$@" | true; exit $PIPESTATUS', 'bash', ...command], {
        cwd: process.cwd(),
      })
      expect(outcome).to.deep.equal({ code: 1, stdout: '', stderr: '' })
    })

    it('names the error when its output cannot be written', async function () {
      if (process.platform !== 'linux') return this.skip()
      const command = [nodePath, complete, ...score('pairs.parquet', 'd', 'y')]
      const outcome = await run('sh', ['-c', '"$@" > /dev/full', 'sh', ...command], { cwd: process.cwd() })
      expect(outcome).to.deep.include({ code: 1, stdout: '' })
      expect(outcome.stderr).to.match(/^hinge-embedding-loss: standard output: ENOSPC[^\n]*\n$/)
    })
  })
})

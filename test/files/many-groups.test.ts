import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import { openScans } from '../../lib/files/duckdb/open-scans.ts'
import { Session } from '../../lib/files/duckdb/session.ts'
import { scoreScans } from '../../lib/files/duckdb/totals.ts'
import { type Group, readScoring } from '../../lib/files/options.ts'
import { scoreFiles } from '../../lib/files.ts'
import { formatJSON } from '../../lib/format.ts'
import { expected } from '../oracle.ts'
import { command } from '../support/command.ts'
import { node, succeeds } from '../support/processes.ts'
import { Random } from '../support/random.ts'
import { isWindows } from '../support/system.ts'

describe('many groups', function () {
  this.timeout(240_000)
  const columns = { input: 'x', label: 'y', by: 'g' } as const
  const settings = { margin: 1, positiveLabel: 1, negativeLabel: -1 }
  const groupCount = 2500
  let folder: string
  let pairs: string
  let many: string
  const rowsOf = new Map<number, { x: number[]; y: number[] }>()

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-many-'))
    const random = new Random(19)
    pairs = join(folder, 'pairs.csv')
    many = join(folder, 'many.parquet')
    const lines = ['x,y,g']
    for (let i = 0; i < 20_000; i++) {
      const [x, y, g] = [
        (random.fraction() - 0.3) * 2 ** random.below(60),
        1 - 2 * random.below(2),
        random.below(groupCount),
      ]
      const rows = rowsOf.get(g) ?? { x: [], y: [] }
      rowsOf.set(g, rows)
      rows.x.push(x)
      rows.y.push(y)
      lines.push(`${x},${y},${g}`)
    }
    writeFileSync(pairs, `${lines.join('\n')}\n`)
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    await connection.run(
      `COPY (SELECT (i % 7 / 4)::FLOAT AS x, 1 - 2 * (i % 2) AS y, i AS g FROM range(300000) AS t(i)) TO '${many}'`,
    )
    connection.closeSync()
  })
  after(() => rmSync(folder, { recursive: true }))

  function assertExact(groups: readonly Group[]): void {
    expect(groups.map(({ by }) => by)).to.deep.equal([...rowsOf.keys()].sort((a, b) => a - b))
    for (const { by, total } of groups) {
      const { x, y } = rowsOf.get(Number(by)) as { x: number[]; y: number[] }
      const { record } = expected(Float64Array.from(x), Float64Array.from(y), settings, 'error')
      const { positives, negatives, others } = total.toJSON()
      const actual = [positives.count, positives.sum, negatives.count, negatives.sum, negatives.active, others]
      expect(actual, String(by)).to.deep.equal(record)
    }
  }

  it('each group of scoreFiles has the exact totals of its rows, in an array or one after the other', async () => {
    const { groups = [], total } = await scoreFiles([pairs], columns)
    assertExact(groups)
    const given: Group[] = []
    let running = 0
    const streamed = await scoreFiles([pairs], {
      ...columns,
      async onGroup(group) {
        expect(++running).to.equal(1)
        if (given.length % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 2))
        given.push(group)
        running--
      },
    })
    assertExact(given)
    expect(streamed).to.not.have.property('groups')
    expect(streamed.total.toJSON()).to.deep.equal(total.toJSON())
    expect({ ...given[0] }).to.have.keys('by', 'key', 'json', 'total')
  })

  it('what onGroup throws ends the run, as an abort does, and onGroup takes by', async () => {
    const failure = new Error('disk full')
    let calls = 0
    const fail = async () => {
      if (++calls === 3) throw failure
    }
    expect(await scoreFiles([pairs], { ...columns, onGroup: fail }).catch((error) => error)).to.equal(failure)
    expect(calls).to.equal(3)
    const controller = new AbortController()
    calls = 0
    const abort = () => {
      if (++calls === 2) controller.abort(failure)
    }
    const { signal } = controller
    expect(await scoreFiles([pairs], { ...columns, signal, onGroup: abort }).catch((error) => error)).to.equal(failure)
    expect(calls).to.equal(2)
    const { input, label } = columns
    const error = await scoreFiles([pairs], { input, label, onGroup: abort }).catch((error) => error)
    expect(error).to.include({ code: 'ERR_INVALID_ARG_VALUE', option: 'onGroup', message: 'onGroup takes by' })
  })

  it('the command line prints the figures of each group, as JSON and as a table', async () => {
    const { groups = [], total } = await scoreFiles([pairs], columns)
    const args = ['score', pairs, '--input', 'x', '--label', 'y', '--by', 'g']
    const figures = ({ count, sum, mean, margin, positives, negatives, others }: Group['total']) => {
      return { count, sum, mean, margin, positives, negatives, others }
    }
    const json = await command([...args, '--json'])
    const list = groups.map(({ by, total }) => ({ by, ...figures(total) }))
    // As JSON, which has no negative zero.
    expect(JSON.stringify(JSON.parse(json.stdout))).to.equal(formatJSON({ groups: list, total: figures(total) }))
    const lines = (await command(args)).stdout.split('\n')
    expect(lines.findIndex((line) => line.startsWith('all '))).to.equal(groups.length + 1)
    expect(new Set(lines.slice(0, groups.length + 2).map(({ length }) => length)).size).to.equal(1)
  })

  it('prints more groups than JavaScript has memory for', async () => {
    const args = ['score', many, '--input', 'x', '--label', 'y', '--by', 'g', '--json']
    const program = `import { main } from './lib/cli/program.ts'
      process.exit(await main(${JSON.stringify(args)}, new AbortController().signal, process))`
    // The figures of these groups take 70 MB as text.
    const heap = ['--max-old-space-size=40', '--max-semi-space-size=2']
    const text = await succeeds(node([...heap, '--import=tsx', '--input-type=module', '--eval', program]))
    const { groups, total } = JSON.parse(text)
    expect(groups).to.have.lengthOf(300_000)
    expect(groups.every(({ by, count }: { by: number; count: number }, i: number) => by === i && count === 1)).to.equal(
      true,
    )
    expect(total.count).to.equal(300_000)
  })

  describe('too little memory of DuckDB', () => {
    const options = readScoring(columns)
    const { signal } = new AbortController()
    /** Scores in a session with these settings, in whose folder `visit` may look. */
    const score = async (settings: string, visit = (_folder: string) => {}) => {
      const session = await Session.open(1, signal, true)
      const [folder = ''] = await session.readTexts(`SELECT current_setting('temp_directory')`)
      try {
        await session.run(settings)
        visit(folder)
        const source = { file: many, kind: 'Parquet', compression: 'uncompressed' } as const
        const { groups } = await scoreScans(
          session,
          await openScans(session, [source], options, signal),
          options,
          signal,
        )
        visit(folder)
        return groups[0]?.total.count
      } finally {
        session.close()
        expect(existsSync(folder)).to.equal(false)
      }
    }
    const advice = /; fewer threads take less memory, and so do fewer values of by; DuckDB writes .* to /

    it('is an error with a code and advice', async () => {
      const error = await score(`SET memory_limit = '30MB'; SET max_temp_directory_size = '0MB'`).catch(
        (error) => error,
      )
      expect(error).to.have.property('code', 'ERR_OUT_OF_MEMORY')
      expect(String(error)).to.match(/Out of Memory Error: .*[^.]; fewer/)
      expect(String(error)).to.match(advice)
    })

    it('is no error if there is a folder to write to, which others cannot enter', async () => {
      const modes: number[] = []
      const visit = (folder: string) => void modes.push(statSync(folder).mode & 0o077)
      expect(await score(`SET memory_limit = '30MB'`, visit)).to.equal(300_000)
      if (!isWindows) expect(modes).to.deep.equal([0, 0])
    })

    it('is the same error if DuckDB cannot write to its folder', async () => {
      const replace = (folder: string) => {
        rmSync(folder, { recursive: true })
        writeFileSync(folder, '')
      }
      const error = await score(`SET memory_limit = '30MB'`, replace).catch((error) => error)
      expect(error).to.have.property('code', 'ERR_OUT_OF_MEMORY')
      expect(String(error)).to.match(advice)
    })
  })
})

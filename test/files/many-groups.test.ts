import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import { openScans } from '../../lib/files/duckdb/open-scans.ts'
import { Session } from '../../lib/files/duckdb/session.ts'
import { scoreScans } from '../../lib/files/duckdb/totals.ts'
import { type Group, readScoring, type Scoring } from '../../lib/files/options.ts'
import { scoreFiles } from '../../lib/files.ts'
import { escapeInvisible, formatJSON, nameValue } from '../../lib/format.ts'
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

  describe('the keys of many groups', () => {
    const negatives = { count: 0, sum: 0, mean: Number.NaN, active: 0 }
    const figuresOf = ({ count, sum }: { count: number; sum: number }) => {
      const figures = { count, sum, mean: sum / count }
      return formatJSON({ ...figures, margin: 1, positives: figures, negatives, others: 0 })
    }
    const elementOf = (by: string, figures: { count: number; sum: number }) =>
      `{"by":${by},${figuresOf(figures).slice(1)}`

    /** Scores rows of the loss x, where `values` lists x and the SQL of a key, and returns what the command line prints. */
    const print = async (values: readonly string[], ...flags: string[]) => {
      const file = join(folder, 'keys.parquet')
      const connection = await (await DuckDBInstance.create(':memory:')).connect()
      await connection.run(
        `COPY (SELECT x::DOUBLE AS x, CASE WHEN x IS NOT NULL THEN 1 END AS y, k FROM (VALUES ${values}) AS v(x, k)) TO '${file}'`,
      )
      connection.closeSync()
      const { code, stdout, stderr } = await command(
        ['score', file, '--input', 'x', '--label', 'y', '--by', 'k', '--nulls', 'ignore'].concat(flags),
      )
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' })
      return stdout
    }
    const jsonOf = (elements: readonly string[], total: { count: number; sum: number }) =>
      `{"groups":[${elements.join()}],"total":${figuresOf(total)}}\n`

    // Texts that a writer of JSON must escape, that look like its own output, that are longer than a batch; and plain ones.
    const texts = [
      '',
      ' ',
      ...Array.from({ length: 0x21 }, (_, code) => `a${String.fromCharCode(code)}b`),
      '"',
      '\\"',
      '\\',
      "it's",
      '\u007f',
      '\u2028',
      '\ufeffBOM',
      '\ufffd',
      'é😀',
      ',{"by":null,"count":1}',
      '],"total":{}}',
      'null',
      'NULL',
      '-0.0',
      'NaN',
      'x'.repeat(300_000),
      ...Array.from({ length: 4200 }, (_, i) => `key ${i}`),
    ]
    /** As DuckDB writes it, with capital letters in \\u000A. */
    const toJson = (text: string) => JSON.stringify(text).replace(/(?<=\\u)[0-9a-f]{4}/g, (code) => code.toUpperCase())
    const compareBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))
    const sqlOf = (text: string) =>
      text.length > 1000
        ? `repeat('${text[0]}', ${text.length})`
        : `'${text.replaceAll("'", "''").replaceAll('\0', "' || chr(0) || '")}'`

    it('are printed as JSON, byte for byte, in their order, whatever characters they have', async () => {
      // The loss of key i is i / 8, in two rows.
      const rows = texts.flatMap((text, i) => [`(${i / 8}, ${sqlOf(text)})`, `(${i / 8}, ${sqlOf(text)})`])
      const stdout = await print([...rows, '(0.5, NULL)', `(NULL, 'only a null')`], '--json')
      const groups = texts.map((text, i) => ({ text, count: 2, sum: i / 4 }))
      groups.push({ text: 'only a null', count: 0, sum: 0 })
      const sum = groups.reduce((sum, group) => sum + group.sum, 0.5)
      const elements = groups
        .sort((a, b) => compareBytes(a.text, b.text))
        .map(({ text, ...group }) => elementOf(toJson(text), group))
      const expected = jsonOf([...elements, elementOf('null', { count: 1, sum: 0.5 })], {
        count: 2 * texts.length + 1,
        sum,
      })
      expect(Buffer.compare(Buffer.from(stdout), Buffer.from(expected))).to.equal(0)
    })

    it('are printed in a table on one line each', async () => {
      const short = texts.filter(({ length }) => length < 1000)
      const table = await print([...short.map((text) => `(0.5, ${sqlOf(text)})`), '(0.5, NULL)'])
      const lines = table.split('\n').slice(1, short.length + 2)
      const figures = ['1', '0.5', '0.5', '1', '0', '0']
      const names = [...short.sort(compareBytes), null]
      const widths = lines.map((line) => line.search(/ +1 +0\.5 +0\.5 +1 +0 +0$/))
      expect(lines.every((line) => line.trim().split(/ +/).slice(-6).join() === figures.join())).to.equal(true)
      for (const [i, name] of names.entries()) {
        const shown = escapeInvisible(nameValue(name))
        expect(lines[i]?.startsWith(shown), shown).to.equal(true)
        expect(lines[i]?.slice(shown.length, widths[i]).trim(), shown).to.equal('')
      }
    })

    const types: Readonly<Record<string, readonly (readonly [sql: readonly string[], json: string])[]>> = {
      numbers: [
        [['-inf'], '"-Infinity"'],
        [['-1.5'], '-1.5'],
        [['-0.0', '0.0'], '0.0'],
        [['5e-324'], '5e-324'],
        [['0.1'], '0.1'],
        [['1e300'], '1e300'],
        [['inf'], '"Infinity"'],
        [['nan', '-nan'], '"NaN"'],
      ].map(([sql, json]) => [(sql as string[]).map((each) => `'${each}'::DOUBLE`), json as string]),
      'wide integers': [
        [['-9223372036854775808'], '-9223372036854775808'],
        [['9007199254740993'], '9007199254740993'],
      ],
      dates: [
        [[`DATE '0044-03-15 (BC)'`], '"0044-03-15 (BC)"'],
        [[`DATE '2024-02-29'`], '"2024-02-29"'],
        [[`'infinity'::DATE`], '"infinity"'],
      ],
      'nested values': [
        [
          [`{ a: [-0.0::DOUBLE], b: ' -0.0, "' }`, `{ a: [0.0::DOUBLE], b: ' -0.0, "' }`],
          '{"a":[0.0],"b":" -0.0, \\""}',
        ],
        [[`{ a: ['nan'::DOUBLE, NULL], b: NULL }`], '{"a":["NaN",null],"b":null}'],
      ],
    }
    for (const [name, keys] of Object.entries(types)) {
      it(`are printed as JSON if they are ${name}, and those that are equal as one`, async () => {
        const values = keys.flatMap(([list]) => list.map((sql) => `(0.5, ${sql})`))
        const stdout = await print([...values.reverse(), '(0.5, NULL)'], '--json')
        const halves = (json: string, count: number) => elementOf(json, { count, sum: count / 2 })
        const elements = keys.map(([list, json]) => halves(json, list.length))
        const count = values.length + 1
        expect(stdout).to.equal(jsonOf([...elements, halves('null', 1)], { count, sum: count / 2 }))
      })
    }
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
    const options = readScoring(columns) as Scoring
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
        const [only] = groups
        let text = ''
        for await (const elements of only?.readElements('json') ?? []) text += `${Buffer.from(elements)},`
        expect(text.match(/"by":/g)).to.have.lengthOf(only?.count ?? 0)
        visit(folder)
        return only?.total.count
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
      if (!isWindows) expect(modes).to.deep.equal([0, 0, 0])
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

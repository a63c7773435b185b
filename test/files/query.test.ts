import { execFileSync } from 'node:child_process'
import { linkSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { expect } from 'chai'
import { parseQuery } from '../../lib/files/duckdb/query.ts'
import { Session } from '../../lib/files/duckdb/session.ts'
import { plotFiles, type ScoreFilesOptions, scoreFiles } from '../../lib/files.ts'
import { command, fails } from '../support/command.ts'
import { runQueries } from '../support/embeddings.ts'
import { type Failure, rejects } from '../support/failures.ts'
import { assertTotals, pairs, writePairs } from '../support/pairs.ts'
import { Random } from '../support/random.ts'
import { isWindows } from '../support/system.ts'

const random = new Random(83)
const rows = Array.from({ length: pairs.count }, (_, i) => i)
/** A label for each row of the pairs, in a file of its own and in another order. */
const labels = rows.map(() => random.sign())

/** The doubles at the end of a .npy. */
function readNpy(file: string, count: number): Float64Array {
  const { buffer, byteOffset, length } = readFileSync(file)
  const end = byteOffset + length
  return new Float64Array(buffer.slice(end - 8 * count, end))
}

describe('a query in place of files', function () {
  this.timeout(60_000)
  let folder: string
  const path = (name: string) => join(folder, name)
  const score = (query: string, options: Partial<ScoreFilesOptions> = {}) =>
    scoreFiles([], { input: 'x', label: 'y', query, ...options })
  const totalOf = async (query: string, options: Partial<ScoreFilesOptions> = {}) => (await score(query, options)).total

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-query-'))
    await writePairs(folder)
    const lines = random.shuffle([...rows]).map((row) => `${row},${labels[row]}\n`)
    writeFileSync(path('labels.csv'), `row,label\n${lines.join('')}`)
  })
  after(() => rmSync(folder, { recursive: true }))

  it('gives the totals of a join of a Parquet file with labels in CSV', async () => {
    const numbered = `SELECT d, row_number() OVER () - 1 AS row FROM '${path('pairs.parquet')}'`
    const query = `SELECT d, label FROM (${numbered}) JOIN '${path('labels.csv')}' USING (row); -- all`
    assertTotals(await totalOf(query, { input: 'd', label: 'label' }), pairs.d, labels)
  })

  it('takes WITH, FROM, VALUES, UNION and comments, and expressions over the result', async () => {
    const file = `'${path('pairs.parquet')}'`
    for (const query of [
      `FROM ${file} SELECT w AS x, y`,
      `WITH p AS (SELECT w AS x, y FROM ${file}) FROM p`,
      `SELECT w AS x, y FROM ${file} /* all of it */;`,
      `(SELECT w AS x, y FROM ${file} WHERE y = 1) UNION ALL (SELECT w AS x, y FROM ${file} WHERE y = -1)`,
    ]) {
      assertTotals(await totalOf(query), pairs.w, pairs.y)
    }
    const doubled = await totalOf(`SELECT w, y FROM ${file}`, { input: '2 * w', label: '-y' })
    assertTotals(
      doubled,
      pairs.w.map((value) => 2 * value),
      pairs.y.map((value) => -value),
    )
    assertTotals(
      await totalOf(`VALUES (1.5, 1), (0.25, -1)`, { input: 'col0', label: 'col1' }),
      Float64Array.of(1.5, 0.25),
      [1, -1],
    )
  })

  it('scores FLOAT in float32, and DECIMAL and HUGEINT as the nearest double', async () => {
    assertTotals(await totalOf(`SELECT 0.1::FLOAT AS x, 1 AS y`), Float32Array.of(0.1), [1])
    assertTotals(
      await totalOf(`SELECT 0.12345678901234567890::DECIMAL(38, 20) AS x, 1 AS y`),
      Float64Array.of(0.12345678901234568),
      [1],
    )
    assertTotals(
      await totalOf(`SELECT 9007199254740993::HUGEINT AS x, true AS y`),
      Float64Array.of(9007199254740992),
      [1],
    )
    assertTotals(await totalOf(`SELECT NULL::FLOAT AS x, 1 AS y WHERE false`), new Float32Array(), [])
  })

  it('groups, weighs and takes several margins, in one run', async () => {
    const query = `SELECT w AS x, y, k, k + 1 AS weight FROM '${path('pairs.ndjson')}'`
    const [narrow, wide] = (await score(query, { by: 'k', margin: [0.25, 2] as never })) as unknown as Awaited<
      ReturnType<typeof scoreFiles<number>>
    >[]
    for (const [result, margin] of [
      [narrow, 0.25],
      [wide, 2],
    ] as const) {
      expect(result?.groups?.map(({ by }) => by)).to.deep.equal([0, 1, 2])
      for (const [k, group] of (result?.groups ?? []).entries()) {
        const own = rows.filter((row) => row % 3 === k)
        assertTotals(
          group.total,
          Float64Array.from(own, (row) => pairs.w[row] as number),
          own.map((row) => pairs.y[row] as number),
          { margin },
        )
      }
    }
    const { total } = await score(query, { weight: 'weight' })
    expect(total.weight).to.equal(rows.reduce((sum, row) => sum + (row % 3) + 1, 0))
  })

  it('writes losses in the order of its rows, also where ORDER BY is by a column that no option reads', async () => {
    const query = `SELECT i / 8 AS x, 1 AS y, (i * 7919) % 200003 AS key FROM range(200000) t(i) ORDER BY key DESC`
    await score(query, { output: path('losses.npy') })
    const keys = Float64Array.from({ length: 200_000 }, (_, i) => (i * 7919) % 200_003)
    const expected = Float64Array.from(keys.keys()).sort((one, other) => (keys[other] ?? 0) - (keys[one] ?? 0))
    const losses = readNpy(path('losses.npy'), 200_000)
    expect(losses.every((loss, row) => loss === (expected[row] as number) / 8)).to.equal(true)
  })

  it('runs once, so that losses and pictures are those of the totals whatever two runs would give', async () => {
    const query = 'SELECT random() AS x, 1 AS y FROM range(5000) WHERE random() < 0.5'
    const total = await totalOf(query, { output: path('random.npy') })
    const losses = readNpy(path('random.npy'), total.count)
    assertTotals(
      total,
      losses,
      rows
        .concat(rows)
        .slice(0, total.count)
        .map(() => 1),
    )
    const options = { input: 'x', label: 'y', query, output: path('random.svg') }
    expect((await plotFiles([], options)).total.count).to.be.within(2000, 3000)
  })

  it('lists the rows of the greatest losses by their place in the result', async () => {
    const query = 'SELECT (i * 37) % 101 AS x, 1 AS y, i FROM range(101) t(i)'
    const { top = [] } = await score(query, { top: 2, keep: ['i'] })
    const rowOf = (x: number) => Array.from({ length: 101 }, (_, i) => (i * 37) % 101).indexOf(x)
    expect(top.map(({ file, row, loss, kept }) => [file, row, loss, kept])).to.deep.equal(
      [100, 99].map((x) => ['query', rowOf(x) + 1, x, { i: rowOf(x) }]),
    )
  })

  it('looks left and right up in a file of embeddings', async () => {
    writeFileSync(path('vectors.ndjson'), '{"id": 7, "v": [0, 3]}\n{"id": 9, "v": [4, 0]}\n')
    const pair = { left: 'l', right: 'r', epsilon: 0, embeddings: path('vectors.ndjson'), id: 'id' }
    const { total } = await scoreFiles([], { ...pair, label: 'y', query: 'SELECT 7 AS l, 9::UBIGINT AS r, 1 AS y' })
    expect(total.sum).to.equal(5)
  })

  it('works on the command line, for score, partial and plot', async () => {
    const args = ['--query', `FROM '${path('pairs.csv')}'`, '--input', 'w', '--label', 'y']
    const [scored, partial] = [await command(['score', ...args, '--json']), await command(['partial', ...args])]
    expect(scored.stderr + partial.stderr).to.equal('')
    const { total } = await scoreFiles([path('pairs.parquet')], { input: 'w', label: 'y' })
    expect(JSON.parse(partial.stdout)).to.deep.equal(total.toJSON())
    expect(JSON.parse(scored.stdout).sum).to.equal(total.sum)
    const plotted = await command(['plot', ...args, '--quiet', '--output', path('query.svg')])
    expect(plotted).to.include({ code: 0, stderr: '' })
    expect(statSync(path('query.svg')).size).to.be.above(1000)
  })

  it('ends at once, in the middle, when a callback for its progress throws', async () => {
    const query = 'SELECT sum(a.i * b.i) AS x, 1 AS y FROM range(1000000) a(i), range(1000000) b(i)'
    const reason = new Error('enough')
    const doings = new Set<string | undefined>()
    const onProgress: ScoreFilesOptions['onProgress'] = ({ doing }) => {
      doings.add(doing)
      if (doing === 'running the query') throw reason
    }
    const failure = await score(query, { onProgress }).catch((error) => error)
    expect(failure).to.equal(reason)
    expect([...doings].at(-1)).to.equal('running the query')
  })

  describe('of an attached database', () => {
    before(() =>
      runQueries(
        `ATTACH '${path('pairs.duckdb')}' AS made`,
        `CREATE TABLE made.pairs AS SELECT w, y FROM '${path('pairs.parquet')}'`,
        `CREATE TABLE made."odd labels" AS SELECT row, -label AS label FROM '${path('labels.csv')}'`,
        'DETACH made',
      ),
    )

    it('gives the totals of its tables, and of joins with files', async () => {
      for (const source of [path('pairs.duckdb'), `'${path('pairs.duckdb')}'`]) {
        assertTotals(await totalOf('FROM base.pairs', { attach: [`${source} AS base`], input: 'w' }), pairs.w, pairs.y)
      }
      const numbered = `SELECT d, row_number() OVER () - 1 AS row FROM '${path('pairs.parquet')}'`
      const query = `SELECT d AS x, label AS y FROM (${numbered}) JOIN "My base"."odd labels" USING (row)`
      const other = [`duckdb:${path('pairs.duckdb')} as "My base"`]
      const negated = labels.map((label) => -label)
      assertTotals(await totalOf(query, { attach: other }), pairs.d, negated)
      const args = ['--input', 'x', '--label', 'y', '--attach', other[0] as string, '--query', query]
      const { stdout } = await command(['partial', ...args])
      expect(JSON.parse(stdout)).to.deep.equal((await totalOf(query, { attach: other })).toJSON())
    })

    it('leaves it as it is, and refuses an output over it', async () => {
      const [file, attach] = [path('pairs.duckdb'), [`${path('pairs.duckdb')} AS base`]]
      const [bytes, { mtimeMs }] = [readFileSync(file), statSync(file)]
      await totalOf('FROM base.pairs', { attach, input: 'w' })
      const output = path('base.csv')
      linkSync(file, output)
      const failure = { code: 'ERR_INVALID_ARG_VALUE', option: 'output', message: / is an input, .*pairs\.duckdb$/ }
      await rejects(score('FROM base.pairs', { attach, input: 'w', output }), 'output', failure, RangeError)
      expect([readFileSync(file).equals(bytes), statSync(file).mtimeMs]).to.deep.equal([true, mtimeMs])
    })

    it('writes over no file where the query computes a path', async () => {
      const output = path('computed.csv')
      writeFileSync(output, 'w,y\n0.5,-1\n')
      const message = /: there is a file, which the query may read, as it computes a path; remove it, or name another$/
      const failure = { code: 'ERR_INVALID_ARG_VALUE', option: 'output', message }
      for (const argument of [
        `'${folder}/' || 'computed.csv'`,
        `['${path('pairs.csv')}', '${folder}/comp' || 'uted.csv']`,
      ]) {
        await rejects(score(`FROM read_csv(${argument})`, { input: 'w', output }), 'output', failure, RangeError)
      }
      expect(readFileSync(output, 'utf8')).to.equal('w,y\n0.5,-1\n')
      const { total } = await scoreFiles([], {
        query: `FROM read_csv('${output}', delim = ','), range(1 + 1)`,
        input: 'w',
        label: 'y',
        output: path('constant.csv'),
      })
      expect([total.count, total.sum]).to.deep.equal([2, 1])
      await score(`FROM read_csv('${output}')`, { input: 'w', output: path('constant.csv') })
    })

    it('names the database that cannot be attached, and refuses texts without a name', async () => {
      const absent = { code: 'ERR_INVALID_FILE', option: 'attach', file: 'base' }
      const attach = [`${path('absent.duckdb')} AS base`]
      const message = /^base: IO Error: Cannot open database .* in read-only mode: database does not exist$/
      await rejects(score('SELECT 1', { attach }), 'absent', { ...absent, message })
      for (const text of [
        'pairs.duckdb',
        'AS base',
        'pairs.duckdb AS',
        'pairs.duckdb AS a b',
        'x AS y; DROP TABLE z',
        '',
      ]) {
        const invalid = { code: 'ERR_INVALID_ARG_VALUE', option: 'attach' }
        const expected = /^attach must be a database and its name, such as 'postgres:dbname=shop AS shop'$/
        await rejects(score('SELECT 1', { attach: [text] }), text, { ...invalid, message: expected }, RangeError)
      }
      const alone = scoreFiles([path('pairs.csv')], { input: 'w', label: 'y', attach })
      const companion = { code: 'ERR_INVALID_ARG_VALUE', option: 'attach', message: /^attach goes with query$/ }
      await rejects(alone, 'alone', companion, RangeError)
    })

    it('shows no password in an error, its stack and its causes', async () => {
      const one = 'SELECT 1 AS x, 1 AS y'
      const folder = { duckdbExtensions: path('.') }
      for (const source of [
        'nothing:host=127.0.0.1 port=1 password=sEcReT user=a',
        "nothing:host=127.0.0.1 port=1 passwd='sEcReT tWoNeVeR' user=a",
        'nothing://a:sEcReT@127.0.0.1:1/shop',
        '/nothing/password=sEcReT/x.duckdb',
      ]) {
        const error = await score(one, { attach: [`${source} AS shop`], ...folder }).catch((error) => error)
        expect(error.option, source).to.be.oneOf(['attach', 'duckdbExtensions'])
        expect(inspect(error, { depth: 10 })).not.to.match(/sEcReT|tWoNeVeR/)
      }
      const connections = [
        "password=''sEcReT tWoNeVeR'' user=a",
        'passwd=sEcReT\\ tWoNeVeR',
        'postgres://a:sEcReT@tWoNeVeR@b/c',
      ]
      const query = `SELECT 1 AS x, 1 AS y WHERE 'three' NOT IN (${connections.map((each) => `'${each}'`).join(', ')})`
      const args = ['report', '--query', query, '--input', 'x', '--label', 'y', '--output', path('secret.html')]
      expect((await command(args)).stderr).to.equal('')
      const page = readFileSync(path('secret.html'), 'utf8')
      expect(page).to.match(/three.*…/)
      expect(page).not.to.match(/sEcReT|tWoNeVeR/)
      const scan = "FROM read_csv('/nothing/password=sEcReT.csv')"
      const error = await score(scan).catch((error) => error)
      expect(error.message).to.match(/^query: IO Error: No files found that match the pattern "\/nothing\/password=…"$/)
      expect(inspect(error, { depth: 10 })).not.to.match(/sEcReT/)
    })
  })

  describe('errors', () => {
    const value = (message: RegExp, option = 'query') =>
      [{ code: 'ERR_INVALID_ARG_VALUE', option, message }, RangeError] as const
    const file = (message: RegExp, more: object = {}) => [{ code: 'ERR_INVALID_FILE', message, ...more }] as const

    const refuses = (promise: Promise<unknown>, failure: Failure, Class?: RangeErrorConstructor) =>
      rejects(promise, String(failure.message), failure, Class)

    it('refuses what is not one SELECT', async () => {
      for (const [query, got] of [
        ['SELECT 1 AS x, 1 AS y; SELECT 2', /2 statements$/],
        ['', /none$/],
        ['-- nothing', /none$/],
        ['SELEC 1', /an error: syntax error at or near "SELEC"$/],
        ['SELECT 1 INTO x', /SELECT INTO not supported/],
        ['WITH a AS (DELETE FROM t RETURNING *) FROM a', /A CTE needs a SELECT/],
        ...[
          'CREATE TABLE t AS SELECT 1',
          `COPY (SELECT 1) TO '${path('copied.csv')}'`,
          'INSERT INTO t VALUES (1)',
          'DELETE FROM t',
          "ATTACH 'x.duckdb'",
          'SET threads = 1',
          'PRAGMA version',
          'CALL pragma_version()',
          'LOAD httpfs',
          'SELECT 1; DROP TABLE t',
        ].map((query) => [query, /another statement$/] as const),
      ] as const) {
        await refuses(score(query), ...value(new RegExp(`^query must be one SELECT of DuckDB.*, got.*${got.source}`)))
      }
      expect(() => statSync(path('copied.csv'))).to.throw('ENOENT')
      const statement = 'query must be one SELECT of DuckDB, or WITH, FROM, VALUES or a UNION, got another statement'
      await fails(['score', '--query', 'DROP TABLE x', '--input', 'x', '--label', 'y'], 2, new RegExp(`--${statement}`))
    })

    it('refuses functions that do more than read, also where they are called deep inside', async () => {
      for (const [query, name] of [
        [`FROM enable_logging(storage = 'file', storage_path = '${path('logs')}')`, 'enable_logging'],
        [`SELECT 1 AS x, (SELECT count(*) FROM "checkpoint"()) AS y`, 'checkpoint'],
        [`FROM query('FROM enable_logging()')`, 'query'],
        [`WITH a AS (SELECT WRITE_LOG('x')) FROM a`, 'write_log'],
        [`FROM postgres_execute('shop', 'DROP TABLE pairs')`, 'postgres_execute'],
        [`FROM sqlite_attach('x.db')`, 'sqlite_attach'],
      ] as const) {
        await refuses(score(query), ...value(new RegExp(`^query must only read, but calls ${name}$`)))
      }
      expect(() => statSync(path('logs'))).to.throw('ENOENT')
    })

    it('knows each function of DuckDB that may do more than read', async () => {
      const readers = `duckdb_\\w+|pragma_\\w+|pg_timezone_names|read_\\w+|parquet_\\w+|json_(each|tree)|sniff_csv|glob
        |generate_series|range|unnest|repeat|repeat_row|summary|query_table|test_\\w+|which_secret|icu_calendar_names
        |sql_auto_complete|check_peg_parser|histogram|histogram_values
        |current_\\w+|currval|nextval|error|gen_random_uuid|uuid\\w*|random|setseed|sleep_ms|stats`
      const session = await Session.open(1)
      try {
        const names = await session.readTexts(`SELECT DISTINCT function_name FROM duckdb_functions()
          WHERE function_type IN ('table', 'table_macro') OR (function_type = 'scalar' AND stability = 'VOLATILE')`)
        const known = new RegExp(`^(${readers.replaceAll(/\s+/g, '')})$`)
        const unknown = names.filter((name) => !known.test(name) && !name.startsWith('hinge_'))
        expect(unknown).not.to.have.lengthOf(0)
        for (const name of unknown) {
          const failure = await parseQuery(session, `FROM ${name}()`).catch((error) => error.message)
          expect(failure).to.equal(`query must only read, but calls ${name}`)
        }
      } finally {
        session.close()
      }
    })

    it('names the row of the result', async () => {
      const query =
        'SELECT i / 10 AS x, if(i % 40 = 17, 0, 1) AS y, if(i = 90, NULL, 1) AS z FROM range(100) t(i) ORDER BY i DESC'
      const row = { file: 'query', row: 3, count: 3, option: 'label', code: 'ERR_INVALID_LABEL' }
      await refuses(score(query), {
        ...row,
        message: /^query, row 3: label is 0, neither 1 nor -1 \(3 such rows;/,
      })
      const hole = { file: 'query', row: 10, count: 1, option: 'input', code: 'ERR_NULL' }
      await refuses(score(query, { input: 'z', label: '1' }), {
        ...hole,
        message: /^query, row 10: input 'z' is null/,
      })
      const { total } = await score(query, { input: 'z', label: '1', nulls: 'ignore' })
      expect(total.count).to.equal(99)
    })

    it('names the query in errors of its tables, its run and its columns', async () => {
      const query = { file: 'query', option: 'query' }
      await refuses(
        score('SELECT 1 AS x FROM absent'),
        ...file(/^query: Catalog Error: Table with name absent does not exist!/, query),
      )
      await refuses(
        score(`FROM '${path('absent.csv')}'`),
        ...file(/^query: IO Error: No files found that match/, query),
      )
      await refuses(
        score("SELECT CAST(t AS INT) AS x, 1 AS y FROM (VALUES ('b')) v(t)"),
        ...file(/^query: Conversion Error: .*'b'/, query),
      )
      await refuses(
        score('SELECT $1 AS x, 1 AS y'),
        ...file(/^query: Invalid Input Error: Not all parameters were bound/, query),
      )
      const near = { file: 'query', option: 'input' }
      await refuses(
        score('SELECT 1 AS dist, 1 AS y'),
        ...file(/^query: column "x" not found. The nearest of its columns: "y", "dist"$/, near),
      )
      await refuses(score("SELECT 'a' AS x, 1 AS y"), ...file(/^query: input 'x' is VARCHAR, must be a number/, near))
    })

    it('refuses a name that two columns of the result have, unless their case says which', async () => {
      await refuses(
        score('SELECT 1 AS x, 2 AS x, 1 AS y'),
        ...file(/^input 'x': more than one column has the name x; rename one$/, { option: 'input' }),
      )
      const { total } = await score('SELECT 1 AS x, 2 AS "X", 1 AS y', { input: 'X' })
      expect(total.sum).to.equal(2)
    })

    it('refuses names that DuckDB would read as the whole row or the number of a row', async () => {
      const query = 'SELECT 1 AS x, 1 AS y'
      await refuses(score(query, { by: 'query' }), ...value(/^by 'query' is not a function of its row alone/, 'by'))
      await refuses(
        score(query, { by: 'rowid' }),
        ...file(/^query: column "rowid" not found/, { file: 'query', option: 'by' }),
      )
      expect((await score(query, { by: 'query.x' })).groups?.[0]?.by).to.equal(1)
    })

    it('refuses an output over a file that it names by path or pattern', async () => {
      const output = path('pairs.csv')
      const before = readFileSync(output)
      for (const pattern of ['pairs.csv', '*irs.csv']) {
        for (const table of [`'${path(pattern)}'`, `read_csv(['${path(pattern)}'], header = true)`]) {
          await refuses(
            score(`SELECT 1 AS x, 1 AS y FROM ${table}`, { output }),
            ...value(/ is an input, .*pairs\.csv$/, 'output'),
          )
        }
      }
      expect(readFileSync(output).equals(before)).to.equal(true)
    })

    it('refuses a pipe, of which the rows that show its columns would be missing', async function () {
      if (isWindows) this.skip()
      execFileSync('mkfifo', [path('pipe')])
      const failure = {
        option: 'query',
        file: path('pipe'),
        message: /pipe: a pipe, which is read once; a query takes files$/,
      }
      await refuses(score(`FROM read_csv('${path('pipe')}')`), { code: 'ERR_INVALID_FILE', ...failure })
    })

    it('refuses FILEs and options of files beside it, and workers', async () => {
      const query = 'SELECT 1 AS x, 1 AS y'
      const options = { input: 'x', label: 'y', query }
      await refuses(scoreFiles(['pairs.csv'], options), ...value(/^query stands in place of paths$/))
      await refuses(score(query, { format: 'csv' }), ...value(/^format takes paths$/, 'format'))
      await refuses(score(query, { delimiter: ';' }), ...value(/^delimiter is for CSV and TSV/, 'delimiter'))
      const args = ['--query', query, '--input', 'x', '--label', 'y']
      await fails(['score', ...args, '--redis', 'redis://127.0.0.1:1'], 2, /--query does not go with --redis/)
    })
  })
})

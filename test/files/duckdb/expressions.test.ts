import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import { rowFunctions } from '../../../lib/files/duckdb/functions.ts'
import { Session } from '../../../lib/files/duckdb/session.ts'
import { command } from '../../support/command.ts'

/** DuckDB calls these consistent; each may read more than its arguments, or serves DuckDB alone. */
const reviewed: Readonly<Record<string, string>> = {
  clock: 'age current_localtime current_localtimestamp',
  settings: 'current_setting getvariable version',
  files: 'json_serialize_plan',
  catalog: 'make_type cast_to_type replace_type get_type can_cast_implicitly st_crs st_setcrs',
  'version of DuckDB': 'hash create_sort_key',
  'text of the query': 'alias vector_type json_serialize_sql json_deserialize_sql parse_duckdb_log_message',
  'partials, and no row': 'hinge_embedding_loss_json hinge_embedding_loss_as_partial',
  'DuckDB itself': `combine finalize variant_bytes_to_variant variant_to_parquet_variant variant_normalize
    timetz_byte_comparable unpivot_list remap_struct`,
}
const refusedNames = new Set(Object.values(reviewed).flatMap((names) => names.split(/\s+/)))
const isInternal = (name: string) => /^(icu_|__internal)/.test(name)

describe('SQL expressions in options', () => {
  let folder: string
  let file: string
  const score = (input: string, ...more: string[]) => ['score', file, '--input', input, '--label', 'y', ...more]

  before('write a file', () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-expressions-'))
    file = join(folder, 'pairs.csv')
    writeFileSync(file, 'x,y\n0.5,1\n0.25,-1\n')
  })

  after(() => rmSync(folder, { recursive: true }))

  const refused: readonly [text: string, reason: RegExp][] = [
    ['random()', /random may give another value at each call/],
    ['x + RANDOM()', /random may give/],
    ['setseed(0.5)', /setseed may give/],
    ['uuid()::VARCHAR', /uuid may give/],
    ['gen_random_uuid()', /gen_random_uuid may give/],
    ["nextval('s')", /nextval may give/],
    ["error('x')", /error may give/],
    ['now()', /now may give another value in each query/],
    ['today()', /today may give/],
    ['txid_current()', /txid_current may give/],
    ['current_database()', /current_database may give/],
    ['get_current_timestamp()', /may give another value in each query/],
    ['version()', /version may depend on more than its arguments/],
    ['current_localtimestamp()', /may depend on more/],
    ["age(TIMESTAMP '2020-01-01')", /age may depend on more/],
    ["getvariable('x')", /getvariable may depend/],
    ["current_setting('threads')", /current_setting may depend/],
    ["json_serialize_plan('SELECT 1')", /json_serialize_plan may depend/],
    ['hash(x)', /hash may depend/],
    ['ago(INTERVAL 1 DAY)', /ago is .*current_timestamp may give/],
    ['pg_postmaster_start_time()', /current_timestamp may give/],
    ['pg_sleep(1)', /sleep_ms/],
    ['pg_get_viewdef(1)', /subquery over tables/],
    ['sum(x)', /sum is an aggregate/],
    ['geomean(x)', /avg is an aggregate/],
    ['hinge_embedding_loss(x, y)', /hinge_embedding_loss is an aggregate/],
    ['lag(x) OVER ()', /window function/],
    ['row_number() OVER ()', /window function/],
    ['unnest([x])', /no scalar function unnest/],
    ['generate_subscripts([x], 1)', /no scalar function unnest/],
    ['(SELECT max(x) FROM pairs)', /subquery over tables/],
    ['(SELECT random())', /random may give/],
    ["(SELECT count(*) FROM read_text('/etc/passwd'))", /subquery over tables/],
    ['(SELECT 1 LIMIT 1)', /subquery/],
    ['(SELECT 1 UNION ALL SELECT 2)', /subquery/],
    ['(WITH a AS (SELECT 1) SELECT b FROM a)', /subquery/],
    ['x IN (SELECT range FROM range(3))', /subquery over tables/],
    ["list_aggr([x], 'reservoir_quantile', 0.5)", /list_aggr must name an aggregate/],
    ["list_aggr([x], 'reservoir_' || 'quantile', 0.5)", /list_aggr must name an aggregate/],
    ["[x].list_aggregate('approx_count_distinct')", /list_aggregate must name an aggregate/],
    ["'01:02'::TIMETZ", /takes the offset of today/],
    ["CAST('{a: 01:02}' AS STRUCT(a TIMETZ))", /takes the offset of today/],
    ['list_transform([x], lambda z: z + random())', /random may give/],
    ['TRY(random())', /random may give/],
    ['nope(x)', /DuckDB has no scalar function nope/],
    ['current_date', /pairs\.csv has no column current_date/],
    ['"user"', /pairs\.csv has no column user/],
    ['Current_Timestamp::VARCHAR', /has no column current_timestamp/],
    ['file_index', /has no column file_index/],
  ]

  it('an expression that reads more than its row is refused with its reason, in every option and command', async () => {
    for (const [i, [text, reason]] of refused.entries()) {
      const by = await command(score('x', '--by', text))
      expect(by.stderr, text).to.match(reason)
      expect(by.stderr).to.include(`--by ${text} is not a function of its row alone: `)
      expect(by, text).to.include({ code: 2, stdout: '' })
      if (i % 8 > 0) continue
      const files = [file, '--label', 'y']
      for (const args of [
        score(text),
        [...score('x').slice(0, -1), text],
        score('x', '--keep', text, '--output', 'never.csv'),
        ['partial', ...files, '--input', text],
        ['plot', ...files, '--input', text, '--output', 'never.svg'],
      ]) {
        const { code, stderr } = await command(args)
        expect(stderr, args.join(' ')).to.match(reason)
        expect(code).to.equal(2)
      }
    }
  })

  it('an expression over its row is accepted, with lambdas, macros and operators', async () => {
    for (const text of [
      `list_sum(list_transform([x], lambda z: z * 2))`,
      `CASE WHEN x BETWEEN 0 AND 1 THEN abs(-x) ELSE coalesce(nullif(x, 3), 0) END`,
      `[z + 1 for z in [x] if z > -1e9][1]`,
      `(SELECT x + 1)`,
      `TRY_CAST(split_part('1,2', ',', 2) AS DOUBLE) ** 2`,
      `date_part('day', TIMESTAMP '2020-01-02 03:04:05' AT TIME ZONE 'UTC' + INTERVAL (1) DAY)`,
      `list_aggr([x, 1], 'max')`,
      `json_extract('{"a": 1}', '$.a')::DOUBLE + ('{"a": 1}'::JSON->>'a')::DOUBLE`,
      `{'a': x}.a + round_even(x, 2) + length(md5(x::VARCHAR))`,
      `hinge_embedding_loss_each(x, y)`,
      `hinge_embedding_distance([x, 1], [y, 2], 'manhattan')`,
      `(x IN (1, 2))::INTEGER + ('a' SIMILAR TO 'b')::INTEGER + ('a' GLOB 'b*')::INTEGER`,
    ]) {
      const { code, stderr } = await command(score(text))
      expect(code, `${text}: ${stderr}`).to.equal(0)
    }
  })

  it('each listed function is a scalar function that DuckDB calls consistent', async () => {
    const session = await Session.open(1)
    const rows = await session.readRows(`SELECT function_name, function_type, stability FROM duckdb_functions()
      WHERE function_type IN ('scalar', 'aggregate', 'macro')`)
    session.close()
    for (const [name, type, stability] of rows) {
      const isAllowed = rowFunctions.has(String(name))
      if (isAllowed) expect([name, type, stability]).to.deep.equal([name, 'scalar', 'CONSISTENT'])
      const isReviewed = isAllowed || refusedNames.has(String(name)) || isInternal(String(name))
      if (type === 'scalar' && stability === 'CONSISTENT')
        expect(isReviewed, `${name}: add it to rowFunctions or to the refused ones`).to.equal(true)
    }
  })

  it('an accepted expression has the same value in another session, at another time and under other settings', async () => {
    /** The values of calls by their text: of `calls`, or of every function with some arguments. Calls that fail are left out. */
    const values = async (settings: readonly string[], calls?: Iterable<string>) => {
      const connection = await (await DuckDBInstance.create(':memory:', { threads: String(settings.length) })).connect()
      for (const setting of settings) await connection.run(setting)
      const read = async (sql: string) => (await connection.runAndReadAll(sql)).getRowsJS()
      const functions = calls
        ? []
        : await read(`SELECT function_name, parameter_types, varargs FROM duckdb_functions() WHERE function_type = 'scalar'
            AND stability = 'CONSISTENT' AND function_name ~ '^[a-z]\\w*$' ORDER BY ALL`)
      const sampled = functions.flatMap(([name, types, more]) => {
        const args = samples([...(types as string[]), ...(more ? [String(more)] : [])])
        return isInternal(String(name)) ? [] : args.map((each) => `${name}(${each})`)
      })
      const found = new Map<string, string>()
      for (const call of new Set(calls ?? sampled)) {
        const value = await read(`SELECT (${call})::VARCHAR`).catch(() => undefined)
        if (value !== undefined) found.set(call, String(value))
      }
      connection.closeSync()
      return found
    }
    const zone = `SET TimeZone = 'UTC'`
    const one = await values([zone, `SET VARIABLE abc = 1`, `SET home_directory = '/nowhere'`])
    const others = [`SET VARIABLE abc = 2`, `SET home_directory = '/tmp'`, `SET preserve_insertion_order = false`]
    const other = await values([zone, ...others], one.keys())
    const nameOf = (call: string) => call.slice(0, call.indexOf('('))
    const differing = [...one].filter(([call, value]) => other.get(call) !== value).map(([call]) => nameOf(call))
    expect(differing).to.include.members(['getvariable', 'current_setting', 'current_localtimestamp'])
    expect(differing.filter((name) => rowFunctions.has(name))).to.deep.equal([])
    expect(new Set([...one.keys()].map(nameOf)).size).to.be.greaterThan(300)
  }).timeout(120_000)
})

/** Arguments of such types, some that fit and some that do not. */
function samples(types: readonly string[]): string[][] {
  const known: Readonly<Record<string, readonly string[]>> = {
    VARCHAR: [`'abc'`, `'1'`, `'year'`, `'UTC'`, `'home_directory'`],
    BOOLEAN: ['true'],
    BLOB: [`'ab'::BLOB`],
    DATE: [`DATE '2020-01-02'`],
    TIME: [`TIME '01:02:03'`],
    TIMESTAMP: [`TIMESTAMP '2020-01-02 03:04:05'`],
    'TIMESTAMP WITH TIME ZONE': [`TIMESTAMPTZ '2020-01-02 03:04:05+00'`],
    INTERVAL: ['INTERVAL 1 DAY'],
    JSON: [`'{"a": [1]}'::JSON`],
    UUID: [`'12345678-1234-1234-1234-123456789012'::UUID`],
    ANY: ['2', `'abc'`, '[1, 2]', `{'a': 1}`],
    LAMBDA: ['lambda x: x + 1', 'lambda x, y: x + y'],
    'T[]': ['[1, 2]'],
  }
  const choices = types.map((type) => known[type] ?? (/^[A-Z]$/.test(type) ? ['2'] : [`'1'::${type}`, `[2]::${type}`]))
  return choices
    .reduce<string[][]>((all, some) => all.flatMap((args) => some.map((arg) => [...args, arg])), [[]])
    .slice(0, 8)
}

import { rmSync, symlinkSync } from 'node:fs'
import { expect } from 'chai'
import fc from 'fast-check'
import { parseShardData, parseShardResult, planOf, type Shard, shardProcessor } from '../../lib/bullmq/index.ts'
import { Session } from '../../lib/files/duckdb/session.ts'
import { runtimeInfo } from '../../lib/index.ts'
import { fails } from '../support/command.ts'
import { hasRedis } from '../support/redis.ts'
import { useWorker } from '../support/worker.ts'

const { version } = runtimeInfo()

describe(`what others put in Redis${hasRedis ? '' : ', which needs redis-server'}`, function () {
  this.timeout(60_000)

  const setup = useWorker()

  const attacks = [
    `(SELECT max(x) FROM '/etc/passwd')`,
    `(SELECT length(content) FROM read_text('/etc/passwd'))`,
    `(SELECT count(*) FROM read_csv('/etc/passwd'))`,
    `(SELECT count(*) FROM glob('/*'))`,
    `(SELECT count(*) FROM duckdb_settings())`,
    `(SELECT count(*) FROM query('SELECT 1'))`,
    `(SELECT count(*) FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1')))`,
    `(WITH a AS (FROM '/etc/passwd') SELECT count(*) FROM a)`,
    `d IN (FROM parquet_metadata('/etc/passwd'))`,
    `(SELECT 1 FROM (SUMMARIZE '/etc/passwd'))`,
    `(SELECT 1 FROM (SHOW TABLES))`,
    `(SELECT count(*) FROM (VALUES (1)) AS v(a) JOIN '/etc/passwd' ON TRUE)`,
    `(SELECT 1 UNION ALL SELECT count(*) FROM read_blob('/etc/passwd'))`,
    `length(current_setting('home_directory'))`,
    `length(Current_Setting('threads'))`,
    `list_transform([1], lambda z: sleep_ms(1000))`,
    `write_log('x')`,
    `json_serialize_plan('FROM ''/etc/passwd''')`,
    `length(version())`,
    `random()`,
    `d + epoch(now())`,
    `getenv('HOME')`,
    `1); COPY (SELECT 1) TO '/tmp/x.csv'; SELECT (1`,
    `1) FROM read_text('/etc/passwd') --`,
    `1); ATTACH '/tmp/x.db'; SELECT (1`,
    `$1`,
    `COLUMNS(*)`,
  ]

  async function jobOf(changes: object = {}, shardChanges: object = {}): Promise<{ data: Record<string, unknown> }> {
    const {
      id: _,
      options,
      shards,
      retention,
    } = await planOf([setup.path('pairs.parquet')], { input: 'd', label: 'y' })
    return {
      data: {
        version,
        index: 0,
        options: { ...options, ...changes },
        shard: { ...shards[0], ...shardChanges },
        retention,
      },
    }
  }

  it('a worker reads nothing but the file of its shard, whatever the expression', async () => {
    const processor = await shardProcessor({ threads: 1, roots: [setup.folder] })
    for (const [i, attack] of attacks.entries()) {
      const option = ['input', 'label', 'by'][i % 3] as string
      const error = await processor.process(await jobOf({ [option]: attack })).catch((error: Error) => error)
      expect(error, attack).to.be.instanceOf(Error)
      expect(String(error), attack).to.match(/must be one SQL expression|is not a function of its row alone/)
      expect(String(error)).not.to.match(/root:/)
    }
    processor.close()
    for (const attack of attacks.slice(0, 3)) {
      await fails(
        [...setup.score(['pairs.parquet'], '--input', attack), ...setup.many()],
        2,
        /is not a function of its row alone/,
      )
    }
  })

  it('the locked DuckDB of a worker reads no other file and changes no setting', async () => {
    const session = await Session.open(1)
    await session.lock([`${setup.folder}/`])
    expect(await session.readTexts(`SELECT count(*) FROM '${setup.path('pairs.parquet')}'`)).to.deep.equal(['20000'])
    for (const sql of [
      `SELECT content FROM read_text('/etc/passwd')`,
      `SELECT content FROM read_text('${setup.folder}/../../etc/passwd')`,
      `FROM read_csv('/proc/self/environ')`,
      `FROM glob('/etc/*')`,
      `FROM parquet_metadata('${process.cwd()}/examples/digit-pairs.parquet')`,
      `FROM read_text('http://127.0.0.1:1/')`,
      `ATTACH '/tmp/x.db'`,
      `COPY (SELECT 1) TO '/tmp/x.csv'`,
      `EXPORT DATABASE '/tmp/x'`,
      'LOAD httpfs',
      'INSTALL httpfs',
      'SET threads = 2',
      `SET allowed_directories = ['/']`,
      'SET enable_external_access = true',
      'RESET lock_configuration',
    ]) {
      const error = await session.readRows(sql).catch((error: Error) => error)
      expect(error, sql).to.be.instanceOf(Error)
    }
    session.close()
  })

  it('a worker reads no file outside of its roots, through no link', async () => {
    const processor = await shardProcessor({ threads: 1, roots: [setup.path('parts')] })
    symlinkSync(setup.path('pairs.parquet'), setup.path('parts/link.parquet'))
    const refused = async (file: string, reason: RegExp) => {
      const { files: [seen] = [], ...shard } = (await jobOf()).data.shard as Shard
      const error = await processor.process(await jobOf({}, { ...shard, files: [{ ...seen, file }] })).catch(String)
      expect(error, file).to.match(reason)
    }
    await refused(setup.path('pairs.parquet'), /outside of the worker's roots/)
    await refused(setup.path('parts/link.parquet'), /leads out of the worker's roots/)
    await refused(setup.path('parts-of-others.parquet'), /outside of/)
    await refused(`${setup.path('parts')}/../pairs.parquet`, /absolute path without \. and \.\./)
    await refused('pairs.parquet', /absolute path/)
    await refused('s3://bucket/pairs.parquet', /outside of/)
    await refused('http://169.254.169.254/latest', /outside of/)
    rmSync(setup.path('parts/link.parquet'))
    processor.close()
  })

  it('a worker takes URLs below the URLs of its roots alone, no other spelling of them, and by default no web server', async () => {
    const refusal = async (file: string, roots?: readonly string[]) => {
      const { process: score, close } = await shardProcessor({
        threads: 1,
        // Nothing is asked of a server: this is no folder of extensions.
        duckdbExtensions: setup.folder,
        ...(roots && { roots }),
      })
      const { files: [seen] = [], ...shard } = (await jobOf()).data.shard as Shard
      const error = await score(await jobOf({}, { ...shard, files: [{ ...seen, file }] })).catch(String)
      close()
      return String(error)
    }
    const inside = /DuckDB's extension \w+ is needed/
    const outside = /outside of the worker's roots/
    const other = /must be a URL|a URL with|absolute path/
    for (const [file, roots, expected] of [
      ['s3://b/pre/x.parquet', ['s3://b/pre'], inside],
      ['s3://b/pre/x.parquet', ['S3A://b/pre/'], inside],
      ['s3://b/x.parquet', ['s3://b'], inside],
      ['s3://b/x.parquet', undefined, inside],
      ['gs://b/x.parquet', undefined, inside],
      ['https://host/x.parquet', ['https://host'], inside],
      ['https://host/x.parquet', undefined, outside],
      ['https://host.evil/x.parquet', ['https://host'], outside],
      ['s3://b/prefix2/x.parquet', ['s3://b/pre'], outside],
      ['s3://b/pre', ['s3://b/pre'], outside],
      ['s3://b2/x.parquet', ['s3://b'], outside],
      ['gs://b/pre/x.parquet', ['s3://b/pre'], outside],
      ['s3://b/pre/x.parquet', [setup.folder], outside],
      ['s3://b/pre/../x.parquet', ['s3://b/pre'], other],
      ['s3://b/pre/%2e%2E/x.parquet', ['s3://b/pre'], other],
      ['https://host/pre/..%2fx.parquet', ['https://host/pre'], other],
      ['s3a://b/pre/x.parquet', ['s3://b/pre'], other],
      ['S3://b/pre/x.parquet', ['s3://b/pre'], other],
      ['https://host/x.parquet?signature=1', ['https://host'], other],
      ['https://name:word@host/x.parquet', ['https://host'], other],
      ['s3://b/pre/x.parquet?s3_endpoint=evil', ['s3://b/pre'], other],
      ['file:///etc/passwd', ['/'], other],
    ] as const) {
      expect(await refusal(file, roots), `${file} in ${roots}`).to.match(expected)
    }
  })

  it('a worker takes only the payloads of its version, out of 3,000 mutated ones', async () => {
    const { data } = await jobOf({ by: 'g' }, { rows: { start: 0, end: 5 }, partitions: { g: 'BIGINT' } })
    expect(parseShardData(data)).to.deep.equal(data)
    const paths: string[][] = []
    const walk = (value: unknown, at: string[]) => {
      paths.push(at)
      if (typeof value === 'object' && value !== null)
        for (const key of Object.keys(value)) walk(Reflect.get(value, key), [...at, key])
    }
    walk(data, [])
    let refused = 0
    const mutated = (at: readonly string[], change: (parent: object, key: string) => void): unknown => {
      const copy = { root: structuredClone(data) } as object
      const whole = ['root', ...at]
      change(
        whole.slice(0, -1).reduce((value, key) => Reflect.get(value, key), copy),
        whole.at(-1) ?? '',
      )
      return Reflect.get(copy, 'root')
    }
    const junk = fc.oneof(
      fc.anything(),
      fc.constantFrom(null, -1, 0.5, 1e300, Number.NaN, '', '../x', '/etc/\0passwd', 'x'.repeat(20_000), [], {}, true),
    )
    fc.assert(
      fc.property(fc.constantFrom(...paths), junk, fc.constantFrom('set', 'delete', 'add'), (at, value, kind) => {
        const payload = mutated(at, (parent, key) => {
          if (kind === 'set') Reflect.set(parent, key, value)
          else if (kind === 'delete') Reflect.deleteProperty(parent, key)
          else Reflect.set(Object(Reflect.get(parent, key)), 'more', value)
        })
        let taken: unknown
        try {
          taken = parseShardData(payload)
        } catch (error) {
          expect(error).to.have.property('name', 'UnrecoverableError')
          refused += 1
          return
        }
        const { options, shard, retention, ...rest } = taken as ReturnType<typeof parseShardData>
        expect(rest).to.deep.equal({ version, index: rest.index })
        expect(shard.files.length).to.be.within(1, 100)
        for (const { file } of shard.files) expect(file).to.match(/^(\/|s3:\/\/)[^\0]*$/)
        const { input, label } = options
        const texts = [label, ...(typeof input === 'string' ? [input] : [input.left, input.right])]
        expect(texts.every((each) => each.length > 0 && each.length <= 10_000)).to.equal(true)
        expect(options.margins.length === 1 && options.margins.every(Number.isFinite) && retention >= 5).to.equal(true)
      }),
      { numRuns: 3000 },
    )
    expect(refused).to.be.greaterThan(1500)
    expect(() => parseShardData({ ...data, version: '0.0.9' })).to.throw(
      /the job is of version 0\.0\.9, this worker of/,
    )
    const types = { input: 'FLOAT', by: 'BIGINT', columns: '' }
    expect(parseShardResult({ index: 0, parts: [{ file: 0, types, groups: [] }] }).parts).to.have.lengthOf(1)
    for (const junk of [
      null,
      1,
      {},
      { index: 0, parts: [{}] },
      { index: 0, parts: [{ file: -1, types, groups: [] }] },
      { index: 0, parts: [{ file: 0, types: null, groups: [] }] },
      { index: 0, parts: [{ file: 0, types, groups: [[1, {}]] }] },
      { index: 0, parts: [{ file: 0, types, groups: [['a', {}]] }] },
      { index: 0, parts: Array.from({ length: 101 }, () => ({ file: 0, types, groups: [] })) },
    ]) {
      expect(() => parseShardResult(junk)).to.throw()
    }
  })
})

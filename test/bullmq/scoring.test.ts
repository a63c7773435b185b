import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { flowOf, planOf, shardProcessor } from '../../lib/bullmq/index.ts'
import { command, fails } from '../support/command.ts'
import type { Outcome } from '../support/processes.ts'
import { hasRedis } from '../support/redis.ts'
import { useWorker } from '../support/worker.ts'

describe(`scoring on workers${hasRedis ? '' : ', which needs redis-server'}`, function () {
  this.timeout(60_000)

  const setup = useWorker(async (setup) => {
    for (const end of ['csv', 'tsv', 'ndjson', 'ndjson.gz']) {
      await setup.copy('SELECT w, y, id FROM pairs', `text.${end}`, end === 'tsv' ? `(FORMAT csv, DELIMITER '\t')` : '')
    }
    await setup.copy('SELECT w, y, id + 0.5 AS id FROM pairs', 'other.ndjson')
    await setup.copy('SELECT w, y FROM pairs LIMIT 0', 'zero.csv')
    await setup.copy('SELECT d, w, y FROM pairs LIMIT 0', 'zero.parquet')
    await setup.copy('SELECT NULL::VARCHAR AS d, NULL::INTEGER AS w, y FROM pairs LIMIT 5', 'nulls.parquet')
    await setup.copy('SELECT id AS file_row_number, w, y FROM pairs', 'own.parquet', '(ROW_GROUP_SIZE 2048)')
    await setup.copy('SELECT id % 3 AS file_index, g AS filename, w, y FROM pairs', 'named.parquet')
    await setup.copy('SELECT i AS id, 0.5 AS d, 1 AS y FROM range(50001) AS r(i)', 'many.parquet')
    await setup.copy('SELECT d, y, g FROM pairs', 'hive', '(FORMAT parquet, PARTITION_BY (g))')
    writeFileSync(setup.path('empty.ndjson'), '')
  })

  /** Workers print what one machine prints. */
  async function agree(files: string[], ...more: string[]): Promise<Outcome> {
    const args = setup.score(files, ...more)
    const [one, other] = [await command(args), await command([...args, ...setup.many()])]
    expect(other, args.join(' ')).to.deep.equal(one)
    return one
  }

  it('workers print what one machine prints, for files of every kind, ranges of rows and no rows', async () => {
    await agree(['pairs.parquet'], '--input', 'd')
    await agree(['pairs.parquet'], '--input', 'd', '--json', '--margin', '0.3', '--threads', '1')
    await agree(['parts'], '--input', 'w', '--json')
    for (const name of [
      'text.csv',
      'text.tsv',
      'text.ndjson',
      'text.csv.gz',
      'text.ndjson.gz',
      'zero.csv',
      'zero.parquet',
    ]) {
      await agree([name], '--input', 'w', '--json')
    }
    await agree(['empty.ndjson', 'text.csv', 'zero.csv', 'parts/*.parquet'], '--input', 'w', '--json')
    await agree(['text.csv'], '--input', 'w', '--null-string', '', '--nulls', 'ignore', '--json')
    await agree(['own.parquet'], '--input', 'w + file_row_number', '--json')
    await agree(['pairs.parquet', 'parts'], '--input', 'w', '--by', 'file_row_number % 3', '--json')
    await agree(['named.parquet'], '--input', 'w', '--by', 'file_index + "Filename"', '--json')
  })

  it('workers print what one machine prints, for labels that are text', async () => {
    writeFileSync(setup.path('words.csv'), "w,y\n0.5,it's near\n0.25,far\n2,far\n")
    writeFileSync(setup.path('words.ndjson'), '{"w":1,"y":"far"}\n{"w":3,"y":"Far"}\n')
    const texts = ['--positive-label', "it's near", '--negative-label', 'far', '--json']
    const { stdout } = await agree(['words.csv'], '--input', 'w', ...texts)
    expect(JSON.parse(stdout)).to.include({ count: 3, sum: 1.25 })
    await agree(['words.csv', 'words.ndjson'], '--input', 'w', ...texts, '--other-labels', 'zero')
    const { stderr } = await agree(['words.ndjson'], '--input', 'w', ...texts)
    expect(stderr).to.match(/words\.ndjson, row 2: label is 'Far', neither 'it's near' nor 'far' \(1 such row; /)
  })

  it('workers print what one machine prints, for keys of every plain type', async () => {
    const keys = ['g', 'price', 'hour', 'word', 'bytes', 'f', 'huge', 'NULL', `word || chr(0)`, 'to_json(g)']
    for (const key of keys) {
      const { code, stdout } = await agree(['pairs.parquet'], '--input', 'd', '--by', key, '--json')
      expect(code, stdout).to.equal(0)
    }
    await agree(['pairs.parquet', 'parts'], '--input', 'd', '--by', 'g')
    await agree(['hive'], '--input', 'd', '--by', 'g')
  })

  it('workers print what one machine prints, for columns by their exact names and text in every notation', async () => {
    const text = 'Distance (L2);distance;Distance;y;order\n0,5;0,25;9;-1;a\n1,5;NA;9;1;b\n'
    for (const name of ['1.csv', 'part-0']) writeFileSync(setup.path(name), text)
    const options = ['--decimal', ',', '--null-string', 'NA', '--nulls', 'ignore', '--json']
    for (const input of ['Distance (L2)', 'distance', '"Distance"', 'distance + "Distance"']) {
      const { code, stderr } = await agree(['1.csv'], '--input', input, ...options)
      expect(code, stderr).to.equal(0)
    }
    const { stdout } = await agree(['part-0'], '--input', 'distance', '--by', 'order', '--format', 'csv', ...options)
    expect(JSON.parse(stdout).total).to.include({ count: 1, sum: 0.75 })
    expect((await agree(['1.csv'], '--input', 'DISTANCE', ...options)).stderr).to.include('distance, Distance')
    writeFileSync(setup.path('bare.csv'), '0.5^1\n')
    const bare = ['--no-header', '--delimiter', '^', '--comment', '#', '--label', 'column1', '--json']
    expect((await agree(['bare.csv'], '--input', 'column0', ...bare)).stdout).to.include('"count":1,"sum":0.5,')
  })

  it('workers print what one machine prints, with weights', async () => {
    const weight = ['--input', 'd', '--weight', 'abs(w)']
    for (const more of [[], ['--json'], ['--by', 'g', '--json']]) {
      const { code, stdout } = await agree(['pairs.parquet', 'parts'], ...weight, ...more)
      expect(code, stdout).to.equal(0)
      expect(stdout).to.include('weight')
    }
    const text = await agree(['text.csv', 'text.ndjson'], '--input', 'w', '--weight', 'id', '--json')
    expect(text.code, text.stderr).to.equal(0)
    const { code, stderr } = await agree(['pairs.parquet'], '--input', 'd', '--weight', '500 - id')
    expect(code).to.equal(1)
    expect(stderr).to.match(/row 502: --weight 500 - id is -1, must be 0 or more, and finite \([\d,]+ such rows\)/)
  })

  it('workers print the same partial as one machine', async () => {
    const partial = ['partial', setup.path('parts'), '--input', 'd', '--label', 'y']
    expect(await command([...partial, ...setup.many()])).to.deep.equal(await command(partial))
  })

  it('workers print what one machine prints, under every policy for labels, nulls and NaN', async () => {
    const args = ['pairs.parquet', '--input', 'd', '--json'] as const
    await agree([args[0]], '--input', 'd', '--label', 'other', '--other-labels', 'zero')
    await agree([args[0]], '--input', 'gap', '--nulls', 'ignore')
    for (const input of ['d', 'w']) {
      const { code } = await agree(['nulls.parquet', 'pairs.parquet'], '--input', input, '--nulls', 'ignore')
      expect(code).to.equal(0)
    }
    for (const policy of ['ignore', 'keep']) await agree([args[0]], '--input', 'f', '--nan', policy)
  })

  it('workers report the same error as one machine, from any shard', async () => {
    const failAlike = async (pattern: RegExp, files: string[], ...more: string[]) => {
      const { code, stderr } = await agree(files, ...more)
      expect(code).to.equal(1)
      expect(stderr).to.match(pattern)
    }
    await failAlike(
      /pairs\.parquet, row 17,006: label is 5, neither 1 nor -1 \(30 such rows/,
      ['pairs.parquet'],
      '--input',
      'd',
      '--label',
      'other',
    )
    await failAlike(
      /pairs\.parquet, row 12,346: --input gap is null \(1 such row;/,
      ['pairs.parquet'],
      '--input',
      'gap',
    )
    await failAlike(/pairs\.parquet, row 4: --input f is NaN \(3,333 such rows/, ['pairs.parquet'], '--input', 'f')
    await failAlike(/"nope" not found.*nearest/, ['pairs.parquet'], '--input', 'nope')
    await failAlike(/--input word is VARCHAR/, ['pairs.parquet'], '--input', 'word')
    await failAlike(
      /double\.parquet: --input d is DOUBLE, but FLOAT in .*pairs\.parquet/,
      ['pairs.parquet', 'double.parquet'],
      '--input',
      'd',
    )
    await failAlike(/truncated\.csv\.gz: unexpected end of file/, ['truncated.csv.gz'], '--input', 'w')
    await failAlike(/truncated\.parquet/, ['truncated.parquet'], '--input', 'w')
  })

  it('workers refuse an option with the message and the exit code of one machine', async () => {
    const refuseAlike = async (...more: string[]) => {
      const { code, stderr } = await agree(['pairs.parquet'], ...more)
      expect(code, stderr).to.equal(2)
    }
    await refuseAlike('--input', 'd', '--margin', '1e300')
    await refuseAlike('--input', 'd', '--keep', 'g')
    await refuseAlike('--input', 'd', '--threads', '0')
  })

  it('workers score a relative path from the folder where the client runs', async () => {
    const here = process.cwd()
    const args = (file: string, input: string) => ['score', file, '--input', input, '--label', 'y', '--json']
    mkdirSync(setup.path('m=5/[x]/k=1'), { recursive: true })
    for (const name of ['one', '[x]/one', '[x]/k=1/one'])
      cpSync(setup.path('parts/0.parquet'), setup.path(`m=5/${name}.parquet`))
    try {
      process.chdir(setup.path('m=5'))
      await fails([...args('one.parquet', 'm'), ...setup.many()], 1, /"m" not found/)
      process.chdir('[x]')
      for (const each of [args('*.parquet', 'd'), args('one.parquet', 'd')]) {
        const one = await command(each)
        expect(one.code, one.stderr).to.equal(0)
        expect(await command([...each, ...setup.many()])).to.deep.equal(one)
      }
      await fails([...args('k=1/one.parquet', 'k'), ...setup.many()], 2, /give the path from the folder m=… on/)
    } finally {
      process.chdir(here)
    }
  })

  /** What one machine scores and workers refuse, in the words of docs/distributed.md. */
  const refusals: Readonly<Record<string, readonly [args: () => string[], code: number, reason: RegExp][]>> = {
    'Arrow and .npy': [
      [
        () => setup.score(['losses.arrow'], '--input', 'loss', '--label', 'loss', '--other-labels', 'zero'),
        2,
        /not Arrow/,
      ],
      [
        () => ['score', '--input', setup.path('loss.npy'), '--label', setup.path('loss.npy'), '--other-labels', 'zero'],
        2,
        /takes a FILE/,
      ],
    ],
    'standard input': [
      [() => ['score', '-', '--format', 'csv', '--input', 'w', '--label', 'y'], 2, /not standard input/],
    ],
    // Tests of their own have no server: errors.test.ts and test/remote.
    'a URL with a query, such as a presigned one': [],
    '`--format` of CSV, TSV and NDJSON by URL': [],
    '`--output`, `--top`, `--labels`, `--query`': [
      [
        () => setup.score(['pairs.parquet'], '--input', 'd', '--output', setup.path('out.csv')),
        2,
        /--output does not go with --redis/,
      ],
      [() => setup.score(['pairs.parquet'], '--input', 'd', '--top', '1'), 2, /--top does not go with --redis/],
      [
        () => {
          const [file, labels] = [setup.path('many.parquet'), setup.path('labels.csv')]
          writeFileSync(labels, `id,other\n${Array.from({ length: 50_001 }, (_, id) => `${id},1\n`).join('')}`)
          return ['score', file, '--input', 'd', '--labels', labels, '--on', 'id', '--label', 'other']
        },
        2,
        /--labels does not go with --redis/,
      ],
      [
        () => ['score', '--query', `FROM '${setup.path('pairs.parquet')}'`, '--input', 'd', '--label', 'y'],
        2,
        /--query does not go with --redis/,
      ],
    ],
    'several numbers in `--margin`': [
      [
        () => setup.score(['pairs.parquet'], '--input', 'd', '--margin', '0.5,1'),
        2,
        /--margin takes one number with --redis, got a list of 2/,
      ],
    ],
    'NDJSON files whose columns differ': [
      [
        () => setup.score(['text.ndjson', 'other.ndjson'], '--input', 'w'),
        1,
        /other\.ndjson: columns other than in .*text\.ndjson/,
      ],
    ],
    '`--by` of a list, structure, map, union or enumeration': [
      [() => setup.score(['pairs.parquet'], '--input', 'd', '--by', '[g]'), 1, /--by \[g\] is (INTEGER|BIGINT)\[\]/],
      [() => setup.score(['pairs.parquet'], '--input', 'd', '--by', '{a: g}'), 1, /--by \{a: g\} is STRUCT/],
      [() => setup.score(['pairs.parquet'], '--input', 'd', '--by', 'MAP {y: 1}'), 1, /--by MAP \{y: 1\} is MAP/],
      [() => setup.score(['pairs.parquet'], '--input', 'd', '--by', `CAST('a' AS ENUM('a'))`), 1, /is ENUM\('a'\)/],
    ],
    // It takes longer than the lease of this worker: a test of its own has no Redis.
    '`--by` with more than 50,000 values in a shard': [],
    '`filename`, unless the file has such a column': [
      [
        () => setup.score(['parts'], '--input', 'd', '--by', `lower(Filename)`),
        2,
        /is not a function of its row alone: .* has no column filename/i,
      ],
    ],
    'a path that begins inside a folder such as `model=a` and goes through another such folder': [
      [() => ['score', 'k=1/one.parquet', '--input', 'k', '--label', 'y'], 2, /give the path from the folder m=… on/],
    ],
    'expressions of more than 10,000 characters': [
      [
        () => setup.score(['pairs.parquet'], '--input', `d + length('${'x'.repeat(10_000)}')`),
        1,
        /input must be text of 1 to 10000 characters/,
      ],
    ],
    'more than 1,000,000 shards, 100 folders `key=value` in a path, or 100 `--null-string`': [
      [
        () => [
          ...setup.score(['text.csv'], '--input', 'w'),
          ...Array.from({ length: 101 }, (_, i) => ['--null-string', `n${i}`]).flat(),
        ],
        1,
        /must be at most 100 texts/,
      ],
    ],
  }

  it('score --redis refuses what docs/distributed.md lists, and the page lists nothing else', async () => {
    const [, table = ''] =
      /\| refused with `--redis` \|.*\n\|---.*\n((?:\|.*\n)+)/.exec(readFileSync('docs/distributed.md', 'utf8')) ?? []
    const listed = table
      .trim()
      .split('\n')
      .map((line) => line.split(' | ')[0]?.slice(2))
    expect(listed).to.deep.equal(Object.keys(refusals))
    await command(setup.score(['pairs.parquet'], '--input', 'd', '--output', setup.path('losses.arrow')))
    await command(setup.score(['pairs.parquet'], '--input', 'd', '--output', setup.path('loss.npy')))
    const here = process.cwd()
    mkdirSync(setup.path('m=6/x/k=1'), { recursive: true })
    cpSync(setup.path('parts/0.parquet'), setup.path('m=6/x/k=1/one.parquet'))
    process.chdir(setup.path('m=6/x'))
    try {
      for (const [args, code, reason] of Object.values(refusals).flat()) {
        const one = args()
        if (!one.includes('-')) expect((await command(one)).code, one.join(' ').slice(0, 200)).to.equal(0)
        await fails([...one, '--redis', setup.server.url], code, reason)
      }
    } finally {
      process.chdir(here)
    }
  })

  it('a worker refuses more than 50,000 keys in a shard', async () => {
    const plan = await planOf([setup.path('many.parquet')], { input: 'd', label: 'y', by: 'id' })
    const [data] = flowOf(plan).children.map((child) => child.data)
    const processor = await shardProcessor({ threads: 1, roots: [setup.folder] })
    const error = await processor.process({ data }).catch(String)
    processor.close()
    expect(error).to.match(/by 'id' has 50001 values, workers take at most 50000/)
  })

  it('workers score Parquet with empty row groups at its beginning, in its middle and at its end', async () => {
    const file = setup.path('empty-row-groups.parquet')
    cpSync(join(import.meta.dirname, '../fixtures/parquet/empty-row-groups.parquet'), file)
    const args = ['score', file, '--input', 'x', '--label', 'y', '--json']
    for (const rows of ['1', '4', '5', '8', '100']) {
      const { stdout, stderr } = await command([...args, '--redis', setup.server.url, '--shard-rows', rows])
      expect(stderr, rows).to.equal('')
      // by Python's fractions
      expect(JSON.parse(stdout), rows).to.deep.include({ count: 12, sum: 5.75 })
      expect(JSON.parse(stdout).positives).to.include({ count: 4, sum: 4.5 })
    }
  })
})

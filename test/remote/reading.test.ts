import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import { scoreFiles } from '../../lib/files.ts'
import { command } from '../support/command.ts'
import { assertTotals, pairs, writePairs } from '../support/pairs.ts'
import type { Outcome } from '../support/processes.ts'
import { environmentOf, setEnvironment } from './environment.ts'
import { ObjectServer } from './object-server.ts'
import { extensions, installTools, removeTools, type Store, stores } from './tools.ts'

const columns = ['--input', 'w', '--label', 'y']
const embeddings = ['--left', 'a', '--right', 'b', '--label', 'y', '--id', 'id']

/** Command lines, in which @ stands for the folder or for its URL, < for the folder, and > for one of outputs. */
const commands: readonly (readonly string[])[] = [
  ...['parquet', 'csv', 'tsv', 'ndjson', 'arrow', 'arrows', 'csv.gz', 'ndjson.gz'].flatMap((format) => [
    ['score', `@pairs.${format}`, ...columns, '--json'],
    ['score', `@pairs.${format}`, '--input', 'gap', '--label', 'y', '--nulls', 'ignore', '--json'],
    ['score', `@pairs.${format}`, '--input', 'gap', '--label', 'y'],
    ['score', `@pairs.${format}`, '--input', 'nan', '--label', 'y', '--nan', 'ignore', '--by', 'k', '--json'],
    ['score', `@pairs.${format}`, '--input', 'd', '--label', 'other'],
    ['score', `@pairs.${format}`, '--input', 'd', '--label', 'zero_one', '--negative-label', '0', '--margin', '0.1,2'],
    [
      'score',
      `@pairs.${format}`,
      '--input',
      'd',
      '--label',
      'other',
      '--other-labels',
      'zero',
      '--weight',
      'k',
      '--json',
    ],
    ['score', `@pairs.${format}`, '--input', 'missing', '--label', 'y'],
    ['score', `@pairs.${format}`, ...columns, '--top', '3', '--keep', 'k', '--json'],
    ['partial', `@pairs.${format}`, ...columns],
    ['score', `@pairs.${format}`, ...columns, '--keep', 'k', '--output', '>losses.csv'],
    ['score', `@pairs.${format}`, ...columns, '--output', '>losses.parquet'],
    ['score', `@pairs.${format}`, ...columns, '--output', '>losses.npy'],
    ['plot', `@pairs.${format}`, ...columns, '--output', '>picture.svg'],
  ]),
  ...['parquet', 'csv', 'ndjson'].map((format) => [
    'score',
    `@pairs.${format}`,
    '--input',
    'abs(w)',
    '--label',
    'y',
    '--by',
    'word',
  ]),
  [
    'score',
    '@odd.txt',
    ...columns,
    '--format',
    'csv',
    '--delimiter',
    ';',
    '--decimal',
    ',',
    '--comment',
    '#',
    '--null-string',
    'NA',
    '--nulls',
    'ignore',
  ],
  ['score', '@odd.txt', ...columns],
  ['score', '@headless', '--format', 'csv', '--no-header', '--input', 'column0', '--label', 'column1'],
  ['score', '@packed', '--format', 'csv', ...columns],
  ['score', '@numbers.csv', '--input', '1', '--label', '2'],
  ['score', '@pairs.csv', '@pairs.parquet', '@pairs.arrow', ...columns, '--json'],
  ['score', '@pairs.csv', '<pairs.ndjson', ...columns, '--json'],
  ['score', '@pairs.csv', '@pairs.csv', '@pairs.*.gz', ...columns, '--json'],
  ['score', '@pairs.csv', '@pairs.csv', '--allow-duplicates', ...columns, '--json'],
  ['score', '@*.csv', '--input', 'w', '--label', 'y'],
  ['score', '@p?irs.cs[vw]', ...columns],
  ['score', '@days', ...columns, '--by', 'day'],
  ['score', '@days/', ...columns, '--by', 'hour + 1'],
  ['score', '@days/**', ...columns, '--by', 'day'],
  ['score', '@days/*/hour=2/*.csv', ...columns, '--by', 'day'],
  ['score', '@days/*/hour=2/*.csv', ...columns, '--keep', 'day', '--output', '>losses.csv'],
  ['score', '@parquet-days', ...columns, '--by', 'day'],
  ['score', '@parquet-days/day=2*/*', ...columns, '--by', 'day', '--output', '>losses.parquet'],
  ['score', '@hidden', ...columns],
  ['score', '@hidden/*', ...columns],
  ['score', '@hidden/_old/*', ...columns],
  ['score', '@spark/*.parquet', ...columns],
  ['score', '@spark/x.parquet', ...columns],
  ['score', '@spark/y*.parquet', ...columns],
  ['score', '@delta', ...columns],
  ['score', '@delta/day=1/a.parquet', ...columns],
  ['score', '@delta/*/*.parquet', ...columns],
  ['score', '@lake/data/a.parquet', ...columns],
  ['score', '@mixed', ...columns],
  ['score', '@none/*.csv', ...columns],
  ['score', '@none.parquet', ...columns],
  ['score', '@names/a b+c%20ü&=.parquet', ...columns],
  ['score', '@names/a b+c%20ü&=.csv', ...columns],
  ['score', '@text.parquet', ...columns],
  ['score', '@cut.parquet', ...columns],
  ['score', '@cut.csv.gz', ...columns],
  ['score', '@cut.arrow', ...columns],
  ['score', '@ragged.csv', ...columns],
  ['score', '@ids.parquet', ...embeddings, '--embeddings', '@vectors.parquet', '--json'],
  [
    'score',
    '@ids.parquet',
    ...embeddings,
    '--embeddings',
    '@vectors.csv',
    '--embedding',
    'CAST(v AS DOUBLE[])',
    '--json',
  ],
  [
    'score',
    '<ids.parquet',
    ...embeddings,
    '--embeddings',
    '@vectors.parquet',
    '--keep',
    'a',
    '--output',
    '>losses.csv',
  ],
  ['score', '@ids.parquet', ...embeddings, '--embeddings', '@none.parquet'],
  ['score', '@ids.parquet', ...embeddings, '--embeddings', '@twice.parquet'],
  ['score', '@ids.parquet', ...embeddings, '--embeddings', '@few.parquet'],
  ['score', '--input', '@w.npy', '--label', '@y.npy', '--json'],
  ['score', '--input', '<x.npy', '--label', '@y.npy', '--output', '>losses.npy'],
  ['score', '--input', '@w.npy', '--label', '@w.npy'],
  ['score', '--input', '@none.npy', '--label', '@y.npy'],
  ['score', '--input', '@pairs.csv', '--label', '@y.npy'],
]

/** The same of empty files, which the other servers did not get. */
const emptyCommands: typeof commands = [
  ['score', '@empty', ...columns],
  ['score', '@folder', ...columns],
  ['score', '@zero.parquet', ...columns],
  ['score', '@zero.csv', ...columns],
]

async function writeFiles(folder: string): Promise<void> {
  const path = (name: string) => join(folder, name)
  const write = (name: string, content: string | Uint8Array) => {
    mkdirSync(dirname(path(name)), { recursive: true })
    writeFileSync(path(name), content)
  }
  await writePairs(folder)
  const read = (name: string) => readFileSync(path(name))
  write('pairs.csv.gz', gzipSync(read('pairs.csv')))
  write('pairs.ndjson.gz', gzipSync(read('pairs.ndjson')))
  write('odd.txt', '# first\nw;y\n0,5;1\n# second\n1,5;-1\nNA;1\n')
  write('headless', '0.5,1\n1.5,-1\n')
  write('packed', gzipSync('w,y\n0.5,1\n'))
  write('numbers.csv', '1,2\n1,-1\n')
  const csv = (offset: number) => `w,y\n${[1, 2, 3].map((i) => `${i / 8 + offset},${i % 2 === 0 ? 1 : -1}\n`).join('')}`
  for (const [i, name] of [
    'day=1/hour=1',
    'day=1/hour=2',
    'day=2/hour=2',
    '_day=3/hour=2',
    'day=a b/hour=1',
  ].entries()) {
    write(`days/${name}/a.csv`, csv(i))
  }
  for (const name of ['a.csv', 'b.csv', '_old/a.csv', '.hidden.csv', '_metadata.csv', 'deep/c.csv'])
    write(`hidden/${name}`, csv(1))
  write('mixed/a.csv', csv(0))
  write('mixed/b.ndjson', '{"w":1,"y":1}\n')
  write('empty/readme.md', '')
  write('folder/x/_SUCCESS', '')
  write('zero.parquet', '')
  write('zero.csv', '')
  write('text.parquet', 'no Parquet at all')
  write('cut.parquet', read('pairs.parquet').subarray(0, 3000))
  write('cut.csv.gz', read('pairs.csv.gz').subarray(0, 3000))
  write('cut.arrow', read('pairs.arrow').subarray(0, 30_000))
  write('ragged.csv', 'w,y\n1,1\n1\n')
  write('names/a b+c%20ü&=.csv', csv(1))
  write('delta/_delta_log/00000000000000000000.json', '{}')
  write('lake/metadata/v1.metadata.json', '{}')
  const connection = await (await DuckDBInstance.create()).connect()
  const copy = async (rows: string, name: string) => {
    mkdirSync(dirname(path(name)), { recursive: true })
    await connection.run(`COPY (${rows}) TO '${path(name)}'`)
  }
  const rows = (count: number) => `SELECT random() AS w, 1 - 2 * (range % 2) AS y FROM range(${count})`
  for (const name of [
    'parquet-days/day=2024-01-01/a',
    'parquet-days/day=2024-01-02/a',
    'parquet-days/day=1999-01-02/a',
  ]) {
    await copy(rows(50), `${name}.parquet`)
  }
  for (const name of [
    'spark/x.parquet/part-0',
    'spark/x.parquet/part-1',
    'spark/z',
    'delta/day=1/a',
    'lake/data/a',
    'names/a b+c%20ü&=',
  ]) {
    await copy(rows(20), `${name}.parquet`)
  }
  const ids = 'SELECT (range * 7) % 40 AS a, (range * 11) % 40 AS b, 1 - 2 * (range % 2) AS y FROM range(500)'
  const vectors = (count: number) => `SELECT range AS id, [random(), random(), random()] AS v FROM range(${count})`
  await copy(ids, 'ids.parquet')
  await copy(vectors(40), 'vectors.parquet')
  await copy(`FROM '${path('vectors.parquet')}'`, 'vectors.csv')
  await copy(vectors(20), 'few.parquet')
  await copy(`FROM '${path('vectors.parquet')}' UNION ALL FROM '${path('few.parquet')}'`, 'twice.parquet')
  connection.closeSync()
}

/** Puts all files of a folder into the bucket `pairs`. */
async function upload(folder: string, url: string): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:', { allow_unsigned_extensions: 'true' })
  const connection = await instance.connect()
  await connection.run(`LOAD '${extensions}/httpfs.duckdb_extension'`)
  await connection.run(`CREATE SECRET (TYPE s3, KEY_ID 'S3RVER', SECRET 'S3RVER', ENDPOINT '${new URL(url).host}', USE_SSL false,
    URL_STYLE 'path', REGION 'us-east-1'); SET s3_url_compatibility_mode = true`)
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const path = join(folder, name)
    if (!statSync(path).isFile()) continue
    const quote = (text: string) => `'${text.replaceAll("'", "''")}'`
    await connection.run(
      `COPY (SELECT content FROM read_blob(${quote(path)})) TO ${quote(`s3://pairs/${name}`)} (FORMAT blob, COMPRESSION none)`,
    )
  }
  connection.closeSync()
}

const servers: Readonly<Record<string, (folder: string) => Promise<Store>>> = {
  s3rver: stores.s3rver,
  moto: stores.moto,
  'a server of files': async (folder) => {
    const server = await ObjectServer.start(dirname(folder))
    return { url: server.url, stop: async () => server.close() }
  },
}

describe('remote files', function () {
  this.timeout(300_000)
  let parent: string
  let folder: string

  before('install', async () => {
    await installTools()
    parent = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-reading-'))
    folder = join(parent, 'pairs')
    mkdirSync(folder)
    await writeFiles(folder)
  })
  after(() => {
    rmSync(parent, { recursive: true })
    removeTools()
  })

  /** Runs a command line over files at a place, and reads what it wrote. Its texts have the place as @. */
  async function runAt(place: string, args: readonly string[]): Promise<Outcome & { written: string }> {
    const target = join(parent, args.find((arg) => arg.startsWith('>'))?.slice(1) ?? 'none')
    const filled = args.map((arg) => arg.replace(/^@/, `${place}/`).replace(/^</, `${folder}/`).replace(/^>.*/, target))
    const { code, stdout, stderr } = await command(filled)
    const written = existsSync(target) ? readFileSync(target, 'base64') : ''
    rmSync(target, { force: true })
    const name = (text: string) => text.replaceAll(`${place}/`, '@').replaceAll(place, '@')
    return { code, stdout: name(stdout), stderr: name(stderr), written }
  }

  for (const [name, start] of Object.entries(servers)) {
    describe(`of ${name}`, () => {
      let store: Store
      let restore = () => {}
      before('start', async () => {
        store = await start(folder)
        restore = setEnvironment({ ...environmentOf(store.url), ...store.environment })
        if (name !== 'a server of files') await upload(folder, store.url)
      })
      after(async () => {
        restore()
        await store.stop()
      })

      for (const args of name === 'a server of files' ? [...commands, ...emptyCommands] : commands) {
        it(`${args.join(' ')} prints and writes the bytes that it has for files on the disk`, async () => {
          const expected = await runAt(folder, args)
          expect(await runAt('s3://pairs', args)).to.deep.equal(expected)
        })
      }

      for (const format of ['parquet', 'csv', 'arrow']) {
        it(`.${format} has the totals of the oracle`, async () => {
          const { total } = await scoreFiles([`s3://pairs/pairs.${format}`], { input: 'w', label: 'y' })
          assertTotals(total, pairs.w, pairs.y)
        })
      }
    })
  }

  it('of a web server are read by their URLs, but neither by patterns nor as folders', async () => {
    const server = await ObjectServer.start(parent)
    const restore = setEnvironment(environmentOf('http://127.0.0.1:1'))
    try {
      const place = `${server.url}/pairs`
      for (const args of commands.filter(
        (each) => !each.some((arg) => /^@.*[*?[]|^@[\w-]*\/?$|^@names|^@spark|^@delta|^@lake|^@zero|^@text/.test(arg)),
      )) {
        expect(await runAt(place, args), args.join(' ')).to.deep.equal(await runAt(folder, args))
      }
    } finally {
      restore()
      server.close()
    }
  })
})

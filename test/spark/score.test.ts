import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import { readCode } from '../support/pages.ts'
import { isInstalled, node, nodePath, type Outcome, root, run, succeeds } from '../support/processes.ts'

const hasJava = isInstalled('java', '-version')
const program = join(root, 'dist/cli/main.js')
const sample = join(root, 'examples/digit-pairs.parquet')

describe(`Spark and Dask${hasJava ? '' : ', which needs Java'}`, function () {
  this.timeout(600_000)
  let place: string
  let files: string

  before('install', async function () {
    if (!hasJava) return this.skip()
    place = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-spark-'))
    files = join(place, 'files')
    mkdirSync(files)
    const connection = await (await DuckDBInstance.create()).connect()
    for (const part of [0, 1, 2, 3, 4, 5, 6]) {
      // Spark's library for Snappy does not load where musl's loader is installed beside glibc.
      await connection.run(
        `COPY (SELECT *, 2 AS two FROM '${sample}' WHERE "left" % 7 = ${part})
         TO '${files}/${part}.parquet' (COMPRESSION zstd)`,
      )
    }
    connection.closeSync()
    await succeeds(run('python3', ['-m', 'venv', place]))
    const requirements = join(root, 'examples/spark/requirements.txt')
    const install = [
      '-m',
      'pip',
      'install',
      '--quiet',
      '--disable-pip-version-check',
      'dask',
      '--requirement',
      requirements,
    ]
    await succeeds(run(join(place, 'bin/python'), install))
  })
  after(() => place && rmSync(place, { recursive: true }))

  /** As if the venv were activated, and with several tasks. */
  function spark(...args: string[]): Promise<Outcome> {
    const command = `'${nodePath}' '${program}'`
    const env = {
      PATH: [join(place, 'bin'), process.env.PATH].join(delimiter),
      SPARK_LOCAL_IP: '127.0.0.1',
      PYSPARK_SUBMIT_ARGS:
        '--master local[2] --conf spark.ui.enabled=false --conf spark.sql.files.maxPartitionBytes=100000 pyspark-shell',
    }
    return run(join(place, 'bin/python'), ['examples/spark/score.py', '--command', command, ...args], { env })
  }

  for (const [way, options] of [
    ['the program', []],
    ['the extension in DuckDB', ['--by-duckdb']],
  ] as const) {
    it(`Spark prints the bits of one machine, by ${way}`, async () => {
      const args = [files, '--input', 'learned_distance', '--label', 'label']
      const one = await succeeds(node([program, 'score', ...args, '--json']))
      expect(await succeeds(spark(...args, ...options))).to.equal(one)
    })

    it(`Spark fails with what is wrong with the data, by ${way}`, async () => {
      const { code, stdout, stderr } = await spark(files, '--input', 'learned_distance', '--label', 'two', ...options)
      expect({ code, stdout }).to.deep.equal({ code: 1, stdout: '' })
      expect(stderr).to.match(/label is 2, neither 1 nor -1|label must be 1 or -1, got 2/)
    })
  }

  it('Dask gives the bits of one machine, as docs/distributed.md has it', async () => {
    const [code = ''] = readCode('docs/distributed.md', 'python')
    const application = join(place, 'application')
    mkdirSync(application)
    symlinkSync(files, join(application, 'pairs'))
    const script = code.replace("['npx', 'hinge-embedding-loss',", `['${nodePath}', '${program}',`)
    const total = await succeeds(run(join(place, 'bin/python'), ['-c', script], { cwd: application }))
    const args = [files, '--input', 'learned_distance', '--label', 'label']
    expect(total).to.equal(await succeeds(node([program, 'partial', ...args])))
  })
})

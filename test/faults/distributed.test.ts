import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import { makeApplication, withoutNpx } from '../support/application.ts'
import { readSnippets, type Snippet } from '../support/pages.ts'
import { isInstalled, node, nodePath, Program, run, succeeds } from '../support/processes.ts'
import { hasRedis, RedisServer } from '../support/redis.ts'

const snippets = readSnippets('docs/distributed.md')
const hasParallel = isInstalled('parallel')

function snippet(language: string, has: string): Snippet {
  const [found, ...others] = snippets.filter((each) => each.language === language && each.code.includes(has))
  if (found === undefined || others.length > 0) throw new Error(`not one ${language} with ${has}`)
  return found
}

describe('docs/distributed.md', function () {
  this.timeout(60_000)
  let application: string
  const bash = (code: string) => run('bash', ['-e', '-c', withoutNpx(code)], { cwd: application })

  before(async () => {
    application = await makeApplication()
  })
  after(() => rmSync(application, { recursive: true }))

  describe(`with Redis${hasRedis ? '' : ', for which redis-server must be installed'}`, () => {
    let server: RedisServer
    before(async function () {
      if (!hasRedis) return this.skip()
      server = await RedisServer.start()
    })
    after(() => server?.stop())

    const program = () => join(application, 'node_modules/hinge-embedding-loss/dist/cli/main.js')
    const here = (code: string) => code.replaceAll('redis://127.0.0.1:6379', server.url)

    it('the quick start of docs/distributed.md prints what the page says, on the command line and in a program', async () => {
      const { code: worker } = snippet('sh', 'loss worker')
      const { code: client, printed } = snippet('sh', 'loss score')
      const [, args = ''] = /^npx hinge-embedding-loss (.*)\n$/.exec(here(worker)) ?? []
      const started = new Program(nodePath, [
        program(),
        ...args.replaceAll('"$PWD"', join(application, 'examples')).split(' '),
      ])
      try {
        await started.prints(/serves/)
        expect(await succeeds(bash(here(client)))).to.equal(printed)
        await runProgram('scoreOnWorkers')
      } finally {
        expect((await started.end('SIGTERM')).code).to.equal(0)
      }
    })

    it('the client says that its job is gone when Redis has lost everything', async () => {
      const redis = server.connect()
      const score = 'score examples/digit-pairs.parquet --input raw_distance --label label --redis'.split(' ')
      const client = new Program(nodePath, [program(), ...score, server.url])
      while ((await redis.keys('bull:*-plans:*:dependencies')).length === 0) await sleep(10)
      await redis.flushall()
      redis.disconnect()
      const { code, stdout, stderr } = await client.outcome
      expect({ code, stdout }).to.deep.equal({ code: 1, stdout: '' })
      expect(stderr).to.match(/: the job is gone from Redis, or Redis did not take all of it\n$/)
    })

    it('the program with its own queues in docs/distributed.md prints what the page says', () => {
      return runProgram('FlowProducer')
    })

    /** Runs a program of the page, which prints what the comment beside its console.log says. */
    async function runProgram(has: string): Promise<void> {
      const { code } = snippet('js', has)
      const path = join(application, `${has}.mjs`)
      writeFileSync(path, here(code))
      const [, comment] = /^console\.log.*\) \/\/ (.*)$/m.exec(code) ?? []
      expect(await succeeds(node([path], { cwd: application }))).to.equal(`${comment}\n`)
    }
  })

  describe('without Redis', () => {
    let total: string

    before(async () => {
      mkdirSync(join(application, 'pairs'))
      for (let i = 0; i < 3; i++) {
        copyFileSync(join(application, 'examples/digit-pairs.parquet'), join(application, `pairs/${i} of 3.parquet`))
      }
      total = await succeeds(score())
    })
    beforeEach(() => {
      for (const name of ['files.sh', 'partial.sh', 'share.sh', 'merge.sh']) {
        writeFileSync(join(application, name), withoutNpx(snippet('sh', `# ${name}`).code))
      }
    })
    afterEach(() => {
      rmSync(join(application, 'parts'), { recursive: true, force: true })
      for (const name of ['0 and more', '1 changed', '_temporary/hidden']) {
        rmSync(join(application, `pairs/${name}.parquet`), { force: true })
      }
    })

    const score = () =>
      bash('npx hinge-embedding-loss score "pairs/*.parquet" --input learned_distance --label label --json')
    /** Makes the partials, adds a file before the others and changes another, and makes them again. */
    async function countsFilesThatCome(makePartials: () => Promise<unknown>): Promise<void> {
      const example = 'examples/digit-pairs.parquet'
      mkdirSync(join(application, 'pairs/_temporary'), { recursive: true })
      for (const name of ['1 changed', '_temporary/hidden']) {
        copyFileSync(join(application, example), join(application, `pairs/${name}.parquet`))
      }
      await makePartials()
      copyFileSync(join(application, example), join(application, 'pairs/0 and more.parquet'))
      expect((await bash('bash merge.sh')).stderr).to.match(/parts\/pairs\/0 and more\.parquet\.json: no such file/)
      const limited = `(SELECT * FROM '${application}/${example}' LIMIT 10)`
      const connection = await (await DuckDBInstance.create(':memory:')).connect()
      await connection.run(`COPY ${limited} TO '${application}/pairs/1 changed.parquet' (FORMAT parquet)`)
      connection.closeSync()
      await makePartials()
      expect(JSON.parse(await succeeds(bash('bash merge.sh')))).to.deep.equal(JSON.parse(await succeeds(score())))
    }

    it(`the scripts of docs/distributed.md give the bits of one command under GNU parallel${hasParallel ? '' : ': it must be installed'}`, async function () {
      if (!hasParallel) return this.skip()
      expect(await succeeds(bash(snippet('sh', 'parallel --retries').code))).to.equal(total)
      await countsFilesThatCome(() => succeeds(bash(snippet('sh', 'parallel --retries').code)))
    })

    it('the shares of the files that SLURM and Kubernetes hand out give the bits of one command, also if one died', async () => {
      const share = (index: number) => bash(`bash share.sh ${index} 4`)
      const shares = () => Promise.all([0, 1, 2, 3].map(share))
      const done = [0, 1, 2, 3].map(() => ({ code: 0, stdout: '', stderr: '' }))
      mkdirSync(join(application, 'parts/pairs'), { recursive: true })
      writeFileSync(join(application, 'parts/pairs/1 of 3.parquet.json.abcdef'), '{"version"')
      expect(await shares()).to.deep.equal(done)
      expect(await succeeds(bash('bash merge.sh'))).to.equal(total)
      await countsFilesThatCome(async () => expect(await shares()).to.deep.equal(done))
    })
  })
})

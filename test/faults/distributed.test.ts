import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { makeApplication, node, readText, run, succeeds } from '../application.ts'
import { hasRedis, Program, RedisServer } from '../redis.ts'

const page = readText('docs/distributed.md')
const hasParallel = spawnSync('parallel', ['--version']).status === 0

interface Snippet {
  readonly language: string
  readonly code: string
  /** the block without a language that follows */
  readonly printed: string | undefined
}

const snippets: readonly Snippet[] = [...page.matchAll(/^```(\w+)\n(.*?)^```$(?:\n+```\n(.*?)^```$)?/gms)].map(
  ([, language = '', code = '', printed]) => ({ language, code, printed }),
)

function snippet(language: string, has: string): Snippet {
  const [found, ...others] = snippets.filter((each) => each.language === language && each.code.includes(has))
  if (found === undefined || others.length > 0) throw new Error(`not one ${language} with ${has}`)
  return found
}

describe('docs/distributed.md', function () {
  this.timeout(60_000)
  let application: string
  /** npx takes half a second each time to find what is there. */
  const direct = (code: string) => code.replaceAll('npx hinge', 'node_modules/.bin/hinge')
  const bash = (code: string) => run('bash', ['-e', '-c', direct(code)], application)

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

    it('has a quick start that prints what it says', async () => {
      const { code: worker } = snippet('sh', 'loss worker')
      const { code: client, printed } = snippet('sh', 'loss score')
      const [, args = ''] = /^npx hinge-embedding-loss (.*)\n$/.exec(here(worker)) ?? []
      const started = new Program(program(), args.replaceAll('"$PWD"', join(application, 'examples')).split(' '))
      try {
        await started.says(/serves/)
        expect(await succeeds(bash(here(client)))).to.equal(printed)
      } finally {
        expect((await started.end('SIGTERM')).code).to.equal(0)
      }
    })

    it('is right about a Redis that has lost everything', async () => {
      const redis = server.connect()
      const score = 'score examples/digit-pairs.parquet --input raw_distance --label label --redis'.split(' ')
      const client = new Program(program(), [...score, server.url])
      while ((await redis.keys('bull:*-plans:*:dependencies')).length === 0) await sleep(10)
      await redis.flushall()
      redis.disconnect()
      const { code, stdout, stderr } = await client.outcome
      expect({ code, stdout }).to.deep.equal({ code: 1, stdout: '' })
      expect(stderr).to.match(/: the job is gone from Redis\n$/)
    })

    it('has a program with queues of its own that prints what it says', async () => {
      const { code } = snippet('js', 'FlowProducer')
      const path = join(application, 'queues.mjs')
      writeFileSync(path, here(code))
      const [, comment] = /^console\.log.*\) \/\/ (.*)$/m.exec(code) ?? []
      expect(await succeeds(node([path], application))).to.equal(`${comment}\n`)
    })
  })

  describe('without', () => {
    let total: string

    before(async () => {
      mkdirSync(join(application, 'pairs'))
      for (let i = 0; i < 3; i++) {
        copyFileSync(join(application, 'examples/digit-pairs.parquet'), join(application, `pairs/${i} of 3.parquet`))
      }
      total = await succeeds(bash('npx hinge-embedding-loss score pairs --input learned_distance --label label --json'))
    })
    afterEach(() => rmSync(join(application, 'parts'), { recursive: true, force: true }))

    it(`GNU parallel gives the bits of one command${hasParallel ? '' : ': it must be installed'}`, async function () {
      if (!hasParallel) return this.skip()
      expect(await succeeds(bash(snippet('sh', 'parallel').code))).to.equal(total)
    })

    it('so do the shares of the files that SLURM and Kubernetes hand out, also where one died', async () => {
      writeFileSync(join(application, 'partials.sh'), direct(snippet('sh', '# partials.sh').code))
      const share = (index: number) => bash(`bash partials.sh ${index} 4`)
      mkdirSync(join(application, 'parts'))
      writeFileSync(join(application, 'parts/1.json.part'), '{"version"')
      const shares = await Promise.all([0, 1, 2, 3].map(share))
      expect(shares).to.deep.equal(shares.map(() => ({ status: 0, stdout: '', stderr: '' })))
      expect(await share(1)).to.deep.equal(shares[1])
      expect(await succeeds(bash('npx hinge-embedding-loss merge parts/*.json --json'))).to.equal(total)
    })
  })
})

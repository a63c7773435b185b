import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import type { Redis } from 'ioredis'
import { command } from '../support/command.ts'
import type { Outcome } from '../support/processes.ts'
import { hasRedis, RedisServer } from '../support/redis.ts'

describe(`a user of Redis without one right${hasRedis ? '' : ', which needs redis-server'}`, function () {
  this.timeout(600_000)

  let folder: string
  let server: RedisServer
  let redis: Redis
  let databases = 0

  before(async function () {
    if (!hasRedis) return this.skip()
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-rights-'))
    writeFileSync(join(folder, 'right.csv'), 'x,y\n0.5,1\n0.25,-1\n')
    writeFileSync(join(folder, 'wrong.csv'), 'x,y\n0.5,1\n0.25,7\n')
    server = await RedisServer.start('--databases', '1000')
    redis = server.connect()
  })

  after(async () => {
    if (!hasRedis) return
    redis.disconnect()
    await server.stop()
    rmSync(folder, { recursive: true })
  })

  function start(args: readonly string[]): { outcome: Promise<Outcome>; abort(): void } {
    const controller = new AbortController()
    return { outcome: command(args, [], controller.signal), abort: () => controller.abort() }
  }

  const urlOf = (user: string, db: number) => `redis://${user}:pw@127.0.0.1:${server.port}/${db}`

  /** The outcome of a client and a worker in a database of their own. */
  async function run(
    clientUser: string,
    workerUser: string,
    file: string,
  ): Promise<{ client: Outcome; worker: Outcome }> {
    const db = ++databases
    const worker = start(['worker', '--redis', urlOf(workerUser, db), '--lease', '1', '--grace', '2', '--threads', '1'])
    const client = start([
      ...['score', join(folder, file), '--input', 'x', '--label', 'y', '--json', '--threads', '1'],
      ...['--redis', urlOf(clientUser, db), '--timeout', '3'],
    ])
    const ends = async (name: string, outcome: Promise<Outcome>) => {
      const late = sleep(20_000).then(() =>
        Promise.reject(new Error(`the ${name} of ${clientUser}, ${workerUser} does not end`)),
      )
      return Promise.race([outcome, late])
    }
    const clientOutcome = await ends('client', client.outcome)
    worker.abort()
    return { client: clientOutcome, worker: await ends('worker', worker.outcome) }
  }

  async function commandsUsed(): Promise<string[]> {
    await redis.config('RESETSTAT')
    await redis.call('ACL', 'SETUSER', 'all', 'on', '>pw', '~*', '&*', '+@all')
    for (const file of ['right.csv', 'wrong.csv', 'wrong.csv']) await run('all', 'all', file)
    const stats = String(await redis.info('commandstats'))
    const names = [...stats.matchAll(/^cmdstat_([^:]+):/gm)].map(([, name = '']) => name)
    return names.filter((name) => !/^(acl|config)/.test(name))
  }

  it('client and worker say that Redis refuses a command and end, or they do not need it', async () => {
    const names = await commandsUsed()
    expect(names).to.include.members(['info', 'evalsha', 'bzpopmin', 'hgetall', 'expire', 'xadd', 'scan'])
    const runs: (() => Promise<void>)[] = []
    for (const name of names) {
      const user = `no-${name.replace('|', '-')}`
      await redis.call('ACL', 'SETUSER', user, 'on', '>pw', '~*', '&*', '+@all', `-${name}`)
      for (const file of ['right.csv', 'wrong.csv']) {
        for (const users of [
          [user, 'all'],
          ['all', user],
        ] as [string, string][]) {
          runs.push(async () => {
            const { client, worker } = await run(...users, file)
            const what = `${users} ${file} ${JSON.stringify({ client, worker })}`
            for (const { code, stderr } of [client, worker]) {
              expect(stderr, what).to.match(/^(hinge-embedding-loss: [^\n]*\n)*$/)
              if (code !== 0) expect(stderr, what).to.match(/refuses|cannot be|no worker|gone from Redis|label is 7/)
            }
            expect(client.code, what).to.be.oneOf(file === 'right.csv' ? [0, 1] : [1])
            if (client.code === 0) expect(JSON.parse(client.stdout), what).to.include({ count: 2, sum: 1.25 })
            expect(worker.code, what).to.be.oneOf([0, 1])
          })
        }
      }
    }
    const queue = runs.values()
    const drain = async () => {
      for (const each of queue) await each()
    }
    await Promise.all(Array.from({ length: 8 }, drain))
  })
})

import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { command } from '../support/command.ts'
import { hasRedis, withRedis } from '../support/redis.ts'

/** What a Redis that workers can use says about itself. */
const info = 'redis_version:7.2.4\r\nredis_mode:standalone\r\nloading:0\r\nrole:master\r\n'
const bulk = (text: string) => `$${Buffer.byteLength(text)}\r\n${text}\r\n`

describe(`--redis${hasRedis ? '' : ', which needs redis-server'}`, function () {
  this.timeout(60_000)

  let folder: string
  let file: string

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-redis-'))
    file = join(folder, 'pairs.csv')
    writeFileSync(file, 'x,y\n0.5,1\n0.25,-1\n')
  })

  after(() => rmSync(folder, { recursive: true }))

  const score = (url: string, ...more: string[]) => [
    ...['score', file, '--input', 'x', '--label', 'y', '--json', '--redis', url],
    ...more,
  ]

  /** Client and worker fail with this message, in one line each. */
  async function bothFail(url: string, named: RegExp, code = 1): Promise<void> {
    for (const args of [score(url, '--timeout', '2'), ['worker', '--redis', url]]) {
      const outcome = await command(args)
      expect(outcome.stderr).to.match(named)
      expect(outcome.stderr).to.match(/^hinge-embedding-loss: [^\n]+\n$/)
      expect(outcome).to.include({ code, stdout: '' })
    }
  }

  /** Runs `work` with the URL of a server that answers each command, or closes the connection where it has no answer. */
  async function withFake(
    answer: (command: string, count: number) => string | undefined,
    work: (url: string) => Promise<void>,
  ): Promise<void> {
    const sockets: Socket[] = []
    const server: Server = createServer((socket) => {
      sockets.push(socket)
      let count = 0
      socket.on('error', () => {})
      socket.on('data', (chunk) => {
        for (const [, name = ''] of String(chunk).matchAll(/\*\d+\r\n\$\d+\r\n(\w+)/g)) {
          const said = answer(name.toUpperCase(), count++)
          if (said === undefined) socket.destroy()
          else socket.write(said)
        }
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    try {
      await work(`redis://127.0.0.1:${(server.address() as { port: number }).port}`)
    } finally {
      server.close()
      for (const socket of sockets) socket.destroy()
    }
  }

  const serving = (name: string) => ({ HELLO: '-ERR unknown command HELLO\r\n', INFO: bulk(info) })[name] ?? '+OK\r\n'

  it('--redis takes URLs of redis:// and rediss://, a database also as ?db=, and the path of a socket', async function () {
    if (!hasRedis) return this.skip()
    const socket = join(folder, 'socket')
    await withRedis(['--unixsocket', socket], async (server) => {
      for (const [url, db] of [
        [`${server.url}/3`, 3],
        [`${server.url}?db=4`, 4],
        [`${server.url}/?db=5`, 5],
        [`${socket}?db=6`, 6],
        [socket, 0],
        [server.url, 0],
      ] as const) {
        const controller = new AbortController()
        const worker = command(['worker', '--redis', url, '--threads', '1'], [], controller.signal)
        const client = await command(score(url))
        expect(client.stderr, url).to.equal('')
        expect(JSON.parse(client.stdout)).to.include({ count: 2, sum: 1.25 })
        controller.abort()
        expect((await worker).code).to.equal(0)
        const redis = server.connect({ db })
        expect(await redis.dbsize(), url).to.be.greaterThan(5)
        await redis.flushall()
        redis.disconnect()
      }
    })
    for (const url of ['', 'localhost', 'http://localhost', 'REDISS://localhost', 'redis://', 'redis:///1', '//h']) {
      await bothFail(url, /--redis must be a URL such as/, 2)
    }
    for (const url of [
      'redis://localhost/a',
      'redis://localhost/-1',
      'redis://localhost?db=1x',
      'redis://localhost/1/2',
    ]) {
      await bothFail(url, /whose database is a number/, 2)
    }
    await bothFail('redis://a:%zz@localhost', /have % as %25/, 2)
  })

  it('client and worker say why they cannot use a Redis', async function () {
    if (!hasRedis) return this.skip()
    await withRedis(['--cluster-enabled', 'yes'], ({ url }) => bothFail(url, /cannot be used: it is in cluster mode/))
    await withRedis(['--requirepass', 'secret'], ({ url }) =>
      bothFail(url, /cannot be reached: NOAUTH: it takes a password/),
    )
    await withRedis(['--maxclients', '1'], async (server) => {
      const redis = server.connect()
      await redis.ping()
      await bothFail(server.url, /max number of clients reached/)
      redis.disconnect()
    })
    await withRedis([], async (server) => {
      const redis = server.connect()
      await redis.replicaof('127.0.0.1', '1')
      await bothFail(server.url, /cannot be used: it is a replica/)
      await redis.replicaof('NO', 'ONE')
      await redis.call('ACL', 'SETUSER', 'score', 'on', '>pw', '~bull:*', '&*', '+@all', '-@dangerous')
      await bothFail(`redis://score:pw@127.0.0.1:${server.port}`, /cannot be used: NOPERM .*info/)
      await bothFail(`redis://score:no@127.0.0.1:${server.port}`, /cannot be reached: WRONGPASS/)
      redis.disconnect()
    })
  })

  it('a user of Redis needs no more rights than docs/distributed.md lists', async function () {
    if (!hasRedis) return this.skip()
    const [, rights = ''] = /`ACL SETUSER score on >… ([^`]*)`/.exec(readFileSync('docs/distributed.md', 'utf8')) ?? []
    await withRedis([], async (server) => {
      const redis = server.connect()
      await redis.call('ACL', 'SETUSER', 'score', 'on', '>pw', ...rights.split(' '))
      await redis.call('SET', 'bull:other:1', 'x')
      redis.disconnect()
      const url = `redis://score:pw@127.0.0.1:${server.port}`
      const none = await command(score(url, '--timeout', '1'))
      expect(none.stderr).to.match(/no worker of version/)
      const controller = new AbortController()
      const worker = command(['worker', '--redis', url, '--threads', '1'], [], controller.signal)
      expect(await command(score(url))).to.include({ code: 0, stderr: '' })
      controller.abort()
      expect((await worker).code).to.equal(0)
    })
  })

  it('client and worker name another server, an old Redis, a sentinel, and a server that closes the connection', async () => {
    await withFake(
      () => 'HTTP/1.1 400 Bad Request\r\n\r\n',
      (url) => bothFail(url, /cannot be reached: what is there does not answer as Redis does/),
    )
    await withFake(
      (name) => (name === 'INFO' ? bulk(info.replace('7.2.4', '6.2.14')) : serving(name)),
      (url) => bothFail(url, /it is of version 6\.2\.14, workers need Redis 7 or later/),
    )
    await withFake(
      (name) => (name === 'INFO' ? bulk(info.replace('standalone', 'sentinel')) : serving(name)),
      (url) => bothFail(url, /it is a sentinel/),
    )
    for (const last of [0, 1]) {
      await withFake(
        (name, count) => (count < last ? serving(name) : undefined),
        (url) => bothFail(url, /cannot be (reached|used): it closed the connection/),
      )
    }
  })

  it('where Redis closes every connection, the client gives up after its timeout and the worker ends at SIGTERM', async () => {
    await withFake(
      (name, count) => (count < 2 ? serving(name) : undefined),
      async (url) => {
        const client = await command(score(url, '--timeout', '1'))
        expect(client).to.include({ code: 1, stdout: '' })
        expect(client.stderr).to.match(/Redis at 127\.0\.0\.1:\d+ is gone\n$/)
        const controller = new AbortController()
        const worker = command(['worker', '--redis', url, '--lease', '1', '--grace', '1'], [], controller.signal)
        setTimeout(() => controller.abort(), 1000)
        const { stderr } = await worker
        expect(stderr).to.match(/^(hinge-embedding-loss: [^\n]+\n)*$/)
      },
    )
  })

  it('client and worker give up a Redis that does not answer, or that loads its data, after 10 seconds', async () => {
    const begin = performance.now()
    await Promise.all([
      withFake(
        () => '',
        async (url) => {
          const [plain, secure] = [url, url.replace('redis:', 'rediss:')].map((each) => command(score(each)))
          expect((await plain)?.stderr).to.match(/cannot be reached: no answer within 10 s/)
          expect((await secure)?.stderr).to.match(/cannot be reached: no answer; if it does not take TLS/)
        },
      ),
      withFake(
        (name) => (name === 'INFO' ? bulk(info.replace('loading:0', 'loading:1')) : serving(name)),
        async (url) => {
          const outcome = await command(['worker', '--redis', url])
          expect(outcome.stderr).to.match(/cannot be used: it has not loaded its data within 10 s/)
        },
      ),
    ])
    expect(performance.now() - begin).to.be.within(9000, 20_000)
  })

  it('client and worker end at once at SIGTERM while Redis does not answer', async () => {
    await withFake(
      () => '',
      async (url) => {
        for (const args of [score(url), ['worker', '--redis', url]]) {
          const controller = new AbortController()
          const outcome = command(args, [], controller.signal)
          setTimeout(() => controller.abort(), 300)
          const begin = performance.now()
          expect(await outcome).to.deep.equal({ code: 130, stdout: '', stderr: 'hinge-embedding-loss: interrupted\n' })
          expect(performance.now() - begin).to.be.lessThan(1500)
        }
      },
    )
  })
})

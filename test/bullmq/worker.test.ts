import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { runtimeInfo } from '../../lib/index.ts'
import { makeApplication } from '../support/application.ts'
import { command, fails } from '../support/command.ts'
import { node, nodePath, Program } from '../support/processes.ts'
import { hasRedis, RedisServer } from '../support/redis.ts'
import { queue, useWorker } from '../support/worker.ts'

const { version } = runtimeInfo()

describe(`score --redis and worker${hasRedis ? '' : ', which needs redis-server'}`, function () {
  this.timeout(60_000)

  const setup = useWorker(async () => {
    application = await makeApplication()
    program = join(application, 'node_modules/hinge-embedding-loss/dist/cli/main.js')
  })
  let application = ''
  let program = ''

  after(() => rmSync(application, { recursive: true, force: true }))

  const pairs = (...more: string[]) => setup.score(['parts'], '--input', 'd', '--json', ...more)

  it('workers use the time zone of the client', async () => {
    const printed = new Set<string>()
    for (const TZ of ['Asia/Tokyo', 'America/New_York']) {
      const args = setup.score(
        ['pairs.parquet'],
        '--input',
        'd',
        '--by',
        `hour::DATE::VARCHAR || ' ' || hour`,
        '--json',
      )
      const start = (...more: string[]) => node([program, ...args, ...more], { env: { TZ } })
      const [one, other] = await Promise.all([start(), start(...setup.many())])
      expect(other).to.deep.equal(one)
      expect(one).to.include({ code: 0 })
      printed.add(one.stdout)
    }
    expect(printed.size).to.equal(2)
  })

  it('a worker serves until SIGTERM, with a password and over TLS, and nothing shows the password', async () => {
    const key = setup.path('key.pem')
    const cert = setup.path('cert.pem')
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
    execFileSync('openssl', ['req', '-x509', ...curve, '-nodes', '-keyout', key, '-out', cert, ...subject], {
      stdio: 'ignore',
    })
    const [secret, tls] = [
      'correct horse',
      ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', cert],
    ]
    const secured = await RedisServer.start('--requirepass', secret)
    const port = String(secured.port + 1)
    const encrypted = await RedisServer.start(
      ...['--port', '0', '--tls-port', port, '--tls-auth-clients', 'no', '--requirepass', secret, ...tls],
    )
    const wanted = (await command(pairs())).stdout
    try {
      for (const [url, password] of [
        [`redis://:${encodeURIComponent(secret)}@127.0.0.1:${secured.port}`, ''],
        [`rediss://localhost:${port}`, secret],
      ] as const) {
        const env = { HINGE_EMBEDDING_LOSS_REDIS_PASSWORD: password, NODE_EXTRA_CA_CERTS: cert }
        const helper = new Program(
          nodePath,
          [program, 'worker', '--redis', url, '--root', setup.folder, '--threads', '1'],
          { env },
        )
        await helper.prints(/serves/)
        const client = node([program, ...pairs('--redis', url)], { env })
        expect(await client).to.deep.equal({ code: 0, stdout: wanted, stderr: '' })
        const drained = await helper.end('SIGTERM')
        expect(drained).to.include({ code: 0, stdout: '' })
        expect(drained.stderr).to.equal(`hinge-embedding-loss: version ${version} serves ${queue}\n`)
      }
      const redis = secured.connect({ password: secret })
      for (const name of await redis.keys('bull:*')) {
        const dump = await redis.dumpBuffer(name)
        expect(dump?.includes(secret), name).to.equal(false)
      }
      redis.disconnect()
      const { stderr } = await command(pairs('--redis', `redis://:wrong%20horse@127.0.0.1:${secured.port}`))
      expect(stderr).to.match(/Redis at 127\.0\.0\.1:\d+ cannot be reached: WRONGPASS/)
      expect(stderr).not.to.match(/horse/)
    } finally {
      await secured.stop()
      await encrypted.stop()
    }
  })

  it('score and worker say what is missing: Redis, a worker, its version, packages', async () => {
    const own = await RedisServer.start()
    const redis = own.connect()
    const to = (...more: string[]) => ['--redis', own.url, ...more]
    try {
      await redis.client('SETNAME', `bull:${Buffer.from('hinge-embedding-loss-0.0.9').toString('base64')}`)
      const begin = performance.now()
      await fails(
        pairs(...to('--timeout', '1')),
        1,
        /no worker of version \S+ has served .* for 1 s; there are workers of version 0\.0\.9\n/,
      )
      expect(performance.now() - begin).to.be.lessThan(10_000)
    } finally {
      redis.disconnect()
      await own.stop()
    }
    await fails(pairs(...to()), 1, /Redis at 127\.0\.0\.1:\d+ cannot be reached: .*ECONNREFUSED/)
    await fails(['worker', ...to()], 1, /cannot be reached/)
    await fails(
      pairs('--redis', 'http://user:secret@host'),
      2,
      /^hinge-embedding-loss: --redis must be a URL such as [^@]+\n$/,
    )
    await fails(pairs('--redis', `${setup.server.url}/99`), 1, /DB index is out of range/)
    await fails(pairs('--redis', 'redis://:se%cret@host'), 2, /--redis must be a URL .* % as %25\n$/)
    await fails(pairs('--timeout', '1'), 2, /--timeout goes with --redis/)
    await fails(pairs(...setup.many('--retention', '1')), 2, /--retention must be an integer from 5, got 1/)
    await fails(pairs(...setup.many('--shard-rows', '0')), 2, /--shard-rows must be an integer from 1, got 0/)
    await fails(['worker', ...to(), '--lease', '0.5'], 2, /--lease must be an integer from 1, got 0\.5/)
    for (const name of ['bullmq', 'ioredis']) rmSync(join(application, 'node_modules', name))
    const bare = await node([program, ...pairs(...setup.many())])
    expect(bare).to.deep.equal({
      code: 1,
      stdout: '',
      stderr: 'hinge-embedding-loss: --redis needs more packages: npm install bullmq ioredis\n',
    })
  })
})

import {
  copyFileSync,
  createReadStream,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import { scoreFiles } from '../../lib/files.ts'
import { command } from '../support/command.ts'
import { rejects } from '../support/failures.ts'
import { assertTotals, pairs, writePairs } from '../support/pairs.ts'
import { nodePath, Program, root } from '../support/processes.ts'
import { environmentOf, keys, setEnvironment } from './environment.ts'
import { type Fault, ObjectServer } from './object-server.ts'
import { extensions, installTools, removeTools } from './tools.ts'

const columns = { input: 'w', label: 'y' } as const
const flags = ['--input', 'w', '--label', 'y']

const answer =
  (status: number, body = ''): Fault =>
  (response) => {
    response.writeHead(status).end(body)
    return true
  }

/** Sends the first half of a part, and then ends the answer as `end` does. */
const sendHalf =
  (end: (response: ServerResponse) => void, prepare: (response: ServerResponse, length: number) => void): Fault =>
  (response, { method, range }, part) => {
    if (method === 'HEAD' || part === undefined) return false
    const { file, start, end: last } = part
    const length = last - start + 1
    prepare(response, length)
    response.statusCode = range === '' ? 200 : 206
    if (range !== '') response.setHeader('Content-Range', `bytes ${start}-${last}/*`)
    createReadStream(file, { start, end: start + Math.floor(length / 2) - 1 })
      .on('data', (chunk) => response.write(chunk))
      .on('end', () => setTimeout(() => end(response), 20))
    return true
  }

const announce = (response: ServerResponse, length: number) => response.setHeader('Content-Length', length)
const announceHalf = (response: ServerResponse, length: number) =>
  response.setHeader('Content-Length', Math.floor(length / 2))

const faults: Readonly<Record<string, Fault>> = {
  ok: () => false,
  401: answer(401),
  403: answer(403, '<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'),
  404: answer(404),
  500: answer(500),
  503: answer(503),
  'no-head': (response, request, part, attempt) =>
    request.method === 'HEAD' && answer(403)(response, request, part, attempt),
  flaky: (response, request, part, attempt) => attempt % 2 === 1 && answer(503)(response, request, part, attempt),
  dropped: (response) => Boolean(response.socket?.destroy()),
  silent: () => true,
  cut: sendHalf((response) => response.destroy(), announce),
  'cut-chunks': sendHalf(
    (response) => response.destroy(),
    () => {},
  ),
  half: sendHalf((response) => response.end(), announceHalf),
  'half-chunks': sendHalf(
    (response) => response.end(),
    () => {},
  ),
  changed: (response, { method }, _, attempt) => {
    if (method !== 'HEAD') response.setHeader('ETag', `"${attempt}"`)
    return false
  },
  'changed-later': (response, _, __, attempt) => {
    response.setHeader('ETag', attempt < 3 ? '"before"' : '"after"')
    return false
  },
  'changed-undated': (response, _, __, attempt) => {
    response.removeHeader('ETag')
    response.setHeader('Last-Modified', new Date(1_600_000_000_000 + 1000 * attempt).toUTCString())
    return false
  },
  // Its list does not encode names, as it was asked to.
  unencoded: (response, _, part) => {
    if (part !== undefined) return false
    const list = ['a%20b.csv', 'a b.csv'].map((key) => `<Contents><Key>${key}</Key><Size>9</Size></Contents>`)
    response.end(`<ListBucketResult><IsTruncated>false</IsTruncated>${list.join('')}</ListBucketResult>`)
    return true
  },
  undated: (response, request, part, attempt) => {
    response.removeHeader('ETag')
    response.removeHeader('Last-Modified')
    // A HEAD, a GET and a last HEAD: whoever asks more often reads the file twice.
    return attempt > 3 && answer(500)(response, request, part, attempt)
  },
  'announced-less': (response, { method }) => {
    if (method !== 'HEAD') return false
    response.setHeader('Accept-Ranges', 'bytes')
    response.writeHead(200, { 'Content-Length': 100 }).end()
    return true
  },
  encoded: (response, { method }, part) => {
    const bytes = gzipSync(readFileSync(part?.file ?? ''))
    const headers = { 'Content-Encoding': 'gzip', 'Content-Length': bytes.length, 'Accept-Ranges': 'bytes' }
    const range = { 'Content-Range': `bytes 0-${bytes.length - 1}/${bytes.length}` }
    response.writeHead(method === 'HEAD' ? 200 : 206, { ...headers, ...(method !== 'HEAD' && range) })
    response.end(method === 'HEAD' ? undefined : bytes)
    return true
  },
  slow: (response, { method }, part) => {
    if (method === 'HEAD' || part === undefined) return false
    const { file, start, end } = part
    const bytes = readFileSync(file).subarray(start, end + 1)
    response.writeHead(206, { 'Content-Length': bytes.length, 'Content-Range': `bytes ${start}-${end}/*` })
    const step = Math.ceil(bytes.length / 4)
    for (let i = 0; i < 4; i++) setTimeout(() => response.write(bytes.subarray(i * step, (i + 1) * step)), 400 * i)
    setTimeout(() => response.end(), 1500)
    return true
  },
}

describe('remote files that fail', function () {
  this.timeout(200_000)
  let parent: string
  let server: ObjectServer
  let restore = () => {}

  before('install', async () => {
    await installTools()
    parent = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-failures-'))
    mkdirSync(join(parent, 'pairs'))
    await writePairs(join(parent, 'pairs'))
    server = await ObjectServer.start(parent, faults)
    restore = setEnvironment({ ...environmentOf(server.url), AWS_SESSION_TOKEN: keys.token })
  })
  beforeEach(() => server.reset())
  after(() => {
    restore()
    server.close()
    rmSync(parent, { recursive: true })
    removeTools()
  })

  const places = { 's3://': () => 's3://', 'http://': () => `${server.url}/` }

  const failures: readonly (readonly [fault: string, code: string, message: RegExp])[] = [
    ['401', 'EACCES', /access denied \(HTTP 401\)/],
    ['403', 'EACCES', /access denied \(HTTP 403\): the credentials are absent or wrong/],
    ['404', 'ENOENT', /no such file/],
    ['500', 'ERR_HTTP', /the server answered HTTP 500, also when asked again/],
    ['503', 'ERR_HTTP', /the server answered HTTP 503, also when asked again/],
    ['dropped', 'ECONNRESET', /the connection failed, also when tried again/],
    ['cut', 'ERR_TRUNCATED', /cut off: fewer bytes came/],
    ['cut-chunks', 'ERR_TRUNCATED', /cut off: fewer bytes came/],
    ['half', 'ERR_TRUNCATED', /cut off: fewer bytes came/],
    ['half-chunks', 'ERR_TRUNCATED', /cut off: fewer bytes came/],
    ['changed', 'ERR_FILE_CHANGED', /the file changed while it was read/],
  ]
  for (const [fault, code, message] of failures) {
    for (const [scheme, begin] of Object.entries(places)) {
      for (const format of ['parquet', 'csv', 'arrow']) {
        it(`names a file of ${scheme} as .${format} whose server answers "${fault}"`, async () => {
          const file = `${begin()}${fault}/pairs.${format}`
          await rejects(scoreFiles([file], columns), file, { code, file, message })
          const { code: exitCode, stdout, stderr } = await command(['score', file, ...flags])
          expect({ exitCode, stdout }).to.deep.equal({ exitCode: 1, stdout: '' })
          expect(stderr).to.include(`hinge-embedding-loss: ${file}: `)
        })
      }
    }
  }

  for (const name of ['flaky', 'no-head', 'slow', 'ok']) {
    for (const [scheme, begin] of Object.entries(places)) {
      for (const format of ['parquet', 'csv']) {
        it(`reads a file of ${scheme} as .${format} whose server is "${name}"`, async () => {
          const { total } = await scoreFiles([`${begin()}${name}/pairs.${format}`], columns)
          assertTotals(total, pairs.w, pairs.y)
        })
      }
    }
  }

  it('names a file that changes between two requests for its bytes', async () => {
    const file = 's3://changed-later/pairs.parquet'
    const message = /the file changed while it was read/
    await rejects(scoreFiles([file], columns), file, { code: 'ERR_FILE_CHANGED', file, message })
  })

  for (const format of ['parquet', 'csv', 'arrow']) {
    it(`names a file of a web server without ETags, as .${format}, whose date changes`, async () => {
      const file = `${server.url}/changed-undated/pairs.${format}`
      const message = /the file changed while it was read/
      await rejects(scoreFiles([file], columns), file, { code: 'ERR_FILE_CHANGED', file, message })
    })

    it(`reads a file of a web server that tells no states apart, as .${format}, once for totals and losses`, async () => {
      const output = join(parent, 'once.csv')
      const { total } = await scoreFiles([`${server.url}/undated/pairs.${format}`], { ...columns, output })
      const written = await scoreFiles([output], { input: 'loss', label: '1' })
      rmSync(output)
      assertTotals(total, pairs.w, pairs.y)
      expect([written.total.count, written.total.sum]).to.deep.equal([total.count, total.sum])
    })
  }

  it('names a file of which the server announces fewer bytes than it has', async () => {
    for (const begin of Object.values(places)) {
      const file = `${begin()}announced-less/pairs.csv`
      const message = /cut off: 100 bytes came, not \d{3,}/
      await rejects(scoreFiles([file], columns), file, { code: 'ERR_TRUNCATED', file, message })
    }
  })

  it('names objects whose names DuckDB takes for one, where a server does not encode its list', async () => {
    for (const path of ['s3://unencoded/', 's3://unencoded/*.csv']) {
      const message = /the server lists two objects of this name/
      const file = 's3://unencoded/a b.csv'
      await rejects(scoreFiles([path], columns), path, { code: 'ERR_INVALID_FILE', file, message })
    }
  })

  it('says how to write a name with [, which begins a pattern', async () => {
    const message = /no file matches; \[ begins characters of a pattern, and \[\[\] stands for itself$/
    const file = 's3://ok/pairs[1].csv'
    await rejects(scoreFiles([file], columns), file, { code: 'ENOENT', file, message })
    writeFileSync(join(parent, 'pairs/pairs[1].csv'), 'w,y\n0.25,1\n')
    const { total } = await scoreFiles(['s3://ok/pairs[[]1].csv'], columns)
    rmSync(join(parent, 'pairs/pairs[1].csv'))
    expect([total.count, total.sum]).to.deep.equal([1, 0.25])
  })

  it('reads text that a server sends with Content-Encoding: gzip', async () => {
    for (const format of ['csv', 'ndjson']) {
      const { total } = await scoreFiles([`${server.url}/encoded/pairs.${format}`], columns)
      assertTotals(total, pairs.w, pairs.y)
    }
  })

  it('counts a file of a web server once that is given by several spellings of its URL', async () => {
    const { port } = new URL(server.url)
    const urls = [`http://127.0.0.1:${port}/ok/pairs.csv`, `HTTP://127.0.0.1:0${port}/%6Fk/p%61irs.csv`]
    const notes: string[] = []
    const { total } = await scoreFiles(urls, { ...columns, onNote: (note) => notes.push(note) })
    assertTotals(total, pairs.w, pairs.y)
    expect(notes.join()).to.match(/given more than once, counted once/)
    const twice = await scoreFiles([`${urls[0]}?part=1`, `${urls[0]}?part=2`], columns)
    expect(twice.total.count).to.equal(2 * total.count)
  })

  it('names a server that does not answer, after some tries', async () => {
    const file = `${server.url}/silent/pairs.parquet`
    const message = /the server did not answer in time, also when asked again/
    await rejects(scoreFiles([file], columns), file, { code: 'ETIMEDOUT', file, message })
    expect(server.requests).to.have.lengthOf(4)
  })

  it('names a server that cannot be reached, and one that there is not', async () => {
    const file = 'http://127.0.0.1:1/pairs.parquet'
    const message = /the server cannot be reached/
    await rejects(scoreFiles([file], columns), file, { code: 'ECONNREFUSED', file, message })
    const other = 'http://server.invalid/pairs.parquet'
    const absent = { code: 'ENOTFOUND', file: other, message: /there is no server of that name/ }
    await rejects(scoreFiles([other], columns), other, absent)
  })

  it('names the failing file among others, with its first row error', async () => {
    const file = 's3://cut/pairs.parquet'
    const files = ['s3://ok/pairs.parquet', file, join(parent, 'pairs/pairs.csv')]
    await rejects(scoreFiles(files, columns), file, { code: 'ERR_TRUNCATED', file, message: /cut off/ })
  })

  it('writes no losses of a file that was cut off, and leaves no copy of any', async () => {
    const [output, copies] = [join(parent, 'losses.csv'), join(parent, 'copies')]
    mkdirSync(copies)
    const restoreFolder = setEnvironment({ TMPDIR: copies })
    try {
      await rejects(scoreFiles(['s3://ok/pairs.ndjson', 's3://half/pairs.csv'], { ...columns, output }), output, {
        code: 'ERR_TRUNCATED',
        file: 's3://half/pairs.csv',
        message: /cut off/,
      })
    } finally {
      restoreFolder()
    }
    expect(readdirSync(parent).sort()).to.deep.equal(['copies', 'pairs'])
    expect(readdirSync(copies)).to.deep.equal([])
  })

  it('aborts while a file is fetched', async () => {
    const signal = AbortSignal.timeout(300)
    const scored = scoreFiles(['s3://slow/pairs.csv'], { ...columns, signal })
    const error = await scored.then(
      () => undefined,
      (cause) => cause,
    )
    expect(error).to.equal(signal.reason)
  })

  it('refuses URLs that may lead elsewhere or have a password, without printing them', async () => {
    for (const [url, reason] of [
      ['s3://ok/../secret/pairs.csv', /with \. or \.\. in its path/],
      ['https://host/a/%2E%2e/pairs.csv', /with \. or \.\. in its path/],
      [`https://me:${keys.secret}@host/pairs.csv`, /with a user or password/],
      [`s3://me:${keys.secret}@ok/pairs.csv`, /with a user or password/],
      [`s3://ok/pairs.csv?s3_secret_access_key=${keys.secret}`, /with a query/],
      ['s3:///pairs.csv', /without a bucket or host/],
      ['s3://o*/pairs.csv', /pattern in the name of the bucket/],
      ['http://host/pairs.csv#part', /with #/],
    ] as const) {
      const { code, stdout, stderr } = await command(['score', url, ...flags])
      expect({ code, stdout }, url).to.deep.equal({ code: 2, stdout: '' })
      expect(stderr).to.match(reason)
      expect(stderr).not.to.include(keys.secret)
    }
  })

  describe('keep what is secret', () => {
    const secrets = [keys.id, keys.secret, keys.token, 'X-Amz-Signature', 'signed']
    const hasNone = (text: string, what: string) => {
      for (const secret of secrets) expect(text, what).not.to.include(secret)
    }
    const lines: readonly (() => string[])[] = [
      ...['403', '404', 'cut', 'changed', 'half', 'dropped', 'ok'].flatMap((fault) => {
        return ['parquet', 'csv', 'arrow'].flatMap((format) => {
          const label = ['--input', 'w', '--label', 'other']
          return [
            () => ['score', `s3://${fault}/pairs.${format}`, ...label],
            () => ['score', `${server.url}/${fault}/pairs.${format}?X-Amz-Signature=signed`, ...label],
            () => [
              'score',
              `${server.url}/${fault}/pairs.${format}?X-Amz-Signature=signed`,
              ...flags,
              '--top',
              '1',
              '--json',
            ],
            () => ['score', `s3://${fault}/pairs.${format}`, '--input', 'none', '--label', 'y'],
          ]
        })
      }),
      () => ['score', '--input', `${server.url}/404/w.npy?X-Amz-Signature=signed`, '--label', 's3://ok/y.npy'],
      () => ['score', '--input', `${server.url}/ok/w.npy?X-Amz-Signature=signed`, '--label', 's3://ok/w.npy'],
      () => ['score', `${server.url}/ok/w.txt?X-Amz-Signature=signed`, ...flags],
      () => [
        'score',
        `${server.url}/ok/pairs.csv?X-Amz-Signature=signed`,
        `${server.url}/ok/pairs.csv?X-Amz-Signature=signed`,
        ...flags,
      ],
    ]

    it('in all that a command prints', async () => {
      for (const line of lines) {
        const { stdout, stderr } = await command(line())
        hasNone(stdout + stderr, line().join(' '))
      }
    })

    it('in errors and their causes', async () => {
      for (const url of [
        's3://403/pairs.parquet',
        `${server.url}/403/pairs.csv?X-Amz-Signature=signed`,
        `${server.url}/cut/pairs.parquet?X-Amz-Signature=signed`,
      ]) {
        let error = await scoreFiles([url], columns).then(
          () => undefined,
          (cause) => cause,
        )
        expect(error).to.be.instanceOf(Error)
        for (; error instanceof Error; error = error.cause) hasNone(`${error.stack} ${JSON.stringify(error)}`, url)
      }
    })

    it('on the command lines of all processes', async () => {
      const program = join(root, 'lib/cli/main.ts')
      const args = ['--import', 'tsx', program, 'score', 's3://slow/pairs.parquet', ...flags]
      const child = new Program(nodePath, args)
      while (server.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 20))
      const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
      for (const pid of processes) {
        let line = ''
        try {
          line = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
        } catch {}
        hasNone(line, line)
      }
      const { code, stderr } = await child.outcome
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' })
    })

    it('and sends the session token to the server of the bucket', async () => {
      await scoreFiles(['s3://ok/pairs.parquet'], columns)
      expect(server.requests.every(({ headers }) => headers['x-amz-security-token'] === keys.token)).to.equal(true)
      expect(server.requests.every(({ headers }) => headers.authorization?.includes(keys.id))).to.equal(true)
    })

    const authorizations = () => server.requests.map(({ headers }) => headers.authorization ?? '')

    it('and takes keys of a profile, if the environment has none', async () => {
      const file = join(parent, 'credentials')
      writeFileSync(file, '[tests]\naws_access_key_id = KEYOFPROFILE\naws_secret_access_key = secret\n')
      const profile = { AWS_PROFILE: 'tests', AWS_SHARED_CREDENTIALS_FILE: file, AWS_EC2_METADATA_DISABLED: 'true' }
      const restoreKeys = setEnvironment({
        AWS_ACCESS_KEY_ID: '',
        AWS_SECRET_ACCESS_KEY: '',
        AWS_SESSION_TOKEN: '',
        ...profile,
      })
      try {
        assertTotals((await scoreFiles(['s3://ok/pairs.parquet'], columns)).total, pairs.w, pairs.y)
        expect(authorizations().every((text) => text.includes('KEYOFPROFILE'))).to.equal(true)
      } finally {
        restoreKeys()
        rmSync(file)
      }
    })

    it('and takes a secret that DuckDB keeps before those of the environment', async () => {
      const home = join(parent, 'home')
      mkdirSync(home)
      const restoreHome = setEnvironment({ HOME: home })
      try {
        const instance = await DuckDBInstance.create(':memory:', { allow_unsigned_extensions: 'true' })
        const connection = await instance.connect()
        await connection.run(`LOAD '${extensions}/httpfs.duckdb_extension';
          CREATE PERSISTENT SECRET kept (TYPE s3, KEY_ID 'KEYOFSECRET', SECRET 'secret', ENDPOINT '${new URL(server.url).host}', USE_SSL false, URL_STYLE 'path')`)
        connection.closeSync()
        assertTotals((await scoreFiles(['s3://ok/pairs.parquet'], columns)).total, pairs.w, pairs.y)
        expect(authorizations().every((text) => text.includes('KEYOFSECRET'))).to.equal(true)
      } finally {
        restoreHome()
        rmSync(home, { recursive: true })
      }
    })

    it('and sends no key to a web server', async () => {
      await scoreFiles([`${server.url}/ok/pairs.parquet`], columns)
      expect(server.requests.map(({ headers }) => headers.authorization)).to.deep.equal(
        server.requests.map(() => undefined),
      )
    })
  })

  it('asks once for the size and once for the list of small files, and reads the two columns alone', async () => {
    const folder = join(parent, 'pairs/many')
    mkdirSync(folder)
    for (let i = 0; i < 30; i++) copyFileSync(join(parent, 'pairs/pairs.parquet'), join(folder, `${i}.parquet`))
    try {
      await scoreFiles(['s3://ok/many/*.parquet'], columns)
      const isList = ({ path }: { path: string }) => path.includes('list-type')
      const heads = server.requests.filter(({ method }) => method === 'HEAD')
      expect(server.requests.filter(isList)).to.have.lengthOf(1)
      expect(heads.map(({ path }) => path).sort()).to.deep.equal([...new Set(heads.map(({ path }) => path))].sort())
      expect(heads).to.have.lengthOf(30)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import { expect } from 'chai'
import { command, fails } from '../support/command.ts'
import { nodePath, Program, root } from '../support/processes.ts'
import { connectTo, listObjects, readObject } from './client.ts'
import { environmentOf, setEnvironment } from './environment.ts'
import { FaultProxy } from './proxy.ts'
import { installTools, removeTools, type Store, stores } from './tools.ts'

for (const [name, start] of Object.entries(stores)) {
  describe(`--output to an object store, ${name}`, function () {
    this.timeout(180_000)

    let folder: string
    let store: Store
    let proxy: FaultProxy
    let connection: DuckDBConnection
    let environment: Readonly<Record<string, string>>
    let restore: () => void
    const path = (file: string) => join(folder, file)
    const pairs = () => ['score', path('pairs.parquet'), '--input', 'd', '--label', 'y', '--json']

    before('install tools, start a server, write pairs', async () => {
      await installTools()
      folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
      store = await start()
      proxy = await FaultProxy.start(store.url)
      environment = { ...environmentOf(proxy.url), ...store.environment, TMPDIR: folder }
      restore = setEnvironment(environment)
      connection = await connectTo(proxy.url)
      for (const [file, rows] of [
        ['pairs', 1000],
        ['many', 9_000_000],
      ] as const) {
        await connection.run(`COPY (SELECT i AS id, (i % 1024 / 512)::FLOAT AS d, CASE WHEN i % 3 = 0 THEN 1 ELSE -1 END AS y
          FROM range(${rows}) AS r(i)) TO '${path(`${file}.parquet`)}'`)
      }
    })
    beforeEach(() => proxy.reset())
    after(async () => {
      restore()
      connection.closeSync()
      proxy.stop()
      await store.stop()
      rmSync(folder, { recursive: true })
      removeTools()
    })

    /** Starts the command line that writes 36 MB in five parts. */
    const startLarge = (url: string) => {
      const args = ['--import', 'tsx', join(root, 'lib/cli/main.ts'), 'score', path('many.parquet')]
      return new Program(nodePath, [...args, '--input', 'd', '--label', 'y', '--json', '--output', url], {
        env: environment,
      })
    }
    const partOf = ({ method, query }: { method: string; query: string }) =>
      method === 'PUT' ? Number(new URLSearchParams(query).get('partNumber')) : 0
    const untilPart = async (part: number) => {
      while (!proxy.passed.some((each) => partOf(each) >= part)) await new Promise((resolve) => setTimeout(resolve, 10))
    }

    it('objects have the bytes of files on the disk, in every format, with and without kept columns', async () => {
      for (const file of ['losses.parquet', 'losses.csv', 'losses.arrow', 'losses.npy', 'a b+c%20.csv']) {
        const keep = file.endsWith('.npy') ? [] : ['--keep', 'id']
        const local = await command([...pairs(), ...keep, '--output', path(file)])
        const remote = await command([...pairs(), ...keep, '--output', `S3://pairs/out/${file}`])
        expect(remote).to.deep.equal(local)
        const object = await readObject(connection, `s3://pairs/out/${file}`)
        expect(Buffer.from(object).equals(readFileSync(path(file))), file).to.equal(true)
      }
      expect(readdirSync(folder).filter((each) => each.startsWith('hinge-embedding-loss-'))).to.deep.equal([])
    })

    it('an output of several pieces and parts has the bytes of the file on the disk', async () => {
      expect(await startLarge('s3://pairs/large.npy').outcome).to.include({ code: 0 })
      const parts = proxy.passed.map(partOf).filter((part) => part > 0)
      expect(parts.sort()).to.deep.equal([1, 2, 3, 4, 5])
      expect((await startLarge(path('large.npy')).outcome).code).to.equal(0)
      const object = await readObject(connection, 's3://pairs/large.npy')
      expect(Buffer.from(object).equals(readFileSync(path('large.npy')))).to.equal(true)
    })

    it('an output is refused over an input in any spelling, and where nothing is written', async () => {
      await connection.run(`COPY (SELECT 1::FLOAT AS d, 1 AS y) TO 's3://pairs/in/one.parquet'`)
      const score = (input: string, output: string) => ['score', input, '-i', 'd', '-l', 'y', '--output', output]
      const input = 's3://pairs/in/one.parquet'
      for (const [given, output, reason] of [
        [input, input, /is an input/],
        [input, 'S3A://pairs/in/one.parquet', /is an input/],
        [input, 's3n://pairs/in/%6fne.parquet', /is an input/],
        ['s3://pairs/in', input, /is an input/],
        ['s3://pairs/in/*.parquet', input, /is an input/],
        [input, 's3://pairs/x/../in/one.parquet', /\. or \.\. in its path/],
        [input, `${proxy.url}/pairs/in/one.parquet`, /files are written to s3:\/\//],
        [input, 'hf://datasets/a/b.csv', /files are written to s3:\/\//],
        [input, 'ftp://host/b.csv', /this scheme are not written/],
        [input, 's3://AKID:sEcReT@pairs/b.csv', /a URL with a user or password/],
      ] as const) {
        await fails(score(given, output), 2, reason)
      }
      const query = ['score', '--query', `SELECT d, y FROM 's3://pairs/in/*.parquet'`, '-i', 'd', '-l', 'y']
      await fails([...query, '--output', input], 2, /is an input/)
      const picture = ['plot', path('pairs.parquet'), '-i', 'd', '-l', 'y', '--output', 's3://pairs/x.svg']
      await fails(picture, 2, /of remote files losses alone are written/)
      expect(await listObjects(connection, 's3://pairs/in/')).to.deep.equal([input])
    })

    it('nothing shows of a run that fails or is killed, and an object that was there stays', async () => {
      await connection.run(`COPY (SELECT 'old') TO 's3://pairs/kept/losses.npy' (FORMAT csv, HEADER false)`)
      const old = Buffer.from(await readObject(connection, 's3://pairs/kept/losses.npy'))
      const objects = () => listObjects(connection, 's3://pairs/kept/')
      // A row error, before anything is written.
      await fails(
        [...pairs().slice(0, 4), '--label', 'id', '--output', 's3://pairs/kept/losses.npy'],
        1,
        /row 1: label is 0/,
      )
      // kill -9, and two Ctrl-C, in the middle of the upload.
      for (const [file, signals] of [
        ['losses.npy', ['SIGKILL']],
        ['new.npy', ['SIGINT', 'SIGINT']],
      ] as const) {
        proxy.reset()
        proxy.fault = (request) => (partOf(request) === 3 ? { hangs: true } : undefined)
        const program = startLarge(`s3://pairs/kept/${file}`)
        await untilPart(3)
        for (const signal of signals) {
          program.process.kill(signal)
          await new Promise((resolve) => setTimeout(resolve, 300))
        }
        expect((await program.outcome).code).to.equal(signals.at(-1))
        proxy.reset()
        expect(await objects(), file).to.deep.equal(['s3://pairs/kept/losses.npy'])
        expect(Buffer.from(await readObject(connection, 's3://pairs/kept/losses.npy')).equals(old)).to.equal(true)
      }
    })

    it('a server that refuses a part is an error of the output, and nothing shows', async () => {
      proxy.fault = (request) => (partOf(request) === 4 ? { status: 403 } : undefined)
      const { code, stdout, stderr } = await startLarge('s3://pairs/refused/new.npy').outcome
      expect({ code, stdout }, stderr).to.deep.equal({ code: 1, stdout: '' })
      expect(stderr).to.match(/^hinge-embedding-loss: s3:\/\/pairs\/refused\/new\.npy: access denied \(HTTP 403\)/)
      proxy.reset()
      expect(await listObjects(connection, 's3://pairs/refused/')).to.deep.equal([])
      const { stderr: absent } = await command([...pairs(), '--output', 's3://no-such-bucket/x.csv'])
      expect(absent).to.match(/^hinge-embedding-loss: s3:\/\/no-such-bucket\/x\.csv: no such bucket\n$/)
    })

    it('one Ctrl-C in the middle of an upload waits for its end, and the object is whole', async () => {
      proxy.fault = (request) => (partOf(request) > 0 ? { wait: 300 } : undefined)
      const program = startLarge('s3://pairs/late.npy')
      await untilPart(2)
      program.process.kill('SIGINT')
      expect((await program.outcome).code).not.to.equal('SIGINT')
      const object = await readObject(connection, 's3://pairs/late.npy')
      expect(object.length).to.equal(36_000_128)
    })
  })
}

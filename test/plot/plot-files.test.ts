import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import { tableFromArrays, tableToIPC } from 'apache-arrow'
import { expect } from 'chai'
import { type FileTotals, type PlotFilesOptions, type Progress, plotFiles, scoreFiles } from '../../lib/files.ts'

const columns = { input: 'd', label: 'y' } as const

describe('plotFiles', function () {
  this.timeout(30_000)

  let folder: string
  let stream: Uint8Array

  const at = (name: string) => join(folder, name)

  async function writeQuery(name: string, sql: string): Promise<void> {
    const connection = await (await DuckDBInstance.create()).connect()
    await connection.run(`COPY (${sql}) TO '${at(name)}'`)
    connection.closeSync()
  }

  /** The error that a call rejects with. */
  async function failureOf(call: () => Promise<unknown>): Promise<unknown> {
    try {
      await call()
    } catch (error) {
      return error
    }
    throw new Error('nothing was thrown')
  }

  function toPlain({ total, groups }: FileTotals): unknown {
    return { total: total.toJSON(), groups: groups?.map((group) => ({ ...group, total: group.total.toJSON() })) }
  }

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
    await writeQuery(
      'pairs.parquet',
      `SELECT (sin(i) + 1) * 0.7 AS d, CASE WHEN i % 10 = 3 THEN 1 ELSE -1 END AS y, 'm' || i % 3 AS model, i,
        CASE WHEN i % 1000 = 40 THEN NULL ELSE d END AS holes, CASE WHEN i = 70 THEN 5 ELSE y END AS wrong
      FROM range(50000) AS r(i)`,
    )
    const rows = [...Array(20_000).keys()]
    const arrays = {
      d: Float32Array.from(rows, (i) => Math.sin(i) + 1),
      y: Int8Array.from(rows, (i) => (i % 7 === 3 ? 1 : -1)),
      model: rows.map((i) => `m${i % 3}`),
    }
    stream = tableToIPC(tableFromArrays(arrays), 'stream')
    writeFileSync(at('pairs.arrow'), stream)
  })
  after(() => rmSync(folder, { recursive: true }))

  for (const end of ['parquet', 'arrow']) {
    it(`plotFiles returns the totals of scoreFiles, bit for bit, of ${end} with and without by`, async () => {
      for (const by of [undefined, 'model']) {
        const options = { ...columns, margin: 0.3, ...(by !== undefined && { by }) }
        const scored = await scoreFiles([at(`pairs.${end}`)], options)
        const plotted = await plotFiles([at(`pairs.${end}`)], { ...options, output: at('totals.svg') })
        expect(toPlain(plotted)).to.deep.equal(toPlain(scored))
        expect(plotted.groups?.length).to.equal(by === undefined ? undefined : 3)
        expect(readFileSync(at('totals.svg'), 'utf8')).to.match(/^<svg .*<\/svg>\n$/s)
      }
    })
  }

  it('a reader of the output sees the old picture or the whole new one, never a part', async () => {
    writeFileSync(at('whole.svg'), 'old')
    const before = readdirSync(folder)
    const seen = new Set<string>()
    let isDone = false
    const watched = (async () => {
      for (; !isDone; await nextTurn()) seen.add(readFileSync(at('whole.svg'), 'utf8'))
    })()
    await plotFiles([at('pairs.parquet')], { ...columns, output: at('whole.svg') }).finally(() => {
      isDone = true
    })
    await watched
    const drawn = readFileSync(at('whole.svg'), 'utf8')
    expect(drawn).to.match(/^<svg .*<\/svg>\n$/s)
    expect(['old', drawn]).to.include.members([...seen])
    expect(seen).to.include('old')
    expect(readdirSync(folder)).to.deep.equal(before)
  })

  it('an aborted call rejects with the reason of its signal, and leaves the old picture and no other file', async () => {
    writeFileSync(at('kept.svg'), 'old')
    const before = readdirSync(folder)
    const reason = new Error('enough')
    const aborted = { ...columns, output: at('kept.svg'), signal: AbortSignal.abort(reason) }
    expect(await failureOf(() => plotFiles([at('pairs.parquet')], aborted))).to.equal(reason)

    const controller = new AbortController()
    async function* endless() {
      yield stream.subarray(0, -8)
      controller.abort(reason)
      await new Promise(() => {})
    }
    const waiting = { ...columns, output: at('kept.svg'), stdin: Readable.from(endless()), signal: controller.signal }
    expect(await failureOf(() => plotFiles(['-'], waiting))).to.equal(reason)
    expect(readFileSync(at('kept.svg'), 'utf8')).to.equal('old')
    expect(readdirSync(folder)).to.deep.equal(before)
  })

  it('onProgress gets the number of rows that plotFiles has read so far', async () => {
    const calls: Progress[] = []
    let report = () => {}
    const reported = new Promise<void>((resolve) => {
      report = resolve
    })
    async function* slow() {
      yield stream.subarray(0, -8)
      await reported
      yield stream.subarray(-8)
    }
    const onProgress = (progress: Progress) => {
      calls.push(progress)
      report()
    }
    const options = { ...columns, output: at('progress.svg'), stdin: Readable.from(slow()), onProgress }
    const { total } = await plotFiles(['-'], options)
    expect(calls[0]?.count).to.equal(20_000)
    expect(total.count).to.equal(20_000)
  })

  const wrongOptions: [string, Partial<Record<keyof PlotFilesOptions | 'keep', unknown>>, object][] = [
    ['an unknown theme', { theme: 'blue' }, { code: 'ERR_INVALID_ARG_VALUE', option: 'theme' }],
    ['a theme that is no string', { theme: 3 }, { code: 'ERR_INVALID_ARG_TYPE', option: 'theme' }],
    ['an unknown size', { size: 'poster' }, { code: 'ERR_INVALID_ARG_VALUE', option: 'size' }],
    ['an output of another format', { output: 'new.gif' }, { code: 'ERR_INVALID_ARG_VALUE', option: 'output' }],
    ['a missing output', { output: undefined }, { code: 'ERR_INVALID_ARG_TYPE', option: 'output' }],
    ['an output without a folder', { output: 'nowhere/new.svg' }, { code: 'ERR_INVALID_ARG_VALUE', option: 'output' }],
    ['more than 12 groups', { by: 'i % 13' }, { code: 'ERR_INVALID_ARG_VALUE', option: 'by' }],
    ['keep', { keep: ['i'] }, { code: 'ERR_INVALID_ARG_VALUE', option: 'keep' }],
    ['an infinite margin', { margin: Infinity }, { code: 'ERR_INVALID_ARG_VALUE', option: 'margin' }],
  ]
  for (const [name, wrong, details] of wrongOptions) {
    it(`plotFiles refuses ${name} by an error that programs can read, and writes nothing`, async () => {
      const before = readdirSync(folder)
      const output = typeof wrong.output === 'string' ? at(wrong.output) : at('new.svg')
      const options = { ...columns, ...wrong, output: 'output' in wrong ? wrong.output && output : output }
      const error = await failureOf(() => plotFiles([at('pairs.parquet')], options as PlotFilesOptions))
      expect(error).to.be.an('error').that.includes(details)
      expect(readdirSync(folder)).to.deep.equal(before)
    })
  }

  const wrongRows: [string, Partial<PlotFilesOptions>, object][] = [
    ['a null input', { input: 'holes' }, { code: 'ERR_NULL', option: 'input', row: 41, count: 50 }],
    ['another label', { label: 'wrong' }, { code: 'ERR_INVALID_LABEL', row: 71, count: 1 }],
  ]
  for (const [name, options, details] of wrongRows) {
    it(`plotFiles rejects with the file and row of ${name}, and writes nothing`, async () => {
      const before = readdirSync(folder)
      const call = () => plotFiles([at('pairs.parquet')], { ...columns, ...options, output: at('new.svg') })
      const error = await failureOf(call)
      expect(error)
        .to.be.an('error')
        .that.includes({ ...details, file: at('pairs.parquet') })
      expect(readdirSync(folder)).to.deep.equal(before)
    })
  }

  it('twelve groups fit into one picture', async () => {
    const { groups } = await plotFiles([at('pairs.parquet')], { ...columns, by: 'i % 12', output: at('twelve.svg') })
    expect(groups).to.have.lengthOf(12)
  })
})

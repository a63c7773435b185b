import { once } from 'node:events'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { DuckDBInstance } from '@duckdb/node-api'
import { tableFromArrays, tableFromIPC, tableToIPC } from 'apache-arrow'
import { expect } from 'chai'
import type { FileTotals, Progress, ScoreFilesOptions } from '../../lib/files.ts'
import { scoreFiles } from '../../lib/files.ts'
import { getNumThreads, LossAccumulator } from '../../lib/index.ts'
import { chunksOf } from '../support/command.ts'
import { assertTotals, expectedOf, pairs, selectRows, writePairs } from '../support/pairs.ts'
import { withTemporaryFolder } from '../support/system.ts'

const { d, w, y } = pairs

describe('scoreFiles', function () {
  this.timeout(60_000)
  let folder: string
  const path = (name: string) => join(folder, name)
  const score = (names: readonly string[], options: Partial<ScoreFilesOptions> = {}) =>
    scoreFiles(names.map(path), { input: 'w', label: 'y', ...options })

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-score-'))
    await writePairs(folder)
  })
  after(() => rmSync(folder, { recursive: true }))

  /** An SQL expression for `input` that takes a while for each row. */
  const slow = (steps: number) => `w + 0 * list_sum(list_transform(range(0, ${steps}), lambda z: z * w))`

  describe('reads', () => {
    const kinds = ['parquet', 'csv', 'tsv', 'ndjson', 'arrow', 'arrows']
    for (const kind of kinds) {
      it(`returns the totals of the BigInt oracle for .${kind}`, async () => {
        const { total, groups } = await score([`pairs.${kind}`])
        assertTotals(total, w, y)
        expect(groups).to.equal(undefined)
      })
    }

    it('scores float32 in float32', async () => {
      for (const kind of ['parquet', 'arrow']) {
        const { total } = await score([`pairs.${kind}`], { input: 'd', margin: 0.1 })
        assertTotals(total, d, y, { margin: 0.1 })
      }
    })

    it('reads .npy files that input and label name, without paths', async () => {
      const label = path('y.npy')
      assertTotals((await scoreFiles([], { input: path('x.npy'), label })).total, d, y)
      assertTotals((await scoreFiles([], { input: path('w.npy'), label })).total, w, y)
    })

    it('reads files of several kinds as one, also by pattern and folder', async () => {
      const all = await score(['pairs.parquet', 'pairs.csv', 'pairs.ndjson', 'pairs.arrow', 'pairs.arrows'])
      const times = [1, 2, 3, 4, 5]
      assertTotals(
        all.total,
        Float64Array.from(times.flatMap(() => [...w])),
        times.flatMap(() => y),
      )
      assertTotals((await score(['pairs.[ct]sv'])).total, Float64Array.of(...w, ...w), [...y, ...y])
      mkdirSync(path('folder/inner'), { recursive: true })
      copyFileSync(path('pairs.csv'), path('folder/inner/a.csv'))
      assertTotals((await score(['folder'])).total, w, y)
    })

    it('reads standard input in any format', async () => {
      const streams = { arrow: undefined, arrows: undefined, csv: 'csv', parquet: 'parquet', ndjson: 'ndjson' } as const
      for (const [kind, format] of Object.entries(streams)) {
        const bytes = readFileSync(path(`pairs.${kind}`))
        const stdin = Readable.from(chunksOf(bytes, 1000))
        const options = { input: 'w', label: 'y', stdin, ...(format && { format }) }
        assertTotals((await scoreFiles(['-'], options)).total, w, y)
        expect(stdin.destroyed, kind).to.equal(true)
      }
    })

    it('reads a file as the format that is given, whatever its name', async () => {
      copyFileSync(path('pairs.csv'), path('export.txt'))
      assertTotals((await score(['export.txt'], { format: 'csv' })).total, w, y)
    })

    it('reads CSV as its options describe it', async () => {
      const lines = pairs.gap.map((value, i) => `${value === null ? 'n/a' : String(value).replace('.', ',')};${y[i]}`)
      writeFileSync(path('dialect.csv'), `# pairs\n${lines.join('\n')}\n`)
      const { total } = await score(['dialect.csv'], {
        input: 'column0',
        label: 'column1',
        delimiter: ';',
        decimal: ',',
        nullString: ['n/a'],
        header: false,
        comment: '#',
        nulls: 'ignore',
      })
      assertTotals(total, ...selectRows(w, y, (row) => pairs.gap[row] !== null))
    })
  })

  describe('with policies', () => {
    const kinds = ['parquet', 'csv', 'ndjson', 'arrow']
    const isPresent = (row: number) => pairs.gap[row] !== null
    const isNumber = (row: number) => !Number.isNaN(pairs.nan[row])
    const cases: Record<string, [Partial<ScoreFilesOptions>, (total: LossAccumulator) => void]> = {
      "leaves out rows with a null under nulls: 'ignore'": [
        { input: 'gap', nulls: 'ignore' },
        (total) => assertTotals(total, ...selectRows(w, y, isPresent)),
      ],
      "leaves out rows with a null label under nulls: 'ignore'": [
        { label: 'label_gap', nulls: 'ignore' },
        (total) => assertTotals(total, ...selectRows(w, Array(pairs.count).fill(1), (row) => row % 13 !== 5)),
      ],
      "leaves out NaN under nan: 'ignore'": [
        { input: 'nan', nan: 'ignore' },
        (total) => assertTotals(total, ...selectRows(w, y, isNumber)),
      ],
      "keeps NaN under nan: 'keep'": [
        { input: 'nan', nan: 'keep' },
        (total) => assertTotals(total, Float64Array.from(pairs.nan), y),
      ],
      "gives other labels a loss of 0 under otherLabels: 'zero'": [
        { label: 'other', otherLabels: 'zero' },
        (total) => assertTotals(total, w, pairs.other, { otherLabels: 'zero' }),
      ],
      "leaves out other labels under otherLabels: 'ignore'": [
        { label: 'other', otherLabels: 'ignore' },
        (total) => assertTotals(total, w, pairs.other, { otherLabels: 'ignore' }),
      ],
      'reads the labels that positiveLabel and negativeLabel name': [
        { label: 'zero_one', positiveLabel: 0, negativeLabel: 1, margin: -0.25 },
        (total) => assertTotals(total, w, pairs.zero_one, { positiveLabel: 0, negativeLabel: 1, margin: -0.25 }),
      ],
    }
    for (const [title, [options, check]] of Object.entries(cases)) {
      it(title, async () => {
        for (const kind of kinds) {
          // JSON has no NaN.
          if (kind !== 'ndjson' || options.input !== 'nan') check((await score([`pairs.${kind}`], options)).total)
        }
      })
    }

    it('counts a file once, or as often as it is given with allowDuplicates', async () => {
      const notes: string[] = []
      const once = await score(['pairs.csv', 'pairs.csv'], { onNote: (note) => notes.push(note) })
      assertTotals(once.total, w, y)
      expect(notes).to.deep.equal([
        `${path('pairs.csv')}: given more than once, counted once; allowDuplicates: true counts each time`,
      ])
      const twice = await score(['pairs.csv', 'pairs.csv'], { allowDuplicates: true })
      assertTotals(twice.total, Float64Array.of(...w, ...w), [...y, ...y])
    })
  })

  describe('by', () => {
    function assertGroups({ total, groups = [] }: FileTotals, keyOf: (row: number) => unknown, keys: unknown[]): void {
      expect(groups.map(({ by }) => by)).to.deep.equal(keys)
      for (const [index, group] of groups.entries()) {
        assertTotals(group.total, ...selectRows(w, y, (row) => keyOf(row) === keys[index]))
      }
      assertTotals(total, w, y)
    }

    it('returns the totals of each value of by in the order of the values, null last', async () => {
      for (const kind of ['parquet', 'csv', 'ndjson', 'arrow']) {
        assertGroups(await score([`pairs.${kind}`], { by: 'k' }), (row) => pairs.k[row], [0, 1, 2])
        const words = ['a "quoted", word', 'far', 'größer 𝔸', 'near', 'two\nlines', null]
        assertGroups(await score([`pairs.${kind}`], { by: 'word' }), (row) => pairs.word[row], words)
      }
    })

    const parity = (row: number) => row % 2
    const indexed = `CAST(k AS BIGINT) % 2`
    const keys: Record<string, [sql: string, even: unknown, odd: unknown]> = {
      boolean: [`${indexed} = 1`, false, true],
      double: [`${indexed} + 0.5::DOUBLE`, 0.5, 1.5],
      'integer of 2^53 or more': [`9007199254740992 + ${indexed}`, 9007199254740992n, 9007199254740993n],
      'negative integer of 2^53 or more': [`-9007199254740994 + ${indexed}`, -9007199254740994n, -9007199254740993n],
      'integer of 128 bits': [
        `170141183460469231731687303715884105726::HUGEINT + ${indexed}`,
        2n ** 127n - 2n,
        2n ** 127n - 1n,
      ],
      decimal: [`(${indexed} / 4)::DECIMAL(9, 2)`, 0, 0.25],
      date: [`DATE '2024-01-31' + (${indexed})::INT`, '2024-01-31', '2024-02-01'],
      list: [`[${indexed}]`, [0], [1]],
      structure: [`{ part: ${indexed} }`, { part: 0 }, { part: 1 }],
      NaN: [`CASE ${indexed} WHEN 0 THEN 0.5 ELSE 'nan'::DOUBLE END`, 0.5, 'NaN'],
      null: [`CASE ${indexed} WHEN 0 THEN 'text' END`, 'text', null],
    }
    for (const [type, [by, even, odd]] of Object.entries(keys)) {
      it(`reads a key that is ${type}`, async () => {
        const { total, groups = [] } = await score(['pairs.parquet'], { by })
        expect(groups.map((group) => group.by)).to.deep.equal([even, odd])
        for (const [index, group] of groups.entries()) {
          assertTotals(group.total, ...selectRows(w, y, (row) => parity(pairs.k[row] as number) === index))
        }
        assertTotals(total, w, y)
      })
    }

    it('reads integers of 2^53 or more as bigint from Arrow', async () => {
      const id = BigInt64Array.of(2n ** 53n + 1n, 5n, 2n ** 53n + 1n)
      const table = tableFromArrays({ w: Float64Array.of(0.5, 0.25, 1), y: Int8Array.of(1, 1, 1), id })
      writeFileSync(path('ids.arrow'), tableToIPC(table, 'file'))
      const { groups = [] } = await score(['ids.arrow'], { by: 'id' })
      expect(groups.map(({ by, total }) => [by, total.sum])).to.deep.equal([
        [5, 0.25],
        [9007199254740993n, 1.5],
      ])
    })

    it('returns no group for files without rows', async () => {
      writeFileSync(path('empty.csv'), 'w,y,k\n')
      const { total, groups } = await score(['empty.csv'], { by: 'k' })
      expect([total.count, groups]).to.deep.equal([0, []])
    })
  })

  describe('output', () => {
    const { losses } = expectedOf(w, y)
    const expectedRows = Array.from(losses, (loss, row) => [loss, pairs.k[row], pairs.word[row]])

    async function readRows(name: string): Promise<unknown[][]> {
      if (name.endsWith('.arrow')) {
        const table = tableFromIPC(readFileSync(path(name)))
        return table.toArray().map((row) => [row.loss, Number(row.k), row.word])
      }
      const connection = await (await DuckDBInstance.create(':memory:')).connect()
      const reader = name.endsWith('.csv') ? `read_csv('${path(name)}', header = true)` : `'${path(name)}'`
      const result = await connection.runAndReadAll(`SELECT loss, k::INT, word FROM ${reader}`)
      connection.closeSync()
      return result.getRows()
    }

    it('writes the loss of each row in the order of the rows, with the columns of keep', async () => {
      for (const kind of ['parquet', 'csv', 'ndjson', 'arrow']) {
        for (const end of ['parquet', 'csv', 'arrow']) {
          const output = `losses-${kind}.${end}`
          const { total } = await score([`pairs.${kind}`], { output: path(output), keep: ['k', 'word'] })
          assertTotals(total, w, y)
          expect(await readRows(output), output).to.deep.equal(expectedRows)
        }
      }
    })

    it('writes the losses as one array to .npy', async () => {
      for (const kind of ['parquet', 'arrow']) {
        await score([`pairs.${kind}`], { output: path('losses.npy') })
        const bytes = readFileSync(path('losses.npy')).subarray(-8 * pairs.count)
        expect([...new Float64Array(Uint8Array.from(bytes).buffer)]).to.deep.equal([...losses])
      }
      await scoreFiles([], { input: path('x.npy'), label: path('y.npy'), output: path('float32.npy') })
      const bytes = readFileSync(path('float32.npy')).subarray(-4 * pairs.count)
      expect([...new Float32Array(Uint8Array.from(bytes).buffer)]).to.deep.equal([...expectedOf(d, y).losses])
    })

    it('replaces an output that exists, and leaves it alone after an error', async () => {
      writeFileSync(path('kept.csv'), 'before')
      const failed = score(['pairs.csv'], { input: 'gap', output: path('kept.csv') })
      expect(await failed.catch(({ code }) => code)).to.equal('ERR_NULL')
      expect(readFileSync(path('kept.csv'), 'utf8')).to.equal('before')
      await score(['pairs.csv'], { output: path('kept.csv') })
      expect(readFileSync(path('kept.csv'), 'utf8')).to.match(/^loss\n/)
    })
  })

  describe('options', () => {
    it('returns the same totals with any number of threads, and leaves that of the process alone', async () => {
      const before = getNumThreads()
      for (const kind of ['parquet', 'csv', 'arrow']) {
        for (const threads of [1, 2, 7]) assertTotals((await score([`pairs.${kind}`], { threads })).total, w, y)
      }
      expect(getNumThreads()).to.equal(before)
    })

    it('reads each option and path once, at the call', async () => {
      const reads: string[] = []
      const given = { input: 'w', label: 'y', margin: 0.5, keep: ['k'], output: path('once.csv') }
      const options = new Proxy<ScoreFilesOptions>(given, {
        get(target, name) {
          reads.push(String(name))
          return Reflect.get(target, name)
        },
      })
      const paths = [path('pairs.csv')]
      const scored = scoreFiles(paths, options)
      paths.push('missing.csv')
      given.keep.push('missing')
      Object.assign(given, { input: 'missing', margin: Number.NaN, output: path('never.csv') })
      assertTotals((await scored).total, w, y, { margin: 0.5 })
      expect(reads).to.have.lengthOf(new Set(reads).size)
      expect(readFileSync(path('once.csv'), 'utf8')).to.match(/^loss,k\n/)
      expect(existsSync(path('never.csv'))).to.equal(false)
    })

    it('takes getters, also inherited ones, and undefined for an option that is absent', async () => {
      class Options {
        input = 'w'
        get label() {
          return 'y'
        }
      }
      assertTotals((await scoreFiles([path('pairs.csv')], new Options())).total, w, y)
      const absent = { by: undefined, margin: undefined, signal: undefined, output: undefined, keep: undefined }
      const options = { input: 'w', label: 'y', ...absent } as unknown as ScoreFilesOptions
      assertTotals((await scoreFiles([path('pairs.csv')], options)).total, w, y)
    })
  })

  describe('callbacks', () => {
    it('reports progress as a share that never falls within a step, a count of rows, and nothing after the end', async () => {
      const calls: Progress[] = []
      const onProgress = (progress: Progress) => calls.push(progress)
      await score(['pairs.parquet'], { input: slow(30_000), threads: 1, onProgress, output: path('progress.parquet') })
      expect(calls.length).to.be.above(1)
      const last = new Map<string | undefined, number>()
      for (const { doing, share, count, ...rest } of calls) {
        expect(rest).to.deep.equal({})
        if (doing !== undefined) expect(doing).to.be.a('string')
        if (count !== undefined) expect(count).to.be.within(0, pairs.count)
        if (share === undefined) continue
        expect(share).to.be.within(last.get(doing) ?? 0, 1)
        last.set(doing, share)
      }
      const { length } = calls
      await new Promise((resolve) => setTimeout(resolve, 500))
      expect(calls).to.have.lengthOf(length)
    })

    it('reports the progress of Arrow from a slow pipe', async () => {
      const stdin = new PassThrough()
      const calls: Progress[] = []
      const bytes = readFileSync(path('pairs.arrows'))
      const scored = scoreFiles(['-'], {
        input: 'w',
        label: 'y',
        stdin,
        onProgress: (progress) => calls.push(progress),
      })
      stdin.write(bytes.subarray(0, -8))
      await new Promise((resolve) => setTimeout(resolve, 900))
      stdin.end(bytes.subarray(-8))
      assertTotals((await scored).total, w, y)
      expect(calls.length).to.be.above(1)
      expect(calls.at(-1)?.count).to.equal(pairs.count)
    })

    it('rejects with what onProgress throws, and writes nothing', async () => {
      const error = new Error('no more')
      let calls = 0
      const onProgress = () => {
        calls++
        throw error
      }
      const options = { input: slow(10_000), onProgress, threads: 1, output: path('thrown.csv') }
      expect(await score(['pairs.parquet'], options).catch((cause) => cause)).to.equal(error)
      expect([calls, existsSync(path('thrown.csv'))]).to.deep.equal([1, false])
    })

    it('rejects with what onNote throws', async () => {
      const error = new Error('unheard')
      const onNote = () => {
        throw error
      }
      expect(await score(['pairs.csv', 'pairs.csv'], { onNote }).catch((cause) => cause)).to.equal(error)
    })
  })

  describe('abort', () => {
    const openFiles = () => readdirSync('/proc/self/fd').length

    /** Checks that what is aborted rejects with the reason and leaves nothing behind. */
    async function assertAborts(start: (signal: AbortSignal) => Promise<unknown>, milliseconds: number): Promise<void> {
      mkdirSync(path('temporary'), { recursive: true })
      const [files, handles] = [readdirSync(folder), process.platform === 'linux' ? openFiles() : 0]
      await withTemporaryFolder(path('temporary'), async () => {
        const abort = new AbortController()
        const reason = { why: 'enough' }
        const scored = start(abort.signal)
        const began = performance.now()
        setTimeout(() => abort.abort(reason), milliseconds)
        expect(
          await scored.then(
            () => 'done',
            (cause) => cause,
          ),
        ).to.equal(reason)
        expect(performance.now() - began).to.be.below(milliseconds + 5000)
        expect(readdirSync(path('temporary'))).to.deep.equal([])
        expect(readdirSync(folder)).to.deep.equal(files)
        if (process.platform === 'linux') expect(openFiles()).to.equal(handles)
      })
    }

    it('rejects at once with the reason of a signal that is aborted already', async () => {
      for (const reason of ['why', null, 0, new Error('stopped')]) {
        const found = await score(['missing.csv'], { signal: AbortSignal.abort(reason) }).then(
          () => 'done',
          (cause) => cause,
        )
        expect(found).to.equal(reason)
      }
    })

    it('ends a query of DuckDB at an abort, whenever that comes', async () => {
      await score(['pairs.parquet'])
      for (const milliseconds of [1, 5, 20, 80, 300]) {
        const output = path('aborted.parquet')
        await assertAborts(
          (signal) => score(['pairs.parquet'], { input: slow(3_000_000), signal, output }),
          milliseconds,
        )
      }
    })

    it('ends at an abort while a pipe gives nothing, of Arrow and of what DuckDB reads', async () => {
      for (const kind of ['arrows', 'csv'] as const) {
        const start = (signal: AbortSignal) => {
          const stdin = new PassThrough()
          stdin.write(readFileSync(path(`pairs.${kind}`)).subarray(0, 20_000))
          const options = { input: 'w', label: 'y', stdin, signal, output: path('aborted.csv') }
          return scoreFiles(['-'], kind === 'csv' ? { ...options, format: 'csv' } : options)
        }
        await assertAborts(start, 100)
      }
    })

    it('leaves no listener on a signal that serves many runs', async () => {
      const { signal } = new AbortController()
      let listeners = 0
      const { addEventListener, removeEventListener } = signal
      signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
        listeners++
        addEventListener.apply(signal, args)
      }
      signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
        listeners--
        removeEventListener.apply(signal, args)
      }
      for (const name of ['pairs.parquet', 'pairs.arrow']) await score([name], { signal })
      await score(['missing.csv'], { signal }).catch(() => {})
      expect(listeners).to.equal(0)
    })
  })

  describe('in a server', () => {
    it('scores eight times at once without mixing their results, signals, notes and progress', async () => {
      const kinds = ['parquet', 'csv', 'ndjson', 'arrow', 'arrows', 'parquet', 'tsv', 'csv']
      const before = getNumThreads()
      const runs = kinds.map(async (kind, i) => {
        const notes: string[] = []
        const abort = new AbortController()
        const margin = i / 8
        const isStopped = i === 5
        if (isStopped) setTimeout(() => abort.abort(i), 50)
        const names = [`pairs.${kind}`, `pairs.${kind}`]
        const input = isStopped ? slow(3_000_000) : 'w'
        const output = path(`server-${i}.csv`)
        const options = { input, margin, threads: 1 + (i % 3), output, keep: ['k'], signal: abort.signal }
        const scored = score(names, { ...options, onNote: (note) => notes.push(note) })
        if (isStopped) return expect(await scored.catch((cause) => cause)).to.equal(i)
        assertTotals((await scored).total, w, y, { margin })
        expect(notes.map((note) => note.startsWith(path(`pairs.${kind}: `)))).to.deep.equal([true])
        const lines = readFileSync(output, 'utf8').trimEnd().split('\n').slice(1)
        const losses = lines.map((line) => Number(line.split(',')[0]))
        expect(losses).to.deep.equal([...expectedOf(w, y, { margin }).losses])
      })
      await Promise.all(runs)
      expect(getNumThreads()).to.equal(before)
    })

    it('ends the threads of each DuckDB', async function () {
      if (process.platform !== 'linux') return this.skip()
      const threads = () => readdirSync('/proc/self/task').length
      await score(['pairs.parquet'], { threads: 4 })
      const before = threads()
      for (let i = 0; i < 5; i++) await score(['pairs.parquet'], { threads: 4 })
      expect(threads()).to.be.at.most(before)
    })

    it('gives the event loop its turns while it reads Arrow, also by groups', async () => {
      const count = 2 ** 21
      const columns = {
        w: new Float64Array(count).fill(0.5),
        y: new Int8Array(count).fill(1),
        k: Int32Array.from({ length: count }, (_, i) => i % 5),
      }
      writeFileSync(path('large.arrow'), tableToIPC(tableFromArrays(columns), 'file'))
      for (const by of [undefined, 'k']) {
        let turns = 0
        let isDone = false
        const turn = () => {
          turns++
          if (!isDone) setImmediate(turn)
        }
        setImmediate(turn)
        const { total } = await score(['large.arrow'], by === undefined ? {} : { by })
        isDone = true
        expect(total.sum).to.equal(count / 2)
        expect(turns).to.be.above(by === undefined ? 2 : 50)
      }
    })
  })

  it('leaves a reader of a stream that it does not use alone', async () => {
    const stdin = Readable.from(['a'])
    await score(['pairs.csv'], { stdin })
    expect(stdin.destroyed).to.equal(false)
    stdin.destroy()
    await once(stdin, 'close')
  })

  it('returns totals that merge and that JSON keeps exactly', async () => {
    const { total } = await score(['pairs.parquet'])
    const restored = LossAccumulator.fromJSON(JSON.parse(JSON.stringify(total)))
    assertTotals(LossAccumulator.merge(restored, total), Float64Array.of(...w, ...w), [...y, ...y])
  })
})

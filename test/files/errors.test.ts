import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import { inspect } from 'node:util'
import { gzipSync } from 'node:zlib'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import { type Progress, type ScoreFilesOptions, scoreFiles } from '../../lib/files.ts'
import { installPackage } from '../support/application.ts'
import { type Failure, rejects } from '../support/failures.ts'
import { makeNpy, pairs, writePairs } from '../support/pairs.ts'
import { node, succeeds } from '../support/processes.ts'
import { device, isWindows, makesLinks } from '../support/system.ts'

describe('errors of scoreFiles', function () {
  this.timeout(60_000)
  let folder: string
  const path = (name: string) => join(folder, name)

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-errors-'))
    await writePairs(folder)
    const write = (name: string, content: string | Uint8Array) => writeFileSync(path(name), content)
    for (const name of ['none', 'mixed', 'linked', 'table/_delta_log']) mkdirSync(path(name), { recursive: true })
    write('mixed/a.csv', 'w,y\n1,1\n')
    write('mixed/b.ndjson', '{"w":1,"y":1}\n')
    write('table/a.csv', 'w,y\n1,1\n')
    symlinkSync(path('mixed'), path('linked/inner'))
    symlinkSync(path('nowhere'), path('link.csv'))
    write('cut.parquet', readFileSync(path('pairs.parquet')).subarray(0, 5000))
    write('cut.arrow', readFileSync(path('pairs.arrow')).subarray(0, 5000))
    write('cut.csv.gz', gzipSync(readFileSync(path('pairs.csv'))).subarray(0, -20))
    for (const name of ['text.parquet', 'text.arrow', 'text.csv.gz', 'text.npy', 'name.txt']) write(name, 'w,y\n1,1\n')
    for (const name of ['empty.parquet', 'empty.csv', 'empty.arrow']) write(name, '')
    write('ragged.csv', 'w,y\n1,1\n2\n')
    write('word.csv', 'w,y\n1,1\nfar,1\n')
    write('bad.ndjson', '{"w":1,"y":1}\n{"w":\n')
    write('number.ndjson', '{"w":0.5,"y":1,"k":1}\n')
    write('word.ndjson', '{"w":0.5,"y":1,"k":"one"}\n')
    write('short.npy', makeNpy('|i1', new Int8Array(7), [7]))
    write('nan.npy', makeNpy('<f8', Float64Array.of(0.5, 1, Number.NaN, 2, Number.NaN), [5]))
    write('y5.npy', makeNpy('|i1', Int8Array.of(1, -1, 1, -1, 1), [5]))
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    await connection.run(`COPY (SELECT 0.5::FLOAT AS w, 1 AS y) TO '${path('float.parquet')}'`)
    connection.closeSync()
  })
  after(() => rmSync(folder, { recursive: true }))

  const type = (option: string, message: RegExp) =>
    [TypeError, { code: 'ERR_INVALID_ARG_TYPE', option, message }] as const
  const value = (option: string, message: RegExp) =>
    [RangeError, { code: 'ERR_INVALID_ARG_VALUE', option, message }] as const

  describe('of an option', () => {
    /** Values that each option refuses, with what the message says was expected and came. */
    const text = [
      [1, 'must be a string, got 1'],
      [null, 'must be a string, got null'],
      [['w'], 'must be a string, got an array of 1'],
    ] as const
    const flag = [
      ['yes', "must be true or false, got 'yes'"],
      [1, 'must be true or false, got 1'],
    ] as const
    const list = [
      ['w', "must be an array of strings, got 'w'"],
      [{}, 'must be an array of strings, got an object of class Object'],
    ] as const
    const number = [
      ['1', "must be a number, got '1'"],
      [1n, 'must be a number, got 1n'],
      [null, 'must be a number, got null'],
    ] as const
    const label = [
      [1n, 'must be a number or a string, got 1n'],
      [null, 'must be a number or a string, got null'],
    ] as const
    const called = [
      [true, 'must be a function, got true'],
      [{}, 'must be a function, got an object of class Object'],
    ] as const
    const types: Record<keyof ScoreFilesOptions, readonly (readonly [unknown, string])[]> = {
      input: [...text, [undefined, 'must be a string, got undefined']],
      label: [...text, [undefined, 'must be a string, got undefined']],
      weight: text,
      by: text,
      left: text,
      right: text,
      distance: text,
      epsilon: number,
      embeddings: text,
      id: text,
      labels: text,
      on: text,
      embedding: text,
      output: text,
      query: text,
      nulls: text,
      nan: text,
      otherLabels: text,
      format: text,
      delimiter: text,
      decimal: text,
      comment: text,
      header: flag,
      allowDuplicates: flag,
      nullString: list,
      keep: list,
      attach: list,
      top: number,
      margin: [
        ['1', "must be a number or an array of numbers, got '1'"],
        [null, 'must be a number or an array of numbers, got null'],
        [new Float64Array(1), 'must be a number or an array of numbers, got an object of class Float64Array'],
      ],
      positiveLabel: label,
      negativeLabel: label,
      threads: number,
      duckdbExtensions: text,
      stdin: [
        ['text', "must be a Readable stream, got 'text'"],
        [{}, 'must be a Readable stream, got an object of class Object'],
      ],
      signal: [
        [1, 'must be an AbortSignal, got 1'],
        [{}, 'must be an AbortSignal, got an object of class Object'],
        [{ aborted: false }, 'must be an AbortSignal, got an object of class Object'],
      ],
      onProgress: called,
      onNote: called,
      onGroup: called,
    }
    for (const [option, wrong] of Object.entries(types)) {
      it(`throws a TypeError where ${option} has the wrong type`, async () => {
        for (const [given, message] of wrong) {
          const isOfPair = ['left', 'right', 'distance', 'epsilon', 'embeddings', 'id', 'embedding'].includes(option)
          const input = isOfPair ? { left: 'w', right: 'w', embeddings: 'e.csv', id: 'w' } : { input: 'w' }
          const options = { ...input, label: 'y', [option]: given } as unknown as ScoreFilesOptions
          const [Class, failure] = type(option, new RegExp(`^${option} ${message.replace(/[[\]]/g, '.')}$`))
          await rejects(scoreFiles([path('pairs.csv')], options), `${option}: ${given}`, failure, Class)
        }
      })
    }

    const values: [Partial<ScoreFilesOptions>, option: string, message: RegExp][] = [
      [{ margin: Number.NaN }, 'margin', /^margin must be a finite number, got NaN$/],
      [{ margin: Infinity }, 'margin', /^margin must be a finite number, got Infinity$/],
      [
        { margin: 1e300, input: 'd' },
        'margin',
        /^margin must be finite in float32, in which the input is scored, got 1e\+300$/,
      ],
      [{ positiveLabel: 0.5 }, 'positiveLabel', /^positiveLabel must be an integer within ±2\^24, got 0\.5$/],
      [
        { negativeLabel: 2 ** 24 + 1 },
        'negativeLabel',
        /^negativeLabel must be an integer within ±2\^24, got 16777217$/,
      ],
      [{ negativeLabel: 1 }, 'negativeLabel', /^negativeLabel must be other than positiveLabel, 1, got 1$/],
      [
        { otherLabels: 'drop' as never },
        'otherLabels',
        /^otherLabels must be 'error', 'zero' or 'ignore', got 'drop'$/,
      ],
      [{ nulls: 'drop' as never }, 'nulls', /^nulls must be 'error' or 'ignore', got 'drop'$/],
      [{ nan: 'zero' as never }, 'nan', /^nan must be 'error', 'ignore' or 'keep', got 'zero'$/],
      [{ format: 'xlsx' as never }, 'format', /^format must be 'parquet', 'csv', .* or 'arrow', got 'xlsx'$/],
      [{ decimal: ';' as never }, 'decimal', /^decimal must be '\.' or ',', got ';'$/],
      [{ delimiter: ';;' }, 'delimiter', /^delimiter must be one character of ASCII other than a quote, got ';;'$/],
      [{ comment: '"' }, 'comment', /^comment must be one character of ASCII other than a quote, got '"'$/],
      [{ comment: ' ' }, 'comment', /^comment must be other than delimiter and a space, got ' '$/],
      [{ threads: 0 }, 'threads', /^threads must be an integer from 1 to 1024, got 0$/],
      [{ threads: 1.5 }, 'threads', /^threads must be an integer from 1 to 1024, got 1\.5$/],
      [
        { output: 'losses.txt' },
        'output',
        /^output must end in one of \.parquet, \.csv, \.arrow, \.npy, got losses\.txt$/,
      ],
      [{ output: 'nowhere/o.csv' }, 'output', /^output 'nowhere\/o\.csv': no such folder as nowhere$/],
      [{ output: 'hdfs://b/o.csv' }, 'output', /^output 'hdfs:\/\/b\/o\.csv': files of this scheme are not written/],
      [{ keep: ['k'] }, 'keep', /^keep takes an output to write to, or top$/],
      [{ keep: ['k'], output: 'losses.npy' }, 'keep', /^keep takes another output: \.npy is one array$/],
      [{ input: 'w --' }, 'input', /^input must be one SQL expression, got 'w --' \(syntax error/],
      [{ input: 'sum(w)' }, 'input', /^input 'sum\(w\)' is not a function of its row alone: sum is an aggregate$/],
      [
        { label: 'random()' },
        'label',
        /^label 'random\(\)' is not a function of its row alone: random may give another/,
      ],
      [{ by: '' }, 'by', /^by must be one SQL expression, got '' \(syntax error at its end\)/],
      [{ input: 'w\0' }, 'input', /^input must be without NUL, got 'w '$/],
    ]
    for (const [options, option, message] of values) {
      const given = Object.entries(options).map(([name, each]) => `${name}: ${inspect(each)}`)
      it(`throws a RangeError for ${given.join(', ')}`, async () => {
        const [Class, failure] = value(option, message)
        await rejects(
          scoreFiles([path('pairs.parquet'), path('pairs.csv')].slice(0, options.input === 'd' ? 1 : 2), {
            input: 'w',
            label: 'y',
            ...options,
          }),
          option,
          failure,
          Class,
        )
      })
    }

    it('names an unknown option, and lists the known ones', async () => {
      const options = { input: 'w', label: 'y', margn: 1 } as ScoreFilesOptions
      const [Class, failure] = value(
        'margn',
        /^'margn' is not an option\. Did you mean margin\? The options: input, label, weight, by, .*margin/,
      )
      await rejects(scoreFiles([path('pairs.csv')], options), 'margn', failure, Class)
    })

    it('suggests the option that a flag or a typing error means, and none that is far away', async () => {
      const cases = [
        ['negative_label', 'negativeLabel'],
        ['other-labels', 'otherLabels'],
        ['onprogress', 'onProgress'],
        ['inputs', 'input'],
        ['lable', 'label'],
        ['null', 'nulls'],
        ['json', undefined],
        ['a'.repeat(1e6), undefined],
      ] as const
      for (const [name, meant] of cases) {
        const options = { input: 'w', label: 'y', [name]: 1 } as ScoreFilesOptions
        const advice = meant === undefined ? '' : ` Did you mean ${meant}\\?`
        const [Class, failure] = value(name, new RegExp(`is not an option\\.${advice} The options: input, `))
        await rejects(scoreFiles([path('pairs.csv')], options), name.slice(0, 20), failure, Class)
      }
    })

    it('refuses options that are not an object', async () => {
      for (const given of [undefined, null, 'w', 1, []]) {
        const failure = { code: 'ERR_INVALID_ARG_TYPE', message: /^options must be an object, got / }
        await rejects(scoreFiles([path('pairs.csv')], given as never), String(given), failure, TypeError)
      }
    })

    it('names a getter that throws, with its error as the cause', async () => {
      const cause = new Error('locked')
      const options = {
        input: 'w',
        label: 'y',
        get margin(): number {
          throw cause
        },
      }
      const scored = scoreFiles([path('pairs.csv')], options)
      const [Class, failure] = value('margin', /^margin must be an object that can be read, got locked$/)
      await rejects(scored, 'margin', failure, Class)
      expect(await scored.catch((error) => error.cause)).to.equal(cause)
    })

    it('names the first item of a list that is wrong', async () => {
      const options = { input: 'w', label: 'y', output: path('o.csv') }
      const keep = ['k', 1] as string[]
      const [Class, failure] = type('keep', /^keep\[1\] must be a string, got 1$/)
      await rejects(scoreFiles([path('pairs.csv')], { ...options, keep }), 'keep', failure, Class)
    })

    it('names paths that are not an array of texts', async () => {
      const paths: [unknown, RegExp][] = [
        [undefined, /^paths must be an array of strings, got undefined$/],
        ['pairs.csv', /^paths must be an array of strings, got 'pairs\.csv'$/],
        [[new URL('file:///pairs.csv')], /^paths\[0\] must be a string, got an object of class URL$/],
        [Object.assign(Array(2), ['pairs.csv']), /^paths\[1\] must be a string, got undefined$/],
      ]
      for (const [given, message] of paths) {
        const [Class, failure] = type('paths', message)
        await rejects(scoreFiles(given as string[], { input: 'w', label: 'y' }), String(given), failure, Class)
      }
      for (const [given, message] of [
        ['', /^paths\[0\] must be a path, got ''$/],
        ['a\0.csv', /^paths\[0\] must be without NUL, got 'a \.csv'$/],
      ] as const) {
        const [Class, failure] = value('paths', message)
        await rejects(scoreFiles([given], { input: 'w', label: 'y' }), given, failure, Class)
      }
    })

    it('says what goes with paths, and what without', async () => {
      const [csv, arrow] = [path('pairs.csv'), path('pairs.arrow')]
      const pair = { input: path('x.npy'), label: path('y.npy') }
      const cases: [string[], Partial<ScoreFilesOptions>, string, RegExp][] = [
        [[], {}, 'input', /^without paths input and label must name a \.npy each, got input 'w'$/],
        [[], { input: 'hdfs://b/x.npy' }, 'input', /^input 'hdfs:\/\/b\/x\.npy': files of this scheme are not read/],
        [[], { ...pair, by: 'k' }, 'by', /^by takes paths: \.npy files have no other columns$/],
        [[], { ...pair, format: 'csv' }, 'format', /^format takes paths$/],
        [[], { ...pair, delimiter: ',' }, 'delimiter', /^delimiter is for CSV and TSV, of which there is no file$/],
        [[csv, arrow], { by: 'k' }, 'by', /^by takes Arrow and other files apart: score each by itself$/],
        [[csv, arrow], { output: path('o.csv') }, 'output', /^output takes Arrow and other files apart/],
        [[csv], { output: csv }, 'output', /^output '.*pairs\.csv' is an input, .*pairs\.csv$/],
        [['-'], {}, 'stdin', /^stdin must be a Readable stream for the path -, got undefined$/],
        [['-'], { format: 'csv' }, 'stdin', /^stdin must be a Readable stream for the path -, got undefined$/],
        [['-', '-'], { stdin: Readable.from([]) }, 'paths', /^standard input, -, can be read only once$/],
      ]
      for (const [paths, options, option, message] of cases) {
        const [Class, failure] = value(option, message)
        await rejects(scoreFiles(paths, { input: 'w', label: 'y', ...options }), String(message), failure, Class)
      }
    })

    it('names what a revoked proxy stands for', async () => {
      const revoked = (target: object): never => {
        const { proxy, revoke } = Proxy.revocable(target, {})
        revoke()
        return proxy as never
      }
      const scoring = { input: 'w', label: 'y' }
      const files = [path('pairs.csv')]
      const unreadable = 'got an object that cannot be read$'
      const cases: [Promise<unknown>, option: string, message: RegExp][] = [
        [scoreFiles(revoked([]), scoring), 'paths', new RegExp(`^paths must be an array of strings, ${unreadable}`)],
        [
          scoreFiles(files, { ...scoring, output: path('x.csv'), keep: revoked([]) }),
          'keep',
          new RegExp(`^keep must be an array of strings, ${unreadable}`),
        ],
        [
          scoreFiles(['-'], { ...scoring, stdin: revoked({}) }),
          'stdin',
          /^stdin must be an object that can be read, got /,
        ],
      ]
      for (const [run, option, message] of cases) {
        const [Class, failure] = type(option, message)
        await rejects(run, option, failure, Class)
      }
      const message = /^options must be an object that can be read, got /
      await rejects(scoreFiles(files, revoked({})), 'options', { code: 'ERR_INVALID_ARG_TYPE', message }, TypeError)
    })

    it('reads an item once, so that it cannot change after its check', async () => {
      let reads = 0
      const get = (target: string[], key: PropertyKey) => (key === '0' && reads++ > 0 ? 5 : Reflect.get(target, key))
      const { total } = await scoreFiles(new Proxy([path('pairs.csv')], { get }), { input: 'w', label: 'y' })
      expect([total.count > 0, reads]).to.deep.equal([true, 1])
    })

    it('refuses a stream that another run has read or reads', async () => {
      const stdin = Readable.from([Buffer.from('w,y\n1,1\n')])
      const options = { input: 'w', label: 'y', format: 'csv', stdin } as const
      const first = scoreFiles(['-'], options)
      const [Class, failure] = value('stdin', /^stdin must be a stream that no other run has read$/)
      await rejects(scoreFiles(['-'], options), 'meanwhile', failure, Class)
      expect((await first).total.count).to.equal(1)
      await rejects(scoreFiles(['-'], options), 'afterwards', failure, Class)
    })

    it('refuses a stream of texts where it must have the bytes of Arrow', async () => {
      const stdin = Readable.from(['w,y\n1,1\n'])
      const [Class, failure] = value('stdin', /^stdin must be a stream of bytes, got 'w,y/)
      await rejects(scoreFiles(['-'], { input: 'w', label: 'y', stdin }), 'texts', failure, Class)
    })

    it('rejects with what a promise of onNote rejects with, but not after its end', async () => {
      const [reason, files] = [new Error('from a callback'), Array<string>(2).fill(path('pairs.csv'))]
      const options = { input: 'w', label: 'y' }
      const soon = scoreFiles(files, { ...options, onNote: () => Promise.reject(reason) })
      expect(await soon.catch((error) => error)).to.equal(reason)
      let fail = (_: Error) => {}
      const late = new Promise<never>((_, reject) => {
        fail = reject
      })
      const { total } = await scoreFiles(files, { ...options, onNote: () => late })
      fail(reason)
      await new Promise((resolve) => setTimeout(resolve, 10))
      expect(total.count).to.be.above(0)
    })
  })

  describe('of rows', () => {
    const kinds = ['parquet', 'csv', 'ndjson', 'arrow']
    const countOf = (list: readonly unknown[], isWrong: (value: unknown) => boolean) => list.filter(isWrong).length
    const isNull = (each: unknown) => each === null
    const cases: Record<string, [Partial<ScoreFilesOptions>, Failure]> = {
      'a null input': [
        { input: 'gap' },
        {
          code: 'ERR_NULL',
          option: 'input',
          row: 8,
          count: countOf(pairs.gap, isNull),
          message: /, row 8: input 'gap' is null \(273 such rows; nulls: 'ignore' leaves them out\)$/,
        },
      ],
      'a null label': [
        { label: 'label_gap' },
        {
          code: 'ERR_NULL',
          option: 'label',
          row: 6,
          count: countOf(pairs.label_gap, isNull),
          message: /, row 6: label 'label_gap' is null \(\d+ such rows; nulls: 'ignore' leaves them out\)$/,
        },
      ],
      'a NaN input': [
        { input: 'nan' },
        {
          code: 'ERR_NAN',
          option: 'input',
          row: 10,
          count: countOf(pairs.nan, Number.isNaN),
          message: /, row 10: input 'nan' is NaN \(\d+ such rows; nan: 'ignore' leaves them out\)$/,
        },
      ],
      'a label that is neither': [
        { label: 'other' },
        {
          code: 'ERR_INVALID_LABEL',
          option: 'label',
          row: 4,
          count: countOf(pairs.other, (label) => label === 5),
          message:
            /, row 4: label is 5, neither 1 nor -1 \(\d+ such rows; positiveLabel and negativeLabel name the encoding, otherLabels: 'zero' or 'ignore' lets others pass\)$/,
        },
      ],
      'a label of another encoding': [
        { label: 'zero_one' },
        {
          code: 'ERR_INVALID_LABEL',
          option: 'label',
          row: 2,
          count: countOf(pairs.zero_one, (label) => label === 0),
          message: /, row 2: label is 0, neither 1 nor -1 \(2,000 such rows; for 0\/1 labels use negativeLabel: 0\)$/,
        },
      ],
    }
    for (const [title, [options, failure]] of Object.entries(cases)) {
      it(`names the file, the first row and the number of rows of ${title}`, async () => {
        for (const kind of kinds) {
          // JSON has no NaN.
          if (kind === 'ndjson' && options.input === 'nan') continue
          const file = path(`pairs.${kind}`)
          const scored = scoreFiles([file], { input: 'w', label: 'y', ...options })
          await rejects(scored, kind, { ...failure, file })
        }
      })
    }

    it('names the first file of several that has such a row', async () => {
      const [ndjson, csv] = [path('number.ndjson'), path('pairs.csv')]
      const scored = scoreFiles([ndjson, csv], { input: 'w', label: `CASE WHEN k = 2 THEN 7 ELSE 1 END` })
      const failure = {
        code: 'ERR_INVALID_LABEL',
        option: 'label',
        row: 3,
        count: 1000,
        message: /pairs\.csv, row 3: label is 7/,
      }
      await rejects(scored, 'several', { ...failure, file: csv })
    })

    it('names the array of a .npy', async () => {
      const [input, label] = [path('nan.npy'), path('y5.npy')]
      const message =
        /nan\.npy, .*y5\.npy, row 3: input '.*nan\.npy' is NaN \(2 such rows; nan: 'ignore' leaves them out\)$/
      const failure = { code: 'ERR_NAN', option: 'input', file: input, row: 3, count: 2, message }
      await rejects(scoreFiles([], { input, label }), 'npy', failure)
    })

    it('names standard input', async () => {
      for (const format of ['csv', undefined] as const) {
        const bytes = readFileSync(path(format === 'csv' ? 'pairs.csv' : 'pairs.arrows'))
        const options = { input: 'gap', label: 'y', stdin: Readable.from([bytes]), ...(format && { format }) }
        const failure = {
          code: 'ERR_NULL',
          option: 'input',
          file: '-',
          row: 8,
          count: 273,
          message: /^standard input, row 8: /,
        }
        await rejects(scoreFiles(['-'], options), String(format), failure)
      }
    })
  })

  describe('of files', () => {
    const missing = 'ENOENT'
    const invalid = 'ERR_INVALID_FILE'
    const files: [name: string, Failure, options?: Partial<ScoreFilesOptions>][] = [
      ['missing.csv', { code: missing, message: /missing\.csv: no such file or folder$/ }],
      ['missing*.csv', { code: missing, message: /missing\*\.csv: no file matches$/ }],
      ['pairs.csv/a.csv', { code: missing, message: /no such file or folder$/ }],
      ['link.csv', { code: missing, message: /link\.csv: no such file or folder$/ }],
      ['none', { code: invalid, message: /none: the folder has no file that ends in one of \.parquet, / }],
      ['mixed', { code: invalid, message: /mixed: the folder mixes CSV and NDJSON; name the files, or a pattern$/ }],
      ['table', { code: invalid, message: /table: a Delta table / }],
      [
        'name.txt',
        { code: invalid, message: /name\.txt: the name of a file must end in .*, or format must say what it is$/ },
      ],
      ['cut.parquet', { code: invalid, message: /cut\.parquet: / }],
      ['cut.arrow', { code: invalid, message: /cut\.arrow: / }],
      ['cut.csv.gz', { code: invalid, message: /cut\.csv\.gz: unexpected end of file$/ }],
      ['text.parquet', { code: invalid, message: /text\.parquet: / }],
      [
        'text.arrow',
        { code: invalid, message: /text\.arrow: not Arrow IPC; format says what else it is, such as csv$/ },
      ],
      ['text.csv.gz', { code: invalid, message: /text\.csv\.gz: incorrect header check$/ }],
      ['empty.parquet', { code: invalid, message: /empty\.parquet: the file is empty$/ }],
      ['empty.csv', { code: invalid, message: /empty\.csv: the file is empty, without even a header$/ }],
      ['empty.arrow', { code: invalid, message: /empty\.arrow: not Arrow IPC: empty/ }],
      ['ragged.csv', { code: invalid, message: /ragged\.csv: line 3 has 1 field, expected 2$/ }],
      ['bad.ndjson', { code: invalid, message: /bad\.ndjson: .*Malformed JSON/ }],
      [
        'pairs.csv',
        {
          code: invalid,
          option: 'comment',
          message: /pairs\.csv: comment must be other than the delimiter of the file, got ','$/,
        },
        { comment: ',' },
      ],
      [
        'word.csv',
        {
          code: invalid,
          option: 'input',
          row: 2,
          message: /word\.csv, row 2: input 'w' is 'far', expected a number \(/,
        },
      ],
      [
        'pairs.parquet',
        { code: invalid, option: 'input', message: /: column "ww" not found\. The nearest of its columns: "w"/ },
        { input: 'ww' },
      ],
      [
        'pairs.csv',
        { code: invalid, option: 'by', message: /: column "kk" not found\. The nearest of its columns: "k"/ },
        { by: 'kk' },
      ],
      [
        'pairs.arrow',
        { code: invalid, option: 'label', message: /: label 'yy': no such column\. Its columns: "d", / },
        { label: 'yy' },
      ],
      [
        'pairs.parquet',
        {
          code: invalid,
          option: 'input',
          message: /: input 'word' is VARCHAR, must be a number \(CAST\(word AS DOUBLE\)/,
        },
        { input: 'word' },
      ],
      [
        'pairs.ndjson',
        { code: invalid, option: 'label', message: /: label 'word' is VARCHAR, must be a number or BOOLEAN/ },
        { label: 'word' },
      ],
      [
        'pairs.arrow',
        { code: invalid, option: 'input', message: /: input 'word' is Utf8, must be a number$/ },
        { input: 'word' },
      ],
    ]
    for (const [name, failure, options = {}] of files) {
      it(`names ${name}${Object.keys(options).map((option) => ` and ${option}`)}`, async () => {
        const scored = scoreFiles([path(name)], { input: 'w', label: 'y', ...options })
        await rejects(scored, name, { ...failure, file: path(name) })
      })
    }

    it('names a link to a folder, a device and a URL', async () => {
      const url = 'hdfs://b/x.csv'
      const cases: [given: string, file: string, message: RegExp][] = [
        [device, device, /: a device, neither a file nor a folder; - reads standard input$/],
        [
          url,
          url,
          /^hdfs:\/\/b\/x\.csv: files of this scheme are not read, but those of s3:\/\/, .*; copy them to this machine first$/,
        ],
      ]
      if (makesLinks) {
        const message = /linked.inner: a link to a folder is not followed; name the folder$/
        cases.push([path('linked'), path('linked/inner'), message])
      }
      for (const [given, file, message] of cases) {
        await rejects(scoreFiles([given], { input: 'w', label: 'y' }), given, { code: invalid, file, message })
      }
    })

    it('names a file that the system does not let open', async function () {
      if (isWindows || process.getuid?.() === 0) return this.skip()
      writeFileSync(path('secret.csv'), 'w,y\n1,1\n')
      chmodSync(path('secret.csv'), 0)
      const failure = { code: 'EACCES', file: path('secret.csv'), message: /permission denied/ }
      await rejects(scoreFiles([path('secret.csv')], { input: 'w', label: 'y', format: 'csv' }), 'secret', failure)
    })

    it('names arrays that are missing, that are none, and that differ in shape', async () => {
      const [x, y] = [path('x.npy'), path('y.npy')]
      const cases: [input: string, label: string, Failure][] = [
        [path('no.npy'), y, { code: missing, file: path('no.npy'), message: /no\.npy: no such file$/ }],
        [x, path('text.npy'), { code: invalid, file: path('text.npy'), message: /text\.npy: not a \.npy file$/ }],
        [
          x,
          path('short.npy'),
          {
            code: invalid,
            option: 'label',
            file: path('short.npy'),
            message: /x\.npy has shape \[3000\], but .*short\.npy has \[7\]$/,
          },
        ],
      ]
      for (const [input, label, failure] of cases) await rejects(scoreFiles([], { input, label }), label, failure)
    })

    it('names the file whose column has another type than in the first', async () => {
      const [doubles, floats] = [path('pairs.parquet'), path('float.parquet')]
      await rejects(scoreFiles([doubles, floats], { input: 'w', label: 'y' }), 'input', {
        code: invalid,
        option: 'input',
        file: floats,
        message: /float\.parquet: input 'w' is FLOAT, but DOUBLE in .*pairs\.parquet$/,
      })
      const [number, word] = [path('number.ndjson'), path('word.ndjson')]
      await rejects(scoreFiles([doubles, word], { input: 'w', label: 'y', by: 'k' }), 'by', {
        code: invalid,
        option: 'by',
        file: word,
        message: /word\.ndjson: by 'k' is VARCHAR, but INTEGER in .*pairs\.parquet/,
      })
      const { groups } = await scoreFiles([doubles, number], { input: 'w', label: 'y', by: 'k' })
      expect(groups).to.have.lengthOf(3)
    })

    it('names a file that changed while it was read', async () => {
      const file = path('changing.csv')
      writeFileSync(file, 'w,y\n0.5,1\n')
      const output = path('changed.csv')
      const input = 'w + 0 * list_sum(list_transform(range(0, 10000), lambda z: z * w))'
      // The file is read for its totals, then the losses of another are written, then its own.
      const onProgress = ({ doing }: Progress) => {
        if (doing === 'writing losses') writeFileSync(file, 'w,y\n0.5,1\n0.25,1\n')
      }
      const options = { input, label: 'y', output, threads: 1, onProgress }
      const scored = scoreFiles([path('pairs.parquet'), file], options)
      const failure = { code: 'ERR_FILE_CHANGED', file, message: /changing\.csv: the file changed while it was read$/ }
      await rejects(scored, 'changed', failure)
      expect(existsSync(output)).to.equal(false)
    })
  })

  it('names the packages to install', async function () {
    this.timeout(120_000)
    const program = await installPackage(path('bare'))
    const files = JSON.stringify(pathToFileURL(join(program, '../../files.js')))
    const script = `
      const { scoreFiles } = await import(${files})
      const options = { input: 'w', label: 'y' }
      for (const name of ['pairs.csv', 'pairs.arrow']) {
        const error = await scoreFiles([name], options).catch((cause) => cause)
        console.log(error.code, error.message)
      }`
    const output = await succeeds(node(['--input-type=module', '--eval', script], { cwd: folder }))
    expect(output).to.equal(
      'ERR_PACKAGE_MISSING scoring files needs more packages: npm install @duckdb/node-api\n' +
        'ERR_PACKAGE_MISSING pairs.arrow: Arrow needs more packages: npm install apache-arrow\n',
    )
  })

  it('an optional package that is too old is an error with its version and the oldest that works', async () => {
    await installPackage(path('old'))
    writeFileSync(path('any.arrow'), 'no Arrow file')
    const arrow = path('old/node_modules/apache-arrow')
    mkdirSync(arrow, { recursive: true })
    writeFileSync(join(arrow, 'main.js'), '')
    const score = async (version: string) => {
      writeFileSync(
        join(arrow, 'package.json'),
        JSON.stringify({ name: 'apache-arrow', version, type: 'module', main: 'main.js' }),
      )
      const script = `
        const { scoreFiles } = await import('./old/dist/files.js')
        await scoreFiles(['any.arrow'], { input: 'w', label: 'y' }).catch(({ code, message }) => console.log(code, message))`
      return succeeds(node(['--input-type=module', '--eval', script], { cwd: folder }))
    }
    const needs = 'Arrow needs apache-arrow ≥ 21, got'
    expect(await score('9.0.0')).to.equal(`ERR_PACKAGE_MISSING any.arrow: ${needs} 9.0.0\n`)
    expect(await score('20.0.1')).to.include(`${needs} 20.0.1`)
    expect(await score('21.0.0')).not.to.include(needs)
  })
})

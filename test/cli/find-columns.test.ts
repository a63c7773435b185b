import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { Bool, Table, tableFromArrays, tableToIPC, Utf8, vectorFromArray } from 'apache-arrow'
import { expect } from 'chai'
import { command, fails } from '../support/command.ts'
import { root, run } from '../support/processes.ts'
import { isWindows } from '../support/system.ts'

describe('a command line without --input or --label', function () {
  this.timeout(60_000)
  let folder: string
  const path = (name: string) => join(folder, name)
  const write = (name: string, text: string) => writeFileSync(path(name), text)

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-columns-'))
    write('pairs.csv', 'id,Distance,LABEL\n7,0.5,1\n8,0.25,-1\n')
    write('pairs.tsv', 'dist\ty\n0.5\t1\n0.25\t-1\n')
    write('pairs.ndjson', '{"score":0.5,"target":1}\n{"score":0.25,"target":-1}\n')
    const numbers = { x: [0.5, 0.25], similar: Int8Array.of(1, -1) }
    const words = vectorFromArray(['a', 'b'], new Utf8())
    writeFileSync(path('pairs.arrow'), tableToIPC(tableFromArrays(numbers).assign(new Table({ dist: words })), 'file'))
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    await connection.run(`COPY (SELECT 0.5::FLOAT AS x, 1 AS y) TO '${path('pairs.parquet')}'`)
    for (const label of [1, -1]) {
      mkdirSync(path(`hive/label=${label}`), { recursive: true })
      await connection.run(`COPY (SELECT 0.5 AS distance) TO '${path(`hive/label=${label}/a.parquet`)}'`)
    }
    connection.closeSync()
  })
  after(() => rmSync(folder, { recursive: true }))

  for (const [name, flags] of [
    ['pairs.csv', '--input Distance --label LABEL'],
    ['pairs.tsv', '--input dist --label y'],
    ['pairs.ndjson', '--input score --label target'],
    ['pairs.arrow', '--input x --label similar'],
    ['pairs.parquet', '--input x --label y'],
    ['hive', '--input distance --label label'],
  ] as const) {
    it(`takes ${flags} of ${name}, and says so`, async () => {
      const { code, stdout, stderr } = await command(['score', path(name), '--json'])
      expect(stderr).to.equal(`hinge-embedding-loss: takes ${flags} by the names of the columns\n`)
      expect(code).to.equal(0)
      const named = await command(['score', path(name), '--json', ...flags.split(' ')])
      expect(named).to.deep.equal({ code: 0, stdout, stderr: '' })
    })
  }

  it('says nothing with --quiet, but errors', async () => {
    const { stderr, code } = await command(['score', path('pairs.csv'), path('pairs.csv'), '--quiet', '--json'])
    expect([code, stderr]).to.deep.equal([0, ''])
    await fails(['score', path('absent.csv'), '--quiet'], 1, /absent\.csv: no such file/)
  })

  it('takes columns for partial and plot too', async () => {
    const { stdout } = await command(['partial', path('pairs.csv')])
    expect(JSON.parse(stdout)).to.include({ margin: 1 })
    expect(await command(['plot', path('pairs.csv'), '-o', path('p.svg')])).to.include({ code: 0 })
    expect(readFileSync(path('p.svg'), 'utf8')).to.include('<svg')
  })

  it('looks for those alone that are missing', async () => {
    write('both.csv', 'x,distance,y,d\n1,2,1,3\n')
    const { stdout, stderr } = await command(['score', path('both.csv'), '-i', 'd', '--json'])
    expect(stderr).to.equal('hinge-embedding-loss: takes --label y by the names of the columns\n')
    expect(JSON.parse(stdout)).to.include({ sum: 3 })
    const named = await command(['score', path('both.csv'), '-i', 'y', '-l', 'y', '--json'])
    expect(named).to.include({ code: 0, stderr: '' })
    write('left.ndjson', '{"a":[0,0],"b":[3,4],"y":1}\n')
    const pair = await command(['score', path('left.ndjson'), '--left', 'a', '--right', 'b', '--json'])
    expect(pair.stderr).to.equal('hinge-embedding-loss: takes --label y by the names of the columns\n')
  })

  it('takes no column of another type', async () => {
    write('types.csv', 'x,dist,y\nfar,0.5,1\n')
    const { stderr } = await command(['score', path('types.csv'), '--json'])
    expect(stderr).to.equal('hinge-embedding-loss: takes --input dist --label y by the names of the columns\n')
    const bools = new Table({ x: vectorFromArray([true], new Bool()), y: vectorFromArray([1]) })
    writeFileSync(path('bools.arrow'), tableToIPC(bools, 'file'))
    await fails(['score', path('bools.arrow')], 2, /no column of numbers is called .*Its columns: x Bool, y Float64/)
  })

  const refused: [name: string, text: string, problem: string, example: string][] = [
    [
      'several.csv',
      'dist,score,same\n0.5,1,yes\n',
      '--input is missing, and dist or score may be meant; --label is missing, and no column is called label, y, target or similar. Its columns: dist DOUBLE, score DOUBLE, same VARCHAR',
      '--input dist --label same',
    ],
    [
      'cases.csv',
      'x,X,y\n0.5,1,1\n',
      '--input is missing, and x or X may be meant. Its columns: x DOUBLE, X DOUBLE, y DOUBLE',
      '--input x --label y',
    ],
    [
      'own names.csv',
      'pair_id,my d,"a ""b""",same\n0.5,1,t,true\n',
      '--input is missing, and no column of numbers is called distance, dist, score or x; --label is missing, and no column is called label, y, target or similar. Its columns: pair_id DOUBLE, "my d" DOUBLE, "a \\"b\\"" VARCHAR, same BOOLEAN',
      "--input 'my d' --label same",
    ],
    [
      'texts.ndjson',
      '{"a":"b"}\n',
      '--input is missing, and no column of numbers is called distance, dist, score or x; --label is missing, and no column is called label, y, target or similar. Its columns: a VARCHAR',
      '--input EXPR --label a',
    ],
    [
      'null-words.csv',
      'distance,label\nNA,1\n0.2,-1\n',
      "--input is missing, and distance is VARCHAR because of text such as 'NA' (--null-string NA --nulls ignore leaves out such rows). Its columns: distance VARCHAR, label DOUBLE",
      '--input distance --label label --null-string NA --nulls ignore',
    ],
    [
      'words.csv',
      'n,Distance,y\n7,far,1\n8,0.25,-1\n',
      "--input is missing, and Distance is VARCHAR because of text such as 'far' (--input 'TRY_CAST(Distance AS DOUBLE)' --nulls ignore leaves out such rows). Its columns: n DOUBLE, Distance VARCHAR, y DOUBLE",
      "--input 'TRY_CAST(Distance AS DOUBLE)' --label y --nulls ignore",
    ],
    [
      'commas.tsv',
      'x\tlabel\n0,5\t1\n0,25\t-1\n',
      "--input is missing, and x is VARCHAR because of text such as '0,5' (--decimal , reads decimal commas). Its columns: x VARCHAR, label DOUBLE",
      '--input x --label label --decimal ,',
    ],
    [
      'strings.ndjson',
      '{"distance":"0.5","label":1}\n{"distance":"0.25","label":-1}\n',
      "--input is missing, and distance is VARCHAR (--input 'CAST(distance AS DOUBLE)' reads its texts as numbers). Its columns: distance VARCHAR, label HUGEINT",
      "--input 'CAST(distance AS DOUBLE)' --label label",
    ],
    [
      'one.csv',
      'label\n1\n-1\n',
      '--input is missing, and no column of numbers is called distance, dist, score or x. Its columns: label DOUBLE',
      '--input EXPR --label label',
    ],
  ]
  for (const [name, text, problem, example] of refused) {
    it(`lists the columns of ${name}, with a command`, async () => {
      write(name, text)
      const file = path(name)
      const quoted = name.includes(' ') ? `'${file}'` : file
      expect(await command(['score', file, '--json'])).to.deep.equal({
        code: 2,
        stdout: '',
        stderr: `hinge-embedding-loss: ${file}: ${problem}. For example: hinge-embedding-loss score ${quoted} --json ${example}\n`,
      })
    })
  }

  it('gives commands for distances that are text, which score the others', async function () {
    if (isWindows) this.skip()
    for (const [name, count, sum] of [
      // 1 − 0.2 of the negative of null-words.csv, 1 − 0.25 of the others; 0.5 of the positive
      ['null-words.csv', 1, 0.8],
      ['words.csv', 1, 0.75],
      ['commas.tsv', 2, 1.25],
      ['strings.ndjson', 2, 1.25],
    ] as const) {
      const { stderr } = await command(['score', path(name), '--json'])
      const [, line = ''] = /For example: hinge-embedding-loss (.*)\n/.exec(stderr) ?? []
      const main = `"${process.execPath}" --import tsx lib/cli/main.ts`
      const { stdout } = await run('sh', ['-c', `${main} ${line}`], { cwd: root })
      expect(JSON.parse(stdout), name).to.include({ count, sum })
    }
  })

  it('gives a command that a shell runs as it stands', async function () {
    if (isWindows) this.skip()
    const name = 'it\'s $HOME `id` "a" & b;*.csv'
    write(name, 'my d,same\n0.5,true\n')
    const { stderr } = await command(['score', '--json', '--margin', '2', '--', path(name)])
    const [, line = ''] = /For example: hinge-embedding-loss (.*)\n/.exec(stderr) ?? []
    const main = `"${process.execPath}" --import tsx lib/cli/main.ts`
    const { code, stdout } = await run('sh', ['-c', `${main} ${line}`], { cwd: root })
    expect(code).to.equal(0)
    expect(JSON.parse(stdout)).to.include({ count: 1, sum: 0.5, margin: 2 })
  })

  it('says how booleans are named where a text names the positive label', async () => {
    write('booleans.csv', 'distance,label\n0.5,true\n0.25,false\n')
    const file = path('booleans.csv')
    const advice = 'its true and false are the numbers 1 and 0, which --negative-label 0 alone names'
    const { code, stderr } = await command(['score', file, '--positive-label', 'True'])
    expect(code).to.equal(2)
    expect(stderr).to.include(`${file}: --label is missing, and label is BOOLEAN: ${advice}. Its columns: `)
    const { stdout } = await command(['score', file, '--negative-label', '0', '--json'])
    // 0.5 of the positive, 1 − 0.25 of the negative
    expect(JSON.parse(stdout)).to.include({ count: 2, sum: 1.25 })
  })

  it('refuses files that do not agree', async () => {
    await fails(
      ['score', path('pairs.csv'), path('pairs.tsv')],
      2,
      /pairs\.tsv: --input is missing, and would be dist here, but Distance in \S*pairs\.csv: score them apart; --label is missing, and would be y here, but LABEL in \S*pairs\.csv: score them apart\. Its columns: dist DOUBLE, y DOUBLE\n$/,
    )
    write('case.csv', 'distance,label\n0.5,1\n')
    expect(await command(['score', path('pairs.csv'), path('case.csv'), '--json'])).to.include({ code: 0 })
  })

  it('is refused where nothing can be looked at first', async () => {
    await fails(['score'], 2, /--input is missing: without a FILE it names a \.npy/)
    await fails(['score', '-', '-i', 'x'], 2, /--label is missing: standard input is read once/)
    await fails(
      ['score', '--query', 'SELECT 1 AS x, 1 AS y', '-l', 'y'],
      2,
      /--input is missing: a column of the query, or an expression; only FILEs have columns by conventional names$/m,
    )
    write('none.ndjson', '')
    await fails(['score', path('none.ndjson')], 2, /--input is missing, and no file has a column/)
    await fails(['score', path('absent.csv')], 1, /absent\.csv: no such file/)
  })

  it('has short flags for the columns, the margin and the output', async () => {
    const file = path('pairs.csv')
    const long = ['--input', 'Distance', '--label', 'LABEL', '--margin', '0.5', '--output', path('long.csv')]
    const { stdout } = await command(['score', file, '--json', ...long])
    const short = ['-i', 'Distance', '-lLABEL', '-m', '0.5', '-o', path('short.csv')]
    expect(await command(['score', file, '--json', ...short])).to.deep.equal({ code: 0, stdout, stderr: '' })
    expect(readFileSync(path('short.csv'))).to.deep.equal(readFileSync(path('long.csv')))
    await fails(['score', file, '-i', 'x', '--input', 'y'], 2, /option '-i, --input <expr>' given twice/)
    await fails(['score', file, '-i', '-l', 'y'], 2, /option '-i, --input <expr>' argument missing, got the option -l/)
    await fails(['score', file, '--by', '-m', '1'], 2, /option '--by <expr>' argument missing, got the option -m/)
    await fails(['partial', file, '-o', 'x.csv'], 2, /unknown option '-o' \(an option of score, plot/)
  })
})

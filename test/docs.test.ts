import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import { load } from '../lib/duckdb.ts'
import { readText } from './support/application.ts'
import { root, run } from './support/processes.ts'

function snippets(name: string, language: string): string[] {
  const fences = readText(name).matchAll(/^```(\w+)\n(.*?)^```$/gms)
  return [...fences].filter((fence) => fence[1] === language).map((fence) => fence[2] as string)
}

/** What a program prints is what the comments beside its last prints say. */
async function runs(command: string, args: readonly string[], code: string, comment: RegExp): Promise<void> {
  const outcome = await run(command, args)
  expect(outcome, code).to.include({ code: 0, stderr: '' })
  const wanted = [...code.matchAll(comment)].map(([, printed]) => printed)
  expect(wanted).not.to.have.lengthOf(0)
  expect(outcome.stdout.trimEnd().split('\n')).to.deep.equal(wanted)
}

describe('docs/sql.md', function () {
  this.timeout(60_000)

  it('has programs that do what they say, in Node', async () => {
    const programs = snippets('docs/sql.md', 'js')
    expect(programs).to.have.lengthOf(1)
    for (const code of programs)
      await runs(process.execPath, ['--input-type=module', '--eval', code], code, /\) \/\/ (.*)$/gm)
  })

  it('in Python, where it has DuckDB', async function () {
    const { code, stdout } = await run('python3', ['-c', 'import duckdb; print(duckdb.__version__)'])
    if (code !== 0 || /^1\.[012]\./.test(stdout)) return this.skip()
    const programs = snippets('docs/sql.md', 'python')
    expect(programs).to.have.lengthOf(1)
    for (const code of programs) await runs('python3', ['-c', code], code, /^print.* {2}# (.*)$/gm)
  })

  it('has queries that run and answer', async () => {
    const queries = snippets('docs/sql.md', 'sql')
    expect(queries).to.have.lengthOf(2)
    const instance = await DuckDBInstance.create(':memory:', {
      allow_unsigned_extensions: 'true',
      file_search_path: root,
    })
    const connection = await instance.connect()
    await load(connection)
    const answers = []
    for (const sql of queries) answers.push((await connection.runAndReadAll(sql)).getRows())
    connection.closeSync()
    expect(answers[0]).to.have.lengthOf(10)
    expect(answers[1]).to.deep.equal([[true]])
  })
})

describe('docs/distributed.md', () => {
  it('starts services without npx, which passes no SIGTERM on', () => {
    const starts = [
      ...readText('docs/distributed.md').matchAll(/^(?:ExecStart=| +command: \[)(.*?hinge-embedding-loss)/gm),
    ]
    expect(starts.map(([, program]) => program)).to.deep.equal([
      '/opt/scoring/node_modules/.bin/hinge-embedding-loss',
      '/opt/scoring/node_modules/.bin/hinge-embedding-loss',
    ])
  })
})

describe('the pages of docs', () => {
  const pages = readdirSync(join(root, 'docs')).filter((file) => file.endsWith('.md'))
  for (const name of pages.map((file) => `docs/${file}`)) {
    it(`${name} links only to what there is`, () => {
      const links = [...readText(name).matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, path = '']) => path)
      expect(links.filter((path) => !existsSync(join(root, dirname(name), path)))).to.deep.equal([])
    })
  }
})

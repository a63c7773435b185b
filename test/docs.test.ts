import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DuckDBInstance, type DuckDBValue } from '@duckdb/node-api'
import { expect } from 'chai'
import { load } from '../lib/duckdb.ts'
import { makeApplication, readText, withoutNpx, writeStrictConfig } from './support/application.ts'
import { pages, readCode, readSnippets } from './support/pages.ts'
import { node, root, run, succeeds } from './support/processes.ts'

/** Pages whose snippets need services around them, and the tests that run those. */
const elsewhere: Readonly<Record<string, string>> = {
  'docs/distributed.md': 'test/faults/distributed.test.ts',
  'examples/README.md': 'test/examples/installed.test.ts',
  'examples/spark/README.md': 'test/spark/score.test.ts',
}
/** A page of declarations, which are compared with those of the compiler. */
const reference = 'docs/api.md'
const own = pages.filter((page) => !(page in elsewhere) && page !== reference)

/** Commands of the package; a first line may make the file that they read. */
const isCommand = (code: string) => /^(?:printf .*\n)?npx hinge-embedding-loss/.test(code)
/** Commands that install or build, which the continuous integration runs. */
const isInstallation = (code: string) => /^(npm (ci && npm start|cit|install .*|run prebuild .*)\n)+$/.test(code)

/** Checks that each console.log that begins a line printed what the comment beside it says. */
function expectCommentsToHold(code: string, output: string): void {
  const printing = code.split('\n').filter((line) => line.startsWith('console.log('))
  const printed = output.trimEnd().split('\n')
  expect(printed, 'a line of output for each console.log that begins a line').to.have.lengthOf(printing.length)
  const squeeze = (text: string) => text.replaceAll(/\s/g, '')
  for (const [i, line] of printing.entries()) {
    const comment = line.split(/\) +\/\/ /)[1]
    if (comment !== undefined) expect(squeeze(comment).startsWith(squeeze(printed[i] ?? '')), line).to.equal(true)
  }
}

describe('the pages', function () {
  this.timeout(60_000)
  let application: string

  before(async () => {
    application = await makeApplication()
  })
  after(() => rmSync(application, { recursive: true }))

  for (const page of own) {
    for (const { language, code, printed, line } of readSnippets(page)) {
      const title = `${page}, line ${line}`
      if (language === 'js' || language === 'ts') {
        it(`runs the program of ${title}, which prints what its comments say`, async () => {
          const path = join(application, `${page.replace('/', '-')}-${line}.${language === 'js' ? 'mjs' : 'mts'}`)
          writeFileSync(path, code)
          const loader = language === 'ts' ? ['--import', 'tsx'] : []
          expectCommentsToHold(code, await succeeds(node([...loader, path], { cwd: application })))
        })
      } else if (isCommand(code)) {
        it(`runs the commands of ${title}, which print what the page says`, async () => {
          const output = await succeeds(run('sh', ['-e', '-c', withoutNpx(code)], { cwd: application }))
          if (printed !== undefined) expect(output).to.equal(printed)
          expect(output).not.to.equal('')
        })
      }
    }
  }

  it('finds commands in README.md and docs/files.md', () => {
    for (const page of ['README.md', 'docs/files.md']) {
      const commands = readCode(page, 'sh').filter(isCommand)
      expect(commands, page).not.to.have.lengthOf(0)
    }
  })

  it('checks the TypeScript of the pages strictly', async () => {
    const files = own.flatMap((page) => {
      return readCode(page, 'ts').map((code, i) => {
        const file = `${page.replace('/', '-')}-${i}.mts`
        writeFileSync(join(application, file), code)
        return file
      })
    })
    expect(files).not.to.have.lengthOf(0)
    writeStrictConfig(application, files)
    const compiler = join(root, 'node_modules/typescript/bin/tsc')
    await succeeds(node([compiler, '--project', application], { cwd: application }))
  })

  /** Runs the queries of a page one after the other. */
  async function query(page: string): Promise<DuckDBValue[][][]> {
    const settings = { allow_unsigned_extensions: 'true', file_search_path: root }
    const connection = await (await DuckDBInstance.create(':memory:', settings)).connect()
    try {
      await load(connection)
      const answers = []
      for (const sql of readCode(page, 'sql')) answers.push((await connection.runAndReadAll(sql)).getRows())
      return answers
    } finally {
      connection.closeSync()
    }
  }

  it('runs the queries of docs/sql.md: ten rows, and partials that roll up exactly', async () => {
    const answers = await query('docs/sql.md')
    expect(answers).to.have.lengthOf(2)
    expect(answers[0]).to.have.lengthOf(10)
    expect(answers[1]).to.deep.equal([[true]])
  })

  it('runs the query of README.md: a mean for each digit', async () => {
    const answers = await query('README.md')
    expect(answers).to.have.lengthOf(1)
    expect(answers[0]?.map(([digit]) => digit)).to.have.members([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it('docs/files.md has a policy that allows to list, read and write, and to remove nothing', () => {
    const [policy = ''] = readCode('docs/files.md', 'json')
    const { Statement } = JSON.parse(policy) as { Statement: { Effect: string; Action: string | string[] }[] }
    expect(Statement.every(({ Effect }) => Effect === 'Allow')).to.equal(true)
    expect(Statement.flatMap(({ Action }) => Action)).to.deep.equal([
      's3:ListBucket',
      's3:GetObject',
      's3:PutObject',
      's3:AbortMultipartUpload',
    ])
  })

  it('knows a test for every snippet of the pages', () => {
    const isRun = ({ language, code }: { language: string; code: string }) =>
      ['js', 'ts'].includes(language) || (language === 'sh' && (isCommand(code) || isInstallation(code)))
    const others = own.flatMap((page) => {
      return readSnippets(page).flatMap((snippet) => (isRun(snippet) ? [] : [`${snippet.language} of ${page}`]))
    })
    const queries = ['sql of README.md', 'sql of docs/sql.md', 'sql of docs/sql.md']
    const inPython = ['python of docs/files.md', 'python of docs/sql.md'] // test/python/docs.test.ts
    const policies = ['json of docs/files.md']
    expect(others).to.have.members([...queries, ...inPython, ...policies])
    for (const test of Object.values(elsewhere)) expect(existsSync(join(root, test)), test).to.equal(true)
  })

  describe('docs/api.md', () => {
    const installed = () => join(application, 'node_modules/hinge-embedding-loss')
    const { exports } = JSON.parse(readText('package.json')) as { exports: Record<string, { types?: string }> }
    const entries = Object.entries(exports).flatMap(([path, { types }]) => (types ? [{ path, types }] : []))
    const statements = readCode(reference, 'ts').flatMap((code) => code.split(/\n(?=\S)(?![)}])/))

    function nameOf(statement: string): string {
      return /^(?:class|function|interface|type|const) (\w+)/.exec(statement)?.[1] ?? statement
    }

    for (const { path, types } of entries) {
      const entry = path.replace('.', 'hinge-embedding-loss')
      it(`docs/api.md declares every export of ${entry}, and mentions it in the section of that entry`, async () => {
        const declarations = readFileSync(join(installed(), types), 'utf8')
        const lists = [...declarations.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, list = '']) =>
          list.split(','),
        )
        const named = lists.map((name) => name.trim().replace(/^type /, '')).filter((name) => name !== '')
        const own = [...declarations.matchAll(/^export declare (?:const|function) (\w+)/gm)].map(
          ([, name = '']) => name,
        )
        const names = [...named, ...own]
        const values = Object.keys(await import(join(installed(), types.replace('.d.ts', '.js'))))
        expect(names).to.include.members(values)
        const declared = statements.map(nameOf)
        expect(names.filter((name) => !declared.includes(name))).to.deep.equal([])
        const section = readText(reference).split(`\n## \`${entry}\`\n`)[1]?.split('\n## ')[0] ?? ''
        expect(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(section))).to.deep.equal([])
      })
    }

    /** A declaration without comments, white space and what only the compiler needs. */
    function normalize(declarations: string): string {
      const code = declarations.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')
      const bare = code.replaceAll(
        /#private;|\[inspect\]\(\): string;|protected constructor\([^)]*\);|extends Callable|\b(?:export|declare) /g,
        '',
      )
      return bare
        .replaceAll(/[\s;]/g, '')
        .replaceAll(/,(?=[)}])/g, '')
        .replaceAll('"', "'")
    }

    it('docs/api.md has the declarations of the compiler', () => {
      const names = readdirSync(join(installed(), 'dist'), { recursive: true, encoding: 'utf8' })
      const files = names.filter((name) => name.endsWith('.d.ts'))
      const compiled = files.map((name) => normalize(readFileSync(join(installed(), 'dist', name), 'utf8'))).join('\n')
      expect(statements.filter((statement) => !compiled.includes(normalize(statement)))).to.deep.equal([])
    })
  })
})

describe('README.md', () => {
  it('README.md has at most 200 lines', () => {
    expect(readText('README.md').trimEnd().split('\n')).to.have.lengthOf.at.most(200)
  })
})

describe('docs/distributed.md', () => {
  it('docs/distributed.md starts services without npx, which passes no SIGTERM on', () => {
    const starts = [
      ...readText('docs/distributed.md').matchAll(/^(?:ExecStart=| +command: \[)(.*?hinge-embedding-loss)/gm),
    ]
    expect(starts.map(([, program]) => program)).to.deep.equal([
      '/opt/scoring/node_modules/.bin/hinge-embedding-loss',
      '/opt/scoring/node_modules/.bin/hinge-embedding-loss',
    ])
  })
})

/** The anchors of a page's headings, as GitHub makes them. */
function readAnchors(page: string): string[] {
  const text = readText(page).replaceAll(/^```.*?^```$/gms, '')
  const headings = text.matchAll(/^#+ (.*)$/gm)
  return [...headings].map(([, heading = '']) => {
    const words = heading.replaceAll(/\]\([^)]*\)/g, ']').toLowerCase()
    return words.replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-')
  })
}

describe('links', () => {
  for (const page of pages) {
    it(`links of ${page} lead to files and headings that exist`, () => {
      const links = readText(page).matchAll(/(?:\]\(|(?:href|src(?:set)?)=")(?!https?:)([^)"#]*)(?:#([^)"]*))?[)"]/g)
      const broken = [...links].flatMap(([link, path = '', anchor]) => {
        const target = path === '' ? page : join(dirname(page), path)
        if (!existsSync(join(root, target))) return [link]
        return anchor === undefined || readAnchors(target).includes(anchor) ? [] : [link]
      })
      expect(broken).to.deep.equal([])
    })
  }

  it('code names only pages that exist', () => {
    const folders = ['lib', 'native', 'test', 'bench', 'examples', 'scripts']
    const files = folders.flatMap((folder) => {
      const names = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      return names.flatMap((name) => (/\.(ts|cpp|h|inl|mjs|py)$/.test(name) ? [join(folder, name)] : []))
    })
    const named = files.flatMap((file) => readText(file).match(/docs\/[\w-]+\.md/g) ?? [])
    expect(named.filter((page) => !existsSync(join(root, page)))).to.deep.equal([])
  })
})

describe('docs/architecture.md', () => {
  const text = readText('docs/architecture.md')
  const folders = ['lib', 'native', 'scripts', 'test']
  const files = folders.flatMap((folder) => {
    return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name))
  })
  const expanded = text.replaceAll(/(\S*)\{([\w,-]+)\}(\S*)/g, (_, begin: string, names: string, end: string) => {
    return names
      .split(',')
      .map((name) => `${begin}${name}${end}`)
      .join(' ')
  })
  const named = (expanded.match(/[\w/.-]+\.(?:ts|cpp|h|inl|mjs)\b/g) ?? []).map((name) => `/${name}`)

  it('docs/architecture.md names only files that exist', () => {
    expect(named.filter((name) => !files.some((file) => `/${file}`.endsWith(name)))).to.deep.equal([])
  })

  it('the glossary of docs/architecture.md defines each term once', () => {
    const glossary = text.split('\n## Words\n')[1]?.split('\n## ')[0] ?? ''
    const rows = [...glossary.matchAll(/^\| ([^|]*) \|/gm)].slice(2)
    const terms = rows.flatMap(([, names = '']) => names.split(', '))
    expect(terms).not.to.have.lengthOf(0)
    expect(terms.filter((term, i) => terms.indexOf(term) < i)).to.deep.equal([])
  })

  it('docs/architecture.md names every source file, of C++ without its header', () => {
    const sources = files.filter((file) => /^lib\/.*(?<!\.d)\.ts$|^native\/.*\.cpp$/.test(file))
    const commands = /^lib\/cli\/commands\//
    const unnamed = sources.filter((file) => !commands.test(file) && !named.some((name) => `/${file}`.endsWith(name)))
    expect(unnamed).to.deep.equal([])
  })
})

import { expect } from 'chai'
import { readCode } from '../support/pages.ts'
import { run, succeeds } from '../support/processes.ts'
import { environmentOf } from './venv.ts'

describe('the Python of the pages', function () {
  this.timeout(300_000)
  let python: string
  before(() => {
    python = environmentOf('pyarrow', 'duckdb').python
  })

  it('the Python of docs/sql.md prints what its comment says', async () => {
    const [code = '', ...others] = readCode('docs/sql.md', 'python')
    expect(others).to.deep.equal([])
    const wanted = [...code.matchAll(/^print.* {2}# (.*)$/gm)].map(([, printed]) => printed)
    expect(wanted).to.have.lengthOf(1)
    expect((await succeeds(run(python, ['-c', code]))).trimEnd().split('\n')).to.deep.equal(wanted)
  })

  it('the Python of docs/files.md writes a stream that is scored from a pipe', async () => {
    const [code = '', ...others] = readCode('docs/files.md', 'python')
    expect(others).to.deep.equal([])
    const score = 'node dist/cli/main.js score - --input distance --label label --json'
    const pipe = `"${python}" -c '${code.replaceAll("'", `'"'"'`)}' | ${score}`
    expect(JSON.parse(await succeeds(run('sh', ['-c', pipe])))).to.include({ count: 3, mean: 0.25 })
  })
})

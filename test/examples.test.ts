import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { LossAccumulator } from '../lib/index.ts'
import { readText } from './support/application.ts'
import { readTable } from './support/page.ts'
import { node, nodePath, Program, root, succeeds } from './support/processes.ts'

const example = (name: string, ...args: string[]) => succeeds(node([join('examples', name), ...args]))

describe('examples', function () {
  this.timeout(60_000)

  it('train-embedding.mjs learns: the loss falls, and it recognizes more held-out digits', async () => {
    const output = await example('train-embedding.mjs')
    const losses = [...output.matchAll(/^epoch +\d+ +loss (\S+) +█+$/gm)].map(([, loss]) => Number(loss))
    expect(losses).to.have.lengthOf(10)
    expect(losses).to.deep.equal(losses.toSorted((a, b) => b - a))
    expect(losses.at(-1)).to.be.below(0.75 * (losses[0] as number))
    const [before, after] = [...output.matchAll(/(\S+) %/g)].map(([, percent]) => Number(percent)) as [number, number]
    expect(before).to.be.below(60)
    expect(after).to.be.above(80)
  })

  it('digit-report.mjs writes a page with a group for each digit and the digits of the worst pairs', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
    await example('digit-report.mjs', join(folder, 'digits.html'))
    const page = readFileSync(join(folder, 'digits.html'), 'utf8')
    rmSync(folder, { recursive: true })
    const groups = readTable(page, 'Totals of each value of left_digit')
    expect(groups.map(({ left_digit }) => left_digit?.text)).to.deep.equal([...'0123456789'])
    expect(groups.reduce((sum, { Pairs }) => sum + (Pairs?.value ?? 0), 0)).to.equal(100_000)
    for (const caption of ['10 positive pairs', '10 negative pairs']) {
      const pairs = readTable(page, caption)
      const isSame = pairs.map(({ left_digit, right_digit }) => left_digit?.text === right_digit?.text)
      expect(isSame).to.deep.equal(pairs.map(() => caption === '10 positive pairs'))
    }
  })

  describe('stream.mjs', () => {
    const folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
    after(() => rmSync(folder, { recursive: true }))

    const totals = (name: string) => readFileSync(join(folder, name), 'utf8')
    const lastLine = (output: string) => output.trimEnd().split('\n').at(-1)
    const stream = async (name: string, ...args: string[]) =>
      lastLine(await example('stream.mjs', join(folder, name), ...args))

    /** Kills the program once it has printed where it begins and saved a batch. */
    async function interrupt(name: string, batchSize: string) {
      const child = new Program(nodePath, ['examples/stream.mjs', join(folder, name), batchSize])
      await child.prints(/\n\./, 'stdout')
      await child.end('SIGKILL')
    }

    it('stream.mjs goes on after a kill in the middle to the totals of one run', async () => {
      const printed = await stream('at-once.json')
      await interrupt('killed.json', '100')
      const { count } = LossAccumulator.fromJSON(JSON.parse(totals('killed.json')))
      expect(count).to.be.within(1, 99_999)
      expect(await stream('killed.json')).to.equal(printed)
      expect(totals('killed.json')).to.equal(totals('at-once.json'))
    })

    it('stream.mjs adds nothing after its end', async () => {
      const before = totals('at-once.json')
      await stream('at-once.json')
      expect(totals('at-once.json')).to.equal(before)
    })
  })

  it('the README of the examples has all of them, and links only to files that exist', () => {
    const links = [...readText('examples/README.md').matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, path = '']) => path)
    expect(links.filter((path) => !existsSync(join(root, 'examples', path)))).to.deep.equal([])
    const programs = readdirSync(join(root, 'examples')).filter((name) => !/\.(md|parquet)$/.test(name))
    expect(links).to.include.members(programs)
  })
})

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { node, readText, root, succeeds } from './application.ts'

const example = (name: string, ...args: string[]) => succeeds(node([join('examples', name), ...args], root))

describe('examples', function () {
  this.timeout(60_000)

  it('train-embedding.mjs learns: the loss falls, and held-out digits are told more often', async () => {
    const output = await example('train-embedding.mjs')
    const losses = [...output.matchAll(/^epoch +\d+ +loss (\S+) +█+$/gm)].map(([, loss]) => Number(loss))
    expect(losses).to.have.lengthOf(10)
    expect(losses).to.deep.equal(losses.toSorted((a, b) => b - a))
    expect(losses.at(-1)).to.be.below(0.75 * (losses[0] as number))
    const [before, after] = [...output.matchAll(/(\S+) %/g)].map(([, percent]) => Number(percent)) as [number, number]
    expect(before).to.be.below(60)
    expect(after).to.be.above(80)
  })

  it('are all in their README, which links only to what there is', () => {
    const links = [...readText('examples/README.md').matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, path = '']) => path)
    expect(links.filter((path) => !existsSync(join(root, 'examples', path)))).to.deep.equal([])
    const programs = readdirSync(join(root, 'examples')).filter((name) => !/\.(md|parquet)$/.test(name))
    expect(links).to.include.members(programs)
  })
})

import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { node, root, run, succeeds } from '../application.ts'

describe('examples with packages of their own', function () {
  this.timeout(600_000)

  /** Stands for a clone that was built: what the examples' file:../.. is. */
  const clone = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
  for (const name of ['package.json', 'dist']) symlinkSync(join(root, name), join(clone, name))
  after(() => rmSync(clone, { recursive: true }))

  async function install(name: string): Promise<string> {
    const folder = join(clone, 'examples', name)
    cpSync(join(root, 'examples', name), folder, {
      recursive: true,
      filter: (path) => !path.startsWith(join(root, 'examples', name, 'node_modules')),
    })
    await succeeds(run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], folder))
    return folder
  }

  describe('onnxruntime', () => {
    const embeddings = (seed: number) => Float32Array.from({ length: 16_000 }, (_, i) => Math.sin(seed * i * i))

    it('scores the output of a model, without a copy, as plain JavaScript does', async () => {
      const output = await succeeds(node(['score.mjs'], await install('onnxruntime')))
      const [left, right] = [embeddings(1), embeddings(2)]
      const squares = left.map((value, i) => (value - (right[i] as number)) ** 2)
      let sum = 0
      for (let pair = 0; pair < 1000; pair++) {
        const distance = Math.sqrt(squares.subarray(16 * pair, 16 * (pair + 1)).reduce((a, b) => a + b))
        sum += pair % 2 === 0 ? distance : Math.max(0, 4 - distance)
      }
      const [, loss, isShared] = output.match(/^mean loss of 1000 pairs: (\S+)\n.*: (\S+)\n$/) ?? []
      expect(Number(loss)).to.be.closeTo(sum / 1000, 1e-6)
      expect(isShared).to.equal('true')
    })
  })
})

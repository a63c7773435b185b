import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { nodePath, root } from '../support/processes.ts'

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('the demo of many machines', function () {
  this.timeout(120_000)
  let place: string

  before(() => {
    place = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
  })
  after(() => rmSync(place, { recursive: true }))

  for (const moment of [/pairs of digits/, /3 workers/, /killed/]) {
    it(`the demo leaves no process and no file when it is interrupted after ${moment}`, async () => {
      const demo = spawn(nodePath, ['examples/distributed/demo.mjs'], {
        cwd: root,
        env: { ...process.env, TMPDIR: place },
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      let said = ''
      const exit = once(demo, 'exit')
      for await (const chunk of demo.stdout) {
        said += chunk
        if (moment.test(said)) break
      }
      const found = execFileSync('pgrep', ['-P', `${demo.pid}`], { encoding: 'utf8' })
      const children = found.trim().split('\n').map(Number)
      demo.kill('SIGINT')
      expect(await exit, said).to.deep.equal([130, null])
      for (let i = 0; i < 50 && children.some(isAlive); i++) await sleep(100)
      expect(children.filter(isAlive)).to.deep.equal([])
      expect(readdirSync(place)).to.deep.equal([])
    })
  }
})

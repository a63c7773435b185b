import { readFileSync } from 'node:fs'
import { arch, platform } from 'node:os'
import { expect } from 'chai'
import { runtimeInfo } from '../../lib/index.ts'

/** The flags of /proc/cpuinfo that each instruction set needs, preferred first. */
const flags = {
  avx512: ['avx512f', 'avx512bw', 'avx512dq', 'avx512vl'],
  avx2: ['avx2', 'fma'],
  baseline: ['sse2'],
}

describe('the instruction sets', () => {
  it('are those that the kernel of Linux reports for this processor', function () {
    if (platform() !== 'linux' || arch() !== 'x64') this.skip()
    const [, line = ''] = /^flags\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8')) ?? []
    const reported = line.split(' ')
    const supported = Object.entries(flags).filter(([, needed]) => needed.every((flag) => reported.includes(flag)))
    expect(runtimeInfo().instructionSets).to.deep.equal(supported.map(([name]) => name))
  })

  it('are NEON alone on arm64', function () {
    if (arch() !== 'arm64') this.skip()
    expect(runtimeInfo().instructionSets).to.deep.equal(['neon'])
  })
})

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { explain } from '../lib/cli/failures.ts'
import type { Stream } from '../lib/cli/readers/readers.ts'
import { command } from './command.ts'
import { arrowBases, isClear, lenient, mutantsOf, npyBases, scoreStream } from './mutants.ts'
import { describeReaders } from './readers.ts'

const folder = fileURLToPath(new URL('fixtures', import.meta.url))

describe('files of Arrow IPC and arrays that others have written', () => {
  describeReaders(() => folder, 4)

  it('have no groups where they have no rows', async () => {
    const file = join(folder, 'arrow/plain/pyarrow.arrows')
    const bytes = readFileSync(file)
    const schema = bytes.subarray(0, 8 + bytes.readUInt32LE(4))
    const place = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
    const path = join(place, 'empty.arrows')
    writeFileSync(path, Buffer.concat([schema, bytes.subarray(-8)]))
    const options = { ...lenient, input: 'distance', label: 'label', by: 'text' }
    const { groups, total } = JSON.parse(await scoreStream({ kind: 'Arrow', files: [path] }, options))
    expect({ groups, count: total.count }).to.deep.equal({ groups: [], count: 0 })
    rmSync(place, { recursive: true })
  })

  it('are told from what is none at all', async () => {
    const inputs: [stdin: readonly Uint8Array[], named: RegExp][] = [
      [[], /^hinge-embedding-loss: standard input: not Arrow IPC: empty/],
      [[Buffer.from('x,label\n0.5,1\n')], /standard input: not Arrow IPC\n/],
      [[Buffer.alloc(1000)], /standard input: not Arrow IPC: it does not begin with a schema/],
    ]
    for (const [stdin, named] of inputs) {
      const { code, stderr } = await command(['score', '-', '--input', 'x', '--label', 'label'], stdin)
      expect(code).to.equal(1)
      expect(stderr).to.match(named)
    }
    const archive = await command(['score', '--input', 'a.npz', '--label', 'b.npy'])
    expect(archive).to.deep.include({ code: 2 })
    expect(archive.stderr).to.match(/a\.npz, which is an archive/)
    const missing = await command(['score', '--input', 'missing.npy', '--label', 'b.npy'])
    expect(missing.stderr).to.equal('hinge-embedding-loss: missing.npy: no such file\n')
  })

  describe('damaged', () => {
    let place: string
    before(() => {
      place = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
    })
    after(() => rmSync(place, { recursive: true }))

    /** Each base with what scores a file in its place. */
    function bases(): [original: string, score: (path: string) => Promise<string>][] {
      const scored = (kind: Stream['kind'], files: string[], columns: typeof lenient) =>
        scoreStream({ kind, files }, columns)
      const arrow = arrowBases.map(({ file, columns }) => {
        const score = (path: string) => scored('Arrow', [path], { ...lenient, ...columns })
        return [join(folder, 'arrow', file), score] as [string, typeof score]
      })
      const npy = npyBases.map((base) => {
        const label = join(folder, 'npy', base.label)
        const score = (path: string) => scored('npy', [path, label], { ...lenient, input: path, label })
        return [join(folder, 'npy', base.input), score] as [string, typeof score]
      })
      return [...arrow, ...npy]
    }

    it('are an error wherever they are cut off, and where more follows', async () => {
      const path = join(place, 'cut')
      for (const [original, score] of bases()) {
        const bytes = readFileSync(original)
        writeFileSync(path, bytes)
        expect(await score(path), original).to.equal(await score(original))
        const cut = Array.from({ length: 12 }, (_, i) => bytes.subarray(0, Math.floor((i * bytes.length) / 12)))
        for (const part of [...cut, bytes.subarray(0, -1), Buffer.concat([bytes, bytes])]) {
          writeFileSync(path, part)
          const isTwoFiles = part.length > bytes.length && bytes.toString('latin1', 0, 6) === 'ARROW1'
          if (isTwoFiles) continue
          const error = await score(path).then(() => undefined, explain)
          expect(error?.message, `${original}, ${part.length} of ${bytes.length} bytes`)
            .to.include(path)
            .and.satisfy(isClear)
        }
      }
    })

    it('are told by name, in a line for people', async () => {
      const path = join(place, 'mutant')
      let errors = 0
      for (const [index, [original, score]] of bases().entries()) {
        for (const mutant of mutantsOf(
          readFileSync(original),
          50,
          1000 + index,
          original.endsWith('npy') ? 128 : undefined,
        )) {
          writeFileSync(path, mutant)
          const error = await score(path).then(() => undefined, explain)
          if (error === undefined) continue
          errors++
          expect(error.message, original).to.include(path).and.satisfy(isClear)
        }
      }
      expect(errors).to.be.greaterThan(100)
    })
  })
})

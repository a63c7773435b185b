import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { explainError } from '../../lib/cli/flags.ts'
import type { ArraySource } from '../../lib/files/readers/array-source.ts'
import { arrowBases, isClear, lenient, mutantsOf, npyBases, scoreSource } from '../support/mutants.ts'
import { exchangeJSON } from '../support/processes.ts'
import { type Environment, environmentOfColumns } from './venv.ts'

const judge = fileURLToPath(new URL('judge.py', import.meta.url))
const fixtures = fileURLToPath(new URL('../fixtures', import.meta.url))
const count = Number(process.env.MUTANTS ?? 400)

interface Figures {
  count: number
  sum: number | string
  positives: { count: number; sum: number | string }
  negatives: { count: number; sum: number | string; active: number }
  others: number
}

interface Judgement extends Figures {
  refused?: string
  groups?: Record<string, [count: number, sum: number | string]>
}

/** Figures that can be compared: groups in one order, and one zero. */
function comparable({ count, sum, positives, negatives, others }: Figures, groups?: Judgement['groups']): unknown {
  const plain = (value: number | string) => (value === 0 ? 0 : value)
  const sorted =
    groups &&
    Object.entries(groups)
      .map(([key, [rows, total]]) => [key, rows, plain(total)])
      .sort()
  const { active } = negatives
  return [
    [count, plain(sum), others],
    [positives.count, plain(positives.sum), negatives.count, plain(negatives.sum), active],
    sorted,
  ]
}

function comparableOf(json: string): unknown {
  const answer = JSON.parse(json) as Figures & { total?: Figures; groups?: (Figures & { by: unknown })[] }
  const groups = answer.groups?.map((group) => [JSON.stringify(group.by), [group.count, group.sum]])
  return comparable(answer.total ?? answer, groups && Object.fromEntries(groups))
}

describe('damaged files of Arrow IPC and .npy', function () {
  this.timeout(300_000)
  let environment: Environment
  let place: string
  const found = { errors: 0, right: 0, asBefore: 0 }

  before('install', () => {
    environment = environmentOfColumns()
    place = join(environment.folder, 'mutants')
    mkdirSync(place)
  })
  after(() => console.log(`      ${JSON.stringify(found)}`))

  function judgements(questions: readonly object[]): Judgement[] {
    return exchangeJSON(environment.python, [judge], questions)
  }

  /** Expects an error that names the file, or the figures of pyarrow and numpy. If these refuse the file, expects the figures of the original. */
  async function assertRight(source: ArraySource, columns: typeof lenient, judged: Judgement, unchanged: unknown) {
    const what = source.files.join(' ')
    let json: string
    try {
      json = await scoreSource(source, columns)
    } catch (error) {
      const { message, exitCode } = explainError(error)
      expect(exitCode, what).to.equal(1)
      expect(message, what).to.satisfy(isClear)
      expect(message, what).to.include(source.files[0])
      found.errors++
      return
    }
    if (judged.refused === undefined) {
      expect(comparableOf(json), what).to.deep.equal(comparable(judged, judged.groups))
      found.right++
    } else {
      expect(comparableOf(json), `${what}, of which Python says: ${judged.refused}`).to.deep.equal(unchanged)
      found.asBefore++
    }
  }

  for (const [index, { file, columns }] of arrowBases.entries()) {
    it(`scores mutants as pyarrow reads them, or refuses them: ${file}`, async () => {
      const original = join(fixtures, 'arrow', file)
      const mutants = [...mutantsOf(readFileSync(original), count, index)].map((bytes, i) => {
        const path = join(place, `${index}-${i}${extname(file)}`)
        writeFileSync(path, bytes)
        return path
      })
      const judged = judgements(mutants.map((path) => ({ kind: 'arrow', path, ...columns })))
      const options = { ...lenient, ...columns }
      const unchanged = comparableOf(await scoreSource({ kind: 'Arrow', files: [original] }, options))
      for (const [i, path] of mutants.entries()) {
        await assertRight({ kind: 'Arrow', files: [path] }, options, judged[i] as Judgement, unchanged)
      }
    })
  }

  for (const [index, { input, label }] of npyBases.entries()) {
    it(`scores mutants as numpy reads them, or refuses them: ${input}`, async () => {
      const [original, other] = [input, label].map((name) => join(fixtures, 'npy', name)) as [string, string]
      const mutants = [...mutantsOf(readFileSync(original), count, index, 128)].map((bytes, i) => {
        const path = join(place, `${index}-${i}.npy`)
        writeFileSync(path, bytes)
        return path
      })
      const judged = judgements(mutants.map((path) => ({ kind: 'npy', input: path, label: other })))
      const unchanged = comparableOf(
        await scoreSource({ kind: 'npy', files: [original, other] }, { ...lenient, input: original, label: other }),
      )
      for (const [i, path] of mutants.entries()) {
        const options = { ...lenient, input: path, label: other }
        await assertRight({ kind: 'npy', files: [path, other] }, options, judged[i] as Judgement, unchanged)
      }
    })
  }
})

import { expect } from 'chai'
import fc from 'fast-check'
import { decodeFailure, encodeFailure } from '../../lib/bullmq/failures.ts'
import { formatMessage } from '../../lib/cli/flags.ts'
import { fileError, given, message, messageOf, option, optionError, set } from '../../lib/files/errors.ts'

const details = { code: 'ERR_NULL', option: 'input', file: '/data/a.parquet', row: 3, count: 2 }

describe('a failure of a shard as text', () => {
  it('decodes to the error that was encoded, spelled for programs and for the command line', () => {
    const text = message`/data/a.parquet, row 3: ${given('input', "it's")} is null\n (${set({ nulls: 'ignore', nullString: ['a', 'b'] })})`
    for (const error of [
      fileError(text, details),
      optionError('negativeLabel', message`${option('negativeLabel')} is wrong`),
      new TypeError('Cannot read'),
    ]) {
      const decoded = decodeFailure(encodeFailure(error))
      expect(decoded).to.include({ ...error, message: error.message })
      expect(formatMessage(messageOf(decoded))).to.equal(formatMessage(messageOf(error)))
      expect(decoded instanceof RangeError).to.equal(error instanceof RangeError)
    }
  })

  it('has a first line that is the message, and is bounded in length', () => {
    const [first, ...others] = encodeFailure(fileError(message`a\n  b ${option('by')}`, details)).split('\n')
    expect(first).to.equal('a b by')
    expect(others).to.have.lengthOf(1)
    for (const huge of ['x'.repeat(5_000_000), '\u0001'.repeat(5_000_000)]) {
      const failure = encodeFailure(fileError(message`${given('by', huge)}`, details))
      expect(failure.length).to.be.lessThan(200_000)
      const decoded = decodeFailure(failure)
      expect(decoded).to.include(details)
      expect(decoded.message).to.have.lengthOf(20_000)
    }
  })

  it("takes the client's name of a file, and no claim about another file", () => {
    const sources = [
      { file: '/data/b.parquet', name: 'b.parquet' },
      { file: '/data/a.parquet', name: 'a.parquet' },
    ]
    const error = decodeFailure(encodeFailure(fileError('/data/a.parquet, row 3: no', details)), sources)
    expect(error).to.include({ ...details, file: 'a.parquet', message: 'a.parquet, row 3: no' })
    const other = decodeFailure(encodeFailure(fileError('no', { ...details, file: '/etc/passwd' })), sources)
    expect(other.file).to.equal(undefined)
    const onHost = Object.assign(fileError('/data/a.parquet: gone on h', details), { host: 'h' })
    const decoded = decodeFailure(encodeFailure(onHost), sources)
    expect(decoded).to.include({ message: '/data/a.parquet: gone on h', file: 'a.parquet', host: 'h' })
  })

  it('decodes to an error with details of the right kinds, whatever the text', () => {
    const part = fc.oneof(
      fc.string(),
      fc.anything(),
      fc.record({ name: fc.oneof(fc.constant('by'), fc.anything()), parts: fc.anything() }),
      fc.record({ given: fc.oneof(fc.constant('by'), fc.anything()), text: fc.anything() }),
      fc.record({ settings: fc.dictionary(fc.constantFrom('nulls', '__proto__', '1'), fc.anything()) }),
    )
    const json = fc.record({
      ...Object.fromEntries(
        Object.entries(details).map(([name, value]) => [name, fc.oneof(fc.constant(value), fc.anything())]),
      ),
      parts: fc.oneof(fc.array(part), fc.anything()),
    })
    const second = fc.oneof(fc.string(), fc.json(), json.map(asJSON))
    fc.assert(
      fc.property(fc.string(), second, (first, rest) => {
        const error = decodeFailure(`${first}\n${rest}`)
        expect(error.message.length).to.be.within(1, 20_000)
        expect(formatMessage(messageOf(error))).to.be.a('string')
        const { code = 'A', option = 'a', file = '', row = 1, count = 1 } = error
        expect([code, option, file].every((each) => typeof each === 'string')).to.equal(true)
        expect([row, count].every((each) => Number.isSafeInteger(each) && each > 0)).to.equal(true)
      }),
      { numRuns: 2000 },
    )
    for (const mention of [
      { name: 'by', parts: 5 },
      { name: 'by', parts: [{ parts: null }] },
      { settings: 'by' },
      [[]],
    ]) {
      expect(decodeFailure(`by\n${JSON.stringify({ parts: [mention] })}`).message).to.equal('by')
    }
  })
})

function asJSON(value: unknown): string {
  return String(JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? String(each) : each)))
}

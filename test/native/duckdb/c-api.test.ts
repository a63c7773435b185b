import { readFileSync } from 'node:fs'
import { expect } from 'chai'

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8')

/** Index by name, in the table of DuckDB's public header; written by list-c-api.mjs. */
const publicIndices: Record<string, number> = JSON.parse(read('c-api.json'))

describe("the extension's table of DuckDB's C API", () => {
  const entries = Array.from(read('../../../native/duckdb/api.h').matchAll(/\bFUNCTION\((\w+), (\d+),/g), (match) => {
    const [, name, index] = match
    return [name as string, Number(index)] as const
  })

  it('has every function of native/duckdb/api.h at the index that it has in the public header of v1.2.0', () => {
    expect(entries).to.have.lengthOf(read('../../../native/duckdb/api.h').split(' FUNCTION(').length - 1)
    expect(entries).to.not.have.lengthOf(0)
    const expected = entries.map(([name]) => [name, publicIndices[name]])
    expect(entries).to.deep.equal(expected)
  })

  it('holds the public header of v1.2.0 as a list of 357 functions without gaps', () => {
    expect(Object.values(publicIndices)).to.deep.equal(Array.from({ length: 357 }, (_, index) => index))
  })
})

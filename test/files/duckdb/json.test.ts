import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import { command } from '../../support/command.ts'
import { exchangeJSON } from '../../support/processes.ts'

/** The sum of x over the objects of each text, or null where Python finds no such texts. */
const python = `
import json, math, sys

def objects(text):
    if text.lstrip().startswith('['):
        return json.loads(text)
    decoder, found, text = json.JSONDecoder(), [], text.strip()
    while text:
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:].lstrip()
    return found

def total(text):
    try:
        return math.fsum(each['x'] for each in objects(text))
    except (ValueError, TypeError, KeyError):
        return None

print(json.dumps([total(text) for text in json.load(sys.stdin)]))
`

describe('NDJSON', function () {
  this.timeout(60_000)
  let folder: string
  const path = (name: string) => join(folder, name)
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-json-'))
  })
  after(() => rmSync(folder, { recursive: true }))

  /** The sum of the losses, or null where the command refuses. */
  async function score(name: string): Promise<number | null> {
    const { code, stdout, stderr } = await command(['score', path(name), '--input', 'x', '--label', '1', '--json'])
    if (code === 0) return JSON.parse(stdout).sum
    expect(stderr).to.include(name)
    return null
  }

  const lines = '{"x":0.5}\n{"x":2}\n'
  const array = '[{"x":0.5}, {"x":2} ]\n'
  const pretty = '[\n {\n  "x": 0.5\n },\n {"x": 2}\n]'

  it('JSON that is cut off anywhere is refused or has the rows that Python reads', async () => {
    const texts = [lines, array, pretty].flatMap((text) => [...text].map((_, length) => text.slice(0, length)))
    const expected = exchangeJSON('python3', ['-c', python], texts)
    const found = []
    for (const text of texts) {
      writeFileSync(path('cut.json'), text)
      found.push(await score('cut.json'))
    }
    expect(found).to.deep.equal(expected)
    expect(found).to.include(0.5).and.include(2.5).and.include(null)
  })

  it('JSON that is cut off is refused in .gz and .zst, and before more than 4 KiB of white space', async () => {
    const cut = array.slice(0, array.indexOf(',') + 1)
    writeFileSync(path('cut.json.gz'), gzipSync(cut))
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    const write = (text: string, name: string) =>
      connection.run(
        `COPY (SELECT '${text}' AS line) TO '${path(name)}' (FORMAT csv, HEADER false, QUOTE '', DELIMITER '|', COMPRESSION zstd)`,
      )
    await write(cut, 'cut.json.zst')
    await write(array.trim(), 'array.json.zst')
    await write('{"x":1.5}', 'lines.json.zst')
    await write(`[{"x":1,"y":"${'a'.repeat(3_000_000)}"}]`, 'long.json.zst')
    connection.closeSync()
    expect(await score('cut.json.zst')).to.equal(null)
    expect(await score('array.json.zst')).to.equal(2.5)
    expect(await score('lines.json.zst')).to.equal(1.5)
    expect(await score('long.json.zst')).to.equal(null)
    writeFileSync(path('space.json'), cut + ' \n'.repeat(3000))
    writeFileSync(path('whole.json'), ' \n'.repeat(3000) + array + ' \n'.repeat(3000))
    expect(await score('cut.json.gz')).to.equal(null)
    expect(await score('space.json')).to.equal(null)
    expect(await score('whole.json')).to.equal(2.5)
  })

  it('JSON files without rows are accepted, and add nothing to others', async () => {
    writeFileSync(path('row.ndjson'), '{"a.b":0.5}\n')
    writeFileSync(path('blank.ndjson'), ' \n\n')
    writeFileSync(path('nothing.ndjson.gz'), gzipSync(''))
    const score = async (...names: string[]) =>
      await command(['score', ...names.map(path), '--input', 'a.b', '--label', '1', '--json'])
    for (const names of [
      ['nothing.ndjson.gz', 'blank.ndjson', 'row.ndjson'],
      ['row.ndjson', 'blank.ndjson', 'nothing.ndjson.gz'],
    ]) {
      const { code, stdout, stderr } = await score(...names)
      expect({ code, stderr }, names.join()).to.deep.equal({ code: 0, stderr: '' })
      expect(JSON.parse(stdout)).to.include({ count: 1, sum: 0.5 })
    }
  })

  it('text that is not JSON is refused', async () => {
    const texts = [
      ...['[{"x":1}][{"x":1}]', '[{"x":1}]\n{"x":1}', '{"x":1}\n[{"x":1}]', '[{"x":1}] x', '[{"x":1}],', '[{"x":1}]]'],
      ...[
        '[{"x":1},]',
        '[{"x":1},,{"x":1}]',
        '[{"x":1} {"x":1}]',
        '{"x":1},\n{"x":1}',
        '[[{"x":1}]]',
        '{"x":1}\n\u0000',
      ],
    ]
    for (const text of texts) {
      writeFileSync(path('other.json'), text)
      expect(await score('other.json'), text).to.equal(null)
    }
  })

  it('JSON without rows gives an output with the columns of --keep and no rows', async () => {
    writeFileSync(path('blank.ndjson'), '\n')
    const output = path('blank.csv')
    const { code, stderr } = await command([
      ...['score', path('blank.ndjson'), '--input', 'x', '--label', 'y', '--keep', 'k', '--output', output],
    ])
    expect(code, stderr).to.equal(0)
    expect(readFileSync(output, 'utf8')).to.equal('loss,k\n')
  })
})

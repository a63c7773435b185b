import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { command } from './command.ts'
import { exchangeJSON } from './processes.ts'
import type { Random } from './random.ts'

/** A file of CSV and how Python's csv is told to read it. */
interface CsvCase {
  readonly path: string
  readonly delimiter: string
  readonly isBackslashed: boolean
}

/** What Python finds in a file, by its csv and fractions; `error` where it is no table. */
interface CsvTotal {
  readonly count: number
  readonly sum: number
  readonly error?: string
}

const python = `
import csv, gzip, io, json, sys
from fractions import Fraction
csv.field_size_limit(2 ** 30)
results = []
for case in json.load(sys.stdin):
    data = open(case['path'], 'rb').read()
    if case['path'].endswith('.gz'): data = gzip.decompress(data)
    escape = dict(doublequote=False, escapechar='\\\\') if case['isBackslashed'] else {}
    text = io.StringIO(data.decode('utf-8-sig'), newline='')
    rows = [row for row in csv.reader(text, delimiter=case['delimiter'], **escape) if row]
    header, rows = rows[0], rows[1:]
    if any(len(row) != len(header) for row in rows):
        results.append(dict(count=0, sum=0, error='not a table'))
        continue
    x, y = header.index('distance'), header.index('label')
    losses = [float(row[x]) if float(row[y]) == 1 else max(0.0, 1 - float(row[x])) for row in rows]
    results.append(dict(count=len(rows), sum=float(sum(map(Fraction, losses)))))
json.dump(results, sys.stdout)
`

/** The totals of all files, in one process of Python. */
function pythonTotals(cases: readonly CsvCase[]): CsvTotal[] {
  return exchangeJSON('python3', ['-c', python], cases)
}

const words = [
  '',
  'plain',
  `'90s`,
  `boys'`,
  `5" disc`,
  '#1',
  'NA',
  '1_2',
  '007',
  '-1',
  'Größe 距離 😀',
  'C:\\temp',
  'true',
  ' x ',
]
const quotedWords = [
  '"',
  '""',
  '\n',
  '\r\n',
  'a,b',
  'x;y',
  'p|q',
  't\tt',
  `"'`,
  'say "hi", then\n"go"',
  '\n0.5,1,x\n',
  '"\n',
  ',',
  "'\n'",
]

/** Writes a file of random fields, quotes, line ends and empty lines that Python's csv reads as a table. */
export function writeCsv(random: Random, folder: string, name: string, rows: number, firstQuoted = 0): CsvCase {
  const delimiter = random.pick([',', ',', ';', '\t', '|'])
  const isBackslashed = random.isTrue(0.15)
  const lineEnds = random.pick([['\n'], ['\n'], ['\r\n'], ['\n', '\r\n'], ['\r']])
  const columns = random.shuffle(['distance', 'label', ...random.list(random.integer(0, 3), (i) => `text ${i}`)])
  const quoteRate = random.pick([0, 0.1, 0.5, 1])
  const blankRate = random.pick([0, 0, 0.2])
  const enclose = (text: string) => {
    const escaped = isBackslashed ? text.replaceAll(/["\\]/g, '\\$&') : text.replaceAll('"', '""')
    return `"${escaped}"`
  }
  const field = (column: string, row: number) => {
    const isQuoted = row >= firstQuoted && random.isTrue(quoteRate)
    if (column === 'distance') {
      const value = String(random.pick([random.fraction() * 2, random.integer(0, 3), -random.fraction(), 1e-300, 0.1]))
      return isQuoted ? enclose(value) : value
    }
    if (column === 'label') return isQuoted ? enclose(random.pick(['1', '-1'])) : random.pick(['1', '-1', '1.0'])
    if (isQuoted)
      return enclose(random.list(random.integer(0, 3), () => random.pick([...words, ...quotedWords])).join(''))
    const word = random.pick(words)
    return isBackslashed ? word.replace(/["\\]/g, '') : word
  }
  let text = random.isTrue(0.1) ? '\ufeff' : ''
  const lines = [columns.join(delimiter)]
  for (let row = 0; row < rows; row++) lines.push(columns.map((column) => field(column, row)).join(delimiter))
  for (const [i, line] of lines.entries()) {
    while (random.isTrue(blankRate) && !(i === 0)) text += random.pick(lineEnds)
    text += line
    if (i < lines.length - 1 || random.isTrue(0.8)) text += random.pick(lineEnds)
  }
  const isZipped = random.isTrue(0.1)
  const path = join(folder, `${name}.csv${isZipped ? '.gz' : ''}`)
  writeFileSync(path, isZipped ? gzipSync(text, { level: 1 }) : text)
  return { path, delimiter, isBackslashed }
}

/** Scores all files at once, and compares the totals of each with Python's. */
export async function assertAsPython(cases: readonly CsvCase[]): Promise<void> {
  const paths = cases.map(({ path }) => path)
  const args = ['score', ...paths, '--input', 'distance', '--label', 'label', '--by', 'filename', '--json']
  const { code, stdout, stderr } = await command(args)
  expect(code, stderr).to.equal(0)
  const groups: { by: string; count: number; sum: number }[] = JSON.parse(stdout).groups
  const found = new Map(groups.map(({ by, count, sum }) => [by, { count, sum }]))
  for (const [i, total] of pythonTotals(cases).entries()) {
    const { path = '' } = cases[i] ?? {}
    expect(found.get(path) ?? { count: 0, sum: 0 }, path).to.deep.equal(total)
  }
}

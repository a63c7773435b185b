import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import { expect } from 'chai'
import { exchangeJSON } from './processes.ts'
import type { Random } from './random.ts'

/** A file of rows of [x, key], whose labels are 1. */
interface GroupFile {
  readonly name: string
  readonly kind: 'csv' | 'ndjson' | 'parquet'
  /** each key as the text of a CSV or of JSON; of Parquet as text of its column's type */
  readonly rows: readonly (readonly [x: number, key: string | null])[]
  /** of Parquet's keys */
  readonly type: string
}

export interface GroupCase {
  readonly files: readonly GroupFile[]
  readonly by: string
}

/** Groups as Python finds them: a canonical key, the number of rows and their sum. */
type Groups = Record<string, [count: number, sum: number]>

/** What Python says of a case: its groups where keys are taken as one class; without any class they do not compare. */
export interface Expectation {
  readonly groups: Readonly<Record<string, Groups>>
  /** true if nothing is a reason to refuse: keys of one class, and of numbers in several files 15 digits at most */
  readonly isSure: boolean
}

const python = `
import csv, json, re, sys
from fractions import Fraction

class Number(str):
    pass

NUMBER = re.compile(r'[+-]?(\\d+\\.?\\d*|\\.\\d+)([eE][+-]?\\d+)?')

def value(number):
    return Fraction(number)

def keys(file):
    kind = file['kind']
    if kind == 'csv':
        with open(file['path'], newline='') as lines:
            return [(Fraction(row['x']), row['key'] or None) for row in csv.DictReader(lines)]
    if kind == 'ndjson':
        with open(file['path']) as lines:
            rows = [json.loads(line, parse_float=Number, parse_int=Number) for line in lines]
        return [(Fraction(row['x']), row['key']) for row in rows]
    typed = {'BOOLEAN': lambda key: key == 'true', 'VARCHAR': str}.get(file['type'], Number)
    return [(Fraction(x), None if key is None else typed(key)) for x, key in file['rows']]

def classes(file, found):
    values = [key for _, key in found if key is not None]
    if not values:
        return {'number', 'text', 'boolean', 'mixed'}
    if file['kind'] == 'csv':
        if all(NUMBER.fullmatch(key) and not re.match(r'[+-]?0\\d', key) for key in values):
            return {'number', 'text'}
        return {'boolean', 'text'} if all(key in ('true', 'false') for key in values) else {'text'}
    names = {'number' if isinstance(key, Number) else 'text' if isinstance(key, str) else 'boolean' for key in values}
    return names if len(names) == 1 else {'mixed'}

def canonical(name, key, modulus):
    if key is None:
        return 'null'
    if name == 'mixed':
        # JSON of several classes is compared as it is written: 1 is not 1.0.
        if isinstance(key, Number) and '.' in key:
            return 'float ' + str(Fraction(key))
        name = 'number' if isinstance(key, Number) else 'text' if isinstance(key, str) else 'boolean'
    if name == 'number':
        number = Fraction(key)
        return str(number % modulus if modulus else number)
    if name == 'boolean':
        return 'boolean ' + str(key).lower()
    return 'text ' + key

def groups(name, files, modulus):
    result = {}
    for found in files:
        for x, key in found:
            group = result.setdefault(canonical(name, key, modulus), [0, Fraction(0)])
            group[0] += 1
            group[1] += x
    return {key: [count, float(total)] for key, (count, total) in result.items()}

def digits(key):
    return len(re.sub(r'[eE].*|\\D', '', key).lstrip('0'))

def expectation(case):
    files = [keys(file) for file in case['files']]
    whole = [row for file, found in zip(case['files'], files) if file['kind'] == 'ndjson' for row in found]
    all_classes = [classes(file, whole if file['kind'] == 'ndjson' else found) for file, found in zip(case['files'], files)]
    common = set.intersection(*all_classes)
    typical = {min(names - {'text'} or names) for names in all_classes if len(names) < 3}
    texts = [key for found in files for _, key in found if isinstance(key, str) and NUMBER.fullmatch(key)]
    return {
        'groups': {name: groups(name, files, case['modulus']) for name in common},
        'isSure': len(typical) < 2 and (len(files) == 1 or all(digits(text) <= 15 for text in texts)),
    }

print(json.dumps([expectation(case) for case in json.load(sys.stdin)]))
`

/** Writes the files of a case into a folder. */
export async function writeFiles(
  connection: DuckDBConnection,
  folder: string,
  files: readonly GroupFile[],
): Promise<void> {
  for (const { name, kind, rows, type } of files) {
    const path = join(folder, name)
    if (kind === 'csv') {
      const field = (key: string | null) =>
        key !== null && /[",\n]/.test(key) ? `"${key.replaceAll('"', '""')}"` : (key ?? '')
      writeFileSync(path, `x,key,y\n${rows.map(([x, key]) => `${x},${field(key)},1\n`).join('')}`)
    } else if (kind === 'ndjson') {
      writeFileSync(path, rows.map(([x, key]) => `{"x":${x},"key":${key},"y":1}\n`).join(''))
    } else {
      const values = rows.map(
        ([x, key]) => `(${x}::DOUBLE, ${key === null ? 'NULL' : `'${key.replaceAll("'", "''")}'`}::${type}, 1)`,
      )
      await connection.run(`COPY (FROM (VALUES ${values.join()}) AS rows(x, key, y)) TO '${path}' (FORMAT parquet)`)
    }
  }
}

/** What Python's csv, json and fractions find in cases whose files lie in folders. */
export function expectationsOf(
  cases: readonly { folder: string; files: readonly GroupFile[]; by: string }[],
): Expectation[] {
  const input = cases.map(({ folder, files, by }) => ({
    modulus: Number(/% (\d+)$/.exec(by)?.[1] ?? 0),
    files: files.map((file) => ({ ...file, path: join(folder, file.name) })),
  }))
  return exchangeJSON('python3', ['-c', python], input)
}

/** The groups of `score --json`, with canonical keys as Python has them. */
function groupsIn(stdout: string, as: 'number' | 'text' | 'mixed'): Groups {
  const groups: Groups = {}
  for (const [, by = '', rest] of stdout.matchAll(/\{"by":((?:"(?:[^"\\]|\\.)*"|[^,"])*),("count":\d+,"sum":[^,]+)/g)) {
    const { count, sum } = JSON.parse(`{${rest}}`) as { count: number; sum: number }
    const key = canonical(by, as)
    groups[key in groups ? `${key} again` : key] = [count, sum]
  }
  return groups
}

function canonical(json: string, as: 'number' | 'text' | 'mixed'): string {
  if (json === 'null') return json
  if (json === 'true' || json === 'false') return `boolean ${json}`
  const text = json.startsWith('"') ? (JSON.parse(json) as string) : json
  const isNumber = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)
  return json.startsWith('"') && (as !== 'number' || !isNumber)
    ? `text ${text}`
    : `${as === 'mixed' && json.includes('.') ? 'float ' : ''}${fraction(text)}`
}

/** A decimal number as Python writes its Fraction. */
function fraction(text: string): string {
  const [, sign = '', whole = '', , digits = '', exponent = '0'] =
    /^([+-]?)(\d*)(\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? []
  const scale = digits.length - Number(exponent)
  let numerator = BigInt(`${whole}${digits}`) * 10n ** BigInt(Math.max(0, -scale))
  let denominator = 10n ** BigInt(Math.max(0, scale))
  const divisor = gcd(numerator, denominator)
  numerator /= divisor
  denominator /= divisor
  const signed = sign === '-' && numerator !== 0n ? `-${numerator}` : `${numerator}`
  return denominator === 1n ? signed : `${signed}/${denominator}`
}

function gcd(a: bigint, b: bigint): bigint {
  return b === 0n ? a : gcd(b, a % b)
}

type Make = (random: Random) => string

const json =
  (make: Make): Make =>
  (random) =>
    JSON.stringify(make(random))
const small: Make = (random) => String(random.integer(-3, 12))
const natural: Make = (random) => String(random.integer(0, 12))
const large: Make = (random) => String(2n ** 53n + BigInt(random.integer(-3, 3)))
const huge: Make = (random) => String(2n ** BigInt(random.pick([63, 64])) - BigInt(random.integer(1, 3)))
const decimal: Make = (random) =>
  `${random.pick(['', '-'])}${random.integer(0, 3)}.${random.pick(['0', '5', '25', '50'])}`
const long: Make = (random) => `0.1234567890123456${random.integer(0, 9)}${random.integer(0, 9)}`
const padded: Make = (random) => random.pick(['7', '07', '007', '1', '01'])
const words = ['a', 'A', 'a ', 'é', 'e\u0301', 'it\'s "b", c', 'null', '1', '0.5']
const word: Make = (random) => random.pick([...words, 'NaN', 'inf'])
/** NaN and inf are numbers in CSV. */
const csvWord: Make = (random) => random.pick(words)
const date: Make = (random) =>
  random.pick(['2024-01-01', '2024-1-1', '2024-01-01 00:00:00', '2024-01-02T00:00:00Z', '10:00'])
const uuid: Make = (random) =>
  random.pick(['6F9619FF-8B86-D011-B42D-00CF4FC964FF', '6f9619ff-8b86-d011-b42d-00cf4fc964ff'])
const truth: Make = (random) => random.pick(['true', 'false'])

/** By what a file's keys are, how each kind of file writes them. */
const makes: Readonly<Record<string, Partial<Record<GroupFile['kind'], Make>> & { type?: string }>> = {
  small: { csv: small, ndjson: small, parquet: small, type: 'INTEGER' },
  natural: { csv: natural, ndjson: natural, parquet: natural, type: 'UTINYINT' },
  large: { csv: large, ndjson: large, parquet: large, type: 'BIGINT' },
  huge: { csv: huge, ndjson: huge, parquet: huge, type: 'UBIGINT' },
  decimal: { csv: decimal, ndjson: decimal, parquet: decimal, type: 'DOUBLE' },
  cents: { parquet: decimal, type: 'DECIMAL(9,2)' },
  long: { csv: long },
  padded: { csv: padded, ndjson: json(padded), parquet: padded, type: 'VARCHAR' },
  word: { csv: csvWord, ndjson: json(word), parquet: word, type: 'VARCHAR' },
  date: { csv: date, ndjson: json(date), parquet: date, type: 'VARCHAR' },
  uuid: { csv: uuid, ndjson: json(uuid), parquet: uuid, type: 'VARCHAR' },
  truth: { csv: truth, ndjson: truth, parquet: truth, type: 'BOOLEAN' },
  mixed: {
    csv: (random) => random.pick([small, large, decimal, long])(random),
    ndjson: (random) => random.pick([small, large, decimal, json(word)])(random),
  },
  integers: {
    csv: (random) => random.pick([natural, large, huge])(random),
    ndjson: (random) => random.pick([natural, large, huge])(random),
  },
}

const integers = ['natural', 'large', 'huge', 'integers']

/** Files of any kinds and keys, or of keys that are integers with an expression over them. */
export function randomCase(random: Random): GroupCase {
  const isComputed = random.isTrue(0.2)
  const names = isComputed ? integers : Object.keys(makes)
  const one = random.pick(names)
  const isOne = random.isTrue(0.7)
  const files = random.list(random.integer(1, 3), (index): GroupFile => {
    const own = makes[isOne ? one : random.pick(names)] ?? {}
    const kind = random.pick((['csv', 'ndjson', 'parquet'] as const).filter((each) => own[each] !== undefined))
    const rows = random.list(random.integer(1, 8), () => {
      const key = random.isTrue(0.1) ? null : (own[kind] as Make)(random)
      return [random.integer(0, 16) / 8, key] as const
    })
    return { name: `${index}.${kind}`, kind, rows, type: own.type ?? '' }
  })
  return { files, by: isComputed ? 'key % 3' : 'key' }
}

export interface Answer {
  readonly stdout: string
  readonly stderr: string
}

/** Fails unless an answer has Python's groups, or refuses with a reason. */
export function assertAnswer(expectation: Expectation, { files, by }: GroupCase, { stdout, stderr }: Answer): void {
  const { groups, isSure } = expectation
  const what = () => JSON.stringify({ by, files, stdout, stderr, expectation }, undefined, 1)
  if (stdout === '') {
    expect(stderr, what()).to.match(/--by key|NDJSON of one schema only/)
    expect(isSure && !stderr.includes('NDJSON of one schema'), what()).to.equal(false)
    return
  }
  const found = (['number', 'text', 'mixed'] as const).map((as) => JSON.stringify(sorted(groupsIn(stdout, as))))
  const wanted = Object.values(groups).map((each) => JSON.stringify(sorted(each)))
  expect(
    wanted.some((each) => found.includes(each)),
    what(),
  ).to.equal(true)
}

function sorted(groups: Groups): [string, [number, number]][] {
  return Object.entries(groups).sort(([a], [b]) => (a < b ? -1 : 1))
}

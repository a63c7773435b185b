import type { Random } from './random.ts'

interface Row {
  i: number
  g: number
  h: number
  x: number | null
  y: 1 | -1 | null
}

/** Queries that create a table and one over it, with its rows as they must be. */
interface WindowQuery {
  setup: readonly string[]
  sql: string
  expected: (number | null)[][]
}

/** One output column of a query: how SQL calls the aggregate, and which rows it is of. */
interface Column {
  call: string
  rowsOf: (row: Row) => Row[]
}

/** Of each aggregate; all sums are exact in doubles, as the inputs are quarters. */
const fields = [
  'count',
  'sum',
  'positives.count',
  'positives.sum',
  'negatives.count',
  'negatives.sum',
  'negatives.active',
]

const known = new WeakMap<readonly Row[], number[]>()

function figuresOf(rows: readonly Row[]): number[] {
  const figures = known.get(rows) ?? computeFigures(rows)
  known.set(rows, figures)
  return figures
}

function computeFigures(rows: readonly Row[]): number[] {
  const [positives, negatives] = [1, -1].map((sign) =>
    rows.flatMap(({ x, y }) => (x !== null && y === sign ? [x] : [])),
  )
  const sum = (values: readonly number[]) => values.reduce((total, each) => total + each, 0)
  const losses = (negatives as number[]).map((x) => Math.max(0, 1 - x))
  const active = losses.filter((loss) => loss > 0).length
  const [p, n] = [(positives as number[]).length, losses.length]
  const [ps, ns] = [sum(positives as number[]), sum(losses)]
  return [p + n, ps + ns, p, ps, n, ns, active]
}

function distinct(rows: readonly Row[]): Row[] {
  return [...new Map(rows.map((row) => [`${row.x} ${row.y}`, row])).values()]
}

function groupBy<K>(rows: readonly Row[], keyOf: (row: Row) => K): Map<K, Row[]> {
  const groups = new Map<K, Row[]>()
  for (const row of rows) {
    const key = keyOf(row)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [row])
    else group.push(row)
  }
  return groups
}

function randomRows(random: Random): Row[] {
  const count = random.isTrue(0.1) ? random.integer(2001, 5000) : random.integer(1, random.pick([5, 40, 400, 2000]))
  const groups = Math.max(1, Math.floor(count / random.pick([1, 2, 3, 5, 50, count])))
  const nulls = random.pick([0, 0, 0.1, 0.6])
  const key = random.isTrue(0.3) ? (i: number) => i % groups : () => random.integer(0, groups - 1)
  return random.list(count, (i) => ({
    i,
    g: key(i),
    h: random.integer(0, groups - 1),
    x: random.isTrue(nulls) ? null : random.integer(-8, 16) / 4,
    y: random.isTrue(nulls) ? null : random.pick([1, -1]),
  }))
}

function createTable(rows: readonly Row[]): string[] {
  const list = (name: keyof Row, type: string) =>
    `unnest([${rows.map((row) => row[name] ?? 'NULL').join()}]::${type}[]) AS ${name}`
  const columns = [list('i', 'INT'), list('g', 'INT'), list('h', 'INT'), list('x', 'DOUBLE'), list('y', 'TINYINT')]
  return [`CREATE OR REPLACE TABLE t AS SELECT ${columns.join()}`]
}

type Key = 'g' | 'h'

interface Arguments {
  text: string
  filter: string
  keep: (rows: readonly Row[]) => Row[]
}

/** The arguments of a call with DISTINCT, FILTER and ORDER BY as they come. */
function randomArguments(random: Random, mayOrder: boolean): Arguments {
  const isDistinct = random.isTrue(0.2)
  const isFiltered = random.isTrue(0.3)
  const orders = isDistinct ? ['', ' ORDER BY x'] : ['', ' ORDER BY i', ' ORDER BY x, i DESC', ' ORDER BY h, i']
  const orderBy = mayOrder ? random.pick(orders) : ''
  const keep = (rows: readonly Row[]) => {
    const filtered = isFiltered ? rows.filter(({ i }) => i % 3 !== 1) : [...rows]
    return isDistinct ? distinct(filtered) : filtered
  }
  const text = `hinge_embedding_loss(${isDistinct ? 'DISTINCT ' : ''}x, y${orderBy})`
  return { text, filter: isFiltered ? ' FILTER (i % 3 <> 1)' : '', keep }
}

function wholePartition(random: Random, rows: readonly Row[]): Column {
  const { text, filter, keep } = randomArguments(random, rows.length <= 400 && random.isTrue())
  const key = random.pick<Key | undefined>(['g', 'g', 'h', undefined])
  const frame = random.pick(['', '', ' RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING'])
  const members = new Map<unknown, Row[]>()
  for (const [value, own] of groupBy(rows, (row) => key && row[key])) members.set(value, keep(own))
  return {
    call: `${text}${filter} OVER (${key === undefined ? '' : `PARTITION BY ${key}`}${frame})`,
    rowsOf: (row) => members.get(key && row[key]) as Row[],
  }
}

function orderedFrame(random: Random, rows: readonly Row[]): Column {
  const { text, filter, keep } = randomArguments(random, false)
  const key = random.pick<Key | undefined>(['g', 'h', undefined])
  const [before, after] = [random.integer(0, 6), random.integer(0, 3)]
  const [frame, from, to] = random.pick<[string, number, number]>([
    ['', Infinity, 0],
    [` ROWS BETWEEN ${before} PRECEDING AND ${after} FOLLOWING`, before, after],
    [` ROWS BETWEEN UNBOUNDED PRECEDING AND ${after} FOLLOWING`, Infinity, after],
  ])
  const excludes = frame !== '' && random.isTrue(0.3)
  const partitions = groupBy(rows, (row) => key && row[key])
  const places = new Map<Row, number>()
  for (const own of partitions.values()) for (const [place, row] of own.entries()) places.set(row, place)
  const partitionBy = key === undefined ? '' : `PARTITION BY ${key} `
  return {
    call: `${text}${filter} OVER (${partitionBy}ORDER BY i${frame}${excludes ? ' EXCLUDE CURRENT ROW' : ''})`,
    rowsOf: (row) => {
      const place = places.get(row) as number
      const own = (partitions.get(key && row[key]) as Row[]).slice(Math.max(0, place - from), place + to + 1)
      return keep(excludes ? own.filter((each) => each !== row) : own)
    },
  }
}

/** Lists of a window, scored each. */
function lists(random: Random, rows: readonly Row[]): Column {
  const key = random.pick<Key>(['g', 'h'])
  const members = groupBy(rows, (row) => row[key])
  const over = `OVER (PARTITION BY ${key})`
  return {
    call: `hinge_embedding_loss_of(list(x) ${over}, list(y) ${over})`,
    rowsOf: (row) => members.get(row[key]) as Row[],
  }
}

/** The aggregate of a subquery's groups, beside each row. */
function joinedGroup(random: Random, rows: readonly Row[]): Column {
  const { text, filter, keep } = randomArguments(random, true)
  const members = new Map<number, Row[]>()
  for (const [value, own] of groupBy(rows, (row) => row.g)) members.set(value, keep(own))
  return {
    call: `(SELECT ${text}${filter} FROM t AS u WHERE u.g = t.g)`,
    rowsOf: (row) => members.get(row.g) as Row[],
  }
}

const select = (columns: readonly Column[]) => columns.map(({ call }, c) => `${call} AS c${c}`).join(', ')

const outputs = (columns: readonly Column[]) =>
  columns.flatMap((_, c) => fields.map((field) => `c${c}.${field}`)).join()

function windows(random: Random, rows: readonly Row[], hasLists: boolean): Omit<WindowQuery, 'setup'> {
  // Frames cost rows times their size here.
  const makers = rows.length > 400 ? [wholePartition, joinedGroup] : [wholePartition, orderedFrame, joinedGroup]
  if (hasLists) makers.push(lists)
  const columns = random.list(random.integer(1, 3), () => random.pick(makers)(random, rows))
  if (rows.length > 400 && random.isTrue(0.3)) columns.push(shortFrame(random, rows))
  return {
    sql: `SELECT i, ${outputs(columns)} FROM (SELECT i, ${select(columns)} FROM t) ORDER BY i`,
    expected: rows.map((row) => [row.i, ...columns.flatMap(({ rowsOf }) => figuresOf(rowsOf(row)))]),
  }
}

function shortFrame(random: Random, rows: readonly Row[]): Column {
  const before = random.integer(0, 40)
  return {
    call: `hinge_embedding_loss(x, y) OVER (ORDER BY i ROWS ${before} PRECEDING)`,
    rowsOf: (row) => rows.slice(Math.max(0, row.i - before), row.i + 1),
  }
}

function groups(random: Random, rows: readonly Row[]): Omit<WindowQuery, 'setup'> {
  const key = random.pick<[sql: string, of: (row: Row) => number]>([
    ['g', ({ g }) => g],
    ['h', ({ h }) => h],
    ['0', () => 0],
    ['g % 3', ({ g }) => g % 3],
    ['g * 10000 + h', ({ g, h }) => g * 10_000 + h],
  ])
  const calls = random.list(random.integer(1, 3), () => randomArguments(random, true))
  const columns = calls.map(({ text, filter }): Column => ({ call: text + filter, rowsOf: () => [] }))
  const members = [...groupBy(rows, key[1])].sort(([a], [b]) => a - b)
  return {
    sql: `SELECT k, ${outputs(columns)} FROM (SELECT ${key[0]} AS k, ${select(columns)} FROM t GROUP BY k) ORDER BY k`,
    expected: members.map(([value, own]) => [value, ...calls.flatMap(({ keep }) => figuresOf(keep(own)))]),
  }
}

/** Windows of groups' totals, whose partials are merged. */
function merged(random: Random, rows: readonly Row[]): Omit<WindowQuery, 'setup'> {
  const window = random.pick(['PARTITION BY g % 3', ''])
  const sets = groupBy(rows, ({ g }) => (window === '' ? 0 : g % 3))
  const keys = [...new Set(rows.map(({ g }) => g))].sort((a, b) => a - b)
  const number = (path: string) => `json_extract_string(m, '$.${path}')::BIGINT`
  return {
    sql: `SELECT g, ${['positives.count', 'negatives.count', 'negatives.active'].map(number).join()} FROM (
      SELECT g, hinge_embedding_loss_merge(p) OVER (${window}) AS m
      FROM (SELECT g, hinge_embedding_loss_partial(x, y) AS p FROM t GROUP BY g)) ORDER BY g`,
    expected: keys.map((g) => {
      const [count, , p, , n, , active] = figuresOf(sets.get(window === '' ? 0 : g % 3) as Row[])
      return [g, ...(count === 0 ? [null, null, null] : [p, n, active])] as (number | null)[]
    }),
  }
}

export function randomWindowQuery(random: Random, hasLists = true): WindowQuery {
  const rows = randomRows(random)
  return { setup: createTable(rows), ...random.pick([windows, windows, groups, merged])(random, rows, hasLists) }
}

/** Throws where rows, or the message of an error, are not what the query must give. */
export function checkAnswer(answer: unknown[][] | string, { sql, expected }: WindowQuery): void {
  if (typeof answer === 'string') throw new Error(`${answer}\n${sql}`)
  const texts = answer.map((row) => JSON.stringify(row))
  const wrong = expected.findIndex((row, i) => JSON.stringify(row) !== texts[i])
  if (wrong >= 0) throw new Error(`row ${wrong} is ${texts[wrong]}, not ${JSON.stringify(expected[wrong])}\n${sql}`)
  if (texts.length !== expected.length) throw new Error(`${texts.length} rows, not ${expected.length}\n${sql}`)
}

/**
 * How much is measured: in full, and with `--quick`, which gives every ratio within three minutes. Only what no ratio
 * depends on is less.
 */
const amounts = {
  rounds: [15, 9],
  queryRounds: [5, 3],
  processes: [5, 2],
  asyncCalls: [15, 7],
  asyncElements: [256 * 2 ** 20, 64 * 2 ** 20],
  largestElements: [512 * 2 ** 20, 128 * 2 ** 20],
  rows: [20e6, 5e6],
  embeddings: [2 ** 20, 2 ** 18],
  workerRounds: [3, 1],
  workerRows: [12e6, 3e6],
  shards: [2000, 200],
}
const isQuick = process.argv.includes('--quick')
export const amountOf = Object.fromEntries(
  Object.entries(amounts).map(([what, [full, quick]]) => [what, isQuick ? quick : full]),
)

const now = () => Number(process.hrtime.bigint())

/** ns a call of `run`, over enough calls to outlast the clock. */
function sample(run, calls) {
  const begin = now()
  for (let i = 0; i < calls; i++) run()
  return (now() - begin) / calls
}

/**
 * The least ns a call of each function, all measured in turn, round after round: what disturbs the machine meets each of
 * them alike, and the least is what the machine can do.
 */
export function least(runs, { rounds = amountOf.rounds, sampleMs = 5 } = {}) {
  const calls = runs.map((run) => {
    sample(run, 1)
    return Math.max(1, Math.round((sampleMs * 1e6) / sample(run, 1)))
  })
  const best = runs.map(() => Number.POSITIVE_INFINITY)
  for (let round = 0; round < rounds; round++) {
    runs.forEach((run, i) => {
      best[i] = Math.min(best[i], sample(run, calls[i]))
    })
  }
  return best
}

/** ns that all threads of the process have computed: what others do on the machine hardly changes it. */
export const processorTime = () => 1000 * process.cpuUsage().user

/** The same of queries, each long enough to be measured by itself. */
export async function leastLater(runs, rounds = amountOf.queryRounds, clock = now) {
  const best = runs.map(() => Number.POSITIVE_INFINITY)
  for (let round = 0; round < rounds; round++) {
    for (const [i, run] of runs.entries()) {
      const begin = clock()
      await run()
      best[i] = Math.min(best[i], clock() - begin)
    }
  }
  return best
}

const bytesOf = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength)

/**
 * Distances in [0, 2) and labels ±1, both without pattern, and `read`: memcmp, which reads as many bytes as a loss of them
 * at the speed of memory. Where two streams lie to each other matters to caches: what is compared lies to the input as
 * the labels do, one allocation away.
 */
export function pairs(size, Values = Float32Array) {
  const label = new Values(size)
  const input = new Values(size)
  const copy = new Values(size)
  let state = 1
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    input[i] = (state >>> 8) / 2 ** 23
    label[i] = state & 0x40 ? 1 : -1
  }
  copy.set(input)
  const [inputBytes, copyBytes] = [bytesOf(input), bytesOf(copy)]
  return { input, label, read: () => inputBytes.equals(copyBytes) }
}

/**
 * Pairs of embeddings in [0, 2), labels ±1, and `read`: memcmp of both sides, which are equal. The distances of equal
 * sides take as long as any.
 */
export function embeddings(count, width) {
  const { input, read } = pairs(count * width)
  return {
    left: input,
    right: input.slice(),
    label: Int8Array.from({ length: count }, (_, i) => (i % 10 ? -1 : 1)),
    read,
  }
}

/** One row: what was measured, a figure, its target, and whether it was met. */
export function row(what, figure, { target, atLeast = false, unit = '×', digits = 2, note = '' } = {}) {
  const written = `${figure.toFixed(digits)} ${unit}`
  if (target === undefined) return { what, measured: written, target: '', verdict: '', note }
  const isMet = atLeast ? figure >= target : figure <= target
  return {
    what,
    measured: written,
    target: `${atLeast ? '≥' : '≤'} ${target} ${unit}`,
    verdict: isMet ? 'met' : 'short',
    note,
  }
}

export function markdown(rows) {
  const keys = Object.keys(rows[0])
  const line = (cells) => `| ${cells.join(' | ')} |`
  return [line(keys), line(keys.map(() => '---')), ...rows.map((row) => line(keys.map((key) => row[key])))].join('\n')
}

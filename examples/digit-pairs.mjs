// Scores 100,000 pairs of handwritten digits on the command line, by two distances, and says which embedding is better.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
const pairs = fileURLToPath(new URL('digit-pairs.parquet', import.meta.url))

function score(input) {
  const args = ['score', pairs, '--input', input, '--label', 'label', '--json']
  return JSON.parse(execFileSync(process.execPath, [program, ...args], { encoding: 'utf8' }))
}

const count = (value) => value.toLocaleString('en')
const share = ({ count, active }) => `${((100 * active) / count).toFixed(1)} %`

const totals = { raw: score('raw_distance'), learned: score('learned_distance') }
const { raw } = totals
const [best, worst] = Object.entries(totals).sort(([, a], [, b]) => a.mean - b.mean)

console.log(`${count(raw.count)} pairs of handwritten digits, ${count(raw.positives.count)} of them of the same digit; margin ${raw.margin}
`)
console.log('distance   mean loss   same digit   other digit   other digits inside the margin')
for (const [name, { mean, positives, negatives }] of Object.entries(totals)) {
  const figures = [
    mean.toFixed(5).padStart(9),
    positives.mean.toFixed(5).padStart(10),
    negatives.mean.toFixed(5).padStart(11),
  ]
  console.log(`${name.padEnd(8)}   ${figures.join('   ')}   ${share(negatives)}`)
}
console.log(`
The ${best[0]} distance has the lower loss, ${best[1].mean.toFixed(5)} against ${worst[1].mean.toFixed(5)}: it leaves ${share(best[1].negatives)} of the pairs
of different digits nearer than the margin, the ${worst[0]} distance ${share(worst[1].negatives)}.`)

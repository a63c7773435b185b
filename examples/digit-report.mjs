// Writes a page about the pairs of handwritten digits, with a group for each digit: node examples/digit-report.mjs [page.html]
import { fileURLToPath } from 'node:url'
import { reportFiles } from '../dist/files.js'

const [output = 'digits.html'] = process.argv.slice(2)
const here = (name) => fileURLToPath(new URL(name, import.meta.url))

// The pairs have the ids of both images, and the other file has the digit of each.
const query = `SELECT pairs.*, a.digit AS left_digit, b.digit AS right_digit
  FROM '${here('digit-pairs.parquet')}' AS pairs
  JOIN '${here('digit-embeddings.parquet')}' AS a ON pairs."left" = a.id
  JOIN '${here('digit-embeddings.parquet')}' AS b ON pairs."right" = b.id
  ORDER BY pairs."left", pairs."right"`

await reportFiles([], {
  query,
  input: 'learned_distance',
  label: 'label',
  by: 'left_digit',
  keep: ['left_digit', 'right_digit', '"left"', '"right"'],
  top: 10,
  title: 'Handwritten digits, by a learned embedding',
  output,
})
console.log(output)

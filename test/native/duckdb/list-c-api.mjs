// Writes c-api.json beside this file: the functions of DuckDB's stable C API v1.2.0, in the order of their table of pointers.
//
//   node test/native/duckdb/list-c-api.mjs PATH_OF/duckdb_extension.h
//
// The header is src/include/duckdb_extension.h of duckdb/duckdb at the tag v1.2.0. The struct's first block is the stable API, and is
// frozen; the blocks after it are unstable, or of later versions.
import { readFileSync, writeFileSync } from 'node:fs'

const [path] = process.argv.slice(2)
if (path === undefined) {
  console.error('usage: node list-c-api.mjs PATH_OF/duckdb_extension.h')
  process.exit(2)
}

const header = readFileSync(path, 'utf8')
const block = /typedef struct \{\s*#if [^#]*\/\/ v1\.2\.0\n([^#]*)#endif/.exec(header)?.[1]
if (block === undefined) throw new Error(`${path} has no block of functions of v1.2.0: is it the header of that version?`)
const names = Array.from(block.matchAll(/\(\*duckdb_(\w+)\)\(/g), ([, name]) => name)
const indices = Object.fromEntries(names.map((name, index) => [name, index]))
writeFileSync(new URL('c-api.json', import.meta.url), `${JSON.stringify(indices, null, 2)}\n`)

// The footer that makes a DuckDB extension of a shared library: DuckDB reads it before it loads a file.
import { readFileSync } from 'node:fs'

/** The start of a custom section of WebAssembly, which the same footer also serves. */
const opening = Buffer.concat([
  Buffer.from([0, 0x93, 4, 0x10]),
  Buffer.from('duckdb_signature'),
  Buffer.from([0x80, 4]),
])

function field(text) {
  const bytes = Buffer.alloc(32)
  bytes.write(text)
  return bytes
}

const signature = Buffer.alloc(256)

/** Returns the bytes of the extension whose code is given, for a platform as DuckDB names it. */
export function appendFooter(code, platform) {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  const fields = ['', '', '', 'C_STRUCT', version, 'v1.2.0', platform, '4'].map(field)
  return Buffer.concat([code, opening, ...fields, signature])
}

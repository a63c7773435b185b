// Turns a shared object into a DuckDB extension: copies it and appends the footer that DuckDB checks before it loads a file.
// duckdb-footer.mjs CODE EXTENSION [PLATFORM]; PLATFORM is a name of DuckDB, by default that of this machine.
import { readFileSync, writeFileSync } from 'node:fs'

const architectures = { x64: 'amd64', arm64: 'arm64' }

function platform() {
  const system = process.platform === 'darwin' ? 'osx' : 'linux'
  const isMusl = system === 'linux' && process.report.getReport().header.glibcVersionRuntime === undefined
  return `${system}_${architectures[process.arch]}${isMusl ? '_musl' : ''}`
}

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

const [code, extension, target = platform()] = process.argv.slice(2)
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
const fields = ['', '', '', 'C_STRUCT', version, 'v1.2.0', target, '4'].map(field)
const signature = Buffer.alloc(256)
writeFileSync(extension, Buffer.concat([readFileSync(code), opening, ...fields, signature]))

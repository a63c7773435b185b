// Installs the package in a fresh folder with one package manager, and runs the library, the command line and SQL there.
// smoke.mjs MANAGER [PACKAGE]; PACKAGE is hinge-embedding-loss, with @VERSION or not, or, unless for deno, the path of a tarball.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The command of a package manager of a known version, which npm fetches. */
const tool = (name, version, command = name) => ['npx', '--yes', `--package=${name}@${version}`, '--', command]
const pnpm = tool('pnpm', '12.4.2')
const yarn1 = tool('yarn', '1.22.22')
const yarn4 = tool('@yarnpkg/cli-dist', '4.18.1', 'yarn')
const bun = tool('bun', '1.4.4')
const deno = tool('deno', '2.9.6')

const own = 'hinge-embedding-loss'
/** How each package manager adds packages, runs a program, and starts the command line. */
const managers = {
  npm: { add: ['npm', 'install', '--ignore-scripts'], run: ['node'], start: ['npx', '--no', '--', own] },
  pnpm: { add: [...pnpm, 'add'], run: ['node'], start: [...pnpm, 'exec', own] },
  yarn1: { add: [...yarn1, 'add'], run: ['node'], start: [...yarn1, 'run', '--silent', own] },
  yarn4: { add: [...yarn4, 'add'], run: [...yarn4, 'node'], start: [...yarn4, 'run', own] },
  bun: { add: [...bun, 'add'], run: bun, start: [...bun, 'run', '--bun', own] },
  deno: {
    add: [...deno, 'add', '--npm', '--minimum-dependency-age=0'],
    run: [...deno, 'run', '--allow-all'],
    start: [...deno, 'run', '--allow-all', `npm:${own}`],
  },
}

const program = `
import { DuckDBInstance } from '@duckdb/node-api'
import { HingeEmbeddingLoss, runtimeInfo } from 'hinge-embedding-loss'
import { load } from 'hinge-embedding-loss/duckdb'

const loss = new HingeEmbeddingLoss({ margin: 1 })(new Float32Array([0.25, 1.5, 0.5]), new Int8Array([1, -1, -1]))
const instance = await DuckDBInstance.create(':memory:', { allow_unsigned_extensions: 'true' })
const connection = await instance.connect()
await load(connection)
const query = "SELECT hinge_embedding_loss(learned_distance, label).mean FROM 'digit-pairs.parquet'"
const [[mean]] = (await connection.runAndReadAll(query)).getRows()
const info = runtimeInfo()
console.error(info)
// The baseline kernels would give the same results, but slowly.
const needed = { x64: 'avx2', arm64: 'neon' }[process.arch]
if (needed && !info.instructionSets.includes(needed)) throw new Error(\`no \${needed} among the kernels: \${info.instructionSets}\`)
if (loss !== 0.25 || mean !== 0.1046014820701629) throw new Error(\`wrong results: \${loss}, \${mean}\`)
`
const scoreArguments = ['score', 'digit-pairs.parquet', '--input', 'learned_distance', '--label', 'label', '--json']

const [name, wanted = own] = process.argv.slice(2)
const manager = managers[name]
if (manager === undefined) throw new Error(`which package manager? ${Object.keys(managers).join(', ')}`)
const added = existsSync(wanted) ? resolve(wanted) : wanted
const folder = mkdtempSync(join(tmpdir(), `${own}-${name}-`))

/** Runs a command in the folder, and returns what it printed. Package managers may otherwise refuse a release of today. */
function run([command, ...args]) {
  const { status, error, stdout } = spawnSync(command, args, {
    cwd: folder,
    env: { ...process.env, pnpm_config_minimum_release_age: '0', YARN_NPM_MINIMAL_AGE_GATE: '0' },
    shell: process.platform === 'win32',
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`${[command, ...args].join(' ')} ended with ${error ?? status}\n${stdout}`)
  return stdout
}

try {
  const sample = new URL('../examples/digit-pairs.parquet', import.meta.url)
  cpSync(fileURLToPath(sample), join(folder, 'digit-pairs.parquet'))
  writeFileSync(join(folder, 'package.json'), '{ "name": "application", "private": true }')
  writeFileSync(join(folder, 'program.mjs'), program)
  run([...manager.add, added, '@duckdb/node-api', 'commander@14'])
  run([...manager.run, 'program.mjs'])
  const totals = run([...manager.start, ...scoreArguments])
  if (!totals.includes('0.1046014820701629')) throw new Error(`wrong totals: ${totals}`)
  console.log(`${name} installed ${wanted}; the library, the command line and SQL work`)
} finally {
  rmSync(folder, { recursive: true })
}

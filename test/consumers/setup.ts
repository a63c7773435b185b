import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { nameTarget } from '../../lib/binaries.ts'
import { linkCommands, readKit } from '../support/consumers.ts'
import { node, root, run, succeeds } from '../support/processes.ts'
import { Registry } from './registry.ts'

/** What the consumers are, or need. Packages with an @ in their own name are installed under it. */
const tools = {
  npm11: 'npm:npm@11',
  npm12: 'npm:npm@12',
  pnpm9: 'npm:pnpm@9',
  pnpm12: 'npm:pnpm@12',
  yarn1: 'npm:yarn@1',
  yarn4: 'npm:@yarnpkg/cli-dist@4',
  bun: '1',
  deno: '2',
  node24: `npm:node-linux-${process.arch}@24`,
  ...Object.fromEntries(
    ['5.2', '5.3', '5.4', '5.5', '5.6', '5.7', '5.8', '5.9', '6.0', '7.0'].map((version) => {
      return [`typescript-${version}`, `npm:typescript@~${version}.0`]
    }),
  ),
  '@arethetypeswrong/cli': '^0.18',
  publint: '^0.3',
  jest: '30',
  vitest: '4',
  mocha: '12',
  esbuild: '^0.28',
  webpack: '5',
  rollup: '4',
  '@rollup/plugin-node-resolve': '16',
  '@rollup/plugin-commonjs': '29',
  vite: '8',
  '@vercel/nft': '1',
  '@types/node': '20',
  bullmq: '6',
  ioredis: '6',
  commander: '14',
  '@duckdb/node-api': '1.5.5-r.5',
}

/** The folder of this run. Mocha's processes load this file too, and inherit it. */
const folder = process.env.CONSUMERS_FOLDER ?? mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-consumers-'))
process.env.CONSUMERS_FOLDER = folder
let registry: Registry

/** Copies what `npm pack` packs, with binaries for this machine, so that the working tree stays as it is. */
async function stagePackage(stage: string): Promise<void> {
  const [{ files }] = JSON.parse(await succeeds(run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'])))
  for (const { path } of files as { path: string }[]) {
    if (!path.startsWith('dist/')) cpSync(join(root, path), join(stage, path))
  }
  await succeeds(node([join(root, 'node_modules/typescript/bin/tsc'), '--outDir', join(stage, 'dist')]))
  const prebuild = join('prebuilds', nameTarget())
  if (existsSync(join(stage, prebuild))) return console.log(`  ${prebuild} is packed`)
  console.log(`  build/Release is packed as ${prebuild}`)
  for (const ending of ['node', 'duckdb_extension']) {
    const name = `hinge_embedding_loss.${ending}`
    cpSync(join(root, 'build/Release', name), join(stage, prebuild, name))
  }
}

async function pack(): Promise<void> {
  await stagePackage(join(folder, 'stage'))
  await succeeds(run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: join(folder, 'stage') }))
  const [name = ''] = readdirSync(folder).filter((each) => each.endsWith('.tgz'))
  const { tarball, application } = readKit(folder)
  cpSync(join(folder, name), tarball)
  mkdirSync(application)
  writeFileSync(join(application, 'package.json'), '{ "private": true }')
  await succeeds(run('npm', ['install', '--offline', tarball], { cwd: application }))
}

/** Installs the tools in the folder that CONSUMERS_TOOLS names, where later runs find them, or in one of this run. */
async function installTools(): Promise<void> {
  const place = join(folder, 'tools')
  const kept = process.env.CONSUMERS_TOOLS
  mkdirSync(kept ?? place, { recursive: true })
  if (kept) symlinkSync(resolve(kept), place)
  writeFileSync(join(place, 'package.json'), JSON.stringify({ private: true, dependencies: tools }))
  await succeeds(run('npm', ['install', '--ignore-scripts', '--prefer-offline', '--loglevel=error'], { cwd: place }))
  const installed = Object.keys(tools).map((name) => {
    const { version } = JSON.parse(readFileSync(join(place, 'node_modules', name, 'package.json'), 'utf8'))
    return `${name.replace(/-?\d[\d.]*$/, '')} ${version}`
  })
  console.log(`  consumers: node ${process.version.slice(1)}, ${installed.join(', ')}`)
}

/** Writes three pairs with the losses 0.25, 0 and 0.5. */
async function writePairs(path: string): Promise<void> {
  const connection = await (await DuckDBInstance.create()).connect()
  await connection.run(`
    COPY (SELECT * FROM (VALUES (0.25::FLOAT, 1), (1.5::FLOAT, -1), (0.5::FLOAT, -1)) pairs(distance, label)) TO '${path}'`)
  connection.closeSync()
}

/** Makes what all consumers of a run share, and serves the package from a registry of its own. */
export async function mochaGlobalSetup(): Promise<void> {
  const begin = performance.now()
  const kit = readKit(folder)
  await Promise.all([pack(), installTools(), writePairs(kit.pairs)])
  linkCommands(join(folder, 'bin'), process.execPath)
  linkCommands(join(folder, 'bin-24'), kit.tool('node24', 'bin/node'))
  const upstream = execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).trim()
  registry = await Registry.start(upstream, kit.tarball)
  process.env.CONSUMERS_REGISTRY = registry.url
  console.log(`  all is ready after ${Math.round((performance.now() - begin) / 1000)} s`)
}

export function mochaGlobalTeardown(): void {
  registry?.close()
  rmSync(folder, { recursive: true, force: true })
}
